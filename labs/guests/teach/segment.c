/*
 * Segmentation, as little as the processor allows: flat code and data for
 * rings 0 and 3, and one TSS, of which only the stack for ring 0 is used.
 * SDM vol. 3A 3.4.5 (descriptors), 7.2.1 (TSS).
 */
#include "kernel.h"

struct tss {
    uint32_t link;
    uint32_t esp0, ss0; /* loaded on entry from ring 3 */
    uint32_t unused[22];
    uint16_t trap, io_map_base; /* past the limit: no port for ring 3 */
};

struct table_register {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

#define FLAT(access) (0x00CF00000000FFFFull | ((uint64_t)(access) << 40))

static uint64_t gdt[] = {
    0,
    [SEL_KERNEL_CODE >> 3] = FLAT(0x9A),
    [SEL_KERNEL_DATA >> 3] = FLAT(0x92),
    [SEL_USER_CODE >> 3] = FLAT(0xFA),
    [SEL_USER_DATA >> 3] = FLAT(0xF2),
    [SEL_TSS >> 3] = 0, /* its address is known at run time only */
};

static struct tss tss;

static uint64_t tss_descriptor(uint32_t base, uint32_t limit)
{
    return (limit & 0xFFFFu) | ((uint64_t)(base & 0xFFFFFFu) << 16) |
           (0x89ull << 40) | ((uint64_t)(limit >> 16) << 48) |
           ((uint64_t)(base >> 24) << 56);
}

void segment_set_kernel_stack(uint32_t top)
{
    tss.esp0 = top;
}

void segment_init(void)
{
    struct table_register gdtr = {sizeof(gdt) - 1, (uint32_t)gdt};

    tss.ss0 = SEL_KERNEL_DATA;
    tss.io_map_base = sizeof(tss);
    gdt[SEL_TSS >> 3] = tss_descriptor((uint32_t)&tss, sizeof(tss) - 1);

    __asm__ volatile("lgdt %0\n\t"
                     "ljmp %1, $1f\n" /* the only way to load CS */
                     "1:\n\t"
                     "mov %w2, %%ds\n\t"
                     "mov %w2, %%es\n\t"
                     "mov %w2, %%ss\n\t"
                     "mov %w3, %%fs\n\t"
                     "mov %w3, %%gs\n\t"
                     "ltr %w4"
                     :
                     : "m"(gdtr), "i"(SEL_KERNEL_CODE), "r"(SEL_KERNEL_DATA),
                       "r"(0), "r"(SEL_TSS)
                     : "memory");
}
