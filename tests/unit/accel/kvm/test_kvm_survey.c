/* The survey finishes, and says what is missing exactly when something is. */
#include "tests/unit/accel/kvm/kvm_guest.h"

static void print(const struct kvm_survey *s)
{
    printf("# real %d, protected %d, paging %d, INT n %d, interrupts %d, "
           "step %d, complete %d, breakpoints %d: %.3g insns/s, exit %.0f ns; "
           "%s\n",
           s->real_mode, s->protected_mode, s->paging32, s->soft_int,
           s->injection, s->single_step, s->complete, s->breakpoints,
           s->insns_per_s, s->exit_ns, s->why);
}

static void survey_is_consistent(void **unused)
{
    struct kvm_survey s;

    (void)unused;
    if (kvm_survey(&s) < 0) {
        assert_false(s.present);
        assert_true(s.why[0]);
        skip();
    }
    print(&s);
    assert_true(s.present);
    assert_true(s.real_mode);
    assert_int_equal(s.complete, s.real_mode && s.protected_mode &&
                                     s.paging32 && s.soft_int && s.injection &&
                                     s.single_step);
    assert_int_equal(s.complete, s.why[0] == '\0');
    assert_true(s.exit_ns > 0);
    assert_true(s.insns_per_s > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survey_is_consistent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
