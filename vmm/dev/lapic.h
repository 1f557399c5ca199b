/*
 * Local APIC of the one processor (SDM vol. 3A ch. 10), an integrated xAPIC.
 *
 * The timer counts at 1 GHz: a tick is a nanosecond when the divider is 1.
 * After reset it is as firmware leaves it: software-disabled, LINT0 in virtual
 * wire mode, so that the 8259A reaches the processor.
 *
 * cfg: base = FEE00000h; irq[0] = the processor's NMI, pulsed.
 */
#ifndef VMM_DEV_LAPIC_H
#define VMM_DEV_LAPIC_H
#include "vmm/dev/apic_msg.h"
#include "vmm/dev/device.h"

extern const struct device_class lapic_class;

#define LAPIC_BASE           0xfee00000u
#define LAPIC_MSR_BSP        BIT(8)
#define LAPIC_MSR_ENABLE     BIT(11)
#define LAPIC_SPURIOUS_RESET 0xffu

/* Who hears that a level-triggered VECTOR was ended: the I/O APIC. */
struct lapic_eoi {
    void (*broadcast)(void *opaque, uint8_t vector);
    void *opaque;
};
void lapic_connect(struct device *dev, struct lapic_eoi eoi);

/* A message from the APIC bus.  True: this APIC was meant and took it. */
bool lapic_accept(struct device *dev, const struct apic_msg *msg);

/* Local pins: 0 is the 8259A's INTR, 1 is NMI.  Fits struct irq_line. */
void lapic_set_lint(void *dev, unsigned n, bool level);

/* The processor's INTR pin: is a vector (or the 8259A's) deliverable now? */
bool lapic_pending(const struct device *dev);
/* Would ack() have to ask the 8259A? */
bool lapic_wants_extint(const struct device *dev);
/* Moves the highest vector in service; -1: none, ask the 8259A. */
int lapic_ack(struct device *dev);

/* IA32_APIC_BASE: enable bit and where the registers are. */
uint64_t lapic_get_base(const struct device *dev);
void lapic_set_base(struct device *dev, uint64_t msr);
/* CR8 of 64-bit guests is TPR bits 7:4. */
unsigned lapic_get_cr8(const struct device *dev);
void lapic_set_cr8(struct device *dev, unsigned cr8);
#endif
