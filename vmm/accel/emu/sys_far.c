/*
 * Far JMP, CALL and RET: code segments, call gates, and TSSs or task gates
 * as targets.  SDM vol. 2A (CALL, JMP, RET), vol. 3A 5.8.
 */
#include <string.h>

#include "vmm/accel/emu/sys.h"

/* A far transfer on the way: where to, and from what. */
struct far {
    bool call;
    uint16_t selector;
    uint32_t eip;
    unsigned size;     /* of what CALL pushes: 2 or 4 */
    uint32_t next_eip; /* CALL: the return address */
};

static void report(struct emu *emu, uint16_t selector)
{
    sys_report_reg(emu, VM_EXIT_FAR_TRANSFER, X86_CS, true, selector);
}

/* CALL: the return address, onto S. */
static bool push_return(struct emu *emu, struct sys_stack *s,
                        const struct far *f)
{
    const uint32_t frame[] = {emu->st->seg[X86_CS].selector, f->next_eip};

    return !f->call || sys_stack_push_all(emu, s, frame, 2, f->size);
}

/* At the same privilege, CS checked already. */
static bool go(struct emu *emu, const struct far *f, const struct x86_seg *cs)
{
    struct sys_stack s = sys_stack_current(emu);

    if (!push_return(emu, &s, f) || !sys_check_eip(emu, cs, f->eip))
        return false;
    if (f->call)
        sys_stack_commit(emu, &s);
    sys_jump(emu, cs, f->eip);
    report(emu, cs->selector);
    return true;
}

static bool far_real(struct emu *emu, const struct far *f)
{
    struct x86_seg cs = sys_real_seg(emu, X86_CS, f->selector, sys_is_v86(emu));

    return go(emu, f, &cs);
}

/* A code segment directly: no change of CPL. */
static bool far_code(struct emu *emu, const struct far *f, struct sys_desc *d)
{
    unsigned cpl = x86_cpl(emu->st), dpl = sys_desc_dpl(d);
    bool ok = sys_desc_is_conforming(d)
                  ? dpl <= cpl
                  : (f->selector & 3u) <= cpl && dpl == cpl;
    struct x86_seg cs;

    if (!ok)
        return sys_raise_selector(emu, X86_GP, f->selector);
    if (!sys_desc_present(d))
        return sys_raise_selector(emu, X86_NP, f->selector);
    if (!sys_desc_touch(emu, d))
        return false;
    cs = sys_desc_seg((uint16_t)((f->selector & ~3u) | cpl), d);
    return go(emu, f, &cs);
}

/* CALL through a gate to an inner level: stack from the TSS, parameters. */
static bool call_inner(struct emu *emu, const struct far *f,
                       const struct sys_desc *gate, struct x86_seg *cs)
{
    unsigned cpl = X86_SEG_DPL(cs->attr), count = gate->hi & 0x1f;
    struct sys_stack old = sys_stack_current(emu), s;
    uint32_t param[32];
    const uint32_t outer[] = {old.ss.selector, (uint32_t)emu->st->gpr[X86_RSP]};

    if (!sys_stack_inner(emu, cpl, &s) ||
        !sys_stack_pop_all(emu, &old, param, count, f->size) ||
        !sys_stack_push_all(emu, &s, outer, 2, f->size))
        return false;
    for (unsigned i = count; i-- > 0;)
        if (!sys_stack_push(emu, &s, param[i], f->size))
            return false;
    if (!push_return(emu, &s, f) || !sys_check_eip(emu, cs, f->eip))
        return false;
    cs->selector = (uint16_t)((cs->selector & ~3u) | cpl);
    sys_stack_commit(emu, &s);
    sys_jump(emu, cs, f->eip);
    report(emu, cs->selector);
    return true;
}

static bool far_call_gate(struct emu *emu, const struct far *f,
                          const struct sys_desc *gate)
{
    unsigned cpl = x86_cpl(emu->st), dpl;
    struct far inside = *f;
    struct sys_desc d;
    struct x86_seg cs;
    bool ok;

    if (!sys_desc_present(gate))
        return sys_raise_selector(emu, X86_NP, f->selector);
    inside.selector = sys_gate_selector(gate);
    inside.eip = sys_gate_offset(gate);
    inside.size = sys_desc_type(gate) & SYS_TYPE_32 ? 4 : 2;
    if (!sys_desc_get(emu, inside.selector, X86_GP, &d))
        return false;
    dpl = sys_desc_dpl(&d);
    ok = sys_desc_is_code(&d) && dpl <= cpl;
    if (!f->call && !sys_desc_is_conforming(&d)) /* JMP stays at its level */
        ok = ok && dpl == cpl;
    if (!ok)
        return sys_raise_selector(emu, X86_GP, inside.selector);
    if (!sys_desc_present(&d))
        return sys_raise_selector(emu, X86_NP, inside.selector);
    if (!sys_desc_touch(emu, &d))
        return false;
    cs = sys_desc_seg((uint16_t)((inside.selector & ~3u) | cpl), &d);
    if (f->call && !sys_desc_is_conforming(&d) && dpl < cpl)
        return call_inner(emu, &inside, gate, &cs);
    return go(emu, &inside, &cs);
}

static bool far_task(struct emu *emu, const struct far *f,
                     const struct sys_desc *d)
{
    struct sys_task task = {
        .how = f->call ? SYS_TASK_CALL : SYS_TASK_JMP,
        .selector = f->selector,
        .tss = *d,
        .eip = f->next_eip,
        .eflags = (uint32_t)emu->st->rflags,
    };

    if (sys_desc_type(d) == SYS_TASK_GATE) {
        if (!sys_desc_present(d))
            return sys_raise_selector(emu, X86_NP, f->selector);
        return sys_task_gate(emu, d, &task);
    }
    if (f->selector & 4) /* a TSS is a GDT's */
        return sys_raise_selector(emu, X86_GP, f->selector);
    if (!sys_desc_present(d))
        return sys_raise_selector(emu, X86_NP, f->selector);
    return sys_task_switch(emu, &task);
}

/* System descriptors one can jump to; a busy TSS is none of them. */
#define FAR_TYPES                                                              \
    (BIT(SYS_CALL16) | BIT(SYS_CALL32) | BIT(SYS_TASK_GATE) | BIT(SYS_TSS16) | \
     BIT(SYS_TSS32))

static bool far_system(struct emu *emu, const struct far *f,
                       const struct sys_desc *d)
{
    unsigned dpl = sys_desc_dpl(d), type = sys_desc_type(d);

    if (!(FAR_TYPES & BIT(type)))
        return sys_raise_selector(emu, X86_GP, f->selector);
    if (dpl < x86_cpl(emu->st) || dpl < (f->selector & 3u))
        return sys_raise_selector(emu, X86_GP, f->selector);
    if (type == SYS_CALL16 || type == SYS_CALL32)
        return far_call_gate(emu, f, d);
    return far_task(emu, f, d);
}

/* The target, immediate or in memory. */
static bool fetch_target(struct emu *emu, struct far *f)
{
    const ZydisDecodedOperand *op = &emu->op[0];
    uint8_t raw[6];

    f->size = emu_opsize(emu);
    f->next_eip = (uint32_t)emu->next_rip;
    if (op->type == ZYDIS_OPERAND_TYPE_POINTER) {
        f->selector = op->ptr.segment;
        f->eip = op->ptr.offset;
    } else {
        enum x86_sreg seg =
            (enum x86_sreg)(op->mem.segment - ZYDIS_REGISTER_ES);

        if (!emu_read(emu, seg, emu_ea(emu, op), raw, f->size + 2))
            return false;
        memcpy(&f->eip, raw, f->size);
        memcpy(&f->selector, raw + f->size, 2);
    }
    if (f->size == 2)
        f->eip &= 0xffff;
    return true;
}

static bool far_transfer(struct emu *emu, bool call)
{
    struct far f = {.call = call};
    struct sys_desc d;

    if (!fetch_target(emu, &f))
        return false;
    if (!sys_is_protected(emu))
        return far_real(emu, &f);
    if (!sys_desc_get(emu, f.selector, X86_GP, &d))
        return false;
    if (sys_desc_is_code(&d))
        return far_code(emu, &f, &d);
    return far_system(emu, &f, &d);
}

bool sys_call_far(struct emu *emu)
{
    return far_transfer(emu, true);
}

bool sys_jmp_far(struct emu *emu)
{
    return far_transfer(emu, false);
}

/* RET and IRET: is SELECTOR a code segment one may return to? */
bool sys_return_cs(struct emu *emu, uint16_t selector, struct x86_seg *cs)
{
    const uint16_t both = X86_SEG_L | X86_SEG_DB;
    unsigned rpl = selector & 3u;
    struct sys_desc d;
    bool ok;

    if (!sys_desc_get(emu, selector, X86_GP, &d))
        return false;
    ok = sys_desc_is_code(&d) && rpl >= x86_cpl(emu->st);
    ok = ok && (sys_desc_is_conforming(&d) ? sys_desc_dpl(&d) <= rpl
                                           : sys_desc_dpl(&d) == rpl);
    if (sys_is_long(emu)) /* both L and D: reserved */
        ok = ok && (sys_desc_seg(0, &d).attr & both) != both;
    if (!ok)
        return sys_raise_selector(emu, X86_GP, selector);
    if (!sys_desc_present(&d))
        return sys_raise_selector(emu, X86_NP, selector);
    if (!sys_desc_touch(emu, &d))
        return false;
    *cs = sys_desc_seg(selector, &d);
    return true;
}

/*
 * To an outer level: the outer stack lies SKIP bytes further up.  S becomes
 * that stack.
 */
bool sys_return_stack(struct emu *emu, struct sys_stack *s, unsigned rpl,
                      uint32_t skip, unsigned size)
{
    uint32_t frame[2]; /* ESP, SS */

    s->sp += skip;
    if (!sys_stack_pop_all(emu, s, frame, 2, size) ||
        !sys_check_stack_segment(emu, (uint16_t)frame[1], rpl, X86_GP, &s->ss))
        return false;
    s->sp = frame[0];
    return true;
}

bool sys_ret_far(struct emu *emu)
{
    struct sys_stack s = sys_stack_current(emu);
    unsigned size = emu_opsize(emu), cpl = x86_cpl(emu->st), rpl;
    uint32_t frame[2] = {0}; /* EIP, CS */
    uint32_t release = emu->insn->operand_count_visible
                           ? (uint32_t)emu->op[0].imm.value.u & 0xffff
                           : 0;
    struct x86_seg cs = {0};

    if (!sys_stack_pop_all(emu, &s, frame, 2, size))
        return false;
    if (!sys_is_protected(emu))
        cs = sys_real_seg(emu, X86_CS, (uint16_t)frame[1], sys_is_v86(emu));
    else if (!sys_return_cs(emu, (uint16_t)frame[1], &cs))
        return false;
    rpl = sys_is_protected(emu) ? cs.selector & 3u : cpl;
    if (rpl > cpl && !sys_return_stack(emu, &s, rpl, release, size))
        return false;
    if (!sys_check_eip(emu, &cs, frame[0]))
        return false;
    s.sp += release;
    sys_stack_commit(emu, &s);
    sys_jump(emu, &cs, frame[0]);
    if (rpl > cpl)
        sys_drop_segments(emu, rpl);
    report(emu, cs.selector);
    return true;
}
