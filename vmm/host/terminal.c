#include "vmm/host/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/base/log.h"

/* Those that do not end the process, or cannot be caught: signal(7). */
static const int harmless_signals[] = {SIGKILL, SIGSTOP, SIGCHLD,
                                       SIGCONT, SIGTSTP, SIGTTIN,
                                       SIGTTOU, SIGURG,  SIGWINCH};

static struct {
    volatile sig_atomic_t raw;
    bool prepared; /* atexit and handlers are there */
    int fd;
    struct termios cooked, raw_mode;
    int leave_fd;
    char leave[128];
    void (*resume)(void);
} term;

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);

        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

/* Not raw just now, but to be so when we continue. */
static volatile sig_atomic_t raw_on_cont;

void terminal_restore(void)
{
    int saved = errno;

    raw_on_cont = 0;
    if (!term.raw)
        return;
    term.raw = 0;
    write_all(term.leave_fd, term.leave, strlen(term.leave));
    tcsetattr(term.fd, TCSANOW, &term.cooked);
    errno = saved;
}

/* In the background tcsetattr() would stop us: then wait for another CONT. */
static void make_raw(void)
{
    if (tcgetpgrp(term.fd) == getpgrp() &&
        tcsetattr(term.fd, TCSANOW, &term.raw_mode) == 0)
        term.raw = 1;
}

static void on_fatal(int sig)
{
    terminal_restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_tstp(int sig)
{
    int saved = errno;
    bool raw = term.raw || raw_on_cont;

    (void)sig;
    terminal_restore();
    raw_on_cont = raw;
    raise(SIGSTOP);
    errno = saved;
}

static void on_cont(int sig)
{
    int saved = errno;

    (void)sig;
    if (raw_on_cont || term.raw)
        make_raw();
    if (term.raw && term.resume)
        term.resume();
    errno = saved;
}

static void take_signal(int sig, void (*handler)(int), int flags)
{
    struct sigaction old, sa = {.sa_handler = handler, .sa_flags = flags};

    sigemptyset(&sa.sa_mask);
    if (sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        sigaction(sig, &sa, NULL);
}

static bool is_deadly(int sig)
{
    for (size_t i = 0; i < ARRAY_SIZE(harmless_signals); i++)
        if (harmless_signals[i] == sig)
            return false;
    return true;
}

void terminal_prepare(void)
{
    if (term.prepared)
        return;
    term.prepared = true;
    atexit(terminal_restore);
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        if (is_deadly(sig))
            take_signal(sig, on_fatal, SA_ONSTACK);
}

/* Keeps the mode that FD is to go back to.  0 or -errno, logged. */
static int keep_mode(int fd)
{
    int err;

    if (tcgetattr(fd, &term.cooked) == 0)
        return 0;
    err = -errno;
    log_error("cannot read the terminal's mode: %s", strerror(-err));
    return err;
}

int terminal_lend(int fd)
{
    int err = keep_mode(fd);

    if (err)
        return err;
    term.fd = fd;
    term.leave[0] = '\0';
    terminal_prepare();
    term.raw = 1;
    return 0;
}

int terminal_raw(int fd)
{
    int err;

    if (term.raw)
        return 0;
    if (!isatty(fd))
        return -ENOTTY;
    err = keep_mode(fd);
    if (err)
        return err;
    term.raw_mode = term.cooked;
    /* All but OPOST: our own lines end in a bare newline. */
    term.raw_mode.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP |
                                         INLCR | IGNCR | ICRNL | IXON);
    term.raw_mode.c_lflag &=
        ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    term.raw_mode.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    term.raw_mode.c_cflag |= CS8;
    term.raw_mode.c_cc[VMIN] = 1;
    term.raw_mode.c_cc[VTIME] = 0;
    term.fd = fd;
    terminal_prepare();
    take_signal(SIGTSTP, on_tstp, SA_RESTART);
    take_signal(SIGCONT, on_cont, SA_RESTART);
    make_raw();
    raw_on_cont = !term.raw;
    return 0;
}

void terminal_set_leave(int fd, const char *bytes, void (*resume)(void))
{
    size_t len = strlen(bytes);

    assert(len < sizeof(term.leave));
    term.leave[0] = '\0'; /* a signal here finds all of it or nothing */
    term.leave_fd = fd;
    if (len) {
        memcpy(term.leave + 1, bytes + 1, len);
        term.leave[0] = bytes[0];
    }
    term.resume = resume;
}

void terminal_hold_resize(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int terminal_wait(struct pollfd *fds, unsigned count, int timeout_ms)
{
    struct timespec limit = {timeout_ms / 1000,
                             (long)(timeout_ms % 1000) * 1000000};
    sigset_t set;

    pthread_sigmask(SIG_SETMASK, NULL, &set);
    sigdelset(&set, SIGWINCH);
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &limit, &set);
}
