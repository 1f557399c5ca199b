/* Control flow, the stack, strings, and flags that are not arithmetic. */
#include "vmm/accel/bt/xlat.h"

#define JECXZ_OPCODE 0xe3
#define SIZE16(x)    ((x)->insn.operand_width == 16)

static uint32_t branch_target(const struct xlat *x)
{
    return x->next + (uint32_t)x->op[0].imm.value.s;
}

static bool is_near_direct(const struct xlat *x)
{
    return x->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !SIZE16(x) &&
           x->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR;
}

static bool is_near_indirect(const struct xlat *x)
{
    return x->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE && !SIZE16(x) &&
           x->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR &&
           x->op[0].type != ZYDIS_OPERAND_TYPE_POINTER;
}

static void store_imm(struct xlat *x, struct emit_mem mem, uint32_t value)
{
    emit_load(&x->e, 0xc7, 0, mem);
    emit_u32(&x->e, value);
}

static void move_esp(struct xlat *x, int by)
{
    xlat_lea(x, HOST_R12, HOST_R12, by);
}

/* ---- branches ----------------------------------------------------------- */

enum xlat_flow xlat_jcc(struct xlat *x)
{
    unsigned condition = x->insn.opcode & 0xf;

    if (!is_near_direct(x) || x->branches >= XLAT_BRANCHES_MAX)
        return XLAT_CALLOUT;
    emit_byte(&x->e, 0x0f);
    emit_byte(&x->e, (uint8_t)(0x80 | condition));
    xlat_add_branch(x, branch_target(x));
    x->why = BT_REASON_FLOW;
    return XLAT_NEXT;
}

/* LOOPcc and JECXZ have an 8-bit displacement only: over a trampoline. */
enum xlat_flow xlat_loop(struct xlat *x)
{
    if (!is_near_direct(x) || x->insn.address_width != 32 ||
        x->branches >= XLAT_BRANCHES_MAX)
        return XLAT_CALLOUT;
    emit_byte(&x->e, 0x67);
    emit_byte(&x->e, x->insn.opcode);
    emit_bytes(&x->e, "\x02\xeb\x05\xe9", 4); /* +2; jmp +5; jmp rel32 */
    xlat_add_branch(x, branch_target(x));
    x->why = BT_REASON_FLOW;
    return XLAT_NEXT;
}

enum xlat_flow xlat_jmp(struct xlat *x)
{
    x->why = BT_REASON_FLOW;
    if (is_near_direct(x)) {
        xlat_goto(x, branch_target(x), x->index + 1);
        return XLAT_END;
    }
    if (!is_near_indirect(x) || !xlat_load_r11(x, &x->op[0]))
        return XLAT_CALLOUT_END;
    xlat_charge(x, x->index + 1);
    xlat_dispatch(x);
    x->why = BT_REASON_FLOW;
    return XLAT_END;
}

enum xlat_flow xlat_call(struct xlat *x)
{
    bool direct = is_near_direct(x);

    if (!direct && (!is_near_indirect(x) || !xlat_load_r11(x, &x->op[0])))
        return XLAT_CALLOUT_END;
    store_imm(x, xlat_stack(-4), x->next);
    move_esp(x, -4);
    if (direct) {
        xlat_goto(x, branch_target(x), x->index + 1);
    } else {
        xlat_charge(x, x->index + 1);
        xlat_dispatch(x);
    }
    x->why = BT_REASON_FLOW;
    return XLAT_END;
}

enum xlat_flow xlat_ret(struct xlat *x)
{
    int pops = 4;

    if (SIZE16(x) || x->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return XLAT_CALLOUT_END;
    if (x->insn.raw.imm[0].size)
        pops += (int)(uint16_t)x->insn.raw.imm[0].value.u;
    emit_load(&x->e, 0x8b, HOST_R11, xlat_stack(0));
    move_esp(x, pops);
    xlat_charge(x, x->index + 1);
    xlat_dispatch(x);
    x->why = BT_REASON_FLOW;
    return XLAT_END;
}

/* ---- the stack: store first, then move ESP ------------------------------- */

static bool is_segment(const ZydisDecodedOperand *op)
{
    return op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           ZydisRegisterGetClass(op->reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

static unsigned segment_of(const ZydisDecodedOperand *op)
{
    return (unsigned)(op->reg.value - ZYDIS_REGISTER_ES);
}

enum xlat_flow xlat_push(struct xlat *x)
{
    const ZydisDecodedOperand *op = &x->op[0];

    if (SIZE16(x))
        return XLAT_CALLOUT;
    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        store_imm(x, xlat_stack(-4), (uint32_t)op->imm.value.u);
    } else if (is_segment(op)) { /* stored with zeros above */
        emit_load(&x->e, 0x0fb7, HOST_R11, xlat_selector(segment_of(op)));
        emit_load(&x->e, 0x89, HOST_R11, xlat_stack(-4));
    } else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        emit_load(&x->e, 0x89,
                  xlat_gpr((unsigned)ZydisRegisterGetId(op->reg.value)),
                  xlat_stack(-4));
    } else {
        if (!xlat_load_r11(x, op))
            return XLAT_CALLOUT;
        emit_load(&x->e, 0x89, HOST_R11, xlat_stack(-4));
    }
    move_esp(x, -4);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

static enum xlat_flow pop_memory(struct xlat *x, const ZydisDecodedOperand *op)
{
    bool esp_base = op->mem.base == ZYDIS_REGISTER_ESP;
    struct emit_mem mem;

    if (op->mem.segment == ZYDIS_REGISTER_FS ||
        op->mem.segment == ZYDIS_REGISTER_GS)
        return XLAT_CALLOUT; /* R11 cannot be both address and value */
    emit_load(&x->e, 0x8b, HOST_R11, xlat_stack(0));
    if (!xlat_memory(x, op, esp_base ? 4 : 0, true, &mem))
        return XLAT_CALLOUT;
    emit_load(&x->e, 0x89, HOST_R11, mem);
    move_esp(x, 4);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

enum xlat_flow xlat_pop(struct xlat *x)
{
    const ZydisDecodedOperand *op = &x->op[0];
    unsigned reg;

    if (SIZE16(x))
        return XLAT_CALLOUT;
    if (op->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return pop_memory(x, op);
    if (is_segment(op)) {
        if (segment_of(op) != X86_SS)
            x->seg_load = BT_SEG_LOAD(segment_of(op), BT_SEG_POP);
        return XLAT_CALLOUT;
    }
    reg = xlat_gpr((unsigned)ZydisRegisterGetId(op->reg.value));
    emit_load(&x->e, 0x8b, reg, xlat_stack(0));
    if (reg != HOST_R12)
        move_esp(x, 4);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

enum xlat_flow xlat_pushad(struct xlat *x)
{
    if (SIZE16(x))
        return XLAT_CALLOUT;
    for (unsigned r = 0; r < 8; r++)
        emit_load(&x->e, 0x89, xlat_gpr(r), xlat_stack(-4 * (int)(r + 1)));
    move_esp(x, -32);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

enum xlat_flow xlat_leave(struct xlat *x)
{
    struct emit_mem at_ebp = {
        .base = HOST_R14, .index = HOST_RBP, .scale = 1, .disp = 0};

    if (SIZE16(x))
        return XLAT_CALLOUT;
    emit_load(&x->e, 0x8b, HOST_R11, at_ebp);
    xlat_lea(x, HOST_R12, HOST_RBP, 4);
    emit_rm(&x->e, 0x8b, HOST_RBP, HOST_R11);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

/* ---- flags -------------------------------------------------------------- */

enum xlat_flow xlat_pushfd(struct xlat *x)
{
    emit_load(&x->e, 0xff, 2, xlat_context(BT_CPU_PUSHF_FN));
    emit_load(&x->e, 0x89, HOST_R11, xlat_stack(-4));
    move_esp(x, -4);
    x->why = BT_REASON_FLAGS;
    return XLAT_NEXT;
}

/* The stub does it and skips the call-out, or returns to the call-out. */
enum xlat_flow xlat_popfd(struct xlat *x)
{
    if (x->tb->user)
        return XLAT_CALLOUT;
    emit_load(&x->e, 0x8b, HOST_R11, xlat_stack(0));
    emit_load(&x->e, 0xff, 2, xlat_context(BT_CPU_POPF_FN));
    xlat_callout_code(x);
    x->x87_ready = x->sse_ready = false;
    x->why = BT_REASON_FLAGS;
    return XLAT_NEXT;
}

enum xlat_flow xlat_cli(struct xlat *x)
{
    if (x->tb->user)
        return XLAT_CALLOUT;
    emit_load(&x->e, 0xc6, 0, xlat_context(BT_CPU_IFLAG));
    emit_byte(&x->e, 0);
    x->why = BT_REASON_FLAGS;
    return XLAT_NEXT;
}

/*
 * While INTR is down nothing can come before this block is left, so the
 * shadow of STI needs no care, as long as the block has another instruction.
 */
enum xlat_flow xlat_sti(struct xlat *x)
{
    uint8_t *rel;

    if (x->tb->user)
        return XLAT_CALLOUT;
    emit_bytes(&x->e, "\x49\x89\xca", 3); /* mov r10, rcx */
    emit_load(&x->e, 0x0fb6, HOST_RCX, xlat_context(BT_CPU_IRQ_LINE));
    emit_bytes(&x->e, "\xe3\0", 2); /* jrcxz */
    rel = x->e.at - 1;
    emit_bytes(&x->e, "\x4c\x89\xd1", 3); /* mov rcx, r10 */
    xlat_callout_code(x);
    *rel = (uint8_t)(x->e.at - rel - 1);
    emit_bytes(&x->e, "\x4c\x89\xd1", 3);
    emit_load(&x->e, 0xc6, 0, xlat_context(BT_CPU_IFLAG));
    emit_byte(&x->e, 1);
    x->x87_ready = x->sse_ready = false;
    x->sti = true;
    x->why = BT_REASON_FLAGS;
    return XLAT_NEXT;
}

/* Virtual time is the instruction count, which R13 knows (bt_cpu.h). */
enum xlat_flow xlat_rdtsc(struct xlat *x)
{
    struct emit_mem sum = {.base = HOST_R10,
                           .index = HOST_R11,
                           .scale = 1,
                           .disp = (int)x->index + 1};

    if (x->tb->user) /* CR4.TSD */
        return XLAT_CALLOUT;
    emit_load64(&x->e, 0x8b, HOST_R10, xlat_context(BT_CPU_TSC_BASE));
    emit_bytes(&x->e, "\x4d\x89\xeb", 3); /* mov r11, r13 */
    emit_bytes(&x->e, "\x49\xf7\xd3", 3); /* not r11: -r13 - 1 */
    emit_load64(&x->e, 0x8d, HOST_R10, sum);
    emit_load64(&x->e, 0x89, HOST_R10, xlat_context(BT_CPU_TSC_NOW));
    emit_load(&x->e, 0x8b, HOST_RDX, xlat_context(BT_CPU_TSC_NOW + 4));
    emit_rm(&x->e, 0x8b, HOST_RAX, HOST_R10);
    x->why = BT_REASON_TIME;
    return XLAT_NEXT;
}

/* ---- strings ------------------------------------------------------------ */

static bool uses(const struct xlat *x, ZydisRegister reg)
{
    for (unsigned i = 0; i < x->insn.operand_count; i++)
        if (x->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            x->op[i].mem.base == reg)
            return true;
    return false;
}

static bool flat_source(const struct xlat *x)
{
    for (unsigned i = 0; i < x->insn.operand_count; i++)
        if (x->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (x->op[i].mem.segment == ZYDIS_REGISTER_CS ||
             x->op[i].mem.segment == ZYDIS_REGISTER_FS ||
             x->op[i].mem.segment == ZYDIS_REGISTER_GS))
            return false;
    return true;
}

static void window_pointer(struct xlat *x, enum host_reg reg)
{
    struct emit_mem m = {
        .base = HOST_R14, .index = (int)reg, .scale = 1, .disp = 0};

    emit_load64(&x->e, 0x8d, reg, m);
}

/*
 * With RSI and RDI as pointers into the window, cut back to 32 bits behind
 * the instruction; when it faults, bt_native_signal's caller does that.  The
 * window's base has no low bits, and its guards stop what runs over the edge.
 */
enum xlat_flow xlat_string(struct xlat *x)
{
    bool rsi = uses(x, ZYDIS_REGISTER_ESI), rdi = uses(x, ZYDIS_REGISTER_EDI);
    uint8_t repeat = 0;

    if (x->insn.meta.category != ZYDIS_CATEGORY_STRINGOP)
        return xlat_fpu(x);
    if (x->insn.address_width != 32 || !flat_source(x))
        return XLAT_CALLOUT;
    if (rsi)
        window_pointer(x, HOST_RSI);
    if (rdi)
        window_pointer(x, HOST_RDI);
    for (unsigned i = 0; i < x->insn.raw.prefix_count; i++) {
        uint8_t p = x->insn.raw.prefixes[i].value;
        repeat = p == 0xf2 || p == 0xf3 ? p : repeat;
    }
    if (SIZE16(x))
        emit_byte(&x->e, 0x66);
    if (repeat)
        emit_byte(&x->e, repeat);
    emit_byte(&x->e, x->insn.opcode);
    if (rsi)
        emit_rm(&x->e, 0x8b, HOST_RSI, HOST_RSI);
    if (rdi)
        emit_rm(&x->e, 0x8b, HOST_RDI, HOST_RDI);
    x->why = BT_REASON_STRING;
    return XLAT_NEXT;
}
