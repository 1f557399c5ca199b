/*
 * Which panes a screen of some size has, and where: rows of a table, the first
 * that fits wins.  Places are in per cent of what lies between the status bar
 * and the bottom lines.  What a person has chosen for a place is kept by size
 * class, and in a file.
 */
#include <stdio.h>
#include <string.h>

#include "tui/screen.h"

struct place {
    const char *pane;
    uint8_t x, y, w, h; /* per cent */
};

struct layout {
    unsigned min_w, min_h;
    struct place place[SCREEN_PANES_MAX];
};

/* clang-format off */
static const struct layout layouts[] = {
    { 180, 46, {
        { "code",    0,  0, 32, 50 }, { "source", 32,  0, 36, 50 },
        { "cpu",    68,  0, 16, 32 }, { "exits",  68, 50, 32, 50 },
        { "stack",   0, 50, 22, 25 }, { "memory", 22, 50, 46, 25 },
        { "walk",    0, 75, 40, 25 }, { "console", 40, 75, 28, 25 },
        { "segs",   84,  0, 16, 50 } } },
    { 118, 36, {
        { "code",    0,  0, 45, 45 }, { "source", 45,  0, 30, 45 },
        { "cpu",    75,  0, 25, 45 }, { "stack",   0, 45, 32, 28 },
        { "memory", 32, 45, 68, 28 }, { "walk",    0, 73, 50, 27 },
        { "console", 50, 73, 50, 27 } } },
    { 78, 22, {
        { "code",    0,  0, 63, 68 }, { "cpu",    63,  0, 37, 68 },
        { "stack",   0, 68, 100, 32 } } },
    { 0, 0, {
        { "code",    0,  0, 100, 60 }, { "cpu",    0, 60, 100, 40 } } },
};
/* clang-format on */

#define ROWS_ABOVE 1u /* status */
#define ROWS_BELOW 3u /* guest's line, message or input, hints */

static size_t choose(unsigned w, unsigned h)
{
    size_t i = 0;

    while (w < layouts[i].min_w || h < layouts[i].min_h)
        i++; /* the last fits everything */
    return i;
}

static unsigned places(const struct layout *l)
{
    unsigned n = 0;

    while (n < SCREEN_PANES_MAX && l->place[n].pane)
        n++;
    return n;
}

static unsigned share(unsigned total, unsigned percent)
{
    return (total * percent + 50) / 100;
}

static struct rect place_rect(const struct place *pl, unsigned w, unsigned h)
{
    unsigned x0 = share(w, pl->x), x1 = share(w, pl->x + pl->w);
    unsigned y0 = share(h, pl->y), y1 = share(h, pl->y + pl->h);

    return (struct rect){x0, ROWS_ABOVE + y0, x1 - x0, y1 - y0};
}

/* What place I of layout AT shows: what was chosen, else the table's. */
static const struct pane_class *class_at(const struct screen *sc, size_t at,
                                         unsigned i)
{
    const struct pane_class *c = sc->chosen[at].pane[i];

    return c ? c : pane_class_find(layouts[at].place[i].pane);
}

/* The panes of another size class take their places. */
static void change_panes(struct screen *sc, size_t at)
{
    unsigned n = places(&layouts[at]);

    for (unsigned i = 0; i < n; i++) {
        const struct pane_class *c = class_at(sc, at, i);

        if (i >= sc->panes)
            pane_init(&sc->pane[i], c);
        else if (sc->pane[i].class != c)
            pane_show(&sc->pane[i], c);
    }
    for (unsigned i = n; i < sc->panes; i++)
        pane_fini(&sc->pane[i]);
    sc->panes = n;
    sc->layout_at = at;
    sc->layout_known = true;
    if (sc->focus >= n)
        sc->focus = 0;
}

void layout_apply(struct screen *sc)
{
    unsigned w = sc->term.w, full = ROWS_ABOVE + ROWS_BELOW;
    unsigned h = sc->term.h > full ? sc->term.h - full : 0;
    size_t at = choose(w, sc->term.h);

    static_assert(ARRAY_SIZE(layouts) == LAYOUTS, "a row for each size class");
    if (!sc->layout_known || at != sc->layout_at)
        change_panes(sc, at);
    for (unsigned i = 0; i < sc->panes; i++)
        sc->pane[i].area = place_rect(&layouts[at].place[i], w, h);
    if (sc->zoomed)
        for (unsigned i = 0; i < sc->panes; i++)
            sc->pane[i].area = i == sc->focus
                                   ? (struct rect){0, ROWS_ABOVE, w, h}
                                   : (struct rect){0};
}

void layout_note(struct screen *sc)
{
    for (unsigned i = 0; i < sc->panes; i++)
        sc->chosen[sc->layout_at].pane[i] = sc->pane[i].class;
}

void layout_move(struct screen *sc, int by)
{
    unsigned to = (sc->focus + sc->panes + (unsigned)by) % sc->panes;
    struct pane moved = sc->pane[sc->focus];

    sc->pane[sc->focus] = sc->pane[to];
    sc->pane[to] = moved;
    sc->focus = to;
    layout_note(sc);
    layout_apply(sc);
}

void layout_reset(struct screen *sc)
{
    memset(sc->chosen, 0, sizeof(sc->chosen));
    sc->layout_known = false;
    layout_apply(sc);
}

/* ---- the file: a line for each size class
 * ---------------------------------------------- */

void layout_write(const struct screen *sc, FILE *file)
{
    fputs("# ringside's panes by terminal size; `:layout save` writes this\n",
          file);
    for (size_t at = 0; at < LAYOUTS; at++) {
        fprintf(file, "%ux%u:", layouts[at].min_w, layouts[at].min_h);
        for (unsigned i = 0; i < places(&layouts[at]); i++)
            fprintf(file, " %s", class_at(sc, at, i)->name);
        fputc('\n', file);
    }
}

/* "180x46: code source ..." */
static bool read_line(struct layout_choice chosen[LAYOUTS], char *line)
{
    char *save = NULL, *word = strtok_r(line, " \t\n", &save);
    unsigned w, h, n = 0;
    size_t at = 0;

    if (!word || word[0] == '#')
        return true;
    if (sscanf(word, "%ux%u:", &w, &h) != 2)
        return false;
    while (at < LAYOUTS && (layouts[at].min_w != w || layouts[at].min_h != h))
        at++;
    if (at == LAYOUTS)
        return false;
    while ((word = strtok_r(NULL, " \t\n", &save))) {
        const struct pane_class *c = pane_class_find(word);

        if (!c || n >= places(&layouts[at]))
            return false;
        chosen[at].pane[n++] = c;
    }
    return n == places(&layouts[at]);
}

int layout_read(struct screen *sc, FILE *file)
{
    struct layout_choice chosen[LAYOUTS] = {0};
    char line[512];
    int number = 0;

    while (fgets(line, sizeof(line), file)) {
        number++;
        if (!read_line(chosen, line))
            return number;
    }
    memcpy(sc->chosen, chosen, sizeof(chosen));
    return 0;
}
