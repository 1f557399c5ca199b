/* The bottom line: what is typed there, and what is done with it. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tui/screen.h"
#include "vmm/host/chardev_host.h"

void input_begin(struct screen *sc, enum input_kind kind)
{
    sc->input = kind;
    sc->text_len = 0;
    sc->text[0] = '\0';
    sc->recalled = 0;
}

void input_search(struct screen *sc)
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
    struct pane *p = screen_focus(sc);
    char arg[sizeof(p->arg)] = "";
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
    /* The same address walked, nested, shadowed: it comes along. */
    if (pane_takes_address(p) && strncmp(p->arg, "phys:", 5) != 0)
        snprintf(arg, sizeof(arg), "%.*s", (int)strcspn(p->arg, " "), p->arg);
    pane_show(p, match);
    if (pane_takes_address(p))
        memcpy(p->arg, arg, sizeof(arg));
    layout_note(sc);
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

/* What a command said: the first line at the bottom, all of it in the log,
 * and over the panes if it does not fit there. */
static void show_output(struct screen *sc, bool ok, char *text)
{
    bool many = text && (strchr(text, '\n') != strrchr(text, '\n') ||
                         strlen(text) > sc->surface.w);
    enum look look = ok ? LOOK_PLAIN : LOOK_FAULT;
    char *save = NULL;

    if (many)
        popup_open(sc);
    screen_say(sc, !ok, "%.*s", text ? (int)strcspn(text, "\n") : 0,
               text ? text : "");
    for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
         l = strtok_r(NULL, "\n", &save)) {
        screen_log(sc, look, "%s", l);
        if (many)
            popup_line(sc, look, l);
    }
    if (many)
        sc->message[0] = '\0'; /* it is in the popup */
}

void screen_command(struct screen *sc, const char *line)
{
    struct command_call c = {.sc = sc, .line = line};

    strbuf_init(&c.out);
    debug_server_call(sc->srv, call_command, &c);
    screen_log(sc, LOOK_NAME, ":%s", line);
    show_output(sc, c.ok, c.out.text);
    strbuf_fini(&c.out);
    if (sc->ctx->quit)
        sc->quit = true;
    else
        screen_refresh(sc);
}

static void end_input(struct screen *sc)
{
    enum input_kind kind = sc->input;

    sc->input = INPUT_NONE;
    sc->message[0] = '\0';
    if (kind == INPUT_COMMAND && sc->text[0]) {
        recall_add(sc->past, sc->text);
        screen_command(sc, sc->text);
    } else if (kind == INPUT_GO) {
        screen_go(sc, screen_focus(sc), sc->text);
    } else if (kind == INPUT_VIEW) {
        show_view(sc, sc->text);
    } else if (kind == INPUT_SEARCH) {
        strcpy(sc->needle, sc->text);
        input_search(sc);
    }
}

static void set_text(struct screen *sc, const char *text)
{
    snprintf(sc->text, sizeof(sc->text), "%s", text);
    sc->text_len = strlen(sc->text);
}

/* BY 1: the command before the one shown. */
static void recall(struct screen *sc, int by)
{
    unsigned to = sc->recalled + (unsigned)by;
    const char *line;

    if (sc->input != INPUT_COMMAND || (by < 0 && sc->recalled == 0))
        return;
    line = to ? recall_nth(sc->past, to - 1) : "";
    if (!line)
        return;
    sc->recalled = to;
    set_text(sc, line);
}

/* The N-th completion of what is typed. */
static bool completion(struct screen *sc, size_t n, char *buf, size_t len)
{
    if (sc->input == INPUT_COMMAND)
        return command_complete(sc->ctx, sc->text, n, buf, len);
    if (sc->input == INPUT_VIEW) {
        const struct pane_class *c;

        for (size_t i = 0; (c = pane_class_nth(i)); i++)
            if (strncmp(c->name, sc->text, sc->text_len) == 0 && n-- == 0) {
                snprintf(buf, len, "%s", c->name);
                return true;
            }
        return false;
    }
    /* An expression: as the argument of a command. */
    if (sc->input == INPUT_GO) {
        static const char as[] = "print ";
        char line[INPUT_MAX + sizeof(as)];

        snprintf(line, sizeof(line), "%s%s", as, sc->text);
        if (!command_complete(sc->ctx, line, n, buf, len))
            return false;
        memmove(buf, buf + strlen(as), strlen(buf + strlen(as)) + 1);
        return true;
    }
    return false;
}

/* What can follow, in the popup. */
static void list_completions(struct screen *sc)
{
    char buf[INPUT_MAX];

    popup_open(sc);
    for (size_t i = 0; i < 200 && completion(sc, i, buf, sizeof(buf)); i++) {
        const char *word = strrchr(buf, ' ');
        popup_line(sc, LOOK_PLAIN, word ? word + 1 : buf);
    }
}

/* Adds what all completions share; if that is nothing, lists them. */
static void complete(struct screen *sc)
{
    char first[INPUT_MAX], other[INPUT_MAX];
    size_t common;

    if (!completion(sc, 0, first, sizeof(first)))
        return;
    common = strlen(first);
    for (size_t i = 1; completion(sc, i, other, sizeof(other)); i++) {
        size_t k = 0;

        while (k < common && other[k] == first[k])
            k++;
        common = k;
    }
    first[common] = '\0';
    if (common > sc->text_len)
        set_text(sc, first);
    else if (completion(sc, 1, other, sizeof(other)))
        list_completions(sc);
}

/* ---- typing to the guest ------------------------------------------------ */

struct typed {
    struct chardev *chr;
    char byte;
};

static int type_byte(struct debug *d, void *arg)
{
    struct typed *t = arg;

    (void)d;
    chardev_type(t->chr, &t->byte, 1);
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

void input_key(struct screen *sc, int key)
{
    if (sc->input == INPUT_TYPE)
        type_key(sc, key);
    else if (key == '\r')
        end_input(sc);
    else if (key == 0x1b || key == KEY_CTRL('c') || key == KEY_CTRL('g'))
        sc->input = INPUT_NONE;
    else if (key == TERM_BACKSPACE && sc->text_len)
        sc->text[--sc->text_len] = '\0';
    else if (key == TERM_BACKSPACE)
        sc->input = INPUT_NONE;
    else if (key == TERM_UP)
        recall(sc, 1);
    else if (key == TERM_DOWN)
        recall(sc, -1);
    else if (key == '\t')
        complete(sc);
    else if (key == KEY_CTRL('u'))
        sc->text[sc->text_len = 0] = '\0';
    else if (key >= ' ' && key < 0x7f && sc->text_len + 1 < INPUT_MAX) {
        sc->text[sc->text_len++] = (char)key;
        sc->text[sc->text_len] = '\0';
    }
}
