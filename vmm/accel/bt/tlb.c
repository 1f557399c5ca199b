/*
 * The processor's TLB (SDM vol. 3A 4.10): what a page was translated to when
 * it was first used, until a flush.  Translated code and emu share it, so that
 * what the guest sees, accessed and dirty bits above all, does not depend on
 * who executes an instruction, nor on where execution is stopped.  There is
 * one for data, which is the windows' shadow, and one for code.
 *
 * Not here: when entries go (space.c), how the host shows them (window.c).
 */
#include <string.h>

#include "vmm/accel/bt/bt_int.h"

#define GROUP      32u   /* 4 KiB pages that are looked at together */
#define LARGE_MOST 4096u /* pages of a large one, on each side */
#define A20_PAGES  256u  /* 1 MiB */

static uint64_t table_entry(const uint8_t *table, unsigned i, unsigned size)
{
    uint64_t e = 0;

    memcpy(&e, table + i * size, size);
    return e;
}

uint64_t bt_frame_gpa(const struct bt *bt, uint32_t frame)
{
    const struct mem *mem = bt->vcpu->mem;
    uint64_t offset = (uint64_t)frame * BT_PAGE;

    for (unsigned i = 0; i < mem->slots; i++)
        if (offset - mem->slot[i].offset < mem->slot[i].len)
            return mem->slot[i].gpa + (offset - mem->slot[i].offset);
    assert(!"a RAM page that no slot holds");
    return 0;
}

static bool has_code(const struct bt *bt, uint32_t frame)
{
    return bt->cache.code_pages && bt_bit(bt->cache.code_pages, frame);
}

/* ---- one entry ---------------------------------------------------------- */

static bool allows(uint32_t entry, bool write)
{
    return (entry & BT_SHADOW_PRESENT) &&
           (!write || (entry & BT_SHADOW_GUEST_W));
}

static uint64_t entry_gpa(const struct bt *bt, uint32_t entry)
{
    if (entry & BT_SHADOW_DEVICE)
        return (uint64_t)(entry >> 12) * BT_PAGE;
    return bt_frame_gpa(bt, entry >> 12);
}

/*
 * The entry for a walk that went well; 0: a device beyond 4 GiB, which an
 * entry cannot name.
 */
static uint32_t entry_of(const struct bt *bt, const struct bt_window *w,
                         const struct x86_walk *walk)
{
    bool rom = false;
    uint32_t frame = bt_frame(bt, walk->gpa, &rom);
    uint32_t entry = BT_SHADOW_PRESENT | (rom ? BT_SHADOW_ROM : 0);

    if (frame == UINT32_MAX) {
        if (walk->gpa >> 32)
            return 0;
        frame = (uint32_t)(walk->gpa / BT_PAGE);
        entry |= BT_SHADOW_DEVICE;
    }
    if ((walk->writable || (!w->user && !bt->paging.wp)) && walk->dirty)
        entry |= BT_SHADOW_GUEST_W;
    if (walk->page_size > BT_PAGE)
        entry |= BT_SHADOW_LARGE;
    if (walk->page_size == BIT64(21))
        entry |= BT_SHADOW_2M;
    return frame << 12 | entry;
}

/* Walks as the guest's processor, accessed and dirty bits and all. */
static bool walk_tables(struct bt *bt, const struct bt_window *w,
                        struct x86_walk *walk, uint32_t gla,
                        struct x86_access access)
{
    struct x86_phys mem = mem_phys(bt->vcpu->mem);

    access.user = w->user;
    x86_walk(walk, &bt->paging, &mem, gla, access);
    x86_walk_commit(walk, &mem, access.write);
    if (walk->result != X86_WALK_OK)
        return false;
    walk->gpa = bt_a20_mask(bt, walk->gpa);
    bt_space_note_walk(bt->cur, walk);
    return true;
}

/* ---- a page and what goes with it --------------------------------------- */

struct fill {
    struct bt *bt;
    struct bt_window *w;
    uint32_t page, entry;
    /* 4 KiB pages: the page table, and the guest's entry of `page` in it. */
    const uint8_t *table;
    unsigned index, size;
    uint64_t guest;
};

/* Does the page at distance D belong to the same stretch of memory? */
static bool same_kind(const struct fill *f, int d)
{
    uint64_t gpa = entry_gpa(f->bt, f->entry) + (uint64_t)(d * (int)BT_PAGE);
    bool rom = false, device = f->entry & BT_SHADOW_DEVICE;
    uint32_t frame = bt_frame(f->bt, gpa, &rom);

    if (f->w->shadow[f->page + (uint32_t)d] ||
        rom != (bool)(f->entry & BT_SHADOW_ROM))
        return false;
    if (device ? frame != UINT32_MAX : frame != (f->entry >> 12) + (uint32_t)d)
        return false;
    return !f->table ||
           table_entry(f->table, f->index + (unsigned)d, f->size) ==
               f->guest + (uint64_t)(int64_t)d * BT_PAGE;
}

/*
 * How many pages around the one of F go with it: [-*BELOW, +*ABOVE].  Small
 * ones by groups: it must not matter which of a group is used first.
 */
static void extent(const struct fill *f, uint64_t page_size, uint32_t *below,
                   uint32_t *above)
{
    uint32_t n = f->table ? GROUP : (uint32_t)(page_size / BT_PAGE);
    uint32_t at, most_below, most_above;

    *below = *above = 0;
    if (n > BT_PAGES / 4 && (f->entry & BT_SHADOW_DEVICE))
        return; /* no paging */
    if (!f->bt->a20 && n > A20_PAGES)
        n = A20_PAGES; /* frames follow each other no further */
    at = (f->table ? f->index : f->page) & (n - 1);
    most_below = at;
    most_above = n - 1 - at;
    most_below = most_below < LARGE_MOST ? most_below : LARGE_MOST;
    most_above = most_above < LARGE_MOST ? most_above : LARGE_MOST;
    while (*below < most_below && same_kind(f, -(int)(*below + 1)))
        ++*below;
    while (*above < most_above && same_kind(f, (int)(*above + 1)))
        ++*above;
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

/* Puts F->entry in the place of what may be there already. */
static void replace(const struct fill *f, uint32_t below, uint32_t above)
{
    struct bt_window *w = f->w;
    uint32_t old = w->shadow[f->page], first = f->page - below, kept = 0;

    if ((old ^ f->entry) >> 12 == 0)
        kept = old & BT_HOST_BITS;
    else if (old)
        emu_tlb_flush(&f->bt->emu); /* emu knew another page here */
    if ((old & BT_SHADOW_HOST) && !kept)
        bt_window_hide_pages(f->bt, w, f->page, 1);
    for (uint32_t i = 0; i <= below + above; i++)
        w->shadow[first + i] = f->entry + (i - below) * BT_PAGE;
    w->shadow[f->page] |= kept;
    w->used = true;
}

/*
 * Walks for the page of GLA and keeps what it finds.  False: a fault.  With
 * *GPA: where the page is, for what cannot be kept.
 */
static bool load(struct bt *bt, struct bt_window *w, uint32_t gla, bool write,
                 uint64_t *gpa)
{
    struct x86_access access = {.write = write};
    const struct x86_walk_step *leaf;
    struct fill f = {.bt = bt, .w = w, .page = gla / BT_PAGE};
    struct x86_walk walk;
    uint32_t below, above;

    if (!walk_tables(bt, w, &walk, gla, access))
        return false;
    *gpa = walk.gpa & ~(uint64_t)(BT_PAGE - 1);
    f.entry = entry_of(bt, w, &walk);
    if (!f.entry) {
        bt_window_unmap(bt, w, f.page, 1);
        return true;
    }
    if (walk.page_size == BT_PAGE) {
        leaf = &walk.step[walk.steps - 1];
        f.table = mem_hva(bt->vcpu->mem, leaf->table_gpa, BT_PAGE);
        f.index = leaf->index;
        f.size = leaf->entry_size;
        f.guest = leaf->entry;
    }
    extent(&f, walk.page_size, &below, &above);
    note_neighbours(&f, &walk, below, above);
    replace(&f, below, above);
    return true;
}

/* ---- showing it --------------------------------------------------------- */

/* What the host may show of ENTRY, which is RAM. */
static uint32_t host_bits(const struct bt *bt, uint32_t entry)
{
    if (!(entry & BT_SHADOW_GUEST_W) || (entry & BT_SHADOW_ROM) ||
        has_code(bt, entry >> 12))
        return BT_SHADOW_HOST;
    return BT_SHADOW_HOST | BT_SHADOW_WRITE;
}

/* May the page at distance D of PAGE be shown by the same call? */
static bool goes_with(const struct bt *bt, const struct bt_window *w,
                      uint32_t page, int d, uint32_t want)
{
    uint32_t entry = w->shadow[page + (uint32_t)d];

    return (entry & (BT_SHADOW_PRESENT | BT_SHADOW_DEVICE)) ==
               BT_SHADOW_PRESENT &&
           entry >> 12 == (w->shadow[page] >> 12) + (uint32_t)d &&
           (entry & BT_HOST_BITS) != want && host_bits(bt, entry) == want &&
           !bt_watched(bt, (page + (uint32_t)d) * BT_PAGE, BT_PAGE);
}

/* The host is to show PAGE, of RAM, and what lies around it. */
static enum bt_fill show(struct bt *bt, struct bt_window *w, uint32_t page)
{
    uint32_t want = host_bits(bt, w->shadow[page]), below = 0, above = 0;
    bool large = w->shadow[page] & BT_SHADOW_LARGE;
    uint32_t most = large ? LARGE_MOST : GROUP;

    if (bt_watched(bt, page * BT_PAGE, BT_PAGE))
        return BT_FILL_EMULATE;
    bt_space_evict(bt);
    while (below < most && below < page &&
           goes_with(bt, w, page, -(int)(below + 1), want))
        below++;
    while (above < most && page + above + 1 < BT_PAGES &&
           goes_with(bt, w, page, (int)(above + 1), want))
        above++;
    if (bt_window_show(bt, w, page - below, below + above + 1, want) < 0)
        return BT_FILL_EMULATE;
    return BT_FILL_DONE;
}

enum bt_fill bt_tlb_fill(struct bt *bt, uint32_t gla, bool write)
{
    struct bt_window *w = bt->win;
    uint32_t page = gla / BT_PAGE, entry, want;
    uint64_t gpa;

    if (!allows(w->shadow[page], write) && !load(bt, w, gla, write, &gpa))
        return BT_FILL_EMULATE;
    entry = w->shadow[page];
    if (!(entry & BT_SHADOW_PRESENT) || (entry & BT_SHADOW_DEVICE) ||
        (write && (entry & BT_SHADOW_ROM)))
        return BT_FILL_DEVICE;
    want = host_bits(bt, entry);
    if (write && !(want & BT_SHADOW_WRITE))
        return BT_FILL_CODE;
    if ((entry & BT_HOST_BITS) == want)
        return BT_FILL_EMULATE; /* it is there: not for want of a page */
    return show(bt, w, page);
}

/* ---- code --------------------------------------------------------------- */

/* The entry to fetch from at GLA; 0: none can be kept, or a fault. */
static uint32_t fetch(struct bt *bt, struct bt_window *w, uint32_t gla,
                      uint64_t *gpa)
{
    struct x86_access access = {.fetch = true};
    uint32_t *entry = &w->fetch[gla / BT_PAGE];
    struct x86_walk walk;

    if (!*entry && walk_tables(bt, w, &walk, gla, access)) {
        *gpa = walk.gpa & ~(uint64_t)(BT_PAGE - 1);
        *entry = entry_of(bt, w, &walk) & ~BT_SHADOW_GUEST_W;
        w->used = true;
    }
    return *entry;
}

uint32_t bt_tlb_fetch(struct bt *bt, uint32_t gla)
{
    uint64_t gpa;
    uint32_t entry = fetch(bt, bt->win, gla, &gpa);

    if (!entry || (entry & BT_SHADOW_DEVICE))
        return BT_NO_FRAME;
    return entry >> 12;
}

/* ---- what emu asks ------------------------------------------------------ */

bool bt_tlb_translate(void *opaque, uint32_t gla, enum emu_right right,
                      bool user, uint64_t *gpa)
{
    struct bt *bt = opaque;
    struct bt_window *w = bt_space_window(bt, user);
    uint32_t page = gla / BT_PAGE, entry;

    if (!w)
        return false;
    *gpa = UINT64_MAX;
    if (right == EMU_FETCH) {
        entry = fetch(bt, w, gla, gpa);
    } else {
        bool write = right == EMU_WRITE;
        if (!allows(w->shadow[page], write)) {
            if (!load(bt, w, gla, write, gpa))
                return false;
            /* Translated code will soon want it too. */
            entry = w->shadow[page];
            if (entry && !(entry & BT_SHADOW_DEVICE) &&
                !bt->vcpu->options.interpret_only &&
                (entry & BT_HOST_BITS) != host_bits(bt, entry))
                show(bt, w, page);
        }
        entry = w->shadow[page];
    }
    if (entry)
        *gpa = entry_gpa(bt, entry);
    return *gpa != UINT64_MAX;
}
