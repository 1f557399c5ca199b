/*
 * Agent expressions (gdb manual, appendix F): the bytecode in which gdb sends
 * conditions and commands of breakpoints, so that a hit that does not count
 * costs no trip over the wire.  A condition is asked millions of times a
 * second: it is decoded once, with all that can be checked beforehand checked.
 * Pure: registers and memory come through the caller's functions.
 */
#ifndef GDBSTUB_AGENT_H
#define GDBSTUB_AGENT_H
#include "gdbstub/target.h"

struct gdb_agent_env {
    void *opaque;
    /* Register N of the target description; false: there is none. */
    bool (*reg)(void *opaque, unsigned n, uint64_t *value);
    bool (*mem)(void *opaque, uint64_t addr, void *buf, size_t len);
    /* What gdb_agent_where's offsets count from. */
    const void *fields;
    gdb_print_fn *print; /* NULL: printf is dropped */
    void *print_opaque;
};

/*
 * Is register N simply *BYTES (at most 8) bytes at *OFFSET of env->fields?
 * Then it is read there, without env->reg.  May be NULL: none is.
 */
typedef bool gdb_agent_where(void *opaque, unsigned n, uint32_t *offset,
                             uint32_t *bytes);

struct gdb_agent_program;

/*
 * Decodes CODE, which need not outlive the call.  NULL: WHY says in one line
 * what cannot be run: an operator, a jump, the stack; or there is no memory.
 */
struct gdb_agent_program *gdb_agent_compile(const struct gdb_agent_code *code,
                                            gdb_agent_where *where,
                                            void *opaque, char *why,
                                            size_t len);
void gdb_agent_free(struct gdb_agent_program *p);

/*
 * True, and the top of the stack in *VALUE (0: empty); or false: a register,
 * a division, memory, or a loop that does not end.
 */
bool gdb_agent_run(const struct gdb_agent_program *p,
                   const struct gdb_agent_env *env, uint64_t *value);
#endif
