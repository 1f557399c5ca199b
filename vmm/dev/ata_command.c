/*
 * An ATA channel's commands (ATA/ATAPI-6, T13 1410D, chapter 8): a table of
 * opcodes, and the blocks of PIO transfers.  Commands complete at once, so BSY
 * is only seen during a software reset.
 *
 * Not here: DMA, packet devices, security, power states that take time.
 */
#include "vmm/dev/ata_identify.h"
#include "vmm/dev/ata_impl.h"

#define DIAGNOSTIC_PASSED 0x01u

/* ---- completion ---------------------------------------------------------- */

static void finish(struct ata *a, unsigned status, unsigned error)
{
    struct drive *d = active(a);

    a->transfer = TRANSFER_NONE;
    d->status = (uint8_t)(ST_IDLE | status);
    d->error = (uint8_t)error;
    ata_set_intrq(a, true);
}

static void finish_ok(struct ata *a)
{
    finish(a, 0, 0);
}

static void abort_command(struct ata *a)
{
    finish(a, ST_ERR, ERR_ABRT);
}

/* ---- addresses ---------------------------------------------------------- */

static bool decode_address(struct ata *a, bool ext, uint64_t *lba)
{
    const struct drive *d = active(a);
    uint32_t low24 = (uint32_t)(a->low[0] | a->mid[0] << 8 | a->high[0] << 16);

    if (ext) {
        *lba = (uint64_t)a->high[1] << 40 | (uint64_t)a->mid[1] << 32 |
               (uint64_t)a->low[1] << 24 | low24;
        return true;
    }
    if (a->device & DEV_LBA) {
        *lba = (uint32_t)(a->device & DEV_HEAD) << 24 | low24;
        return true;
    }
    if (a->low[0] == 0 || a->low[0] > d->sectors ||
        (a->device & DEV_HEAD) >= d->heads)
        return false;
    *lba = ((uint64_t)(low24 >> 8) * d->heads + (a->device & DEV_HEAD)) *
               d->sectors +
           a->low[0] - 1;
    return true;
}

/* Writes LBA back to the task file, in the form the command came in. */
static void report_address(struct ata *a, uint64_t lba)
{
    const struct drive *d = active(a);
    uint8_t head = a->device & DEV_HEAD;

    if (!a->ext && !(a->device & DEV_LBA)) {
        uint64_t track = lba / d->sectors;
        a->low[0] = (uint8_t)(lba % d->sectors + 1);
        head = (uint8_t)(track % d->heads);
        a->mid[0] = (uint8_t)(track / d->heads);
        a->high[0] = (uint8_t)(track / d->heads >> 8);
    } else {
        a->low[0] = (uint8_t)lba;
        a->mid[0] = (uint8_t)(lba >> 8);
        a->high[0] = (uint8_t)(lba >> 16);
        if (a->ext) {
            a->low[1] = (uint8_t)(lba >> 24);
            a->mid[1] = (uint8_t)(lba >> 32);
            a->high[1] = (uint8_t)(lba >> 40);
        } else {
            head = (uint8_t)(lba >> 24 & DEV_HEAD);
        }
    }
    a->device = (uint8_t)((a->device & ~DEV_HEAD) | head);
}

static void fail_at(struct ata *a, uint64_t lba, unsigned status,
                    unsigned error)
{
    report_address(a, lba);
    finish(a, status, error);
}

/* ---- the medium --------------------------------------------------------- */

/* Sectors of the next block; 0: none is left, or the address is wild. */
static uint32_t next_block(const struct drive *d, const struct ata *a)
{
    uint32_t n = a->remaining < a->block ? a->remaining : a->block;
    uint64_t left;

    assert(d->blk); /* absent devices take no commands */
    left = a->lba < d->blk->sectors ? d->blk->sectors - a->lba : 0;
    return left < n ? (uint32_t)left : n;
}

static void data_request(struct ata *a, uint32_t len)
{
    active(a)->status = ST_IDLE | ST_DRQ;
    a->pos = 0;
    a->len = len;
}

/* Reads the next block into the buffer and announces it. */
static void read_next(struct ata *a)
{
    struct drive *d = active(a);
    uint32_t n = next_block(d, a);

    if (n == 0) {
        fail_at(a, a->lba, ST_ERR, ERR_IDNF);
        return;
    }
    assert(d->blk);
    if (d->blk->read(d->blk->opaque, a->lba, a->buffer, n)) {
        fail_at(a, a->lba, ST_ERR, ERR_UNC);
        return;
    }
    a->remaining -= n;
    data_request(a, n * BLOCKDEV_SECTOR);
    ata_set_intrq(a, true);
}

/* Asks for the next block; the first is asked for without an interrupt. */
static void write_next(struct ata *a, bool first)
{
    uint32_t n = next_block(active(a), a);

    if (n == 0) {
        fail_at(a, a->lba, ST_ERR, ERR_IDNF);
        return;
    }
    a->remaining -= n;
    data_request(a, n * BLOCKDEV_SECTOR);
    if (!first)
        ata_set_intrq(a, true);
}

void ata_buffer_filled(struct ata *a)
{
    struct drive *d = active(a);
    uint32_t n = a->len / BLOCKDEV_SECTOR;

    assert(d->blk);
    if (d->blk->write(d->blk->opaque, a->lba, a->buffer, n)) {
        fail_at(a, a->lba, ST_DF | ST_ERR, ERR_ABRT);
        return;
    }
    a->lba += n;
    if (a->remaining > 0) {
        write_next(a, false);
        return;
    }
    a->count[0] = 0;
    report_address(a, a->lba - 1);
    finish_ok(a);
}

void ata_buffer_taken(struct ata *a)
{
    struct drive *d = active(a);

    if (a->disk) {
        a->lba += a->len / BLOCKDEV_SECTOR;
        if (a->remaining > 0) {
            read_next(a);
            return;
        }
        a->count[0] = 0;
        report_address(a, a->lba - 1);
    }
    a->transfer = TRANSFER_NONE;
    d->status = ST_IDLE;
}

/* ---- commands ----------------------------------------------------------- */
enum { MULTIPLE = BIT(0), EXT = BIT(1), WRITE = BIT(2) };

static void rw_sectors(struct ata *a, unsigned flags)
{
    struct drive *d = active(a);
    uint32_t count = a->count[0];

    a->ext = flags & EXT;
    if (flags & EXT)
        count |= (uint32_t)a->count[1] << 8;
    if (count == 0)
        count = flags & EXT ? 65536 : 256;
    if (((flags & MULTIPLE) && d->multiple == 0) ||
        ((flags & WRITE) && d->blk->readonly)) {
        abort_command(a);
        return;
    }
    if (!decode_address(a, a->ext, &a->lba)) {
        finish(a, ST_ERR, ERR_IDNF);
        return;
    }
    a->disk = true;
    a->remaining = count;
    a->block = flags & MULTIPLE ? d->multiple : 1;
    a->transfer = flags & WRITE ? TRANSFER_OUT : TRANSFER_IN;
    if (flags & WRITE)
        write_next(a, true);
    else
        read_next(a);
}

static void verify_sectors(struct ata *a, unsigned flags)
{
    const struct drive *d = active(a);
    uint32_t count = a->count[0];
    uint64_t lba;

    a->ext = flags & EXT;
    if (flags & EXT)
        count |= (uint32_t)a->count[1] << 8;
    if (count == 0)
        count = flags & EXT ? 65536 : 256;
    if (!decode_address(a, a->ext, &lba))
        finish(a, ST_ERR, ERR_IDNF);
    else if (lba >= d->blk->sectors || count > d->blk->sectors - lba)
        fail_at(a, lba < d->blk->sectors ? d->blk->sectors : lba, ST_ERR,
                ERR_IDNF);
    else
        finish_ok(a);
}

static void seek(struct ata *a, unsigned flags)
{
    uint64_t lba;

    (void)flags;
    if (!decode_address(a, false, &lba) || lba >= active(a)->blk->sectors)
        finish(a, ST_ERR, ERR_IDNF);
    else
        finish_ok(a);
}

static void nothing(struct ata *a, unsigned flags)
{
    (void)flags;
    finish_ok(a);
}

static void flush_cache(struct ata *a, unsigned flags)
{
    struct blockdev *blk = active(a)->blk;

    (void)flags;
    if (!blk->readonly && blk->flush && blk->flush(blk->opaque))
        finish(a, ST_DF | ST_ERR, ERR_ABRT);
    else
        finish_ok(a);
}

static void set_multiple(struct ata *a, unsigned flags)
{
    unsigned n = a->count[0];

    (void)flags;
    if (n > ATA_MULTIPLE_MAX || (n & (n - 1)) != 0) {
        abort_command(a);
        return;
    }
    active(a)->multiple = (uint8_t)n;
    finish_ok(a);
}

static void initialize_parameters(struct ata *a, unsigned flags)
{
    struct drive *d = active(a);

    (void)flags;
    if (a->count[0] == 0) {
        abort_command(a);
        return;
    }
    d->heads = (uint8_t)((a->device & DEV_HEAD) + 1);
    d->sectors = a->count[0];
    finish_ok(a);
}

static void set_features(struct ata *a, unsigned flags)
{
    unsigned mode = a->count[0];
    bool ok = false;

    (void)flags;
    switch (a->features[0]) {
    case 0x02: /* write cache on, off */
    case 0x82:
    case 0x55: /* look-ahead off, on */
    case 0xaa:
    case 0x66: /* keep settings over a software reset, or do not */
    case 0xcc:
        ok = true;
        break;
    case 0x03: /* transfer mode: PIO default, and flow control modes to 4 */
        ok = mode <= 0x01 || (mode >= 0x08 && mode <= 0x0c);
        break;
    default:
        break;
    }
    finish(a, ok ? 0 : ST_ERR, ok ? 0 : ERR_ABRT);
}

static void check_power_mode(struct ata *a, unsigned flags)
{
    (void)flags;
    a->count[0] = 0xff; /* active or idle */
    finish_ok(a);
}

static void read_native_max(struct ata *a, unsigned flags)
{
    uint64_t max = active(a)->blk->sectors - 1;

    a->ext = flags & EXT;
    if (!a->ext && max > ATA_LBA28_MAX - 1)
        max = ATA_LBA28_MAX - 1;
    a->device |= DEV_LBA;
    report_address(a, max);
    finish_ok(a);
}

/* ---- IDENTIFY DEVICE: the words are in ata_identify.c ------------------- */

static void identify(struct ata *a, unsigned flags)
{
    const struct drive *d = active(a);
    const struct ata_identity id = {
        .unit = a->active,
        .total = d->blk->sectors,
        .heads = d->heads,
        .sectors = d->sectors,
        .multiple = d->multiple,
    };

    (void)flags;
    ata_identify_fill(&id, a->buffer);
    a->disk = false;
    a->transfer = TRANSFER_IN;
    data_request(a, BLOCKDEV_SECTOR);
    ata_set_intrq(a, true);
}

/* ---- reset and diagnostic ----------------------------------------------- */

void ata_put_signature(struct ata *a)
{
    a->count[0] = a->low[0] = 1;
    a->mid[0] = a->high[0] = 0;
    a->device = a->active = 0;
    a->transfer = TRANSFER_NONE;
    for (unsigned i = 0; i < 2; i++) {
        struct drive *d = &a->drive[i];
        d->status = d->blk ? ST_IDLE : 0;
        d->error = d->blk ? DIAGNOSTIC_PASSED : 0;
    }
}

void ata_reset_drive(struct drive *d)
{
    d->multiple = ATA_MULTIPLE_MAX; /* drivers keep what they find */
    d->heads = ATA_HEADS;
    d->sectors = ATA_SECTORS_PER_TRACK;
}

/* ---- the command register ----------------------------------------------- */

#define CMD_DIAGNOSTIC 0x90u

struct command {
    uint8_t opcode;
    void (*run)(struct ata *a, unsigned flags);
    unsigned flags;
};

/* clang-format off */
static const struct command commands[] = {
    { 0x10, nothing,         0 },                /* RECALIBRATE */
    { 0x20, rw_sectors,      0 },                /* READ SECTOR(S) */
    { 0x21, rw_sectors,      0 },
    { 0x24, rw_sectors,      EXT },
    { 0x27, read_native_max, EXT },
    { 0x29, rw_sectors,      EXT | MULTIPLE },
    { 0x30, rw_sectors,      WRITE },            /* WRITE SECTOR(S) */
    { 0x31, rw_sectors,      WRITE },
    { 0x34, rw_sectors,      WRITE | EXT },
    { 0x39, rw_sectors,      WRITE | EXT | MULTIPLE },
    { 0x40, verify_sectors,  0 },                /* READ VERIFY SECTOR(S) */
    { 0x41, verify_sectors,  0 },
    { 0x42, verify_sectors,  EXT },
    { 0x70, seek,            0 },
    { 0x91, initialize_parameters, 0 },
    { 0xc4, rw_sectors,      MULTIPLE },
    { 0xc5, rw_sectors,      WRITE | MULTIPLE },
    { 0xc6, set_multiple,    0 },
    { 0xe0, nothing,         0 },                /* STANDBY IMMEDIATE */
    { 0xe1, nothing,         0 },                /* IDLE IMMEDIATE */
    { 0xe2, nothing,         0 },                /* STANDBY */
    { 0xe3, nothing,         0 },                /* IDLE */
    { 0xe5, check_power_mode, 0 },
    { 0xe7, flush_cache,     0 },
    { 0xea, flush_cache,     EXT },
    { 0xec, identify,        0 },
    { 0xef, set_features,    0 },
    { 0xf8, read_native_max, 0 },
};
/* clang-format on */

void ata_command(struct ata *a, uint8_t opcode)
{
    struct drive *d = selected(a);

    ata_set_intrq(a, false);
    if (opcode == CMD_DIAGNOSTIC) {
        ata_put_signature(a); /* both devices, whichever is selected */
        ata_set_intrq(a, true);
        return;
    }
    if (!d->blk)
        return; /* nobody hears it */
    a->active = d == &a->drive[1];
    a->transfer = TRANSFER_NONE;
    d->error = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        if (commands[i].opcode == opcode) {
            commands[i].run(a, commands[i].flags);
            return;
        }
    abort_command(a);
}
