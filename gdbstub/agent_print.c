/* The printf operator of agent expressions: what dprintf prints. */
#include <stdio.h>
#include <string.h>

#include "gdbstub/agent_impl.h"

#define PRINT_MAX  512u
#define STRING_MAX 200u

struct printer {
    char text[PRINT_MAX];
    size_t len;
};

static void put_string(const struct gdb_agent_env *env, struct printer *p,
                       const char *flags, uint64_t addr)
{
    char text[STRING_MAX + 1] = "", format[24];
    size_t n = 0;
    int done;

    while (n < STRING_MAX && env->mem(env->opaque, addr + n, &text[n], 1) &&
           text[n])
        n++;
    text[n] = '\0';
    snprintf(format, sizeof(format), "%%%ss", flags);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    done = snprintf(p->text + p->len, PRINT_MAX - p->len, format, text);
#pragma GCC diagnostic pop
    p->len += done > 0 ? (size_t)done : 0;
}

/* LONGS: how many l's the client wrote: an int is 32 bits wide. */
static void put_number(struct printer *p, const char *flags, unsigned longs,
                       char conversion, uint64_t value)
{
    char format[24];
    int done;

    if (conversion == 'p')
        conversion = 'x', longs = 2;
    if (!longs)
        value = conversion == 'd' || conversion == 'i'
                    ? (uint64_t)(int64_t)(int32_t)value
                    : (uint32_t)value;
    if (conversion == 'c')
        snprintf(format, sizeof(format), "%%%sc", flags);
    else
        snprintf(format, sizeof(format), "%%%sll%c", flags, conversion);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (conversion == 'c')
        done =
            snprintf(p->text + p->len, PRINT_MAX - p->len, format, (int)value);
    else
        done = snprintf(p->text + p->len, PRINT_MAX - p->len, format,
                        (unsigned long long)value);
#pragma GCC diagnostic pop
    p->len += done > 0 ? (size_t)done : 0;
}

/* At most two digits of a width or a precision: no line is longer. */
static size_t take_digits(const char **f, char *to)
{
    size_t n = 0;

    for (; **f >= '0' && **f <= '9'; (*f)++)
        if (n < 2)
            to[n++] = **f;
    return n;
}

/* Flags, width and precision of a conversion; FLAGS has room for 12. */
static const char *take_flags(const char *f, char *flags)
{
    size_t n = 0;

    for (; *f && strchr("-+ #0", *f); f++)
        if (n < 5)
            flags[n++] = *f;
    n += take_digits(&f, flags + n);
    if (*f == '.') {
        flags[n++] = *f++;
        n += take_digits(&f, flags + n);
    }
    flags[n] = '\0';
    return f;
}

/* One %...; F is past the %.  What follows it, or NULL: not ours. */
static const char *put_one(const struct gdb_agent_env *env, struct printer *p,
                           const char *f, uint64_t value)
{
    unsigned longs = 0;
    char flags[12];

    f = take_flags(f, flags);
    for (; *f == 'l' || *f == 'h' || *f == 'z'; f++)
        longs += *f != 'h';
    if (*f == 's')
        put_string(env, p, flags, value);
    else if (*f && strchr("diuxXocp", *f))
        put_number(p, flags, longs, *f, value);
    else
        return NULL;
    return f + 1;
}

/* gdb sends escapes as they were typed.  *F is behind the backslash. */
static char take_escape(const char **f)
{
    static const char letters[] = "abefnrtv", bytes[] = "\a\b\033\f\n\r\t\v";
    const char *letter;
    unsigned value = 0, digits = 0;

    for (; digits < 3 && **f >= '0' && **f <= '7'; digits++)
        value = value * 8 + (unsigned)(*(*f)++ - '0');
    if (digits)
        return (char)value;
    letter = strchr(letters, **f);
    value = (unsigned char)(letter ? bytes[letter - letters] : **f);
    (*f)++;
    return (char)value;
}

bool gdb_agent_print(const struct gdb_agent_env *env, const char *f,
                     const uint64_t *arg, unsigned args)
{
    struct printer p = {.len = 0};

    while (*f && p.len < PRINT_MAX - 1) {
        if (*f == '\\' && f[1]) {
            f++;
            p.text[p.len++] = take_escape(&f);
            continue;
        }
        if (*f != '%' || f[1] == '%') {
            f += *f == '%';
            p.text[p.len++] = *f++;
            continue;
        }
        if (!args--)
            return false;
        f = put_one(env, &p, f + 1, *arg--);
        if (!f)
            return false;
        if (p.len > PRINT_MAX - 1)
            p.len = PRINT_MAX - 1;
    }
    if (env->print)
        env->print(env->print_opaque, p.text, p.len);
    return true;
}
