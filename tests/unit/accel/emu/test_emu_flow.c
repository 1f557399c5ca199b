/* The stack, near control flow, strings, decimal arithmetic, single steps. */
#include "tests/unit/accel/emu/machine.h"

static void push_and_pop(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    assert_int_equal(RUN(m, 0x54), EMU_DONE); /* push esp */
    assert_int_equal(machine_peek32(m, STACK_TOP - 4), STACK_TOP);
    assert_int_equal(RUN(m, 0x6a, 0xfe), EMU_DONE); /* push -2 */
    assert_int_equal(machine_peek32(m, STACK_TOP - 8), 0xfffffffe);
    assert_int_equal(RUN(m, 0x66, 0x6a, 0xfe), EMU_DONE); /* 16-bit */
    assert_int_equal(m->st.gpr[X86_RSP], STACK_TOP - 10);
    m->st.gpr[X86_RSP] = STACK_TOP - 8;
    /* pop dword [esp+8]: the address counts from the new top */
    assert_int_equal(RUN(m, 0x8f, 0x44, 0x24, 0x08), EMU_DONE);
    assert_int_equal(machine_peek32(m, STACK_TOP + 4), 0xfffffffe);
    assert_int_equal(m->st.gpr[X86_RSP], STACK_TOP - 4);
    machine_poke32(m, STACK_TOP - 4, 0x1234);
    assert_int_equal(RUN(m, 0x5c), EMU_DONE); /* pop esp */
    assert_int_equal(m->st.gpr[X86_RSP], 0x1234);
    machine_free(m);
}

static void sixteen_bit_stack(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.seg[X86_SS].attr &= (uint16_t)~X86_SEG_DB;
    m->st.gpr[X86_RSP] = 0xabcd0000;
    m->st.gpr[X86_RAX] = 0x11223344;
    assert_int_equal(RUN(m, 0x50), EMU_DONE); /* push eax: wraps */
    assert_int_equal(m->st.gpr[X86_RSP], 0xabcdfffc);
    assert_int_equal(machine_peek32(m, 0xfffc), 0x11223344);
    assert_int_equal(RUN(m, 0x59), EMU_DONE); /* pop ecx */
    assert_int_equal(m->st.gpr[X86_RSP], 0xabcd0000);
    assert_int_equal(m->st.gpr[X86_RCX], 0x11223344);
    machine_free(m);
}

static void faults_leave_the_stack(void **state)
{
    struct machine *m = machine_new();
    struct x86_state before;

    (void)state;
    m->st.seg[X86_SS].limit = STACK_TOP - 1;
    machine_poke32(m, STACK_TOP - 20, 0x55aa55aa);
    m->st.gpr[X86_RSP] = 16; /* room for four of eight */
    before = m->st;
    assert_int_equal(RUN(m, 0x60), EMU_FAULT); /* pusha */
    assert_fault(m, X86_SSEG, 0);
    assert_memory_equal(&before, &m->st, sizeof(before));
    assert_int_equal(machine_peek32(m, 12), 0);
    m->st.gpr[X86_RSP] = STACK_TOP - 4;
    before = m->st;
    assert_int_equal(RUN(m, 0x61), EMU_FAULT); /* popa */
    assert_memory_equal(&before, &m->st, sizeof(before));
    /* pop [ebx] where nothing may be written */
    m->st.seg[X86_DS].attr = X86_SEG_UNUSABLE;
    before = m->st;
    assert_int_equal(RUN(m, 0x8f, 0x03), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    assert_memory_equal(&before, &m->st, sizeof(before));
    machine_free(m);
}

static void enter_and_leave(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.gpr[X86_RBP] = 0x9000;
    machine_poke32(m, 0x8ffc, 0xcafe);
    assert_int_equal(RUN(m, 0xc8, 0x10, 0, 2), EMU_DONE); /* enter 16, 2 */
    assert_int_equal(m->st.gpr[X86_RBP], STACK_TOP - 4);
    assert_int_equal(machine_peek32(m, STACK_TOP - 4), 0x9000);
    assert_int_equal(machine_peek32(m, STACK_TOP - 8), 0xcafe);
    assert_int_equal(machine_peek32(m, STACK_TOP - 12), STACK_TOP - 4);
    assert_int_equal(m->st.gpr[X86_RSP], STACK_TOP - 12 - 16);
    assert_int_equal(RUN(m, 0xc9), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RSP], STACK_TOP);
    assert_int_equal(m->st.gpr[X86_RBP], 0x9000);
    machine_free(m);
}

static void calls(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    assert_int_equal(RUN(m, 0xe8, 0x10, 0, 0, 0), EMU_DONE);
    assert_int_equal(m->st.rip, CODE_AT + 0x15);
    assert_int_equal(machine_peek32(m, STACK_TOP - 4), CODE_AT + 5);
    assert_int_equal(RUN(m, 0xc2, 0x08, 0), EMU_DONE); /* ret 8 */
    assert_int_equal(m->st.rip, CODE_AT + 5);
    assert_int_equal(m->st.gpr[X86_RSP], STACK_TOP + 8);
    /* a 16-bit jump cuts EIP */
    assert_int_equal(RUN(m, 0x66, 0xeb, 0x10), EMU_DONE);
    assert_int_equal(m->st.rip, (CODE_AT + 5 + 3 + 0x10) & 0xffff);
    /* beyond the limit: nothing happens to the stack */
    m->st.rip = CODE_AT;
    m->st.gpr[X86_RAX] = 0xffff0000;
    m->st.seg[X86_CS].limit = 0xfffff;
    assert_int_equal(RUN(m, 0xff, 0xd0), EMU_FAULT); /* call eax */
    assert_fault(m, X86_GP, 0);
    assert_int_equal(m->st.gpr[X86_RSP], STACK_TOP + 8);
    assert_int_equal(m->st.rip, CODE_AT);
    machine_free(m);
}

static void loops(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.gpr[X86_RCX] = 0x10001;
    assert_int_equal(RUN(m, 0x67, 0xe2, 0x20), EMU_DONE); /* loop by CX */
    assert_int_equal(m->st.rip, CODE_AT + 3);
    assert_int_equal(m->st.gpr[X86_RCX], 0x10000);
    assert_int_equal(RUN(m, 0x67, 0xe3, 0x20), EMU_DONE); /* jcxz */
    assert_int_equal(m->st.rip, CODE_AT + 6 + 0x20);
    assert_int_equal(RUN(m, 0xe3, 0x20), EMU_DONE); /* jecxz */
    assert_int_equal(m->st.rip, CODE_AT + 8 + 0x20);
    machine_free(m);
}

static void strings(void **state)
{
    struct machine *m = machine_new();
    uint8_t from[5000], to[5000];

    (void)state;
    for (unsigned i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i * 7 + 1);
    machine_poke(m, DATA_AT, from, sizeof(from));
    m->st.gpr[X86_RSI] = DATA_AT;
    m->st.gpr[X86_RDI] = 0x30ff3;
    m->st.gpr[X86_RCX] = sizeof(from);
    assert_int_equal(RUN(m, 0xf3, 0xa4), EMU_DONE); /* rep movsb */
    assert_true(mem_read(&m->mem, 0x30ff3, to, sizeof(to)));
    assert_memory_equal(from, to, sizeof(to));
    assert_int_equal(m->st.gpr[X86_RCX], 0);
    assert_int_equal(m->st.gpr[X86_RSI], DATA_AT + sizeof(from));
    /* overlapping: the pattern spreads */
    m->st.gpr[X86_RSI] = DATA_AT;
    m->st.gpr[X86_RDI] = DATA_AT + 1;
    m->st.gpr[X86_RCX] = 4999;
    assert_int_equal(RUN(m, 0xf3, 0xa4), EMU_DONE);
    assert_true(mem_read(&m->mem, DATA_AT, to, sizeof(to)));
    memset(from, 1, sizeof(from));
    assert_memory_equal(from, to, sizeof(to));
    /* std; rep stosd */
    assert_int_equal(RUN(m, 0xfd), EMU_DONE);
    m->st.gpr[X86_RAX] = 0x01020304;
    m->st.gpr[X86_RDI] = DATA_AT + 8;
    m->st.gpr[X86_RCX] = 3;
    assert_int_equal(RUN(m, 0xf3, 0xab), EMU_DONE);
    assert_int_equal(machine_peek32(m, DATA_AT), 0x01020304);
    assert_int_equal(m->st.gpr[X86_RDI], DATA_AT - 4);
    assert_int_equal(RUN(m, 0xfc), EMU_DONE);
    /* repne scasb finds the 2 */
    m->st.gpr[X86_RAX] = 2;
    m->st.gpr[X86_RDI] = DATA_AT;
    m->st.gpr[X86_RCX] = 100;
    assert_int_equal(RUN(m, 0xf2, 0xae), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RDI], DATA_AT + 3);
    assert_int_equal(m->st.gpr[X86_RCX], 97);
    assert_true(m->st.rflags & X86_EFLAGS_ZF);
    /* repe cmpsd; lodsw */
    m->st.gpr[X86_RSI] = DATA_AT;
    m->st.gpr[X86_RDI] = DATA_AT + 4;
    m->st.gpr[X86_RCX] = 5;
    assert_int_equal(RUN(m, 0xf3, 0xa7), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RCX], 2);
    m->st.gpr[X86_RSI] = DATA_AT;
    assert_int_equal(RUN(m, 0x66, 0xad), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 0x0304);
    machine_free(m);
}

static void string_addresses_of_16_bits(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.gpr[X86_RDI] = 0x1234fffe;
    m->st.gpr[X86_RCX] = 0xffff0004;
    m->st.gpr[X86_RAX] = 0x5a;
    /* a16 rep stosb: wraps from FFFF to 0 */
    assert_int_equal(RUN(m, 0x67, 0xf3, 0xaa), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RDI], 0x12340002);
    assert_int_equal(m->st.gpr[X86_RCX], 0xffff0000);
    assert_int_equal(machine_peek32(m, 0), 0x5a5a);
    assert_int_equal(machine_peek32(m, 0xfffe) & 0xffff, 0x5a5a);
    machine_free(m);
}

static void string_fault_is_restartable(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.seg[X86_ES].limit = DATA_AT + 0x1802;
    m->st.gpr[X86_RDI] = DATA_AT + 0xffd;
    m->st.gpr[X86_RCX] = 0x1000;
    m->st.rflags |= X86_EFLAGS_CF;
    assert_int_equal(RUN(m, 0xf3, 0xab), EMU_FAULT); /* rep stosd */
    assert_fault(m, X86_GP, 0);
    assert_int_equal(m->st.rip, CODE_AT);
    assert_int_equal(m->st.gpr[X86_RDI], DATA_AT + 0x1801);
    assert_int_equal(m->st.gpr[X86_RCX], 0x1000 - 0x201);
    m->st.seg[X86_ES].limit = 0xffffffff;
    assert_int_equal(RUN(m, 0xf3, 0xab), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RDI], DATA_AT + 0xffd + 0x4000);
    assert_int_equal(m->st.rip, CODE_AT + 2);
    machine_free(m);
}

static void long_strings_come_in_pieces(void **state)
{
    struct machine *m = machine_new();
    unsigned steps = 0;

    (void)state;
    m->st.gpr[X86_RDI] = DATA_AT;
    m->st.gpr[X86_RCX] = 150000;
    machine_poke(m, CODE_AT, (const uint8_t[]){0xf3, 0xaa}, 2);
    while (m->st.rip == CODE_AT && steps < 10) {
        assert_int_equal(emu_step(&m->emu), EMU_DONE);
        assert_int_equal(m->vcpu.icount, m->st.rip == CODE_AT ? 0 : 1);
        steps++;
    }
    assert_int_equal(steps, 3);
    assert_int_equal(m->st.gpr[X86_RCX], 0);
    machine_free(m);
}

/* The examples of SDM vol. 2A, AAA to DAS. */
static void decimal(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.gpr[X86_RAX] = 0xae; /* 79h + 35h */
    assert_int_equal(RUN(m, 0x27), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 0x14);
    assert_int_equal(m->st.rflags & (X86_EFLAGS_CF | X86_EFLAGS_AF),
                     X86_EFLAGS_CF | X86_EFLAGS_AF);
    m->st.gpr[X86_RAX] = 0xee; /* 35h - 47h */
    m->st.rflags |= X86_EFLAGS_CF | X86_EFLAGS_AF;
    assert_int_equal(RUN(m, 0x2f), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 0x88);
    m->st.gpr[X86_RAX] = 15;
    assert_int_equal(RUN(m, 0xd4, 0x0a), EMU_DONE); /* aam */
    assert_int_equal(m->st.gpr[X86_RAX], 0x0105);
    assert_int_equal(RUN(m, 0xd5, 0x0a), EMU_DONE); /* aad */
    assert_int_equal(m->st.gpr[X86_RAX], 15);
    assert_int_equal(RUN(m, 0xd4, 0), EMU_FAULT);
    assert_fault(m, X86_DE, 0);
    m->st.gpr[X86_RAX] = 0x000f;
    m->st.rflags &= ~(uint64_t)X86_EFLAGS_AF;
    assert_int_equal(RUN(m, 0x37), EMU_DONE); /* aaa */
    assert_int_equal(m->st.gpr[X86_RAX], 0x0105);
    machine_free(m);
}

static void bits_far_away(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.gpr[X86_RBX] = DATA_AT;
    m->st.gpr[X86_RCX] = (uint32_t)-33;
    machine_poke32(m, DATA_AT - 8, 0);
    assert_int_equal(RUN(m, 0x0f, 0xab, 0x0b), EMU_DONE); /* bts [ebx], ecx */
    assert_int_equal(machine_peek32(m, DATA_AT - 8), 0x80000000);
    assert_int_equal(RUN(m, 0x0f, 0xa3, 0x0b), EMU_DONE);
    assert_true(m->st.rflags & X86_EFLAGS_CF);
    machine_free(m);
}

static void bound(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    machine_poke32(m, DATA_AT, (uint32_t)-5);
    machine_poke32(m, DATA_AT + 4, 5);
    m->st.gpr[X86_RBX] = DATA_AT;
    m->st.gpr[X86_RAX] = (uint32_t)-5;
    assert_int_equal(RUN(m, 0x62, 0x03), EMU_DONE);
    m->st.gpr[X86_RAX] = 6;
    assert_int_equal(RUN(m, 0x62, 0x03), EMU_FAULT);
    assert_fault(m, X86_BR, 0);
    machine_free(m);
}

/* A flat GDT and an IDT whose gates all lead to HANDLER. */
#define HANDLER 0x6000u
static void install_idt(struct machine *m)
{
    static const uint32_t gdt = 0x500, idt = 0x600;

    machine_poke32(m, gdt + 8, 0x0000ffff);
    machine_poke32(m, gdt + 12, 0x00cf9b00);
    machine_poke32(m, gdt + 16, 0x0000ffff);
    machine_poke32(m, gdt + 20, 0x00cf9300);
    m->st.gdt.base = gdt;
    m->st.gdt.limit = 23;
    for (uint32_t v = 0; v < 48; v++) {
        machine_poke32(m, idt + 8 * v, 8u << 16 | HANDLER);
        machine_poke32(m, idt + 8 * v + 4, 0x8e00);
    }
    m->st.idt.base = idt;
    m->st.idt.limit = 48 * 8 - 1;
    m->st.seg[X86_CS].selector = 8;
}

static void single_step(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    install_idt(m);
    m->st.rflags |= X86_EFLAGS_TF;
    machine_poke(m, CODE_AT, (const uint8_t[]){0x40}, 1);
    assert_int_equal(emu_step(&m->emu), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 1);
    assert_int_equal(m->st.rip, HANDLER);
    assert_int_equal(machine_peek32(m, STACK_TOP - 12), CODE_AT + 1);
    assert_true(m->st.dr[6] & BIT(14));
    assert_false(m->st.rflags & X86_EFLAGS_TF);
    assert_int_equal(m->vcpu.icount, 1);
    machine_free(m);
}

static void code_breakpoint(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    install_idt(m);
    m->st.dr[0] = CODE_AT;
    m->st.dr[7] = BIT(0);
    machine_poke(m, CODE_AT, (const uint8_t[]){0x40}, 1);
    assert_int_equal(emu_step(&m->emu), EMU_FAULT);
    assert_int_equal(m->st.rip, HANDLER);
    assert_int_equal(m->st.gpr[X86_RAX], 0);
    assert_int_equal(m->st.dr[6] & 15, 1);
    /* with RF it passes */
    m->st.rip = CODE_AT;
    m->st.rflags |= X86_EFLAGS_RF;
    assert_int_equal(emu_step(&m->emu), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 1);
    assert_false(m->st.rflags & X86_EFLAGS_RF);
    machine_free(m);
}

static bool always(void *opaque)
{
    (void)opaque;
    return true;
}

static int vector_32(void *opaque)
{
    (void)opaque;
    return 32;
}

static void interrupts_and_shadows(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    install_idt(m);
    m->vcpu.intc = (struct vcpu_intc){NULL, always, vector_32};
    machine_poke(m, CODE_AT, (const uint8_t[]){0xfb, 0x40, 0x40}, 3);
    assert_int_equal(emu_step(&m->emu), EMU_DONE); /* sti */
    assert_int_equal(emu_step(&m->emu), EMU_DONE); /* inc eax: shielded */
    assert_int_equal(m->st.gpr[X86_RAX], 1);
    assert_int_equal(emu_step(&m->emu), EMU_DONE);
    assert_int_equal(m->st.rip, HANDLER);
    assert_int_equal(machine_peek32(m, STACK_TOP - 12), CODE_AT + 2);
    assert_int_equal(m->vcpu.icount, 2);
    machine_free(m);
}

static void halt_and_wake(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    install_idt(m);
    m->st.rflags |= X86_EFLAGS_IF;
    machine_poke(m, CODE_AT, (const uint8_t[]){0xf4}, 1);
    assert_int_equal(emu_step(&m->emu), EMU_HALT);
    assert_int_equal(m->st.rip, CODE_AT + 1);
    assert_int_equal(emu_step(&m->emu), EMU_HALT);
    m->vcpu.nmi = true;
    assert_int_equal(emu_step(&m->emu), EMU_DONE);
    assert_int_equal(m->st.rip, HANDLER);
    assert_true(m->st.nmi_blocked);
    machine_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(push_and_pop),
        cmocka_unit_test(sixteen_bit_stack),
        cmocka_unit_test(faults_leave_the_stack),
        cmocka_unit_test(enter_and_leave),
        cmocka_unit_test(calls),
        cmocka_unit_test(loops),
        cmocka_unit_test(strings),
        cmocka_unit_test(string_addresses_of_16_bits),
        cmocka_unit_test(string_fault_is_restartable),
        cmocka_unit_test(long_strings_come_in_pieces),
        cmocka_unit_test(decimal),
        cmocka_unit_test(bits_far_away),
        cmocka_unit_test(bound),
        cmocka_unit_test(single_step),
        cmocka_unit_test(code_breakpoint),
        cmocka_unit_test(interrupts_and_shadows),
        cmocka_unit_test(halt_and_wake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
