/* Hardware task switches: state, busy bits, links, and faults on both sides. */
#include "sys_fixture.h"

#define JMP_FAR(sel)  0xea, 0, 0, 0, 0, (sel), 0
#define CALL_FAR(sel) 0x9a, 0, 0, 0, 0, (sel), 0
#define IRET          0xcf

/* A 32-bit task ready to run at TARGET with CS and SS. */
static void make_task(struct machine *m, unsigned cs, unsigned ss)
{
    static const unsigned segs[] = {DS3, 0, 0, DS3, 0, DS3};

    poke(m, TSS_B + 0x20, TARGET, 4);
    poke(m, TSS_B + 0x24, 0x206, 4);
    for (unsigned i = 0; i < 8; i++)
        poke(m, TSS_B + 0x28 + 4 * i, 0xa0000000 + i, 4);
    poke(m, TSS_B + 0x38, STACK3, 4); /* ESP */
    for (unsigned i = 0; i < 6; i++)
        poke(m, TSS_B + 0x48 + 4 * i, segs[i], 2);
    poke(m, TSS_B + 0x4c, cs, 2);
    poke(m, TSS_B + 0x50, ss, 2);
    poke(m, TSS_B + 0x60, 0, 2);
}

static void call_and_iret(void **state)
{
    struct machine *m = *state;
    uint64_t rsi = 0x12345678;

    make_task(m, CS3, DS3);
    m->st.gpr[X86_RSI] = rsi;
    assert_done(exec(m, CALL_FAR(SEL_TSS_B)));
    assert_int_equal(m->st.tr.selector, SEL_TSS_B);
    assert_int_equal(m->st.rip, TARGET);
    assert_int_equal(x86_cpl(&m->st), 3);
    assert_int_equal(m->st.rflags, 0x206 | X86_EFLAGS_NT);
    assert_int_equal(m->st.gpr[X86_RSI], 0xa0000006);
    assert_int_equal(m->st.seg[X86_ES].selector, DS3);
    assert_int_equal(m->st.seg[X86_FS].selector, 0);
    assert_true(m->st.cr0 & X86_CR0_TS);
    assert_int_equal(type_bits(m, SEL_TSS), 0xb); /* both busy */
    assert_int_equal(type_bits(m, SEL_TSS_B), 0xb);
    assert_int_equal(peek(m, TSS_B, 2), SEL_TSS); /* back link */
    assert_int_equal(peek(m, TSS + 0x20, 4), CODE + 7);
    assert_int_equal(peek(m, TSS + 0x40, 4), rsi);
    assert_int_equal(peek(m, TSS + 0x4c, 2), CS0);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_TASK_SWITCH);

    assert_done(exec(m, IRET));
    assert_int_equal(m->st.tr.selector, SEL_TSS);
    assert_int_equal(m->st.rip, CODE + 7);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(m->st.gpr[X86_RSI], rsi);
    assert_int_equal(m->st.rflags, X86_EFLAGS_RES1);
    assert_int_equal(type_bits(m, SEL_TSS), 0xb);
    assert_int_equal(type_bits(m, SEL_TSS_B), 0x9);    /* not busy any more */
    assert_int_equal(peek(m, TSS_B + 0x24, 4), 0x206); /* NT cleared */
}

static void jmp_moves_the_busy_bit(void **state)
{
    struct machine *m = *state;

    make_task(m, CS0, DS0);
    poke(m, TSS_B + 0x48, DS0, 2);
    assert_done(exec(m, JMP_FAR(SEL_TSS_B)));
    assert_int_equal(type_bits(m, SEL_TSS), 0x9);
    assert_int_equal(type_bits(m, SEL_TSS_B), 0xb);
    assert_false(m->st.rflags & X86_EFLAGS_NT);
    assert_faults(m, X86_GP, SEL_TSS_B, JMP_FAR(SEL_TSS_B)); /* busy */
}

static void tss_of_16_bits(void **state)
{
    struct machine *m = *state;

    poke(m, TSS_16 + 0x0e, 0x3000, 2);
    poke(m, TSS_16 + 0x10, 0x0203, 2);
    for (unsigned i = 0; i < 8; i++)
        poke(m, TSS_16 + 0x12 + 2 * i, 0xb000 + i, 2);
    poke(m, TSS_16 + 0x22, DS0, 2);
    poke(m, TSS_16 + 0x24, CS0, 2);
    poke(m, TSS_16 + 0x26, DS0, 2);
    poke(m, TSS_16 + 0x28, DS0, 2);
    assert_done(exec(m, CALL_FAR(SEL_TSS_16)));
    assert_int_equal(m->st.rip, 0x3000);
    assert_int_equal(m->st.gpr[X86_RDI] & 0xffff, 0xb007);
    assert_int_equal(m->st.seg[X86_GS].selector, 0);
    assert_int_equal(type_bits(m, SEL_TSS_16), 3);
    assert_int_equal(peek(m, TSS_16, 2), SEL_TSS);
    m->st.gpr[X86_RDI] = 0x12345678;
    assert_done(exec(m, IRET));
    assert_int_equal(m->st.rip, CODE + 7);
    assert_int_equal(peek(m, TSS_16 + 0x20, 2), 0x5678);
    assert_int_equal(peek(m, TSS_16 + 0x0e, 2), 0x3001);
}

static void checks_before_the_switch(void **state)
{
    struct machine *m = *state;

    make_task(m, CS0, DS0);
    set_ring(m, 3);
    assert_faults(m, X86_GP, SEL_TSS_B, JMP_FAR(SEL_TSS_B)); /* DPL 0 */
    set_ring(m, 0);
    assert_faults(m, X86_GP, SEL_TSS_B, JMP_FAR(SEL_TSS_B | 3));
    descriptor(m, SEL_TSS_B, TSS_B, 0x66, A_TSS);
    assert_faults(m, X86_TS, SEL_TSS_B, JMP_FAR(SEL_TSS_B));
    descriptor(m, SEL_TSS_B, TSS_B, 0x67, 0x09);
    assert_faults(m, X86_NP, SEL_TSS_B, JMP_FAR(SEL_TSS_B));
    descriptor(m, SEL_TSS_16, TSS_16, 0x2a, A_TSS16);
    assert_faults(m, X86_TS, SEL_TSS_16, JMP_FAR(SEL_TSS_16));
    m->st.rflags |= X86_EFLAGS_NT;
    poke(m, TSS, SEL_TSS_16, 2); /* not busy: no one to return to */
    assert_faults(m, X86_TS, SEL_TSS_16, IRET);
    poke(m, TSS, 0x0c, 2);
    assert_faults(m, X86_TS, 0x0c, IRET);
}

/* Faults in the new task: the switch has happened. */
static void checks_after_the_switch(void **state)
{
    struct machine *m = *state;
    static const struct {
        unsigned at, selector, attr, vector, error;
    } rows[] = {
        {0x60, DS0, 0, X86_TS, DS0}, /* no LDT */
        {0x4c, 0, 0, X86_TS, 0},     /* CS */
        {0x4c, DS0, 0, X86_TS, DS0},
        {0x4c, SEL_X, 0x1a, X86_NP, SEL_X},
        {0x4c, CS3 & ~3u, 0, X86_TS, CS3 & ~3u},
        {0x50, 0, 0, X86_TS, 0}, /* SS */
        {0x50, DS3, 0, X86_TS, DS3 & ~3u},
        {0x50, SEL_X, 0x13, X86_SSEG, SEL_X},
        {0x54, CS3 & ~3u, 0, 0, 0}, /* DS: readable code, fine */
        {0x54, SEL_X, 0x13, X86_NP, SEL_X},
        {0x58, SEL_X, 0x99, X86_TS, SEL_X}, /* FS: execute-only */
        {0x5c, 0x80, 0, X86_TS, 0x80},      /* GS */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        enum emu_result result;

        set_ring(m, 0);
        set_tss(m, TSS, A_TSS_BUSY);
        descriptor(m, SEL_TSS_B, TSS_B, 0x67, A_TSS);
        descriptor(m, SEL_X, 0, 0xfffff, 0xc000 | rows[i].attr);
        make_task(m, CS0, DS0);
        poke(m, TSS_B + 0x48, DS0, 2);
        poke(m, TSS_B + rows[i].at, rows[i].selector, 2);
        result = exec(m, JMP_FAR(SEL_TSS_B));
        assert_int_equal(m->st.tr.selector, SEL_TSS_B);
        assert_int_equal(m->st.rip, TARGET);
        if (rows[i].vector)
            check_fault(m, result, rows[i].vector, rows[i].error, __FILE__,
                        (int)(1000 + i));
        else
            assert_done(result);
    }
}

static void task_gate_in_the_idt(void **state)
{
    struct machine *m = *state;

    make_task(m, CS0, DS0);
    poke(m, TSS_B + 0x38, STACK1, 4);
    idt_gate(m, X86_DF, 0x85, SEL_TSS_B, 0);
    set_ring(m, 3);
    assert_true(deliver(m, X86_DF, true, 0x77));
    assert_int_equal(m->st.tr.selector, SEL_TSS_B);
    assert_int_equal(m->st.gpr[X86_RSP], STACK1 - 4);
    assert_int_equal(peek(m, STACK1 - 4, 4), 0x77);
    assert_int_equal(peek(m, TSS + 0x20, 4), CODE3);
    assert_int_equal(peek(m, TSS + 0x38, 4), STACK3);
    assert_true(m->st.rflags & X86_EFLAGS_NT);

    idt_gate(m, 0x40, 0xe5, 0x0c, 0);
    assert_faults(m, X86_GP, 0x0c, 0xcd, 0x40); /* a TSS in the LDT */
    idt_gate(m, 0x40, 0xe5, SEL_TSS_B, 0);
    assert_faults(m, X86_GP, SEL_TSS_B, 0xcd, 0x40); /* busy */
}

static void task_gate_in_the_gdt(void **state)
{
    struct machine *m = *state;

    make_task(m, CS3, DS3);
    set_ring(m, 3);
    gate_at(m, GDT + SEL_GATE, 0xe5, SEL_TSS_B, 0, 0);
    assert_done(exec(m, CALL_FAR(SEL_GATE | 3)));
    assert_int_equal(m->st.tr.selector, SEL_TSS_B);
    assert_int_equal(m->st.rip, TARGET);
}

static void trap_flag_of_the_tss(void **state)
{
    struct machine *m = *state;

    make_task(m, CS0, DS0);
    poke(m, TSS_B + 0x48, DS0, 2);
    poke(m, TSS_B + 0x64, 1, 2);
    m->st.dr[7] |= 0x3ff;
    check_fault(m, exec(m, JMP_FAR(SEL_TSS_B)), X86_DB, 0, __FILE__, __LINE__);
    assert_int_equal(m->emu.fault_dr6, BIT(15));
    assert_int_equal(m->st.rip, TARGET);
    assert_int_equal(m->st.dr[7], 0x6aa); /* local enables gone */
}

static void into_a_v86_task_with_its_page_tables(void **state)
{
    struct machine *m = *state;

    make_task(m, 0x1300, 0x3000);
    poke(m, TSS_B + 0x20, 0x10, 4);
    poke(m, TSS_B + 0x24, X86_EFLAGS_VM | 0x3202, 4);
    poke(m, TSS_B + 0x1c, TABLES + 0x1000, 4);
    for (unsigned at = TABLES; at < TABLES + 0x2000; at += 4096)
        poke(m, at, 0x83 | 4, 4); /* 4 MiB, for all rings */
    m->st.cr3 = TABLES;
    m->st.cr4 = X86_CR4_PSE;
    m->st.cr0 |= X86_CR0_PG;
    emu_state_changed(&m->emu);
    assert_done(exec(m, JMP_FAR(SEL_TSS_B)));
    assert_int_equal(m->st.cr3, TABLES + 0x1000);
    assert_int_equal(m->flushes, 1);
    assert_int_equal(x86_mode(&m->st), X86_MODE_V86);
    assert_int_equal(m->st.seg[X86_CS].base, TARGET);
    assert_int_equal(m->st.seg[X86_SS].attr, SYS_V86_ATTR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(call_and_iret),
        TEST(jmp_moves_the_busy_bit),
        TEST(tss_of_16_bits),
        TEST(checks_before_the_switch),
        TEST(checks_after_the_switch),
        TEST(task_gate_in_the_idt),
        TEST(task_gate_in_the_gdt),
        TEST(trap_flag_of_the_tss),
        TEST(into_a_v86_task_with_its_page_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
