/* Single steps and the debug registers. */
#include "priv.h"

/* clang-format off */
#define T(id, fl, w, text, assembly) CASE(id, RING0, fl, TRACE | (w), 0, 0, text, assembly)
#define TF_ON  "pushf; orl $0x100, (%esp); popf; "
#define TF_OFF "; pushf; andl $0xfffffeff, (%esp); popf; nop"
T(tf, 0, 0, "TF: traps after the next instruction", TF_ON "nop; inc %eax" TF_OFF)
T(tf_int, 0, 0, "TF across int: none after int", TF_ON "nop; int $0x30")
T(tf_into, 0, 0, "TF: into without OF", TF_ON "into; nop" TF_OFF)
T(tf_rep, 0, 0, "TF in rep: one per iteration", "mov $T0, %esi; mov $T2, %edi; mov $2, %ecx; " TF_ON "rep movsb" TF_OFF)
T(tf_movss, 0, 0, "TF: mov ss swallows a trap", "mov %ss, %eax; " TF_ON "mov %eax, %ss; nop; nop" TF_OFF "; xor %eax, %eax")
T(tf_popss, 0, 0, "TF: pop ss swallows a trap", "push %ss; " TF_ON "pop %ss; nop; nop" TF_OFF)
T(tf_jmp, 0, 0, "TF: jumps", TF_ON "jmp 1f; nop; 1: nop" TF_OFF)
T(tf_fault, 0, 0, "TF: a fault traps not", TF_ON "mov T1, %eax")
T(tf_iret, 0, 0, "TF set by iret", "pushf; orl $0x100, (%esp); push %cs; push $1f; iret; 1: nop; nop" TF_OFF)
T(tf_cpuid, 0, 0, "TF after cpuid", TF_ON "cpuid; nop" TF_OFF "; mov $0, %eax; mov $0, %ebx; mov $0, %ecx; mov $0, %edx")
T(tf_in, 0, 0, "TF after in", TF_ON "in $0xe0, %al; nop" TF_OFF)
T(tf_movcr, 0, 0, "TF after mov cr", TF_ON "mov %cr3, %ebx; mov %ebx, %cr3; nop" TF_OFF "; mov $0, %ebx")
T(tf_popf, 0, 0, "TF: popf that clears it still traps", TF_ON "pushl $2; popf; nop; nop")
CASE(tf_r3, RING3, FL_TF, SHOW_DR6, 0, 0, "TF in ring 3", "nop; nop")
CASE(tf_v86, V86, FL_TF | FL_IOPL(3), SHOW_DR6, 0, 0, "TF in V86", ".code16; nop; nop")
CASE(tf_v86_popf, V86, FL_IOPL(3), SHOW_DR6, 0, 0, "TF in V86, by popf", ".code16; pushw $0x3102; popf; nop; nop")
CASE(tf_sysenter, RING3, FL_TF, SHOW_DR6, 0, 0, "TF with sysenter, no cs", "sysenter")

/* DR0 to DR3.  DR7: enable | rw << 16 | len << 18. */
#define BP(n, address, dr7) "mov $" address ", %eax; mov %eax, %dr" n "; mov $" dr7 ", %eax; mov %eax, %dr7; "
#define BP_OFF "; mov $0x400, %eax; mov %eax, %dr7; xor %eax, %eax"
T(dr_exec, 0, 0, "dr0: instruction", BP("0", "1f", "0x402") "nop; 1: nop; nop" BP_OFF)
T(dr_exec_rf, 0, 0, "dr0: instruction, RF on return", BP("0", "1f", "0x402") "mov $2, %ecx; 1: dec %ecx; jnz 1b" BP_OFF)
T(dr_exec_iret, 0, 0, "dr0: iret with RF skips it", BP("0", "1f", "0x402") "pushl $0x10002; push %cs; push $1f; iret; 1: nop; nop" BP_OFF)
T(dr_write, 0, 0, "dr1: write of 4", BP("1", "T0+4", "0xd00408") "mov %ebx, T0; mov %ebx, T0+4; mov T0+4, %ebx; mov %bl, T0+7; mov %bl, T0+8" BP_OFF "; mov $0, %ebx")
T(dr_rw, 0, 0, "dr2: read or write of 2", BP("2", "T0+8", "0x7000420") "mov T0+8, %ebx; mov T0+10, %ebx; mov T0+7, %bl; mov T0+6, %ebx" BP_OFF "; mov $0, %ebx")
T(dr_across, 0, 0, "dr3: write across it", BP("3", "T0+9", "0x10000480") "mov %ebx, T0+6; mov %ebx, T0+5" BP_OFF)
T(dr_push, 0, 0, "dr0: push", BP("0", "STACK0-4", "0xd0402") "push %ebx; pop %ecx; mov $0, %ecx" BP_OFF)
T(dr_movs, 0, 0, "dr0: rep movsb", "mov $T0, %esi; mov $T2, %edi; mov $3, %ecx; " BP("0", "T2+1", "0x10402") "rep movsb; nop" BP_OFF)
T(dr_two, 0, 0, "dr0 and dr1 at once", "mov $T0, %eax; mov %eax, %dr0; mov %eax, %dr1; mov $0x11040a, %eax; mov %eax, %dr7; movb $1, T0" BP_OFF)
T(dr_fault, 0, 0, "dr0: faulting write", BP("0", "T3", "0xd0402") "mov %ebx, T3" BP_OFF)
T(dr_disabled, 0, 0, "dr0: disabled, still in dr6 or not", BP("0", "T0", "0xd0400") "mov %ebx, T0; nop" BP_OFF)
T(dr_movss, 0, 0, "dr0: after mov ss", "mov %ss, T0; " BP("0", "T0", "0x70402") "mov T0, %ss; nop; nop" BP_OFF)
CASE(dr_gd, RING0, 0, SHOW_DR6, 0, 0, "dr7: GD", "mov $0x2400, %eax; mov %eax, %dr7; mov %dr0, %ebx")
R0(dr_gd_clear, "dr7: GD is cleared for the handler", "mov $0x400, %eax; mov %eax, %dr7; mov %dr7, %ebx")
R0(dr_fixed, "dr6, dr7: fixed bits", "xor %eax, %eax; mov %eax, %dr6; mov %dr6, %ebx; mov %eax, %dr7; mov %dr7, %ecx")
R0(dr_alias, "dr4, dr5: aliases", "mov $0x1, %eax; mov %eax, %dr6; mov %dr4, %ebx; mov %dr5, %ecx")
CASE(dr_de, RING0, 0, 0, 0, 0, "dr4 with DE", "mov $8, %eax; mov %eax, %cr4; mov %dr4, %ebx")
CASE(dr_io, RING0, 0, TRACE, 0, 0, "dr0: I/O", "mov $8, %eax; mov %eax, %cr4; " BP("0", "0xe0", "0x20402") "in $0xe0, %al; out %al, $0xe1; nop" BP_OFF)
T(int1, 0, 0, "int1", ".byte 0xf1; nop")
CASE(int1_r3, RING3, 0, SHOW_DR6, 0, 0, "int1 in ring 3", ".byte 0xf1; nop")
CASE(dr_user, RING3, 0, SHOW_DR6, 0, 0, "int 1 in ring 3", "int $1")
