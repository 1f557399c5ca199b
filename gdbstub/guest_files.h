/*
 * The files that a client may read: the guest's program, and the ELF files
 * whose names `monitor symbols` has loaded beside it.  What a client sends is
 * compared with their paths and never reaches the host's file system.
 */
#ifndef GDBSTUB_GUEST_FILES_H
#define GDBSTUB_GUEST_FILES_H
#include "gdbstub/target.h"
#include "vmm/base/strbuf.h"
#include "vmm/view/symbols.h"

#define GUEST_FILES_MAX 16u

/* All zeros: none. */
struct guest_files {
    struct guest_file {
        int fd;
        char *path; /* absolute, links resolved; owned */
    } file[GUEST_FILES_MAX];
    unsigned count;
    bool has_program; /* it is the first */
};

/* Before anything else: opens PATH for reading.  0, or -errno: none. */
int guest_files_open_program(struct guest_files *f, const char *path);
void guest_files_close(struct guest_files *f);
const char *guest_files_program(const struct guest_files *f); /* or NULL */

/*
 * Which file PATH is, if SYM has it or it is the program; a number that stays.
 * SYM's is opened now: it may have been made anew.  -ENOENT, or the host's.
 */
int guest_files_find(struct guest_files *f, const struct symbols *sym,
                     const char *path);
/* Bytes read from OFFSET, 0 at the end, or -errno. */
ssize_t guest_files_read(const struct guest_files *f, unsigned n,
                         uint64_t offset, void *buf, size_t len);
int guest_files_stat(const struct guest_files *f, unsigned n,
                     struct gdb_file_stat *to);

/* By how much the program's addresses are more than it says; without one: those
 * of the first file of SYM. */
int64_t guest_files_delta(const struct guest_files *f,
                          const struct symbols *sym);
/* SYM's files but the program, and where they are (gdb manual, appendix G.5
 * "Library List Format"). */
void guest_files_libraries(const struct guest_files *f,
                           const struct symbols *sym, struct strbuf *out);
#endif
