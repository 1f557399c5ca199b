#include "vmm/debug_server.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/host/hostio.h"

struct call {
    int (*fn)(struct debug *d, void *arg);
    void *arg;
    int result;
    bool done;
    struct call *next;
};

struct debug_server {
    struct debug *dbg;
    pthread_mutex_t lock; /* all below; recursive: see quit */
    pthread_cond_t work;  /* for the vCPU's thread: a call, a run, quit */
    pthread_cond_t done;  /* for clients: a call is done */
    struct call *calls;   /* in order of arrival */
    struct debug_client *clients;
    struct debug_run how;
    bool run_wanted, running, quit;
    atomic_uint asked;  /* counts calls, runs and quit; read without the lock */
    atomic_uint served; /* counts calls that are done; likewise */
    int wake_fd;        /* eventfd that a running machine listens to */
};

/* Until COUNT is another than SEEN, but not for long.  Without the lock. */
static void look_for_change(const atomic_uint *count, unsigned seen)
{
    uint64_t end_ns = host_now_ns() + HOST_LOOK_NS;

    while (atomic_load(count) == seen && host_now_ns() < end_ns)
        sched_yield();
}

/* Runs what is queued.  Called with the lock, which FN runs without. */
static void serve_calls(struct debug_server *srv)
{
    while (srv->calls) {
        struct call *c = srv->calls;

        srv->calls = c->next;
        pthread_mutex_unlock(&srv->lock);
        c->result = c->fn(srv->dbg, c->arg);
        if (srv->running)
            debug_rearm(srv->dbg);
        pthread_mutex_lock(&srv->lock);
        c->done = true;
        atomic_fetch_add(&srv->served, 1);
        pthread_cond_broadcast(&srv->done);
    }
}

/* On the vCPU's thread, between two exits of a running guest. */
static void on_wake(void *opaque, int fd)
{
    struct debug_server *srv = opaque;
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count));

    (void)n; /* nothing to read: somebody else drained it */
    pthread_mutex_lock(&srv->lock);
    serve_calls(srv);
    pthread_mutex_unlock(&srv->lock);
}

int debug_server_create(struct debug_server **out, struct debug *d)
{
    struct debug_server *srv = calloc(1, sizeof(*srv));
    pthread_mutexattr_t attr;
    int err;

    *out = NULL;
    if (!srv)
        return -ENOMEM;
    srv->dbg = d;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&srv->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_cond_init(&srv->work, NULL);
    pthread_cond_init(&srv->done, NULL);
    srv->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err = srv->wake_fd < 0
              ? -errno
              : vm_watch_fd(debug_vm(d), srv->wake_fd, on_wake, srv);
    if (err) {
        debug_server_destroy(srv);
        return err;
    }
    *out = srv;
    return 0;
}

void debug_server_destroy(struct debug_server *srv)
{
    if (!srv)
        return;
    if (srv->wake_fd >= 0) {
        vm_unwatch_fd(debug_vm(srv->dbg), srv->wake_fd);
        close(srv->wake_fd);
    }
    pthread_mutex_destroy(&srv->lock);
    pthread_cond_destroy(&srv->work);
    pthread_cond_destroy(&srv->done);
    free(srv);
}

static void tell_resume(struct debug_server *srv)
{
    for (struct debug_client *c = srv->clients; c; c = c->next)
        if (c->on_resume)
            c->on_resume(c->opaque);
}

static void tell_stop(struct debug_server *srv, const struct debug_stop *stop)
{
    for (struct debug_client *c = srv->clients; c; c = c->next)
        c->on_stop(c->opaque, stop);
}

/* One run from resume to stop.  Called with the lock. */
static void serve_run(struct debug_server *srv)
{
    struct debug_run how = srv->how;
    struct debug_stop stop;

    srv->run_wanted = false;
    srv->running = true;
    tell_resume(srv);
    pthread_mutex_unlock(&srv->lock);
    debug_run(srv->dbg, &how, &stop);
    pthread_mutex_lock(&srv->lock);
    serve_calls(srv);
    debug_forget_interrupt(srv->dbg);
    srv->running = false; /* who can see it, without the lock, has been told */
    tell_stop(srv, &stop);
}

/* Called with the lock, which it gives back meanwhile; may return early. */
static void wait_for_work(struct debug_server *srv)
{
    unsigned asked = atomic_load(&srv->asked);

    pthread_mutex_unlock(&srv->lock);
    look_for_change(&srv->asked, asked);
    pthread_mutex_lock(&srv->lock);
    if (atomic_load(&srv->asked) == asked)
        pthread_cond_wait(&srv->work, &srv->lock);
}

void debug_server_loop(struct debug_server *srv)
{
    pthread_mutex_lock(&srv->lock);
    while (!srv->quit) {
        if (srv->calls)
            serve_calls(srv);
        else if (srv->run_wanted)
            serve_run(srv);
        else
            wait_for_work(srv);
    }
    serve_calls(srv);
    pthread_mutex_unlock(&srv->lock);
}

void debug_server_attach(struct debug_server *srv, struct debug_client *c)
{
    pthread_mutex_lock(&srv->lock);
    c->next = srv->clients;
    srv->clients = c;
    pthread_mutex_unlock(&srv->lock);
}

void debug_server_detach(struct debug_server *srv, struct debug_client *c)
{
    pthread_mutex_lock(&srv->lock);
    for (struct debug_client **p = &srv->clients; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    pthread_mutex_unlock(&srv->lock);
}

/* With the lock, as the next. */
static void tell_loop(struct debug_server *srv)
{
    atomic_fetch_add(&srv->asked, 1);
    pthread_cond_signal(&srv->work);
}

/* Makes the vCPU's thread look, whether it sleeps or runs the guest. */
static void wake(struct debug_server *srv)
{
    uint64_t one = 1;
    ssize_t n;

    tell_loop(srv);
    if (!srv->running)
        return;
    n = write(srv->wake_fd, &one, sizeof(one));
    (void)n; /* full: it is awake already */
}

/* With the lock, which it gives back meanwhile. */
static void wait_until_done(struct debug_server *srv, const struct call *c)
{
    unsigned served = atomic_load(&srv->served);

    pthread_mutex_unlock(&srv->lock);
    look_for_change(&srv->served, served);
    pthread_mutex_lock(&srv->lock);
    while (!c->done)
        pthread_cond_wait(&srv->done, &srv->lock);
}

int debug_server_call(struct debug_server *srv,
                      int (*fn)(struct debug *d, void *arg), void *arg)
{
    struct call c = {.fn = fn, .arg = arg, .result = -ECANCELED};
    struct call **end = &srv->calls;

    pthread_mutex_lock(&srv->lock);
    if (!srv->quit) {
        while (*end)
            end = &(*end)->next;
        *end = &c;
        wake(srv);
        wait_until_done(srv, &c);
    }
    pthread_mutex_unlock(&srv->lock);
    return c.result;
}

int debug_server_resume(struct debug_server *srv, const struct debug_run *how)
{
    int err = 0;

    pthread_mutex_lock(&srv->lock);
    if (srv->quit)
        err = -ECANCELED;
    else if (srv->running || srv->run_wanted)
        err = -EBUSY;
    else {
        srv->how = *how;
        srv->run_wanted = true;
        tell_loop(srv);
    }
    pthread_mutex_unlock(&srv->lock);
    return err;
}

void debug_server_interrupt(struct debug_server *srv)
{
    pthread_mutex_lock(&srv->lock);
    if (srv->running || srv->run_wanted)
        debug_interrupt(srv->dbg);
    pthread_mutex_unlock(&srv->lock);
}

bool debug_server_running(struct debug_server *srv)
{
    bool running;

    pthread_mutex_lock(&srv->lock);
    running = srv->running || srv->run_wanted;
    pthread_mutex_unlock(&srv->lock);
    return running;
}

void debug_server_quit(struct debug_server *srv)
{
    /* The loop must not have looked and be about to sleep.  on_stop runs with
     * the lock, on the thread that has it. */
    pthread_mutex_lock(&srv->lock);
    srv->quit = true;
    debug_interrupt(srv->dbg);
    tell_loop(srv);
    pthread_mutex_unlock(&srv->lock);
}
