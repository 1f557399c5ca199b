/* Where clients come from: a TCP port, a Unix socket, or standard input. */
#ifndef GDBSTUB_LISTEN_H
#define GDBSTUB_LISTEN_H
#include "vmm/base/base.h"

struct gdb_listener {
    int fd; /* poll it; -1: none */
    bool stdio, taken;
    char path[108];    /* of a Unix socket, to be removed; "": none */
    char address[320]; /* what gdb's `target remote` takes; stdio: that word */
    bool chosen;       /* WHERE named port 0: the kernel chose a free one */
};

bool gdb_listener_where(const char *where);
/* 0 or -errno.  stdio: fd is standard input until a client is accepted. */
int gdb_listener_open(struct gdb_listener *l, const char *where);
void gdb_listener_close(struct gdb_listener *l);
/* A connection that does not block, or -1. */
int gdb_listener_accept(struct gdb_listener *l);
#endif
