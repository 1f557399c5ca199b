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

static bool goes_before(const struct clock_timer *a,
                        const struct clock_timer *b)
{
    if (a->deadline != b->deadline)
        return a->deadline < b->deadline;
    return a->order < b->order;
}

static void insert(struct clock *clk, struct clock_timer *t)
{
    struct clock_timer **p = &clk->armed;

    while (*p && goes_before(*p, t))
        p = &(*p)->next;
    t->next = *p;
    *p = t;
}

void clock_arm(struct clock *clk, struct clock_timer *t, uint64_t deadline)
{
    clock_disarm(clk, t);
    if (deadline == CLOCK_NEVER)
        return;
    t->deadline = deadline;
    t->order = clk->next_order++;
    insert(clk, t);
}

void clock_timer_snap(struct clock *clk, struct clock_timer *t, struct snap *s)
{
    uint64_t waits_for[3] = {t->deadline, t->order, clk->next_order};

    snap_bytes(s, t->name, waits_for, sizeof(waits_for));
    if (s->saving || s->err)
        return;
    clock_disarm(clk, t);
    /* The clock's own counter, which all its timers' records carry. */
    clk->next_order = waits_for[2];
    t->order = waits_for[1];
    if (waits_for[0] == CLOCK_NEVER)
        return;
    t->deadline = waits_for[0];
    insert(clk, t);
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
