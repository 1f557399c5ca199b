/* A disk image as the ATA chip sees it: 512-byte sectors. */
#ifndef VMM_DEV_BLOCKDEV_H
#define VMM_DEV_BLOCKDEV_H
#include "vmm/base/base.h"

#define BLOCKDEV_SECTOR 512u

struct blockdev {
    uint64_t sectors;
    bool readonly;
    void *opaque;
    /* 0 or -errno.  COUNT sectors from LBA; the caller checked the range. */
    int (*read)(void *opaque, uint64_t lba, void *buf, unsigned count);
    int (*write)(void *opaque, uint64_t lba, const void *buf, unsigned count);
    int (*flush)(void *opaque);
};
#endif
