/*
 * Breakpoints and watchpoints with the processor's debug registers, which the
 * guest does not see meanwhile (SDM vol. 3B ch. 17).
 *
 * Four registers, watchpoints first.  When they do not suffice, or do not
 * work, all of it is left to the emulator (kvm_emulate.c), which is slow but
 * exact and just as invisible, where patching INT3 into memory is not.  With
 * the kernel's interrupt controllers that cannot be: there the guest is
 * single-stepped by KVM with a look at each address, which misses what
 * exception and interrupt handlers execute (they clear TF).
 *
 * While breakpoints are in registers, the guest's own DR0-DR3 are kept but do
 * not hit; its other #DB (TF, INT1) go back into it.
 */
#include <errno.h>
#include <string.h>

#include "vmm/accel/kvm/kvm_impl.h"
#include "vmm/base/log.h"

#define HW_REGS 4u

/* DR7, SDM vol. 3B 17.2.4 */
#define DR7_G(i)            (2ull << (2 * (i)))
#define DR7_TYPE(i, t)      ((uint64_t)(t) << (16 + 4 * (i)))
#define DR7_TYPE_OF(dr7, i) (((dr7) >> (16 + 4 * (i))) & 3u)
#define DR7_LEN(i, l)       ((uint64_t)(l) << (18 + 4 * (i)))
#define DR7_GE              BIT64(9)
#define DR7_FIXED           BIT64(10)
enum dr7_type { DR7_EXEC = 0, DR7_WRITE = 1, DR7_ACCESS = 3 };

#define DR6_BS BIT64(14)

/* LEN field of 1, 2, 4 and 8 bytes. */
static unsigned len_code(uint64_t len)
{
    return len == 8 ? 2 : (unsigned)len - 1;
}

static bool add_reg(struct kvm_accel *k, unsigned *n, uint64_t gla,
                    uint64_t len, enum dr7_type type)
{
    unsigned i = *n;

    if (i >= HW_REGS)
        return false;
    k->hw_addr[i] = gla;
    k->hw_dr7 |= DR7_G(i) | DR7_TYPE(i, type) | DR7_LEN(i, len_code(len));
    *n = i + 1;
    return true;
}

/* A register watches 1, 2, 4 or 8 aligned bytes: take as many as it needs. */
static bool add_watch(struct kvm_accel *k, unsigned *n,
                      const struct debug_wp *wp)
{
    uint64_t gla = wp->gla, left = wp->len;

    while (left > 0) {
        uint64_t len = 8;

        while (len > left || (gla & (len - 1)))
            len /= 2;
        if (!add_reg(k, n, gla, len, wp->read ? DR7_ACCESS : DR7_WRITE))
            return false;
        gla += len, left -= len;
    }
    return true;
}

/* True: all of CTL is in the registers. */
static bool fill_registers(struct kvm_accel *k)
{
    const struct debug_ctl *ctl = &k->debug;
    bool all = true;
    unsigned n = 0;

    for (size_t i = 0; i < ctl->wps; i++)
        all = add_watch(k, &n, &ctl->wp[i]) && all;
    for (size_t i = 0; i < ctl->bps; i++)
        all = !ctl->bp[i].phys &&
              add_reg(k, &n, ctl->bp[i].addr, 1, DR7_EXEC) && all;
    if (n > 0)
        k->hw_dr7 |= DR7_GE | DR7_FIXED;
    return all;
}

/* There are processors, emulated ones, whose debug registers do not work in a
 * guest.  Asked once, when somebody wants them. */
static bool registers_work(struct kvm_accel *k)
{
    if (k->hw_bp == HW_BP_UNKNOWN)
        k->hw_bp = kvm_check_breakpoints() ? HW_BP_WORK : HW_BP_BROKEN;
    return k->hw_bp == HW_BP_WORK;
}

/*
 * 0, or -ENOSPC: where the emulator cannot run the guest, watchpoints cannot be
 * had in another way.  Stepping and comparing sees no reads; taking the page
 * from KVM's slots sees the page that was there when the guest's page tables
 * last changed, which KVM does not tell us.
 */
static int allocate(struct kvm_accel *k)
{
    const struct debug_ctl *ctl = &k->debug;

    memset(k->hw_addr, 0, sizeof(k->hw_addr));
    k->hw_dr7 = 0;
    k->soft = k->step_all = false;
    if (ctl->bps + ctl->wps == 0)
        return 0;
    if (registers_work(k) && fill_registers(k))
        return 0;
    if (ctl->wps > 0 && k->irqchip_kernel) {
        log_error("kvm: these watchpoints are more than the processor's debug "
                  "registers can watch; try fewer, or --irqchip user");
        return -ENOSPC;
    }
    memset(k->hw_addr, 0, sizeof(k->hw_addr));
    k->hw_dr7 = 0;
    k->soft = k->step_all = true;
    return 0;
}

/*
 * Tells the kernel, if it is news; of a step, always: the kernel sets TF when
 * it is told, and loses it over instructions that it emulates (x86.c) and by
 * KVM_SET_REGS.  While the emulator steps, the kernel is not to: it would hide
 * the guest's own TF.
 */
static int apply(struct kvm_accel *k)
{
    bool emulates = kvm_soft_wanted(k);
    struct kvm_guest_debug dbg = {.control = 0};
    int ret;

    if ((k->debug.step || k->step_all) && !emulates)
        dbg.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
    if (k->debug.step && k->debug.step_skip_intr && k->has_blockirq)
        dbg.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_BLOCKIRQ;
    if (k->hw_dr7) {
        dbg.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
        memcpy(dbg.arch.debugreg, k->hw_addr, sizeof(k->hw_addr));
        dbg.arch.debugreg[7] = k->hw_dr7;
    }
    if (!(dbg.control & KVM_GUESTDBG_SINGLESTEP) &&
        memcmp(&dbg, &k->kernel_debug, sizeof(dbg)) == 0)
        return 0;
    ret = kvm_ioctl_log(k->vcpu_fd, KVM_SET_GUEST_DEBUG, &dbg,
                        "KVM_SET_GUEST_DEBUG");
    k->kernel_debug = dbg;
    kvm_state_changed(k);
    return ret;
}

int kvm_set_debug(struct vcpu *vcpu, const struct debug_ctl *ctl)
{
    struct kvm_accel *k = kvm_of(vcpu);
    int ret = kvm_complete_io(k);

    if (ret < 0)
        return ret;
    k->debug = *ctl;
    k->step_by_kvm = false;
    ret = allocate(k);
    if (ret < 0) {
        /* Nothing half set: as if there were no debugger. */
        k->debug = (struct debug_ctl){.stop_icount = UINT64_MAX};
        k->hw_dr7 = 0;
        k->soft = k->step_all = false;
        (void)apply(k);
        return ret;
    }
    return apply(k);
}

/* ---- at the entry -------------------------------------------------------- */

static uint64_t linear_rip(const struct kvm_accel *k)
{
    const struct kvm_sync_regs *s = &k->run->s.regs;
    uint64_t gla = s->sregs.cs.base + s->regs.rip;

    return s->sregs.cs.l ? gla : (uint32_t)gla;
}

/* Is a breakpoint at GLA that is not in a register? */
static bool soft_breakpoint(struct kvm_accel *k, uint64_t gla)
{
    struct kvm_translation tr = {.linear_address = gla};
    bool translated = false;

    for (size_t i = 0; i < k->debug.bps; i++) {
        const struct debug_bp *bp = &k->debug.bp[i];

        if (!bp->phys && bp->addr == gla)
            return true;
        if (!bp->phys)
            continue;
        if (!translated && kvm_ioctl(k->vcpu_fd, KVM_TRANSLATE, &tr) < 0)
            return false;
        translated = true;
        if (tr.valid && tr.physical_address == bp->addr)
            return true;
    }
    return false;
}

static bool has_breakpoint(const struct kvm_accel *k, uint64_t gla)
{
    for (unsigned i = 0; i < HW_REGS; i++)
        if ((k->hw_dr7 & DR7_G(i)) && DR7_TYPE_OF(k->hw_dr7, i) == DR7_EXEC &&
            k->hw_addr[i] == gla)
            return true;
    return false;
}

static void say_debug(struct kvm_accel *k, struct vm_exit *e, unsigned hits,
                      uint64_t gla)
{
    *e =
        (struct vm_exit){.kind = VM_EXIT_DEBUG, .rip = k->run->s.regs.regs.rip};
    e->u.debug.hits = hits;
    e->u.debug.gla = gla;
    k->hit_gla = linear_rip(k);
    /* A step's end says nothing of a breakpoint there: it is still to come. */
    k->hit_valid = hits & DEBUG_HIT_BREAKPOINT;
}

/* RF: the breakpoint at this instruction has been reported, or is stepped
 * over on purpose; the processor clears it after the instruction. */
static void skip_breakpoint(struct kvm_accel *k)
{
    struct kvm_regs *regs = &k->run->s.regs.regs;

    regs->rflags |= X86_EFLAGS_RF;
    (void)kvm_ioctl_log(k->vcpu_fd, KVM_SET_REGS, regs, "KVM_SET_REGS");
}

bool kvm_debug_enter(struct kvm_accel *k, struct vm_exit *why)
{
    bool reported;
    uint64_t gla;

    if (!k->debug.step && !k->step_all && !k->hw_dr7)
        return false;
    (void)apply(k);
    gla = linear_rip(k);
    reported = k->hit_valid && k->hit_gla == gla;
    k->hit_valid = false;
    k->hit_gla = gla;
    if (k->step_all && !k->debug.step && !k->step_by_kvm && !reported &&
        soft_breakpoint(k, gla)) {
        say_debug(k, why, DEBUG_HIT_BREAKPOINT, gla);
        return true;
    }
    if ((reported || k->debug.step) && has_breakpoint(k, gla))
        skip_breakpoint(k);
    return false;
}

void kvm_debug_not_entered(struct kvm_accel *k)
{
    if (!k->step_by_kvm && !k->step_all)
        return;
    k->step_by_kvm = false;
    k->hit_valid = k->hit_gla == linear_rip(k);
}

/* ---- at the exit --------------------------------------------------------- */

/* The guest's own #DB, which KVM showed us because we debug. */
static void give_back(struct kvm_accel *k, uint64_t dr6)
{
    struct kvm_vcpu_events ev;
    struct kvm_debugregs d;

    if (kvm_ioctl_log(k->vcpu_fd, KVM_GET_DEBUGREGS, &d, "KVM_GET_DEBUGREGS") <
            0 ||
        kvm_ioctl_log(k->vcpu_fd, KVM_GET_VCPU_EVENTS, &ev,
                      "KVM_GET_VCPU_EVENTS") < 0)
        return;
    d.dr6 |= dr6 & (DR6_BS | 0xfu | BIT64(13) | BIT64(15));
    ev.exception.injected = 1;
    ev.exception.nr = X86_DB;
    ev.exception.has_error_code = 0;
    (void)kvm_ioctl_log(k->vcpu_fd, KVM_SET_DEBUGREGS, &d, "KVM_SET_DEBUGREGS");
    (void)kvm_ioctl_log(k->vcpu_fd, KVM_SET_VCPU_EVENTS, &ev,
                        "KVM_SET_VCPU_EVENTS");
    kvm_state_changed(k);
}

/* Which of our registers DR6 names.  A processor may name a breakpoint together
 * with the watched access before it: the address is the access's then. */
static unsigned register_hits(const struct kvm_accel *k, uint64_t dr6,
                              struct vm_exit *e)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < HW_REGS; i++) {
        enum dr7_type type = DR7_TYPE_OF(k->hw_dr7, i);

        if (!(dr6 & BIT64(i)) || !(k->hw_dr7 & DR7_G(i)))
            continue;
        if (type != DR7_EXEC || !(hits & DEBUG_HIT_WATCH)) {
            e->u.debug.gla = k->hw_addr[i];
            e->u.debug.write = type == DR7_WRITE;
        }
        hits |= type == DR7_EXEC ? DEBUG_HIT_BREAKPOINT : DEBUG_HIT_WATCH;
    }
    return hits;
}

bool kvm_debug_exit(struct kvm_accel *k, struct vm_exit *why)
{
    uint64_t dr6 = k->run->debug.arch.dr6, gla = linear_rip(k);
    bool stepping = k->debug.step || k->step_all;
    unsigned hits = register_hits(k, dr6, why);

    if ((dr6 & DR6_BS) && k->debug.step)
        hits |= DEBUG_HIT_STEP;
    if ((dr6 & DR6_BS) && kvm_soft_hit(k, why))
        hits |= DEBUG_HIT_WATCH;
    if ((dr6 & DR6_BS) && k->step_all && !k->debug.step &&
        soft_breakpoint(k, gla)) {
        hits |= DEBUG_HIT_BREAKPOINT;
        why->u.debug.gla = gla;
    }
    if (hits) {
        bool write = why->u.debug.write;

        say_debug(k, why, hits, why->u.debug.gla);
        why->u.debug.write = write;
        why->u.debug.dr6 = dr6;
        return true;
    }
    if ((dr6 & DR6_BS) && stepping)
        return false;
    give_back(k, dr6);
    return false;
}
