/*
 * The instructions C has no words for, one inline function each.
 * Not here: anything that decides something.  SDM vol. 2.
 */
#ifndef TEACH_X86_H
#define TEACH_X86_H
#include <stdint.h>

/* Control and flag bits, by the manual's names (SDM vol. 3A 2.3, 2.5). */
#define CR0_PE    0x00000001u
#define CR0_WP    0x00010000u
#define CR0_PG    0x80000000u
#define EFLAGS_IF 0x00000200u

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t read_cr0(void)
{
    uint32_t value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline void write_cr0(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline uint32_t read_cr2(void)
{
    uint32_t value;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

/* Also empties the TLB: no page is global here. */
static inline void write_cr3(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline void invlpg(uint32_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void cli(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* STI takes effect after the next instruction, so no interrupt can slip in
 * between it and HLT: the pair never sleeps through a wake-up. */
static inline void sti_hlt_cli(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}
#endif
