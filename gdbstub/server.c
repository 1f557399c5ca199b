#include "gdbstub/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gdbstub/command.h"
#include "gdbstub/listen.h"
#include "gdbstub/target_vm.h"
#include "vmm/base/log.h"
#include "vmm/host/hostio.h"

#define READ_MAX      65536u
#define OUT_MAX       (4u << 20) /* a client that does not read is dropped */
#define FLUSH_LAST_MS 500
/* What console output may pile up, and how often it is looked at again. */
#define THROTTLE_BYTES 4096u /* a ^C is answered behind what waits */
#define THROTTLE_TURNS 100

struct gdb_server {
    struct debug_server *srv;
    struct debug *dbg;
    struct gdb_vm *vm;
    struct debug_client client;
    struct gdb_session session; /* touched on the vCPU's thread only */
    struct gdb_framer framer;
    struct gdb_listener listener;
    pthread_t thread;
    bool thread_made;
    bool shared; /* others debug the same guest: it is theirs to end */
    atomic_bool quit, end;
    int wake_fd;
    int refused_fd; /* the last second client, till the next; or -1 */

    /*
     * While a `monitor` command runs the guest: gdb that waits longer than its
     * `remotetimeout` says `-` each time.  When it was last heard, how long
     * it waits (0: not known yet), in ns.  It gives up, for ^C there, in
     * silence, and nowhere but behind the O that answers a `-`: two waits
     * without a word, and it has; less, and only the next `-` tells.
     */
    atomic_ullong heard_ns, patience_ns;
    bool unheard; /* the last packet was not sent; it is, if asked for */

    /*
     * With acknowledgements gdb says `-` as well when an answer takes longer
     * than that, and is a reply behind from then on if it gets two.  So one
     * that was said before the reply went out asks for nothing.
     */
    size_t in_left; /* bytes that were read and not looked at */
    size_t early;   /* bytes to come that were said before the last reply */

    pthread_mutex_t lock; /* the rest */
    int in_fd, out_fd;    /* -1: no client; stdio has two */
    struct strbuf out;    /* not sent yet, from out_at */
    size_t out_at;
    struct strbuf last; /* the last packet, for a NAK */
    bool broken;        /* writing failed: the client is gone */
};

static void wake(struct gdb_server *g)
{
    uint64_t one = 1;
    ssize_t n = write(g->wake_fd, &one, sizeof(one));

    (void)n; /* full: it is awake already */
}

/* ---- out ---------------------------------------------------------------- */

/* Sends what it can without blocking.  With the lock. */
static void flush_out(struct gdb_server *g)
{
    while (g->out_fd >= 0 && g->out_at < g->out.len) {
        ssize_t n =
            write(g->out_fd, g->out.text + g->out_at, g->out.len - g->out_at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && g->out.len - g->out_at < OUT_MAX)
            return; /* the server's thread waits for POLLOUT */
        if (n < 0) {
            g->broken = true;
            break;
        }
        g->out_at += (size_t)n;
    }
    strbuf_reset(&g->out);
    g->out_at = 0;
}

static void send_packet(struct gdb_server *g, const char *body, size_t len)
{
    pthread_mutex_lock(&g->lock);
    strbuf_reset(&g->last);
    gdb_frame(&g->last, body, len);
    strbuf_add(&g->out, g->last.text, g->last.len);
    flush_out(g);
    if (g->out.len || g->broken)
        wake(g);
    pthread_mutex_unlock(&g->lock);
}

/* As if it had been sent and lost. */
static void keep_packet(struct gdb_server *g, const char *body, size_t len)
{
    pthread_mutex_lock(&g->lock);
    strbuf_reset(&g->last);
    gdb_frame(&g->last, body, len);
    pthread_mutex_unlock(&g->lock);
    g->unheard = true;
}

static void send_bytes(struct gdb_server *g, const char *bytes, size_t len)
{
    pthread_mutex_lock(&g->lock);
    strbuf_add(&g->out, bytes, len);
    flush_out(g);
    pthread_mutex_unlock(&g->lock);
}

static void resend(struct gdb_server *g)
{
    pthread_mutex_lock(&g->lock);
    strbuf_add(&g->out, strbuf_str(&g->last), g->last.len);
    flush_out(g);
    pthread_mutex_unlock(&g->lock);
}

/* ---- on the vCPU's thread ----------------------------------------------- */

struct packet_call {
    struct gdb_server *g;
    enum gdb_event event;
};

/* What the client has said that nobody has looked at. */
static size_t unread(const struct gdb_server *g)
{
    int waiting = 0;

    if (ioctl(g->in_fd, FIONREAD, &waiting) < 0)
        return g->in_left;
    return g->in_left + (size_t)waiting;
}

static int run_packet(struct debug *d, void *arg)
{
    struct packet_call *c = arg;
    struct gdb_server *g = c->g;
    struct gdb_session *s = &g->session;
    bool reply;

    (void)d;
    gdb_vm_forget(g->vm);
    if (c->event == GDB_EVENT_PACKET) {
        reply = gdb_session_packet(s, g->framer.body, g->framer.len);
    } else {
        reply = true;
        strbuf_reset(&s->body);
        strbuf_puts(&s->body, "E.packet too long");
    }
    g->unheard = false;
    if (reply && !s->no_ack)
        g->early = unread(g);
    if (reply)
        send_packet(g, strbuf_str(&s->body), s->body.len);
    else if (s->monitoring)
        atomic_store(&g->heard_ns, host_now_ns());
    return 0;
}

static bool has_given_up(struct gdb_server *g)
{
    uint64_t patience = atomic_load(&g->patience_ns);

    return patience && host_now_ns() - atomic_load(&g->heard_ns) > 2 * patience;
}

/* `-`: say it again; from gdb amid a `monitor` command: is there anybody? */
static int run_nak(struct debug *d, void *arg)
{
    struct gdb_server *g = arg;
    uint64_t now = host_now_ns();

    (void)d;
    if (g->session.monitoring) {
        atomic_store(&g->patience_ns, now - atomic_load(&g->heard_ns));
        atomic_store(&g->heard_ns, now);
        send_packet(g, "O", 1); /* no text; gdb looks for ^C and waits on */
    } else if (!g->session.no_ack || g->unheard) {
        resend(g);
    }
    g->unheard = false;
    return 0;
}

/*
 * Does the client read what a `monitor` command ends with?  Sent to one that
 * has given up, it would be taken for the answer to what is asked next, and so
 * on.  One that follows changes asks for them as soon as it gives up; others
 * get their answer at their next `-`.
 */
static bool hears_the_end(struct gdb_server *g, const struct debug_stop *stop)
{
    const struct gdb_session *s = &g->session;

    if (stop->reason == DEBUG_REASON_ENDED && !s->extended)
        return true; /* now or never */
    if (!s->monitoring || s->held.len || !atomic_load(&g->patience_ns))
        return true;
    return s->follows && !has_given_up(g);
}

/* That was the end of an earlier run if what the client wants runs still. */
static int run_interrupt(struct debug *d, void *arg)
{
    struct gdb_server *g = arg;

    (void)d;
    gdb_session_interrupt(&g->session);
    return 0;
}

/* A guest that prints faster than the client reads waits for it, a second at
 * most. */
static void throttle(struct gdb_server *g)
{
    for (int turn = 0; turn < THROTTLE_TURNS; turn++) {
        struct pollfd p = {.events = POLLOUT};
        size_t left;

        pthread_mutex_lock(&g->lock);
        flush_out(g);
        left = g->out.len - g->out_at;
        p.fd = g->out_fd;
        pthread_mutex_unlock(&g->lock);
        if (left < THROTTLE_BYTES || p.fd < 0)
            return;
        (void)poll(&p, 1, 1000 / THROTTLE_TURNS);
    }
}

/* dprintf in agent style: console output, which may come amid a run. */
static void on_print(void *opaque, const char *text, size_t len)
{
    struct gdb_server *g = opaque;
    struct strbuf body;

    if (g->in_fd <
        0) { /* its commands outlive it: `set disconnected-dprintf` */
        while (len && text[len - 1] == '\n')
            len--;
        log_warn("gdb: dprintf: %.*s", (int)len, text);
        return;
    }
    if (!g->session.running)
        return; /* a client that waits for another answer would take it for it
                 */
    strbuf_init(&body);
    strbuf_putc(&body, 'O');
    gdb_put_hex(&body, text, len);
    send_packet(g, body.text, body.len);
    strbuf_fini(&body);
    throttle(g);
}

static void print_line(struct gdb_server *g, const char *text)
{
    struct strbuf line;

    strbuf_init(&line);
    strbuf_printf(&line, "%s\n", text);
    on_print(g, line.text, line.len);
    strbuf_fini(&line);
}

/* Did it stop for what gdb has not asked for?  By its stop reply it learns of a
 * signal at most. */
static bool is_news(const struct gdb_server *g, const struct debug_stop *stop)
{
    struct gdb_stop told;

    if (!gdb_session_awaits_stop(&g->session))
        return false;
    g->session.target.ops->last_stop(g->session.target.opaque, &told);
    switch (stop->reason) {
    case DEBUG_REASON_BREAKPOINT:
    case DEBUG_REASON_WATCHPOINT:
        return told.reason == GDB_REASON_NONE;
    case DEBUG_REASON_CATCH:
    case DEBUG_REASON_CHECK:
    case DEBUG_REASON_MODE:
    case DEBUG_REASON_TRIPLE_FAULT:
        return true;
    case DEBUG_REASON_ENDED:
    case DEBUG_REASON_INTERRUPT:
    case DEBUG_REASON_NONE:
    case DEBUG_REASON_STEP:
        break;
    }
    return false;
}

static void on_stop(void *opaque, const struct debug_stop *stop)
{
    struct gdb_server *g = opaque;

    bool heard = hears_the_end(g, stop);

    gdb_vm_forget(g->vm);
    atomic_store(&g->patience_ns, 0);
    if (heard && is_news(g, stop))
        print_line(g, stop->text);
    if (!gdb_session_awaits_stop(&g->session))
        gdb_vm_count_change(g->vm);
    if (gdb_session_stopped(&g->session))
        (heard ? send_packet : keep_packet)(g, strbuf_str(&g->session.body),
                                            g->session.body.len);
    if (stop->reason == DEBUG_REASON_ENDED && !g->session.extended)
        debug_server_quit(g->srv);
}

static int begin_session(struct debug *d, void *arg)
{
    struct gdb_server *g = arg;
    struct gdb_target target = gdb_vm_target(g->vm);

    (void)d;
    gdb_vm_begin(g->vm);
    gdb_session_init(&g->session, &target);
    g->session.extended = g->shared; /* a killed guest can be switched on */
    return 0;
}

/* What the client did not undo is undone; the guest stays as it is.  1: it has
 * ended, and only waited for a client that might restart it. */
static int end_session(struct debug *d, void *arg)
{
    struct gdb_server *g = arg;
    struct gdb_session *s = &g->session;
    bool over = s->dead || debug_last_stop(d)->reason == DEBUG_REASON_ENDED;

    s->target.ops->point_remove_all(s->target.opaque, true);
    gdb_session_fini(s);
    *s = (struct gdb_session){.target = s->target};
    return over;
}

static int end_guest(struct debug *d, void *arg)
{
    (void)arg;
    vm_forget_stop(debug_vm(d));
    vm_stop(debug_vm(d), VM_STOP_USER);
    return 0;
}

/* ---- the client --------------------------------------------------------- */

static void adopt(struct gdb_server *g, int in_fd, int out_fd)
{
    (void)debug_server_call(g->srv, begin_session, g);
    gdb_framer_init(&g->framer);
    pthread_mutex_lock(&g->lock);
    g->in_fd = in_fd;
    g->out_fd = out_fd;
    g->broken = false;
    g->in_left = g->early = 0;
    strbuf_reset(&g->out);
    g->out_at = 0;
    pthread_mutex_unlock(&g->lock);
}

static void drop_client(struct gdb_server *g)
{
    bool stdio = g->in_fd == STDIN_FILENO;

    log_info("gdb: the client left");
    pthread_mutex_lock(&g->lock);
    if (!stdio)
        close(g->in_fd);
    g->in_fd = g->out_fd = -1;
    strbuf_reset(&g->out);
    g->out_at = 0;
    pthread_mutex_unlock(&g->lock);
    /* Nobody can come back by standard input: a stopped guest stays so for
     * ever.  A killed one is over, too. */
    if ((debug_server_call(g->srv, end_session, g) > 0 ||
         (stdio && !debug_server_running(g->srv))) &&
        !g->shared)
        atomic_store(&g->end, true);
}

/* Its first words find an open socket: else it would not read ours. */
static void refuse(struct gdb_server *g, int fd)
{
    static const char busy[] = "E.another client is connected already";
    struct strbuf out;
    ssize_t n;

    strbuf_init(&out);
    strbuf_putc(&out, '+');
    gdb_frame(&out, busy, sizeof(busy) - 1);
    n = write(fd, out.text, out.len);
    (void)n;
    strbuf_fini(&out);
    shutdown(fd, SHUT_WR);
    if (g->refused_fd >= 0)
        close(g->refused_fd);
    g->refused_fd = fd;
}

static bool has_hung_up(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0;
}

static void accept_client(struct gdb_server *g)
{
    int fd = gdb_listener_accept(&g->listener);

    if (fd < 0)
        return;
    if (g->in_fd >= 0 && has_hung_up(g->in_fd))
        drop_client(g); /* we had not come to its end yet */
    if (g->in_fd >= 0) {
        log_info("gdb: a second client was refused");
        refuse(g, fd);
        return;
    }
    log_info("gdb: a client came");
    adopt(g, fd, fd == STDIN_FILENO ? STDOUT_FILENO : fd);
}

static void on_event(struct gdb_server *g, enum gdb_event event)
{
    struct packet_call call = {.g = g, .event = event};

    switch (event) {
    case GDB_EVENT_PACKET:
    case GDB_EVENT_TOO_LONG:
        /* At once: a client sends it again when the answer takes its time,
         * and is a reply behind from then on. */
        if (!g->session.no_ack)
            send_bytes(g, "+", 1);
        (void)debug_server_call(g->srv, run_packet, &call);
        break;
    case GDB_EVENT_BAD:
        if (!g->session.no_ack)
            send_bytes(g, "-", 1);
        break;
    case GDB_EVENT_NAK:
        (void)debug_server_call(g->srv, run_nak, g);
        break;
    case GDB_EVENT_INTERRUPT:
        atomic_store(&g->patience_ns, 0); /* it is there */
        debug_server_interrupt(g->srv);   /* at once, whatever it is at */
        (void)debug_server_call(g->srv, run_interrupt, g);
        break;
    case GDB_EVENT_ACK:
    case GDB_EVENT_NONE:
        break;
    }
}

static void read_client(struct gdb_server *g)
{
    uint8_t bytes[READ_MAX];
    ssize_t n = read(g->in_fd, bytes, sizeof(bytes));
    size_t at = 0;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        drop_client(g);
        return;
    }
    while (at < (size_t)n && !g->broken) {
        enum gdb_event event;
        size_t taken =
            gdb_framer_feed(&g->framer, bytes + at, (size_t)n - at, &event);
        bool early = taken <= g->early;

        at += taken;
        g->in_left = (size_t)n - at;
        g->early -= early ? taken : g->early;
        if (event != GDB_EVENT_NAK || !early)
            on_event(g, event);
    }
}

/* ---- the thread --------------------------------------------------------- */

static bool has_out(struct gdb_server *g)
{
    bool some;

    pthread_mutex_lock(&g->lock);
    some = g->out.len > 0 && !g->broken;
    pthread_mutex_unlock(&g->lock);
    return some;
}

/* As poll(), but a client's next packet mostly follows at once. */
static int wait_for_any(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    uint64_t end_ns = host_now_ns() + HOST_LOOK_NS;
    int ready;

    while (!(ready = poll(fds, n, 0)) && host_now_ns() < end_ns)
        sched_yield();
    return ready ? ready : poll(fds, n, timeout_ms);
}

static void look_around(struct gdb_server *g)
{
    struct pollfd fds[] = {
        {.fd = g->wake_fd, .events = POLLIN},
        {.fd = g->listener.fd, .events = POLLIN},
        {.fd = g->in_fd, .events = POLLIN},
        {.fd = has_out(g) ? g->out_fd : -1, .events = POLLOUT},
    };
    uint64_t count, patience = atomic_load(&g->patience_ns);

    if (wait_for_any(fds, ARRAY_SIZE(fds),
                     patience ? (int)(2 * patience / 1000000 + 100) : -1) < 0)
        return;
    if (has_given_up(g))
        debug_server_interrupt(g->srv);
    if (fds[0].revents) {
        ssize_t n = read(g->wake_fd, &count, sizeof(count));
        (void)n;
    }
    if (fds[3].revents) {
        pthread_mutex_lock(&g->lock);
        flush_out(g);
        pthread_mutex_unlock(&g->lock);
    }
    if (g->in_fd >= 0 && g->broken)
        drop_client(g);
    else if (fds[2].revents)
        read_client(g);
    if (fds[1].revents)
        accept_client(g);
}

static void *serve(void *opaque)
{
    struct gdb_server *g = opaque;

    while (!atomic_load(&g->quit)) {
        look_around(g);
        if (atomic_exchange(&g->end, false)) {
            debug_server_interrupt(g->srv);
            (void)debug_server_call(g->srv, end_guest, NULL);
            debug_server_quit(g->srv);
        }
    }
    return NULL;
}

/* The last words, W or X, reach a client that still reads. */
static void flush_last(struct gdb_server *g)
{
    struct pollfd fd = {.fd = g->out_fd, .events = POLLOUT};

    while (g->out_fd >= 0 && g->out.len && !g->broken &&
           poll(&fd, 1, FLUSH_LAST_MS) > 0)
        flush_out(g);
}

/* ---- life --------------------------------------------------------------- */

static int start(struct gdb_server *g, const char *where)
{
    int err = gdb_listener_open(&g->listener, where);

    if (err)
        return err;
    if (g->listener.chosen) /* no warning, but nobody can know it otherwise */
        log_warn("gdb: target remote %s", g->listener.address);
    g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->wake_fd < 0)
        return -errno;
    err = gdb_vm_create(&g->vm, g->srv, g->dbg);
    if (err)
        return err;
    gdb_vm_set_print(g->vm, on_print, g);
    g->session.target = gdb_vm_target(g->vm);
    g->client =
        (struct debug_client){.name = "gdb", .on_stop = on_stop, .opaque = g};
    debug_server_attach(g->srv, &g->client);
    err = -pthread_create(&g->thread, NULL, serve, g);
    g->thread_made = !err;
    return err;
}

int gdb_server_create(struct gdb_server **out, const char *where,
                      struct debug_server *srv, struct debug *dbg, bool shared)
{
    struct gdb_server *g = calloc(1, sizeof(*g));
    int err;

    *out = NULL;
    if (!g)
        return -ENOMEM;
    g->srv = srv;
    g->dbg = dbg;
    g->shared = shared;
    g->wake_fd = g->in_fd = g->out_fd = g->listener.fd = g->refused_fd = -1;
    pthread_mutex_init(&g->lock, NULL);
    strbuf_init(&g->out);
    strbuf_init(&g->last);
    gdb_framer_init(&g->framer);
    err = start(g, where);
    if (err) {
        log_error("gdb: cannot listen at %s: %s", where, strerror(-err));
        gdb_server_destroy(g);
        return err;
    }
    *out = g;
    return 0;
}

void gdb_server_destroy(struct gdb_server *g)
{
    if (!g)
        return;
    if (g->thread_made) {
        atomic_store(&g->quit, true);
        wake(g);
        pthread_join(g->thread, NULL);
    }
    flush_last(g);
    if (g->client.on_stop)
        debug_server_detach(g->srv, &g->client);
    if (g->in_fd > STDIN_FILENO)
        close(g->in_fd);
    if (g->refused_fd >= 0)
        close(g->refused_fd);
    gdb_session_fini(&g->session);
    gdb_vm_destroy(g->vm);
    gdb_listener_close(&g->listener);
    if (g->wake_fd >= 0)
        close(g->wake_fd);
    strbuf_fini(&g->out);
    strbuf_fini(&g->last);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

const char *gdb_server_address(const struct gdb_server *g)
{
    return g->listener.address;
}

void gdb_server_set_screen(struct gdb_server *g,
                           const struct command_screen *screen)
{
    gdb_vm_set_screen(g->vm, screen);
}

void gdb_server_end(struct gdb_server *g)
{
    atomic_store(&g->end, true);
    wake(g);
}

bool gdb_server_where(const char *where)
{
    return gdb_listener_where(where);
}
