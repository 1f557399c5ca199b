/* Names that are nearly names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/view/guess.h"

/* clang-format off */
static const struct {
    const char *typed, *meant; /* NULL: it is like nothing */
} rows[] = {
    { "breakpoints", "points" },   /* as after gdb's `info` */
    { "breakpoint", "points" },
    { "registers", "regs" },
    { "wlak", "walk" },            /* two letters changed places */
    { "contniue", "continue" },
    { "disasembl", "disassemble" },
    { "stpe", "step" },
    { "interrupts", "idt" }, /* by what they are about */
    { "flags", "regs" },
    { "histogram", NULL },
    { "xyzzy", NULL },
    { "", NULL },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
};
/* clang-format on */

static void test_names(void **state)
{
    char buf[64], small[5];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool found = guess_names(rows[i].typed, buf, sizeof(buf));

        if (found != (rows[i].meant != NULL))
            fail_msg("%s: %s", rows[i].typed, found ? buf : "nothing");
        if (found)
            assert_string_equal(buf, rows[i].meant);
    }
    assert_true(guess_names("breakpoints", small, sizeof(small)));
    assert_string_equal(small, "poin");
}

/* Registers are there without any symbols. */
static void test_values(void **state)
{
    char buf[64];

    (void)state;
    assert_true(guess_values(NULL, "eaxx", buf, sizeof(buf)));
    assert_string_equal(buf, "eax");
    assert_true(guess_values(NULL, "elfags", buf, sizeof(buf)));
    assert_string_equal(buf, "rflags, eflags");
    assert_false(guess_values(NULL, "counter", buf, sizeof(buf)));
    assert_string_equal(buf, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
