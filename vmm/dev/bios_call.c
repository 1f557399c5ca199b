/*
 * Ports that hand a BIOS call's register frame to its service: bios_call.h.
 * Not here: the services (machine/bios*.c).
 */
#include "vmm/dev/bios_call.h"

#define BIOS_CALL_LEN 5u

enum { REG_SS = 0, REG_SP = 2, REG_CALL = 4 };

struct bios_call {
    struct device *dev;
    struct bios_service service;
    uint16_t ss, sp;
    uint8_t vector; /* of the last call */
};

void bios_call_connect(struct device *dev, struct bios_service service)
{
    struct bios_call *b = dev->state;

    b->service = service;
}

static void do_call(struct bios_call *b, uint8_t vector)
{
    uint32_t frame_gpa = ((uint32_t)b->ss << 4) + b->sp;
    struct mem *mem = b->dev->env.mem;
    struct bios_frame frame = {0};

    b->vector = vector;
    if (!b->service.call || !mem_read(mem, frame_gpa, &frame, BIOS_FRAME_LEN))
        return; /* a stack where there is no memory */
    b->service.call(b->service.opaque, vector, &frame);
    mem_write(mem, frame_gpa, &frame, BIOS_FRAME_LEN);
}

static uint64_t io_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset;
    return all_ones(size);
}

static void io_write(void *opaque, uint64_t offset, unsigned size,
                     uint64_t value)
{
    struct bios_call *b = ((struct device *)opaque)->state;

    if (offset == REG_SS && size == 2)
        b->ss = (uint16_t)value;
    else if (offset == REG_SP && size == 2)
        b->sp = (uint16_t)value;
    else if (offset == REG_CALL)
        do_call(b, (uint8_t)value);
}

static const struct io_ops ops = {io_read, io_write, 0};

static int bios_call_init(struct device *dev, const struct device_cfg *cfg)
{
    struct bios_call *b = dev->state;

    b->dev = dev;
    bus_map(dev->env.bus, IO_PORT, cfg->base, BIOS_CALL_LEN, &ops, dev,
            cfg->name);
    return 0;
}

static void bios_call_reset(struct device *dev)
{
    struct bios_call *b = dev->state;

    b->ss = b->sp = 0;
    b->vector = 0;
}

static void bios_call_dump(const struct device *dev, struct strbuf *out)
{
    const struct bios_call *b = dev->state;

    strbuf_printf(out, "last call INT %02Xh  frame %04x:%04x\n", b->vector,
                  b->ss, b->sp);
}

static void bios_call_snap(struct device *dev, struct snap *s)
{
    struct bios_call *b = dev->state;

    snap_field(s, b->ss);
    snap_field(s, b->sp);
    snap_field(s, b->vector);
}

const struct device_class bios_call_class = {
    .name = "bios-call",
    .summary = "door from the BIOS in ROM to its services",
    .state_size = sizeof(struct bios_call),
    .init = bios_call_init,
    .reset = bios_call_reset,
    .dump = bios_call_dump,
    .snap = bios_call_snap,
};
