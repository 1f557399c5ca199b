/*
 * One window: 4 GiB of host addresses that show the guest's linear memory as
 * one privilege level sees it.  A page is mapped from the guest's memfd or has
 * no rights at all.  `shadow` holds the entries of the processor's TLB, and
 * mirrors the host's mappings of them exactly; the host may always show less.
 *
 * Not here: what to hold and what to show (tlb.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/accel/bt/bt_int.h"
#include "vmm/base/log.h"

#define SPARSE   (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#define RUNS_MAX 32768u
#define JT_BYTES (BIT64(32) * sizeof(uint32_t))

void *bt_sparse_alloc(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, SPARSE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void bt_sparse_free(void *p, uint64_t bytes)
{
    if (p)
        munmap(p, bytes);
}

void bt_sparse_clear(void *p, uint64_t bytes)
{
    int err = madvise(p, bytes, MADV_DONTNEED);

    assert(err == 0);
    (void)err;
}

/* A 4 GiB aligned range with a guard on each side; the slack is given back. */
static uint8_t *reserve_aligned(void)
{
    uint64_t want = BT_WINDOW_SIZE * 2 + BT_GUARD * 2;
    uint8_t *p = mmap(NULL, want, PROT_NONE, SPARSE, -1, 0);
    uint64_t at, base, end;

    if (p == MAP_FAILED)
        return NULL;
    at = (uint64_t)p;
    base = (at + BT_GUARD + BT_WINDOW_SIZE - 1) & ~(BT_WINDOW_SIZE - 1);
    end = base + BT_WINDOW_SIZE + BT_GUARD;
    if (base - BT_GUARD > at)
        munmap(p, base - BT_GUARD - at);
    if (at + want > end)
        munmap((void *)end, at + want - end);
    return (uint8_t *)base;
}

int bt_window_reserve(struct bt_window *w, bool user)
{
    *w = (struct bt_window){.user = user, .vmas = 4};
    w->base = reserve_aligned();
    w->shadow = bt_sparse_alloc(BT_PAGES * sizeof(*w->shadow));
    w->fetch = bt_sparse_alloc(BT_PAGES * sizeof(*w->fetch));
    if (w->base && w->shadow && w->fetch && bt_window_jt(w, 0))
        return 0;
    log_error("cannot reserve a window of 4 GiB and its tables: %s; see "
              "ulimit -v and vm.overcommit_memory",
              strerror(errno));
    bt_window_release(w);
    return -ENOMEM;
}

void bt_window_release(struct bt_window *w)
{
    if (w->base)
        munmap(w->base - BT_GUARD, BT_WINDOW_SIZE + 2 * BT_GUARD);
    bt_sparse_free(w->shadow, BT_PAGES * sizeof(*w->shadow));
    bt_sparse_free(w->fetch, BT_PAGES * sizeof(*w->fetch));
    for (unsigned i = 0; i < ARRAY_SIZE(w->jt); i++) {
        bt_sparse_free(w->jt[i].entry, JT_BYTES);
        bt_sparse_free(w->jt[i].pages, BT_PAGES / 8);
    }
    free(w->run);
    *w = (struct bt_window){0};
}

/* ---- the jump tables ---------------------------------------------------- */

struct bt_jt *bt_window_jt(struct bt_window *w, unsigned which)
{
    struct bt_jt *jt = &w->jt[which];

    if (!jt->entry)
        jt->entry = bt_sparse_alloc(JT_BYTES);
    if (!jt->pages)
        jt->pages = bt_sparse_alloc(BT_PAGES / 8);
    return jt->entry && jt->pages ? jt : NULL;
}

void bt_jt_set(struct bt_jt *jt, uint32_t eip, uint32_t host)
{
    if (!bt_bit(jt->pages, eip / BT_PAGE)) {
        bt_set_bit(jt->pages, eip / BT_PAGE, true);
        jt->used++;
    }
    jt->entry[eip] = host;
}

void bt_window_jt_forget(struct bt_window *w, uint32_t eip)
{
    for (unsigned i = 0; i < ARRAY_SIZE(w->jt); i++)
        if (w->jt[i].used && bt_bit(w->jt[i].pages, eip / BT_PAGE))
            w->jt[i].entry[eip] = 0;
}

void bt_window_jt_clear(struct bt_window *w)
{
    for (unsigned i = 0; i < ARRAY_SIZE(w->jt); i++) {
        if (!w->jt[i].used)
            continue;
        bt_sparse_clear(w->jt[i].entry, JT_BYTES);
        bt_sparse_clear(w->jt[i].pages, BT_PAGES / 8);
        w->jt[i].used = 0;
    }
}

static void jt_clear_page(struct bt_jt *jt, uint32_t page)
{
    if (!bt_bit(jt->pages, page))
        return;
    memset(jt->entry + (uint64_t)page * BT_PAGE, 0,
           BT_PAGE * sizeof(*jt->entry));
    bt_set_bit(jt->pages, page, false);
    jt->used--;
}

/* Instructions that cross into PAGE: their blocks know its translation. */
static void jt_clear_crossing(struct bt_jt *jt, uint32_t page)
{
    const unsigned most = 14; /* bytes before the border */

    if (page > 0 && bt_bit(jt->pages, page - 1))
        memset(jt->entry + (uint64_t)page * BT_PAGE - most, 0,
               most * sizeof(*jt->entry));
}

static void jt_clear_pages(struct bt_jt *jt, uint32_t page, uint32_t end)
{
    if (!jt->used)
        return;
    jt_clear_crossing(jt, page);
    for (; page < end; page++)
        jt_clear_page(jt, page);
}

/* ---- what the host shows ------------------------------------------------ */

/* Does the host keep PAGE-1 and PAGE in two mappings? */
static bool boundary(const struct bt_window *w, uint32_t page)
{
    uint32_t a, b;

    if (page == 0 || page >= BT_PAGES)
        return true;
    a = w->shadow[page - 1], b = w->shadow[page];
    if ((a ^ b) & BT_HOST_BITS)
        return true;
    return (a & BT_SHADOW_HOST) && (b >> 12) != (a >> 12) + 1;
}

static long boundaries(const struct bt_window *w, uint32_t page, uint32_t count)
{
    long n = 0;

    for (uint32_t i = 0; i <= count; i++)
        n += boundary(w, page + i);
    return n;
}

static void set_host_bits(struct bt_window *w, uint32_t page, uint32_t count,
                          uint32_t bits)
{
    w->vmas -= boundaries(w, page, count);
    for (uint32_t i = 0; i < count; i++)
        w->shadow[page + i] = (w->shadow[page + i] & ~BT_HOST_BITS) | bits;
    w->vmas += boundaries(w, page, count);
}

static int add_run(struct bt_window *w, uint32_t page, uint32_t count)
{
    if (w->runs == w->runs_cap) {
        size_t cap = w->runs_cap ? w->runs_cap * 2 : 256;
        struct bt_run *run = realloc(w->run, cap * sizeof(*run));
        if (!run)
            return -ENOMEM;
        w->run = run;
        w->runs_cap = cap;
    }
    w->run[w->runs++] = (struct bt_run){page, w->shadow[page] >> 12, count};
    return 0;
}

int bt_window_show(struct bt *bt, struct bt_window *w, uint32_t page,
                   uint32_t count, uint32_t host_bits)
{
    int prot = PROT_READ | (host_bits & BT_SHADOW_WRITE ? PROT_WRITE : 0);
    int how = MAP_SHARED | MAP_FIXED | (count <= 32 ? MAP_POPULATE : 0);
    uint8_t *at = w->base + (uint64_t)page * BT_PAGE;
    void *p;

    assert(page < BT_PAGES && count <= BT_PAGES - page);
    if (w->runs >= RUNS_MAX)
        bt_window_hide(bt, w);
    if (add_run(w, page, count) < 0)
        return -ENOMEM;
    p = mmap(at, (uint64_t)count * BT_PAGE, prot, how, bt->vcpu->mem->fd,
             (off_t)(w->shadow[page] >> 12) * BT_PAGE);
    if (p == MAP_FAILED) { /* too many mappings: what was there may be gone */
        bt_window_hide(bt, w);
        return -ENOMEM;
    }
    set_host_bits(w, page, count, host_bits);
    bt->stats.fills++;
    bt->stats.fill_pages += count;
    bt->stats.fill_large += count >= 64;
    return 0;
}

/* The window's pages without rights again; the entries know it already. */
static void hide_window(struct bt *bt, struct bt_window *w)
{
    void *p =
        mmap(w->base, BT_WINDOW_SIZE, PROT_NONE, SPARSE | MAP_FIXED, -1, 0);

    assert(p != MAP_FAILED);
    (void)p;
    w->runs = 0;
    w->vmas = 4;
    bt->stats.drops++;
}

void bt_window_hide(struct bt *bt, struct bt_window *w)
{
    if (!w->runs)
        return;
    for (size_t i = 0; i < w->runs; i++) {
        const struct bt_run *run = &w->run[i];
        for (uint32_t j = 0; j < run->count; j++)
            w->shadow[run->page + j] &= ~BT_HOST_BITS;
    }
    hide_window(bt, w);
}

void bt_window_hide_pages(struct bt *bt, struct bt_window *w, uint32_t page,
                          uint32_t count)
{
    void *p =
        mmap(w->base + (uint64_t)page * BT_PAGE, (uint64_t)count * BT_PAGE,
             PROT_NONE, SPARSE | MAP_FIXED, -1, 0);

    if (p == MAP_FAILED) /* out of mappings */
        bt_window_hide(bt, w);
    else
        set_host_bits(w, page, count, 0);
}

static void protect_page(struct bt *bt, struct bt_window *w, uint32_t page)
{
    int err = mprotect(w->base + (uint64_t)page * BT_PAGE, BT_PAGE, PROT_READ);

    if (err) /* out of mappings */
        bt_window_hide(bt, w);
    else
        set_host_bits(w, page, 1, BT_SHADOW_HOST);
    bt->stats.protects++;
}

void bt_window_protect(struct bt *bt, struct bt_window *w, uint32_t frame)
{
    for (size_t i = 0; i < w->runs; i++) {
        const struct bt_run *run = &w->run[i];
        uint32_t page = run->page + (frame - run->frame);
        if (frame - run->frame < run->count && w->shadow[page] >> 12 == frame &&
            (w->shadow[page] & BT_HOST_BITS) == BT_HOST_BITS)
            protect_page(bt, w, page);
    }
}

/* ---- the TLB's entries -------------------------------------------------- */

static void forget(struct bt *bt, struct bt_window *w, uint32_t page,
                   uint32_t count)
{
    uint32_t host = 0;

    for (uint32_t i = 0; i < count; i++)
        host |= w->shadow[page + i];
    if (host & BT_SHADOW_HOST)
        bt_window_hide_pages(bt, w, page, count);
    memset(w->shadow + page, 0, count * sizeof(*w->shadow));
    bt->stats.unmaps += count;
}

void bt_window_unmap(struct bt *bt, struct bt_window *w, uint32_t page,
                     uint32_t count)
{
    uint32_t end = page + count, from;

    if (!w->used)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(w->jt); i++)
        jt_clear_pages(&w->jt[i], page, end);
    for (uint32_t p = page; p < end; p++)
        if (w->fetch[p])
            w->fetch[p] = 0;
    while (page < end) {
        while (page < end && !w->shadow[page])
            page++;
        from = page;
        while (page < end && w->shadow[page])
            page++;
        if (page > from)
            forget(bt, w, from, page - from);
    }
}

void bt_window_drop(struct bt *bt, struct bt_window *w)
{
    if (!w->used)
        return;
    bt_window_jt_clear(w);
    bt_sparse_clear(w->shadow, BT_PAGES * sizeof(*w->shadow));
    bt_sparse_clear(w->fetch, BT_PAGES * sizeof(*w->fetch));
    w->used = false;
    if (w->runs)
        hide_window(bt, w);
}
