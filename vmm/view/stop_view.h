/*
 * Which view says most about a stop: the walk of a page fault, the chip of a
 * port.  A screen brings it forward.
 */
#ifndef VMM_VIEW_STOP_VIEW_H
#define VMM_VIEW_STOP_VIEW_H
#include "vmm/debug.h"

struct stop_view {
    const char *view; /* of view.def; NULL: nothing special */
    char arg[96];     /* what it is given; "": nothing */
};

struct stop_view stop_view(struct vm *vm, const struct x86_state *st,
                           const struct debug_stop *stop);
#endif
