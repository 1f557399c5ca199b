/*
 * The debugger's screen: panes, one grammar of keys, a command line.  It runs
 * on a thread of its own and asks the machine through debug_server.h.
 */
#ifndef TUI_SCREEN_H
#define TUI_SCREEN_H
#include <stdio.h>

#include "tui/pane.h"
#include "tui/paper.h"
#include "tui/recall.h"
#include "tui/record.h"
#include "tui/term.h"
#include "vmm/debug_server.h"

#define SCREEN_PANES_MAX 9u
#define SPARE_PANES_MAX  18u
#define LAYOUTS          4u /* size classes: layout.c */
#define INPUT_MAX        200u

/* What the bottom line is used for. */
enum input_kind {
    INPUT_NONE,
    INPUT_COMMAND, /* after : */
    INPUT_GO,      /* after g */
    INPUT_SEARCH,  /* after / */
    INPUT_VIEW,    /* after v */
    INPUT_TYPE,    /* keys go to the guest */
};

/* What a person wants to see in the places of one size class. */
struct layout_choice {
    const struct pane_class *pane[SCREEN_PANES_MAX]; /* NULL: the table's */
};

/* follow.c: a pane that came forward with a stop, and what it hides. */
struct follow {
    bool off, due;                   /* due: the stop has not been looked at */
    bool resized;                    /* it has, but at another size */
    const struct pane_class *hidden; /* NULL: nothing */
    const struct pane_class *shown;
    unsigned at;
};

struct screen {
    struct command_ctx *ctx;
    struct debug_server *srv;
    struct debug_client client;
    bool shared;             /* gdb may run and change the guest as well */
    struct chardev *console; /* COM1, a chardev_memory; or NULL */
    struct term term;
    struct record *record; /* NULL: not recorded */
    struct surface surface;

    struct pane pane[SCREEN_PANES_MAX];
    unsigned panes, focus;
    struct pane spare[SPARE_PANES_MAX]; /* other sizes', the newest first */
    unsigned spares;
    unsigned focus_of[LAYOUTS]; /* 1 + the focus when last at that size */
    bool zoomed;
    bool wide; /* general registers have 64 bits */
    struct layout_choice chosen[LAYOUTS];
    size_t layout_at; /* size class; valid if known */
    bool layout_known;
    unsigned pinned;         /* 1 + the layout that was asked for; 0: by size */
    const char *layout_path; /* NULL: nothing is read or saved */
    struct follow follow;
    struct pane log, guest; /* kept when no place shows them */
    size_t guest_taken;     /* bytes of the console already in `guest` */

    /* The machine when it was last looked at. */
    struct x86_state st;
    struct debug_stop stop;
    uint64_t icount;
    bool running, glance;  /* glance: live panes only */
    atomic_bool stop_news; /* the guest stopped since */
    bool stopped;          /* the log is to say so */

    enum input_kind input;
    char text[INPUT_MAX];
    size_t text_len;
    struct recall *past; /* commands typed before */
    unsigned recalled;   /* 1 + how far back `text` is from; 0: it is new */
    const struct theme *theme;
    struct paper_screen *paper; /* NULL: nobody else asks for anything */
    char needle[INPUT_MAX];     /* of the last search */
    char message[256];
    bool message_bad;
    struct pane popup; /* lines over the panes */
    bool popup_open, quit;
};

struct screen_config {
    struct command_ctx *ctx;
    struct debug_server *srv;
    struct chardev *console;
    const char *gdb;     /* where it may come from and run the guest; or NULL */
    struct term term;    /* initialised; the screen finishes it */
    const char *record;  /* asciinema file, or NULL */
    const char *layout;  /* file of panes, or NULL */
    const char *history; /* file of typed commands, or NULL */
    const char *theme;   /* name, or NULL: dark */
    struct paper_screen *paper; /* asked by others than its user; or NULL */
};

/* Until the user leaves.  Not on the vCPU's thread. */
void screen_run(const struct screen_config *cfg);

/* ---- within tui/ -------------------------------------------------------- */

/* Chooses and places the panes for the terminal's size. */
void layout_apply(struct screen *sc);
/* Looks at the machine: fills the model and all panes in sight. */
void screen_refresh(struct screen *sc);
/* The same, on the vCPU's thread. */
void screen_look(struct screen *sc);
/* Draws on sc->surface; *X, *Y: where the cursor goes. */
void screen_compose(struct screen *sc, unsigned *x, unsigned *y);
void screen_say(struct screen *sc, bool bad, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* A line of the event log. */
void screen_log(struct screen *sc, enum look look, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void screen_key(struct screen *sc, int key);
void screen_resume(struct screen *sc, enum debug_run_kind kind, uint64_t addr);
/* Runs a line of the command language; its output goes to the log. */
void screen_command(struct screen *sc, const char *line);
struct pane *screen_focus(struct screen *sc);
/* PANE shows WHERE, an expression or what its view takes. */
void screen_go(struct screen *sc, struct pane *p, const char *where);

/* input.c: the bottom line. */
void input_begin(struct screen *sc, enum input_kind kind);
void input_key(struct screen *sc, int key);
/* The next line of the focused pane with what was searched for last. */
void input_search(struct screen *sc);

/* popup.c: empty, then line by line; wrapped to the screen. */
void popup_open(struct screen *sc);
void popup_line(struct screen *sc, enum look look, const char *text);
void popup_keys(struct screen *sc);
/* True: the key was for the popup alone. */
bool popup_key(struct screen *sc, int key);
void popup_paint(struct screen *sc);

/* explain.c: what is under the cursor. */
void explain_cursor(struct screen *sc);

/*
 * layout.c: the focused pane changes places with the next, or the one before.
 */
void layout_move(struct screen *sc, int by);
/* What the panes show now is what is wanted for this size. */
void layout_note(struct screen *sc);
/* Another pane in place I, as it was when it lost a place, else fresh. */
struct pane *layout_exchange(struct screen *sc, unsigned i,
                             const struct pane_class *c);
void layout_reset(struct screen *sc);
/* The index of a layout by its name; LAYOUTS: there is none. */
size_t layout_find(const char *name);
/* That layout while the terminal is large enough; LAYOUTS: by its size again.
 * False, and why: it is not. */
bool layout_pin(struct screen *sc, size_t at, struct strbuf *out);
/* Makes the terminal large enough for it. */
void layout_grow(struct screen *sc, size_t at);
/* All of them with their panes, CURRENT marked. */
void layout_list(const struct screen *sc, size_t current, struct strbuf *out);
void layout_fini(struct screen *sc);
void layout_write(const struct screen *sc, FILE *file);
/* 0, or the number of the line that is wrong: then nothing has changed. */
int layout_read(struct screen *sc, FILE *file);

/* follow.c: on the vCPU's thread, when the guest has stopped. */
void follow_stop(struct screen *sc);
/*
 * The panes are another size's: what the stop brought forward has to be, anew.
 */
void follow_resized(struct screen *sc);
/* What place I shows when no stop has brought anything forward there. */
const struct pane_class *follow_beneath(const struct screen *sc, unsigned i);

/* settings.c: the commands `layout` and `theme`; files of them. */
bool settings_command(void *opaque, struct command_ctx *ctx, int argc,
                      char **argv, struct strbuf *out);
void settings_load(struct screen *sc, const struct screen_config *cfg);
#endif
