/* Port 80h: the power-on self-test's code, and everybody's I/O delay. */
#ifndef VMM_DEV_POST80_H
#define VMM_DEV_POST80_H
#include "vmm/dev/device.h"

extern const struct device_class post80_class;

/* The last byte written. */
uint8_t post80_code(const struct device *dev);
#endif
