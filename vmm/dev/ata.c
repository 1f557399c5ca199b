/*
 * An ATA channel: its ports and state (ATA/ATAPI-6, T13 1410D, chapter 7).
 * Commands are in ata_command.c, IDENTIFY's words in ata_identify.c.
 */
#include <string.h>

#include "vmm/dev/ata_impl.h"

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

/* ---- interrupt, reset ---------------------------------------------------- */

static void update_irq(struct ata *a)
{
    irq_set(&a->irq, a->intrq && !(a->control & CTL_NIEN));
}

void ata_set_intrq(struct ata *a, bool on)
{
    a->intrq = on;
    update_irq(a);
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
        ata_put_signature(a);
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
        ata_buffer_taken(a);
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
        ata_buffer_filled(a);
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
        ata_set_intrq(a, false);
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
        ata_command(a, value);
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
        ata_reset_drive(&a->drive[i]);
    ata_put_signature(a);
    ata_set_intrq(a, false);
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
