/* x87 and SSE state in memory: environments, FSAVE, FXSAVE, masked moves. */
#include "tests/unit/accel/emu/machine.h"

#define FSW 2
#define FTW 4
#define FOP 6
#define FIP 8 /* FCS behind it */
#define FDP 16

static uint16_t peek16(const struct machine *m, uint32_t gpa)
{
    return (uint16_t)machine_peek32(m, gpa);
}

static uint64_t image64(const struct machine *m, unsigned at)
{
    uint64_t value;

    memcpy(&value, m->st.fxsave + at, 8);
    return value;
}

/* What the last x87 instruction left: FOP; selector << 32 | offset. */
static void assert_left(const struct machine *m, unsigned fop, uint64_t insn,
                        uint64_t data)
{
    assert_int_equal(m->st.fxsave[FOP] | m->st.fxsave[FOP + 1] << 8, fop);
    assert_int_equal(image64(m, FIP), insn);
    assert_int_equal(image64(m, FDP), data);
}

/* Three registers: 1.0, pi and 0.0 on top. */
static struct machine *with_three_numbers(void)
{
    struct machine *m = machine_new();

    m->st.gpr[X86_RBX] = DATA_AT;
    m->st.seg[X86_CS].selector = 0x8;
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
    assert_int_equal(machine_peek32(m, DATA_AT + 12), CODE_AT + 6);
    assert_int_equal(machine_peek32(m, DATA_AT + 16), 0x01ee0008);
    assert_int_equal(machine_peek32(m, DATA_AT + 20), 0);
    assert_int_equal(machine_peek32(m, DATA_AT + 24), 0xffff0000);
    machine_poke32(m, DATA_AT + 14, 0x77777777);
    assert_int_equal(RUN(m, 0x66, 0xd9, 0x33), EMU_DONE); /* 16-bit: 14 bytes */
    assert_int_equal(peek16(m, DATA_AT), 0x37f);
    assert_int_equal(peek16(m, DATA_AT + 2), 0x2800);
    assert_int_equal(peek16(m, DATA_AT + 4), 0x07ff);
    assert_int_equal(machine_peek32(m, DATA_AT + 6), 0x00080006);
    assert_int_equal(machine_peek32(m, DATA_AT + 10), 0);
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
    assert_left(m, 0, 0x800000006, 0); /* 16 bits, and no opcode */
    assert_memory_equal(m->st.fxsave, before, FOP);
    assert_memory_equal(m->st.fxsave + 24, before + 24, 160 - 24);
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
    assert_int_equal(peek16(m, DATA_AT + FOP), 0x1ee);
    assert_int_equal(machine_peek32(m, DATA_AT + FIP), CODE_AT + 6);
    assert_int_equal(machine_peek32(m, DATA_AT + FIP + 4), 8);
    assert_int_equal(machine_peek32(m, DATA_AT + 28), 0xffff);
    assert_int_equal(machine_peek32(m, DATA_AT + 288), 0x12345678);
    memset(m->st.fxsave + 32, 0, 256);
    for (uint32_t at = FOP; at < 24; at += 2) /* reserved bits too */
        machine_poke(m, DATA_AT + at, &(uint16_t){(uint16_t)(0xf100 + at)}, 2);
    assert_int_equal(RUN(m, 0x0f, 0xae, 0x0b), EMU_DONE); /* fxrstor */
    assert_memory_equal(m->st.fxsave + 32, before + 32, 256);
    assert_left(m, 0x106, 0xf10cf10af108, 0xf114f112f110);
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

/* Which instructions leave an address: SDM vol. 1 8.1.8. */
static void who_leaves_pointers(void **state)
{
    struct machine *m = with_three_numbers();
    uint64_t at;

    (void)state;
    assert_left(m, 0x1ee, 0x8ull << 32 | (CODE_AT + 6), 0);
    m->st.seg[X86_SS].selector = 0x20;
    m->st.gpr[X86_RBP] = DATA_AT;
    at = m->st.rip;
    assert_int_equal(RUN(m, 0xdc, 0x45, 0x40), EMU_DONE); /* fadd [ebp+40h] */
    assert_left(m, 0x445, 0x8ull << 32 | at, 0x20ull << 32 | (DATA_AT + 0x40));
    at = m->st.rip;
    assert_int_equal(RUN(m, 0x3e, 0xd9, 0xe1), EMU_DONE); /* ds fabs */
    assert_left(m, 0x1e1, 0x8ull << 32 | at, 0x20ull << 32 | (DATA_AT + 0x40));
    assert_int_equal(RUN(m, 0xd9, 0x7b, 0x10), EMU_DONE); /* fnstcw */
    assert_int_equal(RUN(m, 0xd9, 0x6b, 0x10), EMU_DONE); /* fldcw */
    assert_int_equal(RUN(m, 0xdd, 0x7b, 0x10), EMU_DONE); /* fnstsw */
    assert_int_equal(RUN(m, 0xdf, 0xe0), EMU_DONE);       /* fnstsw ax */
    assert_int_equal(RUN(m, 0xdb, 0xe2), EMU_DONE);       /* fnclex */
    assert_int_equal(RUN(m, 0xdb, 0xe0), EMU_DONE);       /* feni */
    assert_int_equal(RUN(m, 0x9b), EMU_DONE);             /* fwait */
    assert_int_equal(RUN(m, 0xd9, 0x33), EMU_DONE);       /* fnstenv */
    assert_int_equal(RUN(m, 0xd9, 0x23), EMU_DONE);       /* fldenv */
    assert_int_equal(RUN(m, 0x0f, 0xef, 0xc0), EMU_DONE); /* pxor mm0, mm0 */
    assert_int_equal(RUN(m, 0x0f, 0x57, 0xc0), EMU_DONE); /* xorps */
    assert_left(m, 0x1e1, 0x8ull << 32 | at, 0x20ull << 32 | (DATA_AT + 0x40));
    at = m->st.rip;
    assert_int_equal(RUN(m, 0xd9, 0xd0), EMU_DONE); /* fnop */
    assert_left(m, 0x1d0, 0x8ull << 32 | at, 0x20ull << 32 | (DATA_AT + 0x40));
    assert_int_equal(RUN(m, 0xdb, 0xe3), EMU_DONE); /* fninit */
    assert_left(m, 0, 0, 0);
    machine_free(m);
}

/* An instruction that faults has left nothing; one that raises an exception
 * that the next one finds has. */
static void faults_leave_no_pointers(void **state)
{
    struct machine *m = with_three_numbers();
    uint64_t at;

    (void)state;
    m->st.seg[X86_DS].limit = DATA_AT + 7;
    m->st.fxsave[0] = 0x7b; /* ZM clear */
    at = m->st.rip;
    assert_int_equal(RUN(m, 0xd8, 0xf9), EMU_DONE); /* fdivr st, st(1) */
    assert_left(m, 0xf9, 0x8ull << 32 | at, 0);
    assert_int_equal(RUN(m, 0xd9, 0xe1), EMU_FAULT); /* fabs */
    assert_fault(m, X86_MF, 0);
    assert_left(m, 0xf9, 0x8ull << 32 | at, 0);
    assert_int_equal(RUN(m, 0xdb, 0xe2), EMU_DONE);        /* fnclex */
    assert_int_equal(RUN(m, 0xdd, 0x43, 0x10), EMU_FAULT); /* fld */
    assert_fault(m, X86_GP, 0);
    assert_int_equal(RUN(m, 0xdd, 0x53, 0x10), EMU_FAULT); /* fst */
    assert_fault(m, X86_GP, 0);
    assert_left(m, 0xf9, 0x8ull << 32 | at, 0);
    machine_free(m);
}

/* Real mode's environment: linear addresses, cut in two. */
static void real_environment(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.cr0 &= ~(uint64_t)X86_CR0_PE;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        m->st.seg[i] = (struct x86_seg){
            .selector = i == X86_CS ? 0x1234 : 0x2000,
            .base = i == X86_CS ? 0x12340 : 0x20000,
            .limit = 0xffff,
            .attr = X86_SEG_P | X86_SEG_S | X86_SEG_RW | X86_SEG_ACCESSED,
        };
    emu_state_changed(&m->emu);
    m->st.rip = 0xfff0;
    m->st.gpr[X86_RBX] = 0x8000;
    assert_int_equal(RUN(m, 0xdd, 0x47, 0x10), EMU_DONE); /* fld [bx+10h] */
    assert_left(m, 0x547, 0x12340000fff0, 0x200000008010);
    m->st.rip = 0;
    assert_int_equal(RUN(m, 0xd9, 0x37), EMU_DONE); /* fnstenv [bx] */
    assert_int_equal(machine_peek32(m, 0x28006), 0x25472330);
    assert_int_equal(machine_peek32(m, 0x2800a), 0x20008010);
    assert_int_equal(RUN(m, 0x66, 0xd9, 0x77, 0x20), EMU_DONE);
    assert_int_equal(machine_peek32(m, 0x2802c), 0xffff2330);
    assert_int_equal(machine_peek32(m, 0x28030), 0x00002547);
    assert_int_equal(machine_peek32(m, 0x28034), 0xffff8010);
    assert_int_equal(machine_peek32(m, 0x28038), 0x00002000);
    machine_poke32(m, 0x28030, 0xf5432547);
    assert_int_equal(RUN(m, 0x66, 0xd9, 0x67, 0x20), EMU_DONE); /* fldenv */
    assert_left(m, 0x547, 0x54322330, 0x28010);
    assert_int_equal(RUN(m, 0xd9, 0x67, 0), EMU_DONE);
    assert_left(m, 0x547, 0x22330, 0x28010);
    machine_free(m);
}

/* KVM's form of the state has no room for selectors. */
static void no_selectors(void **state)
{
    struct machine *m = machine_new();
    uint64_t at = m->st.rip;

    (void)state;
    m->emu.no_fcs = true;
    m->st.gpr[X86_RBX] = DATA_AT;
    assert_int_equal(RUN(m, 0xd9, 0x03), EMU_DONE); /* fld dword [ebx] */
    assert_left(m, 0x103, at, DATA_AT);
    assert_int_equal(RUN(m, 0x0f, 0x57, 0xc0), EMU_DONE);
    assert_left(m, 0x103, at, DATA_AT);
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
        cmocka_unit_test(who_leaves_pointers),
        cmocka_unit_test(faults_leave_no_pointers),
        cmocka_unit_test(real_environment),
        cmocka_unit_test(no_selectors),
        cmocka_unit_test(masked_moves),
        cmocka_unit_test(who_may),
        cmocka_unit_test(suppressed_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
