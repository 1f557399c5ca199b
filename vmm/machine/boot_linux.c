/*
 * Linux, and what speaks its boot protocol, after
 * Documentation/arch/x86/boot.rst.  Kernels and memtest86+ are entered by the
 * 32-bit protocol: their 16-bit setup code is not run, what it would ask the
 * BIOS is answered in the zero page.  64-bit kernels take the same entry and
 * switch themselves.  What has no 32-bit entry (iPXE, MEMDISK) is entered in
 * real mode, in its setup code.
 *
 *   10000h  zero page, or setup code     20000h  command line
 *  100000h  kernel                       as high as allowed: initrd
 *
 * Not here: EFI, kernels that are loaded low (zImage).
 */
#include <errno.h>
#include <string.h>

#include "vmm/machine/boot.h"
#include "vmm/machine/tables.h"

#define ZERO_PAGE    0x10000u
#define SETUP        0x10000u
#define SETUP_ENTRY  0x200u  /* HDR_JUMP */
#define SETUP_STACK  0xfff0u /* its heap grows towards it, from the code */
#define CMDLINE      0x20000u
#define CMDLINE_ROOM 0x10000u
#define KERNEL       0x100000u

/* Offsets in the image, and alike in the zero page. */
enum {
    HDR_SETUP_SECTS = 0x1f1,
    HDR_SYSSIZE = 0x1f4,
    HDR_VID_MODE = 0x1fa,
    HDR_JUMP = 0x200,
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_CODE32_START = 0x214,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_HEAP_END_PTR = 0x224,
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
    HDR_XLOADFLAGS = 0x236,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_PREF_ADDRESS = 0x258,
    HDR_INIT_SIZE = 0x260,
    HDR_END = 0x290,
    ZP_ACPI_RSDP = 0x70,
    ZP_ALT_MEM_K = 0x1e0,
    ZP_E820_ENTRIES = 0x1e8,
    ZP_E820_TABLE = 0x2d0,
    ZP_SIZE = 4096,
};

#define MAGIC_HDRS       0x53726448u
#define LOADED_HIGH      BIT(0)
#define CAN_USE_HEAP     BIT(7)
#define XLF_KERNEL_64    BIT(0)
#define LOADER_UNDEFINED 0xffu
#define PROTOCOL_MIN     0x202u /* 2.02: cmd_line_ptr */
#define PROTOCOL_CMDLINE 0x206u /* 2.06: cmdline_size */
#define PROTOCOL_INIT    0x20au /* 2.10: pref_address, init_size */
#define PROTOCOL_XLOAD   0x20cu /* 2.12: xloadflags */
#define SETUP_SECTS_OLD  4u
#define INITRD_MAX_OLD   0x37ffffffu
#define CMDLINE_MAX_OLD  255u

struct kernel {
    unsigned version;
    size_t setup_len; /* bytes of real-mode code before the kernel */
    size_t len;       /* bytes of the kernel */
    uint64_t end;     /* memory it may use before it knows the memory map */
    bool real_mode;   /* no 32-bit entry: it begins in its setup code */
};

static bool linux_match(const struct boot_image *image)
{
    return image->len >= HDR_VERSION + 2 &&
           boot_u32(image, HDR_MAGIC) == MAGIC_HDRS;
}

static int check_version(const struct boot *b, struct kernel *k)
{
    k->version = boot_u16(&b->image, HDR_VERSION);
    if (k->version < PROTOCOL_MIN)
        return boot_error(b,
                          "Linux boot protocol %u.%02u is too old; 2.02 and "
                          "later are understood",
                          k->version >> 8, k->version & 0xff);
    if (b->image.len < HDR_END)
        return boot_error(b,
                          "truncated bzImage: %zu bytes, its header alone "
                          "takes %u" BOOT_RECOPY,
                          b->image.len, HDR_END);
    if (!(b->image.data[HDR_LOADFLAGS] & LOADED_HIGH))
        return boot_error(b, "a kernel that is loaded low (zImage); build a "
                             "bzImage");
    if (b->bits == 32 && k->version >= PROTOCOL_XLOAD &&
        boot_u16(&b->image, HDR_XLOADFLAGS) & XLF_KERNEL_64)
        return boot_error(b, "a 64-bit kernel, and the translator (bt) has 16 "
                             "and 32 bits; use --accel kvm, or a 32-bit kernel "
                             "(Debian's linux-image-686)");
    return 0;
}

static int check_size(const struct boot *b, struct kernel *k)
{
    unsigned sects = b->image.data[HDR_SETUP_SECTS];
    uint64_t len = (uint64_t)boot_u32(&b->image, HDR_SYSSIZE) * 16;

    k->setup_len = ((sects ? sects : SETUP_SECTS_OLD) + 1) * (size_t)512;
    k->real_mode = len == 0 || boot_u32(&b->image, HDR_CODE32_START) == 0;
    /* syssize counts paragraphs: the last may be short. */
    if (b->image.len < k->setup_len || b->image.len - k->setup_len + 15 < len)
        return boot_error(b,
                          "truncated bzImage: the header promises %llu "
                          "bytes, the file has %zu" BOOT_RECOPY,
                          (unsigned long long)k->setup_len + len, b->image.len);
    if (k->real_mode && k->setup_len >= SETUP_STACK)
        return boot_error(
            b, "%zu bytes of setup code do not fit in a segment" BOOT_RECOPY,
            k->setup_len);
    k->len = b->image.len - k->setup_len; /* a signature may follow */
    k->end = KERNEL + k->len;
    if (k->version >= PROTOCOL_INIT) {
        uint64_t pref = boot_u64(&b->image, HDR_PREF_ADDRESS);
        uint64_t need = boot_u32(&b->image, HDR_INIT_SIZE);
        uint64_t end = (pref > KERNEL ? pref : KERNEL) + need;
        k->end = end > k->end ? end : k->end;
    }
    if (k->end < KERNEL || k->end > b->m->mem_bytes)
        return boot_error(b,
                          "the kernel needs memory up to %llu MiB, there "
                          "are %llu; give more with -m",
                          (unsigned long long)(k->end + 0xfffff) >> 20,
                          (unsigned long long)b->m->mem_bytes >> 20);
    return 0;
}

static int check_cmdline(const struct boot *b, const struct kernel *k)
{
    size_t len = strlen(b->cmdline);
    uint32_t max = CMDLINE_MAX_OLD;

    if (k->version >= PROTOCOL_CMDLINE)
        max = boot_u32(&b->image, HDR_CMDLINE_SIZE);
    if (max > CMDLINE_ROOM - 1)
        max = CMDLINE_ROOM - 1;
    if (len > max)
        return boot_error(b, "command line of %zu bytes; this kernel takes %u",
                          len, max);
    return 0;
}

/* Where the initrd goes: the highest page at which it ends early enough. */
static int place_initrd(const struct boot *b, const struct kernel *k,
                        uint32_t *gpa)
{
    uint64_t top = INITRD_MAX_OLD, len = b->initrd.len, at;

    *gpa = 0;
    if (!b->initrd.data || len == 0)
        return 0;
    if (k->version >= 0x203)
        top = boot_u32(&b->image, HDR_INITRD_ADDR_MAX);
    top = top + 1 < b->m->mem_bytes ? top + 1 : b->m->mem_bytes;
    at = len > top ? 0 : (top - len) & ~0xfffull;
    if (at < k->end)
        return boot_error(b,
                          "no room for initrd %s: %llu bytes between the "
                          "kernel's end at 0x%llx and 0x%llx; give more "
                          "with -m",
                          b->initrd.path, (unsigned long long)len,
                          (unsigned long long)k->end, (unsigned long long)top);
    *gpa = (uint32_t)at;
    return 0;
}

static void set_u16(uint8_t *zp, unsigned at, unsigned value)
{
    uint16_t v = (uint16_t)value;

    memcpy(zp + at, &v, sizeof(v));
}

static void set_u32(uint8_t *zp, unsigned at, uint32_t value)
{
    memcpy(zp + at, &value, sizeof(value));
}

/* What the setup code would have learnt from INT 10h: mode 3 on a VGA. */
static void fill_screen_info(uint8_t *zp)
{
    zp[0x06] = 3;          /* orig_video_mode */
    zp[0x07] = 80;         /* orig_video_cols */
    set_u16(zp, 0xa, 3);   /* orig_video_ega_bx: colour, 256 KiB */
    zp[0x0e] = 25;         /* orig_video_lines */
    zp[0x0f] = 1;          /* orig_video_isVGA */
    set_u16(zp, 0x10, 16); /* orig_video_points */
}

static void fill_memory_info(const struct machine *m, uint8_t *zp)
{
    struct e820_entry map[E820_MAX];
    unsigned n = firmware_e820(m, map);
    uint64_t ext_k = (m->mem_bytes - HIGH_MEMORY) / 1024;

    set_u16(zp, 2, ext_k > 0xfc00 ? 0xfc00 : (unsigned)ext_k);
    set_u32(zp, ZP_ALT_MEM_K, (uint32_t)ext_k);
    zp[ZP_E820_ENTRIES] = (uint8_t)n;
    memcpy(zp + ZP_E820_TABLE, map, n * sizeof(map[0]));
    set_u32(zp, ZP_ACPI_RSDP, ROM_BASE + ROM_ACPI);
}

static void put_zero_page(struct boot *b, uint32_t initrd)
{
    size_t hdr_end = HDR_MAGIC + (size_t)b->image.data[HDR_JUMP + 1];
    uint8_t zp[ZP_SIZE] = {0};

    if (hdr_end > HDR_END)
        hdr_end = HDR_END;
    memcpy(zp + HDR_SETUP_SECTS, b->image.data + HDR_SETUP_SECTS,
           hdr_end - HDR_SETUP_SECTS);
    fill_screen_info(zp);
    fill_memory_info(b->m, zp);
    set_u16(zp, HDR_VID_MODE, 0xffff); /* normal */
    zp[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    set_u32(zp, HDR_CODE32_START, KERNEL);
    set_u32(zp, HDR_CMD_LINE_PTR, CMDLINE);
    set_u32(zp, HDR_RAMDISK_IMAGE, initrd);
    set_u32(zp, HDR_RAMDISK_SIZE, initrd ? (uint32_t)b->initrd.len : 0);
    boot_put(b->m, ZERO_PAGE, zp, sizeof(zp));
}

/* Setup code fills the zero page itself, and asks the BIOS what goes in. */
static void put_setup(struct boot *b, const struct kernel *k, uint32_t initrd)
{
    uint8_t hdr[HDR_END];

    memcpy(hdr, b->image.data, sizeof(hdr));
    hdr[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    hdr[HDR_LOADFLAGS] |= CAN_USE_HEAP;
    set_u16(hdr, HDR_VID_MODE, 0xffff); /* normal */
    set_u16(hdr, HDR_HEAP_END_PTR, SETUP_STACK - SETUP_ENTRY);
    set_u32(hdr, HDR_CMD_LINE_PTR, CMDLINE);
    set_u32(hdr, HDR_RAMDISK_IMAGE, initrd);
    set_u32(hdr, HDR_RAMDISK_SIZE, initrd ? (uint32_t)b->initrd.len : 0);
    boot_put(b->m, SETUP, b->image.data, k->setup_len);
    boot_put(b->m, SETUP, hdr, sizeof(hdr));
}

/* Every segment is the setup code's, interrupts are off. */
static void enter_setup(struct x86_state *st)
{
    boot_state_real(st, 0);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        st->seg[i].selector = SETUP >> 4;
        st->seg[i].base = SETUP;
    }
    st->seg[X86_CS].selector += SETUP_ENTRY >> 4;
    st->seg[X86_CS].base += SETUP_ENTRY;
    st->rflags &= ~(uint64_t)X86_EFLAGS_IF;
    st->gpr[X86_RSP] = SETUP_STACK;
    st->rip = 0;
}

static int linux_load(struct boot *b)
{
    struct kernel k = {0};
    uint32_t initrd = 0;
    int err = check_version(b, &k);

    if (!err)
        err = check_size(b, &k);
    if (!err)
        err = check_cmdline(b, &k);
    if (!err)
        err = place_initrd(b, &k, &initrd);
    if (err)
        return err;
    boot_put(b->m, KERNEL, b->image.data + k.setup_len, k.len);
    boot_put(b->m, CMDLINE, b->cmdline, strlen(b->cmdline) + 1);
    if (initrd)
        boot_put(b->m, initrd, b->initrd.data, b->initrd.len);
    if (k.real_mode) {
        put_setup(b, &k, initrd);
        enter_setup(b->st);
        return 0;
    }
    put_zero_page(b, initrd);
    boot_state_flat(b->st, KERNEL);
    b->st->gpr[X86_RSI] = ZERO_PAGE;
    return 0;
}

const struct boot_format boot_linux = {"bzImage", linux_match, linux_load};
