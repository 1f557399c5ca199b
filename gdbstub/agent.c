#include "gdbstub/agent.h"

#include <stdio.h>
#include <string.h>

#define STACK_MAX 64u
#define CODE_MAX  8192u
#define STEPS_MAX 100000u /* a jump back is allowed, a loop for ever not */

struct machine {
    const struct gdb_agent_env *env;
    const uint8_t *code;
    size_t pc; /* of the immediate operand, while an operator runs */
    size_t len;
    uint64_t stack[STACK_MAX];
    unsigned sp; /* entries used */
    bool ended;
};

/* An operator.  POPS entries are there, and PUSHES - POPS are free. */
typedef bool op_fn(struct machine *m);

static uint64_t *top(struct machine *m)
{
    return &m->stack[m->sp - 1];
}

static uint64_t pop(struct machine *m)
{
    return m->stack[--m->sp];
}

static void push(struct machine *m, uint64_t value)
{
    m->stack[m->sp++] = value;
}

/* The immediate operand, most significant byte first. */
static uint64_t immediate(const struct machine *m, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | m->code[m->pc + i];
    return value;
}

/* ---- arithmetic -----------------------------------------------------------
 */

#define BINARY(name, expr)                                                     \
    static bool op_##name(struct machine *m)                                   \
    {                                                                          \
        uint64_t b = pop(m), a = *top(m);                                      \
                                                                               \
        *top(m) = (uint64_t)(expr);                                            \
        return true;                                                           \
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
#define DIVISION(name, one_less, expr)                                         \
    static bool op_##name(struct machine *m)                                   \
    {                                                                          \
        uint64_t b = pop(m), a = *top(m);                                      \
                                                                               \
        if (b == 0)                                                            \
            return false;                                                      \
        *top(m) = b == UINT64_MAX && (one_less) ? 0 - a : (uint64_t)(expr);    \
        return true;                                                           \
    }
DIVISION(div_unsigned, false, a / b)
DIVISION(rem_unsigned, false, a % b)
DIVISION(div_signed, true, (int64_t)a / (int64_t)b)
#undef DIVISION

static bool op_rem_signed(struct machine *m)
{
    int64_t b = (int64_t)pop(m), a = (int64_t)*top(m);

    if (b == 0)
        return false;
    *top(m) = b == -1 ? 0 : (uint64_t)(a % b);
    return true;
}

static bool op_log_not(struct machine *m)
{
    *top(m) = !*top(m);
    return true;
}

static bool op_bit_not(struct machine *m)
{
    *top(m) = ~*top(m);
    return true;
}

static bool op_ext(struct machine *m)
{
    unsigned bits = m->code[m->pc];

    if (bits > 0 && bits < 64)
        *top(m) = (uint64_t)((int64_t)(*top(m) << (64 - bits)) >> (64 - bits));
    return true;
}

static bool op_zero_ext(struct machine *m)
{
    unsigned bits = m->code[m->pc];

    if (bits < 64)
        *top(m) &= (1ull << bits) - 1;
    return true;
}

/* ---- values from the machine ----------------------------------------------
 */

static bool ref(struct machine *m, unsigned size)
{
    uint64_t value = 0;

    if (!m->env->mem(m->env->opaque, *top(m), &value, size))
        return false;
    *top(m) = value;
    return true;
}

static bool op_ref8(struct machine *m)
{
    return ref(m, 1);
}

static bool op_ref16(struct machine *m)
{
    return ref(m, 2);
}

static bool op_ref32(struct machine *m)
{
    return ref(m, 4);
}

static bool op_ref64(struct machine *m)
{
    return ref(m, 8);
}

static bool op_reg(struct machine *m)
{
    uint64_t value;

    if (!m->env->reg(m->env->opaque, (unsigned)immediate(m, 2), &value))
        return false;
    push(m, value);
    return true;
}

static bool op_const8(struct machine *m)
{
    push(m, immediate(m, 1));
    return true;
}

static bool op_const16(struct machine *m)
{
    push(m, immediate(m, 2));
    return true;
}

static bool op_const32(struct machine *m)
{
    push(m, immediate(m, 4));
    return true;
}

static bool op_const64(struct machine *m)
{
    push(m, immediate(m, 8));
    return true;
}

/* ---- stack and flow -------------------------------------------------------
 */

static bool op_dup(struct machine *m)
{
    push(m, *top(m));
    return true;
}

static bool op_pop(struct machine *m)
{
    m->sp--;
    return true;
}

static bool op_swap(struct machine *m)
{
    uint64_t b = pop(m), a = *top(m);

    *top(m) = b;
    push(m, a);
    return true;
}

/* a b c becomes c a b */
static bool op_rot(struct machine *m)
{
    uint64_t c = pop(m), b = pop(m), a = pop(m);

    push(m, c);
    push(m, a);
    push(m, b);
    return true;
}

static bool op_pick(struct machine *m)
{
    unsigned n = m->code[m->pc];

    if (n >= m->sp)
        return false;
    push(m, m->stack[m->sp - 1 - n]);
    return true;
}

/* Where the operand is, is where the next operator would begin, less 2. */
static void jump(struct machine *m)
{
    m->pc = (size_t)immediate(m, 2) - 2;
}

static bool op_goto(struct machine *m)
{
    jump(m);
    return true;
}

static bool op_if_goto(struct machine *m)
{
    if (pop(m))
        jump(m);
    return true;
}

static bool op_end(struct machine *m)
{
    m->ended = true;
    return true;
}

/* Tracing collects nothing here: the stack is all that matters. */
static bool op_trace(struct machine *m)
{
    m->sp -= 2;
    return true;
}

static bool op_nothing(struct machine *m)
{
    (void)m;
    return true;
}

/* ---- printf ---------------------------------------------------------------
 */

#define PRINT_MAX  512u
#define STRING_MAX 200u

struct printer {
    char text[PRINT_MAX];
    size_t len;
};

static void put_string(struct machine *m, struct printer *p, const char *flags,
                       uint64_t addr)
{
    char text[STRING_MAX + 1] = "", format[24];
    size_t n = 0;
    int done;

    while (n < STRING_MAX &&
           m->env->mem(m->env->opaque, addr + n, &text[n], 1) && text[n])
        n++;
    text[n] = '\0';
    snprintf(format, sizeof(format), "%%%ss", flags);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    done = snprintf(p->text + p->len, PRINT_MAX - p->len, format, text);
#pragma GCC diagnostic pop
    p->len += done > 0 ? (size_t)done : 0;
}

/* LONGS: how many l's the client wrote: an int is 32 bits wide. */
static void put_number(struct printer *p, const char *flags, unsigned longs,
                       char conversion, uint64_t value)
{
    char format[24];
    int done;

    if (conversion == 'p')
        conversion = 'x', longs = 2;
    if (!longs)
        value = conversion == 'd' || conversion == 'i'
                    ? (uint64_t)(int64_t)(int32_t)value
                    : (uint32_t)value;
    if (conversion == 'c')
        snprintf(format, sizeof(format), "%%%sc", flags);
    else
        snprintf(format, sizeof(format), "%%%sll%c", flags, conversion);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (conversion == 'c')
        done =
            snprintf(p->text + p->len, PRINT_MAX - p->len, format, (int)value);
    else
        done = snprintf(p->text + p->len, PRINT_MAX - p->len, format,
                        (unsigned long long)value);
#pragma GCC diagnostic pop
    p->len += done > 0 ? (size_t)done : 0;
}

/* At most two digits of a width or a precision: no line is longer. */
static size_t take_digits(const char **f, char *to)
{
    size_t n = 0;

    for (; **f >= '0' && **f <= '9'; (*f)++)
        if (n < 2)
            to[n++] = **f;
    return n;
}

/* Flags, width and precision of a conversion; FLAGS has room for 12. */
static const char *take_flags(const char *f, char *flags)
{
    size_t n = 0;

    for (; *f && strchr("-+ #0", *f); f++)
        if (n < 5)
            flags[n++] = *f;
    n += take_digits(&f, flags + n);
    if (*f == '.') {
        flags[n++] = *f++;
        n += take_digits(&f, flags + n);
    }
    flags[n] = '\0';
    return f;
}

/* One %...; F is past the %.  What follows it, or NULL: not ours. */
static const char *put_one(struct machine *m, struct printer *p, const char *f,
                           uint64_t value)
{
    unsigned longs = 0;
    char flags[12];

    f = take_flags(f, flags);
    for (; *f == 'l' || *f == 'h' || *f == 'z'; f++)
        longs += *f != 'h';
    if (*f == 's')
        put_string(m, p, flags, value);
    else if (*f && strchr("diuxXocp", *f))
        put_number(p, flags, longs, *f, value);
    else
        return NULL;
    return f + 1;
}

static bool print(struct machine *m, const char *f, unsigned args)
{
    struct printer p = {.len = 0};

    while (*f && p.len < PRINT_MAX - 1) {
        if (*f != '%' || f[1] == '%') {
            f += *f == '%';
            p.text[p.len++] = *f++;
            continue;
        }
        if (!args--)
            return false;
        f = put_one(m, &p, f + 1, pop(m));
        if (!f)
            return false;
        if (p.len > PRINT_MAX - 1)
            p.len = PRINT_MAX - 1;
    }
    if (m->env->print)
        m->env->print(m->env->print_opaque, p.text, p.len);
    return true;
}

/* printf: one byte: arguments; two: length of the format; its bytes. */
static bool op_printf(struct machine *m)
{
    unsigned args = m->code[m->pc];
    size_t len = (size_t)m->code[m->pc + 1] << 8 | m->code[m->pc + 2];
    const char *format = (const char *)m->code + m->pc + 3;
    unsigned left;

    if (m->sp < 2 + args)
        return false;
    m->sp -= 2; /* a function and a channel: there is but one way out */
    left = m->sp - args;
    if (!print(m, format, args))
        return false;
    m->sp = left;
    m->pc += len;
    return true;
}

/* ---- the table ------------------------------------------------------------
 */

#define PRINTF_OP 0x34u

/* clang-format off */
static const struct op {
    op_fn *fn;           /* NULL: there is no such operator, or floating */
    uint8_t operand;     /* bytes */
    uint8_t pops, pushes;
} ops[256] = {
    [0x02] = { op_add, 0, 2, 1 },           [0x03] = { op_sub, 0, 2, 1 },
    [0x04] = { op_mul, 0, 2, 1 },           [0x05] = { op_div_signed, 0, 2, 1 },
    [0x06] = { op_div_unsigned, 0, 2, 1 },  [0x07] = { op_rem_signed, 0, 2, 1 },
    [0x08] = { op_rem_unsigned, 0, 2, 1 },  [0x09] = { op_lsh, 0, 2, 1 },
    [0x0a] = { op_rsh_signed, 0, 2, 1 },    [0x0b] = { op_rsh_unsigned, 0, 2, 1 },
    [0x0c] = { op_trace, 0, 2, 0 },         [0x0d] = { op_nothing, 1, 0, 0 },
    [0x0e] = { op_log_not, 0, 1, 1 },       [0x0f] = { op_bit_and, 0, 2, 1 },
    [0x10] = { op_bit_or, 0, 2, 1 },        [0x11] = { op_bit_xor, 0, 2, 1 },
    [0x12] = { op_bit_not, 0, 1, 1 },       [0x13] = { op_equal, 0, 2, 1 },
    [0x14] = { op_less_signed, 0, 2, 1 },   [0x15] = { op_less_unsigned, 0, 2, 1 },
    [0x16] = { op_ext, 1, 1, 1 },           [0x17] = { op_ref8, 0, 1, 1 },
    [0x18] = { op_ref16, 0, 1, 1 },         [0x19] = { op_ref32, 0, 1, 1 },
    [0x1a] = { op_ref64, 0, 1, 1 },         [0x20] = { op_if_goto, 2, 1, 0 },
    [0x21] = { op_goto, 2, 0, 0 },          [0x22] = { op_const8, 1, 0, 1 },
    [0x23] = { op_const16, 2, 0, 1 },       [0x24] = { op_const32, 4, 0, 1 },
    [0x25] = { op_const64, 8, 0, 1 },       [0x26] = { op_reg, 2, 0, 1 },
    [0x27] = { op_end, 0, 0, 0 },           [0x28] = { op_dup, 0, 1, 2 },
    [0x29] = { op_pop, 0, 1, 0 },           [0x2a] = { op_zero_ext, 1, 1, 1 },
    [0x2b] = { op_swap, 0, 2, 2 },          [0x2f] = { op_trace, 0, 2, 0 },
    [0x30] = { op_nothing, 2, 0, 0 },       [0x32] = { op_pick, 1, 0, 1 },
    [0x33] = { op_rot, 0, 3, 3 },           [PRINTF_OP] = { op_printf, 3, 2, 0 },
};
/* clang-format on */

/* Bytes of the operator at PC; 0: it is none, or cut off. */
static size_t op_len(const struct gdb_agent_code *code, size_t pc)
{
    const struct op *op = &ops[code->bytes[pc]];
    size_t len = 1u + op->operand;

    if (!op->fn || code->len - pc < len)
        return 0;
    if (code->bytes[pc] == PRINTF_OP) {
        size_t format = (size_t)code->bytes[pc + 2] << 8 | code->bytes[pc + 3];

        if (!format || code->len - pc - len < format ||
            code->bytes[pc + len + format - 1] != '\0')
            return 0;
        len += format;
    }
    return len;
}

static bool is_start(const struct gdb_agent_code *code, size_t target)
{
    size_t pc = 0;

    while (pc < target && pc < code->len)
        pc += op_len(code, pc);
    return pc == target && pc < code->len;
}

bool gdb_agent_check(const struct gdb_agent_code *code, char *why, size_t len)
{
    size_t n;

    if (code->len > CODE_MAX) {
        snprintf(why, len, "agent expression: more than %u bytes", CODE_MAX);
        return false;
    }
    for (size_t pc = 0; pc < code->len; pc += n) {
        n = op_len(code, pc);
        if (!n) {
            snprintf(why, len,
                     "agent expression: operator %#x at %zu is not "
                     "known here, or cut off",
                     code->bytes[pc], pc);
            return false;
        }
    }
    for (size_t pc = 0; pc < code->len; pc += op_len(code, pc)) {
        uint8_t op = code->bytes[pc];
        size_t to;

        if (op != 0x20 && op != 0x21)
            continue;
        to = (size_t)code->bytes[pc + 1] << 8 | code->bytes[pc + 2];
        if (!is_start(code, to)) {
            snprintf(why, len,
                     "agent expression: the jump at %zu leads "
                     "nowhere",
                     pc);
            return false;
        }
    }
    return true;
}

bool gdb_agent_run(const struct gdb_agent_code *code,
                   const struct gdb_agent_env *env, uint64_t *value)
{
    struct machine m;
    unsigned steps = 0;

    /* The stack is not cleared: conditions run millions of times a second. */
    m.env = env;
    m.code = code->bytes;
    m.len = code->len;
    m.pc = 0;
    m.sp = 0;
    m.ended = false;
    while (!m.ended && m.pc < m.len) {
        const struct op *op = &ops[m.code[m.pc++]];

        if (m.sp < op->pops || m.sp - op->pops + op->pushes > STACK_MAX ||
            ++steps > STEPS_MAX || !op->fn(&m))
            return false;
        m.pc += op->operand;
    }
    *value = m.sp ? *top(&m) : 0;
    return true;
}
