/* The functions behind view.def; included by view.c and the view_*.c. */
#ifndef VMM_VIEW_VIEWS_H
#define VMM_VIEW_VIEWS_H
#include "vmm/view/view.h"

#define VIEW(name, args, summary) view_fn view_##name;
#include "vmm/view/view.def"
#undef VIEW
#endif
