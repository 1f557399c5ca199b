/*
 * Ports and flags: what IOPL and the TSS's I/O permission bitmap guard.
 * SDM vol. 1 ch. 19 (I/O), vol. 2 (IN, INS, OUT, OUTS, CLI, STI, PUSHF, POPF).
 */
#include <string.h>

#include "vmm/accel/emu/sys.h"

/* ---- may we? ----------------------------------------------------------- */

#define TSS32_MIN_LIMIT 0x67u
#define TSS_IOMAP_BASE  0x66u

/*
 * A set bit, or a byte beyond the TSS, forbids; two bytes are read always, as
 * an access may straddle them.  SDM vol. 1 19.5.2.
 */
static bool bitmap_allows(struct emu *emu, uint16_t port, unsigned size,
                          bool *allowed)
{
    const struct x86_seg *tr = &emu->st->tr;
    unsigned type = X86_SEG_TYPE(tr->attr) & ~SYS_TSS_BUSY;
    uint16_t base, bits;
    uint32_t at;

    *allowed = false;
    if (type != SYS_TSS32 || tr->limit < TSS32_MIN_LIMIT)
        return true;
    if (!emu_read_sys(emu, sys_wrap(emu, tr->base + TSS_IOMAP_BASE), &base, 2))
        return false;
    at = base + port / 8u;
    if (at + 1 > tr->limit)
        return true;
    if (!emu_read_sys(emu, sys_wrap(emu, tr->base + at), &bits, 2))
        return false;
    *allowed = !((unsigned)bits >> (port & 7) & (BIT(size) - 1));
    return true;
}

static bool check_port(struct emu *emu, uint16_t port, unsigned size)
{
    const struct x86_state *st = emu->st;
    bool allowed = true;

    if ((st->cr0 & X86_CR0_PE) &&
        (sys_is_v86(emu) || x86_cpl(st) > (st->rflags >> 12 & 3)) &&
        !bitmap_allows(emu, port, size, &allowed))
        return false;
    if (!allowed)
        return emu_raise_err(emu, X86_GP, 0);
    return !emu_leaves(emu, port, true);
}

/* ---- IN, OUT ----------------------------------------------------------- */

static void transfer(struct emu *emu, uint16_t port, unsigned size, bool out,
                     void *data, uint32_t count)
{
    struct vm_exit e = sys_exit(emu, VM_EXIT_PIO);

    e.u.pio.port = port;
    e.u.pio.size = (uint8_t)size;
    e.u.pio.out = out;
    e.u.pio.count = count;
    e.u.pio.data = data;
    if (emu->st->cr4 & X86_CR4_DE)
        emu_match_breakpoints(emu, port, size, out, true);
    vcpu_exit(emu->vcpu, &e);
}

static uint16_t port_of(const struct emu *emu, const ZydisDecodedOperand *op)
{
    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return op->imm.value.u & 0xff;
    return (uint16_t)emu->st->gpr[X86_RDX];
}

bool sys_in(struct emu *emu)
{
    unsigned size = emu->op[0].size / 8u;
    uint16_t port = port_of(emu, &emu->op[1]);
    uint32_t value = ~0u;

    if (!check_port(emu, port, size))
        return false;
    transfer(emu, port, size, false, &value, 1);
    return emu_put(emu, &emu->op[0], value & all_ones(size));
}

bool sys_out(struct emu *emu)
{
    unsigned size = emu->op[1].size / 8u;
    uint16_t port = port_of(emu, &emu->op[0]);
    uint32_t value = (uint32_t)emu->st->gpr[X86_RAX];

    if (!check_port(emu, port, size))
        return false;
    transfer(emu, port, size, true, &value, 1);
    return true;
}

/* ---- INS, OUTS --------------------------------------------------------- */

#define BATCH_BYTES 512u /* at most: an emu_read, and a disk sector */

/* A string instruction at work. */
struct string {
    enum x86_sreg seg;
    enum x86_gpr index; /* RSI or RDI */
    uint64_t offset;
    uint64_t mask; /* of offsets and counts: the address size */
    unsigned size;
    uint64_t count; /* elements left */
    bool rep;
};

/* The memory operand is implicit, and the only one of its type. */
static const ZydisDecodedOperand *memory_operand(const struct emu *emu)
{
    for (unsigned i = 0; i < emu->insn->operand_count; i++)
        if (emu->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return &emu->op[i];
    assert(!"INS and OUTS have a memory operand");
    return NULL;
}

static struct string string_of(const struct emu *emu, enum x86_gpr index)
{
    const ZydisDecodedOperand *mem = memory_operand(emu);
    const struct x86_state *st = emu->st;
    struct string s = {
        .seg = (enum x86_sreg)(mem->mem.segment - ZYDIS_REGISTER_ES),
        .index = index,
        .mask = all_ones(emu->insn->address_width / 8u),
        .size = mem->size / 8u,
        .count = 1,
        .rep = emu->insn->attributes &
               (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPNE),
    };

    s.offset = st->gpr[index] & s.mask;
    if (s.rep)
        s.count = st->gpr[X86_RCX] & s.mask;
    return s;
}

/* How many elements go at once: ascending, within a page and the offsets. */
static uint32_t batch_of(const struct emu *emu, const struct string *s)
{
    uint64_t gla, room, n;

    if (emu->st->rflags & X86_EFLAGS_DF)
        return 1;
    (void)emu_linear_quiet(emu, s->seg, s->offset, 1, EMU_READ, &gla);
    room = MEM_PAGE_SIZE - gla % MEM_PAGE_SIZE;
    if (room > BATCH_BYTES)
        room = BATCH_BYTES;
    if (room > s->mask - s->offset)
        room = s->mask - s->offset;
    n = room / s->size;
    if (n > s->count)
        n = s->count;
    return n ? (uint32_t)n : 1;
}

/* N elements are done: move the registers, ask to be run again. */
static void advance(struct emu *emu, const struct string *s, uint32_t n)
{
    struct x86_state *st = emu->st;
    uint64_t step = n * s->size;
    /* Registers of 32 bits are zero-extended. */
    uint64_t keep = s->mask == 0xffff ? ~s->mask : 0;

    if (st->rflags & X86_EFLAGS_DF)
        step = 0 - step;
    st->gpr[s->index] =
        (st->gpr[s->index] & keep) | ((s->offset + step) & s->mask);
    if (!s->rep)
        return;
    st->gpr[X86_RCX] = (st->gpr[X86_RCX] & keep) | ((s->count - n) & s->mask);
    emu->restart = s->count > n;
}

bool sys_ins(struct emu *emu)
{
    struct string s = string_of(emu, X86_RDI);
    uint16_t port = (uint16_t)emu->st->gpr[X86_RDX];
    uint8_t data[BATCH_BYTES];
    uint32_t n;

    if (s.count == 0)
        return true;
    if (!check_port(emu, port, s.size))
        return false;
    /* Nothing may fault after the port was read. */
    n = batch_of(emu, &s);
    if (!emu_probe_write64(emu, s.seg, s.offset, n * s.size)) {
        if (n == 1)
            return false;
        n = 1;
        if (!emu_probe_write64(emu, s.seg, s.offset, s.size))
            return false;
    }
    memset(data, 0xff, sizeof(data));
    transfer(emu, port, s.size, false, data, n);
    if (!emu_write64(emu, s.seg, s.offset, data, n * s.size))
        return false;
    advance(emu, &s, n);
    return true;
}

bool sys_outs(struct emu *emu)
{
    struct string s = string_of(emu, X86_RSI);
    uint16_t port = (uint16_t)emu->st->gpr[X86_RDX];
    uint8_t data[BATCH_BYTES];
    uint32_t n;

    if (s.count == 0)
        return true;
    if (!check_port(emu, port, s.size))
        return false;
    n = batch_of(emu, &s);
    if (!emu_read64(emu, s.seg, s.offset, data, n * s.size)) {
        if (n == 1)
            return false;
        n = 1;
        if (!emu_read64(emu, s.seg, s.offset, data, s.size))
            return false;
    }
    transfer(emu, port, s.size, true, data, n);
    advance(emu, &s, n);
    return true;
}

/* ---- EFLAGS ------------------------------------------------------------ */

static void report_flags(struct emu *emu, bool write)
{
    sys_report_reg(emu, VM_EXIT_FLAGS, 0, write, emu->st->rflags);
}

bool sys_cli(struct emu *emu)
{
    if (!sys_need_iopl(emu))
        return false;
    emu->st->rflags &= ~(uint64_t)X86_EFLAGS_IF;
    report_flags(emu, true);
    return true;
}

/* Interrupts stay off for one more instruction if they were off. */
bool sys_sti(struct emu *emu)
{
    struct x86_state *st = emu->st;

    if (!sys_need_iopl(emu))
        return false;
    st->sti_shadow = !(st->rflags & X86_EFLAGS_IF);
    st->rflags |= X86_EFLAGS_IF;
    report_flags(emu, true);
    return true;
}

bool sys_pushf(struct emu *emu)
{
    const uint32_t hidden = X86_EFLAGS_RF | X86_EFLAGS_VM;
    uint32_t sp = emu_sp(emu);

    if (sys_is_v86(emu) && !sys_need_iopl(emu))
        return false;
    if (!emu_push_at(emu, &sp, (uint32_t)emu->st->rflags & ~hidden,
                     emu_opsize(emu)))
        return false;
    emu_set_sp(emu, sp);
    return true;
}

bool sys_popf(struct emu *emu)
{
    unsigned size = emu_opsize(emu);
    uint32_t sp = emu_sp(emu), value;

    if (sys_is_v86(emu) && !sys_need_iopl(emu))
        return false;
    if (!emu_pop_at(emu, &sp, &value, size))
        return false;
    emu_set_sp(emu, sp);
    sys_set_flags(emu, value & ~X86_EFLAGS_RF, size);
    report_flags(emu, true);
    return true;
}
