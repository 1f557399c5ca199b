/* One instruction from fetch to retirement. */
#include <errno.h>
#include <string.h>

#include "vmm/accel/emu/emu_internal.h"
#include "vmm/base/log.h"

static void decoder_init(ZydisDecoder *decoder, unsigned bits)
{
    /* What the guest's processor would run as something older. */
    static const ZydisDecoderMode off[] = {
        ZYDIS_DECODER_MODE_MPX,      ZYDIS_DECODER_MODE_CET,
        ZYDIS_DECODER_MODE_LZCNT,    ZYDIS_DECODER_MODE_TZCNT,
        ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE,
    };
    ZydisMachineMode mode = bits == 16   ? ZYDIS_MACHINE_MODE_LEGACY_16
                            : bits == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                         : ZYDIS_MACHINE_MODE_LONG_64;
    ZydisStackWidth width = bits == 16   ? ZYDIS_STACK_WIDTH_16
                            : bits == 32 ? ZYDIS_STACK_WIDTH_32
                                         : ZYDIS_STACK_WIDTH_64;

    ZydisDecoderInit(decoder, mode, width);
    if (bits == 64) /* KVM's guests see the host's processor */
        return;
    for (size_t i = 0; i < ARRAY_SIZE(off); i++)
        ZydisDecoderEnableMode(decoder, off[i], ZYAN_FALSE);
}

int emu_init(struct emu *emu, struct vcpu *vcpu, struct x86_state *st,
             const struct emu_hooks *hooks)
{
    memset(emu, 0, sizeof(*emu));
    emu->vcpu = vcpu;
    emu->st = st;
    emu->phys_bits = 36;
    emu->cr4_valid = EMU_CR4_VALID;
    if (hooks)
        emu->hooks = *hooks;
    for (unsigned i = 0; i < 3; i++)
        decoder_init(&emu->decoder[i], 16u << i);
    emu->tlb_generation = 1;
    emu_state_changed(emu);
    return emu_native_init(emu);
}

void emu_fini(struct emu *emu)
{
    emu_native_fini(emu);
}

/* ---- exceptions -------------------------------------------------------- */

/* Vectors that push an error code in protected mode. */
static bool has_error_code(enum x86_vector vector)
{
    return vector == X86_DF || (vector >= X86_TS && vector <= X86_PF) ||
           vector == X86_AC;
}

bool emu_raise_err(struct emu *emu, enum x86_vector vector, uint32_t error)
{
    emu->fault = (struct x86_event){
        .valid = true,
        .vector = (uint8_t)vector,
        .has_error = has_error_code(vector),
        .error = error,
    };
    return false;
}

bool emu_raise(struct emu *emu, enum x86_vector vector)
{
    return emu_raise_err(emu, vector, 0);
}

bool emu_leaves(struct emu *emu, uint64_t addr, bool port)
{
    if (!emu->may_leave || !emu->hooks.keeps ||
        !emu->hooks.keeps(emu->hooks.opaque, addr, port))
        return false;
    emu->left = true;
    return true;
}

/* ---- execution --------------------------------------------------------- */

static void begin(struct emu *emu)
{
    const struct x86_state *st = emu->st;

    if (emu->a20 != emu->vcpu->a20)
        emu_state_changed(emu);
    emu->watching = (st->dr[7] & 0xff) != 0 || emu->hooks.accessed != NULL ||
                    ((st->rflags & X86_EFLAGS_AC) && (st->cr0 & X86_CR0_AM));
    emu->fault.valid = false;
    emu->trap_dr6 = 0;
    emu->branched = false;
    emu->restart = false;
    emu->left = false;
    emu->may_leave = true;
}

static enum emu_result finish(struct emu *emu)
{
    struct x86_state *st = emu->st;

    if (!emu->branched && !emu->restart)
        st->rip = emu->next_rip;
    return st->activity == X86_ACTIVE ? EMU_DONE : EMU_HALT;
}

/* What did not get done: raised, or the owner's. */
static enum emu_result give_up(struct emu *emu)
{
    emu->may_leave = false;
    return emu->left ? EMU_UNSUPPORTED : EMU_FAULT;
}

static enum emu_result leave(struct emu *emu)
{
    emu->left = emu_guard(emu);
    return give_up(emu);
}

static enum emu_result handle(struct emu *emu, emu_handler *handler)
{
    struct x86_state *st = emu->st;
    uint64_t rf = st->rflags & X86_EFLAGS_RF;
    bool sti = st->sti_shadow, movss = st->movss_shadow, done;

    /* IRET sets RF anew; STI and MOV SS set the shadows anew. */
    st->rflags &= ~(uint64_t)X86_EFLAGS_RF;
    st->sti_shadow = st->movss_shadow = false;
    done = handler(emu);
    emu->may_leave = false;
    if (!done || emu->restart)
        st->rflags |= rf;
    if (done)
        return finish(emu);
    if (emu->left) {
        st->sti_shadow = sti;
        st->movss_shadow = movss;
    }
    return give_up(emu);
}

enum emu_result emu_execute(struct emu *emu)
{
    const struct emu_entry *entry;

    begin(emu);
    if (!emu_fetch(emu))
        return give_up(emu);
    entry = emu->native->cur;
    if (entry->fpu && !emu_fpu_check(emu, entry->fpu))
        return give_up(emu);
    if (!entry->handler || (emu->defers && entry->of_the_kind))
        return leave(emu);
    return handle(emu, entry->handler);
}
