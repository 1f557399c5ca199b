/* Instructions that the host executes. */
#include "tests/unit/accel/emu/machine.h"

static void alu_with_registers(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.gpr[X86_RAX] = 0x7fffffff;
    m->st.gpr[X86_RBX] = 1;
    assert_int_equal(RUN(m, 0x01, 0xd8), EMU_DONE); /* add eax, ebx */
    assert_int_equal(m->st.gpr[X86_RAX], 0x80000000);
    assert_int_equal(m->st.rflags & X86_EFLAGS_ARITH,
                     X86_EFLAGS_OF | X86_EFLAGS_SF | X86_EFLAGS_AF |
                         X86_EFLAGS_PF);
    assert_int_equal(m->st.rip, CODE_AT + 2);
    assert_int_equal(RUN(m, 0x40), EMU_DONE); /* inc eax */
    assert_int_equal(m->st.gpr[X86_RAX], 0x80000001);
    assert_int_equal(RUN(m, 0x66, 0xff, 0xc0), EMU_DONE); /* inc ax */
    assert_int_equal(m->st.gpr[X86_RAX], 0x80000002);
    assert_int_equal(RUN(m, 0x82, 0xc4, 0x12), EMU_DONE); /* add ah, 12h */
    assert_int_equal(m->st.gpr[X86_RAX], 0x80001202);
    machine_free(m);
}

static void esp_is_a_register(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    assert_int_equal(RUN(m, 0x83, 0xec, 0x10), EMU_DONE); /* sub esp, 10h */
    assert_int_equal(m->st.gpr[X86_RSP], STACK_TOP - 16);
    m->st.gpr[X86_RAX] = 0x1234;
    assert_int_equal(RUN(m, 0x94), EMU_DONE); /* xchg eax, esp */
    assert_int_equal(m->st.gpr[X86_RSP], 0x1234);
    assert_int_equal(m->st.gpr[X86_RAX], STACK_TOP - 16);
    assert_int_equal(RUN(m, 0x0f, 0xb6, 0xe4), EMU_DONE); /* movzx esp, ah */
    assert_int_equal(m->st.gpr[X86_RSP], 0x7f);
    assert_int_equal(RUN(m, 0x4c), EMU_DONE); /* dec esp */
    assert_int_equal(m->st.gpr[X86_RSP], 0x7e);
    assert_int_equal(RUN(m, 0x0f, 0xcc), EMU_DONE); /* bswap esp */
    assert_int_equal(m->st.gpr[X86_RSP], 0x7e000000);
    machine_free(m);
}

static void memory_operand(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.gpr[X86_RSI] = DATA_AT;
    m->st.gpr[X86_RAX] = 0x200; /* ah = 2 */
    machine_poke32(m, DATA_AT + 4, 40);
    /* add [esi+4], ah */
    assert_int_equal(RUN(m, 0x00, 0x66, 0x04), EMU_DONE);
    assert_int_equal(machine_peek32(m, DATA_AT + 4), 42);
    /* lock xadd [esi+4], eax */
    assert_int_equal(RUN(m, 0xf0, 0x0f, 0xc1, 0x46, 0x04), EMU_DONE);
    assert_int_equal(machine_peek32(m, DATA_AT + 4), 42 + 0x200);
    assert_int_equal(m->st.gpr[X86_RAX], 42);
    /* lock mov: undefined */
    assert_int_equal(RUN(m, 0xf0, 0x89, 0x06), EMU_FAULT);
    assert_fault(m, X86_UD, 0);
    machine_free(m);
}

static void sixteen_bit_code(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    machine_flat(m, 16, 0);
    m->st.gpr[X86_RAX] = 0xffffffff;
    assert_int_equal(RUN(m, 0x83, 0xc0, 0x01), EMU_DONE); /* add ax, 1 */
    assert_int_equal(m->st.gpr[X86_RAX], 0xffff0000);
    assert_int_equal(RUN(m, 0x66, 0x05, 1, 0, 1, 0), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 1);
    m->st.gpr[X86_RBX] = 0xabcd0000 + 0x8000;
    m->st.gpr[X86_RSI] = 0x9000;
    machine_poke32(m, 0x1010, 0x12345678);
    /* add cx, [bx+si+10h]: wraps at 64 KiB */
    assert_int_equal(RUN(m, 0x03, 0x48, 0x10), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RCX], 0x5678);
    machine_free(m);
}

static void host_exceptions(void **state)
{
    struct machine *m = machine_new();
    struct x86_state before;

    (void)state;
    m->st.gpr[X86_RAX] = 7;
    before = m->st;
    assert_int_equal(RUN(m, 0xf7, 0xf1), EMU_FAULT); /* div ecx */
    assert_fault(m, X86_DE, 0);
    assert_memory_equal(&before, &m->st, sizeof(before));
    machine_free(m);
}

static void fpu(void **state)
{
    struct machine *m = machine_new();
    double one = 1.0, result;

    (void)state;
    machine_poke(m, DATA_AT, &one, 8);
    m->st.gpr[X86_RBX] = DATA_AT;
    assert_int_equal(RUN(m, 0xdd, 0x03), EMU_DONE); /* fld qword [ebx] */
    assert_int_equal(RUN(m, 0xd8, 0xc0), EMU_DONE); /* fadd st, st */
    assert_int_equal(RUN(m, 0xdd, 0x5b, 0x08), EMU_DONE);
    assert_true(mem_read(&m->mem, DATA_AT + 8, &result, 8));
    assert_true(result == 2.0);
    m->st.cr0 |= X86_CR0_TS;
    assert_int_equal(RUN(m, 0xd9, 0xe8), EMU_FAULT); /* fld1 */
    assert_fault(m, X86_NM, 0);
    assert_int_equal(RUN(m, 0x9b), EMU_DONE); /* wait: MP is clear */
    m->st.cr0 &= ~(uint64_t)X86_CR0_TS;
    /* divide by zero, unmasked: reported by the next instruction */
    m->st.fxsave[0] = 0x7b;
    assert_int_equal(RUN(m, 0xd9, 0xe8), EMU_DONE); /* fld1 */
    assert_int_equal(RUN(m, 0xd9, 0xee), EMU_DONE); /* fldz */
    assert_int_equal(RUN(m, 0xde, 0xf9), EMU_DONE); /* fdivp */
    assert_int_equal(RUN(m, 0x9b), EMU_FAULT);
    assert_fault(m, X86_MF, 0);
    assert_int_equal(RUN(m, 0xdb, 0xe2), EMU_DONE); /* fnclex */
    assert_int_equal(RUN(m, 0x9b), EMU_DONE);
    machine_free(m);
}

static void sse(void **state)
{
    struct machine *m = machine_new();
    static const uint32_t mxcsr = 0x1d80; /* ZM clear: divide by zero traps */
    float v[4] = {1, 2, 3, 4}, r[4];

    (void)state;
    machine_poke(m, DATA_AT, v, 16);
    m->st.gpr[X86_RBX] = DATA_AT;
    assert_int_equal(RUN(m, 0x0f, 0x28, 0x03), EMU_DONE);       /* movaps */
    assert_int_equal(RUN(m, 0x0f, 0x58, 0x03), EMU_DONE);       /* addps */
    assert_int_equal(RUN(m, 0x0f, 0x11, 0x43, 0x11), EMU_DONE); /* movups */
    assert_true(mem_read(&m->mem, DATA_AT + 17, r, 16));
    assert_true(r[0] == 2 && r[3] == 8);
    assert_int_equal(RUN(m, 0x0f, 0x28, 0x43, 0x11), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    memcpy(m->st.fxsave + 24, &mxcsr, 4);
    assert_int_equal(RUN(m, 0x0f, 0x57, 0xc9), EMU_DONE);  /* xorps xmm1 */
    assert_int_equal(RUN(m, 0x0f, 0x5e, 0xc1), EMU_FAULT); /* divps */
    assert_fault(m, X86_XM, 0);
    m->st.cr4 &= ~(uint64_t)X86_CR4_OSFXSR;
    assert_int_equal(RUN(m, 0x0f, 0x57, 0xc9), EMU_FAULT);
    assert_fault(m, X86_UD, 0);
    machine_free(m);
}

static void unknown_to_the_guest(void **state)
{
    static const uint8_t code[][8] = {
        {0xf3, 0x0f, 0xb8, 0xc1},             /* popcnt */
        {0xf2, 0x0f, 0x38, 0xf1, 0xc1},       /* crc32 */
        {0x0f, 0xc7, 0xf0},                   /* rdrand */
        {0x66, 0x0f, 0x38, 0x00, 0xc1},       /* pshufb */
        {0xc5, 0xf8, 0x58, 0xc1},             /* vaddps */
        {0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1}, /* EVEX */
        {0xf2, 0x0f, 0xd0, 0xc1},             /* addsubps */
        {0xdf, 0x08},                         /* fisttp */
        {0x0f, 0x0b},                         /* ud2 */
        {0x0f, 0xff, 0xc0},                   /* ud0 */
        {0x8f, 0xe9, 0x78, 0x01, 0xc8},       /* XOP */
    };
    struct machine *m = machine_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(code); i++) {
        assert_int_equal(machine_do(m, code[i], 8), EMU_FAULT);
        assert_fault(m, X86_UD, 0);
    }
    m->st.gpr[X86_RCX] = 0x10;
    assert_int_equal(RUN(m, 0xf3, 0x0f, 0xbd, 0xc1), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 4); /* BSR, not LZCNT */
    machine_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(alu_with_registers),
        cmocka_unit_test(esp_is_a_register),
        cmocka_unit_test(memory_operand),
        cmocka_unit_test(sixteen_bit_code),
        cmocka_unit_test(host_exceptions),
        cmocka_unit_test(fpu),
        cmocka_unit_test(sse),
        cmocka_unit_test(unknown_to_the_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
