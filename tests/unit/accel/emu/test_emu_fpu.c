/* x87 and SSE state in memory: environments, FSAVE, FXSAVE, masked moves. */
#include "tests/unit/accel/emu/machine.h"

#define FSW 2
#define FTW 4

static uint16_t peek16(const struct machine *m, uint32_t gpa)
{
    return (uint16_t)machine_peek32(m, gpa);
}

/* Three registers: 1.0, pi and 0.0 on top. */
static struct machine *with_three_numbers(void)
{
    struct machine *m = machine_new();

    m->st.gpr[X86_RBX] = DATA_AT;
    assert_int_equal(RUN(m, 0xdb, 0xe3), EMU_DONE); /* fninit */
    assert_int_equal(RUN(m, 0xd9, 0xe8), EMU_DONE); /* fld1 */
    assert_int_equal(RUN(m, 0xd9, 0xeb), EMU_DONE); /* fldpi */
    assert_int_equal(RUN(m, 0xd9, 0xee), EMU_DONE); /* fldz */
    return m;
}

static void environment(void **state)
{
    struct machine *m = with_three_numbers();

    (void)state;
    assert_int_equal(RUN(m, 0xd9, 0x33), EMU_DONE); /* fnstenv [ebx] */
    assert_int_equal(machine_peek32(m, DATA_AT), 0xffff037f);
    assert_int_equal(machine_peek32(m, DATA_AT + 4), 0xffff2800); /* TOP 5 */
    /* R7 and R6 valid, R5 zero, the rest empty */
    assert_int_equal(machine_peek32(m, DATA_AT + 8), 0xffff07ff);
    for (uint32_t at = 12; at < 24; at += 4) /* no pointers */
        assert_int_equal(machine_peek32(m, DATA_AT + at), 0);
    machine_poke32(m, DATA_AT + 14, 0x77777777);
    assert_int_equal(RUN(m, 0x66, 0xd9, 0x33), EMU_DONE); /* 16-bit: 14 bytes */
    assert_int_equal(peek16(m, DATA_AT), 0x37f);
    assert_int_equal(peek16(m, DATA_AT + 2), 0x2800);
    assert_int_equal(peek16(m, DATA_AT + 4), 0x07ff);
    assert_int_equal(machine_peek32(m, DATA_AT + 14), 0x77777777);
    machine_free(m);
}

static void save_and_restore(void **state)
{
    struct machine *m = with_three_numbers();
    uint8_t before[512];

    (void)state;
    memcpy(before, m->st.fxsave, sizeof(before));
    assert_int_equal(RUN(m, 0xdd, 0x33), EMU_DONE); /* fnsave [ebx] */
    assert_int_equal(m->st.fxsave[FTW], 0);
    assert_int_equal(m->st.fxsave[FSW + 1], 0);
    /* ST(0) first: 0.0, then pi */
    assert_int_equal(machine_peek32(m, DATA_AT + 28), 0);
    assert_int_equal(machine_peek32(m, DATA_AT + 28 + 14), 0xc90fdaa2);
    assert_int_equal(RUN(m, 0xdd, 0x23), EMU_DONE); /* frstor [ebx] */
    assert_memory_equal(m->st.fxsave, before, 160);
    assert_int_equal(RUN(m, 0x66, 0xdd, 0x33), EMU_DONE);
    assert_int_equal(machine_peek32(m, DATA_AT + 14 + 14), 0xc90fdaa2);
    assert_int_equal(RUN(m, 0x66, 0xdd, 0x23), EMU_DONE);
    assert_memory_equal(m->st.fxsave, before, 160);
    machine_free(m);
}

static void fxsave_and_fxrstor(void **state)
{
    struct machine *m = with_three_numbers();
    uint8_t before[512];

    (void)state;
    for (unsigned i = 160; i < 288; i++)
        m->st.fxsave[i] = (uint8_t)i;
    memcpy(before, m->st.fxsave, sizeof(before));
    machine_poke32(m, DATA_AT + 288, 0x12345678);
    assert_int_equal(RUN(m, 0x0f, 0xae, 0x03), EMU_DONE); /* fxsave [ebx] */
    assert_int_equal(machine_peek32(m, DATA_AT + 28), 0xffff);
    assert_int_equal(machine_peek32(m, DATA_AT + 288), 0x12345678);
    memset(m->st.fxsave + 32, 0, 256);
    assert_int_equal(RUN(m, 0x0f, 0xae, 0x0b), EMU_DONE); /* fxrstor */
    assert_memory_equal(m->st.fxsave + 32, before + 32, 256);
    /* a reserved bit of MXCSR */
    machine_poke32(m, DATA_AT + 24, 0x10000);
    assert_int_equal(RUN(m, 0x0f, 0xae, 0x0b), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    m->st.gpr[X86_RBX] += 8;
    assert_int_equal(RUN(m, 0x0f, 0xae, 0x03), EMU_FAULT); /* not aligned */
    assert_fault(m, X86_GP, 0);
    m->st.cr0 |= X86_CR0_TS;
    assert_int_equal(RUN(m, 0x0f, 0xae, 0x03), EMU_FAULT);
    assert_fault(m, X86_NM, 0);
    machine_free(m);
}

static void masked_moves(void **state)
{
    struct machine *m = with_three_numbers();

    (void)state;
    m->st.gpr[X86_RDI] = DATA_AT + 0x100;
    for (unsigned i = 0; i < 16; i++) {
        m->st.fxsave[160 + i] = (uint8_t)(0x10 + i);         /* xmm0 */
        m->st.fxsave[176 + i] = (uint8_t)(i & 1 ? 0x80 : 0); /* xmm1 */
    }
    assert_int_equal(RUN(m, 0x66, 0x0f, 0xf7, 0xc1), EMU_DONE);
    assert_int_equal(machine_peek32(m, DATA_AT + 0x100), 0x13001100);
    assert_int_equal(machine_peek32(m, DATA_AT + 0x10c), 0x1f001d00);
    /* maskmovq mm6, mm6: R6 is pi's significand c90fdaa22168c235 */
    assert_int_equal(RUN(m, 0x0f, 0xf7, 0xf6), EMU_DONE);
    assert_int_equal(machine_peek32(m, DATA_AT + 0x100), 0x1300c200);
    assert_int_equal(machine_peek32(m, DATA_AT + 0x104), 0xc900daa2);
    assert_int_equal(m->st.fxsave[FTW], 0xff); /* it is an MMX instruction */
    assert_int_equal(m->st.fxsave[FSW + 1] & 0x38, 0);
    machine_free(m);
}

static void who_may(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.cr0 |= X86_CR0_EM;
    assert_int_equal(RUN(m, 0xd9, 0xe8), EMU_FAULT); /* fld1 */
    assert_fault(m, X86_NM, 0);
    assert_int_equal(RUN(m, 0x0f, 0x77), EMU_FAULT); /* emms */
    assert_fault(m, X86_UD, 0);
    assert_int_equal(RUN(m, 0x0f, 0x57, 0xc0), EMU_FAULT); /* xorps */
    assert_fault(m, X86_UD, 0);
    assert_int_equal(RUN(m, 0x0f, 0xae, 0xf8), EMU_DONE); /* sfence */
    m->st.cr0 ^= X86_CR0_EM | X86_CR0_TS | X86_CR0_MP;
    assert_int_equal(RUN(m, 0x9b), EMU_FAULT); /* wait */
    assert_fault(m, X86_NM, 0);
    assert_int_equal(RUN(m, 0x0f, 0x57, 0xc0), EMU_FAULT);
    assert_fault(m, X86_NM, 0);
    m->st.cr0 &= ~(uint64_t)X86_CR0_TS;
    m->st.cr4 &= ~(uint64_t)X86_CR4_OSFXSR;
    assert_int_equal(RUN(m, 0xf2, 0x0f, 0x2c, 0x03), EMU_FAULT);
    assert_fault(m, X86_UD, 0); /* cvttsd2si eax, [ebx] names no XMM */
    machine_free(m);
}

/* A store that an unmasked exception suppresses leaves memory alone. */
static void suppressed_store(void **state)
{
    struct machine *m = with_three_numbers();

    (void)state;
    m->st.fxsave[0] = 0x7e; /* IM clear */
    machine_poke32(m, DATA_AT, 0xabcdabcd);
    assert_int_equal(RUN(m, 0xdd, 0xd8), EMU_DONE); /* fstp st: pi on top */
    assert_int_equal(RUN(m, 0xd9, 0xe1), EMU_DONE); /* fabs */
    assert_int_equal(RUN(m, 0xdd, 0xc0), EMU_DONE); /* ffree st */
    assert_int_equal(RUN(m, 0xd9, 0x13), EMU_DONE); /* fst dword [ebx] */
    assert_int_equal(machine_peek32(m, DATA_AT), 0xabcdabcd);
    assert_int_equal(RUN(m, 0xd9, 0xe1), EMU_FAULT);
    assert_fault(m, X86_MF, 0);
    machine_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(environment),
        cmocka_unit_test(save_and_restore),
        cmocka_unit_test(fxsave_and_fxrstor),
        cmocka_unit_test(masked_moves),
        cmocka_unit_test(who_may),
        cmocka_unit_test(suppressed_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
