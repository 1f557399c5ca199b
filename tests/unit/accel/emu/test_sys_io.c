/* Ports, the I/O permission bitmap, string I/O and EFLAGS. */
#include "sys_fixture.h"

#define IN_AL_DX  0xec
#define IN_EAX_DX 0xed
#define OUT_DX_AX 0x66, 0xef
#define CLI       0xfa
#define STI       0xfb
#define POPF      0x9d
#define PUSHF     0x9c

static void set_dx(struct machine *m, unsigned port)
{
    m->st.gpr[X86_RDX] = port;
}

/* A bitmap for ports 0 to 8*BYTES-1, all allowed, at the end of the TSS. */
static void bitmap(struct machine *m, unsigned bytes)
{
    poke(m, TSS + 0x66, 0x68, 2);
    for (unsigned i = 0; i < bytes; i++)
        poke(m, TSS + 0x68 + i, 0, 1);
    m->st.tr.limit = 0x67 + bytes;
}

/* ---- permission -------------------------------------------------------- */

static void iopl_opens_all_ports(void **state)
{
    struct machine *m = *state;

    m->port_in = 0x5a;
    m->st.gpr[X86_RAX] = 0x11223344;
    set_dx(m, 0x3f8);
    assert_done(exec(m, IN_AL_DX));
    assert_int_equal(m->st.gpr[X86_RAX], 0x1122335a);
    assert_int_equal(last_exit(m)->u.pio.port, 0x3f8);
    set_ring(m, 3);
    assert_faults(m, X86_GP, 0, IN_AL_DX);
    m->st.rflags |= X86_EFLAGS_IOPL;
    assert_done(exec(m, IN_EAX_DX));
    assert_int_equal(m->st.gpr[X86_RAX], 0x5a5a5a5a);
    m->st.gpr[X86_RAX] = 0xbeef;
    assert_done(exec(m, OUT_DX_AX));
    assert_true(last_exit(m)->u.pio.out);
    assert_int_equal(last_exit(m)->u.pio.size, 2);
}

static void bitmap_bits_of_every_byte(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    bitmap(m, 0x101);
    poke(m, TSS + 0x68 + 0x20, 0x01, 1); /* port 0x100 */
    set_dx(m, 0xff);
    assert_done(exec(m, IN_AL_DX));
    assert_faults(m, X86_GP, 0, 0x66, 0xed); /* 2 bytes reach it */
    set_dx(m, 0xfd);
    assert_faults(m, X86_GP, 0, IN_EAX_DX);
    set_dx(m, 0xfc);
    assert_done(exec(m, IN_EAX_DX));
    set_dx(m, 0x100);
    assert_faults(m, X86_GP, 0, IN_AL_DX);
    set_dx(m, 0x101);
    assert_done(exec(m, IN_EAX_DX));
}

static void bitmap_ends_at_the_limit(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    bitmap(m, 0x10);
    poke(m, TSS + 0x78, 0, 2); /* beyond the limit: does not count */
    set_dx(m, 0x77);
    assert_done(exec(m, IN_AL_DX)); /* bytes 0Eh and 0Fh */
    set_dx(m, 0x78);
    assert_faults(m, X86_GP, 0, IN_AL_DX); /* would read byte 10h */
    set_dx(m, 0xffff);
    assert_faults(m, X86_GP, 0, IN_AL_DX);
    m->st.tr.attr = A_TSS16 | 2; /* a 16-bit TSS has no bitmap */
    set_dx(m, 0);
    assert_faults(m, X86_GP, 0, IN_AL_DX);
}

static void v86_uses_the_bitmap_whatever_iopl(void **state)
{
    struct machine *m = *state;

    set_v86(m, 3);
    bitmap(m, 0x10);
    assert_done(exec(m, 0xe4, 0x20)); /* in al, 20h */
    assert_faults(m, X86_GP, 0, 0xe4, 0x80);
}

/* ---- strings ----------------------------------------------------------- */

static void rep_insw_in_batches(void **state)
{
    struct machine *m = *state;
    unsigned steps = 0;

    m->port_in = 0xab;
    set_dx(m, 0x1f0);
    m->st.gpr[X86_RCX] = 256;
    m->st.gpr[X86_RDI] = DATA;
    assert_done(exec(m, 0xf3, 0x66, 0x6d));
    assert_false(m->emu.restart);
    assert_int_equal(m->exits, 1);
    assert_int_equal(last_exit(m)->u.pio.count, 256);
    assert_int_equal(m->st.gpr[X86_RCX], 0);
    assert_int_equal(m->st.gpr[X86_RDI], DATA + 512);
    assert_int_equal(peek(m, DATA + 508, 4), 0xabababab);
    assert_int_equal(peek(m, DATA + 512, 4), 0);

    m->exits = 0; /* across a page: never more than a page at once */
    m->st.gpr[X86_RCX] = 4;
    m->st.gpr[X86_RDI] = DATA + 0xffd;
    do
        assert_done(exec(m, 0xf3, 0x66, 0x6d));
    while (m->emu.restart && ++steps < 10);
    assert_int_equal(m->st.gpr[X86_RDI], DATA + 0x1005);
    assert_int_equal(peek(m, DATA + 0x1001, 4), 0xabababab);
    assert_int_equal(m->exits, 3);
}

static void string_faults_before_the_port(void **state)
{
    struct machine *m = *state;

    m->st.seg[X86_ES].limit = DATA + 3;
    set_dx(m, 0x1f0);
    m->st.gpr[X86_RCX] = 3;
    m->st.gpr[X86_RDI] = DATA;
    assert_done(exec(m, 0xf3, 0x66, 0x6d)); /* the two that fit, one by one */
    assert_int_equal(m->st.gpr[X86_RCX], 2);
    assert_true(m->emu.restart);
    assert_done(exec(m, 0xf3, 0x66, 0x6d));
    m->exits = 0;
    assert_faults(m, X86_GP, 0, 0xf3, 0x66, 0x6d);
    assert_int_equal(m->exits, 0);
    assert_int_equal(m->st.gpr[X86_RCX], 1);
}

static void outs_down_with_a_segment(void **state)
{
    struct machine *m = *state;

    poke(m, DATA, 0x04030201, 4);
    m->st.seg[X86_FS].base = DATA;
    m->st.rflags |= X86_EFLAGS_DF;
    m->st.gpr[X86_RSI] = 0x10003;
    m->st.gpr[X86_RCX] = 0x50002;
    /* 16-bit addresses: rep outs dx, byte fs:[si] */
    assert_done(exec(m, 0xf3, 0x67, 0x64, 0x6e));
    assert_true(m->emu.restart);
    assert_done(exec(m, 0xf3, 0x67, 0x64, 0x6e));
    assert_false(m->emu.restart);
    assert_int_equal(m->st.gpr[X86_RSI], 0x10001);
    assert_int_equal(m->st.gpr[X86_RCX], 0x50000);
    assert_int_equal(m->exits, 2);
    assert_done(exec(m, 0xf3, 0x67, 0x64, 0x6e)); /* CX = 0: nothing */
    assert_int_equal(m->exits, 2);
}

/* ---- EFLAGS ------------------------------------------------------------ */

static void cli_and_sti_need_iopl(void **state)
{
    struct machine *m = *state;

    for (unsigned iopl = 0; iopl < 4; iopl++) {
        set_ring(m, 1);
        m->st.rflags = X86_EFLAGS_RES1 | iopl << 12;
        if (iopl < 1) {
            assert_faults(m, X86_GP, 0, CLI);
            assert_faults(m, X86_GP, 0, STI);
            continue;
        }
        assert_done(exec(m, STI));
        assert_true(m->st.sti_shadow);
        assert_done(exec(m, STI)); /* IF was 1: no shadow */
        assert_false(m->st.sti_shadow);
        assert_done(exec(m, CLI));
        assert_false(m->st.rflags & X86_EFLAGS_IF);
    }
    assert_int_equal(last_exit(m)->kind, VM_EXIT_FLAGS);
}

/* EFLAGS after POPF of VALUE at CPL with the flags OLD. */
static uint32_t popf(struct machine *m, unsigned cpl, uint32_t old,
                     uint32_t value)
{
    set_ring(m, cpl);
    m->st.rflags = old;
    poke(m, (uint32_t)m->st.gpr[X86_RSP], value, 4);
    assert_done(exec(m, POPF));
    return (uint32_t)m->st.rflags;
}

static void popf_by_cpl_and_iopl(void **state)
{
    struct machine *m = *state;

    /* VM, RF, VIF, VIP and reserved bits never change. */
    assert_int_equal(popf(m, 0, 0x2, 0xffffffff), 0x247fd7);
    assert_int_equal(popf(m, 0, 0x247fd7, 0), 0x2);
    assert_int_equal(popf(m, 3, 0x2, 0xffffffff), 0x244dd7);
    assert_int_equal(popf(m, 3, 0x3202, 0), 0x3002);
    assert_int_equal(popf(m, 3, 0x3002, 0x200), 0x3202);
    assert_int_equal(popf(m, 1, 0x202, 0x3000), 0x202);
    assert_int_equal(popf(m, 1, 0x1202, 0x3000), 0x1002);
    assert_int_equal(popf(m, 0, 0x10002, 0x2), 0x2); /* clears RF */
    set_ring(m, 0);
    m->st.rflags = 0x240002;
    poke(m, STACK0, 0xffff, 2);
    assert_done(exec(m, 0x66, POPF)); /* 16 bits: AC and ID stay */
    assert_int_equal(m->st.rflags, 0x247fd7);
    assert_int_equal(m->st.gpr[X86_RSP], STACK0 + 2);
}

static void pushf_hides_vm_and_rf(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    m->st.rflags = 0x213247;
    assert_done(exec(m, PUSHF));
    assert_int_equal(peek(m, STACK3 - 4, 4), 0x203247);
}

static void v86_flags_need_iopl_3(void **state)
{
    struct machine *m = *state;

    set_v86(m, 2);
    assert_faults(m, X86_GP, 0, PUSHF);
    assert_faults(m, X86_GP, 0, POPF);
    assert_faults(m, X86_GP, 0, CLI);
    assert_faults(m, X86_GP, 0, STI);
    set_v86(m, 3);
    assert_done(exec(m, 0x66, PUSHF));
    assert_int_equal(peek(m, 0x30ffc, 4), 0x3002);
    poke(m, 0x30ffc, 0x47200, 4);
    assert_done(exec(m, 0x66, POPF)); /* IOPL stays 3 */
    assert_int_equal(m->st.rflags, 0x67202);
    assert_done(exec(m, CLI));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(iopl_opens_all_ports),     TEST(bitmap_bits_of_every_byte),
        TEST(bitmap_ends_at_the_limit), TEST(v86_uses_the_bitmap_whatever_iopl),
        TEST(rep_insw_in_batches),      TEST(string_faults_before_the_port),
        TEST(outs_down_with_a_segment), TEST(cli_and_sti_need_iopl),
        TEST(popf_by_cpl_and_iopl),     TEST(pushf_hides_vm_and_rf),
        TEST(v86_flags_need_iopl_3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
