/* 64-bit code, as far as KVM hands it over. */
#include "tests/unit/accel/emu/machine.h"

#define PML4   0x1000u
#define PDPT   0x2000u
#define HIGH   0xffff800000000000ull /* mapped onto the RAM, as is 0 */
#define PTE64  0x7ull
#define PTE_PS 0x80ull

static struct machine *long_mode(void)
{
    struct machine *m = machine_new();
    const uint64_t pdpt = PDPT | PTE64, huge = PTE64 | PTE_PS;
    const uint64_t device = 0x80000000 | PTE64 | PTE_PS;

    machine_poke(m, PML4, &pdpt, 8);
    machine_poke(m, PML4 + 8 * 256, &pdpt, 8);
    machine_poke(m, PDPT, &huge, 8);
    machine_poke(m, PDPT + 16, &device, 8);
    m->st.cr3 = PML4;
    m->st.cr4 |= X86_CR4_PAE;
    m->st.efer = X86_EFER_LME | X86_EFER_LMA;
    m->st.cr0 |= X86_CR0_PG;
    m->st.seg[X86_CS].attr |= X86_SEG_L;
    m->st.seg[X86_CS].attr &= (uint16_t)~X86_SEG_DB;
    m->st.rip = HIGH + CODE_AT;
    emu_state_changed(&m->emu);
    return m;
}

/* As RUN, with the code at the high mapping. */
static enum emu_result run64(struct machine *m, const uint8_t *code, size_t len)
{
    machine_poke(m, (uint32_t)(m->st.rip - HIGH), code, len);
    return emu_execute(&m->emu);
}
#define RUN64(m, ...)                                                          \
    run64(m, (const uint8_t[]){__VA_ARGS__},                                   \
          sizeof((const uint8_t[]){__VA_ARGS__}))

static void registers(void **state)
{
    struct machine *m = long_mode();

    (void)state;
    m->st.gpr[X86_RAX] = 0x1122334455667788;
    m->st.gpr[X86_R15] = 1;
    m->st.gpr[X86_RSP] = 0xffff800000001000;
    assert_int_equal(RUN64(m, 0x49, 0x01, 0xc7), EMU_DONE); /* add r15, rax */
    assert_true(m->st.gpr[X86_R15] == 0x1122334455667789);
    assert_int_equal(RUN64(m, 0x48, 0x83, 0xc4, 0x10), EMU_DONE);
    assert_true(m->st.gpr[X86_RSP] == 0xffff800000001010);  /* add rsp, 16 */
    assert_int_equal(RUN64(m, 0x40, 0x00, 0xc4), EMU_DONE); /* add spl, al */
    assert_true(m->st.gpr[X86_RSP] == 0xffff800000001098);
    assert_int_equal(RUN64(m, 0x49, 0x31, 0xe4), EMU_DONE); /* xor r12, rsp */
    assert_true(m->st.gpr[X86_R12] == 0xffff800000001098);
    assert_int_equal(RUN64(m, 0x01, 0xc0), EMU_DONE); /* add eax, eax */
    assert_true(m->st.gpr[X86_RAX] == 0xaaccef10);
    machine_free(m);
}

static void memory(void **state)
{
    struct machine *m = long_mode();
    uint64_t value = 40;

    (void)state;
    machine_poke(m, DATA_AT + 8, &value, 8);
    m->st.gpr[X86_R8] = HIGH;
    m->st.gpr[X86_R9] = DATA_AT / 4;
    m->st.gpr[X86_R14] = 2;
    /* add [r8+r9*4+8], r14 */
    assert_int_equal(RUN64(m, 0x4f, 0x01, 0x74, 0x88, 0x08), EMU_DONE);
    assert_true(mem_read(&m->mem, DATA_AT + 8, &value, 8));
    assert_int_equal(value, 42);
    /* mov rcx, [rip+disp] */
    m->st.rip = HIGH + DATA_AT - 7;
    assert_int_equal(RUN64(m, 0x48, 0x8b, 0x0d, 8, 0, 0, 0), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RCX], 42);
    machine_free(m);
}

static void vectors_on_a_device(void **state)
{
    struct machine *m = long_mode();

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        m->mmio[i] = (uint8_t)(i + 1);
    m->st.gpr[X86_RBX] = 0x80000000;
    /* movdqu xmm9, [rbx]; movdqu [rbx+10h], xmm9 */
    assert_int_equal(RUN64(m, 0xf3, 0x44, 0x0f, 0x6f, 0x0b), EMU_DONE);
    assert_int_equal(RUN64(m, 0xf3, 0x44, 0x0f, 0x7f, 0x4b, 0x10), EMU_DONE);
    assert_memory_equal(m->mmio, m->mmio + 16, 16);
    assert_int_equal(m->mmio_count, 4);
    /* vmovdqu: not ours */
    assert_int_equal(RUN64(m, 0xc5, 0xfa, 0x6f, 0x03), EMU_UNSUPPORTED);
    assert_int_equal(RUN64(m, 0x50), EMU_UNSUPPORTED); /* push rax */
    machine_free(m);
}

static void strings(void **state)
{
    struct machine *m = long_mode();
    uint64_t value;

    (void)state;
    m->st.gpr[X86_RAX] = 0x1234567890;
    m->st.gpr[X86_RDI] = HIGH + DATA_AT;
    m->st.gpr[X86_RCX] = 4;
    assert_int_equal(RUN64(m, 0xf3, 0x48, 0xab), EMU_DONE); /* rep stosq */
    assert_true(mem_read(&m->mem, DATA_AT + 24, &value, 8));
    assert_true(value == 0x1234567890);
    assert_true(m->st.gpr[X86_RDI] == HIGH + DATA_AT + 32);
    machine_free(m);
}

static void faults(void **state)
{
    struct machine *m = long_mode();

    (void)state;
    m->st.gpr[X86_RBX] = 0x40000000;
    machine_poke(m, CODE_AT, (const uint8_t[]){0x48, 0x8b, 0x03}, 3);
    assert_int_equal(emu_step(&m->emu), EMU_FAULT);
    assert_true(m->st.pending.valid);
    assert_int_equal(m->st.pending.vector, X86_PF);
    assert_int_equal(m->st.cr2, 0x40000000);
    m->st.gpr[X86_RBX] = 0x0000800000000000; /* not canonical */
    assert_int_equal(RUN64(m, 0x48, 0x8b, 0x03), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    machine_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(memory),
        cmocka_unit_test(vectors_on_a_device),
        cmocka_unit_test(strings),
        cmocka_unit_test(faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
