/*
 * A pane is a view with a place on the screen.  It is filled on the vCPU's
 * thread (refresh) and drawn on the screen's thread (draw), so drawing never
 * touches the machine.
 */
#ifndef TUI_PANE_H
#define TUI_PANE_H
#include "tui/surface.h"
#include "vmm/view/command.h"

struct pane_line {
    char *text;
    enum look look;
    uint64_t addr; /* what the line is about, for `b`, `u`, Enter */
    bool has_addr;
    char *link;        /* what Enter does, as a command; or NULL */
    const char *topic; /* of `explain`, that its words are of; or NULL */
};

#define PANE_HISTORY 32u

struct pane {
    const struct pane_class *class;
    char arg[96]; /* expression that the view is given; "": its default */
    struct pane_place {
        char arg[96];
        size_t cursor;
        unsigned step;
    } history[PANE_HISTORY];
    unsigned history_at, history_len;
    unsigned step; /* walks: 1 + the reference shown; 0: the whole walk */
    struct pane_line *line;
    size_t lines, cap;
    size_t copied; /* console, log: how much of it is in these lines */
    size_t top, cursor;
    /* code, source: where the cursor was put for which stop; a person may have
     * moved it since */
    struct pane_follow {
        bool done;
        unsigned runs; /* of the command_ctx */
        uint64_t rip;
        size_t line;
    } followed;
    unsigned word;    /* 1 + the word of the cursor's line; 0: the whole line */
    bool earlier;     /* the guest has run on since it was filled */
    struct rect area; /* with the title; set by the layout */
};

struct pane_class {
    const char *name; /* as typed after `v` */
    const char *title;
    const char *view; /* of view.def; NULL: refresh does it all */
    bool wants_arg;   /* `g` means something here */
    bool at_end;      /* shows its last lines: a log */
    bool live;        /* is looked at while the guest runs, too */
    void (*refresh)(struct pane *p, struct command_ctx *ctx);
};

const struct pane_class *pane_class_find(const char *name);
const struct pane_class *pane_class_nth(size_t n);

void pane_init(struct pane *p, const struct pane_class *class);
void pane_fini(struct pane *p);
/* Another view in the same place. */
void pane_show(struct pane *p, const struct pane_class *class);
/* Instructions, source lines or both: where the program is read. */
bool pane_is_program(const struct pane *p);
/* Is its argument a linear address first of all? */
bool pane_takes_address(const struct pane *p);
/* Goes to an expression; the old place can be come back to. */
void pane_go(struct pane *p, const char *arg);
bool pane_back(struct pane *p);
bool pane_forward(struct pane *p);

/* The next reference of a walk, or the one before; false: it is no walk. */
bool pane_step(struct pane *p, int by);

/* The word under the cursor; false: the whole line is. */
bool pane_word(const struct pane *p, char *buf, size_t len);
void pane_move_word(struct pane *p, int by);

void pane_clear(struct pane *p);
/* With MAX lines or more: forgets the oldest quarter. */
void pane_drop_lines(struct pane *p, size_t max);
struct pane_line *pane_add(struct pane *p, enum look look, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* On the vCPU's thread. */
void pane_refresh(struct pane *p, struct command_ctx *ctx);
void pane_draw(struct pane *p, struct surface *s, bool focus);

/* The refresh functions of panes that are more than a view. */
void pane_code_refresh(struct pane *p, struct command_ctx *ctx);
void pane_cpu_refresh(struct pane *p, struct command_ctx *ctx);
void pane_source_refresh(struct pane *p, struct command_ctx *ctx);
void pane_mixed_refresh(struct pane *p, struct command_ctx *ctx);
#endif
