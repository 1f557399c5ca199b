/*
 * The door between the BIOS in ROM and its services in the monitor.
 *
 * A stub in ROM (machine/bios_rom.S) pushes the caller's registers, tells the
 * device where that frame is, and names the interrupt; the device reads the
 * frame, has the service change it, and writes it back.  So a service never
 * touches a CPU, only memory.
 *
 *   base + 0  word  SS of the frame
 *   base + 2  word  SP of the frame
 *   base + 4  byte  interrupt number: the call happens
 *
 * cfg: base = first port.
 */
#ifndef VMM_DEV_BIOS_CALL_H
#define VMM_DEV_BIOS_CALL_H
#include "vmm/dev/device.h"

extern const struct device_class bios_call_class;

#define BIOS_CALL_BASE 0x5b0u

/* As the stub pushed them, the last pushed first. */
struct bios_frame {
    uint16_t es, ds;
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint16_t ret, vector; /* the stub's own */
    uint16_t ip, cs, flags;
};
#define BIOS_FRAME_LEN (offsetof(struct bios_frame, flags) + 2)
static_assert(BIOS_FRAME_LEN == 46, "no holes");

struct bios_service {
    void (*call)(void *opaque, unsigned vector, struct bios_frame *f);
    void *opaque;
};
void bios_call_connect(struct device *dev, struct bios_service service);
#endif
