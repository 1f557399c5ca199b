/*
 * The stack and the instructions that use it.  All can be restarted: the stack
 * pointer moves when nothing can fault any more.
 */
#include "vmm/accel/emu/emu_internal.h"

static uint64_t stack_mask(const struct emu *emu)
{
    if (emu_is_long64(emu->st))
        return ~0ull;
    return emu->st->seg[X86_SS].attr & X86_SEG_DB ? 0xffffffffu : 0xffffu;
}

uint32_t emu_sp(const struct emu *emu)
{
    return (uint32_t)(emu->st->gpr[X86_RSP] & stack_mask(emu));
}

void emu_set_sp(struct emu *emu, uint32_t sp)
{
    uint64_t mask = stack_mask(emu), *rsp = &emu->st->gpr[X86_RSP];

    *rsp = (*rsp & ~mask & 0xffffffffu) | (sp & mask);
}

bool emu_push_at(struct emu *emu, uint32_t *sp, uint32_t value, unsigned size)
{
    uint32_t top = (uint32_t)((*sp - size) & stack_mask(emu));

    if (!emu_write(emu, X86_SS, top, &value, size))
        return false;
    *sp = top;
    return true;
}

bool emu_pop_at(struct emu *emu, uint32_t *sp, uint32_t *value, unsigned size)
{
    *value = 0;
    if (!emu_read(emu, X86_SS, *sp, value, size))
        return false;
    *sp = (uint32_t)((*sp + size) & stack_mask(emu));
    return true;
}

bool emu_do_push(struct emu *emu)
{
    uint32_t sp = emu_sp(emu);
    uint64_t value;

    if (!emu_get(emu, &emu->op[0], &value) ||
        !emu_push_at(emu, &sp, (uint32_t)value, emu_opsize(emu)))
        return false;
    emu_set_sp(emu, sp);
    return true;
}

static bool pop_segment(struct emu *emu, ZydisRegister reg, uint32_t sp,
                        uint32_t value)
{
    enum x86_sreg seg = (enum x86_sreg)(reg - ZYDIS_REGISTER_ES);
    uint32_t old_sp = emu_sp(emu);

    if (seg == X86_CS)
        return emu_raise(emu, X86_UD);
    /* The width of the stack pointer is that of the old SS. */
    emu_set_sp(emu, sp);
    if (!sys_load_segment(emu, seg, (uint16_t)value)) {
        emu_set_sp(emu, old_sp);
        return false;
    }
    if (seg == X86_SS)
        emu->st->movss_shadow = true;
    return true;
}

bool emu_do_pop(struct emu *emu)
{
    const ZydisDecodedOperand *op = &emu->op[0];
    bool segment = op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
                   op->reg.value >= ZYDIS_REGISTER_ES &&
                   op->reg.value <= ZYDIS_REGISTER_GS;
    uint64_t old_rsp = emu->st->gpr[X86_RSP];
    uint32_t sp = emu_sp(emu), value;

    if (!emu_pop_at(emu, &sp, &value, emu_opsize(emu)))
        return false;
    if (segment)
        return pop_segment(emu, op->reg.value, sp, value);
    /* The operand's address and POP ESP come after the increment. */
    emu_set_sp(emu, sp);
    if (emu_put(emu, op, value))
        return true;
    emu->st->gpr[X86_RSP] = old_rsp;
    return false;
}

bool emu_do_pusha(struct emu *emu)
{
    unsigned size = emu_opsize(emu);
    uint32_t sp = emu_sp(emu), mask = (uint32_t)stack_mask(emu);

    for (unsigned i = 1; i <= 8; i++)
        if (!emu_probe_write(emu, X86_SS, (sp - i * size) & mask, size))
            return false;
    for (unsigned i = 0; i < 8; i++)
        if (!emu_push_at(emu, &sp, (uint32_t)emu->st->gpr[i], size))
            return false;
    emu_set_sp(emu, sp);
    return true;
}

bool emu_do_popa(struct emu *emu)
{
    unsigned size = emu_opsize(emu);
    uint32_t sp = emu_sp(emu), value[8];

    for (unsigned i = 8; i-- > 0;)
        if (!emu_pop_at(emu, &sp, &value[i], size))
            return false;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t *r = &emu->st->gpr[i];

        if (i == X86_RSP)
            continue;
        *r = size == 2 ? (*r & 0xffff0000u) | value[i] : value[i];
    }
    emu_set_sp(emu, sp);
    return true;
}

/* Copies LEVEL - 1 frame pointers of the outer procedures. */
static bool enter_display(struct emu *emu, uint32_t *sp, unsigned level)
{
    unsigned size = emu_opsize(emu);
    uint32_t bp = (uint32_t)emu->st->gpr[X86_RBP];

    for (unsigned i = 1; i < level; i++) {
        uint32_t value = 0;

        bp -= size;
        if (!emu_read(emu, X86_SS, bp & (uint32_t)stack_mask(emu), &value,
                      size) ||
            !emu_push_at(emu, sp, value, size))
            return false;
    }
    return true;
}

bool emu_do_enter(struct emu *emu)
{
    uint32_t alloc = (uint32_t)emu->op[0].imm.value.u;
    unsigned level = (unsigned)emu->op[1].imm.value.u & 31;
    unsigned size = emu_opsize(emu);
    uint64_t *rbp = &emu->st->gpr[X86_RBP];
    uint32_t sp = emu_sp(emu), frame;

    if (!emu_push_at(emu, &sp, (uint32_t)*rbp, size))
        return false;
    frame = sp;
    if (level > 0 && (!enter_display(emu, &sp, level) ||
                      !emu_push_at(emu, &sp, frame, size)))
        return false;
    sp = (uint32_t)((sp - alloc) & stack_mask(emu));
    /* SDM vol. 2A ENTER: the new top must be writable. */
    if (!emu_probe_write(emu, X86_SS, sp, size))
        return false;
    *rbp = size == 2 ? (*rbp & 0xffff0000u) | (frame & 0xffff) : frame;
    emu_set_sp(emu, sp);
    return true;
}

bool emu_do_leave(struct emu *emu)
{
    unsigned size = emu_opsize(emu);
    uint64_t *rbp = &emu->st->gpr[X86_RBP];
    uint32_t sp = (uint32_t)(*rbp & stack_mask(emu)), value;

    if (!emu_pop_at(emu, &sp, &value, size))
        return false;
    *rbp = size == 2 ? (*rbp & 0xffff0000u) | value : value;
    emu_set_sp(emu, sp);
    return true;
}
