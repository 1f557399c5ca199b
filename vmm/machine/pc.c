/*
 * The board: which chips there are, at which addresses, wired to what.
 *
 * Every device is a row of board[]; its pins name where they lead.  ISA
 * interrupt n goes to the 8259A pair's input n and to the I/O APIC's pin n,
 * but IRQ 0, which has pin 2, because pin 0 is the 8259A's INTR (MPS 1.4,
 * "APIC I/O timer").  With the kernel's interrupt chips all three are left
 * out, and ISA interrupts go to machine_config.kernel_gsi.
 *
 * RAM is one memfd in which offset and guest-physical address are equal; what
 * lies behind the VGA window is never seen.  C0000h..FFFFFh is ROM.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/log.h"
#include "vmm/dev/acpi_pm.h"
#include "vmm/dev/ata.h"
#include "vmm/dev/bios_call.h"
#include "vmm/dev/debug_exit.h"
#include "vmm/dev/debugcon.h"
#include "vmm/dev/i8042.h"
#include "vmm/dev/i8254.h"
#include "vmm/dev/i8259.h"
#include "vmm/dev/ioapic.h"
#include "vmm/dev/lapic.h"
#include "vmm/dev/mc146818.h"
#include "vmm/dev/ns16550a.h"
#include "vmm/dev/port92.h"
#include "vmm/dev/post80.h"
#include "vmm/dev/rst_cnt.h"
#include "vmm/dev/vga_text.h"
#include "vmm/machine/bios.h"
#include "vmm/machine/firmware.h"
#include "vmm/machine/machine.h"

#define MIB          (1ull << 20)
#define MEM_MIN      MIB
#define MEM_MAX      (3072 * MIB)
#define VGA_BASE     0xa0000u
#define ROM_AREA     0xc0000u
#define ISA_TIMER    0u
#define IOAPIC_TIMER 2u

/* What an output pin leads to; ISA(n) is interrupt n of the bus. */
enum pin_kind { PIN_NONE, PIN_ISA, PIN_INTR, PIN_NMI, PIN_POWEROFF };

struct pin {
    enum pin_kind kind;
    unsigned n;
};
#define ISA(n)                                                                 \
    {                                                                          \
        PIN_ISA, n                                                             \
    }

/* Which of the host's files a device has. */
enum backend { BACKEND_NONE, BACKEND_SERIAL, BACKEND_DISKS, BACKEND_EPOCH };

struct board_row {
    const struct device_class *class;
    const char *name;
    uint64_t base;
    uint64_t arg;
    struct pin pin[4];
    enum backend backend;
    unsigned first; /* of machine_config's serial[] or disk[] */
    bool irqchip;   /* left out when the kernel has the interrupt chips */
};

/* clang-format off */
static const struct board_row board[] = {
    { .class = &lapic_class,      .name = "lapic",      .base = LAPIC_BASE,   .pin = {{PIN_NMI, 0}}, .irqchip = true },
    { .class = &ioapic_class,     .name = "ioapic",     .base = IOAPIC_BASE,  .irqchip = true },
    { .class = &i8259_class,      .name = "pic",        .base = 0x20,         .pin = {{PIN_INTR, 0}}, .irqchip = true },
    { .class = &i8254_class,      .name = "pit",        .base = 0x40,         .pin = {ISA(0)} },
    { .class = &i8042_class,      .name = "i8042",      .base = 0x60,         .pin = {ISA(1), ISA(12)} },
    { .class = &mc146818_class,   .name = "rtc",        .base = 0x70,         .pin = {ISA(8)}, .backend = BACKEND_EPOCH },
    { .class = &ns16550a_class,   .name = "com1",       .base = 0x3f8,        .pin = {ISA(4)}, .backend = BACKEND_SERIAL, .first = 0 },
    { .class = &ns16550a_class,   .name = "com2",       .base = 0x2f8,        .pin = {ISA(3)}, .backend = BACKEND_SERIAL, .first = 1 },
    { .class = &vga_text_class,   .name = "vga",        .base = VGA_BASE },
    { .class = &ata_class,        .name = "ata0",       .base = 0x1f0,        .arg = 0x3f6, .pin = {ISA(14)}, .backend = BACKEND_DISKS, .first = 0 },
    { .class = &ata_class,        .name = "ata1",       .base = 0x170,        .arg = 0x376, .pin = {ISA(15)}, .backend = BACKEND_DISKS, .first = 2 },
    { .class = &acpi_pm_class,    .name = "acpi-pm",    .base = ACPI_PM_BASE, .pin = {ISA(9), {PIN_POWEROFF, 0}} },
    { .class = &port92_class,     .name = "port92",     .base = 0x92 },
    { .class = &rst_cnt_class,    .name = "rst-cnt",    .base = 0xcf9 },
    { .class = &post80_class,     .name = "post80",     .base = 0x80 },
    { .class = &bios_call_class,  .name = "bios-call",  .base = BIOS_CALL_BASE },
    { .class = &debugcon_class,   .name = "debugcon",   .base = 0xe9 },
    { .class = &debug_exit_class, .name = "debug-exit", .base = 0xf4 },
};
/* clang-format on */

enum a20_source { A20_PORT92, A20_I8042, A20_SOURCES };

struct pc {
    struct machine m;
    struct irq_line kernel_gsi;
    struct device *lapic, *ioapic, *pic; /* NULL: the kernel's */
    struct device *i8042, *vga;
    bool a20[A20_SOURCES]; /* the gate is open if one says so */
};

static struct pc *pc_of(struct machine *m)
{
    return container_of(m, struct pc, m);
}

static const struct pc *pc_of_const(const struct machine *m)
{
    return (const struct pc *)(const void *)m;
}

/* ---- where pins lead ---------------------------------------------------- */

static void isa_irq(void *opaque, unsigned n, bool level)
{
    struct pc *pc = opaque;

    if (pc->kernel_gsi.set) {
        pc->kernel_gsi.set(pc->kernel_gsi.opaque, n, level);
        return;
    }
    if (!pc->ioapic)
        return; /* a pin that moves while the board is being built */
    i8259_set_irq(pc->pic, n, level);
    ioapic_set_pin(pc->ioapic, n == ISA_TIMER ? IOAPIC_TIMER : n, level);
}

/* The 8259A's INTR: to the processor by LINT0, and to the I/O APIC's pin 0. */
static void intr_pin(void *opaque, unsigned n, bool level)
{
    struct pc *pc = opaque;

    (void)n;
    if (!pc->ioapic)
        return;
    lapic_set_lint(pc->lapic, 0, level);
    ioapic_set_pin(pc->ioapic, 0, level);
}

static void nmi_pin(void *opaque, unsigned n, bool level)
{
    struct pc *pc = opaque;

    (void)n;
    if (level && pc->m.host.nmi)
        pc->m.host.nmi(pc->m.host.opaque);
}

static void poweroff_pin(void *opaque, unsigned n, bool level)
{
    struct pc *pc = opaque;

    (void)n;
    if (level && pc->m.host.poweroff)
        pc->m.host.poweroff(pc->m.host.opaque);
}

static void (*const pin_sink[])(void *, unsigned, bool) = {
    [PIN_NONE] = NULL,   [PIN_ISA] = isa_irq,           [PIN_INTR] = intr_pin,
    [PIN_NMI] = nmi_pin, [PIN_POWEROFF] = poweroff_pin,
};

/* ---- interrupts for the processor --------------------------------------- */

static bool intc_pending(void *opaque)
{
    struct pc *pc = opaque;

    return pc->lapic && lapic_pending(pc->lapic);
}

static int intc_ack(void *opaque)
{
    struct pc *pc = opaque;
    bool extint;
    int vector;

    if (!pc->lapic)
        return -1;
    extint = lapic_wants_extint(pc->lapic);
    vector = lapic_ack(pc->lapic);
    if (vector < 0 && extint)
        vector = i8259_ack(pc->pic);
    return vector;
}

static unsigned apic_get_cr8(void *opaque)
{
    const struct pc *pc = opaque;

    return pc->lapic ? lapic_get_cr8(pc->lapic) : 0;
}

static void apic_set_cr8(void *opaque, unsigned cr8)
{
    struct pc *pc = opaque;

    if (pc->lapic)
        lapic_set_cr8(pc->lapic, cr8);
}

static void apic_set_base(void *opaque, uint64_t base)
{
    struct pc *pc = opaque;

    if (pc->lapic)
        lapic_set_base(pc->lapic, base);
}

static bool apic_send(void *opaque, const struct apic_msg *msg)
{
    struct pc *pc = opaque;

    return lapic_accept(pc->lapic, msg);
}

static void connect_apics(struct pc *pc)
{
    pc->lapic = machine_find(&pc->m, "lapic");
    pc->pic = machine_find(&pc->m, "pic");
    pc->ioapic = machine_find(&pc->m, "ioapic");
    if (!pc->lapic)
        return;
    lapic_connect(pc->lapic, (struct lapic_eoi){ioapic_eoi, pc->ioapic});
    ioapic_connect(pc->ioapic, (struct ioapic_bus){apic_send, pc});
}

/* ---- A20 and reset ------------------------------------------------------ */

static void set_a20(struct pc *pc, enum a20_source source, bool on)
{
    const struct machine_host *host = &pc->m.host;

    pc->a20[source] = on;
    on = pc->a20[A20_PORT92] || pc->a20[A20_I8042];
    if (host->set_a20)
        host->set_a20(host->opaque, on);
}

static void port92_a20(void *opaque, bool on)
{
    set_a20(opaque, A20_PORT92, on);
}

static void i8042_a20(void *opaque, bool on)
{
    set_a20(opaque, A20_I8042, on);
}

static void reset_wish(void *opaque, const char *who)
{
    const struct machine_host *host = &((struct pc *)opaque)->m.host;

    if (host->reset)
        host->reset(host->opaque, who);
}

/* Outputs that are more than a pin. */
static void connect_outputs(struct pc *pc)
{
    const struct machine_host *host = &pc->m.host;
    struct machine *m = &pc->m;

    port92_connect(machine_find(m, "port92"),
                   &(struct port92_outputs){pc, port92_a20, reset_wish});
    i8042_connect(pc->i8042,
                  &(struct i8042_outputs){pc, i8042_a20, reset_wish});
    rst_cnt_connect(machine_find(m, "rst-cnt"),
                    &(struct rst_cnt_outputs){pc, reset_wish});
    bios_call_connect(machine_find(m, "bios-call"),
                      (struct bios_service){bios_call, m});
    debugcon_connect(machine_find(m, "debugcon"),
                     &(struct debugcon_outputs){host->opaque, host->console});
    debug_exit_connect(
        machine_find(m, "debug-exit"),
        &(struct debug_exit_outputs){host->opaque, host->debug_exit});
}

/* ---- building ----------------------------------------------------------- */

static int add_memory(struct machine *m)
{
    int err;

    if (m->mem_bytes < MEM_MIN || m->mem_bytes > MEM_MAX ||
        m->mem_bytes % MIB != 0) {
        log_error("%llu bytes of memory: the board takes 1 MiB to 3072 MiB, "
                  "in whole MiB",
                  (unsigned long long)m->mem_bytes);
        return -EINVAL;
    }
    err = mem_init(&m->mem, m->mem_bytes);
    if (err)
        return err;
    mem_add_slot(&m->mem, "RAM below 640K", 0, VGA_BASE, 0, false);
    mem_add_slot(&m->mem, "ROM", ROM_AREA, MIB - ROM_AREA, ROM_AREA, true);
    if (m->mem_bytes > MIB)
        mem_add_slot(&m->mem, "RAM above 1M", MIB, m->mem_bytes - MIB, MIB,
                     false);
    return 0;
}

static void add_backend(struct device_cfg *dev, const struct board_row *row,
                        const struct machine_config *cfg)
{
    if (row->backend == BACKEND_SERIAL)
        dev->chr = cfg->serial[row->first];
    if (row->backend == BACKEND_DISKS)
        for (unsigned i = 0; i < ARRAY_SIZE(dev->blk); i++)
            dev->blk[i] = cfg->disk[row->first + i];
    if (row->backend == BACKEND_EPOCH)
        dev->arg = cfg->epoch_s;
}

static int add_device(struct pc *pc, const struct board_row *row,
                      const struct machine_config *mc)
{
    struct machine *m = &pc->m;
    struct device_env env = {&m->bus, &m->clock, &m->mem};
    struct device_cfg cfg = {
        .name = row->name,
        .base = row->base,
        .arg = row->arg,
    };
    int err;

    for (unsigned i = 0; i < ARRAY_SIZE(cfg.irq); i++)
        cfg.irq[i] = (struct irq_line){
            .set = pin_sink[row->pin[i].kind],
            .opaque = pc,
            .n = row->pin[i].n,
        };
    add_backend(&cfg, row, mc);
    assert(m->devices < MACHINE_DEVICES_MAX);
    err = device_create(&m->device[m->devices], row->class, &env, &cfg);
    if (err) {
        log_error("cannot build the board: %s (%s) failed: error %d", row->name,
                  row->class->name, -err);
        return err;
    }
    m->devices++;
    return 0;
}

int machine_create(struct machine **out, const struct machine_config *cfg,
                   uint64_t (*source)(void *opaque), void *source_opaque)
{
    struct pc *pc = calloc(1, sizeof(*pc));
    struct machine *m;
    int err;

    *out = NULL;
    if (!pc)
        return -ENOMEM;
    m = &pc->m;
    bus_init(&m->bus);
    clock_init(&m->clock, source, source_opaque);
    m->mem.fd = -1;
    m->mem_bytes = cfg->mem_bytes;
    m->host = cfg->host;
    m->intc = (struct vcpu_intc){pc, intc_pending, intc_ack};
    m->apic = (struct vcpu_apic){pc, apic_get_cr8, apic_set_cr8, apic_set_base};
    for (unsigned i = 0; i < ARRAY_SIZE(m->disk); i++)
        m->disk[i] = cfg->disk[i];
    if (cfg->irqchip_kernel)
        pc->kernel_gsi = cfg->kernel_gsi;
    err = add_memory(m);
    for (unsigned i = 0; !err && i < ARRAY_SIZE(board); i++)
        if (!(cfg->irqchip_kernel && board[i].irqchip))
            err = add_device(pc, &board[i], cfg);
    if (err) {
        machine_destroy(m);
        return err;
    }
    connect_apics(pc);
    pc->i8042 = machine_find(m, "i8042");
    pc->vga = machine_find(m, "vga");
    connect_outputs(pc);
    mc146818_set_memory(machine_find(m, "rtc"), m->mem_bytes);
    machine_reset(m);
    *out = m;
    return 0;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    while (m->devices > 0)
        device_destroy(m->device[--m->devices]);
    mem_fini(&m->mem);
    free(pc_of(m));
}

void machine_reset(struct machine *m)
{
    for (unsigned i = 0; i < m->devices; i++)
        m->device[i]->class->reset(m->device[i]);
    firmware_install(m);
}

struct device *machine_find(const struct machine *m, const char *name)
{
    for (unsigned i = 0; i < m->devices; i++)
        if (strcmp(m->device[i]->name, name) == 0)
            return m->device[i];
    return NULL;
}

/* ---- keyboard and screen ------------------------------------------------ */

void machine_key(struct machine *m, uint8_t scancode)
{
    i8042_key(pc_of(m)->i8042, scancode);
}

unsigned machine_key_room(const struct machine *m)
{
    return i8042_key_room(pc_of_const(m)->i8042);
}

void machine_screen(const struct machine *m, struct machine_screen *out)
{
    struct vga_screen screen;

    static_assert(sizeof(screen.cell) == sizeof(out->cell), "same screen");
    vga_text_snapshot(pc_of_const(m)->vga, &screen);
    memcpy(out->cell, screen.cell, sizeof(out->cell));
    out->row = screen.row;
    out->col = screen.col;
    out->cursor = screen.cursor;
}
