/* Near jumps, calls and returns.  Far ones are in sys_*.c. */
#include "vmm/accel/emu/emu_internal.h"

bool emu_branch(struct emu *emu, uint64_t target)
{
    struct x86_state *st = emu->st;

    if (emu_is_long64(st)) {
        if (!x86_is_canonical(st, target))
            return emu_raise(emu, X86_GP);
    } else {
        target &= all_ones(emu_opsize(emu));
        if (target > st->seg[X86_CS].limit)
            return emu_raise(emu, X86_GP);
    }
    st->rip = target;
    emu->branched = true;
    return true;
}

/* Where a near JMP, CALL or Jcc goes. */
static bool branch_target(struct emu *emu, uint64_t *target)
{
    const ZydisDecodedOperand *op = &emu->op[0];

    if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return emu_get(emu, op, target);
    *target = emu->next_rip + op->imm.value.u;
    return true;
}

bool emu_do_jmp(struct emu *emu)
{
    uint64_t target;

    return branch_target(emu, &target) && emu_branch(emu, target);
}

bool emu_do_call(struct emu *emu)
{
    uint64_t target, old_rip = emu->st->rip;
    uint32_t sp = emu_sp(emu);

    if (!branch_target(emu, &target) || !emu_branch(emu, target))
        return false;
    if (!emu_push_at(emu, &sp, (uint32_t)emu->next_rip, emu_opsize(emu))) {
        emu->st->rip = old_rip;
        return false;
    }
    emu_set_sp(emu, sp);
    return true;
}

bool emu_do_ret(struct emu *emu)
{
    uint32_t sp = emu_sp(emu), target;
    uint32_t extra = emu->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE
                         ? (uint32_t)emu->op[0].imm.value.u
                         : 0;

    if (!emu_pop_at(emu, &sp, &target, emu_opsize(emu)) ||
        !emu_branch(emu, target))
        return false;
    emu_set_sp(emu, sp + extra);
    return true;
}

/* Is the condition of Jcc's opcode (low four bits) true? */
static bool condition(uint64_t flags, unsigned code)
{
    bool sf = flags & X86_EFLAGS_SF, of = flags & X86_EFLAGS_OF;
    bool value = false;

    switch (code >> 1) {
    case 0:
        value = of;
        break;
    case 1:
        value = flags & X86_EFLAGS_CF;
        break;
    case 2:
        value = flags & X86_EFLAGS_ZF;
        break;
    case 3:
        value = flags & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
        break;
    case 4:
        value = sf;
        break;
    case 5:
        value = flags & X86_EFLAGS_PF;
        break;
    case 6:
        value = sf != of;
        break;
    case 7:
        value = sf != of || (flags & X86_EFLAGS_ZF);
        break;
    }
    return value != (code & 1);
}

bool emu_do_jcc(struct emu *emu)
{
    if (!condition(emu->st->rflags, emu->insn->opcode & 15))
        return true;
    return emu_do_jmp(emu);
}

/* CX or ECX, by address size. */
static uint64_t count_mask(const struct emu *emu)
{
    return all_ones(emu->insn->address_width / 8);
}

bool emu_do_jcxz(struct emu *emu)
{
    if (emu->st->gpr[X86_RCX] & count_mask(emu))
        return true;
    return emu_do_jmp(emu);
}

bool emu_do_loop(struct emu *emu)
{
    uint64_t *rcx = &emu->st->gpr[X86_RCX], mask = count_mask(emu);
    uint64_t count = (*rcx - 1) & mask;
    bool zf = emu->st->rflags & X86_EFLAGS_ZF;
    bool taken = count != 0;

    if (emu->insn->mnemonic == ZYDIS_MNEMONIC_LOOPE)
        taken = taken && zf;
    if (emu->insn->mnemonic == ZYDIS_MNEMONIC_LOOPNE)
        taken = taken && !zf;
    if (taken && !emu_do_jmp(emu))
        return false;
    *rcx = (*rcx & ~mask) | count;
    return true;
}
