/* What each key does: one row of request.def, one function here. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tui/screen.h"

#define WHEEL_LINES 3 /* a notch, as in most programs */

typedef void request_fn(struct screen *sc);

#define REQUEST(id, key, name, hint, help) static request_fn request_##id;
#include "tui/request.def"
#undef REQUEST

static const struct {
    int key;
    request_fn *fn;
} requests[] = {
#define REQUEST(id, key, name, hint, help) {key, request_##id},
#include "tui/request.def"
#undef REQUEST
    {'k', request_up},
    {'j', request_down},
    /* as in many debuggers */
    {TERM_F1, request_help},
    {TERM_F1 + 4, request_continue}, /* F5 */
    {TERM_F1 + 8, request_break},    /* F9 */
    {TERM_F1 + 9, request_next},     /* F10 */
    {TERM_F1 + 10, request_step},    /* F11 */
};

/* ---- running ------------------------------------------------------------ */

static void request_step(struct screen *sc)
{
    screen_resume(sc, DEBUG_RUN_STEP, 0);
}

static void request_next(struct screen *sc)
{
    screen_resume(sc, DEBUG_RUN_OVER, 0);
}

static void request_finish(struct screen *sc)
{
    screen_resume(sc, DEBUG_RUN_FINISH, 0);
}

static void request_continue(struct screen *sc)
{
    screen_resume(sc, DEBUG_RUN_CONTINUE, 0);
}

static void request_interrupt(struct screen *sc)
{
    if (debug_server_running(sc->srv))
        debug_server_interrupt(sc->srv);
    else
        screen_say(sc, false, "the guest is stopped; q leaves");
}

static const struct pane_line *focused_line(struct screen *sc)
{
    const struct pane *p = screen_focus(sc);

    return p->cursor < p->lines ? &p->line[p->cursor] : NULL;
}

static void request_until(struct screen *sc)
{
    const struct pane_line *l = focused_line(sc);

    if (l && l->has_addr)
        screen_resume(sc, DEBUG_RUN_TO, l->addr);
    else
        screen_say(sc, true, "there is no instruction under the cursor");
}

static int toggle_break(struct debug *d, void *arg)
{
    uint64_t addr = *(const uint64_t *)arg;
    const struct debug_point *p;
    struct debug_point fresh;
    char why[80];

    for (size_t i = 0; (p = debug_nth(d, i)); i++)
        if (p->kind == DEBUG_POINT_LINEAR && p->addr == addr)
            return debug_remove(d, p->id);
    debug_point_init(&fresh, DEBUG_POINT_LINEAR, addr);
    return debug_add(d, &fresh, why, sizeof(why));
}

static void request_break(struct screen *sc)
{
    const struct pane_line *l = focused_line(sc);
    uint64_t addr;
    int id;

    if (!l || !l->has_addr) {
        screen_say(sc, true, "there is no instruction under the cursor");
        return;
    }
    addr = l->addr;
    id = debug_server_call(sc->srv, toggle_break, &addr);
    screen_refresh(sc);
    if (id > 0)
        screen_say(sc, false, "breakpoint %d at %#llx", id,
                   (unsigned long long)addr);
    else
        screen_say(sc, id < 0,
                   id ? "no breakpoint could be set there"
                      : "breakpoint removed");
}

/* ---- moving ------------------------------------------------------------- */

static void request_next_pane(struct screen *sc)
{
    sc->focus = sc->panes ? (sc->focus + 1) % sc->panes : 0;
    layout_apply(sc);
    if (sc->zoomed)
        screen_refresh(sc);
}

static void request_prev_pane(struct screen *sc)
{
    sc->focus = sc->panes ? (sc->focus + sc->panes - 1) % sc->panes : 0;
    layout_apply(sc);
    if (sc->zoomed)
        screen_refresh(sc);
}

static void move_cursor(struct screen *sc, long by)
{
    struct pane *p = screen_focus(sc);
    long to = (long)p->cursor + by, last = (long)p->lines - 1;

    p->cursor = to < 0 || last < 0 ? 0 : to > last ? (size_t)last : (size_t)to;
}

static long page(struct screen *sc)
{
    unsigned h = screen_focus(sc)->area.h;

    return h > 2 ? (long)h - 2 : 1;
}

static void request_up(struct screen *sc)
{
    move_cursor(sc, -1);
}

static void request_down(struct screen *sc)
{
    move_cursor(sc, 1);
}

static void request_page_up(struct screen *sc)
{
    move_cursor(sc, -page(sc));
}

static void request_page_down(struct screen *sc)
{
    move_cursor(sc, page(sc));
}

static void request_home(struct screen *sc)
{
    screen_focus(sc)->cursor = 0;
}

static void request_end(struct screen *sc)
{
    move_cursor(sc, (long)screen_focus(sc)->lines);
}

void screen_go(struct screen *sc, struct pane *p, const char *where)
{
    pane_go(p, where);
    screen_refresh(sc);
}

/* The last hexadecimal word of 5 digits or more on the line: an address. */
static bool value_in(const char *text, char *buf, size_t len)
{
    bool found = false;

    while (*text) {
        size_t n = strspn(text, "0123456789abcdef");
        bool word_end = !isalnum((unsigned char)text[n]) && text[n] != '_';

        if (n >= 5 && n <= 16 && word_end) {
            snprintf(buf, len, "0x%.*s", (int)n, text);
            found = true;
        }
        text += n;
        while (*text && isalnum((unsigned char)*text))
            text++;
        while (*text && !isalnum((unsigned char)*text))
            text++;
    }
    return found;
}

/* A pane in sight that shows VIEW; the instructions are the code pane's. */
static struct pane *pane_for_view(struct screen *sc, const char *view)
{
    if (strcmp(view, "disasm") == 0)
        view = "code";
    if (strcmp(screen_focus(sc)->class->name, view) == 0)
        return screen_focus(sc);
    for (unsigned i = 0; i < sc->panes; i++)
        if (strcmp(sc->pane[i].class->name, view) == 0 && sc->pane[i].area.h) {
            sc->focus = i;
            return &sc->pane[i];
        }
    return NULL;
}

/* LINK is a view and its arguments. */
static void follow_link(struct screen *sc, const char *link)
{
    const struct pane *from = screen_focus(sc);
    const char *arg = strchr(link, ' ');
    struct pane *p;
    size_t cursor;
    char view[32];

    snprintf(view, sizeof(view), "%.*s",
             (int)(arg ? arg - link : (long)strlen(link)), link);
    p = pane_for_view(sc, view);
    if (!p) { /* no pane shows it: over the panes, then */
        screen_command(sc, link);
        return;
    }
    cursor = p->cursor;
    screen_go(sc, p, arg ? arg + 1 : "");
    if (p == from && strcmp(view, "tree") == 0)
        p->cursor = cursor; /* a branch has opened or closed below it */
    screen_say(sc, false, "%s; [ goes back", link);
}

static void request_follow(struct screen *sc)
{
    const struct pane_line *l = focused_line(sc);
    struct pane *p = screen_focus(sc);
    char where[32], word[64];
    bool found;

    if (l && l->link) {
        char link[96];

        snprintf(link, sizeof(link), "%s", l->link);
        follow_link(sc, link); /* the line is gone after it */
        return;
    }
    if (pane_word(p, word, sizeof(word)))
        found = value_in(word, where, sizeof(where));
    else
        found = l && value_in(l->text, where, sizeof(where));
    if (!found) {
        screen_say(sc, true, "there is no address under the cursor");
        return;
    }
    for (unsigned i = 0; !pane_takes_address(p) && i < sc->panes; i++)
        if (pane_takes_address(&sc->pane[i]) && sc->pane[i].area.h) {
            p = &sc->pane[i];
            sc->focus = i;
        }
    if (pane_takes_address(p)) {
        screen_go(sc, p, where);
        screen_say(sc, false, "%s; [ goes back", where);
    } else { /* there is none in sight */
        snprintf(word, sizeof(word), "memory %s 128 d", where);
        screen_command(sc, word);
    }
}

static void request_back(struct screen *sc)
{
    if (pane_back(screen_focus(sc)))
        screen_refresh(sc);
    else
        screen_say(sc, false, "this pane has been nowhere else");
}

static void request_forward(struct screen *sc)
{
    if (pane_forward(screen_focus(sc)))
        screen_refresh(sc);
}

static void step_walk(struct screen *sc, int by)
{
    if (pane_step(screen_focus(sc), by))
        screen_refresh(sc);
    else
        screen_say(sc, true, "this pane shows no page walk; vwalk does");
}

static void request_ahead(struct screen *sc)
{
    step_walk(sc, 1);
}

static void request_behind(struct screen *sc)
{
    step_walk(sc, -1);
}

static void request_zoom(struct screen *sc)
{
    sc->zoomed = !sc->zoomed;
    layout_apply(sc);
    screen_refresh(sc);
}

static void request_redraw(struct screen *sc)
{
    sc->term.ops->redraw(&sc->term);
    screen_refresh(sc);
}

static void request_explain(struct screen *sc)
{
    explain_cursor(sc);
}

static void request_help(struct screen *sc)
{
    popup_keys(sc);
}

static void request_left(struct screen *sc)
{
    pane_move_word(screen_focus(sc), -1);
}

static void request_right(struct screen *sc)
{
    pane_move_word(screen_focus(sc), 1);
}

static void request_move_on(struct screen *sc)
{
    layout_move(sc, 1);
    screen_refresh(sc);
}

static void request_move_back(struct screen *sc)
{
    layout_move(sc, -1);
    screen_refresh(sc);
}

static void request_quit(struct screen *sc)
{
    sc->quit = true;
}

/* ---- the input line ----------------------------------------------------- */

static void request_go(struct screen *sc)
{
    if (screen_focus(sc)->class->wants_arg)
        input_begin(sc, INPUT_GO);
    else
        screen_say(sc, true, "this pane shows one thing; Tab chooses another");
}

static void request_search(struct screen *sc)
{
    input_begin(sc, INPUT_SEARCH);
}

static void request_view(struct screen *sc)
{
    input_begin(sc, INPUT_VIEW);
}

static void request_command(struct screen *sc)
{
    input_begin(sc, INPUT_COMMAND);
}

static void request_type(struct screen *sc)
{
    if (sc->console)
        input_begin(sc, INPUT_TYPE);
    else
        screen_say(sc, true, "the serial line is not here (--serial)");
}

static void request_again(struct screen *sc)
{
    input_search(sc);
}

/* ---- dispatch ----------------------------------------------------------- */

/* The pane under the mouse gets the keys; the row of it that is meant. */
static struct pane *pane_at_mouse(struct screen *sc, size_t *row)
{
    for (unsigned i = 0; i < sc->panes; i++) {
        const struct rect *a = &sc->pane[i].area;

        if (sc->term.click_x - a->x < a->w && sc->term.click_y - a->y < a->h) {
            *row = sc->term.click_y - a->y;
            sc->focus = i;
            return &sc->pane[i];
        }
    }
    return NULL;
}

static void click(struct screen *sc)
{
    size_t row;
    struct pane *p = pane_at_mouse(sc, &row);

    if (p && row > 0 && p->top + row - 1 < p->lines)
        p->cursor = p->top + row - 1;
}

static void wheel(struct screen *sc, long by)
{
    size_t row;

    if (pane_at_mouse(sc, &row))
        move_cursor(sc, by);
}

void screen_key(struct screen *sc, int key)
{
    if (key == TERM_RESIZE) {
        layout_apply(sc);
        screen_refresh(sc);
    } else if (key == TERM_CLICK) {
        click(sc);
    } else if (popup_key(sc, key)) {
        return;
    } else if (sc->input) {
        input_key(sc, key);
    } else if (key == TERM_WHEEL_UP || key == TERM_WHEEL_DOWN) {
        wheel(sc, key == TERM_WHEEL_UP ? -WHEEL_LINES : WHEEL_LINES);
    } else {
        if (sc->message_bad) /* of the key before */
            sc->message[0] = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
            if (requests[i].key == key) {
                requests[i].fn(sc);
                return;
            }
        if (key == 0x1b) /* out of whatever it was: there is nothing left */
            sc->message[0] = '\0';
        else
            screen_say(sc, true, "no such key; h lists them");
    }
}
