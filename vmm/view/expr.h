/*
 * Expressions that a person types: addresses and values.  Their forms are the
 * table that expr_help() prints.
 */
#ifndef VMM_VIEW_EXPR_H
#define VMM_VIEW_EXPR_H
#include "vmm/base/strbuf.h"
#include "vmm/view/symbols.h"
#include "vmm/vm.h"

struct expr_value {
    uint64_t value;
    bool phys;         /* the expression was phys:... */
    bool segoff;       /* it was SEG:OFF: */
    uint16_t selector; /* ... these */
    uint64_t offset;
};

/* The forms of an expression, a line each. */
void expr_help(struct strbuf *out);

/* True; or false with one line in WHY that says what, where and what next. */
bool expr_eval(struct vm *vm, const struct symbols *sym, const char *text,
               struct expr_value *out, char *why, size_t len);

/* Sets it; false: no such register, or it cannot be set. */
bool expr_set_register(struct x86_state *st, const char *name, uint64_t value);
/* The N-th name of a register, without $, or NULL. */
const char *expr_register_name(size_t n);
#endif
