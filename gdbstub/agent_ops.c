/* What each operator of agent expressions does: one row, one function. */
#include <string.h>

#include "gdbstub/agent_impl.h"

/* ---- arithmetic --------------------------------------------------------- */

#define BINARY(name, expr)                                                     \
    static uint64_t *op_##name(struct agent_machine *m, uint64_t *sp,          \
                               const struct agent_step *s)                     \
    {                                                                          \
        uint64_t b = sp[0], a = sp[-1];                                        \
                                                                               \
        (void)m, (void)s;                                                      \
        sp[-1] = (uint64_t)(expr);                                             \
        return sp - 1;                                                         \
    }
BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a *b)
BINARY(lsh, b < 64 ? a << b : 0)
BINARY(rsh_unsigned, b < 64 ? a >> b : 0)
BINARY(rsh_signed, (int64_t)a >> (b < 64 ? b : 63))
BINARY(bit_and, a &b)
BINARY(bit_or, a | b)
BINARY(bit_xor, a ^ b)
BINARY(equal, a == b)
BINARY(less_signed, (int64_t)a < (int64_t)b)
BINARY(less_unsigned, a < b)
#undef BINARY

/* The one quotient that does not fit wraps, as the others do. */
#define DIVISION(name, by_minus_one, expr)                                     \
    static uint64_t *op_##name(struct agent_machine *m, uint64_t *sp,          \
                               const struct agent_step *s)                     \
    {                                                                          \
        uint64_t b = sp[0], a = sp[-1];                                        \
                                                                               \
        (void)m, (void)s;                                                      \
        if (b == 0)                                                            \
            return NULL;                                                       \
        sp[-1] = (uint64_t)(b == UINT64_MAX ? (by_minus_one) : (expr));        \
        return sp - 1;                                                         \
    }
DIVISION(div_unsigned, a / b, a / b)
DIVISION(rem_unsigned, a % b, a % b)
DIVISION(div_signed, 0 - a, (uint64_t)((int64_t)a / (int64_t)b))
DIVISION(rem_signed, 0, (uint64_t)((int64_t)a % (int64_t)b))
#undef DIVISION

#define UNARY(name, expr)                                                      \
    static uint64_t *op_##name(struct agent_machine *m, uint64_t *sp,          \
                               const struct agent_step *s)                     \
    {                                                                          \
        uint64_t a = *sp, bits = s->u.imm;                                     \
                                                                               \
        (void)m, (void)bits;                                                   \
        *sp = (uint64_t)(expr);                                                \
        return sp;                                                             \
    }
UNARY(log_not, !a)
UNARY(bit_not, ~a)
UNARY(zero_ext, bits < 64 ? a & ((1ull << bits) - 1) : a)
UNARY(ext, bits > 0 && bits < 64
               ? (uint64_t)((int64_t)(a << (64 - bits)) >> (64 - bits))
               : a)
#undef UNARY

/* ---- values from the machine -------------------------------------------- */

#define REF(bits)                                                              \
    static uint64_t *op_ref##bits(struct agent_machine *m, uint64_t *sp,       \
                                  const struct agent_step *s)                  \
    {                                                                          \
        uint64_t value = 0;                                                    \
                                                                               \
        (void)s;                                                               \
        if (!m->env->mem(m->env->opaque, *sp, &value, (bits) / 8))             \
            return NULL;                                                       \
        *sp = value;                                                           \
        return sp;                                                             \
    }
REF(8)
REF(16)
REF(32)
REF(64)
#undef REF

static uint64_t *op_reg(struct agent_machine *m, uint64_t *sp,
                        const struct agent_step *s)
{
    bool there = m->env->reg(m->env->opaque, (unsigned)s->u.imm, sp + 1);

    return there ? sp + 1 : NULL;
}

/* A register of four or eight bytes; others are one of them, and cut. */
uint64_t *gdb_agent_field(struct agent_machine *m, uint64_t *sp,
                          const struct agent_step *s)
{
    const uint8_t *at = (const uint8_t *)m->env->fields + s->u.field.offset;
    uint64_t wide = 0;
    uint32_t narrow;

    if (s->u.field.bytes == 4) {
        memcpy(&narrow, at, 4);
        wide = narrow;
    } else {
        memcpy(&wide, at, s->u.field.bytes);
    }
    *++sp = wide;
    return sp;
}

static uint64_t *op_const(struct agent_machine *m, uint64_t *sp,
                          const struct agent_step *s)
{
    (void)m;
    *++sp = s->u.imm;
    return sp;
}

/* ---- stack and flow ----------------------------------------------------- */

static uint64_t *op_pop(struct agent_machine *m, uint64_t *sp,
                        const struct agent_step *s)
{
    (void)m, (void)s;
    return sp - 1;
}

static uint64_t *op_swap(struct agent_machine *m, uint64_t *sp,
                         const struct agent_step *s)
{
    uint64_t b = sp[0];

    (void)m, (void)s;
    sp[0] = sp[-1];
    sp[-1] = b;
    return sp;
}

/* a b c becomes c a b */
static uint64_t *op_rot(struct agent_machine *m, uint64_t *sp,
                        const struct agent_step *s)
{
    uint64_t c = sp[0];

    (void)m, (void)s;
    sp[0] = sp[-1];
    sp[-1] = sp[-2];
    sp[-2] = c;
    return sp;
}

/* Also dup, which picks 0. */
static uint64_t *op_pick(struct agent_machine *m, uint64_t *sp,
                         const struct agent_step *s)
{
    (void)m;
    sp[1] = *(sp - s->u.imm);
    return sp + 1;
}

static uint64_t *op_goto(struct agent_machine *m, uint64_t *sp,
                         const struct agent_step *s)
{
    if (s->u.to <= s) {
        unsigned cost = (unsigned)(s - s->u.to) + 1;

        if (m->left < cost)
            return NULL;
        m->left -= cost;
    }
    m->next = s->u.to;
    return sp;
}

static uint64_t *op_if_goto(struct agent_machine *m, uint64_t *sp,
                            const struct agent_step *s)
{
    return *sp ? op_goto(m, sp - 1, s) : sp - 1;
}

uint64_t *gdb_agent_end(struct agent_machine *m, uint64_t *sp,
                        const struct agent_step *s)
{
    (void)s;
    m->next = NULL;
    return sp;
}

/* Tracing collects nothing here: the stack is all that matters. */
static uint64_t *op_trace(struct agent_machine *m, uint64_t *sp,
                          const struct agent_step *s)
{
    (void)m, (void)s;
    return sp - 2;
}

static uint64_t *op_nothing(struct agent_machine *m, uint64_t *sp,
                            const struct agent_step *s)
{
    (void)m, (void)s;
    return sp;
}

/* A function and a channel, of which there is but one, lie on the arguments. */
static uint64_t *op_printf(struct agent_machine *m, uint64_t *sp,
                           const struct agent_step *s)
{
    unsigned args = s->u.print.args;

    sp -= 2;
    return gdb_agent_print(m->env, s->u.print.format, sp, args) ? sp - args
                                                                : NULL;
}

/* ---- the table ---------------------------------------------------------- */

#define FLOAT "floating point"
#define TRACE "trace state variables"

/* clang-format off */
const struct agent_op gdb_agent_ops[256] = {
    [0x01] = { FLOAT, NULL, 0, 0, 0 },
    [0x02] = { "add", op_add, 0, 2, 1 },
    [0x03] = { "sub", op_sub, 0, 2, 1 },
    [0x04] = { "mul", op_mul, 0, 2, 1 },
    [0x05] = { "div_signed", op_div_signed, 0, 2, 1 },
    [0x06] = { "div_unsigned", op_div_unsigned, 0, 2, 1 },
    [0x07] = { "rem_signed", op_rem_signed, 0, 2, 1 },
    [0x08] = { "rem_unsigned", op_rem_unsigned, 0, 2, 1 },
    [0x09] = { "lsh", op_lsh, 0, 2, 1 },
    [0x0a] = { "rsh_signed", op_rsh_signed, 0, 2, 1 },
    [0x0b] = { "rsh_unsigned", op_rsh_unsigned, 0, 2, 1 },
    [0x0c] = { "trace", op_trace, 0, 2, 0 },
    [0x0d] = { "trace_quick", op_nothing, 1, 0, 0 },
    [0x0e] = { "log_not", op_log_not, 0, 1, 1 },
    [0x0f] = { "bit_and", op_bit_and, 0, 2, 1 },
    [0x10] = { "bit_or", op_bit_or, 0, 2, 1 },
    [0x11] = { "bit_xor", op_bit_xor, 0, 2, 1 },
    [0x12] = { "bit_not", op_bit_not, 0, 1, 1 },
    [0x13] = { "equal", op_equal, 0, 2, 1 },
    [0x14] = { "less_signed", op_less_signed, 0, 2, 1 },
    [0x15] = { "less_unsigned", op_less_unsigned, 0, 2, 1 },
    [0x16] = { "ext", op_ext, 1, 1, 1 },
    [0x17] = { "ref8", op_ref8, 0, 1, 1 },
    [0x18] = { "ref16", op_ref16, 0, 1, 1 },
    [0x19] = { "ref32", op_ref32, 0, 1, 1 },
    [0x1a] = { "ref64", op_ref64, 0, 1, 1 },
    [0x1b] = { FLOAT, NULL, 0, 0, 0 },
    [0x1c] = { FLOAT, NULL, 0, 0, 0 },
    [0x1d] = { FLOAT, NULL, 0, 0, 0 },
    [0x1e] = { FLOAT, NULL, 0, 0, 0 },
    [0x1f] = { FLOAT, NULL, 0, 0, 0 },
    [0x20] = { "if_goto", op_if_goto, 2, 1, 0 },
    [0x21] = { "goto", op_goto, 2, 0, 0 },
    [0x22] = { "const8", op_const, 1, 0, 1 },
    [0x23] = { "const16", op_const, 2, 0, 1 },
    [0x24] = { "const32", op_const, 4, 0, 1 },
    [0x25] = { "const64", op_const, 8, 0, 1 },
    [0x26] = { "reg", op_reg, 2, 0, 1 },
    [0x27] = { "end", gdb_agent_end, 0, 0, 0 },
    [0x28] = { "dup", op_pick, 0, 1, 2 },
    [0x29] = { "pop", op_pop, 0, 1, 0 },
    [0x2a] = { "zero_ext", op_zero_ext, 1, 1, 1 },
    [0x2b] = { "swap", op_swap, 0, 2, 2 },
    [0x2c] = { TRACE, NULL, 2, 0, 0 },
    [0x2d] = { TRACE, NULL, 2, 0, 0 },
    [0x2e] = { TRACE, NULL, 2, 0, 0 },
    [0x2f] = { "tracenz", op_trace, 0, 2, 0 },
    [0x30] = { "trace16", op_nothing, 2, 0, 0 },
    [0x32] = { "pick", op_pick, 1, 0, 1 },
    [0x33] = { "rot", op_rot, 0, 3, 3 },
    [0x34] = { "printf", op_printf, 3, 2, 0 },
};
/* clang-format on */
