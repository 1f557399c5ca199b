/*
 * The debugger's screen: panes, one grammar of keys, a command line.  It runs
 * on a thread of its own and asks the machine through debug_server.h.
 */
#ifndef TUI_SCREEN_H
#define TUI_SCREEN_H
#include "tui/pane.h"
#include "tui/record.h"
#include "tui/term.h"
#include "vmm/debug_server.h"

#define SCREEN_PANES_MAX 9u
#define INPUT_MAX        200u
#define INPUT_HISTORY    100u

/* What the bottom line is used for. */
enum input_kind {
    INPUT_NONE,
    INPUT_COMMAND, /* after : */
    INPUT_GO,      /* after g */
    INPUT_SEARCH,  /* after / */
    INPUT_VIEW,    /* after v */
    INPUT_TYPE,    /* keys go to the guest */
};

struct screen {
    struct command_ctx *ctx;
    struct debug_server *srv;
    struct debug_client client;
    struct chardev *console; /* COM1, a chardev_memory; or NULL */
    struct term term;
    struct record *record; /* NULL: not recorded */
    struct surface surface;

    struct pane pane[SCREEN_PANES_MAX];
    unsigned panes, focus;
    bool zoomed;
    struct pane log, guest; /* kept when no place shows them */
    size_t guest_taken;     /* bytes of the console already in `guest` */

    /* The machine when it was last looked at. */
    struct x86_state st;
    struct debug_stop stop;
    uint64_t icount;
    bool running;
    atomic_bool stop_news; /* the guest stopped since */

    enum input_kind input;
    char text[INPUT_MAX];
    size_t text_len;
    char history[INPUT_HISTORY][INPUT_MAX];
    unsigned history_len, history_at;
    char needle[INPUT_MAX]; /* of the last search */
    char message[256];
    bool message_bad;
    bool help, quit;
};

struct screen_config {
    struct command_ctx *ctx;
    struct debug_server *srv;
    struct chardev *console;
    struct term term;   /* initialised; the screen finishes it */
    const char *record; /* asciinema file, or NULL */
};

/* Until the user leaves.  Not on the vCPU's thread. */
void screen_run(const struct screen_config *cfg);

/* ---- within tui/
 * ------------------------------------------------------------- */

/* Chooses and places the panes for the terminal's size. */
void layout_apply(struct screen *sc);
/* Looks at the machine: fills the model and all panes in sight. */
void screen_refresh(struct screen *sc);
void screen_paint(struct screen *sc);
void screen_say(struct screen *sc, bool bad, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void screen_key(struct screen *sc, int key);
void screen_resume(struct screen *sc, enum debug_run_kind kind, uint64_t addr);
/* Runs a line of the command language; its output goes to the log. */
void screen_command(struct screen *sc, const char *line);
struct pane *screen_focus(struct screen *sc);
/* The text of KEY's help, or what the focused line is about. */
void screen_explain(struct screen *sc);
#endif
