/*
 * Text over the panes: the keys, what a command printed, what `?` says.  The
 * next key takes it away and still does what it does.
 */
#include <stdio.h>
#include <string.h>

#include "tui/screen.h"

#define ROWS_ABOVE 1u /* the status bar stays in sight */
#define ROWS_BELOW 3u

static unsigned popup_width(const struct screen *sc)
{
    return sc->term.w > 4 ? sc->term.w - 2 : sc->term.w;
}

/* Where the second column of "name  text" begins; 2 if there is none. */
static size_t indent_of(const char *text)
{
    const char *gap = strstr(text, "  ");
    size_t n;

    if (!gap || text[0] == ' ')
        return 2;
    n = (size_t)(gap - text) + strspn(gap, " ");
    return n < 24 ? n : 2;
}

/* How many bytes of TEXT fit WIDTH columns, cut at a space if there is one. */
static size_t fitting(const char *text, size_t width)
{
    size_t i = 0, columns = 0, space = 0;

    while (text[i] && columns <= width) {
        if (text[i] == ' ')
            space = i;
        columns += ((unsigned char)text[++i] & 0xc0) != 0x80;
    }
    if (!text[i] && columns <= width)
        return i;
    return space ? space : i - 1;
}

static void add_wrapped(struct pane *p, enum look look, const char *text,
                        size_t width)
{
    size_t indent = indent_of(text), n = fitting(text, width);
    int pad = 0;

    if (width < 20)
        n = strlen(text); /* it is cut anyway */
    do {
        pane_add(p, look, "%*s%.*s", pad, "", (int)n, text);
        text += n;
        text += strspn(text, " ");
        pad = (int)(indent < width / 2 ? indent : 2);
        n = fitting(text, width - (size_t)pad);
    } while (*text);
}

void popup_open(struct screen *sc)
{
    pane_clear(&sc->popup);
    sc->popup.top = sc->popup.cursor = 0;
    sc->popup_open = true;
}

void popup_line(struct screen *sc, enum look look, const char *text)
{
    unsigned w = popup_width(sc);

    add_wrapped(&sc->popup, look, text, w > 2 ? w - 2 : 1);
}

void popup_keys(struct screen *sc)
{
    char line[160];

    popup_open(sc);
    popup_line(sc, LOOK_NAME, "Keys (Up and Down scroll, any other goes on)");
#define REQUEST(id, key, name, hint, help)                                     \
    snprintf(line, sizeof(line), "%-6s  %s", name, help);                      \
    popup_line(sc, LOOK_PLAIN, line);
#include "tui/request.def"
#undef REQUEST
}

static size_t rows_in_sight(const struct screen *sc)
{
    size_t most = sc->term.h > ROWS_ABOVE + ROWS_BELOW + 1
                      ? sc->term.h - ROWS_ABOVE - ROWS_BELOW - 1
                      : 0;

    return sc->popup.lines < most ? sc->popup.lines : most;
}

static void scroll(struct screen *sc, long by)
{
    size_t rows = rows_in_sight(sc);
    size_t last = sc->popup.lines > rows ? sc->popup.lines - rows : 0;
    long to = (long)sc->popup.top + by;

    sc->popup.top = to < 0 ? 0 : (size_t)to > last ? last : (size_t)to;
}

/* Keys that scroll, by how many pages (0: by lines). */
static bool scroll_key(struct screen *sc, int key)
{
    long page = (long)rows_in_sight(sc);

    if (key == TERM_UP || key == TERM_WHEEL_UP)
        scroll(sc, -1);
    else if (key == TERM_DOWN || key == TERM_WHEEL_DOWN)
        scroll(sc, 1);
    else if (key == TERM_PGUP)
        scroll(sc, -page);
    else if (key == TERM_PGDN)
        scroll(sc, page);
    else
        return false;
    return true;
}

bool popup_key(struct screen *sc, int key)
{
    if (!sc->popup_open)
        return false;
    if (scroll_key(sc, key))
        return true;
    sc->popup_open = false;
    return key == 0x1b || key == '\r' || key == 'q' || key == ' ';
}

void popup_paint(struct screen *sc)
{
    size_t rows = rows_in_sight(sc);
    struct rect a = {0, 0, sc->surface.w, 0};
    char more[48];

    if (!sc->popup_open || rows == 0)
        return;
    scroll(sc, 0); /* the terminal may have grown */
    a.h = (unsigned)rows + 1;
    a.y = sc->surface.h - ROWS_BELOW - a.h;
    surface_fill(&sc->surface, a, 0, LOOK_FOCUS, 0x2500);
    if (rows < sc->popup.lines) {
        snprintf(more, sizeof(more), " %zu to %zu of %zu ", sc->popup.top + 1,
                 sc->popup.top + rows, sc->popup.lines);
        surface_text(&sc->surface, a, 1, 0, LOOK_FOCUS, more);
    }
    for (size_t i = 0; i < rows; i++) {
        const struct pane_line *l = &sc->popup.line[sc->popup.top + i];

        surface_fill(&sc->surface, a, (unsigned)i + 1, l->look, ' ');
        surface_text(&sc->surface, a, 1, (unsigned)i + 1, l->look, l->text);
    }
}
