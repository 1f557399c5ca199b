/*
 * Names, sizes and source lines of a guest's program, from its ELF file and
 * DWARF by elfutils; or names alone from a list such as Linux' System.map.
 * There may be several files: boot loader and kernel, kernel and module.
 * Knows nothing of machines.
 */
#ifndef VMM_VIEW_SYMBOLS_H
#define VMM_VIEW_SYMBOLS_H
#include "vmm/base/base.h"

struct symbols; /* a file, and those that were added to it */

/* PATH is an ELF file, or lines of an address, a letter and a name as nm,
 * System.map and /proc/kallsyms have them.  0, or -errno: -ENOEXEC if it is
 * neither. */
int symbols_load(struct symbols **out, const char *path);
void symbols_free(struct symbols *s); /* with those added; NULL: nothing */

/*
 * MORE, one file, is S's from now on, behind the others; in place of the same
 * file if that is there.  S may be NULL.  What is S now.
 */
struct symbols *symbols_add(struct symbols *s, struct symbols *more);

/* Every address of this file from now on is DELTA more than it says. */
void symbols_relocate(struct symbols *s, int64_t delta);

/* In all of these S may be NULL: nothing is known. */

/* Of S's first file alone: */
int64_t symbols_delta(const struct symbols *s);
size_t symbols_count(const struct symbols *s);
const char *symbols_path(const struct symbols *s); /* absolute */
/*
 * Where its first loadable segment is now.  False: it is no ELF file that has
 * one, the lowest first as the ABI wants it; or it would be moved beyond the
 * end of all addresses.
 */
bool symbols_base(const struct symbols *s, uint64_t *addr);
const struct symbols *symbols_next(const struct symbols *s); /* NULL: no more */

/* Of all files: */

/* The symbol that holds ADDR and how far in; NULL if there is none. */
const char *symbols_at(const struct symbols *s, uint64_t addr,
                       uint64_t *offset);
bool symbols_lookup(const struct symbols *s, const char *name, uint64_t *addr,
                    uint64_t *size);
/* The N-th name that starts with PREFIX, or NULL; alphabetically, file by file.
 */
const char *symbols_complete(const struct symbols *s, const char *prefix,
                             size_t n);

/* Source file (owned by S) and line of ADDR; false if not known. */
bool symbols_line(const struct symbols *s, uint64_t addr, const char **file,
                  int *line);

/* Where LINE of FILE (a path, or a name without folders), or the next line with
 * code, begins; false: there is none. */
bool symbols_find_line(const struct symbols *s, const char *file, int line,
                       uint64_t *addr);
/*
 * FIRST[I], of N: the lowest address of line I of FILE in the compilation unit
 * of ADDR; 0: the line made no code.
 */
void symbols_lines(const struct symbols *s, uint64_t addr, const char *file,
                   uint64_t *first, size_t n);

/* "name+0x12", or "0x1234" if no symbol holds it. */
void symbols_format(const struct symbols *s, uint64_t addr, char *buf,
                    size_t len);
#endif
