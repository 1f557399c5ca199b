/* The page walker.  SDM vol. 3A 4.3 (32-bit), 4.4 (PAE), 4.5 (4/5-level). */
#include "vmm/x86/paging.h"

#include <string.h>

#define PTE_P   BIT64(0)
#define PTE_W   BIT64(1)
#define PTE_U   BIT64(2)
#define PTE_A   BIT64(5)
#define PTE_D   BIT64(6)
#define PTE_PS  BIT64(7)
#define PTE_G   BIT64(8)
#define PTE_XD  BIT64(63)
#define ADDR_52 0x000ffffffffff000ull

/* MAXPHYADDR without long mode, as CPUID leaf 80000008h has it. */
#define PAE_PHYS_BITS  36
#define PDPTE_RESERVED (~(BIT64(PAE_PHYS_BITS) - 1) | 0x1e6)

struct level {
    const char *table;
    uint8_t shift;
    uint8_t bits;    /* index width */
    bool large;      /* PS may make this a leaf */
    bool has_rights; /* R/W and U/S exist (PDPTEs of PAE have none) */
};

/* clang-format off */
static const struct level levels_32[] = {
    { "PD", 22, 10, true,  true },
    { "PT", 12, 10, false, true },
};
static const struct level levels_pae[] = {
    { "PDPT", 30, 2, false, false },
    { "PD",   21, 9, true,  true },
    { "PT",   12, 9, false, true },
};
static const struct level levels_long[] = {
    { "PML5", 48, 9, false, true },
    { "PML4", 39, 9, false, true },
    { "PDPT", 30, 9, true,  true },
    { "PD",   21, 9, true,  true },
    { "PT",   12, 9, false, true },
};
/* clang-format on */

struct scheme {
    const char *name;
    const struct level *level;
    unsigned count;
    uint8_t entry_size;
};

static const struct scheme schemes[] = {
    [X86_PAGING_NONE] = {"none", NULL, 0, 0},
    [X86_PAGING_32BIT] = {"2-level", levels_32, 2, 4},
    [X86_PAGING_PAE] = {"PAE", levels_pae, 3, 8},
    [X86_PAGING_4LEVEL] = {"4-level", levels_long + 1, 4, 8},
    [X86_PAGING_5LEVEL] = {"5-level", levels_long, 5, 8},
};

const char *x86_paging_mode_name(enum x86_paging_mode mode)
{
    assert(mode < ARRAY_SIZE(schemes));
    return schemes[mode].name;
}

bool x86_paging_level(enum x86_paging_mode mode, unsigned n,
                      struct x86_paging_level *out)
{
    assert(mode < ARRAY_SIZE(schemes));
    if (n >= schemes[mode].count)
        return false;
    *out = (struct x86_paging_level){schemes[mode].level[n].table,
                                     schemes[mode].level[n].shift,
                                     schemes[mode].level[n].bits};
    return true;
}

const char *x86_walk_result_name(enum x86_walk_result result)
{
    static const char *const names[] = {
        [X86_WALK_OK] = "mapped",
        [X86_WALK_NOT_PRESENT] = "not present",
        [X86_WALK_RESERVED] = "reserved bit set",
        [X86_WALK_NO_WRITE] = "not writable",
        [X86_WALK_NO_USER] = "supervisor only",
        [X86_WALK_NO_EXEC] = "not executable (XD)",
        [X86_WALK_SMEP] = "SMEP: user page",
        [X86_WALK_SMAP] = "SMAP: user page",
        [X86_WALK_NOT_CANONICAL] = "not canonical",
        [X86_WALK_BUS] = "table outside memory",
    };

    assert(result < ARRAY_SIZE(names));
    return names[result];
}

void x86_paging_init(struct x86_paging *pg, const struct x86_state *st)
{
    *pg = (struct x86_paging){
        .cr3 = st->cr3,
        .wp = st->cr0 & X86_CR0_WP,
        .pse = st->cr4 & X86_CR4_PSE,
        .pge = st->cr4 & X86_CR4_PGE,
        .nxe = st->efer & X86_EFER_NXE,
        .smep = st->cr4 & X86_CR4_SMEP,
        .smap = st->cr4 & X86_CR4_SMAP,
        .ac = st->rflags & X86_EFLAGS_AC,
    };
    memcpy(pg->pdpte, st->pdpte, sizeof(pg->pdpte));
    if (!(st->cr0 & X86_CR0_PG))
        pg->mode = X86_PAGING_NONE;
    else if (!(st->cr4 & X86_CR4_PAE))
        pg->mode = X86_PAGING_32BIT;
    else if (!(st->efer & X86_EFER_LMA))
        pg->mode = X86_PAGING_PAE;
    else if (!(st->cr4 & X86_CR4_LA57))
        pg->mode = X86_PAGING_4LEVEL;
    else
        pg->mode = X86_PAGING_5LEVEL;
}

static bool canonical(uint64_t gla, unsigned bits)
{
    uint64_t high = gla >> (bits - 1);

    return high == 0 || high == ~0ull >> (bits - 1);
}

static uint32_t fault_code(const struct x86_paging *pg, struct x86_access a,
                           enum x86_walk_result result)
{
    uint32_t code = 0;

    if (result != X86_WALK_NOT_PRESENT)
        code |= X86_PFERR_P;
    if (result == X86_WALK_RESERVED)
        code |= X86_PFERR_RSVD;
    if (a.write)
        code |= X86_PFERR_W;
    if (a.user)
        code |= X86_PFERR_U;
    /* I is reported only where execution can be refused at all. */
    if (a.fetch && (pg->smep || (pg->nxe && pg->mode >= X86_PAGING_PAE)))
        code |= X86_PFERR_I;
    return code;
}

/* Bits that must be zero in ENTRY; LEAF says that it maps a page. */
static uint64_t reserved_bits(const struct x86_paging *pg,
                              const struct level *lv, bool leaf)
{
    uint64_t mask = 0;

    if (pg->mode == X86_PAGING_32BIT)
        return leaf && lv->shift == 22 ? BIT64(21) : 0;
    if (!pg->nxe)
        mask |= PTE_XD;
    if (pg->mode == X86_PAGING_PAE)
        mask |= ~(BIT64(PAE_PHYS_BITS) - 1) & ~PTE_XD;
    if (leaf && lv->shift > 12)
        mask |= (BIT64(lv->shift) - 1) & ~0x1fffull;
    if (!leaf && !lv->large && lv->shift > 12)
        mask |= PTE_PS;
    return mask;
}

static enum x86_walk_result check_rights(const struct x86_walk *w,
                                         const struct x86_paging *pg,
                                         struct x86_access a)
{
    if (a.no_check)
        return X86_WALK_OK;
    if (a.user && !w->user)
        return X86_WALK_NO_USER;
    if (a.fetch) {
        if (w->nx)
            return X86_WALK_NO_EXEC;
        return !a.user && w->user && pg->smep ? X86_WALK_SMEP : X86_WALK_OK;
    }
    if (!a.user && w->user && pg->smap && !pg->ac)
        return X86_WALK_SMAP;
    if (a.write && !w->writable && (a.user || pg->wp))
        return X86_WALK_NO_WRITE;
    return X86_WALK_OK;
}

/* The physical address a leaf entry at level LV maps GLA to. */
static uint64_t leaf_gpa(const struct x86_paging *pg, const struct level *lv,
                         uint64_t entry, uint64_t gla)
{
    uint64_t offset_mask = BIT64(lv->shift) - 1;
    uint64_t frame = entry & ADDR_52;

    if (pg->mode == X86_PAGING_32BIT) {
        frame = entry & 0xfffff000u;
        if (lv->shift == 22) /* PSE-36: bits 13..20 are address bits 32..39 */
            frame = (entry & 0xffc00000u) | ((entry >> 13 & 0xff) << 32);
    }
    return (frame & ~offset_mask) | (gla & offset_mask);
}

/* Reads the entry of one level into STEP; false if it is outside memory. */
static bool read_step(struct x86_walk_step *step, const struct x86_paging *pg,
                      const struct x86_phys *phys, const struct level *lv,
                      uint64_t table, uint64_t gla)
{
    unsigned size = schemes[pg->mode].entry_size;

    *step = (struct x86_walk_step){
        .table = lv->table,
        .table_gpa = table,
        .index = (unsigned)(gla >> lv->shift) & ((1u << lv->bits) - 1),
        .entry_size = (uint8_t)size,
        .shift = lv->shift,
    };
    step->entry_gpa = table + (uint64_t)step->index * size;
    if (pg->mode == X86_PAGING_PAE && lv->shift == 30) {
        step->entry = pg->pdpte[step->index];
        return true;
    }
    return phys->read(phys->opaque, step->entry_gpa, &step->entry, size);
}

static uint64_t root_table(const struct x86_paging *pg)
{
    if (pg->mode == X86_PAGING_32BIT)
        return pg->cr3 & 0xfffff000u;
    if (pg->mode == X86_PAGING_PAE)
        return pg->cr3 & 0xffffffe0u;
    return pg->cr3 & ADDR_52;
}

static bool is_leaf(const struct x86_paging *pg, const struct level *lv,
                    uint64_t entry)
{
    if (lv->shift == 12)
        return true;
    if (!lv->large || !(entry & PTE_PS))
        return false;
    return pg->mode != X86_PAGING_32BIT || pg->pse;
}

static enum x86_walk_result walk_levels(struct x86_walk *w,
                                        const struct x86_paging *pg,
                                        const struct x86_phys *phys,
                                        struct x86_access access)
{
    const struct scheme *sc = &schemes[pg->mode];
    uint64_t table = root_table(pg);

    w->writable = w->user = true;
    for (unsigned i = 0; i < sc->count; i++) {
        const struct level *lv = &sc->level[i];
        struct x86_walk_step *step = &w->step[w->steps++];
        bool leaf;

        if (!read_step(step, pg, phys, lv, table, w->gla))
            return X86_WALK_BUS;
        if (!(step->entry & PTE_P))
            return X86_WALK_NOT_PRESENT;
        leaf = is_leaf(pg, lv, step->entry);
        if (lv->has_rights) {
            if (step->entry & reserved_bits(pg, lv, leaf))
                return X86_WALK_RESERVED;
            w->writable &= (step->entry & PTE_W) != 0;
            w->user &= (step->entry & PTE_U) != 0;
            w->nx |= pg->nxe && (step->entry & PTE_XD);
        }
        if (leaf) {
            w->global = pg->pge && (step->entry & PTE_G);
            w->dirty = (step->entry & PTE_D) != 0;
            w->page_size = BIT64(lv->shift);
            w->gpa = leaf_gpa(pg, lv, step->entry, w->gla);
            return check_rights(w, pg, access);
        }
        table = pg->mode == X86_PAGING_32BIT ? step->entry & 0xfffff000u
                                             : step->entry & ADDR_52;
    }
    assert(!"the last level is always a leaf");
    return X86_WALK_BUS;
}

void x86_walk(struct x86_walk *w, const struct x86_paging *pg,
              const struct x86_phys *phys, uint64_t gla,
              struct x86_access access)
{
    *w = (struct x86_walk){.gla = gla};
    if (pg->mode == X86_PAGING_NONE) {
        w->gpa = gla;
        w->page_size = BIT64(32);
        w->writable = w->user = w->dirty = true;
        return;
    }
    if (pg->mode >= X86_PAGING_4LEVEL &&
        !canonical(gla, pg->mode == X86_PAGING_5LEVEL ? 57 : 48)) {
        w->result = X86_WALK_NOT_CANONICAL;
        return;
    }
    w->result = walk_levels(w, pg, phys, access);
    if (w->result != X86_WALK_OK)
        w->error = fault_code(pg, access, w->result);
}

bool x86_walk_commit(struct x86_walk *w, const struct x86_phys *phys,
                     bool write)
{
    bool changed = false, ok = w->result == X86_WALK_OK;
    unsigned used = ok ? w->steps : w->steps - (w->steps > 0);

    for (unsigned i = 0; i < used; i++) {
        struct x86_walk_step *step = &w->step[i];
        bool pdpte_register =
            step->shift == 30 && step->entry_size == 8 && i == 0;
        uint64_t want = step->entry | PTE_A;

        if (pdpte_register) /* PAE: PDPTEs have no accessed bit */
            continue;
        if (ok && i + 1 == w->steps && write)
            want |= PTE_D;
        if (want == step->entry)
            continue;
        step->entry = want;
        phys->write(phys->opaque, step->entry_gpa, &want, step->entry_size);
        changed = true;
    }
    w->dirty |= ok && write;
    return changed;
}

bool x86_load_pdptes(uint64_t cr3, const struct x86_phys *phys,
                     uint64_t pdpte[4])
{
    uint64_t fresh[4];

    if (!phys->read(phys->opaque, cr3 & 0xffffffe0u, fresh, sizeof(fresh)))
        memset(fresh, 0xff, sizeof(fresh));
    for (unsigned i = 0; i < 4; i++)
        if ((fresh[i] & PTE_P) && (fresh[i] & PDPTE_RESERVED))
            return false;
    memcpy(pdpte, fresh, sizeof(fresh));
    return true;
}
