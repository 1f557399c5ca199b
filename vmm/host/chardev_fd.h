/*
 * A serial line on file descriptors: what stdio, pty, unix and file share.
 * Only chardev_open.c and tests use it.
 */
#ifndef VMM_HOST_CHARDEV_FD_H
#define VMM_HOST_CHARDEV_FD_H
#include "vmm/host/backlog.h"
#include "vmm/host/chardev_host.h"
#include "vmm/host/escape.h"

#define CHARDEV_INPUT 4096u

struct chardev_fd {
    struct chardev chr; /* first: chardev_close() takes this */
    struct host_events events;
    int in_fd, out_fd; /* -1: none (now) */
    int ready_fd;     /* an eventfd that is always readable, watched in place of
                         in_fd when that is a regular file; else -1 */
    int listen_fd;    /* unix: -1 otherwise */
    int pty_slave_fd; /* held open, or poll() reports a hang-up while nobody
                         has it open; -1: no pty */
    int retry_fd;     /* timerfd: tries to send the backlog; -1: none yet */
    bool wait_for_reader; /* else the newest bytes are kept: see the header */
    bool stalled;         /* nobody read for a second: do not wait again */
    bool terminal;        /* in_fd is one: escapes, and never stop reading */
    bool watching;        /* in_fd */
    bool is_stdio;        /* descriptors are not ours to close */
    struct escape escape;
    struct backlog backlog;
    uint8_t input[CHARDEV_INPUT]; /* read, but not yet taken by the chip */
    size_t input_len;
    char *socket_path; /* unix: unlinked at the end */
    /* The output's reader is gone, or the client hung up. */
    void (*hang_up)(struct chardev_fd *c);
};

struct chardev_fd *chardev_fd_create(const struct host_events *events);
/* Begins to read in_fd.  0 or -errno. */
int chardev_fd_start_input(struct chardev_fd *c);
void chardev_fd_stop_input(struct chardev_fd *c);
/* Sends what the backlog holds, as far as the reader takes it. */
void chardev_fd_flush(struct chardev_fd *c);
/* The same a little later: the reader is new and may not be reading yet. */
void chardev_fd_retry(struct chardev_fd *c);
void chardev_fd_destroy(struct chardev_fd *c);
#endif
