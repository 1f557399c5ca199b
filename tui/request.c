/* What each key does: one row of request.def, one function here. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tui/screen.h"
#include "vmm/host/chardev_host.h"

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
    {TERM_WHEEL_UP, request_up},
    {TERM_WHEEL_DOWN, request_down},
    /* as in many debuggers */
    {TERM_F1, request_explain},
    {TERM_F1 + 4, request_continue}, /* F5 */
    {TERM_F1 + 8, request_break},    /* F9 */
    {TERM_F1 + 9, request_next},     /* F10 */
    {TERM_F1 + 10, request_step},    /* F11 */
};

/* ---- running
 * --------------------------------------------------------------------- */

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

/* ---- moving
 * ------------------------------------------------------------------------ */

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

static void go(struct screen *sc, struct pane *p, const char *where)
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
    const char *arg = strchr(link, ' ');
    struct pane *p;
    char view[32];

    snprintf(view, sizeof(view), "%.*s",
             (int)(arg ? arg - link : (long)strlen(link)), link);
    p = pane_for_view(sc, view);
    if (!p) {
        screen_say(sc, true, "no pane shows %s; v chooses one", view);
        return;
    }
    go(sc, p, arg ? arg + 1 : "");
    screen_say(sc, false, "%s; [ goes back", link);
}

static void request_follow(struct screen *sc)
{
    const struct pane_line *l = focused_line(sc);
    struct pane *p = screen_focus(sc);
    char where[32];

    if (l && l->link) {
        char link[96];

        snprintf(link, sizeof(link), "%s", l->link);
        follow_link(sc, link); /* the line is gone after it */
        return;
    }
    if (!l || !value_in(l->text, where, sizeof(where))) {
        screen_say(sc, true, "there is no address under the cursor");
        return;
    }
    if (!p->class->wants_arg) { /* a code pane can always go there */
        for (unsigned i = 0; i < sc->panes; i++)
            if (sc->pane[i].class->wants_arg && sc->pane[i].area.h) {
                p = &sc->pane[i];
                sc->focus = i;
                break;
            }
    }
    go(sc, p, where);
    screen_say(sc, false, "%s; [ goes back", where);
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
    sc->help = true;
}

static void request_quit(struct screen *sc)
{
    sc->quit = true;
}

/* ---- the input line
 * ------------------------------------------------------------------ */

static void begin_input(struct screen *sc, enum input_kind kind)
{
    sc->input = kind;
    sc->text_len = 0;
    sc->text[0] = '\0';
    sc->history_at = sc->history_len;
}

static void request_go(struct screen *sc)
{
    if (screen_focus(sc)->class->wants_arg)
        begin_input(sc, INPUT_GO);
    else
        screen_say(sc, true, "this pane shows one thing; Tab chooses another");
}

static void request_search(struct screen *sc)
{
    begin_input(sc, INPUT_SEARCH);
}

static void request_view(struct screen *sc)
{
    begin_input(sc, INPUT_VIEW);
}

static void request_command(struct screen *sc)
{
    begin_input(sc, INPUT_COMMAND);
}

static void request_type(struct screen *sc)
{
    if (sc->console)
        begin_input(sc, INPUT_TYPE);
    else
        screen_say(sc, true, "the serial line is not here (--serial)");
}

static void request_again(struct screen *sc)
{
    struct pane *p = screen_focus(sc);

    for (size_t i = 1; sc->needle[0] && i <= p->lines; i++) {
        size_t at = (p->cursor + i) % p->lines;

        if (strcasestr(p->line[at].text, sc->needle)) {
            p->cursor = at;
            return;
        }
    }
    screen_say(sc, true, "'%s' is not in this pane", sc->needle);
}

static void show_view(struct screen *sc, const char *name)
{
    const struct pane_class *c, *match = NULL;
    size_t n = strlen(name);

    for (size_t i = 0; (c = pane_class_nth(i)); i++)
        if (strncmp(c->name, name, n) == 0 && (!match || !c->name[n]))
            match = c;
    if (!match || !n) {
        screen_say(sc, true,
                   "views: code cpu source regs segs fpu memory "
                   "stack walk tree exits gdt idt tss devices ...");
        return;
    }
    pane_show(screen_focus(sc), match);
    screen_refresh(sc);
}

struct command_call {
    struct screen *sc;
    const char *line;
    struct strbuf out;
    bool ok;
};

static int call_command(struct debug *d, void *arg)
{
    struct command_call *c = arg;

    (void)d;
    c->ok = command_run(c->sc->ctx, c->line, &c->out);
    return 0;
}

void screen_command(struct screen *sc, const char *line)
{
    struct command_call c = {.sc = sc, .line = line};
    char *save = NULL, *first;
    struct pane *log = &sc->log;

    strbuf_init(&c.out);
    debug_server_call(sc->srv, call_command, &c);
    pane_add(log, LOOK_NAME, ":%s", line);
    first = c.out.text ? strtok_r(c.out.text, "\n", &save) : NULL;
    screen_say(sc, !c.ok, "%s", first ? first : "");
    for (char *l = first; l; l = strtok_r(NULL, "\n", &save))
        pane_add(log, c.ok ? LOOK_PLAIN : LOOK_FAULT, "%s", l);
    strbuf_fini(&c.out);
    if (sc->ctx->quit)
        sc->quit = true;
    else
        screen_refresh(sc);
}

static void remember_input(struct screen *sc)
{
    if (sc->history_len == INPUT_HISTORY) {
        memmove(sc->history[0], sc->history[1],
                sizeof(sc->history) - sizeof(sc->history[0]));
        sc->history_len--;
    }
    strcpy(sc->history[sc->history_len++], sc->text);
}

static void end_input(struct screen *sc)
{
    enum input_kind kind = sc->input;

    sc->input = INPUT_NONE;
    sc->message[0] = '\0';
    if (kind == INPUT_COMMAND && sc->text[0]) {
        remember_input(sc);
        screen_command(sc, sc->text);
    } else if (kind == INPUT_GO) {
        go(sc, screen_focus(sc), sc->text);
    } else if (kind == INPUT_VIEW) {
        show_view(sc, sc->text);
    } else if (kind == INPUT_SEARCH) {
        strcpy(sc->needle, sc->text);
        request_again(sc);
    }
}

static void recall(struct screen *sc, int by)
{
    unsigned to = sc->history_at + (unsigned)by;

    if (to >= sc->history_len)
        return;
    sc->history_at = to;
    strcpy(sc->text, sc->history[to]);
    sc->text_len = strlen(sc->text);
}

static void complete(struct screen *sc)
{
    char buf[INPUT_MAX];

    if (sc->input == INPUT_COMMAND &&
        command_complete(sc->ctx, sc->text, 0, buf, sizeof(buf))) {
        strcpy(sc->text, buf);
        sc->text_len = strlen(buf);
    }
}

static void input_key(struct screen *sc, int key)
{
    if (key == '\r')
        end_input(sc);
    else if (key == 0x1b || key == KEY_CTRL('c') || key == KEY_CTRL('g'))
        sc->input = INPUT_NONE;
    else if (key == TERM_BACKSPACE && sc->text_len)
        sc->text[--sc->text_len] = '\0';
    else if (key == TERM_BACKSPACE)
        sc->input = INPUT_NONE;
    else if (key == TERM_UP)
        recall(sc, -1);
    else if (key == TERM_DOWN)
        recall(sc, 1);
    else if (key == '\t')
        complete(sc);
    else if (key == KEY_CTRL('u'))
        sc->text[sc->text_len = 0] = '\0';
    else if (key >= ' ' && key < 0x7f && sc->text_len + 1 < INPUT_MAX) {
        sc->text[sc->text_len++] = (char)key;
        sc->text[sc->text_len] = '\0';
    }
}

/* ---- typing to the guest
 * ---------------------------------------------------------------- */

struct typed {
    struct chardev *chr;
    char byte;
};

static int type_byte(struct debug *d, void *arg)
{
    struct typed *t = arg;

    (void)d;
    chardev_memory_type(t->chr, &t->byte, 1);
    return 0;
}

static void type_key(struct screen *sc, int key)
{
    struct typed t = {sc->console, (char)key};

    if (key == 0x1b) {
        sc->input = INPUT_NONE;
        return;
    }
    if (key == TERM_BACKSPACE)
        t.byte = 0x7f;
    else if (key >= 0x100)
        return;
    debug_server_call(sc->srv, type_byte, &t);
}

/* ---- dispatch
 * ---------------------------------------------------------------------------
 */

static void click(struct screen *sc)
{
    for (unsigned i = 0; i < sc->panes; i++) {
        const struct rect *a = &sc->pane[i].area;

        if (sc->term.click_x - a->x < a->w && sc->term.click_y - a->y < a->h) {
            size_t row = sc->term.click_y - a->y;
            sc->focus = i;
            if (row > 0 && sc->pane[i].top + row - 1 < sc->pane[i].lines)
                sc->pane[i].cursor = sc->pane[i].top + row - 1;
        }
    }
}

void screen_key(struct screen *sc, int key)
{
    if (key == TERM_RESIZE) {
        layout_apply(sc);
        screen_refresh(sc);
    } else if (key == TERM_CLICK) {
        click(sc);
    } else if (sc->help) {
        sc->help = false;
    } else if (sc->input == INPUT_TYPE) {
        type_key(sc, key);
    } else if (sc->input) {
        input_key(sc, key);
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
            if (requests[i].key == key) {
                requests[i].fn(sc);
                return;
            }
        screen_say(sc, true, "no such key; ? lists them");
    }
}
