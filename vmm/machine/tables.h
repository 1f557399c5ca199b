/*
 * What firmware tells an operating system about the board: MP tables (Intel
 * MultiProcessor Specification 1.4) and ACPI tables (ACPI 2.0).  Pure: writes
 * bytes into a buffer that stands for F0000h..FFFFFh.
 */
#ifndef VMM_MACHINE_TABLES_H
#define VMM_MACHINE_TABLES_H
#include "vmm/base/base.h"

#define ROM_BASE 0xf0000u
#define ROM_SIZE 0x10000u

/* Where things lie in the ROM, as offsets from ROM_BASE. */
#define ROM_MP       0x0000u
#define ROM_ACPI     0x1000u /* the RSDP; the other tables follow */
#define ROM_ACPI_END 0x3000u
#define ROM_GDT      0x7000u /* for guests that are entered in protected mode */
#define ROM_BIOS     0x8000u /* code: ROM_BIOS_OFFSET of bios_layout.h */

/* The firmware's control structure is written to: it lies in the EBDA. */
#define EBDA_BASE 0x9fc00u
#define FACS_BASE 0x9fc40u
#define FACS_SIZE 64u

#define TABLES_SCI_IRQ 9u

void tables_build_mp(uint8_t rom[ROM_SIZE]);
void tables_build_acpi(uint8_t rom[ROM_SIZE]);
void tables_build_facs(uint8_t facs[FACS_SIZE]);

/* The byte that makes the LEN bytes of TABLE add up to zero. */
uint8_t tables_checksum(const void *table, size_t len);
#endif
