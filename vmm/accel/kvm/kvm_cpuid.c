/*
 * What CPUID says under KVM: what the host and KVM have, less what the rest of
 * the monitor cannot keep up with.  The table below gives each reason.
 *
 * SDM vol. 2A, CPUID.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/accel/kvm/kvm_impl.h"
#include "vmm/base/log.h"
#include "vmm/x86/cpuid.h"

#define BASIC_MAX    7u          /* later leaves describe what is hidden */
#define EXTENDED_MAX 0x80000008u /* address widths */

enum cpuid_reg { EAX, EBX, ECX, EDX };

/* clang-format off */
static const struct mask {
    uint32_t leaf;
    enum cpuid_reg reg;
    uint32_t clear;
    bool only_user_irqchip;
} masks[] = {
    /* struct x86_state holds x87 and SSE: a snapshot would lose the rest. */
    {1, ECX, BIT(12) | BIT(26) | BIT(27) | BIT(28) | BIT(29), false},
        /* FMA, XSAVE, OSXSAVE, AVX, F16C */
    {7, EBX, BIT(5) | BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) |
             BIT(28) | BIT(30) | BIT(31), false}, /* AVX2, AVX-512 */
    {7, EBX, BIT(14), false},                     /* MPX: needs XSAVE */
    {7, ECX, BIT(1) | BIT(3) | BIT(6) | BIT(9) | BIT(10) | BIT(11) | BIT(12) |
             BIT(14), false},  /* AVX-512, PKU, VAES, VPCLMULQDQ */
    {7, ECX, BIT(7), false},   /* CET_SS: state in XSAVE */
    {7, EDX, BIT(2) | BIT(3) | BIT(8) | BIT(20) | BIT(22) | BIT(23) | BIT(24) |
             BIT(25), false},  /* AVX-512, CET_IBT, AMX */
    {0x80000001, ECX, BIT(11) | BIT(15) | BIT(16), false}, /* XOP, LWP, FMA4 */
    /* No guest of ours is a host: nested state is not saved. */
    {1, ECX, BIT(5), false},          /* VMX */
    {0x80000001, ECX, BIT(2), false}, /* SVM */
    /* Counters are the host's, and their MSRs are not in the state. */
    {1, ECX, BIT(15), false},                       /* PDCM */
    {1, EDX, BIT(21), false},                       /* DS */
    {0x80000001, ECX, BIT(23) | BIT(24), false},    /* PERFCTR */
    /* The board's LAPIC has neither; the kernel's has both. */
    {1, ECX, BIT(21) | BIT(24), true}, /* x2APIC, TSC-deadline */
    /* One processor. */
    {1, EDX, BIT(28), false},         /* HTT */
    {0x80000001, ECX, BIT(1) | BIT(22), false}, /* CMP_LEGACY, TOPOEXT */
};
/* clang-format on */

static uint32_t *entry_reg(struct kvm_cpuid_entry2 *e, enum cpuid_reg reg)
{
    uint32_t *const regs[] = {&e->eax, &e->ebx, &e->ecx, &e->edx};

    return regs[reg];
}

/* False: the leaf is not shown at all. */
static bool is_shown(const struct kvm_cpuid_entry2 *e)
{
    if (e->function <= BASIC_MAX)
        return true;
    return e->function >= 0x80000000u && e->function <= EXTENDED_MAX;
}

static void fix_entry(const struct kvm_accel *k, struct kvm_cpuid_entry2 *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
        if (masks[i].leaf == e->function &&
            !(masks[i].only_user_irqchip && k->irqchip_kernel))
            *entry_reg(e, masks[i].reg) &= ~masks[i].clear;
    switch (e->function) {
    case 0:
        e->eax = e->eax < BASIC_MAX ? e->eax : BASIC_MAX;
        break;
    case 1: /* APIC number 0 of 1 logical processor; bit 31: a hypervisor */
        e->ebx = (e->ebx & 0xffffu) | (1u << 16);
        break;
    case 4: /* caches: shared by one thread of one core */
        e->eax &= ~0xffffc000u;
        break;
    case 0x80000000u:
        e->eax = e->eax < EXTENDED_MAX ? e->eax : EXTENDED_MAX;
        break;
    case 0x80000008u: /* ECX: number of cores */
        e->ecx = 0;
        break;
    default:
        break;
    }
}

/* The leaves by which a guest knows Ringside, under whichever accelerator. */
static uint32_t add_hypervisor(const struct kvm_accel *k,
                               struct kvm_cpuid_entry2 *entry, uint32_t n)
{
    int khz = ioctl(k->vcpu_fd, KVM_GET_TSC_KHZ);
    unsigned count;
    const struct x86_cpuid_row *rows = x86_cpuid_rows(&count);

    for (unsigned i = 0; i < count && n < KVM_CPUID_MAX; i++) {
        struct x86_cpuid r = rows[i].regs;

        if (rows[i].leaf >> 28 != X86_CPUID_HYPERVISOR >> 28)
            continue;
        if (rows[i].leaf == X86_CPUID_HYPERVISOR + 0x10 && khz > 0)
            r.eax = (uint32_t)khz;
        entry[n++] = (struct kvm_cpuid_entry2){
            .function = rows[i].leaf,
            .eax = r.eax,
            .ebx = r.ebx,
            .ecx = r.ecx,
            .edx = r.edx,
        };
    }
    return n;
}

/*
 * Bits of CR4 that come with a feature (SDM vol. 3A 2.5, "Enumeration of
 * Control Register Extensions"); KVM asks for these, and lets a guest set the
 * older ones always.
 */
/* clang-format off */
static const struct {
    uint32_t leaf;
    enum cpuid_reg reg;
    uint32_t feature, cr4;
} cr4_bits[] = {
    {1, ECX, BIT(17), X86_CR4_PCIDE},
    {1, ECX, BIT(26), X86_CR4_OSXSAVE},
    {7, EBX, BIT(0),  X86_CR4_FSGSBASE},
    {7, EBX, BIT(7),  X86_CR4_SMEP},
    {7, EBX, BIT(20), X86_CR4_SMAP},
    {7, ECX, BIT(2),  X86_CR4_UMIP},
    {7, ECX, BIT(16), X86_CR4_LA57},
};
/* clang-format on */

/* What the control registers may hold, by one more of the guest's leaves. */
static void note_limits(struct kvm_accel *k, struct kvm_cpuid_entry2 *e)
{
    if (e->function == 0x80000008u)
        k->phys_bits = e->eax & 0xff;
    for (size_t i = 0; i < ARRAY_SIZE(cr4_bits); i++)
        if (cr4_bits[i].leaf == e->function && e->index == 0 &&
            (*entry_reg(e, cr4_bits[i].reg) & cr4_bits[i].feature))
            k->cr4_valid |= cr4_bits[i].cr4;
}

/* struct kvm_cpuid2 ends in a flexible array. */
struct cpuid_list {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entry[KVM_CPUID_MAX];
};

bool kvm_cpuid_has(struct kvm_accel *k, uint32_t leaf, unsigned reg,
                   unsigned bit)
{
    struct cpuid_list all = {.head.nent = KVM_CPUID_MAX};

    if (kvm_ioctl_log(k->vcpu_fd, KVM_GET_CPUID2, &all, "KVM_GET_CPUID2") < 0)
        return true;
    for (uint32_t i = 0; i < all.head.nent; i++)
        if (all.entry[i].function == leaf && all.entry[i].index == 0)
            return *entry_reg(&all.entry[i], (enum cpuid_reg)reg) >> bit & 1;
    return false;
}

int kvm_cpuid_init(struct kvm_accel *k)
{
    struct cpuid_list all = {.head.nent = KVM_CPUID_MAX};
    uint32_t n = 0;
    int ret = kvm_ioctl_log(k->sys_fd, KVM_GET_SUPPORTED_CPUID, &all,
                            "KVM_GET_SUPPORTED_CPUID");

    if (ret < 0)
        return ret;
    k->phys_bits = 36;
    k->cr4_valid = 0x7ff; /* VME to OSXMMEXCPT */
    for (uint32_t i = 0; i < all.head.nent; i++) {
        if (!is_shown(&all.entry[i]))
            continue;
        all.entry[n] = all.entry[i];
        fix_entry(k, &all.entry[n]);
        note_limits(k, &all.entry[n++]);
    }
    all.head.nent = add_hypervisor(k, all.entry, n);
    return kvm_ioctl_log(k->vcpu_fd, KVM_SET_CPUID2, &all, "KVM_SET_CPUID2");
}
