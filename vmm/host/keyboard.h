/*
 * From what a terminal sends to the keys of a PS/2 keyboard: characters, and
 * the escape sequences of arrows, function keys and their like.  Pure.
 */
#ifndef VMM_HOST_KEYBOARD_H
#define VMM_HOST_KEYBOARD_H
#include "vmm/base/base.h"

#define KEYBOARD_BYTES 16u /* the longest a single key becomes */

/*
 * Takes one key from the LEN bytes at TEXT.  *CODES: set-1 makes and breaks,
 * *COUNT of them (0: no such key).  Returns the bytes taken, at least 1.
 */
size_t keyboard_take(const char *text, size_t len,
                     uint8_t codes[KEYBOARD_BYTES], size_t *count);
#endif
