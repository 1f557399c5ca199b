/*
 * Counters of exits: by kind, and by detail (port, MSR, register, page,
 * vector) and guest rip.  Fixed memory; when a detail table is full, the rest
 * is counted under `other`.
 */
#ifndef VMM_EXIT_STATS_H
#define VMM_EXIT_STATS_H
#include "vmm/accel/accel.h"

#define EXIT_STATS_BUCKETS 32u    /* of log2 ns */
#define EXIT_STATS_DETAILS 16384u /* a power of two */

struct exit_count {
    uint64_t count;
    uint64_t total_ns, min_ns, max_ns;
    uint64_t bucket[EXIT_STATS_BUCKETS]; /* [i]: 2^i <= ns < 2^(i+1) */
};

struct exit_detail {
    uint64_t count, total_ns;
    uint64_t elements; /* port I/O: INS and OUTS move several at one exit */
    uint64_t rip;      /* guest linear address of the instruction */
    uint64_t what;     /* port, MSR, register, gpa page, vector; see kind */
    uint16_t kind;     /* enum vm_exit_kind */
    bool write;
};

struct exit_stats {
    uint64_t start_ns; /* host monotonic, when counting began */
    struct exit_count kind[VM_EXIT_COUNT];
    struct exit_detail detail[EXIT_STATS_DETAILS]; /* hash; count 0: free */
    uint64_t other;
};

void exit_stats_reset(struct exit_stats *stats);
void exit_stats_add(struct exit_stats *stats, const struct vm_exit *e,
                    uint64_t ns);
/* What an exit's detail is: "port 0x3f8", "CR3", "vector 14"... */
void exit_detail_text(const struct exit_detail *d, char *buf, size_t len);
/* One exit, while its data are there: "port 0x3f8 out, 0x41". */
void exit_text(const struct vm_exit *e, char *buf, size_t len);
#endif
