/* Strings that grow, and fields that are saved and restored. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/base/snap.h"
#include "vmm/base/strbuf.h"

static void test_strbuf(void **state)
{
    struct strbuf sb;

    (void)state;
    strbuf_init(&sb);
    assert_string_equal(strbuf_str(&sb), "");
    for (int i = 0; i < 1000; i++)
        strbuf_printf(&sb, "%04d", i);
    assert_int_equal(sb.len, 4000);
    assert_memory_equal(strbuf_str(&sb) + 3996, "0999", 5);
    strbuf_reset(&sb);
    strbuf_putc(&sb, 'x');
    assert_string_equal(strbuf_str(&sb), "x");
    strbuf_fini(&sb);
}

struct chip {
    uint8_t a;
    uint32_t b[3];
};

static void snap_chip(struct chip *c, struct snap *s)
{
    snap_field(s, c->a);
    snap_field(s, c->b);
}

static void test_snap(void **state)
{
    struct chip from = {7, {1, 2, 3}}, to = {0};
    struct snap save, load;

    (void)state;
    snap_init_save(&save);
    snap_chip(&from, &save);
    snap_init_restore(&load, save.buf, save.len);
    snap_chip(&to, &load);
    assert_int_equal(load.err, 0);
    assert_int_equal(to.a, from.a);
    assert_memory_equal(to.b, from.b, sizeof(to.b));
    snap_init_restore(&load, save.buf, save.len - 1);
    snap_chip(&to, &load);
    assert_int_equal(load.err, -EINVAL);
    save.buf[0] ^= 1; /* another field's name */
    snap_init_restore(&load, save.buf, save.len);
    snap_chip(&to, &load);
    assert_int_equal(load.err, -EINVAL);
    snap_fini(&save);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strbuf),
        cmocka_unit_test(test_snap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
