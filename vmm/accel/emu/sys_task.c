/*
 * Hardware task switches.  SDM vol. 3A ch. 7; the order of checks is table
 * 7-1's.  Everything that can fault before the switch is done first; later
 * faults (#TS, #NP, #SS, #PF) are the new task's.
 */
#include <string.h>

#include "vmm/accel/emu/sys.h"

/* The dynamic part of both formats of TSS. */
struct tss {
    uint32_t cr3, eip, eflags, gpr[8];
    uint16_t seg[X86_SREG_COUNT], ldt;
    bool trap;
};

/* SDM vol. 3A figures 7-2 and 7-10 */
struct tss_layout {
    uint8_t min_limit;
    uint8_t width; /* of a register */
    uint8_t eip, eflags, gpr, seg;
    uint8_t seg_step, segs, ldt;
};
static const struct tss_layout layouts[] = {
    {0x2b, 2, 0x0e, 0x10, 0x12, 0x22, 2, 4, 0x2a},
    {0x67, 4, 0x20, 0x24, 0x28, 0x48, 4, 6, 0x60},
};
#define TSS_LINK 0
#define TSS_CR3  0x1c
#define TSS_TRAP 0x64
#define TSS_MAX  0x68

static const struct tss_layout *layout_of(unsigned type)
{
    return &layouts[type & SYS_TYPE_32 ? 1 : 0];
}

static void put(uint8_t *raw, unsigned at, uint32_t value, unsigned size)
{
    memcpy(raw + at, &value, size);
}

static uint32_t get(const uint8_t *raw, unsigned at, unsigned size)
{
    uint32_t value = 0;

    memcpy(&value, raw + at, size);
    return value;
}

static void decode(const uint8_t *raw, const struct tss_layout *l,
                   struct tss *tss)
{
    memset(tss, 0, sizeof(*tss));
    tss->eip = get(raw, l->eip, l->width);
    tss->eflags = get(raw, l->eflags, l->width);
    for (unsigned i = 0; i < 8; i++) {
        tss->gpr[i] = get(raw, l->gpr + i * l->width, l->width);
        if (l->width == 2) /* SDM leaves the upper halves open: all ones */
            tss->gpr[i] |= 0xffff0000u;
    }
    for (unsigned i = 0; i < l->segs; i++)
        tss->seg[i] = (uint16_t)get(raw, l->seg + i * l->seg_step, 2);
    tss->ldt = (uint16_t)get(raw, l->ldt, 2);
    if (l->width == 4) {
        tss->cr3 = get(raw, TSS_CR3, 4);
        tss->trap = raw[TSS_TRAP] & 1;
    }
}

/* The outgoing task's registers into its TSS: one write, all or nothing. */
static bool save(struct emu *emu, const struct sys_task *task)
{
    const struct x86_state *st = emu->st;
    const struct tss_layout *l = layout_of(st->tr.attr);
    unsigned from = l->eip;
    unsigned to = l->seg + (unsigned)l->seg_step * l->segs;
    uint32_t gla = (uint32_t)st->tr.base, eflags = task->eflags;
    uint8_t raw[TSS_MAX];

    if (!emu_read_sys(emu, gla + from, raw + from, to - from))
        return false;
    if (task->how == SYS_TASK_IRET)
        eflags &= ~X86_EFLAGS_NT;
    put(raw, l->eip, task->eip, l->width);
    put(raw, l->eflags, eflags, l->width);
    for (unsigned i = 0; i < 8; i++)
        put(raw, l->gpr + i * l->width, (uint32_t)st->gpr[i], l->width);
    for (unsigned i = 0; i < l->segs; i++)
        put(raw, l->seg + i * l->seg_step, st->seg[i].selector, 2);
    return emu_write_sys(emu, gla + from, raw + from, to - from);
}

/* Memory is changed for good: TSSs, busy bits, back link. */
static bool leave_old(struct emu *emu, struct sys_task *task)
{
    struct sys_desc old;
    uint16_t link = emu->st->tr.selector;
    uint32_t new_base = sys_desc_seg(0, &task->tss).base & 0xffffffffu;

    if (!sys_desc_get_global(emu, link, X86_TS, &old))
        return false;
    if (!save(emu, task))
        return false;
    if (task->how == SYS_TASK_CALL &&
        !emu_write_sys(emu, new_base + TSS_LINK, &link, 2))
        return false;
    if (task->how != SYS_TASK_CALL && !sys_desc_set_busy(emu, &old, false))
        return false;
    return task->how == SYS_TASK_IRET ||
           sys_desc_set_busy(emu, &task->tss, true);
}

/* The registers that need no check; segments are unusable until loaded. */
static void load_registers(struct emu *emu, const struct sys_task *task,
                           const struct tss *tss)
{
    struct x86_state *st = emu->st;
    uint32_t eflags = tss->eflags & 0x277fd5u; /* VM, AC, ID too */

    st->tr = sys_desc_seg(task->selector, &task->tss);
    st->tr.attr |= SYS_TSS_BUSY;
    st->cr0 |= X86_CR0_TS;
    st->dr[7] &= ~(uint64_t)0x155; /* L0 to L3, LE */
    if (task->how == SYS_TASK_CALL)
        eflags |= X86_EFLAGS_NT;
    st->rflags = eflags | X86_EFLAGS_RES1;
    for (unsigned i = 0; i < 8; i++)
        st->gpr[i] = tss->gpr[i];
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        st->seg[i] = (struct x86_seg){.selector = tss->seg[i]};
    st->ldt = (struct x86_seg){.selector = tss->ldt};
    /* CPL is the new CS's RPL from here on. */
    st->seg[X86_SS].attr = (uint16_t)((tss->seg[X86_CS] & 3u) << 5);
    st->rip = tss->eip;
    emu->branched = true;
    st->sti_shadow = st->movss_shadow = false;
}

/* A 32-bit TSS brings its page tables, if paging is on. */
static bool load_cr3(struct emu *emu, uint32_t cr3)
{
    struct x86_state *st = emu->st;
    struct x86_phys phys = mem_phys(emu->vcpu->mem);

    if ((st->cr4 & X86_CR4_PAE) && !x86_load_pdptes(cr3, &phys, st->pdpte))
        return emu_raise_err(emu, X86_GP, 0);
    st->cr3 = cr3;
    emu_state_changed(emu);
    if (emu->hooks.tlb_flush)
        emu->hooks.tlb_flush(emu->hooks.opaque, false);
    return true;
}

static bool load_ldt(struct emu *emu, uint16_t selector)
{
    uint32_t error = sys_selector_error(selector);
    struct sys_desc d;

    if (sys_is_null(selector))
        return true;
    if (!sys_desc_get_global(emu, selector, X86_TS, &d))
        return false;
    if (sys_desc_type(&d) != SYS_LDT || !sys_desc_present(&d))
        return emu_raise_err(emu, X86_TS, error);
    emu->st->ldt = sys_desc_seg(selector, &d);
    return true;
}

static bool load_cs(struct emu *emu, uint16_t selector)
{
    uint32_t error = sys_selector_error(selector);
    unsigned rpl = selector & 3u;
    struct sys_desc d;

    if (!sys_desc_get(emu, selector, X86_TS, &d))
        return false;
    if (!sys_desc_is_code(&d) ||
        (sys_desc_is_conforming(&d) ? sys_desc_dpl(&d) > rpl
                                    : sys_desc_dpl(&d) != rpl))
        return emu_raise_err(emu, X86_TS, error);
    if (!sys_desc_present(&d))
        return emu_raise_err(emu, X86_NP, error);
    if (!sys_desc_touch(emu, &d))
        return false;
    emu->st->seg[X86_CS] = sys_desc_seg(selector, &d);
    return true;
}

static bool load_segments(struct emu *emu, const struct tss *tss)
{
    static const enum x86_sreg order[] = {X86_DS, X86_ES, X86_FS, X86_GS};
    unsigned cpl = tss->seg[X86_CS] & 3u;

    if (!load_cs(emu, tss->seg[X86_CS]) ||
        !sys_check_stack_segment(emu, tss->seg[X86_SS], cpl, X86_TS,
                                 &emu->st->seg[X86_SS]))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        if (sys_segment_load(emu, order[i], tss->seg[order[i]]))
            continue;
        if (emu->fault.vector == X86_GP) /* what is #GP elsewhere */
            emu->fault.vector = X86_TS;
        return false;
    }
    return true;
}

static bool enter_new(struct emu *emu, const struct sys_task *task,
                      const struct tss *tss)
{
    struct x86_state *st = emu->st;
    bool wide = sys_desc_type(&task->tss) & SYS_TYPE_32;

    load_registers(emu, task, tss);
    if (wide && (st->cr0 & X86_CR0_PG) && !load_cr3(emu, tss->cr3))
        return false;
    if (!load_ldt(emu, tss->ldt))
        return false;
    if (st->rflags & X86_EFLAGS_VM) {
        for (unsigned i = 0; i < X86_SREG_COUNT; i++)
            st->seg[i] = sys_real_seg(emu, i, tss->seg[i], true);
    } else if (!load_segments(emu, tss)) {
        return false;
    }
    return true;
}

/* The error code of the exception that went through a task gate. */
static bool push_error(struct emu *emu, const struct sys_task *task)
{
    struct sys_stack s = sys_stack_current(emu);
    bool wide = sys_desc_type(&task->tss) & SYS_TYPE_32;

    if (!sys_stack_push(emu, &s, task->error, wide ? 4 : 2))
        return false;
    sys_stack_commit(emu, &s);
    return true;
}

bool sys_task_switch(struct emu *emu, struct sys_task *task)
{
    const struct tss_layout *l = layout_of(sys_desc_type(&task->tss));
    struct x86_seg seg = sys_desc_seg(task->selector, &task->tss);
    uint8_t raw[TSS_MAX];
    struct tss tss;

    if (seg.limit < l->min_limit)
        return emu_raise_err(emu, X86_TS, sys_selector_error(task->selector));
    if (!emu_read_sys(emu, (uint32_t)seg.base, raw, l->min_limit + 1u) ||
        !leave_old(emu, task))
        return false;
    decode(raw, l, &tss);
    if (!enter_new(emu, task, &tss))
        return false;
    if (task->push_error && !push_error(emu, task))
        return false;
    if (!sys_check_eip(emu, &emu->st->seg[X86_CS], tss.eip))
        return false;
    sys_report_reg(emu, VM_EXIT_TASK_SWITCH, 0, true, task->selector);
    if (tss.trap) { /* a trap before the new task's first instruction */
        (void)emu_raise(emu, X86_DB);
        emu->fault_dr6 = BIT(15); /* BT */
        return false;
    }
    return true;
}

bool sys_task_gate(struct emu *emu, const struct sys_desc *gate,
                   struct sys_task *task)
{
    uint32_t error;
    unsigned type;

    task->selector = sys_gate_selector(gate);
    error = sys_selector_error(task->selector);
    if (!sys_desc_get_global(emu, task->selector, X86_GP, &task->tss))
        return false;
    type = sys_desc_type(&task->tss);
    if (type != SYS_TSS16 && type != SYS_TSS32)
        return emu_raise_err(emu, X86_GP, error);
    if (!sys_desc_present(&task->tss))
        return emu_raise_err(emu, X86_NP, error);
    return sys_task_switch(emu, task);
}

bool sys_task_return(struct emu *emu, uint32_t eip)
{
    struct sys_task task = {
        .how = SYS_TASK_IRET,
        .eip = eip,
        .eflags = (uint32_t)emu->st->rflags,
    };
    uint32_t error;
    unsigned type;

    if (!emu_read_sys(emu, (uint32_t)emu->st->tr.base + TSS_LINK,
                      &task.selector, 2))
        return false;
    error = sys_selector_error(task.selector);
    if (!sys_desc_get_global(emu, task.selector, X86_TS, &task.tss))
        return false;
    type = sys_desc_type(&task.tss);
    if (type != SYS_TSS16_BUSY && type != SYS_TSS32_BUSY)
        return emu_raise_err(emu, X86_TS, error);
    if (!sys_desc_present(&task.tss))
        return emu_raise_err(emu, X86_NP, error);
    if (!sys_task_switch(emu, &task))
        return false;
    emu->st->nmi_blocked = false;
    return true;
}
