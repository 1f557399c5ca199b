/*
 * System control port A (IBM PS/2, 92h): bit 0 resets the CPU at its rising
 * edge, bit 1 is a fast A20 gate.  The other bits (disk light, password lock)
 * are kept as written and do nothing.
 */
#include "vmm/dev/port92.h"

enum { PORT92 = 0x92, INIT_NOW = 0x01, A20_ON = 0x02 };

struct port92 {
    struct port92_outputs out;
    uint8_t value;
};

static void drive_a20(const struct port92 *p)
{
    if (p->out.set_a20)
        p->out.set_a20(p->out.opaque, p->value & A20_ON);
}

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct port92 *p = opaque;

    (void)offset, (void)size;
    return p->value;
}

static void port92_write(void *opaque, uint64_t offset, unsigned size,
                         uint64_t value)
{
    struct port92 *p = opaque;
    bool init = (value & INIT_NOW) && !(p->value & INIT_NOW);

    (void)offset, (void)size;
    p->value = (uint8_t)value;
    drive_a20(p);
    if (init && p->out.reset)
        p->out.reset(p->out.opaque, "port 92h");
}

static const struct io_ops port92_io = {port92_read, port92_write, 1};

static int port92_init(struct device *dev, const struct device_cfg *cfg)
{
    (void)cfg;
    bus_map(dev->env.bus, IO_PORT, PORT92, 1, &port92_io, dev->state,
            dev->name);
    return 0;
}

static void port92_reset(struct device *dev)
{
    struct port92 *p = dev->state;

    p->value = 0;
    drive_a20(p);
}

static void port92_dump(const struct device *dev, struct strbuf *out)
{
    const struct port92 *p = dev->state;

    strbuf_printf(out, "%02x: A20 %s\n", p->value,
                  p->value & A20_ON ? "on" : "off");
}

static void port92_snap(struct device *dev, struct snap *s)
{
    struct port92 *p = dev->state;

    snap_field(s, p->value);
    if (!s->saving && !s->err)
        drive_a20(p);
}

void port92_connect(struct device *dev, const struct port92_outputs *out)
{
    struct port92 *p = dev->state;

    p->out = *out;
}

const struct device_class port92_class = {
    .name = "port92",
    .summary = "system control port A: fast A20 gate and reset (92h)",
    .state_size = sizeof(struct port92),
    .init = port92_init,
    .reset = port92_reset,
    .dump = port92_dump,
    .snap = port92_snap,
};
