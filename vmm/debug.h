/*
 * The debugger's core: what gdb, the screen, the command line and the labs
 * share.  Stop points, run control, and why the guest stopped.
 *
 * Stop points never change guest memory.  Under bt all of them work; what KVM
 * cannot see is refused with a reason.
 *
 * Threads: struct debug belongs to the vCPU's thread.  Clients on other
 * threads go through debug_server.h.
 */
#ifndef VMM_DEBUG_H
#define VMM_DEBUG_H
#include "vmm/exit_lap.h"
#include "vmm/vm.h"

struct debug;

/* ---- stop points -------------------------------------------------------- */

enum debug_point_kind {
    DEBUG_POINT_LINEAR, /* execution at a linear address */
    DEBUG_POINT_PHYS,   /* ... at a guest-physical address */
    DEBUG_POINT_SEGOFF, /* ... at selector:offset */
    DEBUG_POINT_WATCH,  /* data at a linear address */
    DEBUG_POINT_CATCH,  /* an exit of some kind: port, MSR, vector, CR3... */
    DEBUG_POINT_MODE,   /* the mode changes, in x86_mode_bits() of addr; its
                           filter is of the new mode */
};

/* Which executions count; a field that is "any" does not filter. */
struct debug_filter {
    bool has_cr3;
    uint64_t cr3;
    int cpl;  /* 0 to 3, or -1: any */
    int mode; /* enum x86_mode, or -1: any */
};

/* A condition; false: the hit is not even counted. */
typedef bool debug_condition(void *opaque, struct debug *d,
                             const struct x86_state *st);
/* What a hit does instead of stopping. */
typedef void debug_action(void *opaque, struct debug *d,
                          const struct x86_state *st);

struct debug_point {
    int id; /* 1, 2, ...: given by debug_add() */
    enum debug_point_kind kind;
    uint64_t addr;          /* linear, physical, or offset */
    uint16_t selector;      /* SEGOFF */
    uint64_t len;           /* WATCH: bytes; CATCH: values from addr, 0: any */
    bool read, write;       /* WATCH; CATCH of ports and MSRs: in/out */
    enum vm_exit_kind exit; /* CATCH: addr is port, MSR, vector, register */
    struct debug_filter filter;
    bool disabled;
    bool temporary;  /* removed when it stops the guest */
    uint64_t ignore; /* so many hits pass first */
    uint64_t hits;
    debug_condition *condition; /* NULL: always */
    debug_action *action;       /* NULL: it stops */
    void *opaque;               /* of both */
    const void *owner;          /* who made it: debug_remove_owner() */
    char note[64];              /* the condition or name as a person typed it */
};

/* A point with nothing filtered, to be filled in. */
void debug_point_init(struct debug_point *p, enum debug_point_kind kind,
                      uint64_t addr);

/* Copies P in.  Its id, or -errno: -ENOTSUP, -ENOSPC with the reason in WHY. */
int debug_add(struct debug *d, const struct debug_point *p, char *why,
              size_t len);
int debug_remove(struct debug *d, int id); /* 0, or -ENOENT */
void debug_remove_owner(struct debug *d, const void *owner);
struct debug_point *debug_find(struct debug *d, int id);
/* The N-th point in order of id; NULL past the last. */
struct debug_point *debug_nth(struct debug *d, size_t n);

/* ---- running ------------------------------------------------------------ */

enum debug_run_kind {
    DEBUG_RUN_CONTINUE,
    DEBUG_RUN_STEP,   /* count instructions, into calls */
    DEBUG_RUN_OVER,   /* one instruction; a call, INT or REP as a whole */
    DEBUG_RUN_FINISH, /* until the current function returns */
    DEBUG_RUN_TO,     /* until linear rip is addr */
    DEBUG_RUN_RANGE,  /* until rip leaves [addr, end) */
};

struct debug_run {
    enum debug_run_kind kind;
    uint64_t count;       /* STEP: instructions; 0 means 1 */
    uint64_t addr, end;   /* linear */
    bool into_interrupts; /* a step may land in an interrupt's handler */
};

/* Runtime checks; what they look for is debug_check.def. */
enum debug_check {
#define CHECK(id, name, on, summary, kvm) DEBUG_CHECK_##id,
#include "vmm/debug_check.def"
#undef CHECK
    DEBUG_CHECK_COUNT
};

enum debug_reason {
    DEBUG_REASON_NONE,
    DEBUG_REASON_INTERRUPT, /* somebody asked: ^C */
    DEBUG_REASON_STEP,      /* the step, finish or range is done */
    DEBUG_REASON_BREAKPOINT,
    DEBUG_REASON_WATCHPOINT,
    DEBUG_REASON_CATCH,
    DEBUG_REASON_MODE,
    DEBUG_REASON_TRIPLE_FAULT,
    DEBUG_REASON_CHECK, /* a runtime check found something: `text` says what */
    DEBUG_REASON_ENDED, /* the machine is off: vm_stop_reason() */
};

struct debug_stop {
    enum debug_reason reason;
    int point; /* id of the stop point, or 0 */
    enum debug_point_kind point_kind;
    uint64_t rip, linear_rip;
    uint64_t icount; /* bt; 0 under KVM */
    uint64_t gla;    /* WATCH: first byte touched */
    uint64_t len;    /* WATCH: of the point */
    bool write;
    bool both;                   /* WATCH: the point watches reads and writes */
    struct vm_exit exit;         /* CATCH: the exit itself */
    enum x86_mode from, to;      /* MODE */
    uint32_t changed;            /* MODE: x86_mode_bits() that did */
    unsigned causes;             /* TRIPLE_FAULT: 0 if not known (KVM) */
    struct fault_cause cause[3]; /* oldest first */
    enum debug_check check;      /* CHECK: which */
    char text[160];              /* for people, one line */
};

/* D is made once for a machine; it observes exits.  0 or -errno. */
int debug_create(struct debug **out, struct vm *vm);
void debug_destroy(struct debug *d);
struct vm *debug_vm(struct debug *d);

/* Runs the guest until it stops.  0 and *STOP, or -errno. */
int debug_run(struct debug *d, const struct debug_run *how,
              struct debug_stop *stop);
/* Amid a run, after stop points changed: the accelerator gets them anew. */
void debug_rearm(struct debug *d);
/* The exits of the run at hand, or of the last one. */
const struct exit_lap *debug_lap(const struct debug *d);
/* Amid a run, now and then: keeps debug_lap()'s rates recent. */
void debug_look_at_lap(struct debug *d);
/* The last stop; reason NONE before the first run. */
const struct debug_stop *debug_last_stop(const struct debug *d);
/* Asked by a call amid a run (debug_server_call()): is the guest to go on? */
bool debug_is_running(const struct debug *d);
/* Power-on again, stopped there; stop points stay.  Not amid a run. */
int debug_restart(struct debug *d);
/* Stops debug_run() soon.  Any thread, or a signal handler. */
void debug_interrupt(struct debug *d);
/* After a run: an interrupt that came late is not for the next one. */
void debug_forget_interrupt(struct debug *d);

const char *debug_reason_name(enum debug_reason reason);

/*
 * Switches a check.  STACK: the range is [LOW, HIGH), linear; LOW >= HIGH: the
 * page that the stack pointer is in.  0 or -errno; NOTE says what is watched,
 * and what cannot be seen under this accelerator.
 */
int debug_check_set(struct debug *d, enum debug_check c, bool on, uint64_t low,
                    uint64_t high, char *note, size_t len);
bool debug_check_is_on(const struct debug *d, enum debug_check c);
const char *debug_check_name(enum debug_check c);
const char *debug_check_summary(enum debug_check c);
#endif
