/* Control flow, the stack, and flags that are not arithmetic. */
#include "vmm/accel/bt/xlat.h"

#define SIZE(x) ((x)->insn.operand_width / 8u)

static bool is_far(const struct xlat *x)
{
    return x->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
           x->op[0].type == ZYDIS_OPERAND_TYPE_POINTER;
}

static bool is_near_indirect(const struct xlat *x)
{
    return x->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE && !is_far(x);
}

/* Offset in CS of what follows. */
static uint32_t next_ip(const struct xlat *x)
{
    return x->next - x->mode.cs_base;
}

/* A near direct branch: its linear target.  False: it is not, or faults. */
static bool direct_target(const struct xlat *x, uint32_t *target)
{
    uint32_t ip = next_ip(x) + (uint32_t)x->op[0].imm.value.s;

    if (x->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || is_far(x))
        return false;
    if (SIZE(x) == 2)
        ip &= 0xffff;
    *target = ip + x->mode.cs_base;
    return ip <= x->mode.cs_limit;
}

/* Faults unless R11 is an offset within CS. */
static void check_code_limit(struct xlat *x)
{
    struct emit_mem at = {
        .base = HOST_R10, .index = HOST_R11, .scale = 1, .disp = 0};

    if (x->mode.cs_limit >= (SIZE(x) == 2 ? 0xffffu : 0xffffffffu))
        return;
    emit_load64(&x->e, 0x8b, HOST_R10, xlat_context(BT_CPU_CODE_LIMIT));
    emit_load(&x->e, 0x0fb6, HOST_R10, at);
}

/* To offset R11 in CS, as the last thing that this block does. */
static void goto_r11(struct xlat *x)
{
    if (x->mode.cs_base)
        xlat_lea(x, HOST_R11, HOST_R11, (int)x->mode.cs_base);
    xlat_charge(x, x->index + 1);
    xlat_dispatch(x);
    x->why = BT_REASON_FLOW;
}

static void move_esp(struct xlat *x, int by)
{
    xlat_set_esp(x, HOST_R12, by);
}

/* ---- branches ----------------------------------------------------------- */

enum xlat_flow xlat_jcc(struct xlat *x)
{
    unsigned condition = x->insn.opcode & 0xf;
    uint32_t target;

    if (!direct_target(x, &target) || x->branches >= XLAT_BRANCHES_MAX)
        return XLAT_CALLOUT;
    emit_byte(&x->e, 0x0f);
    emit_byte(&x->e, (uint8_t)(0x80 | condition));
    xlat_add_branch(x, target);
    x->why = BT_REASON_FLOW;
    return XLAT_NEXT;
}

static void jrcxz_over(struct xlat *x, unsigned bytes)
{
    emit_bytes(&x->e, "\x49\x89\xca", 3); /* mov r10, rcx */
    xlat_zero_extend(x, HOST_RCX);
    emit_byte(&x->e, 0xe3);
    emit_byte(&x->e, (uint8_t)bytes);
    emit_bytes(&x->e, "\x4c\x89\xd1", 3); /* mov rcx, r10 */
}

/* With CX, which no instruction of the host tests. */
static void loop16(struct xlat *x, uint32_t target)
{
    if (x->insn.mnemonic == ZYDIS_MNEMONIC_JCXZ) {
        jrcxz_over(x, 5);                         /* to the second restore */
        emit_bytes(&x->e, "\xeb\x08", 2);         /* over it and the jump */
        emit_bytes(&x->e, "\x4c\x89\xd1\xe9", 4); /* mov rcx, r10; jmp */
        xlat_add_branch(x, target);
        return;
    }
    xlat_lea(x, HOST_R11, HOST_RCX, -1);
    xlat_move(x, 2, HOST_RCX, HOST_R11);
    if (x->insn.mnemonic == ZYDIS_MNEMONIC_LOOP) {
        jrcxz_over(x, 8);
        emit_byte(&x->e, 0xe9);
    } else {
        jrcxz_over(x, 9);
        emit_byte(&x->e, 0x0f);
        emit_byte(&x->e,
                  x->insn.mnemonic == ZYDIS_MNEMONIC_LOOPE ? 0x84 : 0x85);
    }
    xlat_add_branch(x, target);
    emit_bytes(&x->e, "\x4c\x89\xd1", 3);
}

/* LOOPcc and JECXZ have an 8-bit displacement only: over a trampoline. */
enum xlat_flow xlat_loop(struct xlat *x)
{
    uint32_t target;

    if (!direct_target(x, &target) || x->branches >= XLAT_BRANCHES_MAX)
        return XLAT_CALLOUT;
    x->why = BT_REASON_FLOW;
    if (x->insn.address_width == 16) {
        loop16(x, target);
        return XLAT_NEXT;
    }
    emit_byte(&x->e, 0x67);
    emit_byte(&x->e, x->insn.opcode);
    emit_bytes(&x->e, "\x02\xeb\x05\xe9", 4); /* +2; jmp +5; jmp rel32 */
    xlat_add_branch(x, target);
    return XLAT_NEXT;
}

enum xlat_flow xlat_jmp(struct xlat *x)
{
    uint32_t target;

    x->why = BT_REASON_FLOW;
    if (direct_target(x, &target)) {
        xlat_goto(x, target, x->index + 1);
        return XLAT_END;
    }
    if (!is_near_indirect(x) || !xlat_load_r11(x, &x->op[0]))
        return XLAT_CALLOUT_END;
    check_code_limit(x);
    goto_r11(x);
    return XLAT_END;
}

enum xlat_flow xlat_call(struct xlat *x)
{
    uint32_t target;
    bool direct = direct_target(x, &target);
    unsigned size = SIZE(x);

    if (!direct) {
        if (!is_near_indirect(x) || !xlat_load_r11(x, &x->op[0]))
            return XLAT_CALLOUT_END;
        check_code_limit(x);
    }
    xlat_store_imm(x, size, next_ip(x),
                   xlat_stack(x, HOST_R12, -(int)size, size, true));
    move_esp(x, -(int)size);
    if (direct)
        xlat_goto(x, target, x->index + 1);
    else
        goto_r11(x);
    x->why = BT_REASON_FLOW;
    return XLAT_END;
}

enum xlat_flow xlat_ret(struct xlat *x)
{
    int pops = (int)SIZE(x);

    if (is_far(x))
        return XLAT_CALLOUT_END;
    xlat_load(x, SIZE(x), HOST_R11, xlat_stack(x, HOST_R12, 0, SIZE(x), false));
    check_code_limit(x);
    if (x->insn.raw.imm[0].size)
        pops += (int)(uint16_t)x->insn.raw.imm[0].value.u;
    move_esp(x, pops);
    goto_r11(x);
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
    unsigned size = SIZE(x), reg = HOST_R11;
    struct emit_mem top;

    if (is_segment(op)) /* stored with zeros above */
        emit_load(&x->e, 0x0fb7, HOST_R11, xlat_selector(segment_of(op)));
    else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER)
        reg = (unsigned)xlat_register(op->reg.value);
    else if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE && !xlat_load_r11(x, op))
        return XLAT_CALLOUT;
    top = xlat_stack(x, HOST_R12, -(int)size, size, true);
    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        xlat_store_imm(x, size, (uint32_t)op->imm.value.u, top);
    else
        xlat_store(x, size, reg, top);
    move_esp(x, -(int)size);
    if (is_segment(op))
        xlat_count(x, BT_INLINE_SELECTOR);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

/* The value waits in R8.  An address with ESP is that after the pop. */
static enum xlat_flow pop_memory(struct xlat *x, const ZydisDecodedOperand *op)
{
    bool esp_base = op->mem.base == ZYDIS_REGISTER_ESP;
    unsigned size = SIZE(x);
    struct emit_mem mem;

    if (esp_base && (x->mode.flags & BT_MODE_STACK16))
        return XLAT_CALLOUT; /* of which SP alone has been added to */
    xlat_load(x, size, HOST_R8, xlat_stack(x, HOST_R12, 0, size, false));
    if (!xlat_memory(x, op, esp_base ? (int)size : 0, true, &mem))
        return XLAT_CALLOUT;
    xlat_store(x, size, HOST_R8, mem);
    move_esp(x, (int)size);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

/* Of 2 bytes: the upper half stays. */
static void load_gpr(struct xlat *x, unsigned size, unsigned reg,
                     struct emit_mem mem)
{
    if (size == 2)
        emit_byte(&x->e, 0x66);
    emit_load(&x->e, 0x8b, reg, mem);
}

enum xlat_flow xlat_pop(struct xlat *x)
{
    const ZydisDecodedOperand *op = &x->op[0];
    unsigned reg, size = SIZE(x);

    if (op->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return pop_memory(x, op);
    if (is_segment(op)) {
        if (segment_of(op) != X86_SS)
            x->seg_load = BT_SEG_LOAD(segment_of(op),
                                      size == 2 ? BT_SEG_POP16 : BT_SEG_POP);
        return XLAT_CALLOUT;
    }
    reg = (unsigned)xlat_register(op->reg.value);
    if (reg == HOST_R12 && size == 2 && !(x->mode.flags & BT_MODE_STACK16))
        return XLAT_CALLOUT; /* ESP + 2, of which SP is replaced */
    load_gpr(x, size, reg, xlat_stack(x, HOST_R12, 0, size, false));
    if (reg != HOST_R12)
        move_esp(x, (int)size);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

/* What is there already, written again: a fault, or none later. */
static void probe_stack(struct xlat *x, int disp)
{
    struct emit_mem mem = xlat_stack(x, HOST_R12, disp, SIZE(x), true);

    xlat_load(x, SIZE(x), HOST_R11, mem);
    xlat_store(x, SIZE(x), HOST_R11, mem);
}

enum xlat_flow xlat_pusha(struct xlat *x)
{
    bool checked = x->mode.flags & BT_MODE_CHECKED; /* may wrap in between */
    int size = (int)SIZE(x);

    for (int r = 0; r < 8; r++)
        if (checked || r == 0 || r == 7)
            probe_stack(x, -size * (r + 1));
    for (int r = 0; r < 8; r++)
        xlat_store(x, SIZE(x), xlat_gpr((unsigned)r),
                   xlat_stack(x, HOST_R12, -size * (r + 1), SIZE(x), true));
    move_esp(x, -size * 8);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

/* Everything is read once before the first register changes. */
enum xlat_flow xlat_popa(struct xlat *x)
{
    int size = (int)SIZE(x);

    for (int i = 0; i < 8; i++)
        xlat_load(x, SIZE(x), HOST_R11,
                  xlat_stack(x, HOST_R12, size * i, SIZE(x), false));
    for (int i = 0; i < 8; i++) {
        unsigned reg = 7u - (unsigned)i;
        if (reg == X86_RSP)
            continue;
        load_gpr(x, SIZE(x), reg,
                 xlat_stack(x, HOST_R12, size * i, SIZE(x), false));
    }
    move_esp(x, size * 8);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

enum xlat_flow xlat_leave(struct xlat *x)
{
    unsigned size = SIZE(x);

    xlat_load(x, size, HOST_R11, xlat_stack(x, HOST_RBP, 0, size, false));
    xlat_set_esp(x, HOST_RBP, (int)size);
    xlat_move(x, size, HOST_RBP, HOST_R11);
    x->why = BT_REASON_STACK;
    return XLAT_NEXT;
}

/* ---- flags -------------------------------------------------------------- */

enum xlat_flow xlat_pushf(struct xlat *x)
{
    unsigned size = SIZE(x);

    if (x->mode.flags & BT_MODE_V86)
        return XLAT_CALLOUT;
    emit_load(&x->e, 0xff, 2, xlat_context(BT_CPU_PUSHF_FN));
    xlat_store(x, size, HOST_R11,
               xlat_stack(x, HOST_R12, -(int)size, size, true));
    move_esp(x, -(int)size);
    xlat_count(x, BT_INLINE_PUSHF);
    x->why = BT_REASON_FLAGS;
    return XLAT_NEXT;
}

/*
 * The stub does it and skips the call-out, or returns to the call-out, which
 * goes on behind this instruction.
 */
enum xlat_flow xlat_popf(struct xlat *x)
{
    unsigned size = SIZE(x);
    struct emit_mem top;

    if (!(x->mode.flags & BT_MODE_PRIV))
        return XLAT_CALLOUT;
    top = xlat_stack(x, HOST_R12, 0, size, false);
    if (size == 2) { /* the upper half as it is */
        emit_load(&x->e, 0x8b, HOST_R11, xlat_context(BT_CPU_SYS_FLAGS));
        emit_byte(&x->e, 0x66);
    }
    emit_load(&x->e, 0x8b, HOST_R11, top);
    emit_load(&x->e, 0xff, 2, xlat_context(BT_CPU_POPF_FN));
    xlat_callout_code(x);
    move_esp(x, (int)size);
    x->x87_ready = x->sse_ready = false;
    x->why = BT_REASON_FLAGS;
    return XLAT_NEXT;
}

enum xlat_flow xlat_cli(struct xlat *x)
{
    if (!(x->mode.flags & BT_MODE_PRIV))
        return XLAT_CALLOUT;
    emit_load(&x->e, 0xc6, 0, xlat_context(BT_CPU_IFLAG));
    emit_byte(&x->e, 0);
    xlat_count(x, BT_INLINE_CLI);
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

    if (!(x->mode.flags & BT_MODE_PRIV))
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
    xlat_count(x, BT_INLINE_STI);
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

    if (!(x->mode.flags & BT_MODE_PRIV)) /* CR4.TSD */
        return XLAT_CALLOUT;
    emit_load64(&x->e, 0x8b, HOST_R10, xlat_context(BT_CPU_TSC_BASE));
    emit_bytes(&x->e, "\x4d\x89\xeb", 3); /* mov r11, r13 */
    emit_bytes(&x->e, "\x49\xf7\xd3", 3); /* not r11: -r13 - 1 */
    emit_load64(&x->e, 0x8d, HOST_R10, sum);
    emit_load64(&x->e, 0x89, HOST_R10, xlat_context(BT_CPU_TSC_NOW));
    emit_load(&x->e, 0x8b, HOST_RDX, xlat_context(BT_CPU_TSC_NOW + 4));
    emit_rm(&x->e, 0x8b, HOST_RAX, HOST_R10);
    xlat_count(x, BT_INLINE_RDTSC);
    x->why = BT_REASON_TIME;
    return XLAT_NEXT;
}
