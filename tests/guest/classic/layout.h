/* Numbers that boot.S, classic.ld and main.c all know. */
#ifndef CLASSIC_LAYOUT_H
#define CLASSIC_LAYOUT_H

#define KERNEL_BASE 0x80000000
#define LOAD        0x10000 /* physical, of what follows the boot sector */
#define SECTORS     48

#define SEL_CODE 0x08
#define SEL_DATA 0x10

/* Interrupt vectors: 32 and the line's number. */
#define TIMER    32
#define KEYBOARD 33
#define SERIAL   36
#define DISK     46
#define SPURIOUS 63

#endif
