/* What the files of this folder share.  Nobody else includes this. */
#ifndef VMM_ACCEL_KVM_KVM_IMPL_H
#define VMM_ACCEL_KVM_KVM_IMPL_H
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "vmm/accel/kvm/kvm.h"

/* The signal that gets a thread out of KVM_RUN.  Its handler does next to
 * nothing; SIGRTMIN itself is often a debugger's or a library's. */
#define KVM_KICK_SIGNAL (SIGRTMIN + 5)

#define KVM_CPUID_MAX  128u
#define KVM_STATE_MSRS 11u

#define KVM_RIP_MEMOS 64u

/* An instruction that was found in front of RIP: see kvm_rip.c. */
struct kvm_rip_memo {
    uint64_t gla, cr3; /* of RIP at the exit */
    enum vm_exit_kind kind;
    uint8_t back; /* bytes to the instruction */
};

/* One open statistics file: its layout never changes, so it is read once. */
struct kvm_stats_file {
    int fd; /* -1: none */
    bool vcpu;
    struct kvm_stats_header header;
    char *desc; /* descriptors, header.num_desc * desc_size; owned */
    size_t desc_size;
};

struct kvm_emulator; /* kvm_emulate.c */

struct kvm_accel {
    struct vcpu *vcpu;
    int sys_fd, vm_fd, vcpu_fd;
    struct kvm_run *run; /* shared with the kernel */
    size_t run_len;

    bool irqchip_kernel;
    bool surveyed; /* a guest of kvm_survey.c: shows KVM alone, no help */
    bool has_sregs2, has_blockirq, has_emulation_exit;
    bool svm;              /* the host's processor is AMD's kind */
    uint64_t cr4_valid;    /* bits of CR4 that the guest can set ... */
    unsigned phys_bits;    /* ... and of an address, as its CPUID says */
    struct mem_slot *slot; /* as the kernel has them; owned */
    unsigned slots;
    bool msr_known[KVM_STATE_MSRS]; /* rows of the table in kvm_state.c */

    /* The thread that runs the vCPU, for kick(); 0: none yet. */
    _Atomic pid_t tid;
    timer_t timer;
    bool timer_made;
    uint64_t armed_ns; /* CLOCK_MONOTONIC; 0: the timer is off */
    volatile sig_atomic_t timer_fired;

    uint64_t cr8, apic_base; /* as they went in at the last entry */

    /*
     * The kernel's interrupt controllers as they were made: what RESET means.
     */
    struct kvm_irqchip chip_reset[3];
    struct kvm_lapic_state lapic_reset;
    struct kvm_pit_state2 pit_reset;

    /* State between runs. */
    bool io_pending; /* KVM has to see the exit's data before anything else */
    bool halted;     /* HLT, and the kernel does not wait for us */
    bool shutdown;   /* triple fault; until set_state() */
    bool stashed;    /* run() returns this exit before it runs anything */
    struct vm_exit stash;
    bool sync_valid;  /* run->s.regs is the state now */
    bool cache_valid; /* cache is the state now: nothing ran since */
    struct x86_state cache;
    struct kvm_emulator *emulator; /* owned; NULL: not needed yet */
    struct x86_state *emulating;   /* the live state while emu works on it */
    unsigned emulated;             /* in a row, without KVM getting anywhere */
    uint64_t emulated_rip;
    char fail_text[256];
    bool out_is_past; /* KVM leaves OUT with RIP past it, was seen last */
    struct kvm_rip_memo rip_memo[KVM_RIP_MEMOS];

    /* Debugging: kvm_debug.c. */
    struct debug_ctl debug;              /* arrays borrowed from the caller */
    struct kvm_guest_debug kernel_debug; /* as the kernel has it */
    bool soft; /* the registers cannot give it: emulate, or step */
    enum { HW_BP_UNKNOWN, HW_BP_WORK, HW_BP_BROKEN } hw_bp;
    bool step_by_kvm;    /* the next instruction is not one for the emulator */
    bool step_all;       /* more breakpoints than registers */
    uint64_t hw_addr[4]; /* what DR0 to DR3 watch */
    uint64_t hw_dr7;
    uint64_t hit_gla; /* linear RIP of the last exit or entry ... */
    bool hit_valid;   /* ... and a breakpoint there has been reported */

    struct kvm_stats_file stats[2]; /* VM, vCPU */
};

static inline struct kvm_accel *kvm_of(const struct vcpu *vcpu)
{
    return vcpu->accel;
}

/* ioctl() with -errno.  Not for KVM_RUN's expected EINTR. */
int kvm_ioctl(int fd, unsigned long request, void *arg);
/* ... and one log line on failure. */
int kvm_ioctl_log(int fd, unsigned long request, void *arg, const char *what);

/* kvm_cpuid.c: tells KVM what CPUID says.  0 or -errno. */
int kvm_cpuid_init(struct kvm_accel *k);
/* Does the guest see BIT of register REG (0: EAX, to 3: EDX) of LEAF? */
bool kvm_cpuid_has(struct kvm_accel *k, uint32_t leaf, unsigned reg,
                   unsigned bit);

/* kvm_slots.c */
int kvm_slots_changed(struct vcpu *vcpu);
void kvm_slots_fini(struct kvm_accel *k);

/* kvm_state.c */
int kvm_state_init(struct kvm_accel *k);
int kvm_get_state(struct vcpu *vcpu, struct x86_state *st);
int kvm_set_state(struct vcpu *vcpu, const struct x86_state *st);
/* Forgets what is cached, so that the next access goes to the kernel. */
void kvm_state_changed(struct kvm_accel *k);
/* Makes KVM and the processor forget translations; ST is the state now. */
int kvm_flush_tlb(struct kvm_accel *k, const struct x86_state *st);

/* kvm_run.c */
int kvm_run(struct vcpu *vcpu, struct vm_exit *why);
void kvm_kick(struct vcpu *vcpu);
/* Lets KVM finish the instruction of the last exit.  0 or -errno. */
int kvm_complete_io(struct kvm_accel *k);
int kvm_run_init(struct kvm_accel *k);
void kvm_run_fini(struct kvm_accel *k);

/* kvm_rip.c: e->rip of a write, from past the instruction to it. */
void kvm_fix_rip(struct kvm_accel *k, struct vm_exit *e);

/* kvm_emulate.c: the instruction KVM could not do.  True: *WHY is an exit. */
bool kvm_emulate(struct kvm_accel *k, struct vm_exit *why);
void kvm_emulate_fini(struct kvm_accel *k);
/* Does the debugger want what KVM's own stepping and registers cannot give? */
bool kvm_soft_wanted(const struct kvm_accel *k);
/* Runs so.  True: *WHY is an exit, or *ERR is not 0; false: go round. */
bool kvm_soft_run(struct kvm_accel *k, struct vm_exit *why, int *err);
/*
 * Does the instruction that KVM has just stepped access what is watched?  Says
 * so in E, once.
 */
bool kvm_soft_hit(struct kvm_accel *k, struct vm_exit *e);

/* kvm_debug.c */
int kvm_set_debug(struct vcpu *vcpu, const struct debug_ctl *ctl);
/* Before each entry.  True: *WHY is an exit, do not enter. */
bool kvm_debug_enter(struct kvm_accel *k, struct vm_exit *why);
/* The entry was cut short.  What is at RIP has been looked at, unless the guest
 * has got further. */
void kvm_debug_not_entered(struct kvm_accel *k);
/* KVM_EXIT_DEBUG.  True: *WHY is an exit; false: the guest's own, go on. */
bool kvm_debug_exit(struct kvm_accel *k, struct vm_exit *why);

/* kvm_survey.c: do debug registers stop a guest here?  Runs a tiny one. */
bool kvm_check_breakpoints(void);
/* What is missing from a complete KVM, in one line; "" if nothing. */
void kvm_check_missing(char *why, size_t len);

/* kvm_stats.c */
void kvm_stats_init(struct kvm_accel *k);
void kvm_stats_fini(struct kvm_accel *k);
/* FD is F's from now on.  0; -EPROTO, and closed: not such a file. */
int kvm_stats_open(struct kvm_stats_file *f, int fd);
void kvm_stats_close(struct kvm_stats_file *f);
/* All numbers of F behind the *N in *LIST, which grows.  0 or -errno. */
int kvm_stats_append(const struct kvm_stats_file *f, struct kvm_stat **list,
                     int *n);
void kvm_dump(struct vcpu *vcpu, struct strbuf *out);
#endif
