/*
 * The terminal comes back as it was, whatever ends us.  Each test forks a
 * child onto a pseudo-terminal of its own and looks at the mode from outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>

#include "vmm/host/terminal.h"

static int pty_fd, sync_pipe[2];

/* A library, such as curses. */
static int make_raw_itself(int fd)
{
    struct termios t;

    if (terminal_lend(fd) || tcgetattr(fd, &t) < 0)
        return -1;
    cfmakeraw(&t);
    return tcsetattr(fd, TCSANOW, &t);
}

/* A child that is raw through MAKE_RAW, says so, and then does END. */
static pid_t child_by(int (*make_raw)(int fd), void (*end)(void))
{
    pid_t pid;

    assert_int_equal(pipe(sync_pipe), 0);
    pid = forkpty(&pty_fd, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid)
        return pid;
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        signal(sig, SIG_DFL); /* cmocka's handlers go */
    if (make_raw(STDIN_FILENO))
        _exit(99);
    terminal_set_leave(STDOUT_FILENO, "<bye>", NULL);
    (void)!write(sync_pipe[1], "r", 1);
    end();
    _exit(98);
}

static pid_t raw_child(void (*end)(void))
{
    return child_by(terminal_raw, end);
}

static bool is_raw(void)
{
    struct termios t;

    assert_int_equal(tcgetattr(pty_fd, &t), 0);
    return !(t.c_lflag & (ICANON | ECHO | ISIG));
}

static void wait_ready(void)
{
    char c;

    assert_int_equal(read(sync_pipe[0], &c, 1), 1);
}

/* Polls for half a second. */
static bool becomes_raw(bool want)
{
    for (int i = 0; i < 100; i++) {
        if (is_raw() == want)
            return true;
        usleep(5000);
    }
    return false;
}

static int finish(pid_t pid)
{
    char buf[64] = "";
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(read(pty_fd, buf, sizeof(buf) - 1) > 0);
    assert_non_null(strstr(buf, "<bye>"));
    assert_false(is_raw());
    close(pty_fd);
    close(sync_pipe[0]);
    close(sync_pipe[1]);
    return status;
}

static void end_wait(void)
{
    pause();
}

static void end_exit(void)
{
    exit(7);
}

static void end_abort(void)
{
    abort();
}

static void end_segv(void)
{
    raise(SIGSEGV);
}

static void end_until_usr1(void)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    (void)!write(sync_pipe[1], "r", 1);
    sigwait(&set, &sig);
    exit(0);
}

static void restored_at_exit(void **state)
{
    int status;

    (void)state;
    status = finish(raw_child(end_exit));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void restored_when_it_dies(void **state)
{
    int status;

    (void)state;
    status = finish(raw_child(end_abort));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    status = finish(raw_child(end_segv));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

/* All that kill(1) knows and that would end a process. */
static void restored_after_any_signal(void **state)
{
    const int spared[] = {SIGKILL, SIGSTOP, SIGCHLD, SIGCONT, SIGTSTP,
                          SIGTTIN, SIGTTOU, SIGURG,  SIGWINCH};

    (void)state;
    for (int sig = 1; sig <= SIGRTMAX; sig++) {
        bool is_spared = sig >= 32 && sig < SIGRTMIN; /* the C library's */
        pid_t pid;

        for (size_t i = 0; i < ARRAY_SIZE(spared); i++)
            is_spared |= spared[i] == sig;
        if (is_spared)
            continue;
        pid = raw_child(end_wait);
        wait_ready();
        assert_int_equal(kill(pid, sig), 0);
        assert_int_equal(WTERMSIG(finish(pid)), sig);
    }
}

static void lent_to_a_library(void **state)
{
    pid_t pid = child_by(make_raw_itself, end_wait);

    (void)state;
    wait_ready();
    assert_true(is_raw());
    kill(pid, SIGUSR1);
    assert_int_equal(WTERMSIG(finish(pid)), SIGUSR1);
}

static void raw_while_it_runs(void **state)
{
    pid_t pid = raw_child(end_wait);

    (void)state;
    wait_ready();
    assert_true(is_raw());
    kill(pid, SIGBUS);
    finish(pid);
}

static void stopped_and_continued(void **state)
{
    pid_t pid = raw_child(end_until_usr1);
    int status;

    (void)state;
    wait_ready();
    wait_ready();
    kill(pid, SIGTSTP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_true(becomes_raw(false));
    kill(pid, SIGCONT);
    assert_true(becomes_raw(true));
    kill(pid, SIGUSR1);
    finish(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restored_at_exit),
        cmocka_unit_test(restored_when_it_dies),
        cmocka_unit_test(restored_after_any_signal),
        cmocka_unit_test(lent_to_a_library),
        cmocka_unit_test(raw_while_it_runs),
        cmocka_unit_test(stopped_and_continued),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
