/*
 * Local APIC: registers, priorities, timer (SDM vol. 3A ch. 10).
 *
 * Not here: other processors (INIT and start-up messages go nowhere), x2APIC,
 * the TSC-deadline timer, performance and thermal events (their LVTs are kept
 * and never fire).
 */
#include "vmm/dev/lapic.h"

#include <string.h>

#define LAPIC_LEN     0x1000u
#define LAPIC_VERSION 0x14u
#define VECTOR_MIN    16u /* 0 to 15 are illegal: 10.5.2 */

/* Register offsets divided by 16: table 10-1. */
enum {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_APR = 0x09,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_RRD = 0x0c,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR_LOW = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT = 0x32, /* the first of LVT_COUNT in a row */
    REG_TIMER_INITIAL = 0x38,
    REG_TIMER_CURRENT = 0x39,
    REG_TIMER_DIVIDE = 0x3e,
};

/* In the order of their registers, from 320h. */
enum lvt {
    LVT_TIMER,
    LVT_THERMAL,
    LVT_PERF,
    LVT_LINT0,
    LVT_LINT1,
    LVT_ERROR,
    LVT_COUNT
};

#define LVT_VECTOR     0xffu
#define LVT_MODE(lvt)  ((lvt) >> 8 & 7u)
#define LVT_EXTINT     (APIC_EXTINT << 8)
#define LVT_REMOTE_IRR BIT(14)
#define LVT_LEVEL      BIT(15)
#define LVT_MASK       BIT(16)
#define LVT_PERIODIC   BIT(17)

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x300ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

#define SVR_ENABLE BIT(8)

#define ESR_SEND_ILLEGAL    BIT(5)
#define ESR_RECEIVE_ILLEGAL BIT(6)
#define ESR_ILLEGAL_REG     BIT(7)

struct lapic {
    struct device *dev;
    struct lapic_eoi eoi;
    struct irq_line nmi;
    uint64_t base;      /* where the registers are now; 0: nowhere */
    uint64_t apic_base; /* the MSR */
    uint32_t id;        /* in bits 31:24 */
    uint8_t tpr;
    uint32_t ldr, dfr, svr;
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t esr, esr_pending; /* as read; collected since the last write */
    uint32_t icr_low, icr_high;
    uint32_t lvt[LVT_COUNT];
    bool lint[2];
    bool extint; /* an ExtINT message from the I/O APIC waits */
    struct clock_timer timer;
    uint32_t initial, divide; /* registers */
    uint32_t count;           /* the count at time `since`; 0: stopped */
    uint64_t since;           /* ns */
};

/* ---- the 256-bit registers ---------------------------------------------- */

static void set_bit(uint32_t *reg, unsigned n)
{
    reg[n / 32] |= BIT(n % 32);
}

static void clear_bit(uint32_t *reg, unsigned n)
{
    reg[n / 32] &= ~BIT(n % 32);
}

static bool test_bit(const uint32_t *reg, unsigned n)
{
    return reg[n / 32] >> n % 32 & 1;
}

/* The highest bit set, or -1. */
static int highest(const uint32_t *reg)
{
    for (int i = 7; i >= 0; i--)
        if (reg[i])
            return 32 * i + 31 - __builtin_clz(reg[i]);
    return -1;
}

/* ---- priorities --------------------------------------------------------- */

static bool hardware_enabled(const struct lapic *l)
{
    return l->apic_base & LAPIC_MSR_ENABLE;
}

static bool enabled(const struct lapic *l)
{
    return hardware_enabled(l) && (l->svr & SVR_ENABLE);
}

/* Processor priority: 10.8.3.1 */
static uint8_t ppr(const struct lapic *l)
{
    int isrv = highest(l->isr);
    uint8_t service = isrv < 0 ? 0 : (uint8_t)(isrv & 0xf0);

    return (l->tpr & 0xf0) >= service ? l->tpr : service;
}

/* The vector that may interrupt now, or -1. */
static int deliverable(const struct lapic *l)
{
    int vector = enabled(l) ? highest(l->irr) : -1;

    return vector >= 0 && (vector & 0xf0) > (ppr(l) & 0xf0) ? vector : -1;
}

static void raise_error(struct lapic *l, uint32_t bit);

static void accept_vector(struct lapic *l, uint8_t vector, bool level)
{
    if (vector < VECTOR_MIN) {
        raise_error(l, ESR_RECEIVE_ILLEGAL);
        return;
    }
    set_bit(l->irr, vector);
    if (level)
        set_bit(l->tmr, vector);
    else
        clear_bit(l->tmr, vector);
}

static void pulse_nmi(struct lapic *l)
{
    irq_set(&l->nmi, true);
    irq_set(&l->nmi, false);
}

/* A local interrupt source fires through its LVT entry. */
static void fire_lvt(struct lapic *l, enum lvt n)
{
    uint32_t lvt = l->lvt[n];
    bool level = n == LVT_LINT0 && (lvt & LVT_LEVEL);

    if ((lvt & LVT_MASK) || !hardware_enabled(l))
        return;
    if (n == LVT_TIMER || n == LVT_ERROR || LVT_MODE(lvt) == APIC_FIXED) {
        if (level && (lvt & LVT_REMOTE_IRR))
            return;
        accept_vector(l, lvt & LVT_VECTOR, level);
        l->lvt[n] |= level ? LVT_REMOTE_IRR : 0;
    } else if (LVT_MODE(lvt) == APIC_NMI) {
        pulse_nmi(l);
    }
    /* ExtINT is a wire, not an event: lapic_wants_extint() looks at the pin */
}

static void raise_error(struct lapic *l, uint32_t bit)
{
    bool first = !(l->esr_pending & bit);

    l->esr_pending |= bit;
    /* An error LVT with an illegal vector must not raise itself for ever. */
    if (first && (l->lvt[LVT_ERROR] & LVT_VECTOR) >= VECTOR_MIN)
        fire_lvt(l, LVT_ERROR);
}

/* ---- messages and pins -------------------------------------------------- */

static bool is_destination(const struct lapic *l, const struct apic_msg *msg)
{
    uint8_t logical_id = (uint8_t)(l->ldr >> 24);

    if (msg->dest == 0xff)
        return true;
    if (!msg->logical)
        return msg->dest == l->id >> 24;
    if (l->dfr >> 28 == 0xf) /* flat model */
        return msg->dest & logical_id;
    return msg->dest >> 4 == logical_id >> 4 && (msg->dest & logical_id & 0xf);
}

void lapic_connect(struct device *dev, struct lapic_eoi eoi)
{
    struct lapic *l = dev->state;

    l->eoi = eoi;
}

bool lapic_accept(struct device *dev, const struct apic_msg *msg)
{
    struct lapic *l = dev->state;

    if (!hardware_enabled(l) || !is_destination(l, msg))
        return false;
    switch (msg->mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (!enabled(l))
            return false;
        accept_vector(l, msg->vector, msg->level);
        return true;
    case APIC_NMI:
        pulse_nmi(l);
        return true;
    case APIC_EXTINT:
        l->extint = true;
        return true;
    default: /* SMI, INIT, STARTUP: nothing on this board listens */
        return true;
    }
}

void lapic_set_lint(void *dev, unsigned n, bool level)
{
    struct lapic *l = ((struct device *)dev)->state;
    bool rose = level && !l->lint[n];
    enum lvt lvt = n == 0 ? LVT_LINT0 : LVT_LINT1;

    assert(n < 2);
    l->lint[n] = level;
    if (rose || (level && (l->lvt[lvt] & LVT_LEVEL)))
        fire_lvt(l, lvt);
}

bool lapic_wants_extint(const struct device *dev)
{
    const struct lapic *l = dev->state;
    uint32_t lvt = l->lvt[LVT_LINT0];

    if (!l->lint[0])
        return false;
    if (!hardware_enabled(l) || l->extint)
        return true; /* disabled, LINT0 is the processor's INTR: 10.4.3 */
    return !(lvt & LVT_MASK) && LVT_MODE(lvt) == APIC_EXTINT;
}

bool lapic_pending(const struct device *dev)
{
    return deliverable(dev->state) >= 0 || lapic_wants_extint(dev);
}

int lapic_ack(struct device *dev)
{
    struct lapic *l = dev->state;
    int vector = deliverable(l);

    if (vector < 0) {
        l->extint = false;
        return -1;
    }
    clear_bit(l->irr, (unsigned)vector);
    set_bit(l->isr, (unsigned)vector);
    return vector;
}

static void end_of_interrupt(struct lapic *l)
{
    int vector = highest(l->isr);
    uint32_t *lint0 = &l->lvt[LVT_LINT0];

    if (vector < 0)
        return;
    clear_bit(l->isr, (unsigned)vector);
    if (!test_bit(l->tmr, (unsigned)vector))
        return;
    if ((*lint0 & LVT_REMOTE_IRR) &&
        (*lint0 & LVT_VECTOR) == (uint32_t)vector) {
        *lint0 &= ~LVT_REMOTE_IRR;
        if (l->lint[0])
            fire_lvt(l, LVT_LINT0);
    }
    if (l->eoi.broadcast)
        l->eoi.broadcast(l->eoi.opaque, (uint8_t)vector);
}

/* Interprocessor interrupts, with one processor: 10.6.1 */
static void send_ipi(struct lapic *l)
{
    static const bool self[4] = {false, true, true, false};
    unsigned shorthand = l->icr_low >> 18 & 3;
    struct apic_msg msg = {
        .dest = shorthand ? 0xff : (uint8_t)(l->icr_high >> 24),
        .logical = l->icr_low >> 11 & 1,
        .mode = l->icr_low >> 8 & 7,
        .vector = l->icr_low & 0xff,
    };

    if (msg.mode <= APIC_LOWEST && msg.vector < VECTOR_MIN) {
        raise_error(l, ESR_SEND_ILLEGAL);
        return;
    }
    if (msg.mode == APIC_EXTINT)
        return; /* not a mode of the ICR */
    if (shorthand == 0 || self[shorthand])
        lapic_accept(l->dev, &msg);
}

/* ---- timer: 10.5.4 ------------------------------------------------------ */

/* Nanoseconds per tick: 1, 2, 4 ... 128. */
static uint64_t tick(const struct lapic *l)
{
    unsigned code = (l->divide & 3) | (l->divide >> 1 & 4);

    return 1ull << ((code + 1) & 7);
}

/* Brings count and since up to now; periods nobody looked at are skipped. */
static void timer_sync(struct lapic *l)
{
    uint64_t now = clock_now(l->dev->env.clock), ns = tick(l);
    uint64_t ticks = (now - l->since) / ns;

    if (ticks < l->count) {
        l->count -= (uint32_t)ticks;
        l->since += ticks * ns;
        return;
    }
    if (l->count == 0 || !(l->lvt[LVT_TIMER] & LVT_PERIODIC) ||
        l->initial == 0) {
        l->count = 0;
        return;
    }
    l->since += ticks * ns;
    l->count = l->initial - (uint32_t)((ticks - l->count) % l->initial);
}

static void timer_arm(struct lapic *l)
{
    if (l->count == 0 || (l->lvt[LVT_TIMER] & LVT_MASK))
        clock_disarm(l->dev->env.clock, &l->timer);
    else
        clock_arm(l->dev->env.clock, &l->timer, l->since + l->count * tick(l));
}

static void timer_fire(void *opaque)
{
    struct lapic *l = opaque;

    timer_sync(l);
    fire_lvt(l, LVT_TIMER);
    timer_arm(l);
}

/* Before the timer changes: an expiry that is due and was not seen yet. */
static void timer_catch_up(struct lapic *l)
{
    if (l->timer.deadline <= clock_now(l->dev->env.clock))
        timer_fire(l);
    timer_sync(l);
}

static void timer_start(struct lapic *l, uint32_t initial)
{
    timer_catch_up(l);
    l->initial = l->count = initial;
    l->since = clock_now(l->dev->env.clock);
    timer_arm(l);
}

/* ---- registers ---------------------------------------------------------- */

static uint32_t reg_read(struct lapic *l, unsigned reg)
{
    if (reg >= REG_ISR && reg < REG_ISR + 8)
        return l->isr[reg - REG_ISR];
    if (reg >= REG_TMR && reg < REG_TMR + 8)
        return l->tmr[reg - REG_TMR];
    if (reg >= REG_IRR && reg < REG_IRR + 8)
        return l->irr[reg - REG_IRR];
    if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT)
        return l->lvt[reg - REG_LVT];
    switch (reg) {
    case REG_ID:
        return l->id;
    case REG_VERSION:
        return LAPIC_VERSION | (LVT_COUNT - 1) << 16;
    case REG_TPR:
        return l->tpr;
    case REG_APR:
    case REG_PPR:
        return ppr(l);
    case REG_LDR:
        return l->ldr;
    case REG_DFR:
        return l->dfr;
    case REG_SVR:
        return l->svr;
    case REG_ESR:
        return l->esr;
    case REG_ICR_LOW:
        return l->icr_low;
    case REG_ICR_HIGH:
        return l->icr_high;
    case REG_TIMER_INITIAL:
        return l->initial;
    case REG_TIMER_CURRENT:
        timer_sync(l);
        return l->count;
    case REG_TIMER_DIVIDE:
        return l->divide;
    case REG_EOI:
    case REG_RRD:
        return 0;
    default:
        raise_error(l, ESR_ILLEGAL_REG);
        return 0;
    }
}

static void lvt_write(struct lapic *l, enum lvt n, uint32_t value)
{
    uint32_t keep = l->lvt[n] & LVT_REMOTE_IRR;

    if (n == LVT_TIMER)
        timer_catch_up(l);
    value &= lvt_writable[n];
    if (!(l->svr & SVR_ENABLE))
        value |= LVT_MASK; /* 10.4.7.2 */
    l->lvt[n] = value | (value & LVT_LEVEL ? keep : 0);
    if (n == LVT_TIMER)
        timer_arm(l);
    if (n == LVT_LINT0 && l->lint[0] && (value & LVT_LEVEL))
        fire_lvt(l, n);
}

static void svr_write(struct lapic *l, uint32_t value)
{
    bool was = l->svr & SVR_ENABLE;

    l->svr = value & 0x3ff;
    if (was && !(l->svr & SVR_ENABLE))
        for (unsigned n = 0; n < LVT_COUNT; n++)
            lvt_write(l, (enum lvt)n, l->lvt[n]);
}

static void reg_write(struct lapic *l, unsigned reg, uint32_t value)
{
    if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT) {
        lvt_write(l, (enum lvt)(reg - REG_LVT), value);
        return;
    }
    switch (reg) {
    case REG_ID:
        l->id = value & 0xff000000;
        break;
    case REG_TPR:
        l->tpr = (uint8_t)value;
        break;
    case REG_EOI:
        end_of_interrupt(l);
        break;
    case REG_LDR:
        l->ldr = value & 0xff000000;
        break;
    case REG_DFR:
        l->dfr = value | 0x0fffffff;
        break;
    case REG_SVR:
        svr_write(l, value);
        break;
    case REG_ESR:
        l->esr = l->esr_pending;
        l->esr_pending = 0;
        break;
    case REG_ICR_LOW:
        l->icr_low = value & 0xccfff; /* delivery status stays idle */
        send_ipi(l);
        break;
    case REG_ICR_HIGH:
        l->icr_high = value & 0xff000000;
        break;
    case REG_TIMER_INITIAL:
        timer_start(l, value);
        break;
    case REG_TIMER_DIVIDE:
        timer_catch_up(l);
        l->divide = value & 0xb;
        timer_arm(l);
        break;
    default: /* read only, or none at all */
        break;
    }
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    struct device *dev = opaque;

    (void)size;
    if (offset & 0xc) /* only the first 4 of 16 bytes are a register */
        return 0;
    return reg_read(dev->state, (unsigned)(offset >> 4)) >> 8 * (offset & 3);
}

static void mmio_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    struct device *dev = opaque;

    if ((offset & 0xf) == 0 && size >= 4)
        reg_write(dev->state, (unsigned)(offset >> 4), (uint32_t)value);
}

static const struct io_ops mmio_ops = {mmio_read, mmio_write, 0};

/* ---- the model-specific register ---------------------------------------- */

uint64_t lapic_get_base(const struct device *dev)
{
    const struct lapic *l = dev->state;

    return l->apic_base;
}

static bool range_is_free(const struct bus *bus, uint64_t base)
{
    for (unsigned i = 0; i < bus->count[IO_MEM]; i++) {
        const struct bus_range *r = &bus->range[IO_MEM][i];
        if (base < r->base + r->len && r->base < base + LAPIC_LEN)
            return false;
    }
    return true;
}

void lapic_set_base(struct device *dev, uint64_t msr)
{
    struct lapic *l = dev->state;
    bool on = msr & LAPIC_MSR_ENABLE;
    uint64_t base = on ? msr & 0xffffff000ull : 0;

    l->apic_base = msr;
    if (base == l->base)
        return;
    if (l->base)
        bus_unmap(dev->env.bus, IO_MEM, l->base);
    l->base = 0;
    if (!base || !range_is_free(dev->env.bus, base))
        return; /* on top of another chip: the registers are hidden */
    bus_map(dev->env.bus, IO_MEM, base, LAPIC_LEN, &mmio_ops, dev, dev->name);
    l->base = base;
}

unsigned lapic_get_cr8(const struct device *dev)
{
    const struct lapic *l = dev->state;

    return l->tpr >> 4;
}

void lapic_set_cr8(struct device *dev, unsigned cr8)
{
    struct lapic *l = dev->state;

    l->tpr = (uint8_t)(cr8 << 4);
}

/* ---- the device --------------------------------------------------------- */

static int lapic_init(struct device *dev, const struct device_cfg *cfg)
{
    struct lapic *l = dev->state;

    assert(cfg->base == LAPIC_BASE);
    l->dev = dev;
    l->nmi = cfg->irq[0];
    clock_timer_init(&l->timer, "lapic timer", timer_fire, l);
    return 0;
}

static void lapic_fini(struct device *dev)
{
    struct lapic *l = dev->state;

    clock_disarm(dev->env.clock, &l->timer);
}

static void lapic_reset(struct device *dev)
{
    struct lapic *l = dev->state;

    clock_disarm(dev->env.clock, &l->timer);
    lapic_set_base(dev, LAPIC_BASE | LAPIC_MSR_ENABLE | LAPIC_MSR_BSP);
    l->id = 0;
    l->tpr = 0;
    l->ldr = 0;
    l->dfr = UINT32_MAX;
    l->svr = LAPIC_SPURIOUS_RESET;
    memset(l->isr, 0, sizeof(l->isr));
    memset(l->tmr, 0, sizeof(l->tmr));
    memset(l->irr, 0, sizeof(l->irr));
    l->esr = l->esr_pending = 0;
    l->icr_low = l->icr_high = 0;
    for (unsigned n = 0; n < LVT_COUNT; n++)
        l->lvt[n] = LVT_MASK;
    l->lvt[LVT_LINT0] = LVT_EXTINT; /* virtual wire, as firmware leaves it */
    l->lint[0] = l->lint[1] = false;
    l->extint = false;
    l->initial = l->divide = l->count = 0;
    l->since = 0;
}

static void dump_vectors(struct strbuf *out, const char *name,
                         const uint32_t *reg)
{
    if (highest(reg) < 0)
        return;
    strbuf_printf(out, "%s", name);
    for (unsigned n = 0; n < 256; n++)
        if (test_bit(reg, n))
            strbuf_printf(out, " %02x", n);
    strbuf_putc(out, '\n');
}

static void lapic_dump(const struct device *dev, struct strbuf *out)
{
    static const char *const lvt_name[LVT_COUNT] = {
        "timer", "thermal", "perf", "LINT0", "LINT1", "error"};
    const struct lapic *l = dev->state;

    strbuf_printf(out, "ID %u  MSR %llx  %s  SVR %03x  TPR %02x  PPR %02x\n",
                  l->id >> 24, (unsigned long long)l->apic_base,
                  enabled(l) ? "enabled" : "disabled (virtual wire)", l->svr,
                  l->tpr, ppr(l));
    strbuf_printf(out, "LDR %08x  DFR %08x  ESR %02x  ICR %08x%08x\n", l->ldr,
                  l->dfr, l->esr, l->icr_high, l->icr_low);
    dump_vectors(out, "IRR", l->irr);
    dump_vectors(out, "ISR", l->isr);
    for (unsigned n = 0; n < LVT_COUNT; n++)
        strbuf_printf(out, "LVT %-7s %05x%s\n", lvt_name[n], l->lvt[n],
                      l->lvt[n] & LVT_MASK ? "  masked" : "");
    strbuf_printf(out, "timer %s  initial %u  divide by %llu",
                  l->lvt[LVT_TIMER] & LVT_PERIODIC ? "periodic" : "one-shot",
                  l->initial, (unsigned long long)tick(l));
    if (l->timer.deadline != CLOCK_NEVER)
        strbuf_printf(out, "  fires at %llu ns",
                      (unsigned long long)l->timer.deadline);
    strbuf_putc(out, '\n');
}

static void lapic_snap(struct device *dev, struct snap *s)
{
    struct lapic *l = dev->state;
    uint64_t msr = l->apic_base;

    snap_field(s, msr);
    if (!s->saving && !s->err)
        lapic_set_base(dev, msr);
    snap_field(s, l->id);
    snap_field(s, l->tpr);
    snap_field(s, l->ldr);
    snap_field(s, l->dfr);
    snap_field(s, l->svr);
    snap_field(s, l->isr);
    snap_field(s, l->tmr);
    snap_field(s, l->irr);
    snap_field(s, l->esr);
    snap_field(s, l->esr_pending);
    snap_field(s, l->icr_low);
    snap_field(s, l->icr_high);
    snap_field(s, l->lvt);
    snap_field(s, l->lint);
    snap_field(s, l->extint);
    snap_field(s, l->initial);
    snap_field(s, l->divide);
    snap_field(s, l->count);
    snap_field(s, l->since);
    clock_timer_snap(dev->env.clock, &l->timer, s);
}

const struct device_class lapic_class = {
    .name = "lapic",
    .summary = "local APIC with timer",
    .state_size = sizeof(struct lapic),
    .init = lapic_init,
    .fini = lapic_fini,
    .reset = lapic_reset,
    .dump = lapic_dump,
    .snap = lapic_snap,
};
