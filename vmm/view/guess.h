/*
 * What somebody may have meant who typed no name of a command or view: a name
 * that is nearly that, what gdb calls so, or what is about it by its summary.
 * Likewise of values in expressions.
 */
#ifndef VMM_VIEW_GUESS_H
#define VMM_VIEW_GUESS_H
#include "vmm/view/symbols.h"

/* Up to three names, "points, break", in BUF; false: it is like nothing. */
bool guess_names(const char *word, char *buf, size_t len);

/* The same of a register or a symbol; SYM may be NULL. */
bool guess_values(const struct symbols *sym, const char *word, char *buf,
                  size_t len);
#endif
