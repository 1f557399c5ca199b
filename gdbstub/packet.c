#include "gdbstub/packet.h"

#include <emmintrin.h>
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

static __m128i load16(const void *p)
{
    return _mm_loadu_si128(p);
}

/* Do three equal bytes in a row begin at none of the sixteen from P? */
static bool no_run(const char *p)
{
    __m128i next = load16(p + 1);
    __m128i same = _mm_and_si128(_mm_cmpeq_epi8(load16(p), next),
                                 _mm_cmpeq_epi8(next, load16(p + 2)));

    return !_mm_movemask_epi8(same);
}

static uint8_t sum_of(const char *p, size_t len)
{
    __m128i sums = _mm_setzero_si128();
    unsigned total;

    for (; len >= 16; p += 16, len -= 16)
        sums =
            _mm_add_epi64(sums, _mm_sad_epu8(load16(p), _mm_setzero_si128()));
    total = (unsigned)(_mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4));
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
        while (limit - p >= 18 && no_run(p)) {
            memcpy(to, p, 16);
            p += 16, to += 16;
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

/* Sixteen nibbles, one a byte, as digits. */
static __m128i to_digits(__m128i nibbles)
{
    __m128i letters = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
    __m128i first = _mm_and_si128(letters, _mm_set1_epi8('a' - '0' - 10));

    return _mm_add_epi8(nibbles, _mm_add_epi8(first, _mm_set1_epi8('0')));
}

void gdb_put_hex(struct strbuf *body, const void *bytes, size_t len)
{
    const __m128i low = _mm_set1_epi8(15);
    const uint8_t *in = bytes;
    char *to;
    size_t i = 0;

    strbuf_grow(body, 2 * len);
    to = body->text + body->len;
    for (; len - i >= 16; i += 16, to += 32) {
        __m128i lo = load16(in + i);
        __m128i hi = _mm_and_si128(_mm_srli_epi16(lo, 4), low);

        lo = _mm_and_si128(lo, low);
        _mm_storeu_si128((void *)to, to_digits(_mm_unpacklo_epi8(hi, lo)));
        _mm_storeu_si128((void *)(to + 16),
                         to_digits(_mm_unpackhi_epi8(hi, lo)));
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
