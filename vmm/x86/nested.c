#include "vmm/x86/nested.h"

/* PAE's PDPTEs are registers, loaded with CR3: no reference (SDM 4.4.1). */
static bool is_register(const struct x86_paging *pg,
                        const struct x86_walk_step *step)
{
    return pg->mode == X86_PAGING_PAE && step->shift == 30;
}

static void add_ref(struct x86_nested *n, unsigned level, unsigned index)
{
    assert(n->refs < X86_NESTED_REFS);
    n->ref[n->refs++] = (struct x86_nested_ref){n->rows - 1, level, index};
}

static void add_row(struct x86_nested *n, uint64_t gpa,
                    const struct x86_walk_step *step,
                    struct x86_nested_host host)
{
    n->row[n->rows++] = (struct x86_nested_row){gpa, step};
    for (unsigned level = host.levels; 12 + 9 * (level - 1) >= host.shift;
         level--) {
        add_ref(n, level, (unsigned)(gpa >> (12 + 9 * (level - 1)) & 511));
        if (level == 1)
            break;
    }
    if (step)
        add_ref(n, 0, step->index);
}

void x86_nested_walk(struct x86_nested *n, const struct x86_paging *pg,
                     const struct x86_phys *phys, uint64_t gla,
                     struct x86_nested_host host)
{
    struct x86_access look = {.no_check = true};

    assert(host.levels - 1 < 5 && 12 + 9 * (host.levels - 1) >= host.shift);
    *n = (struct x86_nested){0};
    n->host_refs = host.levels - (host.shift - 12) / 9;
    x86_walk(&n->guest, pg, phys, gla, look);
    for (unsigned i = 0; i < n->guest.steps; i++) {
        const struct x86_walk_step *step = &n->guest.step[i];

        if (!is_register(pg, step))
            add_row(n, step->entry_gpa, step, host);
    }
    if (n->guest.result == X86_WALK_OK)
        add_row(n, n->guest.gpa, NULL, host);
}
