/* Commands typed before are there again in the next session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/recall.h"

static void test_kept(void **state)
{
    char path[] = "/tmp/ringside-recall-XXXXXX";
    struct recall *r;

    (void)state;
    close(mkstemp(path));
    r = recall_open(path); /* an empty file is no history: nothing happens */
    assert_null(recall_nth(r, 0));
    recall_add(r, "break main if eax == 1");
    recall_add(r, "walk cr2");
    recall_add(r, "walk cr2"); /* once is enough */
    recall_close(r);
    r = recall_open(path);
    assert_string_equal(recall_nth(r, 0), "walk cr2");
    assert_string_equal(recall_nth(r, 1), "break main if eax == 1");
    assert_null(recall_nth(r, 2));
    recall_close(r);
    unlink(path);
    recall_close(NULL);
}

static void test_not_kept(void **state)
{
    struct recall *r = recall_open(NULL);

    (void)state;
    recall_add(r, "step");
    assert_string_equal(recall_nth(r, 0), "step");
    recall_close(r);
    r = recall_open("/dev/null/file"); /* no reason to stop */
    recall_add(r, "step");
    recall_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
