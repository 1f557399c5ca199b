/* Where gdb can come in, and what its `target remote` takes for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gdbstub/listen.h"

static void test_forms(void **state)
{
    (void)state;
    assert_true(gdb_listener_where("1234"));
    assert_true(gdb_listener_where(":0"));
    assert_true(gdb_listener_where("localhost:1234"));
    assert_true(gdb_listener_where("[::1]:1234"));
    assert_true(gdb_listener_where("unix:/tmp/x"));
    assert_true(gdb_listener_where("stdio"));
    assert_false(gdb_listener_where(""));
    assert_false(gdb_listener_where("unix:"));
    assert_false(gdb_listener_where("localhost"));
    assert_false(gdb_listener_where(":65536"));
}

/* The address is a place to listen at, too: it is taken now. */
static void test_free_port(void **state)
{
    static const char *const forms[] = {"0", ":0", "127.0.0.1:0"};
    struct gdb_listener l, same;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        assert_int_equal(gdb_listener_open(&l, forms[i]), 0);
        assert_true(l.chosen);
        assert_memory_equal(l.address, "127.0.0.1:", 10);
        assert_true(atoi(l.address + 10) > 0);
        assert_true(gdb_listener_open(&same, l.address) < 0);
        gdb_listener_close(&l);
        assert_int_equal(gdb_listener_open(&same, l.address), 0);
        assert_false(same.chosen);
        assert_string_equal(same.address, l.address);
        gdb_listener_close(&same);
    }
    if (gdb_listener_open(&l, "[::1]:0") == 0) { /* the host has IPv6 */
        assert_memory_equal(l.address, "[::1]:", 6);
        assert_true(atoi(l.address + 6) > 0);
        gdb_listener_close(&l);
    }
}

static void test_socket(void **state)
{
    char folder[] = "/tmp/ringside-listen-XXXXXX", where[64];
    struct gdb_listener l;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(where, sizeof(where), "unix:%s", folder);
    assert_true(gdb_listener_open(&l, where) < 0);
    gdb_listener_close(&l);
    snprintf(where, sizeof(where), "unix:%s/s", folder);
    assert_int_equal(gdb_listener_open(&l, where), 0);
    assert_string_equal(l.address, where + strlen("unix:"));
    assert_false(l.chosen);
    gdb_listener_close(&l);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_free_port),
        cmocka_unit_test(test_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
