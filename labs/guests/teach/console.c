/*
 * The console: what is printed goes to the VGA text screen and to the serial
 * line; what is typed on the keyboard or comes over the serial line is edited
 * into lines for read().
 */
#include "kernel.h"
#include "x86.h"

#define COLUMNS 80u
#define ROWS    25u
#define BLANK   0x0720 /* grey on black space */

/* CRT controller: index, then data.  The cursor's cell is in two halves. */
#define CRTC_INDEX       0x3D4
#define CRTC_DATA        0x3D5
#define CRTC_CURSOR_HIGH 14
#define CRTC_CURSOR_LOW  15

#define KEY_CTRL_C   3
#define KEY_CTRL_U   21
#define KEY_DELETE   127
#define INPUT_BYTES  256u
#define INPUT_AT(at) input.ring[(at) % INPUT_BYTES]

/* Soft power-off: the ACPI control register where PC emulators have it, and
 * the debug-exit port, whose byte becomes the emulator's exit status. */
#define ACPI_PM1A_CNT   0x604
#define ACPI_S5         0x2000
#define DEBUG_EXIT_PORT 0xF4

static volatile uint16_t *const screen =
    (volatile uint16_t *)(KERNEL_BASE + 0xB8000);
static unsigned cursor; /* cell, 0 to ROWS * COLUMNS - 1 */

static struct {
    char ring[INPUT_BYTES];
    unsigned read;   /* next byte for a reader */
    unsigned line;   /* end of the last complete line */
    unsigned typing; /* end of what was typed so far */
} input;

static void scroll(void)
{
    for (unsigned i = 0; i < (ROWS - 1) * COLUMNS; i++) {
        screen[i] = screen[i + COLUMNS];
    }
    for (unsigned i = (ROWS - 1) * COLUMNS; i < ROWS * COLUMNS; i++) {
        screen[i] = BLANK;
    }
}

static void show_cursor(void)
{
    outb(CRTC_INDEX, CRTC_CURSOR_HIGH);
    outb(CRTC_DATA, (uint8_t)(cursor >> 8));
    outb(CRTC_INDEX, CRTC_CURSOR_LOW);
    outb(CRTC_DATA, (uint8_t)cursor);
}

static void screen_put(char c)
{
    if (c == '\n') {
        cursor += COLUMNS - cursor % COLUMNS;
    } else if (c == '\r') {
        cursor -= cursor % COLUMNS;
    } else if (c == '\b') {
        cursor -= cursor > 0;
    } else {
        screen[cursor++] = (uint16_t)(0x0700 | (uint8_t)c);
    }
    if (cursor >= ROWS * COLUMNS) {
        scroll();
        cursor -= COLUMNS;
    }
    show_cursor();
}

void console_put(char c)
{
    screen_put(c);
    serial_put(c);
}

static void put_string(const char *s)
{
    while (*s) {
        console_put(*s++);
    }
}

void console_init(void)
{
    for (unsigned i = 0; i < ROWS * COLUMNS; i++) {
        screen[i] = BLANK;
    }
    cursor = 0;
    show_cursor();
}

/* ---- input ---- */

static void erase(unsigned count)
{
    while (count-- && input.typing != input.line) {
        input.typing--;
        put_string("\b \b");
    }
}

void console_input(char c)
{
    if (c == '\r') {
        c = '\n';
    }
    if (c == KEY_CTRL_C) {
        put_string("^C\n");
        input.typing = input.line;
        proc_interrupt();
        c = '\n'; /* a reader gets an empty line, and prompts anew */
    } else if (c == '\b' || c == KEY_DELETE) {
        erase(1);
        return;
    } else if (c == KEY_CTRL_U) {
        erase(INPUT_BYTES);
        return;
    } else if (c != '\n' &&
               (c < ' ' || input.typing - input.read >= INPUT_BYTES - 1)) {
        return;
    } else {
        console_put(c);
    }
    if (input.typing - input.read < INPUT_BYTES) {
        INPUT_AT(input.typing++) = c;
    }
    if (c == '\n') {
        input.line = input.typing;
        proc_wake(&input);
    }
}

/* Up to one line with its end; -1 if the reader was killed. */
int console_read(char *buf, size_t len)
{
    size_t n = 0;

    while (input.read == input.line) {
        if (proc_current->killed) {
            return -1;
        }
        proc_sleep(&input);
    }
    while (n < len && input.read != input.line) {
        buf[n] = INPUT_AT(input.read++);
        if (buf[n++] == '\n') {
            break;
        }
    }
    return (int)n;
}

/* ---- the kernel's own voice ---- */

static void print(const char *fmt, va_list ap)
{
    char line[200];

    format(line, sizeof(line), fmt, ap);
    put_string(line);
}

void kprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print(fmt, ap);
    va_end(ap);
}

static void halt(void) __attribute__((noreturn));
static void halt(void)
{
    for (;;) {
        cli();
        __asm__ volatile("hlt");
    }
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_string("\nkernel panic: ");
    print(fmt, ap);
    put_string("\n");
    va_end(ap);
    outb(DEBUG_EXIT_PORT, 0x7F); /* a test that runs us sees that it failed */
    halt();
}

void poweroff(int how, int status)
{
    if (how == POWEROFF_ACPI) {
        kprintf("Power off.\n");
        outw(ACPI_PM1A_CNT, ACPI_S5);
        /* The machine may take a moment; or it has no such register. */
        for (uint32_t until = timer_ticks() + 20; timer_ticks() < until;) {
            sti_hlt_cli();
        }
        status = 0;
    }
    outb(DEBUG_EXIT_PORT, (uint8_t)status);
    kprintf("This machine stays on; it may be switched off now.\n");
    halt();
}
