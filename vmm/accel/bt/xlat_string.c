/*
 * MOVS, STOS, LODS, SCAS, CMPS by the host's own, with RSI and RDI as pointers
 * into the window.  Its base has no low bits, and its guards stop what runs
 * over the edge.
 *
 * In flat modes the registers are cut back to 32 bits behind the instruction;
 * when it faults, native.c does that, and what was repeated goes on from
 * there.  Elsewhere R8 and R9 keep ESI and EDI until then; a fault undoes all,
 * and a repeated one, which may wrap within its segment, is a call-out.
 */
#include "vmm/accel/bt/xlat.h"

/* The memory operand whose pointer is ESI or EDI; NULL: there is none. */
static const ZydisDecodedOperand *pointer(const struct xlat *x, unsigned reg)
{
    for (unsigned i = 0; i < x->insn.operand_count; i++)
        if (x->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            ZydisRegisterGetId(x->op[i].mem.base) == (ZyanI8)reg)
            return &x->op[i];
    return NULL;
}

static uint8_t repeat_prefix(const struct xlat *x)
{
    uint8_t repeat = 0;

    for (unsigned i = 0; i < x->insn.raw.prefix_count; i++) {
        uint8_t p = x->insn.raw.prefixes[i].value;
        repeat = p == 0xf2 || p == 0xf3 ? p : repeat;
    }
    return repeat;
}

static void window_pointer(struct xlat *x, enum host_reg reg)
{
    struct emit_mem m = {
        .base = HOST_R14, .index = (int)reg, .scale = 1, .disp = 0};

    emit_load64(&x->e, 0x8d, reg, m);
}

static void host_instruction(struct xlat *x, uint8_t repeat)
{
    if (x->insn.operand_width == 16)
        emit_byte(&x->e, 0x66);
    if (repeat)
        emit_byte(&x->e, repeat);
    emit_byte(&x->e, x->insn.opcode);
    x->why = BT_REASON_STRING;
}

/* ---- checked modes ------------------------------------------------------ */

static unsigned segment_of(const ZydisDecodedOperand *op)
{
    return (unsigned)(op->mem.segment - ZYDIS_REGISTER_ES);
}

static void offset_to_r11(struct xlat *x, enum host_reg reg)
{
    emit_rm(&x->e, x->insn.address_width == 16 ? 0x0fb7 : 0x8b, HOST_R11, reg);
}

static void check(struct xlat *x, const ZydisDecodedOperand *op,
                  enum host_reg reg)
{
    if (!op)
        return;
    offset_to_r11(x, reg);
    xlat_check_limit(x, segment_of(op),
                     op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE, HOST_R11,
                     x->insn.operand_width / 8u);
}

/* REG, which is kept in SAVED, becomes the linear address. */
static void to_linear(struct xlat *x, const ZydisDecodedOperand *op,
                      enum host_reg reg, enum host_reg saved)
{
    struct emit_mem sum = {
        .base = HOST_R10, .index = HOST_R11, .scale = 1, .disp = 0};

    if (!op)
        return;
    emit_rm(&x->e, 0x8b, saved, reg);
    offset_to_r11(x, reg);
    emit_load(&x->e, 0x8b, HOST_R10, xlat_segment_base(segment_of(op)));
    emit_load(&x->e, 0x8d, reg, sum);
}

/* Back: the pointer - base, cut to 32 or, into what was SAVED, 16 bits. */
static void to_offset(struct xlat *x, const ZydisDecodedOperand *op,
                      enum host_reg reg, enum host_reg saved)
{
    struct emit_mem difference = {
        .base = (int)reg, .index = HOST_R10, .scale = 1, .disp = 1};

    if (!op)
        return;
    emit_load(&x->e, 0x8b, HOST_R10, xlat_segment_base(segment_of(op)));
    emit_rm(&x->e, 0xf7, 2, HOST_R10); /* not r10d: -base - 1 */
    emit_load(&x->e, 0x8d, HOST_R11, difference);
    if (x->insn.address_width == 16) {
        xlat_move(x, 2, saved, HOST_R11);
        xlat_move(x, 4, reg, saved);
    } else {
        xlat_move(x, 4, reg, HOST_R11);
    }
}

static enum xlat_flow checked_string(struct xlat *x)
{
    const ZydisDecodedOperand *si = pointer(x, X86_RSI);
    const ZydisDecodedOperand *di = pointer(x, X86_RDI);

    check(x, si, HOST_RSI);
    check(x, di, HOST_RDI);
    to_linear(x, si, HOST_RSI, HOST_R8);
    to_linear(x, di, HOST_RDI, HOST_R9);
    if (si)
        window_pointer(x, HOST_RSI);
    if (di)
        window_pointer(x, HOST_RDI);
    host_instruction(x, 0);
    to_offset(x, si, HOST_RSI, HOST_R8);
    to_offset(x, di, HOST_RDI, HOST_R9);
    x->undo = (si ? BT_UNDO_RSI : 0) | (di ? BT_UNDO_RDI : 0);
    return XLAT_NEXT;
}

/* ---- flat modes --------------------------------------------------------- */

static bool is_flat(const ZydisDecodedOperand *op)
{
    return !op || op->mem.segment == ZYDIS_REGISTER_DS ||
           op->mem.segment == ZYDIS_REGISTER_ES ||
           op->mem.segment == ZYDIS_REGISTER_SS;
}

enum xlat_flow xlat_string(struct xlat *x)
{
    const ZydisDecodedOperand *si = pointer(x, X86_RSI);
    const ZydisDecodedOperand *di = pointer(x, X86_RDI);
    uint8_t repeat = repeat_prefix(x);

    if (x->insn.meta.category != ZYDIS_CATEGORY_STRINGOP)
        return xlat_fpu(x);
    if (x->mode.flags & BT_MODE_CHECKED)
        return repeat ? XLAT_CALLOUT : checked_string(x);
    if (x->insn.address_width != 32 || !is_flat(si))
        return XLAT_CALLOUT;
    if (si)
        window_pointer(x, HOST_RSI);
    if (di)
        window_pointer(x, HOST_RDI);
    host_instruction(x, repeat);
    if (si)
        xlat_move(x, 4, HOST_RSI, HOST_RSI);
    if (di)
        xlat_move(x, 4, HOST_RDI, HOST_RDI);
    return XLAT_NEXT;
}
