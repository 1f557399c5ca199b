/*
 * Multiboot 1 kernels (specification 0.6.96): ELF, or any file with the load
 * addresses in its header.  An initrd becomes module 0.  The command line is
 * the arguments alone, without the image's name.
 *
 * Not here: multiboot 2, graphics modes (a wish for one gets text).
 */
#include <errno.h>
#include <string.h>

#include "vmm/base/log.h"
#include "vmm/machine/boot.h"

#define HEADER_MAGIC  0x1badb002u
#define ENTRY_MAGIC   0x2badb002u
#define SEARCH_LEN    8192u
#define SECTOR_LEN    512u
#define HEAD_VIDEO    BIT(2)
#define HEAD_ADDRS    BIT(16)
#define HEAD_REQUIRED 0xffffu
#define HEAD_KNOWN    (BIT(0) | BIT(1) | HEAD_VIDEO)

#define INFO_MEMORY      BIT(0)
#define INFO_BOOT_DEVICE BIT(1)
#define INFO_CMDLINE     BIT(2)
#define INFO_MODS        BIT(3)
#define INFO_MMAP        BIT(6)
#define INFO_NAME        BIT(9)

/* Specification 3.3. */
struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
    uint32_t mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr, config_table;
    uint32_t boot_loader_name, apm_table;
    uint32_t vbe[4];
};

struct mmap_entry {
    uint32_t size; /* of what follows */
    struct e820_entry e820;
} __attribute__((packed));

struct module {
    uint32_t start, end, string, reserved;
};

/* All that is put before the guest; it lies at BOOT_INFO_BASE. */
struct block {
    struct info info;
    struct mmap_entry mmap[E820_MAX];
    struct module module;
    char name[16];
    char cmdline[2048];
};
static_assert(sizeof(struct block) <= BOOT_INFO_END - BOOT_INFO_BASE,
              "multiboot information fits");
#define BLOCK_GPA(member)                                                      \
    ((uint32_t)(BOOT_INFO_BASE + offsetof(struct block, member)))

/* Offset of the header, or -1. */
static long find_header(const struct boot_image *image)
{
    size_t end = image->len < SEARCH_LEN ? image->len : SEARCH_LEN;

    for (size_t at = 0; at + 12 <= end; at += 4)
        if (boot_u32(image, at) == HEADER_MAGIC &&
            boot_u32(image, at) + boot_u32(image, at + 4) +
                    boot_u32(image, at + 8) ==
                0)
            return (long)at;
    return -1;
}

static bool multiboot_match(const struct boot_image *image)
{
    long at = find_header(image);

    if (at < 0)
        return false;
    /* A disk image may hold a kernel in its first sectors. */
    return at < (long)SECTOR_LEN || image->len < SECTOR_LEN ||
           boot_u16(image, 510) != 0xaa55 || boot_elf.match(image);
}

/* With HEAD_ADDRS the header says what goes where: 3.1.3 */
static int load_by_header(struct boot *b, size_t at, uint32_t *entry,
                          uint64_t *end)
{
    uint32_t header_addr, load, load_end, bss_end;
    size_t from, len;

    if (b->image.len < at + 32)
        return boot_error(b, "truncated multiboot header at 0x%zx" BOOT_RECOPY,
                          at);
    header_addr = boot_u32(&b->image, at + 12);
    load = boot_u32(&b->image, at + 16);
    load_end = boot_u32(&b->image, at + 20);
    bss_end = boot_u32(&b->image, at + 24);
    *entry = boot_u32(&b->image, at + 28);
    if (header_addr < load || header_addr - load > at)
        return boot_error(b,
                          "multiboot header at 0x%zx says it belongs at "
                          "0x%x, with the image from 0x%x",
                          at, header_addr, load);
    from = at - (header_addr - load);
    len = load_end ? (size_t)load_end - load : b->image.len - from;
    if ((load_end && load_end < load) || len > b->image.len - from)
        return boot_error(b,
                          "truncated: the multiboot header wants 0x%zx "
                          "bytes, the file has 0x%zx" BOOT_RECOPY,
                          len, b->image.len - from);
    *end = (uint64_t)load + len;
    if (bss_end > *end)
        *end = bss_end;
    if (!boot_in_ram(b->m, load, *end - load))
        return boot_error(b,
                          "wants 0x%llx bytes at 0x%x, where there is no "
                          "RAM (0 to 0x%x, 0x%x to 0x%llx)",
                          (unsigned long long)*end - load, load, BOOT_LOW_END,
                          HIGH_MEMORY, (unsigned long long)b->m->mem_bytes);
    if (*entry - (uint64_t)load >= *end - load)
        return boot_error(b,
                          "entry point 0x%x lies outside the image (0x%x to "
                          "0x%llx)",
                          *entry, load, (unsigned long long)*end);
    boot_put(b->m, load, b->image.data + from, len);
    boot_put(b->m, load + len, NULL, *end - load - len);
    return 0;
}

/* The module goes as high as it fits: kernels grow upwards from their end. */
static int load_module(struct boot *b, struct block *blk, uint64_t kernel_end)
{
    uint64_t len = b->initrd.len, at;

    if (!b->initrd.data)
        return 0;
    at = len > b->m->mem_bytes ? 0 : (b->m->mem_bytes - len) & ~0xfffull;
    if (at < kernel_end || !boot_in_ram(b->m, at, len))
        return boot_error(b,
                          "no room for initrd %s (%llu bytes) in %llu MiB "
                          "of memory; give more with -m",
                          b->initrd.path, (unsigned long long)len,
                          (unsigned long long)b->m->mem_bytes >> 20);
    boot_put(b->m, at, b->initrd.data, len);
    blk->module = (struct module){
        .start = (uint32_t)at,
        .end = (uint32_t)(at + len),
        .string = BLOCK_GPA(cmdline) + (uint32_t)strlen(blk->cmdline),
    };
    blk->info.flags |= INFO_MODS;
    blk->info.mods_count = 1;
    blk->info.mods_addr = BLOCK_GPA(module);
    return 0;
}

static void fill_info(const struct boot *b, struct block *blk)
{
    struct e820_entry map[E820_MAX];
    unsigned n = firmware_e820(b->m, map);

    blk->info = (struct info){
        .flags = INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_NAME |
                 (b->m->disk[0] ? INFO_BOOT_DEVICE : 0),
        .mem_lower = LOW_MEMORY_END / 1024,
        .mem_upper = (uint32_t)((b->m->mem_bytes - HIGH_MEMORY) / 1024),
        .boot_device = 0x80ffffff,
        .cmdline = BLOCK_GPA(cmdline),
        .mmap_length = n * (uint32_t)sizeof(struct mmap_entry),
        .mmap_addr = BLOCK_GPA(mmap),
        .boot_loader_name = BLOCK_GPA(name),
    };
    for (unsigned i = 0; i < n; i++)
        blk->mmap[i] = (struct mmap_entry){sizeof(map[i]), map[i]};
    memcpy(blk->name, "Ringside", 9);
}

static int multiboot_load(struct boot *b)
{
    struct block blk = {0};
    long found = find_header(&b->image);
    size_t at = (size_t)found, cmdline_len = strlen(b->cmdline);
    uint32_t flags, entry = 0;
    uint64_t end = 0;
    int err;

    assert(found >= 0);
    flags = boot_u32(&b->image, at + 4);
    if (flags & HEAD_REQUIRED & ~HEAD_KNOWN)
        return boot_error(b,
                          "needs multiboot features 0x%x that are not "
                          "there",
                          flags & HEAD_REQUIRED & ~HEAD_KNOWN);
    if (flags & HEAD_VIDEO)
        log_info("%s: asks for a video mode; it gets 80x25 text",
                 b->image.path);
    if (cmdline_len >= sizeof(blk.cmdline))
        return boot_error(b, "command line of %zu bytes; %zu are possible",
                          cmdline_len, sizeof(blk.cmdline) - 1);
    if (flags & HEAD_ADDRS)
        err = load_by_header(b, at, &entry, &end);
    else if (boot_elf.match(&b->image))
        err = boot_elf_segments(b, &entry, &end);
    else
        err = boot_error(b, "a multiboot header without load addresses in a "
                            "file that is no ELF");
    if (err)
        return err;
    fill_info(b, &blk);
    memcpy(blk.cmdline, b->cmdline, cmdline_len);
    err = load_module(b, &blk, end);
    if (err)
        return err;
    boot_put(b->m, BOOT_INFO_BASE, &blk, sizeof(blk));
    boot_state_flat(b->st, entry);
    b->st->gpr[X86_RAX] = ENTRY_MAGIC;
    b->st->gpr[X86_RBX] = BOOT_INFO_BASE;
    return 0;
}

const struct boot_format boot_multiboot = {"multiboot", multiboot_match,
                                           multiboot_load};
