/*
 * Descriptors and stacks: what segment loads, far transfers, interrupts and
 * task switches have in common.  SDM vol. 3A ch. 3 (descriptors), 5.8.5
 * (stack switching).
 */
#include "vmm/accel/emu/sys.h"

bool sys_desc_find(const struct emu *emu, uint16_t selector, uint64_t *gla)
{
    const struct x86_state *st = emu->st;
    uint32_t offset = selector & ~7u;

    *gla = sys_wrap(emu, (selector & 4 ? st->ldt.base : st->gdt.base) + offset);
    if (selector & 4)
        return (st->ldt.attr & X86_SEG_P) && offset + 7 <= st->ldt.limit;
    return offset + 7 <= st->gdt.limit;
}

bool sys_desc_get(struct emu *emu, uint16_t selector, enum x86_vector vector,
                  struct sys_desc *d)
{
    uint32_t raw[2];

    *d = (struct sys_desc){0};
    if (sys_is_null(selector))
        return emu_raise_err(emu, vector, 0);
    if (!sys_desc_find(emu, selector, &d->gla))
        return emu_raise_err(emu, vector, sys_selector_error(selector));
    if (!emu_read_sys(emu, d->gla, raw, sizeof(raw)))
        return false;
    d->lo = raw[0];
    d->hi = raw[1];
    return true;
}

bool sys_desc_upper(struct emu *emu, uint16_t selector,
                    const struct sys_desc *d, uint32_t upper[2])
{
    uint64_t gla;

    if (!sys_desc_find(emu, (uint16_t)(selector + 8), &gla) ||
        selector >= 0xfff8)
        return emu_raise_err(emu, X86_GP, sys_selector_error(selector));
    return emu_read_sys(emu, d->gla + 8, upper, 8);
}

bool sys_desc_get_global(struct emu *emu, uint16_t selector,
                         enum x86_vector vector, struct sys_desc *d)
{
    if (selector & 4)
        return emu_raise_err(emu, vector, sys_selector_error(selector));
    return sys_desc_get(emu, selector, vector, d);
}

/* The type byte alone is written: the rest may change under our hands. */
static bool write_type(struct emu *emu, struct sys_desc *d, uint32_t hi)
{
    uint8_t byte = (uint8_t)(hi >> 8);

    if (hi == d->hi)
        return true;
    if (!emu_write_sys(emu, d->gla + 5, &byte, 1))
        return false;
    d->hi = hi;
    return true;
}

bool sys_desc_touch(struct emu *emu, struct sys_desc *d)
{
    return write_type(emu, d, d->hi | X86_SEG_ACCESSED << 8);
}

bool sys_desc_set_busy(struct emu *emu, struct sys_desc *d, bool busy)
{
    uint32_t clear = d->hi & ~(SYS_TSS_BUSY << 8);

    return write_type(emu, d, busy ? clear | SYS_TSS_BUSY << 8 : clear);
}

struct x86_seg sys_desc_seg(uint16_t selector, const struct sys_desc *d)
{
    return x86_seg_decode(selector, (uint64_t)d->hi << 32 | d->lo);
}

/*
 * Real mode changes the base only; limit and size stay, which is what
 * "unreal mode" lives on.
 */
struct x86_seg sys_real_seg(const struct emu *emu, enum x86_sreg reg,
                            uint16_t selector, bool v86)
{
    struct x86_seg seg = emu->st->seg[reg];

    if (v86) {
        seg.limit = 0xffff;
        seg.attr = SYS_V86_ATTR;
    } else {
        if (!(seg.attr & X86_SEG_P)) /* was null in protected mode */
            seg.limit = 0xffff;
        seg.attr &= X86_SEG_G | X86_SEG_DB | X86_SEG_AVL;
        seg.attr |= X86_SEG_P | X86_SEG_S | X86_SEG_RW | X86_SEG_ACCESSED;
        if (reg == X86_CS)
            seg.attr |= X86_SEG_CODE;
    }
    seg.selector = selector;
    seg.base = (uint32_t)selector << 4;
    return seg;
}

/* VECTOR is #GP for instructions, #TS for stacks that come out of a TSS. */
bool sys_check_stack_segment(struct emu *emu, uint16_t selector, unsigned cpl,
                             enum x86_vector vector, struct x86_seg *seg)
{
    struct sys_desc d;

    if (!sys_desc_get(emu, selector, vector, &d))
        return false;
    if ((selector & 3) != cpl || !sys_desc_is_writable(&d) ||
        sys_desc_dpl(&d) != cpl)
        return emu_raise_err(emu, vector, sys_selector_error(selector));
    if (!sys_desc_present(&d))
        return emu_raise_err(emu, X86_SSEG, sys_selector_error(selector));
    if (!sys_desc_touch(emu, &d))
        return false;
    *seg = sys_desc_seg(selector, &d);
    return true;
}

void sys_drop_segments(struct emu *emu, unsigned cpl)
{
    static const enum x86_sreg regs[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    const unsigned conforming = X86_SEG_CODE | X86_SEG_EC;

    for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
        struct x86_seg *seg = &emu->st->seg[regs[i]];
        bool keeps = (seg->attr & conforming) == conforming ||
                     X86_SEG_DPL(seg->attr) >= cpl;

        if (!(seg->attr & X86_SEG_P) || !keeps)
            *seg = (struct x86_seg){.attr = X86_SEG_UNUSABLE};
    }
}

struct sys_stack sys_stack_current(const struct emu *emu)
{
    return (struct sys_stack){
        .ss = emu->st->seg[X86_SS],
        .sp = emu_sp(emu),
        .user = x86_cpl(emu->st) == 3,
    };
}

bool sys_stack_inner(struct emu *emu, unsigned cpl, struct sys_stack *s)
{
    const struct x86_seg *tr = &emu->st->tr;
    bool wide = tr->attr & SYS_TYPE_32;
    uint32_t offset = wide ? cpl * 8 + 4 : cpl * 4 + 2;
    uint32_t size = wide ? 6 : 4;
    uint8_t raw[6] = {0};
    uint16_t selector;

    if (offset + size - 1 > tr->limit)
        return emu_raise_err(emu, X86_TS, sys_selector_error(tr->selector));
    if (!emu_read_sys(emu, (uint32_t)tr->base + offset, raw, size))
        return false;
    selector = (uint16_t)(raw[size - 2] | raw[size - 1] << 8);
    *s = (struct sys_stack){
        .sp = (uint32_t)(raw[0] | raw[1] << 8),
        .error = sys_selector_error(selector),
    };
    if (wide)
        s->sp |= (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
    return sys_check_stack_segment(emu, selector, cpl, X86_TS, &s->ss);
}

/* Is [offset, offset + size) inside the segment?  SDM vol. 3A 5.3. */
static bool in_limit(const struct x86_seg *ss, uint32_t offset, unsigned size)
{
    uint64_t last = (uint64_t)offset + size - 1;
    bool code = ss->attr & X86_SEG_CODE;

    if (!code && (ss->attr & X86_SEG_EC))
        return offset > ss->limit &&
               last <= (ss->attr & X86_SEG_DB ? 0xffffffffu : 0xffffu);
    return last <= ss->limit;
}

static uint32_t sp_mask(const struct x86_seg *ss)
{
    return ss->attr & X86_SEG_DB ? 0xffffffffu : 0xffffu;
}

bool sys_stack_push(struct emu *emu, struct sys_stack *s, uint32_t value,
                    unsigned size)
{
    uint32_t sp = (s->sp - size) & sp_mask(&s->ss);

    if (!in_limit(&s->ss, sp, size))
        return emu_raise_err(emu, X86_SSEG, s->error);
    if (!emu_write_linear(emu, (uint32_t)s->ss.base + sp, &value, size,
                          s->user))
        return false;
    s->sp = sp;
    return true;
}

bool sys_stack_pop(struct emu *emu, struct sys_stack *s, uint32_t *value,
                   unsigned size)
{
    uint32_t sp = s->sp & sp_mask(&s->ss);

    *value = 0;
    if (!in_limit(&s->ss, sp, size))
        return emu_raise_err(emu, X86_SSEG, s->error);
    if (!emu_read_linear(emu, (uint32_t)s->ss.base + sp, value, size, s->user))
        return false;
    s->sp = (sp + size) & sp_mask(&s->ss);
    return true;
}

bool sys_stack_push_all(struct emu *emu, struct sys_stack *s,
                        const uint32_t *value, unsigned count, unsigned size)
{
    for (unsigned i = 0; i < count; i++)
        if (!sys_stack_push(emu, s, value[i], size))
            return false;
    return true;
}

bool sys_stack_pop_all(struct emu *emu, struct sys_stack *s, uint32_t *value,
                       unsigned count, unsigned size)
{
    for (unsigned i = 0; i < count; i++)
        if (!sys_stack_pop(emu, s, &value[i], size))
            return false;
    return true;
}

void sys_stack_commit(struct emu *emu, const struct sys_stack *s)
{
    emu->st->seg[X86_SS] = s->ss;
    emu_set_sp(emu, s->sp);
}

bool sys_check_eip(struct emu *emu, const struct x86_seg *cs, uint32_t eip)
{
    if (eip > cs->limit)
        return emu_raise_err(emu, X86_GP, 0);
    return true;
}

void sys_jump(struct emu *emu, const struct x86_seg *cs, uint64_t rip)
{
    emu->st->seg[X86_CS] = *cs;
    emu->st->rip = rip;
    emu->branched = true;
}

bool sys_need_cpl0(struct emu *emu)
{
    return x86_cpl(emu->st) == 0 || emu_raise_err(emu, X86_GP, 0);
}

bool sys_need_umip(struct emu *emu)
{
    return !(emu->st->cr4 & X86_CR4_UMIP) || sys_need_cpl0(emu);
}

bool sys_need_iopl(struct emu *emu)
{
    unsigned iopl = emu->st->rflags >> 12 & 3;

    return x86_cpl(emu->st) <= iopl || emu_raise_err(emu, X86_GP, 0);
}

bool sys_need_protected(struct emu *emu)
{
    return sys_is_protected(emu) || emu_raise(emu, X86_UD);
}

struct vm_exit sys_exit(const struct emu *emu, enum vm_exit_kind kind)
{
    return (struct vm_exit){
        .kind = kind,
        .rip = sys_wrap(emu, emu->next_rip - emu->insn->length),
        .icount = emu->vcpu->icount,
    };
}

void sys_report_reg(struct emu *emu, enum vm_exit_kind kind, unsigned reg,
                    bool write, uint64_t value)
{
    struct vm_exit e = sys_exit(emu, kind);

    e.u.reg.reg = (uint8_t)reg;
    e.u.reg.write = write;
    e.u.reg.value = value;
    vcpu_exit(emu->vcpu, &e);
}
