/* Packets that read, write and search memory. */
#include <errno.h>
#include <string.h>

#include "gdbstub/command.h"

#define CHUNK 4096u

static size_t mem_read(struct gdb_session *s, uint64_t addr, void *buf,
                       size_t len)
{
    return s->target.ops->mem_read(s->target.opaque, addr, buf, len, s->phys);
}

static enum gdb_reply no_memory(struct gdb_session *s, uint64_t addr)
{
    return gdb_fail(s, EFAULT, "no memory at %#llx: %s",
                    (unsigned long long)addr,
                    s->phys ? "no RAM or ROM there" : "not mapped, or no RAM");
}

/* Appends LEN bytes at ADDR in the form PUT gives them; stops where memory
 * does. */
static enum gdb_reply
read_with(struct gdb_session *s, uint64_t addr, uint64_t len,
          void (*put)(struct strbuf *, const void *, size_t))
{
    uint64_t done = 0;

    if (len > GDB_PACKET_MAX / 2 - 1) /* a shorter answer is allowed */
        len = GDB_PACKET_MAX / 2 - 1;
    while (done < len) {
        uint8_t bytes[CHUNK];
        size_t n = len - done < CHUNK ? (size_t)(len - done) : CHUNK;
        size_t got = mem_read(s, addr + done, bytes, n);

        put(&s->body, bytes, got);
        done += got;
        if (got < n)
            break;
    }
    return done || !len ? GDB_REPLY_DATA : no_memory(s, addr);
}

enum gdb_reply gdb_mem_read(struct gdb_session *s, const struct gdb_args *args)
{
    return read_with(s, args->arg[0].number, args->arg[1].number, gdb_put_hex);
}

enum gdb_reply gdb_mem_read_binary(struct gdb_session *s,
                                   const struct gdb_args *args)
{
    strbuf_putc(&s->body, 'b');
    return read_with(s, args->arg[0].number, args->arg[1].number,
                     gdb_put_binary);
}

static enum gdb_reply write(struct gdb_session *s, uint64_t addr,
                            const void *bytes, size_t len)
{
    size_t done =
        s->target.ops->mem_write(s->target.opaque, addr, bytes, len, s->phys);

    return done == len ? GDB_REPLY_OK : no_memory(s, addr + done);
}

enum gdb_reply gdb_mem_write_hex(struct gdb_session *s,
                                 const struct gdb_args *args)
{
    const struct gdb_arg *data = &args->arg[2];
    uint64_t addr = args->arg[0].number;
    uint8_t bytes[CHUNK];

    if (data->len != 2 * args->arg[1].number)
        return gdb_fail(s, EINVAL, "M: the data is not as long as it says");
    for (size_t at = 0; at < data->len; at += 2 * CHUNK) {
        size_t n = data->len - at < 2 * CHUNK ? data->len - at : 2 * CHUNK;
        enum gdb_reply reply;

        if (!gdb_from_hex(data->text + at, n, bytes))
            return gdb_fail(s, EINVAL, "M: not hexadecimal");
        reply = write(s, addr + at / 2, bytes, n / 2);
        if (reply != GDB_REPLY_OK)
            return reply;
    }
    return GDB_REPLY_OK;
}

enum gdb_reply gdb_mem_write_binary(struct gdb_session *s,
                                    const struct gdb_args *args)
{
    const struct gdb_arg *data = &args->arg[2];

    if (data->len != args->arg[1].number)
        return gdb_fail(s, EINVAL, "X: the data is not as long as it says");
    return write(s, args->arg[0].number, data->text, data->len);
}

/*
 * Finds WANT in [addr, addr + len): 1 and *AT, 0, or -1: memory ended at *AT.
 */
static int search(struct gdb_session *s, uint64_t addr, uint64_t len,
                  const struct gdb_arg *want, uint64_t *at)
{
    uint8_t window[2 * CHUNK];
    size_t have = 0;

    for (;;) {
        size_t n = sizeof(window) - have;
        size_t got;
        const uint8_t *hit;

        if (n > len)
            n = (size_t)len;
        got = mem_read(s, addr + have, window + have, n);
        len -= got;
        have += got;
        hit = memmem(window, have, want->text, want->len);
        if (hit) {
            *at = addr + (uint64_t)(hit - window);
            return 1;
        }
        if (got < n) {
            *at = addr + have;
            return -1;
        }
        if (!len || have < want->len)
            return 0;
        /* The last bytes may begin what is looked for. */
        n = have - (want->len - 1);
        memmove(window, window + n, want->len - 1);
        addr += n;
        have = want->len - 1;
    }
}

enum gdb_reply gdb_search(struct gdb_session *s, const struct gdb_args *args)
{
    const struct gdb_arg *want = &args->arg[2];
    uint64_t at;
    int found;

    if (!want->len || want->len > CHUNK)
        return gdb_fail(s, EINVAL, "search: 1 to %u bytes can be looked for",
                        CHUNK);
    found = search(s, args->arg[0].number, args->arg[1].number, want, &at);
    if (found < 0)
        return no_memory(s, at);
    strbuf_printf(&s->body, "%d", found);
    if (found)
        strbuf_printf(&s->body, ",%llx", (unsigned long long)at);
    return GDB_REPLY_DATA;
}

/* gdb's own: polynomial 04c11db7h, from all ones, not reflected. */
static uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 24;
        for (int bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7u : 0);
    }
    return crc;
}

enum gdb_reply gdb_crc(struct gdb_session *s, const struct gdb_args *args)
{
    uint64_t addr = args->arg[0].number, left = args->arg[1].number;
    uint32_t crc = 0xffffffffu;

    while (left > 0) {
        uint8_t bytes[CHUNK];
        size_t n = left < CHUNK ? (size_t)left : CHUNK;

        if (mem_read(s, addr, bytes, n) < n)
            return no_memory(s, addr);
        crc = crc32(crc, bytes, n);
        addr += n;
        left -= n;
    }
    strbuf_printf(&s->body, "C%x", crc);
    return GDB_REPLY_DATA;
}
