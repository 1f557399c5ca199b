#include "vmm/host/text_screen.h"

#include <string.h>

const char text_screen_enter[] = "\033[?1049h\033[?7l\033[2J";
const char text_screen_leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

/* Code page 437, the characters a VGA's ROM draws. */
static const char low[] = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
static const char high[] =
    "⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚"
    "╔"
    "╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

/* The Nth character of UTF-8 TEXT. */
static void put_nth(struct strbuf *out, const char *text, unsigned n)
{
    size_t len = 1;

    while (n) {
        text++;
        n -= (*text & 0xc0) != 0x80;
    }
    while ((text[len] & 0xc0) == 0x80)
        len++;
    strbuf_add(out, text, len);
}

static void put_char(struct strbuf *out, uint8_t c, bool utf8)
{
    if (c >= 0x20 && c < 0x7f)
        strbuf_putc(out, (char)c);
    else if (c == 0 || c == 0xff)
        strbuf_putc(out, ' ');
    else if (!utf8)
        strbuf_putc(out, c >= 0xb3 && c <= 0xda ? '+' : '?');
    else if (c < 0x20)
        put_nth(out, low, c);
    else
        put_nth(out, high, c - 0x7fu);
}

/* A VGA's colours are blue-green-red, a terminal's red-green-blue. */
static unsigned ansi(unsigned color)
{
    return (color & 2) | (color & 1) << 2 | (color & 4) >> 2;
}

static void put_attribute(struct strbuf *out, uint8_t attr, bool color)
{
    unsigned fg = attr & 15u, bg = attr >> 4 & 7u;

    if (color)
        strbuf_printf(out, "\033[0;%u;%um", (fg & 8 ? 90u : 30u) + ansi(fg & 7),
                      40u + ansi(bg));
    else
        strbuf_printf(out, "\033[0%s%sm", fg & 8 ? ";1" : "",
                      bg > (fg & 7) ? ";7" : "");
}

/* Which guest rows fit: those that hold the cursor. */
static void choose_rows(struct text_screen *s, unsigned row)
{
    unsigned first = s->first;

    if (s->rows >= TEXT_SCREEN_ROWS)
        first = 0;
    else if (row < first)
        first = row;
    else if (row >= first + s->rows)
        first = row - s->rows + 1;
    if (first != s->first)
        s->valid = false;
    s->first = first;
}

void text_screen_draw(struct text_screen *s, text_cells cells, unsigned row,
                      unsigned col, bool cursor, struct strbuf *out)
{
    unsigned at_row = ~0u, at_col = 0;
    int attr = -1;

    choose_rows(s, row);
    if (!s->valid)
        strbuf_puts(out, "\033[0m\033[2J");
    strbuf_puts(out, "\033[?25l");
    for (unsigned r = 0; r < TEXT_SCREEN_ROWS; r++) {
        for (unsigned c = 0; c < TEXT_SCREEN_COLS; c++) {
            const uint8_t *cell = cells[r][c];

            if (s->valid && memcmp(cell, s->shown[r][c], 2) == 0)
                continue;
            if (r < s->first || r >= s->first + s->rows || c >= s->cols)
                continue;
            if (r != at_row || c != at_col)
                strbuf_printf(out, "\033[%u;%uH", r - s->first + 1, c + 1);
            if (attr != cell[1])
                put_attribute(out, cell[1], s->color);
            attr = cell[1];
            put_char(out, cell[0], s->utf8);
            at_row = r;
            at_col = c + 1;
        }
    }
    memcpy(s->shown, cells, sizeof(s->shown));
    s->valid = true;
    if (cursor && col < s->cols)
        strbuf_printf(out, "\033[%u;%uH\033[?25h", row - s->first + 1, col + 1);
}

void text_screen_lines(const struct text_screen *s, text_cells cells,
                       struct strbuf *out)
{
    unsigned rows = TEXT_SCREEN_ROWS;
    unsigned width[TEXT_SCREEN_ROWS] = {0};

    for (unsigned r = 0; r < TEXT_SCREEN_ROWS; r++)
        for (unsigned c = 0; c < TEXT_SCREEN_COLS; c++)
            if (cells[r][c][0] != ' ' && cells[r][c][0] != 0)
                width[r] = c + 1;
    while (rows && !width[rows - 1])
        rows--;
    for (unsigned r = 0; r < rows; r++) {
        for (unsigned c = 0; c < width[r]; c++)
            put_char(out, cells[r][c][0], s->utf8);
        strbuf_putc(out, '\n');
    }
}
