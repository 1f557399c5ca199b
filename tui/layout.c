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
    const char *name;
    unsigned min_w, min_h;
    struct place place[SCREEN_PANES_MAX];
    /* Those of them that lie elsewhere while registers have 64 bits. */
    struct place wide[2];
};

/* clang-format off */
static const struct layout layouts[] = {
    { "large", 180, 46, {
        { "code",    0,  0, 31, 50 }, { "source", 31,  0, 36, 50 },
        { "cpu",    67,  0, 16, 50 }, { "exits",  67, 50, 33, 50 },
        { "stack",   0, 50, 22, 25 }, { "memory", 22, 50, 45, 25 },
        { "walk",    0, 75, 40, 25 }, { "console", 40, 75, 27, 25 },
        { "segs",   83,  0, 17, 50 } }, { { 0 } } },
    { "medium", 118, 36, {
        { "code",    0,  0, 45, 45 }, { "source", 45,  0, 30, 45 },
        { "cpu",    75,  0, 25, 45 }, { "stack",   0, 45, 32, 28 },
        { "memory", 32, 45, 68, 28 }, { "walk",    0, 73, 50, 27 },
        { "console", 50, 73, 50, 27 } }, {
        { "cpu",    75,  0, 25, 73 }, { "memory", 32, 45, 43, 28 } } },
    { "small", 78, 22, {
        { "code",    0,  0, 63, 68 }, { "cpu",    63,  0, 37, 68 },
        { "stack",   0, 68, 100, 32 } }, {
        { "cpu",    63,  0, 37, 100 }, { "stack",  0, 68, 63, 32 } } },
    { "tiny", 0, 0, {
        { "code",    0,  0, 100, 60 }, { "cpu",    0, 60, 100, 40 } }, { { 0 } } },
};
/* clang-format on */

#define ROWS_ABOVE 1u /* status */
#define ROWS_BELOW 3u /* guest's line, message or input, hints */

static bool fits(const struct screen *sc, size_t at)
{
    return sc->term.w >= layouts[at].min_w && sc->term.h >= layouts[at].min_h;
}

static size_t choose(const struct screen *sc)
{
    size_t i = 0;

    if (sc->pinned && fits(sc, sc->pinned - 1))
        return sc->pinned - 1;
    while (!fits(sc, i))
        i++; /* the last fits everything */
    return i;
}

size_t layout_find(const char *name)
{
    size_t i = 0;

    while (i < LAYOUTS && strcmp(layouts[i].name, name) != 0)
        i++;
    return i;
}

bool layout_pin(struct screen *sc, size_t at, struct strbuf *out)
{
    if (at < LAYOUTS && !fits(sc, at)) {
        strbuf_printf(out, "layout: %s needs %ux%u, the screen has %ux%u\n",
                      layouts[at].name, layouts[at].min_w, layouts[at].min_h,
                      sc->term.w, sc->term.h);
        return false;
    }
    sc->pinned = at < LAYOUTS ? 1 + (unsigned)at : 0;
    layout_apply(sc);
    return true;
}

void layout_grow(struct screen *sc, size_t at)
{
    if (sc->term.w < layouts[at].min_w)
        sc->term.w = layouts[at].min_w;
    if (sc->term.h < layouts[at].min_h)
        sc->term.h = layouts[at].min_h;
}

static unsigned places(const struct layout *l)
{
    unsigned n = 0;

    while (n < SCREEN_PANES_MAX && l->place[n].pane)
        n++;
    return n;
}

/* Where place I of layout AT is. */
static const struct place *place_at(const struct screen *sc, size_t at,
                                    unsigned i)
{
    const struct layout *l = &layouts[at];

    for (unsigned j = 0; sc->wide && j < ARRAY_SIZE(l->wide); j++)
        if (l->wide[j].pane && strcmp(l->wide[j].pane, l->place[i].pane) == 0)
            return &l->wide[j];
    return &l->place[i];
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

/* A pane that loses its place is kept, before those kept earlier. */
static void put_aside(struct screen *sc, const struct pane *p)
{
    if (sc->spares == SPARE_PANES_MAX)
        pane_fini(&sc->spare[--sc->spares]);
    memmove(sc->spare + 1, sc->spare, sc->spares * sizeof(*sc->spare));
    sc->spare[0] = *p;
    sc->spares++;
}

/* The pane that showed C before, with what it showed; else a fresh one. */
static struct pane take_pane(struct screen *sc, const struct pane_class *c)
{
    struct pane p;

    for (unsigned i = 0; i < sc->spares; i++)
        if (sc->spare[i].class == c) {
            p = sc->spare[i];
            sc->spares--;
            memmove(sc->spare + i, sc->spare + i + 1,
                    (sc->spares - i) * sizeof(*sc->spare));
            return p;
        }
    pane_init(&p, c);
    return p;
}

struct pane *layout_exchange(struct screen *sc, unsigned i,
                             const struct pane_class *c)
{
    struct pane now = take_pane(sc, c);

    now.area = sc->pane[i].area;
    put_aside(sc, &sc->pane[i]);
    sc->pane[i] = now;
    return &sc->pane[i];
}

/* Where the keys went at this size; at first, to the pane that has them. */
static unsigned focus_at(const struct screen *sc, size_t at,
                         const struct pane_class *focused)
{
    if (sc->focus_of[at] && sc->focus_of[at] <= sc->panes)
        return sc->focus_of[at] - 1;
    for (unsigned i = 0; i < sc->panes; i++)
        if (sc->pane[i].class == focused)
            return i;
    return 0;
}

/* The panes of another size class take their places. */
static void change_panes(struct screen *sc, size_t at)
{
    const struct pane_class *focused = sc->pane[sc->focus].class;

    if (sc->panes)
        sc->focus_of[sc->layout_at] = 1 + sc->focus;
    for (unsigned i = sc->panes; i-- > 0;)
        put_aside(sc, &sc->pane[i]);
    sc->panes = places(&layouts[at]);
    for (unsigned i = 0; i < sc->panes; i++)
        sc->pane[i] = take_pane(sc, class_at(sc, at, i));
    sc->focus = focus_at(sc, at, focused);
    follow_resized(sc);
    sc->layout_at = at;
    sc->layout_known = true;
}

void layout_apply(struct screen *sc)
{
    unsigned w = sc->term.w, full = ROWS_ABOVE + ROWS_BELOW;
    unsigned h = sc->term.h > full ? sc->term.h - full : 0;
    size_t at = choose(sc);

    static_assert(ARRAY_SIZE(layouts) == LAYOUTS, "a row for each size class");
    /* a pane that fills the screen stays, whatever the size */
    if (!sc->layout_known || (at != sc->layout_at && !sc->zoomed))
        change_panes(sc, at);
    for (unsigned i = 0; i < sc->panes; i++)
        sc->pane[i].area = place_rect(place_at(sc, at, i), w, h);
    if (sc->zoomed)
        for (unsigned i = 0; i < sc->panes; i++)
            sc->pane[i].area = i == sc->focus
                                   ? (struct rect){0, ROWS_ABOVE, w, h}
                                   : (struct rect){0};
}

void layout_note(struct screen *sc)
{
    for (unsigned i = 0; i < sc->panes; i++)
        sc->chosen[sc->layout_at].pane[i] = follow_beneath(sc, i);
}

void layout_fini(struct screen *sc)
{
    while (sc->panes)
        pane_fini(&sc->pane[--sc->panes]);
    while (sc->spares)
        pane_fini(&sc->spare[--sc->spares]);
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

void layout_list(const struct screen *sc, size_t current, struct strbuf *out)
{
    for (size_t at = 0; at < LAYOUTS; at++) {
        char size[16];

        snprintf(size, sizeof(size), "%ux%u", layouts[at].min_w,
                 layouts[at].min_h);
        strbuf_printf(out, "%c %-7s %-7s", at == current ? '*' : ' ',
                      layouts[at].name, layouts[at].min_w ? size : "any");
        for (unsigned i = 0; i < places(&layouts[at]); i++)
            strbuf_printf(out, " %s", class_at(sc, at, i)->name);
        strbuf_putc(out, '\n');
    }
}

/* ---- the file: a line for each size class -------------------------- */

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
