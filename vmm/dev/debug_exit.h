/* Port F4h: a guest writes a value and the monitor ends with it. */
#ifndef VMM_DEV_DEBUG_EXIT_H
#define VMM_DEV_DEBUG_EXIT_H
#include "vmm/dev/device.h"

extern const struct device_class debug_exit_class;

struct debug_exit_outputs {
    void *opaque;
    void (*debug_exit)(void *opaque, uint32_t value); /* may be NULL */
};

void debug_exit_connect(struct device *dev,
                        const struct debug_exit_outputs *out);
#endif
