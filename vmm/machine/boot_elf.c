/*
 * ELF executables for i386 and x86-64, loaded at their physical addresses.
 *
 * Both are entered in 32-bit protected mode: flat segments, paging off, IF = 0,
 * ESP at the end of low memory, all other registers 0.  An entry point that is
 * a virtual address is translated by its segment's.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "vmm/machine/boot.h"

/* The fields of both classes that matter. */
struct segment {
    uint32_t type;
    uint64_t offset, vaddr, paddr, filesz, memsz;
};

struct header {
    bool is64;
    uint16_t type, machine;
    uint64_t entry, phoff;
    uint16_t phentsize, phnum;
};

static bool elf_match(const struct boot_image *image)
{
    return image->len >= SELFMAG && memcmp(image->data, ELFMAG, SELFMAG) == 0;
}

static int read_header(const struct boot *b, struct header *h)
{
    const struct boot_image *image = &b->image;
    bool is64 = image->len > EI_CLASS && image->data[EI_CLASS] == ELFCLASS64;
    size_t need = is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    Elf64_Ehdr e64;
    Elf32_Ehdr e32;

    if (image->len < need)
        return boot_error(b,
                          "truncated ELF: %zu bytes, its header alone takes "
                          "%zu" BOOT_RECOPY,
                          image->len, need);
    if (image->data[EI_DATA] != ELFDATA2LSB)
        return boot_error(b,
                          "a big-endian ELF is not for this processor; build "
                          "it for i386");
    memcpy(&e64, image->data, is64 ? sizeof(e64) : 0);
    memcpy(&e32, image->data, sizeof(e32));
    if (is64)
        *h = (struct header){true,        e64.e_type,  e64.e_machine,
                             e64.e_entry, e64.e_phoff, e64.e_phentsize,
                             e64.e_phnum};
    else
        *h = (struct header){false,       e32.e_type,  e32.e_machine,
                             e32.e_entry, e32.e_phoff, e32.e_phentsize,
                             e32.e_phnum};
    return 0;
}

static int check_header(const struct boot *b, const struct header *h)
{
    size_t entsize = h->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    uint64_t len = b->image.len;

    if (h->machine != (h->is64 ? EM_X86_64 : EM_386))
        return boot_error(
            b, "an ELF for another processor (e_machine %u); build it for i386",
            h->machine);
    if (h->type != ET_EXEC)
        return boot_error(b,
                          "an ELF of type %u, not an executable (2); link "
                          "it to a fixed address",
                          h->type);
    if (h->phnum == 0 || h->phentsize != entsize)
        return boot_error(b,
                          "ELF without usable program headers (%u of %u "
                          "bytes): nothing to load; link it as an executable",
                          h->phnum, h->phentsize);
    if (h->phoff > len || (uint64_t)h->phnum * entsize > len - h->phoff)
        return boot_error(b,
                          "truncated ELF: program headers at 0x%llx, file "
                          "ends at 0x%llx" BOOT_RECOPY,
                          (unsigned long long)h->phoff,
                          (unsigned long long)len);
    return 0;
}

static struct segment read_segment(const struct boot *b, const struct header *h,
                                   unsigned n)
{
    const uint8_t *at = b->image.data + h->phoff + (size_t)n * h->phentsize;
    Elf64_Phdr p64;
    Elf32_Phdr p32;

    if (h->is64) {
        memcpy(&p64, at, sizeof(p64));
        return (struct segment){p64.p_type,  p64.p_offset, p64.p_vaddr,
                                p64.p_paddr, p64.p_filesz, p64.p_memsz};
    }
    memcpy(&p32, at, sizeof(p32));
    return (struct segment){p32.p_type,  p32.p_offset, p32.p_vaddr,
                            p32.p_paddr, p32.p_filesz, p32.p_memsz};
}

static int check_segment(const struct boot *b, unsigned n,
                         const struct segment *s)
{
    uint64_t len = b->image.len;

    if (s->offset > len || s->filesz > len - s->offset)
        return boot_error(b,
                          "truncated ELF: segment %u is 0x%llx bytes at "
                          "0x%llx, file ends at 0x%llx" BOOT_RECOPY,
                          n, (unsigned long long)s->filesz,
                          (unsigned long long)s->offset,
                          (unsigned long long)len);
    if (s->memsz < s->filesz)
        return boot_error(b,
                          "broken ELF: segment %u has 0x%llx bytes in the "
                          "file but 0x%llx in memory" BOOT_RECOPY,
                          n, (unsigned long long)s->filesz,
                          (unsigned long long)s->memsz);
    if (!boot_in_ram(b->m, s->paddr, s->memsz))
        return boot_error(b,
                          "segment %u wants 0x%llx bytes at 0x%llx, where "
                          "there is no RAM (0 to 0x%x, 0x%x to 0x%llx); give "
                          "more with -m, or link it elsewhere",
                          n, (unsigned long long)s->memsz,
                          (unsigned long long)s->paddr, BOOT_LOW_END,
                          HIGH_MEMORY, (unsigned long long)b->m->mem_bytes);
    return 0;
}

/* Physical address of ENTRY if it lies in S, by either kind of address. */
static bool entry_in(const struct segment *s, uint64_t entry, uint64_t *gpa)
{
    if (entry - s->paddr < s->memsz)
        *gpa = entry;
    else if (entry - s->vaddr < s->memsz)
        *gpa = entry - s->vaddr + s->paddr;
    else
        return false;
    return true;
}

int boot_elf_segments(struct boot *b, uint32_t *entry, uint64_t *end)
{
    struct header h = {0};
    bool found = false;
    uint64_t gpa = 0;
    int err = read_header(b, &h);

    if (!err)
        err = check_header(b, &h);
    if (err)
        return err;
    *end = 0;
    for (unsigned n = 0; n < h.phnum; n++) {
        struct segment s = read_segment(b, &h, n);
        if (s.type != PT_LOAD || s.memsz == 0)
            continue;
        err = check_segment(b, n, &s);
        if (err)
            return err;
        boot_put(b->m, s.paddr, b->image.data + s.offset, s.filesz);
        boot_put(b->m, s.paddr + s.filesz, NULL, s.memsz - s.filesz);
        found = found || entry_in(&s, h.entry, &gpa);
        if (s.paddr + s.memsz > *end)
            *end = s.paddr + s.memsz;
    }
    if (*end == 0)
        return boot_error(b, "ELF without a loadable segment");
    if (!found)
        return boot_error(b,
                          "entry point 0x%llx lies in none of the ELF's "
                          "segments; check ENTRY of the linker script",
                          (unsigned long long)h.entry);
    *entry = (uint32_t)gpa;
    return 0;
}

static int elf_load(struct boot *b)
{
    uint32_t entry = 0;
    uint64_t end = 0;
    int err = boot_elf_segments(b, &entry, &end);

    if (err)
        return err;
    boot_state_flat(b->st, entry);
    return 0;
}

const struct boot_format boot_elf = {"ELF", elf_match, elf_load};
