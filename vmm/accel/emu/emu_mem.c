/*
 * Guest memory as an instruction sees it: segmentation, paging, A20, then RAM
 * or a device.  SDM vol. 3A 5.3 (limits), 5.4 (types), ch. 4 (paging).
 *
 * A small TLB keeps what was walked and checked; where the owner keeps one
 * itself (hooks.translate), it is a mere cache of that.  Its tag is
 *
 *     63           46 45             1   0
 *    +---------------+----------------+------+
 *    |  generation   | gla page number| user |
 *    +---------------+----------------+------+
 *
 * so that a flush is one addition.
 */
#include <string.h>

#include "vmm/accel/emu/emu_internal.h"

#define PAGE_MASK      (MEM_PAGE_SIZE - 1)
#define GENERATION_BIT 46
#define A20_BIT        BIT64(20)

/* Rights that a segment's S bit and type give in protected mode. */
static const uint8_t type_rights[32] = {
    [16] = EMU_READ, [18] = EMU_READ | EMU_WRITE, /* data */
    [17] = EMU_READ, [19] = EMU_READ | EMU_WRITE,
    [20] = EMU_READ, [22] = EMU_READ | EMU_WRITE, /* expand-down */
    [21] = EMU_READ, [23] = EMU_READ | EMU_WRITE,
    [24] = 0,        [26] = EMU_READ, /* code */
    [25] = 0,        [27] = EMU_READ,
    [28] = 0,        [30] = EMU_READ, /* conforming code */
    [29] = 0,        [31] = EMU_READ,
};

void emu_tlb_flush(struct emu *emu)
{
    if (++emu->tlb_generation >> (64 - GENERATION_BIT) == 0)
        return;
    emu->tlb_generation = 1;
    memset(emu->tlb, 0, sizeof(emu->tlb));
}

void emu_state_changed(struct emu *emu)
{
    x86_paging_init(&emu->paging, emu->st);
    emu->a20 = emu->vcpu->a20;
    emu_tlb_flush(emu);
}

/* ---- segmentation ------------------------------------------------------ */

static bool expands_down(const struct x86_seg *s)
{
    const uint32_t kind = X86_SEG_S | X86_SEG_CODE | X86_SEG_EC;

    return (s->attr & kind) == (X86_SEG_S | X86_SEG_EC);
}

static bool within_limit(const struct x86_seg *s, uint64_t off, unsigned size)
{
    uint64_t last = off + size - 1;

    if (expands_down(s))
        return off > s->limit &&
               last <= (s->attr & X86_SEG_DB ? 0xffffffffu : 0xffffu);
    /* Accesses around the end of 4 GiB wrap, as on all later processors. */
    return last <= s->limit || s->limit == 0xffffffffu;
}

/* Does the segment's type allow it?  In real mode types do not count. */
static bool type_allows(const struct emu *emu, const struct x86_seg *s,
                        enum emu_right right)
{
    if (!emu_is_protected(emu->st) || right == EMU_FETCH)
        return true;
    return (s->attr & X86_SEG_P) && (type_rights[s->attr & 31] & right);
}

bool emu_segment_limit(const struct emu *emu, enum x86_sreg seg,
                       enum emu_right right, uint64_t *limit)
{
    const struct x86_seg *s = &emu->st->seg[seg];

    *limit = s->limit;
    return type_allows(emu, s, right) && !expands_down(s);
}

bool emu_linear_quiet(const struct emu *emu, enum x86_sreg seg, uint64_t off,
                      unsigned size, enum emu_right right, uint64_t *gla)
{
    const struct x86_state *st = emu->st;
    const struct x86_seg *s = &st->seg[seg];

    if (emu_is_long64(st)) {
        *gla = seg >= X86_FS ? s->base + off : off;
        return true;
    }
    *gla = (uint32_t)(s->base + off);
    if (!type_allows(emu, s, right))
        return false;
    return within_limit(s, off, size);
}

bool emu_linear(struct emu *emu, enum x86_sreg seg, uint64_t off, unsigned size,
                enum emu_right right, uint64_t *gla)
{
    if (emu_linear_quiet(emu, seg, off, size, right, gla))
        return true;
    return emu_raise(emu, seg == X86_SS ? X86_SSEG : X86_GP);
}

/* ---- paging ------------------------------------------------------------ */

static uint64_t mask_a20(const struct emu *emu, uint64_t gpa)
{
    return emu->a20 ? gpa : gpa & ~A20_BIT;
}

/* The walker's memory: what is not RAM reads as ones. */
static bool walk_read(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    const struct emu *emu = opaque;

    if (!mem_read(emu->vcpu->mem, mask_a20(emu, gpa), buf, len))
        memset(buf, 0xff, len);
    return true;
}

static bool walk_write(void *opaque, uint64_t gpa, const void *buf, size_t len)
{
    struct emu *emu = opaque;
    const struct mem_slot *slot;
    uint8_t *hva;

    gpa = mask_a20(emu, gpa);
    slot = mem_find(emu->vcpu->mem, gpa);
    if (!slot || slot->readonly)
        return false;
    hva = mem_hva(emu->vcpu->mem, gpa, len);
    memcpy(hva, buf, len);
    emu_ram_written(emu, hva, gpa, (unsigned)len);
    return true;
}

static uint64_t tlb_tag(const struct emu *emu, uint64_t gla, bool user)
{
    uint64_t page = (gla >> 12) & (BIT64(GENERATION_BIT - 1) - 1);

    return emu->tlb_generation << GENERATION_BIT | page << 1 | user;
}

/* Sets accessed and dirty bits.  False: emu->fault is set. */
static bool walk_tables(struct emu *emu, uint64_t gla, enum emu_right right,
                        bool user, uint64_t *gpa)
{
    struct x86_phys phys = {emu, walk_read, walk_write};
    struct x86_access access = {
        .write = right == EMU_WRITE,
        .fetch = right == EMU_FETCH,
        .user = user,
    };
    struct x86_walk walk;

    x86_walk(&walk, &emu->paging, &phys, gla, access);
    if (walk.result == X86_WALK_NOT_CANONICAL)
        return emu_raise(emu, X86_GP);
    x86_walk_commit(&walk, &phys, right == EMU_WRITE);
    if (walk.result != X86_WALK_OK) {
        emu->fault_cr2 = gla;
        return emu_raise_err(emu, X86_PF, walk.error);
    }
    *gpa = mask_a20(emu, walk.gpa & ~(uint64_t)PAGE_MASK);
    return true;
}

/* What the owner's TLB knows has no A20 mask. */
static bool owner_translates(struct emu *emu, uint64_t gla,
                             enum emu_right right, bool user, uint64_t *gpa)
{
    return emu->hooks.translate && emu->a20 &&
           emu->hooks.translate(emu->hooks.opaque, (uint32_t)gla, right, user,
                                gpa);
}

static struct emu_tlb_entry *tlb_fill(struct emu *emu, uint64_t gla,
                                      enum emu_right right, bool user)
{
    struct emu_tlb_entry *e = &emu->tlb[(gla >> 12) % EMU_TLB_SIZE];
    const struct mem_slot *slot;
    uint64_t tag, gpa = 0;

    if (!owner_translates(emu, gla, right, user, &gpa) &&
        !walk_tables(emu, gla, right, user, &gpa))
        return NULL;
    tag = tlb_tag(emu, gla, user);
    slot = mem_find(emu->vcpu->mem, gpa);
    if (!slot && emu_leaves(emu, gpa, false))
        return NULL;
    if (e->tag != tag || e->gpa != gpa)
        *e = (struct emu_tlb_entry){.tag = tag, .gpa = gpa};
    e->rights |= (uint8_t)right;
    e->hva = mem_hva(emu->vcpu->mem, gpa, MEM_PAGE_SIZE);
    if (slot && slot->readonly)
        e->rights |= EMU_ROM;
    return e;
}

struct emu_tlb_entry *emu_tlb_get(struct emu *emu, uint64_t gla,
                                  enum emu_right right, bool user)
{
    struct emu_tlb_entry *e = &emu->tlb[(gla >> 12) % EMU_TLB_SIZE];

    if (e->tag == tlb_tag(emu, gla, user) && (e->rights & right))
        return e;
    return tlb_fill(emu, gla, right, user);
}

/* ---- within a page ----------------------------------------------------- */

static void mmio(struct emu *emu, uint64_t gpa, uint8_t *data, unsigned size,
                 bool write)
{
    while (size > 0) {
        unsigned n = size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
        struct vm_exit e = {
            .kind = VM_EXIT_MMIO,
            .rip = emu->st->rip,
            .icount = emu->vcpu->icount,
            .u.mmio = {gpa, (uint8_t)n, write, data},
        };

        if (!write)
            memset(data, 0xff, n);
        vcpu_exit(emu->vcpu, &e);
        gpa += n, data += n, size -= n;
    }
}

/* memcpy that is inline for the sizes of operands. */
static inline void copy(void *to, const void *from, unsigned size)
{
    switch (size) {
    case 1:
        memcpy(to, from, 1);
        break;
    case 2:
        memcpy(to, from, 2);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    default:
        memcpy(to, from, size);
    }
}

void emu_page_read(struct emu *emu, const struct emu_tlb_entry *page,
                   unsigned offset, void *buf, unsigned size)
{
    if (page->hva)
        copy(buf, page->hva + offset, size);
    else
        mmio(emu, page->gpa + offset, buf, size, false);
}

void emu_ram_written(struct emu *emu, const uint8_t *hva, uint64_t gpa,
                     unsigned len)
{
    size_t page;

    if (!emu->code_pages)
        return;
    page = (size_t)(hva - emu->vcpu->mem->base) / MEM_PAGE_SIZE;
    if ((emu->code_pages[page / 64] >> (page % 64) & 1) &&
        emu->hooks.code_written)
        emu->hooks.code_written(emu->hooks.opaque, gpa, len);
}

static void page_write(struct emu *emu, const struct emu_tlb_entry *page,
                       unsigned offset, const void *buf, unsigned size)
{
    uint8_t data[512];

    if (page->rights & EMU_ROM)
        return;
    if (page->hva) {
        copy(page->hva + offset, buf, size);
        emu_ram_written(emu, page->hva + offset, page->gpa + offset, size);
        return;
    }
    memcpy(data, buf, size);
    mmio(emu, page->gpa + offset, data, size, true);
}

/* ---- linear memory ----------------------------------------------------- */

/* An access cut at the page boundary. */
struct span {
    struct emu_tlb_entry *page[2];
    unsigned offset, size[2];
};

/* Finds both pages before anything is touched. */
static bool span_map(struct emu *emu, struct span *sp, uint64_t gla,
                     unsigned size, enum emu_right right, bool user)
{
    uint64_t next = (gla | PAGE_MASK) + 1;

    sp->offset = (unsigned)gla & PAGE_MASK;
    sp->size[0] = MEM_PAGE_SIZE - sp->offset;
    if (sp->size[0] > size)
        sp->size[0] = size;
    sp->size[1] = size - sp->size[0];
    sp->page[0] = emu_tlb_get(emu, gla, right, user);
    if (!sp->page[0])
        return false;
    if (sp->size[1] == 0)
        return true;
    if (!emu_is_long64(emu->st))
        next = (uint32_t)next;
    sp->page[1] = emu_tlb_get(emu, next, right, user);
    return sp->page[1] != NULL;
}

static bool linear_read(struct emu *emu, uint64_t gla, void *buf, unsigned size,
                        bool user)
{
    struct span sp;

    if (!span_map(emu, &sp, gla, size, EMU_READ, user))
        return false;
    emu_page_read(emu, sp.page[0], sp.offset, buf, sp.size[0]);
    if (sp.size[1])
        emu_page_read(emu, sp.page[1], 0, (uint8_t *)buf + sp.size[0],
                      sp.size[1]);
    return true;
}

static bool linear_write(struct emu *emu, uint64_t gla, const void *buf,
                         unsigned size, bool user)
{
    struct span sp;

    if (!span_map(emu, &sp, gla, size, EMU_WRITE, user))
        return false;
    page_write(emu, sp.page[0], sp.offset, buf, sp.size[0]);
    if (sp.size[1])
        page_write(emu, sp.page[1], 0, (const uint8_t *)buf + sp.size[0],
                   sp.size[1]);
    return true;
}

/* ---- what watches an access -------------------------------------------- */

void emu_match_breakpoints(struct emu *emu, uint64_t addr, unsigned len,
                           bool write, bool io)
{
    static const uint8_t lengths[4] = {1, 2, 8, 4};
    const struct x86_state *st = emu->st;

    for (unsigned i = 0; i < 4; i++) {
        unsigned enabled = (unsigned)(st->dr[7] >> (2 * i)) & 3;
        unsigned rw = (unsigned)(st->dr[7] >> (16 + 4 * i)) & 3;
        unsigned bp_len = lengths[(st->dr[7] >> (18 + 4 * i)) & 3];
        uint64_t start = st->dr[i] & ~(uint64_t)(bp_len - 1);

        if (!enabled || addr + len <= start || start + bp_len <= addr)
            continue;
        if (io ? rw == 2 : rw == 3 || (rw == 1 && write))
            emu->trap_dr6 |= BIT(i);
    }
}

static bool alignment_checked(const struct x86_state *st)
{
    return (st->cr0 & X86_CR0_AM) && (st->rflags & X86_EFLAGS_AC) &&
           x86_cpl(st) == 3;
}

/* The slow extras of an access at the current privilege. */
static bool watch(struct emu *emu, uint64_t gla, unsigned size)
{
    bool power_of_two = (size & (size - 1)) == 0;

    if (alignment_checked(emu->st) && power_of_two && size <= 8 &&
        (gla & (size - 1)))
        return emu_raise(emu, X86_AC);
    return true;
}

static void watched(struct emu *emu, uint64_t gla, unsigned size, bool write)
{
    if (emu->st->dr[7] & 0xff)
        emu_match_breakpoints(emu, gla, size, write, false);
    if (emu->hooks.accessed)
        emu->hooks.accessed(emu->hooks.opaque, gla, size, write);
}

static inline bool is_user(const struct emu *emu)
{
    return x86_cpl(emu->st) == 3;
}

bool emu_read64(struct emu *emu, enum x86_sreg seg, uint64_t off, void *buf,
                unsigned size)
{
    uint64_t gla;

    if (!emu_linear(emu, seg, off, size, EMU_READ, &gla))
        return false;
    if (!emu->watching)
        return linear_read(emu, gla, buf, size, is_user(emu));
    if (!watch(emu, gla, size) ||
        !linear_read(emu, gla, buf, size, is_user(emu)))
        return false;
    watched(emu, gla, size, false);
    return true;
}

bool emu_write64(struct emu *emu, enum x86_sreg seg, uint64_t off,
                 const void *buf, unsigned size)
{
    uint64_t gla;

    if (!emu_linear(emu, seg, off, size, EMU_WRITE, &gla))
        return false;
    if (!emu->watching)
        return linear_write(emu, gla, buf, size, is_user(emu));
    if (!watch(emu, gla, size) ||
        !linear_write(emu, gla, buf, size, is_user(emu)))
        return false;
    watched(emu, gla, size, true);
    return true;
}

bool emu_probe_write64(struct emu *emu, enum x86_sreg seg, uint64_t off,
                       unsigned size)
{
    struct span sp;
    uint64_t gla;

    if (!emu_linear(emu, seg, off, size, EMU_WRITE, &gla))
        return false;
    if (emu->watching && !watch(emu, gla, size))
        return false;
    return span_map(emu, &sp, gla, size, EMU_WRITE, is_user(emu));
}

bool emu_touch(struct emu *emu, enum x86_sreg seg, uint64_t off, unsigned size,
               enum emu_right right)
{
    struct span sp;
    uint64_t gla;

    if (!emu_linear(emu, seg, off, size, right, &gla))
        return false;
    if (emu->watching && !watch(emu, gla, size))
        return false;
    if (!span_map(emu, &sp, gla, size, right, is_user(emu)))
        return false;
    if (emu->watching)
        watched(emu, gla, size, right == EMU_WRITE);
    return true;
}

bool emu_read(struct emu *emu, enum x86_sreg seg, uint32_t off, void *buf,
              unsigned size)
{
    return emu_read64(emu, seg, off, buf, size);
}

bool emu_write(struct emu *emu, enum x86_sreg seg, uint32_t off,
               const void *buf, unsigned size)
{
    return emu_write64(emu, seg, off, buf, size);
}

bool emu_probe_write(struct emu *emu, enum x86_sreg seg, uint32_t off,
                     unsigned size)
{
    return emu_probe_write64(emu, seg, off, size);
}

/*
 * What the processor does by itself: descriptors, gates, the TSS, the frames of
 * interrupts.  The debugger watches that too; the guest's DR0-3 do not.
 */
static bool seen(struct emu *emu, uint64_t gla, unsigned size, bool write,
                 bool done)
{
    if (done && emu->hooks.accessed)
        emu->hooks.accessed(emu->hooks.opaque, gla, size, write);
    return done;
}

bool emu_read_sys(struct emu *emu, uint64_t gla, void *buf, unsigned size)
{
    return seen(emu, gla, size, false, linear_read(emu, gla, buf, size, false));
}

bool emu_write_sys(struct emu *emu, uint64_t gla, const void *buf,
                   unsigned size)
{
    return seen(emu, gla, size, true, linear_write(emu, gla, buf, size, false));
}

bool emu_read_linear(struct emu *emu, uint64_t gla, void *buf, unsigned size,
                     bool user)
{
    return seen(emu, gla, size, false, linear_read(emu, gla, buf, size, user));
}

bool emu_write_linear(struct emu *emu, uint64_t gla, const void *buf,
                      unsigned size, bool user)
{
    return seen(emu, gla, size, true, linear_write(emu, gla, buf, size, user));
}
