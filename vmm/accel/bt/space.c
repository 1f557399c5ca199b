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

#define PTE_P       BIT64(0)
#define PTE_W       BIT64(1)
#define PTE_A       BIT64(5)
#define PTE_D       BIT64(6)
#define FILL_AROUND 16u   /* 4 KiB pages on each side */
#define FILL_LARGE  4096u /* pages of a large one at a time */
#define NO_ROOT     UINT64_MAX
#define PAGING_CR0  (X86_CR0_PG | X86_CR0_WP)
#define PAGING_CR4  (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_SMEP | X86_CR4_SMAP)

static struct x86_phys phys(struct bt *bt)
{
    return mem_phys(bt->vcpu->mem);
}

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

static uint64_t paging_signature(const struct x86_state *st)
{
    return (st->cr0 & PAGING_CR0) | (st->cr4 & PAGING_CR4) << 32 |
           (st->efer & X86_EFER_NXE) << 40;
}

static void select_space(struct bt *bt)
{
    const struct x86_state *st = bt_st(bt);
    uint64_t sig = paging_signature(st);

    if (sig != bt->paging_sig) {
        bt_space_drop_all(bt);
        bt->paging_sig = sig;
    }
    x86_paging_init(&bt->paging, st);
    bt->cur = find_space(bt, root_of(&bt->paging));
    bt->cur->stamp = ++bt->clock;
    bt->space_stale = false;
    bt->stats.selects++;
    if (bt->paging.mode == X86_PAGING_PAE)
        check_pdptes(bt, bt->cur);
    check_tables(bt, bt->cur);
}

int bt_space_select(struct bt *bt)
{
    bool user = x86_cpl(bt_st(bt)) == 3;
    struct bt_window *w;
    int err;

    if (bt->space_stale || !bt->cur)
        select_space(bt);
    w = &bt->cur->win[user];
    if (!w->base) {
        err = bt_window_reserve(w, user);
        if (err)
            return err;
    }
    bt->win = w;
    bt->cpu->jt = w->jt;
    bt->cpu->r14 = (uint64_t)w->base;
    return 0;
}

/* Keeps the number of host mappings bounded. */
static void evict_mappings(struct bt *bt)
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
    if (oldest)
        space_drop(bt, oldest);
    else
        space_drop(bt, bt->cur);
}

/* ---- filling ------------------------------------------------------------ */

bool bt_space_walk(struct bt *bt, struct x86_walk *walk, uint32_t gla,
                   bool write, bool fetch)
{
    struct x86_phys mem = phys(bt);
    struct x86_access access = {
        .write = write,
        .fetch = fetch,
        .user = bt->win->user,
    };

    x86_walk(walk, &bt->paging, &mem, gla, access);
    x86_walk_commit(walk, &mem, write);
    if (walk->result != X86_WALK_OK)
        return false;
    bt_space_note_walk(bt->cur, walk);
    return true;
}

struct fill {
    struct bt *bt;
    struct bt_window *w;
    const struct mem_slot *slot;
    uint32_t page, frame, flags;
    bool guest_w;
    /* 4 KiB pages: the page table, and the entry of `page` in it. */
    const uint8_t *table;
    unsigned index, size;
    uint64_t entry;
};

/* May the page at distance D be mapped by the same call? */
static bool same_kind(const struct fill *f, int d)
{
    uint32_t frame = f->frame + (uint32_t)d;
    uint64_t first = f->slot->offset / BT_PAGE;

    if (f->w->shadow[f->page + (uint32_t)d])
        return false;
    if (frame - first >= f->slot->len / BT_PAGE)
        return false;
    if (f->guest_w && bt_bit(f->bt->cache.code_pages, frame) ==
                          (bool)(f->flags & BT_SHADOW_WRITE))
        return false;
    if (bt_watched(f->bt, (f->page + (uint32_t)d) * BT_PAGE, BT_PAGE))
        return false;
    if (!f->table)
        return true;
    return table_entry(f->table, f->index + (unsigned)d, f->size) ==
           f->entry + (uint64_t)(int64_t)d * BT_PAGE;
}

/* How many pages around the one of F go with it: [-*BELOW, +*ABOVE]. */
static void extent(const struct fill *f, uint64_t page_size, uint32_t *below,
                   uint32_t *above)
{
    uint64_t n = page_size / BT_PAGE, at;
    uint32_t max_below, max_above, cap = FILL_LARGE;

    if (f->table) {
        n = BT_PAGE / f->size;
        at = f->index;
        cap = FILL_AROUND;
    } else {
        at = f->page & (n - 1);
    }
    max_below = (uint32_t)at;
    max_above = (uint32_t)(n - 1 - at);
    max_below = max_below < cap ? max_below : cap;
    max_above = max_above < cap ? max_above : cap;
    *below = *above = 0;
    while (*below < max_below && same_kind(f, -(int)(*below + 1)))
        ++*below;
    while (*above < max_above && same_kind(f, (int)(*above + 1)))
        ++*above;
}

static void fill_init(struct fill *f, struct bt *bt, const struct x86_walk *w)
{
    const struct x86_walk_step *leaf = &w->step[w->steps ? w->steps - 1 : 0];
    bool code;

    *f = (struct fill){
        .bt = bt,
        .w = bt->win,
        .slot = mem_find(bt->vcpu->mem, w->gpa),
        .page = (uint32_t)w->gla / BT_PAGE,
    };
    f->frame = (uint32_t)((f->slot->offset + w->gpa - f->slot->gpa) / BT_PAGE);
    code = bt_bit(bt->cache.code_pages, f->frame);
    f->guest_w = (w->writable || (!bt->win->user && !bt->paging.wp)) &&
                 w->dirty && !f->slot->readonly;
    if (f->guest_w)
        f->flags |= BT_SHADOW_GUEST_W | (code ? 0 : BT_SHADOW_WRITE);
    if (w->page_size > BT_PAGE) {
        f->flags |= BT_SHADOW_LARGE;
        f->flags |= w->page_size == BIT64(21) ? BT_SHADOW_2M : 0;
        return;
    }
    f->table = mem_hva(bt->vcpu->mem, leaf->table_gpa, BT_PAGE);
    f->index = leaf->index;
    f->size = leaf->entry_size;
    f->entry = leaf->entry;
}

static void note_neighbours(const struct fill *f, const struct x86_walk *walk,
                            uint32_t below, uint32_t above)
{
    struct x86_walk w = *walk;

    for (uint32_t i = 0; f->table && i <= below + above; i++) {
        struct x86_walk_step *leaf = &w.step[w.steps - 1];
        leaf->index = f->index - below + i;
        leaf->entry = table_entry(f->table, leaf->index, f->size);
        w.gla = (uint64_t)(f->page - below + i) * BT_PAGE;
        bt_space_note_walk(f->bt->cur, &w);
    }
}

enum bt_fill bt_space_fill(struct bt *bt, uint32_t gla, bool write)
{
    struct x86_walk walk;
    struct fill f;
    uint32_t below, above, old;
    bool rom;

    if (bt_watched(bt, gla & ~(BT_PAGE - 1), BT_PAGE))
        return BT_FILL_EMULATE;
    evict_mappings(bt);
    if (!bt_space_walk(bt, &walk, gla, write, false))
        return BT_FILL_EMULATE;
    if (bt_frame(bt, walk.gpa, &rom) == UINT32_MAX || (rom && write))
        return BT_FILL_DEVICE;
    fill_init(&f, bt, &walk);
    if (write && !(f.flags & BT_SHADOW_WRITE))
        return BT_FILL_CODE;
    old = bt->win->shadow[f.page];
    if (old >> 12 == f.frame && (old & BT_SHADOW_PRESENT) &&
        (!write || (old & BT_SHADOW_WRITE)))
        return BT_FILL_EMULATE; /* it is there: not for want of a page */
    extent(&f, walk.page_size, &below, &above);
    note_neighbours(&f, &walk, below, above);
    if (bt_window_map(bt, bt->win, f.page - below, f.frame - below,
                      below + above + 1, f.flags) < 0)
        return BT_FILL_EMULATE;
    return BT_FILL_DONE;
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
        uint32_t entry = w->base ? w->shadow[page] : 0;
        uint32_t n = entry & BT_SHADOW_2M ? 512 : 1024;

        if (entry & BT_SHADOW_LARGE)
            bt_window_unmap(bt, w, page & ~(n - 1), n);
        else
            bt_window_unmap(bt, w, page, 1);
    }
}
