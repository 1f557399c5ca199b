/* Registers: reading and writing back changes nothing, in every mode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gdbstub/regs.h"

static struct gdb_layout layout;

/* A state in MODE with something in every byte that may have something. */
static void fill(struct x86_state *st, enum x86_mode mode)
{
    x86_state_reset(st);
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        st->gpr[i] = 0x1122334455667700u + i;
    for (unsigned i = 0; i < sizeof(st->fxsave); i++)
        st->fxsave[i] = (uint8_t)(i * 7);
    st->rip = 0x1234;
    st->seg[X86_CS].base = 0x54320;
    st->seg[X86_SS].base = 0x20000;
    if (mode != X86_MODE_REAL)
        st->cr0 |= X86_CR0_PE;
    if (mode == X86_MODE_V86)
        st->rflags |= X86_EFLAGS_VM;
    st->seg[X86_CS].attr = X86_SEG_P | X86_SEG_S | X86_SEG_CODE;
    if (mode == X86_MODE_PROT32)
        st->seg[X86_CS].attr |= X86_SEG_DB;
    if (mode == X86_MODE_LONG64) {
        st->cr0 |= X86_CR0_PG;
        st->efer = X86_EFER_LME | X86_EFER_LMA;
        st->seg[X86_CS].attr |= X86_SEG_L;
        st->rip = 0xffffffff80001234u;
    }
}

static void test_round_trip(void **state)
{
    static const enum x86_mode modes[] = {X86_MODE_REAL, X86_MODE_V86,
                                          X86_MODE_PROT16, X86_MODE_PROT32,
                                          X86_MODE_LONG64};

    (void)state;
    for (unsigned m = 0; m < ARRAY_SIZE(modes); m++) {
        struct x86_state st, before;
        struct gdb_cpu cpu = {.st = &st};

        fill(&st, modes[m]);
        assert_int_equal(x86_mode(&st), modes[m]);
        gdb_layout_init(&layout, gdb_layout_for(&st));
        before = st;
        for (unsigned i = 0; i < layout.count; i++) {
            const struct gdb_reg *r = &layout.reg[i];
            uint8_t bytes[16];

            gdb_reg_get(r, &cpu, bytes);
            /* The target does not even write what is unchanged; and for those
             * that hold all of a field, writing does no harm. */
            if (r->bits / 8u < r->size || r->kind == GDB_REG_FPU ||
                r->kind >= GDB_REG_CPL)
                continue;
            assert_int_equal(gdb_reg_set(r, &st, bytes), 0);
            if (r->kind != GDB_REG_SEL && memcmp(&st, &before, sizeof(st)) != 0)
                fail_msg("%s in mode %u", r->name, modes[m]);
            st = before;
        }
    }
}

static const struct gdb_reg *find(const char *name)
{
    for (unsigned i = 0; i < layout.count; i++)
        if (strcmp(layout.reg[i].name, name) == 0)
            return &layout.reg[i];
    fail_msg("no register %s", name);
    return NULL;
}

static void test_linear(void **state)
{
    struct x86_state st;
    struct gdb_cpu cpu = {.st = &st};
    uint32_t value = 0x54400;

    (void)state;
    fill(&st, X86_MODE_REAL);
    gdb_layout_init(&layout, gdb_layout_for(&st));
    assert_int_equal(layout.kind, GDB_LAYOUT_16);
    assert_int_equal(gdb_reg_number(find("eip"), &cpu), 0x55554);
    assert_int_equal(gdb_reg_number(find("esp"), &cpu), 0x27704);
    assert_int_equal(gdb_reg_number(find("cs_ip"), &cpu), 0x1234);
    gdb_reg_set(find("eip"), &st, (const uint8_t *)&value);
    assert_int_equal(st.rip, 0xe0);
    value = 0x20100;
    gdb_reg_set(find("esp"), &st, (const uint8_t *)&value);
    assert_int_equal(st.gpr[X86_RSP], 0x1122334455660100u);
    value = 0x1000;
    gdb_reg_set(find("ds"), &st, (const uint8_t *)&value);
    assert_int_equal(st.seg[X86_DS].base, 0x10000);
    assert_true(gdb_reg_set(find("cpl"), &st, (const uint8_t *)&value) < 0);
}

/* ST(i) is by TOP; the tag word is by physical register. */
static void test_fpu(void **state)
{
    struct x86_state st;
    struct gdb_cpu cpu = {.st = &st};
    uint8_t bytes[16];

    (void)state;
    x86_state_reset(&st);
    gdb_layout_init(&layout, GDB_LAYOUT_32);
    memset(st.fxsave, 0, sizeof(st.fxsave));
    st.fxsave[3] = 6 << 3;    /* TOP = 6 */
    st.fxsave[4] = 0xc0;      /* physical 6 and 7 are in use */
    st.fxsave[32 + 7] = 0x80; /* ST(0) = 1.0; ST(1) = 0 */
    st.fxsave[32 + 8] = 0xff;
    st.fxsave[32 + 9] = 0x3f;
    gdb_reg_get(find("st0"), &cpu, bytes);
    assert_int_equal(bytes[9], 0x3f);
    assert_int_equal(gdb_reg_number(find("ftag"), &cpu), 0x4fff);
    for (unsigned i = 6; i < 24; i++) /* FOP, FIP and FCS, FDP and FDS */
        st.fxsave[i] = (uint8_t)i;
    assert_int_equal(gdb_reg_number(find("fop"), &cpu), 0x0706);
    assert_int_equal(gdb_reg_number(find("fioff"), &cpu), 0x0b0a0908);
    assert_int_equal(gdb_reg_number(find("fiseg"), &cpu), 0x0f0e0d0c);
    assert_int_equal(gdb_reg_number(find("fooff"), &cpu), 0x13121110);
    assert_int_equal(gdb_reg_number(find("foseg"), &cpu), 0x17161514);
}

static void test_description(void **state)
{
    struct strbuf xml;

    (void)state;
    for (int kind = GDB_LAYOUT_16; kind <= GDB_LAYOUT_64; kind++) {
        strbuf_init(&xml);
        gdb_layout_init(&layout, (enum gdb_layout_kind)kind);
        gdb_layout_xml(&layout, &xml);
        assert_non_null(strstr(strbuf_str(&xml), "org.ringside.system"));
        assert_int_equal(layout.reg[layout.pc].kind, GDB_REG_PC);
        assert_int_equal(layout.reg[layout.sp].kind, GDB_REG_SP);
        assert_string_equal(layout.reg[layout.count_g - 1].name, "mxcsr");
        strbuf_fini(&xml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_fpu),
        cmocka_unit_test(test_description),
    };

    return cmocka_run_group_tests_name("gdb registers", tests, NULL, NULL);
}
