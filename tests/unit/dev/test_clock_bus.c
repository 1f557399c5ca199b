/* The clock's timers and the bus: the two things every chip stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/dev/bus.h"
#include "vmm/dev/clock.h"

static uint64_t fake_now(void *opaque)
{
    return *(uint64_t *)opaque;
}

struct tick {
    struct clock *clk;
    struct clock_timer timer;
    int order, *next_order;
    uint64_t period;
};

static void fire(void *opaque)
{
    struct tick *t = opaque;

    t->order = ++*t->next_order;
    if (t->period)
        clock_arm(t->clk, &t->timer, clock_now(t->clk) + t->period);
}

static void test_timers_fire_in_order(void **state)
{
    uint64_t now = 0;
    int order = 0;
    struct clock clk;
    struct tick a = {&clk, .next_order = &order};
    struct tick b = a, c = a;

    (void)state;
    clock_init(&clk, fake_now, &now);
    clock_timer_init(&a.timer, "a", fire, &a);
    clock_timer_init(&b.timer, "b", fire, &b);
    clock_timer_init(&c.timer, "c", fire, &c);
    assert_int_equal(clock_next(&clk), CLOCK_NEVER);
    clock_arm(&clk, &a.timer, 30);
    clock_arm(&clk, &b.timer, 10);
    clock_arm(&clk, &c.timer, 10);
    assert_int_equal(clock_next(&clk), 10);
    now = 9;
    clock_run(&clk);
    assert_int_equal(order, 0);
    now = 10;
    clock_run(&clk);
    assert_int_equal(b.order, 1);
    assert_int_equal(c.order, 2);
    assert_int_equal(a.order, 0);
    clock_disarm(&clk, &a.timer);
    assert_int_equal(clock_next(&clk), CLOCK_NEVER);
}

static void test_timer_rearms_itself(void **state)
{
    uint64_t now = 0;
    int order = 0;
    struct clock clk;
    struct tick a = {&clk, .next_order = &order, .period = 5};

    (void)state;
    clock_init(&clk, fake_now, &now);
    clock_timer_init(&a.timer, "a", fire, &a);
    clock_arm(&clk, &a.timer, 5);
    for (now = 0; now <= 20; now++)
        clock_run(&clk);
    assert_int_equal(order, 4);
}

/* Two timers due at once, restored in the other order into another clock. */
static void test_restored_timers_keep_their_order(void **state)
{
    uint64_t now = 0;
    int order = 0;
    struct clock from, to;
    struct tick a = {&to, .next_order = &order}, b = a, late = a;
    struct snap save, load;

    (void)state;
    clock_init(&from, fake_now, &now);
    clock_init(&to, fake_now, &now);
    clock_timer_init(&a.timer, "a", fire, &a);
    clock_timer_init(&b.timer, "b", fire, &b);
    clock_timer_init(&late.timer, "late", fire, &late);
    clock_arm(&from, &b.timer, 10);
    clock_arm(&from, &a.timer, 10);
    snap_init_save(&save);
    clock_timer_snap(&from, &a.timer, &save);
    clock_timer_snap(&from, &b.timer, &save);
    clock_disarm(&from, &a.timer);
    clock_disarm(&from, &b.timer);
    snap_init_restore(&load, save.buf, save.len);
    clock_timer_snap(&to, &a.timer, &load);
    clock_timer_snap(&to, &b.timer, &load);
    assert_int_equal(load.err, 0);
    clock_arm(&to, &late.timer, 10);
    now = 10;
    clock_run(&to);
    assert_int_equal(b.order, 1);
    assert_int_equal(a.order, 2);
    assert_int_equal(late.order, 3);
    snap_fini(&load);
    snap_fini(&save);
}

static uint64_t echo_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    return 0x1111111111111111ull * size + offset;
}

static void keep_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    *(uint64_t *)opaque = value | offset << 32 | (uint64_t)size << 40;
}

static void test_bus_finds_and_splits(void **state)
{
    static const struct io_ops wide = {echo_read, keep_write, 0};
    static const struct io_ops bytes = {echo_read, keep_write, 1};
    uint64_t last = 0;
    static struct bus bus;

    (void)state;
    bus_init(&bus);
    bus_map(&bus, IO_PORT, 0x60, 4, &wide, &last, "wide");
    bus_map(&bus, IO_PORT, 0x20, 2, &bytes, &last, "bytes");
    assert_int_equal(bus_read(&bus, IO_PORT, 0x61, 1), 0x12);
    assert_int_equal(bus_read(&bus, IO_PORT, 0x20, 2), 0x1211);
    assert_int_equal(bus_read(&bus, IO_PORT, 0x21, 2), 0xff12);
    assert_int_equal(bus_read(&bus, IO_PORT, 0x3f8, 4), 0xffffffff);
    assert_int_equal(bus_read(&bus, IO_MEM, 0x60, 8), UINT64_MAX);
    bus_write(&bus, IO_PORT, 0x62, 2, 0xabcdef);
    assert_int_equal(last, 0xcdefull | 2ull << 32 | 2ull << 40);
    bus_unmap(&bus, IO_PORT, 0x60);
    assert_null(bus_find(&bus, IO_PORT, 0x62));
    assert_non_null(bus_find(&bus, IO_PORT, 0x21));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_fire_in_order),
        cmocka_unit_test(test_timer_rearms_itself),
        cmocka_unit_test(test_restored_timers_keep_their_order),
        cmocka_unit_test(test_bus_finds_and_splits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
