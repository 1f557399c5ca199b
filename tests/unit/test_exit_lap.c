/* What happened since a resume, and how fast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/exit_lap.h"

#define SECOND 1000000000ull

static struct exit_stats stats;

static void happen(unsigned times)
{
    struct vm_exit e = {.kind = VM_EXIT_CPUID};

    while (times--)
        exit_stats_add(&stats, &e, 100);
}

static uint64_t rate(const struct exit_lap *lap, uint64_t now)
{
    return exit_lap_rate(lap, &stats, VM_EXIT_CPUID, now);
}

static void test_since_and_rate(void **state)
{
    struct exit_lap lap = {0};

    (void)state;
    exit_stats_reset(&stats);
    assert_int_equal(rate(&lap, 5 * SECOND), 0); /* it has never run */
    happen(7);
    exit_lap_begin(&lap, &stats, 10 * SECOND);
    assert_int_equal(exit_lap_count(&lap, &stats, VM_EXIT_CPUID), 0);
    happen(30);
    exit_lap_end(&lap, 12 * SECOND);
    assert_int_equal(exit_lap_count(&lap, &stats, VM_EXIT_CPUID), 30);
    assert_int_equal(rate(&lap, 99 * SECOND), 15); /* of the run, not of now */
    exit_lap_begin(&lap, &stats, 100 * SECOND);
    assert_int_equal(exit_lap_count(&lap, &stats, VM_EXIT_CPUID), 0);
    assert_int_equal(rate(&lap, 100 * SECOND), 0); /* no time has passed */
}

static void test_rate_is_recent(void **state)
{
    struct exit_lap lap = {0};

    (void)state;
    exit_stats_reset(&stats);
    exit_lap_begin(&lap, &stats, SECOND);
    happen(1000);
    exit_lap_look(&lap, &stats, 3 * SECOND);
    assert_int_equal(rate(&lap, 3 * SECOND), 500);
    happen(10);
    exit_lap_look(&lap, &stats, 4 * SECOND); /* the burst is over */
    assert_int_equal(rate(&lap, 4 * SECOND), 10);
    exit_lap_look(&lap, &stats, 4 * SECOND + 1); /* too soon: nothing */
    assert_int_equal(rate(&lap, 5 * SECOND), 5);
    exit_lap_end(&lap, 5 * SECOND);
    assert_int_equal(rate(&lap, 5 * SECOND), 252); /* all of it, in 4 s */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_since_and_rate),
        cmocka_unit_test(test_rate_is_recent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
