/*
 * The keyboard controller at 60h/64h with a PS/2 keyboard behind it.  There is
 * no mouse: the auxiliary port answers as one that is not wired.
 *
 * cfg->irq[0] is IRQ 1; cfg->irq[1], IRQ 12, never rises.  RESET leaves the
 * controller as firmware does: keyboard on, its interrupt on, codes translated.
 */
#ifndef VMM_DEV_I8042_H
#define VMM_DEV_I8042_H
#include "vmm/dev/device.h"

extern const struct device_class i8042_class;

/* The controller's output port.  Every function may be NULL. */
struct i8042_outputs {
    void *opaque;
    /* Bit 1, told at each write, restore and RESET (then: on).  The board ORs
     * it with port 92h's. */
    void (*set_a20)(void *opaque, bool on);
    /* Bit 0 pulled low, or command FEh; WHO is "i8042". */
    void (*reset)(void *opaque, const char *who);
};

/* Copies OUT. */
void i8042_connect(struct device *dev, const struct i8042_outputs *out);

/*
 * One byte of a set-1 make or break code (E0h and E1h prefixes as bytes of
 * their own), as the host's keyboard sends it.  The keyboard turns it into the
 * code set the guest chose.  Dropped when the buffer is full.
 */
void i8042_key(struct device *dev, uint8_t scancode);

/* How many more set-1 bytes are taken without loss. */
unsigned i8042_key_room(const struct device *dev);

/* The lights: bit 0 scroll lock, 1 num lock, 2 caps lock. */
uint8_t i8042_leds(const struct device *dev);
#endif
