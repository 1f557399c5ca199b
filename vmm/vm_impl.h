/* What vm.c, exit.c and vm_mem.c share.  Nobody else includes this. */
#ifndef VMM_VM_IMPL_H
#define VMM_VM_IMPL_H
#include "vmm/exit_pages.h"
#include "vmm/exit_stats.h"
#include "vmm/host/hostio.h"
#include "vmm/machine/machine.h"
#include "vmm/vm.h"

struct vm {
    struct vm_config cfg;
    struct vcpu vcpu;
    atomic_bool has_vcpu; /* it is whole: other threads may kick it */
    struct machine *machine;
    struct hostio *io;
    struct chardev *chardev[VM_SERIALS_MAX]; /* owned, unless the config's */
    struct blockdev *disk[VM_DISKS_MAX];
    struct vm_observer *observers;
    struct exit_stats stats;
    struct exit_pages pages;

    /* Why and where the guest stopped. */
    atomic_int stop; /* enum vm_stop_reason; vm_stop() may set it anywhere */
    struct vm_exit last_exit;
    uint32_t debug_exit_value;
    char stop_text[160];
    /* A stop that a debugger delayed, and its text; VM_STOP_NONE: none. */
    enum vm_stop_reason end;
    char end_text[160];

    bool halted;            /* HLT: waits for an interrupt */
    bool halted_if;         /* EFLAGS.IF at that HLT */
    const char *reset_by;   /* who asked for a reset; NULL: none */
    char triple_fault[48];  /* the last one, with its place */
    bool told_of_faults;    /* the user knows that they reset the guest */
    bool refused_64;        /* it tried to enter long mode, in vain */
    bool asked_64;          /* it asked CPUID whether there is long mode */
    uint64_t asked_64_at;   /* ... by the count of instructions */
    struct debug_ctl debug; /* as the debugger wants it */
    struct x86_state entry; /* state the boot loader made */

    /* The clock under KVM: host time, but only while the guest runs. */
    uint64_t run_start_ns;  /* 0: not in vm_run() */
    uint64_t clock_base_ns; /* clock value at run_start_ns */
    int timeout_fd;         /* timerfd of cfg.timeout_s, or -1 */
};

/* exit.c: the one place that counts, traces, times, handles and stops. */
enum run_next vm_dispatch_exit(struct vcpu *vcpu, struct vm_exit *e);

/* Says what stopped the guest; the first reason given wins. */
void vm_set_stop(struct vm *vm, enum vm_stop_reason reason, const char *fmt,
                 ...) PRINTF_LIKE(3, 4);
#endif
