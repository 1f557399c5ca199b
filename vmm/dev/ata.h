/*
 * One legacy ATA channel with up to two disks, programmed I/O only.
 *
 * cfg: base = command block (1F0h, 170h); arg = control port (3F6h, 376h);
 * irq[0] = INTRQ; blk[0] = device 0, blk[1] = device 1.  Ports of a channel
 * without any disk float high; an absent device beside a present one reads 0.
 */
#ifndef VMM_DEV_ATA_H
#define VMM_DEV_ATA_H
#include "vmm/dev/device.h"

extern const struct device_class ata_class;

/* Sectors per interrupt that READ and WRITE MULTIPLE may be set to. */
#define ATA_MULTIPLE_MAX 16u
#endif
