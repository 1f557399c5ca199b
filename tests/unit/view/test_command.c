/* Commands of whom it matters who types them, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/view/fixture.h"
#include "vmm/host/chardev_host.h"

static int setup(void **state)
{
    static struct fixture f;
    struct chardev *com1;

    assert_int_equal(chardev_memory_create(&com1), 0);
    fixture_open(&f, com1);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    chardev_memory_destroy(f->com1);
    return 0;
}

static bool run(struct fixture *f, const char *line)
{
    assert_int_equal(host_signal_init(), 0); /* cmocka put its own */
    strbuf_reset(&f->out);
    return command_run(&f->ctx, line, &f->out);
}

static void test_type_keeps_spaces(void **state)
{
    struct fixture *f = *state;

    f->com1->can_receive = NULL; /* so that it waits where it can be seen */
    assert_true(run(f, "  type a  b\tc "));
    assert_string_equal(strbuf_str(&f->com1->typed), "a  b\tc \r");
    assert_true(run(f, "type"));
    assert_true(run(f, "type  x"));
    assert_string_equal(strbuf_str(&f->com1->typed), "a  b\tc \r\r x\r");
}

static void test_save_from_afar(void **state)
{
    static const char *const refused[] = {
        "save ../x.json regs", "save .x.json regs", "save /tmp/x.json regs",
        "save x regs",         "save x.sh regs",
    };
    char dir[] = "/tmp/ringside-save-XXXXXX", *here = getcwd(NULL, 0);
    struct fixture *f = *state;

    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    f->ctx.remote = true;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        assert_false(run(f, refused[i]));
        assert_non_null(strstr(strbuf_str(&f->out), "a new NAME"));
    }
    assert_true(run(f, "save x.json regs"));
    assert_false(run(f, "save x.json regs")); /* it is there already */
    f->ctx.remote = false;
    assert_true(run(f, "save x.json regs"));
    assert_int_equal(unlink("x.json"), 0);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(rmdir(dir), 0);
    free(here);
}

static void test_unknown_names(void **state)
{
    struct fixture *f = *state;

    assert_false(run(f, "breakpoints"));
    assert_non_null(strstr(strbuf_str(&f->out), "did you mean points?"));
    assert_false(run(f, "help wlak"));
    assert_non_null(strstr(strbuf_str(&f->out), "did you mean walk?"));
    assert_false(run(f, "xyzzy"));
    assert_null(strstr(strbuf_str(&f->out), "mean"));
}

static void test_help_fits(void **state)
{
    struct fixture *f = *state;
    const char *line;

    assert_true(run(f, "help"));
    for (line = strbuf_str(&f->out); *line; line += strcspn(line, "\n") + 1)
        assert_in_range(strcspn(line, "\n"), 1, 80);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_type_keeps_spaces),
        TEST(test_save_from_afar),
        TEST(test_unknown_names),
        TEST(test_help_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
