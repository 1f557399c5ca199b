/*
 * What is special about the KVM accelerator and cannot be said through
 * struct accel_ops: the kernel's own exit counters, and what this host's KVM
 * is good for.  Names nothing of <linux/kvm.h>.
 */
#ifndef VMM_ACCEL_KVM_KVM_H
#define VMM_ACCEL_KVM_KVM_H
#include "vmm/accel/accel.h"

enum kvm_stat_kind {
    KVM_STAT_COUNTER, /* only grows */
    KVM_STAT_GAUGE,   /* a value now */
    KVM_STAT_PEAK,    /* the largest value so far */
    KVM_STAT_LINEAR,  /* a histogram's bucket: `bucket` * size */
    KVM_STAT_LOG,     /* a histogram's bucket: power of two */
};

/* One number of the kernel's statistics of a VM or a vCPU. */
struct kvm_stat {
    char name[48];
    const char *unit; /* "", "bytes", "s", "cycles", "bool"; static */
    int exponent;     /* in units of 10^exponent, or 2^exponent for bytes */
    enum kvm_stat_kind kind;
    unsigned bucket; /* of a histogram; else 0 */
    bool vcpu;       /* of the vCPU, else of the whole VM */
    uint64_t value;
};

/*
 * Reads the counters that the kernel keeps itself: exits it handled without
 * the monitor are only in there.  *OUT is an array of the returned length to
 * be freed by the caller.  -ENOTSUP: the kernel is too old (before 5.14).
 */
int kvm_stats_read(const struct vcpu *vcpu, struct kvm_stat **out);

/* Is it a plain count of something that has happened? */
bool kvm_stat_is_count(const struct kvm_stat *stat);

/* The counter NAME of the vCPU or, failing that, the VM; 0 if unknown. */
uint64_t kvm_stats_get(const struct kvm_stat *stats, int count,
                       const char *name);

/* What this host's KVM can do, found out by running tiny guests. */
struct kvm_survey {
    bool present;        /* /dev/kvm opened and has what is needed */
    bool real_mode;      /* runs 16-bit code */
    bool protected_mode; /* 32-bit flat code without paging */
    bool paging32;       /* two-level page tables */
    bool soft_int;       /* INT n through a protected-mode IDT */
    bool injection;      /* KVM_INTERRUPT reaches a handler */
    bool single_step;    /* KVM_GUESTDBG_SINGLESTEP stops after one */
    bool complete;       /* all of the above */
    bool breakpoints;    /* debug registers stop a guest, and let it go on */
    double insns_per_s;  /* in a loop of three instructions; 0: not measured */
    double exit_ns;      /* one OUT, there and back; 0: not measured */
    char why[160];       /* what is missing, in one line; "" when complete */
};

/* Takes a few hundredths of a second.  0, or -errno if there is no KVM. */
int kvm_survey(struct kvm_survey *out);
#endif
