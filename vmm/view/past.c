#include "vmm/view/past.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/machine/machine.h"

#define RANGES_MAX 512u /* pieces of memory that views show */
#define RANGE_LEN  64u
#define PATIENCE   8u /* stops after which what nobody shows is forgotten */

struct range {
    uint64_t addr;
    bool phys;
    uint8_t used; /* stops that it is still kept for; 0: free */
    uint8_t want; /* bytes that are shown */
    uint8_t have; /* bytes that are known */
    uint8_t byte[RANGE_LEN];
};

struct view_past {
    struct range range[RANGES_MAX];
    unsigned next; /* where the search for room begins */
    unsigned tree_used;
    bool has_tree;
    struct page_runs tree;
    uint64_t cr3;
};

struct view_past *view_past_create(void)
{
    struct view_past *past = calloc(1, sizeof(*past));

    assert(past && "out of memory");
    return past;
}

void view_past_free(struct view_past *past)
{
    if (past)
        page_runs_free(&past->tree);
    free(past);
}

static void keep_tree(struct view_past *past, struct vm *vm)
{
    struct x86_phys phys = mem_phys(&vm_machine(vm)->mem);
    struct x86_paging paging;
    struct x86_state st;

    page_runs_free(&past->tree);
    past->has_tree = false;
    if (past->tree_used == 0 || vm_get_state(vm, &st) < 0)
        return;
    past->tree_used--;
    x86_paging_init(&paging, &st);
    page_runs_collect(&past->tree, &paging, &phys, (struct page_filter){0, 0});
    past->cr3 = st.cr3;
    past->has_tree = true;
}

void view_past_keep(struct view_past *past, struct vm *vm)
{
    for (unsigned i = 0; i < RANGES_MAX; i++) {
        struct range *r = &past->range[i];

        if (r->used == 0)
            continue;
        r->used--;
        r->have =
            (uint8_t)(r->phys ? vm_read_gpa(vm, r->addr, r->byte, r->want)
                              : vm_read_gla(vm, r->addr, r->byte, r->want));
    }
    keep_tree(past, vm);
}

const struct page_runs *view_past_tree(struct view_past *past, uint64_t *cr3)
{
    if (!past)
        return NULL;
    past->tree_used = PATIENCE;
    *cr3 = past->cr3;
    return past->has_tree ? &past->tree : NULL;
}

/* The range that begins at ADDR, or a fresh one. */
static struct range *find_range(struct view_past *past, bool phys,
                                uint64_t addr)
{
    struct range *r = &past->range[past->next];

    for (unsigned i = 0; i < RANGES_MAX; i++) {
        struct range *each = &past->range[i];

        if (each->used && each->addr == addr && each->phys == phys)
            return each;
        if (!each->used && r->used)
            r = each;
    }
    past->next = (past->next + 1) % RANGES_MAX;
    *r = (struct range){.addr = addr, .phys = phys};
    return r;
}

size_t view_past_bytes(struct view_past *past, bool phys, uint64_t addr,
                       void *buf, size_t len)
{
    struct range *r;
    size_t n;

    if (!past)
        return 0;
    assert(len <= RANGE_LEN);
    r = find_range(past, phys, addr);
    r->used = PATIENCE;
    r->want = (uint8_t)len;
    n = len < r->have ? len : r->have;
    memcpy(buf, r->byte, n);
    return n;
}
