/*
 * Proves one emitted block confined, by decoding it again.  It trusts nothing
 * of the translator but the roles of the registers (bt_cpu.h): every access
 * is in the window or its guards, in the context, or one of a few fixed
 * idioms; nothing writes R13, R14, R15 or RSP but in the allowed ways, so
 * that this stays true; guest registers are written with 32 bits at most, so
 * that their upper halves stay zero; jumps stay in the block or leave by the
 * known doors.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vmm/accel/bt/xlat.h"
#include "vmm/base/log.h"

#define BARE_DISP_MAX 0x10000

struct check {
    const struct bt *bt;
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    size_t at, len;
    bool is_start[BT_HOST_MAX]; /* an instruction starts there */
    bool is_target[BT_HOST_MAX + 1];
    /* What the instructions just before have established. */
    bool rsi_window, rdi_window;
    enum {
        R10_UNKNOWN,
        R10_SEG_BASE,
        R10_LIMIT,
        R10_JT,
        R10_OFFSET,
        R10_TARGET,
    } r10;
    bool r9_narrow, r11_narrow; /* the upper half is zero */
};

static bool is_lea(const struct check *c)
{
    return c->insn.mnemonic == ZYDIS_MNEMONIC_LEA;
}

static bool is_string(const struct check *c)
{
    return c->insn.meta.category == ZYDIS_CATEGORY_STRINGOP;
}

/* A register whose upper half is zero, as 64-bit index or base. */
static bool is_guest_reg(ZydisRegister r)
{
    return (r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_RDI &&
            r != ZYDIS_REGISTER_RSP) ||
           r == ZYDIS_REGISTER_R12;
}

static bool in_context(const ZydisDecodedOperandMem *m)
{
    return m->base == ZYDIS_REGISTER_R15 && m->index == ZYDIS_REGISTER_NONE &&
           m->disp.value >= BT_CPU_INLINED &&
           m->disp.value < (int64_t)sizeof(struct x86_state);
}

static bool string_access(const struct check *c,
                          const ZydisDecodedOperandMem *m)
{
    if (!is_string(c) || m->index != ZYDIS_REGISTER_NONE)
        return false;
    return (m->base == ZYDIS_REGISTER_RSI && c->rsi_window) ||
           (m->base == ZYDIS_REGISTER_RDI && c->rdi_window);
}

/* A byte of the two zones behind a segment's limit, which nobody writes. */
static bool limit_access(const struct check *c, const ZydisDecodedOperandMem *m)
{
    bool narrow = (m->index == ZYDIS_REGISTER_R9 && c->r9_narrow) ||
                  (m->index == ZYDIS_REGISTER_R11 && c->r11_narrow);

    return c->r10 == R10_LIMIT && narrow && m->scale == 1 &&
           m->disp.value >= 0 && m->disp.value < (int)XLAT_SIZE_MAX &&
           c->insn.mnemonic == ZYDIS_MNEMONIC_MOVZX;
}

static bool access_confined(const struct check *c,
                            const ZydisDecodedOperand *op)
{
    const ZydisDecodedOperandMem *m = &op->mem;

    if (m->type == ZYDIS_MEMOP_TYPE_AGEN)
        return true;
    if (m->segment == ZYDIS_REGISTER_GS)
        return c->insn.address_width == 32;
    if (c->insn.address_width != 64)
        return false;
    if (m->base == ZYDIS_REGISTER_RSP) /* of CALL; its target is checked */
        return c->insn.mnemonic == ZYDIS_MNEMONIC_CALL;
    if (m->base == ZYDIS_REGISTER_R14)
        return is_guest_reg(m->index) && m->scale == 1 &&
               m->disp.value >= -BARE_DISP_MAX &&
               m->disp.value <= BARE_DISP_MAX;
    if (m->base == ZYDIS_REGISTER_R13)
        return m->index == ZYDIS_REGISTER_NONE && m->disp.value < 0 &&
               m->disp.value >= -(int)BT_TB_INSNS &&
               c->insn.mnemonic == ZYDIS_MNEMONIC_MOVZX;
    if (m->base == ZYDIS_REGISTER_R10 && m->index == ZYDIS_REGISTER_NONE)
        return c->r10 == R10_SEG_BASE && m->disp.value == 0 &&
               c->insn.mnemonic == ZYDIS_MNEMONIC_MOV;
    if (m->base == ZYDIS_REGISTER_R10 && limit_access(c, m))
        return true;
    if (m->base == ZYDIS_REGISTER_R10)
        return c->r10 == R10_JT && m->index == ZYDIS_REGISTER_R11 &&
               m->scale == 4 && m->disp.value == 0;
    return in_context(m) || string_access(c, m);
}

/* Writes to the context: the exit's reason, the virtual IF, counts, and what
 * x87 instructions leave. */
static bool context_write_allowed(const ZydisDecodedOperand *op)
{
    return op->mem.base != ZYDIS_REGISTER_R15 ||
           op->mem.type == ZYDIS_MEMOP_TYPE_AGEN ||
           !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) ||
           (op->mem.disp.value >= BT_CPU_INLINED &&
            op->mem.disp.value <= BT_CPU_READ_LIMIT - 8) ||
           op->mem.disp.value == BT_CPU_EXIT_INFO ||
           op->mem.disp.value == BT_CPU_TSC_NOW ||
           op->mem.disp.value == BT_CPU_X87_MEM ||
           op->mem.disp.value == BT_CPU_X87_INSN ||
           op->mem.disp.value == BT_CPU_X87_DATA ||
           op->mem.disp.value == BT_CPU_IFLAG;
}

static bool is_window_pointer(const struct check *c)
{
    ZydisRegister r = c->op[0].reg.value;

    return is_lea(c) && c->op[1].mem.base == ZYDIS_REGISTER_R14 &&
           c->op[1].mem.index == r && c->op[1].mem.scale == 1 &&
           c->op[1].mem.disp.value == 0 &&
           (r == ZYDIS_REGISTER_RSI || r == ZYDIS_REGISTER_RDI);
}

static bool is_charge(const struct check *c)
{
    return is_lea(c) && c->op[1].mem.base == ZYDIS_REGISTER_R13 &&
           c->op[1].mem.index == ZYDIS_REGISTER_NONE &&
           c->op[1].mem.disp.value <= 0 &&
           c->op[1].mem.disp.value >= -(int)BT_TB_INSNS;
}

static bool is_rcx_restore(const struct check *c)
{
    return c->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
           c->op[0].reg.value == ZYDIS_REGISTER_RCX &&
           c->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           c->op[1].reg.value == ZYDIS_REGISTER_R10;
}

static bool register_write_allowed(const struct check *c, ZydisRegister r)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(r);
    ZydisRegister whole =
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);

    switch (class) {
    case ZYDIS_REGCLASS_SEGMENT:
    case ZYDIS_REGCLASS_CONTROL:
    case ZYDIS_REGCLASS_DEBUG:
    case ZYDIS_REGCLASS_TEST:
        return false;
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        break;
    default:
        return true;
    }
    if (whole == ZYDIS_REGISTER_R13)
        return is_charge(c) && class == ZYDIS_REGCLASS_GPR64;
    if (whole == ZYDIS_REGISTER_RSP)
        return c->insn.mnemonic == ZYDIS_MNEMONIC_CALL;
    if (whole == ZYDIS_REGISTER_R14 || whole == ZYDIS_REGISTER_R15)
        return false;
    if (class != ZYDIS_REGCLASS_GPR64 ||
        (whole >= ZYDIS_REGISTER_R8 && whole <= ZYDIS_REGISTER_R11))
        return true;
    return is_window_pointer(c) || is_rcx_restore(c) || is_string(c) ||
           c->insn.mnemonic == ZYDIS_MNEMONIC_JRCXZ;
}

static bool operands_confined(const struct check *c)
{
    for (unsigned i = 0; i < c->insn.operand_count; i++) {
        const ZydisDecodedOperand *op = &c->op[i];
        if (op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (!access_confined(c, op) || !context_write_allowed(op)))
            return false;
        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
            !register_write_allowed(c, op->reg.value))
            return false;
    }
    return true;
}

/* An indirect jump or call: through the context, or to the table's block. */
static bool door_allowed(const struct check *c)
{
    const ZydisDecodedOperand *op = &c->op[0];
    int64_t disp = op->mem.disp.value;

    if (op->type == ZYDIS_OPERAND_TYPE_REGISTER)
        return c->insn.mnemonic == ZYDIS_MNEMONIC_JMP &&
               op->reg.value == ZYDIS_REGISTER_R10 && c->r10 == R10_TARGET;
    if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || !in_context(&op->mem))
        return false;
    if (c->insn.mnemonic == ZYDIS_MNEMONIC_JMP)
        return disp == BT_CPU_EXIT_FN;
    return c->insn.mnemonic == ZYDIS_MNEMONIC_CALL &&
           (disp == BT_CPU_FPU_LOAD_FN || disp == BT_CPU_PUSHF_FN ||
            disp == BT_CPU_POPF_FN || disp == BT_CPU_ASK_FN);
}

static bool flow_confined(struct check *c)
{
    bool branch = c->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE;
    int64_t target;

    if (!branch)
        return true;
    if (c->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return door_allowed(c);
    target = (int64_t)(c->at + c->insn.length) + c->op[0].imm.value.s;
    if (c->insn.mnemonic == ZYDIS_MNEMONIC_CALL || target < 0 ||
        target > (int64_t)c->len)
        return false;
    c->is_target[target] = true;
    return true;
}

/* R9 or R11 written with 32 bits or with a zero-extended part. */
static void follow_narrow(struct check *c)
{
    const ZydisDecodedOperand *dst = &c->op[0];
    ZydisRegister r = dst->reg.value;

    if (dst->type != ZYDIS_OPERAND_TYPE_REGISTER ||
        !(dst->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
        return;
    if (r == ZYDIS_REGISTER_R9D || r == ZYDIS_REGISTER_R9)
        c->r9_narrow = r == ZYDIS_REGISTER_R9D;
    if (r == ZYDIS_REGISTER_R11D || r == ZYDIS_REGISTER_R11)
        c->r11_narrow = r == ZYDIS_REGISTER_R11D;
}

static bool is_limit(int64_t disp)
{
    return disp >= BT_CPU_READ_LIMIT && disp <= BT_CPU_CODE_LIMIT &&
           disp % (int)sizeof(uint64_t) == 0;
}

/*
 * RSI or RDI point into the window: what may come before they are offsets
 * again is a computation with R8D to R11D, or a 32-bit MOV to one of them.
 */
static bool pointer_leaves(struct check *c)
{
    const ZydisDecodedOperand *dst = &c->op[0], *src = &c->op[1];
    ZydisRegister r = dst->reg.value;

    if (dst->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return false;
    if (c->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
        (r == ZYDIS_REGISTER_ESI || r == ZYDIS_REGISTER_EDI)) {
        bool *pointer =
            r == ZYDIS_REGISTER_ESI ? &c->rsi_window : &c->rdi_window;
        *pointer = false;
        return src->type == ZYDIS_OPERAND_TYPE_REGISTER;
    }
    return ((r >= ZYDIS_REGISTER_R8D && r <= ZYDIS_REGISTER_R11D) ||
            (r >= ZYDIS_REGISTER_R8W && r <= ZYDIS_REGISTER_R11W)) &&
           (c->insn.mnemonic == ZYDIS_MNEMONIC_MOV ||
            c->insn.mnemonic == ZYDIS_MNEMONIC_NOT || is_lea(c));
}

/* Follows what R10, RSI and RDI hold.  False: a pointer would be left over. */
static bool follow(struct check *c)
{
    const ZydisDecodedOperand *dst = &c->op[0], *src = &c->op[1];
    bool to_r10 = dst->type == ZYDIS_OPERAND_TYPE_REGISTER &&
                  (dst->reg.value == ZYDIS_REGISTER_R10 ||
                   dst->reg.value == ZYDIS_REGISTER_R10D);
    bool pointers = c->rsi_window || c->rdi_window;

    if (is_window_pointer(c)) {
        c->rsi_window |= dst->reg.value == ZYDIS_REGISTER_RSI;
        c->rdi_window |= dst->reg.value == ZYDIS_REGISTER_RDI;
        return true;
    }
    if (pointers && !is_string(c) && !pointer_leaves(c))
        return false;
    if (to_r10 && src->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        int64_t disp = src->mem.disp.value;
        if (is_lea(c) && src->mem.base == ZYDIS_REGISTER_R10 &&
            c->r10 == R10_OFFSET && src->mem.index == ZYDIS_REGISTER_NONE &&
            disp == (int64_t)(uint64_t)c->bt->cache.rx)
            c->r10 = R10_TARGET;
        else if (src->mem.base == ZYDIS_REGISTER_R15 && disp == BT_CPU_JT)
            c->r10 = R10_JT;
        else if (src->mem.base == ZYDIS_REGISTER_R15 &&
                 (disp == BT_CPU_FS_BASE || disp == BT_CPU_GS_BASE))
            c->r10 = R10_SEG_BASE;
        else if (src->mem.base == ZYDIS_REGISTER_R15 && is_limit(disp) &&
                 dst->reg.value == ZYDIS_REGISTER_R10)
            c->r10 = R10_LIMIT;
        else
            c->r10 = c->r10 == R10_JT ? R10_OFFSET : R10_UNKNOWN;
    } else if (to_r10) {
        c->r10 = R10_UNKNOWN;
    }
    return true;
}

static bool kind_allowed(const struct check *c)
{
    if (c->insn.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
        return false;
    return c->insn.mnemonic == ZYDIS_MNEMONIC_JRCXZ ||
           xlat_is_innocuous(&c->insn);
}

static bool check_insn(struct check *c)
{
    if (!kind_allowed(c) || !operands_confined(c) || !flow_confined(c))
        return false;
    follow_narrow(c);
    return follow(c);
}

static bool targets_are_instructions(const struct check *c)
{
    for (size_t i = 0; i < c->len; i++)
        if (c->is_target[i] && !c->is_start[i])
            return false;
    return true;
}

static bool decode_at(struct check *c, const uint8_t *host)
{
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(
        &c->decoder, host + c->at, c->len - c->at, &c->insn, c->op));
}

static void complain(const struct check *c, const uint8_t *host)
{
    char hex[3 * 15 + 1];
    size_t n = c->len - c->at < 15 ? c->len - c->at : 15;

    for (size_t i = 0; i < n; i++)
        snprintf(hex + 3 * i, 4, "%02x ", host[c->at + i]);
    log_error("translated code is not confined: %s at %zu: %s",
              ZydisMnemonicGetString(c->insn.mnemonic), c->at, hex);
}

bool bt_check_block(const struct bt *bt, const uint8_t *host, size_t len)
{
    struct check *c = calloc(1, sizeof(*c));
    bool ok = c && len <= BT_HOST_MAX;

    if (!ok) {
        free(c);
        return false;
    }
    c->bt = bt;
    c->len = len;
    ZydisDecoderInit(&c->decoder, ZYDIS_MACHINE_MODE_LONG_64,
                     ZYDIS_STACK_WIDTH_64);
    while (ok && c->at < len) {
        c->is_start[c->at] = true;
        if (c->is_target[c->at]) { /* from where other values come */
            c->r10 = R10_UNKNOWN;
            c->r9_narrow = c->r11_narrow = false;
        }
        ok = decode_at(c, host) && check_insn(c);
        if (!ok)
            complain(c, host);
        c->at += c->insn.length;
    }
    ok = ok && targets_are_instructions(c);
    free(c);
    return ok;
}
