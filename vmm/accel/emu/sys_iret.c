/*
 * IRET in all its forms, and EFLAGS as a whole.  SDM vol. 2A (IRET), vol. 2B
 * (POPF).
 */
#include "vmm/accel/emu/sys.h"

/* What any POPF or IRET may write, at the least privilege. */
#define FLAGS_FREE                                                             \
    (X86_EFLAGS_ARITH | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT |        \
     X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_ID)

/* RF is VALUE's: POPF's caller has cleared it. */
void sys_set_flags(struct emu *emu, uint32_t value, unsigned size)
{
    struct x86_state *st = emu->st;
    unsigned cpl = x86_cpl(st), iopl = st->rflags >> 12 & 3;
    uint32_t mask = FLAGS_FREE;

    if (cpl == 0)
        mask |= X86_EFLAGS_IOPL;
    if (cpl <= iopl)
        mask |= X86_EFLAGS_IF;
    if (size == 2)
        mask &= 0xffff;
    st->rflags = (st->rflags & ~(uint64_t)mask) | (value & mask);
}

struct frame {
    uint32_t eip, cs, eflags;
};

static void report(struct emu *emu)
{
    emu->st->nmi_blocked = false;
    sys_report_reg(emu, VM_EXIT_IRET, X86_CS, true,
                   emu->st->seg[X86_CS].selector);
}

/* Real mode, and V86 mode with IOPL 3: no change of mode. */
static bool iret_real(struct emu *emu, const struct frame *f,
                      const struct sys_stack *s, unsigned size)
{
    struct x86_seg cs =
        sys_real_seg(emu, X86_CS, (uint16_t)f->cs, sys_is_v86(emu));

    if (!sys_check_eip(emu, &cs, f->eip))
        return false;
    sys_stack_commit(emu, s);
    sys_set_flags(emu, f->eflags, size);
    sys_jump(emu, &cs, f->eip);
    report(emu);
    return true;
}

/* From CPL 0 into a V86 task. */
static bool iret_to_v86(struct emu *emu, const struct frame *f,
                        struct sys_stack *s)
{
    static const enum x86_sreg order[] = {X86_SS, X86_ES, X86_DS, X86_FS,
                                          X86_GS};
    const uint32_t mask =
        FLAGS_FREE | X86_EFLAGS_IF | X86_EFLAGS_IOPL | X86_EFLAGS_VM;
    struct x86_state *st = emu->st;
    uint32_t esp, selector[ARRAY_SIZE(order)];
    struct x86_seg cs = sys_real_seg(emu, X86_CS, (uint16_t)f->cs, true);

    if (!sys_stack_pop(emu, s, &esp, 4) ||
        !sys_stack_pop_all(emu, s, selector, ARRAY_SIZE(order), 4) ||
        !sys_check_eip(emu, &cs, f->eip))
        return false;
    st->rflags = (st->rflags & ~(uint64_t)mask) | (f->eflags & mask);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        st->seg[order[i]] =
            sys_real_seg(emu, order[i], (uint16_t)selector[i], true);
    st->gpr[X86_RSP] = esp;
    sys_jump(emu, &cs, f->eip);
    report(emu);
    return true;
}

static bool iret_protected(struct emu *emu, const struct frame *f,
                           struct sys_stack *s, unsigned size)
{
    unsigned cpl = x86_cpl(emu->st), rpl = f->cs & 3u;
    struct x86_seg cs;

    if (!sys_return_cs(emu, (uint16_t)f->cs, &cs))
        return false;
    if (rpl > cpl && !sys_return_stack(emu, s, rpl, 0, size))
        return false;
    if (!sys_check_eip(emu, &cs, f->eip))
        return false;
    sys_set_flags(emu, f->eflags, size); /* by the old CPL */
    sys_stack_commit(emu, s);
    sys_jump(emu, &cs, f->eip);
    if (rpl > cpl)
        sys_drop_segments(emu, rpl);
    report(emu);
    return true;
}

bool sys_iret(struct emu *emu)
{
    struct sys_stack s = sys_stack_current(emu);
    unsigned size = emu_opsize(emu);
    uint32_t raw[3];
    struct frame f;

    if (sys_is_v86(emu) && !sys_need_iopl(emu))
        return false;
    if (sys_is_protected(emu) && (emu->st->rflags & X86_EFLAGS_NT))
        return sys_task_return(emu, (uint32_t)emu->next_rip);
    if (!sys_stack_pop_all(emu, &s, raw, 3, size))
        return false;
    f = (struct frame){raw[0], raw[1], raw[2]};
    if (!sys_is_protected(emu))
        return iret_real(emu, &f, &s, size);
    if (size == 4 && (f.eflags & X86_EFLAGS_VM) && x86_cpl(emu->st) == 0)
        return iret_to_v86(emu, &f, &s);
    return iret_protected(emu, &f, &s, size);
}
