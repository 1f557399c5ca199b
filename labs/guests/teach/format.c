/*
 * Strings and printf-like formatting, compiled into kernel and programs alike.
 * Knows %d %u %x %s %c %%, a width and a leading 0.
 */
#include "kernel.h"

struct sink {
    char *out;
    size_t size, used; /* used counts also what did not fit */
};

static void emit(struct sink *s, char c)
{
    if (s->used + 1 < s->size) {
        s->out[s->used] = c;
    }
    s->used++;
}

static void emit_padded(struct sink *s, const char *text, unsigned width,
                        bool left)
{
    unsigned len = (unsigned)str_len(text);

    for (unsigned i = len; !left && i < width; i++) {
        emit(s, ' ');
    }
    while (*text) {
        emit(s, *text++);
    }
    for (unsigned i = len; left && i < width; i++) {
        emit(s, ' ');
    }
}

static void emit_number(struct sink *s, uint32_t value, uint32_t base,
                        bool minus, unsigned width, bool zeros)
{
    char digits[12];
    unsigned i = sizeof(digits);

    digits[--i] = 0;
    do {
        digits[--i] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (zeros && sizeof(digits) - 1 - i < width && i > 1) {
        digits[--i] = '0';
    }
    if (minus) {
        digits[--i] = '-';
    }
    emit_padded(s, digits + i, width, false);
}

/* One conversion, behind the %.  Returns what follows it. */
static const char *convert(struct sink *s, const char *fmt, va_list *ap)
{
    bool left = *fmt == '-';
    unsigned width = 0;
    int32_t number;

    fmt += left;
    bool zeros = *fmt == '0';
    while (*fmt >= '0' && *fmt <= '9') {
        width = width * 10 + (unsigned)(*fmt++ - '0');
    }
    switch (*fmt) {
    case 'd':
        number = va_arg(*ap, int32_t);
        emit_number(s, number < 0 ? -(uint32_t)number : (uint32_t)number, 10,
                    number < 0, width, zeros);
        break;
    case 'u':
        emit_number(s, va_arg(*ap, uint32_t), 10, false, width, zeros);
        break;
    case 'x':
        emit_number(s, va_arg(*ap, uint32_t), 16, false, width, zeros);
        break;
    case 's':
        emit_padded(s, va_arg(*ap, const char *), width, left);
        break;
    case 'c':
        emit(s, (char)va_arg(*ap, int));
        break;
    case 0:
        return fmt;
    default:
        emit(s, *fmt);
    }
    return fmt + 1;
}

size_t format(char *out, size_t size, const char *fmt, va_list ap)
{
    struct sink s = {out, size, 0};
    va_list args;

    va_copy(args, ap);
    while (*fmt) {
        if (*fmt == '%') {
            fmt = convert(&s, fmt + 1, &args);
        } else {
            emit(&s, *fmt++);
        }
    }
    va_end(args);
    if (size) {
        out[s.used < size ? s.used : size - 1] = 0;
    }
    return s.used;
}

size_t str_len(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
    }
    return n;
}

bool str_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

void str_copy(char *to, const char *from, size_t size)
{
    while (size > 1 && *from) {
        *to++ = *from++;
        size--;
    }
    *to = 0;
}

void *memset(void *to, int byte, size_t n)
{
    void *start = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
    return start;
}

void *memcpy(void *to, const void *from, size_t n)
{
    void *start = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return start;
}
