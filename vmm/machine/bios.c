/*
 * BIOS services: dispatch, memory size, serial lines, system services, time.
 *
 * Enough for boot sectors, loaders and small operating systems.  Not here:
 * floppies, printer calls, APM, graphics.
 */
#include "vmm/machine/bios.h"

#include <string.h>

#include "vmm/machine/firmware.h"

uint8_t bios_get8(const struct machine *m, uint32_t gpa)
{
    uint8_t v = 0xff;

    mem_read(&m->mem, gpa, &v, sizeof(v));
    return v;
}

uint16_t bios_get16(const struct machine *m, uint32_t gpa)
{
    uint16_t v = 0xffff;

    mem_read(&m->mem, gpa, &v, sizeof(v));
    return v;
}

void bios_put8(struct machine *m, uint32_t gpa, unsigned value)
{
    uint8_t v = (uint8_t)value;

    mem_write(&m->mem, gpa, &v, sizeof(v));
}

void bios_put16(struct machine *m, uint32_t gpa, unsigned value)
{
    uint16_t v = (uint16_t)value;

    mem_write(&m->mem, gpa, &v, sizeof(v));
}

static unsigned port_in(struct machine *m, unsigned port)
{
    return (unsigned)bus_read(&m->bus, IO_PORT, port, 1);
}

static void port_out(struct machine *m, unsigned port, unsigned value)
{
    bus_write(&m->bus, IO_PORT, port, 1, value);
}

/* ---- INT 11h, 12h: what there is ---------------------------------------- */

static void equipment(struct machine *m, struct bios_frame *f)
{
    bios_set16(&f->eax, bios_get16(m, 0x410));
}

static void memory_size(struct machine *m, struct bios_frame *f)
{
    bios_set16(&f->eax, bios_get16(m, 0x413));
}

/* ---- INT 14h: serial lines ---------------------------------------------- */

#define LSR_DR   BIT(0)
#define LSR_THRE BIT(5)
#define TIMEOUT  0x80u /* in AH; nobody is waited for */

/* AL: bits 7-5 the rate, 4-0 as in LCR but for the parity bits' place. */
static void serial_setup(struct machine *m, unsigned base, unsigned how)
{
    static const uint16_t rates[] = {110,  150,  300,  600,
                                     1200, 2400, 4800, 9600};
    unsigned divisor = 115200u / rates[how >> 5 & 7];

    port_out(m, base + 3, 0x80);
    port_out(m, base + 0, divisor & 0xff);
    port_out(m, base + 1, divisor >> 8);
    port_out(m, base + 3, how & 0x1f);
}

static void serial_line(struct machine *m, struct bios_frame *f)
{
    unsigned line = f->edx & 0xffff, base, status;

    base = line < 4 ? bios_get16(m, 0x400 + 2 * line) : 0;
    if (!base)
        return;
    if (bios_ah(f) == 0)
        serial_setup(m, base, bios_al(f));
    status = port_in(m, base + 5);
    if (bios_ah(f) == 1 && (status & LSR_THRE))
        port_out(m, base, bios_al(f));
    else if (bios_ah(f) == 1)
        status |= TIMEOUT;
    else if (bios_ah(f) == 2 && (status & LSR_DR))
        bios_set_al(f, port_in(m, base));
    else if (bios_ah(f) == 2)
        status |= TIMEOUT;
    else
        bios_set_al(f, port_in(m, base + 6));
    bios_set_ah(f, status);
}

/* ---- INT 15h: system services -------------------------------------------- */

#define SMAP 0x534d4150u /* 'SMAP' */

static void not_supported(struct machine *m, struct bios_frame *f)
{
    (void)m;
    bios_set_ah(f, 0x86);
    bios_set_flag(f, BIOS_CF, true);
}

static void memory_map(struct machine *m, struct bios_frame *f)
{
    struct e820_entry map[E820_MAX];
    unsigned count = firmware_e820(m, map), n = f->ebx;

    if (f->edx != SMAP || f->ecx < sizeof(map[0]) || n >= count) {
        not_supported(m, f);
        return;
    }
    mem_write(&m->mem, bios_far(f->es, f->edi), &map[n], sizeof(map[0]));
    f->eax = SMAP;
    f->ecx = sizeof(map[0]);
    f->ebx = n + 1 < count ? n + 1 : 0;
    bios_set_flag(f, BIOS_CF, false);
}

static void memory_e801(struct machine *m, struct bios_frame *f)
{
    uint64_t above_1m = (m->mem_bytes - HIGH_MEMORY) / 1024;
    uint64_t low = above_1m < 0x3c00 ? above_1m : 0x3c00;
    unsigned high = (unsigned)((above_1m - low) / 64);

    bios_set16(&f->eax, (unsigned)low);
    bios_set16(&f->ecx, (unsigned)low);
    bios_set16(&f->ebx, high);
    bios_set16(&f->edx, high);
    bios_set_flag(f, BIOS_CF, false);
}

static void memory_88(struct machine *m, struct bios_frame *f)
{
    uint64_t above_1m = (m->mem_bytes - HIGH_MEMORY) / 1024;

    bios_set16(&f->eax, above_1m < 0xfc00 ? (unsigned)above_1m : 0xfc00);
    bios_set_flag(f, BIOS_CF, false);
}

/* Both gates have to be shut to shut A20. */
static void set_a20(struct machine *m, bool on)
{
    unsigned port92 = port_in(m, 0x92) & ~2u & ~1u;

    port_out(m, 0x92, port92 | (on ? 2 : 0));
    port_out(m, 0x64, 0xd1);
    port_out(m, 0x60, on ? 0xdf : 0xdd);
}

static void a20_gate(struct machine *m, struct bios_frame *f)
{
    switch (bios_al(f)) {
    case 0:
    case 1:
        set_a20(m, bios_al(f) == 1);
        break;
    case 2:
        bios_set_al(f, port_in(m, 0x92) >> 1 & 1);
        break;
    case 3:
        bios_set16(&f->ebx, 3); /* by both gates */
        break;
    default:
        not_supported(m, f);
        return;
    }
    bios_set_ah(f, 0);
    bios_set_flag(f, BIOS_CF, false);
}

/* 87h copies CX words between the bases of two descriptors at ES:SI. */
static void block_move(struct machine *m, struct bios_frame *f)
{
    uint32_t table = bios_far(f->es, f->esi), base[2];
    uint32_t words = f->ecx & 0xffff;

    for (unsigned i = 0; i < 2; i++) {
        uint32_t at = table + 0x10 + 8 * i;
        base[i] = bios_get16(m, at + 2) | (uint32_t)bios_get8(m, at + 4) << 16 |
                  (uint32_t)bios_get8(m, at + 7) << 24;
    }
    for (uint32_t i = 0; i < words; i++)
        bios_put16(m, base[1] + 2 * i, bios_get16(m, base[0] + 2 * i));
    bios_set_ah(f, 0);
    bios_set_flag(f, BIOS_CF, false);
}

static void system_services(struct machine *m, struct bios_frame *f)
{
    unsigned ax = f->eax & 0xffff;

    if (ax == 0xe820)
        memory_map(m, f);
    else if (ax == 0xe801)
        memory_e801(m, f);
    else if (ax >> 8 == 0x88)
        memory_88(m, f);
    else if (ax >> 8 == 0x87)
        block_move(m, f);
    else if (ax >> 8 == 0x24)
        a20_gate(m, f);
    else
        not_supported(m, f);
}

/* ---- INT 19h: boot once more -------------------------------------------- */

static void bootstrap(struct machine *m, struct bios_frame *f)
{
    struct x86_state unused;

    bios_set_flag(f, BIOS_CF, !m->disk[0] || boot_disk(m, &unused) != 0);
}

/* ---- INT 1Ah: time ------------------------------------------------------ */

static unsigned cmos(struct machine *m, unsigned index)
{
    port_out(m, 0x70, index);
    return port_in(m, 0x71);
}

static void time_of_day(struct machine *m, struct bios_frame *f)
{
    bios_set_flag(f, BIOS_CF, false);
    switch (bios_ah(f)) {
    case 0x00: /* ticks since midnight */
        bios_set16(&f->edx, bios_get16(m, 0x46c));
        bios_set16(&f->ecx, bios_get16(m, 0x46e));
        bios_set_al(f, bios_get8(m, 0x470));
        bios_put8(m, 0x470, 0);
        break;
    case 0x01:
        bios_put16(m, 0x46c, f->edx);
        bios_put16(m, 0x46e, f->ecx);
        bios_put8(m, 0x470, 0);
        break;
    case 0x02: /* all in BCD, as the chip has it */
        bios_set16(&f->ecx, cmos(m, 4) << 8 | cmos(m, 2));
        bios_set16(&f->edx, cmos(m, 0) << 8);
        break;
    case 0x04:
        bios_set16(&f->ecx, cmos(m, 0x32) << 8 | cmos(m, 9));
        bios_set16(&f->edx, cmos(m, 8) << 8 | cmos(m, 7));
        break;
    default:
        bios_set_flag(f, BIOS_CF, true);
        break;
    }
}

/* ---- dispatch ----------------------------------------------------------- */

void bios_call(void *opaque, unsigned vector, struct bios_frame *f)
{
    static void (*const service[])(struct machine *, struct bios_frame *) = {
        [0x09] = bios_key_irq,    [0x10] = bios_video,    [0x11] = equipment,
        [0x12] = memory_size,     [0x13] = bios_disk,     [0x14] = serial_line,
        [0x15] = system_services, [0x16] = bios_keyboard, [0x19] = bootstrap,
        [0x1a] = time_of_day,
    };

    if (vector < ARRAY_SIZE(service) && service[vector])
        service[vector](opaque, f);
}
