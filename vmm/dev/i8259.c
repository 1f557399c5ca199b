/*
 * Intel 8259A, the pair of a PC (datasheet 231468; ELCR: Intel 82371SB, 2.5.3).
 *
 *   IRQ 8..15 -> slave -> IR2
 *   IRQ 0,1,3..7 -------> master -> INTR
 *
 * An edge request lasts while its input stays high, as the datasheet wants: if
 * the pin falls before INTA, the request is gone and INTA finds IR7.  Only
 * 8086 mode exists (a PC has no other); ICW3 is kept, the wiring is fixed.
 */
#include "vmm/dev/i8259.h"

enum { MASTER_BASE = 0x20, SLAVE_BASE = 0xa0, ELCR_BASE = 0x4d0 };
enum { CASCADE = 2, SPURIOUS = 7 };

enum {
    ICW1_IC4 = 0x01,
    ICW1_SNGL = 0x02,
    ICW1_LTIM = 0x08,
    ICW1_INIT = 0x10,
    ICW4_AEOI = 0x02,
    ICW4_SFNM = 0x10,
};

enum {
    OCW2_EOI = 0x20,
    OCW2_SL = 0x40,
    OCW2_R = 0x80,
    OCW3_RIS = 0x01,
    OCW3_RR = 0x02,
    OCW3_P = 0x04,
    OCW3_IS = 0x08,
    OCW3_SMM = 0x20,
    OCW3_ESMM = 0x40,
};

struct chip {
    struct i8259 *pair;
    bool slave;
    bool intr; /* output pin */

    uint8_t pins; /* input levels */
    uint8_t irr, isr, imr;
    uint8_t elcr;      /* bit set: that input is level triggered */
    uint8_t elcr_mask; /* bits of ELCR that can be set */
    uint8_t icw1, icw2, icw3, icw4;
    uint8_t expect; /* next ICW (2, 3, 4); 0: none */
    uint8_t lowest; /* input with the lowest priority; 7 is the default */
    bool ready;     /* initialised */
    bool read_isr, poll, smm, rotate_aeoi;
};

struct i8259 {
    struct chip master, slave;
    struct irq_line out;
};

static bool is_level(const struct chip *c, unsigned ir)
{
    return (c->icw1 & ICW1_LTIM) || (c->elcr >> ir & 1);
}

/* The set bit of BITS with the highest priority, or -1. */
static int highest(const struct chip *c, uint8_t bits)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned ir = (c->lowest + i) & 7;
        if (bits >> ir & 1)
            return (int)ir;
    }
    return -1;
}

/* 0 is the highest, 7 the lowest, 8 none. */
static unsigned rank(const struct chip *c, int ir)
{
    return ir < 0 ? 8 : ((unsigned)ir + 7 - c->lowest) & 7;
}

/* The input to be served now, or -1. */
static int request(const struct chip *c)
{
    uint8_t blocking = c->smm ? c->isr & (uint8_t)~c->imr : c->isr;
    int want = highest(c, c->irr & (uint8_t)~c->imr);
    int served = highest(c, blocking);

    if (!c->ready || want < 0)
        return -1;
    if (rank(c, want) < rank(c, served))
        return want;
    /* Special fully nested: the slave may interrupt its own service. */
    if (want == served && want == CASCADE && !c->slave && (c->icw4 & ICW4_SFNM))
        return want;
    return -1;
}

static void set_pin(struct chip *c, unsigned ir, bool level);

static void drive(struct chip *c, bool level)
{
    if (c->intr == level)
        return;
    c->intr = level;
    if (c->slave)
        set_pin(&c->pair->master, CASCADE, level);
    else
        irq_set(&c->pair->out, level);
}

static void update(struct chip *c)
{
    drive(c, request(c) >= 0);
}

static void set_pin(struct chip *c, unsigned ir, bool level)
{
    uint8_t bit = (uint8_t)BIT(ir);
    bool rose = level && !(c->pins & bit);

    c->pins = (uint8_t)(level ? c->pins | bit : c->pins & ~bit);
    if (!level)
        c->irr = (uint8_t)(c->irr & ~bit);
    else if (rose || is_level(c, ir))
        c->irr |= bit;
    update(c);
}

static void end_of_interrupt(struct chip *c, int ir, bool rotate)
{
    if (ir < 0)
        return;
    c->isr = (uint8_t)(c->isr & ~BIT((unsigned)ir));
    if (rotate)
        c->lowest = (uint8_t)ir;
}

/* The INTA cycles as this chip sees them: the input served, or -1. */
static int acknowledge(struct chip *c)
{
    int ir = request(c);

    if (ir < 0)
        return -1;
    if (!is_level(c, (unsigned)ir))
        c->irr = (uint8_t)(c->irr & ~BIT((unsigned)ir));
    c->isr |= (uint8_t)BIT((unsigned)ir);
    /* INT falls at INTA, so that what is left makes a new edge. */
    drive(c, false);
    if (c->icw4 & ICW4_AEOI)
        end_of_interrupt(c, ir, c->rotate_aeoi);
    update(c);
    return ir;
}

/* ---- registers ---------------------------------------------------------- */

static void write_icw1(struct chip *c, uint8_t value)
{
    c->icw1 = value;
    c->expect = 2;
    c->ready = false;
    c->imr = c->isr = 0;
    c->lowest = 7;
    c->smm = c->read_isr = c->poll = c->rotate_aeoi = false;
    if (!(value & ICW1_IC4))
        c->icw4 = 0;
    /* The edge sense is reset; a level request is still there. */
    c->irr = 0;
    for (unsigned ir = 0; ir < 8; ir++)
        if (is_level(c, ir))
            c->irr |= (uint8_t)(c->pins & BIT(ir));
}

static void write_icw(struct chip *c, uint8_t value)
{
    uint8_t next = 0;

    switch (c->expect) {
    case 2:
        c->icw2 = value & 0xf8;
        next = c->icw1 & ICW1_SNGL ? 4 : 3;
        break;
    case 3:
        c->icw3 = value;
        next = 4;
        break;
    default:
        c->icw4 = value;
        break;
    }
    if (next == 4 && !(c->icw1 & ICW1_IC4))
        next = 0;
    c->expect = next;
    c->ready = next == 0;
}

static void write_ocw2(struct chip *c, uint8_t value)
{
    bool rotate = value & OCW2_R;
    int level = value & 7;
    /* In special mask mode a masked level is not ended unless named. */
    uint8_t endable = c->smm ? c->isr & (uint8_t)~c->imr : c->isr;

    switch (value & (OCW2_EOI | OCW2_SL)) {
    case 0:
        c->rotate_aeoi = rotate;
        break;
    case OCW2_EOI:
        end_of_interrupt(c, highest(c, endable), rotate);
        break;
    case OCW2_SL:
        if (rotate)
            c->lowest = (uint8_t)level;
        break;
    default:
        end_of_interrupt(c, level, rotate);
        break;
    }
}

static void write_ocw3(struct chip *c, uint8_t value)
{
    if (value & OCW3_ESMM)
        c->smm = value & OCW3_SMM;
    if (value & OCW3_P)
        c->poll = true;
    else if (value & OCW3_RR)
        c->read_isr = value & OCW3_RIS;
}

static void chip_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    struct chip *c = opaque;
    uint8_t byte = (uint8_t)value;

    (void)size;
    if (offset == 0 && (byte & ICW1_INIT))
        write_icw1(c, byte);
    else if (offset == 0 && (byte & OCW3_IS))
        write_ocw3(c, byte);
    else if (offset == 0)
        write_ocw2(c, byte);
    else if (c->expect)
        write_icw(c, byte);
    else
        c->imr = byte;
    update(c);
}

static uint64_t chip_read(void *opaque, uint64_t offset, unsigned size)
{
    struct chip *c = opaque;

    (void)size;
    if (c->poll) {
        int ir = acknowledge(c);
        c->poll = false;
        return ir < 0 ? 0 : 0x80u | (unsigned)ir;
    }
    if (offset == 1)
        return c->imr;
    return c->read_isr ? c->isr : c->irr;
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct i8259 *p = opaque;

    (void)size;
    return offset ? p->slave.elcr : p->master.elcr;
}

static void elcr_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    struct i8259 *p = opaque;
    struct chip *c = offset ? &p->slave : &p->master;

    (void)size;
    c->elcr = (uint8_t)value & c->elcr_mask;
    c->irr |= c->elcr & c->pins;
    update(c);
}

static const struct io_ops chip_io = {chip_read, chip_write, 1};
static const struct io_ops elcr_io = {elcr_read, elcr_write, 1};

/* ---- the device --------------------------------------------------------- */

static int i8259_init(struct device *dev, const struct device_cfg *cfg)
{
    struct i8259 *p = dev->state;
    struct bus *bus = dev->env.bus;

    p->master = (struct chip){.pair = p, .elcr_mask = 0xf8};
    p->slave = (struct chip){.pair = p, .slave = true, .elcr_mask = 0xde};
    p->out = cfg->irq[0];
    bus_map(bus, IO_PORT, MASTER_BASE, 2, &chip_io, &p->master, dev->name);
    bus_map(bus, IO_PORT, SLAVE_BASE, 2, &chip_io, &p->slave, dev->name);
    bus_map(bus, IO_PORT, ELCR_BASE, 2, &elcr_io, p, dev->name);
    return 0;
}

/* Everything but the wiring and what drives the inputs. */
static void reset_chip(struct chip *c)
{
    drive(c, false);
    *c = (struct chip){
        .pair = c->pair,
        .slave = c->slave,
        .elcr_mask = c->elcr_mask,
        .pins = c->pins,
        .lowest = 7,
    };
}

static void i8259_reset(struct device *dev)
{
    struct i8259 *p = dev->state;

    reset_chip(&p->slave);
    reset_chip(&p->master);
}

static void dump_chip(const struct chip *c, struct strbuf *out)
{
    strbuf_printf(out,
                  "%s: irr=%02x isr=%02x imr=%02x pins=%02x elcr=%02x "
                  "base=%02x lowest=%u intr=%d\n",
                  c->slave ? "slave " : "master", c->irr, c->isr, c->imr,
                  c->pins, c->elcr, c->icw2, c->lowest, c->intr);
    /* Upper case: set. */
    strbuf_printf(
        out, "        %s %s %s %s %s %s %s\n", c->ready ? "READY" : "ready",
        c->icw4 & ICW4_AEOI ? "AEOI" : "aeoi",
        c->icw4 & ICW4_SFNM ? "SFNM" : "sfnm", c->smm ? "SMM" : "smm",
        c->icw1 & ICW1_LTIM ? "LTIM" : "ltim", c->poll ? "POLL" : "poll",
        c->read_isr ? "reads=ISR" : "reads=IRR");
}

static void i8259_dump(const struct device *dev, struct strbuf *out)
{
    const struct i8259 *p = dev->state;

    dump_chip(&p->master, out);
    dump_chip(&p->slave, out);
}

static void snap_chip(struct chip *c, struct snap *s)
{
    snap_field(s, c->intr);
    snap_field(s, c->pins);
    snap_field(s, c->irr);
    snap_field(s, c->isr);
    snap_field(s, c->imr);
    snap_field(s, c->elcr);
    snap_field(s, c->icw1);
    snap_field(s, c->icw2);
    snap_field(s, c->icw3);
    snap_field(s, c->icw4);
    snap_field(s, c->expect);
    snap_field(s, c->lowest);
    snap_field(s, c->ready);
    snap_field(s, c->read_isr);
    snap_field(s, c->poll);
    snap_field(s, c->smm);
    snap_field(s, c->rotate_aeoi);
}

static void i8259_snap(struct device *dev, struct snap *s)
{
    struct i8259 *p = dev->state;

    snap_chip(&p->master, s);
    snap_chip(&p->slave, s);
}

void i8259_set_irq(void *opaque, unsigned irq, bool level)
{
    struct device *dev = opaque;
    struct i8259 *p = dev->state;

    assert(irq < 16);
    if (irq == CASCADE)
        return;
    if (irq < 8)
        set_pin(&p->master, irq, level);
    else
        set_pin(&p->slave, irq - 8, level);
}

bool i8259_pending(const struct device *dev)
{
    const struct i8259 *p = dev->state;

    return p->master.intr;
}

int i8259_ack(struct device *dev)
{
    struct i8259 *p = dev->state;
    int ir = acknowledge(&p->master);

    if (ir < 0)
        return p->master.icw2 + SPURIOUS;
    if (ir != CASCADE)
        return p->master.icw2 + ir;
    ir = acknowledge(&p->slave);
    return p->slave.icw2 + (ir < 0 ? SPURIOUS : ir);
}

const struct device_class i8259_class = {
    .name = "i8259",
    .summary = "interrupt controllers, master and slave (20h, A0h, 4D0h)",
    .state_size = sizeof(struct i8259),
    .init = i8259_init,
    .reset = i8259_reset,
    .dump = i8259_dump,
    .snap = i8259_snap,
};
