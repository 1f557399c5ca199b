/*
 * Far JMP, CALL and RET in long mode: code segments of 64 and 32 bits, and call
 * gates of 16 bytes.  There are no tasks.  SDM vol. 2A (CALL, JMP, RET),
 * vol. 3A 5.8.3.1.  The older modes are sys_far.c's.
 */
#include "vmm/accel/emu/sys.h"

/* A far transfer on the way: where to, and from what. */
struct far {
    bool call;
    uint16_t selector;
    uint64_t rip;
    unsigned size; /* of what CALL pushes: 2, 4 or 8 */
};

static bool arrive(struct emu *emu, const struct x86_seg *cs, uint64_t rip)
{
    sys_jump(emu, cs, rip);
    sys_report_reg(emu, VM_EXIT_FAR_TRANSFER, X86_CS, true, cs->selector);
    return true;
}

/* Both L and D: reserved. */
static bool is_possible(const struct sys_desc *d)
{
    const uint16_t both = X86_SEG_L | X86_SEG_DB;

    return sys_desc_is_code(d) && (sys_desc_seg(0, d).attr & both) != both;
}

/* ---- at the same privilege --------------------------------------------- */

static bool go(struct emu *emu, const struct far *f, const struct x86_seg *cs)
{
    struct x86_state *st = emu->st;
    const uint64_t frame[] = {st->seg[X86_CS].selector, emu->next_rip};
    uint64_t mask = sys_long_sp_mask(emu), sp = st->gpr[X86_RSP];

    if (!sys_long_check_rip(emu, cs, f->rip))
        return false;
    for (unsigned i = 0; f->call && i < 2; i++) {
        sp = (sp & ~mask) | ((sp - f->size) & mask);
        if (!x86_is_canonical(st, sp & mask))
            return emu_raise_err(emu, X86_SSEG, 0);
        if (!emu_write64(emu, X86_SS, sp & mask, &frame[i], f->size))
            return false;
    }
    st->gpr[X86_RSP] = sp;
    return arrive(emu, cs, f->rip);
}

/* A code segment directly: no change of CPL. */
static bool far_code(struct emu *emu, const struct far *f, struct sys_desc *d)
{
    unsigned cpl = x86_cpl(emu->st), dpl = sys_desc_dpl(d);
    bool ok = sys_desc_is_conforming(d)
                  ? dpl <= cpl
                  : (f->selector & 3u) <= cpl && dpl == cpl;
    struct x86_seg cs;

    if (!ok || !is_possible(d))
        return sys_raise_selector(emu, X86_GP, f->selector);
    if (!sys_desc_present(d))
        return sys_raise_selector(emu, X86_NP, f->selector);
    if (!sys_desc_touch(emu, d))
        return false;
    cs = sys_desc_seg((uint16_t)((f->selector & ~3u) | cpl), d);
    return go(emu, f, &cs);
}

/* ---- call gates -------------------------------------------------------- */

/* To an inner level, on the TSS's stack; nothing is copied. */
static bool call_inner(struct emu *emu, const struct far *f,
                       const struct x86_seg *cs, unsigned cpl)
{
    struct x86_state *st = emu->st;
    const uint64_t frame[] = {st->seg[X86_SS].selector, st->gpr[X86_RSP],
                              st->seg[X86_CS].selector, emu->next_rip};
    uint64_t sp;

    if (!sys_long_tss_stack(emu, 0, cpl, &sp))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(frame); i++) {
        sp -= 8;
        if (!x86_is_canonical(st, sp))
            return emu_raise_err(emu, X86_SSEG, 0);
        if (!emu_write_linear(emu, sp, &frame[i], 8, false))
            return false;
    }
    st->gpr[X86_RSP] = sp;
    st->seg[X86_SS] = sys_null_ss(cpl);
    return arrive(emu, cs, f->rip);
}

/* The code segment of a gate, which has to be of 64 bits. */
static bool gate_code(struct emu *emu, const struct far *f, struct sys_desc *d)
{
    unsigned cpl = x86_cpl(emu->st), dpl;
    bool ok;

    if (!sys_desc_get(emu, f->selector, X86_GP, d))
        return false;
    dpl = sys_desc_dpl(d);
    ok = is_possible(d) && (sys_desc_seg(0, d).attr & X86_SEG_L) && dpl <= cpl;
    if (!f->call && !sys_desc_is_conforming(d)) /* JMP stays at its level */
        ok = ok && dpl == cpl;
    if (!ok)
        return sys_raise_selector(emu, X86_GP, f->selector);
    if (!sys_desc_present(d))
        return sys_raise_selector(emu, X86_NP, f->selector);
    return sys_desc_touch(emu, d);
}

static bool far_gate(struct emu *emu, const struct far *f,
                     const struct sys_desc *gate)
{
    unsigned cpl = x86_cpl(emu->st), dpl = sys_desc_dpl(gate);
    struct far inside = {.call = f->call, .size = 8};
    struct sys_desc d;
    struct x86_seg cs;
    uint32_t upper[2];

    if (sys_desc_type(gate) != SYS_CALL32 || dpl < cpl ||
        dpl < (f->selector & 3u))
        return sys_raise_selector(emu, X86_GP, f->selector);
    if (!sys_desc_upper(emu, f->selector, gate, upper))
        return false;
    if (upper[1] >> 8 & 0x1f)
        return sys_raise_selector(emu, X86_GP, f->selector);
    if (!sys_desc_present(gate))
        return sys_raise_selector(emu, X86_NP, f->selector);
    inside.selector = sys_gate_selector(gate);
    inside.rip = (uint64_t)upper[0] << 32 | sys_gate_offset(gate);
    if (!gate_code(emu, &inside, &d))
        return false;
    if (f->call && !sys_desc_is_conforming(&d))
        cpl = sys_desc_dpl(&d);
    cs = sys_desc_seg((uint16_t)((inside.selector & ~3u) | cpl), &d);
    if (!sys_long_check_rip(emu, &cs, inside.rip))
        return false;
    return cpl < x86_cpl(emu->st) ? call_inner(emu, &inside, &cs, cpl)
                                  : go(emu, &inside, &cs);
}

/* ---- the instructions -------------------------------------------------- */

unsigned sys_far_size(const struct emu *emu)
{
    if (emu->insn->operand_width == 64 && !emu->amd)
        return 8;
    return emu_opsize(emu);
}

/* The target, immediate or in memory. */
static bool fetch_target(struct emu *emu, struct far *f)
{
    const ZydisDecodedOperand *op = &emu->op[0];

    f->size = sys_far_size(emu);
    if (op->type == ZYDIS_OPERAND_TYPE_POINTER) {
        f->selector = op->ptr.segment;
        f->rip = op->ptr.offset & all_ones(f->size);
        return true;
    }
    return sys_far_pointer(emu, op, f->size, &f->rip, &f->selector);
}

static bool far_transfer(struct emu *emu, bool call)
{
    struct far f = {.call = call};
    struct sys_desc d;

    if (!fetch_target(emu, &f) || !sys_desc_get(emu, f.selector, X86_GP, &d))
        return false;
    if (sys_desc_is_code(&d))
        return far_code(emu, &f, &d);
    return far_gate(emu, &f, &d);
}

bool sys_long_call_far(struct emu *emu)
{
    return far_transfer(emu, true);
}

bool sys_long_jmp_far(struct emu *emu)
{
    return far_transfer(emu, false);
}

bool sys_long_ret_far(struct emu *emu)
{
    struct x86_state *st = emu->st;
    unsigned size = emu->insn->operand_width / 8u, cpl = x86_cpl(st);
    uint64_t frame[2], stack[2], sp = st->gpr[X86_RSP]; /* RIP, CS; RSP, SS */
    uint64_t release =
        emu->insn->operand_count_visible ? emu->op[0].imm.value.u & 0xffff : 0;
    struct x86_seg cs, ss = st->seg[X86_SS];

    if (!sys_long_pop(emu, sp, frame, 2, size) ||
        !sys_return_cs(emu, (uint16_t)frame[1], &cs))
        return false;
    sp += 2 * size + release;
    if ((cs.selector & 3u) > cpl) {
        if (!sys_long_pop(emu, sp, stack, 2, size) ||
            !sys_long_return_ss(emu, (uint16_t)stack[1], &cs, &ss))
            return false;
        sp = stack[0] + release;
    }
    if (!sys_long_check_rip(emu, &cs, frame[0]))
        return false;
    st->seg[X86_SS] = ss;
    sys_long_set_rsp(emu, &cs, sp);
    if ((cs.selector & 3u) > cpl)
        sys_long_drop_segments(emu, cs.selector & 3u);
    return arrive(emu, &cs, frame[0]);
}
