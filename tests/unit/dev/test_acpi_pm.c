/* ACPI fixed hardware: the timer's rate, its interrupt, mode and power off. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/acpi_pm.h"

enum { STS = 0x600, EN = 0x602, CNT = 0x604, TMR = 0x608, SCI = 0, OFF = 1 };

struct pm {
    struct rig r;
    struct device *dev;
};

static void pm_open(struct pm *p)
{
    rig_init(&p->r);
    p->dev = rig_device(&p->r, &acpi_pm_class,
                        &(struct device_cfg){
                            .name = "pm",
                            .base = ACPI_PM_BASE,
                            .irq = {rig_pin(&p->r, SCI), rig_pin(&p->r, OFF)}});
}

static uint32_t in(struct pm *p, unsigned port, unsigned size)
{
    return (uint32_t)bus_read(&p->r.bus, IO_PORT, port, size);
}

static void out(struct pm *p, unsigned port, unsigned size, uint32_t value)
{
    bus_write(&p->r.bus, IO_PORT, port, size, value);
}

static void test_timer(void **state)
{
    struct pm p;

    (void)state;
    pm_open(&p);
    assert_int_equal(in(&p, TMR, 4), 0);
    rig_run_to(&p.r, CLOCK_SECOND);
    assert_int_equal(in(&p, TMR, 4), 3579545);
    rig_run_to(&p.r, 3600 * CLOCK_SECOND + CLOCK_SECOND / 2);
    assert_int_equal(in(&p, TMR, 4),
                     (uint32_t)(3600ull * 3579545 + 3579545 / 2));
    device_destroy(p.dev);
}

static void test_timer_interrupt(void **state)
{
    uint64_t half = ((1ull << 31) * CLOCK_SECOND + 3579544) / 3579545;
    struct pm p;

    (void)state;
    pm_open(&p);
    out(&p, EN, 2, 1);
    rig_run_to(&p.r, half - 1);
    assert_int_equal(in(&p, STS, 2), 0);
    rig_run_to(&p.r, half);
    assert_int_equal(in(&p, TMR, 4), 0x80000000);
    assert_int_equal(in(&p, STS, 2), 1);
    assert_false(p.r.pin[SCI].level); /* legacy mode: no SCI */
    outb(&p.r, ACPI_SMI_CMD, ACPI_ENABLE);
    assert_int_equal(in(&p, CNT, 2) & 1, 1);
    assert_true(p.r.pin[SCI].level);
    out(&p, STS, 2, 1);
    assert_false(p.r.pin[SCI].level);
    outb(&p.r, ACPI_SMI_CMD, ACPI_DISABLE);
    assert_int_equal(in(&p, CNT, 2) & 1, 0);
    device_destroy(p.dev);
}

static void test_poweroff(void **state)
{
    struct pm p;

    (void)state;
    pm_open(&p);
    out(&p, CNT, 2, ACPI_SLP_TYP_S5 << 10); /* type alone */
    out(&p, CNT, 2, 1u << 10 | 1u << 13);   /* another type */
    assert_int_equal(p.r.pin[OFF].rises, 0);
    out(&p, CNT, 2, ACPI_SLP_TYP_S5 << 10 | 1u << 13);
    assert_int_equal(p.r.pin[OFF].rises, 1);
    /* SLP_EN reads as 0. */
    assert_int_equal(in(&p, CNT, 2), ACPI_SLP_TYP_S5 << 10);
    device_destroy(p.dev);
}

static void test_snap(void **state)
{
    struct pm a, b;

    (void)state;
    pm_open(&a);
    pm_open(&b);
    out(&a, EN, 2, 1);
    outb(&a.r, ACPI_SMI_CMD, ACPI_ENABLE);
    rig_copy_device(a.dev, b.dev);
    rig_check_dump(a.dev, b.dev);
    assert_int_equal(clock_next(&b.r.clock), clock_next(&a.r.clock));
    device_destroy(a.dev);
    device_destroy(b.dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer),
        cmocka_unit_test(test_timer_interrupt),
        cmocka_unit_test(test_poweroff),
        cmocka_unit_test(test_snap),
    };

    return cmocka_run_group_tests_name("acpi_pm", tests, NULL, NULL);
}
