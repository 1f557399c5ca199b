/*
 * The code cache: blocks, how they are found, chained and made to go.
 *
 * The cache is one memfd mapped twice, writable at `rw` and executable at `rx`
 * (in the low 2 GiB, so that an address fits a displacement).  Blocks are
 * placed one after the other; when there is no room, all go.  A block is known
 * by its linear address, RAM page and mode; it is reached from other pages
 * through the windows' jump tables only, so that what a page table says is
 * asked anew after every remap, and from its own page also by chained jumps.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/accel/bt/bt_int.h"
#include "vmm/base/log.h"

#define TB_ALIGN   32u
#define SITE_PROBE 8u

static int map_cache(struct bt_cache *c)
{
    c->fd = memfd_create("ringside-code", MFD_CLOEXEC);
    if (c->fd < 0 || ftruncate(c->fd, (off_t)c->size) < 0)
        return -errno;
    c->rw = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
    if (c->rw == MAP_FAILED) {
        c->rw = NULL;
        return -errno;
    }
    c->rx = mmap(NULL, c->size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_32BIT,
                 c->fd, 0);
    if (c->rx == MAP_FAILED) {
        c->rx = NULL;
        return -errno;
    }
    return 0;
}

static bool alloc_tables(struct bt *bt)
{
    struct bt_cache *c = &bt->cache;

    c->tbs_max = (uint32_t)(c->size / 48) + 16;
    c->insns_max = (uint32_t)(c->size / 4) + 2 * BT_TB_INSNS;
    c->slots_max = (uint32_t)(c->size / 16) + 4 * BT_TB_INSNS;
    c->pages = bt->vcpu->mem->size / BT_PAGE;
    c->tb = bt_sparse_alloc(c->tbs_max * sizeof(*c->tb));
    c->insn = bt_sparse_alloc(c->insns_max * sizeof(*c->insn));
    c->slot = bt_sparse_alloc(c->slots_max * sizeof(*c->slot));
    c->hash = bt_sparse_alloc(BT_HASH * sizeof(*c->hash));
    c->page = bt_sparse_alloc(c->pages * sizeof(*c->page));
    c->code_pages = bt_sparse_alloc(c->pages / 8 + 8);
    c->site = bt_sparse_alloc(BT_SITES * sizeof(*c->site));
    return c->tb && c->insn && c->slot && c->hash && c->page && c->code_pages &&
           c->site;
}

int bt_cache_init(struct bt *bt)
{
    /* At offset 0, where empty jump table entries lead: jmp [r15+miss_fn] */
    static const uint8_t miss[] = {0x41, 0xff, 0x67, (uint8_t)BT_CPU_MISS_FN};
    struct bt_cache *c = &bt->cache;
    int err;

    c->fd = -1;
    c->size = bt->vcpu->options.cache_bytes;
    if (c->size == 0)
        c->size = BT_CACHE_DEFAULT;
    if (c->size < BT_CACHE_MIN)
        c->size = BT_CACHE_MIN;
    c->size = (c->size + BT_PAGE - 1) & ~(uint64_t)(BT_PAGE - 1);
    err = map_cache(c);
    if (!err && !alloc_tables(bt))
        err = -ENOMEM;
    if (err) {
        log_error("cannot get a code cache of %llu KiB: %s",
                  (unsigned long long)c->size >> 10, strerror(-err));
        bt_cache_fini(bt);
        return err;
    }
    assert(c->rw);
    memcpy(c->rw, miss, sizeof(miss));
    c->start = TB_ALIGN;
    c->used = c->start;
    c->tbs = c->insns = c->slots = 1;
    return 0;
}

void bt_cache_fini(struct bt *bt)
{
    struct bt_cache *c = &bt->cache;

    if (c->rw)
        munmap(c->rw, c->size);
    if (c->rx)
        munmap(c->rx, c->size);
    if (c->fd >= 0)
        close(c->fd);
    bt_sparse_free(c->tb, c->tbs_max * sizeof(*c->tb));
    bt_sparse_free(c->insn, c->insns_max * sizeof(*c->insn));
    bt_sparse_free(c->slot, c->slots_max * sizeof(*c->slot));
    bt_sparse_free(c->hash, BT_HASH * sizeof(*c->hash));
    bt_sparse_free(c->page, c->pages * sizeof(*c->page));
    bt_sparse_free(c->code_pages, c->pages / 8 + 8);
    bt_sparse_free(c->site, BT_SITES * sizeof(*c->site));
    *c = (struct bt_cache){.fd = -1};
}

void bt_cache_flush(struct bt *bt)
{
    struct bt_cache *c = &bt->cache;

    for (uint32_t i = 1; i < c->tbs; i++) {
        uint32_t frame = c->tb[i].frame, frame2 = c->tb[i].frame2;
        c->page[frame].tbs = 0;
        bt_set_bit(c->code_pages, frame, false);
        if (frame2 == BT_NO_FRAME)
            continue;
        c->page[frame2].crossing = 0;
        bt_set_bit(c->code_pages, frame2, false);
    }
    bt_sparse_clear(c->hash, BT_HASH * sizeof(*c->hash));
    for (unsigned i = 0; i < BT_SPACES * 2; i++)
        bt_window_jt_clear(&bt->space[i / 2].win[i % 2]);
    c->used = c->start;
    c->tbs = c->insns = c->slots = 1;
    bt->stats.flushes++;
}

bool bt_cache_room(const struct bt *bt)
{
    const struct bt_cache *c = &bt->cache;

    return c->size - c->used >= BT_HOST_MAX + TB_ALIGN && c->tbs < c->tbs_max &&
           c->insns + BT_TB_INSNS + 1 <= c->insns_max &&
           c->slots + 2 * BT_TB_INSNS <= c->slots_max;
}

/* ---- finding ------------------------------------------------------------ */

static uint32_t hash_of(uint32_t eip, uint32_t frame)
{
    return ((eip ^ frame * 0x9e3779b1u) * 0x85ebca6bu) >> 16;
}

struct bt_tb *bt_cache_lookup(struct bt *bt, uint32_t eip, uint32_t frame,
                              uint32_t mode)
{
    struct bt_cache *c = &bt->cache;

    for (uint32_t n = c->hash[hash_of(eip, frame)]; n; n = c->tb[n].hash_next) {
        struct bt_tb *tb = &c->tb[n];
        if (tb->eip == eip && tb->frame == frame && tb->mode == mode)
            return tb;
    }
    return NULL;
}

struct bt_tb *bt_cache_by_pc(struct bt *bt, uint64_t pc)
{
    struct bt_cache *c = &bt->cache;
    uint64_t offset = pc - (uint64_t)c->rx;
    uint32_t low = 1, high = c->tbs;

    if (offset >= c->used || c->tbs == 1 || offset < c->tb[1].host)
        return NULL;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (c->tb[mid].host <= offset)
            low = mid;
        else
            high = mid;
    }
    return offset - c->tb[low].host < c->tb[low].host_len ? &c->tb[low] : NULL;
}

unsigned bt_tb_index(const struct bt *bt, const struct bt_tb *tb, uint64_t pc)
{
    uint64_t offset = pc - (uint64_t)bt->cache.rx - tb->host;
    unsigned i = 0;

    while (i + 1 < tb->insns && bt_tb_insn(bt, tb, i + 1)->host <= offset)
        i++;
    return i;
}

/* ---- adding and chaining ------------------------------------------------ */

static void protect_code(struct bt *bt, uint32_t frame)
{
    if (bt_bit(bt->cache.code_pages, frame))
        return;
    bt_set_bit(bt->cache.code_pages, frame, true);
    bt_space_protect(bt, frame);
}

/* TB lies ready at the end of the arenas; its code is in place. */
void bt_cache_add(struct bt *bt, struct bt_tb *tb)
{
    struct bt_cache *c = &bt->cache;
    uint32_t *head = &c->hash[hash_of(tb->eip, tb->frame)];

    assert(bt_tb_number(bt, tb) == c->tbs);
    c->used = (c->used + tb->host_len + TB_ALIGN - 1) & ~(TB_ALIGN - 1ull);
    c->insns += tb->insns + 1u;
    c->slots += tb->slots;
    tb->hash_next = *head;
    *head = c->tbs;
    tb->page_next = c->page[tb->frame].tbs;
    c->page[tb->frame].tbs = c->tbs;
    protect_code(bt, tb->frame);
    if (tb->frame2 != BT_NO_FRAME) {
        tb->cross_next = c->page[tb->frame2].crossing;
        c->page[tb->frame2].crossing = c->tbs;
        protect_code(bt, tb->frame2);
    }
    c->tbs++;
}

static void patch(struct bt_cache *c, const struct bt_slot *slot, uint32_t to)
{
    uint32_t rel = to ? to - (slot->patch + 4) : 0;

    memcpy(c->rw + slot->patch, &rel, 4);
}

void bt_cache_chain(struct bt *bt, uint32_t number, struct bt_tb *to)
{
    struct bt_cache *c = &bt->cache;
    struct bt_slot *slot = &c->slot[number];

    assert(!to->dead && slot->target == to->eip);
    if (slot->to || bt_tb_half(bt, to))
        return;
    slot->to = bt_tb_number(bt, to);
    slot->next_in = to->in;
    to->in = number;
    patch(c, slot, to->entry);
    bt->stats.chained++;
}

/* ---- going -------------------------------------------------------------- */

static void unhash(struct bt_cache *c, struct bt_tb *tb, uint32_t number)
{
    uint32_t *p = &c->hash[hash_of(tb->eip, tb->frame)];

    while (*p != number)
        p = &c->tb[*p].hash_next;
    *p = tb->hash_next;
}

static void unprotect_code(struct bt_cache *c, uint32_t frame)
{
    if (!c->page[frame].tbs && !c->page[frame].crossing)
        bt_set_bit(c->code_pages, frame, false);
}

static void unlist(struct bt_cache *c, struct bt_tb *tb, uint32_t number)
{
    uint32_t *p = &c->page[tb->frame].tbs;

    while (*p != number)
        p = &c->tb[*p].page_next;
    *p = tb->page_next;
    unprotect_code(c, tb->frame);
    if (tb->frame2 == BT_NO_FRAME)
        return;
    p = &c->page[tb->frame2].crossing;
    while (*p != number)
        p = &c->tb[*p].cross_next;
    *p = tb->cross_next;
    unprotect_code(c, tb->frame2);
}

void bt_cache_kill(struct bt *bt, struct bt_tb *tb)
{
    struct bt_cache *c = &bt->cache;
    uint32_t number = bt_tb_number(bt, tb);

    assert(!tb->dead);
    tb->dead = true;
    unhash(c, tb, number);
    unlist(c, tb, number);
    for (uint32_t s = tb->in; s; s = c->slot[s].next_in) {
        patch(c, &c->slot[s], 0);
        c->slot[s].to = 0;
    }
    tb->in = 0;
    for (unsigned i = 0; i < BT_SPACES; i++)
        bt_window_jt_forget(&bt->space[i].win[tb->user], tb->eip);
    bt->stats.invalidated++;
}

/* New code in TB's place starts with a clean record. */
static void forget_sites(struct bt *bt, const struct bt_tb *tb)
{
    uint64_t gpa = (uint64_t)tb->frame * BT_PAGE + tb->eip % BT_PAGE;

    for (unsigned i = 0; i < tb->insns; i++) {
        struct bt_site *site =
            bt_cache_site(bt, gpa + bt_tb_insn(bt, tb, i)->guest, false);
        if (site)
            *site = (struct bt_site){0};
    }
}

static void kill_range(struct bt *bt, uint32_t frame, uint32_t offset,
                       uint32_t len, bool written)
{
    struct bt_cache *c = &bt->cache;
    uint32_t next;

    for (uint32_t n = c->page[frame].tbs; n; n = next) {
        struct bt_tb *tb = &c->tb[n];
        uint32_t first = tb->eip % BT_PAGE;
        next = tb->page_next;
        if (first >= offset + len || offset >= first + tb->guest_len)
            continue;
        bt_cache_kill(bt, tb);
        if (written)
            forget_sites(bt, tb);
    }
    for (uint32_t n = c->page[frame].crossing; n && offset < 15; n = next) {
        next = c->tb[n].cross_next;
        bt_cache_kill(bt, &c->tb[n]);
    }
}

void bt_cache_written(struct bt *bt, uint32_t frame, uint32_t offset,
                      uint32_t len)
{
    kill_range(bt, frame, offset, len, true);
}

void bt_cache_forget(struct bt *bt, uint32_t frame, uint32_t offset)
{
    kill_range(bt, frame, offset, 1, false);
}

/* ---- sites that fault --------------------------------------------------- */

struct bt_site *bt_cache_site(struct bt *bt, uint64_t gpa, bool create)
{
    struct bt_site *t = bt->cache.site, *victim = NULL;
    uint32_t h = (uint32_t)((gpa * 0x9e3779b97f4a7c15ull) >> 52);

    for (uint32_t i = 0; i < SITE_PROBE; i++) {
        struct bt_site *s = &t[(h + i) % BT_SITES];
        if (s->gpa == gpa + 1)
            return s;
        if (!victim || s->faults < victim->faults)
            victim = s;
    }
    if (!create)
        return NULL;
    *victim = (struct bt_site){.gpa = gpa + 1};
    return victim;
}
