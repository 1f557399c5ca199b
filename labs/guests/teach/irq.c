/*
 * The devices that interrupt: two i8259 controllers, the i8254 timer at
 * 100 Hz, the i8042 keyboard and the first 16550A serial line.  Of each only
 * what a console and a clock need.
 */
#include "kernel.h"
#include "x86.h"

/* i8259: two of them, the second one on line 2 of the first. */
#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xA0
#define PIC2_DATA    0xA1
#define PIC_INIT     0x11 /* ICW1: edge triggered, cascade, ICW4 follows */
#define PIC_8086     0x01 /* ICW4 */
#define PIC_EOI      0x20 /* OCW2: non-specific end of interrupt */

/* i8254 */
#define PIT_CHANNEL0 0x40
#define PIT_MODE     0x43
#define PIT_RATE     0x34 /* channel 0, low byte then high, mode 2 */
#define PIT_HZ       1193182u
#define TICK_HZ      100u

/* i8042 and the keyboard behind it */
#define KBD_DATA         0x60
#define KBD_COMMAND      0x64 /* also its status */
#define KBD_OUTPUT_FULL  0x01
#define KBD_INPUT_FULL   0x02
#define KBD_WRITE_CONFIG 0x60
#define KBD_CONFIG       0x45  /* IRQ 1, system flag, codes as set 1 */
#define KBD_ENABLE       0xF4  /* to the keyboard: start scanning */
#define KBD_TRIES        10000 /* all bits read as 1 where there is none */

/* 16550A */
#define COM1            0x3F8
#define COM_IER         1
#define COM_FCR         2
#define COM_LCR         3
#define COM_MCR         4
#define COM_LSR         5
#define COM_LSR_RECEIVE 0x01
#define COM_LSR_EMPTY   0x20

static uint32_t ticks;
static bool shift, control;

/* clang-format off */
static const char key_plain[] =
    "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char key_shifted[] =
    "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
/* clang-format on */

enum { KEY_CONTROL = 0x1D, KEY_LEFT_SHIFT = 0x2A, KEY_RIGHT_SHIFT = 0x36 };

#define KEY_RELEASED 0x80

uint32_t timer_ticks(void)
{
    return ticks;
}

static void timer_interrupt(void)
{
    ticks++;
    for (struct proc *p = proc_table + 1; p < proc_table + PROCS_MAX; p++) {
        if (p->state == PROC_ASLEEP && p->sleeps_on == &p->wake_at &&
            p->wake_at <= ticks) {
            p->state = PROC_READY;
        }
    }
}

static void keyboard_interrupt(void)
{
    uint8_t code = inb(KBD_DATA);
    uint8_t key = code & (uint8_t)~KEY_RELEASED;
    bool down = !(code & KEY_RELEASED);

    if (key == KEY_LEFT_SHIFT || key == KEY_RIGHT_SHIFT) {
        shift = down;
    } else if (key == KEY_CONTROL) {
        control = down;
    } else if (down && key < sizeof(key_plain) && key_plain[key]) {
        char c = shift ? key_shifted[key] : key_plain[key];

        console_input(control ? (char)(c & 0x1F) : c);
    }
}

static void serial_interrupt(void)
{
    while (inb(COM1 + COM_LSR) & COM_LSR_RECEIVE) {
        console_input((char)inb(COM1));
    }
}

void serial_put(char c)
{
    if (c == '\n') {
        serial_put('\r');
    }
    while (!(inb(COM1 + COM_LSR) & COM_LSR_EMPTY)) {
    }
    outb(COM1, (uint8_t)c);
}

static void (*const handler[16])(void) = {
    [IRQ_TIMER] = timer_interrupt,
    [IRQ_KEYBOARD] = keyboard_interrupt,
    [IRQ_COM1] = serial_interrupt,
};

void irq_handle(unsigned irq)
{
    /* First, for a handler may be long and must not miss the next edge. */
    if (irq >= 8) {
        outb(PIC2_COMMAND, PIC_EOI);
    }
    outb(PIC1_COMMAND, PIC_EOI);
    if (handler[irq]) {
        handler[irq]();
    }
}

static void pic_init(void)
{
    uint16_t mask = 0xFFFF & (uint16_t) ~(1u << IRQ_TIMER | 1u << IRQ_KEYBOARD |
                                          1u << IRQ_COM1);

    outb(PIC1_COMMAND, PIC_INIT);
    outb(PIC2_COMMAND, PIC_INIT);
    outb(PIC1_DATA, VECTOR_IRQ0); /* past the exceptions' vectors */
    outb(PIC2_DATA, VECTOR_IRQ0 + 8);
    outb(PIC1_DATA, 1u << 2);
    outb(PIC2_DATA, 2);
    outb(PIC1_DATA, PIC_8086);
    outb(PIC2_DATA, PIC_8086);
    outb(PIC1_DATA, (uint8_t)mask);
    outb(PIC2_DATA, (uint8_t)(mask >> 8));
}

static void keyboard_send(uint16_t port, uint8_t value)
{
    for (unsigned i = 0; i < KBD_TRIES; i++) {
        if (!(inb(KBD_COMMAND) & KBD_INPUT_FULL)) {
            break;
        }
    }
    outb(port, value);
}

static void keyboard_init(void)
{
    keyboard_send(KBD_COMMAND, KBD_WRITE_CONFIG);
    keyboard_send(KBD_DATA, KBD_CONFIG);
    keyboard_send(KBD_DATA, KBD_ENABLE); /* it answers FAh: no key's code */
    for (unsigned i = 0; i < KBD_TRIES; i++) {
        if (!(inb(KBD_COMMAND) & KBD_OUTPUT_FULL)) {
            break;
        }
        inb(KBD_DATA);
    }
}

static void serial_init(void)
{
    outb(COM1 + COM_LCR, 0x80); /* DLAB: the divisor is at 0 and 1 */
    outb(COM1 + 0, 1);          /* 115200 baud */
    outb(COM1 + 1, 0);
    outb(COM1 + COM_LCR, 0x03); /* 8 bits, no parity, 1 stop bit */
    outb(COM1 + COM_FCR, 0x07); /* FIFOs on and empty, trigger at 1 byte */
    outb(COM1 + COM_MCR, 0x0B); /* DTR, RTS, and OUT2: the interrupt's gate */
    outb(COM1 + COM_IER, 0x01); /* interrupt on received data */
}

void irq_init(void)
{
    uint32_t divisor = (PIT_HZ + TICK_HZ / 2) / TICK_HZ;

    pic_init();
    outb(PIT_MODE, PIT_RATE);
    outb(PIT_CHANNEL0, (uint8_t)divisor);
    outb(PIT_CHANNEL0, (uint8_t)(divisor >> 8));
    keyboard_init();
    serial_init();
}
