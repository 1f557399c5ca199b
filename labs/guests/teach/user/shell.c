/*
 * The shell: reads a line, starts the program it names, waits for it unless
 * the line ends in &.
 */
#include "user.h"

#define LINE_MAX 120

static void cmd_help(char **argv);
static void cmd_exit(char **argv);
static void cmd_wait(char **argv);

static const struct {
    const char *name, *help;
    void (*run)(char **argv);
} builtin[] = {
    {"help", "this list", cmd_help},
    {"exit", "end the shell, and the machine with it", cmd_exit},
    {"wait", "until all programs in the background have ended", cmd_wait},
};

/* What the programs do; each is a file of its name. */
static const struct {
    const char *name, *help;
} program[] = {
    {"cat FILE", "print a file"},
    {"count", "two processes that count in turn, without ever yielding"},
    {"crash [HOW]", "do what a program must not; without HOW, list the ways"},
    {"divide A B", "A / B: try B = 0"},
    {"echo WORDS", "print the words"},
    {"hello", "say who and where we are"},
    {"kill PID", "end a process"},
    {"ls", "list the files"},
    {"mem", "this process's pages, as the processor sees them"},
    {"peek ADDR [N]", "N words of memory at ADDR"},
    {"poweroff [N]", "switch off; with N through the debug-exit port"},
    {"primes N", "count the primes below N"},
    {"ps [-t]", "list the processes; with -t also their time"},
    {"sleep [MS]", "do nothing for so many milliseconds"},
    {"spin [N]", "N million rounds of arithmetic, and their checksum"},
    {"uptime", "how long the machine has been up"},
};

static void cmd_help(char **argv)
{
    (void)argv;
    for (unsigned i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
        printf("  %-14s%s\n", builtin[i].name, builtin[i].help);
    }
    for (unsigned i = 0; i < sizeof(program) / sizeof(program[0]); i++) {
        printf("  %-14s%s\n", program[i].name, program[i].help);
    }
    printf("A line that ends in & runs in the background.  Ctrl-C ends all "
           "but the shell.\n");
}

static void cmd_exit(char **argv)
{
    exit(argv[1] ? (int)number(argv[1]) : 0);
}

static void cmd_wait(char **argv)
{
    int status;

    (void)argv;
    while (syscall(SYS_WAIT, (uint32_t)-1, ADDR(&status), false) > 0) {
    }
}

/* Forgets those that have ended in the background. */
static void reap(void)
{
    int status;

    while (syscall(SYS_WAIT, (uint32_t)-1, ADDR(&status), true) > 0) {
    }
}

static void run(char *line)
{
    char command[LINE_MAX];
    char *argv[ARGS_MAX + 1];
    size_t len = str_len(line);
    bool background = len && line[len - 1] == '&';

    if (background) {
        line[len - 1] = 0;
    }
    str_copy(command, line, sizeof(command));
    if (!split(line, argv, ARGS_MAX)) {
        return;
    }
    for (unsigned i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
        if (str_equal(argv[0], builtin[i].name)) {
            builtin[i].run(argv);
            return;
        }
    }
    int pid = spawn(argv[0], command);

    if (pid < 0) {
        printf("%s: no such program; try help\n", argv[0]);
    } else if (background) {
        printf("[%d] %s\n", pid, argv[0]);
    } else {
        int status = wait_for(pid);

        if (status) {
            printf("%s: status %d\n", argv[0], status);
        }
    }
}

int main(int argc, char **argv)
{
    char line[LINE_MAX];

    (void)argc;
    (void)argv;
    printf("Type help for a list of commands.\n");
    for (;;) {
        reap();
        printf("ringlet$ ");
        int n = syscall(SYS_READ, ADDR(line), sizeof(line) - 1, 0);

        if (n > 0) {
            line[line[n - 1] == '\n' ? n - 1 : n] = 0;
            run(line);
        }
    }
}
