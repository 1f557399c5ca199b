/*
 * Which exception the guest has just taken, when it is stopped at one: caught
 * on its way, or at the first instruction of its handler.
 */
#ifndef VMM_VIEW_FAULT_H
#define VMM_VIEW_FAULT_H
#include "vmm/debug.h"

/* The handler's linear address in the guest's IDT; false: no such gate. */
bool fault_handler(struct vm *vm, const struct x86_state *st, unsigned vector,
                   uint64_t *gla);

/*
 * False: the guest is not stopped at an exception.  FAULT->error is 0 for
 * vectors without one; FAULT->rip is the instruction that faulted, 0 if that
 * cannot be read.
 */
bool fault_at_stop(struct vm *vm, const struct x86_state *st,
                   const struct debug_stop *stop, struct fault_cause *fault);

/*
 * The instruction that raised FAULT, in Intel syntax.  False: it cannot be
 * told, as the page is not mapped or its code segment is not flat.
 */
bool fault_insn_text(struct vm *vm, const struct x86_state *st,
                     const struct fault_cause *fault, char *buf, size_t len);
#endif
