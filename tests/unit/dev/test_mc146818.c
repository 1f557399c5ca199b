/* The RTC: time, roll-over, formats, alarm, the three interrupts, CMOS. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/mc146818.h"

#include <stdio.h>

enum { S, SA, M, MA, H, HA, DOW, DOM, MON, YR, A, B, C, D, CENT = 0x32 };
enum { PIE = 0x40, AIE = 0x20, UIE = 0x10, SET = 0x80, DM = 0x04, H24 = 0x02 };

#define SEC CLOCK_SECOND
#define MS  1000000ull

struct rtc {
    struct rig r;
    struct device *dev;
};

static void rtc_open(struct rtc *c, uint64_t epoch)
{
    rig_init(&c->r);
    c->dev = rig_device(&c->r, &mc146818_class,
                        &(struct device_cfg){.name = "rtc",
                                             .irq = {rig_pin(&c->r, 8)},
                                             .arg = epoch});
}

static void rtc_close(struct rtc *c)
{
    device_destroy(c->dev);
}

static unsigned rd(struct rtc *c, unsigned reg)
{
    outb(&c->r, 0x70, reg);
    return inb(&c->r, 0x71);
}

static void wr(struct rtc *c, unsigned reg, unsigned value)
{
    outb(&c->r, 0x70, reg);
    outb(&c->r, 0x71, value);
}

static bool irq(const struct rtc *c)
{
    return c->r.pin[8].level;
}

/* TEXT: "ccyy-mm-dd hh:mm:ss" as the registers' hexadecimal digits. */
static void check(struct rtc *c, const char *text)
{
    char is[32];

    snprintf(is, sizeof(is), "%02x%02x-%02x-%02x %02x:%02x:%02x", rd(c, CENT),
             rd(c, YR), rd(c, MON), rd(c, DOM), rd(c, H), rd(c, M), rd(c, S));
    assert_string_equal(is, text);
}

static void time_starts_at_the_epoch_given(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 1700000000); /* Tuesday 2023-11-14 22:13:20 */
    check(&c, "2023-11-14 22:13:20");
    assert_int_equal(rd(&c, DOW), 3);
    assert_int_equal(rd(&c, A), 0x26);
    assert_int_equal(rd(&c, B), 0x02);
    assert_int_equal(rd(&c, D), 0x80);
    assert_int_equal(inb(&c.r, 0x70), 0xff);
    c.r.now = SEC - 1;
    assert_int_equal(rd(&c, S), 0x20);
    c.r.now = SEC;
    assert_int_equal(rd(&c, S), 0x21);
    c.r.now = 7000 * SEC + 5;
    check(&c, "2023-11-15 00:10:00");
    assert_int_equal(rd(&c, DOW), 4);
    assert_int_equal(clock_next(&c.r.clock), CLOCK_NEVER);
    rtc_close(&c);
}

static void roll_over(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 946684799); /* 1999-12-31 23:59:59 */
    check(&c, "1999-12-31 23:59:59");
    assert_int_equal(rd(&c, DOW), 6);
    c.r.now = SEC;
    check(&c, "2000-01-01 00:00:00");
    assert_int_equal(rd(&c, DOW), 7);
    c.r.now = (59ull * 86400 + 1) * SEC; /* 2000 is a leap year */
    check(&c, "2000-02-29 00:00:00");
    c.r.now += 86400 * SEC;
    check(&c, "2000-03-01 00:00:00");
    rtc_close(&c);
    rtc_open(&c, 1677628799); /* 2023-02-28 23:59:59 */
    c.r.now = SEC;
    check(&c, "2023-03-01 00:00:00");
    rtc_close(&c);
}

static void update_in_progress(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    assert_int_equal(rd(&c, A), 0x26);
    c.r.now = SEC - 2228001;
    assert_int_equal(rd(&c, A), 0x26);
    c.r.now = SEC - 2228000;
    assert_int_equal(rd(&c, A), 0xa6);
    c.r.now = SEC - 1;
    assert_int_equal(rd(&c, A), 0xa6);
    c.r.now = SEC;
    assert_int_equal(rd(&c, A), 0x26);
    wr(&c, B, SET | H24);
    c.r.now = 2 * SEC - 1;
    assert_int_equal(rd(&c, A), 0x26); /* none while SET */
    rtc_close(&c);
}

static void binary_and_12_hours(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    wr(&c, B, SET | DM); /* binary, 12 hours */
    wr(&c, S, 59);
    wr(&c, M, 59);
    wr(&c, H, 11); /* 11 am */
    wr(&c, B, DM);
    c.r.now = 1 * SEC;
    assert_int_equal(rd(&c, H), 0x80 | 12); /* noon */
    assert_int_equal(rd(&c, M), 0);
    c.r.now += 3600 * SEC;
    assert_int_equal(rd(&c, H), 0x81);
    c.r.now += 39600 * SEC;
    assert_int_equal(rd(&c, H), 12); /* midnight */
    assert_int_equal(rd(&c, DOM), 2);
    wr(&c, B, SET);
    wr(&c, H, 0x92); /* BCD 12 pm */
    wr(&c, M, 0x59);
    wr(&c, S, 0x59);
    wr(&c, B, 0);
    c.r.now += SEC;
    assert_int_equal(rd(&c, H), 0x81);
    assert_int_equal(rd(&c, S), 0x00);
    rtc_close(&c);
}

static void set_holds_the_time(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    wr(&c, B, H24 | UIE);
    wr(&c, B, H24 | UIE | SET);
    assert_int_equal(rd(&c, B), H24 | SET); /* SET clears UIE */
    c.r.now = 10 * SEC + 300 * MS;
    assert_int_equal(rd(&c, S), 0x00);
    wr(&c, S, 0x30);
    wr(&c, B, H24);
    assert_int_equal(rd(&c, S), 0x30);
    c.r.now = 11 * SEC; /* the divider went on */
    assert_int_equal(rd(&c, S), 0x31);
    rtc_close(&c);
}

static void divider_reset_starts_half_a_second_early(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    c.r.now = 100 * MS;
    wr(&c, A, 0x76);
    c.r.now = 5 * SEC;
    assert_int_equal(rd(&c, S), 0x00);
    c.r.now = 5 * SEC + 250 * MS;
    wr(&c, A, 0x26);
    c.r.now += 500 * MS - 1;
    assert_int_equal(rd(&c, S), 0x00);
    assert_int_equal(rd(&c, A), 0xa6);
    c.r.now += 1;
    assert_int_equal(rd(&c, S), 0x01);
    c.r.now += SEC;
    assert_int_equal(rd(&c, S), 0x02);
    rtc_close(&c);
}

/* At power-on, so that the phase lies before it. */
static void divider_reset_at_once(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    wr(&c, A, 0x76);
    wr(&c, A, 0x26);
    wr(&c, B, H24 | UIE);
    rig_run_to(&c.r, 500 * MS - 1);
    assert_false(irq(&c));
    rig_run_to(&c.r, 500 * MS);
    assert_true(irq(&c));
    assert_int_equal(rd(&c, S), 1);
    rtc_close(&c);
}

static void update_ended_interrupt(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    wr(&c, B, H24 | UIE);
    rig_run_to(&c.r, SEC - 1);
    assert_false(irq(&c));
    rig_run_to(&c.r, SEC);
    assert_true(irq(&c));
    assert_int_equal(c.r.pin[8].rose_at, SEC);
    rig_run_to(&c.r, 5 * SEC);
    assert_int_equal(c.r.pin[8].rises, 1); /* until C is read */
    assert_int_equal(rd(&c, C) & 0x90, 0x90);
    assert_false(irq(&c));
    assert_int_equal(rd(&c, C), 0);
    rig_run_to(&c.r, 6 * SEC);
    assert_int_equal(c.r.pin[8].rises, 2);
    wr(&c, B, H24); /* disabling lowers the pin, not the flag */
    assert_false(irq(&c));
    assert_int_equal(rd(&c, C) & 0x90, 0x10);
    rtc_close(&c);
}

static void periodic_interrupt_rates(void **state)
{
    static const unsigned hz[] = {1,   256, 128, 8192, 4096, 2048, 1024, 512,
                                  256, 128, 64,  32,   16,   8,    4,    2};

    (void)state;
    for (unsigned rs = 1; rs < 16; rs++) {
        struct rtc c;
        unsigned count = 0;
        rtc_open(&c, 0);
        wr(&c, A, 0x20 | rs);
        wr(&c, B, H24 | PIE);
        while (clock_next(&c.r.clock) <= SEC) {
            c.r.now = clock_next(&c.r.clock);
            clock_run(&c.r.clock);
            assert_true(irq(&c));
            assert_int_equal(rd(&c, C) & 0xc0, 0xc0);
            count++;
            assert_int_equal(c.r.now, (count * SEC + hz[rs] - 1) / hz[rs]);
        }
        assert_int_equal(count, hz[rs]);
        rtc_close(&c);
    }
}

static void flags_without_interrupts(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    wr(&c, SA, 0x59);
    assert_int_equal(rd(&c, C), 0);
    c.r.now = 2 * MS;
    assert_int_equal(rd(&c, C), 0x40); /* 1024 Hz went by */
    c.r.now = SEC;
    assert_int_equal(rd(&c, C), 0x50);
    assert_false(irq(&c));
    wr(&c, A, 0x20);
    c.r.now = SEC + 500 * MS;
    assert_int_equal(rd(&c, C), 0x00); /* rate 0: none */
    rtc_close(&c);
}

static void alarm(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    wr(&c, SA, 0x30);
    wr(&c, MA, 0x01);
    wr(&c, HA, 0x00);
    wr(&c, B, H24 | AIE);
    rig_run_to(&c.r, 90 * SEC - 1);
    assert_false(irq(&c));
    rig_run_to(&c.r, 90 * SEC);
    assert_true(irq(&c));
    assert_int_equal(rd(&c, C) & 0xa0, 0xa0);
    rig_run_to(&c.r, 86490 * SEC - 1);
    assert_false(irq(&c));
    rig_run_to(&c.r, 86490 * SEC);
    assert_true(irq(&c));
    rd(&c, C);
    wr(&c, MA, 0xff); /* every minute */
    wr(&c, HA, 0xc0);
    rig_run_to(&c.r, 86550 * SEC);
    assert_true(irq(&c));
    assert_int_equal(c.r.pin[8].rose_at, 86550 * SEC);
    rtc_close(&c);
}

static void memory_sizes(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    mc146818_set_memory(c.dev, 32ull << 20);
    assert_int_equal(rd(&c, 0x15) | rd(&c, 0x16) << 8, 640);
    assert_int_equal(rd(&c, 0x17) | rd(&c, 0x18) << 8, 31 * 1024);
    assert_int_equal(rd(&c, 0x30) | rd(&c, 0x31) << 8, 31 * 1024);
    assert_int_equal(rd(&c, 0x34) | rd(&c, 0x35) << 8, 256);
    mc146818_set_memory(c.dev, 3ull << 30);
    assert_int_equal(rd(&c, 0x17) | rd(&c, 0x18) << 8, 0xffff);
    assert_int_equal(rd(&c, 0x34) | rd(&c, 0x35) << 8, 49152 - 256);
    mc146818_set_byte(c.dev, 0x14, 0x0d);
    assert_int_equal(mc146818_get_byte(c.dev, 0x14), 0x0d);
    assert_int_equal(rd(&c, 0x2e) << 8 | rd(&c, 0x2f),
                     0x0d + 0x80 + 0x02 + 0xff + 0xff);
    rtc_close(&c);
}

static void memory_and_nmi_bit(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    for (unsigned i = 0x0e; i < 0x80; i++)
        if (i != CENT)
            wr(&c, i, i ^ 0x5a);
    for (unsigned i = 0x0e; i < 0x80; i++)
        if (i != CENT)
            assert_int_equal(rd(&c, i | 0x80), i ^ 0x5a);
    rtc_close(&c);
}

static void garbage_does_no_harm(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    for (unsigned i = 0; i < 10; i++)
        wr(&c, i, 0xff);
    c.r.now = SEC;
    check(&c, "2000-01-01 00:00:00");
    rtc_close(&c);
}

static void reset_keeps_time_and_memory(void **state)
{
    struct rtc c;

    (void)state;
    rtc_open(&c, 0);
    wr(&c, 0x40, 0x77);
    wr(&c, B, H24 | UIE | PIE | AIE | 0x08);
    rig_run_to(&c.r, 61 * SEC);
    assert_true(irq(&c));
    c.dev->class->reset(c.dev);
    assert_false(irq(&c));
    assert_int_equal(rd(&c, B), H24);
    assert_int_equal(rd(&c, C), 0);
    assert_int_equal(rd(&c, M), 0x01);
    assert_int_equal(rd(&c, S), 0x01);
    assert_int_equal(rd(&c, 0x40), 0x77);
    rtc_close(&c);
}

static void two_instances_and_a_copy(void **state)
{
    struct rtc a, b;

    (void)state;
    rtc_open(&a, 1000000000);
    rtc_open(&b, 0);
    wr(&a, B, H24 | PIE);
    rig_run_to(&a.r, 12345678901);
    rig_run_to(&b.r, 12345678901);
    rd(&a, C);
    assert_false(irq(&b));
    rig_copy_device(a.dev, b.dev);
    rig_check_dump(a.dev, b.dev);
    assert_int_equal(clock_next(&a.r.clock), clock_next(&b.r.clock));
    rig_run(&b.r, SEC);
    assert_true(irq(&b));
    assert_int_equal(rd(&b, S), 0x53); /* 01:46:40 and 13 s */
    rtc_close(&a);
    rtc_close(&b);
}

static void a_copy_keeps_the_phase(void **state)
{
    struct rtc a, b;

    (void)state;
    rtc_open(&a, 0);
    rtc_open(&b, 0);
    a.r.now = b.r.now = 700 * MS;
    wr(&a, A, 0x76);
    wr(&a, A, 0x26);
    rig_copy_device(a.dev, b.dev);
    b.r.now = 1200 * MS - 1;
    assert_int_equal(rd(&b, S), 0);
    b.r.now = 1200 * MS;
    assert_int_equal(rd(&b, S), 1);
    rtc_close(&a);
    rtc_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_starts_at_the_epoch_given),
        cmocka_unit_test(roll_over),
        cmocka_unit_test(update_in_progress),
        cmocka_unit_test(binary_and_12_hours),
        cmocka_unit_test(set_holds_the_time),
        cmocka_unit_test(divider_reset_starts_half_a_second_early),
        cmocka_unit_test(divider_reset_at_once),
        cmocka_unit_test(update_ended_interrupt),
        cmocka_unit_test(periodic_interrupt_rates),
        cmocka_unit_test(flags_without_interrupts),
        cmocka_unit_test(alarm),
        cmocka_unit_test(memory_sizes),
        cmocka_unit_test(memory_and_nmi_bit),
        cmocka_unit_test(garbage_does_no_harm),
        cmocka_unit_test(reset_keeps_time_and_memory),
        cmocka_unit_test(two_instances_and_a_copy),
        cmocka_unit_test(a_copy_keeps_the_phase),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
