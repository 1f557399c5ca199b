#include "vmm/view/page_runs.h"

#include <stdlib.h>

#define PTE_A BIT64(5)
#define PTE_D BIT64(6)

unsigned page_bits_of(const struct x86_walk *w)
{
    uint64_t leaf = w->steps ? w->step[w->steps - 1].entry : 0;

    return (w->writable ? PAGE_W : 0) | (w->user ? PAGE_U : 0) |
           (w->nx ? 0 : PAGE_X) | (w->global ? PAGE_G : 0) |
           (leaf & PTE_A ? PAGE_A : 0) | (leaf & PTE_D ? PAGE_D : 0);
}

static void add_run(struct page_runs *runs, struct page_run run)
{
    if (runs->count == runs->cap) {
        runs->cap = runs->cap ? 2 * runs->cap : 64;
        runs->run = reallocarray(runs->run, runs->cap, sizeof(*runs->run));
        assert(runs->run && "out of memory");
    }
    runs->run[runs->count++] = run;
}

static void add_page(struct page_runs *runs, const struct x86_walk *w,
                     unsigned bits, unsigned compared)
{
    struct page_run *r = runs->count ? &runs->run[runs->count - 1] : NULL;
    uint64_t gla = w->gla & ~(w->page_size - 1);
    uint64_t gpa = w->gpa & ~(w->page_size - 1);

    if (r && r->last + 1 == gla && r->gpa + (gla - r->first) == gpa &&
        r->page_size == w->page_size && !((r->bits ^ bits) & compared))
        r->last += w->page_size;
    else
        add_run(runs, (struct page_run){gla, gla + w->page_size - 1, gpa,
                                        w->page_size, bits});
}

/* How far to the next address that a missing entry does not cover. */
static uint64_t hole_size(const struct x86_walk *w)
{
    return w->steps ? BIT64(w->step[w->steps - 1].shift) : 4096;
}

/* The pages from GLA up to LAST. */
static void collect_range(struct page_runs *runs, const struct x86_paging *pg,
                          const struct x86_phys *phys,
                          struct page_filter filter, uint64_t gla,
                          uint64_t last)
{
    const struct x86_access look = {.no_check = true};
    unsigned compared = PAGE_RIGHTS | filter.set | filter.clear;

    for (;;) {
        struct x86_walk w;
        uint64_t size;

        x86_walk(&w, pg, phys, gla, look);
        size = w.result == X86_WALK_OK ? w.page_size : hole_size(&w);
        if (w.result == X86_WALK_OK) {
            unsigned bits = page_bits_of(&w);

            if ((bits & filter.set) == filter.set && !(bits & filter.clear))
                add_page(runs, &w, bits, compared);
        }
        gla |= size - 1;
        if (gla >= last)
            return;
        gla++;
    }
}

void page_runs_collect(struct page_runs *runs, const struct x86_paging *pg,
                       const struct x86_phys *phys, struct page_filter filter)
{
    unsigned bits = pg->mode == X86_PAGING_5LEVEL ? 56 : 47;

    *runs = (struct page_runs){0};
    if (pg->mode == X86_PAGING_NONE)
        return;
    if (pg->mode < X86_PAGING_4LEVEL) {
        collect_range(runs, pg, phys, filter, 0, UINT32_MAX);
        return;
    }
    collect_range(runs, pg, phys, filter, 0, BIT64(bits) - 1);
    collect_range(runs, pg, phys, filter, ~(BIT64(bits) - 1), UINT64_MAX);
}

void page_runs_free(struct page_runs *runs)
{
    free(runs->run);
    *runs = (struct page_runs){0};
}

/* ---- comparing ---------------------------------------------------------- */

struct sweep {
    const struct page_runs *list;
    size_t at; /* the first run that does not end before the position */
};

static const struct page_run *current(struct sweep *s, uint64_t pos)
{
    while (s->at < s->list->count && s->list->run[s->at].last < pos)
        s->at++;
    return s->at < s->list->count ? &s->list->run[s->at] : NULL;
}

/* The last address from POS on for which R says one thing. */
static uint64_t reach(const struct page_run *r, uint64_t pos)
{
    if (!r)
        return UINT64_MAX;
    return r->first <= pos ? r->last : r->first - 1;
}

static struct page_run part_of(const struct page_run *r, uint64_t first,
                               uint64_t last)
{
    struct page_run part = *r;

    part.gpa += first - r->first;
    part.first = first;
    part.last = last;
    return part;
}

static enum page_change change_of(const struct page_run *now,
                                  const struct page_run *old)
{
    if (!old)
        return PAGE_NEW;
    if (!now)
        return PAGE_GONE;
    return now->gpa - now->first == old->gpa - old->first &&
                   now->page_size == old->page_size &&
                   !((now->bits ^ old->bits) & PAGE_RIGHTS)
               ? PAGE_SAME
               : PAGE_CHANGED;
}

void page_runs_compare(const struct page_runs *now, const struct page_runs *old,
                       void (*row)(void *opaque, const struct page_run *run,
                                   enum page_change change),
                       void *opaque)
{
    struct sweep a = {now, 0}, b = {old, 0};
    enum page_change pending = PAGE_SAME;
    const struct page_run *from = NULL; /* PENDING is of a part of it */
    struct page_run run = {0};
    uint64_t pos = 0, last;

    for (;; pos = last + 1) {
        const struct page_run *n = current(&a, pos), *o = current(&b, pos);
        uint64_t reach_n = reach(n, pos), reach_o = reach(o, pos);
        const struct page_run *in_n = n && n->first <= pos ? n : NULL;
        const struct page_run *in_o = o && o->first <= pos ? o : NULL;
        const struct page_run *in = in_n ? in_n : in_o;
        enum page_change change = in ? change_of(in_n, in_o) : PAGE_SAME;

        last = reach_n < reach_o ? reach_n : reach_o;
        if (in && in == from && change == pending) {
            run.last = last;
        } else {
            if (from)
                row(opaque, &run, pending);
            from = in;
            pending = change;
            if (in)
                run = part_of(in, pos, last);
        }
        if (last == UINT64_MAX || (!n && !o))
            break;
    }
    if (from)
        row(opaque, &run, pending);
}
