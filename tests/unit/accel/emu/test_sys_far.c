/* Far JMP, CALL and RET, call gates: one test per rule. */
#include "sys_fixture.h"

#define FAR_PTR(op, sel) op, 0, 0x30, 1, 0, (uint8_t)(sel), (sel) >> 8
#define CALL_FAR(sel)    FAR_PTR(0x9a, sel) /* to TARGET */
#define JMP_FAR(sel)     FAR_PTR(0xea, sel)
#define RETF             0xcb

static void jumps_to_code_of_the_same_level(void **state)
{
    struct machine *m = *state;

    descriptor(m, SEL_X, 0x1000, 0xfffff, 0xc09a);
    assert_done(exec(m, JMP_FAR(SEL_X)));
    assert_int_equal(m->st.seg[X86_CS].selector, SEL_X);
    assert_int_equal(m->st.seg[X86_CS].base, 0x1000);
    assert_int_equal(m->st.rip, TARGET);
    assert_int_equal(type_bits(m, SEL_X), 0xb); /* accessed */
    assert_int_equal(last_exit(m)->kind, VM_EXIT_FAR_TRANSFER);
    assert_int_equal(last_exit(m)->rip, CODE);
}

/* What a direct far jump says of a code segment, CPL by CPL. */
static void checks_the_code_segment(void **state)
{
    struct machine *m = *state;
    static const struct {
        unsigned cpl, rpl, attr;
        int vector; /* -1: goes there */
    } rows[] = {
        {0, 0, 0x9a, -1},     {0, 1, 0x9a, X86_GP}, {3, 3, 0x9a, X86_GP},
        {3, 0, 0xfa, -1},     {0, 0, 0xfa, X86_GP}, {0, 0, 0xfe, X86_GP},
        {3, 3, 0x9e, -1},     {3, 0, 0x9e, -1},     {3, 3, 0xfe, -1},
        {0, 0, 0x1a, X86_NP}, {3, 3, 0x1a, X86_GP}, {0, 0, 0x92, X86_GP},
        {0, 0, 0x82, X86_GP}, {0, 0, 0x8e, X86_GP}, {0, 0, 0x8b, X86_GP},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t sel = (uint8_t)(SEL_X | rows[i].rpl);

        set_ring(m, rows[i].cpl);
        descriptor(m, SEL_X, 0, 0xfffff, 0xc000 | rows[i].attr);
        if (rows[i].vector >= 0) {
            assert_faults(m, (unsigned)rows[i].vector, SEL_X, JMP_FAR(sel));
            continue;
        }
        assert_done(exec(m, JMP_FAR(sel)));
        assert_int_equal(m->st.seg[X86_CS].selector, SEL_X | rows[i].cpl);
        assert_int_equal(x86_cpl(&m->st), rows[i].cpl);
    }
}

static void null_limit_and_eip(void **state)
{
    struct machine *m = *state;

    assert_faults(m, X86_GP, 0, JMP_FAR(0));
    assert_faults(m, X86_GP, 0, JMP_FAR(2));
    assert_faults(m, X86_GP, 0x80, JMP_FAR(0x80));
    descriptor(m, SEL_X, 0, TARGET - 1, 0x409a);
    assert_faults(m, X86_GP, 0, JMP_FAR(SEL_X));
}

static void call_pushes_and_ret_returns(void **state)
{
    struct machine *m = *state;

    descriptor(m, SEL_X, 0, 0xfffff, 0xc09a);
    assert_done(exec(m, CALL_FAR(SEL_X)));
    assert_int_equal(m->st.gpr[X86_RSP], STACK0 - 8);
    assert_int_equal(peek(m, STACK0 - 4, 4), CS0);
    assert_int_equal(peek(m, STACK0 - 8, 4), CODE + 7);
    assert_done(exec(m, 0xca, 8, 0)); /* retf 8 */
    assert_int_equal(m->st.gpr[X86_RSP], STACK0 + 8);
    assert_int_equal(m->st.rip, CODE + 7);
    assert_int_equal(m->st.seg[X86_CS].selector, CS0);
}

static void operand_size_16_cuts_the_offset(void **state)
{
    struct machine *m = *state;

    descriptor(m, SEL_X, 0, 0xfffff, 0xc09a);
    assert_done(exec(m, 0x66, 0x9a, 0x00, 0x30, SEL_X, 0));
    assert_int_equal(m->st.rip, 0x3000);
    assert_int_equal(m->st.gpr[X86_RSP], STACK0 - 4);
    assert_int_equal(peek(m, STACK0 - 4, 2), (CODE + 6) & 0xffff);
    assert_int_equal(peek(m, STACK0 - 2, 2), CS0);
}

static void through_memory(void **state)
{
    struct machine *m = *state;

    poke(m, DATA, TARGET, 4);
    poke(m, DATA + 4, CS0, 2);
    assert_done(exec(m, 0xff, 0x2d, 0, 0, 4, 0));
    assert_int_equal(m->st.rip, TARGET);
    assert_done(exec(m, 0x66, 0xff, 0x1d, 2, 0, 4, 0)); /* CS0:0001 */
}

static void real_and_v86_mode(void **state)
{
    struct machine *m = *state;

    set_v86(m, 0);
    assert_done(exec(m, 0x9a, 0x34, 0x12, 0x78, 0x56));
    assert_int_equal(m->st.seg[X86_CS].base, 0x56780);
    assert_int_equal(m->st.seg[X86_CS].attr, SYS_V86_ATTR);
    assert_int_equal(m->st.rip, 0x1234);
    assert_done(exec(m, RETF));
    assert_int_equal(m->st.rip, 5);
    set_real(m);
    assert_done(exec(m, 0xea, 0x10, 0, 0x00, 0x10));
    assert_int_equal(m->st.seg[X86_CS].base, 0x10000);
    assert_int_equal(m->st.rip, 0x10);
}

/* ---- call gates -------------------------------------------------------- */

static void gate(struct machine *m, unsigned attr, unsigned selector,
                 unsigned count)
{
    gate_at(m, GDT + SEL_GATE, attr, selector, TARGET, count);
}

static void gate_to_the_same_level(void **state)
{
    struct machine *m = *state;

    gate(m, 0x8c, CS0, 5);
    assert_done(exec(m, 0x9a, 9, 9, 9, 9, SEL_GATE, 0)); /* offset unused */
    assert_int_equal(m->st.rip, TARGET);
    assert_int_equal(m->st.gpr[X86_RSP], STACK0 - 8); /* no parameters */
}

static void gate_to_an_inner_level_copies_parameters(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    gate(m, 0xec, CS0, 2);
    poke(m, STACK3, 0x11111111, 4);
    poke(m, STACK3 + 4, 0x22222222, 4);
    assert_done(exec(m, CALL_FAR(SEL_GATE | 3)));
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(m->st.seg[X86_CS].selector, CS0);
    assert_int_equal(m->st.seg[X86_SS].selector, DS0);
    assert_int_equal(m->st.gpr[X86_RSP], STACK0 - 24);
    assert_int_equal(peek(m, STACK0 - 4, 4), DS3);
    assert_int_equal(peek(m, STACK0 - 8, 4), STACK3);
    assert_int_equal(peek(m, STACK0 - 12, 4), 0x22222222);
    assert_int_equal(peek(m, STACK0 - 16, 4), 0x11111111);
    assert_int_equal(peek(m, STACK0 - 20, 4), CS3);
    assert_int_equal(peek(m, STACK0 - 24, 4), CODE3 + 7);

    m->st.seg[X86_ES] = flat_seg(DS0, A_DATA0);
    m->st.seg[X86_FS] = flat_seg(SEL_X, 0xc09f); /* conforming: stays */
    assert_done(exec(m, 0xca, 8, 0)); /* back, 8 bytes of parameters */
    assert_int_equal(x86_cpl(&m->st), 3);
    assert_int_equal(m->st.gpr[X86_RSP], STACK3 + 8);
    assert_int_equal(m->st.seg[X86_SS].selector, DS3);
    assert_int_equal(m->st.seg[X86_ES].selector, 0);
    assert_false(m->st.seg[X86_ES].attr & X86_SEG_P);
    assert_int_equal(m->st.seg[X86_DS].selector, DS3);
    assert_int_equal(m->st.seg[X86_FS].selector, SEL_X);
}

static void gate_of_16_bits(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    gate(m, 0xe4, CS0, 1);
    poke(m, STACK3, 0xbeef, 2);
    assert_done(exec(m, CALL_FAR(SEL_GATE)));
    assert_int_equal(m->st.rip, TARGET & 0xffff);
    assert_int_equal(m->st.gpr[X86_RSP], STACK0 - 10);
    assert_int_equal(peek(m, STACK0 - 6, 2), 0xbeef);
}

static void gate_checks(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    gate(m, 0x8c, CS0, 0); /* DPL 0 */
    assert_faults(m, X86_GP, SEL_GATE, CALL_FAR(SEL_GATE));
    gate(m, 0x6c, CS0, 0);
    assert_faults(m, X86_NP, SEL_GATE, CALL_FAR(SEL_GATE));
    gate(m, 0xec, 0, 0);
    assert_faults(m, X86_GP, 0, CALL_FAR(SEL_GATE));
    gate(m, 0xec, 0x80, 0);
    assert_faults(m, X86_GP, 0x80, CALL_FAR(SEL_GATE));
    gate(m, 0xec, DS0, 0);
    assert_faults(m, X86_GP, DS0, CALL_FAR(SEL_GATE));
    gate(m, 0xec, CS0, 0);
    assert_faults(m, X86_GP, CS0, JMP_FAR(SEL_GATE)); /* JMP stays */
    descriptor(m, SEL_X, 0, 0xfffff, 0xc01a);
    gate(m, 0xec, SEL_X, 0);
    assert_faults(m, X86_NP, SEL_X, CALL_FAR(SEL_GATE));
    set_ring(m, 0);
    gate(m, 0xec, CS3, 0); /* outward */
    assert_faults(m, X86_GP, CS3 & ~3u, CALL_FAR(SEL_GATE));
    gate(m, 0x8c, CS0, 0);
    assert_faults(m, X86_GP, SEL_GATE, CALL_FAR(SEL_GATE | 3)); /* RPL */
}

static void gate_through_a_bad_stack(void **state)
{
    struct machine *m = *state;
    static const struct {
        unsigned ss, attr, vector, error;
    } rows[] = {
        {0, 0, X86_TS, 0},
        {0x80, 0, X86_TS, 0x80},
        {SEL_X | 3, 0x93, X86_TS, SEL_X},
        {SEL_X, 0xf3, X86_TS, SEL_X},
        {SEL_X, 0x91, X86_TS, SEL_X},
        {SEL_X, 0x13, X86_SSEG, SEL_X},
    };

    set_ring(m, 3);
    gate(m, 0xec, CS0, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        descriptor(m, SEL_X, 0, 0xfffff, 0xc000 | rows[i].attr);
        poke(m, TSS + 8, rows[i].ss, 2);
        assert_faults(m, rows[i].vector, rows[i].error, CALL_FAR(SEL_GATE));
    }
    descriptor(m, SEL_X, 0, 0x7f, 0x4093);
    poke(m, TSS + 4, 0x100, 4); /* beyond the limit */
    poke(m, TSS + 8, SEL_X, 2);
    assert_faults(m, X86_SSEG, SEL_X, CALL_FAR(SEL_GATE));
    m->st.tr.limit = 8;
    assert_faults(m, X86_TS, SEL_TSS, CALL_FAR(SEL_GATE));
}

/* ---- RET --------------------------------------------------------------- */

static void push_frame(struct machine *m, uint32_t eip, unsigned cs,
                       uint32_t esp, unsigned ss)
{
    const uint32_t frame[] = {eip, cs, esp, ss};

    for (unsigned i = 0; i < 4; i++)
        poke(m, (uint32_t)m->st.gpr[X86_RSP] + 4 * i, frame[i], 4);
}

static void ret_checks(void **state)
{
    struct machine *m = *state;
    static const struct {
        unsigned cs, attr, ss, ss_attr;
        unsigned vector, error;
    } rows[] = {
        {0, 0, 0, 0, X86_GP, 0},
        {0x80, 0, 0, 0, X86_GP, 0x80},
        {SEL_X, 0x92, 0, 0, X86_GP, SEL_X},
        {SEL_X, 0xfa, 0, 0, X86_GP, SEL_X},     /* RPL 0, DPL 3 */
        {SEL_X | 3, 0x9a, 0, 0, X86_GP, SEL_X}, /* RPL 3, DPL 0 */
        {SEL_X, 0x1a, 0, 0, X86_NP, SEL_X},
        {SEL_X | 1, 0xfe, 0, 0, X86_GP, SEL_X}, /* conforming, DPL > RPL */
        {CS3, 0, 0, 0, X86_GP, 0},              /* null SS */
        {CS3, 0, 0x80, 0, X86_GP, 0x80},
        {CS3, 0, DS0, 0, X86_GP, DS0},
        {CS3, 0, DS3 & ~3u, 0, X86_GP, DS3 & ~3u},
        {CS3, 0, SEL_X | 3, 0x73, X86_SSEG, SEL_X},
        {CS3, 0, SEL_X | 3, 0xf1, X86_GP, SEL_X},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        descriptor(m, SEL_X, 0, 0xfffff,
                   0xc000 | (rows[i].attr ? rows[i].attr : rows[i].ss_attr));
        push_frame(m, TARGET, rows[i].cs, STACK3, rows[i].ss);
        assert_faults(m, rows[i].vector, rows[i].error, RETF);
    }
    set_ring(m, 3);
    push_frame(m, TARGET, CS0, 0, 0); /* inward */
    assert_faults(m, X86_GP, CS0, RETF);
}

static void ret_beyond_the_limits(void **state)
{
    struct machine *m = *state;

    descriptor(m, SEL_X, 0, 0xff, 0x409a);
    push_frame(m, 0x100, SEL_X, 0, 0);
    assert_faults(m, X86_GP, 0, RETF);
    m->st.seg[X86_SS].limit = STACK0 + 6;
    assert_faults(m, X86_SSEG, 0, RETF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jumps_to_code_of_the_same_level),
        TEST(checks_the_code_segment),
        TEST(null_limit_and_eip),
        TEST(call_pushes_and_ret_returns),
        TEST(operand_size_16_cuts_the_offset),
        TEST(through_memory),
        TEST(real_and_v86_mode),
        TEST(gate_to_the_same_level),
        TEST(gate_to_an_inner_level_copies_parameters),
        TEST(gate_of_16_bits),
        TEST(gate_checks),
        TEST(gate_through_a_bad_stack),
        TEST(ret_checks),
        TEST(ret_beyond_the_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
