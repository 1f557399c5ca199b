/*
 * The debugger's stop points as translated code and emulation meet them.  Any
 * number of them: both kinds are found by bisection.  What a point means, and
 * whether a hit stops, the debugger's core knows.
 *
 * Translated code calls bt_ask() at a breakpoint, which asks without leaving
 * the block; emulation asks between two instructions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/accel/bt/bt_int.h"

/* ---- what is armed ------------------------------------------------------ */

bool bt_points_armed(const struct bt *bt, const struct debug_ctl *ctl)
{
    const struct bt_points *p = &bt->points;
    bool bps =
        ctl->bps == p->bps &&
        (!ctl->bps || memcmp(ctl->bp, p->bp, ctl->bps * sizeof(*ctl->bp)) == 0);
    bool wps =
        ctl->wps == p->wps &&
        (!ctl->wps || memcmp(ctl->wp, p->wp, ctl->wps * sizeof(*ctl->wp)) == 0);

    /* A single step runs no block: the next run may want the same again. */
    return (bps || ctl->step) && wps;
}

static int by_address(const void *a, const void *b)
{
    const struct bt_bp_ref *x = a, *y = b;

    if (x->bp.phys != y->bp.phys)
        return x->bp.phys ? 1 : -1;
    if (x->bp.addr != y->bp.addr)
        return x->bp.addr > y->bp.addr ? 1 : -1;
    return x->index > y->index ? 1 : -1;
}

static int by_start(const void *a, const void *b)
{
    const struct bt_wp_ref *x = a, *y = b;

    return x->wp.gla > y->wp.gla ? 1 : x->wp.gla < y->wp.gla ? -1 : 0;
}

static void sort(struct bt_points *p, const struct debug_ctl *ctl)
{
    p->linear = 0;
    for (size_t i = 0; i < ctl->bps; i++) {
        p->by_addr[i] = (struct bt_bp_ref){ctl->bp[i], i};
        p->linear += !ctl->bp[i].phys;
    }
    for (size_t i = 0; i < ctl->wps; i++)
        p->by_start[i] = (struct bt_wp_ref){.wp = ctl->wp[i]};
    if (ctl->bps)
        qsort(p->by_addr, ctl->bps, sizeof(*p->by_addr), by_address);
    if (ctl->wps)
        qsort(p->by_start, ctl->wps, sizeof(*p->by_start), by_start);
    for (size_t i = 0; i < ctl->wps; i++) {
        uint64_t end = p->by_start[i].wp.gla + p->by_start[i].wp.len;
        uint64_t before = i ? p->by_start[i - 1].last_end : 0;

        p->by_start[i].last_end = end > before ? end : before;
    }
}

int bt_points_arm(struct bt *bt, const struct debug_ctl *ctl)
{
    struct bt_points fresh = {.bps = ctl->bps, .wps = ctl->wps};

    fresh.bp = calloc(ctl->bps + 1, sizeof(*fresh.bp));
    fresh.wp = calloc(ctl->wps + 1, sizeof(*fresh.wp));
    fresh.by_addr = calloc(ctl->bps + 1, sizeof(*fresh.by_addr));
    fresh.by_start = calloc(ctl->wps + 1, sizeof(*fresh.by_start));
    bt_points_fini(bt);
    bt->points = fresh;
    if (!fresh.bp || !fresh.wp || !fresh.by_addr || !fresh.by_start) {
        bt_points_fini(bt);
        return -ENOMEM;
    }
    /* As bytes: bt_points_armed() compares the padding too. */
    if (ctl->bps)
        memcpy(fresh.bp, ctl->bp, ctl->bps * sizeof(*ctl->bp));
    if (ctl->wps)
        memcpy(fresh.wp, ctl->wp, ctl->wps * sizeof(*ctl->wp));
    sort(&fresh, ctl);
    bt->points = fresh;
    return 0;
}

void bt_points_fini(struct bt *bt)
{
    free(bt->points.bp);
    free(bt->points.wp);
    free(bt->points.by_addr);
    free(bt->points.by_start);
    bt->points = (struct bt_points){0};
}

/* ---- breakpoints -------------------------------------------------------- */

/* The first reference in [FROM, TO) whose address is not below ADDR. */
static size_t first_at(const struct bt_bp_ref *ref, size_t from, size_t to,
                       uint64_t addr)
{
    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (ref[mid].bp.addr < addr)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static bool any_at(const struct bt_points *p, size_t from, size_t to,
                   uint64_t addr)
{
    size_t i = first_at(p->by_addr, from, to, addr);

    return i < to && p->by_addr[i].bp.addr == addr;
}

bool bt_breakpoint_at(const struct bt *bt, uint64_t gla, uint64_t gpa)
{
    const struct bt_points *p = &bt->points;

    return any_at(p, 0, p->linear, gla) || any_at(p, p->linear, p->bps, gpa);
}

/* Asks those in [FROM, TO) at ADDR until one stops. */
static bool ask(struct bt *bt, size_t from, size_t to, uint64_t addr,
                bool *found)
{
    const struct bt_points *p = &bt->points;

    for (size_t i = first_at(p->by_addr, from, to, addr);
         i < to && p->by_addr[i].bp.addr == addr; i++) {
        *found = true;
        if (!bt->debug.bp_check ||
            bt->debug.bp_check(bt->debug.bp_opaque, p->by_addr[i].index,
                               bt_st(bt)))
            return true;
    }
    return false;
}

/* The physical address of the linear one that is to be executed, or ~0. */
static uint64_t code_gpa(struct bt *bt, uint64_t gla)
{
    struct x86_phys phys = mem_phys(bt->vcpu->mem);
    struct x86_paging paging;
    struct x86_walk walk;

    x86_paging_init(&paging, bt_st(bt));
    x86_walk(&walk, &paging, &phys, gla, (struct x86_access){.no_check = true});
    return walk.result == X86_WALK_OK ? walk.gpa : UINT64_MAX;
}

bool bt_breakpoint_on(struct bt *bt, uint32_t gla)
{
    return bt_breakpoint_at(bt, gla, code_gpa(bt, gla));
}

bool bt_breakpoint_hits(struct bt *bt)
{
    const struct bt_points *p = &bt->points;
    uint64_t gla = x86_linear_rip(bt_st(bt));
    bool found = false, hit;

    if (bt->bp_asked && bt->bp_gla == gla && bt->bp_icount == bt->vcpu->icount)
        return false;
    hit = ask(bt, 0, p->linear, gla, &found) ||
          (p->linear < p->bps &&
           ask(bt, p->linear, p->bps, code_gpa(bt, gla), &found));
    bt->bp_asked = found;
    bt->bp_gla = gla;
    bt->bp_icount = bt->vcpu->icount;
    return hit;
}

/* ---- watchpoints -------------------------------------------------------- */

/* How many of by_start begin below END. */
static size_t begin_below(const struct bt_points *p, uint64_t end)
{
    size_t from = 0, to = p->wps;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (p->by_start[mid].wp.gla < end)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

bool bt_watched(const struct bt *bt, uint32_t gla, uint32_t len)
{
    const struct bt_points *p = &bt->points;
    size_t n = begin_below(p, (uint64_t)gla + len);

    return bt->debug.wps && n && p->by_start[n - 1].last_end > gla;
}

void bt_accessed(void *opaque, uint64_t gla, unsigned len, bool write)
{
    struct bt *bt = opaque;
    const struct bt_points *p = &bt->points;

    for (size_t i = begin_below(p, gla + len);
         i > 0 && p->by_start[i - 1].last_end > gla; i--) {
        const struct debug_wp *wp = &p->by_start[i - 1].wp;

        if (!(write ? wp->write : wp->read) || wp->gla + wp->len <= gla)
            continue;
        if (bt->touches < ARRAY_SIZE(bt->touch))
            bt->touch[bt->touches++] = (struct debug_touch){
                .gla = gla,
                .first = gla > wp->gla ? gla : wp->gla,
                .len = len,
                .write = write,
            };
        return;
    }
}
