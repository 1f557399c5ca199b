/* The local APIC: timer to the nanosecond, priorities, messages, EOI. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/lapic.h"

enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    IRR = 0x200,
    ESR = 0x280,
    ICR_LOW = 0x300,
    ICR_HIGH = 0x310,
    LVT_TIMER = 0x320,
    LVT_LINT0 = 0x350,
    LVT_LINT1 = 0x360,
    LVT_ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
};

#define MASKED   0x10000u
#define PERIODIC 0x20000u
#define DIVIDE_1 0xbu

struct apic {
    struct rig r;
    struct device *dev;
    unsigned eois;
    uint8_t eoi_vector;
};

static void on_eoi(void *opaque, uint8_t vector)
{
    struct apic *a = opaque;

    a->eois++;
    a->eoi_vector = vector;
}

static void wr(struct apic *a, unsigned reg, uint32_t value)
{
    bus_write(&a->r.bus, IO_MEM, LAPIC_BASE + reg, 4, value);
}

static uint32_t rd(struct apic *a, unsigned reg)
{
    return (uint32_t)bus_read(&a->r.bus, IO_MEM, LAPIC_BASE + reg, 4);
}

static struct device *make(struct apic *a, const char *name)
{
    return rig_device(&a->r, &lapic_class,
                      &(struct device_cfg){.name = name,
                                           .base = LAPIC_BASE,
                                           .irq = {rig_pin(&a->r, 0)}});
}

static void apic_open(struct apic *a)
{
    *a = (struct apic){0};
    rig_init(&a->r);
    a->dev = make(a, "lapic");
    lapic_connect(a->dev, (struct lapic_eoi){on_eoi, a});
}

static void apic_enable(struct apic *a)
{
    apic_open(a);
    wr(a, SVR, 0x1ff);
}

static bool fixed(struct apic *a, uint8_t vector, bool level)
{
    struct apic_msg msg = {.vector = vector, .level = level};

    return lapic_accept(a->dev, &msg);
}

static void test_reset(void **state)
{
    struct apic a;

    (void)state;
    apic_open(&a);
    assert_int_equal(rd(&a, VERSION), 0x00050014);
    assert_int_equal(rd(&a, ID), 0);
    assert_int_equal(rd(&a, SVR), 0xff);
    assert_int_equal(rd(&a, DFR), 0xffffffff);
    assert_int_equal(rd(&a, LVT_TIMER), MASKED);
    assert_int_equal(lapic_get_base(a.dev), 0xfee00900);
    /* Disabled: vectors are not taken, the 8259A passes through. */
    assert_false(fixed(&a, 0x40, false));
    assert_false(lapic_pending(a.dev));
    lapic_set_lint(a.dev, 0, true);
    assert_true(lapic_pending(a.dev) && lapic_wants_extint(a.dev));
    assert_int_equal(lapic_ack(a.dev), -1);
    device_destroy(a.dev);
}

static void test_one_shot(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    wr(&a, DIVIDE, DIVIDE_1);
    wr(&a, LVT_TIMER, 0x40);
    rig_run(&a.r, 12345);
    wr(&a, INITIAL, 1000);
    assert_int_equal(clock_next(&a.r.clock), 12345 + 1000);
    rig_run(&a.r, 999);
    assert_int_equal(rd(&a, CURRENT), 1);
    assert_false(lapic_pending(a.dev));
    rig_run(&a.r, 1);
    assert_true(lapic_pending(a.dev));
    assert_int_equal(rd(&a, CURRENT), 0);
    assert_int_equal(lapic_ack(a.dev), 0x40);
    rig_run(&a.r, 100000);
    assert_false(lapic_pending(a.dev));
    assert_int_equal(clock_next(&a.r.clock), CLOCK_NEVER);
    device_destroy(a.dev);
}

static void test_periodic(void **state)
{
    static const struct {
        uint32_t code, ns;
    } divide[] = {{0xb, 1},  {0x0, 2},  {0x1, 4},  {0x2, 8},
                  {0x3, 16}, {0x8, 32}, {0x9, 64}, {0xa, 128}};
    struct apic a;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(divide); i++) {
        uint64_t period = 1000 * divide[i].ns, start;
        apic_enable(&a);
        rig_run(&a.r, 777);
        start = a.r.now;
        wr(&a, DIVIDE, divide[i].code);
        assert_int_equal(rd(&a, DIVIDE), divide[i].code);
        wr(&a, LVT_TIMER, PERIODIC | 0x50);
        wr(&a, INITIAL, 1000);
        for (unsigned n = 1; n <= 50; n++) {
            assert_int_equal(clock_next(&a.r.clock), start + n * period);
            rig_run_to(&a.r, start + n * period);
            assert_int_equal(lapic_ack(a.dev), 0x50);
            assert_int_equal(rd(&a, CURRENT), 1000);
            wr(&a, EOI, 0);
            assert_false(lapic_pending(a.dev));
        }
        device_destroy(a.dev);
    }
}

/* A late clock skips periods and keeps the phase. */
static void test_periodic_late(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    wr(&a, DIVIDE, DIVIDE_1);
    wr(&a, LVT_TIMER, PERIODIC | 0x50);
    wr(&a, INITIAL, 1000);
    a.r.now = 5300;
    clock_run(&a.r.clock);
    assert_int_equal(lapic_ack(a.dev), 0x50);
    assert_int_equal(rd(&a, CURRENT), 700);
    assert_int_equal(clock_next(&a.r.clock), 6000);
    device_destroy(a.dev);
}

static void test_timer_changes(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    wr(&a, DIVIDE, DIVIDE_1);
    wr(&a, INITIAL, 1000); /* masked: counts, does not fire */
    assert_int_equal(clock_next(&a.r.clock), CLOCK_NEVER);
    rig_run(&a.r, 400);
    assert_int_equal(rd(&a, CURRENT), 600);
    wr(&a, DIVIDE, 0); /* divide by 2 from here */
    rig_run(&a.r, 200);
    assert_int_equal(rd(&a, CURRENT), 500);
    wr(&a, LVT_TIMER, 0x33);
    assert_int_equal(clock_next(&a.r.clock), 600 + 1000);
    wr(&a, INITIAL, 0); /* stops */
    assert_int_equal(clock_next(&a.r.clock), CLOCK_NEVER);
    assert_int_equal(rd(&a, CURRENT), 0);
    /* An expiry that is due is not lost by a write that comes before it. */
    wr(&a, INITIAL, 10);
    a.r.now += 100;
    wr(&a, DIVIDE, DIVIDE_1);
    assert_true(lapic_pending(a.dev));
    device_destroy(a.dev);
}

static void test_priorities(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    fixed(&a, 0x41, false);
    fixed(&a, 0x92, false);
    fixed(&a, 0x95, false);
    assert_int_equal(lapic_ack(a.dev), 0x95);
    assert_int_equal(rd(&a, PPR), 0x90);
    assert_false(lapic_pending(a.dev)); /* 92h: same class as 95h */
    fixed(&a, 0xa1, false);
    assert_int_equal(lapic_ack(a.dev), 0xa1); /* nests */
    wr(&a, EOI, 0);
    assert_false(lapic_pending(a.dev));
    wr(&a, EOI, 0);
    assert_int_equal(lapic_ack(a.dev), 0x92);
    wr(&a, EOI, 0);
    wr(&a, TPR, 0x40);
    assert_false(lapic_pending(a.dev));
    assert_int_equal(lapic_get_cr8(a.dev), 4);
    lapic_set_cr8(a.dev, 3);
    assert_int_equal(rd(&a, TPR), 0x30);
    assert_int_equal(lapic_ack(a.dev), 0x41);
    assert_int_equal(rd(&a, ISR + 0x20), BIT(1));
    wr(&a, EOI, 0);
    assert_int_equal(rd(&a, ISR + 0x20), 0);
    wr(&a, EOI, 0); /* nothing in service: nothing happens */
    assert_int_equal(a.eois, 0);
    device_destroy(a.dev);
}

static void test_level_eoi(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    fixed(&a, 0x61, true);
    assert_int_equal(lapic_ack(a.dev), 0x61);
    assert_int_equal(a.eois, 0);
    wr(&a, EOI, 0);
    assert_int_equal(a.eois, 1);
    assert_int_equal(a.eoi_vector, 0x61);
    fixed(&a, 0x61, false); /* edge now: TMR bit goes */
    lapic_ack(a.dev);
    wr(&a, EOI, 0);
    assert_int_equal(a.eois, 1);
    device_destroy(a.dev);
}

static void test_destinations(void **state)
{
    struct apic_msg msg = {.vector = 0x40};
    struct apic a;

    (void)state;
    apic_enable(&a);
    msg.dest = 1;
    assert_false(lapic_accept(a.dev, &msg));
    msg.dest = 0xff;
    assert_true(lapic_accept(a.dev, &msg));
    msg.logical = true;
    msg.dest = 0x02;
    assert_false(lapic_accept(a.dev, &msg));
    wr(&a, LDR, 0x02000000);
    assert_true(lapic_accept(a.dev, &msg));
    wr(&a, DFR, 0x0fffffff); /* cluster model */
    wr(&a, LDR, 0x31000000);
    msg.dest = 0x31;
    assert_true(lapic_accept(a.dev, &msg));
    msg.dest = 0x21;
    assert_false(lapic_accept(a.dev, &msg));
    msg.dest = 0x32;
    assert_false(lapic_accept(a.dev, &msg));
    device_destroy(a.dev);
}

static void test_ipi(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    wr(&a, ICR_LOW, 0x40000 | 0x77); /* self */
    assert_int_equal(lapic_ack(a.dev), 0x77);
    wr(&a, EOI, 0);
    wr(&a, ICR_LOW, 0xc0000 | 0x78); /* all but self: nobody */
    assert_false(lapic_pending(a.dev));
    wr(&a, ICR_HIGH, 0);
    wr(&a, ICR_LOW, 0x79); /* physical, APIC 0 */
    assert_int_equal(lapic_ack(a.dev), 0x79);
    wr(&a, ICR_HIGH, 5u << 24);
    wr(&a, ICR_LOW, 0x4500); /* INIT to an absent processor */
    wr(&a, ICR_LOW, 0x4608); /* start-up */
    assert_int_equal(rd(&a, ICR_LOW) & BIT(12), 0);
    wr(&a, ICR_LOW, 0x40400); /* NMI to self */
    assert_int_equal(a.r.pin[0].rises, 1);
    device_destroy(a.dev);
}

static void test_errors(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    wr(&a, LVT_ERROR, 0xfe);
    wr(&a, ICR_LOW, 0x40000 | 0x05);
    assert_int_equal(lapic_ack(a.dev), 0xfe);
    assert_int_equal(rd(&a, ESR), 0);
    wr(&a, ESR, 0);
    assert_int_equal(rd(&a, ESR), BIT(5));
    wr(&a, ESR, 0);
    assert_int_equal(rd(&a, ESR), 0);
    wr(&a, LVT_ERROR, 0x05); /* illegal itself: no endless recursion */
    fixed(&a, 3, false);
    wr(&a, ESR, 0);
    assert_int_equal(rd(&a, ESR), BIT(6));
    device_destroy(a.dev);
}

static void test_lint(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    assert_int_equal(rd(&a, LVT_LINT0), 0x700);
    wr(&a, LVT_LINT1, 0x400);
    lapic_set_lint(a.dev, 1, true);
    lapic_set_lint(a.dev, 1, true);
    assert_int_equal(a.r.pin[0].rises, 1);
    lapic_set_lint(a.dev, 0, true);
    assert_true(lapic_wants_extint(a.dev));
    wr(&a, LVT_LINT0, MASKED | 0x700);
    assert_false(lapic_pending(a.dev));
    lapic_set_lint(a.dev, 0, false);
    wr(&a, LVT_LINT0, 0x8044); /* fixed, level */
    lapic_set_lint(a.dev, 0, true);
    assert_int_equal(lapic_ack(a.dev), 0x44);
    assert_int_equal(rd(&a, LVT_LINT0) & BIT(14), BIT(14));
    wr(&a, EOI, 0); /* still asserted: comes again */
    assert_int_equal(lapic_ack(a.dev), 0x44);
    lapic_set_lint(a.dev, 0, false);
    wr(&a, EOI, 0);
    assert_false(lapic_pending(a.dev));
    device_destroy(a.dev);
}

static void test_disable(void **state)
{
    struct apic a;

    (void)state;
    apic_enable(&a);
    wr(&a, LVT_TIMER, 0x40);
    wr(&a, SVR, 0xff);
    assert_int_equal(rd(&a, LVT_TIMER), MASKED | 0x40);
    wr(&a, LVT_TIMER, 0x41); /* the mask sticks */
    assert_int_equal(rd(&a, LVT_TIMER), MASKED | 0x41);
    lapic_set_base(a.dev, 0xfee00100);
    assert_null(bus_find(&a.r.bus, IO_MEM, LAPIC_BASE));
    lapic_set_lint(a.dev, 0, true); /* LINT0 is INTR */
    assert_true(lapic_pending(a.dev));
    lapic_set_base(a.dev, 0xfed00900);
    assert_int_equal(bus_read(&a.r.bus, IO_MEM, 0xfed00030, 4), 0x50014);
    device_destroy(a.dev);
}

static void test_snap(void **state)
{
    struct apic a, b;

    (void)state;
    apic_enable(&a);
    apic_open(&b);
    wr(&a, DIVIDE, DIVIDE_1);
    wr(&a, LVT_TIMER, PERIODIC | 0x60);
    wr(&a, INITIAL, 500);
    fixed(&a, 0x90, true);
    lapic_ack(a.dev);
    rig_run(&a.r, 1234);
    rig_run(&b.r, 1234);
    rig_copy_device(a.dev, b.dev);
    rig_check_dump(a.dev, b.dev);
    assert_int_equal(clock_next(&b.r.clock), 1500);
    wr(&b, EOI, 0);
    assert_int_equal(b.eoi_vector, 0x90);
    device_destroy(a.dev);
    device_destroy(b.dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_one_shot),
        cmocka_unit_test(test_periodic),
        cmocka_unit_test(test_periodic_late),
        cmocka_unit_test(test_timer_changes),
        cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_level_eoi),
        cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_ipi),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_lint),
        cmocka_unit_test(test_disable),
        cmocka_unit_test(test_snap),
    };

    return cmocka_run_group_tests_name("lapic", tests, NULL, NULL);
}
