/*
 * A VGA as far as 80x25 text needs it: the text window B8000h-BFFFFh, and all
 * registers that drivers probe, save and restore.  There are no graphics: the
 * rest of A0000h-BFFFFh reads as all ones.
 *
 * RESET leaves what firmware does: mode 3, cleared, attribute 07h.
 */
#ifndef VMM_DEV_VGA_TEXT_H
#define VMM_DEV_VGA_TEXT_H
#include "vmm/dev/device.h"

#define VGA_TEXT_ROWS 25u
#define VGA_TEXT_COLS 80u

extern const struct device_class vga_text_class;

struct vga_screen {
    uint8_t cell[VGA_TEXT_ROWS][VGA_TEXT_COLS][2]; /* character, attribute */
    unsigned row, col;                             /* of the cursor */
    bool cursor;         /* shown, and on the screen */
    uint64_t generation; /* changes when any of the above may have */
};

void vga_text_snapshot(const struct device *dev, struct vga_screen *out);
/* The generation alone, to skip a copy. */
uint64_t vga_text_generation(const struct device *dev);
#endif
