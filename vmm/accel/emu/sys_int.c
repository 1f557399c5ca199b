/*
 * Interrupts and exceptions on their way to a handler: INT n and its kin, the
 * real-mode vector table, the IDT's gates, and what happens when a delivery
 * faults itself.  SDM vol. 2A (INT n), vol. 3A ch. 6, 20.1.4.  Long mode's
 * gates are sys_long.c's.
 */
#include <string.h>

#include "vmm/accel/emu/sys.h"

/* ---- one delivery ------------------------------------------------------ */

/*
 * EFLAGS as pushed.  Faults are pushed with RF set, so that the restarted
 * instruction does not hit its instruction breakpoint again (SDM vol. 3B
 * 17.3.1.1); #DB keeps RF, unless it is a general-detect fault.
 */
uint32_t sys_pushed_flags(const struct emu *emu, const struct x86_event *ev)
{
    uint32_t flags = (uint32_t)emu->st->rflags;
    bool fault = !ev->soft && !ev->external && ev->vector != X86_DF &&
                 ev->vector != X86_MC;

    if (ev->vector == X86_DB)
        fault = fault && (emu->fault_dr6 & BIT(13));
    if (fault)
        flags |= X86_EFLAGS_RF;
    else if (ev->soft)
        flags &= ~X86_EFLAGS_RF;
    return flags;
}

static uint32_t return_eip(const struct emu *emu, const struct x86_event *ev)
{
    uint32_t eip = (uint32_t)emu->st->rip + ev->insn_len;

    return x86_code_bits(emu->st) == 16 && ev->insn_len ? eip & 0xffff : eip;
}

static bool deliver_real(struct emu *emu, const struct x86_event *ev)
{
    struct x86_state *st = emu->st;
    struct sys_stack s = sys_stack_current(emu);
    uint32_t offset = ev->vector * 4u;
    const uint32_t frame[] = {(uint32_t)st->rflags & 0xffff,
                              st->seg[X86_CS].selector, return_eip(emu, ev)};
    uint16_t target[2]; /* IP, CS */
    struct x86_seg cs;

    if (offset + 3 > st->idt.limit)
        return emu_raise_err(emu, X86_GP, sys_vector_error(ev->vector));
    if (!emu_read_sys(emu, (uint32_t)st->idt.base + offset, target, 4) ||
        !sys_stack_push_all(emu, &s, frame, 3, 2))
        return false;
    cs = sys_real_seg(emu, X86_CS, target[1], false);
    if (!sys_check_eip(emu, &cs, target[0]))
        return false;
    sys_stack_commit(emu, &s);
    sys_jump(emu, &cs, target[0]);
    st->rflags &= ~(uint64_t)(X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_AC |
                              X86_EFLAGS_RF);
    return true;
}

static bool deliver_task(struct emu *emu, const struct x86_event *ev,
                         const struct sys_desc *gate)
{
    struct sys_task task = {
        .how = SYS_TASK_CALL,
        .eip = return_eip(emu, ev),
        .eflags = sys_pushed_flags(emu, ev),
        .push_error = ev->has_error,
        .error = ev->error,
    };

    return sys_task_gate(emu, gate, &task);
}

bool sys_handler_cs(struct emu *emu, uint16_t selector, struct x86_seg *cs)
{
    uint32_t error = sys_selector_error(selector);
    unsigned cpl = x86_cpl(emu->st), dpl;
    struct sys_desc d;

    if (!sys_desc_get(emu, selector, X86_GP, &d))
        return false;
    dpl = sys_desc_dpl(&d);
    if (!sys_desc_is_code(&d) || dpl > cpl)
        return emu_raise_err(emu, X86_GP, error);
    if (sys_is_long(emu) && (sys_desc_seg(selector, &d).attr &
                             (X86_SEG_L | X86_SEG_DB)) != X86_SEG_L)
        return emu_raise_err(emu, X86_GP, error);
    if (!sys_desc_present(&d))
        return emu_raise_err(emu, X86_NP, error);
    /* V86 tasks are interrupted by ring 0 alone. */
    if (sys_is_v86(emu) && (sys_desc_is_conforming(&d) || dpl != 0))
        return emu_raise_err(emu, X86_GP, error);
    if (!sys_desc_touch(emu, &d))
        return false;
    if (!sys_desc_is_conforming(&d))
        cpl = dpl;
    *cs = sys_desc_seg((uint16_t)((selector & ~3u) | cpl), &d);
    return true;
}

/* Everything an interrupt pushes, onto S; the first value is the outermost. */
static bool push_frame(struct emu *emu, struct sys_stack *s,
                       const struct x86_event *ev, unsigned size, bool inner)
{
    const struct x86_state *st = emu->st;
    uint32_t frame[10];
    unsigned n = 0;

    if (inner && sys_is_v86(emu)) {
        frame[n++] = st->seg[X86_GS].selector;
        frame[n++] = st->seg[X86_FS].selector;
        frame[n++] = st->seg[X86_DS].selector;
        frame[n++] = st->seg[X86_ES].selector;
    }
    if (inner) {
        frame[n++] = st->seg[X86_SS].selector;
        frame[n++] = (uint32_t)st->gpr[X86_RSP];
    }
    frame[n++] = sys_pushed_flags(emu, ev);
    frame[n++] = st->seg[X86_CS].selector;
    frame[n++] = return_eip(emu, ev);
    if (ev->has_error)
        frame[n++] = ev->error;
    return sys_stack_push_all(emu, s, frame, n, size);
}

/* Interrupt and trap gates. */
static bool deliver_gate(struct emu *emu, const struct x86_event *ev,
                         const struct sys_desc *gate)
{
    static const enum x86_sreg data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    struct x86_state *st = emu->st;
    unsigned type = sys_desc_type(gate), cpl = x86_cpl(st), new_cpl;
    bool v86 = sys_is_v86(emu), inner;
    struct sys_stack s = sys_stack_current(emu);
    struct x86_seg cs = {0};

    if (!sys_handler_cs(emu, sys_gate_selector(gate), &cs))
        return false;
    new_cpl = cs.selector & 3u;
    inner = new_cpl < cpl;
    if (inner && !sys_stack_inner(emu, new_cpl, &s))
        return false;
    if (!push_frame(emu, &s, ev, type & SYS_TYPE_32 ? 4 : 2, inner) ||
        !sys_check_eip(emu, &cs, sys_gate_offset(gate)))
        return false;

    for (unsigned i = 0; v86 && i < ARRAY_SIZE(data); i++)
        st->seg[data[i]] = (struct x86_seg){.attr = X86_SEG_UNUSABLE};
    st->rflags &= ~(uint64_t)(X86_EFLAGS_TF | X86_EFLAGS_NT | X86_EFLAGS_RF |
                              X86_EFLAGS_VM);
    if (type == SYS_INT16 || type == SYS_INT32)
        st->rflags &= ~(uint64_t)X86_EFLAGS_IF;
    sys_stack_commit(emu, &s);
    sys_jump(emu, &cs, sys_gate_offset(gate));
    return true;
}

#define GATE_TYPES                                                             \
    (BIT(SYS_TASK_GATE) | BIT(SYS_INT16) | BIT(SYS_TRAP16) | BIT(SYS_INT32) |  \
     BIT(SYS_TRAP32))

static bool deliver_protected(struct emu *emu, const struct x86_event *ev)
{
    const struct x86_state *st = emu->st;
    uint32_t offset = ev->vector * 8u, error = sys_vector_error(ev->vector);
    struct sys_desc gate;
    uint32_t raw[2];

    if (offset + 7 > st->idt.limit)
        return emu_raise_err(emu, X86_GP, error);
    gate.gla = (uint32_t)st->idt.base + offset;
    if (!emu_read_sys(emu, gate.gla, raw, sizeof(raw)))
        return false;
    gate.lo = raw[0];
    gate.hi = raw[1];
    if (!(GATE_TYPES & BIT(sys_desc_type(&gate))))
        return emu_raise_err(emu, X86_GP, error);
    if (ev->soft && sys_desc_dpl(&gate) < x86_cpl(st))
        return emu_raise_err(emu, X86_GP, error);
    if (!sys_desc_present(&gate))
        return emu_raise_err(emu, X86_NP, error);
    if (sys_desc_type(&gate) == SYS_TASK_GATE)
        return deliver_task(emu, ev, &gate);
    return deliver_gate(emu, ev, &gate);
}

/* Does the error code hold a selector or vector, and so EXT? */
static bool has_ext(unsigned vector)
{
    return vector >= X86_TS && vector <= X86_GP;
}

/*
 * One attempt to deliver EV, without the rules of nested faults.  False:
 * emu->fault is what went wrong on the way.
 */
static bool deliver_once(struct emu *emu, const struct x86_event *ev)
{
    struct x86_state *st = emu->st;
    bool ok = !(st->cr0 & X86_CR0_PE) ? deliver_real(emu, ev)
              : sys_is_long(emu)      ? sys_long_deliver(emu, ev)
                                      : deliver_protected(emu, ev);

    if (!ok) {
        if (!ev->soft && has_ext(emu->fault.vector))
            emu->fault.error |= 1;
        return false;
    }
    st->sti_shadow = st->movss_shadow = false;
    st->activity = X86_ACTIVE;
    if (ev->external && ev->vector == X86_NMI)
        st->nmi_blocked = true;
    return true;
}

/* ---- a delivery with its accidents ------------------------------------- */

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

/* SDM vol. 3A table 6-4 */
static enum severity severity(const struct x86_event *ev)
{
    static const uint8_t table[] = {
        [X86_DE] = CONTRIBUTORY,   [X86_DF] = DOUBLE_FAULT,
        [X86_TS] = CONTRIBUTORY,   [X86_NP] = CONTRIBUTORY,
        [X86_SSEG] = CONTRIBUTORY, [X86_GP] = CONTRIBUTORY,
        [X86_PF] = PAGE_FAULT,
    };

    if (ev->external || ev->soft || ev->vector >= ARRAY_SIZE(table))
        return BENIGN;
    return table[ev->vector];
}

/*
 * FIRST was being delivered when SECOND happened.  *NEXT is what is delivered
 * now; false: nothing can be, the processor shuts down.  SDM vol. 3A table 6-5.
 */
static bool combine(const struct x86_event *first,
                    const struct x86_event *second, struct x86_event *next)
{
    enum severity a = severity(first), b = severity(second);

    *next = *second;
    if (a == DOUBLE_FAULT && b != BENIGN)
        return false;
    if ((a == CONTRIBUTORY && b == CONTRIBUTORY) ||
        (a == PAGE_FAULT && (b == CONTRIBUTORY || b == PAGE_FAULT)))
        *next = (struct x86_event){
            .valid = true, .vector = X86_DF, .has_error = true};
    return true;
}

/*
 * What the processor writes down before it looks at the IDT, and what a
 * debugger wants to know about the way to a triple fault.
 */
static void note_exception(struct emu *emu, const struct x86_event *ev)
{
    struct x86_state *st = emu->st;
    struct fault_cause *cause;

    if (ev->external || ev->soft)
        return;
    if (emu->causes == 0)
        emu->before_fault = *st;
    if (ev->vector == X86_PF)
        st->cr2 = emu->fault_cr2;
    if (ev->vector == X86_DB) {
        if (emu->fault_dr6)
            st->dr[6] = (st->dr[6] & ~0xfull) | emu->fault_dr6;
        st->dr[7] &= ~(uint64_t)BIT(13); /* GD: the handler may look */
    }
    if (emu->causes == ARRAY_SIZE(emu->cause))
        return;
    cause = &emu->cause[emu->causes++];
    cause->vector = ev->vector;
    cause->error = ev->error;
    cause->cr2 = st->cr2;
    cause->rip = st->rip;
}

static void report(struct emu *emu, const struct x86_event *ev,
                   enum vm_exit_kind kind, uint64_t rip)
{
    struct vm_exit e = {
        .kind = kind,
        .rip = rip,
        .icount = emu->vcpu->icount,
    };

    e.u.exception.vector = ev->vector;
    e.u.exception.has_error = ev->has_error;
    e.u.exception.error = ev->error;
    e.u.exception.cr2 = emu->st->cr2;
    vcpu_exit(emu->vcpu, &e);
}

bool emu_deliver(struct emu *emu, const struct x86_event *ev)
{
    struct x86_event now = *ev, next;
    uint64_t rip = emu->st->rip;
    struct vm_exit e = {.kind = VM_EXIT_TRIPLE_FAULT, .rip = rip};

    emu->causes = 0;
    note_exception(emu, &now);
    while (!deliver_once(emu, &now)) {
        note_exception(emu, &emu->fault);
        if (!combine(&now, &emu->fault, &next))
            goto shutdown;
        now = next;
    }
    report(emu, &now,
           now.external ? VM_EXIT_EXTINT
           : now.soft   ? VM_EXIT_SOFT_INT
                        : VM_EXIT_EXCEPTION,
           rip);
    return true;

shutdown:
    emu->st->activity = X86_SHUTDOWN;
    e.icount = emu->vcpu->icount;
    e.u.triple.causes = emu->causes;
    e.u.triple.cause = emu->cause;
    e.u.triple.before = emu->causes ? &emu->before_fault : NULL;
    vcpu_exit(emu->vcpu, &e);
    return false;
}

/* ---- INT n, INT3, INT1, INTO ------------------------------------------- */

/* Reported as KIND: INT3's #BP and INTO's #OF are exceptions, INT n is none. */
static bool software_interrupt(struct emu *emu, uint8_t vector,
                               enum vm_exit_kind kind)
{
    struct x86_event ev = {
        .valid = true,
        .vector = vector,
        .soft = true,
        .insn_len = emu->insn->length,
    };
    uint64_t rip = emu->st->rip;

    if (!deliver_once(emu, &ev))
        return false;
    report(emu, &ev, kind, rip);
    return true;
}

bool sys_int_n(struct emu *emu)
{
    if (sys_is_v86(emu) && !sys_need_iopl(emu)) /* INT3 and INTO may */
        return false;
    return software_interrupt(emu, (uint8_t)emu->op[0].imm.value.u,
                              VM_EXIT_SOFT_INT);
}

bool sys_int3(struct emu *emu)
{
    return software_interrupt(emu, X86_BP, VM_EXIT_EXCEPTION);
}

bool sys_into(struct emu *emu)
{
    if (!(emu->st->rflags & X86_EFLAGS_OF))
        return true;
    return software_interrupt(emu, X86_OF, VM_EXIT_EXCEPTION);
}

/* A privileged software exception: no gate's DPL is checked. */
bool sys_int1(struct emu *emu)
{
    struct x86_event ev = {
        .valid = true,
        .vector = X86_DB,
        .insn_len = emu->insn->length,
    };
    uint64_t rip = emu->st->rip;

    emu->fault_dr6 = 0;
    if (!deliver_once(emu, &ev))
        return false;
    emu->st->dr[7] &= ~(uint64_t)BIT(13);
    report(emu, &ev, VM_EXIT_EXCEPTION, rip);
    return true;
}
