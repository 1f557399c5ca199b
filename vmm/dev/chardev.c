#include "vmm/dev/chardev.h"

#include <string.h>

void chardev_type(struct chardev *chr, const void *bytes, size_t len)
{
    strbuf_add(&chr->typed, bytes, len);
    chardev_drained(chr);
}

void chardev_drained(struct chardev *chr)
{
    struct strbuf *typed = &chr->typed;
    size_t n = chr->can_receive ? chr->can_receive(chr->opaque) : 0;

    if (n > typed->len)
        n = typed->len;
    if (n) {
        chr->receive(chr->opaque, (const uint8_t *)typed->text, n);
        typed->len -= n;
        memmove(typed->text, typed->text + n, typed->len);
    }
    if (!typed->len && chr->drained)
        chr->drained(chr);
}
