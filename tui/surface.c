#include "tui/surface.h"

#include <stdlib.h>
#include <string.h>

void surface_init(struct surface *s, unsigned w, unsigned h)
{
    *s = (struct surface){.w = w, .h = h};
    s->cell = calloc((size_t)w * h + 1, sizeof(*s->cell));
    assert(s->cell && "out of memory");
    surface_clear(s);
}

void surface_fini(struct surface *s)
{
    free(s->cell);
    *s = (struct surface){0};
}

void surface_clear(struct surface *s)
{
    for (size_t i = 0; i < (size_t)s->w * s->h; i++)
        s->cell[i] = (struct cell){' ', LOOK_PLAIN};
}

/* The next character of a UTF-8 string; a stray byte is U+FFFD. */
static uint32_t decode(const char **text)
{
    const unsigned char *p = (const unsigned char *)*text;
    unsigned extra = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0;
    uint32_t ch = extra ? *p & (0x3fu >> extra) : *p;

    if (*p >= 0x80 && extra == 0)
        ch = 0xfffd;
    *text += 1;
    while (extra-- && ((unsigned char)**text & 0xc0) == 0x80)
        ch = ch << 6 | ((unsigned char)*(*text)++ & 0x3fu);
    return ch;
}

static void put(struct surface *s, struct rect a, unsigned x, unsigned y,
                struct cell c)
{
    if (x < a.w && y < a.h && a.x + x < s->w && a.y + y < s->h)
        s->cell[(size_t)(a.y + y) * s->w + a.x + x] = c;
}

unsigned surface_text(struct surface *s, struct rect area, unsigned x,
                      unsigned y, enum look look, const char *text)
{
    unsigned start = x;

    while (*text) {
        uint32_t ch = decode(&text);

        put(s, area, x++, y,
            (struct cell){ch < 0x20 ? ' ' : ch, (uint8_t)look});
    }
    return x - start;
}

unsigned surface_columns(const char *text, size_t bytes)
{
    const char *end = text + bytes;
    unsigned n = 0;

    for (; text < end && *text; n++)
        decode(&text);
    return n;
}

void surface_fill(struct surface *s, struct rect area, unsigned y,
                  enum look look, uint32_t ch)
{
    for (unsigned x = 0; x < area.w; x++)
        put(s, area, x, y, (struct cell){ch, (uint8_t)look});
}

uint32_t surface_ascii(uint32_t ch)
{
    static const char eighths[] = "_.-:=+*#"; /* U+2581 to U+2588 */

    if (ch < 0x80)
        return ch;
    if (ch >= 0x2581 && ch <= 0x2588)
        return (unsigned char)eighths[ch - 0x2581];
    if (ch >= 0x2589 && ch <= 0x258f)
        return ch < 0x258d ? '#' : '|';
    if (ch >= 0x2500 && ch < 0x2580)
        return ch == 0x2502 || ch == 0x2503 ? '|' : ch < 0x2504 ? '-' : '+';
    if (ch >= 0x2190 && ch <= 0x2193)
        return (unsigned char)"<^>v"[ch - 0x2190];
    return '?';
}

void surface_utf8(struct strbuf *out, uint32_t ch)
{
    if (ch < 0x80) {
        strbuf_putc(out, (char)ch);
    } else if (ch < 0x800) {
        strbuf_putc(out, (char)(0xc0 | ch >> 6));
        strbuf_putc(out, (char)(0x80 | (ch & 0x3f)));
    } else {
        strbuf_putc(out, (char)(0xe0 | (ch >> 12 & 0xf)));
        strbuf_putc(out, (char)(0x80 | (ch >> 6 & 0x3f)));
        strbuf_putc(out, (char)(0x80 | (ch & 0x3f)));
    }
}

void surface_to_text(const struct surface *s, struct strbuf *out)
{
    for (unsigned y = 0; y < s->h; y++) {
        unsigned end = s->w;

        while (end > 0 && s->cell[(size_t)y * s->w + end - 1].ch == ' ')
            end--;
        for (unsigned x = 0; x < end; x++)
            surface_utf8(out, s->cell[(size_t)y * s->w + x].ch);
        strbuf_putc(out, '\n');
    }
}
