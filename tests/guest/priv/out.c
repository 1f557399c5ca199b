/*
 * Text to COM1, sixteen characters at a time: where an exit is slow, one for
 * each character is what takes the time.
 */
#include "priv.h"

#define COM1 0x3f8
#define FIFO 16

static char fifo[FIFO];
static unsigned waiting;

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

static void put_char(char c)
{
    if (waiting == FIFO)
        flush();
    fifo[waiting++] = c;
}

void put_text(const char *s)
{
    while (*s)
        put_char(*s++);
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
    put_text("end\n");
    flush();
}

void put_init(void)
{
    outb(COM1 + 1, 0); /* no interrupts */
    outb(COM1 + 3, 3); /* 8 bits */
    outb(COM1 + 2, 7); /* FIFO on, empty */
}
