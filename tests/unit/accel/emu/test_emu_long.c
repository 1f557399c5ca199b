/* Long mode, as far as the executor knows it. */
#include "tests/unit/accel/emu/machine.h"

#define PML4   0x1000u
#define PDPT   0x2000u
#define HIGH   0xffff800000000000ull /* mapped onto the RAM, as is 0 */
#define GDT    0x3000u
#define IDT    0x4000u
#define TSS    0x5000u
#define PTE64  0x7ull
#define PTE_PS 0x80ull

static struct machine *long_mode(void)
{
    struct machine *m = machine_new();
    const uint64_t pdpt = PDPT | PTE64, huge = PTE64 | PTE_PS;
    const uint64_t device = 0x80000000 | PTE64 | PTE_PS;

    machine_poke(m, PML4, &pdpt, 8);
    machine_poke(m, PML4 + 8 * 256, &pdpt, 8);
    machine_poke(m, PDPT, &huge, 8);
    machine_poke(m, PDPT + 16, &device, 8);
    m->st.cr3 = PML4;
    m->st.cr4 |= X86_CR4_PAE;
    m->st.efer = X86_EFER_LME | X86_EFER_LMA;
    m->st.cr0 |= X86_CR0_PG;
    m->st.seg[X86_CS].attr |= X86_SEG_L;
    m->st.seg[X86_CS].attr &= (uint16_t)~X86_SEG_DB;
    m->st.rip = HIGH + CODE_AT;
    emu_state_changed(&m->emu);
    return m;
}

/* As RUN, with the code at the high mapping. */
static enum emu_result run64(struct machine *m, const uint8_t *code, size_t len)
{
    machine_poke(m, (uint32_t)(m->st.rip - HIGH), code, len);
    return emu_execute(&m->emu);
}
#define RUN64(m, ...)                                                          \
    run64(m, (const uint8_t[]){__VA_ARGS__},                                   \
          sizeof((const uint8_t[]){__VA_ARGS__}))

static void registers(void **state)
{
    struct machine *m = long_mode();

    (void)state;
    m->st.gpr[X86_RAX] = 0x1122334455667788;
    m->st.gpr[X86_R15] = 1;
    m->st.gpr[X86_RSP] = 0xffff800000001000;
    assert_int_equal(RUN64(m, 0x49, 0x01, 0xc7), EMU_DONE); /* add r15, rax */
    assert_true(m->st.gpr[X86_R15] == 0x1122334455667789);
    assert_int_equal(RUN64(m, 0x48, 0x83, 0xc4, 0x10), EMU_DONE);
    assert_true(m->st.gpr[X86_RSP] == 0xffff800000001010);  /* add rsp, 16 */
    assert_int_equal(RUN64(m, 0x40, 0x00, 0xc4), EMU_DONE); /* add spl, al */
    assert_true(m->st.gpr[X86_RSP] == 0xffff800000001098);
    assert_int_equal(RUN64(m, 0x49, 0x31, 0xe4), EMU_DONE); /* xor r12, rsp */
    assert_true(m->st.gpr[X86_R12] == 0xffff800000001098);
    assert_int_equal(RUN64(m, 0x01, 0xc0), EMU_DONE); /* add eax, eax */
    assert_true(m->st.gpr[X86_RAX] == 0xaaccef10);
    m->st.gpr[X86_RBX] = 1ull << 40;
    assert_int_equal(RUN64(m, 0xf3, 0x48, 0x0f, 0xbc, 0xcb), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RCX], 40);         /* tzcnt rcx, rbx */
    assert_int_equal(RUN64(m, 0xe5, 0x10), EMU_DONE); /* in eax, 10h */
    assert_true(m->st.gpr[X86_RAX] == 0xffffffff);
    machine_free(m);
}

static void memory(void **state)
{
    struct machine *m = long_mode();
    uint64_t value = 40;

    (void)state;
    machine_poke(m, DATA_AT + 8, &value, 8);
    m->st.gpr[X86_R8] = HIGH;
    m->st.gpr[X86_R9] = DATA_AT / 4;
    m->st.gpr[X86_R14] = 2;
    /* add [r8+r9*4+8], r14 */
    assert_int_equal(RUN64(m, 0x4f, 0x01, 0x74, 0x88, 0x08), EMU_DONE);
    assert_true(mem_read(&m->mem, DATA_AT + 8, &value, 8));
    assert_int_equal(value, 42);
    /* mov rcx, [rip+disp] */
    m->st.rip = HIGH + DATA_AT - 7;
    assert_int_equal(RUN64(m, 0x48, 0x8b, 0x0d, 8, 0, 0, 0), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RCX], 42);
    machine_free(m);
}

static void vectors_on_a_device(void **state)
{
    struct machine *m = long_mode();

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        m->mmio[i] = (uint8_t)(i + 1);
    m->st.gpr[X86_RBX] = 0x80000000;
    /* movdqu xmm9, [rbx]; movdqu [rbx+10h], xmm9 */
    assert_int_equal(RUN64(m, 0xf3, 0x44, 0x0f, 0x6f, 0x0b), EMU_DONE);
    assert_int_equal(RUN64(m, 0xf3, 0x44, 0x0f, 0x7f, 0x4b, 0x10), EMU_DONE);
    assert_memory_equal(m->mmio, m->mmio + 16, 16);
    assert_int_equal(m->mmio_count, 4);
    /* vmovdqu: not ours */
    assert_int_equal(RUN64(m, 0xc5, 0xfa, 0x6f, 0x03), EMU_UNSUPPORTED);
    assert_int_equal(RUN64(m, 0x0f, 0x20, 0xc0), EMU_UNSUPPORTED); /* mov cr0 */
    machine_free(m);
}

static void strings(void **state)
{
    struct machine *m = long_mode();
    uint64_t value;

    (void)state;
    m->st.gpr[X86_RAX] = 0x1234567890;
    m->st.gpr[X86_RDI] = HIGH + DATA_AT;
    m->st.gpr[X86_RCX] = 4;
    assert_int_equal(RUN64(m, 0xf3, 0x48, 0xab), EMU_DONE); /* rep stosq */
    assert_true(mem_read(&m->mem, DATA_AT + 24, &value, 8));
    assert_true(value == 0x1234567890);
    assert_true(m->st.gpr[X86_RDI] == HIGH + DATA_AT + 32);
    machine_free(m);
}

static void faults(void **state)
{
    struct machine *m = long_mode();

    (void)state;
    m->st.gpr[X86_RBX] = 0x40000000;
    machine_poke(m, CODE_AT, (const uint8_t[]){0x48, 0x8b, 0x03}, 3);
    assert_int_equal(emu_execute(&m->emu), EMU_FAULT);
    assert_int_equal(m->emu.fault.vector, X86_PF);
    assert_int_equal(m->emu.fault_cr2, 0x40000000);
    m->st.gpr[X86_RBX] = 0x0000800000000000; /* not canonical */
    assert_int_equal(RUN64(m, 0x48, 0x8b, 0x03), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    machine_free(m);
}

static uint64_t at(struct machine *m, uint64_t gpa)
{
    uint64_t value = 0;

    assert_true(mem_read(&m->mem, gpa & 0xfffff, &value, 8));
    return value;
}

static uint64_t top(struct machine *m, unsigned i)
{
    return at(m, m->st.gpr[X86_RSP] + 8 * i);
}

static void the_stack(void **state)
{
    struct machine *m = long_mode();
    uint64_t *rsp = &m->st.gpr[X86_RSP];

    (void)state;
    *rsp = HIGH + STACK_TOP;
    m->st.gpr[X86_R9] = 0x1122334455667788;
    assert_int_equal(RUN64(m, 0x41, 0x51), EMU_DONE); /* push r9 */
    assert_true(*rsp == HIGH + STACK_TOP - 8);
    assert_true(top(m, 0) == 0x1122334455667788);
    assert_int_equal(RUN64(m, 0x6a, 0xff), EMU_DONE); /* push -1 */
    assert_true(top(m, 0) == UINT64_MAX);
    assert_int_equal(RUN64(m, 0x68, 0, 0, 0, 0x80), EMU_DONE);
    assert_true(top(m, 0) == 0xffffffff80000000); /* sign-extended */
    assert_int_equal(RUN64(m, 0x66, 0x6a, 0x05), EMU_DONE);
    assert_true(*rsp == HIGH + STACK_TOP - 26);
    *rsp += 2;
    assert_int_equal(RUN64(m, 0x8f, 0x04, 0x24), EMU_DONE); /* pop [rsp] */
    assert_true(top(m, 0) == 0xffffffff80000000);
    assert_int_equal(RUN64(m, 0x58), EMU_DONE); /* pop rax */
    assert_true(m->st.gpr[X86_RAX] == 0xffffffff80000000);
    assert_int_equal(RUN64(m, 0x54), EMU_DONE); /* push rsp */
    assert_true(top(m, 0) == *rsp + 8);
    assert_int_equal(RUN64(m, 0x5c), EMU_DONE); /* pop rsp */
    assert_true(*rsp == HIGH + STACK_TOP - 8);
    m->st.gpr[X86_RBP] = *rsp;
    *rsp = 0x30;
    assert_int_equal(RUN64(m, 0xc9), EMU_DONE); /* leave */
    assert_true(*rsp == HIGH + STACK_TOP);
    assert_true(m->st.gpr[X86_RBP] == 0x1122334455667788);
    *rsp = 0x0000800000000004; /* not canonical */
    assert_int_equal(RUN64(m, 0x50), EMU_FAULT);
    assert_fault(m, X86_SSEG, 0);
    assert_true(*rsp == 0x0000800000000004);
    machine_free(m);
}

static void near_branches(void **state)
{
    struct machine *m = long_mode();
    uint64_t back;

    (void)state;
    m->st.gpr[X86_RSP] = HIGH + STACK_TOP;
    back = m->st.rip + 5;
    assert_int_equal(RUN64(m, 0xe8, 0xfb, 0x0f, 0, 0), EMU_DONE); /* call */
    assert_true(m->st.rip == HIGH + CODE_AT + 0x1000);
    assert_true(top(m, 0) == back);
    assert_int_equal(RUN64(m, 0xc2, 0x10, 0), EMU_DONE); /* ret 16 */
    assert_true(m->st.rip == back);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP + 16);
    m->st.rflags |= X86_EFLAGS_ZF;
    assert_int_equal(RUN64(m, 0x74, 0x10), EMU_DONE); /* jz */
    assert_true(m->st.rip == back + 0x12);
    m->st.gpr[X86_RAX] = 0x0000800000000000;
    m->st.gpr[X86_RSP] = HIGH + STACK_TOP;
    assert_int_equal(RUN64(m, 0xff, 0xd0), EMU_FAULT); /* call rax */
    assert_fault(m, X86_GP, 0);
    assert_true(m->st.rip == back + 0x12);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP);
    machine_free(m);
}

/* ---- gates, IRET, SYSCALL ---------------------------------------------- */

#define CS64    0x08u
#define SS_USER 0x23u
#define CS_USER 0x2bu

static void gate(struct machine *m, unsigned vector, unsigned type,
                 unsigned ist)
{
    uint64_t to = HIGH + CODE_AT + 0x800;
    const uint64_t words[] = {(to & 0xffff) | CS64 << 16 | (uint64_t)ist << 32 |
                                  (uint64_t)(0x80 | type) << 40 |
                                  (to >> 16 & 0xffff) << 48,
                              to >> 32};

    machine_poke(m, IDT + 16 * vector, words, sizeof(words));
}

/* The tables, at the high mapping: their bases have 64 bits. */
static struct machine *with_tables(void)
{
    static const uint64_t gdt[] = {0,
                                   0x00af9b000000ffff,
                                   0x00cf93000000ffff,
                                   0x00cffb000000ffff,
                                   0x00cff3000000ffff,
                                   0x00affb000000ffff};
    const uint64_t rsp0 = HIGH + 0x7008, ist1 = HIGH + 0x6008;
    struct machine *m = long_mode();

    machine_poke(m, GDT, gdt, sizeof(gdt));
    machine_poke(m, TSS + 4, &rsp0, 8);
    machine_poke(m, TSS + 0x24, &ist1, 8);
    m->st.gdt = (struct x86_table){HIGH + GDT, sizeof(gdt) - 1};
    m->st.idt = (struct x86_table){HIGH + IDT, 0xfff};
    m->st.tr = (struct x86_seg){
        .selector = 0x30, .base = HIGH + TSS, .limit = 0x67, .attr = 0x8b};
    m->st.seg[X86_CS].selector = CS64;
    m->st.gpr[X86_RSP] = HIGH + STACK_TOP - 4;
    return m;
}

static void user(struct machine *m)
{
    m->st.seg[X86_CS].selector = CS_USER;
    m->st.seg[X86_CS].attr |= 3 << 5;
    m->st.seg[X86_SS].selector = SS_USER;
    m->st.seg[X86_SS].attr |= 3 << 5;
    m->st.seg[X86_FS] = (struct x86_seg){.base = 0x123456789000};
    emu_state_changed(&m->emu);
}

static void gates_align_the_stack(void **state)
{
    struct machine *m = with_tables();
    uint64_t rip = m->st.rip;

    (void)state;
    gate(m, 0x40, 14, 0);
    m->st.rflags |= X86_EFLAGS_IF;
    assert_int_equal(RUN64(m, 0xcd, 0x40), EMU_DONE);
    assert_true(m->st.rip == HIGH + CODE_AT + 0x800);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP - 16 - 40);
    assert_true(top(m, 0) == rip + 2);
    assert_int_equal(top(m, 1), CS64);
    assert_int_equal(top(m, 2), m->st.rflags | X86_EFLAGS_IF);
    assert_false(m->st.rflags & X86_EFLAGS_IF);
    assert_true(top(m, 3) == HIGH + STACK_TOP - 4);
    assert_int_equal(top(m, 4), m->st.seg[X86_SS].selector);
    assert_int_equal(RUN64(m, 0x48, 0xcf), EMU_DONE); /* and back: iretq */
    assert_true(m->st.rip == rip + 2);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP - 4);
    assert_true(m->st.rflags & X86_EFLAGS_IF);
    machine_free(m);
}

static void gates_change_stacks(void **state)
{
    struct machine *m = with_tables();
    uint64_t rip = m->st.rip;

    (void)state;
    user(m);
    gate(m, X86_GP, 15, 0);
    machine_poke(m, CODE_AT, "\xf4", 1); /* hlt: not in ring 3 */
    assert_int_equal(emu_step(&m->emu), EMU_FAULT);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(m->st.seg[X86_SS].selector, 0);
    assert_true(m->st.gpr[X86_RSP] == HIGH + 0x7000 - 48);
    assert_int_equal(top(m, 0), 0);
    assert_true(top(m, 1) == rip);
    assert_int_equal(top(m, 2), CS_USER);
    assert_int_equal(top(m, 5), SS_USER);
    m->st.gpr[X86_RSP] += 8;
    assert_int_equal(RUN64(m, 0x48, 0xcf), EMU_DONE); /* iretq */
    assert_int_equal(x86_cpl(&m->st), 3);
    assert_true(m->st.rip == rip);
    assert_true(m->st.seg[X86_FS].base == 0x123456789000);
    machine_free(m);
}

/* IST also without a change of privilege; then SS stays. */
static void a_gate_may_name_its_stack(void **state)
{
    struct machine *m = with_tables();

    (void)state;
    gate(m, X86_UD, 14, 1);
    machine_poke(m, CODE_AT, "\x0f\x0b", 2); /* ud2 */
    assert_int_equal(emu_step(&m->emu), EMU_FAULT);
    assert_true(m->st.gpr[X86_RSP] == HIGH + 0x6000 - 40);
    assert_true(top(m, 2) & X86_EFLAGS_RF);
    assert_int_equal(top(m, 4), m->st.seg[X86_SS].selector);
    machine_free(m);
}

/* No gates at all: #UD, #GP on its way, and #DF. */
static void without_gates_it_shuts_down(void **state)
{
    struct machine *m = with_tables();

    (void)state;
    machine_poke(m, CODE_AT, "\x0f\x0b", 2);
    assert_int_equal(emu_step(&m->emu), EMU_FAULT);
    assert_int_equal(m->st.activity, X86_SHUTDOWN);
    assert_int_equal(m->emu.causes, 3);
    machine_free(m);
}

static void iretq_checks_what_it_pops(void **state)
{
    /* CS, SS; what faults, with which error code */
    static const struct {
        uint64_t rip, cs, ss;
        enum x86_vector vector;
        uint32_t error;
    } rows[] = {
        {HIGH, 0, 0x10, X86_GP, 0},
        {HIGH, 0x10, 0x10, X86_GP, 0x10},
        {HIGH, 0x48, 0x10, X86_GP, 0x48},
        {HIGH, CS_USER, 0, X86_GP, 0},
        {HIGH, CS_USER, 0x13, X86_GP, 0x10},
        {0x0000900000000000, CS64, 0x10, X86_GP, 0},
        {0x100000000, 0x1b, SS_USER, X86_GP, 0}, /* 32-bit code */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct machine *m = with_tables();
        const uint64_t frame[] = {rows[i].rip, rows[i].cs, 2, 0x1000,
                                  rows[i].ss};

        m->st.gpr[X86_RSP] = HIGH + 0x7000;
        machine_poke(m, 0x7000, frame, sizeof(frame));
        assert_int_equal(RUN64(m, 0x48, 0xcf), EMU_FAULT);
        assert_fault(m, rows[i].vector, rows[i].error);
        assert_true(m->st.gpr[X86_RSP] == HIGH + 0x7000);
        machine_free(m);
    }
}

static void syscall_and_sysret(void **state)
{
    struct machine *m = with_tables();
    uint64_t rip = m->st.rip;

    (void)state;
    user(m);
    assert_int_equal(RUN64(m, 0x0f, 0x05), EMU_FAULT); /* not enabled */
    assert_fault(m, X86_UD, 0);
    m->st.efer |= X86_EFER_SCE;
    m->st.star = 0x0018000800000000;
    m->st.lstar = HIGH + CODE_AT + 0x800;
    m->st.sfmask = X86_EFLAGS_IF | X86_EFLAGS_TF;
    m->st.rflags |= X86_EFLAGS_IF | X86_EFLAGS_TF;
    assert_int_equal(RUN64(m, 0x0f, 0x05), EMU_DONE);
    assert_true(m->st.rip == HIGH + CODE_AT + 0x800);
    assert_true(m->st.gpr[X86_RCX] == rip + 2);
    assert_int_equal(m->st.gpr[X86_R11], 0x302);
    assert_int_equal(m->st.rflags, 2);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(m->st.seg[X86_CS].selector, CS64);
    m->st.seg[X86_GS].base = 1;
    m->st.kernel_gs_base = 2;
    assert_int_equal(RUN64(m, 0x0f, 0x01, 0xf8), EMU_DONE); /* swapgs */
    assert_int_equal(m->st.seg[X86_GS].base, 2);
    assert_int_equal(m->st.kernel_gs_base, 1);
    assert_int_equal(RUN64(m, 0x48, 0x0f, 0x07), EMU_DONE); /* sysretq */
    assert_true(m->st.rip == rip + 2);
    assert_int_equal(m->st.rflags, 0x302);
    assert_int_equal(m->st.seg[X86_CS].selector, CS_USER);
    assert_int_equal(m->st.seg[X86_SS].selector, SS_USER);
    assert_int_equal(x86_mode(&m->st), X86_MODE_LONG64);
    assert_int_equal(x86_cpl(&m->st), 3);
    machine_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(memory),
        cmocka_unit_test(vectors_on_a_device),
        cmocka_unit_test(strings),
        cmocka_unit_test(faults),
        cmocka_unit_test(the_stack),
        cmocka_unit_test(near_branches),
        cmocka_unit_test(gates_align_the_stack),
        cmocka_unit_test(gates_change_stacks),
        cmocka_unit_test(a_gate_may_name_its_stack),
        cmocka_unit_test(without_gates_it_shuts_down),
        cmocka_unit_test(iretq_checks_what_it_pops),
        cmocka_unit_test(syscall_and_sysret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
