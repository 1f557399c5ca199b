/*
 * The views: everything Ringside can show of a stopped guest, as documents
 * (doc.h).  One row in view.def and one function each.  `ringside view`, the
 * screen's panes, the command line and gdb's `monitor` print the same ones.
 *
 * A view never changes the guest: no accessed bits, no device reads.
 */
#ifndef VMM_VIEW_VIEW_H
#define VMM_VIEW_VIEW_H
#include "vmm/debug.h"
#include "vmm/view/doc.h"
#include "vmm/view/symbols.h"

struct exit_report;
struct view_past;

struct view_ctx {
    struct vm *vm;
    struct debug *dbg;               /* NULL: there is no debugger */
    const struct symbols *sym;       /* NULL: none */
    const struct x86_state *prev;    /* at the last stop; NULL: not known */
    const struct exit_report *other; /* a run to compare with; or NULL */
    struct view_past *past;          /* the last stop; NULL: not known */
    bool utf8;                       /* may show more than ASCII */
};

/* ARGV[0] is the view's name.  False: the reason is the last note of DOC. */
typedef bool view_fn(const struct view_ctx *ctx, int argc, char **argv,
                     struct doc *doc);

struct view {
    const char *name;
    const char *args; /* for help: "[ADDRESS [COUNT]]" */
    const char *summary;
    view_fn *fn;
};

const struct view *view_find(const char *name);
const struct view *view_nth(size_t n); /* NULL past the last */

/* For views: adds the message as a marked note and returns false. */
bool view_fail(struct doc *doc, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* ARGV[I] as an expression; DFLT if there is none. */
bool view_arg(const struct view_ctx *ctx, int argc, char **argv, int i,
              uint64_t dflt, uint64_t *value, struct doc *doc);
/* ARGV[1] as an address; DFLT if there is none, or it is a dot. */
bool view_address(const struct view_ctx *ctx, int argc, char **argv,
                  uint64_t dflt, uint64_t *gla, struct doc *doc);
#endif
