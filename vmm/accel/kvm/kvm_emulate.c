/*
 * Instructions done by the emulator (vmm/accel/emu) on KVM's state, for two
 * reasons:
 *
 *  - KVM could not: KVM_INTERNAL_ERROR_EMULATION.  That one instruction is
 *    emulated, reported as EMULATE, and KVM goes on behind it.
 *  - A debugger wants what KVM cannot give: single steps over all that saves,
 *    loads or clears the trap flag, which is what KVM steps with; more than
 *    four breakpoints, watchpoints of any size.  Slow, but exact, and nothing
 *    of it can be seen by the guest.
 *
 * What the emulator does not know, or what asks for the kind of processor, is
 * stepped by KVM, one instruction at a time, when it is clear that it does not
 * fault.  With the interrupt controllers in the kernel the emulator does not
 * see interrupts: where they may come, KVM steps all but what would lose the
 * trap flag; and always what gets to those controllers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/accel/emu/emu.h"
#include "vmm/accel/kvm/kvm_impl.h"
#include "vmm/base/log.h"

/* So many in a row without KVM getting anywhere: it is of no use here. */
#define EMULATED_MAX 10000u

/* Instructions before the kernel's copy of the state is brought up to date,
 * at the latest; kicks and timers are looked at after each. */
#define SOFT_BURST 4096u

struct kvm_emulator {
    struct emu emu;
    struct x86_state st; /* what emu works on */
    struct kvm_accel *k;
    /* Watchpoints, in soft stepping; whoever looks is in emu.hooks. */
    bool hit, hit_write;
    uint64_t hit_gla;
    bool flush; /* the processor may know translations that are no more */
};

static void on_access(void *opaque, uint64_t gla, unsigned len, bool write)
{
    struct kvm_emulator *m = opaque;
    const struct debug_ctl *ctl = &m->k->debug;

    if (m->hit)
        return;
    for (size_t i = 0; i < ctl->wps; i++) {
        const struct debug_wp *wp = &ctl->wp[i];

        if (!(write ? wp->write : wp->read) || gla >= wp->gla + wp->len ||
            wp->gla >= gla + len)
            continue;
        m->hit = true;
        m->hit_write = write;
        m->hit_gla = gla > wp->gla ? gla : wp->gla;
    }
}

static void on_flush_page(void *opaque, uint32_t gla)
{
    struct kvm_emulator *m = opaque;

    (void)gla;
    m->flush = true;
}

static void on_flush(void *opaque, bool global)
{
    struct kvm_emulator *m = opaque;

    (void)global;
    m->flush = true;
}

/* What the kernel's interrupt controllers and its timer answer to. */
static bool on_keeps(void *opaque, uint64_t addr, bool port)
{
    static const struct {
        uint16_t first, last;
    } ports[] = {
        {0x20, 0x21}, {0x40, 0x43}, {0x61, 0x61}, {0xa0, 0xa1}, {0x4d0, 0x4d1}};
    const struct kvm_emulator *m = opaque;
    const uint64_t ioapic = 0xfec00000, page = MEM_PAGE_SIZE - 1;

    if (!m->k->irqchip_kernel)
        return false;
    if (!port)
        return (addr & ~page) == ioapic ||
               (addr & ~page) == (m->st.apic_base & ~page);
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
        if (addr >= ports[i].first && addr <= ports[i].last)
            return true;
    return false;
}

static bool on_has_feature(void *opaque, uint32_t leaf, unsigned reg,
                           unsigned bit)
{
    const struct kvm_emulator *m = opaque;

    return kvm_cpuid_has(m->k, leaf, reg, bit);
}

static struct kvm_emulator *emulator(struct kvm_accel *k)
{
    struct kvm_emulator *m = k->emulator;
    struct emu_hooks hooks = {
        .tlb_flush_page = on_flush_page,
        .tlb_flush = on_flush,
        .keeps = on_keeps,
        .has_feature = on_has_feature,
    };
    int ret;

    if (m)
        return m;
    m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->k = k;
    hooks.opaque = m;
    ret = emu_init(&m->emu, k->vcpu, &m->st, &hooks);
    if (ret < 0) {
        free(m);
        return NULL;
    }
    m->emu.amd = k->svm;
    m->emu.no_fcs = true; /* KVM_GET_XSAVE: FIP and FDP have 64 bits */
    m->emu.phys_bits = k->phys_bits;
    m->emu.cr4_valid = k->cr4_valid;
    k->emulator = m;
    return m;
}

void kvm_emulate_fini(struct kvm_accel *k)
{
    if (!k->emulator)
        return;
    emu_fini(&k->emulator->emu);
    free(k->emulator);
    k->emulator = NULL;
}

/* From here to end(), the state is the emulator's. */
static struct kvm_emulator *begin(struct kvm_accel *k)
{
    struct kvm_emulator *m = emulator(k);

    if (!m || kvm_get_state(k->vcpu, &m->st) < 0)
        return NULL;
    emu_state_changed(&m->emu);
    k->emulating = &m->st;
    return m;
}

static int end(struct kvm_emulator *m)
{
    struct kvm_accel *k = m->k;
    const struct vcpu_apic *apic = &k->vcpu->apic;
    int ret;

    k->emulating = NULL;
    /* The task priority may have been written as the APIC's, in memory. */
    if ((m->st.efer & X86_EFER_LMA) && !k->irqchip_kernel && apic->get_cr8)
        m->st.cr8 = apic->get_cr8(apic->opaque);
    ret = kvm_set_state(k->vcpu, &m->st);
    if (ret == 0 && m->flush)
        ret = kvm_flush_tlb(k, &m->st);
    m->flush = false;
    return ret;
}

/*
 * One step; under KVM no instructions are counted.  SMAP looks at AC, which the
 * guests of bt do not know of.
 */
static enum emu_result step(struct kvm_emulator *m)
{
    uint64_t icount = m->k->vcpu->icount, flags = m->st.rflags;
    enum emu_result result = emu_step(&m->emu);

    m->k->vcpu->icount = icount;
    if (((flags ^ m->st.rflags) & X86_EFLAGS_AC) && (m->st.cr4 & X86_CR4_SMAP))
        emu_state_changed(&m->emu);
    return result;
}

/* Fetches and decodes what is at RIP, without a trace.  False: it cannot be. */
static bool decode(struct kvm_emulator *m, ZydisDecodedInstruction *insn)
{
    struct x86_access look = {.no_check = true};
    struct x86_phys phys = mem_phys(m->k->vcpu->mem);
    unsigned bits = x86_code_bits(&m->st);
    uint64_t gla = m->st.seg[X86_CS].base + m->st.rip;
    struct x86_paging pg;
    struct x86_walk walk;
    uint8_t bytes[15];
    size_t n = 0;

    x86_paging_init(&pg, &m->st);
    for (; n < sizeof(bytes); n++) {
        uint64_t at = bits == 64 ? gla + n : (uint32_t)(gla + n);

        if (n == 0 || at % MEM_PAGE_SIZE == 0)
            x86_walk(&walk, &pg, &phys, at, look);
        else
            walk.gpa++;
        if (walk.result != X86_WALK_OK ||
            !mem_read(m->k->vcpu->mem, walk.gpa, &bytes[n], 1))
            break;
    }
    return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
        &m->emu.decoder[bits / 32], NULL, bytes, n, insn));
}

/*
 * Does the emulator know the instruction at RIP?  Under KVM a guest may use
 * more of the processor than under bt; the emulator would give it an #UD.
 */
static bool knows(struct kvm_emulator *m)
{
    ZydisDecodedInstruction insn;

    if (!decode(m, &insn))
        return true; /* a fault of fetching or decoding: its business */
    return emu_isa_has(&insn);
}

/* Does it save, load or clear the trap flag? */
static bool loses_trap_flag(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_INTO:
        return true;
    default:
        return false;
    }
}

/*
 * Is the instruction at RIP one that KVM has to step, because of the kernel's
 * interrupt controllers?  An interrupt there can be held back, but not taken.
 */
static bool is_for_kvm(struct kvm_emulator *m)
{
    const struct debug_ctl *ctl = &m->k->debug;
    ZydisDecodedInstruction insn;
    bool held = ctl->step && ctl->step_skip_intr;

    if (!m->k->irqchip_kernel)
        return false;
    if (m->st.activity != X86_ACTIVE) /* until an interrupt: the kernel's */
        return true;
    if (!decode(m, &insn))
        return !held;
    return held ? insn.mnemonic == ZYDIS_MNEMONIC_HLT : !loses_trap_flag(&insn);
}

/* ---- what KVM could not do ----------------------------------------------- */

static size_t insn_length(const struct kvm_accel *k, const uint8_t *bytes,
                          size_t n)
{
    const struct kvm_segment *cs = &k->run->s.regs.sregs.cs;
    bool lma = k->run->s.regs.sregs.efer & X86_EFER_LMA;
    ZydisMachineMode mode = lma && cs->l ? ZYDIS_MACHINE_MODE_LONG_64
                            : cs->db     ? ZYDIS_MACHINE_MODE_LEGACY_32
                                         : ZYDIS_MACHINE_MODE_LEGACY_16;
    ZydisDecodedInstruction insn;
    ZydisDecoder decoder;

    ZydisDecoderInit(&decoder, mode,
                     mode == ZYDIS_MACHINE_MODE_LONG_64 ? ZYDIS_STACK_WIDTH_64
                                                        : ZYDIS_STACK_WIDTH_32);
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, n, &insn)))
        return n;
    return insn.length;
}

/* The instruction's bytes, as KVM fetched them. */
static void bytes_text(const struct kvm_accel *k, char *buf, size_t len)
{
    const struct kvm_run *run = k->run;
    uint8_t bytes[15];
    size_t n = 0, at = 0;

    if (run->internal.ndata > 1 &&
        (run->emulation_failure.flags &
         KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
        n = run->emulation_failure.insn_size;
        n = n < sizeof(bytes) ? n : sizeof(bytes);
        memcpy(bytes, run->emulation_failure.insn_bytes, n);
        n = insn_length(k, bytes, n);
    }
    if (n == 0)
        snprintf(buf, len, "(bytes not known)");
    for (size_t i = 0; i < n && at < len; i++)
        at += (size_t)snprintf(buf + at, len - at, "%s%02x", i ? " " : "",
                               bytes[i]);
}

static bool give_up(struct kvm_accel *k, struct vm_exit *why, const char *what)
{
    char bytes[64];

    bytes_text(k, bytes, sizeof(bytes));
    snprintf(k->fail_text, sizeof(k->fail_text),
             "KVM cannot do the instruction %s at rip %#llx, and %s; "
             "use --accel bt",
             bytes, (unsigned long long)why->rip, what);
    why->kind = VM_EXIT_FAIL;
    why->u.fail.code = KVM_INTERNAL_ERROR_EMULATION;
    why->u.fail.text = k->fail_text;
    return true;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool kvm_emulate(struct kvm_accel *k, struct vm_exit *why)
{
    struct vm_exit e = {
        .kind = VM_EXIT_EMULATE, .rip = why->rip, .start_ns = now_ns()};
    struct kvm_emulator *m;
    enum emu_result result;

    k->emulated =
        k->emulated && why->rip == k->emulated_rip ? k->emulated + 1 : 1;
    if (k->emulated > EMULATED_MAX)
        return give_up(k, why, "all instructions before it were the same");
    m = begin(k);
    if (!m)
        return give_up(k, why, "the emulator cannot start");
    /* Without the capability, KVM also gives the guest an #UD. */
    if (!k->has_emulation_exit && m->st.pending.valid &&
        m->st.pending.vector == X86_UD)
        m->st.pending.valid = false;
    result = knows(m) ? step(m) : EMU_UNSUPPORTED;
    k->emulated_rip = m->st.rip;
    if (end(m) < 0 || result == EMU_UNSUPPORTED)
        return give_up(k, why, "the emulator does not know it either");
    vcpu_exit(k->vcpu, &e);
    return false;
}

/* ---- exact stepping for a debugger --------------------------------------- */

bool kvm_soft_wanted(const struct kvm_accel *k)
{
    return (k->debug.step || k->soft) && !k->surveyed && !k->step_by_kvm;
}

static bool at_breakpoint(struct kvm_emulator *m, uint64_t gla)
{
    const struct debug_ctl *ctl = &m->k->debug;
    struct x86_phys phys = mem_phys(m->k->vcpu->mem);
    struct x86_access look = {.no_check = true};
    struct x86_paging pg;
    struct x86_walk walk = {.gpa = UINT64_MAX};

    for (size_t i = 0; i < ctl->bps; i++) {
        if (!ctl->bp[i].phys && ctl->bp[i].addr == gla)
            return true;
        if (!ctl->bp[i].phys)
            continue;
        if (walk.gpa == UINT64_MAX) {
            x86_paging_init(&pg, &m->st);
            x86_walk(&walk, &pg, &phys, gla, look);
        }
        if (walk.result == X86_WALK_OK && walk.gpa == ctl->bp[i].addr)
            return true;
    }
    return false;
}

/* Hits of the step that was just made, as enum debug_hit. */
static unsigned hits_after(struct kvm_emulator *m)
{
    unsigned hits = 0;

    if (m->k->debug.step)
        hits |= DEBUG_HIT_STEP;
    if (m->hit)
        hits |= DEBUG_HIT_WATCH;
    return hits;
}

static bool must_leave(const struct kvm_accel *k)
{
    return atomic_load(&k->vcpu->kicked) || k->vcpu->stop_requested ||
           *(const volatile uint8_t *)&k->run->immediate_exit;
}

/* One instruction, with interrupts held back if the debugger wants so. */
static enum emu_result soft_step(struct kvm_emulator *m)
{
    struct vcpu *vcpu = m->k->vcpu;
    bool (*pending)(void *) = vcpu->intc.pending;
    enum emu_result result;

    m->hit = false;
    m->emu.defers = true;
    /* Without, strings go many elements at a time. */
    if (m->k->debug.wps > 0)
        m->emu.hooks.accessed = on_access;
    if (m->k->irqchip_kernel ||
        (m->k->debug.step && m->k->debug.step_skip_intr))
        vcpu->intc.pending = NULL;
    result = step(m);
    vcpu->intc.pending = pending;
    m->emu.hooks.accessed = NULL;
    m->emu.defers = false;
    return result;
}

static void say_debug(struct kvm_emulator *m, struct vm_exit *why,
                      unsigned hits)
{
    *why = (struct vm_exit){.kind = VM_EXIT_DEBUG, .rip = m->st.rip};
    why->u.debug.hits = hits;
    why->u.debug.gla = x86_linear_rip(&m->st);
    if (hits & DEBUG_HIT_WATCH) {
        why->u.debug.gla = m->hit_gla;
        why->u.debug.write = m->hit_write;
        m->hit = false;
    }
    if (hits & DEBUG_HIT_STEP)
        why->u.debug.dr6 = BIT(14); /* BS */
    m->k->hit_gla = x86_linear_rip(&m->st);
    /* A step's end says nothing of a breakpoint there: it is still to come. */
    m->k->hit_valid = hits & DEBUG_HIT_BREAKPOINT;
}

bool kvm_soft_hit(struct kvm_accel *k, struct vm_exit *e)
{
    struct kvm_emulator *m = k->emulator;

    if (!m || !m->hit)
        return false;
    e->u.debug.gla = m->hit_gla;
    e->u.debug.write = m->hit_write;
    m->hit = false;
    return true;
}

/* True: *WHY is an exit.  False: something else is to be looked at. */
static bool soft_burst(struct kvm_emulator *m, struct vm_exit *why)
{
    struct kvm_accel *k = m->k;
    /* A breakpoint that has been reported does not stop again. */
    bool fresh = k->hit_valid && k->hit_gla == x86_linear_rip(&m->st);
    unsigned hits;

    k->hit_valid = false;
    if (m->hit) { /* of the instruction that KVM has done meanwhile */
        say_debug(m, why, hits_after(m));
        return true;
    }
    for (unsigned i = 0; i < SOFT_BURST; i++) {
        if (!fresh && !k->debug.step &&
            at_breakpoint(m, x86_linear_rip(&m->st))) {
            say_debug(m, why, DEBUG_HIT_BREAKPOINT);
            return true;
        }
        fresh = false;
        if (is_for_kvm(m) || soft_step(m) == EMU_UNSUPPORTED) {
            k->step_by_kvm = true;
            return false;
        }
        hits = hits_after(m);
        if (hits) {
            say_debug(m, why, hits);
            return true;
        }
        if (m->st.activity != X86_ACTIVE || must_leave(k))
            return false;
    }
    return false;
}

bool kvm_soft_run(struct kvm_accel *k, struct vm_exit *why, int *err)
{
    struct kvm_emulator *m;
    bool exit;

    *err = kvm_complete_io(k);
    if (*err < 0 || k->stashed) /* the step's end was behind the access */
        return *err < 0;
    m = begin(k);
    if (!m) {
        *err = -ENOMEM;
        return true;
    }
    exit = soft_burst(m, why);
    *err = end(m);
    return exit || *err < 0;
}
