#include "vmm/exit_pages.h"

#define PAGE_SHIFT 12
#define PROBES     16u

const char *exit_page_cost_name(enum exit_page_cost cost)
{
    static const char *const names[] = {
        [EXIT_PAGE_FILL] = "hidden fault: entry filled in",
        [EXIT_PAGE_DIRTY] = "first write: dirty bit set",
        [EXIT_PAGE_CODE] = "write to translated code",
        [EXIT_PAGE_FAULT] = "page fault of the guest's own",
    };

    assert(cost < EXIT_PAGE_COSTS);
    return names[cost];
}

/* Where PAGE is or may be put; NULL: there is no room. */
static const struct exit_page *probe(const struct exit_pages *pages,
                                     uint64_t page)
{
    uint64_t at = (page * 0x9e3779b97f4a7c15ull) >> 32;

    for (unsigned i = 0; i < PROBES; i++) {
        const struct exit_page *p = &pages->page[(at + i) % EXIT_PAGES_MAX];

        if (p->page == 0 || p->page == page)
            return p;
    }
    return NULL;
}

const struct exit_page *exit_pages_find(const struct exit_pages *pages,
                                        uint64_t gla)
{
    const struct exit_page *p = probe(pages, 1 + (gla >> PAGE_SHIFT));

    return p && p->page ? p : NULL;
}

/* Which cost E is, and of what address; false: none of a page. */
static bool cost_of(const struct vm_exit *e, enum exit_page_cost *cost,
                    uint64_t *gla)
{
    *gla = e->u.page.gla;
    if (e->kind == VM_EXIT_PAGE_FILL) {
        *cost =
            e->u.page.error & X86_PFERR_P ? EXIT_PAGE_DIRTY : EXIT_PAGE_FILL;
        return true;
    }
    *cost = EXIT_PAGE_CODE;
    if (e->kind == VM_EXIT_CODE_WRITE)
        return true;
    *cost = EXIT_PAGE_FAULT;
    *gla = e->u.exception.cr2;
    return e->kind == VM_EXIT_EXCEPTION && e->u.exception.vector == X86_PF;
}

void exit_pages_add(struct exit_pages *pages, const struct vm_exit *e,
                    uint64_t ns)
{
    enum exit_page_cost cost;
    struct exit_page *p;
    uint64_t gla;

    if (!cost_of(e, &cost, &gla))
        return;
    p = (struct exit_page *)(uintptr_t)probe(pages, 1 + (gla >> PAGE_SHIFT));
    if (!p) {
        pages->other++;
        return;
    }
    p->page = 1 + (gla >> PAGE_SHIFT);
    p->cost[cost].count++;
    p->cost[cost].total_ns += ns;
}
