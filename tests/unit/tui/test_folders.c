/* Where a person's files are, by the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tui/folders.h"

static void test_named(void **state)
{
    char path[64];

    (void)state;
    setenv("HOME", "/ada", 1);
    setenv("XDG_CONFIG_HOME", "/etc/ada", 1);
    setenv("XDG_STATE_HOME", "/var/ada", 1);
    assert_true(folders_path(FOLDER_CONFIG, "layout", path, sizeof(path)));
    assert_string_equal(path, "/etc/ada/ringside/layout");
    assert_true(folders_path(FOLDER_STATE, "runs/x.json", path, sizeof(path)));
    assert_string_equal(path, "/var/ada/ringside/runs/x.json");
}

/* An empty variable is one that is not set. */
static void test_below_home(void **state)
{
    char path[64];

    (void)state;
    setenv("HOME", "/ada", 1);
    unsetenv("XDG_CONFIG_HOME");
    setenv("XDG_STATE_HOME", "", 1);
    assert_true(folders_path(FOLDER_CONFIG, "layout", path, sizeof(path)));
    assert_string_equal(path, "/ada/.config/ringside/layout");
    assert_true(folders_path(FOLDER_STATE, "history", path, sizeof(path)));
    assert_string_equal(path, "/ada/.local/state/ringside/history");
}

static void test_nowhere(void **state)
{
    char path[64] = "as it was";

    (void)state;
    unsetenv("HOME");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_STATE_HOME");
    assert_false(folders_path(FOLDER_STATE, "history", path, sizeof(path)));
    assert_string_equal(path, "");
    setenv("HOME", "/ada", 1);
    assert_false(folders_path(FOLDER_STATE, "history", path, 16));
    assert_string_equal(path, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_below_home),
        cmocka_unit_test(test_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
