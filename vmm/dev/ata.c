/*
 * An ATA channel: task file, PIO protocols, commands (ATA/ATAPI-6, T13 1410D).
 *
 * Commands complete at once, so BSY is only seen during a software reset.
 * Not here: DMA, packet devices, security, power states that take time.
 */
#include "vmm/dev/ata.h"

#include <string.h>

#include "vmm/dev/ata_identify.h"

#define COMMAND_LEN 8u

/* Command block registers, as offsets. */
enum {
    REG_DATA,
    REG_ERROR, /* written: features */
    REG_COUNT,
    REG_LOW, /* LBA low, or sector number */
    REG_MID, /* LBA mid, or cylinder low */
    REG_HIGH,
    REG_DEVICE,
    REG_STATUS, /* written: command */
};

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

#define DIAGNOSTIC_PASSED 0x01u

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

static struct drive *selected(struct ata *a)
{
    return &a->drive[a->device & DEV_DEV ? 1 : 0];
}

/* The device that does the last command, whichever is selected by now. */
static struct drive *active(struct ata *a)
{
    return &a->drive[a->active];
}

/* ---- interrupt and completion ------------------------------------------- */

static void update_irq(struct ata *a)
{
    irq_set(&a->irq, a->intrq && !(a->control & CTL_NIEN));
}

static void set_intrq(struct ata *a, bool on)
{
    a->intrq = on;
    update_irq(a);
}

static void finish(struct ata *a, unsigned status, unsigned error)
{
    struct drive *d = active(a);

    a->transfer = TRANSFER_NONE;
    d->status = (uint8_t)(ST_IDLE | status);
    d->error = (uint8_t)error;
    set_intrq(a, true);
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
    set_intrq(a, true);
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
        set_intrq(a, true);
}

static void write_buffer(struct ata *a)
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

/* The guest has taken the whole buffer. */
static void buffer_taken(struct ata *a)
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
    set_intrq(a, true);
}

/* ---- reset and diagnostic ----------------------------------------------- */

static void put_signature(struct ata *a)
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

static void reset_drive(struct drive *d)
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

static void command_write(struct ata *a, uint8_t opcode)
{
    struct drive *d = selected(a);

    set_intrq(a, false);
    if (opcode == CMD_DIAGNOSTIC) {
        put_signature(a); /* both devices, whichever is selected */
        set_intrq(a, true);
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

static void control_write(struct ata *a, uint8_t value)
{
    bool was = a->control & CTL_SRST, is = value & CTL_SRST;

    a->control = value;
    if (is) {
        a->transfer = TRANSFER_NONE;
        a->intrq = false;
        for (unsigned i = 0; i < 2; i++)
            if (a->drive[i].blk)
                a->drive[i].status = ST_BSY;
    } else if (was) {
        put_signature(a);
    }
    update_irq(a);
}

/* ---- ports -------------------------------------------------------------- */

static uint64_t data_read(struct ata *a, unsigned size)
{
    unsigned step = size < 2 ? 2 : size;
    uint32_t value = 0;

    if (a->transfer != TRANSFER_IN || selected(a) != active(a))
        return 0;
    for (unsigned i = 0; i < size && a->pos + i < a->len; i++)
        value |= (uint32_t)a->buffer[a->pos + i] << 8 * i;
    a->pos += step;
    if (a->pos >= a->len)
        buffer_taken(a);
    return value;
}

static void data_write(struct ata *a, unsigned size, uint64_t value)
{
    unsigned step = size < 2 ? 2 : size;

    if (a->transfer != TRANSFER_OUT || selected(a) != active(a))
        return;
    for (unsigned i = 0; i < size && a->pos + i < a->len; i++)
        a->buffer[a->pos + i] = (uint8_t)(value >> 8 * i);
    a->pos += step;
    if (a->pos >= a->len)
        write_buffer(a);
}

static uint8_t reg_read(struct ata *a, unsigned reg)
{
    unsigned hob = a->control & CTL_HOB ? 1 : 0;
    const struct drive *d = selected(a);

    if (!a->drive[0].blk && !a->drive[1].blk)
        return 0xff;
    if (!d->blk && reg != REG_DEVICE)
        return 0;
    switch (reg) {
    case REG_ERROR:
        return d->error;
    case REG_COUNT:
        return a->count[hob];
    case REG_LOW:
        return a->low[hob];
    case REG_MID:
        return a->mid[hob];
    case REG_HIGH:
        return a->high[hob];
    case REG_DEVICE:
        return a->device | 0xa0; /* two obsolete bits read as 1 */
    default:
        set_intrq(a, false);
        return d->status;
    }
}

static void latch(uint8_t reg[2], uint8_t value)
{
    reg[1] = reg[0];
    reg[0] = value;
}

static void reg_write(struct ata *a, unsigned reg, uint8_t value)
{
    a->control &= (uint8_t)~CTL_HOB;
    if (a->control & CTL_SRST)
        return; /* busy */
    switch (reg) {
    case REG_ERROR:
        latch(a->features, value);
        break;
    case REG_COUNT:
        latch(a->count, value);
        break;
    case REG_LOW:
        latch(a->low, value);
        break;
    case REG_MID:
        latch(a->mid, value);
        break;
    case REG_HIGH:
        latch(a->high, value);
        break;
    case REG_DEVICE:
        a->device = value;
        break;
    default:
        command_write(a, value);
        break;
    }
}

static uint64_t command_block_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ata *a = ((struct device *)opaque)->state;
    uint64_t value = 0;

    if (offset == REG_DATA && (a->drive[0].blk || a->drive[1].blk))
        return data_read(a, size);
    for (unsigned i = 0; i < size; i++) {
        unsigned reg = (unsigned)offset + i;
        value |= (uint64_t)(reg < COMMAND_LEN ? reg_read(a, reg) : 0xff)
                 << 8 * i;
    }
    return value;
}

static void command_block_write(void *opaque, uint64_t offset, unsigned size,
                                uint64_t value)
{
    struct ata *a = ((struct device *)opaque)->state;

    if (offset == REG_DATA) {
        data_write(a, size, value);
        return;
    }
    for (unsigned i = 0; i < size && offset + i < COMMAND_LEN; i++)
        reg_write(a, (unsigned)offset + i, (uint8_t)(value >> 8 * i));
}

static const struct io_ops command_ops = {command_block_read,
                                          command_block_write, 0};

/* The alternate status register: reading it leaves INTRQ alone. */
static uint64_t control_block_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ata *a = ((struct device *)opaque)->state;

    (void)offset, (void)size; /* a port of one byte */
    if (!a->drive[0].blk && !a->drive[1].blk)
        return 0xff;
    return selected(a)->status;
}

static void control_block_write(void *opaque, uint64_t offset, unsigned size,
                                uint64_t value)
{
    (void)offset, (void)size;
    control_write(((struct device *)opaque)->state, (uint8_t)value);
}

static const struct io_ops control_ops = {control_block_read,
                                          control_block_write, 1};

/* ---- the device --------------------------------------------------------- */

static int ata_init(struct device *dev, const struct device_cfg *cfg)
{
    struct ata *a = dev->state;

    a->irq = cfg->irq[0];
    for (unsigned i = 0; i < 2; i++)
        a->drive[i].blk = cfg->blk[i];
    bus_map(dev->env.bus, IO_PORT, cfg->base, COMMAND_LEN, &command_ops, dev,
            cfg->name);
    bus_map(dev->env.bus, IO_PORT, cfg->arg, 1, &control_ops, dev, cfg->name);
    return 0;
}

static void ata_reset(struct device *dev)
{
    struct ata *a = dev->state;

    memset(a->features, 0, sizeof(a->features));
    a->count[1] = a->low[1] = a->mid[1] = a->high[1] = 0;
    a->control = 0;
    a->ext = a->disk = false;
    a->lba = 0;
    a->remaining = a->block = a->pos = a->len = 0;
    memset(a->buffer, 0, sizeof(a->buffer));
    for (unsigned i = 0; i < 2; i++)
        reset_drive(&a->drive[i]);
    put_signature(a);
    set_intrq(a, false);
}

static void ata_dump(const struct device *dev, struct strbuf *out)
{
    static const char *const transfer_name[] = {"none", "in", "out"};
    const struct ata *a = dev->state;

    for (unsigned i = 0; i < 2; i++) {
        const struct drive *d = &a->drive[i];
        if (!d->blk) {
            strbuf_printf(out, "device %u absent\n", i);
            continue;
        }
        strbuf_printf(out,
                      "device %u %llu sectors%s  status %02x  error %02x  "
                      "multiple %u  CHS x/%u/%u\n",
                      i, (unsigned long long)d->blk->sectors,
                      d->blk->readonly ? " (read only)" : "", d->status,
                      d->error, d->multiple, d->heads, d->sectors);
    }
    strbuf_printf(out, "task file %02x %02x %02x %02x %02x %02x  control %02x",
                  a->features[0], a->count[0], a->low[0], a->mid[0], a->high[0],
                  a->device, a->control);
    strbuf_printf(out, "  INTRQ %d\n", a->intrq);
    strbuf_printf(out,
                  "transfer %s  LBA %llu  byte %u of %u  then %u sectors\n",
                  transfer_name[a->transfer], (unsigned long long)a->lba,
                  a->pos, a->len, a->remaining);
}

static void ata_snap(struct device *dev, struct snap *s)
{
    struct ata *a = dev->state;

    for (unsigned i = 0; i < 2; i++) {
        struct drive *d = &a->drive[i];
        snap_field(s, d->status);
        snap_field(s, d->error);
        snap_field(s, d->multiple);
        snap_field(s, d->heads);
        snap_field(s, d->sectors);
    }
    snap_field(s, a->features);
    snap_field(s, a->count);
    snap_field(s, a->low);
    snap_field(s, a->mid);
    snap_field(s, a->high);
    snap_field(s, a->device);
    snap_field(s, a->control);
    snap_field(s, a->active);
    snap_field(s, a->intrq);
    snap_field(s, a->transfer);
    snap_field(s, a->ext);
    snap_field(s, a->disk);
    snap_field(s, a->lba);
    snap_field(s, a->remaining);
    snap_field(s, a->block);
    snap_field(s, a->pos);
    snap_field(s, a->len);
    snap_field(s, a->buffer);
    if (!s->saving && !active(a)->blk) /* restored without its disk */
        a->transfer = TRANSFER_NONE;
}

const struct device_class ata_class = {
    .name = "ata",
    .summary = "ATA channel, programmed I/O",
    .state_size = sizeof(struct ata),
    .init = ata_init,
    .reset = ata_reset,
    .dump = ata_dump,
    .snap = ata_snap,
};
