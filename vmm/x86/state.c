#include "vmm/x86/state.h"

#include <string.h>

void x86_state_reset(struct x86_state *st)
{
    static const uint32_t mxcsr_reset = 0x1f80, fcw_reset = 0x37f;

    memset(st, 0, sizeof(*st));
    st->rip = 0xfff0;
    st->rflags = X86_EFLAGS_RES1;
    st->gpr[X86_RDX] = 0x600; /* family 6 */
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        st->seg[i] = (struct x86_seg){
            .limit = 0xffff,
            .attr = X86_SEG_P | X86_SEG_S | X86_SEG_RW | X86_SEG_ACCESSED,
        };
    st->seg[X86_CS].selector = 0xf000;
    st->seg[X86_CS].base = 0xffff0000;
    st->seg[X86_CS].attr |= X86_SEG_CODE;
    st->ldt = (struct x86_seg){.limit = 0xffff, .attr = X86_SEG_P | 2};
    st->tr = (struct x86_seg){.limit = 0xffff, .attr = X86_SEG_P | 0xb};
    st->gdt.limit = st->idt.limit = 0xffff;
    st->cr0 = X86_CR0_CD | X86_CR0_NW | X86_CR0_ET;
    st->dr[6] = 0xffff0ff0;
    st->dr[7] = 0x400;
    st->apic_base = 0xfee00900; /* enabled, bootstrap processor */
    st->pat = 0x0007040600070406;
    st->misc_enable = 1;
    memcpy(st->fxsave, &fcw_reset, 2);
    memcpy(st->fxsave + 24, &mxcsr_reset, 4);
}

struct x86_seg x86_seg_decode(uint16_t selector, uint64_t d)
{
    uint32_t limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));
    /* bits 8 to 11 of it are the limit's */
    uint16_t attr = (uint16_t)(d >> 40 & 0xf0ff);

    return (struct x86_seg){
        .selector = selector,
        .attr = attr,
        .limit = attr & X86_SEG_G ? limit << 12 | 0xfff : limit,
        .base = (d >> 16 & 0xffffff) | d >> 56 << 24,
    };
}

enum x86_mode x86_mode(const struct x86_state *st)
{
    bool d = st->seg[X86_CS].attr & X86_SEG_DB;

    if (!(st->cr0 & X86_CR0_PE))
        return X86_MODE_REAL;
    if (st->rflags & X86_EFLAGS_VM)
        return X86_MODE_V86;
    if (!(st->efer & X86_EFER_LMA))
        return d ? X86_MODE_PROT32 : X86_MODE_PROT16;
    if (st->seg[X86_CS].attr & X86_SEG_L)
        return X86_MODE_LONG64;
    return d ? X86_MODE_COMPAT32 : X86_MODE_COMPAT16;
}

uint32_t x86_mode_bits(const struct x86_state *st)
{
    uint16_t cs = st->seg[X86_CS].attr;

    return (st->cr0 & X86_CR0_PE ? X86_MODE_BIT_PE : 0u) |
           (st->cr0 & X86_CR0_PG ? X86_MODE_BIT_PG : 0u) |
           (st->rflags & X86_EFLAGS_VM ? X86_MODE_BIT_VM : 0u) |
           (st->efer & X86_EFER_LMA ? X86_MODE_BIT_LMA : 0u) |
           (cs & X86_SEG_L ? X86_MODE_BIT_L : 0u) |
           (cs & X86_SEG_DB ? X86_MODE_BIT_D : 0u) |
           x86_cpl(st) << X86_MODE_CPL_SHIFT;
}

const char *x86_mode_name(enum x86_mode mode)
{
    static const char *const names[] = {
        [X86_MODE_REAL] = "real",         [X86_MODE_V86] = "v86",
        [X86_MODE_PROT16] = "prot16",     [X86_MODE_PROT32] = "prot32",
        [X86_MODE_COMPAT16] = "compat16", [X86_MODE_COMPAT32] = "compat32",
        [X86_MODE_LONG64] = "long64",
    };

    assert(mode < ARRAY_SIZE(names));
    return names[mode];
}

unsigned x86_code_bits(const struct x86_state *st)
{
    if (x86_mode(st) == X86_MODE_LONG64)
        return 64;
    return st->seg[X86_CS].attr & X86_SEG_DB ? 32 : 16;
}

uint64_t x86_code_base(const struct x86_state *st)
{
    return x86_mode(st) == X86_MODE_LONG64 ? 0 : st->seg[X86_CS].base;
}

uint64_t x86_linear_rip(const struct x86_state *st)
{
    if (x86_mode(st) == X86_MODE_LONG64)
        return st->rip;
    return (st->seg[X86_CS].base + st->rip) & 0xffffffffu;
}
