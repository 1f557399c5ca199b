/*
 * The layout follows the stop: a page fault brings the walk forward, a port
 * its chip.  The pane that made room comes back with the next stop.
 */
#include <stdio.h>
#include <string.h>

#include "tui/screen.h"
#include "vmm/view/stop_view.h"

/* What was there before the last stop. */
static void put_back(struct screen *sc)
{
    struct follow *f = &sc->follow;

    if (f->hidden && f->at < sc->panes && sc->pane[f->at].class == f->shown) {
        pane_show(&sc->pane[f->at], f->hidden);
        snprintf(sc->pane[f->at].arg, sizeof(sc->pane[f->at].arg), "%s",
                 f->hidden_arg);
    }
    f->hidden = NULL;
}

static struct pane *pane_in_sight(struct screen *sc, const char *name)
{
    for (unsigned i = 0; i < sc->panes; i++)
        if (strcmp(sc->pane[i].class->name, name) == 0)
            return &sc->pane[i];
    return NULL;
}

/* The last place that shows neither the program nor the processor. */
static bool find_place(const struct screen *sc, unsigned *at)
{
    for (unsigned i = sc->panes; i-- > 0;) {
        const char *name = sc->pane[i].class->name;

        if (strcmp(name, "code") != 0 && strcmp(name, "cpu") != 0 &&
            strcmp(name, "source") != 0 && strcmp(name, "console") != 0) {
            *at = i;
            return true;
        }
    }
    return false;
}

void follow_stop(struct screen *sc)
{
    struct follow *f = &sc->follow;
    struct stop_view want;
    struct pane *p;

    f->due = false;
    if (f->off || sc->zoomed)
        return;
    put_back(sc);
    want = stop_view(sc->ctx->vm, &sc->st, &sc->stop);
    if (!want.view)
        return;
    p = pane_in_sight(sc, want.view);
    if (p) {
        if (strcmp(p->arg, want.arg) != 0)
            pane_go(p, want.arg);
        return;
    }
    if (!find_place(sc, &f->at))
        return;
    p = &sc->pane[f->at];
    f->hidden = p->class;
    snprintf(f->hidden_arg, sizeof(f->hidden_arg), "%s", p->arg);
    f->shown = pane_class_find(want.view);
    pane_show(p, f->shown);
    snprintf(p->arg, sizeof(p->arg), "%s", want.arg);
    if (strcmp(want.view, "walk") == 0)
        p->cursor = SIZE_MAX; /* its end says why; the refresh finds it */
}
