/*
 * A page walk in two dimensions: nested paging (EPT, NPT) translates each
 * guest-physical address of the guest's own walk, and the data's, by tables of
 * the host.  With g and h levels that is (g + 1)(h + 1) - 1 references to
 * memory: 24 for 4 by 4, 35 for 5 by 5.  SDM vol. 3C 28.3; AMD APM vol. 2
 * 15.25.
 *
 * A model: the guest's entries are real, the host's are counted, not read.
 */
#ifndef VMM_X86_NESTED_H
#define VMM_X86_NESTED_H
#include "vmm/x86/paging.h"

#define X86_NESTED_ROWS 6u  /* five tables and the data */
#define X86_NESTED_REFS 35u /* of five by five */

/* The second dimension; its pages are of 4 KiB (12), 2 MiB (21), 1 GiB (30). */
struct x86_nested_host {
    unsigned levels; /* 1 to 5 */
    unsigned shift;  /* of a page; must be one of its levels */
};

/* What is translated: the address of an entry that is then read, or data. */
struct x86_nested_row {
    uint64_t gpa;
    const struct x86_walk_step *step; /* of guest.step[]; NULL: data */
};

struct x86_nested_ref {
    unsigned row;
    unsigned level; /* of the host's table, 5 to 1; 0: the guest's entry */
    unsigned index; /* of the entry that is read */
};

struct x86_nested {
    struct x86_walk guest;
    unsigned host_refs; /* for each row */
    unsigned rows, refs;
    struct x86_nested_row row[X86_NESTED_ROWS];
    struct x86_nested_ref ref[X86_NESTED_REFS];
};

/* Never fails otherwise than in n->guest.result. */
void x86_nested_walk(struct x86_nested *n, const struct x86_paging *pg,
                     const struct x86_phys *phys, uint64_t gla,
                     struct x86_nested_host host);
#endif
