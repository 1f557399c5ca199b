/* An interrupt message on the APIC bus: what an I/O APIC says to local ones. */
#ifndef VMM_DEV_APIC_MSG_H
#define VMM_DEV_APIC_MSG_H
#include "vmm/base/base.h"

/* Delivery modes of redirection entries, LVTs and the ICR, SDM vol. 3A 10.6 */
enum apic_mode {
    APIC_FIXED = 0,
    APIC_LOWEST = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_STARTUP = 6, /* in an ICR only */
    APIC_EXTINT = 7,  /* the vector comes from the 8259A */
};

struct apic_msg {
    uint8_t dest; /* APIC ID, or a logical destination */
    bool logical;
    uint8_t mode; /* enum apic_mode */
    uint8_t vector;
    bool level; /* trigger mode: the EOI is to be broadcast */
};
#endif
