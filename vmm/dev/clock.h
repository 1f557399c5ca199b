/*
 * The machine's one clock, and the timers that devices set on it.
 *
 * Nanoseconds since power-on.  Where they come from is the accelerator's
 * matter: under bt they are the instruction count plus the time slept in HLT,
 * under KVM the host's monotonic clock.  Devices only ask clock_now().
 *
 * All calls are made on the vCPU's thread.  Timers due at the same time fire
 * in the order in which they were armed.
 */
#ifndef VMM_DEV_CLOCK_H
#define VMM_DEV_CLOCK_H
#include "vmm/base/base.h"
#include "vmm/base/snap.h"

#define CLOCK_NEVER  UINT64_MAX
#define CLOCK_SECOND 1000000000ull

struct clock_timer {
    const char *name;
    void (*fire)(void *opaque);
    void *opaque;
    uint64_t deadline; /* ns; CLOCK_NEVER: not armed */
    uint64_t order;    /* which arming of the clock's this was */
    struct clock_timer *next;
};

struct clock {
    uint64_t (*source)(void *opaque); /* ns, never goes back */
    void *opaque;
    struct clock_timer *armed; /* sorted by deadline, then by order */
    uint64_t next_order;
};

void clock_init(struct clock *clk, uint64_t (*source)(void *opaque),
                void *opaque);
uint64_t clock_now(const struct clock *clk);

void clock_timer_init(struct clock_timer *t, const char *name,
                      void (*fire)(void *opaque), void *opaque);
/* Arms T for DEADLINE (absolute ns), moving it if armed already. */
void clock_arm(struct clock *clk, struct clock_timer *t, uint64_t deadline);
void clock_disarm(struct clock *clk, struct clock_timer *t);
/*
 * Saves what T waits for, or restores it.  Timers due at the same time fire
 * in the same order after a restore, in whatever order devices are restored.
 */
void clock_timer_snap(struct clock *clk, struct clock_timer *t, struct snap *s);

/* The earliest deadline, or CLOCK_NEVER. */
uint64_t clock_next(const struct clock *clk);
/* Fires every timer whose deadline has come. */
void clock_run(struct clock *clk);
#endif
