/* The terminal, by ncurses.  Nothing else in Ringside includes curses. */
#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tui/term.h"
#include "vmm/base/log.h"
#include "vmm/host/terminal.h"

struct curses_state {
    int wake_fd;
    chtype look[LOOK_COUNT];
    bool colours;
};

static void curses_fini(struct term *t)
{
    struct curses_state *cs = t->state;

    endwin();
    terminal_set_leave(STDOUT_FILENO, "", NULL);
    terminal_restore();
    log_hold(false);
    close(cs->wake_fd);
    free(cs);
}

static void put_cell(const struct term *t, const struct cell *c)
{
    const struct curses_state *cs = t->state;

    attrset((int)cs->look[c->look]);
    if (c->ch < 0x80 || t->ascii) {
        addch((chtype)surface_ascii(c->ch));
    } else {
        struct strbuf sb;

        strbuf_init(&sb);
        surface_utf8(&sb, c->ch);
        addstr(strbuf_str(&sb));
        strbuf_fini(&sb);
    }
}

static void curses_present(struct term *t, const struct surface *s, unsigned x,
                           unsigned y)
{
    for (unsigned row = 0; row < s->h; row++) {
        move((int)row, 0);
        for (unsigned col = 0; col < s->w; col++)
            put_cell(t, &s->cell[(size_t)row * s->w + col]);
    }
    curs_set(x < s->w);
    if (x < s->w)
        move((int)y, (int)x);
    refresh();
}

static void update_size(struct term *t)
{
    t->w = COLS > 0 ? (unsigned)COLS : 1;
    t->h = LINES > 0 ? (unsigned)LINES : 1;
}

static int mouse_key(struct term *t)
{
    MEVENT ev;

    if (getmouse(&ev) != OK)
        return TERM_NONE;
    t->click_x = ev.x > 0 ? (unsigned)ev.x : 0;
    t->click_y = ev.y > 0 ? (unsigned)ev.y : 0;
    if (ev.bstate & BUTTON4_PRESSED)
        return TERM_WHEEL_UP;
    if (ev.bstate & BUTTON5_PRESSED)
        return TERM_WHEEL_DOWN;
    return TERM_CLICK;
}

static int translate(struct term *t, int ch)
{
    static const struct {
        int curses, ours;
    } keys[] = {
        {KEY_UP, TERM_UP},        {KEY_DOWN, TERM_DOWN},
        {KEY_LEFT, TERM_LEFT},    {KEY_RIGHT, TERM_RIGHT},
        {KEY_PPAGE, TERM_PGUP},   {KEY_NPAGE, TERM_PGDN},
        {KEY_HOME, TERM_HOME},    {KEY_END, TERM_END},
        {KEY_BTAB, TERM_BACKTAB}, {KEY_BACKSPACE, TERM_BACKSPACE},
        {KEY_ENTER, '\r'},        {'\n', '\r'},
        {0x7f, TERM_BACKSPACE},   {KEY_CTRL('h'), TERM_BACKSPACE},
    };

    if (ch == KEY_RESIZE) {
        update_size(t);
        /* It may have been smaller in between, and cut what was there. */
        clearok(stdscr, TRUE);
        return TERM_RESIZE;
    }
    if (ch == KEY_MOUSE)
        return mouse_key(t);
    if (ch >= KEY_F(1) && ch <= KEY_F(12))
        return TERM_F1 + (ch - KEY_F(1));
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].curses == ch)
            return keys[i].ours;
    return ch < 0x100 ? ch : TERM_NONE;
}

static int curses_key(struct term *t, int timeout_ms)
{
    struct curses_state *cs = t->state;
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = cs->wake_fd, .events = POLLIN},
    };
    uint64_t drain;
    int ch = getch(); /* what curses has read already */

    if (ch == ERR) {
        /* A window that was small for a moment has lost cells, and may have
         * its old size by now: then curses sees no change. */
        if (terminal_wait(fds, ARRAY_SIZE(fds), timeout_ms) < 0)
            clearok(stdscr, TRUE);
        if (read(cs->wake_fd, &drain, sizeof(drain)) < 0 && errno != EAGAIN)
            return TERM_EOF;
        if (fds[0].revents & (POLLHUP | POLLERR))
            return TERM_EOF;
        ch = getch();
    }
    return ch == ERR ? TERM_NONE : translate(t, ch);
}

static void curses_wake(struct term *t)
{
    struct curses_state *cs = t->state;
    uint64_t one = 1;
    ssize_t n = write(cs->wake_fd, &one, sizeof(one));

    (void)n; /* full: it is awake already */
}

static void curses_redraw(struct term *t)
{
    (void)t;
    clearok(stdscr, TRUE);
}

static chtype attributes(unsigned attr)
{
    return (attr & THEME_BOLD ? A_BOLD : 0) | (attr & THEME_DIM ? A_DIM : 0) |
           (attr & THEME_REVERSE ? A_REVERSE : 0) |
           (attr & THEME_UNDERLINE ? A_UNDERLINE : 0);
}

static void curses_set_theme(struct term *t, const struct theme *theme)
{
    struct curses_state *cs = t->state;
    bool many = COLORS >= 256;

    for (unsigned i = 0; i < LOOK_COUNT; i++) {
        const struct theme_look *l = &theme->look[i];

        cs->look[i] = attributes(l->attr);
        if (!theme->colours || !cs->colours)
            continue;
        if (many) /* the colour itself is dim enough */
            cs->look[i] &= ~(chtype)A_DIM;
        init_pair((short)(i + 1), many ? l->fg : l->basic,
                  many ? theme->bg : theme->basic_bg);
        cs->look[i] |= (chtype)COLOR_PAIR(i + 1);
    }
    bkgdset(' ' | cs->look[LOOK_PLAIN]);
    clearok(stdscr, TRUE);
}

/* What a deadly signal writes in place of endwin(), which is not for
 * handlers. */
static void set_leave(void)
{
    static const char *const caps[] = {"rmkx", "sgr0", "cnorm", "rmcup"};
    char leave[128] = "\033[?1006;1000l"; /* the mouse's reports */

    for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
        const char *s = tigetstr(caps[i]);

        if (!s || s == (const char *)-1 || strstr(s, "$<"))
            continue; /* there is none, or it wants to be waited for */
        if (strlen(leave) + strlen(s) < sizeof(leave))
            strcat(leave, s);
    }
    terminal_set_leave(STDOUT_FILENO, leave, NULL);
}

int term_curses_init(struct term *t)
{
    static const struct term_ops ops = {
        .fini = curses_fini,
        .present = curses_present,
        .key = curses_key,
        .wake = curses_wake,
        .redraw = curses_redraw,
        .set_theme = curses_set_theme,
    };
    struct curses_state *cs = calloc(1, sizeof(*cs));

    if (!cs)
        return -ENOMEM;
    setlocale(LC_CTYPE, "");
    cs->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (terminal_lend(STDIN_FILENO)) {
        free(cs);
        return -EIO;
    }
    if (cs->wake_fd < 0 || !newterm(NULL, stdout, stdin)) {
        terminal_restore();
        log_error("the terminal '%s' cannot show the screen; use --repl",
                  getenv("TERM") ? getenv("TERM") : "");
        free(cs);
        return -EINVAL;
    }
    set_leave();
    log_hold(true);
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    mousemask(ALL_MOUSE_EVENTS, NULL);
    mouseinterval(0);
    cs->colours =
        has_colors() && start_color() == OK && use_default_colors() == OK;
    *t = (struct term){.ops = &ops, .state = cs};
    t->ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    update_size(t);
    return 0;
}
