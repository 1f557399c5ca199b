/*
 * The one file that a client may read: the guest's program.  It is opened once
 * and read through that descriptor; no name that a client sends ever reaches
 * the host's file system.
 */
#ifndef GDBSTUB_EXEC_FILE_H
#define GDBSTUB_EXEC_FILE_H
#include <limits.h>

#include "gdbstub/target.h"

struct exec_file {
    int fd;              /* -1: none */
    char path[PATH_MAX]; /* absolute, links resolved; "": none */
};

/* Opens PATH for reading.  0, or -errno, and F is empty. */
int exec_file_open(struct exec_file *f, const char *path);
void exec_file_close(struct exec_file *f);
/* Bytes read from OFFSET, 0 at the end, or -errno. */
ssize_t exec_file_read(const struct exec_file *f, uint64_t offset, void *buf,
                       size_t len);
int exec_file_stat(const struct exec_file *f, struct gdb_file_stat *to);
#endif
