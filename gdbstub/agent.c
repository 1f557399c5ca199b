#include "gdbstub/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdbstub/agent_impl.h"

#define CODE_MAX  8192u
#define STEPS_MAX 100000u /* a jump back is allowed, a loop for ever not */

enum { OP_IF_GOTO = 0x20, OP_GOTO, OP_REG = 0x26, OP_END, OP_DUP };
enum { OP_PICK = 0x32, OP_PRINTF = 0x34 };

struct gdb_agent_program {
    unsigned left;
    uint8_t *bytes; /* a copy: formats are in it */
    struct agent_step step[];
};

/* ---- decoding ----------------------------------------------------------- */

struct compiler {
    struct gdb_agent_code code;
    gdb_agent_where *where;
    void *opaque;
    struct gdb_agent_program *p;
    size_t steps;    /* so far */
    uint16_t *start; /* by byte: number of the step there, from 1; 0: none */
    int *depth;      /* by step: entries on the stack before it; -1: unknown */
    char *why;
    size_t why_len;
};

#define FAIL(c, ...)                                                           \
    (snprintf((c)->why, (c)->why_len, "agent expression: " __VA_ARGS__), false)

/* The LEN bytes at PC, most significant first. */
static uint64_t immediate(const struct compiler *c, size_t pc, unsigned len)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < len; i++)
        value = value << 8 | c->code.bytes[pc + i];
    return value;
}

/* Bytes of the operator at PC; 0: it is none of ours, or cut off. */
static size_t op_len(struct compiler *c, size_t pc)
{
    const struct agent_op *op = &gdb_agent_ops[c->code.bytes[pc]];
    size_t len = 1u + op->operand, left = c->code.len - pc;

    if (!op->fn && op->name)
        return FAIL(c, "%s cannot be evaluated here (operator %#x)", op->name,
                    c->code.bytes[pc]);
    if (!op->fn)
        return FAIL(c, "there is no operator %#x", c->code.bytes[pc]);
    if (left >= len && c->code.bytes[pc] == OP_PRINTF) {
        size_t format = (size_t)immediate(c, pc + 2, 2);

        if (!format || left - len < format ||
            c->code.bytes[pc + len + format - 1] != '\0')
            return FAIL(c, "printf at %zu has no whole format", pc);
        len += format;
    }
    if (left < len)
        return FAIL(c, "%s at %zu is cut off", op->name, pc);
    return len;
}

static void decode_operand(struct compiler *c, size_t pc, struct agent_step *s)
{
    uint8_t code = c->code.bytes[pc];
    const struct agent_op *op = &gdb_agent_ops[code];
    uint32_t offset, bytes;

    s->fn = op->fn;
    if (code == OP_PRINTF) {
        s->u.print.args = c->code.bytes[pc + 1];
        s->u.print.format = (const char *)&c->p->bytes[pc + 4];
        return;
    }
    s->u.imm = immediate(c, pc + 1, op->operand);
    if (code == OP_REG && c->where &&
        c->where(c->opaque, (unsigned)s->u.imm, &offset, &bytes)) {
        s->fn = gdb_agent_field;
        s->u.field.offset = offset;
        s->u.field.bytes = bytes;
    }
}

static bool decode(struct compiler *c)
{
    size_t len;

    for (size_t pc = 0; pc < c->code.len; pc += len) {
        len = op_len(c, pc);
        if (!len)
            return false;
        decode_operand(c, pc, &c->p->step[c->steps]);
        c->start[pc] = (uint16_t)++c->steps;
    }
    c->p->step[c->steps].fn = gdb_agent_end;
    return true;
}

/* ---- checking ----------------------------------------------------------- */

static bool set_depth(struct compiler *c, size_t step, int depth)
{
    if (c->depth[step] < 0)
        c->depth[step] = depth;
    return c->depth[step] == depth ||
           FAIL(c, "the stack is not the same on two ways to one place");
}

/* The jump at PC, which is STEP: to where, with DEPTH on the stack. */
static bool link_jump(struct compiler *c, size_t pc, size_t step, int depth)
{
    size_t to = (size_t)immediate(c, pc + 1, 2);

    if (to >= c->code.len || !c->start[to])
        return FAIL(c, "the jump at %zu leads nowhere", pc);
    to = c->start[to] - 1u;
    if (to <= step && c->depth[to] < 0)
        return FAIL(c, "the jump at %zu leads back to what is never run", pc);
    c->p->step[step].u.to = &c->p->step[to];
    return set_depth(c, to, depth);
}

static bool check_step(struct compiler *c, size_t pc, size_t step)
{
    uint8_t code = c->code.bytes[pc];
    const struct agent_op *op = &gdb_agent_ops[code];
    int depth = c->depth[step], pops = op->pops;

    if (code == OP_PRINTF)
        pops += (int)c->p->step[step].u.print.args;
    if (depth < pops ||
        (code == OP_PICK && (int)c->p->step[step].u.imm >= depth))
        return FAIL(c, "%s at %zu finds too little on the stack", op->name, pc);
    depth += op->pushes - pops;
    if (depth > (int)GDB_AGENT_STACK)
        return FAIL(c, "more than %u values on the stack", GDB_AGENT_STACK);
    if ((code == OP_IF_GOTO || code == OP_GOTO) &&
        !link_jump(c, pc, step, depth))
        return false;
    return code == OP_GOTO || code == OP_END || set_depth(c, step + 1, depth);
}

/* What no way leads to is not run, and not checked. */
static bool check(struct compiler *c)
{
    c->depth[0] = 0;
    for (size_t pc = 0; pc < c->code.len; pc++)
        if (c->start[pc] && c->depth[c->start[pc] - 1u] >= 0 &&
            !check_step(c, pc, c->start[pc] - 1u))
            return false;
    return true;
}

static bool allocate(struct compiler *c)
{
    size_t steps = c->code.len + 1;

    c->p = calloc(1, sizeof(*c->p) + steps * sizeof(c->p->step[0]));
    c->start = calloc(steps, sizeof(*c->start));
    c->depth = malloc(steps * sizeof(*c->depth));
    if (!c->p || !c->start || !c->depth)
        return FAIL(c, "out of memory");
    memset(c->depth, -1, steps * sizeof(*c->depth));
    c->p->left = STEPS_MAX;
    c->p->bytes = malloc(steps);
    if (!c->p->bytes)
        return FAIL(c, "out of memory");
    if (c->code.len)
        memcpy(c->p->bytes, c->code.bytes, c->code.len);
    return true;
}

struct gdb_agent_program *gdb_agent_compile(const struct gdb_agent_code *code,
                                            gdb_agent_where *where,
                                            void *opaque, char *why, size_t len)
{
    struct compiler c = {
        .code = *code,
        .where = where,
        .opaque = opaque,
        .why = why,
        .why_len = len,
    };
    bool ok = code->len <= CODE_MAX ? allocate(&c) && decode(&c) && check(&c)
                                    : FAIL(&c, "more than %u bytes", CODE_MAX);

    free(c.start);
    free(c.depth);
    if (ok)
        return c.p;
    gdb_agent_free(c.p);
    return NULL;
}

void gdb_agent_free(struct gdb_agent_program *p)
{
    if (!p)
        return;
    free(p->bytes);
    free(p);
}

/* ---- running ------------------------------------------------------------ */

bool gdb_agent_run(const struct gdb_agent_program *p,
                   const struct gdb_agent_env *env, uint64_t *value)
{
    struct agent_machine m = {.env = env, .left = p->left};
    uint64_t stack[GDB_AGENT_STACK + 1]; /* not cleared: this is hot */
    uint64_t *sp = stack;                /* [0] is what an empty one shows */

    stack[0] = 0;
    for (const struct agent_step *s = p->step; s; s = m.next) {
        m.next = s + 1;
        sp = s->fn(&m, sp, s);
        if (!sp)
            return false;
    }
    *value = *sp;
    return true;
}
