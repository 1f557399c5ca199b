#include "vmm/dev/chardev.h"

#include <string.h>

void chardev_type(struct chardev *chr, const void *bytes, size_t len)
{
    strbuf_add(&chr->typed, bytes, len);
    chardev_drained(chr);
}

void chardev_deliver(struct chardev *chr, void *bytes, size_t *len)
{
    size_t n = chr->can_receive ? chr->can_receive(chr->opaque) : 0;

    if (n > *len)
        n = *len;
    if (!n)
        return;
    chr->receive(chr->opaque, bytes, n);
    *len -= n;
    memmove(bytes, (uint8_t *)bytes + n, *len);
}

void chardev_drained(struct chardev *chr)
{
    chardev_deliver(chr, chr->typed.text, &chr->typed.len);
    if (!chr->typed.len && chr->drained)
        chr->drained(chr);
}
