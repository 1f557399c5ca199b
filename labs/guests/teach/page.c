/*
 * Memory: page frames, the kernel's direct map, and the address spaces of
 * processes, whose pages come into being when they are first touched.
 * SDM vol. 3A 4.3 (32-bit paging), 4.7 (page faults).
 */
#include "kernel.h"
#include "x86.h"

#define DIR_INDEX(va)   ((va) >> 22)
#define TABLE_INDEX(va) (((va) >> 12) & 1023)
#define KERNEL_DIR      DIR_INDEX(KERNEL_BASE)
#define PAGE_DOWN(va)   ((va) & ~(PAGE_SIZE - 1))

extern uint32_t kernel_dir[1024];                               /* boot.S */
extern char __kernel_start[], __readonly_end[], __kernel_end[]; /* kernel.ld */

static uint32_t next_frame; /* no frame from here to memory_end was used yet */
static uint32_t memory_end;
static uint32_t
    free_list; /* frames given back, each holds the next's address */
static uint32_t free_frames;
static uint32_t board_frame; /* the page at BOARD_VA */

void *phys_to_virt(uint32_t pa)
{
    return (void *)(pa + KERNEL_BASE);
}

static uint32_t virt_to_phys(const void *p)
{
    return (uint32_t)p - KERNEL_BASE;
}

/* ---- frames ---- */

uint32_t page_free_frames(void)
{
    return free_frames;
}

uint32_t frame_alloc(void)
{
    uint32_t pa = free_list;

    if (pa) {
        free_list = *(uint32_t *)phys_to_virt(pa);
    } else if (next_frame < memory_end) {
        pa = next_frame;
        next_frame += PAGE_SIZE;
    } else {
        return 0;
    }
    free_frames--;
    memset(phys_to_virt(pa), 0, PAGE_SIZE);
    return pa;
}

void frame_free(uint32_t pa)
{
    *(uint32_t *)phys_to_virt(pa) = free_list;
    free_list = pa;
    free_frames++;
}

/* ---- tables ---- */

/* The entry that maps VA; NULL if its table is missing and may not, or could
 * not, be made. */
static uint32_t *entry_of(uint32_t *dir, uint32_t va, bool make)
{
    uint32_t *dir_entry = &dir[DIR_INDEX(va)];

    if (!(*dir_entry & PTE_P)) {
        uint32_t table = make ? frame_alloc() : 0;

        if (!table) {
            return NULL;
        }
        /* Permissive here: the table's entries say who may do what. */
        *dir_entry = table | PTE_P | PTE_W | PTE_U;
    }
    uint32_t *table = phys_to_virt(*dir_entry & PTE_FRAME);

    return &table[TABLE_INDEX(va)];
}

void page_init(uint32_t mem_bytes)
{
    memory_end = PAGE_DOWN(mem_bytes);
    next_frame = virt_to_phys(__kernel_end) + PAGE_SIZE - 1;
    next_frame = PAGE_DOWN(next_frame);
    free_frames = (memory_end - next_frame) / PAGE_SIZE;

    /* The direct map: its tables come from the 4 MiB that boot.S mapped. */
    for (uint32_t pa = 0; pa < memory_end; pa += PAGE_SIZE) {
        uint32_t va = pa + KERNEL_BASE;
        bool readonly =
            va >= (uint32_t)__kernel_start && va < (uint32_t)__readonly_end;

        *entry_of(kernel_dir, va, true) = pa | PTE_P | (readonly ? 0 : PTE_W);
    }
    write_cr3(virt_to_phys(kernel_dir));
    board_frame = frame_alloc();
}

/* ---- address spaces ---- */

bool space_create(struct space *s)
{
    uint32_t pa = frame_alloc();

    if (!pa) {
        return false;
    }
    s->dir = phys_to_virt(pa);
    s->regions = 0;
    /* Every space holds the kernel, so that a trap needs no new CR3. */
    memcpy(s->dir + KERNEL_DIR, kernel_dir + KERNEL_DIR,
           (1024 - KERNEL_DIR) * sizeof(uint32_t));
    return space_add(s, (struct region){.start = STACK_TOP - STACK_BYTES,
                                        .end = STACK_TOP,
                                        .writable = true}) &&
           space_add(s, (struct region){.start = BOARD_VA,
                                        .end = BOARD_VA + PAGE_SIZE,
                                        .writable = true});
}

void space_destroy(struct space *s)
{
    if (!s->dir) {
        return;
    }
    for (uint32_t d = 0; d < KERNEL_DIR; d++) {
        if (!(s->dir[d] & PTE_P)) {
            continue;
        }
        const uint32_t *table = phys_to_virt(s->dir[d] & PTE_FRAME);

        for (uint32_t t = 0; t < 1024; t++) {
            uint32_t frame = table[t] & PTE_FRAME;

            if (table[t] & PTE_P && frame != board_frame) {
                frame_free(frame);
            }
        }
        frame_free(s->dir[d] & PTE_FRAME);
    }
    frame_free(virt_to_phys(s->dir));
    s->dir = NULL;
}

/* NULL: the kernel's own. */
void space_switch(const struct space *s)
{
    write_cr3(virt_to_phys(s ? s->dir : kernel_dir));
}

bool space_add(struct space *s, struct region r)
{
    if (s->regions == sizeof(s->region) / sizeof(s->region[0])) {
        return false;
    }
    s->region[s->regions++] = r;
    return true;
}

struct region *space_find(struct space *s, uint32_t va)
{
    for (unsigned i = 0; i < s->regions; i++) {
        if (va >= s->region[i].start && va < s->region[i].end) {
            return &s->region[i];
        }
    }
    return NULL;
}

/* Copies to PAGE, which becomes visible at VA, what R's file says is there. */
static void fill_from_file(const struct region *r, uint32_t va, uint8_t *page)
{
    uint32_t file_end = r->file_va + r->file_bytes;
    uint32_t from = va > r->file_va ? va : r->file_va;
    uint32_t to = va + PAGE_SIZE < file_end ? va + PAGE_SIZE : file_end;

    if (r->file && from < to) {
        memcpy(page + (from - va), r->file + (from - r->file_va), to - from);
    }
}

/*
 * A page fault at VA.  False: the program has no right to what it tried.
 * Otherwise the page is there now, and the instruction can be tried again.
 */
bool space_fault(struct space *s, uint32_t va, uint32_t error)
{
    const struct region *r = space_find(s, va);

    if (!r || error & PTE_P || (error & PTE_W && !r->writable)) {
        return false;
    }
    uint32_t *entry = entry_of(s->dir, va, true);
    uint32_t frame = va >= BOARD_VA && va < BOARD_VA + PAGE_SIZE
                         ? board_frame
                         : frame_alloc();

    if (!entry || !frame) {
        return false;
    }
    fill_from_file(r, PAGE_DOWN(va), phys_to_virt(frame));
    *entry = frame | PTE_P | PTE_U | (r->writable ? PTE_W : 0);
    return true;
}

/* May the program hand the kernel LEN bytes at VA to read, or to write? */
bool space_check(struct space *s, uint32_t va, uint32_t len, bool write)
{
    const struct region *r = space_find(s, va);

    return r && len <= r->end - va && (!write || r->writable);
}

/* The first mapped page at or above VA. */
bool space_next(const struct space *s, uint32_t va, struct page_info *out)
{
    va = PAGE_DOWN(va);
    while (va < KERNEL_BASE) {
        const uint32_t *entry = entry_of(s->dir, va, false);

        if (!entry) {
            va = (DIR_INDEX(va) + 1) << 22;
        } else if (!(*entry & PTE_P)) {
            va += PAGE_SIZE;
        } else {
            *out = (struct page_info){.va = va, .pte = *entry};
            return true;
        }
    }
    return false;
}
