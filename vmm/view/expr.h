/*
 * Expressions that a person types: addresses and values.
 *
 *   0x10 16 'a'            numbers; plain digits are decimal
 *   eax $eax cr3 dr7 ds    registers, with or without $
 *   $pc $sp $fp            linear, as gdb has them
 *   main  main+4           symbols; also &main
 *   main.c:12              where a source line's code begins
 *   f000:fff0 cs:ip ss:esp linear address of segment:offset; the segment part
 *                          before a colon is hexadecimal when it is a number
 *   phys:0x1000            a guest-physical address
 *   [esp+4] [ebp-8].w      memory at a linear address; .b .w .d .q
 *   *esp                   likewise, 4 bytes
 *   + - * / % & | ^ << >> ~ ! == != < <= > >= && || ( )   as in C, unsigned
 */
#ifndef VMM_VIEW_EXPR_H
#define VMM_VIEW_EXPR_H
#include "vmm/view/symbols.h"
#include "vmm/vm.h"

struct expr_value {
    uint64_t value;
    bool phys;         /* the expression was phys:... */
    bool segoff;       /* it was SEG:OFF: */
    uint16_t selector; /* ... these */
    uint64_t offset;
};

/* True; or false with one line in WHY that says what and where. */
bool expr_eval(struct vm *vm, const struct symbols *sym, const char *text,
               struct expr_value *out, char *why, size_t len);

/* Sets it; false: no such register, or it cannot be set. */
bool expr_set_register(struct x86_state *st, const char *name, uint64_t value);
/* The N-th register name, or NULL. */
const char *expr_register_name(size_t n);
#endif
