/* What rings other than 0 may not do; control registers; MSRs. */
#include "priv.h"

static void tsd(void)
{
    write_cr4(4);
}
static void de(void)
{
    write_cr4(CR4_DE);
}
static void sysenter_msrs(void)
{
    wrmsr(0x174, N_CODE0, 0);
    wrmsr(0x175, N_STACK_TSS, 0);
    wrmsr(0x176, (uint32_t)sysenter_entry, 0);
}
static void no_sysenter(void)
{
    wrmsr(0x174, 0, 0);
}

/* clang-format off */
R3(hlt3, "ring 3: hlt", "hlt")
R3(cli3, "ring 3: cli", "cli")
R3(sti3, "ring 3: sti", "sti")
R3(lgdt3, "ring 3: lgdt", "lgdt T0")
R3(lgdt3_absent, "ring 3: lgdt of absent memory", "lgdt T1")
R3(lidt3, "ring 3: lidt", "lidt T0")
R3(lldt3, "ring 3: lldt", "lldt %ax")
R3(ltr3, "ring 3: ltr", "ltr %ax")
R3(mov_cr0_3, "ring 3: mov from cr0", "mov %cr0, %eax")
R3(mov_cr3_3, "ring 3: mov to cr3", "mov %eax, %cr3")
R3(mov_cr4_3, "ring 3: mov to cr4", "mov %eax, %cr4")
R3(mov_dr_3, "ring 3: mov from dr7", "mov %dr7, %eax")
R3(mov_dr4_3, "ring 3: mov from dr4", "mov %dr4, %eax")
CASE(mov_dr4_3de, RING3, 0, 0, de, 0, "ring 3: mov from dr4 with DE", "mov %dr4, %eax")
R3(clts3, "ring 3: clts", "clts")
R3(lmsw3, "ring 3: lmsw", "lmsw %ax")
R3(invlpg3, "ring 3: invlpg", "invlpg T0")
R3(invd3, "ring 3: invd", "invd")
R3(wbinvd3, "ring 3: wbinvd", "wbinvd")
R3(rdmsr3, "ring 3: rdmsr", "mov $0x1b, %ecx; rdmsr")
R3(wrmsr3, "ring 3: wrmsr", "mov $0x1b, %ecx; wrmsr")
R3(rdpmc3, "ring 3: rdpmc", "mov $0, %ecx; rdpmc")
R3(sysexit3, "ring 3: sysexit", "sysexit")
R3(rdtsc3, "ring 3: rdtsc", "rdtsc; mov $0, %eax; mov $0, %edx")
CASE(rdtsc3_tsd, RING3, 0, 0, tsd, 0, "ring 3: rdtsc with TSD", "rdtsc")
CASE(rdtsc0_tsd, RING0, 0, 0, tsd, 0, "ring 0: rdtsc with TSD", "rdtsc; mov $0, %eax; mov $0, %edx")
CASE(hlt1, RING1, 0, 0, 0, 0, "ring 1: hlt", "hlt")
CASE(cr0_1, RING1, 0, 0, 0, 0, "ring 1: mov from cr0", "mov %cr0, %eax")
CASE(cli1, RING1, FL_IOPL(0), 0, 0, 0, "ring 1: cli, iopl 0", "cli")
CASE(cli1_1, RING1, FL_IOPL(1) | FL_IF, SYS_FLAGS, 0, 0, "ring 1: cli, iopl 1", "cli")
CASE(cli3_3, RING3, FL_IOPL(3) | FL_IF, SYS_FLAGS, 0, 0, "ring 3: cli, iopl 3", "cli")
CASE(sti3_3, RING3, FL_IOPL(3), SYS_FLAGS, 0, 0, "ring 3: sti, iopl 3", "sti; nop; nop")
CASE(cli3_2, RING3, FL_IOPL(2), 0, 0, 0, "ring 3: cli, iopl 2", "cli")

/* I/O */
R3(in3, "ring 3: in, no bitmap", "in $0x80, %al")
CASE(in3_3, RING3, FL_IOPL(3), 0, 0, 0, "ring 3: in, iopl 3", "xor %eax, %eax; in $0xe0, %al")
CASE(in3_map, RING3, 0, IO_MAP, 0, 0, "ring 3: in, allowed", "xor %eax, %eax; in $0xe0, %al")
CASE(in3_deny, RING3, 0, IO_MAP, 0, 0, "ring 3: in, denied", "in $0x80, %al")
CASE(in3_cross, RING3, 0, IO_MAP, 0, 0, "ring 3: in of 4, last byte denied", "in $0x7d, %eax")
CASE(in3_below, RING3, 0, IO_MAP, 0, 0, "ring 3: in of 2, below denied", "in $0x7e, %ax; mov $0, %eax")
CASE(in3_limit, RING3, 0, IO_MAP, 0, 0, "ring 3: in beyond the bitmap", "mov $0x108, %edx; in %dx, %al")
CASE(in3_last, RING3, 0, IO_MAP, 0, 0, "ring 3: in of 2 at the bitmap's end", "mov $0xff, %edx; in %dx, %ax")
CASE(out3_limit, RING3, 0, IO_MAP, 0, 0, "ring 3: out far beyond the bitmap", "mov $0xffff, %edx; out %al, %dx")
CASE(ins3, RING3, 0, IO_MAP, 0, 0, "ring 3: insb, denied before memory", "mov $0x80, %edx; mov $T1, %edi; insb")
CASE(ins_absent, RING0, 0, 0, 0, 0, "rep insd runs into absent page", "mov $0xe0, %edx; mov $T1-8, %edi; mov $5, %ecx; rep insl")
CASE(outs_absent, RING0, 0, 0, 0, 0, "rep outsb runs into absent page", "mov $0xe0, %edx; mov $T1-3, %esi; mov $5, %ecx; rep outsb")
CASE(ins_limit, RING0, 0, 0, 0, 0, "rep insw runs into a limit", "mov $LIMITED, %eax; mov %ax, %es; mov $0xe0, %edx; mov $0xffa, %edi; mov $5, %ecx; rep insw")
CASE(ins_ro, RING0, 0, 0, 0, 0, "insb to read-only page", "mov $0xe0, %edx; mov $T3, %edi; insb")

/* Control registers */
R0(cr0_pg_no_pe, "cr0: PG without PE", "mov %cr0, %eax; and $0xfffffffe, %eax; mov %eax, %cr0")
R0(cr0_nw_no_cd, "cr0: NW without CD", "mov %cr0, %eax; or $0x20000000, %eax; mov %eax, %cr0")
R0(cr0_et, "cr0: ET stays, reserved bits ignored", "mov %cr0, %eax; and $0xffffffef, %eax; mov %eax, %cr0; mov %cr0, %eax")
R0(cr1, "cr1", ".byte 0x0f, 0x20, 0xc8")
R0(cr5, "cr5", ".byte 0x0f, 0x22, 0xe8")
R0(cr4_reserved, "cr4: reserved bit", "mov $0x80000000, %eax; mov %eax, %cr4")
R0(cr4_la57, "cr4: bit 15", "mov $0x8000, %eax; mov %eax, %cr4")
R0(cr2, "cr2 holds what is written", "mov $0xcafebabe, %eax; mov %eax, %cr2; mov %cr2, %ebx")
R0(lmsw_pe, "lmsw cannot clear PE", "xor %eax, %eax; lmsw %ax; mov %cr0, %eax")
R0(lmsw_ts, "lmsw sets TS, clts clears it", "mov $0xb, %eax; lmsw %ax; mov %cr0, %ebx; clts; mov %cr0, %ecx")
R3(smsw3, "ring 3: smsw", "smsw %eax")
R3(smsw3_16, "ring 3: smsw, 16 bits", "smsww %bx")
R3(smsw3_mem, "ring 3: smsw to memory", "smsw T0; mov T0, %ebx")
static void pae_setup(void)
{
    static uint64_t pdpt[4] __attribute__((aligned(32)));
    static uint64_t pd[512] __attribute__((aligned(4096)));
    uint64_t *bad = (uint64_t *)N_T0;

    for (unsigned i = 0; i < 8; i++)
        pd[i] = (uint64_t)i << 21 | 0x87;
    pdpt[0] = (uint32_t)pd | 1;
    for (unsigned i = 0; i < 512; i++)
        bad[i] = 0;
    /* What is bad is never walked: only the load can notice it. */
    bad[0] = bad[4] = bad[8] = bad[12] = (uint32_t)pd | 1;
    bad[7] = (uint32_t)pd | 3;       /* R/W is reserved */
    bad[9] = 0xfff00000000001e6ull;  /* absent: may hold anything */
    bad[14] = 1ull << 62 | 1;
    write_cr0(read_cr0() & ~CR0_PG);
    write_cr4(CR4_PAE);
    write_cr3((uint32_t)pdpt);
    write_cr0(read_cr0() | CR0_PG);
}
static void pae_end(void)
{
    write_cr0(read_cr0() & ~CR0_PG);
    write_cr4(0);
    write_cr3((uint32_t)page_dir);
    write_cr0(read_cr0() | CR0_PG);
}
CASE(pdpte_good, RING0, 0, 0, pae_setup, pae_end, "PAE: cr3 with good PDPTEs", "mov $T0, %eax; mov %eax, %cr3; mov T2, %ebx")
CASE(pdpte_rw, RING0, 0, 0, pae_setup, pae_end, "PAE: cr3 with R/W in a PDPTE", "mov $T0+32, %eax; mov %eax, %cr3")
CASE(pdpte_absent, RING0, 0, 0, pae_setup, pae_end, "PAE: cr3 with bits in an absent PDPTE", "mov $T0+64, %eax; mov %eax, %cr3; mov T2, %ebx")
CASE(pdpte_high, RING0, 0, 0, pae_setup, pae_end, "PAE: cr3 with bit 62 in a PDPTE", "mov $T0+96, %eax; mov %eax, %cr3")
CASE(pdpte_gone, RING0, 0, 0, pae_setup, pae_end, "PAE: address in an absent PDPTE", "mov 0x40000000, %eax")

/* MSRs */
R0(msr_unknown, "rdmsr of an unknown MSR", "mov $0xdeadbeef, %ecx; rdmsr")
R0(msr_unknown_w, "wrmsr of an unknown MSR", "mov $0xdeadbeef, %ecx; wrmsr")
R0(efer_reserved, "wrmsr of EFER, reserved bit", "mov $0xc0000080, %ecx; rdmsr; or $2, %eax; wrmsr")
R0(pat_bad, "wrmsr of PAT, bad type", "mov $0x277, %ecx; mov $2, %eax; xor %edx, %edx; wrmsr")
R0(rdpmc_bad, "rdpmc of counter 9999h", "mov $0x9999, %ecx; rdpmc")

/* SYSENTER, SYSEXIT */
CASE(sysenter, RING3, FL_IF, SYS_FLAGS | SHOW_SEGS, sysenter_msrs, no_sysenter, "sysenter", "sysenter")
CASE(sysenter_tf, RING3, FL_TF, SHOW_DR6, sysenter_msrs, no_sysenter, "TF across sysenter", "sysenter")
CASE(sysenter_none, RING3, 0, 0, no_sysenter, 0, "sysenter without CS", "sysenter")
CASE(sysexit_none, RING0, 0, 0, no_sysenter, 0, "sysexit without CS", "sysexit")
CASE(sysexit, RING0, 0, SHOW_SEGS, sysenter_msrs, no_sysenter, "sysexit", "mov $1f, %edx; mov $STACK3, %ecx; sysexit; 1: nop")

/* What user mode can see */
R3(str3, "ring 3: str, sldt", "str %eax; sldt %ebx")
CASE(sldt3, RING3, 0, USE_LDT, 0, 0, "ring 3: sldt to memory", "movl $-1, T0; sldt T0; mov T0, %eax")
R3(str_reg16, "ring 3: str, 16 bits", "strw %ax")
R3(sidt3, "ring 3: sidt, sgdt limits", "sidt T0; sgdt T0+8; movzwl T0, %eax; movzwl T0+8, %ebx")
R0(sgdt_same, "ring 0 and 16-bit sgdt agree", "sgdt T0; sgdtw T0+8; mov T0+2, %eax; sub T0+10, %eax")
R0(lgdt16, "16-bit lidt takes 24 bits", "movw $0xfff, T0; movl $0xab123456, T0+2; sidt T0+16; lidtw T0; sidt T0+8; lidt T0+16; mov T0+10, %eax")
R0(lgdt_absent, "lgdt of absent memory", "lgdt T1")
R0(invlpg_absent, "invlpg of an absent page", "invlpg T1")
R0(cpuid_vendor, "cpuid: hypervisor", "mov $0x40000000, %eax; cpuid; xor %eax, %eax")
R3(cpuid_3, "ring 3: cpuid is ring 0's", "mov $0x40000000, %eax; cpuid; xor %eax, %eax")
R0(rsm, "rsm", "rsm")
