/* Shared by the files of agent expressions only. */
#ifndef GDBSTUB_AGENT_IMPL_H
#define GDBSTUB_AGENT_IMPL_H
#include "gdbstub/agent.h"

#define GDB_AGENT_STACK 64u

struct agent_step;

struct agent_machine {
    const struct gdb_agent_env *env;
    const struct agent_step *next; /* NULL: ended */
    unsigned left;                 /* steps that jumps back may still cost */
};

/*
 * One operator.  SP is the top of the stack; what the operator takes is there,
 * and what it leaves has room.  The new top, or NULL: it failed.
 */
typedef uint64_t *agent_fn(struct agent_machine *m, uint64_t *sp,
                           const struct agent_step *s);

struct agent_step {
    agent_fn *fn;
    union {
        uint64_t imm; /* constant, bits, register, or depth */
        const struct agent_step *to;
        struct {
            uint32_t offset, bytes;
        } field; /* of env->fields */
        struct {
            const char *format;
            unsigned args;
        } print;
    } u;
};

struct agent_op {
    const char *name;
    agent_fn *fn;    /* NULL: not done here; NAME says what it is */
    uint8_t operand; /* bytes */
    uint8_t pops, pushes;
};

/* By opcode; the name is NULL where gdb has none. */
extern const struct agent_op gdb_agent_ops[256];
agent_fn gdb_agent_field, gdb_agent_end;

/* Prints FORMAT; *ARG is the first argument, the next ones lie below it.
 * False: too few, or a conversion that is not ours. */
bool gdb_agent_print(const struct gdb_agent_env *env, const char *format,
                     const uint64_t *arg, unsigned args);
#endif
