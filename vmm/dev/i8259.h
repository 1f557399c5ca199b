/*
 * The pair of interrupt controllers of a PC: master at 20h, slave at A0h on
 * the master's input 2, and the edge/level register (ELCR) at 4D0h.
 *
 * cfg->irq[0] is the master's INTR pin.  After RESET the chips are silent
 * until a guest (or the board, playing firmware) has written ICW1..ICW4.
 */
#ifndef VMM_DEV_I8259_H
#define VMM_DEV_I8259_H
#include "vmm/dev/device.h"

extern const struct device_class i8259_class;

/* Input pin IRQ (0..15) of the pair; fits struct irq_line.  OPAQUE: the
 * struct device.  Pin 2 is the cascade: ignored. */
void i8259_set_irq(void *opaque, unsigned irq, bool level);

/* The level of INTR. */
bool i8259_pending(const struct device *dev);

/*
 * The CPU's INTA cycles: takes the highest request into service and returns
 * its vector.  Without one, a spurious vector (IR7 of the chip that was asked).
 */
int i8259_ack(struct device *dev);
#endif
