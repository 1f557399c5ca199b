/*
 * Reset control register (Intel PIIX3 datasheet 2.5.3, "RC"): the CPU is reset
 * when RST_CPU goes from 0 to 1.  Hard and soft reset (bit 1) are one here.
 * CF8h, next door, is PCI's and not this chip's.
 */
#include "vmm/dev/rst_cnt.h"

enum { RST_CNT = 0xcf9, SYS_RST = 0x02, RST_CPU = 0x04, FULL_RST = 0x08 };

struct rst_cnt {
    struct rst_cnt_outputs out;
    uint8_t value;
};

static uint64_t rst_cnt_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct rst_cnt *r = opaque;

    (void)offset, (void)size;
    return r->value;
}

static void rst_cnt_write(void *opaque, uint64_t offset, unsigned size,
                          uint64_t value)
{
    struct rst_cnt *r = opaque;
    bool reset = (value & RST_CPU) && !(r->value & RST_CPU);

    (void)offset, (void)size;
    r->value = (uint8_t)value & (SYS_RST | RST_CPU | FULL_RST);
    if (reset && r->out.reset)
        r->out.reset(r->out.opaque, "port CF9h");
}

static const struct io_ops rst_cnt_io = {rst_cnt_read, rst_cnt_write, 1};

static int rst_cnt_init(struct device *dev, const struct device_cfg *cfg)
{
    (void)cfg;
    bus_map(dev->env.bus, IO_PORT, RST_CNT, 1, &rst_cnt_io, dev->state,
            dev->name);
    return 0;
}

static void rst_cnt_reset(struct device *dev)
{
    struct rst_cnt *r = dev->state;

    r->value = 0;
}

static void rst_cnt_dump(const struct device *dev, struct strbuf *out)
{
    const struct rst_cnt *r = dev->state;

    strbuf_printf(out, "%02x: %s reset next\n", r->value,
                  r->value & SYS_RST ? "hard" : "soft");
}

static void rst_cnt_snap(struct device *dev, struct snap *s)
{
    struct rst_cnt *r = dev->state;

    snap_field(s, r->value);
}

void rst_cnt_connect(struct device *dev, const struct rst_cnt_outputs *out)
{
    struct rst_cnt *r = dev->state;

    r->out = *out;
}

const struct device_class rst_cnt_class = {
    .name = "rst_cnt",
    .summary = "reset control register (CF9h)",
    .state_size = sizeof(struct rst_cnt),
    .init = rst_cnt_init,
    .reset = rst_cnt_reset,
    .dump = rst_cnt_dump,
    .snap = rst_cnt_snap,
};
