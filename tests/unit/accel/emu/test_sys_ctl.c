/* Control and debug registers, MSRs, SYSENTER, CPUID: one test per rule. */
#include "sys_fixture.h"

#include "vmm/x86/cpuid.h"

#define TO_CR(n)   0x0f, 0x22, 0xc0 | (n) << 3 /* from EAX */
#define FROM_CR(n) 0x0f, 0x20, 0xc0 | (n) << 3
#define TO_DR(n)   0x0f, 0x23, 0xc0 | (n) << 3
#define FROM_DR(n) 0x0f, 0x21, 0xc0 | (n) << 3
#define RDMSR      0x0f, 0x32
#define WRMSR      0x0f, 0x30

static void set_eax(struct machine *m, uint32_t value)
{
    m->st.gpr[X86_RAX] = value;
}

static uint32_t eax(const struct machine *m)
{
    return (uint32_t)m->st.gpr[X86_RAX];
}

/* ---- control registers ------------------------------------------------- */

static void cr0_combinations(void **state)
{
    struct machine *m = *state;

    set_eax(m, X86_CR0_PG); /* paging without protection */
    assert_faults(m, X86_GP, 0, TO_CR(0));
    set_eax(m, X86_CR0_PE | X86_CR0_NW);
    assert_faults(m, X86_GP, 0, TO_CR(0));
    set_eax(m, X86_CR0_PE | X86_CR0_NW | X86_CR0_CD | 0x0ff0ffc0);
    assert_done(exec(m, TO_CR(0))); /* reserved bits are ignored, ET is 1 */
    assert_int_equal(m->st.cr0, 0x60000011);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_CR_ACCESS);
    assert_true(last_exit(m)->u.reg.write);
    assert_done(exec(m, FROM_CR(0)));
    assert_int_equal(eax(m), 0x60000011);
}

static void leaving_protected_mode_keeps_segments(void **state)
{
    struct machine *m = *state;
    struct x86_seg ds = m->st.seg[X86_DS];

    set_eax(m, X86_CR0_ET);
    assert_done(exec(m, TO_CR(0)));
    assert_int_equal(x86_mode(&m->st), X86_MODE_REAL);
    assert_memory_equal(&ds, &m->st.seg[X86_DS], sizeof(ds));
    assert_int_equal(m->global_flushes, 1);
}

static void cr4_reserved_bits(void **state)
{
    struct machine *m = *state;

    for (unsigned bit = 0; bit < 32; bit++) {
        bool valid = 0x7bc & BIT(bit) & ~X86_CR4_MCE;

        set_eax(m, BIT(bit));
        if (valid)
            assert_done(exec(m, TO_CR(4)));
        else
            assert_faults(m, X86_GP, 0, TO_CR(4));
    }
}

static void cr_numbers_and_privilege(void **state)
{
    struct machine *m = *state;

    assert_faults(m, X86_UD, 0, TO_CR(1));
    assert_faults(m, X86_UD, 0, FROM_CR(5));
    assert_faults(m, X86_UD, 0, FROM_CR(7));
    set_ring(m, 3);
    assert_faults(m, X86_GP, 0, FROM_CR(0));
    assert_faults(m, X86_GP, 0, TO_CR(3));
    assert_faults(m, X86_GP, 0, 0x0f, 0x06); /* clts */
    set_v86(m, 3);
    assert_faults(m, X86_GP, 0, FROM_CR(0));
}

static void pdptes_are_loaded_and_checked(void **state)
{
    struct machine *m = *state;

    m->st.cr4 = X86_CR4_PAE;
    m->st.cr3 = TABLES;
    poke(m, TABLES, (TABLES + 0x1000) | 1, 4);
    poke(m, TABLES + 0x1000, 0x83, 4); /* 2 MiB at 0 */
    poke(m, TABLES + 0x20, 2 | 1, 4);  /* R/W is reserved in a PDPTE */
    set_eax(m, (uint32_t)m->st.cr0 | X86_CR0_PG);
    assert_done(exec(m, TO_CR(0)));
    assert_int_equal(m->st.pdpte[0], (TABLES + 0x1000) | 1);
    set_eax(m, TABLES + 0x20);
    assert_faults(m, X86_GP, 0, TO_CR(3));
    poke(m, TABLES + 0x20, 2, 4); /* absent: whatever it holds */
    poke(m, TABLES + 0x28, 0, 4);
    poke(m, TABLES, 0x1e7, 4); /* seen at the next load only */
    set_eax(m, (uint32_t)m->st.cr4 | X86_CR4_PGE);
    assert_faults(m, X86_GP, 0, TO_CR(4));
    set_eax(m, (uint32_t)m->st.cr0 | X86_CR0_CD);
    assert_faults(m, X86_GP, 0, TO_CR(0));
    set_eax(m, (uint32_t)m->st.cr0 | X86_CR0_TS);
    assert_done(exec(m, TO_CR(0))); /* TS loads none */
}

static void lmsw_smsw_clts(void **state)
{
    struct machine *m = *state;

    set_eax(m, 0xfffe);
    assert_done(exec(m, 0x0f, 0x01, 0xf0)); /* lmsw ax */
    assert_int_equal(m->st.cr0, 0x1f);      /* PE stays */
    assert_done(exec(m, 0x0f, 0x06));
    assert_int_equal(m->st.cr0, 0x17);
    set_ring(m, 3);
    m->st.gpr[X86_RBX] = 0xffffffff;
    assert_done(exec(m, 0x66, 0x0f, 0x01, 0xe3)); /* smsw bx */
    assert_int_equal(m->st.gpr[X86_RBX], 0xffff0017);
    poke(m, DATA, 0xffffffff, 4);
    assert_done(exec(m, 0x0f, 0x01, 0x25, 0, 0, 4, 0));
    assert_int_equal(peek(m, DATA, 4), 0xffff0017);
    assert_faults(m, X86_GP, 0, 0x0f, 0x01, 0xf0);
}

static void cr3_and_invlpg_flush(void **state)
{
    struct machine *m = *state;

    set_eax(m, 0x5018);
    assert_done(exec(m, TO_CR(3)));
    assert_int_equal(m->st.cr3, 0x5018);
    assert_int_equal(m->flushes, 1);
    assert_int_equal(m->global_flushes, 0);
    set_eax(m, X86_CR4_PGE);
    assert_done(exec(m, TO_CR(4)));
    assert_int_equal(m->global_flushes, 1);
    m->st.seg[X86_DS].base = 0x100000;
    set_eax(m, 0xfff00123);
    assert_done(exec(m, 0x0f, 0x01, 0x38)); /* invlpg [eax], wraps */
    assert_int_equal(last_exit(m)->kind, VM_EXIT_INVLPG);
    assert_int_equal(last_exit(m)->u.page.gla, 0x123);
    set_ring(m, 3);
    assert_faults(m, X86_GP, 0, 0x0f, 0x01, 0x38);
    assert_faults(m, X86_GP, 0, 0x0f, 0x08);
    assert_faults(m, X86_GP, 0, 0x0f, 0x09);
}

/* ---- debug registers --------------------------------------------------- */

static void debug_registers(void **state)
{
    struct machine *m = *state;

    set_eax(m, 0xffffffff);
    assert_done(exec(m, TO_DR(6)));
    assert_int_equal(m->st.dr[6], 0xffffefff);
    set_eax(m, 0xffffdfff);
    assert_done(exec(m, TO_DR(5))); /* alias of DR7 */
    assert_int_equal(m->st.dr[7], 0xffff07ff);
    set_eax(m, 0);
    assert_done(exec(m, TO_DR(4)));
    assert_int_equal(m->st.dr[6], 0xffff0ff0);
    m->st.cr4 = X86_CR4_DE;
    assert_faults(m, X86_UD, 0, FROM_DR(4));
    assert_faults(m, X86_UD, 0, TO_DR(5));
    m->st.dr[7] |= BIT(13);
    assert_faults(m, X86_DB, 0, FROM_DR(0));
    assert_int_equal(m->emu.fault_dr6, BIT(13));
    set_ring(m, 3);
    assert_faults(m, X86_GP, 0, FROM_DR(0));
}

/* ---- MSRs and time ----------------------------------------------------- */

static enum emu_result wrmsr(struct machine *m, uint32_t index, uint64_t value)
{
    m->st.gpr[X86_RCX] = index;
    m->st.gpr[X86_RAX] = (uint32_t)value;
    m->st.gpr[X86_RDX] = value >> 32;
    return exec(m, WRMSR);
}

static uint64_t rdmsr(struct machine *m, uint32_t index)
{
    m->st.gpr[X86_RCX] = index;
    assert_done(exec(m, RDMSR));
    return m->st.gpr[X86_RDX] << 32 | m->st.gpr[X86_RAX];
}

static void msrs_hold_what_they_may(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint32_t index;
        uint64_t value;
        bool ok;
    } rows[] = {
        {X86_MSR_EFER, X86_EFER_NXE, true},
        {X86_MSR_EFER, X86_EFER_LME, false},
        {X86_MSR_EFER, X86_EFER_SCE, false},
        {X86_MSR_PAT, 0x0007010600070406, true},
        {X86_MSR_PAT, 0x0007040600070402, false},
        {X86_MSR_PAT, 0x0807040600070406, false},
        {X86_MSR_SYSENTER_EIP, 0xc0123456, true},
        {X86_MSR_APIC_BASE, 0xfee00900, true},
        {X86_MSR_APIC_BASE, 0xfee00d00, false}, /* x2APIC */
        {0x17, 0, false},
        {0xdead, 0, false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        enum emu_result r = wrmsr(m, rows[i].index, rows[i].value);

        assert_int_equal(last_exit(m)->kind, VM_EXIT_WRMSR);
        if (!rows[i].ok) {
            check_fault(m, r, X86_GP, 0, __FILE__, (int)(1000 + i));
            m->exits = 0;
            continue;
        }
        assert_done(r);
        assert_int_equal(rdmsr(m, rows[i].index), rows[i].value);
        m->exits = 0;
    }
    m->st.gpr[X86_RCX] = 0xc0000082; /* LSTAR: no long mode */
    assert_faults(m, X86_GP, 0, RDMSR);
    set_ring(m, 3);
    m->st.gpr[X86_RCX] = X86_MSR_TSC;
    assert_faults(m, X86_GP, 0, RDMSR);
    assert_faults(m, X86_GP, 0, WRMSR);
}

static void tsc_is_virtual_time(void **state)
{
    struct machine *m = *state;

    m->vcpu.icount = 1000;
    m->vcpu.idle_ns = 50;
    assert_done(exec(m, 0x0f, 0x31));
    assert_int_equal(eax(m), 1050);
    assert_done(wrmsr(m, X86_MSR_TSC, 0x500000000ull));
    m->vcpu.icount += 7;
    assert_int_equal(rdmsr(m, X86_MSR_TSC), 0x500000007ull);
    set_ring(m, 3);
    assert_done(exec(m, 0x0f, 0x31));
    m->st.cr4 = X86_CR4_TSD;
    assert_faults(m, X86_GP, 0, 0x0f, 0x31);
    set_ring(m, 0);
    assert_done(exec(m, 0x0f, 0x31));
    assert_faults(m, X86_GP, 0, 0x0f, 0x33); /* rdpmc */
}

static void cpuid_in_any_ring(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    set_eax(m, 1);
    m->st.gpr[X86_RCX] = 5;
    assert_done(exec(m, 0x0f, 0xa2));
    assert_int_equal(eax(m), X86_CPUID_SIGNATURE);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_CPUID);
    assert_int_equal(last_exit(m)->u.cpuid.leaf, 1);
    assert_int_equal(last_exit(m)->u.cpuid.subleaf, 5);
}

static void hlt_halts(void **state)
{
    struct machine *m = *state;

    assert_int_equal(exec(m, 0xf4), EMU_HALT);
    assert_int_equal(m->st.activity, X86_HALTED);
    assert_int_equal(m->st.rip, CODE + 1);
    m->st.activity = X86_ACTIVE;
    set_ring(m, 3);
    assert_faults(m, X86_GP, 0, 0xf4);
}

/* ---- SYSENTER and SYSEXIT ---------------------------------------------- */

static void sysenter_and_sysexit(void **state)
{
    struct machine *m = *state;

    set_ring(m, 3);
    assert_faults(m, X86_GP, 0, 0x0f, 0x34); /* SYSENTER_CS is null */
    m->st.sysenter_cs = 0x9;
    m->st.sysenter_eip = HANDLER;
    m->st.sysenter_esp = STACK1;
    m->st.rflags |= X86_EFLAGS_IF;
    assert_done(exec(m, 0x0f, 0x34));
    assert_int_equal(m->st.seg[X86_CS].selector, 0x8);
    assert_int_equal(m->st.seg[X86_SS].selector, 0x10);
    assert_int_equal(m->st.seg[X86_SS].limit, 0xffffffff);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(m->st.rip, HANDLER);
    assert_int_equal(m->st.gpr[X86_RSP], STACK1);
    assert_false(m->st.rflags & X86_EFLAGS_IF);
    assert_int_equal(last_exit(m)->kind, VM_EXIT_SYSENTER);
    m->st.gpr[X86_RDX] = TARGET;
    m->st.gpr[X86_RCX] = STACK3;
    assert_done(exec(m, 0x0f, 0x35));
    assert_int_equal(m->st.seg[X86_CS].selector, 0x1b);
    assert_int_equal(m->st.seg[X86_SS].selector, 0x23);
    assert_int_equal(x86_cpl(&m->st), 3);
    assert_int_equal(m->st.rip, TARGET);
    assert_faults(m, X86_GP, 0, 0x0f, 0x35); /* CPL 3 */
    set_real(m);
    m->st.sysenter_cs = 8;
    assert_faults(m, X86_GP, 0, 0x0f, 0x34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cr0_combinations),
        TEST(leaving_protected_mode_keeps_segments),
        TEST(cr4_reserved_bits),
        TEST(cr_numbers_and_privilege),
        TEST(pdptes_are_loaded_and_checked),
        TEST(lmsw_smsw_clts),
        TEST(cr3_and_invlpg_flush),
        TEST(debug_registers),
        TEST(msrs_hold_what_they_may),
        TEST(tsc_is_virtual_time),
        TEST(cpuid_in_any_ring),
        TEST(hlt_halts),
        TEST(sysenter_and_sysexit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
