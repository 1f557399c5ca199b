/*
 * Segment registers, descriptor-table registers, and the instructions that
 * look at descriptors.  SDM vol. 2 (MOV, POP, LDS, LLDT, LTR, LAR, LSL, VERR,
 * ARPL, LGDT, SGDT), vol. 3A 5.5 to 5.7.  CS is sys_far.c's.
 */
#include <string.h>

#include "vmm/accel/emu/sys.h"

/* ---- loading DS, ES, FS, GS, SS ---------------------------------------- */

/* Data or readable code, privileged enough for CPL and RPL. */
static bool check_data_segment(struct emu *emu, uint16_t selector,
                               const struct sys_desc *d)
{
    unsigned type = sys_desc_type(d), dpl = sys_desc_dpl(d);
    bool readable =
        (type & X86_SEG_S) && (!(type & X86_SEG_CODE) || (type & X86_SEG_RW));

    if (!readable)
        return emu_raise_err(emu, X86_GP, sys_selector_error(selector));
    if (!sys_desc_is_conforming(d) &&
        ((selector & 3u) > dpl || x86_cpl(emu->st) > dpl))
        return emu_raise_err(emu, X86_GP, sys_selector_error(selector));
    if (!sys_desc_present(d))
        return emu_raise_err(emu, X86_NP, sys_selector_error(selector));
    return true;
}

/* 64-bit code below ring 3 may have no stack segment. */
static bool is_null_stack(const struct emu *emu, uint16_t selector)
{
    unsigned cpl = x86_cpl(emu->st);

    return emu_is_long64(emu->st) && sys_is_null(selector) && cpl < 3 &&
           (selector & 3u) == cpl;
}

/* AMD's processors keep the base, which 64-bit code uses all the same. */
static void load_null(const struct emu *emu, struct x86_seg *seg,
                      uint16_t selector)
{
    *seg = (struct x86_seg){
        .selector = selector,
        .attr = X86_SEG_UNUSABLE,
        .base = sys_is_long(emu) && emu->amd ? seg->base : 0,
    };
}

bool sys_segment_load(struct emu *emu, enum x86_sreg reg, uint16_t selector)
{
    struct x86_seg *seg = &emu->st->seg[reg];
    struct sys_desc d;

    assert(reg != X86_CS);
    if (!sys_is_protected(emu)) {
        *seg = sys_real_seg(emu, reg, selector, sys_is_v86(emu));
        return true;
    }
    if (reg == X86_SS && is_null_stack(emu, selector)) {
        *seg = sys_null_ss(selector & 3u);
        return true;
    }
    if (reg == X86_SS)
        return sys_check_stack_segment(emu, selector, x86_cpl(emu->st), X86_GP,
                                       seg);
    if (sys_is_null(selector)) {
        load_null(emu, seg, selector);
        return true;
    }
    if (!sys_desc_get(emu, selector, X86_GP, &d) ||
        !check_data_segment(emu, selector, &d) || !sys_desc_touch(emu, &d))
        return false;
    *seg = sys_desc_seg(selector, &d);
    return true;
}

bool sys_load_segment(struct emu *emu, enum x86_sreg reg, uint16_t selector)
{
    if (!sys_segment_load(emu, reg, selector))
        return false;
    sys_report_reg(emu, VM_EXIT_SEG_LOAD, reg, true, selector);
    return true;
}

/* Zydis numbers the segment registers as the encoding does. */
static enum x86_sreg sreg_of(ZydisRegister reg)
{
    assert(reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS);
    return (enum x86_sreg)(reg - ZYDIS_REGISTER_ES);
}

static bool is_sreg(const ZydisDecodedOperand *op)
{
    return op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           op->reg.value >= ZYDIS_REGISTER_ES &&
           op->reg.value <= ZYDIS_REGISTER_GS;
}

/* MOV Sreg, r/m16 */
static bool mov_to_sreg(struct emu *emu)
{
    enum x86_sreg reg = sreg_of(emu->op[0].reg.value);
    uint64_t value;

    if (!emu_get(emu, &emu->op[1], &value) ||
        !sys_load_segment(emu, reg, (uint16_t)value))
        return false;
    if (reg == X86_SS)
        emu->st->movss_shadow = true;
    return true;
}

bool sys_mov(struct emu *emu)
{
    if (is_sreg(&emu->op[0]))
        return mov_to_sreg(emu);
    if (is_sreg(&emu->op[1])) /* memory: 16 bits whatever the operand size */
        return emu_put(emu, &emu->op[0],
                       emu->st->seg[sreg_of(emu->op[1].reg.value)].selector);
    return sys_mov_system(emu);
}

/* LDS, LES, LFS, LGS, LSS */
bool sys_far_pointer(struct emu *emu, const ZydisDecodedOperand *mem,
                     unsigned size, uint64_t *offset, uint16_t *selector)
{
    uint8_t raw[10];

    if (!emu_read64(emu, sreg_of(mem->mem.segment), emu_ea64(emu, mem), raw,
                    size + 2))
        return false;
    *offset = 0;
    memcpy(offset, raw, size);
    memcpy(selector, raw + size, 2);
    return true;
}

bool sys_load_far_pointer(struct emu *emu)
{
    static const struct {
        ZydisMnemonic mnemonic;
        enum x86_sreg reg;
    } target[] = {
        {ZYDIS_MNEMONIC_LDS, X86_DS}, {ZYDIS_MNEMONIC_LES, X86_ES},
        {ZYDIS_MNEMONIC_LFS, X86_FS}, {ZYDIS_MNEMONIC_LGS, X86_GS},
        {ZYDIS_MNEMONIC_LSS, X86_SS},
    };
    const ZydisDecodedOperand *mem = &emu->op[1];
    unsigned size = sys_far_size(emu);
    uint64_t offset;
    uint16_t selector;

    if (!sys_far_pointer(emu, mem, size, &offset, &selector))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(target); i++)
        if (target[i].mnemonic == emu->insn->mnemonic)
            return sys_load_segment(emu, target[i].reg, selector) &&
                   emu_put(emu, &emu->op[0], offset);
    assert(!"a row of sys_insn.def without a register");
    return false;
}

/* ---- LDTR, TR ---------------------------------------------------------- */

/* The operand of LLDT and LTR, for ring 0 in protected mode. */
static bool get_selector(struct emu *emu, uint16_t *selector)
{
    uint64_t value;

    if (!sys_need_protected(emu) || !sys_need_cpl0(emu) ||
        !emu_get(emu, &emu->op[0], &value))
        return false;
    *selector = (uint16_t)value;
    return true;
}

/*
 * The present descriptor of SELECTOR in the GDT, of one of TYPES, as a register
 * holds it.  In long mode it has 16 bytes, with the base's upper half.
 */
static bool get_system_desc(struct emu *emu, uint16_t selector, uint32_t types,
                            struct sys_desc *d, struct x86_seg *seg)
{
    uint32_t error = sys_selector_error(selector), upper[2] = {0, 0};

    if (!sys_desc_get_global(emu, selector, X86_GP, d))
        return false;
    if (sys_is_long(emu) && !sys_desc_upper(emu, selector, d, upper))
        return false;
    if (!(BIT(sys_desc_type(d)) & types) || (upper[1] >> 8 & 0x1f))
        return emu_raise_err(emu, X86_GP, error);
    if (!sys_desc_present(d))
        return emu_raise_err(emu, X86_NP, error);
    *seg = sys_desc_seg(selector, d);
    seg->base |= (uint64_t)upper[0] << 32;
    return !sys_is_long(emu) || x86_is_canonical(emu->st, seg->base) ||
           emu_raise_err(emu, X86_GP, error);
}

bool sys_lldt(struct emu *emu)
{
    struct x86_seg seg = {0};
    struct sys_desc d;
    uint16_t selector;

    if (!get_selector(emu, &selector))
        return false;
    seg.selector = selector;
    if (!sys_is_null(selector) &&
        !get_system_desc(emu, selector, BIT(SYS_LDT), &d, &seg))
        return false;
    emu->st->ldt = seg;
    sys_report_reg(emu, VM_EXIT_LDT_TR, 0, true, selector);
    return true;
}

bool sys_ltr(struct emu *emu)
{
    uint32_t types = BIT(SYS_TSS32) | (sys_is_long(emu) ? 0 : BIT(SYS_TSS16));
    struct x86_seg seg = {0};
    struct sys_desc d;
    uint16_t selector;

    if (!get_selector(emu, &selector) ||
        !get_system_desc(emu, selector, types, &d, &seg) ||
        !sys_desc_set_busy(emu, &d, true))
        return false;
    seg.attr |= SYS_TSS_BUSY;
    emu->st->tr = seg;
    sys_report_reg(emu, VM_EXIT_LDT_TR, 1, true, selector);
    return true;
}

static bool store_selector(struct emu *emu, unsigned reg,
                           const struct x86_seg *seg)
{
    if (!sys_need_protected(emu) || !sys_need_umip(emu) ||
        !emu_put(emu, &emu->op[0], seg->selector))
        return false;
    sys_report_reg(emu, VM_EXIT_LDT_TR, reg, false, seg->selector);
    return true;
}

bool sys_sldt(struct emu *emu)
{
    return store_selector(emu, 0, &emu->st->ldt);
}

bool sys_str(struct emu *emu)
{
    return store_selector(emu, 1, &emu->st->tr);
}

/* ---- GDTR, IDTR -------------------------------------------------------- */

/* Limit and base: ten bytes in 64-bit code. */
static unsigned table_size(const struct emu *emu)
{
    return emu_is_long64(emu->st) ? 10 : 6;
}

static bool load_table(struct emu *emu, unsigned reg, struct x86_table *table)
{
    const ZydisDecodedOperand *mem = &emu->op[0];
    unsigned size = table_size(emu);
    uint64_t base = 0;
    uint8_t raw[10];

    if (!sys_need_cpl0(emu) || !emu_read64(emu, sreg_of(mem->mem.segment),
                                           emu_ea64(emu, mem), raw, size))
        return false;
    memcpy(&base, raw + 2, size - 2);
    if (size == 10 && !x86_is_canonical(emu->st, base))
        return emu_raise_err(emu, X86_GP, 0);
    memcpy(&table->limit, raw, 2);
    table->base = size == 6 && emu_opsize(emu) == 2 ? base & 0xffffff : base;
    sys_report_reg(emu, VM_EXIT_DTABLE, reg, true, table->base);
    return true;
}

/* All bits of the base, whatever the operand size (SDM: "Operation"). */
static bool store_table(struct emu *emu, unsigned reg,
                        const struct x86_table *table)
{
    const ZydisDecodedOperand *mem = &emu->op[0];
    unsigned size = table_size(emu);
    uint8_t raw[10];

    memcpy(raw, &table->limit, 2);
    memcpy(raw + 2, &table->base, 8);
    if (!sys_need_umip(emu) || !emu_write64(emu, sreg_of(mem->mem.segment),
                                            emu_ea64(emu, mem), raw, size))
        return false;
    sys_report_reg(emu, VM_EXIT_DTABLE, reg, false, table->base);
    return true;
}

bool sys_lgdt(struct emu *emu)
{
    return load_table(emu, 0, &emu->st->gdt);
}

bool sys_lidt(struct emu *emu)
{
    return load_table(emu, 1, &emu->st->idt);
}

bool sys_sgdt(struct emu *emu)
{
    return store_table(emu, 0, &emu->st->gdt);
}

bool sys_sidt(struct emu *emu)
{
    return store_table(emu, 1, &emu->st->idt);
}

/* ---- LAR, LSL, VERR, VERW, ARPL: answers in ZF, no faults -------------- */

static void set_zf(struct emu *emu, bool zf)
{
    emu->st->rflags &= ~(uint64_t)X86_EFLAGS_ZF;
    if (zf)
        emu->st->rflags |= X86_EFLAGS_ZF;
}

/*
 * The descriptor OP names, if it can be seen from CPL and RPL.  *SEEN is the
 * answer; false: a fault.
 */
static bool look_up(struct emu *emu, const ZydisDecodedOperand *op,
                    struct sys_desc *d, bool *seen)
{
    uint64_t value;
    uint16_t selector;
    uint32_t raw[2];

    *seen = false;
    if (!sys_need_protected(emu) || !emu_get(emu, op, &value))
        return false;
    selector = (uint16_t)value;
    if (sys_is_null(selector) || !sys_desc_find(emu, selector, &d->gla))
        return true;
    if (!emu_read_sys(emu, d->gla, raw, sizeof(raw)))
        return false;
    d->lo = raw[0];
    d->hi = raw[1];
    *seen = sys_desc_is_conforming(d) || (sys_desc_dpl(d) >= x86_cpl(emu->st) &&
                                          sys_desc_dpl(d) >= (selector & 3u));
    return true;
}

/* One bit per type that LAR or LSL accept; S = 1 types are all accepted. */
#define LSL_TYPES                                                              \
    (BIT(SYS_TSS16) | BIT(SYS_LDT) | BIT(SYS_TSS16_BUSY) | BIT(SYS_TSS32) |    \
     BIT(SYS_TSS32_BUSY) | 0xffff0000u)
#define LAR_TYPES                                                              \
    (LSL_TYPES | BIT(SYS_CALL16) | BIT(SYS_TASK_GATE) | BIT(SYS_CALL32))
/* Long mode has no 16-bit ones, and no tasks. */
#define LONG_TYPES                                                             \
    ~(BIT(SYS_TSS16) | BIT(SYS_TSS16_BUSY) | BIT(SYS_CALL16) |                 \
      BIT(SYS_TASK_GATE))

/* Is D of one of TYPES? */
static bool is_of(const struct emu *emu, const struct sys_desc *d,
                  uint32_t types)
{
    return BIT(sys_desc_type(d)) & types &
           (sys_is_long(emu) ? LONG_TYPES : ~0u);
}

bool sys_lar(struct emu *emu)
{
    struct sys_desc d;
    bool seen;

    if (!look_up(emu, &emu->op[1], &d, &seen))
        return false;
    seen = seen && is_of(emu, &d, LAR_TYPES);
    if (seen && !emu_put(emu, &emu->op[0],
                         d.hi & (emu_opsize(emu) == 2 ? 0xff00u : 0xf0ff00u)))
        return false;
    set_zf(emu, seen);
    return true;
}

bool sys_lsl(struct emu *emu)
{
    struct sys_desc d;
    bool seen;

    if (!look_up(emu, &emu->op[1], &d, &seen))
        return false;
    seen = seen && is_of(emu, &d, LSL_TYPES);
    if (seen && !emu_put(emu, &emu->op[0], sys_desc_seg(0, &d).limit))
        return false;
    set_zf(emu, seen);
    return true;
}

bool sys_verr(struct emu *emu)
{
    struct sys_desc d;
    bool seen;
    unsigned type;

    if (!look_up(emu, &emu->op[0], &d, &seen))
        return false;
    type = seen ? sys_desc_type(&d) : 0;
    set_zf(emu, (type & X86_SEG_S) &&
                    (!(type & X86_SEG_CODE) || (type & X86_SEG_RW)));
    return true;
}

bool sys_verw(struct emu *emu)
{
    struct sys_desc d;
    bool seen;

    if (!look_up(emu, &emu->op[0], &d, &seen))
        return false;
    set_zf(emu, seen && sys_desc_is_writable(&d));
    return true;
}

bool sys_arpl(struct emu *emu)
{
    uint64_t dst, src;
    bool raise;

    if (!sys_need_protected(emu) || !emu_get(emu, &emu->op[0], &dst) ||
        !emu_get(emu, &emu->op[1], &src))
        return false;
    raise = (dst & 3) < (src & 3);
    if (raise && !emu_put(emu, &emu->op[0], (dst & ~3ull) | (src & 3)))
        return false;
    set_zf(emu, raise);
    return true;
}
