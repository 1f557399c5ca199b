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

/* A child that is raw, says so, and then does END. */
static pid_t raw_child(void (*end)(void))
{
    pid_t pid;

    assert_int_equal(pipe(sync_pipe), 0);
    pid = forkpty(&pty_fd, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid)
        return pid;
    for (int sig = 1; sig < 32; sig++)
        signal(sig, SIG_DFL); /* cmocka's handlers go */
    if (terminal_raw(STDIN_FILENO))
        _exit(99);
    terminal_set_leave(STDOUT_FILENO, "<bye>", NULL);
    (void)!write(sync_pipe[1], "r", 1);
    end();
    _exit(98);
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
        cmocka_unit_test(raw_while_it_runs),
        cmocka_unit_test(stopped_and_continued),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
