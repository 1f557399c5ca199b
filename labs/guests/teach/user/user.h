/*
 * What a program may use: the system calls and a few lines of library.
 * Programs are main(argc, argv); what main returns is the exit status.
 */
#ifndef TEACH_USER_H
#define TEACH_USER_H
#include "../abi.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define ARGS_MAX 8

int main(int argc, char **argv);

static inline int syscall(int number, uint32_t a, uint32_t b, uint32_t c)
{
    int result;

    __asm__ volatile("int %1"
                     : "=a"(result)
                     : "i"(SYS_VECTOR), "a"(number), "b"(a), "c"(b), "d"(c)
                     : "memory");
    return result;
}

/* Pointers as a call's argument. */
#define ADDR(p) ((uint32_t)(p))

/* format.c */
size_t format(char *out, size_t size, const char *fmt, va_list ap);
size_t str_len(const char *s);
bool str_equal(const char *a, const char *b);
void str_copy(char *to, const char *from, size_t size);

/* ulib.c */
void printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void exit(int status) __attribute__((noreturn));
int spawn(const char *file, const char *command);
int wait_for(int pid); /* its status, or -1 */
void *sbrk(uint32_t bytes);
uint32_t number(const char *text); /* decimal, or hexadecimal after 0x */
int split(char *line, char **argv, int max);
#endif
