/* The screen's model and main loop: look at the machine, paint, take a key. */
#include "tui/screen.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/host/chardev_host.h"
#include "vmm/x86/text.h"

#define REFRESH_MS    200  /* while the guest runs */
#define CONSOLE_LINES 5000 /* of the guest's output are kept */
#define LOG_LINES     5000 /* are kept */

void screen_say(struct screen *sc, bool bad, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(sc->message, sizeof(sc->message), fmt, ap);
    va_end(ap);
    sc->message_bad = bad;
}

void screen_log(struct screen *sc, enum look look, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pane_drop_lines(&sc->log, LOG_LINES);
    pane_add(&sc->log, look, "%s", text);
    sc->log.copied++; /* the panes that show it are behind */
}

struct pane *screen_focus(struct screen *sc)
{
    return &sc->pane[sc->focus];
}

/* ---- looking at the machine --------------------------------------------- */

/* One byte of the guest's serial output, as lines of text. */
static void guest_byte(struct pane *p, char c)
{
    struct pane_line *l = p->lines ? &p->line[p->lines - 1] : NULL;
    size_t n;

    if (c == '\n' || !l) {
        pane_drop_lines(p, CONSOLE_LINES);
        pane_add(p, LOOK_PLAIN, "%s", "");
        p->cursor = p->lines - 1;
        l = &p->line[p->lines - 1];
    }
    n = strlen(l->text);
    if (c == '\b' && n) {
        l->text[n - 1] = '\0';
    } else if (isprint((unsigned char)c) && n < 255) {
        l->text = realloc(l->text, n + 2);
        assert(l->text && "out of memory");
        l->text[n] = c;
        l->text[n + 1] = '\0';
    }
}

static void take_console(struct screen *sc)
{
    const char *text;
    size_t len;

    if (!sc->console)
        return;
    text = chardev_memory_output(sc->console, &len);
    for (; sc->guest_taken < len; sc->guest_taken++)
        guest_byte(&sc->guest, text[sc->guest_taken]);
}

/* The lines of FROM in a pane that shows them; MARK tells whether they are
 * there already. */
static void copy_lines(struct pane *to, const struct pane *from, size_t mark)
{
    bool at_end = to->lines == 0 || to->cursor + 1 >= to->lines;

    if (to->copied == mark)
        return;
    to->copied = mark;
    pane_clear(to);
    for (size_t i = 0; i < from->lines; i++)
        pane_add(to, from->line[i].look, "%s", from->line[i].text);
    if (at_end && to->lines)
        to->cursor = to->lines - 1;
}

static void refresh_pane(struct screen *sc, struct pane *p)
{
    if (p->area.h == 0)
        return;
    p->earlier = sc->glance && !p->class->live;
    if (p->earlier)
        return;
    if (strcmp(p->class->name, "console") == 0)
        copy_lines(p, &sc->guest, sc->guest_taken);
    else if (strcmp(p->class->name, "log") == 0)
        copy_lines(p, &sc->log, sc->log.copied);
    else
        pane_refresh(p, sc->ctx);
}

void screen_look(struct screen *sc)
{
    vm_get_state(sc->ctx->vm, &sc->st);
    if (sc->wide != (x86_mode(&sc->st) == X86_MODE_LONG64)) {
        sc->wide = !sc->wide;
        layout_apply(sc);
    }
    sc->stop = *debug_last_stop(sc->ctx->dbg);
    sc->icount = vm_vcpu(sc->ctx->vm)->icount;
    if (sc->running)
        debug_look_at_lap(sc->ctx->dbg);
    take_console(sc);
    if (sc->stopped) /* logged before the panes, as the log may be one */
        screen_log(sc, LOOK_DIM, "%llu: %s", (unsigned long long)sc->icount,
                   sc->stop.text);
    sc->stopped = false;
    if (sc->follow.due)
        follow_stop(sc);
    for (unsigned i = 0; i < sc->panes; i++)
        refresh_pane(sc, &sc->pane[i]);
}

static int look(struct debug *d, void *arg)
{
    (void)d;
    screen_look(arg);
    return 0;
}

void screen_refresh(struct screen *sc)
{
    sc->running = debug_server_running(sc->srv);
    debug_server_call(sc->srv, look, sc);
}

/* ---- painting ----------------------------------------------------------- */

static void paint_status(struct screen *sc)
{
    struct rect row = {0, 0, sc->surface.w, 1};
    char text[256], where[96];

    symbols_format(sc->ctx->sym, x86_linear_rip(&sc->st), where, sizeof(where));
    surface_fill(&sc->surface, row, 0, LOOK_BAR, ' ');
    snprintf(text, sizeof(text), " %s CPL%u | %s | %s | %s | %llu insns",
             x86_mode_name(x86_mode(&sc->st)), x86_cpl(&sc->st),
             vm_accel_name(sc->ctx->vm), where,
             sc->running ? "RUNNING" : debug_reason_name(sc->stop.reason),
             (unsigned long long)sc->icount);
    surface_text(&sc->surface, row, 0, 0, LOOK_BAR, text);
}

/* NOLINTNEXTLINE(readability-function-size): the rows are the branches */
static void paint_hints(struct screen *sc)
{
    struct rect row = {0, sc->surface.h - 1, sc->surface.w, 1};
    unsigned x = 0;

    surface_fill(&sc->surface, row, 0, LOOK_BAR, ' ');
    if (sc->input == INPUT_TYPE) { /* no key means what it usually does */
        surface_text(&sc->surface, row, 0, 0, LOOK_BAR,
                     sc->running ? " typing to the guest; Esc ends it"
                                 : " typing to the guest, which is stopped; "
                                   "Esc ends it, then c goes on");
        return;
    }
#define REQUEST(id, key, name, hint, help)                                     \
    if ((hint)[0]) {                                                           \
        x += 1 +                                                               \
             surface_text(&sc->surface, row, x, 0, LOOK_BAR, name ":" hint);   \
    }
#include "tui/request.def"
#undef REQUEST
}

/* The guest's last line, then what we have to say or what is being typed. */
static void paint_lines(struct screen *sc, unsigned *x, unsigned *y)
{
    static const char *const prompts[] = {
        [INPUT_NONE] = "",
        [INPUT_COMMAND] = ":",
        [INPUT_GO] = "go to: ",
        [INPUT_SEARCH] = "/",
        [INPUT_VIEW] = "show (Tab lists): ",
    };
    struct rect row = {0, sc->surface.h - 3, sc->surface.w, 1};
    const char *last = "";

    for (size_t i = sc->guest.lines; i-- > 0 && !last[0];)
        last = sc->guest.line[i].text;
    surface_text(&sc->surface, row, 0, 0, LOOK_DIM, "guest: ");
    surface_text(&sc->surface, row, 7, 0, LOOK_PLAIN, last);
    row.y++;
    *x = sc->surface.w;
    *y = row.y;
    if (sc->input == INPUT_NONE || sc->input == INPUT_TYPE) {
        surface_text(&sc->surface, row, 0, 0,
                     sc->message_bad ? LOOK_FAULT : LOOK_PLAIN, sc->message);
        return;
    }
    *x = surface_text(&sc->surface, row, 0, 0, LOOK_NAME, prompts[sc->input]);
    *x += surface_text(&sc->surface, row, *x, 0, LOOK_PLAIN, sc->text);
}

void screen_compose(struct screen *sc, unsigned *x, unsigned *y)
{
    if (sc->surface.w != sc->term.w || sc->surface.h != sc->term.h) {
        surface_fini(&sc->surface);
        surface_init(&sc->surface, sc->term.w, sc->term.h);
    }
    surface_clear(&sc->surface);
    *x = sc->surface.w;
    *y = 0;
    if (sc->surface.h >= 4) {
        for (unsigned i = 0; i < sc->panes; i++)
            pane_draw(&sc->pane[i], &sc->surface, i == sc->focus);
        paint_lines(sc, x, y);
        paint_hints(sc);
        popup_paint(sc);
    }
    if (sc->surface.h >= 1)
        paint_status(sc);
}

static void paint(struct screen *sc)
{
    unsigned x, y;

    screen_compose(sc, &x, &y);
    sc->term.ops->present(&sc->term, &sc->surface, x, y);
    if (sc->record)
        record_frame(sc->record, &sc->surface, sc->theme);
}

/* ---- running ------------------------------------------------------------ */

/* On the vCPU's thread. */
static void on_stop(void *opaque, const struct debug_stop *stop)
{
    struct screen *sc = opaque;

    (void)stop;
    atomic_store(&sc->stop_news, true);
    sc->term.ops->wake(&sc->term);
}

static int remember_state(struct debug *d, void *arg)
{
    struct screen *sc = arg;

    (void)d;
    command_ctx_leave(sc->ctx);
    return 0;
}

void screen_resume(struct screen *sc, enum debug_run_kind kind, uint64_t addr)
{
    struct debug_run how = {.kind = kind, .addr = addr};
    enum vm_stop_reason off = vm_stop_reason(sc->ctx->vm);
    int err;

    if (off != VM_STOP_NONE && off != VM_STOP_DEBUG) {
        screen_say(sc, true, "the machine is off (%s); :reset starts it again",
                   vm_stop_text(sc->ctx->vm));
        return;
    }
    debug_server_call(sc->srv, remember_state, sc);
    err = debug_server_resume(sc->srv, &how);
    if (err)
        screen_say(sc, true, "the guest runs already; ^C stops it");
    else
        screen_say(sc, false,
                   sc->console ? "running; ^C stops the guest, t types to it"
                               : "running; ^C stops the guest");
}

static void hear_stop(struct screen *sc)
{
    if (!atomic_exchange(&sc->stop_news, false))
        return;
    sc->follow.due = true;
    sc->stopped = true;
    screen_refresh(sc);
    screen_say(sc, sc->stop.reason == DEBUG_REASON_TRIPLE_FAULT, "%s",
               sc->stop.text);
}

/* A stop is seen before the next key: recorded keys depend on it. */
static void wait_patiently(struct screen *sc)
{
    while (sc->term.patient && debug_server_running(sc->srv))
        usleep(1000);
}

/* What somebody beside has asked the screen to be. */
static void hear_wish(struct screen *sc)
{
    struct paper_screen *p = sc->paper;
    char line[sizeof(p->wish)];

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    memcpy(line, p->wish, sizeof(line));
    p->wish[0] = '\0';
    pthread_mutex_unlock(&p->lock);
    if (line[0])
        screen_command(sc, line);
    pthread_mutex_lock(&p->lock);
    p->layout = sc->layout_at;
    p->theme = sc->theme;
    pthread_mutex_unlock(&p->lock);
}

/* Nobody asked: as little as a running guest's reader may want to see. */
static void glance(struct screen *sc)
{
    sc->glance = true;
    screen_refresh(sc);
    sc->glance = false;
}

static void main_loop(struct screen *sc)
{
    while (!sc->quit) {
        int key;

        wait_patiently(sc);
        hear_wish(sc);
        hear_stop(sc);
        paint(sc);
        key = sc->term.ops->key(
            &sc->term,
            sc->shared || debug_server_running(sc->srv) ? REFRESH_MS : -1);
        if (key == TERM_EOF)
            break;
        if (key != TERM_NONE)
            screen_key(sc, key);
        else if (sc->shared || debug_server_running(sc->srv))
            glance(sc);
    }
    wait_patiently(sc);
    hear_stop(sc);
    paint(sc);
}

/* `:c` and its like: the run goes through the server, like the keys. */
static int resume_hook(void *opaque, const struct debug_run *how)
{
    struct screen *sc = opaque;

    return debug_server_resume(sc->srv, how);
}

void screen_run(const struct screen_config *cfg)
{
    struct screen *sc = calloc(1, sizeof(*sc));

    assert(sc && "out of memory");
    sc->ctx = cfg->ctx;
    sc->srv = cfg->srv;
    sc->console = cfg->console;
    sc->shared = cfg->gdb;
    sc->paper = cfg->paper;
    sc->term = cfg->term;
    sc->client = (struct debug_client){"screen", on_stop, NULL, sc, NULL};
    sc->ctx->resume = resume_hook;
    sc->ctx->resume_opaque = sc;
    sc->ctx->screen = (struct command_screen){settings_command, sc};
    pane_init(&sc->log, pane_class_find("log"));
    pane_init(&sc->guest, pane_class_find("console"));
    if (cfg->record)
        record_create(&sc->record, cfg->record, sc->term.w, sc->term.h);
    debug_server_attach(sc->srv, &sc->client);
    if (cfg->gdb) {
        screen_log(sc, LOOK_DIM, "gdb: target remote %s", cfg->gdb);
        screen_say(sc, false, "h lists keys; gdb: target remote %s", cfg->gdb);
    } else {
        screen_say(
            sc, false,
            "s steps, c continues, ? explains, h lists keys, :help commands");
    }
    settings_load(sc, cfg);
    layout_apply(sc);
    screen_refresh(sc);
    main_loop(sc);
    debug_server_detach(sc->srv, &sc->client);
    sc->term.ops->fini(&sc->term);
    record_destroy(sc->record);
    recall_close(sc->past);
    layout_fini(sc);
    pane_fini(&sc->popup);
    pane_fini(&sc->log);
    pane_fini(&sc->guest);
    surface_fini(&sc->surface);
    free(sc);
}
