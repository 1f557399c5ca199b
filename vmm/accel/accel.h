/*
 * What executes guest instructions: KVM or the translator.  Hidden behind
 * struct accel_ops; everything an accelerator says about the guest is a
 * struct vm_exit, which is data.
 *
 * Exits come in two ways, and both end in the one function vcpu->on_exit(),
 * the only place that counts, traces, times and decides to stop:
 *  - run() returns with an exit: the run loop passes it on;
 *  - in the middle of an instruction (bt: a port read whose value is needed at
 *    once) the accelerator calls vcpu_exit() itself.
 */
#ifndef VMM_ACCEL_ACCEL_H
#define VMM_ACCEL_ACCEL_H
#include <stdatomic.h>

#include "vmm/base/strbuf.h"
#include "vmm/mem/mem.h"
#include "vmm/x86/state.h"

struct vcpu;

enum vm_exit_kind {
#define EXIT(id, name, reason, class) VM_EXIT_##id,
#include "vmm/vm_exit.def"
#undef EXIT
    VM_EXIT_COUNT
};

/* Why a debug exit happened; one stop may have several reasons. */
enum debug_hit {
    DEBUG_HIT_STEP = BIT(0),
    DEBUG_HIT_BREAKPOINT = BIT(1), /* rip is at the breakpoint, not executed */
    DEBUG_HIT_WATCH = BIT(2),      /* the access has been done */
    DEBUG_HIT_COUNT = BIT(3),      /* run-until instruction count reached */
    DEBUG_HIT_MODE = BIT(4),       /* the mode has changed */
};

/* One step on the way to a triple fault. */
struct fault_cause {
    uint8_t vector;
    uint32_t error;
    uint64_t cr2, rip;
};

/* A data access that met a watchpoint. */
struct debug_touch {
    uint64_t gla, first; /* linear; the first byte of it that is watched */
    uint32_t len;        /* bytes from gla */
    bool write;
};

struct vm_exit {
    enum vm_exit_kind kind;
    uint64_t rip;      /* linear is cs_base + rip; of the instruction */
    uint64_t icount;   /* instructions executed before it; 0 under KVM */
    uint64_t start_ns; /* host monotonic when control left the guest; 0: the
                          moment the exit is reported */
    union {
        struct {
            uint16_t port;
            uint8_t size; /* 1, 2, 4 */
            bool out;
            uint32_t count; /* string I/O: elements in data */
            void *data;     /* count * size bytes: read or filled by handler */
        } pio;
        struct {
            uint64_t gpa;
            uint8_t size; /* 1 to 8 */
            bool write;
            uint8_t *data; /* size bytes */
        } mmio;
        struct {
            unsigned hits; /* enum debug_hit */
            uint64_t dr6;
            uint64_t gla; /* breakpoint, or first byte watched and touched */
            bool write;
            /* WATCH, bt: all accesses of the instruction that met one, until
             * the next run; KVM tells but GLA: 0. */
            unsigned touches;
            const struct debug_touch *touch;
        } debug;
        struct {
            uint8_t vector;
            bool has_error;
            uint32_t error;
            uint64_t cr2; /* #PF only */
        } exception;      /* also EXTINT and SOFT_INT: vector */
        struct {
            uint8_t reg; /* CR or DR number, or enum x86_sreg */
            bool write;
            uint64_t value; /* written, or read */
        } reg;
        struct {
            uint32_t index;
            uint64_t value; /* WRMSR: to write; RDMSR: the handler's answer */
            bool fault;     /* set by the handler: no such MSR, #GP(0) */
        } msr;
        struct {
            uint32_t leaf, subleaf;
        } cpuid;
        struct {
            unsigned causes;                 /* 0: not known (KVM) */
            const struct fault_cause *cause; /* oldest first */
            const struct x86_state *before;  /* at cause[0]; NULL: not known */
        } triple;                            /* TRIPLE_FAULT */
        struct {
            bool if_set; /* EFLAGS.IF: an external interrupt can end it */
        } hlt;
        struct {
            uint64_t gla, gpa;
            uint32_t error; /* the access, as a #PF error code; P: the shadow
                               had the page, but not for writing */
        } page;             /* PAGE_FILL, INVLPG, CODE_WRITE, TRANSLATE */
        struct {
            int code; /* KVM: internal error or hardware reason */
            const char *text;
        } fail;
    } u;
};

const char *vm_exit_name(enum vm_exit_kind kind);  /* "port I/O" */
const char *vm_exit_id(enum vm_exit_kind kind);    /* "PIO" */
const char *vm_exit_class(enum vm_exit_kind kind); /* "virtualised resource" */
int vm_exit_reason(enum vm_exit_kind kind);        /* SDM number, or -1 */

/* What the run loop does after an exit. */
enum run_next { RUN_AGAIN, RUN_STOP };

/* Breakpoints and watchpoints, as an accelerator has to honour them. */
struct debug_bp {
    uint64_t addr; /* linear, or guest-physical if PHYS */
    bool phys;
};
struct debug_wp {
    uint64_t gla;
    uint64_t len; /* bytes, > 0 */
    bool read, write;
};
struct debug_ctl {
    bool step;            /* stop after one instruction */
    bool step_skip_intr;  /* ... and take no external interrupt in it */
    uint64_t stop_icount; /* bt: stop at this count; UINT64_MAX: never */
    uint32_t stop_mode; /* bt: stop when one of these x86_mode_bits() changes */
    size_t bps, wps;
    const struct debug_bp *bp; /* borrowed until the next set_debug */
    const struct debug_wp *wp;
    /*
     * Asked at each hit of bp[index], before the instruction; false: go on as
     * if it were not there.  NULL: every hit stops.  bt asks from within
     * run(), so that a false condition costs a call and not an exit; KVM does
     * not ask, and its caller has to after each exit.
     */
    bool (*bp_check)(void *opaque, size_t index, const struct x86_state *st);
    void *bp_opaque;
};

/* A sensitive instruction that the accelerator executed so many times without
 * an exit. */
struct accel_inlined {
    const char *name;
    uint64_t count;
};

struct accel_ops {
    const char *name;
    const char *summary;
    unsigned bits; /* of the widest mode that guests have: 32 or 64 */
    /* 0, or -errno with one line in WHY (may be NULL) saying what and next. */
    int (*probe)(char *why, size_t len);
    /* Maps vcpu->mem's slots, makes the vCPU.  0 or -errno, logged. */
    int (*init)(struct vcpu *vcpu);
    void (*fini)(struct vcpu *vcpu);
    /*
     * Runs until an exit that is not handled inside.  0 and *WHY, or -errno.
     * bt returns VM_EXIT_PREEMPT when the virtual clock reaches deadline_ns.
     */
    int (*run)(struct vcpu *vcpu, struct vm_exit *why);
    void (*kick)(struct vcpu *vcpu); /* any thread, also a signal handler */
    int (*get_state)(struct vcpu *vcpu, struct x86_state *st);
    int (*set_state)(struct vcpu *vcpu, const struct x86_state *st);
    int (*set_debug)(struct vcpu *vcpu, const struct debug_ctl *ctl);
    /*
     * RESET: chips that the accelerator keeps (options.irqchip_kernel) go to
     * their first state.  The CPU follows by set_state().  May be NULL.
     */
    int (*reset)(struct vcpu *vcpu);
    /* The slots changed (A20, reset).  May be NULL. */
    int (*slots_changed)(struct vcpu *vcpu);
    /* options.irqchip_kernel: a device's pin.  NULL if there is no such. */
    int (*set_gsi)(struct vcpu *vcpu, unsigned gsi, bool level);
    /* The N-th of them; false past the last.  NULL: all of them exit. */
    bool (*inlined)(struct vcpu *vcpu, size_t n, struct accel_inlined *out);
    /* Accelerator's own statistics as text, for `view stats`.  May be NULL. */
    void (*dump)(struct vcpu *vcpu, struct strbuf *out);
};

/* How the accelerator reaches the board's interrupt controller. */
struct vcpu_intc {
    void *opaque;
    /* Is the INTR pin up?  Cheap: asked before every run. */
    bool (*pending)(void *opaque);
    /* Acknowledges; the vector, or -1 if it was spurious and gone. */
    int (*ack)(void *opaque);
};

/*
 * What of the board's local APIC is reached through the CPU: CR8 (TPR bits
 * 7:4) and IA32_APIC_BASE.  Functions may be NULL: there is no such APIC.
 */
struct vcpu_apic {
    void *opaque;
    unsigned (*get_cr8)(void *opaque);
    void (*set_cr8)(void *opaque, unsigned cr8);
    void (*set_base)(void *opaque, uint64_t base);
};

/*
 * One virtual CPU.  Owned by struct vm; touched only by its own thread, but
 * for `kicked`.
 */
struct vcpu {
    const struct accel_ops *ops;
    void *accel; /* the accelerator's own state */
    struct mem *mem;
    struct vcpu_intc intc;
    struct vcpu_apic apic;
    bool nmi;           /* an NMI edge not yet taken by the accelerator */
    bool a20;           /* false: physical address bit 20 reads as 0 */
    atomic_bool kicked; /* set by ops->kick, cleared by the run loop */
    /* See the top of this file. */
    enum run_next (*on_exit)(struct vcpu *vcpu, struct vm_exit *e);
    void *owner;         /* for on_exit: struct vm */
    bool stop_requested; /* a nested exit said RUN_STOP: leave run() soon */
    /* Virtual time (bt): icount + idle_ns is the clock, one ns each. */
    uint64_t icount;      /* instructions retired since reset; exact at exits */
    uint64_t idle_ns;     /* without any: HLT, and what port accesses take */
    uint64_t deadline_ns; /* leave run() when the clock gets here */
    /*
     * Host time (KVM): CLOCK_MONOTONIC when the machine's clock read 0, so
     * that run() knows when deadline_ns is.  Set by the run loop.
     */
    uint64_t clock_epoch_ns;
    /* KVM: at the exit run() has just returned; bt leaves them 0. */
    uint64_t exit_cs_base; /* e->rip + this is linear */
    struct accel_options {
        bool irqchip_kernel;  /* KVM: PIC, IOAPIC, LAPIC in the kernel */
        bool check_blocks;    /* bt: prove each block confined */
        uint64_t cache_bytes; /* bt: code cache size; 0: the default */
        bool evict_always;    /* bt: an eviction at every fill (tests) */
        bool interpret_only;  /* bt: no translation, only single emulation */
    } options;
};

/* Reports an exit from the middle of an instruction. */
static inline void vcpu_exit(struct vcpu *vcpu, struct vm_exit *e)
{
    if (vcpu->on_exit(vcpu, e) == RUN_STOP)
        vcpu->stop_requested = true;
}

extern const struct accel_ops accel_kvm, accel_bt;

/* "kvm" or "bt"; NULL if there is none of that name. */
const struct accel_ops *accel_find(const char *name);

/* What `--accel auto` means on this host: the faster of those that work. */
const char *accel_auto(void);
#endif
