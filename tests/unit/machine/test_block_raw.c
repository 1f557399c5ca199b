/* A raw image in a file: what is refused, and what gets to the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/machine/block_raw.h"

#define SECTORS 8u

struct image {
    char path[64];
    struct blockdev *blk;
};

static int image_open(void **state)
{
    struct image *i = test_calloc(1, sizeof(*i));
    int fd;

    strcpy(i->path, "/tmp/ringside-raw-XXXXXX");
    fd = mkstemp(i->path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)SECTORS * BLOCKDEV_SECTOR), 0);
    close(fd);
    *state = i;
    return 0;
}

static int image_close(void **state)
{
    struct image *i = *state;

    block_raw_close(i->blk);
    unlink(i->path);
    test_free(i);
    return 0;
}

static void test_what_is_written_is_read(void **state)
{
    struct image *i = *state;
    uint8_t out[3 * BLOCKDEV_SECTOR], in[sizeof(out)];

    for (unsigned b = 0; b < sizeof(out); b++)
        out[b] = (uint8_t)(b * 7);
    assert_int_equal(block_raw_open(&i->blk, i->path, false), 0);
    assert_int_equal(i->blk->sectors, SECTORS);
    assert_false(i->blk->readonly);
    assert_int_equal(i->blk->write(i->blk->opaque, 5, out, 3), 0);
    assert_int_equal(i->blk->flush(i->blk->opaque), 0);
    assert_int_equal(i->blk->read(i->blk->opaque, 5, in, 3), 0);
    assert_memory_equal(in, out, sizeof(out));
    assert_int_equal(i->blk->read(i->blk->opaque, 4, in, 1), 0);
    for (unsigned b = 0; b < BLOCKDEV_SECTOR; b++)
        assert_int_equal(in[b], 0);

    /* It is in the file, not only here. */
    block_raw_close(i->blk);
    assert_int_equal(block_raw_open(&i->blk, i->path, true), 0);
    assert_true(i->blk->readonly);
    assert_int_equal(i->blk->read(i->blk->opaque, 5, in, 3), 0);
    assert_memory_equal(in, out, sizeof(out));
}

static void test_a_read_only_file_is_not_written(void **state)
{
    struct image *i = *state;
    uint8_t sector[BLOCKDEV_SECTOR] = {1};

    assert_int_equal(block_raw_open(&i->blk, i->path, true), 0);
    assert_int_equal(i->blk->write(i->blk->opaque, 0, sector, 1), -EBADF);
    assert_int_equal(i->blk->read(i->blk->opaque, 0, sector, 1), 0);
    assert_int_equal(sector[0], 0);
}

static void test_a_file_cut_short_meanwhile(void **state)
{
    struct image *i = *state;
    uint8_t sectors[2 * BLOCKDEV_SECTOR];

    assert_int_equal(block_raw_open(&i->blk, i->path, false), 0);
    assert_int_equal(truncate(i->path, BLOCKDEV_SECTOR + 100), 0);
    assert_int_equal(i->blk->read(i->blk->opaque, 0, sectors, 1), 0);
    assert_int_equal(i->blk->read(i->blk->opaque, 1, sectors, 1), -EIO);
    assert_int_equal(i->blk->read(i->blk->opaque, 7, sectors, 1), -EIO);
}

static void test_what_is_no_disk(void **state)
{
    struct image *i = *state;
    struct blockdev *blk = i->blk;

    assert_int_equal(truncate(i->path, 0), 0);
    assert_int_equal(block_raw_open(&blk, i->path, false), -EINVAL);
    assert_null(blk);
    assert_int_equal(truncate(i->path, BLOCKDEV_SECTOR + 1), 0);
    assert_int_equal(block_raw_open(&blk, i->path, true), -EINVAL);
    assert_int_equal(block_raw_open(&blk, "/nonexistent/disk", false), -ENOENT);
    assert_int_equal(block_raw_open(&blk, "/tmp", false), -EISDIR);
    assert_int_equal(block_raw_open(&blk, "/tmp", true), -EINVAL);
    block_raw_close(NULL);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, image_open, image_close)
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_written_is_read),
        CASE(test_a_read_only_file_is_not_written),
        CASE(test_a_file_cut_short_meanwhile),
        CASE(test_what_is_no_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
