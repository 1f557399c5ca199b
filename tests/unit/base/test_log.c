/* Messages are one line each; while a screen has the terminal they wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/base/log.h"

static int keep_fd;
static char said[8192];

/* Standard error goes to a file until said_now(). */
static void listen_in(void)
{
    int fd = memfd_create("stderr", MFD_CLOEXEC);

    assert_true(fd >= 0);
    fflush(stderr);
    keep_fd = dup(2);
    dup2(fd, 2);
    close(fd);
}

static const char *said_now(void)
{
    ssize_t n;

    fflush(stderr);
    n = pread(2, said, sizeof(said) - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    return said;
}

static void listen_no_more(void)
{
    dup2(keep_fd, 2);
    close(keep_fd);
}

static void levels(void **state)
{
    (void)state;
    listen_in();
    log_error("one %d", 1);
    log_info("two");
    log_set_level(LOG_INFO);
    log_info("three");
    log_set_level(LOG_WARN);
    said_now();
    listen_no_more();
    assert_string_equal(said, "ringside: one 1\nringside: three\n");
}

static void held_lines_wait_in_order(void **state)
{
    (void)state;
    listen_in();
    log_hold(true);
    log_error("one");
    log_write("A", 1);
    log_write("\n", 1);
    log_warn("two");
    assert_string_equal(said_now(), "");
    log_hold(false);
    log_warn("three");
    said_now();
    listen_no_more();
    assert_string_equal(said,
                        "ringside: one\nA\nringside: two\nringside: three\n");
}

/* The last are lost, and whole. */
static void held_lines_have_an_end(void **state)
{
    (void)state;
    listen_in();
    log_hold(true);
    for (unsigned i = 0; i < 1000; i++)
        log_error("line %03u", i);
    log_hold(false);
    said_now();
    listen_no_more();
    assert_in_range(strlen(said), 4000, 4096);
    assert_int_equal(strncmp(said, "ringside: line 000\n", 19), 0);
    assert_int_equal(said[strlen(said) - 1], '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels),
        cmocka_unit_test(held_lines_wait_in_order),
        cmocka_unit_test(held_lines_have_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
