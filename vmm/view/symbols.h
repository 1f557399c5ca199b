/*
 * Names, sizes and source lines of a guest's program, from its ELF file and
 * DWARF by elfutils; or names alone from a list such as Linux' System.map.
 * Knows nothing of machines.
 */
#ifndef VMM_VIEW_SYMBOLS_H
#define VMM_VIEW_SYMBOLS_H
#include "vmm/base/base.h"

struct symbols;

/* PATH is an ELF file, or lines of an address, a letter and a name as nm,
 * System.map and /proc/kallsyms have them.  0, or -errno: -ENOEXEC if it is
 * neither. */
int symbols_load(struct symbols **out, const char *path);
void symbols_free(struct symbols *s); /* NULL: nothing */

/* Every address from now on is DELTA more than the file says. */
void symbols_relocate(struct symbols *s, int64_t delta);

/* In all of these S may be NULL: nothing is known. */

int64_t symbols_delta(const struct symbols *s);

/* The symbol that holds ADDR and how far in; NULL if there is none. */
const char *symbols_at(const struct symbols *s, uint64_t addr,
                       uint64_t *offset);
bool symbols_lookup(const struct symbols *s, const char *name, uint64_t *addr,
                    uint64_t *size);
/* The N-th name in alphabetical order that starts with PREFIX, or NULL. */
const char *symbols_complete(const struct symbols *s, const char *prefix,
                             size_t n);
size_t symbols_count(const struct symbols *s);

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
