/*
 * All that the guest's page tables map, as runs: neighbouring pages with equal
 * rights that lead to neighbouring frames are one.
 */
#ifndef VMM_VIEW_PAGE_RUNS_H
#define VMM_VIEW_PAGE_RUNS_H
#include "vmm/x86/paging.h"

enum page_bits {
    PAGE_W = BIT(0), /* all levels together, these four */
    PAGE_U = BIT(1),
    PAGE_X = BIT(2),
    PAGE_G = BIT(3),
    PAGE_A = BIT(4), /* of the entry that maps the page */
    PAGE_D = BIT(5),
    PAGE_RIGHTS = PAGE_W | PAGE_U | PAGE_X | PAGE_G,
};

struct page_run {
    uint64_t first, last; /* linear, both in it */
    uint64_t gpa;         /* of first */
    uint64_t page_size;
    unsigned bits; /* enum page_bits */
};

struct page_runs {
    struct page_run *run; /* by address; owned */
    size_t count, cap;
};

/* Which pages count, by their bits. */
struct page_filter {
    unsigned set, clear;
};

/* A page's bits from a walk that succeeded. */
unsigned page_bits_of(const struct x86_walk *w);

/*
 * Pages that differ in a bit of the rights, or in one the filter names, are
 * never in one run; of the others a run has the first page's.
 */
void page_runs_collect(struct page_runs *runs, const struct x86_paging *pg,
                       const struct x86_phys *phys, struct page_filter filter);
void page_runs_free(struct page_runs *runs);

/* ---- two of them compared ----------------------------------------------- */

enum page_change { PAGE_SAME, PAGE_NEW, PAGE_GONE, PAGE_CHANGED };

/*
 * Calls ROW for each part of NOW that is the same, new or changed since OLD,
 * and of OLD that is gone, by address.
 */
void page_runs_compare(const struct page_runs *now, const struct page_runs *old,
                       void (*row)(void *opaque, const struct page_run *run,
                                   enum page_change change),
                       void *opaque);
#endif
