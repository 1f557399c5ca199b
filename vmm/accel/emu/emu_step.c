/*
 * What happens between two instructions, in the order of SDM vol. 3A 6.9:
 * traps of the last instruction, NMI, external interrupt, instruction
 * breakpoints, then the next instruction.
 */
#include "vmm/accel/emu/emu_internal.h"

#define DR6_BS   BIT(14)
#define DR7_EXEC 0u

/* Delivers #DB with DR6's BITS. */
static bool debug_trap(struct emu *emu, uint32_t bits)
{
    struct x86_event ev = {.valid = true, .vector = X86_DB};

    emu->fault_dr6 = bits;
    return emu_deliver(emu, &ev);
}

static bool take_nmi(struct emu *emu)
{
    struct x86_event ev = {.valid = true, .vector = X86_NMI, .external = true};
    struct x86_state *st = emu->st;

    if (emu->vcpu->nmi) {
        emu->vcpu->nmi = false;
        st->nmi_pending = true;
    }
    if (!st->nmi_pending || st->nmi_blocked || st->movss_shadow)
        return false;
    st->nmi_pending = false;
    st->nmi_blocked = true;
    st->activity = X86_ACTIVE;
    emu_deliver(emu, &ev);
    return true;
}

static bool take_interrupt(struct emu *emu)
{
    const struct vcpu_intc *intc = &emu->vcpu->intc;
    struct x86_event ev = {.valid = true, .external = true};
    struct x86_state *st = emu->st;
    int vector;

    if (!(st->rflags & X86_EFLAGS_IF) || st->sti_shadow || st->movss_shadow ||
        !intc->pending || !intc->pending(intc->opaque))
        return false;
    vector = intc->ack(intc->opaque);
    if (vector < 0)
        return false;
    ev.vector = (uint8_t)vector;
    st->activity = X86_ACTIVE;
    emu_deliver(emu, &ev);
    return true;
}

/* What was accepted before this step. */
static bool take_pending(struct emu *emu)
{
    struct x86_event ev = emu->st->pending;

    if (!ev.valid)
        return false;
    emu->st->pending.valid = false;
    emu->st->activity = X86_ACTIVE;
    emu_deliver(emu, &ev);
    return true;
}

/* The DR6 bits of the guest's breakpoints on the instruction at CS:RIP. */
static uint32_t code_breakpoints(const struct emu *emu)
{
    const struct x86_state *st = emu->st;
    uint64_t gla = x86_linear_rip(st);
    uint32_t hits = 0;

    if (!(st->dr[7] & 0xff) || (st->rflags & X86_EFLAGS_RF) || st->movss_shadow)
        return 0;
    for (unsigned i = 0; i < 4; i++)
        if ((st->dr[7] >> (2 * i) & 3) &&
            (st->dr[7] >> (16 + 4 * i) & 3) == DR7_EXEC && st->dr[i] == gla)
            hits |= BIT(i);
    return hits;
}

/*
 * INT n clears TF before the single-step trap would be taken; an INTO that
 * went nowhere does not.
 */
static bool swallows_single_step(const struct emu *emu)
{
    ZydisMnemonic mnemonic = emu->insn->mnemonic;

    return emu->branched &&
           (mnemonic == ZYDIS_MNEMONIC_INT || mnemonic == ZYDIS_MNEMONIC_INT3 ||
            mnemonic == ZYDIS_MNEMONIC_INT1 || mnemonic == ZYDIS_MNEMONIC_INTO);
}

static enum emu_result execute(struct emu *emu)
{
    struct x86_state *st = emu->st;
    bool single_step = st->rflags & X86_EFLAGS_TF;
    uint32_t held = st->movss_shadow ? emu->held_dr6 : 0;
    enum emu_result result = emu_execute(emu);
    uint32_t traps = emu->trap_dr6 | held;

    if (result == EMU_FAULT) {
        emu_deliver(emu, &emu->fault);
        return result;
    }
    if (result == EMU_UNSUPPORTED)
        return result;
    if (!emu->restart)
        emu->vcpu->icount++;
    if (single_step && !swallows_single_step(emu))
        traps |= DR6_BS;
    emu->held_dr6 = 0;
    if (st->movss_shadow) /* data breakpoints wait; single step is lost */
        emu->held_dr6 = traps & ~DR6_BS;
    else if (traps)
        debug_trap(emu, traps);
    return result;
}

enum emu_result emu_step(struct emu *emu)
{
    struct x86_state *st = emu->st;
    uint32_t hits;

    if (st->activity == X86_SHUTDOWN)
        return EMU_HALT;
    if (take_pending(emu) || take_nmi(emu) || take_interrupt(emu))
        return st->activity == X86_ACTIVE ? EMU_DONE : EMU_HALT;
    if (st->activity == X86_HALTED)
        return EMU_HALT;
    hits = code_breakpoints(emu);
    if (hits) {
        debug_trap(emu, hits);
        return EMU_FAULT;
    }
    return execute(emu);
}
