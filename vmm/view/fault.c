/* SDM vol. 3A 6.10 to 6.14: gates, and the frame that a handler finds. */
#include "vmm/view/fault.h"

#include <string.h>

#include "vmm/x86/insn.h"

#define VECTORS 20u /* exceptions with a meaning of their own */

static bool has_error_code(unsigned vector)
{
    return vector == X86_DF || (vector >= X86_TS && vector <= X86_PF) ||
           vector == X86_AC;
}

bool fault_handler(struct vm *vm, const struct x86_state *st, unsigned vector,
                   uint64_t *gla)
{
    enum x86_mode mode = x86_mode(st);
    uint64_t d[2] = {0};
    size_t size = mode == X86_MODE_REAL ? 4 : st->efer & X86_EFER_LMA ? 16 : 8;

    if (vector * size + size - 1 > st->idt.limit ||
        vm_read_gla(vm, st->idt.base + vector * size, d, size) < size)
        return false;
    if (size == 4) {
        *gla = (d[0] >> 16 & 0xffff) * 16 + (d[0] & 0xffff);
        return true;
    }
    *gla = (d[0] & 0xffff) | (d[0] >> 32 & 0xffff0000) | d[1] << 32;
    return d[0] >> 47 & 1; /* present */
}

/* What VECTOR's handler finds on its stack; 0: not there. */
struct frame {
    uint64_t error, rip, cs, rflags;
};

/* In protected and long mode.  False: not all of it can be read. */
static bool read_frame(struct vm *vm, const struct x86_state *st,
                       unsigned vector, struct frame *f)
{
    uint64_t *const slots[] = {&f->error, &f->rip, &f->cs, &f->rflags};
    bool wide = x86_mode(st) == X86_MODE_LONG64;
    size_t size = wide ? 8 : 4;
    uint64_t sp = st->gpr[X86_RSP] + (wide ? 0 : st->seg[X86_SS].base);

    *f = (struct frame){0};
    for (unsigned i = has_error_code(vector) ? 0 : 1; i < ARRAY_SIZE(slots);
         i++, sp += size)
        if (vm_read_gla(vm, sp, slots[i], size) < size) {
            *slots[i] = 0;
            return false;
        }
    return true;
}

bool fault_at_stop(struct vm *vm, const struct x86_state *st,
                   const struct debug_stop *stop, struct fault_cause *fault)
{
    uint64_t here = x86_linear_rip(st), gla;
    struct frame frame;

    *fault = (struct fault_cause){.cr2 = st->cr2};
    if (stop && stop->reason == DEBUG_REASON_CATCH &&
        stop->exit.kind == VM_EXIT_EXCEPTION &&
        stop->icount == vm_vcpu(vm)->icount) { /* it has not gone on since */
        fault->vector = stop->exit.u.exception.vector;
        fault->error = stop->exit.u.exception.error;
        fault->rip = stop->exit.rip;
        if (fault->vector == X86_PF)
            fault->cr2 = stop->exit.u.exception.cr2;
        return true;
    }
    if (stop && stop->reason == DEBUG_REASON_TRIPLE_FAULT && stop->causes) {
        *fault = stop->cause[0];
        return true;
    }
    if (!(st->cr0 & X86_CR0_PE))
        return false; /* any code may stand at a vector of the BIOS */
    for (unsigned v = 0; v < VECTORS; v++)
        if (fault_handler(vm, st, v, &gla) && gla == here) {
            read_frame(vm, st, v, &frame);
            fault->vector = (uint8_t)v;
            fault->error = (uint32_t)frame.error;
            fault->rip = frame.rip;
            return true;
        }
    return false;
}

/* Bits of the code that FRAME's handler interrupted; 0: not flat code. */
static unsigned interrupted_bits(struct vm *vm, const struct x86_state *st,
                                 const struct frame *frame)
{
    uint16_t selector = (uint16_t)frame->cs;
    struct x86_seg cs;
    uint64_t d;

    if (selector & 4 || frame->rflags & X86_EFLAGS_VM ||
        vm_read_gla(vm, st->gdt.base + (selector & ~7u), &d, 8) < 8)
        return 0;
    cs = x86_seg_decode(selector, d);
    if (x86_mode(st) == X86_MODE_LONG64 && cs.attr & X86_SEG_L)
        return 64;
    if (cs.base != 0)
        return 0;
    return cs.attr & X86_SEG_DB ? 32 : 16;
}

bool fault_insn_text(struct vm *vm, const struct x86_state *st,
                     const struct fault_cause *fault, char *buf, size_t len)
{
    struct frame frame;
    uint64_t gla;
    uint8_t bytes[15];
    unsigned bits;
    size_t n;

    if (!(st->cr0 & X86_CR0_PE) ||
        !fault_handler(vm, st, fault->vector, &gla) ||
        gla != x86_linear_rip(st) || !read_frame(vm, st, fault->vector, &frame))
        return false; /* there is no frame to read */
    bits = interrupted_bits(vm, st, &frame);
    n = vm_read_gla(vm, fault->rip, bytes, sizeof(bytes));
    return bits && n &&
           x86_insn_text(buf, len, bytes, n, bits, fault->rip) != 0;
}
