/*
 * The command language of the screen's `:`, of the repl and of gdb's
 * `monitor`: one table (command.def), and every view is a command too.
 * Names may be cut short as long as they mean one thing.
 */
#ifndef VMM_VIEW_COMMAND_H
#define VMM_VIEW_COMMAND_H
#include "vmm/view/view.h"

struct command_ctx;

/* `layout` and `theme` are carried out by whoever knows screens. */
struct command_screen {
    bool (*run)(void *opaque, struct command_ctx *ctx, int argc, char **argv,
                struct strbuf *out); /* NULL: nobody does */
    void *opaque;
};

struct command_ctx {
    struct vm *vm;
    struct debug *dbg;
    struct symbols *sym;       /* owned; NULL: none loaded */
    struct exit_report *other; /* a run to compare with, owned; or NULL */
    struct x86_state prev;     /* at the stop before the last one */
    bool has_prev;
    unsigned runs;    /* how often the guest was let go on */
    unsigned changes; /* how often `set`, `reset` and `symbols` changed the
                       guest, or what is known of it */
    struct view_past *past; /* owned: what views showed at the last stop */
    enum doc_form form;     /* what views print */
    size_t width;           /* of a line of text; 0: who shows it breaks it */
    bool utf8;              /* whoever reads it can show more than ASCII */
    bool remote;            /* gdb's port: who types may be somebody else */
    bool quit;              /* the user wants to leave */
    /*
     * Runs the guest in the background instead, and whoever hears of its stop
     * says so; NULL: debug_run().  0, -errno
     */
    int (*resume)(void *opaque, const struct debug_run *how);
    void *resume_opaque;
    const char *rest;        /* of the line that runs, behind the command */
    char last[128];          /* what an empty line repeats: a step */
    struct chardev *console; /* the guest's serial line; NULL: not here */
    /* Commands about the screen itself. */
    struct command_screen screen;
    /* Conditions typed so far; owned, so the points go before the context. */
    struct typed_condition *conditions;
};

typedef bool command_fn(struct command_ctx *ctx, int argc, char **argv,
                        struct strbuf *out);

struct command {
    const char *name;
    const char *alias; /* one more name, or "" */
    const char *args;
    const char *summary;
    command_fn *fn;
};

void command_ctx_init(struct command_ctx *ctx, struct vm *vm,
                      struct debug *dbg);
void command_ctx_fini(struct command_ctx *ctx);

/* The guest is about to run: what it is now is the past. */
void command_ctx_leave(struct command_ctx *ctx);

/*
 * Runs one line.  Its output, or one line saying what is wrong and what next,
 * goes to OUT.  False: it failed.
 */
bool command_run(struct command_ctx *ctx, const char *line, struct strbuf *out);

/* What a run ended in: "stepped at main+4", and the instruction that is next.
 */
void command_say_stop(struct command_ctx *ctx, const struct debug_stop *stop,
                      struct strbuf *out);

/* For whoever carries out a command: prints the line and returns false. */
bool command_fail(struct strbuf *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The N-th completion of LINE's last word, in BUF; false past the last. */
bool command_complete(struct command_ctx *ctx, const char *line, size_t n,
                      char *buf, size_t len);

/* Exits are shown beside those that the file PATH has; as command_run(). */
bool command_compare_with(struct command_ctx *ctx, const char *path,
                          struct strbuf *out);

/* What views are given; borrowed from CTX. */
struct view_ctx command_view_ctx(const struct command_ctx *ctx);

const struct command *command_nth(size_t n); /* NULL past the last */
#endif
