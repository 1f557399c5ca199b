/*
 * What views showed at the last stop: so that they can mark what has changed.
 * A view says what it shows; when the guest is about to run, that is looked at
 * once more and kept.  What nobody has shown lately is not.
 */
#ifndef VMM_VIEW_PAST_H
#define VMM_VIEW_PAST_H
#include "vmm/view/page_runs.h"
#include "vmm/vm.h"

struct view_past;

struct view_past *view_past_create(void);
void view_past_free(struct view_past *past); /* NULL: nothing */

/* The guest is about to run. */
void view_past_keep(struct view_past *past, struct vm *vm);

/* In all of these PAST may be NULL: nothing is known. */

/* The tree is shown.  Its runs at the last stop, or NULL; *CR3 was theirs. */
const struct page_runs *view_past_tree(struct view_past *past, uint64_t *cr3);

/*
 * LEN bytes at ADDR are shown.  Their values at the last stop in BUF; how many
 * of them, from the first, are known.
 */
size_t view_past_bytes(struct view_past *past, bool phys, uint64_t addr,
                       void *buf, size_t len);
#endif
