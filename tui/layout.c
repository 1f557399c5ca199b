/*
 * Which panes a screen of some size has, and where: rows of a table, the first
 * that fits wins.  Places are in per cent of what lies between the status bar
 * and the bottom lines.
 */
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

static const struct layout *choose(unsigned w, unsigned h)
{
    size_t i = 0;

    while (w < layouts[i].min_w || h < layouts[i].min_h)
        i++; /* the last fits everything */
    return &layouts[i];
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

void layout_apply(struct screen *sc)
{
    unsigned w = sc->term.w, full = ROWS_ABOVE + ROWS_BELOW;
    unsigned h = sc->term.h > full ? sc->term.h - full : 0;
    const struct layout *l = choose(w, sc->term.h);
    unsigned n = 0;

    for (; n < SCREEN_PANES_MAX && l->place[n].pane; n++) {
        struct pane *p = &sc->pane[n];

        if (n >= sc->panes) /* a place that was not there before */
            pane_init(p, pane_class_find(l->place[n].pane));
        p->area = place_rect(&l->place[n], w, h);
    }
    for (unsigned i = n; i < sc->panes; i++)
        pane_fini(&sc->pane[i]);
    sc->panes = n;
    if (sc->focus >= n)
        sc->focus = 0;
    if (sc->zoomed)
        for (unsigned i = 0; i < n; i++)
            sc->pane[i].area = i == sc->focus
                                   ? (struct rect){0, ROWS_ABOVE, w, h}
                                   : (struct rect){0};
}
