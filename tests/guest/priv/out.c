/* Text to COM1. */
#include "priv.h"

static void put_char(char c)
{
    while (!(inb(0x3f8 + 5) & 0x20))
        ;
    outb(0x3f8, (uint8_t)c);
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
    put_text("\n");
}
