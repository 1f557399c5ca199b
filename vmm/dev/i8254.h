/*
 * The programmable interval timer at 40h..43h, and port 61h, which gates its
 * counter 2 and shows its output.
 *
 * cfg->irq[0] is OUT of counter 0.  CLK is 1.193182 MHz, derived from the
 * machine's clock without drift.  After RESET the counters stand still until
 * programmed: the 18.2 Hz tick is the firmware's work, not the chip's.
 */
#ifndef VMM_DEV_I8254_H
#define VMM_DEV_I8254_H
#include "vmm/dev/device.h"

#define I8254_HZ 1193182u

extern const struct device_class i8254_class;

/* CLK pulses since power-on at NS, and the first NS with TICK pulses. */
uint64_t i8254_ticks_of_ns(uint64_t ns);
uint64_t i8254_ns_of_ticks(uint64_t ticks);

/* Whether OUT of counter CH (0..2) is high now. */
bool i8254_out(struct device *dev, unsigned ch);
#endif
