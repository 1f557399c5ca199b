/* Far transfers, gates, INT n, IRET, tasks, nested faults. */
#include "priv.h"

extern uint8_t task16_entry[];

static void set_gate16(void)
{
    descriptor(N_CODE16, (uint32_t)gate_target16, 0xffff, 0x009b);
}
static void set_task16(void)
{
    descriptor(N_CODE16, (uint32_t)task16_entry, 0xffff, 0x009b);
}
static void show_task(void)
{
    const uint32_t *t = (const uint32_t *)(N_T0 + 0x100);

    put_field("task", t[0], 8);
    put_field("sp", t[1], 8);
    put_field("fl", t[2], 8);
    put_field("tr", t[3], 8);
    put_field("type", descriptor_at(N_TSS_MAIN)[1] >> 8 & 15, 1);
    put_field("type", descriptor_at(N_TSS_B)[1] >> 8 & 15, 1);
}
static void show_task16(void)
{
    const uint16_t *t = (const uint16_t *)(N_T0 + 0x100);

    put_field("task", t[0], 4);
    put_field("sp", t[1], 4);
    put_field("tr", t[2], 4);
    put_field("type", descriptor_at(N_TSS_16)[1] >> 8 & 15, 1);
}
static void nested_np(void)
{
    idt_gate(6, 0x0e, N_CODE0, NULL);
}
static void nested_df(void)
{
    idt_gate(0, 0x0e, N_CODE0, NULL);
}
static void nested_pf_gp(void)
{
    idt_gate(14, 0x8e, N_BEYOND, NULL);
}
static void nested_de_pf(void)
{
    idt_gate(0, 0x8e, N_CODE0, (const void *)N_T1);
}
static void ss0_bad(void)
{
    *(uint16_t *)(tss_bytes(N_TSS_MAIN) + 8) = N_DATA3 & ~3u;
}
static void ss0_null(void)
{
    *(uint16_t *)(tss_bytes(N_TSS_MAIN) + 8) = 0;
}
static void ss0_absent(void)
{
    *(uint16_t *)(tss_bytes(N_TSS_MAIN) + 8) = N_ABSENT_DATA0;
}
static void esp0_absent(void)
{
    *(uint32_t *)(tss_bytes(N_TSS_MAIN) + 4) = N_T2;
}
static void task_absent(void)
{
    descriptor_at(N_TSS_B)[1] &= ~0x8000u;
}
static void task_short(void)
{
    descriptor_at(N_TSS_B)[0] -= 1;
}
static void task_cs(void)
{
    *(uint16_t *)(tss_bytes(N_TSS_B) + 0x4c) = N_DATA0;
}
static void task_ss(void)
{
    *(uint16_t *)(tss_bytes(N_TSS_B) + 0x50) = N_DATA3;
}
static void task_ds(void)
{
    *(uint16_t *)(tss_bytes(N_TSS_B) + 0x54) = N_BEYOND;
}
static void task_trap(void)
{
    *(uint16_t *)(tss_bytes(N_TSS_B) + 0x64) = 1;
}
static void link_bad(void)
{
    *(uint16_t *)tss_bytes(N_TSS_MAIN) = N_TSS_B;
}

/* clang-format off */
#define FAR(op, sel) op " $" #sel ", $0"
R0(jmp_null, "ljmp null", FAR("ljmp", 0))
R0(jmp_rpl, "ljmp null with RPL", FAR("ljmp", 3))
R0(jmp_beyond, "ljmp beyond the GDT", FAR("ljmp", BEYOND))
R0(jmp_data, "ljmp to data", FAR("ljmp", DATA0))
R0(jmp_np, "ljmp to absent code", FAR("ljmp", ABSENT_CODE0))
R0(jmp_dpl3, "ring 0 jumps to ring 3", FAR("ljmp", CODE3))
R3(jmp_dpl0, "ring 3 jumps to ring 0", FAR("ljmp", CODE0))
R3(jmp_self, "ljmp in ring 3", "ljmp $CODE3, $1f; 1: mov %cs, %eax")
R3(jmp_rpl0, "ljmp in ring 3 with RPL 0", "ljmp $CODE3-3, $1f; 1: mov %cs, %eax")
R0(jmp_rpl3, "ring 0 jumps with RPL 3", "ljmp $CODE0+3, $1f; 1: nop")
R3(jmp_conf, "ring 3 jumps to conforming", "ljmp $CONFORMING, $1f; 1: mov %cs, %eax; ljmp $CODE3, $2f; 2: nop")
R3(call_conf, "ring 3 calls conforming", "lcall $CONFORMING, $1f; jmp 2f; 1: mov %cs, %eax; lret; 2: nop")
R0(jmp_ldt, "ljmp to an LDT", FAR("ljmp", LDT))
R0(jmp_mem_absent, "ljmp through absent memory", "ljmp *T1-4")
R3(call_push_absent, "lcall, stack absent", "mov $T2+4, %esp; lcall $CODE3, $1f; 1: nop")
R3(gate, "call gate", "pushl $0xbbbb; pushl $0xaaaa; lcall $GATE32, $0x1234; nop")
CASE(gate_segs, RING3, 0, SHOW_SEGS, 0, 0, "call gate and back: segments", "mov $CONFORMING, %eax; mov %ax, %fs; pushl $0xbbbb; pushl $0xaaaa; lcall $GATE32, $0")
R0(gate_same, "call gate, same ring", "push %ebx; lcall $GATE_DPL0, $0; mov $STACK0, %esp")
CASE(gate16, RING3, 0, 0, set_gate16, 0, "call gate of 16 bits", "pushw $0xaaaa; lcall $GATE16, $0")
R3(gate_dpl, "call gate: DPL 0 from ring 3", FAR("lcall", GATE_DPL0))
R3(gate_np, "call gate: not present", FAR("lcall", GATE_ABSENT))
R3(gate_null, "call gate: null code", FAR("lcall", GATE_NULL))
R3(gate_jmp, "call gate: jmp inward", FAR("ljmp", GATE32))
CASE(gate_ss_bad, RING3, 0, BY_TASK, ss0_bad, 0, "call gate: ss0 of ring 3", FAR("lcall", GATE32))
CASE(gate_ss_null, RING3, 0, BY_TASK, ss0_null, 0, "call gate: ss0 null, #TS too", FAR("lcall", GATE32))
CASE(gate_esp_absent, RING3, 0, 0, esp0_absent, 0, "call gate: esp0 absent, then #DF", "movl $0, T0; lcall $GATE32, $0")
R3(ret_in, "lret inward", "push $CODE0; push $0; lret")
R0(ret_null, "lret to null", "push $0; push $0; lret")
R0(ret_data, "lret to data", "push $DATA0; push $0; lret")
R0(ret_np, "lret to absent code", "push $ABSENT_CODE0; push $0; lret")
R0(ret_ss, "lret outward, bad ss", "push $DATA0; push $STACK3; push $CODE3; push $0; lret")
R0(ret_ss_null, "lret outward, null ss", "push $0; push $STACK3; push $CODE3; push $0; lret")
R0(ret_ss_np, "lret outward, absent ss", "push $ABSENT3; push $STACK3; push $CODE3; push $0; lret")
CASE(ret_out, RING0, 0, SHOW_SEGS, 0, 0, "lret outward", "push $DATA3; push $STACK3; push $CODE3; push $1f; lret; 1: nop")
R0(ret_out_imm, "lret outward, 8 bytes", "push $DATA3; push $STACK3-8; push $1; push $2; push $CODE3; push $1f; lret $8; 1: nop")
R0(ret_out_absent, "lret outward, stack absent", "mov $T1-8, %esp; movl $1f, (%esp); movl $CODE3, 4(%esp); 1: lret")
CASE(iret_out, RING0, 0, SHOW_SEGS, 0, 0, "iret outward: data segments go", "push $DATA3; push $STACK3; push $2; push $CODE3; push $1f; mov $DATA3, %eax; mov %ax, %fs; mov $CONFORMING, %eax; mov %ax, %gs; iret; 1: nop")
CASE(iret_out1, RING0, 0, SHOW_SEGS, 0, 0, "iret to ring 1", "push $DATA1; push $STACK3; push $2; push $CODE1; push $1f; iret; 1: nop")
R0(iret_null, "iret to null", "push $2; push $0; push $0; iret")
R0(iret_rpl, "iret, RPL not DPL", "push $2; push $CODE3-3; push $0; iret")
R3(iret_in, "iret inward", "push $2; push $CODE0; push $0; iret")
R0(iret_ss, "iret outward, bad ss", "push $DATA0; push $STACK3; push $2; push $CODE3; push $0; iret")
R0(iret_absent, "iret from absent stack", "mov $T1-4, %esp; iret")
R0(iret_limit, "iret beyond cs", "push $2; push $SHORT_CODE0; push $0x100; iret")
CASE(iret_sp16, RING0, 0, 0, 0, 0, "iret to a 16-bit stack: upper half stays", "push $STACK16_3; push $0xabcd1234; push $2; push $CODE3; push $1f; iret; 1: mov %esp, %ebx; mov $DATA3, %ecx; mov %cx, %ss; mov $STACK3, %esp")

/* INT n */
R3(int_dpl, "int: DPL 0", "int $0x80")
R3(int_np, "int: not present", "int $0x32")
R0(int_np0, "int: not present, ring 0", "int $0x32")
R3(int_data, "int: data for code", "int $0x33")
R3(int_null, "int: null code", "int $0x34")
R3(int_type, "int: a call gate", "int $0x36")
R3(int_csnp, "int: absent code", "int $0x37")
R3(int_beyond, "int: code beyond the GDT", "int $0x3a")
R3(int_conf, "int: conforming, stays in ring 3", "int $0x39")
R0(int_outward, "int: to ring 1 from ring 0", "int $0x38")
R3(int_irq, "int: an exception's vector", "int $13")
CASE(int_flags, RING3, FL_IF | FL_NT, SYS_FLAGS, 0, 0, "int: pushed flags", "int $0x31")
CASE(int_rf, RING3, FL_RF, SHOW_RF, 0, 0, "int: RF is clear", "nop; int $0x30")
CASE(fault_rf, RING3, 0, SHOW_RF, 0, 0, "fault: RF is set", "ud2")
CASE(fault_pf_rf, RING3, 0, SHOW_RF, 0, 0, "page fault: RF is set", "mov T1, %eax")
CASE(int_ss_null, RING3, 0, BY_TASK, ss0_null, 0, "int: ss0 null", "int $0x30")
CASE(int_ss_np, RING3, 0, BY_TASK, ss0_absent, 0, "int: ss0 absent", "int $0x30")
CASE(int_esp_absent, RING3, 0, 0, esp0_absent, 0, "int: esp0 absent", "int $0x30")

/* Nested */
CASE(nest_np, RING0, 0, 0, nested_np, 0, "#UD's gate absent: #NP with EXT", "ud2")
CASE(nest_df, RING0, 0, SHOW_TR, nested_df, 0, "#DE, #NP: #DF", "xor %ebx, %ebx; div %ebx")
CASE(nest_pf_gp, RING0, 0, SHOW_TR, nested_pf_gp, 0, "#PF, #GP: #DF", "mov T1, %eax")
CASE(nest_pf_pf, RING0, 0, SHOW_TR, 0, 0, "#PF, #PF: #DF", "mov $T2, %esp; mov T6, %eax")
CASE(nest_gp_pf, RING0, 0, SHOW_TR, 0, 0, "#GP, #PF: #PF then #DF", "mov $T2, %esp; mov $BEYOND, %eax; mov %ax, %ds")
CASE(nest_de_fetch, RING0, 0, 0, nested_de_pf, 0, "#DE's handler absent: a new #PF", "xor %ebx, %ebx; div %ebx")

/* Tasks */
CASE(task_call, RING0, 0, 0, 0, show_task, "call TSS and iret", "lcall $TSS_B, $0; nop")
CASE(task_gate, RING3, 0, 0, 0, show_task, "call task gate from ring 3 and iret", "lcall $GATE_TASK, $0; nop")
CASE(task_int, RING3, 0, 0, 0, show_task, "int through task gate and iret", "int $0x35; nop")
CASE(task_16, RING0, 0, 0, set_task16, show_task16, "call 16-bit TSS and iret", "movl $0x12345678, %eax; lcall $TSS_16, $0; mov $0, %eax; mov $0, %ecx; mov $0, %edx; mov $0, %ebx; mov $0, %ebp; mov $0, %esi; mov $0, %edi; mov $STACK0, %esp")
CASE(task_twice, RING0, 0, 0, 0, show_task, "the task goes on where it was", "lcall $TSS_B, $0; movl $0, T0+0x100; lcall $TSS_B, $0")
CASE(task_busy, RING0, 0, 0, 0, 0, "call a busy TSS", FAR("lcall", TSS_MAIN))
CASE(task_dpl, RING3, 0, 0, 0, 0, "call a TSS from ring 3", FAR("lcall", TSS_B))
CASE(task_np, RING0, 0, 0, task_absent, 0, "call an absent TSS", FAR("lcall", TSS_B))
CASE(task_small, RING0, 0, 0, task_short, 0, "call a TSS of 103 bytes", FAR("lcall", TSS_B))
CASE(task_gate_np, RING3, 0, 0, task_absent, 0, "task gate to an absent TSS", "int $0x35")
CASE(task_ts, RING0, 0, 0, 0, 0, "CR0.TS after a task switch", "lcall $TSS_B, $0; smsw %eax")
CASE(task_nt_back, RING0, 0, SYS_FLAGS, 0, 0, "NT after the task returned", "lcall $TSS_B, $0; nop")
CASE(task_iret_bad, RING0, FL_NT, 0, link_bad, 0, "iret with NT to a TSS that is not busy", "iret")
CASE(task_iret_null, RING0, FL_NT, 0, 0, 0, "iret with NT, no link", "iret")
CASE(task_bad_cs, RING0, 0, BY_TASK | SHOW_TR, task_cs, 0, "new task: bad cs", FAR("lcall", TSS_B))
CASE(task_bad_ss, RING0, 0, BY_TASK | SHOW_TR, task_ss, 0, "new task: bad ss", FAR("lcall", TSS_B))
CASE(task_bad_ds, RING0, 0, BY_TASK | SHOW_TR, task_ds, 0, "new task: bad ds", FAR("lcall", TSS_B))
CASE(task_t, RING0, 0, SHOW_DR6, task_trap, 0, "new task: T flag", FAR("lcall", TSS_B))
