/* The I/O APIC: edges, levels, remote IRR, registers. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/ioapic.h"

struct io {
    struct rig r;
    struct device *dev;
    unsigned sent;
    struct apic_msg last;
    bool refuse;
};

static bool on_send(void *opaque, const struct apic_msg *msg)
{
    struct io *io = opaque;

    if (io->refuse)
        return false;
    io->sent++;
    io->last = *msg;
    return true;
}

static void io_open(struct io *io)
{
    *io = (struct io){0};
    rig_init(&io->r);
    io->dev = rig_device(
        &io->r, &ioapic_class,
        &(struct device_cfg){.name = "ioapic", .base = IOAPIC_BASE, .arg = 3});
    ioapic_connect(io->dev, (struct ioapic_bus){on_send, io});
}

static void wr(struct io *io, unsigned reg, uint32_t value)
{
    bus_write(&io->r.bus, IO_MEM, IOAPIC_BASE, 4, reg);
    bus_write(&io->r.bus, IO_MEM, IOAPIC_BASE + 0x10, 4, value);
}

static uint32_t rd(struct io *io, unsigned reg)
{
    bus_write(&io->r.bus, IO_MEM, IOAPIC_BASE, 4, reg);
    return (uint32_t)bus_read(&io->r.bus, IO_MEM, IOAPIC_BASE + 0x10, 4);
}

static void test_registers(void **state)
{
    struct io io;

    (void)state;
    io_open(&io);
    assert_int_equal(rd(&io, 0), 3u << 24);
    assert_int_equal(rd(&io, 1), 0x00170011);
    assert_int_equal(rd(&io, 0x10), 0x10000);
    assert_int_equal(rd(&io, 0x3f), 0);
    assert_int_equal(rd(&io, 0x40), 0); /* no such register */
    wr(&io, 0, 0xffffffff);
    assert_int_equal(rd(&io, 0), 0x0f000000);
    wr(&io, 0x12, 0xffffffff);
    assert_int_equal(rd(&io, 0x12), 0x1afff); /* bits 12, 14 are read only */
    wr(&io, 0x13, 0xffffffff);
    assert_int_equal(rd(&io, 0x13), 0xff000000);
    device_destroy(io.dev);
}

static void test_edge(void **state)
{
    struct io io;

    (void)state;
    io_open(&io);
    wr(&io, 0x10 + 2 * 4 + 1, 0x05000000);
    wr(&io, 0x10 + 2 * 4, 0x0831); /* logical, fixed */
    ioapic_set_pin(io.dev, 4, true);
    ioapic_set_pin(io.dev, 4, true);
    assert_int_equal(io.sent, 1);
    assert_int_equal(io.last.vector, 0x31);
    assert_int_equal(io.last.dest, 5);
    assert_true(io.last.logical);
    assert_false(io.last.level);
    ioapic_set_pin(io.dev, 4, false);
    ioapic_set_pin(io.dev, 4, true);
    assert_int_equal(io.sent, 2);
    /* While masked an edge is lost, and does not come later. */
    wr(&io, 0x10 + 2 * 4, 0x10831);
    ioapic_set_pin(io.dev, 4, false);
    ioapic_set_pin(io.dev, 4, true);
    wr(&io, 0x10 + 2 * 4, 0x0831);
    assert_int_equal(io.sent, 2);
    device_destroy(io.dev);
}

static void test_level(void **state)
{
    struct io io;

    (void)state;
    io_open(&io);
    wr(&io, 0x10 + 2 * 9, 0x18041); /* level, masked */
    ioapic_set_pin(io.dev, 9, true);
    assert_int_equal(io.sent, 0);
    wr(&io, 0x10 + 2 * 9, 0x8041); /* unmasked: level is still there */
    assert_int_equal(io.sent, 1);
    assert_true(io.last.level);
    assert_int_equal(rd(&io, 0x10 + 2 * 9) & BIT(14), BIT(14));
    ioapic_set_pin(io.dev, 9, true);
    assert_int_equal(io.sent, 1); /* in service */
    ioapic_eoi(io.dev, 0x42);     /* another vector's */
    assert_int_equal(io.sent, 1);
    ioapic_eoi(io.dev, 0x41); /* still up: again */
    assert_int_equal(io.sent, 2);
    ioapic_set_pin(io.dev, 9, false);
    ioapic_eoi(io.dev, 0x41);
    assert_int_equal(io.sent, 2);
    assert_int_equal(rd(&io, 0x10 + 2 * 9) & BIT(14), 0);
    device_destroy(io.dev);
}

static void test_level_refused(void **state)
{
    struct io io;

    (void)state;
    io_open(&io);
    io.refuse = true;
    wr(&io, 0x10 + 2 * 9, 0x8041);
    ioapic_set_pin(io.dev, 9, true);
    assert_int_equal(rd(&io, 0x10 + 2 * 9) & BIT(14), 0);
    io.refuse = false;
    ioapic_set_pin(io.dev, 9, true);
    assert_int_equal(io.sent, 1);
    /* Over edge mode a guest clears remote IRR. */
    wr(&io, 0x10 + 2 * 9, 0x10041);
    wr(&io, 0x10 + 2 * 9, 0x8041);
    assert_int_equal(io.sent, 2);
    device_destroy(io.dev);
}

static void test_modes(void **state)
{
    struct io io;

    (void)state;
    io_open(&io);
    wr(&io, 0x10, 0x0700); /* ExtINT */
    ioapic_set_pin(io.dev, 0, true);
    assert_int_equal(io.last.mode, APIC_EXTINT);
    wr(&io, 0x12, 0x8400); /* NMI is edge triggered whatever the entry says */
    ioapic_set_pin(io.dev, 1, true);
    ioapic_set_pin(io.dev, 1, true);
    assert_int_equal(io.last.mode, APIC_NMI);
    assert_int_equal(io.sent, 2);
    device_destroy(io.dev);
}

static void test_snap(void **state)
{
    struct io a, b;

    (void)state;
    io_open(&a);
    io_open(&b);
    wr(&a, 0x10 + 2 * 9, 0x8041);
    ioapic_set_pin(a.dev, 9, true);
    rig_copy_device(a.dev, b.dev);
    rig_check_dump(a.dev, b.dev);
    ioapic_eoi(b.dev, 0x41);
    assert_int_equal(b.sent, 1);
    device_destroy(a.dev);
    device_destroy(b.dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers), cmocka_unit_test(test_edge),
        cmocka_unit_test(test_level),     cmocka_unit_test(test_level_refused),
        cmocka_unit_test(test_modes),     cmocka_unit_test(test_snap),
    };

    return cmocka_run_group_tests_name("ioapic", tests, NULL, NULL);
}
