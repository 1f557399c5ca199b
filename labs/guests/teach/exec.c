/*
 * Programs are 32-bit ELF files.  Nothing is copied here: loading one only
 * notes where its segments are, and space_fault() brings in the pages.
 * System V ABI, Intel386 supplement, chapter 5.
 */
#include "kernel.h"

#define ELF_MAGIC 0x464C457Fu /* 7Fh 'E' 'L' 'F' */
#define PT_LOAD   1u
#define PF_W      2u

struct elf_header {
    uint32_t magic;
    uint8_t class_and_more[12];
    uint16_t type, machine;
    uint32_t version, entry, phoff, shoff, flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

static bool add_segment(struct space *s, const struct file *f,
                        const struct elf_segment *seg)
{
    uint32_t size = (uint32_t)(f->end - f->start);

    if (seg->offset > size || seg->filesz > size - seg->offset ||
        seg->vaddr >= BOARD_VA || seg->memsz > BOARD_VA - seg->vaddr) {
        return false;
    }
    return space_add(s, (struct region){
                            .start = seg->vaddr & ~(PAGE_SIZE - 1),
                            .end = (seg->vaddr + seg->memsz + PAGE_SIZE - 1) &
                                   ~(PAGE_SIZE - 1),
                            .writable = seg->flags & PF_W,
                            .file_va = seg->vaddr,
                            .file = f->start + seg->offset,
                            .file_bytes = seg->filesz,
                        });
}

uint32_t exec_load(struct space *s, const struct file *f)
{
    const struct elf_header *h = (const void *)f->start;
    uint32_t size = (uint32_t)(f->end - f->start);

    if (size < sizeof(*h) || h->magic != ELF_MAGIC || h->phoff > size ||
        h->phnum > (size - h->phoff) / sizeof(struct elf_segment)) {
        return 0;
    }
    const struct elf_segment *seg = (const void *)(f->start + h->phoff);

    for (unsigned i = 0; i < h->phnum; i++) {
        if (seg[i].type == PT_LOAD && !add_segment(s, f, &seg[i])) {
            return 0;
        }
    }
    return h->entry;
}
