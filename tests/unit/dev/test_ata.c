/* The ATA channel: transcripts of commands, as a driver would issue them. */
#include "tests/unit/dev/rig.h"

#include <errno.h>
#include <string.h>

#include "vmm/dev/ata.h"

enum { DATA = 0x1f0, ERR, COUNT, LOW, MID, HIGH, DEV, CMD, CTL = 0x3f6 };

#define SECTORS 2048u
#define IDLE    0x50u
#define DRQ     0x58u
#define FAILED  0x51u
#define LBA     0xe0u

struct disk {
    uint8_t data[SECTORS * BLOCKDEV_SECTOR];
    struct blockdev blk;
    int fail;
    unsigned flushes;
};

struct chan {
    struct rig r;
    struct device *dev;
    struct disk disk[2];
};

static int disk_read(void *opaque, uint64_t lba, void *buf, unsigned count)
{
    struct disk *d = opaque;

    assert_true(lba + count <= d->blk.sectors);
    memcpy(buf, d->data + lba * 512, (size_t)count * 512);
    return d->fail;
}

static int disk_write(void *opaque, uint64_t lba, const void *buf,
                      unsigned count)
{
    struct disk *d = opaque;

    assert_true(lba + count <= d->blk.sectors);
    memcpy(d->data + lba * 512, buf, (size_t)count * 512);
    return d->fail;
}

static int disk_flush(void *opaque)
{
    struct disk *d = opaque;

    d->flushes++;
    return d->fail;
}

static struct chan *chan_open(unsigned disks, bool readonly)
{
    struct chan *c = test_calloc(1, sizeof(*c));
    struct device_cfg cfg = {.name = "ata0", .base = DATA, .arg = CTL};

    rig_init(&c->r);
    cfg.irq[0] = rig_pin(&c->r, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct disk *d = &c->disk[i];
        d->blk = (struct blockdev){SECTORS,   readonly,   d,
                                   disk_read, disk_write, disk_flush};
        for (unsigned s = 0; s < SECTORS; s++)
            memset(d->data + s * 512, (int)(s * 7 + i + 1) & 0xff, 512);
        cfg.blk[i] = disks & BIT(i) ? &d->blk : NULL;
    }
    c->dev = rig_device(&c->r, &ata_class, &cfg);
    return c;
}

static void chan_close(struct chan *c)
{
    device_destroy(c->dev);
    test_free(c);
}

static unsigned inw(struct chan *c)
{
    return (unsigned)bus_read(&c->r.bus, IO_PORT, DATA, 2);
}

static void outw(struct chan *c, unsigned value)
{
    bus_write(&c->r.bus, IO_PORT, DATA, 2, value);
}

/* A 28-bit command. */
static void command(struct chan *c, unsigned cmd, uint32_t lba, unsigned count)
{
    outb(&c->r, DEV, LBA | (lba >> 24 & 0xf));
    outb(&c->r, COUNT, count);
    outb(&c->r, LOW, lba);
    outb(&c->r, MID, lba >> 8);
    outb(&c->r, HIGH, lba >> 16);
    outb(&c->r, CMD, cmd);
}

static void expect_irq(struct chan *c, bool on)
{
    assert_int_equal(c->r.pin[0].level, on);
}

/* Reading the status takes the interrupt back. */
static void expect_status(struct chan *c, unsigned status)
{
    assert_int_equal(inb(&c->r, CTL), status);
    assert_int_equal(inb(&c->r, CMD), status);
    expect_irq(c, false);
}

static void expect_error(struct chan *c, unsigned error)
{
    expect_irq(c, true);
    expect_status(c, FAILED);
    assert_int_equal(inb(&c->r, ERR), error);
}

static void test_identify(void **state)
{
    struct chan *c = chan_open(3, false);
    uint16_t w[256];
    uint8_t sum = 0;

    (void)state;
    command(c, 0xec, 0, 0);
    expect_irq(c, true);
    expect_status(c, DRQ);
    for (unsigned i = 0; i < 256; i++) {
        w[i] = (uint16_t)inw(c);
        sum = (uint8_t)(sum + w[i] + (w[i] >> 8));
    }
    expect_irq(c, false);
    expect_status(c, IDLE);
    assert_int_equal(w[0], 0x40);
    assert_int_equal(w[1], SECTORS / (16 * 63));
    assert_int_equal(w[3], 16);
    assert_int_equal(w[6], 63);
    assert_int_equal(w[10], 'R' << 8 | 'I');
    assert_int_equal(w[47] & 0xff, 16);
    assert_int_equal(w[59], 0x110);
    assert_int_equal(w[49] & BIT(8), 0); /* no DMA */
    assert_int_equal(w[49] & BIT(9), BIT(9));
    assert_int_equal(w[60] | w[61] << 16, SECTORS);
    assert_int_equal(w[100], SECTORS);
    assert_int_equal(w[83] & 0xc000, 0x4000);
    assert_int_equal(w[255] & 0xff, 0xa5);
    assert_int_equal(sum, 0);
    chan_close(c);
}

static void test_read(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    command(c, 0x20, 10, 3);
    for (unsigned s = 10; s < 13; s++) {
        expect_irq(c, true);
        expect_status(c, DRQ);
        for (unsigned i = 0; i < 128; i++) { /* 32-bit reads work as well */
            uint32_t v = (uint32_t)bus_read(&c->r.bus, IO_PORT, DATA, 4);
            assert_int_equal(v & 0xff, (s * 7 + 1) & 0xff);
        }
    }
    expect_irq(c, false); /* none after the last sector */
    expect_status(c, IDLE);
    assert_int_equal(inb(&c->r, COUNT), 0);
    assert_int_equal(inb(&c->r, LOW), 12);
    chan_close(c);
}

static void test_write(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    command(c, 0x30, 100, 2);
    expect_irq(c, false); /* the first block is asked for by DRQ alone */
    expect_status(c, DRQ);
    for (unsigned i = 0; i < 256; i++)
        outw(c, 0x1111);
    expect_irq(c, true);
    expect_status(c, DRQ);
    for (unsigned i = 0; i < 256; i++)
        outw(c, 0x2222);
    expect_irq(c, true);
    expect_status(c, IDLE);
    assert_int_equal(c->disk[0].data[100 * 512], 0x11);
    assert_int_equal(c->disk[0].data[102 * 512 - 1], 0x22);
    assert_int_equal(c->disk[0].data[102 * 512], (102 * 7 + 1) & 0xff);
    command(c, 0xe7, 0, 0);
    expect_irq(c, true);
    expect_status(c, IDLE);
    assert_int_equal(c->disk[0].flushes, 1);
    chan_close(c);
}

static void test_multiple(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    command(c, 0xc6, 0, 0); /* off */
    expect_status(c, IDLE);
    command(c, 0xc4, 0, 4);
    expect_error(c, 0x04);
    command(c, 0xc6, 0, 3); /* not a power of two */
    expect_error(c, 0x04);
    command(c, 0xc6, 0, 32);
    expect_error(c, 0x04);
    command(c, 0xc6, 0, 4);
    expect_status(c, IDLE);
    command(c, 0xc4, 20, 6); /* blocks of 4 and 2 sectors */
    expect_irq(c, true);
    expect_status(c, DRQ);
    for (unsigned i = 0; i < 4 * 256; i++)
        assert_int_equal(inw(c) & 0xff, ((20 + i / 256) * 7 + 1) & 0xff);
    expect_irq(c, true);
    expect_status(c, DRQ);
    for (unsigned i = 0; i < 2 * 256; i++)
        inw(c);
    expect_status(c, IDLE);
    command(c, 0xc5, 30, 5);
    for (unsigned i = 0; i < 4 * 256; i++)
        outw(c, 0xabab);
    expect_irq(c, true);
    expect_status(c, DRQ);
    for (unsigned i = 0; i < 256; i++)
        outw(c, 0xcdcd);
    expect_irq(c, true);
    expect_status(c, IDLE);
    assert_int_equal(c->disk[0].data[34 * 512 - 1], 0xab);
    assert_int_equal(c->disk[0].data[34 * 512], 0xcd);
    chan_close(c);
}

static void test_lba48(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    outb(&c->r, DEV, LBA);
    for (unsigned i = 0; i < 2; i++) { /* high-order bytes first */
        outb(&c->r, COUNT, i ? 1 : 0);
        outb(&c->r, LOW, i ? 0x21 : 0);
        outb(&c->r, MID, i ? 0x03 : 0);
        outb(&c->r, HIGH, 0);
    }
    outb(&c->r, CMD, 0x24);
    expect_status(c, DRQ);
    assert_int_equal(inw(c) & 0xff, (0x321 * 7 + 1) & 0xff);
    for (unsigned i = 1; i < 256; i++)
        inw(c);
    expect_status(c, IDLE);
    outb(&c->r, LOW, 0x12); /* the address that is too high comes back */
    outb(&c->r, LOW, 0x34);
    outb(&c->r, CMD, 0x24);
    expect_error(c, 0x10);
    assert_int_equal(inb(&c->r, LOW), 0x34);
    outb(&c->r, CTL, 0x80);
    assert_int_equal(inb(&c->r, LOW), 0x12);
    chan_close(c);
}

static void test_chs(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    outb(&c->r, DEV, 0xa2); /* head 2 */
    outb(&c->r, COUNT, 1);
    outb(&c->r, LOW, 5);
    outb(&c->r, MID, 1);
    outb(&c->r, HIGH, 0);
    outb(&c->r, CMD, 0x20);
    expect_status(c, DRQ);
    assert_int_equal(inw(c) & 0xff, (((1 * 16 + 2) * 63 + 4) * 7 + 1) & 0xff);
    outb(&c->r, LOW, 0); /* sectors count from 1 */
    outb(&c->r, CMD, 0x20);
    expect_error(c, 0x10);
    outb(&c->r, DEV, 0xa3); /* 4 heads, 8 sectors */
    outb(&c->r, COUNT, 8);
    outb(&c->r, CMD, 0x91);
    expect_status(c, IDLE);
    outb(&c->r, COUNT, 1);
    outb(&c->r, LOW, 8);
    outb(&c->r, MID, 2);
    outb(&c->r, CMD, 0x20);
    expect_status(c, DRQ);
    assert_int_equal(inw(c) & 0xff, (((2 * 4 + 3) * 8 + 7) * 7 + 1) & 0xff);
    outb(&c->r, LOW, 9);
    outb(&c->r, CMD, 0x20);
    expect_error(c, 0x10);
    chan_close(c);
}

static void test_range(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    command(c, 0x20, SECTORS, 1);
    expect_error(c, 0x10);
    command(c, 0x20, SECTORS - 1, 2); /* one good sector, then the end */
    expect_status(c, DRQ);
    for (unsigned i = 0; i < 256; i++)
        inw(c);
    expect_error(c, 0x10);
    assert_int_equal(inb(&c->r, LOW), SECTORS & 0xff);
    assert_int_equal(inb(&c->r, MID), SECTORS >> 8);
    command(c, 0x30, SECTORS, 1);
    expect_error(c, 0x10);
    command(c, 0x40, 0, 0); /* verify 256 */
    expect_status(c, IDLE);
    command(c, 0x40, SECTORS - 2, 3);
    expect_error(c, 0x10);
    command(c, 0x99, 0, 0); /* no such command */
    expect_error(c, 0x04);
    command(c, 0x20, 1, 1); /* and the next one works */
    expect_status(c, DRQ);
    chan_close(c);
}

static void test_host_errors(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    c->disk[0].fail = -EIO;
    command(c, 0x20, 0, 1);
    expect_error(c, 0x40);
    command(c, 0x30, 0, 1);
    for (unsigned i = 0; i < 256; i++)
        outw(c, 0);
    expect_irq(c, true);
    expect_status(c, 0x71); /* device fault */
    chan_close(c);
}

static void test_readonly(void **state)
{
    struct chan *c = chan_open(1, true);

    (void)state;
    command(c, 0x30, 0, 1);
    expect_error(c, 0x04);
    outw(c, 0xdead); /* goes nowhere */
    assert_int_equal(c->disk[0].data[0], 1);
    command(c, 0xe7, 0, 0);
    expect_status(c, IDLE);
    chan_close(c);
}

static void test_absent(void **state)
{
    struct chan *c = chan_open(0, false);

    (void)state;
    assert_int_equal(inb(&c->r, CMD), 0xff);
    assert_int_equal(inb(&c->r, CTL), 0xff);
    outb(&c->r, COUNT, 0x55);
    assert_int_equal(inb(&c->r, COUNT), 0xff);
    outb(&c->r, CMD, 0xec);
    expect_irq(c, false);
    chan_close(c);

    c = chan_open(1, false);
    outb(&c->r, DEV, 0xf0);
    assert_int_equal(inb(&c->r, CMD), 0);
    outb(&c->r, CMD, 0xec);
    expect_irq(c, false);
    assert_int_equal(inb(&c->r, CMD), 0);
    chan_close(c);
}

static void test_slave(void **state)
{
    struct chan *c = chan_open(3, false);

    (void)state;
    outb(&c->r, DEV, 0xf0);
    outb(&c->r, COUNT, 1);
    outb(&c->r, LOW, 9);
    outb(&c->r, MID, 0);
    outb(&c->r, HIGH, 0);
    outb(&c->r, CMD, 0x20);
    expect_status(c, DRQ);
    assert_int_equal(inw(c) & 0xff, (9 * 7 + 2) & 0xff);
    /* The other device in the middle: no data from there, none lost. */
    outb(&c->r, DEV, 0xe0);
    assert_int_equal(inb(&c->r, CMD), IDLE);
    assert_int_equal(inw(c), 0);
    outb(&c->r, DEV, 0xf0);
    for (unsigned i = 1; i < 256; i++)
        assert_int_equal(inw(c) & 0xff, (9 * 7 + 2) & 0xff);
    expect_status(c, IDLE);
    chan_close(c);

    /* To an absent device in the middle of a write. */
    c = chan_open(1, false);
    command(c, 0x30, 0, 1);
    outb(&c->r, DEV, 0xf0);
    for (unsigned i = 0; i < 512; i++)
        outw(c, 0x4242);
    outb(&c->r, CMD, 0x30); /* a command nobody hears changes nothing */
    for (unsigned i = 0; i < 512; i++)
        outw(c, 0x4242);
    assert_int_equal(c->disk[0].data[0], 1);
    chan_close(c);
}

static void test_reset(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    command(c, 0x20, 0, 8);
    expect_irq(c, true);
    outb(&c->r, CTL, 0x04);
    assert_int_equal(inb(&c->r, CTL), 0x80);
    expect_irq(c, false);
    outb(&c->r, CTL, 0x00);
    expect_status(c, IDLE);
    assert_int_equal(inb(&c->r, ERR), 1);
    assert_int_equal(inb(&c->r, COUNT), 1);
    assert_int_equal(inb(&c->r, LOW), 1);
    assert_int_equal(inb(&c->r, MID), 0);
    assert_int_equal(inb(&c->r, HIGH), 0);
    assert_int_equal(inw(c), 0);
    outb(&c->r, DEV, 0xf0); /* diagnostic reaches both from either */
    outb(&c->r, CMD, 0x90);
    expect_irq(c, true);
    assert_int_equal(inb(&c->r, CMD), IDLE); /* device 0 is selected again */
    assert_int_equal(inb(&c->r, ERR), 1);
    chan_close(c);
}

static void test_nien(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    outb(&c->r, CTL, 0x02);
    command(c, 0x20, 0, 1);
    expect_irq(c, false);
    outb(&c->r, CTL, 0x00); /* pending all the time */
    expect_irq(c, true);
    assert_int_equal(inb(&c->r, CTL), DRQ); /* the alternate leaves it */
    expect_irq(c, true);
    expect_status(c, DRQ);
    chan_close(c);
}

static void test_features(void **state)
{
    struct chan *c = chan_open(1, false);

    (void)state;
    outb(&c->r, ERR, 0x03);
    command(c, 0xef, 0, 0x0c); /* PIO mode 4 */
    expect_status(c, IDLE);
    outb(&c->r, ERR, 0x03);
    command(c, 0xef, 0, 0x22); /* a DMA mode */
    expect_error(c, 0x04);
    outb(&c->r, ERR, 0x82);
    command(c, 0xef, 0, 0);
    expect_status(c, IDLE);
    command(c, 0xe5, 0, 0);
    assert_int_equal(inb(&c->r, COUNT), 0xff);
    command(c, 0xf8, 0, 0);
    assert_int_equal(inb(&c->r, LOW) | inb(&c->r, MID) << 8, SECTORS - 1);
    chan_close(c);
}

static void test_snap(void **state)
{
    struct chan *a = chan_open(3, false), *b = chan_open(3, false);

    (void)state;
    command(a, 0x20, 40, 2);
    for (unsigned i = 0; i < 300; i++)
        inw(a);
    rig_copy_device(a->dev, b->dev);
    rig_check_dump(a->dev, b->dev);
    for (unsigned i = 300; i < 512; i++)
        assert_int_equal(inw(b), inw(a));
    assert_int_equal(inb(&b->r, CMD), IDLE);
    chan_close(a);
    chan_close(b);
}

/* Whatever a guest does, the chip stays within its disks and buffers. */
static void test_random(void **state)
{
    struct chan *c = chan_open(1, false);
    uint32_t seed = 12345;

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        unsigned port, size;
        seed = seed * 1664525 + 1013904223;
        port = DATA + (seed >> 8 & 7);
        size = 1u << (seed >> 12 & 3) % 3;
        if ((seed >> 16 & 31) == 0)
            port = CTL;
        if (seed >> 28 & 1)
            bus_write(&c->r.bus, IO_PORT, port, size, seed >> 4);
        else
            bus_read(&c->r.bus, IO_PORT, port, size);
    }
    chan_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identify), cmocka_unit_test(test_read),
        cmocka_unit_test(test_write),    cmocka_unit_test(test_multiple),
        cmocka_unit_test(test_lba48),    cmocka_unit_test(test_chs),
        cmocka_unit_test(test_range),    cmocka_unit_test(test_host_errors),
        cmocka_unit_test(test_readonly), cmocka_unit_test(test_absent),
        cmocka_unit_test(test_slave),    cmocka_unit_test(test_reset),
        cmocka_unit_test(test_nien),     cmocka_unit_test(test_features),
        cmocka_unit_test(test_snap),     cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests_name("ata", tests, NULL, NULL);
}
