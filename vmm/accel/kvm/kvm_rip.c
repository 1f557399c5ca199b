/*
 * Where the instruction of an exit is.
 *
 * When KVM emulates a write (to memory without RAM, or OUT where the processor
 * does not report it well) it leaves with RIP past the instruction.  The
 * histogram by RIP and every view want the instruction itself, so it is looked
 * for among the bytes before RIP: one that ends there, writes, and would write
 * just where the exit says.  Found ones are remembered.
 *
 * REP instructions leave RIP at themselves while they have more to do.
 */
#include <Zydis/Zydis.h>
#include <string.h>

#include "vmm/accel/kvm/kvm_impl.h"

#define INSN_MAX 15u

struct look {
    struct kvm_accel *k;
    const struct vm_exit *e;
    const struct kvm_regs *regs;
    const struct kvm_sregs *sregs;
    ZydisDecoder decoder;
    uint64_t gla;               /* of RIP */
    uint8_t byte[2 * INSN_MAX]; /* from gla - INSN_MAX */
    bool have[2 * INSN_MAX];
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static uint64_t linear(const struct look *l, uint64_t rip)
{
    uint64_t gla = l->sregs->cs.base + rip;

    return l->sregs->cs.l ? gla : (uint32_t)gla;
}

static void paging_now(const struct look *l, struct x86_paging *pg)
{
    struct x86_state st = {
        .cr0 = l->sregs->cr0,
        .cr3 = l->sregs->cr3,
        .cr4 = l->sregs->cr4,
        .efer = l->sregs->efer,
        .rflags = l->regs->rflags,
    };

    (void)mem_read(l->k->vcpu->mem, st.cr3 & 0xffffffe0u, st.pdpte,
                   sizeof(st.pdpte));
    x86_paging_init(pg, &st);
}

/* The code around RIP; pages that are not there are left out. */
static void fetch(struct look *l)
{
    struct x86_access look_only = {.no_check = true};
    struct x86_phys phys = mem_phys(l->k->vcpu->mem);
    struct x86_paging pg;
    struct x86_walk walk;
    uint64_t page = UINT64_MAX, gpa = 0;

    paging_now(l, &pg);
    for (unsigned i = 0; i < sizeof(l->byte); i++) {
        uint64_t gla = l->gla - INSN_MAX + i;

        if (gla / MEM_PAGE_SIZE != page) {
            x86_walk(&walk, &pg, &phys, gla, look_only);
            page = gla / MEM_PAGE_SIZE;
            gpa = walk.result == X86_WALK_OK
                      ? walk.gpa & ~(uint64_t)(MEM_PAGE_SIZE - 1)
                      : UINT64_MAX;
        }
        l->have[i] = gpa != UINT64_MAX &&
                     mem_read(l->k->vcpu->mem, gpa + gla % MEM_PAGE_SIZE,
                              &l->byte[i], 1);
    }
}

static void choose_decoder(struct look *l)
{
    bool d = l->sregs->cs.db;

    if ((l->sregs->efer & X86_EFER_LMA) && l->sregs->cs.l)
        ZydisDecoderInit(&l->decoder, ZYDIS_MACHINE_MODE_LONG_64,
                         ZYDIS_STACK_WIDTH_64);
    else
        ZydisDecoderInit(&l->decoder,
                         d ? ZYDIS_MACHINE_MODE_LEGACY_32
                           : ZYDIS_MACHINE_MODE_LEGACY_16,
                         d ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16);
}

/* Decodes at RIP - BACK. */
static bool decode(struct look *l, unsigned back)
{
    unsigned at = INSN_MAX - back;

    if (!l->have[at])
        return false;
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&l->decoder, l->byte + at,
                                               INSN_MAX, &l->insn, l->op));
}

static uint64_t reg_value(const struct look *l, ZydisRegister reg)
{
    static const size_t offset[] = {
        offsetof(struct kvm_regs, rax), offsetof(struct kvm_regs, rcx),
        offsetof(struct kvm_regs, rdx), offsetof(struct kvm_regs, rbx),
        offsetof(struct kvm_regs, rsp), offsetof(struct kvm_regs, rbp),
        offsetof(struct kvm_regs, rsi), offsetof(struct kvm_regs, rdi),
        offsetof(struct kvm_regs, r8),  offsetof(struct kvm_regs, r9),
        offsetof(struct kvm_regs, r10), offsetof(struct kvm_regs, r11),
        offsetof(struct kvm_regs, r12), offsetof(struct kvm_regs, r13),
        offsetof(struct kvm_regs, r14), offsetof(struct kvm_regs, r15),
    };
    ZyanI8 id;
    uint64_t v;

    if (reg == ZYDIS_REGISTER_NONE)
        return 0;
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
        return l->regs->rip; /* already that of the next instruction */
    id = ZydisRegisterGetId(
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg));
    if (id < 0 || (size_t)id >= ARRAY_SIZE(offset))
        return 0;
    memcpy(&v, (const char *)l->regs + offset[id], sizeof(v));
    return v;
}

static uint64_t seg_base(const struct look *l, ZydisRegister seg)
{
    const struct kvm_sregs *s = l->sregs;
    const struct {
        ZydisRegister reg;
        uint64_t base;
    } rows[] = {
        {ZYDIS_REGISTER_ES, s->es.base}, {ZYDIS_REGISTER_CS, s->cs.base},
        {ZYDIS_REGISTER_SS, s->ss.base}, {ZYDIS_REGISTER_DS, s->ds.base},
        {ZYDIS_REGISTER_FS, s->fs.base}, {ZYDIS_REGISTER_GS, s->gs.base},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].reg == seg)
            return rows[i].base;
    return 0;
}

static bool is_string(const struct look *l)
{
    return l->insn.meta.category == ZYDIS_CATEGORY_STRINGOP ||
           l->insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

/* First byte that OP touched, before string instructions moved EDI on. */
static uint64_t operand_gla(const struct look *l, const ZydisDecodedOperand *op)
{
    uint64_t ea =
        reg_value(l, op->mem.base) +
        reg_value(l, op->mem.index) * op->mem.scale +
        (op->mem.disp.has_displacement ? (uint64_t)op->mem.disp.value : 0);
    uint64_t bytes = op->size / 8u;

    if (is_string(l))
        ea += l->regs->rflags & X86_EFLAGS_DF ? bytes : 0u - bytes;
    if (l->insn.address_width < 64)
        ea &= (1ull << l->insn.address_width) - 1;
    return seg_base(l, op->mem.segment) + ea;
}

static bool writes_there(const struct look *l)
{
    for (unsigned i = 0; i < l->insn.operand_count; i++) {
        const ZydisDecodedOperand *op = &l->op[i];
        uint64_t first;

        if (op->type != ZYDIS_OPERAND_TYPE_MEMORY ||
            !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        first = operand_gla(l, op);
        /* Paging keeps the low 12 bits.  A wide access comes in parts. */
        if (((l->e->u.mmio.gpa - first) & (MEM_PAGE_SIZE - 1)) +
                l->e->u.mmio.size <=
            op->size / 8u)
            return true;
    }
    return false;
}

static bool outs_there(const struct look *l)
{
    const struct vm_exit *e = l->e;
    const ZydisDecodedOperand *op = l->op;

    if (l->insn.mnemonic == ZYDIS_MNEMONIC_OUT) {
        uint64_t port = op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE
                            ? op[0].imm.value.u
                            : l->regs->rdx & 0xffff;
        return port == e->u.pio.port && op[1].size / 8u == e->u.pio.size;
    }
    if (l->insn.mnemonic < ZYDIS_MNEMONIC_OUTSB ||
        l->insn.mnemonic > ZYDIS_MNEMONIC_OUTSW)
        return false;
    return (l->regs->rdx & 0xffff) == e->u.pio.port;
}

static bool fits(const struct look *l)
{
    return l->e->kind == VM_EXIT_PIO ? outs_there(l) : writes_there(l);
}

static bool is_repeated(const struct look *l)
{
    return is_string(l) &&
           (l->insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
                                  ZYDIS_ATTRIB_HAS_REPNE));
}

/* Bytes from the instruction to RIP: 0 if it is the one at RIP. */
static unsigned find(struct look *l)
{
    unsigned back = 0;
    bool here;

    here =
        decode(l, 0) && (is_repeated(l) ? reg_value(l, ZYDIS_REGISTER_RCX) > 0
                                        : l->e->kind == VM_EXIT_PIO);
    here = here && fits(l);
    if (here && is_repeated(l))
        return 0;
    /* The longest: shorter ones lack their prefixes. */
    for (unsigned n = 1; n <= INSN_MAX; n++)
        if (decode(l, n) && l->insn.length == n && fits(l))
            back = n;
    if (here && back > 0) /* two alike: as KVM did when it was clear */
        return l->k->out_is_past ? back : 0;
    if (l->e->kind == VM_EXIT_PIO && (here || back > 0))
        l->k->out_is_past = back > 0;
    return back;
}

void kvm_fix_rip(struct kvm_accel *k, struct vm_exit *e)
{
    struct look l = {
        .k = k,
        .e = e,
        .regs = &k->run->s.regs.regs,
        .sregs = &k->run->s.regs.sregs,
    };
    struct kvm_rip_memo *memo;
    unsigned back;

    l.gla = linear(&l, l.regs->rip);
    memo = &k->rip_memo[(l.gla ^ (l.gla >> 6)) % KVM_RIP_MEMOS];
    if (memo->gla == l.gla && memo->cr3 == l.sregs->cr3 &&
        memo->kind == e->kind) {
        e->rip -= memo->back;
        return;
    }
    choose_decoder(&l);
    fetch(&l);
    back = find(&l);
    e->rip -= back;
    if (back > 0 && decode(&l, back) && !is_string(&l))
        *memo =
            (struct kvm_rip_memo){l.gla, l.sregs->cr3, e->kind, (uint8_t)back};
}
