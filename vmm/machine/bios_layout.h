/* Numbers that the BIOS's assembly and its C both know. */
#ifndef VMM_MACHINE_BIOS_LAYOUT_H
#define VMM_MACHINE_BIOS_LAYOUT_H

#define ROM_BIOS_OFFSET 0x8000 /* of bios_rom in segment F000h */
#define BIOS_CALL_PORT  0x5b0

#endif
