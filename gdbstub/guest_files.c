#include "gdbstub/guest_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const struct guest_files *f, const char *path)
{
    return f->has_program && strcmp(f->file[0].path, path) == 0;
}

/* At file[N], which is there already or the next one; PATH: owned now. */
static int open_as(struct guest_files *f, unsigned n, char *path)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    int err = path ? -errno : -ENOMEM;

    if (fd < 0) {
        free(path);
        return err;
    }
    if (n < f->count) {
        close(f->file[n].fd);
        free(f->file[n].path);
    } else {
        f->count++;
    }
    f->file[n] = (struct guest_file){.fd = fd, .path = path};
    return (int)n;
}

int guest_files_open_program(struct guest_files *f, const char *path)
{
    char *full = realpath(path, NULL);
    int n = full ? open_as(f, 0, full) : -errno;

    f->has_program = n == 0;
    return n;
}

void guest_files_close(struct guest_files *f)
{
    for (unsigned i = 0; i < f->count; i++) {
        close(f->file[i].fd);
        free(f->file[i].path);
    }
    *f = (struct guest_files){0};
}

const char *guest_files_program(const struct guest_files *f)
{
    return f->has_program ? f->file[0].path : NULL;
}

int guest_files_find(struct guest_files *f, const struct symbols *sym,
                     const char *path)
{
    uint64_t base;
    unsigned n = 0;

    if (is_program(f, path))
        return 0;
    while (sym &&
           !(symbols_base(sym, &base) && strcmp(symbols_path(sym), path) == 0))
        sym = symbols_next(sym);
    if (!sym)
        return -ENOENT;
    while (n < f->count && strcmp(f->file[n].path, path) != 0)
        n++;
    return n < GUEST_FILES_MAX ? open_as(f, n, strdup(path)) : -EMFILE;
}

ssize_t guest_files_read(const struct guest_files *f, unsigned n,
                         uint64_t offset, void *buf, size_t len)
{
    ssize_t got;

    assert(n < f->count);
    if (offset > INT64_MAX)
        return 0;
    got = pread(f->file[n].fd, buf, len, (off_t)offset);
    return got < 0 ? -errno : got;
}

int guest_files_stat(const struct guest_files *f, unsigned n,
                     struct gdb_file_stat *to)
{
    struct stat st;

    assert(n < f->count);
    if (fstat(f->file[n].fd, &st) < 0)
        return -errno;
    *to = (struct gdb_file_stat){
        .size = (uint64_t)st.st_size,
        .mtime = (uint32_t)st.st_mtime,
    };
    return 0;
}

int64_t guest_files_delta(const struct guest_files *f,
                          const struct symbols *sym)
{
    const struct symbols *first = sym;

    while (sym && !is_program(f, symbols_path(sym)))
        sym = symbols_next(sym);
    return symbols_delta(sym || f->has_program ? sym : first);
}

static void put_escaped(struct strbuf *out, const char *text)
{
    static const char *const entities[] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;"};

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < ARRAY_SIZE(entities) && entities[c])
            strbuf_puts(out, entities[c]);
        else
            strbuf_putc(out, *text);
    }
}

void guest_files_libraries(const struct guest_files *f,
                           const struct symbols *sym, struct strbuf *out)
{
    strbuf_puts(out, "<library-list>\n");
    for (; sym; sym = symbols_next(sym)) {
        uint64_t base;

        if (is_program(f, symbols_path(sym)) || !symbols_base(sym, &base))
            continue;
        strbuf_puts(out, "<library name=\"");
        put_escaped(out, symbols_path(sym));
        /* One segment for all of them: the file is moved as a whole. */
        strbuf_printf(out, "\"><segment address=\"%#llx\"/></library>\n",
                      (unsigned long long)base);
    }
    strbuf_puts(out, "</library-list>\n");
}
