/* The board: what is where, how interrupts reach the processor, A20, reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "vmm/dev/acpi_pm.h"
#include "vmm/dev/lapic.h"
#include "vmm/machine/machine.h"

#define MIB (1u << 20)

struct board {
    struct machine *m;
    uint64_t now;
    bool a20;
    unsigned resets, offs, gsis;
    char who[32];
    uint32_t exit_value;
    unsigned gsi;
    bool gsi_level;
};

static uint64_t source(void *opaque)
{
    return ((struct board *)opaque)->now;
}

static void on_reset(void *opaque, const char *who)
{
    struct board *b = opaque;

    b->resets++;
    strncpy(b->who, who, sizeof(b->who) - 1);
}

static void on_poweroff(void *opaque)
{
    ((struct board *)opaque)->offs++;
}

static void on_a20(void *opaque, bool on)
{
    ((struct board *)opaque)->a20 = on;
}

static void on_exit_port(void *opaque, uint32_t value)
{
    ((struct board *)opaque)->exit_value = value;
}

static void on_gsi(void *opaque, unsigned n, bool level)
{
    struct board *b = opaque;

    b->gsis++;
    b->gsi = n;
    b->gsi_level = level;
}

static void board_open(struct board *b, bool irqchip_kernel)
{
    struct machine_config cfg = {
        .mem_bytes = 16 * MIB,
        .host = {.opaque = b,
                 .reset = on_reset,
                 .poweroff = on_poweroff,
                 .set_a20 = on_a20,
                 .debug_exit = on_exit_port},
        .irqchip_kernel = irqchip_kernel,
        .kernel_gsi = {on_gsi, b, 0},
    };

    *b = (struct board){0};
    assert_int_equal(machine_create(&b->m, &cfg, source, b), 0);
}

static void outb(struct board *b, unsigned port, unsigned value)
{
    bus_write(&b->m->bus, IO_PORT, port, 1, value);
}

static unsigned inb(struct board *b, unsigned port)
{
    return (unsigned)bus_read(&b->m->bus, IO_PORT, port, 1);
}

static void mmio(struct board *b, uint64_t gpa, uint32_t value)
{
    bus_write(&b->m->bus, IO_MEM, gpa, 4, value);
}

static void run_to(struct board *b, uint64_t ns)
{
    b->now = ns;
    clock_run(&b->m->clock);
}

static void test_memory(void **state)
{
    struct machine_config cfg = {.mem_bytes = MIB};
    struct machine *m;
    struct board b;

    (void)state;
    board_open(&b, false);
    assert_true(mem_find(&b.m->mem, 0x9ffff) != NULL);
    assert_null(mem_find(&b.m->mem, 0xa0000));
    assert_true(mem_find(&b.m->mem, 0xf0000)->readonly);
    assert_true(mem_find(&b.m->mem, 16 * MIB - 1) != NULL);
    assert_null(mem_find(&b.m->mem, 16 * MIB));
    machine_destroy(b.m);
    assert_int_equal(machine_create(&m, &cfg, source, &b), 0);
    assert_null(mem_find(&m->mem, MIB));
    machine_destroy(m);
    cfg.mem_bytes = MIB / 2;
    assert_int_equal(machine_create(&m, &cfg, source, &b), -EINVAL);
    cfg.mem_bytes = 3073ull * MIB;
    assert_int_equal(machine_create(&m, &cfg, source, &b), -EINVAL);
}

/* Firmware leaves the timer running at 18.2 Hz through the 8259A. */
static void test_virtual_wire(void **state)
{
    struct board b;
    struct vcpu_intc *intc;

    (void)state;
    board_open(&b, false);
    intc = &b.m->intc;
    assert_false(intc->pending(intc->opaque));
    run_to(&b, 60000000);
    assert_true(intc->pending(intc->opaque));
    assert_int_equal(intc->ack(intc->opaque), 0x08);
    assert_false(intc->pending(intc->opaque));
    machine_key(b.m, 0x1e);
    assert_false(intc->pending(intc->opaque)); /* IRQ 0 is in service */
    outb(&b, 0x20, 0x20);
    assert_int_equal(intc->ack(intc->opaque), 0x09);
    machine_destroy(b.m);
}

/* As an operating system sets the APICs up: 8259As masked, pins routed. */
static void test_apics(void **state)
{
    struct board b;
    struct vcpu_intc *intc;

    (void)state;
    board_open(&b, false);
    intc = &b.m->intc;
    outb(&b, 0x21, 0xff);
    mmio(&b, 0xfee000f0, 0x1ff);
    mmio(&b, 0xfee00350, 0x10000); /* LINT0 masked */
    mmio(&b, 0xfec00000, 0x14);    /* pin 2: the timer */
    mmio(&b, 0xfec00010, 0x30);
    mmio(&b, 0xfec00000, 0x12); /* pin 1: the keyboard */
    mmio(&b, 0xfec00010, 0x31);
    run_to(&b, 60000000);
    assert_true(intc->pending(intc->opaque));
    assert_int_equal(intc->ack(intc->opaque), 0x30);
    mmio(&b, 0xfee000b0, 0);
    machine_key(b.m, 0x1e);
    assert_int_equal(intc->ack(intc->opaque), 0x31);
    mmio(&b, 0xfee000b0, 0);
    assert_false(intc->pending(intc->opaque));
    assert_int_equal(lapic_get_base(machine_find(b.m, "lapic")), 0xfee00900);
    b.m->apic.set_cr8(b.m->apic.opaque, 5);
    assert_int_equal(b.m->apic.get_cr8(b.m->apic.opaque), 5);
    machine_destroy(b.m);
}

static void test_kernel_irqchip(void **state)
{
    struct board b;

    (void)state;
    board_open(&b, true);
    assert_null(machine_find(b.m, "lapic"));
    assert_false(b.m->intc.pending(b.m->intc.opaque));
    assert_int_equal(b.m->intc.ack(b.m->intc.opaque), -1);
    machine_key(b.m, 0x1e);
    assert_int_equal(b.gsi, 1);
    assert_true(b.gsi_level);
    machine_destroy(b.m);
}

static void test_a20(void **state)
{
    struct board b;

    (void)state;
    board_open(&b, false);
    assert_true(b.a20);
    outb(&b, 0x92, 0x00);
    assert_true(b.a20); /* the keyboard controller still says so */
    outb(&b, 0x64, 0xd1);
    outb(&b, 0x60, 0xdd);
    assert_false(b.a20);
    outb(&b, 0x92, 0x02);
    assert_true(b.a20);
    machine_destroy(b.m);
}

static void test_reset_and_off(void **state)
{
    struct board b;

    (void)state;
    board_open(&b, false);
    outb(&b, 0x64, 0xfe);
    assert_int_equal(b.resets, 1);
    assert_string_equal(b.who, "i8042");
    outb(&b, 0xcf9, 0x06);
    assert_int_equal(b.resets, 2);
    bus_write(&b.m->bus, IO_PORT, 0x604, 2, ACPI_SLP_TYP_S5 << 10 | 1u << 13);
    assert_int_equal(b.offs, 1);
    outb(&b, 0xf4, 0x21);
    assert_int_equal(b.exit_value, 0x21);
    outb(&b, 0x21, 0x55);
    machine_reset(b.m);
    assert_int_equal(inb(&b, 0x21), 0xf8);
    assert_int_equal(inb(&b, 0x1f7), 0xff);  /* no disk */
    assert_int_equal(inb(&b, 0x3da) & 0, 0); /* there is a screen */
    assert_int_equal(inb(&b, 0x1234), 0xff); /* nobody */
    machine_destroy(b.m);
}

/* Every device saves, restores and dumps; two boards do not disturb. */
static void test_snap_all(void **state)
{
    struct board a, b;

    (void)state;
    board_open(&a, false);
    board_open(&b, false);
    run_to(&a, 100000000);
    b.now = a.now;
    machine_key(a.m, 0x1e);
    assert_int_equal(a.m->devices, b.m->devices);
    for (unsigned i = 0; i < a.m->devices; i++) {
        struct device *from = a.m->device[i], *to = b.m->device[i];
        struct snap save, load;
        struct strbuf x, y;
        snap_init_save(&save);
        from->class->snap(from, &save);
        snap_init_restore(&load, save.buf, save.len);
        to->class->snap(to, &load);
        assert_int_equal(load.err, 0);
        assert_int_equal(load.pos, load.len);
        strbuf_init(&x);
        strbuf_init(&y);
        from->class->dump(from, &x);
        to->class->dump(to, &y);
        assert_string_equal(strbuf_str(&x), strbuf_str(&y));
        strbuf_fini(&x);
        strbuf_fini(&y);
        snap_fini(&save);
    }
    assert_true(b.m->intc.pending(b.m->intc.opaque));
    machine_destroy(a.m);
    machine_destroy(b.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),   cmocka_unit_test(test_virtual_wire),
        cmocka_unit_test(test_apics),    cmocka_unit_test(test_kernel_irqchip),
        cmocka_unit_test(test_a20),      cmocka_unit_test(test_reset_and_off),
        cmocka_unit_test(test_snap_all),
    };

    return cmocka_run_group_tests_name("pc", tests, NULL, NULL);
}
