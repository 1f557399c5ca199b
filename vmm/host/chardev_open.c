/* Opens what `--serial` names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/base/log.h"
#include "vmm/host/chardev_fd.h"
#include "vmm/host/terminal.h"

/* ---- stdio, file, null --------------------------------------------------- */

static int open_stdio(struct chardev_fd *c, const char *path)
{
    (void)path;
    c->in_fd = STDIN_FILENO;
    c->out_fd = STDOUT_FILENO;
    c->is_stdio = true;
    c->wait_for_reader = true;
    c->terminal = isatty(STDIN_FILENO);
    if (c->terminal)
        terminal_raw(STDIN_FILENO);
    return chardev_fd_start_input(c);
}

static int open_file(struct chardev_fd *c, const char *path)
{
    c->wait_for_reader = true;
    c->out_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return c->out_fd < 0 ? -errno : 0;
}

static void write_nowhere(struct chardev *chr, const uint8_t *bytes, size_t len)
{
    (void)chr, (void)bytes, (void)len;
}

static int open_null(struct chardev_fd *c, const char *path)
{
    (void)path;
    c->chr.write = write_nowhere;
    return 0;
}

/* ---- pty ----------------------------------------------------------------- */

static void pty_hang_up(struct chardev_fd *c)
{
    (void)c; /* we hold the other side open ourselves: cannot be */
}

static int open_pty(struct chardev_fd *c, const char *path)
{
    struct termios mode;
    char name[64];

    (void)path;
    c->hang_up = pty_hang_up;
    c->in_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (c->in_fd < 0 || grantpt(c->in_fd) < 0 || unlockpt(c->in_fd) < 0 ||
        ptsname_r(c->in_fd, name, sizeof(name)) != 0 ||
        fcntl(c->in_fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    c->out_fd = c->in_fd;
    c->pty_slave_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (c->pty_slave_fd < 0 || tcgetattr(c->pty_slave_fd, &mode) < 0)
        return -errno;
    cfmakeraw(&mode);
    tcsetattr(c->pty_slave_fd, TCSANOW, &mode);
    fprintf(stderr, "ringside: serial line on %s\n", name);
    return chardev_fd_start_input(c);
}

/* ---- unix socket --------------------------------------------------------- */

static void socket_hang_up(struct chardev_fd *c)
{
    chardev_fd_stop_input(c);
    close(c->in_fd);
    c->in_fd = c->out_fd = -1;
    c->stalled = false;
}

static void on_connect(void *opaque, int fd)
{
    struct chardev_fd *c = opaque;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client < 0)
        return;
    if (c->in_fd >= 0) { /* one at a time */
        close(client);
        return;
    }
    c->in_fd = c->out_fd = client;
    c->stalled = false;
    chardev_fd_start_input(c);
    if (c->backlog.len)
        chardev_fd_retry(c);
}

/* A socket file that nobody listens at was left by a run that died. */
static bool is_stale(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool stale = fd >= 0 &&
                 connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 &&
                 errno == ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return stale;
}

static int open_socket(struct chardev_fd *c, const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const struct sockaddr *addr = (const struct sockaddr *)&sa;
    int err;

    c->hang_up = socket_hang_up;
    if (strlen(path) >= sizeof(sa.sun_path))
        return -ENAMETOOLONG;
    memcpy(sa.sun_path, path, strlen(path) + 1);
    c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->listen_fd < 0)
        return -errno;
    err = bind(c->listen_fd, addr, sizeof(sa));
    if (err < 0 && errno == EADDRINUSE && is_stale(&sa)) {
        unlink(path);
        err = bind(c->listen_fd, addr, sizeof(sa));
    }
    if (err < 0)
        return -errno;
    c->socket_path = strdup(path);
    if (!c->socket_path)
        return -ENOMEM;
    if (listen(c->listen_fd, 1) < 0)
        return -errno;
    return c->events.watch(c->events.opaque, c->listen_fd, on_connect, c);
}

/* ---- by name ------------------------------------------------------------- */

static const struct {
    const char *name; /* with a colon: a path follows */
    int (*open)(struct chardev_fd *c, const char *path);
} kinds[] = {
    {"stdio", open_stdio}, {"pty", open_pty},   {"unix:", open_socket},
    {"file:", open_file},  {"null", open_null},
};

/* Index into kinds and *PATH, or -1. */
static int find_kind(const char *spec, const char **path)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t len = strlen(kinds[i].name);
        bool takes_path = kinds[i].name[len - 1] == ':';

        *path = spec + len;
        if (strncmp(spec, kinds[i].name, len) == 0 &&
            takes_path == (**path != '\0'))
            return (int)i;
    }
    return -1;
}

bool chardev_spec_valid(const char *spec)
{
    const char *path;

    return find_kind(spec, &path) >= 0;
}

int chardev_open(struct chardev **out, const char *spec,
                 const struct host_events *events)
{
    const char *path;
    int kind = find_kind(spec, &path), err;
    struct chardev_fd *c;

    *out = NULL;
    if (kind < 0) {
        log_error("serial line `%s`: not stdio, pty, unix:PATH, file:PATH or "
                  "null",
                  spec);
        return -EINVAL;
    }
    c = chardev_fd_create(events);
    if (!c)
        return -ENOMEM;
    err = kinds[kind].open(c, path);
    if (err) {
        log_error("cannot open serial line `%s`: %s", spec, strerror(-err));
        chardev_fd_destroy(c);
        return err;
    }
    *out = &c->chr;
    return 0;
}

void chardev_close(struct chardev *chr)
{
    if (chr)
        chardev_fd_destroy((struct chardev_fd *)chr);
}
