/*
 * Model-specific registers and the time stamp counter: one row per MSR.
 * SDM vol. 4 table 2-2.  What has no row can still be answered by whoever
 * handles the exit; otherwise it is #GP(0), which probing kernels expect.
 */
#include "vmm/accel/emu/sys.h"

uint64_t sys_tsc(const struct emu *emu)
{
    return emu->vcpu->icount + emu->vcpu->idle_ns + emu->tsc_offset;
}

void sys_set_tsc(struct emu *emu, uint64_t value)
{
    emu->tsc_offset = value - (emu->vcpu->icount + emu->vcpu->idle_ns);
}

struct msr {
    uint32_t index;
    const char *name;
    uint64_t (*get)(const struct emu *emu);
    bool (*set)(struct emu *emu, uint64_t value); /* false: #GP(0) */
};

/* A register that is a plain field of the state. */
#define MSR_GET(field)                                                         \
    static uint64_t get_##field(const struct emu *emu)                         \
    {                                                                          \
        return emu->st->field;                                                 \
    }                                                                          \
    static uint64_t get_##field(const struct emu *emu)

/* ... of 32 bits on a processor without long mode. */
#define MSR_32(field)                                                          \
    MSR_GET(field);                                                            \
    static bool set_##field(struct emu *emu, uint64_t value)                   \
    {                                                                          \
        emu->st->field = (uint32_t)value;                                      \
        return true;                                                           \
    }                                                                          \
    static uint64_t get_##field(const struct emu *emu)

MSR_32(sysenter_cs);
MSR_32(sysenter_esp);
MSR_32(sysenter_eip);
MSR_GET(apic_base);
MSR_GET(pat);
MSR_GET(efer);
MSR_GET(misc_enable);

static bool set_tsc(struct emu *emu, uint64_t value)
{
    sys_set_tsc(emu, value);
    return true;
}

/* Bits 8 (this is the bootstrap processor), 11 (enabled) and the address. */
static bool set_apic_base(struct emu *emu, uint64_t value)
{
    if (value & ~0xffffff900ull)
        return false;
    emu->st->apic_base = (value & ~0x100ull) | 0x100;
    return true;
}

/* Eight memory types: 2 and 3 are none, and 8 and more. */
static bool set_pat(struct emu *emu, uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t type = value >> i & 0xff;

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    emu->st->pat = value;
    emu_state_changed(emu);
    return true;
}

/* NXE alone: there is neither SYSCALL nor long mode. */
static bool set_efer(struct emu *emu, uint64_t value)
{
    if (value & ~(uint64_t)X86_EFER_NXE)
        return false;
    if (value == emu->st->efer)
        return true;
    emu->st->efer = value;
    emu_state_changed(emu);
    if (emu->hooks.tlb_flush)
        emu->hooks.tlb_flush(emu->hooks.opaque, true);
    return true;
}

static bool set_misc_enable(struct emu *emu, uint64_t value)
{
    emu->st->misc_enable = value;
    return true;
}

/* No platform, no microcode: kernels of this family read both unasked. */
static uint64_t get_zero(const struct emu *emu)
{
    (void)emu;
    return 0;
}

static bool set_nothing(struct emu *emu, uint64_t value)
{
    (void)emu, (void)value;
    return true;
}

static bool set_never(struct emu *emu, uint64_t value)
{
    (void)emu, (void)value;
    return false;
}

/* clang-format off */
static const struct msr table[] = {
    { X86_MSR_TSC,          "TIME_STAMP_COUNTER", sys_tsc,         set_tsc },
    { 0x17,                 "PLATFORM_ID",        get_zero,        set_never },
    { X86_MSR_APIC_BASE,    "APIC_BASE",          get_apic_base,   set_apic_base },
    { 0x8b,                 "BIOS_SIGN_ID",       get_zero,        set_nothing },
    { X86_MSR_SYSENTER_CS,  "SYSENTER_CS",        get_sysenter_cs, set_sysenter_cs },
    { X86_MSR_SYSENTER_ESP, "SYSENTER_ESP",       get_sysenter_esp, set_sysenter_esp },
    { X86_MSR_SYSENTER_EIP, "SYSENTER_EIP",       get_sysenter_eip, set_sysenter_eip },
    { X86_MSR_MISC_ENABLE,  "MISC_ENABLE",        get_misc_enable, set_misc_enable },
    { X86_MSR_PAT,          "PAT",                get_pat,         set_pat },
    { X86_MSR_EFER,         "EFER",               get_efer,        set_efer },
};
/* clang-format on */

static const struct msr *find(uint32_t index)
{
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].index == index)
            return &table[i];
    return NULL;
}

bool sys_rdmsr(struct emu *emu)
{
    struct x86_state *st = emu->st;
    struct vm_exit e = sys_exit(emu, VM_EXIT_RDMSR);
    const struct msr *msr;

    if (!sys_need_cpl0(emu))
        return false;
    e.u.msr.index = (uint32_t)st->gpr[X86_RCX];
    msr = find(e.u.msr.index);
    e.u.msr.fault = !msr;
    if (msr)
        e.u.msr.value = msr->get(emu);
    vcpu_exit(emu->vcpu, &e);
    if (e.u.msr.fault)
        return emu_raise_err(emu, X86_GP, 0);
    st->gpr[X86_RAX] = (uint32_t)e.u.msr.value;
    st->gpr[X86_RDX] = e.u.msr.value >> 32;
    return true;
}

bool sys_wrmsr(struct emu *emu)
{
    struct x86_state *st = emu->st;
    struct vm_exit e = sys_exit(emu, VM_EXIT_WRMSR);
    const struct msr *msr;

    if (!sys_need_cpl0(emu))
        return false;
    e.u.msr.index = (uint32_t)st->gpr[X86_RCX];
    e.u.msr.value = (uint32_t)st->gpr[X86_RAX] | (uint64_t)st->gpr[X86_RDX]
                                                     << 32;
    msr = find(e.u.msr.index);
    e.u.msr.fault = !msr || !msr->set(emu, e.u.msr.value);
    vcpu_exit(emu->vcpu, &e);
    return !e.u.msr.fault || emu_raise_err(emu, X86_GP, 0);
}

bool sys_rdtsc(struct emu *emu)
{
    struct x86_state *st = emu->st;
    struct vm_exit e = sys_exit(emu, VM_EXIT_RDTSC);
    uint64_t tsc = sys_tsc(emu);

    if ((st->cr4 & X86_CR4_TSD) && !sys_need_cpl0(emu))
        return false;
    st->gpr[X86_RAX] = (uint32_t)tsc;
    st->gpr[X86_RDX] = tsc >> 32;
    vcpu_exit(emu->vcpu, &e);
    return true;
}

/* CPUID shows no performance counters: every index is out of range. */
bool sys_rdpmc(struct emu *emu)
{
    struct vm_exit e = sys_exit(emu, VM_EXIT_RDPMC);

    vcpu_exit(emu->vcpu, &e);
    return emu_raise_err(emu, X86_GP, 0);
}
