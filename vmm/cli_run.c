/* `ringside run`: one machine from power-on to its end, then the reports. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gdbstub/gdb_run.h"
#include "tui/paper.h"
#include "vmm/base/log.h"
#include "vmm/cli.h"
#include "vmm/cli_display.h"
#include "vmm/cli_report.h"
#include "vmm/exit_status.h"
#include "vmm/host/hostio.h"
#include "vmm/host/terminal.h"

/* ---- signals: the machine stops, reports, and only then dies of it ------ */

static struct vm *signalled_vm; /* handlers have no argument of ours */
static volatile sig_atomic_t signal_taken;
static uint64_t signal_ns; /* when the first one came */

/* timeout(1) and some shells send the same signal twice, at once. */
#define SIGNAL_ECHO_NS 500000000u

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void on_stop_signal(int sig)
{
    int saved = errno;

    if (signal_taken && host_now_ns() - signal_ns > SIGNAL_ECHO_NS) {
        signal(sig, SIG_DFL); /* asked again: die at once */
        raise(sig);
    }
    if (!signal_taken)
        signal_ns = host_now_ns();
    signal_taken = sig;
    if (signalled_vm)
        vm_stop(signalled_vm, VM_STOP_USER);
    gdb_run_end();
    errno = saved;
}

static void catch_signals(struct vm *vm)
{
    struct sigaction sa = {.sa_handler = on_stop_signal,
                           .sa_flags = SA_RESTART};

    signalled_vm = vm;
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
        sigaction(stop_signals[i], &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void release_signals(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
        signal(stop_signals[i], SIG_DFL);
    signalled_vm = NULL;
}

/* ---- the command --------------------------------------------------------- */

/* What options leave open is decided here, before a machine is made. */
static int settle(struct cli *cli)
{
    struct vm_config *cfg = &cli->vm;
    unsigned on_stdio = 0, elsewhere = 0;

    if (cli->operands)
        cfg->guest = cli->operand[0];
    if (!cfg->guest && !cfg->disk[0].path)
        return cli_error(cli, "GUEST is missing (or give --disk)");
    if (cli->gdb_wait && !cli->gdb)
        return cli_error(cli, "-S waits for gdb: give --gdb as well");
    if (cli->gdb && strcmp(cli->gdb, "stdio") == 0) {
        if (cli->serials == 0)
            cfg->serial[0] = "null"; /* the streams are gdb's */
        on_stdio++;
    }
    if (cfg->text_display && cli->serials == 0)
        cfg->serial[0] = "null"; /* the terminal is the screen's */
    for (unsigned i = 0; i < VM_SERIALS_MAX; i++) {
        const char *spec = cfg->serial[i] ? cfg->serial[i] : "null";

        on_stdio += strcmp(spec, "stdio") == 0;
        elsewhere += strcmp(spec, "pty") == 0 || strncmp(spec, "unix:", 5) == 0;
    }
    if (on_stdio + cfg->text_display > 1)
        return cli_error(cli, "only one of COM1, COM2, --display text and "
                              "--gdb can have the terminal");
    cli->at_terminal = on_stdio + cfg->text_display > 0 && isatty(STDIN_FILENO);
    cfg->interactive = cli->at_terminal || elsewhere > 0;
    return 0;
}

/* A person at a serial console has to know the way out. */
static void greet(const struct cli *cli)
{
    if (cli->at_terminal && !cli->vm.text_display)
        fprintf(stderr, "ringside: Ctrl-A x leaves, Ctrl-A h helps\n");
}

/* What a person wants to know who did not ask for anything. */
static void say_why_it_ended(struct vm *vm)
{
    switch (vm_stop_reason(vm)) {
    case VM_STOP_POWEROFF:
    case VM_STOP_USER:
        log_info("%s", vm_stop_text(vm));
        break;
    case VM_STOP_DEBUG_EXIT:
        log_info("%s; exit status %d", vm_stop_text(vm), vm_exit_status(vm));
        break;
    case VM_STOP_HALTED:
        log_warn("%s; `ringside debug` shows where", vm_stop_text(vm));
        break;
    default:
        log_warn("%s", vm_stop_text(vm));
    }
}

static int run_with_gdb(const struct cli *cli, struct vm *vm)
{
    struct paper paper = {.theme = theme_find("mono")};
    struct command_screen screen = {paper_command, &paper};

    return gdb_run(cli, vm, &screen);
}

int cmd_run(struct cli *cli)
{
    struct display *display = NULL;
    struct vm *vm;
    uint64_t wall;
    int status, err = 0;

    if (settle(cli))
        return EXIT_STATUS_USAGE;
    terminal_prepare();
    if (vm_create(&vm, &cli->vm))
        return EXIT_STATUS_SETUP;
    if (cli->vm.text_display && display_open(&display, vm)) {
        vm_destroy(vm);
        return EXIT_STATUS_SETUP;
    }
    catch_signals(vm);
    greet(cli);
    wall = host_now_ns();
    if (cli->gdb)
        err = run_with_gdb(cli, vm);
    else
        vm_run(vm);
    wall = host_now_ns() - wall;
    release_signals();
    display_close(display);
    terminal_restore();
    if (cli->at_terminal && vm_stop_reason(vm) == VM_STOP_USER)
        fputc('\n', stderr); /* the guest's line is unfinished */
    status = vm_exit_status(vm);
    if (!err)
        say_why_it_ended(vm);
    if (err || cli_report(cli, vm, wall))
        status = EXIT_STATUS_SETUP;
    vm_destroy(vm);
    if (signal_taken)
        raise(signal_taken); /* the shell sees what we died of */
    return status;
}
