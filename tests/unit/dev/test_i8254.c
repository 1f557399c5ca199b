/* The 8254 against its datasheet: every mode, to the CLK pulse. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/i8254.h"

enum { C0 = 0x40, C1 = 0x41, C2 = 0x42, CTL = 0x43, P61 = 0x61 };

struct pit {
    struct rig r;
    struct device *dev;
    uint64_t base; /* tick that at() counts from */
};

static void pit_open(struct pit *p)
{
    rig_init(&p->r);
    p->dev = rig_device(
        &p->r, &i8254_class,
        &(struct device_cfg){.name = "pit", .irq = {rig_pin(&p->r, 0)}});
    p->base = 0;
}

static void pit_close(struct pit *p)
{
    device_destroy(p->dev);
}

/* Goes to the moment of CLK pulse TICK after the base. */
static void at(struct pit *p, uint64_t tick)
{
    rig_run_to(&p->r, i8254_ns_of_ticks(p->base + tick));
}

static void control(struct pit *p, unsigned ch, unsigned mode, unsigned bcd)
{
    outb(&p->r, CTL, ch << 6 | 3u << 4 | mode << 1 | bcd);
}

static void count(struct pit *p, unsigned ch, unsigned n)
{
    outb(&p->r, C0 + ch, n & 0xff);
    outb(&p->r, C0 + ch, n >> 8);
}

static unsigned read_ce(struct pit *p, unsigned ch)
{
    unsigned low;

    outb(&p->r, CTL, ch << 6);
    low = inb(&p->r, C0 + ch);
    return low | inb(&p->r, C0 + ch) << 8;
}

static unsigned status(struct pit *p, unsigned ch)
{
    outb(&p->r, CTL, 0xe0u | 2u << ch);
    return inb(&p->r, C0 + ch);
}

static void gate2(struct pit *p, bool level)
{
    outb(&p->r, P61, level);
}

static bool out2(struct pit *p)
{
    return i8254_out(p->dev, 2);
}

static void time_has_no_drift(void **state)
{
    (void)state;
    assert_int_equal(i8254_ticks_of_ns(0), 0);
    assert_int_equal(i8254_ticks_of_ns(CLOCK_SECOND), I8254_HZ);
    assert_int_equal(i8254_ticks_of_ns(CLOCK_SECOND - 1), I8254_HZ - 1);
    /* A hundred years. */
    assert_int_equal(i8254_ticks_of_ns(3155760000ull * CLOCK_SECOND),
                     3155760000ull * I8254_HZ);
    for (uint64_t t = 1; t < 1ull << 40; t = t * 3 + 1) {
        uint64_t ns = i8254_ns_of_ticks(t);
        assert_int_equal(i8254_ticks_of_ns(ns), t);
        assert_int_equal(i8254_ticks_of_ns(ns - 1), t - 1);
    }
    assert_int_equal(i8254_ns_of_ticks(UINT64_MAX), CLOCK_NEVER);
}

static void mode0_out_rises_n_plus_1_after_the_write(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 0, 0);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 10);
    count(&p, 0, 4);
    at(&p, 11);
    assert_int_equal(read_ce(&p, 0), 4);
    at(&p, 14);
    assert_int_equal(read_ce(&p, 0), 1);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 15);
    assert_int_equal(p.r.pin[0].rises, 1);
    assert_int_equal(p.r.pin[0].rose_at, i8254_ns_of_ticks(15));
    assert_int_equal(read_ce(&p, 0), 0);
    at(&p, 16); /* goes on counting, OUT stays */
    assert_int_equal(read_ce(&p, 0), 0xffff);
    at(&p, 200000);
    assert_true(i8254_out(p.dev, 0));
    assert_int_equal(p.r.pin[0].rises, 1);
    assert_int_equal(clock_next(&p.r.clock), CLOCK_NEVER);
    pit_close(&p);
}

static void mode0_new_count_and_first_byte(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 0, 0);
    count(&p, 0, 100);
    at(&p, 50);
    outb(&p.r, C0, 3); /* first byte stops the count */
    at(&p, 300);
    assert_false(i8254_out(p.dev, 0));
    outb(&p.r, C0, 0);
    at(&p, 303);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 304);
    assert_true(i8254_out(p.dev, 0));
    outb(&p.r, C0, 9); /* OUT goes low at once */
    assert_false(p.r.pin[0].level);
    pit_close(&p);
}

static void mode0_gate_suspends(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 2, 0, 0);
    count(&p, 2, 10); /* gate is low: loaded, not counted */
    at(&p, 100);
    assert_int_equal(read_ce(&p, 2), 10);
    gate2(&p, true);
    at(&p, 104);
    assert_int_equal(read_ce(&p, 2), 6);
    gate2(&p, false);
    at(&p, 500);
    assert_int_equal(read_ce(&p, 2), 6);
    gate2(&p, true);
    at(&p, 505);
    assert_false(out2(&p));
    at(&p, 506);
    assert_true(out2(&p));
    assert_int_equal(inb(&p.r, P61) & 0x21, 0x21);
    pit_close(&p);
}

static void mode1_one_shot(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 2, 1, 0);
    assert_true(out2(&p));
    gate2(&p, true); /* no count yet: no trigger */
    at(&p, 5);
    assert_true(out2(&p));
    gate2(&p, false);
    count(&p, 2, 3);
    at(&p, 20);
    assert_true(out2(&p));
    gate2(&p, true);
    assert_true(out2(&p)); /* low on the next pulse */
    at(&p, 21);
    assert_false(out2(&p));
    gate2(&p, false); /* no effect */
    at(&p, 23);
    assert_false(out2(&p));
    at(&p, 24);
    assert_true(out2(&p));
    pit_close(&p);
}

static void mode1_retrigger_and_new_count(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 2, 1, 0);
    count(&p, 2, 10);
    gate2(&p, true);
    at(&p, 5);
    gate2(&p, false);
    gate2(&p, true); /* again: 10 more from pulse 6 */
    count(&p, 2, 2); /* for the next trigger only... but CR is loaded at 6 */
    at(&p, 6);
    assert_int_equal(read_ce(&p, 2), 2);
    at(&p, 8);
    assert_true(out2(&p));
    count(&p, 2, 7);
    at(&p, 100);
    assert_true(out2(&p));
    gate2(&p, false);
    gate2(&p, true);
    at(&p, 101 + 6);
    assert_false(out2(&p));
    at(&p, 101 + 7);
    assert_true(out2(&p));
    pit_close(&p);
}

static void mode2_rate_generator(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 2, 0);
    assert_true(i8254_out(p.dev, 0));
    count(&p, 0, 5);
    at(&p, 1);
    assert_int_equal(read_ce(&p, 0), 5);
    at(&p, 4);
    assert_int_equal(read_ce(&p, 0), 2);
    assert_true(i8254_out(p.dev, 0));
    at(&p, 5);
    assert_int_equal(read_ce(&p, 0), 1);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 6);
    assert_int_equal(read_ce(&p, 0), 5);
    assert_true(i8254_out(p.dev, 0));
    at(&p, 10);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 11);
    assert_int_equal(p.r.pin[0].rises, 3); /* 0, 6, 11 */
    assert_int_equal(p.r.pin[0].rose_at, i8254_ns_of_ticks(11));
    pit_close(&p);
}

static void mode2_new_count_waits_for_the_period(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 2, 0);
    count(&p, 0, 10);
    at(&p, 3);
    assert_int_equal(status(&p, 0) & 0x40, 0);
    count(&p, 0, 4);
    assert_int_equal(status(&p, 0) & 0x40, 0x40); /* null count */
    at(&p, 10);
    assert_int_equal(read_ce(&p, 0), 1);
    at(&p, 11);
    assert_int_equal(status(&p, 0) & 0x40, 0);
    assert_int_equal(read_ce(&p, 0), 4);
    at(&p, 14);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 15);
    assert_true(i8254_out(p.dev, 0));
    pit_close(&p);
}

static void mode2_gate(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    gate2(&p, true);
    control(&p, 2, 2, 0);
    count(&p, 2, 5);
    at(&p, 5);
    assert_false(out2(&p));
    gate2(&p, false); /* OUT goes high at once */
    assert_true(out2(&p));
    at(&p, 50);
    assert_true(out2(&p));
    gate2(&p, true); /* reloads on the next pulse */
    at(&p, 51);
    assert_int_equal(read_ce(&p, 2), 5);
    at(&p, 55);
    assert_false(out2(&p));
    pit_close(&p);
}

static void mode2_keeps_its_deadlines_for_hours(void **state)
{
    struct pit p;
    uint64_t periods = 360000; /* an hour at 100 Hz */

    (void)state;
    pit_open(&p);
    control(&p, 0, 2, 0);
    count(&p, 0, 11932);
    at(&p, 1 + periods * 11932);
    assert_int_equal(p.r.pin[0].rises, 1 + periods);
    assert_int_equal(p.r.pin[0].rose_at,
                     i8254_ns_of_ticks(1 + periods * 11932));
    pit_close(&p);
}

static void mode3_square_wave(void **state)
{
    static const struct {
        unsigned n, high, low;
    } row[] = {{2, 1, 1}, {3, 2, 1}, {4, 2, 2}, {5, 3, 2}, {100, 50, 50}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        struct pit p;
        unsigned t = 1;
        pit_open(&p);
        control(&p, 0, 3, 0);
        count(&p, 0, row[i].n);
        for (unsigned k = 0; k < 4; k++) {
            for (unsigned j = 0; j < row[i].high; j++, t++) {
                at(&p, t);
                assert_true(i8254_out(p.dev, 0));
            }
            for (unsigned j = 0; j < row[i].low; j++, t++) {
                at(&p, t);
                assert_false(i8254_out(p.dev, 0));
            }
        }
        pit_close(&p);
    }
}

static void mode3_counts_by_two(void **state)
{
    static const unsigned even[] = {6, 4, 2, 6, 4, 2, 6};
    static const unsigned odd[] = {6, 4, 2, 0, 6, 4, 2, 6, 4, 2, 0};
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 3, 0);
    count(&p, 0, 6);
    for (unsigned i = 0; i < ARRAY_SIZE(even); i++) {
        at(&p, 1 + i);
        assert_int_equal(read_ce(&p, 0), even[i]);
    }
    control(&p, 0, 3, 0);
    count(&p, 0, 7);
    p.base = i8254_ticks_of_ns(p.r.now) + 1;
    for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
        at(&p, i);
        assert_int_equal(read_ce(&p, 0), odd[i]);
    }
    pit_close(&p);
}

static void mode3_new_count_at_half_and_gate(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    gate2(&p, true);
    control(&p, 2, 3, 0);
    count(&p, 2, 20);
    at(&p, 3);
    count(&p, 2, 4);
    at(&p, 10);
    assert_true(out2(&p));
    at(&p, 11); /* half of 20, then halves of 4 */
    assert_false(out2(&p));
    at(&p, 13);
    assert_true(out2(&p));
    at(&p, 15);
    assert_false(out2(&p));
    gate2(&p, false);
    assert_true(out2(&p));
    at(&p, 40);
    gate2(&p, true);
    at(&p, 42);
    assert_true(out2(&p));
    at(&p, 43);
    assert_false(out2(&p));
    pit_close(&p);
}

static void mode3_of_65536_is_the_bios_tick(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 3, 0);
    count(&p, 0, 0);
    at(&p, 1);
    assert_int_equal(read_ce(&p, 0), 0);
    at(&p, 2);
    assert_int_equal(read_ce(&p, 0), 0xfffe);
    at(&p, 1 + 32768);
    assert_false(p.r.pin[0].level);
    at(&p, 1 + 65536);
    assert_int_equal(p.r.pin[0].rose_at, i8254_ns_of_ticks(65537));
    pit_close(&p);
}

static void mode4_software_strobe(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 4, 0);
    assert_true(i8254_out(p.dev, 0));
    count(&p, 0, 3);
    at(&p, 3);
    assert_true(i8254_out(p.dev, 0));
    at(&p, 4);
    assert_false(i8254_out(p.dev, 0)); /* N+1 after the write */
    at(&p, 5);
    assert_true(i8254_out(p.dev, 0));
    assert_int_equal(p.r.pin[0].rose_at, i8254_ns_of_ticks(5));
    assert_int_equal(read_ce(&p, 0), 0xffff);
    at(&p, 200000);
    assert_int_equal(p.r.pin[0].rises, 2); /* at the control word, at 5 */
    count(&p, 0, 1);
    at(&p, 200002);
    assert_false(i8254_out(p.dev, 0));
    pit_close(&p);
}

static void mode4_is_retriggered_by_a_new_count(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 4, 0);
    count(&p, 0, 10);
    at(&p, 8);
    count(&p, 0, 10);
    at(&p, 18);
    assert_int_equal(p.r.pin[0].falls, 0);
    at(&p, 19);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 20);
    assert_int_equal(p.r.pin[0].rises, 2);
    pit_close(&p);
}

static void mode4_gate_stops_the_count_not_the_strobe(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    gate2(&p, true);
    control(&p, 2, 4, 0);
    count(&p, 2, 5);
    at(&p, 3);
    gate2(&p, false);
    at(&p, 30);
    assert_int_equal(read_ce(&p, 2), 3);
    gate2(&p, true);
    at(&p, 33);
    assert_false(out2(&p));
    gate2(&p, false);
    at(&p, 34);
    assert_true(out2(&p));
    pit_close(&p);
}

static void mode5_hardware_strobe(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 2, 5, 0);
    count(&p, 2, 3);
    at(&p, 100);
    assert_true(out2(&p));
    gate2(&p, true);
    at(&p, 103);
    assert_true(out2(&p));
    at(&p, 104);
    assert_false(out2(&p));
    at(&p, 105);
    assert_true(out2(&p));
    at(&p, 70000);
    assert_true(out2(&p));
    gate2(&p, false);
    gate2(&p, true);
    at(&p, 70002);
    gate2(&p, false);
    gate2(&p, true); /* retriggered: loaded again at 70003 */
    at(&p, 70005);
    assert_true(out2(&p));
    at(&p, 70006);
    assert_false(out2(&p));
    pit_close(&p);
}

static void modes_6_and_7_are_2_and_3(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 6, 0);
    count(&p, 0, 5);
    at(&p, 5);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 6);
    assert_true(i8254_out(p.dev, 0));
    control(&p, 0, 7, 0);
    assert_int_equal(status(&p, 0), 0x80 | 0x40 | 0x30 | 7 << 1);
    pit_close(&p);
}

static void bcd(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 0, 1);
    count(&p, 0, 0x1000);
    at(&p, 2);
    assert_int_equal(read_ce(&p, 0), 0x0999);
    at(&p, 1000);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 1001);
    assert_true(i8254_out(p.dev, 0));
    at(&p, 1002);
    assert_int_equal(read_ce(&p, 0), 0x9999);
    control(&p, 0, 2, 1);
    count(&p, 0, 0); /* ten thousand */
    p.base = 1003;
    at(&p, 1);
    assert_int_equal(read_ce(&p, 0), 0x9999);
    at(&p, 9999);
    assert_false(i8254_out(p.dev, 0));
    at(&p, 10000);
    assert_true(i8254_out(p.dev, 0));
    pit_close(&p);
}

static void byte_modes(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    outb(&p.r, CTL, 0x14 | 0); /* counter 0, LSB only, mode 2 */
    outb(&p.r, C0, 0x20);
    at(&p, 3);
    assert_int_equal(inb(&p.r, C0), 0x1e);
    assert_int_equal(inb(&p.r, C0), 0x1e);
    outb(&p.r, CTL, 0x64); /* counter 1, MSB only, mode 2 */
    outb(&p.r, C1, 0x20);
    at(&p, 4);
    assert_int_equal(inb(&p.r, C1), 0x20);
    at(&p, 5);
    assert_int_equal(inb(&p.r, C1), 0x1f);
    assert_int_equal(inb(&p.r, CTL), 0xff);
    pit_close(&p);
}

static void latches(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 2, 0);
    count(&p, 0, 0x1234);
    at(&p, 2);
    outb(&p.r, CTL, 0x00);
    at(&p, 100);
    outb(&p.r, CTL, 0x00); /* ignored until the first was read */
    assert_int_equal(inb(&p.r, C0), 0x33);
    assert_int_equal(inb(&p.r, C0), 0x12);
    assert_int_equal(inb(&p.r, C0), 0x1235 - 100 - (0x11 << 8));
    assert_int_equal(inb(&p.r, C0), 0x11);
    pit_close(&p);
}

static void read_back(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 2, 0);
    control(&p, 2, 0, 1);
    count(&p, 0, 0x1000);
    at(&p, 2);
    outb(&p.r, CTL, 0xc0 | 0x0a); /* count and status of 0 and 2 */
    at(&p, 50);
    assert_int_equal(inb(&p.r, C0), 0x80 | 0x30 | 2 << 1);
    assert_int_equal(inb(&p.r, C0), 0xff);
    assert_int_equal(inb(&p.r, C0), 0x0f);
    assert_int_equal(inb(&p.r, C2), 0x40 | 0x30 | 1); /* null, BCD */
    outb(&p.r, CTL, 0xd0 | 0x02);                     /* count alone */
    assert_int_equal(inb(&p.r, C0), 0x1001 - 50 - 0xf00);
    assert_int_equal(inb(&p.r, C0), 0x0f);
    pit_close(&p);
}

static void port61(void **state)
{
    struct pit p;
    unsigned toggles = 0, was;

    (void)state;
    pit_open(&p);
    outb(&p.r, P61, 0xff);
    assert_int_equal(inb(&p.r, P61) & 0x0f, 0x0f);
    outb(&p.r, P61, 0x02);
    assert_int_equal(inb(&p.r, P61) & 0x0f, 0x02);
    was = inb(&p.r, P61) & 0x10;
    for (unsigned t = 1; t <= 180; t++) {
        unsigned is;
        at(&p, t);
        is = inb(&p.r, P61) & 0x10;
        toggles += is != was;
        was = is;
    }
    assert_int_equal(toggles, 10); /* each 15.086 us */
    pit_close(&p);
}

static void late_timers_lose_no_edge(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    control(&p, 0, 2, 0);
    count(&p, 0, 1000);
    p.r.now = i8254_ns_of_ticks(1 + 50 * 1000 + 7);
    clock_run(&p.r.clock);
    assert_int_equal(p.r.pin[0].rises, 51);
    assert_int_equal(read_ce(&p, 0), 993);
    /* A day later the edges are gone, the phase is not. */
    p.r.now = i8254_ns_of_ticks(1 + 86400ull * 1193000 + 7);
    clock_run(&p.r.clock);
    assert_int_equal(read_ce(&p, 0), 993);
    assert_true(p.r.pin[0].rises < 3000);
    pit_close(&p);
}

static void illegal_counts_do_no_harm(void **state)
{
    struct pit p;

    (void)state;
    pit_open(&p);
    for (unsigned mode = 0; mode < 6; mode++) {
        control(&p, 0, mode, mode & 1);
        count(&p, 0, mode & 1 ? 0xffff : 1);
        rig_run(&p.r, 1000000);
        control(&p, 0, mode, 0);
        count(&p, 0, 1);
        rig_run(&p.r, 1000000);
    }
    pit_close(&p);
}

static void two_instances_and_a_copy(void **state)
{
    struct pit a, b;

    (void)state;
    pit_open(&a);
    pit_open(&b);
    control(&a, 0, 3, 0);
    count(&a, 0, 501);
    at(&a, 1234);
    at(&b, 1234);
    rig_copy_device(a.dev, b.dev);
    b.r.pin[0] = a.r.pin[0];
    rig_check_dump(a.dev, b.dev);
    at(&a, 9999);
    at(&b, 9999);
    assert_memory_equal(&a.r.pin[0], &b.r.pin[0], sizeof(a.r.pin[0]));
    assert_int_equal(read_ce(&a, 0), read_ce(&b, 0));
    a.dev->class->reset(a.dev);
    assert_int_equal(clock_next(&a.r.clock), CLOCK_NEVER);
    assert_true(clock_next(&b.r.clock) != CLOCK_NEVER);
    pit_close(&a);
    pit_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_has_no_drift),
        cmocka_unit_test(mode0_out_rises_n_plus_1_after_the_write),
        cmocka_unit_test(mode0_new_count_and_first_byte),
        cmocka_unit_test(mode0_gate_suspends),
        cmocka_unit_test(mode1_one_shot),
        cmocka_unit_test(mode1_retrigger_and_new_count),
        cmocka_unit_test(mode2_rate_generator),
        cmocka_unit_test(mode2_new_count_waits_for_the_period),
        cmocka_unit_test(mode2_gate),
        cmocka_unit_test(mode2_keeps_its_deadlines_for_hours),
        cmocka_unit_test(mode3_square_wave),
        cmocka_unit_test(mode3_counts_by_two),
        cmocka_unit_test(mode3_new_count_at_half_and_gate),
        cmocka_unit_test(mode3_of_65536_is_the_bios_tick),
        cmocka_unit_test(mode4_software_strobe),
        cmocka_unit_test(mode4_is_retriggered_by_a_new_count),
        cmocka_unit_test(mode4_gate_stops_the_count_not_the_strobe),
        cmocka_unit_test(mode5_hardware_strobe),
        cmocka_unit_test(modes_6_and_7_are_2_and_3),
        cmocka_unit_test(bcd),
        cmocka_unit_test(byte_modes),
        cmocka_unit_test(latches),
        cmocka_unit_test(read_back),
        cmocka_unit_test(port61),
        cmocka_unit_test(late_timers_lose_no_edge),
        cmocka_unit_test(illegal_counts_do_no_harm),
        cmocka_unit_test(two_instances_and_a_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
