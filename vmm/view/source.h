/*
 * The source file that a guest's DWARF names for an address, read from the
 * host's disk.  One file at a time; knows nothing of screens.
 */
#ifndef VMM_VIEW_SOURCE_H
#define VMM_VIEW_SOURCE_H
#include "vmm/view/symbols.h"

struct source {
    const char *path; /* borrowed from the symbols; NULL: none yet */
    int line;         /* the address's, from 1 */
    char *text;       /* mapped; NULL: the file is not here, or is empty */
    size_t size;
};

#define SOURCE_LINE_MAX 256u

/*
 * S, zeroed or still open, has the line of ADDR and its file.  False: none is
 * known.  The caller closes it, whatever this says.
 */
bool source_open_at(struct source *s, const struct symbols *sym, uint64_t addr);
void source_close(struct source *s);

/*
 * As source_open_at(), with the line's text in BUF.  False: ADDR belongs to the
 * line that S has already, or to none that is known.
 */
bool source_follow(struct source *s, const struct symbols *sym, uint64_t addr,
                   char *buf, size_t len);

/* Line N without its newline, tabs as spaces; false: there is none. */
bool source_text(const struct source *s, int n, char *buf, size_t len);

/* PATH without its folders. */
const char *source_name(const char *path);
#endif
