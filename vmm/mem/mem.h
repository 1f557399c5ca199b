/*
 * Guest-physical memory: slots of gpa backed by host memory.
 *
 * All RAM is one memfd, mapped once in the monitor; the translator maps pages
 * of the same memfd into its windows, so RAM offset and file offset are equal
 * (slot->offset).  Everything that is not a slot is the bus's (MMIO).
 *
 * Whoever in the monitor changes guest memory uses mem_write(), so that the
 * accelerator hears of it (translated code may have to go).
 */
#ifndef VMM_MEM_MEM_H
#define VMM_MEM_MEM_H
#include "vmm/base/base.h"
#include "vmm/x86/paging.h"

#define MEM_PAGE_SIZE 4096u
#define MEM_SLOTS_MAX 8u

struct mem_slot {
    const char *name; /* "ram below 640K" */
    uint64_t gpa;     /* first byte, page aligned */
    uint64_t len;     /* bytes, page aligned */
    uint64_t offset;  /* of the first byte, in the memfd */
    bool readonly;    /* ROM: the guest's writes are dropped */
};

struct mem {
    int fd;        /* the memfd */
    uint8_t *base; /* the whole memfd, mapped read-write */
    uint64_t size; /* bytes of the memfd */
    unsigned slots;
    struct mem_slot slot[MEM_SLOTS_MAX];
    /* Told after mem_write() changed guest memory; NULL: nobody listens. */
    void (*on_write)(void *opaque, uint64_t gpa, uint64_t len);
    void *on_write_opaque;
};

/* SIZE bytes of zeroed memory without slots.  0 or -errno. */
int mem_init(struct mem *mem, uint64_t size);
void mem_fini(struct mem *mem);

/* Puts LEN bytes of the memfd, from OFFSET, at GPA.  Slots never overlap. */
void mem_add_slot(struct mem *mem, const char *name, uint64_t gpa, uint64_t len,
                  uint64_t offset, bool readonly);

/* The slot that holds GPA, or NULL. */
const struct mem_slot *mem_find(const struct mem *mem, uint64_t gpa);

/* Host address of [gpa, gpa+len), if one slot holds it all; else NULL. */
void *mem_hva(const struct mem *mem, uint64_t gpa, uint64_t len);

/* Copies; false (and nothing or a part copied) if some byte is in no slot. */
bool mem_read(const struct mem *mem, uint64_t gpa, void *buf, size_t len);
bool mem_write(struct mem *mem, uint64_t gpa, const void *buf, size_t len);

/* As the page walker wants it. */
struct x86_phys mem_phys(struct mem *mem);
#endif
