#include "vmm/exit_lap.h"

#define SECOND_NS 1000000000ull

static void mark_now(struct exit_mark *m, const struct exit_stats *stats,
                     uint64_t now_ns)
{
    m->ns = now_ns;
    for (unsigned k = 0; k < VM_EXIT_COUNT; k++)
        m->count[k] = stats->kind[k].count;
}

void exit_lap_begin(struct exit_lap *lap, const struct exit_stats *stats,
                    uint64_t now_ns)
{
    mark_now(&lap->start, stats, now_ns);
    lap->before = lap->lately = lap->start;
    lap->end_ns = 0;
}

void exit_lap_end(struct exit_lap *lap, uint64_t now_ns)
{
    lap->end_ns = now_ns;
}

void exit_lap_look(struct exit_lap *lap, const struct exit_stats *stats,
                   uint64_t now_ns)
{
    if (now_ns - lap->lately.ns < SECOND_NS)
        return;
    lap->before = lap->lately;
    mark_now(&lap->lately, stats, now_ns);
}

uint64_t exit_lap_count(const struct exit_lap *lap,
                        const struct exit_stats *stats, unsigned kind)
{
    return stats->kind[kind].count - lap->start.count[kind];
}

uint64_t exit_lap_rate(const struct exit_lap *lap,
                       const struct exit_stats *stats, unsigned kind,
                       uint64_t now_ns)
{
    const struct exit_mark *m = lap->end_ns ? &lap->start : &lap->before;
    uint64_t ns = (lap->end_ns ? lap->end_ns : now_ns) - m->ns;
    uint64_t count = stats->kind[kind].count - m->count[kind];

    if (!m->ns || !ns)
        return 0;
    return (uint64_t)((double)count * (double)SECOND_NS / (double)ns);
}
