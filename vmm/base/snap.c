#include "vmm/base/snap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct record_head {
    uint32_t name_hash;
    uint32_t len;
};

void snap_init_save(struct snap *s)
{
    *s = (struct snap){.saving = true};
}

void snap_init_restore(struct snap *s, const void *buf, size_t len)
{
    /* Restoring only reads through buf; the cast drops a const we keep. */
    *s = (struct snap){.buf = (uint8_t *)(uintptr_t)buf, .len = len};
}

void snap_fini(struct snap *s)
{
    if (s->saving)
        free(s->buf);
    *s = (struct snap){0};
}

static void append(struct snap *s, const void *ptr, size_t len)
{
    s->buf = realloc(s->buf, s->len + len);
    assert(s->buf && "out of memory");
    memcpy(s->buf + s->len, ptr, len);
    s->len += len;
}

static void save_field(struct snap *s, const char *name, const void *ptr,
                       size_t len)
{
    struct record_head head = {hash_text(name), (uint32_t)len};

    append(s, &head, sizeof(head));
    append(s, ptr, len);
}

static void restore_field(struct snap *s, const char *name, void *ptr,
                          size_t len)
{
    struct record_head head;

    if (s->len - s->pos < sizeof(head)) {
        s->err = -EINVAL;
        return;
    }
    memcpy(&head, s->buf + s->pos, sizeof(head));
    if (head.name_hash != hash_text(name) || head.len != len ||
        s->len - s->pos - sizeof(head) < len) {
        s->err = -EINVAL;
        return;
    }
    memcpy(ptr, s->buf + s->pos + sizeof(head), len);
    s->pos += sizeof(head) + len;
}

void snap_bytes(struct snap *s, const char *name, void *ptr, size_t len)
{
    if (s->err)
        return;
    if (s->saving)
        save_field(s, name, ptr, len);
    else
        restore_field(s, name, ptr, len);
}
