/*
 * Agent expressions (gdb manual, appendix F): the bytecode in which gdb sends
 * conditions and commands of breakpoints, so that a hit that does not count
 * costs no trip over the wire.  Pure: registers and memory come through the
 * caller's functions.
 */
#ifndef GDBSTUB_AGENT_H
#define GDBSTUB_AGENT_H
#include "gdbstub/target.h"

struct gdb_agent_env {
    void *opaque;
    /* Register N of the target description; false: there is none. */
    bool (*reg)(void *opaque, unsigned n, uint64_t *value);
    bool (*mem)(void *opaque, uint64_t addr, void *buf, size_t len);
    gdb_print_fn *print; /* NULL: printf is dropped */
    void *print_opaque;
};

/* May it be run: known operators, whole, jumps inside?  WHY: one line. */
bool gdb_agent_check(const struct gdb_agent_code *code, char *why, size_t len);

/*
 * Runs checked code.  True, and the top of the stack in *VALUE (0: empty); or
 * false: the stack, a division, memory, or too many steps.
 */
bool gdb_agent_run(const struct gdb_agent_code *code,
                   const struct gdb_agent_env *env, uint64_t *value);
#endif
