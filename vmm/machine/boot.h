/*
 * What the loaders (boot_*.c) share.  Internal to vmm/machine and its tests;
 * everybody else calls boot_load() of machine.h.
 */
#ifndef VMM_MACHINE_BOOT_H
#define VMM_MACHINE_BOOT_H
#include "vmm/machine/firmware.h"
#include "vmm/machine/machine.h"

/* Loaders leave low memory from here on alone: stack above, EBDA behind. */
#define BOOT_LOW_END 0x9f000u
/* ... and put small things for the guest (multiboot's) between the two. */
#define BOOT_INFO_BASE 0x9f000u
#define BOOT_INFO_END  LOW_MEMORY_END

struct boot_image {
    const char *path; /* for messages */
    const uint8_t *data;
    size_t len;
};

/* One attempt to boot: what is loaded, where to, and the state that results. */
struct boot {
    struct machine *m;
    struct boot_image image;
    struct boot_image initrd; /* data NULL: none */
    const char *cmdline;      /* never NULL */
    unsigned bits;            /* boot_request's */
    struct x86_state *st;
};

struct boot_format {
    const char *name;
    /* IMAGE may be just the first BOOT_HEAD bytes of a longer file. */
    bool (*match)(const struct boot_image *image);
    /* 0 or -errno, with one logged line. */
    int (*load)(struct boot *b);
};
#define BOOT_HEAD 65536u

extern const struct boot_format boot_linux, boot_multiboot, boot_elf,
    boot_sector, boot_disk_image, boot_flat;

/* What to do about a file that is not whole: the end of FMT. */
#define BOOT_RECOPY "; copy or build it again"

/* Logs "PATH: FMT" and returns -ENOEXEC. */
int boot_error(const struct boot *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Is [gpa, gpa + len) RAM that a guest may be loaded to? */
bool boot_in_ram(const struct machine *m, uint64_t gpa, uint64_t len);
/* Copies (DATA NULL: zeroes) into guest RAM; the caller checked the range. */
void boot_put(struct machine *m, uint64_t gpa, const void *data, uint64_t len);

/* Little-endian fields; the caller checked the range. */
uint16_t boot_u16(const struct boot_image *image, size_t at);
uint32_t boot_u32(const struct boot_image *image, size_t at);
uint64_t boot_u64(const struct boot_image *image, size_t at);

/*
 * Protected mode, flat 32-bit segments of the GDT in ROM, IF = 0, paging off.
 */
void boot_state_flat(struct x86_state *st, uint32_t entry);
/* Real mode at 0:7C00h, DL = DRIVE, IF = 1. */
void boot_state_real(struct x86_state *st, uint8_t drive);

/*
 * Loads an ELF's segments and finds its entry, for boot_elf and multiboot.
 * END is behind the highest byte loaded.
 */
int boot_elf_segments(struct boot *b, uint32_t *entry, uint64_t *end);
#endif
