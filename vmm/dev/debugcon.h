/* Port E9h: each byte written goes to the host's console. */
#ifndef VMM_DEV_DEBUGCON_H
#define VMM_DEV_DEBUGCON_H
#include "vmm/dev/device.h"

extern const struct device_class debugcon_class;

struct debugcon_outputs {
    void *opaque;
    void (*console)(void *opaque, uint8_t byte); /* may be NULL */
};

void debugcon_connect(struct device *dev, const struct debugcon_outputs *out);
#endif
