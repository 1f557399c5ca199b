/*
 * The stack of 64-bit code, near calls and returns: SDM vol. 2 (PUSH, POP,
 * CALL, RET, LEAVE, PUSHF, POPF).  Its operands are 64 or 16 bits wide, and no
 * segment has a limit.  And the table of what is executed in long mode.
 */
#include "vmm/accel/emu/emu_internal.h"
#include "vmm/accel/emu/sys.h"

/* A stack access outside the address space is #SS, not #GP. */
static bool check_stack(struct emu *emu, uint64_t sp, unsigned size)
{
    return (x86_is_canonical(emu->st, sp) &&
            x86_is_canonical(emu->st, sp + size - 1)) ||
           emu_raise(emu, X86_SSEG);
}

/* Moves RSP when it is done. */
static bool push(struct emu *emu, uint64_t value, unsigned size)
{
    uint64_t sp = emu->st->gpr[X86_RSP] - size;

    if (!check_stack(emu, sp, size) ||
        !emu_write64(emu, X86_SS, sp, &value, size))
        return false;
    emu->st->gpr[X86_RSP] = sp;
    return true;
}

/* Does not move RSP. */
static bool peek(struct emu *emu, uint64_t sp, uint64_t *value, unsigned size)
{
    *value = 0;
    return check_stack(emu, sp, size) &&
           emu_read64(emu, X86_SS, sp, value, size);
}

static unsigned width(const struct emu *emu)
{
    return emu->insn->operand_width == 16 ? 2 : 8;
}

bool emu_long_push(struct emu *emu)
{
    uint64_t value;

    return emu_get(emu, &emu->op[0], &value) && push(emu, value, width(emu));
}

/* FS and GS can be popped. */
static bool pop_to(struct emu *emu, const ZydisDecodedOperand *op,
                   uint64_t value)
{
    if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
        op->reg.value < ZYDIS_REGISTER_ES || op->reg.value > ZYDIS_REGISTER_GS)
        return emu_put(emu, op, value);
    return sys_load_segment(emu,
                            (enum x86_sreg)(op->reg.value - ZYDIS_REGISTER_ES),
                            (uint16_t)value);
}

/* The operand's address and POP RSP come after the increment. */
bool emu_long_pop(struct emu *emu)
{
    uint64_t *rsp = &emu->st->gpr[X86_RSP], old = *rsp, value;

    if (!peek(emu, old, &value, width(emu)))
        return false;
    *rsp = old + width(emu);
    if (pop_to(emu, &emu->op[0], value))
        return true;
    *rsp = old;
    return false;
}

bool emu_long_pushf(struct emu *emu)
{
    const uint64_t hidden = X86_EFLAGS_RF | X86_EFLAGS_VM;

    return push(emu, emu->st->rflags & ~hidden, width(emu));
}

bool emu_long_popf(struct emu *emu)
{
    unsigned size = width(emu);
    uint64_t value;

    if (!peek(emu, emu->st->gpr[X86_RSP], &value, size))
        return false;
    emu->st->gpr[X86_RSP] += size;
    sys_set_flags(emu, (uint32_t)value & ~X86_EFLAGS_RF, size == 2 ? 2 : 4);
    sys_report_reg(emu, VM_EXIT_FLAGS, 0, true, emu->st->rflags);
    return true;
}

bool emu_long_leave(struct emu *emu)
{
    uint64_t *rbp = &emu->st->gpr[X86_RBP], from = *rbp, value;
    unsigned size = width(emu);

    if (!peek(emu, from, &value, size))
        return false;
    *rbp = size == 2 ? (from & ~0xffffull) | value : value;
    emu->st->gpr[X86_RSP] = from + size;
    return true;
}

bool emu_long_call(struct emu *emu)
{
    uint64_t old = emu->st->rip;

    if (!emu_do_jmp(emu))
        return false;
    if (push(emu, emu->next_rip, 8))
        return true;
    emu->st->rip = old;
    return false;
}

bool emu_long_ret(struct emu *emu)
{
    const ZydisDecodedOperand *op = &emu->op[0];
    uint64_t *rsp = &emu->st->gpr[X86_RSP], target;

    if (!peek(emu, *rsp, &target, 8) || !emu_branch(emu, target))
        return false;
    *rsp += 8;
    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        *rsp += op->imm.value.u;
    return true;
}

emu_handler *emu_long_handler(ZydisMnemonic mnemonic, bool compat)
{
    static const struct {
        emu_handler *in[2]; /* 64-bit code, compatibility mode */
    } rows[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
#define LONG(mnemonic, in64, in32) [ZYDIS_MNEMONIC_##mnemonic] = {{in64, in32}},
#include "vmm/accel/emu/emu_long.def"
#undef LONG
    };

    return rows[mnemonic].in[compat];
}
