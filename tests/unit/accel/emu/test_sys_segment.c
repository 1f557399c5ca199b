/* Segment loads and descriptor queries: one test per rule. */
#include "sys_fixture.h"

#define MOV_DS_AX 0x8e, 0xd8
#define MOV_SS_AX 0x8e, 0xd0

static void set_ax(struct machine *m, unsigned value)
{
    m->st.gpr[X86_RAX] = value;
}

/* ---- DS, ES, FS, GS ---------------------------------------------------- */

static void loads_data_and_sets_accessed(void **state)
{
    struct machine *m = *state;

    descriptor(m, SEL_X, 0x12345678, 0x1ffff, 0xc092);
    set_ax(m, SEL_X | 3); /* RPL 3 > DPL 0 */
    assert_faults(m, X86_GP, SEL_X, MOV_DS_AX);
    assert_int_equal(type_bits(m, SEL_X), 2);
    set_ax(m, SEL_X);
    assert_done(exec(m, MOV_DS_AX));
    assert_int_equal(m->st.seg[X86_DS].base, 0x12345678);
    assert_int_equal(m->st.seg[X86_DS].limit, 0x1fffffff);
    assert_int_equal(m->st.seg[X86_DS].attr, 0xc093);
    assert_int_equal(type_bits(m, SEL_X), 3);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_SEG_LOAD);
    assert_int_equal(last_exit(m)->u.reg.reg, X86_DS);
    assert_int_equal(last_exit(m)->u.reg.value, SEL_X);
}

static void null_selector_makes_unusable(void **state)
{
    struct machine *m = *state;

    for (unsigned rpl = 0; rpl < 4; rpl++) {
        set_ax(m, rpl);
        assert_done(exec(m, MOV_DS_AX));
        assert_int_equal(m->st.seg[X86_DS].selector, rpl);
        assert_int_equal(m->st.seg[X86_DS].attr & X86_SEG_P, 0);
    }
    assert_faults(m, X86_GP, 0, 0xa1, 0, 0, 4, 0); /* mov eax, [0x40000] */
}

/* Descriptors that DS refuses or takes at CPL 3 with RPL 3. */
static void checks_type_and_privilege(void **state)
{
    struct machine *m = *state;
    static const struct {
        unsigned attr;
        int vector; /* -1: loads */
    } rows[] = {
        {0xf3, -1},     {0xf1, -1},     {0xf7, -1},     {0xd3, X86_GP},
        {0xfb, -1},     {0xf9, X86_GP}, {0xdb, X86_GP}, {0x9f, -1},
        {0x9d, X86_GP}, {0x73, X86_NP}, {0x53, X86_GP}, {0x1f, X86_NP},
        {0xe2, X86_GP}, {0xe9, X86_GP}, {0xec, X86_GP}, {0x00, X86_GP},
    };

    set_ring(m, 3);
    set_ax(m, SEL_X | 3);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        descriptor(m, SEL_X, 0, 0xffff, rows[i].attr);
        if (rows[i].vector >= 0)
            assert_faults(m, (unsigned)rows[i].vector, SEL_X, MOV_DS_AX);
        else
            assert_done(exec(m, MOV_DS_AX));
    }
}

static void selector_beyond_its_table(void **state)
{
    struct machine *m = *state;

    set_ax(m, 0x80);
    assert_faults(m, X86_GP, 0x80, MOV_DS_AX);
    m->st.gdt.limit = 0x16; /* one byte short */
    set_ax(m, DS0);
    assert_faults(m, X86_GP, DS0, MOV_DS_AX);
    set_ax(m, 0x04); /* the LDT's first; there is no LDT */
    assert_faults(m, X86_GP, 0x04, MOV_DS_AX);
    m->st.ldt = (struct x86_seg){SEL_LDT, A_LDT, 7, LDT};
    descriptor(m, 0x04, 0x777, 0xffff, 0x93);
    assert_done(exec(m, MOV_DS_AX));
    assert_int_equal(m->st.seg[X86_DS].base, 0x777);
    set_ax(m, 0x0c);
    assert_faults(m, X86_GP, 0x0c, MOV_DS_AX);
}

static void hidden_part_outlives_the_table(void **state)
{
    struct machine *m = *state;

    descriptor(m, SEL_X, DATA, 0xf, 0x93);
    set_ax(m, SEL_X);
    assert_done(exec(m, MOV_DS_AX));
    descriptor(m, SEL_X, 0, 0, 0);
    poke(m, DATA + 12, 0xcafe, 4);
    assert_done(exec(m, 0xa1, 12, 0, 0, 0));
    assert_int_equal(m->st.gpr[X86_RAX], 0xcafe);
    assert_faults(m, X86_GP, 0, 0xa1, 13, 0, 0, 0);
}

static void expand_down_limits(void **state)
{
    struct machine *m = *state;

    descriptor(m, SEL_X, 0, 0xfff, 0x97); /* 16-bit: 1000h to FFFFh */
    set_ax(m, SEL_X);
    assert_done(exec(m, MOV_DS_AX));
    assert_faults(m, X86_GP, 0, 0xa1, 0xff, 0x0f, 0, 0);
    assert_done(exec(m, 0xa1, 0x00, 0x10, 0, 0));
    assert_done(exec(m, 0xa1, 0xfc, 0xff, 0, 0));
    assert_faults(m, X86_GP, 0, 0xa1, 0xfd, 0xff, 0, 0);
}

/* ---- SS ---------------------------------------------------------------- */

static void stack_segment_rules(void **state)
{
    struct machine *m = *state;
    static const struct {
        unsigned selector, attr;
        unsigned vector, error;
    } rows[] = {
        {0, 0, X86_GP, 0},
        {3, 0, X86_GP, 0},
        {SEL_X | 1, 0x93, X86_GP, SEL_X}, /* RPL != CPL */
        {SEL_X, 0xb3, X86_GP, SEL_X},     /* DPL != CPL */
        {SEL_X, 0x91, X86_GP, SEL_X},     /* read-only */
        {SEL_X, 0x9b, X86_GP, SEL_X},     /* code */
        {SEL_X, 0x82, X86_GP, SEL_X},     /* system */
        {SEL_X, 0x13, X86_SSEG, SEL_X},   /* not present */
        {SEL_X | 3, 0x13, X86_GP, SEL_X}, /* privilege comes first */
        {0x80, 0, X86_GP, 0x80},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        descriptor(m, SEL_X, 0, 0xffff, rows[i].attr);
        set_ax(m, rows[i].selector);
        assert_faults(m, rows[i].vector, rows[i].error, MOV_SS_AX);
    }
}

static void mov_ss_and_pop_ss_shadow(void **state)
{
    struct machine *m = *state;

    set_ax(m, DS0);
    assert_done(exec(m, MOV_SS_AX));
    assert_true(m->st.movss_shadow);
    assert_done(exec(m, 0x90));
    assert_false(m->st.movss_shadow);
    poke(m, STACK0, DS0, 4);
    assert_done(exec(m, 0x17));
    assert_true(m->st.movss_shadow);
    assert_int_equal(m->st.gpr[X86_RSP], STACK0 + 4);
    poke(m, DATA + 4, DS0, 2);
    poke(m, DATA, 0x1234, 4);
    assert_done(exec(m, 0x0f, 0xb2, 0x25, 0, 0, 4, 0)); /* lss esp */
    assert_false(m->st.movss_shadow);
    assert_int_equal(m->st.gpr[X86_RSP], 0x1234);
}

static void pop_of_a_bad_selector_keeps_esp(void **state)
{
    struct machine *m = *state;

    poke(m, STACK0, 0x80, 4);
    assert_faults(m, X86_GP, 0x80, 0x1f);
}

static void far_pointer_loads_both_or_none(void **state)
{
    struct machine *m = *state;

    poke(m, DATA, 0x89abcdef, 4);
    poke(m, DATA + 4, 0x80, 2);
    assert_faults(m, X86_GP, 0x80, 0xc4, 0x1d, 0, 0, 4, 0); /* les ebx */
    poke(m, DATA + 4, DS3, 2);
    assert_done(exec(m, 0xc4, 0x1d, 0, 0, 4, 0));
    assert_int_equal(m->st.gpr[X86_RBX], 0x89abcdef);
    assert_int_equal(m->st.seg[X86_ES].selector, DS3);
    poke(m, DATA + 2, 0x0003, 2);
    m->st.gpr[X86_RBX] = 0x11111111;
    assert_done(exec(m, 0x66, 0x0f, 0xb5, 0x1d, 0, 0, 4, 0)); /* lgs bx */
    assert_int_equal(m->st.gpr[X86_RBX], 0x1111cdef);
    assert_int_equal(m->st.seg[X86_GS].selector, 3);
}

static void real_mode_keeps_the_limit(void **state)
{
    struct machine *m = *state;

    set_real(m);
    m->st.seg[X86_DS].limit = 0xffffffff; /* unreal */
    set_ax(m, 0x1234);
    assert_done(exec(m, MOV_DS_AX));
    assert_int_equal(m->st.seg[X86_DS].base, 0x12340);
    assert_int_equal(m->st.seg[X86_DS].limit, 0xffffffff);
    set_ring(m, 3);
    m->st.cr0 |= X86_CR0_PE;
    set_v86(m, 0);
    assert_done(exec(m, MOV_DS_AX));
    assert_int_equal(m->st.seg[X86_DS].limit, 0xffff);
    assert_int_equal(m->st.seg[X86_DS].attr, SYS_V86_ATTR);
}

/* ---- LDTR and TR ------------------------------------------------------- */

#define LLDT_AX 0x0f, 0x00, 0xd0
#define LTR_AX  0x0f, 0x00, 0xd8

static void lldt_rules(void **state)
{
    struct machine *m = *state;

    set_ax(m, SEL_LDT);
    assert_done(exec(m, LLDT_AX));
    assert_int_equal(m->st.ldt.base, LDT);
    assert_int_equal(m->st.ldt.limit, 0x3f);
    set_ax(m, 0x04);
    assert_faults(m, X86_GP, 0x04, LLDT_AX); /* not from the LDT */
    set_ax(m, DS0);
    assert_faults(m, X86_GP, DS0, LLDT_AX);
    set_ax(m, SEL_X);
    descriptor(m, SEL_X, 0, 0, 0x02);
    assert_faults(m, X86_NP, SEL_X, LLDT_AX);
    set_ax(m, 0);
    assert_done(exec(m, LLDT_AX));
    assert_false(m->st.ldt.attr & X86_SEG_P);
    set_ring(m, 3);
    assert_faults(m, X86_GP, 0, LLDT_AX);
    set_real(m);
    assert_faults(m, X86_UD, 0, LLDT_AX);
}

static void ltr_rules(void **state)
{
    struct machine *m = *state;

    set_ax(m, SEL_TSS_B);
    assert_done(exec(m, LTR_AX));
    assert_int_equal(m->st.tr.base, TSS_B);
    assert_int_equal(type_bits(m, SEL_TSS_B), 0xb);
    assert_int_equal(m->st.tr.attr & 0xf, 0xb);
    assert_faults(m, X86_GP, SEL_TSS_B, LTR_AX); /* busy */
    set_ax(m, 0);
    assert_faults(m, X86_GP, 0, LTR_AX);
    descriptor(m, SEL_X, 0, 0x67, 0x09);
    set_ax(m, SEL_X);
    assert_faults(m, X86_NP, SEL_X, LTR_AX);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_LDT_TR);
}

static void sldt_and_str_in_any_ring(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    m->st.gpr[X86_RBX] = ~0u;
    assert_done(exec(m, 0x0f, 0x00, 0xcb)); /* str ebx */
    assert_int_equal(m->st.gpr[X86_RBX], SEL_TSS);
    m->st.gpr[X86_RBX] = 0xffffffff;
    assert_done(exec(m, 0x66, 0x0f, 0x00, 0xc3)); /* sldt bx */
    assert_int_equal(m->st.gpr[X86_RBX], 0xffff0000);
    poke(m, DATA, 0xffffffff, 4);
    assert_done(exec(m, 0x0f, 0x00, 0x0d, 0, 0, 4, 0)); /* str [DATA] */
    assert_int_equal(peek(m, DATA, 4), 0xffff0000 | SEL_TSS);
    set_v86(m, 3);
    assert_faults(m, X86_UD, 0, 0x0f, 0x00, 0xcb);
}

/* ---- GDTR and IDTR ----------------------------------------------------- */

static void table_registers(void **state)
{
    struct machine *m = *state;

    poke(m, DATA, 0x1234, 2);
    poke(m, DATA + 2, 0xabcdef01, 4);
    assert_done(exec(m, 0x0f, 0x01, 0x1d, 0, 0, 4, 0)); /* lidt */
    assert_int_equal(m->st.idt.base, 0xabcdef01);
    assert_int_equal(m->st.idt.limit, 0x1234);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_DTABLE);
    assert_done(exec(m, 0x66, 0x0f, 0x01, 0x15, 0, 0, 4, 0)); /* lgdt */
    assert_int_equal(m->st.gdt.base, 0xcdef01);
    set_ring(m, 3);
    assert_faults(m, X86_GP, 0, 0x0f, 0x01, 0x1d, 0, 0, 4, 0);
    assert_done(exec(m, 0x66, 0x0f, 0x01, 0x0d, 16, 0, 4, 0)); /* sidt */
    assert_int_equal(peek(m, DATA + 18, 4), 0xabcdef01);
    assert_int_equal(peek(m, DATA + 16, 2), 0x1234);
}

/* ---- LAR, LSL, VERR, VERW, ARPL ---------------------------------------- */

/* EBX := LAR or LSL of AX; true: ZF. */
static bool query(struct machine *m, unsigned opcode)
{
    m->st.gpr[X86_RBX] = 0x55555555;
    assert_done(exec(m, 0x0f, (uint8_t)opcode, 0xd8));
    return m->st.rflags & X86_EFLAGS_ZF;
}

static bool verify(struct machine *m, uint8_t modrm)
{
    assert_done(exec(m, 0x0f, 0x00, modrm));
    return m->st.rflags & X86_EFLAGS_ZF;
}

static void lar_and_lsl_know_types(void **state)
{
    struct machine *m = *state;

    set_ax(m, SEL_X);
    for (unsigned type = 0; type < 32; type++) {
        bool seg = type >= 16;
        unsigned bit = 1u << (type & 15);

        descriptor(m, SEL_X, 0x1234, 0x56789, 0x80 | type);
        assert_int_equal(query(m, 0x02), seg || (0x1a3e & bit));
        if (m->st.rflags & X86_EFLAGS_ZF)
            assert_int_equal(m->st.gpr[X86_RBX], (0x80 | type) << 8);
        assert_int_equal(query(m, 0x03), seg || (0x0a0e & bit));
        if (m->st.rflags & X86_EFLAGS_ZF)
            assert_int_equal(m->st.gpr[X86_RBX], 0x56789);
        else
            assert_int_equal(m->st.gpr[X86_RBX], 0x55555555);
    }
}

static void queries_check_privilege(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    set_ax(m, DS0);
    assert_false(query(m, 0x02));
    assert_false(verify(m, 0xe0));
    set_ax(m, DS3 & ~3u);
    assert_true(query(m, 0x02));
    assert_int_equal(m->st.gpr[X86_RBX], 0xc0f300);
    assert_true(query(m, 0x03));
    assert_int_equal(m->st.gpr[X86_RBX], 0xffffffff);
    assert_true(verify(m, 0xe0)); /* verr */
    assert_true(verify(m, 0xe8)); /* verw */
    set_ax(m, CS3);
    assert_true(verify(m, 0xe0));
    assert_false(verify(m, 0xe8));
    descriptor(m, SEL_X, 0, 0, 0x9e); /* conforming, readable, DPL 0 */
    set_ax(m, SEL_X | 3);
    assert_true(verify(m, 0xe0));
    assert_true(query(m, 0x03));
    set_ax(m, 0);
    assert_false(verify(m, 0xe0));
    set_ax(m, 0xfff8);
    assert_false(query(m, 0x02));
    set_real(m);
    assert_faults(m, X86_UD, 0, 0x0f, 0x02, 0xd8);
}

static void arpl_raises_rpl(void **state)
{
    struct machine *m = *state;

    m->st.gpr[X86_RAX] = 0x10;
    m->st.gpr[X86_RBX] = 0x3;
    assert_done(exec(m, 0x63, 0xd8)); /* arpl ax, bx */
    assert_int_equal(m->st.gpr[X86_RAX], 0x13);
    assert_true(m->st.rflags & X86_EFLAGS_ZF);
    assert_done(exec(m, 0x63, 0xd8));
    assert_false(m->st.rflags & X86_EFLAGS_ZF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(loads_data_and_sets_accessed),
        TEST(null_selector_makes_unusable),
        TEST(checks_type_and_privilege),
        TEST(selector_beyond_its_table),
        TEST(hidden_part_outlives_the_table),
        TEST(expand_down_limits),
        TEST(stack_segment_rules),
        TEST(mov_ss_and_pop_ss_shadow),
        TEST(pop_of_a_bad_selector_keeps_esp),
        TEST(far_pointer_loads_both_or_none),
        TEST(real_mode_keeps_the_limit),
        TEST(lldt_rules),
        TEST(ltr_rules),
        TEST(sldt_and_str_in_any_ring),
        TEST(table_registers),
        TEST(lar_and_lsl_know_types),
        TEST(queries_check_privilege),
        TEST(arpl_raises_rpl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
