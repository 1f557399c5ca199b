#include "tui/recall.h"

#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/folders.h"

#define COMMANDS_MAX 1000

struct recall {
    History *history;
    char path[512]; /* "": not kept */
};

struct recall *recall_open(const char *path)
{
    struct recall *r = calloc(1, sizeof(*r));
    HistEvent ev;

    assert(r && "out of memory");
    r->history = history_init();
    assert(r->history && "out of memory");
    history(r->history, &ev, H_SETSIZE, COMMANDS_MAX);
    history(r->history, &ev, H_SETUNIQUE, 1);
    if (path && path[0]) {
        snprintf(r->path, sizeof(r->path), "%s", path);
        history(r->history, &ev, H_LOAD, path);
    }
    return r;
}

void recall_close(struct recall *r)
{
    HistEvent ev;

    if (!r)
        return;
    if (r->path[0]) {
        folders_make_above(r->path);
        history(r->history, &ev, H_SAVE, r->path);
    }
    history_end(r->history);
    free(r);
}

void recall_add(struct recall *r, const char *line)
{
    HistEvent ev;

    history(r->history, &ev, H_ENTER, line);
}

const char *recall_nth(struct recall *r, unsigned n)
{
    HistEvent ev;
    int ret = history(r->history, &ev, H_FIRST);

    while (ret >= 0 && n-- > 0)
        ret = history(r->history, &ev, H_NEXT);
    return ret >= 0 ? ev.str : NULL;
}

void *recall_handle(struct recall *r)
{
    return r->history;
}
