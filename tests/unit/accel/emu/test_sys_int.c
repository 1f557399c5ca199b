/* Interrupts, exceptions, nested faults and IRET: one test per rule. */
#include "sys_fixture.h"

#define INT_N(n) 0xcd, n
#define IRET     0xcf

static uint32_t esp(const struct machine *m)
{
    return (uint32_t)m->st.gpr[X86_RSP];
}

/* ---- protected mode ---------------------------------------------------- */

static void same_level_frames(void **state)
{
    struct machine *m = *state;

    idt_gate(m, 0x40, 0x8e, CS0, HANDLER);
    idt_gate(m, 0x41, 0x8f, CS0, HANDLER);
    idt_gate(m, 0x42, 0x86, CS0, HANDLER & 0xffff);
    m->st.rflags |= X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_NT;
    assert_done(exec(m, INT_N(0x40)));
    assert_int_equal(esp(m), STACK0 - 12);
    assert_int_equal(peek(m, STACK0 - 4, 4), 0x4302);
    assert_int_equal(peek(m, STACK0 - 8, 4), CS0);
    assert_int_equal(peek(m, STACK0 - 12, 4), CODE + 2);
    assert_int_equal(m->st.rflags, X86_EFLAGS_RES1);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_SOFT_INT);
    assert_int_equal(last_exit(m)->u.exception.vector, 0x40);
    set_ring(m, 0);
    m->st.rflags |= X86_EFLAGS_IF;
    assert_done(exec(m, INT_N(0x41)));
    assert_true(m->st.rflags & X86_EFLAGS_IF); /* a trap gate */
    set_ring(m, 0);
    assert_done(exec(m, INT_N(0x42)));
    assert_int_equal(esp(m), STACK0 - 6);
    assert_int_equal(peek(m, STACK0 - 6, 2), (CODE + 2) & 0xffff);
}

static void to_an_inner_level_with_error_code(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    idt_gate(m, X86_GP, 0x8e, CS0, HANDLER);
    assert_true(deliver(m, X86_GP, true, 0x1234));
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(esp(m), STACK0 - 24);
    assert_int_equal(peek(m, STACK0 - 4, 4), DS3);
    assert_int_equal(peek(m, STACK0 - 8, 4), STACK3);
    assert_int_equal(peek(m, STACK0 - 12, 4), 0x10002); /* a fault: RF */
    assert_int_equal(peek(m, STACK0 - 16, 4), CS3);
    assert_int_equal(peek(m, STACK0 - 20, 4), CODE3);
    assert_int_equal(peek(m, STACK0 - 24, 4), 0x1234);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_EXCEPTION);
    assert_int_equal(m->st.seg[X86_DS].selector, DS3); /* data stays */
}

static void to_ring_1_and_conforming(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    idt_gate(m, 0x40, 0xee, CS1 & ~3u, HANDLER);
    assert_done(exec(m, INT_N(0x40)));
    assert_int_equal(x86_cpl(&m->st), 1);
    assert_int_equal(m->st.seg[X86_CS].selector, CS1);
    assert_int_equal(peek(m, STACK1 - 4, 4), DS3);
    set_ring(m, 3);
    descriptor(m, SEL_X, 0, 0xfffff, 0xc09e);
    idt_gate(m, 0x41, 0xee, SEL_X, HANDLER);
    assert_done(exec(m, INT_N(0x41)));
    assert_int_equal(x86_cpl(&m->st), 3);
    assert_int_equal(m->st.seg[X86_CS].selector, SEL_X | 3);
    assert_int_equal(esp(m), STACK3 - 12);
}

static void gate_errors_name_the_vector(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    idt_gate(m, 0x40, 0x8e, CS0, HANDLER); /* DPL 0 */
    assert_faults(m, X86_GP, 0x40 * 8 + 2, INT_N(0x40));
    idt_gate(m, 0x40, 0x6e, CS0, HANDLER);
    assert_faults(m, X86_NP, 0x40 * 8 + 2, INT_N(0x40));
    idt_gate(m, 0x40, 0x0e, CS0, HANDLER); /* DPL comes before P */
    assert_faults(m, X86_GP, 0x40 * 8 + 2, INT_N(0x40));
    idt_gate(m, 0x40, 0xec, CS0, HANDLER); /* a call gate */
    assert_faults(m, X86_GP, 0x40 * 8 + 2, INT_N(0x40));
    m->st.idt.limit = 0x40 * 8 + 6;
    assert_faults(m, X86_GP, 0x40 * 8 + 2, INT_N(0x40));
    idt_gate(m, X86_BP, 0x8e, CS0, HANDLER);
    assert_faults(m, X86_GP, X86_BP * 8 + 2, 0xcc);
    m->st.rflags |= X86_EFLAGS_OF;
    idt_gate(m, X86_OF, 0x8e, CS0, HANDLER);
    assert_faults(m, X86_GP, X86_OF * 8 + 2, 0xce);
    idt_gate(m, X86_DB, 0x8e, CS0, HANDLER);
    assert_done(exec(m, 0xf1)); /* INT1 checks no DPL */
    assert_int_equal(peek(m, STACK0 - 20, 4), CODE3 + 1);
}

static void handler_errors_name_its_selector(void **state)
{
    struct machine *m = *state;
    static const struct {
        unsigned selector, attr, vector, error;
    } rows[] = {
        {0, 0, X86_GP, 0},
        {0x80, 0, X86_GP, 0x80},
        {SEL_X, 0x92, X86_GP, SEL_X},
        {SEL_X, 0xfa, X86_GP, SEL_X}, /* outward */
        {SEL_X, 0x1a, X86_NP, SEL_X},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        descriptor(m, SEL_X, 0, 0xfffff, 0xc000 | rows[i].attr);
        idt_gate(m, 0x40, 0x8e, rows[i].selector, HANDLER);
        assert_faults(m, rows[i].vector, rows[i].error, INT_N(0x40));
    }
    descriptor(m, SEL_X, 0, 0xff, 0x409a);
    idt_gate(m, 0x40, 0x8e, SEL_X, 0x100);
    assert_faults(m, X86_GP, 0, INT_N(0x40));
}

static void bad_inner_stacks(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    idt_gate(m, 0x40, 0xee, CS0, HANDLER);
    poke(m, TSS + 8, 0, 2);
    assert_faults(m, X86_TS, 0, INT_N(0x40));
    poke(m, TSS + 8, DS3, 2);
    assert_faults(m, X86_TS, DS3 & ~3u, INT_N(0x40));
    descriptor(m, SEL_X, 0, 0xfffff, 0xc012);
    poke(m, TSS + 8, SEL_X, 2);
    assert_faults(m, X86_SSEG, SEL_X, INT_N(0x40));
    descriptor(m, SEL_X, 0, 0xf, 0x4092);
    assert_faults(m, X86_SSEG, SEL_X, INT_N(0x40));
    m->st.tr.limit = 7;
    assert_faults(m, X86_TS, SEL_TSS, INT_N(0x40));
}

static void ext_bit_in_faults_of_faults(void **state)
{
    struct machine *m = *state;

    idt_gate(m, X86_NP, 0x8e, CS0, HANDLER);
    idt_gate(m, X86_UD, 0x0e, CS0, HANDLER); /* absent */
    assert_true(deliver(m, X86_UD, false, 0));
    assert_int_equal(peek(m, esp(m), 4), X86_UD * 8 + 3);
    assert_int_equal(m->emu.causes, 2);
    assert_int_equal(m->emu.cause[0].vector, X86_UD);
    assert_int_equal(m->emu.cause[1].vector, X86_NP);
}

static void contributory_pairs_make_double_faults(void **state)
{
    struct machine *m = *state;

    idt_gate(m, X86_GP, 0x0e, CS0, HANDLER);
    idt_gate(m, X86_DF, 0x8e, CS0, HANDLER);
    assert_true(deliver(m, X86_GP, true, 0));
    assert_int_equal(last_exit(m)->u.exception.vector, X86_DF);
    assert_int_equal(peek(m, esp(m), 4), 0);
    assert_int_equal(peek(m, esp(m) + 4, 4), CODE);
    assert_int_equal(m->emu.causes, 2);

    /* A page fault after a contributory one is delivered by itself. */
    set_ring(m, 0);
    idt_gate(m, X86_PF, 0x0e, CS0, HANDLER);
    m->emu.fault_cr2 = 0x1234;
    assert_true(deliver(m, X86_PF, true, 2));
    assert_int_equal(last_exit(m)->u.exception.vector, X86_DF);
    assert_int_equal(m->st.cr2, 0x1234);
}

static void three_faults_shut_down(void **state)
{
    struct machine *m = *state;

    m->st.idt.limit = 0;
    assert_false(deliver(m, X86_GP, true, 0));
    assert_int_equal(m->st.activity, X86_SHUTDOWN);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_TRIPLE_FAULT);
    assert_int_equal(m->emu.causes, 3);
    assert_int_equal(m->emu.cause[0].vector, X86_GP);
    assert_int_equal(m->emu.cause[1].error, X86_GP * 8 + 3);
    assert_int_equal(m->emu.cause[2].error, X86_DF * 8 + 3);
    assert_int_equal(m->emu.before_fault.rip, CODE);
}

static void interrupts_are_benign(void **state)
{
    struct machine *m = *state;
    struct x86_event ev = {.valid = true, .vector = 0x40, .external = true};

    idt_gate(m, X86_NP, 0x8e, CS0, HANDLER);
    idt_gate(m, 0x40, 0x0e, CS0, HANDLER);
    m->st.activity = X86_HALTED;
    assert_true(emu_deliver(&m->emu, &ev));
    assert_int_equal(peek(m, esp(m), 4), 0x40 * 8 + 3);
    assert_int_equal(m->st.activity, X86_ACTIVE);
    set_ring(m, 0);
    idt_gate(m, 0x40, 0x8e, CS0, HANDLER);
    m->st.sti_shadow = true;
    assert_true(emu_deliver(&m->emu, &ev));
    assert_int_equal(last_exit(m)->kind, VM_EXIT_EXTINT);
    assert_int_equal(peek(m, esp(m) + 8, 4), X86_EFLAGS_RES1); /* no RF */
    assert_false(m->st.sti_shadow);
}

static void debug_exceptions_write_dr6(void **state)
{
    struct machine *m = *state;

    idt_gate(m, X86_DB, 0x8e, CS0, HANDLER);
    m->st.dr[7] |= BIT(13);
    m->st.dr[6] |= 5;
    m->emu.fault_dr6 = BIT(14) | 2;
    assert_true(deliver(m, X86_DB, false, 0));
    assert_int_equal(m->st.dr[6], 0xffff4ff2);
    assert_int_equal(m->st.dr[7], 0x400);
    assert_int_equal(peek(m, esp(m) + 8, 4), X86_EFLAGS_RES1);
}

/* ---- V86 mode ---------------------------------------------------------- */

static void from_v86_to_ring_0_and_back(void **state)
{
    struct machine *m = *state;
    static const unsigned order[] = {X86_GS, X86_FS, X86_DS, X86_ES, X86_SS};

    set_v86(m, 3);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        m->st.seg[order[i]].selector = (uint16_t)(0x3000 + i);
    idt_gate(m, 0x40, 0xee, CS0, HANDLER);
    assert_done(exec(m, INT_N(0x40)));
    assert_int_equal(x86_mode(&m->st), X86_MODE_PROT32);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(esp(m), STACK0 - 36);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        assert_int_equal(peek(m, STACK0 - 4 - 4 * i, 4), 0x3000 + i);
    assert_int_equal(peek(m, STACK0 - 24, 4), 0x1000); /* ESP */
    assert_int_equal(peek(m, STACK0 - 28, 4), 0x23002);
    assert_int_equal(peek(m, STACK0 - 36, 4), 2);
    assert_int_equal(m->st.seg[X86_DS].selector, 0);
    assert_false(m->st.seg[X86_GS].attr & X86_SEG_P);

    assert_done(exec(m, IRET));
    assert_int_equal(x86_mode(&m->st), X86_MODE_V86);
    assert_int_equal(m->st.rip, 2);
    assert_int_equal(m->st.seg[X86_GS].base, 0x30000);
    assert_int_equal(m->st.seg[X86_SS].base, 0x30040);
    assert_int_equal(m->st.seg[X86_CS].attr, SYS_V86_ATTR);
    assert_int_equal(esp(m), 0x1000);
    assert_int_equal(m->st.rflags, 0x23002);
}

static void v86_int_needs_iopl_and_ring_0(void **state)
{
    struct machine *m = *state;

    set_v86(m, 2);
    idt_gate(m, 0x40, 0xee, CS0, HANDLER);
    assert_faults(m, X86_GP, 0, INT_N(0x40));
    assert_faults(m, X86_GP, 0, IRET);
    idt_gate(m, X86_BP, 0xee, CS0, HANDLER);
    assert_done(exec(m, 0xcc)); /* INT3 needs no IOPL */
    assert_int_equal(last_exit(m)->kind, VM_EXIT_EXCEPTION);
    assert_int_equal(last_exit(m)->u.exception.vector, X86_BP);
    set_v86(m, 3);
    idt_gate(m, 0x40, 0xee, CS1 & ~3u, HANDLER);
    assert_faults(m, X86_GP, CS1 & ~3u, INT_N(0x40));
    descriptor(m, SEL_X, 0, 0xfffff, 0xc09e);
    idt_gate(m, 0x40, 0xee, SEL_X, HANDLER);
    assert_faults(m, X86_GP, SEL_X, INT_N(0x40));
}

static void v86_iret_stays_in_v86(void **state)
{
    struct machine *m = *state;

    set_v86(m, 3);
    poke(m, 0x31000, 0x0123, 2);
    poke(m, 0x31002, 0x4567, 2);
    poke(m, 0x31004, 0x0ed7, 2); /* IOPL 0: ignored */
    assert_done(exec(m, IRET));
    assert_int_equal(m->st.rip, 0x123);
    assert_int_equal(m->st.seg[X86_CS].base, 0x45670);
    assert_int_equal(m->st.rflags, 0x23ed7);
    assert_int_equal(esp(m), 0x1006);
}

/* ---- real mode --------------------------------------------------------- */

static void real_mode_vectors(void **state)
{
    struct machine *m = *state;

    set_real(m);
    poke(m, 0x40 * 4, 0x20001234, 4);
    m->st.rflags |= X86_EFLAGS_IF | X86_EFLAGS_CF;
    assert_done(exec(m, INT_N(0x40)));
    assert_int_equal(m->st.rip, 0x1234);
    assert_int_equal(m->st.seg[X86_CS].base, 0x20000);
    assert_int_equal(esp(m), 0xffa);
    assert_int_equal(peek(m, 0x20ffe, 2), 0x203);
    assert_int_equal(peek(m, 0x20ffc, 2), CODE >> 4);
    assert_int_equal(peek(m, 0x20ffa, 2), 2);
    assert_int_equal(m->st.rflags, 3);
    assert_done(exec(m, IRET));
    assert_int_equal(m->st.rip, 2);
    assert_int_equal(m->st.rflags, 0x203);
    m->st.idt.limit = 0x40 * 4 + 2;
    assert_faults(m, X86_GP, 0x40 * 8 + 2, INT_N(0x40));
}

/* ---- IRET -------------------------------------------------------------- */

static void frame(struct machine *m, uint32_t eip, unsigned cs, uint32_t flags,
                  uint32_t sp, unsigned ss)
{
    const uint32_t value[] = {eip, cs, flags, sp, ss};

    for (unsigned i = 0; i < 5; i++)
        poke(m, esp(m) + 4 * i, value[i], 4);
}

static void iret_to_ring_3(void **state)
{
    struct machine *m = *state;

    frame(m, TARGET, CS3, 0x3ed7 | X86_EFLAGS_RF, STACK3, DS3);
    m->st.nmi_blocked = true;
    assert_done(exec(m, IRET));
    assert_int_equal(x86_cpl(&m->st), 3);
    assert_int_equal(m->st.rip, TARGET);
    assert_int_equal(esp(m), STACK3);
    assert_int_equal(m->st.rflags, 0x13ed7);
    assert_int_equal(m->st.seg[X86_DS].selector, 0);
    assert_false(m->st.nmi_blocked);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_IRET);
}

static void iret_at_ring_3_leaves_iopl_and_if(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    m->st.rflags |= X86_EFLAGS_IF;
    frame(m, TARGET, CS3, 0x3cd7 | X86_EFLAGS_VM, 0, 0);
    assert_done(exec(m, IRET));
    assert_int_equal(m->st.rflags, 0xed7); /* VM ignored as well */
    set_ring(m, 3);
    m->st.rflags |= X86_EFLAGS_IOPL;
    frame(m, TARGET, CS3, 0x2, 0, 0);
    assert_done(exec(m, IRET));
    assert_int_equal(m->st.rflags, 0x3002);
}

static void iret_checks(void **state)
{
    struct machine *m = *state;

    frame(m, TARGET, 0, 2, 0, 0);
    assert_faults(m, X86_GP, 0, IRET);
    frame(m, TARGET, CS3 & ~3u, 2, 0, 0);
    assert_faults(m, X86_GP, CS3 & ~3u, IRET);
    frame(m, TARGET, CS3, 2, STACK3, DS0);
    assert_faults(m, X86_GP, DS0, IRET);
    frame(m, TARGET, CS3, 2, STACK3, 0);
    assert_faults(m, X86_GP, 0, IRET);
    descriptor(m, SEL_X, 0, 0xff, 0x409a);
    frame(m, 0x100, SEL_X, 2, 0, 0);
    assert_faults(m, X86_GP, 0, IRET);
    frame(m, 0x10000, 0x1000, 2 | X86_EFLAGS_VM, 0, 0);
    assert_faults(m, X86_GP, 0, IRET); /* V86: IP beyond 64 KiB */
    m->st.seg[X86_SS].limit = STACK0 + 10;
    assert_faults(m, X86_SSEG, 0, IRET);
}

static void iret_to_a_16_bit_stack_keeps_the_upper_half(void **state)
{
    struct machine *m = *state;

    descriptor(m, SEL_X, STACK3, 0xffff, 0xf2);
    m->st.gpr[X86_RSP] = STACK0 + 0x10;
    frame(m, TARGET, CS3, 2, 0xabcd1234, SEL_X | 3);
    assert_done(exec(m, IRET));
    assert_int_equal(esp(m), (STACK0 & 0xffff0000u) | 0x1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(same_level_frames),
        TEST(to_an_inner_level_with_error_code),
        TEST(to_ring_1_and_conforming),
        TEST(gate_errors_name_the_vector),
        TEST(handler_errors_name_its_selector),
        TEST(bad_inner_stacks),
        TEST(ext_bit_in_faults_of_faults),
        TEST(contributory_pairs_make_double_faults),
        TEST(three_faults_shut_down),
        TEST(interrupts_are_benign),
        TEST(debug_exceptions_write_dr6),
        TEST(from_v86_to_ring_0_and_back),
        TEST(v86_int_needs_iopl_and_ring_0),
        TEST(v86_iret_stays_in_v86),
        TEST(real_mode_vectors),
        TEST(iret_to_ring_3),
        TEST(iret_at_ring_3_leaves_iopl_and_if),
        TEST(iret_checks),
        TEST(iret_to_a_16_bit_stack_keeps_the_upper_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
