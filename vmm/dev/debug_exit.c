/*
 * Debug exit: a write of 1, 2 or 4 bytes to F4h hands its value to the board.
 * What becomes of the value (an exit status) is not decided here.
 */
#include "vmm/dev/debug_exit.h"

enum { DEBUG_EXIT = 0xf4, DEBUG_EXIT_PORTS = 4 };

struct debug_exit {
    struct debug_exit_outputs out;
    uint32_t last;
};

static uint64_t debug_exit_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return 0; /* tells the port from an empty one */
}

static void debug_exit_write(void *opaque, uint64_t offset, unsigned size,
                             uint64_t value)
{
    struct debug_exit *d = opaque;

    (void)offset, (void)size;
    d->last = (uint32_t)value;
    if (d->out.debug_exit)
        d->out.debug_exit(d->out.opaque, d->last);
}

static const struct io_ops debug_exit_io = {debug_exit_read, debug_exit_write,
                                            4};

static int debug_exit_init(struct device *dev, const struct device_cfg *cfg)
{
    (void)cfg;
    bus_map(dev->env.bus, IO_PORT, DEBUG_EXIT, DEBUG_EXIT_PORTS, &debug_exit_io,
            dev->state, dev->name);
    return 0;
}

static void debug_exit_reset(struct device *dev)
{
    struct debug_exit *d = dev->state;

    d->last = 0;
}

static void debug_exit_dump(const struct device *dev, struct strbuf *out)
{
    const struct debug_exit *d = dev->state;

    strbuf_printf(out, "last value %#x\n", d->last);
}

static void debug_exit_snap(struct device *dev, struct snap *s)
{
    struct debug_exit *d = dev->state;

    snap_field(s, d->last);
}

void debug_exit_connect(struct device *dev,
                        const struct debug_exit_outputs *out)
{
    struct debug_exit *d = dev->state;

    d->out = *out;
}

const struct device_class debug_exit_class = {
    .name = "debug_exit",
    .summary = "ends the monitor with the value written (F4h)",
    .state_size = sizeof(struct debug_exit),
    .init = debug_exit_init,
    .reset = debug_exit_reset,
    .dump = debug_exit_dump,
    .snap = debug_exit_snap,
};
