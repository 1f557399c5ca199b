/*
 * The services of the BIOS (INT 09h to 1Ah), in C.  Their state is where a
 * guest expects it: in the BIOS data area, the screen and the chips.  Nothing
 * is kept here.  Numbers and registers as in Ralf Brown's Interrupt List.
 */
#ifndef VMM_MACHINE_BIOS_H
#define VMM_MACHINE_BIOS_H
#include "vmm/dev/bios_call.h"
#include "vmm/machine/machine.h"

/* OPAQUE: the struct machine. */
void bios_call(void *opaque, unsigned vector, struct bios_frame *f);

void bios_video(struct machine *m, struct bios_frame *f);    /* INT 10h */
void bios_disk(struct machine *m, struct bios_frame *f);     /* INT 13h */
void bios_key_irq(struct machine *m, struct bios_frame *f);  /* INT 09h */
void bios_keyboard(struct machine *m, struct bios_frame *f); /* INT 16h */

/* The machine code for ROM, and the vectors in front of it. */
extern const uint8_t bios_rom[], bios_rom_end[];

/* ---- for the services --------------------------------------------------- */

#define BIOS_CF BIT(0)
#define BIOS_ZF BIT(6)

static inline void bios_set_flag(struct bios_frame *f, unsigned flag, bool on)
{
    f->flags = (uint16_t)(on ? f->flags | flag : f->flags & ~flag);
}

static inline uint8_t bios_ah(const struct bios_frame *f)
{
    return (uint8_t)(f->eax >> 8);
}

static inline uint8_t bios_al(const struct bios_frame *f)
{
    return (uint8_t)f->eax;
}

/* Sets the low 16 bits of a register. */
static inline void bios_set16(uint32_t *reg, unsigned value)
{
    *reg = (*reg & 0xffff0000) | (value & 0xffff);
}

static inline void bios_set_ah(struct bios_frame *f, unsigned value)
{
    f->eax = (f->eax & ~0xff00u) | (value & 0xff) << 8;
}

static inline void bios_set_al(struct bios_frame *f, unsigned value)
{
    f->eax = (f->eax & ~0xffu) | (value & 0xff);
}

/* The linear address of SEG:OFF. */
static inline uint32_t bios_far(unsigned seg, uint32_t off)
{
    return (seg << 4) + (off & 0xffff);
}

uint8_t bios_get8(const struct machine *m, uint32_t gpa);
uint16_t bios_get16(const struct machine *m, uint32_t gpa);
void bios_put8(struct machine *m, uint32_t gpa, unsigned value);
void bios_put16(struct machine *m, uint32_t gpa, unsigned value);
#endif
