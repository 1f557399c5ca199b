/*
 * vFile: reading files "of the target" (gdb manual, appendix E.7 "Host I/O
 * packets").  There are the guest's program, as qXfer:exec-file names it, so
 * that gdb finds symbols with no `file` command, and what qXfer:libraries
 * lists.  Every other name is a file that does not exist; writing is refused.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "gdbstub/command.h"

/* gdb's own numbers (appendix E.13.11 "Constants"): errno's are Linux's. */
#define FILEIO_S_IFREG   0100000u
#define FILEIO_S_IRUGO   0444u
#define FILEIO_STAT_SIZE 64u

static enum gdb_reply file_error(struct gdb_session *s, int error)
{
    strbuf_reset(&s->body);
    strbuf_printf(&s->body, "F-1,%x", (unsigned)error);
    return GDB_REPLY_DATA;
}

static enum gdb_reply file_result(struct gdb_session *s, unsigned long value)
{
    strbuf_printf(&s->body, "F%lx", value);
    return GDB_REPLY_DATA;
}

/* NAME is in hexadecimal digits.  The number of the file, or -errno. */
static int find_file(struct gdb_session *s, const struct gdb_arg *name)
{
    char path[PATH_MAX];

    if (!s->target.ops->file_find || name->len / 2 >= sizeof(path) ||
        !gdb_from_hex(name->text, name->len, path))
        return -ENOENT;
    path[name->len / 2] = '\0';
    if (strlen(path) != name->len / 2)
        return -ENOENT;
    return s->target.ops->file_find(s->target.opaque, path);
}

static bool is_open(const struct gdb_session *s, uint64_t fd)
{
    return fd < GDB_FILES_MAX && s->files & BIT(fd);
}

enum gdb_reply gdb_file_setfs(struct gdb_session *s,
                              const struct gdb_args *args)
{
    /* 0: the stub's own; a process' other one there is not */
    return args->arg[0].number <= 1 ? file_result(s, 0) : file_error(s, ENOENT);
}

enum gdb_reply gdb_file_open(struct gdb_session *s, const struct gdb_args *args)
{
    int file = find_file(s, &args->arg[0]);
    unsigned fd = 0;

    if (file < 0)
        return file_error(s, -file);
    if (args->arg[1].number != 0) /* but O_RDONLY */
        return file_error(s, EROFS);
    while (is_open(s, fd))
        fd++;
    if (fd == GDB_FILES_MAX)
        return file_error(s, EMFILE);
    s->files |= BIT(fd);
    s->file[fd] = (unsigned)file;
    return file_result(s, fd);
}

enum gdb_reply gdb_file_close(struct gdb_session *s,
                              const struct gdb_args *args)
{
    if (!is_open(s, args->arg[0].number))
        return file_error(s, EBADF);
    s->files &= ~BIT(args->arg[0].number);
    return file_result(s, 0);
}

enum gdb_reply gdb_file_pread(struct gdb_session *s,
                              const struct gdb_args *args)
{
    uint64_t want = args->arg[1].number;
    uint8_t bytes[GDB_FILE_CHUNK];
    ssize_t n;

    if (!is_open(s, args->arg[0].number))
        return file_error(s, EBADF);
    if (want > sizeof(bytes)) /* a shorter answer is allowed */
        want = sizeof(bytes);
    n = s->target.ops->file_read(s->target.opaque, s->file[args->arg[0].number],
                                 args->arg[2].number, bytes, (size_t)want);
    if (n < 0)
        return file_error(s, (int)-n);
    strbuf_printf(&s->body, "F%zx;", (size_t)n);
    gdb_put_binary(&s->body, bytes, (size_t)n);
    return GDB_REPLY_DATA;
}

static uint8_t *put_big(uint8_t *to, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        *to++ = (uint8_t)(value >> (8 * bytes));
    return to;
}

enum gdb_reply gdb_file_fstat(struct gdb_session *s,
                              const struct gdb_args *args)
{
    struct gdb_file_stat st;
    uint8_t out[FILEIO_STAT_SIZE] = {0}, *to = out;
    int err;

    if (!is_open(s, args->arg[0].number))
        return file_error(s, EBADF);
    err = s->target.ops->file_stat(s->target.opaque,
                                   s->file[args->arg[0].number], &st);
    if (err)
        return file_error(s, -err);
    to = put_big(to + 8, FILEIO_S_IFREG | FILEIO_S_IRUGO, 4); /* dev, ino */
    to = put_big(to, 1, 4);                                   /* nlink */
    to = put_big(to + 12, st.size, 8); /* uid, gid, rdev */
    to = put_big(to, GDB_FILE_CHUNK, 8);
    to = put_big(to, (st.size + 511) / 512, 8);
    for (int i = 0; i < 3; i++) /* accessed, modified, changed */
        to = put_big(to, st.mtime, 4);
    assert(to == out + sizeof(out));
    strbuf_printf(&s->body, "F%x;", FILEIO_STAT_SIZE);
    gdb_put_binary(&s->body, out, sizeof(out));
    return GDB_REPLY_DATA;
}

/* Their names have all links resolved. */
enum gdb_reply gdb_file_readlink(struct gdb_session *s,
                                 const struct gdb_args *args)
{
    int file = find_file(s, &args->arg[0]);

    return file_error(s, file < 0 ? -file : EINVAL);
}
