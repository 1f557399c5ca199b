#include "gdbstub/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOPBACK "127.0.0.1"

/* "PORT", ":PORT", "HOST:PORT", "[::1]:PORT" into HOST and PORT. */
static bool split(const char *where, char host[256], const char **port)
{
    const char *colon = strrchr(where, ':');
    size_t len = colon ? (size_t)(colon - where) : 0;
    char *end;
    unsigned long number;

    *port = colon ? colon + 1 : where;
    if (len >= 2 && where[0] == '[' && where[len - 1] == ']')
        where++, len -= 2;
    if (len >= 256)
        return false;
    snprintf(host, 256, "%.*s", (int)len, where);
    if (!len)
        strcpy(host, LOOPBACK);
    number = strtoul(*port, &end, 10);
    return **port >= '0' && **port <= '9' && !*end && number <= 65535;
}

bool gdb_listener_where(const char *where)
{
    char host[256];
    const char *port;

    if (strcmp(where, "stdio") == 0)
        return true;
    if (strncmp(where, "unix:", 5) == 0)
        return where[5] &&
               strlen(where + 5) < sizeof(((struct sockaddr_un *)0)->sun_path);
    return split(where, host, &port);
}

static int listen_unix(struct gdb_listener *l, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;

    if (strlen(path) >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    strcpy(addr.sun_path, path);
    /* A socket that is left over; anything else is not ours to remove. */
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -errno;
    strcpy(l->path, path);
    strcpy(l->address, path);
    return listen(l->fd, 4) < 0 ? -errno : 0;
}

/* The port that we have, which is not the one that was asked for if that was 0.
 */
static void find_address(struct gdb_listener *l)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    char host[256], port[16];

    if (getsockname(l->fd, (struct sockaddr *)&addr, &len) == 0 &&
        getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(l->address, sizeof(l->address),
                 addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int bind_one(struct gdb_listener *l, const struct addrinfo *ai)
{
    int one = 1, err;

    l->fd =
        socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
               ai->ai_protocol);
    if (l->fd < 0)
        return -errno;
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(l->fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(l->fd, 4) == 0)
        return 0;
    err = -errno;
    close(l->fd);
    l->fd = -1;
    return err;
}

static int listen_tcp(struct gdb_listener *l, const char *where)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list, *ai;
    char host[256];
    const char *port;
    int err = -EADDRNOTAVAIL;

    if (!split(where, host, &port))
        return -EINVAL;
    if (getaddrinfo(host, port, &hints, &list))
        return -EADDRNOTAVAIL;
    for (ai = list; ai && err; ai = ai->ai_next)
        err = bind_one(l, ai);
    freeaddrinfo(list);
    if (!err)
        find_address(l);
    l->chosen = strtoul(port, NULL, 10) == 0;
    return err;
}

int gdb_listener_open(struct gdb_listener *l, const char *where)
{
    *l = (struct gdb_listener){.fd = -1};
    if (strcmp(where, "stdio") == 0) {
        l->stdio = true;
        l->fd = STDIN_FILENO;
        strcpy(l->address, where);
        return 0;
    }
    if (strncmp(where, "unix:", 5) == 0)
        return listen_unix(l, where + 5);
    return listen_tcp(l, where);
}

void gdb_listener_close(struct gdb_listener *l)
{
    if (l->fd >= 0 && !l->stdio)
        close(l->fd);
    if (l->path[0])
        unlink(l->path);
    l->fd = -1;
}

int gdb_listener_accept(struct gdb_listener *l)
{
    int one = 1, fd;

    if (l->stdio) {
        l->fd = -1;
        return STDIN_FILENO;
    }
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && !l->path[0])
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}
