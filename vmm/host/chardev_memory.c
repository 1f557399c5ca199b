/* A serial line that ends in memory. */
#include <errno.h>
#include <stdlib.h>

#include "vmm/base/strbuf.h"
#include "vmm/host/chardev_host.h"

struct memory_chr {
    struct chardev chr;
    struct strbuf output;
    FILE *echo; /* or NULL */
};

static void memory_write(struct chardev *chr, const uint8_t *bytes, size_t len)
{
    struct memory_chr *m = (struct memory_chr *)chr;

    strbuf_add(&m->output, bytes, len);
    if (m->echo) {
        fwrite(bytes, 1, len, m->echo);
        fflush(m->echo);
    }
}

int chardev_memory_create(struct chardev **out)
{
    struct memory_chr *m = calloc(1, sizeof(*m));

    *out = NULL;
    if (!m)
        return -ENOMEM;
    m->chr.write = memory_write;
    *out = &m->chr;
    return 0;
}

void chardev_memory_destroy(struct chardev *chr)
{
    struct memory_chr *m = (struct memory_chr *)chr;

    strbuf_fini(&m->output);
    strbuf_fini(&m->chr.typed);
    free(m);
}

const char *chardev_memory_output(const struct chardev *chr, size_t *len)
{
    const struct memory_chr *m = (const struct memory_chr *)chr;

    if (len)
        *len = m->output.len;
    return strbuf_str(&m->output);
}

void chardev_memory_echo(struct chardev *chr, FILE *to)
{
    ((struct memory_chr *)chr)->echo = to;
}
