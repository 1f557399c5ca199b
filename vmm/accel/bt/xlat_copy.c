/*
 * Innocuous instructions: the host executes the very same one, with ESP in
 * R12 and its memory operand in the window.
 */
#include "vmm/accel/bt/xlat.h"

#define FPU_CHECK_X87 0u
#define FPU_CHECK_SSE 1u

/* ---- the instruction again ---------------------------------------------- */

static bool is_high_byte(ZydisRegister reg)
{
    return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

static bool is_esp(ZydisRegister reg)
{
    return reg == ZYDIS_REGISTER_ESP || reg == ZYDIS_REGISTER_SP;
}

/* In 16-bit code: does the operand size depend on 66h, and is it 16? */
static bool has_16_bits(const struct xlat *x)
{
    return x->insn.operand_width == 16 &&
           x->insn.meta.isa_ext == ZYDIS_ISA_EXT_BASE &&
           x->insn.mnemonic != ZYDIS_MNEMONIC_CMPXCHG8B;
}

/* Prefixes that matter, in the guest's order. */
static void copy_prefixes(const struct xlat *x, struct emit_insn *in)
{
    bool code16 = x->mode.flags & BT_MODE_CODE16;

    if (code16 && has_16_bits(x))
        in->prefix[in->prefixes++] = 0x66;
    for (unsigned i = 0; i < x->insn.raw.prefix_count; i++) {
        uint8_t value = x->insn.raw.prefixes[i].value;
        bool lock =
            value == 0xf0 && (x->insn.attributes & ZYDIS_ATTRIB_HAS_LOCK);
        bool means = (value == 0x66 || value == 0xf2 || value == 0xf3) &&
                     x->insn.raw.prefixes[i].type != ZYDIS_PREFIX_TYPE_IGNORED;
        if ((value == 0xf2 || value == 0xf3) &&
            x->insn.raw.prefixes[i].type != ZYDIS_PREFIX_TYPE_MANDATORY)
            means = false; /* XACQUIRE, BND: nothing on this processor */
        if (value == 0x66 && code16 &&
            x->insn.raw.prefixes[i].type != ZYDIS_PREFIX_TYPE_MANDATORY)
            means = false;
        if ((lock || means) && in->prefixes < sizeof(in->prefix))
            in->prefix[in->prefixes++] = value;
    }
}

static bool copy_opcode(const struct xlat *x, struct emit_insn *in)
{
    const uint8_t *p = x->code + x->insn.raw.prefix_count;

    switch (x->insn.opcode_map) {
    case ZYDIS_OPCODE_MAP_DEFAULT:
        in->opcodes = 1;
        break;
    case ZYDIS_OPCODE_MAP_0F:
        in->opcodes = 2;
        break;
    default:
        return false;
    }
    for (unsigned i = 0; i < in->opcodes; i++)
        in->opcode[i] = p[i];
    return true;
}

/* Registers named by the ModRM byte or the opcode.  False: not a GPR op. */
static bool copy_registers(const struct xlat *x, struct emit_insn *in)
{
    for (unsigned i = 0; i < x->insn.operand_count; i++) {
        const ZydisDecodedOperand *op = &x->op[i];
        ZydisRegisterClass class;
        if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        class = ZydisRegisterGetClass(op->reg.value);
        if (class == ZYDIS_REGCLASS_SEGMENT ||
            class == ZYDIS_REGCLASS_CONTROL || class == ZYDIS_REGCLASS_DEBUG)
            return false;
        in->no_rex |=
            i < x->insn.operand_count_visible && is_high_byte(op->reg.value);
        if (!is_esp(op->reg.value))
            continue;
        if (op->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
            in->reg = HOST_R12;
        else
            in->rm = HOST_R12;
    }
    return true;
}

/* Encodings that 64-bit mode has no longer, or that mean something else. */
static void modernise(const struct xlat *x, struct emit_insn *in)
{
    uint8_t op = in->opcode[0];

    if (in->opcodes != 1)
        return;
    if (op >= 0x40 && op <= 0x4f) { /* INC, DEC: now REX */
        in->opcode[0] = 0xff;
        in->modrm = true;
        in->reg = op >= 0x48;
        in->rm = (uint8_t)xlat_gpr(op & 7);
    } else if (op >= 0xa0 && op <= 0xa3) { /* moffs: 64-bit addresses */
        in->opcode[0] = (uint8_t)((op & 1 ? 0x89 : 0x88) ^ (op < 0xa2 ? 2 : 0));
        in->modrm = true;
        in->reg = HOST_RAX;
    } else if (op == 0x82) {
        in->opcode[0] = 0x80;
    }
    (void)x;
}

/* A bit string: the operand's size says nothing of where it is. */
static bool is_bit_string(const struct xlat *x)
{
    ZydisMnemonic m = x->insn.mnemonic;

    return (m == ZYDIS_MNEMONIC_BT || m == ZYDIS_MNEMONIC_BTS ||
            m == ZYDIS_MNEMONIC_BTR || m == ZYDIS_MNEMONIC_BTC) &&
           x->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static bool memory_translates(const struct xlat *x)
{
    if (!(x->mode.flags & BT_MODE_CHECKED) && x->insn.address_width == 32)
        return true;
    return !is_bit_string(x) && x->insn.mnemonic != ZYDIS_MNEMONIC_CLFLUSH;
}

/* xchg rl, rh of EAX, ECX, EDX or EBX; no REX prefix, no flags. */
static void swap_halves(struct xlat *x, unsigned reg)
{
    emit_byte(&x->e, 0x86);
    emit_byte(&x->e, (uint8_t)(0xc4 | reg << 3 | reg));
}

/*
 * AH to BH with R10 and R11 in the address, which take a REX prefix: through
 * the low half.  A fault of the access finds them swapped (undo_part()).
 */
static enum xlat_flow emit_swapped(struct xlat *x, struct emit_insn *in)
{
    unsigned reg = in->reg & 3u;

    if (x->insn.mnemonic == ZYDIS_MNEMONIC_CMPXCHG) /* compares with AL */
        return XLAT_CALLOUT;
    in->reg = (uint8_t)reg;
    in->no_rex = false;
    swap_halves(x, reg);
    emit_insn(&x->e, in);
    swap_halves(x, reg);
    x->undo = BT_UNDO_SWAP(reg);
    return XLAT_NEXT;
}

/* The instruction again, registers and memory operand replaced. */
static enum xlat_flow copy_with(struct xlat *x, bool accesses)
{
    const ZydisDecodedOperand *mem = xlat_memory_operand(x);
    struct emit_insn in = {0};

    if (!copy_opcode(x, &in))
        return XLAT_CALLOUT;
    in.modrm = x->insn.attributes & ZYDIS_ATTRIB_HAS_MODRM;
    if (in.modrm) {
        in.reg = x->insn.raw.modrm.reg;
        in.rm = x->insn.raw.modrm.rm;
    }
    if (!copy_registers(x, &in))
        return XLAT_CALLOUT;
    copy_prefixes(x, &in);
    modernise(x, &in);
    if (in.rm == HOST_R12 || in.reg == HOST_R12)
        x->why = BT_REASON_REGISTER;
    if (mem) {
        in.memory = true;
        in.rm = 0;
        if (!memory_translates(x) ||
            !xlat_memory(x, mem, 0, accesses && !in.no_rex, &in.mem))
            return XLAT_CALLOUT;
    }
    if (x->insn.raw.imm[0].size) {
        in.imm = x->code + x->insn.raw.imm[0].offset;
        in.imms = (uint8_t)(x->insn.length - x->insn.raw.imm[0].offset);
    }
    if (in.no_rex && mem && (x->mode.flags & BT_MODE_CHECKED))
        return emit_swapped(x, &in);
    return emit_insn(&x->e, &in) ? XLAT_NEXT : XLAT_CALLOUT;
}

enum xlat_flow xlat_copy(struct xlat *x)
{
    return copy_with(x, true);
}

enum xlat_flow xlat_callout(struct xlat *x)
{
    (void)x;
    return XLAT_CALLOUT;
}

enum xlat_flow xlat_ends(struct xlat *x)
{
    (void)x;
    return XLAT_CALLOUT_END;
}

enum xlat_flow xlat_nothing(struct xlat *x)
{
    x->why = BT_REASON_NOTHING;
    return XLAT_NEXT;
}

enum xlat_flow xlat_bswap(struct xlat *x)
{
    if (x->insn.operand_width != 32)
        return XLAT_CALLOUT; /* undefined: as the emulator has it */
    return copy_with(x, true);
}

/* LEA computes with the guest's registers and touches no memory. */
enum xlat_flow xlat_lea_insn(struct xlat *x)
{
    const ZydisDecodedOperand *op = &x->op[1];
    struct emit_mem m = {.base = xlat_register(op->mem.base),
                         .index = xlat_register(op->mem.index),
                         .scale = op->mem.scale,
                         .disp = (int32_t)(uint32_t)op->mem.disp.value};
    struct emit_insn in = {.opcode = {0x8d}, .opcodes = 1, .modrm = true};

    if (x->insn.address_width == 16) {
        xlat_offset(x, op, 0);
        xlat_move(x, x->insn.operand_width / 8,
                  (unsigned)xlat_register(x->op[0].reg.value), HOST_R11);
        x->why = BT_REASON_REGISTER;
        return XLAT_NEXT;
    }
    copy_prefixes(x, &in);
    in.reg = (uint8_t)xlat_register(x->op[0].reg.value);
    in.memory = true;
    in.mem = m;
    if (in.reg == HOST_R12 || m.base == HOST_R12)
        x->why = BT_REASON_REGISTER;
    return emit_insn(&x->e, &in) ? XLAT_NEXT : XLAT_CALLOUT;
}

/* MOV of a selector to a register reads the virtual one. */
static enum xlat_flow mov_from_segment(struct xlat *x)
{
    unsigned seg = (unsigned)(x->op[1].reg.value - ZYDIS_REGISTER_ES);

    struct emit_mem mem;

    if (x->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        if (!xlat_memory(x, &x->op[0], 0, true, &mem))
            return XLAT_CALLOUT;
        emit_load(&x->e, 0x0fb7, HOST_R8, xlat_selector(seg));
        xlat_store(x, 2, HOST_R8, mem);
    } else {
        emit_load(&x->e, 0x0fb7, HOST_R8, xlat_selector(seg));
        xlat_move(x, x->op[0].size / 8u,
                  (unsigned)xlat_register(x->op[0].reg.value), HOST_R8);
    }
    xlat_count(x, BT_INLINE_SELECTOR);
    x->why = BT_REASON_SELECTOR;
    return XLAT_NEXT;
}

/* DS, ES, FS or GS from a register: a call-out that need not be decoded. */
static void note_segment_load(struct xlat *x)
{
    unsigned seg = (unsigned)(x->op[0].reg.value - ZYDIS_REGISTER_ES);

    if (x->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER && seg != X86_CS &&
        seg != X86_SS)
        x->seg_load =
            BT_SEG_LOAD(seg, (unsigned)ZydisRegisterGetId(x->op[1].reg.value));
}

enum xlat_flow xlat_mov(struct xlat *x)
{
    if (x->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        ZydisRegisterGetClass(x->op[0].reg.value) == ZYDIS_REGCLASS_SEGMENT) {
        note_segment_load(x);
        return XLAT_CALLOUT;
    }
    if (x->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        ZydisRegisterGetClass(x->op[1].reg.value) == ZYDIS_REGCLASS_SEGMENT)
        return mov_from_segment(x);
    return copy_with(x, true);
}

/* ---- x87, MMX, SSE ------------------------------------------------------ */

/* Loads the guest's FPU state unless it is there; no flag changes. */
static void emit_fpu_check(struct xlat *x, unsigned class)
{
    int dead = class == FPU_CHECK_SSE ? BT_CPU_SSE_DEAD : BT_CPU_X87_DEAD;
    uint8_t *rel;

    emit_bytes(&x->e, "\x49\x89\xca", 3); /* mov r10, rcx */
    emit_load(&x->e, 0x0fb6, HOST_RCX, xlat_context(dead));
    emit_bytes(&x->e, "\xe3\0", 2); /* jrcxz */
    rel = x->e.at - 1;
    emit_bytes(&x->e, "\x41\xbb", 2); /* mov r11d, class */
    emit_u32(&x->e, class);
    xlat_exit_info(x, BT_EXIT_CALLOUT, x->index);
    emit_load(&x->e, 0xff, 2, xlat_context(BT_CPU_FPU_LOAD_FN));
    *rel = (uint8_t)(x->e.at - rel - 1);
    emit_bytes(&x->e, "\x4c\x89\xd1", 3); /* mov rcx, r10 */
}

/*
 * What the instruction just emitted leaves of itself, in software: the host's
 * pointers are the host's.  No selector changes in translated code, so that
 * the instruction's number stands for all but the operand's offset.  The wide
 * store makes x87_insn 0.
 */
static void emit_x87_pointers(struct xlat *x)
{
    const ZydisDecodedOperand *mem = xlat_memory_operand(x);
    uint32_t number = bt_tb_number(x->bt, x->tb) << BT_EXIT_TB_SHIFT | x->index;
    int fop = emu_fpu_opcode(&x->insn);

    if (fop < 0)
        return;
    x->fop = (uint16_t)fop;
    if (!mem) {
        xlat_store_imm(x, 4, number, xlat_context(BT_CPU_X87_INSN));
        return;
    }
    x->fds = (uint16_t)(mem->mem.segment - ZYDIS_REGISTER_ES);
    emit_load64(&x->e, 0xc7, 0, xlat_context(BT_CPU_X87_MEM));
    emit_u32(&x->e, number);
    if (!(x->mode.flags & BT_MODE_CHECKED)) /* else R11 is it still */
        xlat_offset(x, mem, 0);
    emit_load(&x->e, 0x89, HOST_R11, xlat_context(BT_CPU_X87_DATA));
}

enum xlat_flow xlat_fpu(struct xlat *x)
{
    ZydisISAExt ext = x->insn.meta.isa_ext;
    bool sse = ext == ZYDIS_ISA_EXT_SSE || ext == ZYDIS_ISA_EXT_SSE2;
    bool *ready = sse ? &x->sse_ready : &x->x87_ready;
    enum xlat_flow flow;

    if (!*ready)
        emit_fpu_check(x, sse ? FPU_CHECK_SSE : FPU_CHECK_X87);
    flow = copy_with(x, true);
    if (flow == XLAT_NEXT)
        emit_x87_pointers(x);
    if (flow == XLAT_NEXT && !*ready) {
        *ready = true;
        if (sse)
            x->x87_ready = true;
        x->why = BT_REASON_FPU;
    }
    return flow;
}
