/*
 * Guest page tables, walked in software: no paging, 2-level, PAE, 4- and
 * 5-level (SDM vol. 3A ch. 4).  The walk records every step, so that the same
 * code fills the translator's windows, injects #PF and draws the lecture's
 * figure.  Pure: it reads memory through the caller's function and never
 * changes it; accessed and dirty bits are set by x86_walk_commit().
 */
#ifndef VMM_X86_PAGING_H
#define VMM_X86_PAGING_H
#include "vmm/x86/state.h"

/* Guest-physical memory as the walker sees it. */
struct x86_phys {
    void *opaque;
    /* false: no memory there (reads as all ones on a real bus) */
    bool (*read)(void *opaque, uint64_t gpa, void *buf, size_t len);
    bool (*write)(void *opaque, uint64_t gpa, const void *buf, size_t len);
};

enum x86_paging_mode {
    X86_PAGING_NONE,
    X86_PAGING_32BIT,
    X86_PAGING_PAE,
    X86_PAGING_4LEVEL,
    X86_PAGING_5LEVEL,
};

/* All that a walk depends on, cut out of the CPU state. */
struct x86_paging {
    enum x86_paging_mode mode;
    uint64_t cr3;
    uint64_t pdpte[4]; /* PAE only: the registers, not memory */
    bool wp, pse, pge, nxe, smep, smap;
    bool ac; /* EFLAGS.AC, for SMAP */
};

/* The kind of access that is checked. */
struct x86_access {
    bool write;
    bool fetch;
    bool user;     /* CPL 3 and not an implicit supervisor access */
    bool no_check; /* a debugger looks: only presence matters */
};

struct x86_walk_step {
    const char *table;  /* "PML5" "PML4" "PDPT" "PD" "PT" */
    uint64_t table_gpa; /* where the table starts; 0 for PDPTE registers */
    unsigned index;     /* entry number in the table */
    uint64_t entry_gpa;
    uint64_t entry;
    uint8_t entry_size; /* 4 or 8 bytes */
    uint8_t shift;      /* lowest gla bit that indexes this table */
};

enum x86_walk_result {
    X86_WALK_OK,
    X86_WALK_NOT_PRESENT,
    X86_WALK_RESERVED, /* a reserved bit is set */
    X86_WALK_NO_WRITE,
    X86_WALK_NO_USER,
    X86_WALK_NO_EXEC, /* XD */
    X86_WALK_SMEP,
    X86_WALK_SMAP,
    X86_WALK_NOT_CANONICAL,
    X86_WALK_BUS, /* a table lies outside memory */
};

struct x86_walk {
    enum x86_walk_result result;
    uint64_t gla;
    uint64_t gpa;       /* valid when result is X86_WALK_OK */
    uint64_t page_size; /* 4 KiB, 2 MiB, 4 MiB, 1 GiB; 4 GiB without paging */
    uint32_t error;     /* #PF error code when the result is a fault */
    unsigned steps;     /* used entries of step[] */
    struct x86_walk_step step[5];
    /* Rights, all levels together; valid when the leaf is present. */
    bool writable, user, nx, global, dirty;
};

void x86_paging_init(struct x86_paging *pg, const struct x86_state *st);

/* Walks GLA.  Never fails otherwise than in walk->result. */
void x86_walk(struct x86_walk *walk, const struct x86_paging *pg,
              const struct x86_phys *phys, uint64_t gla,
              struct x86_access access);

/*
 * Sets the accessed bits of the entries a walk used, and the dirty bit of its
 * leaf if WRITE, as the processor does (SDM vol. 3A 4.8).  A walk that ended in
 * a fault has used the entries above the one that ended it.  True if memory
 * changed.
 */
bool x86_walk_commit(struct x86_walk *walk, const struct x86_phys *phys,
                     bool write);

/*
 * PAE: reads the four PDPTEs at CR3 into PDPTE.  False: a present one has a
 * reserved bit set, and MOV CR3 must raise #GP(0) (SDM vol. 3A 4.4.1).
 */
bool x86_load_pdptes(uint64_t cr3, const struct x86_phys *phys,
                     uint64_t pdpte[4]);

/* One level of tables: which bits of the address choose among its entries. */
struct x86_paging_level {
    const char *table; /* as in x86_walk_step */
    uint8_t shift, bits;
};
/* The N-th level of MODE from the root; false past the last. */
bool x86_paging_level(enum x86_paging_mode mode, unsigned n,
                      struct x86_paging_level *out);

const char *x86_paging_mode_name(enum x86_paging_mode mode); /* "2-level" */
const char *x86_walk_result_name(enum x86_walk_result result);
#endif
