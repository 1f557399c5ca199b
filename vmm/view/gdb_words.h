/*
 * gdb's own names for commands, for fingers that know them: `info registers`,
 * `x/4i $pc`, `stepi`, `set $eax = 1`.  A line of text becomes another; what
 * the commands do is elsewhere.
 */
#ifndef VMM_VIEW_GDB_WORDS_H
#define VMM_VIEW_GDB_WORDS_H
#include "vmm/base/base.h"

/*
 * LINE, without spaces before it, in our words, in BUF.  False: it is in our
 * words already, or too long for BUF, which is then undefined.
 */
bool gdb_words(const char *line, char *buf, size_t len);

/* A name that gdb has for a command or a view of ours; NULL past the last. */
const char *gdb_words_nth(size_t n);
/* What WORD is here; NULL: it is not gdb's. */
const char *gdb_words_find(const char *word);
/* What WORD after `info` is here, in full or without its s; or NULL. */
const char *gdb_words_info(const char *word);
#endif
