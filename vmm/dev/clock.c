#include "vmm/dev/clock.h"

void clock_init(struct clock *clk, uint64_t (*source)(void *opaque),
                void *opaque)
{
    *clk = (struct clock){.source = source, .opaque = opaque};
}

uint64_t clock_now(const struct clock *clk)
{
    return clk->source(clk->opaque);
}

void clock_timer_init(struct clock_timer *t, const char *name,
                      void (*fire)(void *opaque), void *opaque)
{
    *t = (struct clock_timer){
        .name = name,
        .fire = fire,
        .opaque = opaque,
        .deadline = CLOCK_NEVER,
    };
}

void clock_disarm(struct clock *clk, struct clock_timer *t)
{
    if (t->deadline == CLOCK_NEVER)
        return;
    for (struct clock_timer **p = &clk->armed; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    t->deadline = CLOCK_NEVER;
    t->next = NULL;
}

void clock_arm(struct clock *clk, struct clock_timer *t, uint64_t deadline)
{
    struct clock_timer **p = &clk->armed;

    clock_disarm(clk, t);
    if (deadline == CLOCK_NEVER)
        return;
    while (*p && (*p)->deadline <= deadline)
        p = &(*p)->next;
    t->deadline = deadline;
    t->next = *p;
    *p = t;
}

void clock_timer_snap(struct clock *clk, struct clock_timer *t, struct snap *s)
{
    uint64_t deadline = t->deadline;

    snap_bytes(s, t->name, &deadline, sizeof(deadline));
    if (!s->saving && !s->err)
        clock_arm(clk, t, deadline);
}

uint64_t clock_next(const struct clock *clk)
{
    return clk->armed ? clk->armed->deadline : CLOCK_NEVER;
}

void clock_run(struct clock *clk)
{
    uint64_t now = clock_now(clk);

    while (clk->armed && clk->armed->deadline <= now) {
        struct clock_timer *t = clk->armed;
        clock_disarm(clk, t);
        t->fire(t->opaque);
    }
}
