/* Names from lists; those from ELF files are seen wherever a guest is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/view/symbols.h"

static int load(struct symbols **s, const char *text, size_t len)
{
    char path[64];
    int fd = memfd_create("map", MFD_CLOEXEC), err;

    assert_int_equal(write(fd, text, len), len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    err = symbols_load(s, path);
    close(fd);
    return err;
}

static const char list[] = "c1000000 T _text\n"
                           "c1000100 t start_it\n"
                           "c1000100 T start\n"
                           "00000040 A per_cpu_thing\n"
                           "c1000200 D data\n"
                           "e0800000 t helper\t[module]\n"
                           "         U wanted\n";

static void test_list(void **state)
{
    struct symbols *s;
    uint64_t addr, offset = 0;
    const char *file;
    char text[64];
    int line;

    (void)state;
    /* nm's undefined ones have no address */
    assert_int_equal(load(&s, list, sizeof(list) - 1), -ENOEXEC);
    assert_int_equal(load(&s, list, strlen(list) - 18), 0);
    assert_int_equal(symbols_count(s), 5);
    assert_true(symbols_lookup(s, "helper", &addr, NULL));
    assert_int_equal(addr, 0xe0800000);
    assert_false(symbols_lookup(s, "per_cpu_thing", &addr, NULL));
    symbols_format(s, 0xc10000ff, text, sizeof(text));
    assert_string_equal(text, "_text+0xff");
    assert_string_equal(symbols_at(s, 0xc1004000, &offset), "data");
    assert_int_equal(offset, 0x3e00);
    assert_null(symbols_at(s, 0xc0ffffff, &offset));
    assert_false(symbols_line(s, 0xc1000000, &file, &line));
    symbols_relocate(s, 0x1000000);
    assert_int_equal(symbols_delta(s), 0x1000000);
    assert_string_equal(symbols_at(s, 0xc2000100, &offset), "start");
    symbols_free(s);
}

static void test_no_list(void **state)
{
    /* What Debian installs as System.map. */
    static const char debian[] = "ffffffffffffffff B The real System.map is "
                                 "in the linux-image-<version>-dbg package\n";
    static const char *const texts[] = {
        debian,
        "",
        "\n",
        "hello\n",
        "c1000000\n",
        "c1 T \n",
        "c1 TT a\n",
        "c1000000 T a\nrubbish\n",
        "10000000000000000 T a\n",
        "c1000000 A only\n",
    };
    struct symbols *s;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(load(&s, texts[i], strlen(texts[i])), -ENOEXEC);
    assert_int_equal(load(&s, "c1 T a\n\0c2 T b\n", 15), -ENOEXEC);
    assert_int_equal(symbols_load(&s, "/nowhere/at/all"), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_no_list),
    };

    return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
