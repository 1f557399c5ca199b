#include "vmm/host/chardev_fd.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/base/log.h"
#include "vmm/host/terminal.h"

#define SLICE_MS 50u   /* between looks at `stopping` while we wait */
#define STALL_MS 1000u /* without progress: the reader is not there */
#define CHUNK    4096u /* PIPE_BUF: a writable pipe takes so much at once */

/* ---- guest to host ------------------------------------------------------- */

static bool writable(const struct chardev_fd *c, int timeout_ms)
{
    struct pollfd p = {.fd = c->out_fd, .events = POLLOUT};

    return poll(&p, 1, timeout_ms) > 0;
}

/* What the reader takes now: bytes written, 0, or -1 when it is gone. */
static ssize_t write_now(struct chardev_fd *c, const uint8_t *bytes, size_t len)
{
    ssize_t n;

    if (c->out_fd < 0 || !writable(c, 0))
        return 0;
    if (len > CHUNK)
        len = CHUNK;
    n = c->listen_fd >= 0 ? send(c->out_fd, bytes, len, MSG_NOSIGNAL)
                          : write(c->out_fd, bytes, len);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    c->hang_up(c);
    return -1;
}

static bool stopping(const struct chardev_fd *c)
{
    return c->events.stopping && c->events.stopping(c->events.opaque);
}

/* Waits until the reader takes something.  False: give up. */
static bool wait_for_reader(struct chardev_fd *c)
{
    unsigned waited = 0;

    while (c->out_fd >= 0 && !stopping(c)) {
        if (writable(c, (int)SLICE_MS))
            return true;
        waited += SLICE_MS;
        if (!c->wait_for_reader && waited >= STALL_MS) {
            c->stalled = true;
            return false;
        }
    }
    return false;
}

static void on_retry(void *opaque, int fd)
{
    uint64_t ticks;

    if (read(fd, &ticks, sizeof(ticks)) == sizeof(ticks))
        chardev_fd_flush(opaque);
}

/* While the backlog holds something, a timer tries to send it. */
static void set_retry(struct chardev_fd *c, bool on)
{
    const long ms = on ? 50 : 0;
    struct itimerspec its = {.it_value.tv_nsec = ms * 1000000,
                             .it_interval.tv_nsec = ms * 1000000};

    if (c->retry_fd < 0) {
        if (!on)
            return;
        c->retry_fd =
            timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (c->retry_fd < 0)
            return;
        c->events.watch(c->events.opaque, c->retry_fd, on_retry, c);
    }
    timerfd_settime(c->retry_fd, 0, &its, NULL);
}

void chardev_fd_flush(struct chardev_fd *c)
{
    const uint8_t *bytes;
    size_t len = backlog_peek(&c->backlog, &bytes);

    while (len) {
        ssize_t n = write_now(c, bytes, len);

        if (n <= 0)
            return;
        c->stalled = false;
        backlog_drop(&c->backlog, (size_t)n);
        len = backlog_peek(&c->backlog, &bytes);
    }
    set_retry(c, false);
}

void chardev_fd_retry(struct chardev_fd *c)
{
    set_retry(c, true);
}

static void fd_write(struct chardev *chr, const uint8_t *bytes, size_t len)
{
    struct chardev_fd *c = (struct chardev_fd *)chr;

    if (c->backlog.len)
        chardev_fd_flush(c);
    while (len && !c->backlog.len) {
        ssize_t n = write_now(c, bytes, len);

        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n < 0 || c->stalled || !wait_for_reader(c)) {
            break;
        }
    }
    if (!len || c->wait_for_reader)
        return;
    backlog_put(&c->backlog, bytes, len);
    if (c->out_fd >= 0)
        set_retry(c, true);
}

/* ---- host to guest ------------------------------------------------------- */

static void take_byte(struct chardev_fd *c, uint8_t byte)
{
    enum escape_request request = ESCAPE_NONE;
    bool keep = true;

    if (c->terminal)
        request = escape_feed(&c->escape, byte, &keep, &byte);
    if (keep && c->input_len < CHARDEV_INPUT)
        c->input[c->input_len++] = byte;
    if (request == ESCAPE_QUIT && c->events.quit)
        c->events.quit(c->events.opaque);
    if (request == ESCAPE_HELP)
        (void)!write(c->out_fd, escape_help(), strlen(escape_help()));
}

/* A terminal is read even when the guest takes nothing: Ctrl-A x must work. */
static void on_input(void *opaque, int fd)
{
    struct chardev_fd *c = opaque;
    uint8_t buf[CHARDEV_INPUT];
    size_t room = CHARDEV_INPUT - c->input_len;
    ssize_t n;

    (void)fd;
    if (c->terminal)
        room = sizeof(buf);
    if (room == 0) {
        chardev_fd_stop_input(c);
        return;
    }
    n = read(c->in_fd, buf, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        chardev_fd_stop_input(c);
        if (!c->is_stdio)
            c->hang_up(c);
        else
            c->in_fd = -1; /* end of input; the guest goes on */
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        take_byte(c, buf[i]);
    chardev_deliver(&c->chr, c->input, &c->input_len);
}

static void fd_drained(struct chardev *chr)
{
    struct chardev_fd *c = (struct chardev_fd *)chr;

    chardev_deliver(chr, c->input, &c->input_len);
    if (c->in_fd >= 0 && !c->watching && c->input_len < CHARDEV_INPUT)
        chardev_fd_start_input(c);
}

int chardev_fd_start_input(struct chardev_fd *c)
{
    int err;

    if (c->watching || c->in_fd < 0)
        return 0;
    if (c->ready_fd < 0) {
        err = c->events.watch(c->events.opaque, c->in_fd, on_input, c);
        if (err != -EPERM) {
            c->watching = !err;
            return err;
        }
        /* A regular file cannot be waited for; it is always ready. */
        c->ready_fd = eventfd(1, EFD_CLOEXEC);
        if (c->ready_fd < 0)
            return -errno;
    }
    err = c->events.watch(c->events.opaque, c->ready_fd, on_input, c);
    c->watching = !err;
    return err;
}

void chardev_fd_stop_input(struct chardev_fd *c)
{
    if (!c->watching)
        return;
    c->watching = false;
    c->events.unwatch(c->events.opaque,
                      c->ready_fd >= 0 ? c->ready_fd : c->in_fd);
}

/* ---- life ---------------------------------------------------------------- */

/* The reader of stdio or a file is gone: there is nobody to run for. */
static void quit_on_hang_up(struct chardev_fd *c)
{
    log_warn("the guest's output cannot be written: %s; stopping",
             strerror(errno));
    c->out_fd = -1;
    if (c->events.quit)
        c->events.quit(c->events.opaque);
}

struct chardev_fd *chardev_fd_create(const struct host_events *events)
{
    struct chardev_fd *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->chr.write = fd_write;
    c->chr.drained = fd_drained;
    c->events = *events;
    c->in_fd = c->out_fd = c->ready_fd = -1;
    c->listen_fd = c->retry_fd = c->pty_slave_fd = -1;
    c->hang_up = quit_on_hang_up;
    return c;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void chardev_fd_destroy(struct chardev_fd *c)
{
    chardev_fd_stop_input(c);
    if (c->retry_fd >= 0)
        c->events.unwatch(c->events.opaque, c->retry_fd);
    if (c->listen_fd >= 0)
        c->events.unwatch(c->events.opaque, c->listen_fd);
    if (c->terminal)
        terminal_restore();
    strbuf_fini(&c->chr.typed);
    if (!c->is_stdio) {
        close_fd(c->in_fd);
        if (c->out_fd != c->in_fd)
            close_fd(c->out_fd);
    }
    close_fd(c->ready_fd);
    close_fd(c->listen_fd);
    close_fd(c->retry_fd);
    close_fd(c->pty_slave_fd);
    if (c->socket_path)
        unlink(c->socket_path);
    free(c->socket_path);
    free(c);
}
