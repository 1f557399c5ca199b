#include "vmm/host/backlog.h"

#include <string.h>

void backlog_drop(struct backlog *b, size_t len)
{
    assert(len <= b->len);
    b->head = (b->head + len) % BACKLOG_BYTES;
    b->len -= len;
}

void backlog_put(struct backlog *b, const uint8_t *bytes, size_t len)
{
    if (len > BACKLOG_BYTES) {
        b->lost += len - BACKLOG_BYTES;
        bytes += len - BACKLOG_BYTES;
        len = BACKLOG_BYTES;
    }
    if (b->len + len > BACKLOG_BYTES) {
        b->lost += b->len + len - BACKLOG_BYTES;
        backlog_drop(b, b->len + len - BACKLOG_BYTES);
    }
    while (len) {
        size_t at = (b->head + b->len) % BACKLOG_BYTES;
        size_t n = BACKLOG_BYTES - at < len ? BACKLOG_BYTES - at : len;

        memcpy(b->byte + at, bytes, n);
        b->len += n;
        bytes += n;
        len -= n;
    }
}

size_t backlog_peek(const struct backlog *b, const uint8_t **bytes)
{
    *bytes = b->byte + b->head;
    return BACKLOG_BYTES - b->head < b->len ? BACKLOG_BYTES - b->head : b->len;
}
