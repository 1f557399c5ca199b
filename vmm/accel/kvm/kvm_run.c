/*
 * Runs the vCPU: what goes into KVM_RUN (interrupts, kicks, timers) and what
 * its exits become.
 *
 * Leaving in time.  kick() sets vcpu->kicked, then run->immediate_exit, then
 * sends a signal.  run() clears immediate_exit, then looks at kicked, then
 * enters: whichever way the two meet, either run() sees `kicked`, or the kernel
 * sees `immediate_exit`, or the signal ends KVM_RUN.  The timer of deadline_ns
 * uses the same signal; its handler sets immediate_exit.
 *
 * RIP of an exit is the instruction's own; kvm_rip.c sees to it where KVM says
 * where it would go on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/accel/kvm/kvm_impl.h"
#include "vmm/base/log.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* ---- kicks and timers ---------------------------------------------------- */

static void on_kick_signal(int sig, siginfo_t *info, void *context)
{
    struct kvm_accel *k;

    (void)sig;
    (void)context;
    /* Of a kick, nothing: kvm_kick() has done all but interrupt KVM_RUN. */
    if (info->si_code != SI_TIMER)
        return;
    k = info->si_value.sival_ptr;
    k->timer_fired = 1;
    k->run->immediate_exit = 1;
}

int kvm_run_init(struct kvm_accel *k)
{
    struct sigaction act = {.sa_sigaction = on_kick_signal,
                            .sa_flags = SA_SIGINFO};

    (void)k;
    sigemptyset(&act.sa_mask);
    return sigaction(KVM_KICK_SIGNAL, &act, NULL) < 0 ? -errno : 0;
}

void kvm_run_fini(struct kvm_accel *k)
{
    if (k->timer_made)
        timer_delete(k->timer);
    k->timer_made = false;
}

void kvm_kick(struct vcpu *vcpu)
{
    struct kvm_accel *k = kvm_of(vcpu);
    pid_t tid;

    atomic_store(&vcpu->kicked, true);
    if (!k)
        return;
    *(volatile uint8_t *)&k->run->immediate_exit = 1;
    tid = atomic_load(&k->tid);
    /* The vCPU's own thread cannot be in KVM_RUN while it is here. */
    if (tid != 0 && tid != gettid())
        (void)syscall(SYS_tgkill, getpid(), tid, KVM_KICK_SIGNAL);
}

/* The timer signals one thread: the one that runs the vCPU. */
static int bind_thread(struct kvm_accel *k)
{
    pid_t tid = gettid();
    struct sigevent ev = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = KVM_KICK_SIGNAL,
        .sigev_value.sival_ptr = k,
    };
    sigset_t set;

    ev.sigev_notify_thread_id = tid;
    kvm_run_fini(k);
    sigemptyset(&set);
    sigaddset(&set, KVM_KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (timer_create(CLOCK_MONOTONIC, &ev, &k->timer) < 0) {
        int err = -errno;
        log_error("kvm: timer_create: %s", strerror(-err));
        return err;
    }
    k->timer_made = true;
    k->armed_ns = 0;
    atomic_store(&k->tid, tid);
    return 0;
}

static uint64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The deadline on the host's clock; 0: never. */
static uint64_t host_deadline(const struct vcpu *vcpu)
{
    uint64_t t;

    if (vcpu->deadline_ns >= UINT64_MAX / 2)
        return 0;
    t = vcpu->deadline_ns + vcpu->clock_epoch_ns;
    return t ? t : 1;
}

/* True: the deadline is there already. */
static bool timer_due(struct kvm_accel *k)
{
    uint64_t due = host_deadline(k->vcpu);
    struct itimerspec it = {
        .it_value = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)}};

    if (due == k->armed_ns && !k->timer_fired)
        return false;
    if (due != 0 && monotonic_ns() >= due)
        return true;
    if (due != k->armed_ns || k->timer_fired) {
        k->timer_fired = 0;
        k->armed_ns = due;
        timer_settime(k->timer, TIMER_ABSTIME, &it, NULL);
    }
    return false;
}

/* ---- into the guest ------------------------------------------------------ */

static bool guest_if(const struct kvm_accel *k)
{
    return k->run->s.regs.regs.rflags & X86_EFLAGS_IF;
}

static void report_extint(struct kvm_accel *k, uint8_t vector)
{
    struct vm_exit e = {.kind = VM_EXIT_EXTINT,
                        .u.exception = {.vector = vector}};

    e.rip = k->run->s.regs.regs.rip;
    vcpu_exit(k->vcpu, &e);
}

/* NMI and INTR into the guest, or a window asked for.  1: look again. */
static int inject(struct kvm_accel *k)
{
    struct vcpu *vcpu = k->vcpu;
    struct kvm_interrupt irq;
    int vector, ret;

    /* Nothing comes between the emulator and the instruction it leaves. */
    if (k->step_by_kvm && !k->irqchip_kernel)
        return 0;
    if (vcpu->nmi) {
        ret = kvm_ioctl_log(k->vcpu_fd, KVM_NMI, NULL, "KVM_NMI");
        if (ret < 0)
            return ret;
        vcpu->nmi = false;
        k->halted = false;
        k->cache_valid = false;
    }
    if (k->irqchip_kernel)
        return 0;
    k->run->request_interrupt_window = 0;
    if (!vcpu->intc.pending || !vcpu->intc.pending(vcpu->intc.opaque))
        return 0;
    if (k->debug.step && k->debug.step_skip_intr)
        return 0;
    if (!k->run->ready_for_interrupt_injection) {
        k->run->request_interrupt_window = 1;
        return 0;
    }
    vector = vcpu->intc.ack(vcpu->intc.opaque);
    if (vector < 0) /* spurious: a halted CPU stays halted */
        return 1;
    irq.irq = (uint32_t)vector;
    ret = kvm_ioctl_log(k->vcpu_fd, KVM_INTERRUPT, &irq, "KVM_INTERRUPT");
    if (ret < 0)
        return ret;
    k->halted = false;
    k->cache_valid = false;
    k->run->ready_for_interrupt_injection = 0;
    report_extint(k, (uint8_t)vector);
    return 0;
}

/* Halted here, not in the kernel: only an NMI or an interrupt goes on. */
static bool still_halted(struct kvm_accel *k)
{
    struct vcpu *vcpu = k->vcpu;

    if (!k->halted || k->irqchip_kernel || vcpu->nmi)
        return false;
    if (!guest_if(k))
        return true;
    return !vcpu->intc.pending || !vcpu->intc.pending(vcpu->intc.opaque);
}

/* The local APIC's registers that the CPU has too go in with it ... */
static void load_apic(struct kvm_accel *k)
{
    const struct vcpu_apic *apic = &k->vcpu->apic;

    if (!k->irqchip_kernel && apic->get_cr8)
        k->run->cr8 = apic->get_cr8(apic->opaque);
    k->cr8 = k->run->cr8;
    k->apic_base = k->run->apic_base;
}

/* ... and come back if the guest changed them. */
static void store_apic(struct kvm_accel *k)
{
    const struct vcpu_apic *apic = &k->vcpu->apic;

    if (k->irqchip_kernel)
        return;
    if (k->run->cr8 != k->cr8 && apic->set_cr8)
        apic->set_cr8(apic->opaque, (unsigned)k->run->cr8);
    if (k->run->apic_base != k->apic_base && apic->set_base)
        apic->set_base(apic->opaque, k->run->apic_base);
}

static int enter(struct kvm_accel *k)
{
    int ret;

    load_apic(k);
    ret = ioctl(k->vcpu_fd, KVM_RUN, 0);
    ret = ret < 0 ? -errno : 0;
    store_apic(k);
    k->sync_valid = true;
    k->cache_valid = false;
    return ret;
}

/* ---- out of the guest ---------------------------------------------------- */

/* What a handler of an exit says: is there something for the run loop? */
enum seen { SEEN_EXIT, SEEN_AGAIN };

typedef enum seen exit_handler(struct kvm_accel *k, struct vm_exit *e);

static enum seen fail(struct kvm_accel *k, struct vm_exit *e, int code)
{
    e->kind = VM_EXIT_FAIL;
    e->u.fail.code = code;
    e->u.fail.text = k->fail_text;
    return SEEN_EXIT;
}

static enum seen exit_io(struct kvm_accel *k, struct vm_exit *e)
{
    struct kvm_run *run = k->run;

    e->kind = VM_EXIT_PIO;
    e->u.pio.port = run->io.port;
    e->u.pio.size = run->io.size;
    e->u.pio.out = run->io.direction == KVM_EXIT_IO_OUT;
    e->u.pio.count = run->io.count;
    e->u.pio.data = (uint8_t *)run + run->io.data_offset;
    k->io_pending = true;
    if (e->u.pio.out)
        kvm_fix_rip(k, e);
    return SEEN_EXIT;
}

static enum seen exit_mmio(struct kvm_accel *k, struct vm_exit *e)
{
    struct kvm_run *run = k->run;

    e->kind = VM_EXIT_MMIO;
    e->u.mmio.gpa = run->mmio.phys_addr;
    if (!k->vcpu->a20)
        e->u.mmio.gpa &= ~BIT64(20);
    e->u.mmio.size = (uint8_t)run->mmio.len;
    e->u.mmio.write = run->mmio.is_write;
    e->u.mmio.data = run->mmio.data;
    k->io_pending = true;
    if (e->u.mmio.write)
        kvm_fix_rip(k, e);
    return SEEN_EXIT;
}

static enum seen exit_hlt(struct kvm_accel *k, struct vm_exit *e)
{
    e->kind = VM_EXIT_HLT;
    e->rip -= 1; /* KVM has stepped over it: F4 */
    e->u.hlt.if_set = guest_if(k);
    k->halted = true;
    return SEEN_EXIT;
}

static enum seen exit_shutdown(struct kvm_accel *k, struct vm_exit *e)
{
    char missing[160];

    k->shutdown = true;
    missing[0] = '\0';
    if (!k->surveyed)
        kvm_check_missing(missing, sizeof(missing));
    if (missing[0]) {
        snprintf(k->fail_text, sizeof(k->fail_text),
                 "the guest ended in a triple fault at rip %#llx, but %s: use "
                 "--accel bt",
                 (unsigned long long)e->rip, missing);
        return fail(k, e, KVM_EXIT_SHUTDOWN);
    }
    e->kind = VM_EXIT_TRIPLE_FAULT;
    return SEEN_EXIT;
}

static enum seen exit_window(struct kvm_accel *k, struct vm_exit *e)
{
    (void)k;
    e->kind = VM_EXIT_INTR_WINDOW;
    return SEEN_EXIT;
}

/* CR8 was lowered: an interrupt may be deliverable now. */
static enum seen exit_set_tpr(struct kvm_accel *k, struct vm_exit *e)
{
    e->kind = VM_EXIT_CR_ACCESS;
    e->u.reg.reg = 8;
    e->u.reg.write = true;
    e->u.reg.value = k->run->cr8;
    return SEEN_EXIT;
}

static enum seen exit_debug(struct kvm_accel *k, struct vm_exit *e)
{
    return kvm_debug_exit(k, e) ? SEEN_EXIT : SEEN_AGAIN;
}

/* The answer has to be in kvm_run before the next entry: ask for it now. */
static enum seen exit_msr(struct kvm_accel *k, struct vm_exit *e)
{
    struct kvm_run *run = k->run;
    bool write = run->exit_reason == KVM_EXIT_X86_WRMSR;

    e->kind = write ? VM_EXIT_WRMSR : VM_EXIT_RDMSR;
    e->u.msr.index = run->msr.index;
    e->u.msr.value = write ? run->msr.data : 0;
    e->u.msr.fault = true; /* unless the handler knows it */
    k->io_pending = true;
    vcpu_exit(k->vcpu, e);
    run->msr.data = e->u.msr.value;
    run->msr.error = e->u.msr.fault;
    return SEEN_AGAIN;
}

static enum seen exit_fail_entry(struct kvm_accel *k, struct vm_exit *e)
{
    uint64_t reason = k->run->fail_entry.hardware_entry_failure_reason;

    snprintf(k->fail_text, sizeof(k->fail_text),
             "the processor refused to enter the guest at rip %#llx: hardware "
             "reason %#llx; try --accel bt",
             (unsigned long long)e->rip, (unsigned long long)reason);
    return fail(k, e, (int)reason);
}

static enum seen exit_internal(struct kvm_accel *k, struct vm_exit *e)
{
    uint32_t sub = k->run->internal.suberror;

    if (sub == KVM_INTERNAL_ERROR_EMULATION)
        return kvm_emulate(k, e) ? SEEN_EXIT : SEEN_AGAIN;
    snprintf(k->fail_text, sizeof(k->fail_text),
             "KVM internal error %u at rip %#llx%s; try --accel bt", sub,
             (unsigned long long)e->rip,
             sub == KVM_INTERNAL_ERROR_DELIVERY_EV
                 ? " while delivering an interrupt or exception"
                 : "");
    return fail(k, e, (int)sub);
}

static enum seen exit_system(struct kvm_accel *k, struct vm_exit *e)
{
    snprintf(k->fail_text, sizeof(k->fail_text),
             "the guest asked KVM for system event %u at rip %#llx",
             k->run->system_event.type, (unsigned long long)e->rip);
    return fail(k, e, (int)k->run->system_event.type);
}

static exit_handler *const handlers[] = {
    [KVM_EXIT_IO] = exit_io,
    [KVM_EXIT_MMIO] = exit_mmio,
    [KVM_EXIT_HLT] = exit_hlt,
    [KVM_EXIT_SHUTDOWN] = exit_shutdown,
    [KVM_EXIT_IRQ_WINDOW_OPEN] = exit_window,
    [KVM_EXIT_DEBUG] = exit_debug,
    [KVM_EXIT_SET_TPR] = exit_set_tpr,
    [KVM_EXIT_X86_RDMSR] = exit_msr,
    [KVM_EXIT_X86_WRMSR] = exit_msr,
    [KVM_EXIT_FAIL_ENTRY] = exit_fail_entry,
    [KVM_EXIT_INTERNAL_ERROR] = exit_internal,
    [KVM_EXIT_SYSTEM_EVENT] = exit_system,
};

/* Fills in E from the kernel's exit. */
static enum seen translate(struct kvm_accel *k, struct vm_exit *e)
{
    uint32_t reason = k->run->exit_reason;

    *e = (struct vm_exit){.kind = VM_EXIT_FAIL, .rip = k->run->s.regs.regs.rip};
    k->vcpu->exit_cs_base = k->run->s.regs.sregs.cs.base;
    k->step_by_kvm = false;
    if (reason != KVM_EXIT_INTERNAL_ERROR)
        k->emulated = 0;
    if (reason < ARRAY_SIZE(handlers) && handlers[reason])
        return handlers[reason](k, e);
    snprintf(k->fail_text, sizeof(k->fail_text),
             "KVM exit %u at rip %#llx is not one that we know", reason,
             (unsigned long long)e->rip);
    return fail(k, e, (int)reason);
}

int kvm_complete_io(struct kvm_accel *k)
{
    struct vm_exit e;
    int ret;

    while (k->io_pending) {
        k->io_pending = false;
        k->run->immediate_exit = 1;
        ret = enter(k);
        if (ret == -EINTR)
            continue;
        if (ret < 0) {
            log_error("kvm: cannot finish an I/O instruction: %s",
                      strerror(-ret));
            return ret;
        }
        if (translate(k, &e) == SEEN_AGAIN)
            continue;
        /* The next part of the same instruction is data for a device now; any
         * other exit can wait until the guest is to run. */
        if (e.kind == VM_EXIT_PIO || e.kind == VM_EXIT_MMIO) {
            vcpu_exit(k->vcpu, &e);
        } else {
            k->stash = e;
            k->stashed = true;
        }
    }
    return 0;
}

/* ---- the loop ------------------------------------------------------------ */

static void simple_exit(struct kvm_accel *k, struct vm_exit *why,
                        enum vm_exit_kind kind)
{
    *why = (struct vm_exit){.kind = kind, .rip = k->run->s.regs.regs.rip};
    k->vcpu->exit_cs_base = k->run->s.regs.sregs.cs.base;
}

/* True: *WHY is an exit already, the guest need not run for it. */
static bool exit_before_entry(struct kvm_accel *k, struct vm_exit *why)
{
    struct vcpu *vcpu = k->vcpu;

    if (k->stashed) {
        k->stashed = false;
        *why = k->stash;
        return true;
    }
    if (k->shutdown) {
        simple_exit(k, why, VM_EXIT_TRIPLE_FAULT);
        return true;
    }
    if (atomic_load(&vcpu->kicked) || vcpu->stop_requested) {
        simple_exit(k, why, VM_EXIT_KICK);
        return true;
    }
    if (timer_due(k)) {
        simple_exit(k, why, VM_EXIT_PREEMPT);
        return true;
    }
    if (still_halted(k)) {
        simple_exit(k, why, VM_EXIT_HLT);
        why->rip -= 1;
        why->u.hlt.if_set = guest_if(k);
        return true;
    }
    return false;
}

static int run_error(struct kvm_accel *k, int err)
{
    log_error("kvm: KVM_RUN at rip %#llx: %s",
              (unsigned long long)k->run->s.regs.regs.rip, strerror(-err));
    return err;
}

int kvm_run(struct vcpu *vcpu, struct vm_exit *why)
{
    struct kvm_accel *k = kvm_of(vcpu);
    int ret;

    if (atomic_load(&k->tid) != gettid() && (ret = bind_thread(k)) < 0)
        return ret;
    for (;;) {
        /* In this order: see the top of this file. */
        *(volatile uint8_t *)&k->run->immediate_exit = 0;
        atomic_thread_fence(memory_order_seq_cst);
        if (exit_before_entry(k, why))
            return 0;
        if (kvm_soft_wanted(k)) {
            if (kvm_soft_run(k, why, &ret))
                return ret;
            continue;
        }
        if (kvm_debug_enter(k, why))
            return 0;
        if ((ret = inject(k)) < 0)
            return ret;
        if (ret > 0 || vcpu->stop_requested)
            continue;
        k->io_pending = false;
        ret = enter(k);
        if (ret == -EINTR || ret == -EAGAIN) {
            bool due = timer_due(k);

            kvm_debug_not_entered(k);
            simple_exit(k, why, due ? VM_EXIT_PREEMPT : VM_EXIT_KICK);
            return 0;
        }
        if (ret < 0)
            return run_error(k, ret);
        if (translate(k, why) == SEEN_EXIT)
            return 0;
    }
}
