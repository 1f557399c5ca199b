/*
 * What can be foreseen of an instruction that the owner executes (KVM, when a
 * debugger steps): its faults, so that they are delivered here, and the memory
 * it accesses, for watchpoints.  KVM steps with the processor's trap flag,
 * which a fault would leave in its handler's frame.
 *
 * Not here: what only KVM knows (the MSRs that there are: it asks before it
 * raises #GP), and what KVM does as it pleases (MONITOR, hypercalls).
 */
#include "vmm/accel/emu/emu_internal.h"
#include "vmm/accel/emu/sys.h"

#define CR4_PKE BIT(22)

/* ---- is there such an instruction? ------------------------------------- */

/* The CR4 bit that EXT needs; 0: none. */
static uint32_t needed_cr4(ZydisISAExt ext)
{
    switch (ext) {
    case ZYDIS_ISA_EXT_XSAVE:
    case ZYDIS_ISA_EXT_XSAVEC:
    case ZYDIS_ISA_EXT_XSAVEOPT:
    case ZYDIS_ISA_EXT_XSAVES:
        return X86_CR4_OSXSAVE;
    case ZYDIS_ISA_EXT_RDWRFSGS:
        return X86_CR4_FSGSBASE;
    case ZYDIS_ISA_EXT_PKU:
        return CR4_PKE;
    default:
        return 0;
    }
}

/* What is #UD when CPUID does not show it; SDM vol. 2A, CPUID. */
enum { EBX = 1, ECX, EDX };
static const struct {
    uint8_t ext; /* ZydisISAExt */
    uint8_t reg, bit;
    uint32_t leaf;
} features[] = {
    /* clang-format off */
    {ZYDIS_ISA_EXT_SSE3,       ECX, 0,  1},
    {ZYDIS_ISA_EXT_PCLMULQDQ,  ECX, 1,  1},
    {ZYDIS_ISA_EXT_SSSE3,      ECX, 9,  1},
    {ZYDIS_ISA_EXT_MOVBE,      ECX, 22, 1},
    {ZYDIS_ISA_EXT_AES,        ECX, 25, 1},
    {ZYDIS_ISA_EXT_RDRAND,     ECX, 30, 1},
    {ZYDIS_ISA_EXT_BMI2,       EBX, 8,  7},
    {ZYDIS_ISA_EXT_INVPCID,    EBX, 10, 7},
    {ZYDIS_ISA_EXT_RDSEED,     EBX, 18, 7},
    {ZYDIS_ISA_EXT_ADOX_ADCX,  EBX, 19, 7},
    {ZYDIS_ISA_EXT_SMAP,       EBX, 20, 7},
    {ZYDIS_ISA_EXT_CLFLUSHOPT, EBX, 23, 7},
    {ZYDIS_ISA_EXT_CLWB,       EBX, 24, 7},
    {ZYDIS_ISA_EXT_SHA,        EBX, 29, 7},
    {ZYDIS_ISA_EXT_RDPID,      ECX, 22, 7},
    {ZYDIS_ISA_EXT_SSE4A,      ECX, 6,  0x80000001},
    {ZYDIS_ISA_EXT_TBM,        ECX, 21, 0x80000001},
    {ZYDIS_ISA_EXT_RDTSCP,     EDX, 27, 0x80000001},
    {ZYDIS_ISA_EXT_AMD3DNOW,   EDX, 31, 0x80000001},
    /* clang-format on */
};

static bool is_shown(const struct emu *emu, ZydisISAExt ext)
{
    for (size_t i = 0; emu->hooks.has_feature && i < ARRAY_SIZE(features); i++)
        if (features[i].ext == ext &&
            !emu->hooks.has_feature(emu->hooks.opaque, features[i].leaf,
                                    features[i].reg, features[i].bit))
            return false;
    return true;
}

/* VEX, EVEX and XOP; those of general registers need no XSAVE. */
static bool check_encoding(struct emu *emu)
{
    ZydisISAExt ext = emu->insn->meta.isa_ext;
    bool general = ext == ZYDIS_ISA_EXT_BMI1 || ext == ZYDIS_ISA_EXT_BMI2 ||
                   ext == ZYDIS_ISA_EXT_TBM;

    if (emu->insn->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
        emu->insn->encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW)
        return true;
    if (!emu_is_protected(emu->st) ||
        (!general && !(emu->st->cr4 & X86_CR4_OSXSAVE)))
        return emu_raise(emu, X86_UD);
    return true;
}

static bool check_existence(struct emu *emu)
{
    ZydisISAExt ext = emu->insn->meta.isa_ext;
    ZydisMnemonic mnemonic = emu->insn->mnemonic;
    uint32_t cr4 = needed_cr4(ext);
    bool host = ext == ZYDIS_ISA_EXT_VTX || ext == ZYDIS_ISA_EXT_SVM;

    if ((cr4 && !(emu->st->cr4 & cr4)) || !is_shown(emu, ext))
        return emu_raise(emu, X86_UD);
    /* No guest is a host; calls to its own it may make. */
    if (host && mnemonic != ZYDIS_MNEMONIC_VMCALL &&
        mnemonic != ZYDIS_MNEMONIC_VMMCALL)
        return emu_raise(emu, X86_UD);
    return check_encoding(emu);
}

/* ---- may it be executed here? ------------------------------------------ */

static bool check_privilege(struct emu *emu)
{
    const struct x86_state *st = emu->st;
    unsigned cpl = x86_cpl(st);

    switch (emu->insn->mnemonic) {
    case ZYDIS_MNEMONIC_CLAC:
    case ZYDIS_MNEMONIC_STAC:
    case ZYDIS_MNEMONIC_MONITOR:
    case ZYDIS_MNEMONIC_MWAIT:
        return cpl == 0 || emu_raise(emu, X86_UD);
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
        return !(st->cr4 & X86_CR4_TSD) || sys_need_cpl0(emu);
    case ZYDIS_MNEMONIC_RDPMC:
        return (st->cr4 & X86_CR4_PCE) || sys_need_cpl0(emu);
    default:
        return !(emu->insn->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) ||
               sys_need_cpl0(emu);
    }
}

/* ---- may the value be so? ---------------------------------------------- */

/* MSRs that hold an address of 64-bit code. */
static bool is_address(uint32_t msr)
{
    return (msr >= X86_MSR_LSTAR && msr <= X86_MSR_CSTAR) ||
           (msr >= X86_MSR_FS_BASE && msr <= X86_MSR_KERNEL_GS);
}

/* A processor raises these itself: KVM is not asked. */
static bool check_value(struct emu *emu)
{
    const struct x86_state *st = emu->st;
    uint64_t value;

    switch (emu->insn->mnemonic) {
    case ZYDIS_MNEMONIC_WRMSR:
        value = (uint32_t)st->gpr[X86_RAX] | st->gpr[X86_RDX] << 32;
        if (!is_address((uint32_t)st->gpr[X86_RCX]))
            return true;
        break;
    case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE:
        if (!emu_get(emu, &emu->op[0], &value))
            return false;
        break;
    default:
        return true;
    }
    return x86_is_canonical(st, value) || emu_raise_err(emu, X86_GP, 0);
}

/* ---- its memory -------------------------------------------------------- */

/* Prefetches do not fault, and hidden operands are those of the stack. */
static bool is_accessed(const struct emu *emu, const ZydisDecodedOperand *op)
{
    return op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
           op->mem.type == ZYDIS_MEMOP_TYPE_MEM && op->size > 0 &&
           op->size <= 8 * 512 &&
           op->visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
           emu->insn->meta.category != ZYDIS_CATEGORY_PREFETCH;
}

static bool touch_memory(struct emu *emu)
{
    for (unsigned i = 0; i < emu->insn->operand_count; i++) {
        const ZydisDecodedOperand *op = &emu->op[i];
        enum x86_sreg seg;
        uint64_t off;

        if (!is_accessed(emu, op))
            continue;
        seg = emu_op_seg(op);
        off = emu_ea64(emu, op);
        if ((op->actions & ZYDIS_OPERAND_ACTION_MASK_READ) &&
            !emu_touch(emu, seg, off, op->size / 8u, EMU_READ))
            return false;
        if ((op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
            !emu_touch(emu, seg, off, op->size / 8u, EMU_WRITE))
            return false;
    }
    return true;
}

bool emu_guard(struct emu *emu)
{
    /* What the instruction is left for may be the memory. */
    emu->may_leave = false;
    return check_existence(emu) && check_privilege(emu) && check_value(emu) &&
           touch_memory(emu);
}
