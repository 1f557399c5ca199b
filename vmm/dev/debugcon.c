/*
 * Debug console: bytes written to E9h go to the host.  A read gives E9h, by
 * which a guest tells the port from an empty one.
 */
#include "vmm/dev/debugcon.h"

enum { DEBUGCON = 0xe9 };

struct debugcon {
    struct debugcon_outputs out;
    uint64_t bytes; /* written so far, for the dump */
};

static uint64_t debugcon_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return DEBUGCON;
}

static void debugcon_write(void *opaque, uint64_t offset, unsigned size,
                           uint64_t value)
{
    struct debugcon *d = opaque;

    (void)offset, (void)size;
    d->bytes++;
    if (d->out.console)
        d->out.console(d->out.opaque, (uint8_t)value);
}

static const struct io_ops debugcon_io = {debugcon_read, debugcon_write, 1};

static int debugcon_init(struct device *dev, const struct device_cfg *cfg)
{
    (void)cfg;
    bus_map(dev->env.bus, IO_PORT, DEBUGCON, 1, &debugcon_io, dev->state,
            dev->name);
    return 0;
}

static void debugcon_reset(struct device *dev)
{
    struct debugcon *d = dev->state;

    d->bytes = 0;
}

static void debugcon_dump(const struct device *dev, struct strbuf *out)
{
    const struct debugcon *d = dev->state;

    strbuf_printf(out, "%llu bytes written\n", (unsigned long long)d->bytes);
}

static void debugcon_snap(struct device *dev, struct snap *s)
{
    struct debugcon *d = dev->state;

    snap_field(s, d->bytes);
}

void debugcon_connect(struct device *dev, const struct debugcon_outputs *out)
{
    struct debugcon *d = dev->state;

    d->out = *out;
}

const struct device_class debugcon_class = {
    .name = "debugcon",
    .summary = "debug console (E9h)",
    .state_size = sizeof(struct debugcon),
    .init = debugcon_init,
    .reset = debugcon_reset,
    .dump = debugcon_dump,
    .snap = debugcon_snap,
};
