/*
 * What linear pages have cost in exits: shadow paging's bill, page by page.
 * Of all address spaces together.  Fixed memory; what finds no room is counted
 * under `other`.  Under KVM nothing is: the kernel keeps these exits.
 */
#ifndef VMM_EXIT_PAGES_H
#define VMM_EXIT_PAGES_H
#include "vmm/accel/accel.h"

#define EXIT_PAGES_MAX 8192u /* a power of two */

enum exit_page_cost {
    EXIT_PAGE_FILL,  /* a hidden fault: the shadow had no entry */
    EXIT_PAGE_DIRTY, /* one had: the first write, which sets the dirty bit */
    EXIT_PAGE_CODE,  /* a write to a page that holds translated code */
    EXIT_PAGE_FAULT, /* a true page fault, which the guest gets */
    EXIT_PAGE_COSTS
};

struct exit_page {
    uint64_t page; /* 1 + the page's number; 0: free */
    struct {
        uint64_t count, total_ns;
    } cost[EXIT_PAGE_COSTS];
};

struct exit_pages {
    struct exit_page page[EXIT_PAGES_MAX]; /* a hash table */
    uint64_t other;
};

const char *exit_page_cost_name(enum exit_page_cost cost);

void exit_pages_add(struct exit_pages *pages, const struct vm_exit *e,
                    uint64_t ns);
/* NULL: the page that holds GLA has cost nothing. */
const struct exit_page *exit_pages_find(const struct exit_pages *pages,
                                        uint64_t gla);
#endif
