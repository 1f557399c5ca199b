/*
 * Address spaces: a small pool of windows by CR3, so that a CR3 load is a
 * change of base.  A window may show only what a TLB might: at every CR3 load
 * and flush, the guest's table pages through which it was filled are compared
 * with copies, and what an entry that changed had mapped is dropped (SDM vol.
 * 3A 4.10.4).  Guest tables are never write-protected.
 */
#include <errno.h>
#include <string.h>

#include "vmm/accel/bt/bt_int.h"
#include "vmm/base/log.h"

#define PTE_P      BIT64(0)
#define PTE_A      BIT64(5)
#define PTE_D      BIT64(6)
#define NO_ROOT    UINT64_MAX
#define PAGING_CR0 (X86_CR0_PG | X86_CR0_WP)
#define PAGING_CR4 (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_SMEP | X86_CR4_SMAP)

uint32_t bt_frame(const struct bt *bt, uint64_t gpa, bool *rom)
{
    const struct mem_slot *slot = mem_find(bt->vcpu->mem, gpa);

    if (!slot)
        return UINT32_MAX;
    *rom = slot->readonly;
    return (uint32_t)((slot->offset + (gpa - slot->gpa)) / BT_PAGE);
}

/* ---- copies of guest tables --------------------------------------------- */

static void free_tables(struct bt_space *sp)
{
    for (size_t i = 0; i < sp->tables; i++)
        free(sp->table[i]);
    sp->tables = 0;
}

static struct bt_table *find_table(struct bt_space *sp, uint64_t gpa,
                                   uint32_t gla, uint8_t shift)
{
    for (size_t i = sp->tables; i-- > 0;) {
        struct bt_table *t = sp->table[i];
        if (t->gla == gla && t->gpa == gpa && t->shift == shift)
            return t;
    }
    return NULL;
}

static struct bt_table *add_table(struct bt_space *sp, uint64_t gpa,
                                  uint32_t gla,
                                  const struct x86_walk_step *step)
{
    struct bt_table *t;

    if (sp->tables == sp->tables_cap) {
        size_t cap = sp->tables_cap ? sp->tables_cap * 2 : 16;
        struct bt_table **p =
            realloc(sp->table, cap * sizeof(struct bt_table *));
        assert(p);
        sp->table = p;
        sp->tables_cap = cap;
    }
    t = calloc(1, sizeof(*t));
    assert(t);
    *t = (struct bt_table){
        .gpa = gpa,
        .gla = gla,
        .shift = step->shift,
        .entry_size = step->entry_size,
        .global = true,
    };
    sp->table[sp->tables++] = t;
    return t;
}

/* First address that the table of STEP, on the way to GLA, maps. */
static uint32_t table_gla(const struct x86_walk_step *step, uint64_t gla)
{
    unsigned bits = step->entry_size == 4 ? 10 : 9;
    uint64_t span = BIT64(step->shift + bits);

    return (uint32_t)(gla & ~(span - 1));
}

void bt_space_note_walk(struct bt_space *sp, const struct x86_walk *walk)
{
    for (unsigned i = 0; i < walk->steps; i++) {
        const struct x86_walk_step *step = &walk->step[i];
        uint32_t gla = table_gla(step, walk->gla);
        struct bt_table *t;

        if (step->shift == 30) /* a PDPTE register: sp->pdpte */
            continue;
        t = find_table(sp, step->table_gpa, gla, step->shift);
        if (!t)
            t = add_table(sp, step->table_gpa, gla, step);
        memcpy(t->copy + step->index * step->entry_size, &step->entry,
               step->entry_size);
        t->global &= walk->global;
    }
}

static uint64_t table_entry(const uint8_t *table, unsigned i, unsigned size)
{
    uint64_t e = 0;

    memcpy(&e, table + i * size, size);
    return e;
}

/* Forgets the copies of tables below [gla, gla + span). */
static void drop_tables_below(struct bt_space *sp, uint32_t gla, uint64_t span,
                              uint8_t shift)
{
    size_t kept = 0;

    for (size_t i = 0; i < sp->tables; i++) {
        struct bt_table *t = sp->table[i];
        if (t->shift < shift && t->gla - gla < span)
            free(t);
        else
            sp->table[kept++] = t;
    }
    sp->tables = kept;
}

static void unmap_both(struct bt *bt, struct bt_space *sp, uint32_t gla,
                       uint64_t span)
{
    for (unsigned i = 0; i < 2; i++)
        bt_window_unmap(bt, &sp->win[i], gla / BT_PAGE,
                        (uint32_t)(span / BT_PAGE));
}

/*
 * Compares one table with its copy.  True: a non-leaf entry changed, so that
 * sp->table was changed as well and the caller must begin again.
 */
static bool check_table(struct bt *bt, struct bt_space *sp, struct bt_table *t,
                        const uint8_t *now)
{
    unsigned size = t->entry_size, n = BT_PAGE / size;
    uint64_t span = BIT64(t->shift);
    bool below = false;

    for (unsigned i = 0; i < n; i++) {
        uint64_t was = table_entry(t->copy, i, size);
        uint64_t is = table_entry(now, i, size);
        uint32_t gla = t->gla + (uint32_t)(i * span);

        if (was == is)
            continue;
        memcpy(t->copy + i * size, now + i * size, size);
        if ((was | PTE_A | PTE_D) == is || !(was & PTE_P) ||
            (was | PTE_A) == is)
            continue;
        bt->stats.table_stale++;
        unmap_both(bt, sp, gla, span);
        if (t->shift > 12) {
            drop_tables_below(sp, gla, span, t->shift);
            below = true;
        }
    }
    return below;
}

static void check_tables(struct bt *bt, struct bt_space *sp)
{
again:
    for (size_t i = 0; i < sp->tables; i++) {
        struct bt_table *t = sp->table[i];
        const uint8_t *now = mem_hva(bt->vcpu->mem, t->gpa, BT_PAGE);

        if (t->global && !sp->check_global)
            continue;
        bt->stats.table_checks++;
        if (!now || memcmp(t->copy, now, BT_PAGE) == 0)
            continue;
        if (check_table(bt, sp, t, now))
            goto again;
    }
    sp->check_global = false;
}

static void check_pdptes(struct bt *bt, struct bt_space *sp)
{
    for (unsigned i = 0; i < 4; i++) {
        if (sp->pdpte[i] == bt->paging.pdpte[i])
            continue;
        sp->pdpte[i] = bt->paging.pdpte[i];
        unmap_both(bt, sp, i << 30, BIT64(30));
        drop_tables_below(sp, i << 30, BIT64(30), 30);
    }
}

/* ---- the pool ----------------------------------------------------------- */

static void space_drop(struct bt *bt, struct bt_space *sp)
{
    for (unsigned i = 0; i < 2; i++)
        bt_window_drop(bt, &sp->win[i]);
    free_tables(sp);
}

static void space_hide(struct bt *bt, struct bt_space *sp)
{
    for (unsigned i = 0; i < 2; i++)
        bt_window_hide(bt, &sp->win[i]);
}

void bt_space_hide_all(struct bt *bt)
{
    for (unsigned i = 0; i < BT_SPACES; i++)
        space_hide(bt, &bt->space[i]);
}

void bt_space_drop_all(struct bt *bt)
{
    for (unsigned i = 0; i < BT_SPACES; i++) {
        space_drop(bt, &bt->space[i]);
        bt->space[i].used = false;
    }
    bt->space_stale = true;
}

void bt_spaces_fini(struct bt *bt)
{
    for (unsigned i = 0; i < BT_SPACES; i++) {
        struct bt_space *sp = &bt->space[i];
        free_tables(sp);
        free(sp->table);
        bt_window_release(&sp->win[0]);
        bt_window_release(&sp->win[1]);
    }
}

static uint64_t root_of(const struct x86_paging *pg)
{
    if (pg->mode == X86_PAGING_NONE)
        return NO_ROOT;
    return pg->cr3 & (pg->mode == X86_PAGING_PAE ? 0xffffffe0u : 0xfffff000u);
}

static struct bt_space *find_space(struct bt *bt, uint64_t root)
{
    struct bt_space *oldest = &bt->space[0];

    for (unsigned i = 0; i < BT_SPACES; i++) {
        struct bt_space *sp = &bt->space[i];
        if (sp->used && sp->root == root)
            return sp;
        if (!sp->used)
            oldest = oldest->used ? sp : oldest;
        else if (oldest->used && sp->stamp < oldest->stamp)
            oldest = sp;
    }
    if (oldest->used) {
        space_drop(bt, oldest);
        bt->stats.evictions++;
    }
    free_tables(oldest);
    oldest->used = true;
    oldest->check_global = false;
    oldest->root = root;
    memcpy(oldest->pdpte, bt->paging.pdpte, sizeof(oldest->pdpte));
    return oldest;
}

static uint64_t paging_signature(const struct bt *bt)
{
    const struct x86_state *st = &bt->cpu->st;

    return (st->cr0 & PAGING_CR0) | (st->cr4 & PAGING_CR4) << 32 |
           (st->efer & X86_EFER_NXE) << 40 | bt->vcpu->a20;
}

static void select_space(struct bt *bt)
{
    const struct x86_state *st = bt_st(bt);
    uint64_t sig = paging_signature(bt);

    if (sig != bt->paging_sig) {
        bt_space_drop_all(bt);
        bt->paging_sig = sig;
    }
    x86_paging_init(&bt->paging, st);
    bt->cur = find_space(bt, root_of(&bt->paging));
    bt->cur->stamp = ++bt->clock;
    bt->space_stale = false;
    bt->win_stale = true;
    bt->a20 = bt->vcpu->a20;
    bt->stats.selects++;
    if (bt->paging.mode == X86_PAGING_PAE)
        check_pdptes(bt, bt->cur);
    check_tables(bt, bt->cur);
}

struct bt_window *bt_space_window(struct bt *bt, bool user)
{
    struct bt_window *w;

    if (bt->no_windows)
        return NULL;
    if (bt->space_stale || !bt->cur || bt->a20 != bt->vcpu->a20)
        select_space(bt);
    w = &bt->cur->win[user];
    bt->no_windows = !w->base && bt_window_reserve(w, user) < 0;
    return bt->no_windows ? NULL : w;
}

int bt_space_select(struct bt *bt)
{
    struct bt_window *w = bt_space_window(bt, x86_cpl(bt_st(bt)) == 3);

    if (!w)
        return -ENOMEM;
    bt->jt = bt_window_jt(w, bt->mode >= BT_MODE_FIRST);
    if (!bt->jt) {
        log_error("cannot reserve 16 GiB of addresses for a jump table");
        return -ENOMEM;
    }
    bt->win = w;
    bt->win_stale = false;
    bt->cpu->jt = bt->jt->entry;
    bt->cpu->r14 = (uint64_t)w->base;
    return 0;
}

void bt_space_evict(struct bt *bt)
{
    long vmas = 0;
    struct bt_space *oldest = NULL;

    for (unsigned i = 0; i < BT_SPACES; i++) {
        struct bt_space *sp = &bt->space[i];
        vmas += sp->win[0].vmas + sp->win[1].vmas;
        if (sp != bt->cur && sp->used &&
            sp->win[0].runs + sp->win[1].runs > 0 &&
            (!oldest || sp->stamp < oldest->stamp))
            oldest = sp;
    }
    if (vmas < bt->vmas_max && !bt->vcpu->options.evict_always)
        return;
    bt->stats.evictions++;
    space_hide(bt, oldest ? oldest : bt->cur);
}

void bt_space_protect(struct bt *bt, uint32_t frame)
{
    for (unsigned i = 0; i < BT_SPACES; i++)
        for (unsigned j = 0; j < 2; j++)
            bt_window_protect(bt, &bt->space[i].win[j], frame);
}

void bt_space_invlpg(struct bt *bt, uint32_t gla)
{
    uint32_t page = gla / BT_PAGE;

    for (unsigned i = 0; i < BT_SPACES * 2; i++) {
        struct bt_window *w = &bt->space[i / 2].win[i % 2];
        uint32_t entry = w->used ? w->shadow[page] | w->fetch[page] : 0;
        uint32_t n = entry & BT_SHADOW_2M ? 512 : 1024;

        if (entry & BT_SHADOW_LARGE)
            bt_window_unmap(bt, w, page & ~(n - 1), n);
        else
            bt_window_unmap(bt, w, page, 1);
    }
}
