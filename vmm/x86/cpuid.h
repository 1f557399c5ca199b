/*
 * The CPUID of Ringside's one processor model: what the translator's guests
 * see, and the hypervisor leaves that every accelerator adds.
 * SDM vol. 2A, CPUID; nothing here asks the host.
 */
#ifndef VMM_X86_CPUID_H
#define VMM_X86_CPUID_H
#include "vmm/x86/state.h"

/* Leaf 1, EAX: family 6, model 1Ch, stepping 10: an in-order Atom. */
#define X86_CPUID_SIGNATURE 0x000106cau

/* The leaves below say so; the translator's clock and the LAPIC keep to it. */
#define X86_TSC_KHZ      1000000u
#define X86_APIC_BUS_KHZ 1000000u

#define X86_CPUID_HYPERVISOR 0x40000000u /* first hypervisor leaf */
#define X86_CPUID_EXTENDED   0x80000001u /* EDX[29]: there is long mode */

struct x86_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

/*
 * LEAF of the model in the state ST (the APIC bit follows the APIC base MSR).
 * A leaf beyond the last basic one answers as that one, as Intel's do.
 */
struct x86_cpuid x86_cpuid(const struct x86_state *st, uint32_t leaf,
                           uint32_t subleaf);

/* The rows of the table, for those who fill another table from it (KVM). */
struct x86_cpuid_row {
    uint32_t leaf;
    const char *what;
    struct x86_cpuid regs;
};
const struct x86_cpuid_row *x86_cpuid_rows(unsigned *count);
#endif
