/*
 * Loops: what happens at the fortieth time, when a translator has the code at
 * hand and thinks to know what it does.
 */
#include "priv.h"

/* T1 is T0, which holds 1, and T2 holds 2. */
static void two_pages(void)
{
    *(uint32_t *)N_T0 = 1;
    *(uint32_t *)N_T2 = 2;
    page_table[1] = N_T0 | 7;
    invlpg(N_T1);
}

/* The same with functions: INC EAX and INC EBX. */
static void two_functions(void)
{
    two_pages();
    *(uint32_t *)N_T0 = 0xc340;
    *(uint32_t *)N_T2 = 0xc343;
}

/* JMP to the next instruction, at the end of T0; INC EAX in the page behind. */
static void two_halves(void)
{
    two_pages();
    *(uint16_t *)(N_T0 + 0xffe) = 0x00eb;
    *(uint32_t *)N_T2 = 0xc340;
    page_table[1] = N_T2 | 7;
    invlpg(N_T1);
}

/* clang-format off */
#define PTE1 "page_tables+0x2004"
#define LOOP(body) "mov $40, %ecx; 1: " body "; dec %ecx; jnz 1b"
#define H(id, set, text, assembly) CASE(hot_##id, RING0, 0, 0, set, 0, "hot: " text, assembly)

/* Video memory stands for a device register. */
H(rmw, 0, "read-modify-write of a device", "movl $0, 0xb8000; " LOOP("incl 0xb8000; addb $2, 0xb8001; lock; orl $0x40000000, 0xb8000; btsl $20, 0xb8000") "; mov 0xb8000, %eax")
H(xchg, 0, "xchg and cmpxchg with a device", "movl $0, 0xb8000; xor %eax, %eax; " LOOP("inc %eax; xchg %eax, 0xb8000; mov %eax, %ebx; add $7, %ebx; mov 0xb8000, %eax; cmpxchg %ebx, 0xb8000"))
H(dev_movs, 0, "rep movsd from a device into an absent page", "movl $0x5a, 0xb8000; mov $T1-36*40-8, %edi; 1: mov $0xb8000, %esi; mov $9, %ecx; rep movsl; jmp 1b")
H(dev_stos, 0, "rep movsb from an absent page to a device", "mov $T1-7*40-3, %esi; 1: mov $0xb8000, %edi; mov $7, %ecx; rep movsb; jmp 1b")
H(outs, 0, "rep outsb from an absent page", "mov $0xe0, %edx; mov $T1-7*40-3, %esi; 1: mov $7, %ecx; rep outsb; jmp 1b")
H(ins, 0, "rep insw into an absent page", "mov $0xe0, %edx; mov $T1-14*40-5, %edi; 1: mov $7, %ecx; rep insw; jmp 1b")
H(push, 0, "push runs into an absent page: #DF", "mov $T2+4*40, %esp; 1: push %eax; jmp 1b")
H(add, 0, "add runs into an absent page", "mov $T1-4*40, %edi; 1: add %eax, (%edi); add $4, %edi; jmp 1b")

H(cut, 0, "a block rewrites the next", LOOP("xorb $3, 2f; jmp 2f; nop; 2: inc %eax"))
H(cut_back, 0, "a block rewrites the one before", LOOP("inc %eax; jmp 2f; 2: xorb $3, 1b"))
H(ins_code, 0, "string input rewrites the next", "mov $0x3ff, %edx; mov $0x40, %al; out %al, %dx; " LOOP("in %dx, %al; xor $3, %al; out %al, %dx; mov $2f, %edi; insb; jmp 2f; 2: inc %esi") "; mov $0, %eax; mov $0, %edx; mov $0, %edi")
H(smc_page, two_halves, "a block rewrites the page behind", "mov $T0+0xffe, %edx; " LOOP("xorb $3, T1; call *%edx"))
H(smc_alias, two_functions, "a block rewrites code by another address", LOOP("xorb $3, T0; call T1"))
H(remap_code, two_functions, "code page remapped, invlpg", LOOP("xorl $0x2000, " PTE1 "; invlpg T1; call T1"))
H(remap_cr3, two_functions, "code page remapped, cr3 load", LOOP("xorl $0x2000, " PTE1 "; mov %cr3, %edx; mov %edx, %cr3; call T1") "; mov $0, %edx")
H(remap_half, two_halves, "second page remapped", "movl $0xc343, T4; mov $T0+0xffe, %edx; " LOOP("xorl $0x6000, " PTE1 "; invlpg T1; call *%edx"))
H(remap_data, two_pages, "data page remapped, invlpg", "xor %eax, %eax; " LOOP("xorl $0x2000, " PTE1 "; invlpg T1; add T1, %eax"))
H(remap_data3, two_pages, "data page remapped, cr3 load", "xor %eax, %eax; " LOOP("xorl $0x2000, " PTE1 "; mov %cr3, %edx; mov %edx, %cr3; add T1, %eax") "; mov $0, %edx")
H(pg, two_pages, "PG off and on", "movl $5, T4; xor %eax, %eax; xor %ebx, %ebx; mov %cr0, %edx; movl $T4+7, " PTE1 "; " LOOP("and $0x7fffffff, %edx; mov %edx, %cr0; add T4, %eax; movl $3, T1; or $0x80000000, %edx; mov %edx, %cr0; add T1, %ebx") "; mov $0, %edx")
H(pe, 0, "PE and PG off and on", "mov %cr0, %edx; " LOOP("and $0x7ffffffe, %edx; mov %edx, %cr0; jmp 2f; 2: inc %eax; or $0x80000001, %edx; mov %edx, %cr0; jmp 3f; 3: inc %ebx") "; mov $0, %edx")
CASE(hot_d, CODE16_RING0, 0, 0, 0, 0, "hot: CS.D to and fro", ".code16; mov $40, %cl; 1: ljmpl $CODE0, $2f; .code32; 2: add $0x10001, %eax; ljmp $CODE16, $3f-code_hot_d; .code16; 3: add $1, %bx; dec %cl; jnz 1b")
H(far, 0, "far calls", LOOP("lcall $CODE0, $2f; jmp 3f; 2: inc %eax; lret; 3: inc %ebx"))
H(limit, 0, "a segment's limit shrinks", "mov $LIMITED, %edx; mov %edx, %fs; " LOOP("movb %cl, %fs:0xfff; inc %eax; cmp $2, %ecx; jne 2f; sgdt T0+16; mov T0+18, %edi; movw $0x7ff, LIMITED-3(%edi); mov %edx, %fs; mov $0, %edi; 2: nop"))
CASE(hot_tf, RING3, 0, TRACE, 0, 0, "hot: trap flag in ring 3", "mov $3, %edx; 2: mov $2, %ecx; pushf; orl $0x100, (%esp); popf; 1: dec %ecx; jnz 1b; pushf; andl $0xfffffeff, (%esp); popf; dec %edx; jnz 2b")
H(wp, 0, "write to a page made read-only", LOOP("mov %ecx, T0; cmp $2, %ecx; jne 2f; movl $T0+5, page_tables+0x2000; invlpg T0; 2: nop"))
