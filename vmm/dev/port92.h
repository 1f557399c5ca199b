/* System control port A, 92h: the fast A20 gate and fast INIT. */
#ifndef VMM_DEV_PORT92_H
#define VMM_DEV_PORT92_H
#include "vmm/dev/device.h"

extern const struct device_class port92_class;

/* Every function may be NULL. */
struct port92_outputs {
    void *opaque;
    /* Bit 1, told at each write, restore and RESET (then: off).  The board ORs
     * it with the keyboard controller's. */
    void (*set_a20)(void *opaque, bool on);
    /* Bit 0 went from 0 to 1; WHO is "port 92h". */
    void (*reset)(void *opaque, const char *who);
};

void port92_connect(struct device *dev, const struct port92_outputs *out);
#endif
