/*
 * Where a guest's memory operand is for the host.  In a flat mode the offset
 * is the address; in a checked one (mode.c)
 *
 *     lea r11d, [offset]; movzx r11d, r11w        16-bit addresses wrap
 *     mov r10, [limit of the segment]
 *     movzx r10d, byte [r10 + r11 + size - 1]     faults beyond the limit
 *     mov r10d, [base of the segment]
 *     ... gs:[r10d + r11d] ...
 *
 * For the stack R9 takes R11's place, so that R11 may hold a value.
 */
#include "vmm/accel/bt/xlat.h"

/* Displacements that cannot leave the window's guards. */
#define BARE_DISP 0x10000

int xlat_register(ZydisRegister reg)
{
    int id = ZydisRegisterGetId(reg);

    return reg == ZYDIS_REGISTER_NONE ? HOST_NONE : (int)xlat_gpr((unsigned)id);
}

const ZydisDecodedOperand *xlat_memory_operand(const struct xlat *x)
{
    for (unsigned i = 0; i < x->insn.operand_count_visible; i++)
        if (x->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return &x->op[i];
    return NULL;
}

void xlat_zero_extend(struct xlat *x, unsigned reg)
{
    emit_rm(&x->e, 0x0fb7, reg, reg);
}

void xlat_offset(struct xlat *x, const ZydisDecodedOperand *op, int extra)
{
    struct emit_mem m = {.base = xlat_register(op->mem.base),
                         .index = xlat_register(op->mem.index),
                         .scale = op->mem.scale,
                         .disp = extra};
    uint32_t mask = x->insn.address_width == 16 ? 0xffffu : 0xffffffffu;

    if (op->mem.disp.has_displacement)
        m.disp = (int32_t)((uint32_t)op->mem.disp.value + (uint32_t)extra);
    if (m.base == HOST_NONE && m.index == HOST_NONE) {
        emit_rm(&x->e, 0xc7, 0, HOST_R11);
        emit_u32(&x->e, (uint32_t)m.disp & mask);
        return;
    }
    emit_load(&x->e, 0x8d, HOST_R11, m);
    if (x->insn.address_width == 16)
        xlat_zero_extend(x, HOST_R11);
}

/* ---- checked modes ------------------------------------------------------ */

void xlat_check_limit(struct xlat *x, unsigned seg, bool write,
                      enum host_reg offset, unsigned size)
{
    int limits = write ? BT_CPU_WRITE_LIMIT : BT_CPU_READ_LIMIT;
    struct emit_mem last = {.base = HOST_R10,
                            .index = (int)offset,
                            .scale = 1,
                            .disp = (int)size - 1};

    assert(size > 0 && size <= XLAT_SIZE_MAX);
    emit_load64(&x->e, 0x8b, HOST_R10,
                xlat_context(limits + (int)(seg * sizeof(uint64_t))));
    emit_load(&x->e, 0x0fb6, HOST_R10, last);
}

/* Offset OFFSET in SEG; R10 is its base. */
static struct emit_mem based(struct xlat *x, unsigned seg, enum host_reg offset)
{
    emit_load(&x->e, 0x8b, HOST_R10, xlat_segment_base(seg));
    return (struct emit_mem){
        .base = HOST_R10, .index = (int)offset, .scale = 1, .gs = true};
}

static bool checked_memory(struct xlat *x, const ZydisDecodedOperand *op,
                           int extra, struct emit_mem *out)
{
    unsigned seg = (unsigned)(op->mem.segment - ZYDIS_REGISTER_ES);
    unsigned size = op->size / 8;

    if (size == 0 || size > XLAT_SIZE_MAX)
        return false;
    xlat_offset(x, op, extra);
    xlat_check_limit(x, seg, op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE,
                     HOST_R11, size);
    *out = based(x, seg, HOST_R11);
    x->why = BT_REASON_SEGMENT;
    return true;
}

/* ---- flat modes --------------------------------------------------------- */

/* R11D = FS or GS base + the operand's offset. */
static void add_segment_base(struct xlat *x, bool gs, struct emit_mem *m)
{
    struct emit_mem base = xlat_context(gs ? BT_CPU_GS_BASE : BT_CPU_FS_BASE);

    emit_load64(&x->e, 0x8b, HOST_R10, base);
    emit_load(&x->e, 0x8b, HOST_R10, xlat_at(HOST_R10, 0));
    if (m->base != HOST_NONE && m->index != HOST_NONE) {
        emit_load(&x->e, 0x8d, HOST_R11, *m);
        *m = xlat_at(HOST_R11, 0);
    }
    if (m->index == HOST_NONE) { /* R10 + base + disp */
        m->index = m->base;
        m->scale = 1;
    }
    m->base = HOST_R10;
    emit_load(&x->e, 0x8d, HOST_R11, *m);
    *m = xlat_at(HOST_R11, 0);
    x->why = BT_REASON_SEGMENT;
}

bool xlat_memory(struct xlat *x, const ZydisDecodedOperand *op, int extra,
                 bool bare, struct emit_mem *out)
{
    ZydisRegister seg = op->mem.segment;
    struct emit_mem m = {.base = xlat_register(op->mem.base),
                         .index = xlat_register(op->mem.index),
                         .scale = op->mem.scale};

    if (x->mode.flags & BT_MODE_CHECKED)
        return checked_memory(x, op, extra, out);
    if (seg == ZYDIS_REGISTER_CS)
        return false;
    if (op->mem.disp.has_displacement)
        m.disp = (int32_t)(uint32_t)op->mem.disp.value;
    m.disp = (int32_t)((uint32_t)m.disp + (uint32_t)extra);
    x->why = BT_REASON_MEMORY;
    if (x->insn.address_width == 16) {
        xlat_offset(x, op, extra);
        m = xlat_at(HOST_R11, 0);
    }
    if (seg == ZYDIS_REGISTER_FS || seg == ZYDIS_REGISTER_GS) {
        add_segment_base(x, seg == ZYDIS_REGISTER_GS, &m);
    } else if (bare && x->insn.address_width == 32 && m.base != HOST_NONE &&
               m.index == HOST_NONE && m.disp >= -BARE_DISP &&
               m.disp <= BARE_DISP) {
        m.index = m.base;
        m.base = HOST_R14;
        m.scale = 1;
        *out = m;
        return true;
    }
    m.gs = true;
    *out = m;
    return true;
}

/* ---- the stack ---------------------------------------------------------- */

static void stack_offset(struct xlat *x, unsigned reg, int disp)
{
    xlat_lea(x, HOST_R9, reg, disp);
    if (x->mode.flags & BT_MODE_STACK16)
        xlat_zero_extend(x, HOST_R9);
}

struct emit_mem xlat_stack(struct xlat *x, unsigned reg, int disp,
                           unsigned size, bool write)
{
    if (!(x->mode.flags & BT_MODE_CHECKED))
        return (struct emit_mem){
            .base = HOST_R14, .index = (int)reg, .scale = 1, .disp = disp};
    stack_offset(x, reg, disp);
    xlat_check_limit(x, X86_SS, write, HOST_R9, size);
    return based(x, X86_SS, HOST_R9);
}

void xlat_set_esp(struct xlat *x, unsigned reg, int disp)
{
    if (!(x->mode.flags & BT_MODE_STACK16)) {
        xlat_lea(x, HOST_R12, reg, disp);
        return;
    }
    xlat_lea(x, HOST_R9, reg, disp);
    xlat_move(x, 2, HOST_R12, HOST_R9);
}

/* ---- operands of 2 or 4 bytes ------------------------------------------- */

void xlat_move(struct xlat *x, unsigned size, unsigned to, unsigned from)
{
    if (size == 2)
        emit_byte(&x->e, 0x66);
    emit_rm(&x->e, 0x8b, to, from);
}

void xlat_load(struct xlat *x, unsigned size, unsigned reg, struct emit_mem mem)
{
    emit_load(&x->e, size == 2 ? 0x0fb7 : 0x8b, reg, mem);
}

void xlat_store(struct xlat *x, unsigned size, unsigned reg,
                struct emit_mem mem)
{
    if (size == 2)
        emit_byte(&x->e, 0x66);
    emit_load(&x->e, 0x89, reg, mem);
}

void xlat_store_imm(struct xlat *x, unsigned size, uint32_t value,
                    struct emit_mem mem)
{
    if (size == 2)
        emit_byte(&x->e, 0x66);
    emit_load(&x->e, 0xc7, 0, mem);
    emit_bytes(&x->e, &value, size);
}

bool xlat_load_r11(struct xlat *x, const ZydisDecodedOperand *op)
{
    unsigned size = x->insn.operand_width / 8;
    struct emit_mem mem;

    if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        emit_rm(&x->e, size == 2 ? 0x0fb7 : 0x8b, HOST_R11,
                (unsigned)xlat_register(op->reg.value));
        return true;
    }
    if (op->type != ZYDIS_OPERAND_TYPE_MEMORY ||
        !xlat_memory(x, op, 0, true, &mem))
        return false;
    xlat_load(x, size, HOST_R11, mem);
    return true;
}
