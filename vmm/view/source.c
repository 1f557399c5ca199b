#include "vmm/view/source.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* All of PATH; NULL: it cannot be read, or is empty. */
static char *map_file(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *text = MAP_FAILED;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        *size = (size_t)st.st_size;
        text = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    return text == MAP_FAILED ? NULL : text;
}

void source_close(struct source *s)
{
    if (s->text)
        munmap(s->text, s->size);
    *s = (struct source){0};
}

bool source_open_at(struct source *s, const struct symbols *sym, uint64_t addr)
{
    const char *path;
    int line;

    if (!symbols_line(sym, addr, &path, &line))
        return false;
    if (!s->path || strcmp(s->path, path) != 0) {
        source_close(s);
        s->path = path;
        s->text = map_file(path, &s->size);
    }
    s->line = line;
    return true;
}

bool source_follow(struct source *s, const struct symbols *sym, uint64_t addr,
                   char *buf, size_t len)
{
    const char *path = s->path;
    int line = s->line;

    if (!source_open_at(s, sym, addr) || (s->path == path && s->line == line))
        return false;
    if (!source_text(s, s->line, buf, len))
        buf[0] = '\0';
    return true;
}

bool source_text(const struct source *s, int n, char *buf, size_t len)
{
    const char *at = s->text, *end = s->text + s->size, *nl;
    size_t size;

    while (at && at < end && --n > 0) {
        nl = memchr(at, '\n', (size_t)(end - at));
        at = nl ? nl + 1 : end;
    }
    if (!at || at >= end)
        return false;
    nl = memchr(at, '\n', (size_t)(end - at));
    size = (size_t)((nl ? nl : end) - at);
    size = size < len ? size : len - 1;
    memcpy(buf, at, size);
    buf[size] = '\0';
    for (char *c = buf; *c; c++)
        *c = *c == '\t' ? ' ' : *c;
    return true;
}

const char *source_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}
