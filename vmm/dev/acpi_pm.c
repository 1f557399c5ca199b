/*
 * ACPI fixed hardware registers (ACPI 2.0, 4.7.3), just enough for a guest
 * to own the SCI, to read the PM timer and to power the machine off.  No
 * buttons, no general-purpose events, no sleep state but S5.
 */
#include "vmm/dev/acpi_pm.h"

#define PM_LEN  12u
#define PM1_STS 0u
#define PM1_EN  2u

#define STS_TMR     BIT(0)
#define STS_GBL     BIT(5)
#define EN_WRITABLE (BIT(0) | BIT(5) | BIT(8) | BIT(10))

#define CNT_SCI_EN     BIT(0)
#define CNT_GBL_RLS    BIT(2)
#define CNT_SLP_EN     BIT(13)
#define CNT_SLP_TYP(v) ((v) >> 10 & 7u)
#define CNT_WRITABLE   (CNT_SCI_EN | BIT(1) | 7u << 10)

#define TMR_HALF BIT64(31) /* TMR_STS is set when bit 31 changes */

struct acpi_pm {
    struct irq_line sci, poweroff;
    struct device *dev;
    uint16_t sts, en, cnt;
    struct clock_timer half;
};

/* Ticks since power-on, exactly: now * 3579545 / 10^9 without overflow. */
static uint64_t ticks(const struct device *dev)
{
    uint64_t now = clock_now(dev->env.clock);

    return now / CLOCK_SECOND * ACPI_PM_HZ +
           now % CLOCK_SECOND * ACPI_PM_HZ / CLOCK_SECOND;
}

/* The first nanosecond at which ticks() is COUNT. */
static uint64_t tick_time(uint64_t count)
{
    return count / ACPI_PM_HZ * CLOCK_SECOND +
           (count % ACPI_PM_HZ * CLOCK_SECOND + ACPI_PM_HZ - 1) / ACPI_PM_HZ;
}

static void update(struct acpi_pm *pm)
{
    irq_set(&pm->sci, (pm->cnt & CNT_SCI_EN) && (pm->sts & pm->en));
}

/* The status bit's timer only runs while somebody wants the interrupt. */
static void arm(struct acpi_pm *pm)
{
    struct clock *clk = pm->dev->env.clock;
    uint64_t next = (ticks(pm->dev) / TMR_HALF + 1) * TMR_HALF;

    clock_arm(clk, &pm->half, pm->en & STS_TMR ? tick_time(next) : CLOCK_NEVER);
}

static void half_over(void *opaque)
{
    struct acpi_pm *pm = opaque;

    pm->sts |= STS_TMR;
    arm(pm);
    update(pm);
}

static void control_write(struct acpi_pm *pm, uint16_t value)
{
    /* SCI_EN is the firmware's; it changes through SMI_CMD alone. */
    pm->cnt = (uint16_t)((value & CNT_WRITABLE & ~CNT_SCI_EN) |
                         (pm->cnt & CNT_SCI_EN));
    if ((value & CNT_SLP_EN) && CNT_SLP_TYP(value) == ACPI_SLP_TYP_S5) {
        irq_set(&pm->poweroff, true);
        irq_set(&pm->poweroff, false);
    }
    update(pm);
}

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct acpi_pm *pm = ((struct device *)opaque)->state;
    uint8_t bytes[PM_LEN + 4] = {
        [PM1_STS] = (uint8_t)pm->sts,     (uint8_t)(pm->sts >> 8),
        [PM1_EN] = (uint8_t)pm->en,       (uint8_t)(pm->en >> 8),
        [ACPI_PM_CNT] = (uint8_t)pm->cnt, (uint8_t)(pm->cnt >> 8),
    };
    uint64_t value = 0, tmr = ticks(pm->dev);

    for (unsigned i = 0; i < 4; i++)
        bytes[ACPI_PM_TMR + i] = (uint8_t)(tmr >> 8 * i);
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)bytes[offset + i] << 8 * i;
    return value;
}

static void pm_write(void *opaque, uint64_t offset, unsigned size,
                     uint64_t value)
{
    struct acpi_pm *pm = ((struct device *)opaque)->state;

    if (offset == PM1_STS && size >= 2)
        pm->sts &= (uint16_t)~value;
    if (offset == PM1_EN && size >= 2)
        pm->en = value & EN_WRITABLE;
    else if (offset == PM1_STS && size >= 4)
        pm->en = value >> 16 & EN_WRITABLE;
    if (offset == ACPI_PM_CNT && size >= 2)
        control_write(pm, (uint16_t)value);
    arm(pm);
    update(pm);
}

static const struct io_ops pm_ops = {pm_read, pm_write, 0};

static uint64_t smi_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return 0;
}

static void smi_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct acpi_pm *pm = ((struct device *)opaque)->state;

    (void)offset, (void)size;
    if (value == ACPI_ENABLE)
        pm->cnt |= CNT_SCI_EN;
    else if (value == ACPI_DISABLE)
        pm->cnt &= (uint16_t)~CNT_SCI_EN;
    update(pm);
}

static const struct io_ops smi_ops = {smi_read, smi_write, 1};

static int pm_init(struct device *dev, const struct device_cfg *cfg)
{
    struct acpi_pm *pm = dev->state;

    pm->dev = dev;
    pm->sci = cfg->irq[0];
    pm->poweroff = cfg->irq[1];
    clock_timer_init(&pm->half, "acpi pm timer", half_over, pm);
    bus_map(dev->env.bus, IO_PORT, cfg->base, PM_LEN, &pm_ops, dev, cfg->name);
    bus_map(dev->env.bus, IO_PORT, ACPI_SMI_CMD, 1, &smi_ops, dev, cfg->name);
    return 0;
}

static void pm_fini(struct device *dev)
{
    struct acpi_pm *pm = dev->state;

    clock_disarm(dev->env.clock, &pm->half);
}

static void pm_reset(struct device *dev)
{
    struct acpi_pm *pm = dev->state;

    pm->sts = pm->en = pm->cnt = 0;
    arm(pm);
    update(pm);
}

static void pm_dump(const struct device *dev, struct strbuf *out)
{
    const struct acpi_pm *pm = dev->state;

    strbuf_printf(out, "PM1a_STS %04x  PM1a_EN %04x  PM1a_CNT %04x (%s)\n",
                  pm->sts, pm->en, pm->cnt,
                  pm->cnt & CNT_SCI_EN ? "ACPI mode" : "legacy mode");
    strbuf_printf(out, "PM_TMR %08x\n", (uint32_t)ticks(dev));
}

static void pm_snap(struct device *dev, struct snap *s)
{
    struct acpi_pm *pm = dev->state;

    snap_field(s, pm->sts);
    snap_field(s, pm->en);
    snap_field(s, pm->cnt);
    clock_timer_snap(dev->env.clock, &pm->half, s);
}

const struct device_class acpi_pm_class = {
    .name = "acpi-pm",
    .summary = "ACPI power management registers and timer",
    .state_size = sizeof(struct acpi_pm),
    .init = pm_init,
    .fini = pm_fini,
    .reset = pm_reset,
    .dump = pm_dump,
    .snap = pm_snap,
};
