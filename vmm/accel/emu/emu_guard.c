/*
 * What can be foreseen of an instruction that the owner executes (KVM, when a
 * debugger steps): its faults, so that they are delivered here, and the memory
 * it accesses, for watchpoints.  KVM steps with the processor's trap flag,
 * which a fault would leave in its handler's frame.
 *
 * Not here: #UD of what CPUID does not show, and whatever only the processor
 * itself knows (the MSRs that there are: KVM asks before it raises #GP).
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

    if (cr4 && !(emu->st->cr4 & cr4))
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
