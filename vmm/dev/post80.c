/* POST code latch: port 80h reads back what was written, and does nothing. */
#include "vmm/dev/post80.h"

enum { POST80 = 0x80 };

struct post80 {
    uint8_t code;
};

static uint64_t post80_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct post80 *p = opaque;

    (void)offset, (void)size;
    return p->code;
}

static void post80_write(void *opaque, uint64_t offset, unsigned size,
                         uint64_t value)
{
    struct post80 *p = opaque;

    (void)offset, (void)size;
    p->code = (uint8_t)value;
}

static const struct io_ops post80_io = {post80_read, post80_write, 1};

static int post80_init(struct device *dev, const struct device_cfg *cfg)
{
    (void)cfg;
    bus_map(dev->env.bus, IO_PORT, POST80, 1, &post80_io, dev->state,
            dev->name);
    return 0;
}

static void post80_reset(struct device *dev)
{
    struct post80 *p = dev->state;

    p->code = 0;
}

static void post80_dump(const struct device *dev, struct strbuf *out)
{
    strbuf_printf(out, "code %02x\n", post80_code(dev));
}

static void post80_snap(struct device *dev, struct snap *s)
{
    struct post80 *p = dev->state;

    snap_field(s, p->code);
}

uint8_t post80_code(const struct device *dev)
{
    const struct post80 *p = dev->state;

    return p->code;
}

const struct device_class post80_class = {
    .name = "post80",
    .summary = "POST code latch (80h)",
    .state_size = sizeof(struct post80),
    .init = post80_init,
    .reset = post80_reset,
    .dump = post80_dump,
    .snap = post80_snap,
};
