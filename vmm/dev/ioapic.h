/*
 * 82093AA I/O APIC: 24 pins, each with a redirection entry.
 *
 * Pins carry assertion, not voltage: the polarity bit is kept and ignored.
 *
 * cfg: base = FEC00000h; arg = APIC ID after reset.
 */
#ifndef VMM_DEV_IOAPIC_H
#define VMM_DEV_IOAPIC_H
#include "vmm/dev/apic_msg.h"
#include "vmm/dev/device.h"

extern const struct device_class ioapic_class;

#define IOAPIC_BASE 0xfec00000u
#define IOAPIC_PINS 24u

/* The APIC bus, as the I/O APIC talks to it.  False: nobody took MSG. */
struct ioapic_bus {
    bool (*send)(void *opaque, const struct apic_msg *msg);
    void *opaque;
};
void ioapic_connect(struct device *dev, struct ioapic_bus bus);

/* Input pin N, 0 to 23.  Fits struct irq_line. */
void ioapic_set_pin(void *dev, unsigned n, bool level);
/* A local APIC ended VECTOR. */
void ioapic_eoi(void *dev, uint8_t vector);
#endif
