/* The views and the keys of their JSON as a page of course-notes/generated/. */
#ifndef VMM_VIEW_VIEW_DOCS_H
#define VMM_VIEW_VIEW_DOCS_H
#include "vmm/base/strbuf.h"

void view_docs_md(struct strbuf *out);
#endif
