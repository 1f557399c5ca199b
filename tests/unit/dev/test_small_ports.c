/* The one-port chips: 92h, CF9h, F4h, E9h, 80h. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/debug_exit.h"
#include "vmm/dev/debugcon.h"
#include "vmm/dev/port92.h"
#include "vmm/dev/post80.h"
#include "vmm/dev/rst_cnt.h"

#include <string.h>

struct seen {
    bool a20;
    unsigned resets;
    const char *who;
    uint32_t value;
    char text[8];
    size_t len;
};

static void on_a20(void *opaque, bool on)
{
    ((struct seen *)opaque)->a20 = on;
}

static void on_reset(void *opaque, const char *who)
{
    struct seen *s = opaque;

    s->resets++;
    s->who = who;
}

static void on_exit_value(void *opaque, uint32_t value)
{
    ((struct seen *)opaque)->value = value;
}

static void on_byte(void *opaque, uint8_t byte)
{
    struct seen *s = opaque;

    if (s->len < sizeof(s->text) - 1)
        s->text[s->len++] = (char)byte;
}

static void port92_gates_a20_and_resets(void **state)
{
    struct rig r;
    struct seen s = {0};
    struct device *dev;

    (void)state;
    rig_init(&r);
    dev = rig_device(&r, &port92_class, &(struct device_cfg){.name = "a"});
    port92_connect(dev, &(struct port92_outputs){&s, on_a20, on_reset});
    assert_int_equal(inb(&r, 0x92), 0);
    outb(&r, 0x92, 2);
    assert_true(s.a20);
    assert_int_equal(inb(&r, 0x92), 2);
    outb(&r, 0x92, 0);
    assert_false(s.a20);
    outb(&r, 0x92, 2);
    s.a20 = false;
    rig_copy_device(dev, dev); /* a restore tells the board again */
    assert_true(s.a20);
    outb(&r, 0x92, 3);
    assert_int_equal(s.resets, 1);
    assert_string_equal(s.who, "port 92h");
    outb(&r, 0x92, 3); /* no edge */
    assert_int_equal(s.resets, 1);
    dev->class->reset(dev);
    assert_false(s.a20);
    assert_int_equal(inb(&r, 0x92), 0);
    device_destroy(dev);
}

static void rst_cnt_resets_at_the_rising_edge(void **state)
{
    struct rig r;
    struct seen s = {0};
    struct device *dev;

    (void)state;
    rig_init(&r);
    dev = rig_device(&r, &rst_cnt_class, &(struct device_cfg){.name = "a"});
    rst_cnt_connect(dev, &(struct rst_cnt_outputs){&s, on_reset});
    outb(&r, 0xcf9, 0x02);
    assert_int_equal(s.resets, 0);
    assert_int_equal(inb(&r, 0xcf9), 0x02);
    outb(&r, 0xcf9, 0x06);
    assert_int_equal(s.resets, 1);
    assert_string_equal(s.who, "port CF9h");
    outb(&r, 0xcf9, 0x0e);
    assert_int_equal(s.resets, 1);
    /* A dword at CF8h is PCI's, and nobody's here. */
    bus_write(&r.bus, IO_PORT, 0xcf8, 4, 0x80000400);
    assert_int_equal(s.resets, 1);
    assert_int_equal(inb(&r, 0xcf9), 0x0e);
    device_destroy(dev);
}

static void debug_exit_hands_over_the_value(void **state)
{
    struct rig r;
    struct seen s = {0};
    struct device *dev;

    (void)state;
    rig_init(&r);
    dev = rig_device(&r, &debug_exit_class, &(struct device_cfg){.name = "a"});
    debug_exit_connect(dev, &(struct debug_exit_outputs){&s, on_exit_value});
    outb(&r, 0xf4, 0x2a);
    assert_int_equal(s.value, 0x2a);
    bus_write(&r.bus, IO_PORT, 0xf4, 4, 0x12345678);
    assert_int_equal(s.value, 0x12345678);
    assert_int_equal(inb(&r, 0xf4), 0);
    device_destroy(dev);
}

static void debugcon_writes_and_says_e9(void **state)
{
    struct rig r;
    struct seen s = {0};
    struct device *dev;

    (void)state;
    rig_init(&r);
    dev = rig_device(&r, &debugcon_class, &(struct device_cfg){.name = "a"});
    assert_int_equal(inb(&r, 0xe9), 0xe9);
    outb(&r, 0xe9, 'x'); /* unconnected: vanishes */
    debugcon_connect(dev, &(struct debugcon_outputs){&s, on_byte});
    outb(&r, 0xe9, 'h');
    outb(&r, 0xe9, 'i');
    assert_string_equal(s.text, "hi");
    device_destroy(dev);
}

static void post80_keeps_the_code(void **state)
{
    struct rig r, r2;
    struct device *a, *b;

    (void)state;
    rig_init(&r);
    rig_init(&r2);
    a = rig_device(&r, &post80_class, &(struct device_cfg){.name = "a"});
    b = rig_device(&r2, &post80_class, &(struct device_cfg){.name = "b"});
    outb(&r, 0x80, 0x55);
    assert_int_equal(inb(&r, 0x80), 0x55);
    assert_int_equal(post80_code(b), 0);
    rig_copy_device(a, b);
    assert_int_equal(post80_code(b), 0x55);
    rig_check_dump(a, b);
    device_destroy(a);
    device_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port92_gates_a20_and_resets),
        cmocka_unit_test(rst_cnt_resets_at_the_rising_edge),
        cmocka_unit_test(debug_exit_hands_over_the_value),
        cmocka_unit_test(debugcon_writes_and_says_e9),
        cmocka_unit_test(post80_keeps_the_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
