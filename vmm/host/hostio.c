#include "vmm/host/hostio.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/log.h"

#define WATCHES_MAX 16u

struct watch {
    int fd; /* -1: free */
    hostio_fn *fn;
    void *opaque;
};

struct hostio {
    int epoll_fd;
    int wake_fd; /* eventfd: hostio_wake() */
    int quit_fd; /* eventfd: ends the helper thread */
    struct watch watch[WATCHES_MAX];
    pthread_t thread;
    bool has_thread;
    atomic_bool ready; /* the helper saw something and waits for `taken` */
    sem_t taken;
    void (*kick)(void *opaque);
    void *opaque;
};

uint64_t host_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Waits for descriptors; hands each batch to the vCPU's thread. */
static void *helper_main(void *arg)
{
    struct hostio *io = arg;
    struct pollfd fds[] = {
        {.fd = io->epoll_fd, .events = POLLIN},
        {.fd = io->quit_fd, .events = POLLIN},
    };

    for (;;) {
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        if (!fds[0].revents)
            continue;
        atomic_store(&io->ready, true);
        io->kick(io->opaque);
        while (sem_wait(&io->taken) < 0 && errno == EINTR)
            ;
    }
}

static int start(struct hostio *io)
{
    int err;

    io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    io->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (io->epoll_fd < 0 || io->wake_fd < 0 || io->quit_fd < 0)
        return -errno;
    err = -pthread_create(&io->thread, NULL, helper_main, io);
    io->has_thread = !err;
    return err;
}

int hostio_create(struct hostio **out, void (*kick)(void *opaque), void *opaque)
{
    struct hostio *io = calloc(1, sizeof(*io));
    int err;

    *out = NULL;
    if (!io)
        return -ENOMEM;
    io->kick = kick;
    io->opaque = opaque;
    io->epoll_fd = io->wake_fd = io->quit_fd = -1;
    for (size_t i = 0; i < WATCHES_MAX; i++)
        io->watch[i].fd = -1;
    sem_init(&io->taken, 0, 0);
    err = start(io);
    if (err) {
        log_error("cannot listen to the host: %s", strerror(-err));
        hostio_destroy(io);
        return err;
    }
    *out = io;
    return 0;
}

static void signal_eventfd(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof(one));

    (void)n; /* full: it is signalled already */
}

void hostio_stop(struct hostio *io)
{
    if (!io->has_thread)
        return;
    signal_eventfd(io->quit_fd);
    sem_post(&io->taken);
    pthread_join(io->thread, NULL);
    io->has_thread = false;
}

void hostio_destroy(struct hostio *io)
{
    if (!io)
        return;
    hostio_stop(io);
    if (io->epoll_fd >= 0)
        close(io->epoll_fd);
    if (io->wake_fd >= 0)
        close(io->wake_fd);
    if (io->quit_fd >= 0)
        close(io->quit_fd);
    sem_destroy(&io->taken);
    free(io);
}

static struct watch *find_watch(struct hostio *io, int fd)
{
    for (size_t i = 0; i < WATCHES_MAX; i++)
        if (io->watch[i].fd == fd)
            return &io->watch[i];
    return NULL;
}

int hostio_watch(struct hostio *io, int fd, hostio_fn *fn, void *opaque)
{
    struct watch *w = find_watch(io, -1);
    struct epoll_event ev = {.events = EPOLLIN};

    if (!w)
        return -ENOSPC;
    ev.data.u32 = (uint32_t)(w - io->watch);
    if (epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return -errno;
    *w = (struct watch){fd, fn, opaque};
    return 0;
}

void hostio_unwatch(struct hostio *io, int fd)
{
    struct watch *w = find_watch(io, fd);

    if (!w)
        return;
    epoll_ctl(io->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    w->fd = -1;
}

static void run_callbacks(struct hostio *io)
{
    struct epoll_event ev[WATCHES_MAX];
    int n = epoll_wait(io->epoll_fd, ev, WATCHES_MAX, 0);

    for (int i = 0; i < n; i++) {
        struct watch *w = &io->watch[ev[i].data.u32];
        if (w->fd >= 0)
            w->fn(w->opaque, w->fd);
    }
}

void hostio_dispatch(struct hostio *io)
{
    if (!atomic_load_explicit(&io->ready, memory_order_relaxed))
        return;
    run_callbacks(io);
    atomic_store(&io->ready, false);
    sem_post(&io->taken);
}

void hostio_wait(struct hostio *io, uint64_t timeout_ns)
{
    struct pollfd fds[] = {
        {.fd = io->epoll_fd, .events = POLLIN},
        {.fd = io->wake_fd, .events = POLLIN},
    };
    struct timespec ts = {
        .tv_sec = (time_t)(timeout_ns / 1000000000u),
        .tv_nsec = (long)(timeout_ns % 1000000000u),
    };
    uint64_t drain;
    ssize_t n;

    ppoll(fds, ARRAY_SIZE(fds), timeout_ns == UINT64_MAX ? NULL : &ts, NULL);
    n = read(io->wake_fd, &drain, sizeof(drain));
    (void)n; /* nothing to drain is fine */
    if (fds[0].revents)
        run_callbacks(io);
    hostio_dispatch(io);
}

void hostio_wake(struct hostio *io)
{
    signal_eventfd(io->wake_fd);
}
