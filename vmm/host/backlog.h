/* The newest bytes of a stream that nobody reads just now.  Pure. */
#ifndef VMM_HOST_BACKLOG_H
#define VMM_HOST_BACKLOG_H
#include "vmm/base/base.h"

#define BACKLOG_BYTES 65536u

struct backlog {
    uint8_t byte[BACKLOG_BYTES];
    size_t head; /* index of the oldest */
    size_t len;
    uint64_t lost; /* bytes that had to make room */
};

void backlog_put(struct backlog *b, const uint8_t *bytes, size_t len);
/* The oldest bytes that lie together: *BYTES and how many. */
size_t backlog_peek(const struct backlog *b, const uint8_t **bytes);
void backlog_drop(struct backlog *b, size_t len); /* the oldest LEN */
#endif
