/*
 * Guests that start in real mode at 0:7C00h with DL = 80h, as firmware starts
 * a boot sector: the sector itself, the first sector of a disk image, or a
 * flat binary without any header.
 */
#include <errno.h>

#include "vmm/machine/boot.h"

#define SECTOR_GPA 0x7c00u
#define SECTOR_LEN 512u
#define SIGNATURE  0xaa55u
#define HARD_DISK  0x80u
#define FLAT_MAX   65536u

static bool has_signature(const struct boot_image *image)
{
    return image->len >= SECTOR_LEN && boot_u16(image, 510) == SIGNATURE;
}

static bool sector_match(const struct boot_image *image)
{
    return image->len == SECTOR_LEN && has_signature(image);
}

static bool disk_image_match(const struct boot_image *image)
{
    return image->len > SECTOR_LEN && has_signature(image);
}

static int sector_load(struct boot *b)
{
    boot_put(b->m, SECTOR_GPA, b->image.data, SECTOR_LEN);
    boot_state_real(b->st, HARD_DISK);
    return 0;
}

static bool flat_match(const struct boot_image *image)
{
    return image->len > 0 && image->len <= FLAT_MAX;
}

static int flat_load(struct boot *b)
{
    boot_put(b->m, SECTOR_GPA, b->image.data, b->image.len);
    boot_state_real(b->st, HARD_DISK);
    return 0;
}

const struct boot_format boot_sector = {"boot sector", sector_match,
                                        sector_load};
const struct boot_format boot_disk_image = {"disk image", disk_image_match,
                                            sector_load};
const struct boot_format boot_flat = {"flat", flat_match, flat_load};
