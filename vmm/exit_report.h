/*
 * Exit statistics for people (columns) and for programs (JSON; the schema is
 * course-notes/stats-schema.md), and two runs side by side.
 */
#ifndef VMM_EXIT_REPORT_H
#define VMM_EXIT_REPORT_H
#include "vmm/exit_format.h"

#define EXIT_REPORT_SCHEMA "ringside-stats-1"
#define EXIT_REPORT_KERNEL 64u
#define EXIT_REPORT_INLINE 16u

/* A counter of what did not exit to the monitor: it is not among the kinds. */
struct exit_counter {
    char name[56];
    uint64_t value;
};

struct exit_report {
    char accel[8];    /* "bt" */
    char guest[64];   /* the image's file name */
    char stop[128];   /* why the run ended */
    int status;       /* exit status */
    uint64_t wall_ns; /* host time from first to last instruction */
    uint64_t insns;   /* executed; 0: not known (KVM) */
    const struct exit_stats *stats; /* borrowed */
    unsigned kernels; /* handled by the host's kernel itself (KVM) */
    struct exit_counter kernel[EXIT_REPORT_KERNEL];
    unsigned inlines; /* done inside translated code (bt) */
    struct exit_counter inlined[EXIT_REPORT_INLINE];
};

/* At most 80 columns.  TOP: rows of each detail table. */
void exit_report_text(struct strbuf *out, const struct exit_report *r,
                      unsigned top, const struct exit_style *style);
void exit_report_json(struct strbuf *out, const struct exit_report *r);

/* A against B, kind by kind; B may be NULL.  At most 80 columns. */
void exit_report_compare(struct strbuf *out, const struct exit_report *a,
                         const struct exit_report *b,
                         const struct exit_style *style);

/*
 * Reads what exit_report_json() wrote into *R and *STATS (kinds only, no
 * details).  0, or -errno with what is wrong in WHY.
 */
int exit_report_load(struct exit_report *r, struct exit_stats *stats,
                     const char *path, char *why, size_t len);
#endif
