/*
 * Motorola MC146818 (datasheet MC146818/D; the PC's use of it: IBM PC/AT
 * Technical Reference, "Real-Time Clock/CMOS RAM").
 *
 * The time registers hold what the guest wrote and are stepped second by
 * second, so garbage in them behaves as on the chip.  Seconds that have passed
 * are made good at the next access; a timer runs only for enabled interrupts.
 *
 *   ... |<- UIP, 2.2 ms ->| update: seconds + 1, UF, AF
 */
#include "vmm/dev/mc146818.h"

#include <time.h>

enum { RTC_BASE = 0x70, CMOS_SIZE = 128 };

enum {
    SECONDS,
    SECONDS_ALARM,
    MINUTES,
    MINUTES_ALARM,
    HOURS,
    HOURS_ALARM,
    DAY_OF_WEEK,
    DAY_OF_MONTH,
    MONTH,
    YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
    CMOS_FIRST,
    CENTURY = 0x32,
    CHECKSUM_FIRST = 0x10,
    CHECKSUM_HIGH = 0x2e,
    CHECKSUM_LOW = 0x2f,
};

enum {
    A_UIP = 0x80,
    A_DV = 0x70,
    A_DV_RUNS = 0x20, /* 32768 Hz */
    A_RS = 0x0f,

    B_SET = 0x80,
    B_PIE = 0x40,
    B_AIE = 0x20,
    B_UIE = 0x10,
    B_SQWE = 0x08,
    B_DM = 0x04,
    B_24H = 0x02,
    B_ENABLES = 0x70, /* PIE, AIE, UIE: where PF, AF, UF are in C */

    C_IRQF = 0x80,
    C_PF = 0x40,
    C_AF = 0x20,
    C_UF = 0x10,

    D_VRT = 0x80,
    HOUR_PM = 0x80,
    ALARM_ANY = 0xc0, /* an alarm byte of 11xxxxxx matches anything */
};

#define RTC_HZ 32768u
/* tBUC + tUC at 32768 Hz. */
#define UIP_NS (244000u + 1984000u)

struct mc146818 {
    struct device *dev;
    struct irq_line irq;
    struct clock_timer timer; /* the next flag with its interrupt enabled */

    bool asserted; /* the IRQ pin */
    uint8_t index;
    uint8_t reg[CMOS_SIZE];
    /*
     * When the divider chain was at zero: an update ends at every whole second
     * after it.  May lie in the future, or before power-on.
     */
    int64_t phase;     /* ns */
    uint64_t updates;  /* whole seconds since phase already made good */
    uint64_t periodic; /* RTC_HZ ticks since phase already looked at */
};

/* ---- numbers in registers ----------------------------------------------- */

static uint8_t encode(const struct mc146818 *r, unsigned v)
{
    if (r->reg[REG_B] & B_DM)
        return (uint8_t)v;
    return (uint8_t)(v / 10 << 4 | v % 10);
}

static unsigned decode(const struct mc146818 *r, uint8_t v)
{
    return r->reg[REG_B] & B_DM ? v : (v >> 4) * 10u + (v & 15u);
}

static uint8_t encode_hour(const struct mc146818 *r, unsigned hour)
{
    if (r->reg[REG_B] & B_24H)
        return encode(r, hour);
    return (uint8_t)(encode(r, hour % 12 ? hour % 12 : 12) |
                     (hour >= 12 ? HOUR_PM : 0));
}

static unsigned decode_hour(const struct mc146818 *r, uint8_t v)
{
    if (r->reg[REG_B] & B_24H)
        return decode(r, v);
    return decode(r, v & 0x7f) % 12 + (v & HOUR_PM ? 12 : 0);
}

static unsigned days_in_month(unsigned month, unsigned year)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};

    if (month < 1 || month > 12)
        return 31;
    /* The chip knows of no century: each fourth year is a leap year. */
    return days[month - 1] + (month == 2 && year % 4 == 0 ? 1u : 0);
}

/* ---- the update cycle --------------------------------------------------- */

/* Adds one to register REG, from FIRST after LAST; true when it wrapped. */
static bool step(struct mc146818 *r, unsigned reg, unsigned first,
                 unsigned last)
{
    unsigned v = decode(r, r->reg[reg]);
    bool wraps = v >= last;

    r->reg[reg] = encode(r, wraps ? first : v + 1);
    return wraps;
}

static bool step_hour(struct mc146818 *r)
{
    unsigned hour = decode_hour(r, r->reg[HOURS]);
    bool wraps = hour >= 23;

    r->reg[HOURS] = encode_hour(r, wraps ? 0 : hour + 1);
    return wraps;
}

static void step_second(struct mc146818 *r)
{
    unsigned days =
        days_in_month(decode(r, r->reg[MONTH]), decode(r, r->reg[YEAR]));

    if (!step(r, SECONDS, 0, 59) || !step(r, MINUTES, 0, 59) || !step_hour(r))
        return;
    step(r, DAY_OF_WEEK, 1, 7);
    if (step(r, DAY_OF_MONTH, 1, days) && step(r, MONTH, 1, 12) &&
        step(r, YEAR, 0, 99))
        step(r, CENTURY, 0, 99);
}

static bool alarm_matches(const struct mc146818 *r)
{
    for (unsigned reg = SECONDS; reg <= HOURS; reg += 2) {
        uint8_t want = r->reg[reg + 1];
        if ((want & ALARM_ANY) != ALARM_ANY && want != r->reg[reg])
            return false;
    }
    return true;
}

static bool divider_runs(const struct mc146818 *r)
{
    return (r->reg[REG_A] & A_DV) == A_DV_RUNS;
}

static bool updates_run(const struct mc146818 *r)
{
    return divider_runs(r) && !(r->reg[REG_B] & B_SET);
}

/* Nanoseconds since the divider chain was at zero; 0 before that. */
static uint64_t elapsed(const struct mc146818 *r)
{
    uint64_t now = clock_now(r->dev->env.clock);

    if (r->phase > 0 && now < (uint64_t)r->phase)
        return 0;
    return now - (uint64_t)r->phase;
}

/* RTC_HZ ticks between periodic interrupts; 0: none. */
static uint64_t period(const struct mc146818 *r)
{
    unsigned rs = r->reg[REG_A] & A_RS;

    if (rs == 0)
        return 0;
    return 1ull << (rs < 3 ? rs + 6 : rs - 1);
}

static uint64_t ticks_of_ns(uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * RTC_HZ / CLOCK_SECOND);
}

static uint64_t ns_of_ticks(uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * CLOCK_SECOND + RTC_HZ - 1) /
                      RTC_HZ);
}

/* Makes good all updates and periodic ticks up to now. */
static void sync(struct mc146818 *r)
{
    uint64_t since = elapsed(r);
    uint64_t seconds = since / CLOCK_SECOND, ticks = ticks_of_ns(since);
    uint64_t every = period(r);

    if (!divider_runs(r))
        return;
    if (every && ticks / every > r->periodic / every)
        r->reg[REG_C] |= C_PF;
    r->periodic = ticks;
    if (updates_run(r))
        for (uint64_t i = r->updates; i < seconds; i++) {
            step_second(r);
            r->reg[REG_C] |= C_UF;
            if (alarm_matches(r))
                r->reg[REG_C] |= C_AF;
        }
    r->updates = seconds;
}

/* ---- interrupts --------------------------------------------------------- */

static void update_irq(struct mc146818 *r)
{
    bool irqf = r->reg[REG_C] & r->reg[REG_B] & B_ENABLES;

    r->reg[REG_C] = (uint8_t)((r->reg[REG_C] & ~C_IRQF) | (irqf ? C_IRQF : 0));
    irq_change(&r->irq, &r->asserted, irqf);
}

/* Sleeps until the next flag that may raise the pin; call after sync(). */
static void rearm(struct mc146818 *r)
{
    uint8_t b = r->reg[REG_B];
    uint64_t next = CLOCK_NEVER, every = period(r);

    if (updates_run(r) && (b & (B_AIE | B_UIE)))
        next = (r->updates + 1) * CLOCK_SECOND;
    if (divider_runs(r) && (b & B_PIE) && every) {
        uint64_t at = ns_of_ticks((r->periodic / every + 1) * every);
        next = at < next ? at : next;
    }
    if (next != CLOCK_NEVER)
        next += (uint64_t)r->phase;
    clock_arm(r->dev->env.clock, &r->timer, next);
}

static void settle(struct mc146818 *r)
{
    update_irq(r);
    rearm(r);
}

static void on_timer(void *opaque)
{
    struct mc146818 *r = opaque;

    sync(r);
    settle(r);
}

/* ---- registers ---------------------------------------------------------- */

static bool in_update(const struct mc146818 *r)
{
    uint64_t since = elapsed(r);

    return updates_run(r) && since % CLOCK_SECOND >= CLOCK_SECOND - UIP_NS;
}

static void write_a(struct mc146818 *r, uint8_t value)
{
    bool ran = divider_runs(r);

    r->reg[REG_A] = value & (A_DV | A_RS);
    if (!ran && divider_runs(r)) {
        /* Out of reset: the first update comes half a second later. */
        r->phase =
            (int64_t)clock_now(r->dev->env.clock) - (int64_t)CLOCK_SECOND / 2;
        r->updates = 0;
        r->periodic = ticks_of_ns(elapsed(r));
    }
}

static void write_b(struct mc146818 *r, uint8_t value)
{
    if (value & B_SET)
        value &= (uint8_t)~B_UIE;
    r->reg[REG_B] = value;
}

static void data_write(struct mc146818 *r, uint8_t value)
{
    sync(r);
    switch (r->index) {
    case REG_A:
        write_a(r, value);
        break;
    case REG_B:
        write_b(r, value);
        break;
    case REG_C:
    case REG_D:
        break;
    default:
        r->reg[r->index] = value;
        break;
    }
    settle(r);
}

static uint8_t data_read(struct mc146818 *r)
{
    uint8_t value;

    sync(r);
    update_irq(r);
    value = r->reg[r->index];
    if (r->index == REG_A)
        return (uint8_t)(value | (in_update(r) ? A_UIP : 0));
    if (r->index == REG_D)
        return D_VRT;
    if (r->index == REG_C) {
        r->reg[REG_C] = 0;
        settle(r);
    }
    return value;
}

static uint64_t rtc_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)size;
    return offset ? data_read(opaque) : 0xff; /* the index is write-only */
}

/* Bit 7 of the index masks NMI on a PC; nothing here raises one. */
static void rtc_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct mc146818 *r = opaque;

    (void)size;
    if (offset)
        data_write(r, (uint8_t)value);
    else
        r->index = value & (CMOS_SIZE - 1);
}

static const struct io_ops rtc_io = {rtc_read, rtc_write, 1};

/* ---- CMOS memory -------------------------------------------------------- */

static void update_checksum(struct mc146818 *r)
{
    unsigned sum = 0;

    for (unsigned i = CHECKSUM_FIRST; i < CHECKSUM_HIGH; i++)
        sum += r->reg[i];
    r->reg[CHECKSUM_HIGH] = (uint8_t)(sum >> 8);
    r->reg[CHECKSUM_LOW] = (uint8_t)sum;
}

static void set_word(struct mc146818 *r, unsigned index, uint64_t value)
{
    if (value > 0xffff)
        value = 0xffff;
    r->reg[index] = (uint8_t)value;
    r->reg[index + 1] = (uint8_t)(value >> 8);
}

void mc146818_set_memory(struct device *dev, uint64_t bytes)
{
    struct mc146818 *r = dev->state;
    const uint64_t kib = 1024, mib = 1024 * kib;
    uint64_t above1 = bytes > mib ? (bytes - mib) / kib : 0;
    uint64_t above16 = bytes > 16 * mib ? (bytes - 16 * mib) / 65536 : 0;

    set_word(r, 0x15, bytes < 640 * kib ? bytes / kib : 640);
    set_word(r, 0x17, above1);
    set_word(r, 0x30, above1);
    set_word(r, 0x34, above16);
    update_checksum(r);
}

void mc146818_set_byte(struct device *dev, unsigned index, uint8_t value)
{
    struct mc146818 *r = dev->state;

    assert(index >= CMOS_FIRST && index < CMOS_SIZE);
    r->reg[index] = value;
    update_checksum(r);
}

uint8_t mc146818_get_byte(const struct device *dev, unsigned index)
{
    const struct mc146818 *r = dev->state;

    assert(index >= CMOS_FIRST && index < CMOS_SIZE);
    return r->reg[index];
}

/* ---- the device --------------------------------------------------------- */

static void set_time(struct mc146818 *r, uint64_t epoch)
{
    time_t t = (time_t)epoch;
    struct tm tm = {0};
    unsigned year;

    gmtime_r(&t, &tm); /* arithmetic only: no time zone, no host clock */
    year = (unsigned)tm.tm_year + 1900;
    r->reg[SECONDS] = encode(r, (unsigned)tm.tm_sec);
    r->reg[MINUTES] = encode(r, (unsigned)tm.tm_min);
    r->reg[HOURS] = encode_hour(r, (unsigned)tm.tm_hour);
    r->reg[DAY_OF_WEEK] = encode(r, (unsigned)tm.tm_wday + 1);
    r->reg[DAY_OF_MONTH] = encode(r, (unsigned)tm.tm_mday);
    r->reg[MONTH] = encode(r, (unsigned)tm.tm_mon + 1);
    r->reg[YEAR] = encode(r, year % 100);
    r->reg[CENTURY] = encode(r, year / 100 % 100);
}

static int mc146818_init(struct device *dev, const struct device_cfg *cfg)
{
    struct mc146818 *r = dev->state;

    r->dev = dev;
    r->irq = cfg->irq[0];
    r->reg[REG_A] = A_DV_RUNS | 0x06; /* 1024 Hz, as firmware sets it */
    r->reg[REG_B] = B_24H;
    set_time(r, cfg->arg);
    clock_timer_init(&r->timer, "mc146818", on_timer, r);
    bus_map(dev->env.bus, IO_PORT, RTC_BASE, 2, &rtc_io, r, dev->name);
    return 0;
}

static void mc146818_fini(struct device *dev)
{
    struct mc146818 *r = dev->state;

    clock_disarm(dev->env.clock, &r->timer);
}

static void mc146818_reset(struct device *dev)
{
    struct mc146818 *r = dev->state;

    sync(r);
    r->reg[REG_B] &= (uint8_t) ~(B_ENABLES | B_SQWE);
    r->reg[REG_C] = 0;
    r->index = 0;
    settle(r);
}

static void mc146818_dump(const struct device *dev, struct strbuf *out)
{
    struct mc146818 r = *(const struct mc146818 *)dev->state;

    sync(&r);
    strbuf_printf(out, "%02u%02u-%02u-%02u %02u:%02u:%02u\n",
                  decode(&r, r.reg[CENTURY]), decode(&r, r.reg[YEAR]),
                  decode(&r, r.reg[MONTH]), decode(&r, r.reg[DAY_OF_MONTH]),
                  decode_hour(&r, r.reg[HOURS]), decode(&r, r.reg[MINUTES]),
                  decode(&r, r.reg[SECONDS]));
    strbuf_printf(out, "a=%02x b=%02x c=%02x index=%02x alarm=%02x:%02x:%02x\n",
                  r.reg[REG_A], r.reg[REG_B], r.reg[REG_C], r.index,
                  r.reg[HOURS_ALARM], r.reg[MINUTES_ALARM],
                  r.reg[SECONDS_ALARM]);
}

static void mc146818_snap(struct device *dev, struct snap *s)
{
    struct mc146818 *r = dev->state;

    snap_field(s, r->asserted);
    snap_field(s, r->index);
    snap_field(s, r->reg);
    snap_field(s, r->phase);
    snap_field(s, r->updates);
    snap_field(s, r->periodic);
    clock_timer_snap(dev->env.clock, &r->timer, s);
    r->index %= CMOS_SIZE; /* from a file: keep it inside */
}

const struct device_class mc146818_class = {
    .name = "mc146818",
    .summary = "real-time clock and CMOS memory (70h)",
    .state_size = sizeof(struct mc146818),
    .init = mc146818_init,
    .fini = mc146818_fini,
    .reset = mc146818_reset,
    .dump = mc146818_dump,
    .snap = mc146818_snap,
};
