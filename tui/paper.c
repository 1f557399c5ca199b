#include "tui/paper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/ansi.h"
#include "tui/screen.h"

#define WIDTH      80u
#define HEIGHT     24u
#define SIZE_MAX_W 1000u
#define ROWS_BELOW 3u /* the guest's line, and two that are for typing */

/* ---- drawing ------------------------------------------------------------ */

/* A screen that no terminal shows. */
static void open_sheet(struct screen *sc, const struct paper *paper,
                       struct command_ctx *ctx)
{
    *sc = (struct screen){.ctx = ctx, .console = paper->console};
    sc->running = debug_is_running(ctx->dbg);
    sc->wide = vm_get_state(ctx->vm, &sc->st) == 0 &&
               x86_mode(&sc->st) == X86_MODE_LONG64;
    pane_init(&sc->log, pane_class_find("log"));
    pane_init(&sc->guest, pane_class_find("console"));
}

static void close_sheet(struct screen *sc)
{
    layout_fini(sc);
    pane_fini(&sc->popup);
    pane_fini(&sc->log);
    pane_fini(&sc->guest);
    surface_fini(&sc->surface);
}

/* Too narrow for panes side by side: each has all of the width. */
static void widen_panes(struct screen *sc, unsigned width)
{
    for (unsigned i = 0; i < sc->panes; i++) {
        sc->pane[i].area.x = 0;
        sc->pane[i].area.w = width;
    }
    sc->term.w = width;
}

/* One below the other, none with more lines than it has. */
static void stack_panes(struct screen *sc)
{
    unsigned y = 1; /* below the status */

    for (unsigned i = 0; i < sc->panes; i++) {
        struct pane *p = &sc->pane[i];

        if (p->lines + 1 < p->area.h)
            p->area.h = (unsigned)p->lines + 1;
        p->area.y = y;
        y += p->area.h;
    }
    sc->term.h = y + ROWS_BELOW;
}

static void write_rows(const struct screen *sc, const struct theme *theme,
                       struct strbuf *out)
{
    struct surface s = sc->surface;

    s.h -= ROWS_BELOW - (sc->console != NULL);
    for (size_t i = 0; !sc->ctx->utf8 && i < (size_t)s.w * s.h; i++)
        s.cell[i].ch = surface_ascii(s.cell[i].ch);
    if (!theme->colours) {
        surface_to_text(&s, out);
        return;
    }
    for (unsigned y = 0; y < s.h; y++) {
        ansi_row(out, &s, y, theme);
        strbuf_puts(out, "\033[0m\n");
    }
}

static void draw(struct screen *sc, size_t at, const struct theme *theme,
                 struct strbuf *out)
{
    unsigned x, y, width = sc->term.w;
    bool narrow;

    layout_grow(sc, at);
    narrow = sc->term.w > width;
    (void)layout_pin(sc, at, out);
    if (narrow)
        widen_panes(sc, width);
    screen_look(sc);
    if (narrow)
        stack_panes(sc);
    screen_compose(sc, &x, &y);
    write_rows(sc, theme, out);
}

/* ---- the screen beside -------------------------------------------------- */

static void wish(struct paper_screen *beside, int argc, char **argv)
{
    pthread_mutex_lock(&beside->lock);
    snprintf(beside->wish, sizeof(beside->wish), "%s %s %s", argv[0], argv[1],
             argc > 2 ? argv[2] : "");
    pthread_mutex_unlock(&beside->lock);
}

static size_t layout_beside(struct paper_screen *beside)
{
    size_t at;

    pthread_mutex_lock(&beside->lock);
    at = beside->layout;
    pthread_mutex_unlock(&beside->lock);
    return at;
}

static const struct theme *theme_beside(struct paper_screen *beside)
{
    const struct theme *theme;

    pthread_mutex_lock(&beside->lock);
    theme = beside->theme;
    pthread_mutex_unlock(&beside->lock);
    return theme;
}

/* ---- the commands ------------------------------------------------------- */

/* "auto", "save", "follow on"... */
static bool ask_screen(struct paper *p, int argc, char **argv,
                       struct strbuf *out)
{
    static const char *const words[] = {"auto", "save", "reset", "follow"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(words[i], argv[1]) == 0) {
            if (!p->beside)
                return command_fail(
                    out, "layout: that is about a screen, and this is "
                         "none; `ringside debug` has one");
            wish(p->beside, argc, argv);
            return true;
        }
    return command_fail(out,
                        "layout: large, medium, small, tiny; alone: what is in "
                        "them");
}

static bool layout(struct paper *p, struct command_ctx *ctx, int argc,
                   char **argv, struct strbuf *out)
{
    size_t at = argc > 1 ? layout_find(argv[1]) : LAYOUTS;
    struct screen *sc;
    unsigned w = WIDTH, h = HEIGHT;
    char end;

    if (argc > 1 && at == LAYOUTS)
        return ask_screen(p, argc, argv, out);
    if (argc > 2 && (sscanf(argv[2], "%ux%u%c", &w, &h, &end) != 2 ||
                     w - 20 > SIZE_MAX_W || h - 5 > SIZE_MAX_W))
        return command_fail(out,
                            "layout: a size is WIDTHxHEIGHT, from 20x5 on");
    sc = malloc(sizeof(*sc));
    if (!sc)
        return command_fail(out, "out of memory");
    open_sheet(sc, p, ctx);
    sc->term.w = w;
    sc->term.h = h;
    if (argc > 1)
        draw(sc, at, p->theme, out);
    else
        layout_list(sc, p->beside ? layout_beside(p->beside) : LAYOUTS, out);
    close_sheet(sc);
    free(sc);
    if (argc > 1 && p->beside)
        wish(p->beside, 2, argv);
    return true;
}

static bool theme(struct paper *p, int argc, char **argv, struct strbuf *out)
{
    const struct theme *t = argc > 1 ? theme_find(argv[1]) : NULL;

    if (argc < 2) {
        theme_list(p->beside ? theme_beside(p->beside) : p->theme, out);
        return true;
    }
    if (!t)
        return command_fail(out, "theme: dark, light or mono");
    if (p->beside)
        wish(p->beside, 2, argv);
    else
        p->theme = t;
    return true;
}

bool paper_command(void *paper, struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    if (strcmp(argv[0], "theme") == 0)
        return theme(paper, argc, argv, out);
    return layout(paper, ctx, argc, argv, out);
}
