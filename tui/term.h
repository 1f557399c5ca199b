/*
 * Where the screen appears and keys come from: a terminal (term_curses.c, the
 * only file that knows curses) or none at all (term_text.c, for tests).
 */
#ifndef TUI_TERM_H
#define TUI_TERM_H
#include "tui/theme.h"

#define KEY_CTRL(c) ((c)&0x1f)

enum term_key {
    TERM_NONE = 0, /* nothing within the time */
    TERM_UP = 0x1000,
    TERM_DOWN,
    TERM_LEFT,
    TERM_RIGHT,
    TERM_PGUP,
    TERM_PGDN,
    TERM_HOME,
    TERM_END,
    TERM_BACKTAB,
    TERM_BACKSPACE,
    TERM_RESIZE,
    TERM_CLICK, /* mouse: where is in term->click_* */
    TERM_WHEEL_UP,
    TERM_WHEEL_DOWN,
    TERM_EOF,         /* no key will come any more */
    TERM_F1 = 0x1100, /* to TERM_F1 + 11 */
};

struct term {
    const struct term_ops *ops;
    void *state;
    unsigned w, h;
    unsigned click_x, click_y;
    bool ascii;   /* nothing but ASCII is shown */
    bool patient; /* keys are asked for only while the guest is stopped */
};

struct term_ops {
    void (*fini)(struct term *t);
    /* Shows S; the cursor at X, Y, or hidden if X >= s->w. */
    void (*present)(struct term *t, const struct surface *s, unsigned x,
                    unsigned y);
    /* Waits up to TIMEOUT_MS, or until term_wake(). */
    int (*key)(struct term *t, int timeout_ms);
    void (*wake)(struct term *t); /* any thread */
    void (*redraw)(struct term *t);
    void (*set_theme)(struct term *t, const struct theme *theme);
};

/* 0 or -errno, logged.  T->ascii is set if the locale has nothing better. */
int term_curses_init(struct term *t);

/*
 * No terminal: keys are those of PATH (or none), the size is fixed, and the
 * last surface is printed to standard output at fini.  Lines of PATH are typed
 * as they stand, without their ends; `\r` `\t` `\e` and `\<Up>` (Down PgUp
 * PgDn Home End Tab S-Tab Enter Esc BS C-c) are other keys; a line that begins
 * with # is a comment.  Each key waits until the guest has stopped.
 */
int term_text_init(struct term *t, const char *keys, unsigned w, unsigned h);
#endif
