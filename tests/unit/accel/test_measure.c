/* Measuring an accelerator: that it ends, and says something plausible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/accel/measure.h"

static void bt_has_a_speed(void **state)
{
    struct accel_speed speed;

    (void)state;
    assert_int_equal(accel_measure(&accel_bt, &speed), 0);
    assert_true(speed.insns_per_s > 1e5 && speed.insns_per_s < 1e12);
    assert_true(speed.exit_ns > 1 && speed.exit_ns < 1e7);
}

static void auto_is_one_that_works(void **state)
{
    struct accel_choice choice;

    (void)state;
    accel_choose(&choice, true);
    assert_int_equal(choice.ops->probe(NULL, 0), 0);
    assert_true(choice.why[0] != '\0');
    if (!choice.kvm.complete)
        assert_ptr_equal(choice.ops, &accel_bt);
    assert_non_null(accel_find(accel_auto()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bt_has_a_speed),
        cmocka_unit_test(auto_is_one_that_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
