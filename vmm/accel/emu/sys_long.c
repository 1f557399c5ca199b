/*
 * What changes RFLAGS, CS and SS in long mode: gates and their stacks, IRET,
 * SYSCALL, SYSENTER and their returns, SWAPGS.  SDM vol. 2 (IRET, SYSCALL...),
 * vol. 3A 6.14.  Far branches are in sys_long_far.c.
 *
 * KVM runs such code.  It comes here where a debugger steps: the processor's
 * trap flag, which KVM steps with, is saved, loaded and cleared by these.
 */
#include "vmm/accel/emu/sys.h"

/* ---- gates ------------------------------------------------------------- */

/* A gate of the IDT: the first words as older modes have them. */
struct gate {
    struct sys_desc desc;
    uint64_t rip;
    unsigned ist; /* 0: none */
};

static bool read_gate(struct emu *emu, const struct x86_event *ev,
                      struct gate *gate)
{
    const struct x86_state *st = emu->st;
    uint32_t offset = ev->vector * 16u, error = sys_vector_error(ev->vector);
    uint32_t raw[4];
    unsigned type;

    if (offset + 15 > st->idt.limit)
        return emu_raise_err(emu, X86_GP, error);
    if (!emu_read_sys(emu, st->idt.base + offset, raw, sizeof(raw)))
        return false;
    gate->desc = (struct sys_desc){.lo = raw[0], .hi = raw[1]};
    gate->rip = (uint64_t)raw[2] << 32 | sys_gate_offset(&gate->desc);
    gate->ist = raw[1] & 7;
    type = sys_desc_type(&gate->desc);
    if (type != SYS_INT32 && type != SYS_TRAP32)
        return emu_raise_err(emu, X86_GP, error);
    if (ev->soft && sys_desc_dpl(&gate->desc) < x86_cpl(st))
        return emu_raise_err(emu, X86_GP, error);
    if (!sys_desc_present(&gate->desc))
        return emu_raise_err(emu, X86_NP, error);
    return true;
}

bool sys_long_tss_stack(struct emu *emu, unsigned ist, unsigned cpl,
                        uint64_t *rsp)
{
    const struct x86_seg *tr = &emu->st->tr;
    uint32_t offset = ist ? 0x24 + 8 * (ist - 1) : 4 + 8 * cpl;

    if (offset + 7 > tr->limit)
        return emu_raise_err(emu, X86_TS, sys_selector_error(tr->selector));
    return emu_read_sys(emu, tr->base + offset, rsp, sizeof(*rsp));
}

/* SS, RSP, RFLAGS, CS, RIP and the error code below *RSP, which is aligned. */
static bool push_frame(struct emu *emu, const struct x86_event *ev,
                       unsigned cpl, uint64_t *rsp)
{
    const struct x86_state *st = emu->st;
    const uint64_t frame[] = {
        ev->error,
        st->rip + ev->insn_len,
        st->seg[X86_CS].selector,
        sys_pushed_flags(emu, ev),
        st->gpr[X86_RSP],
        st->seg[X86_SS].selector,
    };
    unsigned n = ARRAY_SIZE(frame), first = !ev->has_error;
    uint64_t sp = *rsp & ~15ull;

    for (unsigned i = n; i-- > first;) {
        sp -= 8;
        if (!x86_is_canonical(st, sp))
            return emu_raise_err(emu, X86_SSEG, 0);
        if (!emu_write_linear(emu, sp, &frame[i], 8, cpl == 3))
            return false;
    }
    *rsp = sp;
    return true;
}

struct x86_seg sys_null_ss(unsigned cpl)
{
    return (struct x86_seg){.selector = (uint16_t)cpl,
                            .attr = (uint16_t)(X86_SEG_UNUSABLE | cpl << 5)};
}

bool sys_long_deliver(struct emu *emu, const struct x86_event *ev)
{
    struct x86_state *st = emu->st;
    uint64_t rsp = st->gpr[X86_RSP];
    struct x86_seg cs = {0};
    struct gate gate = {0};
    unsigned cpl;

    if (!read_gate(emu, ev, &gate) ||
        !sys_handler_cs(emu, sys_gate_selector(&gate.desc), &cs))
        return false;
    cpl = cs.selector & 3u;
    if ((gate.ist || cpl < x86_cpl(st)) &&
        !sys_long_tss_stack(emu, gate.ist, cpl, &rsp))
        return false;
    if (!push_frame(emu, ev, cpl, &rsp))
        return false;
    if (!x86_is_canonical(st, gate.rip))
        return emu_raise_err(emu, X86_GP, 0);

    if (cpl < x86_cpl(st))
        st->seg[X86_SS] = sys_null_ss(cpl);
    st->rflags &= ~(uint64_t)(X86_EFLAGS_TF | X86_EFLAGS_NT | X86_EFLAGS_RF);
    if (sys_desc_type(&gate.desc) == SYS_INT32)
        st->rflags &= ~(uint64_t)X86_EFLAGS_IF;
    st->gpr[X86_RSP] = rsp;
    sys_jump(emu, &cs, gate.rip);
    return true;
}

/* ---- IRET -------------------------------------------------------------- */

enum { RIP, CS, FLAGS, RSP, SS, FRAME };

uint64_t sys_long_sp_mask(const struct emu *emu)
{
    const struct x86_state *st = emu->st;

    return emu_is_long64(st)                   ? ~0ull
           : st->seg[X86_SS].attr & X86_SEG_DB ? 0xffffffffu
                                               : 0xffffu;
}

bool sys_long_pop(struct emu *emu, uint64_t from, uint64_t *value, unsigned n,
                  unsigned size)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t sp = (from + i * size) & sys_long_sp_mask(emu);

        value[i] = 0; /* operands may be narrower */
        if (!x86_is_canonical(emu->st, sp))
            return emu_raise_err(emu, X86_SSEG, 0);
        if (!emu_read64(emu, X86_SS, sp, &value[i], size))
            return false;
    }
    return true;
}

/* Null is a stack for 64-bit code below ring 3. */
bool sys_long_return_ss(struct emu *emu, uint16_t selector,
                        const struct x86_seg *cs, struct x86_seg *ss)
{
    unsigned rpl = cs->selector & 3u;

    if (!sys_is_null(selector) || !(cs->attr & X86_SEG_L) || rpl == 3)
        return sys_check_stack_segment(emu, selector, rpl, X86_GP, ss);
    if ((selector & 3u) != rpl)
        return emu_raise_err(emu, X86_GP, 0);
    *ss = sys_null_ss(rpl);
    return true;
}

bool sys_long_check_rip(struct emu *emu, const struct x86_seg *cs, uint64_t rip)
{
    bool ok = cs->attr & X86_SEG_L ? x86_is_canonical(emu->st, rip)
                                   : rip <= cs->limit;

    return ok || emu_raise_err(emu, X86_GP, 0);
}

/* FS and GS keep their bases, which are not the descriptors'. */
void sys_long_drop_segments(struct emu *emu, unsigned cpl)
{
    const uint64_t fs = emu->st->seg[X86_FS].base;
    const uint64_t gs = emu->st->seg[X86_GS].base;

    sys_drop_segments(emu, cpl);
    emu->st->seg[X86_FS].base = fs;
    emu->st->seg[X86_GS].base = gs;
}

/* A 16-bit stack takes SP alone. */
void sys_long_set_rsp(struct emu *emu, const struct x86_seg *cs, uint64_t value)
{
    uint64_t *rsp = &emu->st->gpr[X86_RSP];
    uint16_t wide = X86_SEG_DB & emu->st->seg[X86_SS].attr;

    if ((cs->attr & X86_SEG_L) || wide)
        *rsp = value;
    else
        *rsp = (*rsp & ~0xffffull) | (value & 0xffff);
}

bool sys_long_iret(struct emu *emu)
{
    struct x86_state *st = emu->st;
    unsigned size = emu->insn->operand_width / 8u, cpl = x86_cpl(st), rpl;
    uint64_t frame[FRAME] = {0}, sp = st->gpr[X86_RSP];
    struct x86_seg cs, ss = st->seg[X86_SS];
    bool outer;

    if (st->rflags & X86_EFLAGS_NT)
        return emu_raise_err(emu, X86_GP, 0);
    if (!sys_long_pop(emu, sp, frame, RSP, size))
        return false;
    rpl = frame[CS] & 3u;
    outer = emu_is_long64(st) || rpl > cpl;
    if (outer && !sys_long_pop(emu, sp + RSP * size, frame + RSP, 2, size))
        return false;
    if (!sys_return_cs(emu, (uint16_t)frame[CS], &cs) ||
        (outer && !sys_long_return_ss(emu, (uint16_t)frame[SS], &cs, &ss)) ||
        !sys_long_check_rip(emu, &cs, frame[RIP]))
        return false;
    /* By the old CPL. */
    sys_set_flags(emu, (uint32_t)frame[FLAGS], size == 2 ? 2 : 4);
    st->seg[X86_SS] = ss;
    sys_long_set_rsp(emu, &cs, outer ? frame[RSP] : sp + RSP * size);
    sys_jump(emu, &cs, frame[RIP]);
    if (rpl > cpl)
        sys_long_drop_segments(emu, rpl);
    st->nmi_blocked = false;
    sys_report_reg(emu, VM_EXIT_IRET, X86_CS, true, cs.selector);
    return true;
}

/* ---- SYSCALL, SYSENTER, SWAPGS ----------------------------------------- */

/* To 64-bit code, unless LEGACY. */
static void fast_transfer(struct emu *emu, uint64_t cs_selector,
                          uint64_t ss_selector, unsigned cpl, bool legacy,
                          uint64_t rip)
{
    struct x86_seg cs = sys_flat_segment(cs_selector, cpl, true);

    if (!legacy)
        cs.attr ^= X86_SEG_DB | X86_SEG_L;
    emu->st->seg[X86_SS] = sys_flat_segment(ss_selector, cpl, false);
    sys_jump(emu, &cs, rip);
    sys_report_reg(emu, VM_EXIT_SYSENTER, X86_CS, true, cs.selector);
}

/* In compatibility mode it is AMD's alone. */
bool sys_long_syscall(struct emu *emu)
{
    struct x86_state *st = emu->st;
    bool compat = !(st->seg[X86_CS].attr & X86_SEG_L);
    uint64_t selector = st->star >> 32;

    if (!(st->efer & X86_EFER_SCE) || (compat && !emu->amd))
        return emu_raise(emu, X86_UD);
    st->gpr[X86_RCX] = emu->next_rip;
    st->gpr[X86_R11] = st->rflags & ~(uint64_t)X86_EFLAGS_RF;
    st->rflags &= ~(st->sfmask | X86_EFLAGS_RF);
    st->rflags |= X86_EFLAGS_RES1;
    fast_transfer(emu, selector, selector + 8, 0, false,
                  compat ? st->cstar : st->lstar);
    return true;
}

/* What R11 gives: not RF, VM, nor what is reserved. */
#define SYSRET_FLAGS 0x3c7fd7u

bool sys_long_sysret(struct emu *emu)
{
    struct x86_state *st = emu->st;
    bool wide = emu->insn->operand_width == 64;
    uint64_t selector = st->star >> 48, rip = st->gpr[X86_RCX];

    if (!(st->efer & X86_EFER_SCE))
        return emu_raise(emu, X86_UD);
    if (!sys_need_cpl0(emu))
        return false;
    if (!wide)
        rip = (uint32_t)rip;
    if (!x86_is_canonical(st, rip))
        return emu_raise_err(emu, X86_GP, 0);
    st->rflags = (st->gpr[X86_R11] & SYSRET_FLAGS) | X86_EFLAGS_RES1;
    fast_transfer(emu, wide ? selector + 16 : selector, selector + 8, 3, !wide,
                  rip);
    return true;
}

bool sys_long_swapgs(struct emu *emu)
{
    struct x86_state *st = emu->st;
    uint64_t base = st->seg[X86_GS].base;

    if (!sys_need_cpl0(emu))
        return false;
    st->seg[X86_GS].base = st->kernel_gs_base;
    st->kernel_gs_base = base;
    return true;
}

/* Intel's processors alone have these in long mode; they lead to 64-bit code.
 */
bool sys_long_sysenter(struct emu *emu)
{
    struct x86_state *st = emu->st;
    uint64_t selector = st->sysenter_cs & 0xfffc;

    if (emu->amd)
        return emu_raise(emu, X86_UD);
    if (selector == 0)
        return emu_raise_err(emu, X86_GP, 0);
    st->rflags &= ~(uint64_t)(X86_EFLAGS_IF | X86_EFLAGS_RF);
    st->gpr[X86_RSP] = st->sysenter_esp;
    fast_transfer(emu, selector, selector + 8, 0, false, st->sysenter_eip);
    return true;
}

bool sys_long_sysexit(struct emu *emu)
{
    struct x86_state *st = emu->st;
    bool wide = emu->insn->operand_width == 64;
    uint64_t selector = (st->sysenter_cs & 0xfffc) + (wide ? 32 : 16);
    uint64_t rip = st->gpr[X86_RDX], rsp = st->gpr[X86_RCX];

    if (emu->amd)
        return emu_raise(emu, X86_UD);
    if (sys_is_null((uint16_t)st->sysenter_cs))
        return emu_raise_err(emu, X86_GP, 0);
    if (!sys_need_cpl0(emu))
        return false;
    if (wide && !(x86_is_canonical(st, rip) && x86_is_canonical(st, rsp)))
        return emu_raise_err(emu, X86_GP, 0);
    st->gpr[X86_RSP] = wide ? rsp : (uint32_t)rsp;
    fast_transfer(emu, selector, selector + 8, 3, !wide,
                  wide ? rip : (uint32_t)rip);
    return true;
}
