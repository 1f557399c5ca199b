/*
 * From a file to a guest in memory: reads it, recognises it by content, hands
 * it to its loader.
 */
#include "vmm/machine/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/log.h"
#include "vmm/machine/tables.h"

/* In the order in which they are tried: the more certain first. */
static const struct boot_format *const formats[] = {
    &boot_linux,  &boot_multiboot,  &boot_elf,
    &boot_sector, &boot_disk_image, &boot_flat,
};

/* The format of IMAGE, or NULL. */
static const struct boot_format *recognise(const struct boot_image *image)
{
    for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
        if (formats[i]->match(image))
            return formats[i];
    return NULL;
}

/* ---- for loaders -------------------------------------------------------- */

int boot_error(const struct boot *b, const char *fmt, ...)
{
    char text[384];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_error("%s: %s", b->image.path, text);
    return -ENOEXEC;
}

bool boot_in_ram(const struct machine *m, uint64_t gpa, uint64_t len)
{
    if (gpa < HIGH_MEMORY)
        return gpa <= BOOT_LOW_END && len <= BOOT_LOW_END - gpa;
    return gpa <= m->mem_bytes && len <= m->mem_bytes - gpa;
}

void boot_put(struct machine *m, uint64_t gpa, const void *data, uint64_t len)
{
    static const uint8_t zero[4096] = {0};

    if (data) {
        mem_write(&m->mem, gpa, data, len);
        return;
    }
    while (len > 0) {
        uint64_t n = len < sizeof(zero) ? len : sizeof(zero);
        mem_write(&m->mem, gpa, zero, n);
        gpa += n, len -= n;
    }
}

uint16_t boot_u16(const struct boot_image *image, size_t at)
{
    uint16_t v;

    memcpy(&v, image->data + at, sizeof(v));
    return v;
}

uint32_t boot_u32(const struct boot_image *image, size_t at)
{
    uint32_t v;

    memcpy(&v, image->data + at, sizeof(v));
    return v;
}

uint64_t boot_u64(const struct boot_image *image, size_t at)
{
    uint64_t v;

    memcpy(&v, image->data + at, sizeof(v));
    return v;
}

void boot_state_flat(struct x86_state *st, uint32_t entry)
{
    const uint16_t data = X86_SEG_P | X86_SEG_S | X86_SEG_RW |
                          X86_SEG_ACCESSED | X86_SEG_DB | X86_SEG_G;

    x86_state_reset(st);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        st->seg[i] = (struct x86_seg){FIRMWARE_DS, data, UINT32_MAX, 0};
    st->seg[X86_CS].selector = FIRMWARE_CS;
    st->seg[X86_CS].attr |= X86_SEG_CODE;
    st->gdt = (struct x86_table){ROM_BASE + ROM_GDT, FIRMWARE_DS + 7};
    st->idt = (struct x86_table){0, 0};
    st->cr0 = X86_CR0_PE | X86_CR0_ET;
    st->gpr[X86_RDX] = 0;
    st->gpr[X86_RSP] = BOOT_LOW_END;
    st->rip = entry;
}

void boot_state_real(struct x86_state *st, uint8_t drive)
{
    x86_state_reset(st);
    st->seg[X86_CS].selector = 0;
    st->seg[X86_CS].base = 0;
    st->idt.limit = 0x3ff;
    st->cr0 = X86_CR0_ET;
    st->rflags |= X86_EFLAGS_IF;
    st->gpr[X86_RDX] = drive;
    st->gpr[X86_RSP] = 0x7c00;
    st->rip = 0x7c00;
}

/* ---- files -------------------------------------------------------------- */

/* Up to MAX bytes of PATH; *SIZE is the whole file's.  0 or -errno, logged. */
static int read_file(const char *path, uint64_t max, struct boot_image *image,
                     uint64_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), err;
    uint8_t *data = NULL;
    size_t len = 0;
    struct stat sb;

    if (fd < 0 || fstat(fd, &sb) < 0) {
        err = -errno;
        goto out_log;
    }
    err = S_ISDIR(sb.st_mode) ? -EISDIR : 0;
    if (err)
        goto out_log;
    *size = (uint64_t)sb.st_size;
    if (S_ISREG(sb.st_mode) && *size < max)
        max = *size;
    data = malloc(max + 1);
    err = data ? 0 : -ENOMEM;
    while (!err && len < max) {
        ssize_t n = read(fd, data + len, max - len);
        if (n < 0 && errno != EINTR)
            err = -errno;
        if (n == 0)
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    if (err)
        goto out_log;
    close(fd);
    *image = (struct boot_image){path, data, len};
    return 0;

out_log:
    log_error("%s: %s", path, strerror(-err));
    if (fd >= 0)
        close(fd);
    free(data);
    return err;
}

static void free_image(struct boot_image *image)
{
    free((void *)(uintptr_t)image->data);
    image->data = NULL;
}

const char *boot_format_name(const char *path)
{
    const struct boot_format *format = NULL;
    struct boot_image head;
    struct stat sb;
    uint64_t size;

    /* boot_load() will say what is wrong with it. */
    if (stat(path, &sb) < 0 || S_ISDIR(sb.st_mode) || access(path, R_OK) < 0)
        return NULL;
    if (read_file(path, BOOT_HEAD + 1, &head, &size))
        return NULL;
    if (head.len > 0)
        format = recognise(&head);
    free_image(&head);
    return format ? format->name : NULL;
}

/* ---- booting ------------------------------------------------------------ */

static int unknown_format(const struct boot *b)
{
    static const uint8_t gzip[2] = {0x1f, 0x8b};

    if (b->image.len >= 2 && memcmp(b->image.data, gzip, 2) == 0)
        return boot_error(b, "a gzip file, not a guest; unpack it first");
    return boot_error(b, "unknown format: neither bzImage, multiboot, ELF nor "
                         "boot sector, and too large for a flat image "
                         "(64 KiB at most)");
}

static int load_image(struct boot *b, uint64_t file_size)
{
    const struct boot_format *format;

    if (b->image.len == 0)
        return boot_error(b, "empty file: no guest in it");
    format = recognise(&b->image);
    if (!format)
        return unknown_format(b);
    if (format != &boot_disk_image && file_size > b->m->mem_bytes)
        return boot_error(b,
                          "%llu bytes do not fit in %llu MiB of guest "
                          "memory; give more with -m",
                          (unsigned long long)file_size,
                          (unsigned long long)b->m->mem_bytes >> 20);
    return format->load(b);
}

int boot_load(struct machine *m, const struct boot_request *req,
              struct x86_state *st)
{
    struct boot b = {
        .m = m,
        .cmdline = req->cmdline ? req->cmdline : "",
        .bits = req->bits,
        .st = st,
    };
    uint64_t size = 0, initrd_size = 0;
    int err;

    /* A little more than RAM: enough to see that it is too much. */
    err = read_file(req->path, m->mem_bytes + 1, &b.image, &size);
    if (err)
        return err;
    if (req->initrd)
        err = read_file(req->initrd, m->mem_bytes + 1, &b.initrd, &initrd_size);
    if (!err)
        err = load_image(&b, size);
    if (!err)
        log_info("%s: %s, %zu bytes", req->path, recognise(&b.image)->name,
                 b.image.len);
    free_image(&b.image);
    free_image(&b.initrd);
    return err;
}

int boot_disk(struct machine *m, struct x86_state *st)
{
    struct blockdev *disk = m->disk[0];
    uint8_t sector[BLOCKDEV_SECTOR];
    struct boot b = {
        .m = m,
        .image = {"disk 0", sector, sizeof(sector)},
        .cmdline = "",
        .st = st,
    };

    if (!disk)
        return boot_error(&b, "there is none to boot from");
    if (disk->read(disk->opaque, 0, sector, 1))
        return boot_error(&b, "cannot read its first sector");
    if (boot_u16(&b.image, 510) != 0xaa55)
        return boot_error(&b, "not bootable: its first sector does not end in "
                              "55h AAh; name a guest, or another disk");
    return boot_sector.load(&b);
}
