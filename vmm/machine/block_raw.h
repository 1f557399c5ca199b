/* A disk image in a file: raw, a whole number of 512-byte sectors. */
#ifndef VMM_MACHINE_BLOCK_RAW_H
#define VMM_MACHINE_BLOCK_RAW_H
#include "vmm/dev/blockdev.h"

/* 0, or -errno with one logged line.  Free with block_raw_close(). */
int block_raw_open(struct blockdev **out, const char *path, bool readonly);
void block_raw_close(struct blockdev *blk); /* NULL: nothing */
#endif
