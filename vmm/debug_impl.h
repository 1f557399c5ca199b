/*
 * The debugger core's inside, shared by debug.c (run control) and
 * debug_points.c (stop points).
 */
#ifndef VMM_DEBUG_IMPL_H
#define VMM_DEBUG_IMPL_H
#include "vmm/debug.h"

struct debug {
    struct vm *vm;
    struct vm_observer observer;
    struct debug_point *point; /* in order of id */
    size_t points;
    int next_id;
    struct debug_stop stop;
    struct exit_lap lap;
    atomic_bool interrupted;
    bool running;

    /* The points as the accelerator has them; which point is bp[i]. */
    struct debug_bp *bp;
    struct debug_wp *wp;
    struct armed {
        int id;
        size_t at; /* where it was in point[] */
    } * armed;
    size_t bps;
    struct debug_ctl ctl; /* of the run at hand */

    /* What happened in the run at hand. */
    int hit_id; /* a point that bp_check or the observer let stop */
    struct vm_exit catch_exit;
    char catch_text[64]; /* what it was; its data may be gone */
    uint32_t mode_bits;  /* before the leg */
    enum x86_mode mode;
    struct debug_touch touch; /* that stopped; `first` is of its point */
    bool triple_fault;
    unsigned causes;
    struct fault_cause cause[3];
    struct x86_state before_fault;
    bool has_before;

    struct debug_checks {
        bool on[DEBUG_CHECK_COUNT];
        uint64_t low, high; /* STACK: linear; high is past the end */
        unsigned cpl;       /* STACK: whose */
        /* In the run at hand: */
        bool found;
        enum debug_check which;
        char text[128];
    } checks;

    /* Internal breakpoint of OVER, FINISH and TO: reached with sp >= min_sp */
    bool goal_set;
    uint64_t goal, goal_min_sp;
};

#define GOAL_ID (-1) /* stands for the internal breakpoint */

/* ---- debug_check.c ------------------------------------------------------ */

void debug_checks_init(struct debug *d);
/* True: a check found something in this exit. */
bool debug_checks_see(struct debug *d, const struct vm_exit *e);

/* ---- debug_points.c ----------------------------------------------------- */

uint64_t debug_stack_linear(const struct x86_state *st);
/* Counts a hit of P; true if it stops the guest. */
bool debug_point_hits(struct debug *d, struct debug_point *p,
                      const struct x86_state *st);
/* The accelerator asks this in the middle of a run, millions of times. */
bool debug_bp_check(void *opaque, size_t index, const struct x86_state *st);
/* Is BP where ST stands? */
bool debug_bp_is_at(const struct debug *d, const struct debug_bp *bp,
                    const struct x86_state *st);
bool debug_point_touched(const struct debug_point *p,
                         const struct debug_touch *t);
/* Is the goal reached, if ST stands on it? */
bool debug_goal_hits(struct debug *d, const struct x86_state *st);
/* All points that are on, for the accelerator. */
void debug_arm_points(struct debug *d, struct debug_ctl *ctl);
/* The machine's observer. */
enum run_next debug_see_exit(void *opaque, const struct vm_exit *e,
                             uint64_t ns);
#endif
