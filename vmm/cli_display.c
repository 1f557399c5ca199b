/*
 * The text display: a timer compares the guest's screen with what the terminal
 * shows and draws the difference; typed keys go to the PS/2 keyboard as fast
 * as it takes them.  Drawing itself is host/text_screen.c.
 */
#include "vmm/cli_display.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/base/log.h"
#include "vmm/exit_format.h"
#include "vmm/host/escape.h"
#include "vmm/host/keyboard.h"
#include "vmm/host/terminal.h"
#include "vmm/host/text_screen.h"
#include "vmm/machine/machine.h"

#define TICK_MS 30u

struct display {
    struct vm *vm;
    struct text_screen screen;
    bool draws;  /* standard output is a terminal */
    bool raw;    /* standard input is one: Ctrl-A is ours */
    int tick_fd; /* timerfd */
    int in_fd;   /* what is watched for input; -1: it has ended */
    bool in_is_file;
    struct escape escape;
    char typed[4096]; /* not yet taken by the keyboard */
    size_t typed_len;
    unsigned help_ticks; /* while not 0, the help line is on the screen */
};

/* Set by SIGCONT: the terminal shows something else now. */
static volatile sig_atomic_t redraw;

static void on_resume(void)
{
    redraw = 1;
}

static void write_all(const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(STDOUT_FILENO, bytes, len);

        if (n < 0 && errno != EINTR)
            return;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
}

static void look_at_size(struct display *d)
{
    struct winsize ws = {0};
    unsigned rows = TEXT_SCREEN_ROWS, cols = TEXT_SCREEN_COLS;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row && ws.ws_col) {
        rows = ws.ws_row;
        cols = ws.ws_col;
    }
    if (rows != d->screen.rows || cols != d->screen.cols || redraw)
        d->screen.valid = false;
    redraw = 0;
    d->screen.rows = rows;
    d->screen.cols = cols;
}

static void draw(struct display *d)
{
    struct machine_screen now;
    struct strbuf out;

    look_at_size(d);
    machine_screen(vm_machine(d->vm), &now);
    strbuf_init(&out);
    text_screen_draw(&d->screen, now.cell, now.row, now.col, now.cursor, &out);
    write_all(strbuf_str(&out), out.len);
    strbuf_fini(&out);
}

/* ---- keys ---------------------------------------------------------------- */

static void press_keys(struct display *d)
{
    struct machine *m = vm_machine(d->vm);
    size_t at = 0, count;
    uint8_t codes[KEYBOARD_BYTES];

    while (at < d->typed_len && machine_key_room(m) >= KEYBOARD_BYTES) {
        at += keyboard_take(d->typed + at, d->typed_len - at, codes, &count);
        for (size_t i = 0; i < count; i++)
            machine_key(m, codes[i]);
    }
    d->typed_len -= at;
    memmove(d->typed, d->typed + at, d->typed_len);
}

static void show_help(struct display *d)
{
    const char *help = escape_help();
    size_t len;

    help += strspn(help, "\r\n");
    len = strcspn(help, "\r\n");
    d->help_ticks = 3000 / TICK_MS;
    if (!d->draws)
        return;
    write_all("\033[1;1H\033[0;7m", 12);
    write_all(help, len);
}

static void type(struct display *d, uint8_t byte)
{
    enum escape_request request = ESCAPE_NONE;
    bool keep = true;

    if (d->raw)
        request = escape_feed(&d->escape, byte, &keep, &byte);
    if (keep && d->typed_len < sizeof(d->typed))
        d->typed[d->typed_len++] = (char)byte;
    if (request == ESCAPE_QUIT)
        vm_stop(d->vm, VM_STOP_USER);
    if (request == ESCAPE_HELP)
        show_help(d);
}

static void stop_input(struct display *d)
{
    vm_unwatch_fd(d->vm, d->in_fd);
    if (d->in_is_file)
        close(d->in_fd);
    d->in_fd = -1;
}

static void on_input(void *opaque, int fd)
{
    struct display *d = opaque;
    uint8_t buf[sizeof(d->typed)];
    size_t room = sizeof(d->typed) - d->typed_len;
    ssize_t n;

    (void)fd;
    if (d->raw)
        room = sizeof(buf); /* for Ctrl-A x; the rest is dropped */
    if (!room)
        return; /* the next tick makes some */
    n = read(STDIN_FILENO, buf, room);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0)
        stop_input(d);
    for (ssize_t i = 0; i < n; i++)
        type(d, buf[i]);
    press_keys(d);
}

static int watch_input(struct display *d)
{
    int err = vm_watch_fd(d->vm, STDIN_FILENO, on_input, d);

    d->in_fd = STDIN_FILENO;
    if (err != -EPERM)
        return err;
    /* A regular file cannot be waited for; it is always ready. */
    d->in_fd = eventfd(1, EFD_CLOEXEC);
    d->in_is_file = true;
    return d->in_fd < 0 ? -errno : vm_watch_fd(d->vm, d->in_fd, on_input, d);
}

/* ---- life ---------------------------------------------------------------- */

static void on_tick(void *opaque, int fd)
{
    struct display *d = opaque;
    uint64_t ticks;

    if (read(fd, &ticks, sizeof(ticks)) != sizeof(ticks))
        return;
    press_keys(d);
    if (d->help_ticks && --d->help_ticks == 0)
        d->screen.valid = false;
    if (d->draws && !d->help_ticks)
        draw(d);
}

static int start(struct display *d)
{
    const struct itimerspec its = {.it_value.tv_nsec = TICK_MS * 1000000,
                                   .it_interval.tv_nsec = TICK_MS * 1000000};
    int err;

    d->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (d->tick_fd < 0 || timerfd_settime(d->tick_fd, 0, &its, NULL) < 0)
        return -errno;
    err = vm_watch_fd(d->vm, d->tick_fd, on_tick, d);
    return err ? err : watch_input(d);
}

int display_open(struct display **out, struct vm *vm)
{
    struct exit_style style = exit_style_for(STDOUT_FILENO);
    struct display *d = calloc(1, sizeof(*d));
    int err;

    *out = NULL;
    if (!d)
        return -ENOMEM;
    d->vm = vm;
    d->tick_fd = d->in_fd = -1;
    d->draws = isatty(STDOUT_FILENO);
    d->screen.color = style.color;
    d->screen.utf8 = style.utf8;
    err = start(d);
    if (err) {
        log_error("cannot open the text display: %s", strerror(-err));
        display_close(d);
        return err;
    }
    d->raw = terminal_raw(STDIN_FILENO) == 0;
    if (d->draws) {
        log_hold(true);
        terminal_set_leave(STDOUT_FILENO, text_screen_leave, on_resume);
        write_all(text_screen_enter, strlen(text_screen_enter));
        draw(d);
    }
    *out = d;
    return 0;
}

void display_close(struct display *d)
{
    struct machine_screen now;
    struct strbuf out;

    if (!d)
        return;
    if (d->draws && !d->raw)
        write_all(text_screen_leave, strlen(text_screen_leave));
    terminal_restore();
    strbuf_init(&out);
    machine_screen(vm_machine(d->vm), &now);
    text_screen_lines(&d->screen, now.cell, &out);
    write_all(strbuf_str(&out), out.len);
    strbuf_fini(&out);
    log_hold(false);
    if (d->in_fd >= 0)
        stop_input(d);
    if (d->tick_fd >= 0) {
        vm_unwatch_fd(d->vm, d->tick_fd);
        close(d->tick_fd);
    }
    free(d);
}
