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

    if (f->hidden && f->at < sc->panes && sc->pane[f->at].class == f->shown)
        layout_exchange(sc, f->at, f->hidden);
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

        if (!pane_is_program(&sc->pane[i]) && strcmp(name, "cpu") != 0 &&
            strcmp(name, "console") != 0) {
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
    bool resized = f->resized;
    struct pane *p;

    f->due = f->resized = false;
    if (f->off || sc->zoomed)
        return;
    put_back(sc);
    want = stop_view(sc->ctx->vm, &sc->st, &sc->stop);
    if (!want.view)
        return;
    p = pane_in_sight(sc, want.view);
    if (p) {
        if (!resized && strcmp(p->arg, want.arg) != 0)
            pane_go(p, want.arg);
        return;
    }
    if (!find_place(sc, &f->at))
        return;
    f->hidden = sc->pane[f->at].class;
    f->shown = pane_class_find(want.view);
    p = layout_exchange(sc, f->at, f->shown);
    if (resized && strcmp(p->arg, want.arg) == 0)
        return; /* as it was at the other size */
    pane_show(p, f->shown);
    snprintf(p->arg, sizeof(p->arg), "%s", want.arg);
    if (strcmp(want.view, "walk") == 0)
        p->cursor = SIZE_MAX; /* its end says why; the refresh finds it */
}

void follow_resized(struct screen *sc)
{
    sc->follow.hidden = NULL;
    sc->follow.due = sc->follow.resized = true;
}

const struct pane_class *follow_beneath(const struct screen *sc, unsigned i)
{
    const struct follow *f = &sc->follow;
    bool shown = f->hidden && f->at == i && sc->pane[i].class == f->shown;

    return shown ? f->hidden : sc->pane[i].class;
}
