#include "gdbstub/exec_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int exec_file_open(struct exec_file *f, const char *path)
{
    int err = 0;

    f->path[0] = '\0';
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return -errno;
    if (!realpath(path, f->path)) {
        err = -errno;
        exec_file_close(f);
    }
    return err;
}

void exec_file_close(struct exec_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->path[0] = '\0';
}

ssize_t exec_file_read(const struct exec_file *f, uint64_t offset, void *buf,
                       size_t len)
{
    ssize_t n;

    if (f->fd < 0)
        return -EBADF;
    if (offset > INT64_MAX)
        return 0;
    n = pread(f->fd, buf, len, (off_t)offset);
    return n < 0 ? -errno : n;
}

int exec_file_stat(const struct exec_file *f, struct gdb_file_stat *to)
{
    struct stat st;

    if (f->fd < 0)
        return -EBADF;
    if (fstat(f->fd, &st) < 0)
        return -errno;
    *to = (struct gdb_file_stat){
        .size = (uint64_t)st.st_size,
        .mtime = (uint32_t)st.st_mtime,
    };
    return 0;
}
