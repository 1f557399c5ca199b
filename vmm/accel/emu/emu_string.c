/*
 * MOVS, STOS, LODS, SCAS, CMPS and their repetition (SDM vol. 2B REP).
 *
 * A repeated instruction is restartable after every element: registers say how
 * far it got, RIP stays.  It is one retired instruction; a long one is cut into
 * pieces by emu->restart, so that interrupts get in.
 */
#include <string.h>

#include "vmm/accel/emu/emu_internal.h"

#define PIECE 65536u /* elements at most in one call */

enum rep { REP_NONE, REP_E, REP_NE };

/* One string instruction on its way. */
struct string {
    unsigned size;     /* of an element, in bytes */
    uint64_t mask;     /* of SI, DI and CX, by address size */
    int64_t step;      /* size, or -size with DF */
    enum rep rep;      /* REP_E also for plain REP */
    uint64_t left;     /* iterations; 1 without a prefix */
    unsigned piece;    /* iterations before the cut */
    enum x86_sreg seg; /* of SI */
};

static uint64_t load(const struct emu *emu, const struct string *s,
                     enum x86_gpr reg)
{
    return emu->st->gpr[reg] & s->mask;
}

static void store(struct emu *emu, const struct string *s, enum x86_gpr reg,
                  uint64_t value)
{
    uint64_t *r = &emu->st->gpr[reg];

    *r = (*r & ~s->mask) | (value & s->mask);
}

static void advance(struct emu *emu, const struct string *s, enum x86_gpr reg,
                    uint64_t count)
{
    store(emu, s, reg, load(emu, s, reg) + (uint64_t)s->step * count);
}

static enum rep rep_prefix(const ZydisDecodedInstruction *insn)
{
    enum rep rep = REP_NONE;

    for (unsigned i = 0; i < insn->raw.prefix_count; i++) {
        if (insn->raw.prefixes[i].value == 0xf3)
            rep = REP_E;
        else if (insn->raw.prefixes[i].value == 0xf2)
            rep = REP_NE;
    }
    return rep;
}

static void begin(struct emu *emu, struct string *s)
{
    s->size = emu->insn->operand_width / 8u;
    s->mask = all_ones(emu->insn->address_width / 8u);
    s->step = emu->st->rflags & X86_EFLAGS_DF ? -(int64_t)s->size : s->size;
    s->rep = rep_prefix(emu->insn);
    s->left = s->rep ? load(emu, s, X86_RCX) : 1;
    /* A single step or a breakpoint traps after each iteration. */
    s->piece = emu->watching || (emu->st->rflags & X86_EFLAGS_TF) ? 1 : PIECE;
    s->seg = emu_data_segment(emu);
}

/* COUNT iterations are done.  True: go on with the next one. */
static bool again(struct emu *emu, struct string *s, uint64_t count)
{
    s->left -= count;
    if (s->rep)
        store(emu, s, X86_RCX, s->left);
    if (s->left == 0)
        return false;
    s->piece -= count < s->piece ? (unsigned)count : s->piece;
    emu->restart = s->piece == 0;
    return !emu->restart;
}

/* ---- many elements at once --------------------------------------------- */

/* Elements from OFF upwards that stay in a page and do not wrap. */
static uint64_t run_length(const struct string *s, uint64_t off, uint64_t gla)
{
    uint64_t n = s->left < s->piece ? s->left : s->piece;
    uint64_t in_page = (MEM_PAGE_SIZE - (gla & (MEM_PAGE_SIZE - 1))) / s->size;
    uint64_t in_mask = (s->mask - off + 1) / s->size;

    if (n > in_page)
        n = in_page;
    return n > in_mask && s->mask - off + 1 != 0 ? in_mask : n;
}

/*
 * Host address of up to *N elements at SEG:REG, or NULL if they must be done
 * one by one: a device, a fault, a limit, the end of a page.
 */
static uint8_t *run_of(struct emu *emu, const struct string *s,
                       enum x86_sreg seg, enum x86_gpr reg,
                       enum emu_right right, uint64_t *n, uint64_t *gpa)
{
    uint64_t off = load(emu, s, reg), gla, count;
    const struct emu_tlb_entry *page;

    if (!emu_linear_quiet(emu, seg, off, s->size, right, &gla))
        return NULL;
    count = run_length(s, off, gla);
    if (count < *n)
        *n = count;
    if (*n < 2 ||
        !emu_linear_quiet(emu, seg, off, (unsigned)(*n * s->size), right, &gla))
        return NULL;
    page = emu_tlb_get(emu, gla, right, x86_cpl(emu->st) == 3);
    if (!page || !page->hva || (right == EMU_WRITE && page->rights & EMU_ROM))
        return NULL;
    *gpa = page->gpa + (gla & (MEM_PAGE_SIZE - 1));
    return page->hva + (gla & (MEM_PAGE_SIZE - 1));
}

/* As the processor does it when TO lies inside what is yet to be read. */
static void copy_forward(uint8_t *to, const uint8_t *from, uint64_t n,
                         unsigned size)
{
    if ((uint64_t)(to - from) >= n * size) {
        memmove(to, from, n * size);
        return;
    }
    for (; n > 0; n--, to += size, from += size) {
        uint64_t element;

        memcpy(&element, from, size);
        memcpy(to, &element, size);
    }
}

static uint64_t movs_run(struct emu *emu, const struct string *s)
{
    uint64_t n = s->left, from_gpa, to_gpa;
    const uint8_t *from;
    uint8_t *to;

    if (s->step < 0 || s->piece == 1)
        return 0;
    from = run_of(emu, s, s->seg, X86_RSI, EMU_READ, &n, &from_gpa);
    if (!from)
        return 0;
    to = run_of(emu, s, X86_ES, X86_RDI, EMU_WRITE, &n, &to_gpa);
    if (!to)
        return 0;
    copy_forward(to, from, n, s->size);
    emu_ram_written(emu, to, to_gpa, (unsigned)(n * s->size));
    return n;
}

static uint64_t stos_run(struct emu *emu, const struct string *s)
{
    uint64_t n = s->left, gpa;
    uint8_t *to;

    if (s->step < 0 || s->piece == 1)
        return 0;
    to = run_of(emu, s, X86_ES, X86_RDI, EMU_WRITE, &n, &gpa);
    if (!to)
        return 0;
    for (uint64_t i = 0; i < n; i++)
        memcpy(to + i * s->size, &emu->st->gpr[X86_RAX], s->size);
    emu_ram_written(emu, to, gpa, (unsigned)(n * s->size));
    return n;
}

/* ---- the instructions -------------------------------------------------- */

static bool movs_one(struct emu *emu, const struct string *s)
{
    uint64_t value = 0;

    return emu_read64(emu, s->seg, load(emu, s, X86_RSI), &value, s->size) &&
           emu_write64(emu, X86_ES, load(emu, s, X86_RDI), &value, s->size);
}

bool emu_do_movs(struct emu *emu)
{
    struct string s;
    uint64_t n;

    begin(emu, &s);
    if (s.left == 0)
        return true;
    do {
        n = movs_run(emu, &s);
        if (n == 0) {
            if (!movs_one(emu, &s))
                return false;
            n = 1;
        }
        advance(emu, &s, X86_RSI, n);
        advance(emu, &s, X86_RDI, n);
    } while (again(emu, &s, n));
    return true;
}

bool emu_do_stos(struct emu *emu)
{
    struct string s;
    uint64_t n;

    begin(emu, &s);
    if (s.left == 0)
        return true;
    do {
        n = stos_run(emu, &s);
        if (n == 0) {
            if (!emu_write64(emu, X86_ES, load(emu, &s, X86_RDI),
                             &emu->st->gpr[X86_RAX], s.size))
                return false;
            n = 1;
        }
        advance(emu, &s, X86_RDI, n);
    } while (again(emu, &s, n));
    return true;
}

bool emu_do_lods(struct emu *emu)
{
    static const ZydisRegister accumulator[9] = {
        [1] = ZYDIS_REGISTER_AL,
        [2] = ZYDIS_REGISTER_AX,
        [4] = ZYDIS_REGISTER_EAX,
        [8] = ZYDIS_REGISTER_RAX,
    };
    struct string s;

    begin(emu, &s);
    if (s.left == 0)
        return true;
    do {
        uint64_t value = 0;

        if (!emu_read64(emu, s.seg, load(emu, &s, X86_RSI), &value, s.size))
            return false;
        emu_put_reg(emu, accumulator[s.size], value);
        advance(emu, &s, X86_RSI, 1);
    } while (again(emu, &s, 1));
    return true;
}

/* EFLAGS of A - B. */
static uint64_t flags_of_sub(uint64_t flags, uint64_t a, uint64_t b,
                             unsigned size)
{
    uint64_t sign = 1ull << (8 * size - 1);
    uint64_t r = (a - b) & all_ones(size);

    flags &= ~(uint64_t)X86_EFLAGS_ARITH;
    if (a < b)
        flags |= X86_EFLAGS_CF;
    if (!__builtin_parity((unsigned)r & 0xff))
        flags |= X86_EFLAGS_PF;
    if ((a ^ b ^ r) & 0x10)
        flags |= X86_EFLAGS_AF;
    if (r == 0)
        flags |= X86_EFLAGS_ZF;
    if (r & sign)
        flags |= X86_EFLAGS_SF;
    if ((a ^ b) & (a ^ r) & sign)
        flags |= X86_EFLAGS_OF;
    return flags;
}

/* After an iteration of SCAS or CMPS with its FLAGS: go on? */
static bool again_compare(struct emu *emu, struct string *s, uint64_t flags)
{
    bool more = again(emu, s, 1);
    bool equal = flags & X86_EFLAGS_ZF;

    if ((s->rep == REP_E && !equal) || (s->rep == REP_NE && equal))
        more = emu->restart = false;
    if (!more)
        emu->st->rflags = flags;
    return more;
}

bool emu_do_scas(struct emu *emu)
{
    uint64_t flags;
    struct string s;

    begin(emu, &s);
    if (s.left == 0)
        return true;
    do {
        uint64_t value = 0;

        if (!emu_read64(emu, X86_ES, load(emu, &s, X86_RDI), &value, s.size))
            return false;
        flags = flags_of_sub(emu->st->rflags,
                             emu->st->gpr[X86_RAX] & all_ones(s.size), value,
                             s.size);
        advance(emu, &s, X86_RDI, 1);
    } while (again_compare(emu, &s, flags));
    return true;
}

bool emu_do_cmps(struct emu *emu)
{
    uint64_t flags;
    struct string s;

    begin(emu, &s);
    if (s.left == 0)
        return true;
    do {
        uint64_t a = 0, b = 0;

        if (!emu_read64(emu, s.seg, load(emu, &s, X86_RSI), &a, s.size) ||
            !emu_read64(emu, X86_ES, load(emu, &s, X86_RDI), &b, s.size))
            return false;
        flags = flags_of_sub(emu->st->rflags, a, b, s.size);
        advance(emu, &s, X86_RSI, 1);
        advance(emu, &s, X86_RDI, 1);
    } while (again_compare(emu, &s, flags));
    return true;
}
