#include "vmm/view/past.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/machine/machine.h"

#define LINES_MAX 512u /* pieces of memory that views show */
#define LINE_LEN  64u  /* aligned to so many bytes */
#define PATIENCE  8u   /* stops after which what nobody shows is forgotten */

struct line {
    uint64_t addr;
    bool phys;
    uint8_t used; /* stops that it is still kept for; 0: free */
    uint8_t have; /* bytes that are known */
    uint8_t byte[LINE_LEN];
};

struct view_past {
    struct line line[LINES_MAX];
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
    for (unsigned i = 0; i < LINES_MAX; i++) {
        struct line *l = &past->line[i];

        if (l->used == 0)
            continue;
        l->used--;
        l->have =
            (uint8_t)(l->phys ? vm_read_gpa(vm, l->addr, l->byte, LINE_LEN)
                              : vm_read_gla(vm, l->addr, l->byte, LINE_LEN));
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

/* The line at ADDR, or a fresh one. */
static struct line *find_line(struct view_past *past, bool phys, uint64_t addr)
{
    struct line *l = &past->line[past->next];

    for (unsigned i = 0; i < LINES_MAX; i++) {
        struct line *each = &past->line[i];

        if (each->used && each->addr == addr && each->phys == phys)
            return each;
        if (!each->used && l->used)
            l = each;
    }
    past->next = (past->next + 1) % LINES_MAX;
    *l = (struct line){.addr = addr, .phys = phys};
    return l;
}

size_t view_past_bytes(struct view_past *past, bool phys, uint64_t addr,
                       void *buf, size_t len)
{
    size_t done = 0, known = 0;

    while (past && done < len) {
        size_t at = (addr + done) % LINE_LEN, n = LINE_LEN - at;
        struct line *l = find_line(past, phys, addr + done - at);

        n = n < len - done ? n : len - done;
        l->used = PATIENCE;
        if (known == done && l->have > at) {
            size_t have = l->have - at < n ? l->have - at : n;
            memcpy((uint8_t *)buf + done, l->byte + at, have);
            known += have;
        }
        done += n;
    }
    return known;
}
