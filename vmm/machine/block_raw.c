#include "vmm/machine/block_raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/log.h"

struct raw {
    struct blockdev blk;
    int fd;
};

static int raw_read(void *opaque, uint64_t lba, void *buf, unsigned count)
{
    struct raw *raw = opaque;
    size_t want = (size_t)count * BLOCKDEV_SECTOR, done = 0;

    while (done < want) {
        ssize_t n = pread(raw->fd, (char *)buf + done, want - done,
                          (off_t)(lba * BLOCKDEV_SECTOR + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* 0: somebody truncated the image under us */
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int raw_write(void *opaque, uint64_t lba, const void *buf,
                     unsigned count)
{
    struct raw *raw = opaque;
    size_t want = (size_t)count * BLOCKDEV_SECTOR, done = 0;

    while (done < want) {
        ssize_t n = pwrite(raw->fd, (const char *)buf + done, want - done,
                           (off_t)(lba * BLOCKDEV_SECTOR + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

static int raw_flush(void *opaque)
{
    struct raw *raw = opaque;

    return fdatasync(raw->fd) < 0 ? -errno : 0;
}

/* The size of a regular file or block device that can be a disk, or -errno. */
static int64_t disk_size(int fd, const char *path)
{
    off_t size = lseek(fd, 0, SEEK_END);
    struct stat sb;

    if (size < 0 || fstat(fd, &sb) < 0 || S_ISDIR(sb.st_mode)) {
        log_error("disk %s: not a file; give a raw image", path);
        return -EINVAL;
    }
    if (size == 0) {
        log_error("disk %s: an empty file; give it a size with `truncate -s "
                  "16M FILE`",
                  path);
        return -EINVAL;
    }
    if (size % BLOCKDEV_SECTOR) {
        log_error("disk %s: %lld bytes are not a whole number of %u-byte "
                  "sectors; pad it with `truncate -s %%512 FILE`",
                  path, (long long)size, BLOCKDEV_SECTOR);
        return -EINVAL;
    }
    return size;
}

int block_raw_open(struct blockdev **out, const char *path, bool readonly)
{
    int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    struct raw *raw;
    int64_t size;

    *out = NULL;
    if (fd < 0) {
        int err = -errno;
        log_error("disk %s: %s%s", path, strerror(-err),
                  err == -EACCES || err == -EROFS
                      ? "; append ,ro to open it read-only"
                      : "");
        return err;
    }
    size = disk_size(fd, path);
    raw = size > 0 ? calloc(1, sizeof(*raw)) : NULL;
    if (!raw) {
        close(fd);
        return size < 0 ? (int)size : -ENOMEM;
    }
    raw->fd = fd;
    raw->blk = (struct blockdev){
        .sectors = (uint64_t)size / BLOCKDEV_SECTOR,
        .readonly = readonly,
        .opaque = raw,
        .read = raw_read,
        .write = raw_write,
        .flush = raw_flush,
    };
    *out = &raw->blk;
    return 0;
}

void block_raw_close(struct blockdev *blk)
{
    struct raw *raw;

    if (!blk)
        return;
    raw = blk->opaque;
    close(raw->fd);
    free(raw);
}
