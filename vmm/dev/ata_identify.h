/*
 * The 256 words that IDENTIFY DEVICE answers with.  Internal to ata_command.c.
 */
#ifndef VMM_DEV_ATA_IDENTIFY_H
#define VMM_DEV_ATA_IDENTIFY_H
#include "vmm/base/base.h"

/* The geometry after power-on, for addresses by cylinder, head, sector. */
#define ATA_HEADS             16u
#define ATA_SECTORS_PER_TRACK 63u
#define ATA_LBA28_MAX         0x0fffffffu

struct ata_identity {
    unsigned unit;          /* 0 or 1: goes into the serial number */
    uint64_t total;         /* sectors of the disk */
    uint8_t heads, sectors; /* current translation */
    uint8_t multiple;       /* current setting; 0: off */
};

void ata_identify_fill(const struct ata_identity *id, uint8_t out[512]);
#endif
