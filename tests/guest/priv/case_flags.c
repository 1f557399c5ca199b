/* EFLAGS: POPF in every ring, IF and its shadows. */
#include "priv.h"

/* clang-format off */
#define POPF(value) "pushl $" #value "; popf"
#define FLAGS_CASE(id, mode, fl, text, value) \
    CASE(id, mode, fl, SYS_FLAGS, 0, 0, text, POPF(value))

FLAGS_CASE(popf0_all, RING0, 0, "popf: ring 0, all but TF", 0x3ffeff)
FLAGS_CASE(popf0_none, RING0, FL_IOPL(3) | FL_AC | FL_ID | FL_NT, "popf: ring 0, none", 0)
FLAGS_CASE(popf1_all, RING1, 0, "popf: ring 1, iopl 0", 0x247eff)
FLAGS_CASE(popf1_1, RING1, FL_IOPL(1), "popf: ring 1, iopl 1", 0x247eff)
FLAGS_CASE(popf3_0, RING3, FL_IF, "popf: ring 3, iopl 0, IF off", 0x244cff)
FLAGS_CASE(popf3_1, RING3, FL_IF | FL_IOPL(1), "popf: ring 3, iopl 1, IF off", 0x3000)
FLAGS_CASE(popf3_2, RING3, FL_IOPL(2), "popf: ring 3, iopl 2, IF on", 0x200)
FLAGS_CASE(popf3_3, RING3, FL_IOPL(3) | FL_IF, "popf: ring 3, iopl 3, IF off", 0)
FLAGS_CASE(popf3_3on, RING3, FL_IOPL(3), "popf: ring 3, iopl 3, IF on", 0x200)
CASE(popfw, RING0, FL_AC | FL_ID, SYS_FLAGS, 0, 0, "popfw keeps the upper half", "pushw $0x4000; popfw")
CASE(popf_rf, RING0, 0, 0, 0, 0, "popf ignores RF and VM", "pushl $0x30002; popf; pushf; pop %eax")
CASE(pushf_vm, RING3, FL_IOPL(3) | FL_NT, 0, 0, 0, "pushf", "pushf; pop %eax; and $0xfffff72a, %eax")
CASE(pushfw, RING3, FL_ID, 0, 0, 0, "pushfw", "pushfw; pop %ax; and $0xf72a, %ax")
R0(popf_absent, "popf from absent page", "mov $T1, %esp; popf")
R3(pushf_absent, "pushf to absent page", "mov $T2, %esp; pushf")
CASE(iret3_if, RING3, FL_IF, SYS_FLAGS, 0, 0, "iret in ring 3, iopl 0: IF, IOPL stay", "pushl $0x3000; push $CODE3; push $1f; iret; 1: nop")
CASE(iret3_if3, RING3, FL_IF | FL_IOPL(3), SYS_FLAGS, 0, 0, "iret in ring 3, iopl 3: IF goes", "pushl $0; push $CODE3; push $1f; iret; 1: nop")
CASE(iret3_vm, RING3, 0, SYS_FLAGS, 0, 0, "iret in ring 3: VM ignored", "pushl $0x20002; push $CODE3; push $1f; iret; 1: nop")
CASE(iret0_id, RING0, 0, SYS_FLAGS, 0, 0, "iret in ring 0: AC, ID, IOPL", "pushl $0x243002; push $CODE0; push $1f; iret; 1: nop")
CASE(iretw0, CODE16_RING0, FL_ID | FL_AC, SYS_FLAGS, 0, 0, "iretw keeps the upper flags", ".code16; pushw $0x1002; push %cs; pushw $1f-code_iretw0; iretw; 1: nop")
CASE(sahf, RING0, 0, SHOW_FLAGS, 0, 0, "sahf", "mov $0xff, %ah; sahf; lahf")

/* Timer interrupts that are pending before they may come. */
static void irq_pending(void)
{
    outb(0x43, 0x30); /* channel 0, mode 0 */
    outb(0x40, 16);
    outb(0x40, 0);
    outb(0x21, 0xfe);
    do
        outb(0x20, 0x0a); /* read IRR */
    while (!(inb(0x20) & 1));
}
static void irq_end(void)
{
    outb(0x21, 0xff);
    outb(0x43, 0x30);
    if (record.vector == 0x20)
        outb(0x20, 0x20);
}
#define IRQ_CASE(id, fl, text, code) \
    CASE(id, RING0, fl, TRACE, irq_pending, irq_end, text, code)

IRQ_CASE(irq_sti, 0, "sti shadow", "sti; nop; nop; nop")
IRQ_CASE(irq_sti_cli, 0, "sti; cli: none", "sti; cli; nop; nop")
IRQ_CASE(irq_sti_sti, 0, "sti; sti: shadow of the first alone", "sti; sti; nop; nop")
IRQ_CASE(irq_sti_hlt, 0, "sti; hlt wakes", "sti; hlt; nop")
IRQ_CASE(irq_popf, 0, "popf has no shadow", "pushl $0x202; popf; nop; nop")
IRQ_CASE(irq_iret, 0, "iret has no shadow", "pushl $0x202; push $CODE0; push $1f; iret; 1: nop; nop")
IRQ_CASE(irq_sti_movss, 0, "sti; mov ss: both shadows", "mov %ss, %eax; sti; mov %eax, %ss; nop; nop; xor %eax, %eax")
IRQ_CASE(irq_sti_popss, 0, "sti; pop ss: both shadows", "push %ss; sti; pop %ss; nop; nop")
IRQ_CASE(irq_sti_lss, 0, "sti; lss: no shadow of lss", "movl $STACK0, T0; movl $DATA0, T0+4; sti; lss T0, %esp; nop; nop")
IRQ_CASE(irq_sti_popds, 0, "sti; pop ds: no shadow of pop ds", "push %ds; sti; pop %ds; nop; nop")
IRQ_CASE(irq_hlt, FL_IF, "interrupt before the first instruction", "nop; nop; xor %eax, %eax")
IRQ_CASE(irq_rep, 0, "sti; rep movsb", "mov $T0, %esi; mov $T2, %edi; mov $3, %ecx; sti; nop; rep movsb; nop")
IRQ_CASE(irq_off, 0, "IF off: none", "nop; nop; mov $0, %eax; nop")
CASE(irq_ring3, RING3, FL_IF, 0, irq_pending, irq_end, "interrupt in ring 3", "nop; nop")
CASE(irq_sti3, RING3, FL_IOPL(3), SYS_FLAGS, irq_pending, irq_end, "sti in ring 3", "sti; nop; nop")
CASE(irq_v86, V86, FL_IF | FL_IOPL(0), 0, irq_pending, irq_end, "interrupt in V86", ".code16; nop; nop")
