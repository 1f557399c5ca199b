/*
 * The commands `layout` and `theme` for who has no screen: the repl, gdb's
 * `monitor`.  A layout is drawn as text, as the screen would show it; where a
 * screen stands beside, it follows.
 */
#ifndef TUI_PAPER_H
#define TUI_PAPER_H
#include <pthread.h>

#include "tui/theme.h"
#include "vmm/view/command.h"

/* A screen beside, and what it is asked: it looks there between two keys. */
struct paper_screen {
    pthread_mutex_t lock; /* the rest */
    char wish[64];        /* a line of the command language; "": none */
    size_t layout;        /* that it shows, an index */
    const struct theme *theme;
};

struct paper {
    const struct theme *theme;   /* of what is drawn: mono is without escapes */
    struct chardev *console;     /* COM1, a chardev_memory; NULL: not known */
    struct paper_screen *beside; /* NULL: there is none */
};

/* command_ctx's `screen`; PAPER is a struct paper.  On the vCPU's thread. */
bool paper_command(void *paper, struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out);
#endif
