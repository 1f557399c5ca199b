/* Serial lines on the host: nothing is lost, nobody is waited for for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "vmm/host/chardev_fd.h"

/* ---- whoever runs the machine -------------------------------------------- */

struct loop {
    struct {
        int fd;
        void (*fn)(void *opaque, int fd);
        void *opaque;
    } watch[8];
    bool quit, stopping;
};

static int loop_watch(void *opaque, int fd, void (*fn)(void *, int), void *arg)
{
    struct loop *l = opaque;
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return -EPERM; /* as epoll does */
    for (size_t i = 0; i < ARRAY_SIZE(l->watch); i++) {
        if (!l->watch[i].fn) {
            l->watch[i].fd = fd;
            l->watch[i].fn = fn;
            l->watch[i].opaque = arg;
            return 0;
        }
    }
    return -ENOSPC;
}

static void loop_unwatch(void *opaque, int fd)
{
    struct loop *l = opaque;

    for (size_t i = 0; i < ARRAY_SIZE(l->watch); i++)
        if (l->watch[i].fn && l->watch[i].fd == fd)
            l->watch[i].fn = NULL;
}

static void loop_quit(void *opaque)
{
    ((struct loop *)opaque)->quit = true;
}

static bool loop_stopping(void *opaque)
{
    return ((struct loop *)opaque)->stopping;
}

static struct host_events events_of(struct loop *l)
{
    return (struct host_events){l, loop_watch, loop_unwatch, loop_quit,
                                loop_stopping};
}

/* Runs what is ready, for about MS. */
static void turn(struct loop *l, int ms)
{
    for (int left = ms; left >= 0; left -= 5) {
        for (size_t i = 0; i < ARRAY_SIZE(l->watch); i++) {
            struct pollfd p = {.fd = l->watch[i].fd, .events = POLLIN};

            if (l->watch[i].fn && poll(&p, 1, 0) > 0)
                l->watch[i].fn(l->watch[i].opaque, l->watch[i].fd);
        }
        if (left)
            usleep(5000);
    }
}

/* ---- a chip with a small FIFO -------------------------------------------- */

struct chip {
    size_t room;
    char got[65536];
    size_t len;
};

static size_t chip_can_receive(void *opaque)
{
    return ((struct chip *)opaque)->room;
}

static void chip_receive(void *opaque, const uint8_t *bytes, size_t len)
{
    struct chip *chip = opaque;

    assert_true(len <= chip->room);
    memcpy(chip->got + chip->len, bytes, len);
    chip->len += len;
    chip->room -= len;
}

static void connect_chip(struct chardev *chr, struct chip *chip)
{
    chr->can_receive = chip_can_receive;
    chr->receive = chip_receive;
    chr->opaque = chip;
}

static struct chip chip;
static struct loop loop;
static struct host_events events;

static int setup(void **state)
{
    (void)state;
    memset(&chip, 0, sizeof(chip));
    memset(&loop, 0, sizeof(loop));
    events = events_of(&loop);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

static void put(struct chardev *chr, const char *text)
{
    chr->write(chr, (const uint8_t *)text, strlen(text));
}

/* ---- tests --------------------------------------------------------------- */

static void escape_keys(void **state)
{
    struct escape esc = {0};
    uint8_t out;
    bool send;

    (void)state;
    assert_int_equal(escape_feed(&esc, 'a', &send, &out), ESCAPE_NONE);
    assert_true(send && out == 'a');
    escape_feed(&esc, 1, &send, &out);
    assert_false(send);
    assert_int_equal(escape_feed(&esc, 1, &send, &out), ESCAPE_NONE);
    assert_true(send && out == 1);
    escape_feed(&esc, 1, &send, &out);
    assert_int_equal(escape_feed(&esc, 'h', &send, &out), ESCAPE_HELP);
    assert_false(send);
    assert_int_equal(escape_feed(&esc, 'x', &send, &out), ESCAPE_NONE);
    assert_true(send);
    escape_feed(&esc, 1, &send, &out);
    assert_int_equal(escape_feed(&esc, 'x', &send, &out), ESCAPE_QUIT);
    assert_false(send);
}

static void backlog_keeps_the_newest(void **state)
{
    static struct backlog b;
    static uint8_t bytes[BACKLOG_BYTES + 10];
    const uint8_t *p;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    backlog_put(&b, bytes, 100);
    backlog_put(&b, bytes + 100, sizeof(bytes) - 100);
    assert_int_equal(b.lost, 10);
    for (size_t at = 10; at < sizeof(bytes);) {
        size_t n = backlog_peek(&b, &p);

        assert_true(n > 0);
        assert_memory_equal(p, bytes + at, n);
        backlog_drop(&b, n);
        at += n;
    }
    assert_int_equal(b.len, 0);
}

static void input_waits_for_room(void **state)
{
    struct chardev *chr;

    (void)state;
    assert_int_equal(chardev_memory_create(&chr), 0);
    connect_chip(chr, &chip);
    chip.room = 2;
    chardev_type(chr, "hello", 5);
    assert_int_equal(chip.len, 2);
    chip.room = 16;
    chardev_drained(chr);
    assert_memory_equal(chip.got, "hello", 5);
    put(chr, "out");
    assert_string_equal(chardev_memory_output(chr, NULL), "out");
    chardev_memory_destroy(chr);
}

/* A chardev on two pipes: what we write to IN, it types; OUT, we read. */
static struct chardev_fd *on_pipes(int in[2], int out[2])
{
    struct chardev_fd *c = chardev_fd_create(&events);

    assert_non_null(c);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    c->in_fd = in[0];
    c->out_fd = out[1];
    c->is_stdio = true;
    c->wait_for_reader = true;
    connect_chip(&c->chr, &chip);
    assert_int_equal(chardev_fd_start_input(c), 0);
    return c;
}

static void close_all(const int in[2], const int out[2])
{
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
}

static void much_input_reaches_a_slow_chip(void **state)
{
    int in[2], out[2];
    struct chardev_fd *c = on_pipes(in, out);
    char text[20000];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 23);
    assert_int_equal(write(in[1], text, sizeof(text)), sizeof(text));
    for (int i = 0; i < 3000 && chip.len < sizeof(text); i++) {
        turn(&loop, 0);
        chip.room = 16;
        c->chr.drained(&c->chr);
    }
    assert_int_equal(chip.len, sizeof(text));
    assert_memory_equal(chip.got, text, sizeof(text));
    chardev_fd_destroy(c);
    close_all(in, out);
}

static void end_of_input_is_no_end(void **state)
{
    int in[2], out[2];
    struct chardev_fd *c = on_pipes(in, out);

    (void)state;
    chip.room = 16;
    assert_int_equal(write(in[1], "x", 1), 1);
    close(in[1]);
    in[1] = dup(0);
    turn(&loop, 10);
    assert_int_equal(chip.len, 1);
    assert_false(loop.quit);
    assert_false(c->watching);
    put(&c->chr, "still here");
    chardev_fd_destroy(c);
    close_all(in, out);
}

struct slow_reader {
    int fd;
    size_t got;
    bool wrong;
};

static void *read_slowly(void *arg)
{
    struct slow_reader *r = arg;
    uint8_t buf[1000];
    ssize_t n;

    while ((n = read(r->fd, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            r->wrong |= buf[i] != (uint8_t)((r->got + (size_t)i) % 251);
        r->got += (size_t)n;
        usleep(200);
    }
    return NULL;
}

static void a_slow_pipe_loses_nothing(void **state)
{
    enum { TOTAL = 400000 };
    int in[2], out[2];
    struct chardev_fd *c = on_pipes(in, out);
    struct slow_reader r = {.fd = out[0]};
    pthread_t thread;
    uint8_t byte[7];

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
    for (size_t i = 0; i < TOTAL;) {
        size_t n = 0;

        for (; n < sizeof(byte) && i < TOTAL; n++, i++)
            byte[n] = (uint8_t)(i % 251);
        c->chr.write(&c->chr, byte, n);
    }
    close(out[1]);
    out[1] = dup(0);
    pthread_join(thread, NULL);
    assert_int_equal(r.got, TOTAL);
    assert_false(r.wrong);
    c->out_fd = -1;
    chardev_fd_destroy(c);
    close_all(in, out);
}

static void waiting_ends_when_the_machine_stops(void **state)
{
    int in[2], out[2];
    struct chardev_fd *c = on_pipes(in, out);
    static uint8_t much[300000];

    (void)state;
    loop.stopping = true;
    c->chr.write(&c->chr, much, sizeof(much)); /* nobody reads: returns */
    chardev_fd_destroy(c);
    close_all(in, out);
}

static void a_closed_pipe_ends_the_run(void **state)
{
    int in[2], out[2];
    struct chardev_fd *c = on_pipes(in, out);

    (void)state;
    close(out[0]);
    out[0] = dup(0);
    put(&c->chr, "anybody?");
    assert_true(loop.quit);
    put(&c->chr, "no");
    chardev_fd_destroy(c);
    close_all(in, out);
}

static void a_regular_file_can_be_typed(void **state)
{
    char path[] = "/tmp/ringside-chardev-XXXXXX";
    struct chardev_fd *c = chardev_fd_create(&events);

    (void)state;
    c->in_fd = mkstemp(path);
    assert_true(c->in_fd >= 0);
    assert_int_equal(write(c->in_fd, "typed", 5), 5);
    lseek(c->in_fd, 0, SEEK_SET);
    c->is_stdio = true;
    connect_chip(&c->chr, &chip);
    chip.room = 3;
    assert_int_equal(chardev_fd_start_input(c), 0);
    turn(&loop, 10);
    chip.room = 3;
    c->chr.drained(&c->chr);
    assert_int_equal(chip.len, 5);
    assert_memory_equal(chip.got, "typed", 5);
    chardev_fd_destroy(c);
    unlink(path);
}

static void file_is_written(void **state)
{
    char spec[] = "file:/tmp/ringside-chardev-XXXXXX", buf[16];
    struct chardev *chr;
    int fd = mkstemp(spec + 5);

    (void)state;
    assert_int_equal(chardev_open(&chr, spec, &events), 0);
    put(chr, "hello");
    chardev_close(chr);
    assert_int_equal(read(fd, buf, sizeof(buf)), 5);
    assert_memory_equal(buf, "hello", 5);
    close(fd);
    unlink(spec + 5);
    assert_int_equal(chardev_open(&chr, "file:/proc/nonexistent/x", &events),
                     -ENOENT);
    assert_null(chr);
}

static int dial(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void socket_serves_one_client_after_another(void **state)
{
    char spec[64], buf[64];
    struct chardev *chr, *second;
    int fd;

    (void)state;
    snprintf(spec, sizeof(spec), "unix:/tmp/ringside-%d.sock", (int)getpid());
    assert_int_equal(chardev_open(&chr, spec, &events), 0);
    connect_chip(chr, &chip);
    chip.room = 1000;
    assert_int_equal(chardev_open(&second, spec, &events), -EADDRINUSE);
    put(chr, "before "); /* nobody there: kept */
    for (int i = 0; i < 2; i++) {
        chip.len = 0;
        fd = dial(spec + 5);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "in", 2), 2);
        turn(&loop, 100);
        put(chr, "out");
        assert_memory_equal(chip.got, "in", 2);
        assert_int_equal(read(fd, buf, sizeof(buf)), i ? 3 : 10);
        assert_memory_equal(buf, i ? "out" : "before out", i ? 3 : 10);
        close(fd);
        turn(&loop, 10);
    }
    chardev_close(chr);
    assert_int_equal(access(spec + 5, F_OK), -1);
}

static void a_dead_runs_socket_is_taken_over(void **state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct chardev *chr;
    char spec[128];

    (void)state;
    snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/ringside-%d.stale",
             (int)getpid());
    assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
    close(fd);
    snprintf(spec, sizeof(spec), "unix:%s", sa.sun_path);
    assert_int_equal(chardev_open(&chr, spec, &events), 0);
    chardev_close(chr);
}

static void pty_keeps_what_nobody_reads(void **state)
{
    struct chardev *chr;
    static uint8_t much[200000];
    uint8_t buf[4096], last = 0;
    size_t got = 0;
    int fd, null = open("/dev/null", O_WRONLY), saved = dup(STDERR_FILENO);

    (void)state;
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = (uint8_t)(i % 251);
    dup2(null, STDERR_FILENO);
    assert_int_equal(chardev_open(&chr, "pty", &events), 0);
    dup2(saved, STDERR_FILENO);
    connect_chip(chr, &chip);
    chip.room = 100;
    chr->write(chr, much, sizeof(much)); /* waits a second, then keeps */
    fd = dup(((struct chardev_fd *)chr)->pty_slave_fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 500; i++) {
        bool all_sent = ((struct chardev_fd *)chr)->backlog.len == 0;
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n > 0) {
            got += (size_t)n;
            last = buf[n - 1];
        }
        turn(&loop, n > 0 ? 0 : 5);
        if (n <= 0 && all_sent)
            break;
    }
    assert_true(got >= BACKLOG_BYTES);
    assert_int_equal(last, much[sizeof(much) - 1]);
    assert_int_equal(write(fd, "\003\r", 2), 2); /* raw: no signal, no edit */
    turn(&loop, 10);
    assert_memory_equal(chip.got, "\003\r", 2);
    close(fd);
    close(saved);
    close(null);
    chardev_close(chr);
}

static void specs(void **state)
{
    (void)state;
    assert_true(chardev_spec_valid("stdio"));
    assert_true(chardev_spec_valid("pty"));
    assert_true(chardev_spec_valid("null"));
    assert_true(chardev_spec_valid("unix:/a"));
    assert_true(chardev_spec_valid("file:a"));
    assert_false(chardev_spec_valid("unix:"));
    assert_false(chardev_spec_valid("stdio:"));
    assert_false(chardev_spec_valid("stdiox"));
    assert_false(chardev_spec_valid(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(specs, setup),
        cmocka_unit_test_setup(escape_keys, setup),
        cmocka_unit_test_setup(backlog_keeps_the_newest, setup),
        cmocka_unit_test_setup(input_waits_for_room, setup),
        cmocka_unit_test_setup(much_input_reaches_a_slow_chip, setup),
        cmocka_unit_test_setup(end_of_input_is_no_end, setup),
        cmocka_unit_test_setup(a_slow_pipe_loses_nothing, setup),
        cmocka_unit_test_setup(waiting_ends_when_the_machine_stops, setup),
        cmocka_unit_test_setup(a_closed_pipe_ends_the_run, setup),
        cmocka_unit_test_setup(a_regular_file_can_be_typed, setup),
        cmocka_unit_test_setup(file_is_written, setup),
        cmocka_unit_test_setup(socket_serves_one_client_after_another, setup),
        cmocka_unit_test_setup(a_dead_runs_socket_is_taken_over, setup),
        cmocka_unit_test_setup(pty_keeps_what_nobody_reads, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
