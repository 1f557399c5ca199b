/*
 * Real-time clock and CMOS memory behind ports 70h (index) and 71h (data).
 *
 * cfg->arg is the time at power-on, in Unix seconds; it goes on with the
 * machine's clock.  cfg->irq[0] is the IRQ pin, high while register C says so
 * (the board wires it to IRQ 8).  RESET keeps time and memory: it has a
 * battery.
 */
#ifndef VMM_DEV_MC146818_H
#define VMM_DEV_MC146818_H
#include "vmm/dev/device.h"

extern const struct device_class mc146818_class;

/* What POST stores of BYTES of RAM: 15h-18h, 30h/31h, 34h/35h, checksum. */
void mc146818_set_memory(struct device *dev, uint64_t bytes);

/* One byte of CMOS memory (0Eh..7Fh), as firmware would store it; keeps the
 * checksum at 2Eh/2Fh right. */
void mc146818_set_byte(struct device *dev, unsigned index, uint8_t value);
uint8_t mc146818_get_byte(const struct device *dev, unsigned index);
#endif
