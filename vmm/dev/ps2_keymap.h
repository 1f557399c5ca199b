/* From characters to the keys of a US keyboard, to type into a guest. */
#ifndef VMM_DEV_PS2_KEYMAP_H
#define VMM_DEV_PS2_KEYMAP_H
#include "vmm/base/base.h"

#define PS2_KEYS_MAX 8u

/*
 * The set-1 bytes (presses and releases) that type C: printable ASCII, '\n' or
 * '\r' (Enter), '\t', '\b' or 7Fh (Backspace), 1Bh (Escape), 01h..1Ah
 * (Ctrl-A..Z, but for those named before).  Returns how many, 0: no such key.
 */
size_t ps2_keys_of_ascii(char c, uint8_t out[PS2_KEYS_MAX]);
#endif
