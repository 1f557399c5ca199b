/*
 * The library of the programs, and where they begin: _start() finds on its
 * stack the command line that the kernel put there (proc.c, push_command).
 */
#include "user.h"

void _start(char *line) __attribute__((noreturn));

void _start(char *line)
{
    char *argv[ARGS_MAX + 1];
    int argc = split(line, argv, ARGS_MAX);

    exit(main(argc, argv));
}

void exit(int status)
{
    for (;;) {
        syscall(SYS_EXIT, (uint32_t)status, 0, 0);
    }
}

void printf(const char *fmt, ...)
{
    char line[256];
    va_list ap;

    va_start(ap, fmt);
    format(line, sizeof(line), fmt, ap);
    va_end(ap);
    syscall(SYS_WRITE, ADDR(line), str_len(line), 0);
}

int spawn(const char *file, const char *command)
{
    return syscall(SYS_SPAWN, ADDR(file), ADDR(command), 0);
}

int wait_for(int pid)
{
    int status = -1;

    syscall(SYS_WAIT, (uint32_t)pid, ADDR(&status), false);
    return status;
}

void *sbrk(uint32_t bytes)
{
    int old = syscall(SYS_SBRK, bytes, 0, 0);

    return old < 0 ? NULL : (void *)old;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

uint32_t number(const char *text)
{
    bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
    int base = hex ? 16 : 10;
    uint32_t value = 0;

    for (text += hex ? 2 : 0; digit(*text) < base; text++) {
        value = value * (uint32_t)base + (uint32_t)digit(*text);
    }
    return value;
}

/* Cuts LINE at its blanks.  Returns how many words; a NULL follows them. */
int split(char *line, char **argv, int max)
{
    int argc = 0;

    while (argc < max) {
        while (*line == ' ') {
            line++;
        }
        if (!*line) {
            break;
        }
        argv[argc++] = line;
        while (*line && *line != ' ') {
            line++;
        }
        if (*line) {
            *line++ = 0;
        }
    }
    argv[argc] = NULL;
    return argc;
}
