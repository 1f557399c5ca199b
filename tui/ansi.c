#include "tui/ansi.h"

static void add_look(struct strbuf *out, const struct theme *theme,
                     unsigned look)
{
    static const struct {
        unsigned attr;
        const char *code;
    } codes[] = {{THEME_BOLD, ";1"},
                 {THEME_DIM, ";2"},
                 {THEME_UNDERLINE, ";4"},
                 {THEME_REVERSE, ";7"}};
    const struct theme_look *l = &theme->look[look];

    strbuf_puts(out, "\033[0");
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (l->attr & codes[i].attr)
            strbuf_puts(out, codes[i].code);
    if (theme->colours)
        strbuf_printf(out, ";38;5;%u;48;5;%u", l->fg, theme->bg);
    strbuf_putc(out, 'm');
}

void ansi_row(struct strbuf *out, const struct surface *s, unsigned y,
              const struct theme *theme)
{
    int look = -1;

    for (unsigned x = 0; x < s->w; x++) {
        const struct cell *c = &s->cell[(size_t)y * s->w + x];

        if (c->look != look) {
            look = c->look;
            add_look(out, theme, c->look);
        }
        surface_utf8(out, c->ch);
    }
}
