/*
 * The CPUID table.  SDM vol. 2A table 3-8.
 *
 * A processor of this family and model executes in order, so that kernels
 * need no mitigation of speculation; stepping 10 is past the erratum that
 * makes kernels give up 4 MiB pages (AAE44).  Only features that the
 * translator executes itself are shown.  Leaf 40000010h, the frequencies, is
 * where VMware's monitors have it.
 */
#include "vmm/x86/cpuid.h"

/* clang-format off */
/* Leaf 1, EDX */
#define F_FPU   BIT(0)
#define F_DE    BIT(2)
#define F_PSE   BIT(3)
#define F_TSC   BIT(4)
#define F_MSR   BIT(5)
#define F_PAE   BIT(6)
#define F_CX8   BIT(8)
#define F_APIC  BIT(9)
#define F_SEP   BIT(11)
#define F_PGE   BIT(13)
#define F_CMOV  BIT(15)
#define F_PAT   BIT(16)
#define F_CLFSH BIT(19)
#define F_MMX   BIT(23)
#define F_FXSR  BIT(24)
#define F_SSE   BIT(25)
#define F_SSE2  BIT(26)
#define FEATURES (F_FPU | F_DE | F_PSE | F_TSC | F_MSR | F_PAE | F_CX8 | \
                  F_APIC | F_SEP | F_PGE | F_CMOV | F_PAT | F_CLFSH | \
                  F_MMX | F_FXSR | F_SSE | F_SSE2)
/* Leaf 1, ECX: never set by hardware, so that a guest can tell */
#define F_HYPERVISOR BIT(31)
/* Leaf 80000001h, EDX */
#define F_NX BIT(20)
/* Four characters as they lie in a register. */
#define CHARS(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | \
                           (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

#define LAST_BASIC 2u

static const struct x86_cpuid_row rows[] = {
    { 0x00000000, "vendor, last basic leaf",
      { LAST_BASIC, CHARS('G', 'e', 'n', 'u'), CHARS('n', 't', 'e', 'l'),
        CHARS('i', 'n', 'e', 'I') } },
    { 0x00000001, "signature and features", /* CLFLUSH: 8 * 8 bytes */
      { X86_CPUID_SIGNATURE, 1u << 16 | 8u << 8, F_HYPERVISOR, FEATURES } },
    { 0x00000002, "caches", /* L1 32 KiB + 32 KiB (30h, 2Ch), L2 2 MiB (7Dh) */
      { 0x00000001, 0, 0, 0x002c307d } },
    { X86_CPUID_HYPERVISOR, "hypervisor vendor, last such leaf",
      { X86_CPUID_HYPERVISOR + 0x10, CHARS('R', 'i', 'n', 'g'),
        CHARS('s', 'i', 'd', 'e'), CHARS('V', 'M', 'M', ' ') } },
    { X86_CPUID_HYPERVISOR + 0x10, "TSC and APIC bus frequency in kHz",
      { X86_TSC_KHZ, X86_APIC_BUS_KHZ, 0, 0 } },
    { 0x80000000, "last extended leaf",
      { 0x80000008, 0, 0, 0 } },
    { X86_CPUID_EXTENDED, "extended features",
      { 0, 0, 0, F_NX } },
    { 0x80000002, "brand string, 1 of 3",
      { CHARS('R', 'i', 'n', 'g'), CHARS('s', 'i', 'd', 'e'),
        CHARS(' ', 'v', 'i', 'r'), CHARS('t', 'u', 'a', 'l') } },
    { 0x80000003, "brand string, 2 of 3",
      { CHARS(' ', 'C', 'P', 'U'), 0, 0, 0 } },
    { 0x80000004, "brand string, 3 of 3",
      { 0, 0, 0, 0 } },
    { 0x80000008, "address widths", /* 32 bits linear, 36 physical */
      { 32u << 8 | 36, 0, 0, 0 } },
};
/* clang-format on */

const struct x86_cpuid_row *x86_cpuid_rows(unsigned *count)
{
    *count = ARRAY_SIZE(rows);
    return rows;
}

static const struct x86_cpuid_row *find_row(uint32_t leaf)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].leaf == leaf)
            return &rows[i];
    return NULL;
}

/* Is LEAF within one of the three ranges of leaves? */
static bool in_range(uint32_t leaf)
{
    uint32_t base = leaf & 0xf0000000u;
    const struct x86_cpuid_row *first = find_row(base);

    return first && leaf <= first->regs.eax;
}

struct x86_cpuid x86_cpuid(const struct x86_state *st, uint32_t leaf,
                           uint32_t subleaf)
{
    const struct x86_cpuid_row *row;
    struct x86_cpuid r = {0};

    (void)subleaf; /* none of our leaves has any */
    if (!in_range(leaf))
        leaf = LAST_BASIC;
    row = find_row(leaf);
    if (row)
        r = row->regs;
    if (leaf == 1 && !(st->apic_base & BIT(11)))
        r.edx &= ~F_APIC;
    return r;
}
