/*
 * A channel's state, shared by its ports (ata.c) and its commands
 * (ata_command.c).  Nobody else includes this.
 */
#ifndef VMM_DEV_ATA_IMPL_H
#define VMM_DEV_ATA_IMPL_H
#include "vmm/dev/ata.h"

/* Bits of the status, error, device and device control registers. */
#define ST_ERR  BIT(0)
#define ST_DRQ  BIT(3)
#define ST_DSC  BIT(4)
#define ST_DF   BIT(5)
#define ST_DRDY BIT(6)
#define ST_BSY  BIT(7)
#define ST_IDLE (ST_DRDY | ST_DSC)

#define ERR_ABRT BIT(2)
#define ERR_IDNF BIT(4)
#define ERR_UNC  BIT(6)

#define DEV_HEAD 0x0fu
#define DEV_DEV  BIT(4)
#define DEV_LBA  BIT(6)

#define CTL_NIEN BIT(1)
#define CTL_SRST BIT(2)
#define CTL_HOB  BIT(7)

struct drive {
    struct blockdev *blk; /* NULL: absent */
    uint8_t status, error;
    uint8_t multiple;       /* sectors per block; 0: MULTIPLE commands off */
    uint8_t heads, sectors; /* the current CHS translation */
};

enum transfer { TRANSFER_NONE, TRANSFER_IN, TRANSFER_OUT };

struct ata {
    struct irq_line irq;
    struct drive drive[2];
    /* [0] as written last, [1] the value before: the high-order bytes. */
    uint8_t features[2], count[2], low[2], mid[2], high[2];
    uint8_t device, control;
    uint8_t active; /* which device has the command: 0, 1 */
    bool intrq;
    /* The data transfer that DRQ announces. */
    enum transfer transfer;
    bool ext;           /* 48-bit command: how errors report the address */
    bool disk;          /* buffer goes to or comes from the medium */
    uint64_t lba;       /* of the first sector in the buffer */
    uint32_t remaining; /* sectors after those in the buffer */
    uint32_t block;     /* sectors per interrupt */
    uint32_t pos, len;  /* bytes in the buffer */
    uint8_t buffer[ATA_MULTIPLE_MAX * BLOCKDEV_SECTOR];
};

static inline struct drive *selected(struct ata *a)
{
    return &a->drive[a->device & DEV_DEV ? 1 : 0];
}

/* The device that does the last command, whichever is selected by now. */
static inline struct drive *active(struct ata *a)
{
    return &a->drive[a->active];
}

/* Sets or clears INTRQ; control's nIEN keeps it off the pin. */
void ata_set_intrq(struct ata *a, bool on);

/* ---- ata_command.c ------------------------------------------------------- */

/* The command register was written: the whole command, or its first block. */
void ata_command(struct ata *a, uint8_t opcode);
/* The guest has taken the whole buffer: the next block, or the end. */
void ata_buffer_taken(struct ata *a);
/* The guest has filled it: to the medium; then as above. */
void ata_buffer_filled(struct ata *a);
/* What a reset or a diagnostic leaves in the registers of both devices. */
void ata_put_signature(struct ata *a);
/* Settings after power-on. */
void ata_reset_drive(struct drive *d);
#endif
