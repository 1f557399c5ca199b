/*
 * Intel 8254 (datasheet 231164), and port 61h of the PC/AT around it.
 *
 * A counter is not stepped: its state is that of CLK pulse `at`, and it is
 * brought forward to the present in as many pieces as its output changes.
 *
 *   writes -> CR (count register) --next CLK or trigger--> CE (counting
 *   element) -> OL (output latch) -> reads
 *
 * A count of 1 is illegal in modes 2 and 3 and is taken as 2.
 */
#include "vmm/dev/i8254.h"

enum { PIT_BASE = 0x40, PORT61 = 0x61, COUNTERS = 3 };
enum { CONTROL = 3, READ_BACK = 3, RW_LATCH = 0, RW_LSB, RW_MSB, RW_BOTH };

enum {
    P61_GATE2 = 0x01,
    P61_WRITABLE = 0x0f,
    P61_REFRESH = 0x10,
    P61_OUT2 = 0x20,
    REFRESH_TICKS = 18, /* counter 1 of an AT: one DRAM refresh per 15 us */
};

#define NS_PER_S 1000000000u
#define NEVER    UINT64_MAX
/* Output pulses older than this are not made good: the monitor was stopped. */
#define CATCH_UP I8254_HZ

struct counter {
    uint64_t at; /* CLK pulses this state has seen */

    /* control word */
    uint8_t mode_bits; /* as written: M2 M1 M0 */
    uint8_t mode;      /* 0..5 */
    uint8_t rw;
    bool bcd;

    /* count register */
    uint16_t cr;
    uint8_t cr_low;  /* first byte of two, waiting for the second */
    bool second;     /* the next write is the second byte */
    bool has_count;  /* a count was written since the control word */
    bool null_count; /* CR was written and is not in CE yet */

    /* counting element */
    uint32_t ce;   /* binary, whatever bcd says; a fresh 65536 reads as 0 */
    bool counting; /* CE was loaded since the control word */
    bool load;     /* the next CLK pulse loads CE from CR */
    bool extra;    /* mode 3: one more pulse after CE is 0 (odd count, high) */
    bool strobe;   /* modes 4 and 5: OUT has still to go low */
    bool gate, out;

    /* output latches */
    bool read_second; /* the next read is of the second byte */
    uint8_t latched;  /* bytes of latched_count still to be read */
    uint16_t latched_count;
    bool has_status;
    uint8_t status;
};

struct i8254 {
    struct device *dev;
    struct counter counter[COUNTERS];
    uint8_t port61;
    struct irq_line out0;
    struct clock_timer timer; /* the next change of OUT 0 that matters */
};

uint64_t i8254_ticks_of_ns(uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * I8254_HZ / NS_PER_S);
}

uint64_t i8254_ns_of_ticks(uint64_t ticks)
{
    unsigned __int128 ns =
        ((unsigned __int128)ticks * NS_PER_S + I8254_HZ - 1) / I8254_HZ;

    return ns >= CLOCK_NEVER ? CLOCK_NEVER : (uint64_t)ns;
}

/* ---- the counting element ----------------------------------------------- */

static uint32_t modulus(const struct counter *c)
{
    return c->bcd ? 10000 : 65536;
}

static uint32_t from_bcd(uint16_t v)
{
    return (v >> 12 & 15u) * 1000 + (v >> 8 & 15u) * 100 + (v >> 4 & 15u) * 10 +
           (v & 15u);
}

static uint16_t to_bcd(uint32_t v)
{
    return (uint16_t)((v / 1000 % 10) << 12 | (v / 100 % 10) << 8 |
                      (v / 10 % 10) << 4 | v % 10);
}

static bool is_periodic(const struct counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* What CR stands for: 1 to 65536 (or to 10000, or so far as BCD is wrong). */
static uint32_t count_of_cr(const struct counter *c)
{
    uint32_t n = c->bcd ? from_bcd(c->cr) % 10000 : c->cr;

    if (n == 0)
        return modulus(c);
    return n == 1 && is_periodic(c) ? 2 : n;
}

static bool runs(const struct counter *c)
{
    bool gated = c->mode != 1 && c->mode != 5;

    return c->counting && (c->gate || !gated);
}

/* CLK pulses until OUT may change or CE is loaded. */
static uint64_t until_event(const struct counter *c)
{
    bool strobing = (c->mode == 4 || c->mode == 5) && !c->out;

    /* GATE does not hold up the end of a strobe. */
    if (c->load || strobing)
        return 1;
    if (!runs(c))
        return NEVER;
    switch (c->mode) {
    case 2:
        return c->out ? c->ce - 1 : 1;
    case 3:
        return c->ce / 2 + c->extra;
    case 4:
    case 5:
        return c->strobe ? c->ce : NEVER;
    default:
        return c->out ? NEVER : c->ce;
    }
}

static void load_ce(struct counter *c)
{
    c->ce = count_of_cr(c);
    c->load = c->null_count = false;
    c->counting = true;
    c->extra = false;
    if (c->mode == 3 && (c->ce & 1)) {
        c->ce--;
        c->extra = c->out;
    }
}

/* The pulse that loads CE after a write or a trigger. */
static void first_pulse(struct counter *c)
{
    c->out = c->mode > 1;
    c->strobe = c->mode > 3;
    load_ce(c);
}

/* OUT at the pulse at which until_event() came to 0. */
static void event(struct counter *c)
{
    switch (c->mode) {
    case 2:
        c->out = !c->out;
        if (c->out)
            load_ce(c);
        break;
    case 3:
        c->out = !c->out;
        load_ce(c);
        break;
    case 4:
    case 5:
        c->strobe = false;
        c->out = !c->out;
        break;
    default:
        c->out = true;
        break;
    }
}

static uint32_t ce_after(const struct counter *c, uint64_t n)
{
    uint32_t mod = modulus(c);

    if (c->mode == 3)
        return n > c->ce / 2 ? 0 : c->ce - (uint32_t)(2 * n);
    return (c->ce + mod - (uint32_t)(n % mod)) % mod;
}

/* N more CLK pulses, no more than until_event(). */
static void pulses(struct counter *c, uint64_t n)
{
    bool at_event = n == until_event(c);

    c->at += n;
    if (c->load) {
        first_pulse(c);
        return;
    }
    if (runs(c))
        c->ce = ce_after(c, n);
    if (at_event)
        event(c);
}

/* Up to TICK, but no further than the next event. */
static void advance(struct counter *c, uint64_t tick)
{
    uint64_t left = tick - c->at;
    uint64_t ev = until_event(c);

    pulses(c, left < ev ? left : ev);
}

/* Leaves out whole periods of a counter that is far behind. */
static void skip_periods(struct counter *c, uint64_t tick)
{
    uint64_t period = count_of_cr(c);

    if (is_periodic(c) && runs(c) && !c->load && tick - c->at > CATCH_UP)
        c->at += (tick - c->at - CATCH_UP) / period * period;
}

/* The tick of the next change of OUT that somebody must be told of in time. */
static uint64_t next_change(const struct counter *c)
{
    struct counter ahead = *c;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t ev = until_event(&ahead);
        bool was = ahead.out;
        if (ev == NEVER)
            return NEVER;
        pulses(&ahead, ev);
        /* A low pulse of one CLK is told when it ends. */
        if (ahead.out != was && (ahead.out || ahead.mode == 3))
            return ahead.at;
    }
    return ahead.at;
}

/* ---- time --------------------------------------------------------------- */

static uint64_t now_tick(const struct i8254 *p)
{
    return i8254_ticks_of_ns(clock_now(p->dev->env.clock));
}

/* Brings counter CH to TICK, driving OUT 0 through all its changes. */
static void sync(struct i8254 *p, unsigned ch, uint64_t tick)
{
    struct counter *c = &p->counter[ch];

    skip_periods(c, tick);
    while (c->at < tick) {
        bool was = c->out;
        advance(c, tick);
        if (ch == 0 && c->out != was)
            irq_set(&p->out0, c->out);
    }
}

static void rearm(struct i8254 *p)
{
    uint64_t tick = next_change(&p->counter[0]);

    clock_arm(p->dev->env.clock, &p->timer,
              tick == NEVER ? CLOCK_NEVER : i8254_ns_of_ticks(tick));
}

static void on_timer(void *opaque)
{
    struct i8254 *p = opaque;

    sync(p, 0, now_tick(p));
    rearm(p);
}

/* After a register write: OUT may have moved and the plan has changed. */
static void settle(struct i8254 *p, unsigned ch, bool out_was)
{
    if (ch != 0)
        return;
    if (p->counter[0].out != out_was)
        irq_set(&p->out0, p->counter[0].out);
    rearm(p);
}

/* ---- reads -------------------------------------------------------------- */

static uint16_t visible_count(const struct counter *c)
{
    uint32_t ce = c->ce % modulus(c);

    return c->bcd ? to_bcd(ce) : (uint16_t)ce;
}

static void latch_count(struct counter *c)
{
    if (c->latched)
        return;
    c->latched = c->rw == RW_BOTH ? 2 : 1;
    c->latched_count = visible_count(c);
}

static void latch_status(struct counter *c)
{
    if (c->has_status)
        return;
    c->has_status = true;
    c->status = (uint8_t)(c->out << 7 | c->null_count << 6 | c->rw << 4 |
                          c->mode_bits << 1 | c->bcd);
}

static uint8_t read_counter(struct counter *c)
{
    uint16_t value = c->latched ? c->latched_count : visible_count(c);
    bool high = c->rw == RW_MSB;

    if (c->has_status) {
        c->has_status = false;
        return c->status;
    }
    if (c->rw == RW_BOTH) {
        high = c->read_second;
        c->read_second = !c->read_second;
    }
    if (c->latched)
        c->latched--;
    return (uint8_t)(high ? value >> 8 : value);
}

static uint64_t pit_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8254 *p = opaque;

    (void)size;
    if (offset == CONTROL)
        return 0xff; /* the control word cannot be read */
    sync(p, (unsigned)offset, now_tick(p));
    return read_counter(&p->counter[offset]);
}

/* ---- writes ------------------------------------------------------------- */

static void write_control(struct counter *c, uint8_t value)
{
    c->rw = value >> 4 & 3;
    c->mode_bits = value >> 1 & 7;
    c->mode = c->mode_bits > 5 ? c->mode_bits - 4 : c->mode_bits;
    c->bcd = value & 1;
    c->second = c->read_second = c->has_count = false;
    c->latched = 0;
    c->has_status = false;
    c->counting = c->load = c->strobe = c->extra = false;
    c->null_count = true;
    c->out = c->mode != 0;
}

static void new_count(struct counter *c, uint16_t count)
{
    bool triggered = c->mode == 1 || c->mode == 5;

    c->cr = count;
    c->has_count = c->null_count = true;
    if (c->mode == 0)
        c->out = false;
    if (!triggered && !(is_periodic(c) && c->counting))
        c->load = true;
}

static void write_counter(struct counter *c, uint8_t value)
{
    switch (c->rw) {
    case RW_LSB:
        new_count(c, value);
        break;
    case RW_MSB:
        new_count(c, (uint16_t)(value << 8));
        break;
    case RW_BOTH:
        c->second = !c->second;
        if (!c->second) {
            new_count(c, (uint16_t)(value << 8 | c->cr_low));
            break;
        }
        c->cr_low = value;
        /* Mode 0: the first byte stops the count. */
        if (c->mode == 0)
            c->counting = c->load = c->out = false;
        break;
    default:
        break; /* no control word yet */
    }
}

static void read_back(struct i8254 *p, uint8_t value, uint64_t tick)
{
    for (unsigned ch = 0; ch < COUNTERS; ch++) {
        if (!(value & BIT(ch + 1)))
            continue;
        sync(p, ch, tick);
        if (!(value & 0x20))
            latch_count(&p->counter[ch]);
        if (!(value & 0x10))
            latch_status(&p->counter[ch]);
    }
}

static void pit_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct i8254 *p = opaque;
    uint8_t byte = (uint8_t)value;
    unsigned ch = offset == CONTROL ? byte >> 6 : (unsigned)offset;
    uint64_t tick = now_tick(p);
    struct counter *c = &p->counter[ch % COUNTERS];
    bool was;

    (void)size;
    if (offset == CONTROL && ch == READ_BACK) {
        read_back(p, byte, tick);
        return;
    }
    sync(p, ch, tick);
    was = c->out;
    if (offset != CONTROL)
        write_counter(c, byte);
    else if ((byte >> 4 & 3) == RW_LATCH)
        latch_count(c);
    else
        write_control(c, byte);
    settle(p, ch, was);
}

/* ---- port 61h ----------------------------------------------------------- */

static void set_gate(struct counter *c, bool level)
{
    bool rose = level && !c->gate;

    c->gate = level;
    if (!level && is_periodic(c))
        c->out = true;
    if (rose && c->has_count && c->mode != 0 && c->mode != 4)
        c->load = true;
}

static uint64_t port61_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8254 *p = opaque;
    uint64_t tick = now_tick(p);
    uint8_t value = p->port61;

    (void)offset, (void)size;
    sync(p, 2, tick);
    if (tick / REFRESH_TICKS & 1)
        value |= P61_REFRESH;
    if (p->counter[2].out)
        value |= P61_OUT2;
    return value;
}

static void port61_write(void *opaque, uint64_t offset, unsigned size,
                         uint64_t value)
{
    struct i8254 *p = opaque;

    (void)offset, (void)size;
    sync(p, 2, now_tick(p));
    p->port61 = (uint8_t)value & P61_WRITABLE;
    set_gate(&p->counter[2], value & P61_GATE2);
}

static const struct io_ops pit_io = {pit_read, pit_write, 1};
static const struct io_ops port61_io = {port61_read, port61_write, 1};

/* ---- the device --------------------------------------------------------- */

static int i8254_init(struct device *dev, const struct device_cfg *cfg)
{
    struct i8254 *p = dev->state;

    p->dev = dev;
    p->out0 = cfg->irq[0];
    clock_timer_init(&p->timer, "i8254 OUT 0", on_timer, p);
    bus_map(dev->env.bus, IO_PORT, PIT_BASE, 4, &pit_io, p, dev->name);
    bus_map(dev->env.bus, IO_PORT, PORT61, 1, &port61_io, p, dev->name);
    return 0;
}

static void i8254_fini(struct device *dev)
{
    struct i8254 *p = dev->state;

    clock_disarm(dev->env.clock, &p->timer);
}

static void i8254_reset(struct device *dev)
{
    struct i8254 *p = dev->state;
    bool was = p->counter[0].out;

    p->port61 = 0;
    for (unsigned ch = 0; ch < COUNTERS; ch++)
        p->counter[ch] = (struct counter){
            .at = now_tick(p),
            .gate = ch != 2, /* 0 and 1 are tied high */
            .null_count = true,
        };
    settle(p, 0, was);
}

static void i8254_dump(const struct device *dev, struct strbuf *out)
{
    const struct i8254 *p = dev->state;
    uint64_t tick = now_tick(p);

    for (unsigned ch = 0; ch < COUNTERS; ch++) {
        struct counter c = p->counter[ch];
        skip_periods(&c, tick);
        while (c.at < tick)
            advance(&c, tick);
        strbuf_printf(out, "counter %u: mode %u %s cr=%04x ce=%04x ", ch,
                      c.mode, c.bcd ? "BCD" : "bcd", c.cr, visible_count(&c));
        /* Upper case: set. */
        strbuf_printf(out, "%s %s %s\n", c.gate ? "GATE" : "gate",
                      c.out ? "OUT" : "out", c.null_count ? "NULL" : "null");
    }
    strbuf_printf(out, "port 61h: %02x\n", p->port61);
}

static void snap_counter(struct counter *c, struct snap *s)
{
    snap_field(s, c->at);
    snap_field(s, c->mode_bits);
    snap_field(s, c->mode);
    snap_field(s, c->rw);
    snap_field(s, c->bcd);
    snap_field(s, c->cr);
    snap_field(s, c->cr_low);
    snap_field(s, c->second);
    snap_field(s, c->has_count);
    snap_field(s, c->null_count);
    snap_field(s, c->ce);
    snap_field(s, c->counting);
    snap_field(s, c->load);
    snap_field(s, c->extra);
    snap_field(s, c->strobe);
    snap_field(s, c->gate);
    snap_field(s, c->out);
    snap_field(s, c->read_second);
    snap_field(s, c->latched);
    snap_field(s, c->latched_count);
    snap_field(s, c->has_status);
    snap_field(s, c->status);
}

static void i8254_snap(struct device *dev, struct snap *s)
{
    struct i8254 *p = dev->state;

    for (unsigned ch = 0; ch < COUNTERS; ch++)
        snap_counter(&p->counter[ch], s);
    snap_field(s, p->port61);
    clock_timer_snap(dev->env.clock, &p->timer, s);
}

bool i8254_out(struct device *dev, unsigned ch)
{
    struct i8254 *p = dev->state;

    assert(ch < COUNTERS);
    sync(p, ch, now_tick(p));
    return p->counter[ch].out;
}

const struct device_class i8254_class = {
    .name = "i8254",
    .summary = "interval timer (40h) and port 61h",
    .state_size = sizeof(struct i8254),
    .init = i8254_init,
    .fini = i8254_fini,
    .reset = i8254_reset,
    .dump = i8254_dump,
    .snap = i8254_snap,
};
