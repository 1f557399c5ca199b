/*
 * 82093AA I/O APIC.  Not here: the local APIC, and which board pin goes where
 * (machine/pc.c).  Datasheet: Intel 290566, sections 3.2 (registers).
 */
#include "vmm/dev/ioapic.h"

#define IOAPIC_LEN     0x1000u
#define IOREGSEL       0x00u
#define IOWIN          0x10u
#define IOAPICID       0x00u
#define IOAPICVER      0x01u
#define IOAPICARB      0x02u
#define IOREDTBL       0x10u
#define IOAPIC_VERSION 0x11u

#define RTE_VECTOR     0xffull
#define RTE_MODE(rte)  ((unsigned)((rte) >> 8) & 7u)
#define RTE_LOGICAL    BIT64(11)
#define RTE_STATUS     BIT64(12)
#define RTE_REMOTE_IRR BIT64(14)
#define RTE_LEVEL      BIT64(15)
#define RTE_MASK       BIT64(16)
/* What a guest can write; the reserved bits read as zero. */
#define RTE_WRITABLE                                                           \
    (0xff0000000001ffffull & ~(uint64_t)(RTE_STATUS | RTE_REMOTE_IRR))

struct ioapic {
    struct ioapic_bus bus;
    uint32_t reset_id;
    uint32_t id; /* in bits 27:24 */
    uint8_t regsel;
    uint64_t rte[IOAPIC_PINS];
    uint32_t pins; /* bit n: pin n is asserted */
};

void ioapic_connect(struct device *dev, struct ioapic_bus bus)
{
    struct ioapic *io = dev->state;

    io->bus = bus;
}

/* Sends pin N's message; false if no processor took it. */
static bool send(struct ioapic *io, unsigned n)
{
    uint64_t rte = io->rte[n];
    struct apic_msg msg = {
        .dest = (uint8_t)(rte >> 56),
        .logical = rte & RTE_LOGICAL,
        .mode = (uint8_t)RTE_MODE(rte),
        .vector = (uint8_t)(rte & RTE_VECTOR),
        .level = rte & RTE_LEVEL,
    };

    return io->bus.send && io->bus.send(io->bus.opaque, &msg);
}

/* Only fixed and lowest priority messages can be level triggered. */
static bool is_level(uint64_t rte)
{
    return (rte & RTE_LEVEL) && RTE_MODE(rte) <= APIC_LOWEST;
}

/* A level pin that is up and not in service sends its message. */
static void service_level(struct ioapic *io, unsigned n)
{
    uint64_t rte = io->rte[n];

    if (!is_level(rte) || (rte & (RTE_MASK | RTE_REMOTE_IRR)))
        return;
    if ((io->pins & BIT(n)) && send(io, n))
        io->rte[n] |= RTE_REMOTE_IRR;
}

void ioapic_set_pin(void *dev, unsigned n, bool level)
{
    struct ioapic *io = ((struct device *)dev)->state;
    bool rose = level && !(io->pins & BIT(n));

    assert(n < IOAPIC_PINS);
    io->pins = level ? io->pins | BIT(n) : io->pins & ~BIT(n);
    if (is_level(io->rte[n]))
        service_level(io, n);
    else if (rose && !(io->rte[n] & RTE_MASK))
        send(io, n); /* an edge on a masked pin is lost: 3.2.4, bit 16 */
}

void ioapic_eoi(void *dev, uint8_t vector)
{
    struct ioapic *io = ((struct device *)dev)->state;

    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        uint64_t rte = io->rte[n];
        if (!(rte & RTE_REMOTE_IRR) || (rte & RTE_VECTOR) != vector)
            continue;
        io->rte[n] &= ~RTE_REMOTE_IRR;
        service_level(io, n);
    }
}

static uint32_t reg_read(const struct ioapic *io)
{
    unsigned reg = io->regsel, n = (reg - IOREDTBL) / 2;

    if (reg == IOAPICID || reg == IOAPICARB)
        return io->id;
    if (reg == IOAPICVER)
        return IOAPIC_VERSION | (IOAPIC_PINS - 1) << 16;
    if (reg < IOREDTBL || n >= IOAPIC_PINS)
        return 0;
    return (uint32_t)(reg & 1 ? io->rte[n] >> 32 : io->rte[n]);
}

static void rte_write(struct ioapic *io, unsigned n, bool high, uint32_t value)
{
    uint64_t old = io->rte[n], rte;

    if (high)
        rte = (uint64_t)value << 32 | (uint32_t)old;
    else
        rte = (old & ~0xffffffffull) | value;
    rte = (rte & RTE_WRITABLE) | (old & RTE_REMOTE_IRR);
    /* Guests end a stuck level interrupt by a detour over edge mode. */
    if (!(rte & RTE_LEVEL))
        rte &= ~RTE_REMOTE_IRR;
    io->rte[n] = rte;
    service_level(io, n);
}

static void reg_write(struct ioapic *io, uint32_t value)
{
    unsigned reg = io->regsel, n = (reg - IOREDTBL) / 2;

    if (reg == IOAPICID)
        io->id = value & 0x0f000000;
    else if (reg >= IOREDTBL && n < IOAPIC_PINS)
        rte_write(io, n, reg & 1, value);
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ioapic *io = ((struct device *)opaque)->state;
    uint32_t value = 0;

    (void)size;
    if ((offset & ~3ull) == IOREGSEL)
        value = io->regsel;
    else if ((offset & ~3ull) == IOWIN)
        value = reg_read(io);
    return value >> 8 * (offset & 3);
}

static void mmio_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    struct ioapic *io = ((struct device *)opaque)->state;

    if (offset == IOREGSEL)
        io->regsel = (uint8_t)value;
    else if (offset == IOWIN && size >= 4)
        reg_write(io, (uint32_t)value);
}

static const struct io_ops mmio_ops = {mmio_read, mmio_write, 0};

static int ioapic_init(struct device *dev, const struct device_cfg *cfg)
{
    struct ioapic *io = dev->state;

    io->reset_id = (uint32_t)cfg->arg << 24 & 0x0f000000;
    bus_map(dev->env.bus, IO_MEM, cfg->base, IOAPIC_LEN, &mmio_ops, dev,
            cfg->name);
    return 0;
}

static void ioapic_reset(struct device *dev)
{
    struct ioapic *io = dev->state;

    io->id = io->reset_id;
    io->regsel = 0;
    io->pins = 0;
    for (unsigned n = 0; n < IOAPIC_PINS; n++)
        io->rte[n] = RTE_MASK;
}

static const char *const mode_name[8] = {"fixed", "lowest", "SMI", "?",
                                         "NMI",   "INIT",   "?",   "ExtINT"};

static void ioapic_dump(const struct device *dev, struct strbuf *out)
{
    const struct ioapic *io = dev->state;

    strbuf_printf(out, "ID %u  version %02xh  IOREGSEL %02xh\n", io->id >> 24,
                  IOAPIC_VERSION, io->regsel);
    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        uint64_t rte = io->rte[n];
        if (rte == RTE_MASK && !(io->pins & BIT(n)))
            continue;
        strbuf_printf(
            out, "pin %2u %s  vector %02x  %-6s  %s  to %s %02x%s%s\n", n,
            io->pins & BIT(n) ? "up  " : "down", (unsigned)(rte & RTE_VECTOR),
            mode_name[RTE_MODE(rte)], rte & RTE_LEVEL ? "level" : "edge ",
            rte & RTE_LOGICAL ? "logical" : "APIC", (unsigned)(rte >> 56),
            rte & RTE_MASK ? "  masked" : "",
            rte & RTE_REMOTE_IRR ? "  in service" : "");
    }
}

static void ioapic_snap(struct device *dev, struct snap *s)
{
    struct ioapic *io = dev->state;

    snap_field(s, io->id);
    snap_field(s, io->regsel);
    snap_field(s, io->rte);
    snap_field(s, io->pins);
}

const struct device_class ioapic_class = {
    .name = "82093AA",
    .summary = "I/O APIC, 24 pins",
    .state_size = sizeof(struct ioapic),
    .init = ioapic_init,
    .reset = ioapic_reset,
    .dump = ioapic_dump,
    .snap = ioapic_snap,
};
