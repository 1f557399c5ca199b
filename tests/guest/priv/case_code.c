/* Code that is written, and code across pages. */
#include "priv.h"

static const uint8_t mov_eax[] = {0xb8, 0x78, 0x56, 0x34, 0x12, 0xc3};

/* MOV EAX, 12345678h; RET: two bytes of it in T0, the rest in T1. */
static void across(void)
{
    for (unsigned i = 0; i < 2; i++)
        ((uint8_t *)N_T0)[0xffe + i] = mov_eax[i];
    for (unsigned i = 2; i < sizeof(mov_eax); i++)
        ((uint8_t *)N_T2)[i - 2] = mov_eax[i];
}
static void across_mapped(void)
{
    across();
    page_table[1] = N_T2 | 7;
    invlpg(N_T1);
}

/* clang-format off */
#define PTE1 "page_tables+0x2004"
R0(smc_next, "smc: next instruction", "mov $1, %eax; movb $0x43, 1f; 1: inc %eax; nop")
R0(smc_imm, "smc: immediate in the same block", "mov $3, %ecx; 2: incb 1f+1; 1: mov $0x10, %al; dec %ecx; jnz 2b")
R0(smc_own, "smc: an instruction that writes itself", "mov $0x90909090, %eax; 1: mov %eax, 1b; nop; mov $0, %eax")
R0(smc_back, "smc: loop that was translated", "mov $2, %ecx; 1: inc %eax; movb $0x43, 1b; dec %ecx; jnz 1b")
R0(smc_push, "smc: by push", "mov $1f+4, %esp; push $0x43434343; 1: inc %eax; inc %eax; inc %eax; inc %eax; mov $STACK0, %esp")
R0(smc_call, "smc: function written, called, rewritten", "movl $0xc340, T0; call T0; movl $0xc343, T0; call T0")
R0(smc_alias, "smc: through another mapping", "movl $T2+7, " PTE1 "; invlpg T1; movl $0xc340, T2; call T1; movl $0xc343, T2; call T1")
R0(smc_page, "smc: from one page to the next", "movb $0xeb, T0+0xffe; movb $0, T0+0xfff; movl $T2+7, " PTE1 "; invlpg T1; movl $0xc340, T1; mov $T0+0xffe, %ebx; call *%ebx; movl $0xc341, T1; call *%ebx; mov $0, %ebx")
R0(smc_xchg, "smc: by xchg", "mov $0x43, %bl; xchg %bl, 1f; 1: inc %eax; nop")
R0(smc_ring3_like, "smc: two writes before one run", "movl $0xc340, T0; movl $0xc34343, T0; call T0")
CASE(cross_absent, RING0, 0, 0, across, 0, "across pages: second half absent", "call T0+0xffe")
CASE(cross_mapped, RING0, 0, 0, across_mapped, 0, "across pages: second half present", "call T0+0xffe")
CASE(cross_remap, RING0, 0, 0, across_mapped, 0, "across pages: second half remapped", "call T0+0xffe; mov %eax, %ebx; movl $0xc3999999, T4; movl $T4+7, " PTE1 "; invlpg T1; call T0+0xffe")
CASE(cross_unmap, RING0, 0, 0, across_mapped, 0, "across pages: second half unmapped", "call T0+0xffe; movl $0, " PTE1 "; invlpg T1; call T0+0xffe")
CASE(cross_write, RING0, 0, 0, across_mapped, 0, "across pages: second half written", "call T0+0xffe; mov %eax, %ebx; movw $0x9999, T1; call T0+0xffe")
CASE(cross_user, RING3, 0, 0, across_mapped, 0, "across pages: in ring 3", "call T0+0xffe")
R0(remap_code, "code page remapped", "movl $0xc340, T0; movl $0xc343, T2; movl $T0+7, " PTE1 "; invlpg T1; call T1; movl $T2+7, " PTE1 "; invlpg T1; call T1")
R0(remap_data, "data page remapped", "movl $1, T0; movl $2, T2; movl $T0+7, " PTE1 "; invlpg T1; mov T1, %eax; movl $T2+7, " PTE1 "; invlpg T1; mov T1, %ebx")
R0(remap_cr3, "data page remapped, cr3 load", "movl $1, T0; movl $2, T2; movl $T0+7, " PTE1 "; invlpg T1; mov T1, %eax; movl $T2+7, " PTE1 "; mov %cr3, %ecx; mov %ecx, %cr3; mov T1, %ebx; xor %ecx, %ecx")
R0(unmap, "page unmapped", "movl $T0+7, " PTE1 "; invlpg T1; mov T1, %eax; movl $0, " PTE1 "; invlpg T1; mov T1, %ebx")
R0(protect, "page made read-only", "movl $T0+7, " PTE1 "; invlpg T1; mov %ebx, T1; movl $T0+5, " PTE1 "; invlpg T1; mov T1, %eax; mov %ebx, T1")
R0(map_late, "absent page becomes present, no flush", "movl $T2+7, " PTE1 "; mov T1, %eax")
R0(pte_self, "page table written through itself", "mov $page_tables+0x2000, %esi; movl $T2+7, 4(%esi); movl $0x77, T2; invlpg T1; mov T1, %eax; xor %esi, %esi")
R3(user_smc, "smc in ring 3", "mov $1, %eax; movb $0x43, 1f; 1: inc %eax; nop")
CASE(v_smc, V86, FL_IOPL(3), 0, 0, 0, "smc in V86", ".code16; movb $0x43, %cs:1f-code_v_smc; 1: inc %ax; nop")
