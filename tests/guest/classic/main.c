/*
 * A kernel that asks of the board what a classic teaching kernel does, in the
 * manner of one: MP tables, the local APIC's timer, the I/O APIC, two ATA disks
 * by PIO with interrupts, COM1, the keyboard, text on the screen through the
 * CRTC.  It says what it finds, then waits for a key or a character.
 *
 * Not an operating system: no processes, no user mode; Ringlet has those.
 * Intel MultiProcessor Specification 1.4, ch. 4; SDM vol. 3A, ch. 11; 82093AA;
 * ATA/ATAPI-6; 16550D.
 */
#include <stdint.h>

#include "layout.h"

#define VIRTUAL(physical) ((void *)(KERNEL_BASE + (uintptr_t)(physical)))

void main(void);
void on_interrupt(unsigned vector);
extern char trap_timer[], trap_keyboard[], trap_serial[], trap_disk[],
    trap_spurious[];

static volatile unsigned ticks, disk_interrupts;
static volatile uint32_t *lapic;
static unsigned ioapic_id, processors;

/* ---- ports --------------------------------------------------------------- */

static inline uint8_t inb(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline void outb(uint16_t port, unsigned v)
{
    __asm__ volatile("outb %0, %1" : : "a"((uint8_t)v), "Nd"(port));
}

static inline void insl(uint16_t port, void *to, unsigned n)
{
    __asm__ volatile("rep insl" : "+D"(to), "+c"(n) : "d"(port) : "memory");
}

static inline void outsl(uint16_t port, const void *from, unsigned n)
{
    __asm__ volatile("rep outsl" : "+S"(from), "+c"(n) : "d"(port) : "memory");
}

/* ---- saying something: COM1 and the screen ------------------------------- */

#define COM1 0x3f8
#define CRTC 0x3d4

static void serial_init(void)
{
    outb(COM1 + 2, 0);
    outb(COM1 + 3, 0x80);
    outb(COM1 + 0, 115200 / 9600);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 4, 0);
    outb(COM1 + 1, 1); /* received data */
    inb(COM1 + 2);
    inb(COM1 + 0);
}

static void screen_put(char c)
{
    volatile uint16_t *cell = VIRTUAL(0xb8000);
    unsigned at;

    outb(CRTC, 14);
    at = (unsigned)inb(CRTC + 1) << 8;
    outb(CRTC, 15);
    at |= inb(CRTC + 1);
    if (c == '\n')
        at += 80 - at % 80;
    else
        cell[at++] = (uint16_t)(0x0700 | (uint8_t)c);
    outb(CRTC, 14);
    outb(CRTC + 1, at >> 8);
    outb(CRTC, 15);
    outb(CRTC + 1, at);
    cell[at] = 0x0720;
}

static void put(char c)
{
    for (unsigned i = 0; i < 128 && !(inb(COM1 + 5) & 0x20); i++) {
    }
    if (c == '\n')
        outb(COM1, '\r');
    outb(COM1, (unsigned)c);
    screen_put(c);
}

static void say(const char *text)
{
    while (*text)
        put(*text++);
}

static void say_number(unsigned v, unsigned base)
{
    if (v >= base)
        say_number(v / base, base);
    put("0123456789abcdef"[v % base]);
}

static void stop(unsigned status)
{
    outb(0xf4, status);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void fail(const char *why)
{
    say("FAILED: ");
    say(why);
    say("\n");
    stop(1);
}

/* ---- the MP tables ------------------------------------------------------- */

static int sums_to_zero(const uint8_t *p, unsigned len)
{
    unsigned sum = 0;

    while (len--)
        sum += *p++;
    return (sum & 0xff) == 0;
}

static int starts_with(const uint8_t *p, const char *word)
{
    return p[0] == word[0] && p[1] == word[1] && p[2] == word[2] &&
           p[3] == word[3];
}

static const uint8_t *find_pointer(uint32_t physical, unsigned len)
{
    const uint8_t *p = VIRTUAL(physical);

    for (unsigned at = 0; at < len; at += 16)
        if (starts_with(p + at, "_MP_") && sums_to_zero(p + at, 16))
            return p + at;
    return 0;
}

static void read_mp_tables(void)
{
    const uint8_t *bda = VIRTUAL(0x400), *mp = 0, *conf, *p;
    uint32_t ebda = (uint32_t)(bda[0x0f] << 8 | bda[0x0e]) << 4;
    unsigned len;

    if (ebda)
        mp = find_pointer(ebda, 1024);
    if (!mp)
        mp = find_pointer(0xf0000, 0x10000);
    if (!mp)
        fail("no MP floating pointer");
    conf = VIRTUAL(*(const uint32_t *)(mp + 4));
    len = *(const uint16_t *)(conf + 4);
    if (!starts_with(conf, "PCMP") || !sums_to_zero(conf, len))
        fail("no MP configuration table");
    lapic = *(volatile uint32_t *const *)(conf + 36);
    for (p = conf + 44; p < conf + len; p += p[0] == 0 ? 20 : 8) {
        if (p[0] > 4)
            fail("an MP entry of unknown kind");
        processors += p[0] == 0;
        if (p[0] == 2)
            ioapic_id = p[1];
    }
    if (mp[12] & 0x80) { /* IMCR: from the PIC to the APICs */
        outb(0x22, 0x70);
        outb(0x23, inb(0x23) | 1u);
    }
}

/* ---- APICs --------------------------------------------------------------- */

#define TICK 10000000u /* counts of the bus clock */

static void lapic_write(unsigned at, uint32_t value)
{
    lapic[at / 4] = value;
    (void)lapic[0x20 / 4]; /* wait for it */
}

static void lapic_init(void)
{
    lapic_write(0xf0, 0x100 | SPURIOUS);
    lapic_write(0x3e0, 0xb); /* divide by 1 */
    lapic_write(0x320, 0x20000 | TIMER);
    lapic_write(0x380, TICK);
    lapic_write(0x350, 0x10000);
    lapic_write(0x360, 0x10000);
    if ((lapic[0x30 / 4] >> 16 & 0xff) >= 4)
        lapic_write(0x340, 0x10000);
    lapic_write(0x370, SPURIOUS);
    lapic_write(0x280, 0);
    lapic_write(0x280, 0);
    lapic_write(0xb0, 0);
    lapic_write(0x310, 0);
    lapic_write(0x300, 0x88500); /* INIT level de-assert to all */
    while (lapic[0x300 / 4] & 0x1000) {
    }
    lapic_write(0x80, 0);
}

static volatile uint32_t *const ioapic = (volatile uint32_t *)0xfec00000;

static uint32_t ioapic_read(unsigned reg)
{
    ioapic[0] = reg;
    return ioapic[4];
}

static void ioapic_write(unsigned reg, uint32_t value)
{
    ioapic[0] = reg;
    ioapic[4] = value;
}

static void ioapic_init(void)
{
    unsigned last = ioapic_read(1) >> 16 & 0xff;

    if (ioapic_read(0) >> 24 != ioapic_id)
        fail("the I/O APIC's id is not the MP table's");
    for (unsigned i = 0; i <= last; i++) {
        ioapic_write(0x10 + 2 * i, 0x10000 | (32 + i));
        ioapic_write(0x11 + 2 * i, 0);
    }
}

static void ioapic_enable(unsigned vector)
{
    unsigned line = vector - 32;

    ioapic_write(0x10 + 2 * line, vector);
    ioapic_write(0x11 + 2 * line, lapic[0x20 / 4] >> 24 << 24);
}

/* ---- interrupts ---------------------------------------------------------- */

static uint64_t idt[64];

static void set_gate(unsigned vector, const void *handler)
{
    uint32_t at = (uint32_t)handler;

    idt[vector] = (uint64_t)(at & 0xffff0000) << 32 | 0x8e0000000000 |
                  SEL_CODE << 16 | (at & 0xffff);
}

static void interrupts_init(void)
{
    static struct {
        uint16_t limit;
        const void *base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, idt};

    outb(0x21, 0xff); /* the PICs are done with */
    outb(0xa1, 0xff);
    set_gate(TIMER, trap_timer);
    set_gate(KEYBOARD, trap_keyboard);
    set_gate(SERIAL, trap_serial);
    set_gate(DISK, trap_disk);
    set_gate(SPURIOUS, trap_spurious);
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void on_interrupt(unsigned vector)
{
    uint8_t c;

    if (vector == SPURIOUS)
        return;
    ticks += vector == TIMER;
    disk_interrupts += vector == DISK;
    while (vector == SERIAL && (inb(COM1 + 5) & 1)) {
        c = inb(COM1);
        say("COM1: ");
        put((char)c);
        say("\n");
        if (c == 'q')
            stop(10);
    }
    while (vector == KEYBOARD && (inb(0x64) & 1)) {
        c = inb(0x60);
        if (c & 0x80)
            continue;
        say("key: ");
        say_number(c, 16);
        say("\n");
        if (c == 0x10)
            stop(11);
    }
    lapic_write(0xb0, 0);
}

/* ---- disks --------------------------------------------------------------- */

static int disk_wait(void)
{
    unsigned status;

    do
        status = inb(0x1f7);
    while ((status & 0xc0) != 0x40);
    return status & 0x21; /* DF, ERR */
}

static void disk_ask(unsigned disk, unsigned lba, unsigned command)
{
    disk_wait();
    outb(0x3f6, 0); /* with interrupts */
    outb(0x1f2, 1);
    outb(0x1f3, lba);
    outb(0x1f4, lba >> 8);
    outb(0x1f5, lba >> 16);
    outb(0x1f6, 0xe0 | disk << 4 | (lba >> 24 & 15));
    outb(0x1f7, command);
}

static void wait_for_disk(unsigned until)
{
    while (disk_interrupts < until)
        __asm__ volatile("pause");
    if (disk_wait())
        fail("the disk reports an error");
}

static void disk_read(unsigned disk, unsigned lba, void *to)
{
    unsigned before = disk_interrupts;

    disk_ask(disk, lba, 0x20);
    wait_for_disk(before + 1);
    insl(0x1f0, to, 128);
}

static void disk_write(unsigned disk, unsigned lba, const void *from)
{
    unsigned before = disk_interrupts;

    disk_ask(disk, lba, 0x30);
    outsl(0x1f0, from, 128);
    wait_for_disk(before + 1);
}

static int disk_1_is_there(void)
{
    int there = 0;

    disk_wait();
    outb(0x1f6, 0xe0 | 1 << 4);
    for (unsigned i = 0; i < 1000 && !there; i++)
        there = inb(0x1f7) != 0;
    outb(0x1f6, 0xe0);
    return there;
}

static void try_disks(void)
{
    static uint8_t sector[512];

    if (!disk_1_is_there())
        fail("disk 1 is missing");
    disk_read(0, 0, sector);
    if (sector[510] != 0x55 || sector[511] != 0xaa)
        fail("disk 0 does not start with the boot sector");
    disk_read(1, 1, sector);
    sector[80] = 0;
    say("disk 1 says: ");
    say((const char *)sector);
    for (unsigned i = 0; i < sizeof(sector); i++)
        sector[i] = (uint8_t)(i * 3);
    disk_write(1, 2, sector);
    for (unsigned i = 0; i < sizeof(sector); i++)
        sector[i] = 0;
    disk_read(1, 2, sector);
    for (unsigned i = 0; i < sizeof(sector); i++)
        if (sector[i] != (uint8_t)(i * 3))
            fail("disk 1 does not give back what was written");
    say("disks work, ");
    say_number(disk_interrupts, 10);
    say(" interrupts\n");
}

void main(void)
{
    serial_init();
    say("classic: in the upper half\n");
    read_mp_tables();
    say_number(processors, 10);
    say(" processor, local APIC at ");
    say_number((uint32_t)lapic, 16);
    say("\n");
    interrupts_init();
    lapic_init();
    ioapic_init();
    ioapic_enable(KEYBOARD);
    ioapic_enable(SERIAL);
    ioapic_enable(DISK);
    __asm__ volatile("sti");
    while (ticks < 3)
        __asm__ volatile("pause");
    say("the timer ticks\n");
    try_disks();
    __asm__ volatile("cli"); /* an answer must not come amid the line */
    say("type q\n");
    __asm__ volatile("sti");
    for (;;)
        __asm__ volatile("hlt");
}
