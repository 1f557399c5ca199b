#include "gdbstub/packet.h"

#include <stdlib.h>
#include <string.h>

/* A run's count is a printable byte: 29 more than the repeats. */
#define RUN_BASE  29
#define RUN_MIN   3  /* repeats; below, it saves nothing */
#define RUN_MAX   97 /* 126 - RUN_BASE */
#define ESCAPE    0x7d
#define INTERRUPT 0x03

static const char digits[] = "0123456789abcdef";

void gdb_framer_init(struct gdb_framer *f)
{
    f->state = GDB_FRAMER_IDLE;
    f->len = 0;
    f->body[0] = '\0';
}

static void begin(struct gdb_framer *f)
{
    f->state = GDB_FRAMER_BODY;
    f->escaped = f->too_long = false;
    f->sum = 0;
    f->len = 0;
}

static enum gdb_event idle(struct gdb_framer *f, uint8_t c)
{
    switch (c) {
    case '$':
        begin(f);
        return GDB_EVENT_NONE;
    case '+':
        return GDB_EVENT_ACK;
    case '-':
        return GDB_EVENT_NAK;
    case INTERRUPT:
        return GDB_EVENT_INTERRUPT;
    default: /* noise on the line */
        return GDB_EVENT_NONE;
    }
}

static void store(struct gdb_framer *f, uint8_t c)
{
    if (f->len == GDB_PACKET_MAX)
        f->too_long = true;
    else
        f->body[f->len++] = (char)c;
}

static enum gdb_event body(struct gdb_framer *f, uint8_t c)
{
    if (c == '#') {
        f->state = GDB_FRAMER_SUM1;
        return GDB_EVENT_NONE;
    }
    if (c == '$') { /* never inside a packet: a new one, the old was cut off */
        begin(f);
        return GDB_EVENT_NONE;
    }
    f->sum = (uint8_t)(f->sum + c);
    if (f->escaped) {
        store(f, c ^ 0x20);
        f->escaped = false;
    } else if (c == ESCAPE) {
        f->escaped = true;
    } else {
        store(f, c);
    }
    return GDB_EVENT_NONE;
}

static enum gdb_event end(struct gdb_framer *f, uint8_t c)
{
    int low = gdb_hex_digit((char)c), high = gdb_hex_digit((char)f->wanted);

    f->state = GDB_FRAMER_IDLE;
    f->body[f->len] = '\0';
    if (low < 0 || high < 0 || f->escaped || high * 16 + low != f->sum)
        return GDB_EVENT_BAD;
    return f->too_long ? GDB_EVENT_TOO_LONG : GDB_EVENT_PACKET;
}

static enum gdb_event take(struct gdb_framer *f, uint8_t c)
{
    switch (f->state) {
    case GDB_FRAMER_IDLE:
        return idle(f, c);
    case GDB_FRAMER_BODY:
        return body(f, c);
    case GDB_FRAMER_SUM1:
        f->wanted = c;
        f->state = GDB_FRAMER_SUM2;
        return GDB_EVENT_NONE;
    case GDB_FRAMER_SUM2:
        return end(f, c);
    }
    abort();
}

size_t gdb_framer_feed(struct gdb_framer *f, const uint8_t *bytes, size_t len,
                       enum gdb_event *event)
{
    *event = GDB_EVENT_NONE;
    for (size_t i = 0; i < len; i++) {
        *event = take(f, bytes[i]);
        if (*event != GDB_EVENT_NONE)
            return i + 1;
    }
    return len;
}

/* ---- replies ------------------------------------------------------------ */

/* '#' and '$' cannot count: a run of so many is one or two shorter. */
static size_t usable_repeats(size_t repeats)
{
    if (repeats > RUN_MAX)
        repeats = RUN_MAX;
    while (repeats + RUN_BASE == '#' || repeats + RUN_BASE == '$')
        repeats--;
    return repeats;
}

/* Looks no further than a count can say. */
static size_t run_length(const char *p, const char *limit)
{
    const char *q = p + 1;

    if (limit - p > (ptrdiff_t)RUN_MAX + 1)
        limit = p + RUN_MAX + 1;

    while (q < limit && *q == *p)
        q++;
    return (size_t)(q - p);
}

static uint64_t load8(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

/* Do three equal bytes in a row begin at none of the eight from P?  A zero
 * byte in a word is found as in "Hacker's Delight", 6-1. */
static bool no_run(const char *p)
{
    uint64_t same = (load8(p) ^ load8(p + 1)) | (load8(p + 1) ^ load8(p + 2));
    const uint64_t low = ~0ull / 255, high = low << 7;

    return !((same - low) & ~same & high);
}

/* Eight bytes at a time, in lanes of 16 bits that are folded in time. */
static uint8_t sum_of(const char *p, size_t len)
{
    const uint64_t even = 0x00ff00ff00ff00ffu;
    uint64_t total = 0;

    while (len >= 8) {
        uint64_t lanes = 0;

        for (unsigned i = 0; i < 100 && len >= 8; i++, p += 8, len -= 8)
            lanes += (load8(p) & even) + (load8(p) >> 8 & even);
        total += lanes + (lanes >> 16) + (lanes >> 32) + (lanes >> 48);
    }
    while (len-- > 0)
        total += (uint8_t)*p++;
    return (uint8_t)total;
}

void gdb_frame(struct strbuf *out, const char *body, size_t len)
{
    const char *p = body, *limit = body + len;
    size_t start = out->len;
    uint8_t sum;
    char *to;

    strbuf_grow(out, len + 4);
    to = out->text + start;
    *to++ = '$';
    while (p < limit) {
        while (limit - p >= 10 && no_run(p)) {
            memcpy(to, p, 8);
            p += 8, to += 8;
        }
        if (p == limit)
            break;
        *to++ = *p;
        if (limit - p > (ptrdiff_t)RUN_MIN && p[1] == p[0] && p[2] == p[0]) {
            size_t repeats = usable_repeats(run_length(p, limit) - 1);

            if (repeats >= RUN_MIN) {
                *to++ = '*';
                *to++ = (char)(repeats + RUN_BASE);
                p += repeats;
            }
        }
        p++;
    }
    sum = sum_of(out->text + start + 1, (size_t)(to - (out->text + start + 1)));
    *to++ = '#';
    *to++ = digits[sum >> 4];
    *to++ = digits[sum & 15];
    *to = '\0';
    out->len = (size_t)(to - out->text);
}

/* Eight nibbles, one a byte, as digits: 39 more from a on. */
static uint64_t to_digits(uint64_t nibbles)
{
    uint64_t letters = (nibbles + 0x0606060606060606u) >> 4 & ~0ull / 255;

    return nibbles + 0x3030303030303030u + letters * 39;
}

void gdb_put_hex(struct strbuf *body, const void *bytes, size_t len)
{
    const uint8_t *in = bytes;
    char *to;
    size_t i = 0;

    strbuf_grow(body, 2 * len);
    to = body->text + body->len;
    for (; len - i >= 4; i += 4, to += 8) { /* b3 b2 b1 b0: 0b3 0b2... */
        uint64_t w = (uint64_t)in[i] | (uint64_t)in[i + 1] << 16 |
                     (uint64_t)in[i + 2] << 32 | (uint64_t)in[i + 3] << 48;

        w = (w >> 4 & 0x000f000f000f000fu) | (w & 0x000f000f000f000fu) << 8;
        w = to_digits(w);
        memcpy(to, &w, 8);
    }
    for (; i < len; i++) {
        *to++ = digits[in[i] >> 4];
        *to++ = digits[in[i] & 15];
    }
    *to = '\0';
    body->len += 2 * len;
}

void gdb_put_binary(struct strbuf *body, const void *bytes, size_t len)
{
    const uint8_t *in = bytes;
    char *to;

    strbuf_grow(body, 2 * len);
    to = body->text + body->len;
    for (size_t i = 0; i < len; i++) {
        if (in[i] == '#' || in[i] == '$' || in[i] == '*' || in[i] == ESCAPE) {
            *to++ = (char)ESCAPE;
            *to++ = (char)(in[i] ^ 0x20);
        } else {
            *to++ = (char)in[i];
        }
    }
    *to = '\0';
    body->len = (size_t)(to - body->text);
}

int gdb_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool gdb_from_hex(const char *text, size_t len, void *bytes)
{
    uint8_t *out = bytes;

    if (len % 2)
        return false;
    for (size_t i = 0; i < len; i += 2) {
        int high = gdb_hex_digit(text[i]), low = gdb_hex_digit(text[i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i / 2] = (uint8_t)(high * 16 + low);
    }
    return true;
}
