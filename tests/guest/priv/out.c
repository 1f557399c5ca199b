/*
 * Text to COM1, sixteen characters at a time: where an exit is slow, one for
 * each character is what takes the time.  It is kept until a case has ended,
 * to be compared when the case runs again.
 */
#include "priv.h"

#define COM1 0x3f8
#define FIFO 16

static char fifo[FIFO];
static unsigned waiting;
static unsigned repeats = 1, times;
static char text[2][8192]; /* of the run shown last, and of this one */
static unsigned len, shown;

static void flush(void)
{
    const char *from = fifo;

    while (!(inb(COM1 + 5) & 0x20))
        ;
    __asm__ volatile("rep outsb"
                     : "+S"(from), "+c"(waiting)
                     : "d"(COM1)
                     : "memory");
}

static void send(const char *s, unsigned n)
{
    while (n-- > 0) {
        if (waiting == FIFO)
            flush();
        fifo[waiting++] = *s++;
    }
}

static void put_char(char c)
{
    if (len < sizeof(text[1]))
        text[1][len++] = c;
}

void put_text(const char *s)
{
    while (*s)
        put_char(*s++);
}

void put_repeats(unsigned n)
{
    repeats = n;
}

void put_first(void)
{
    len = times = 0;
}

static bool is_new(void)
{
    if (times == 0 || len != shown)
        return true;
    for (unsigned i = 0; i < len; i++)
        if (text[0][i] != text[1][i])
            return true;
    return false;
}

bool put_again(void)
{
    static const char later[] = "AGAIN, DIFFERENT: ";

    if (is_new()) {
        if (times > 0)
            send(later, sizeof(later) - 1);
        send(text[1], len);
        for (unsigned i = 0; i < len; i++)
            text[0][i] = text[1][i];
        shown = len;
    }
    len = 0;
    return ++times < repeats;
}

void put_hex(uint32_t value, unsigned digits)
{
    while (digits-- > 0)
        put_char("0123456789abcdef"[value >> (4 * digits) & 15]);
}

void put_field(const char *name, uint32_t value, unsigned digits)
{
    put_char(' ');
    put_text(name);
    put_char('=');
    put_hex(value, digits);
}

void put_end(void)
{
    put_char('\n');
}

void put_last(void)
{
    send("end\n", 4);
    flush();
}

void put_init(void)
{
    outb(COM1 + 1, 0); /* no interrupts */
    outb(COM1 + 3, 3); /* 8 bits */
    outb(COM1 + 2, 7); /* FIFO on, empty */
}
