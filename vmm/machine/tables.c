/*
 * MP and ACPI tables of the board.  The numbers are those of pc.c; a guest
 * that reads these tables finds exactly the devices that are there.
 */
#include "vmm/machine/tables.h"

#include <string.h>

#include "vmm/dev/acpi_pm.h"
#include "vmm/dev/ioapic.h"
#include "vmm/dev/lapic.h"
#include "vmm/machine/aml.h"

#define LAPIC_ID       0u
#define LAPIC_VER      0x14u
#define IOAPIC_ID      0u
#define IOAPIC_VER     0x11u
#define TIMER_PIN      2u /* IRQ 0 arrives there; pin 0 is the 8259A's INTR */
#define CASCADE_IRQ    2u
#define ISA_IRQS       16u
#define LEVEL_HIGH     0xdu /* MPS INTI flags: level, active high */
#define RESET_PORT     0xcf9u
#define RESET_VALUE    6u
#define CPU_SIGNATURE  0x6b4u
#define CPU_FEATURES   0x0383fbffu
#define FADT_LEN       244u
#define ACPI_OEM       "RINGSD"
#define ACPI_OEM_TABLE "RINGSIDE"
#define ACPI_CREATOR   "RNGS"

uint8_t tables_checksum(const void *table, size_t len)
{
    const uint8_t *p = table;
    uint8_t sum = 0;

    while (len-- > 0)
        sum = (uint8_t)(sum + *p++);
    return (uint8_t)-sum;
}

/* ---- a cursor that writes little-endian --------------------------------- */

struct cursor {
    uint8_t *at;
};

static void put8(struct cursor *c, unsigned v)
{
    *c->at++ = (uint8_t)v;
}

static void put16(struct cursor *c, unsigned v)
{
    put8(c, v);
    put8(c, v >> 8);
}

static void put32(struct cursor *c, uint32_t v)
{
    put16(c, v & 0xffff);
    put16(c, v >> 16);
}

static void put_text(struct cursor *c, const char *text, size_t len)
{
    memcpy(c->at, text, len);
    c->at += len;
}

static void skip(struct cursor *c, size_t len)
{
    memset(c->at, 0, len);
    c->at += len;
}

/* ---- MP: floating pointer, then the configuration table ------------------ */

#define MP_FLOATING_LEN 16u

static void put_mp_interrupt(struct cursor *c, unsigned type, unsigned kind,
                             unsigned flags, unsigned irq, unsigned dest,
                             unsigned pin)
{
    put8(c, type); /* 3: I/O, 4: local */
    put8(c, kind); /* 0: INT, 1: NMI, 3: ExtINT */
    put16(c, flags);
    put8(c, 0); /* bus 0: ISA */
    put8(c, irq);
    put8(c, dest);
    put8(c, pin);
}

static unsigned put_mp_interrupts(struct cursor *c)
{
    unsigned count = 0;

    put_mp_interrupt(c, 3, 3, 0, 0, IOAPIC_ID, 0);
    for (unsigned irq = 0; irq < ISA_IRQS; irq++) {
        if (irq == CASCADE_IRQ)
            continue;
        put_mp_interrupt(c, 3, 0, irq == TABLES_SCI_IRQ ? LEVEL_HIGH : 0, irq,
                         IOAPIC_ID, irq == 0 ? TIMER_PIN : irq);
        count++;
    }
    put_mp_interrupt(c, 4, 3, 0, 0, LAPIC_ID, 0);
    put_mp_interrupt(c, 4, 1, 0, 0, 0xff, 1);
    return count + 3;
}

void tables_build_mp(uint8_t rom[ROM_SIZE])
{
    uint8_t *mp = rom + ROM_MP, *table = mp + MP_FLOATING_LEN;
    struct cursor c = {mp};
    size_t len;

    put_text(&c, "_MP_", 4);
    put32(&c, ROM_BASE + ROM_MP + MP_FLOATING_LEN);
    put8(&c, 1); /* length in 16 bytes */
    put8(&c, 4); /* specification 1.4 */
    put8(&c, 0); /* checksum */
    skip(&c, 5); /* a table is present; virtual wire mode, no IMCR */
    mp[10] = tables_checksum(mp, MP_FLOATING_LEN);

    put_text(&c, "PCMP", 4);
    put16(&c, 0); /* length */
    put8(&c, 4);
    put8(&c, 0); /* checksum */
    put_text(&c, "RINGSIDE", 8);
    put_text(&c, "TEACHING PC ", 12);
    skip(&c, 6);  /* no OEM table */
    put16(&c, 0); /* entries */
    put32(&c, LAPIC_BASE);
    skip(&c, 4);

    put8(&c, 0); /* processor */
    put8(&c, LAPIC_ID);
    put8(&c, LAPIC_VER);
    put8(&c, 3); /* usable, bootstrap */
    put32(&c, CPU_SIGNATURE);
    put32(&c, CPU_FEATURES);
    skip(&c, 8);
    put8(&c, 1); /* bus */
    put8(&c, 0);
    put_text(&c, "ISA   ", 6);
    put8(&c, 2); /* I/O APIC */
    put8(&c, IOAPIC_ID);
    put8(&c, IOAPIC_VER);
    put8(&c, 1); /* usable */
    put32(&c, IOAPIC_BASE);
    table[34] = (uint8_t)(3 + put_mp_interrupts(&c));
    len = (size_t)(c.at - table);
    table[4] = (uint8_t)len;
    table[5] = (uint8_t)(len >> 8);
    table[7] = tables_checksum(table, len);
}

/* ---- ACPI --------------------------------------------------------------- */

static uint8_t *acpi_begin(struct cursor *c, const char *signature,
                           unsigned revision)
{
    uint8_t *table = c->at;

    put_text(c, signature, 4);
    put32(c, 0); /* length */
    put8(c, revision);
    put8(c, 0); /* checksum */
    put_text(c, ACPI_OEM, 6);
    put_text(c, ACPI_OEM_TABLE, 8);
    put32(c, 1);
    put_text(c, ACPI_CREATOR, 4);
    put32(c, 1);
    return table;
}

static void acpi_end(struct cursor *c, uint8_t *table)
{
    struct cursor length = {table + 4};
    size_t len = (size_t)(c->at - table);

    put32(&length, (uint32_t)len);
    table[9] = 0;
    table[9] = tables_checksum(table, len);
    while ((uintptr_t)(c->at - table) % 16 != 0)
        put8(c, 0);
}

static uint32_t gpa_of(const uint8_t rom[ROM_SIZE], const uint8_t *p)
{
    return ROM_BASE + (uint32_t)(p - rom);
}

/* clang-format off */
static const struct aml_device isa_devices[] = {
    { .name = "PIC_", .hid = "PNP0000", .io = {{0x20, 2}, {0xa0, 2}}, .irqs = BIT(2) },
    { .name = "TIMR", .hid = "PNP0100", .io = {{0x40, 4}},            .irqs = BIT(0) },
    { .name = "RTC_", .hid = "PNP0B00", .io = {{0x70, 2}},            .irqs = BIT(8) },
    { .name = "SPKR", .hid = "PNP0800", .io = {{0x61, 1}} },
    { .name = "KBD_", .hid = "PNP0303", .io = {{0x60, 1}, {0x64, 1}}, .irqs = BIT(1) },
    { .name = "COM1", .hid = "PNP0501", .uid = 1, .io = {{0x3f8, 8}}, .irqs = BIT(4) },
    { .name = "COM2", .hid = "PNP0501", .uid = 2, .io = {{0x2f8, 8}}, .irqs = BIT(3) },
    { .name = "IDE0", .hid = "PNP0600", .uid = 1, .io = {{0x1f0, 8}, {0x3f6, 1}}, .irqs = BIT(14) },
    { .name = "IDE1", .hid = "PNP0600", .uid = 2, .io = {{0x170, 8}, {0x376, 1}}, .irqs = BIT(15) },
};
/* clang-format on */

static uint8_t *put_dsdt(struct cursor *c)
{
    static const uint8_t s5[] = {ACPI_SLP_TYP_S5, ACPI_SLP_TYP_S5, 0, 0};
    uint8_t *table = acpi_begin(c, "DSDT", 1);
    struct aml aml = {c->at};
    struct aml_block scope;

    aml_name_package(&aml, "_S5_", s5, sizeof(s5));
    scope = aml_scope_begin(&aml, "_SB_");
    for (unsigned i = 0; i < ARRAY_SIZE(isa_devices); i++)
        aml_put_device(&aml, &isa_devices[i]);
    aml_block_end(&aml, scope);
    c->at = aml.at;
    acpi_end(c, table);
    return table;
}

static uint8_t *put_fadt(struct cursor *c, uint32_t dsdt)
{
    uint8_t *table = acpi_begin(c, "FACP", 3);

    put32(c, FACS_BASE);
    put32(c, dsdt);
    put8(c, 0);
    put8(c, 1); /* a desktop */
    put16(c, TABLES_SCI_IRQ);
    put32(c, ACPI_SMI_CMD);
    put8(c, ACPI_ENABLE);
    put8(c, ACPI_DISABLE);
    put16(c, 0); /* no S4BIOS, no P-states */
    put32(c, ACPI_PM_BASE);
    put32(c, 0);
    put32(c, ACPI_PM_BASE + ACPI_PM_CNT);
    put32(c, 0);
    put32(c, 0);
    put32(c, ACPI_PM_BASE + ACPI_PM_TMR);
    skip(c, 8);                        /* no general-purpose events */
    put32(c, 2u << 8 | 4u | 4u << 24); /* lengths of the blocks above */
    skip(c, 4);
    put16(c, 0xfff); /* no C2 */
    put16(c, 0xfff); /* no C3 */
    skip(c, 8);
    put8(c, 0x32); /* the RTC's century */
    put16(c, 3);   /* IAPC_BOOT_ARCH: legacy devices, 8042 */
    put8(c, 0);
    /* WBINVD, PROC_C1, no fixed buttons, no RTC wake, 32-bit PM timer, reset */
    put32(c, BIT(0) | BIT(2) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(10));
    put8(c, 1); /* RESET_REG: an I/O port */
    put8(c, 8);
    put16(c, 0x100); /* byte access */
    put32(c, RESET_PORT);
    put32(c, 0);
    put8(c, RESET_VALUE);
    skip(c, FADT_LEN - (size_t)(c->at - table));
    acpi_end(c, table);
    return table;
}

static void put_override(struct cursor *c, unsigned irq, unsigned gsi,
                         unsigned flags)
{
    put16(c, 2u | 10u << 8);
    put8(c, 0); /* ISA */
    put8(c, irq);
    put32(c, gsi);
    put16(c, flags);
}

static uint8_t *put_madt(struct cursor *c)
{
    uint8_t *table = acpi_begin(c, "APIC", 1);

    put32(c, LAPIC_BASE);
    put32(c, 1); /* PCAT_COMPAT: there are 8259As too */
    put16(c, 0u | 8u << 8);
    put8(c, 0);
    put8(c, LAPIC_ID);
    put32(c, 1); /* enabled */
    put16(c, 1u | 12u << 8);
    put8(c, IOAPIC_ID);
    put8(c, 0);
    put32(c, IOAPIC_BASE);
    put32(c, 0); /* its first global interrupt */
    put_override(c, 0, TIMER_PIN, 0);
    put_override(c, TABLES_SCI_IRQ, TABLES_SCI_IRQ, LEVEL_HIGH);
    put16(c, 4u | 6u << 8); /* NMI on LINT1 of all processors */
    put8(c, 0xff);
    put16(c, 0);
    put8(c, 1);
    acpi_end(c, table);
    return table;
}

void tables_build_acpi(uint8_t rom[ROM_SIZE])
{
    uint8_t *rsdp = rom + ROM_ACPI, *dsdt, *fadt, *madt, *rsdt;
    struct cursor c = {rsdp + 32};

    dsdt = put_dsdt(&c);
    fadt = put_fadt(&c, gpa_of(rom, dsdt));
    madt = put_madt(&c);
    rsdt = acpi_begin(&c, "RSDT", 1);
    put32(&c, gpa_of(rom, fadt));
    put32(&c, gpa_of(rom, madt));
    acpi_end(&c, rsdt);
    assert(c.at <= rom + ROM_ACPI_END);

    c.at = rsdp;
    put_text(&c, "RSD PTR ", 8);
    put8(&c, 0); /* checksum */
    put_text(&c, ACPI_OEM, 6);
    put8(&c, 0); /* ACPI 1.0: an RSDT and no XSDT */
    put32(&c, gpa_of(rom, rsdt));
    rsdp[8] = tables_checksum(rsdp, 20);
}

void tables_build_facs(uint8_t facs[FACS_SIZE])
{
    struct cursor c = {facs};

    put_text(&c, "FACS", 4);
    put32(&c, FACS_SIZE);
    skip(&c, FACS_SIZE - 8);
    facs[32] = 1; /* version */
}
