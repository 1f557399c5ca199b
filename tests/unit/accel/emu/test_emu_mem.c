/* Segmentation, paging, devices, breakpoints, under the executor. */
#include "tests/unit/accel/emu/machine.h"

#define PD        0x1000u
#define PT        0x2000u
#define PTE_P     1u
#define PTE_W     2u
#define PTE_U     4u
#define PTE_A     0x20u
#define PTE_D     0x40u
#define LINEAR_AT 0x400000u /* mapped by PT */

/* Pages LINEAR_AT and on; the code and the stack stay where they are. */
static void enable_paging(struct machine *m, const uint32_t *pte, unsigned n)
{
    static const uint32_t identity = 0x3000;

    for (uint32_t i = 0; i < 256; i++)
        machine_poke32(m, identity + 4 * i, i << 12 | PTE_P | PTE_W | PTE_U);
    machine_poke32(m, PD, identity | PTE_P | PTE_W | PTE_U);
    machine_poke32(m, PD + 4, PT | PTE_P | PTE_W | PTE_U);
    for (unsigned i = 0; i < n; i++)
        machine_poke32(m, PT + 4 * i, pte[i]);
    m->st.cr3 = PD;
    m->st.cr0 |= X86_CR0_PG | X86_CR0_WP;
    emu_state_changed(&m->emu);
}

static void page_crossing(void **state)
{
    static const uint32_t pte[] = {DATA_AT | PTE_P | PTE_W | PTE_U,
                                   0x40000 | PTE_P | PTE_W | PTE_U,
                                   0x50000 | PTE_P | PTE_U};
    struct machine *m = machine_new();

    (void)state;
    enable_paging(m, pte, 3);
    machine_poke32(m, DATA_AT + 0xffc, 0x44332211);
    machine_poke32(m, 0x40000, 0x88776655);
    m->st.gpr[X86_RBX] = LINEAR_AT + 0xffe;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE); /* mov eax, [ebx] */
    assert_int_equal(m->st.gpr[X86_RAX], 0x66554433);
    assert_int_equal(RUN(m, 0xff, 0x03), EMU_DONE); /* inc dword [ebx] */
    assert_int_equal(machine_peek32(m, DATA_AT + 0xffc), 0x44342211);
    /* accessed and dirty bits */
    assert_int_equal(machine_peek32(m, PT), pte[0] | PTE_A | PTE_D);
    assert_int_equal(machine_peek32(m, PT + 4), pte[1] | PTE_A | PTE_D);
    /* The second page is read-only: nothing is written to the first. */
    m->st.gpr[X86_RBX] = LINEAR_AT + 0x1ffe;
    machine_poke32(m, 0x40ffc, 0);
    assert_int_equal(RUN(m, 0x01, 0x03), EMU_FAULT); /* add [ebx], eax */
    assert_fault(m, X86_PF, X86_PFERR_P | X86_PFERR_W);
    assert_int_equal(m->emu.fault_cr2, LINEAR_AT + 0x2000);
    assert_int_equal(machine_peek32(m, 0x40ffc), 0);
    assert_int_equal(machine_peek32(m, PT + 8), pte[2]);
    machine_free(m);
}

static void user_and_supervisor(void **state)
{
    static const uint32_t pte[] = {DATA_AT | PTE_P | PTE_W,
                                   0x40000 | PTE_P | PTE_U};
    struct machine *m = machine_new();

    (void)state;
    enable_paging(m, pte, 2);
    m->st.gpr[X86_RBX] = LINEAR_AT;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    machine_flat(m, 32, 3);
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_FAULT);
    assert_fault(m, X86_PF, X86_PFERR_P | X86_PFERR_U);
    /* CR0.WP clear: the supervisor writes where the user may only read */
    machine_flat(m, 32, 0);
    m->st.gpr[X86_RBX] = LINEAR_AT + 0x1000;
    assert_int_equal(RUN(m, 0x89, 0x03), EMU_FAULT);
    m->st.cr0 &= ~(uint64_t)X86_CR0_WP;
    emu_state_changed(&m->emu);
    assert_int_equal(RUN(m, 0x89, 0x03), EMU_DONE);
    machine_free(m);
}

static void segment_limits(void **state)
{
    struct machine *m = machine_new();
    struct x86_seg *ds = &m->st.seg[X86_DS];

    (void)state;
    ds->limit = 0xfff;
    m->st.gpr[X86_RBX] = 0xffc;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE); /* mov eax, [ebx] */
    m->st.gpr[X86_RBX] = 0xffd;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    /* expand-down: above the limit is inside */
    ds->attr |= X86_SEG_EC;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_FAULT);
    m->st.gpr[X86_RBX] = 0x1000;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    ds->attr &= (uint16_t)~X86_SEG_DB; /* ... up to 64 KiB */
    m->st.gpr[X86_RBX] = 0xfffc;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    m->st.gpr[X86_RBX] = 0xfffd;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_FAULT);
    /* the stack's segment has its own exception */
    m->st.seg[X86_SS].limit = 0xfff;
    m->st.gpr[X86_RBP] = 0x2000;
    assert_int_equal(RUN(m, 0x8b, 0x45, 0), EMU_FAULT);
    assert_fault(m, X86_SSEG, 0);
    machine_free(m);
}

static void segment_types(void **state)
{
    struct machine *m = machine_new();
    struct x86_seg *ds = &m->st.seg[X86_DS];
    uint16_t data = ds->attr;

    (void)state;
    ds->attr = (uint16_t)(data & ~X86_SEG_RW);
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    assert_int_equal(RUN(m, 0x89, 0x03), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    ds->attr = (uint16_t)((data | X86_SEG_CODE) & ~X86_SEG_RW);
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_FAULT); /* execute-only */
    ds->attr = X86_SEG_UNUSABLE;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_FAULT);
    assert_int_equal(RUN(m, 0x2e, 0x8b, 0x03), EMU_DONE); /* through CS */
    assert_int_equal(RUN(m, 0x2e, 0x89, 0x03), EMU_FAULT);
    /* real mode has no types */
    m->st.cr0 &= ~(uint64_t)X86_CR0_PE;
    emu_state_changed(&m->emu);
    assert_int_equal(RUN(m, 0x2e, 0x89, 0x03), EMU_DONE);
    machine_free(m);
}

static void devices(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->mmio[4] = 0x78;
    m->mmio[5] = 0x56;
    m->st.gpr[X86_RBX] = MMIO_GPA;
    /* movzx eax, word [ebx+4] */
    assert_int_equal(RUN(m, 0x0f, 0xb7, 0x43, 0x04), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 0x5678);
    assert_int_equal(m->mmio_count, 1);
    /* or byte [ebx+4], 81h: a read and a write */
    assert_int_equal(RUN(m, 0x80, 0x4b, 0x04, 0x81), EMU_DONE);
    assert_int_equal(m->mmio[4], 0xf9);
    assert_int_equal(m->mmio_count, 3);
    /* fld tbyte [ebx]: ten bytes are 8 and 2 */
    m->mmio_count = m->mmio_sizes = 0;
    assert_int_equal(RUN(m, 0xdb, 0x2b), EMU_DONE);
    assert_int_equal(m->mmio_count, 2);
    assert_int_equal(m->mmio_sizes, 10);
    /* nobody there: ones */
    m->st.gpr[X86_RBX] = 0x90000000;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 0xffffffff);
    machine_free(m);
}

static void fetch_from_a_device(void **state)
{
    static const uint8_t code[] = {0xb8, 1, 2, 3, 4}; /* mov eax, imm32 */
    struct machine *m = machine_new();

    (void)state;
    memcpy(m->mmio, code, sizeof(code));
    m->st.rip = MMIO_GPA;
    assert_int_equal(emu_execute(&m->emu), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 0x04030201);
    machine_free(m);
}

static void fetch_faults(void **state)
{
    static const uint32_t pte[] = {DATA_AT | PTE_P | PTE_W | PTE_U, 0};
    static const uint8_t mov[] = {0xb8, 1, 2, 3, 4};
    struct machine *m = machine_new();

    (void)state;
    enable_paging(m, pte, 2);
    machine_poke(m, DATA_AT + 0xffe, mov, 2);
    m->st.rip = LINEAR_AT + 0xffe;
    assert_int_equal(emu_execute(&m->emu), EMU_FAULT);
    assert_fault(m, X86_PF, 0);
    assert_int_equal(m->emu.fault_cr2, LINEAR_AT + 0x1000);
    assert_int_equal(m->st.rip, LINEAR_AT + 0xffe);
    /* beyond CS's limit */
    m->st.seg[X86_CS].limit = LINEAR_AT + 0xfff;
    assert_int_equal(emu_execute(&m->emu), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    m->st.seg[X86_CS].limit = LINEAR_AT + 0xffd;
    assert_int_equal(emu_execute(&m->emu), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    machine_free(m);
}

static void too_long(void **state)
{
    struct machine *m = machine_new();
    uint8_t code[16];

    (void)state;
    memset(code, 0x66, sizeof(code));
    code[14] = 0x90;
    assert_int_equal(machine_do(m, code, 15), EMU_DONE);
    memset(code, 0x66, sizeof(code));
    code[15] = 0x90;
    assert_int_equal(machine_do(m, code, 16), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    machine_free(m);
}

static void a20(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    machine_poke32(m, 0x500, 0x1234);
    m->st.gpr[X86_RBX] = 0x100500;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 0xffffffff); /* above the RAM */
    m->vcpu.a20 = false;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RAX], 0x1234);
    machine_free(m);
}

static void code_pages(void **state)
{
    static uint64_t marked[RAM_SIZE / 4096 / 64];
    struct machine *m = machine_new();

    (void)state;
    marked[DATA_AT / 4096 / 64] = 1ull << (DATA_AT / 4096 % 64);
    m->emu.code_pages = marked;
    m->st.gpr[X86_RBX] = DATA_AT + 0x1000;
    assert_int_equal(RUN(m, 0x89, 0x03), EMU_DONE);
    assert_int_equal(m->writes, 0);
    m->st.gpr[X86_RBX] = DATA_AT + 0xffe; /* the first two bytes */
    assert_int_equal(RUN(m, 0x89, 0x03), EMU_DONE);
    assert_int_equal(m->writes, 1);
    assert_int_equal(m->written_gpa, DATA_AT + 0xffe);
    machine_free(m);
}

static void data_breakpoints(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.dr[1] = DATA_AT + 4;
    m->st.dr[7] = BIT(2) | 1u << 20 | 3u << 22; /* L1, write, 4 bytes */
    m->st.gpr[X86_RBX] = DATA_AT + 2;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    assert_int_equal(m->emu.trap_dr6, 0);
    assert_int_equal(RUN(m, 0x89, 0x03), EMU_DONE);
    assert_int_equal(m->emu.trap_dr6, BIT(1));
    assert_int_equal(RUN(m, 0x88, 0x03), EMU_DONE); /* two bytes short */
    assert_int_equal(m->emu.trap_dr6, 0);
    machine_free(m);
}

static void alignment_check(void **state)
{
    struct machine *m = machine_new();

    (void)state;
    m->st.cr0 |= X86_CR0_AM;
    m->st.rflags |= X86_EFLAGS_AC;
    m->st.gpr[X86_RBX] = DATA_AT + 2;
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_DONE);
    machine_flat(m, 32, 3);
    assert_int_equal(RUN(m, 0x66, 0x8b, 0x03), EMU_DONE);
    assert_int_equal(RUN(m, 0x8b, 0x03), EMU_FAULT);
    assert_fault(m, X86_AC, 0);
    machine_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_crossing),
        cmocka_unit_test(user_and_supervisor),
        cmocka_unit_test(segment_limits),
        cmocka_unit_test(segment_types),
        cmocka_unit_test(devices),
        cmocka_unit_test(fetch_from_a_device),
        cmocka_unit_test(fetch_faults),
        cmocka_unit_test(too_long),
        cmocka_unit_test(a20),
        cmocka_unit_test(code_pages),
        cmocka_unit_test(data_breakpoints),
        cmocka_unit_test(alignment_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
