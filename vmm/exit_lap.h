/*
 * The exits of one run from resume to stop, as against all since power-on:
 * what a "since the last stop" column and a rate are made of.  Keeps the
 * counters as they were; the counters themselves are exit_stats.h.
 */
#ifndef VMM_EXIT_LAP_H
#define VMM_EXIT_LAP_H
#include "vmm/exit_stats.h"

struct exit_mark {
    uint64_t ns; /* host monotonic; 0: never */
    uint64_t count[VM_EXIT_COUNT];
};

struct exit_lap {
    struct exit_mark start;          /* when the guest was resumed last */
    struct exit_mark before, lately; /* a second apart, while it runs */
    uint64_t end_ns;                 /* when it stopped; 0: it runs */
};

/* The guest is resumed at NOW_NS. */
void exit_lap_begin(struct exit_lap *lap, const struct exit_stats *stats,
                    uint64_t now_ns);
void exit_lap_end(struct exit_lap *lap, uint64_t now_ns);
/* Now and then while the guest runs: rates are of the last second or two. */
void exit_lap_look(struct exit_lap *lap, const struct exit_stats *stats,
                   uint64_t now_ns);

/* Exits of KIND since the guest was resumed. */
uint64_t exit_lap_count(const struct exit_lap *lap,
                        const struct exit_stats *stats, unsigned kind);
/* Exits of KIND a second: lately if the guest runs, else in the last run. */
uint64_t exit_lap_rate(const struct exit_lap *lap,
                       const struct exit_stats *stats, unsigned kind,
                       uint64_t now_ns);
#endif
