/* Names from lists; those from ELF files are seen wherever a guest is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/view/symbols.h"

static int load(struct symbols **s, const char *text, size_t len)
{
    char path[] = "/tmp/ringside-symbols-XXXXXX";
    int fd = mkstemp(path), err;

    assert_int_equal(write(fd, text, len), len);
    close(fd);
    err = symbols_load(s, path);
    unlink(path);
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

/* Boot loader and kernel at once, each moved by itself. */
static void test_two_files(void **state)
{
    static const char boot[] = "7c00 T start\n7c40 t disk\n";
    static const char kernel[] = "c1000000 T start\nc1000100 T kmain\n";
    struct symbols *s, *more;
    uint64_t addr, offset;

    (void)state;
    assert_int_equal(load(&s, boot, strlen(boot)), 0);
    assert_int_equal(load(&more, kernel, strlen(kernel)), 0);
    symbols_relocate(more, 0x1000);
    assert_ptr_equal(symbols_add(s, more), s);
    assert_ptr_equal(symbols_next(s), more);
    assert_null(symbols_next(more));
    assert_string_equal(symbols_at(s, 0x7c44, &offset), "disk");
    assert_int_equal(offset, 4);
    assert_string_equal(symbols_at(s, 0xc1001104, &offset), "kmain");
    assert_null(symbols_at(s, 0xc1000104, &offset));
    assert_true(symbols_lookup(s, "kmain", &addr, NULL));
    assert_int_equal(addr, 0xc1001100);
    assert_true(symbols_lookup(s, "start", &addr, NULL));
    assert_int_equal(addr, 0x7c00); /* the first file's */
    assert_string_equal(symbols_complete(s, "", 0), "disk");
    assert_string_equal(symbols_complete(s, "", 2), "kmain");
    assert_string_equal(symbols_complete(s, "k", 0), "kmain");
    assert_null(symbols_complete(s, "k", 1));
    assert_null(symbols_complete(s, "", 4));
    assert_false(symbols_base(s, &addr)); /* a list has no segments */
    symbols_free(s);
}

/* The same file again, as a module that was loaded elsewhere: this program. */
static void test_file_again(void **state)
{
    struct symbols *s = NULL, *again;
    uint64_t base = 0, moved;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(symbols_load(&again, "/proc/self/exe"), 0);
        assert_true(i > 0 || symbols_base(again, &base));
        symbols_relocate(again, 0x5000 * i);
        s = symbols_add(s, again);
    }
    assert_null(symbols_next(s));
    assert_true(symbols_base(s, &moved));
    assert_int_equal(moved, base + 0xa000);
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
        cmocka_unit_test(test_two_files),
        cmocka_unit_test(test_file_again),
        cmocka_unit_test(test_no_list),
    };

    return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
