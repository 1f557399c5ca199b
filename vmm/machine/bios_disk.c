/*
 * INT 13h: hard disks from 80h, by cylinder, head and sector and by LBA
 * (Enhanced Disk Drive specification 1.1).  Reads the images directly, not
 * through the ATA chips, as a BIOS does not disturb a driver's transfer.
 */
#include <string.h>

#include "vmm/machine/bios.h"

#define STATUS        0x474u /* BDA: of the last call */
#define FIRST         0x80u
#define SECTORS_TRACK 63u
#define CYLINDERS_MAX 1024u

enum {
    OK = 0x00,
    BAD_COMMAND = 0x01,
    NOT_FOUND = 0x04,
    DMA_BOUNDARY = 0x09,
    CONTROLLER = 0x20,
    WRITE_FAULT = 0xcc,
};

enum operation { READ, WRITE, VERIFY };

struct geometry {
    unsigned cylinders, heads;
};

static unsigned drive_count(const struct machine *m)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(m->disk); i++)
        n += m->disk[i] != NULL;
    return n;
}

/* Drive numbers leave no gaps, wherever the disks are plugged in. */
static struct blockdev *drive(const struct machine *m, unsigned dl)
{
    for (unsigned i = 0; i < ARRAY_SIZE(m->disk); i++)
        if (m->disk[i] && dl-- == FIRST)
            return m->disk[i];
    return NULL;
}

/* As the chip says, or assisted when that has too many cylinders. */
static struct geometry geometry_of(const struct blockdev *blk)
{
    struct geometry g = {.heads = 16};
    uint64_t cylinders = blk->sectors / ((uint64_t)g.heads * SECTORS_TRACK);

    if (cylinders > CYLINDERS_MAX) {
        g.heads = 255;
        cylinders = blk->sectors / ((uint64_t)g.heads * SECTORS_TRACK);
    }
    if (cylinders == 0)
        cylinders = 1;
    g.cylinders =
        cylinders < CYLINDERS_MAX ? (unsigned)cylinders : CYLINDERS_MAX;
    return g;
}

static void done(struct machine *m, struct bios_frame *f, unsigned status)
{
    bios_put8(m, STATUS, status);
    bios_set_ah(f, status);
    bios_set_flag(f, BIOS_CF, status != OK);
}

/* Moves COUNT sectors; *DONE is how many went well. */
static unsigned transfer(struct machine *m, struct blockdev *blk,
                         enum operation op, uint64_t lba, uint32_t gpa,
                         unsigned count, unsigned *moved)
{
    uint8_t sector[BLOCKDEV_SECTOR];

    for (*moved = 0; *moved < count; ++*moved, lba++, gpa += sizeof(sector)) {
        if (lba >= blk->sectors)
            return NOT_FOUND;
        if (op == WRITE) {
            if (blk->readonly)
                return WRITE_FAULT;
            if (!mem_read(&m->mem, gpa, sector, sizeof(sector)))
                return DMA_BOUNDARY;
            if (blk->write(blk->opaque, lba, sector, 1))
                return WRITE_FAULT;
        } else {
            if (blk->read(blk->opaque, lba, sector, 1))
                return CONTROLLER;
            if (op == READ && !mem_write(&m->mem, gpa, sector, sizeof(sector)))
                return DMA_BOUNDARY;
        }
    }
    return OK;
}

static void chs_transfer(struct machine *m, struct bios_frame *f,
                         struct blockdev *blk, enum operation op)
{
    struct geometry g = geometry_of(blk);
    unsigned cylinder = (f->ecx >> 8 & 0xff) | (f->ecx & 0xc0) << 2;
    unsigned sector = f->ecx & 0x3f, head = f->edx >> 8 & 0xff, moved = 0;
    unsigned status = NOT_FOUND;

    if (sector > 0 && head < g.heads)
        status = transfer(
            m, blk, op,
            ((uint64_t)cylinder * g.heads + head) * SECTORS_TRACK + sector - 1,
            bios_far(f->es, f->ebx), bios_al(f), &moved);
    bios_set_al(f, moved);
    done(m, f, status);
}

static void parameters(struct machine *m, struct bios_frame *f,
                       const struct blockdev *blk)
{
    struct geometry g = geometry_of(blk);
    unsigned last = g.cylinders - 1;

    bios_set16(&f->ecx,
               (last & 0xff) << 8 | (last >> 2 & 0xc0) | SECTORS_TRACK);
    bios_set16(&f->edx, (g.heads - 1) << 8 | drive_count(m));
    bios_set16(&f->eax, 0);
    done(m, f, OK);
}

static void disk_type(struct machine *m, struct bios_frame *f,
                      const struct blockdev *blk)
{
    uint64_t n = blk->sectors < UINT32_MAX ? blk->sectors : UINT32_MAX;

    bios_put8(m, STATUS, OK);
    bios_set16(&f->ecx, (unsigned)(n >> 16));
    bios_set16(&f->edx, (unsigned)n);
    bios_set_ah(f, 3); /* a fixed disk */
    bios_set_flag(f, BIOS_CF, false);
}

/* ---- EDD ---------------------------------------------------------------- */

struct packet { /* at DS:SI */
    uint8_t size, reserved;
    uint16_t count;
    uint16_t offset, segment;
    uint64_t lba;
} __attribute__((packed));

static void extended_transfer(struct machine *m, struct bios_frame *f,
                              struct blockdev *blk, enum operation op)
{
    uint32_t at = bios_far(f->ds, f->esi);
    unsigned moved = 0, status;
    struct packet p;

    if (!mem_read(&m->mem, at, &p, sizeof(p)) || p.size < sizeof(p)) {
        done(m, f, BAD_COMMAND);
        return;
    }
    status = transfer(m, blk, op, p.lba, bios_far(p.segment, p.offset), p.count,
                      &moved);
    bios_put16(m, at + 2, moved);
    done(m, f, status);
}

static void extended_parameters(struct machine *m, struct bios_frame *f,
                                const struct blockdev *blk)
{
    struct geometry g = geometry_of(blk);
    struct {
        uint16_t size, flags;
        uint32_t cylinders, heads, sectors;
        uint64_t total;
        uint16_t sector_size;
    } __attribute__((packed)) out = {
        .size = 26,
        .flags = 2, /* the geometry is valid */
        .cylinders = g.cylinders,
        .heads = g.heads,
        .sectors = SECTORS_TRACK,
        .total = blk->sectors,
        .sector_size = BLOCKDEV_SECTOR,
    };

    mem_write(&m->mem, bios_far(f->ds, f->esi), &out, sizeof(out));
    done(m, f, OK);
}

static void extensions(struct machine *m, struct bios_frame *f)
{
    if ((f->ebx & 0xffff) != 0x55aa) {
        done(m, f, BAD_COMMAND);
        return;
    }
    bios_set16(&f->ebx, 0xaa55);
    bios_set16(&f->ecx, 1); /* packet access */
    done(m, f, OK);
    bios_set_ah(f, 1); /* version 1.x */
}

void bios_disk(struct machine *m, struct bios_frame *f)
{
    struct blockdev *blk = drive(m, f->edx & 0xff);

    if (!blk) {
        done(m, f, BAD_COMMAND);
        if (bios_ah(f) == 0x15)
            bios_set_ah(f, 0); /* no such drive */
        return;
    }
    switch (bios_ah(f)) {
    case 0x00: /* reset, recalibrate, seek, ready: nothing to wait for */
    case 0x0d:
    case 0x0c:
    case 0x10:
    case 0x11:
    case 0x47:
        done(m, f, OK);
        break;
    case 0x01:
        done(m, f, bios_get8(m, STATUS));
        break;
    case 0x02:
        chs_transfer(m, f, blk, READ);
        break;
    case 0x03:
        chs_transfer(m, f, blk, WRITE);
        break;
    case 0x04:
        chs_transfer(m, f, blk, VERIFY);
        break;
    case 0x08:
        parameters(m, f, blk);
        break;
    case 0x15:
        disk_type(m, f, blk);
        break;
    case 0x41:
        extensions(m, f);
        break;
    case 0x42:
        extended_transfer(m, f, blk, READ);
        break;
    case 0x43:
        extended_transfer(m, f, blk, WRITE);
        break;
    case 0x44:
        extended_transfer(m, f, blk, VERIFY);
        break;
    case 0x48:
        extended_parameters(m, f, blk);
        break;
    default:
        done(m, f, BAD_COMMAND);
        break;
    }
}
