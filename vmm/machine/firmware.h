/*
 * What firmware leaves behind for a guest: tables in ROM, the BIOS data area,
 * the interrupt vectors, and chips programmed as a power-on self-test does.
 */
#ifndef VMM_MACHINE_FIRMWARE_H
#define VMM_MACHINE_FIRMWARE_H
#include "vmm/machine/machine.h"

#define BDA_BASE  0x400u
#define EBDA_SIZE 0x400u
/* Conventional memory a guest may use: the EBDA is above it. */
#define LOW_MEMORY_END 0x9fc00u
#define HIGH_MEMORY    0x100000u

/* Selectors of the GDT in ROM: flat, 32 bits, ring 0. */
#define FIRMWARE_CS 0x10u
#define FIRMWARE_DS 0x18u

void firmware_install(struct machine *m);

/* The memory map as INT 15h E820h, multiboot and Linux know it. */
struct e820_entry {
    uint64_t base, len;
    uint32_t type; /* 1: RAM, 2: reserved */
} __attribute__((packed));
#define E820_RAM      1u
#define E820_RESERVED 2u
#define E820_MAX      8u
unsigned firmware_e820(const struct machine *m,
                       struct e820_entry map[E820_MAX]);
#endif
