/* Long mode, as far as the executor knows it. */
#include "tests/unit/accel/emu/machine.h"

#define PML4   0x1000u
#define PDPT   0x2000u
#define HIGH   0xffff800000000000ull /* mapped onto the RAM, as is 0 */
#define GDT    0x3000u
#define IDT    0x4000u
#define TSS    0x5000u
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
    m->st.gpr[X86_RBX] = 1ull << 40;
    assert_int_equal(RUN64(m, 0xf3, 0x48, 0x0f, 0xbc, 0xcb), EMU_DONE);
    assert_int_equal(m->st.gpr[X86_RCX], 40);         /* tzcnt rcx, rbx */
    assert_int_equal(RUN64(m, 0xe5, 0x10), EMU_DONE); /* in eax, 10h */
    assert_true(m->st.gpr[X86_RAX] == 0xffffffff);
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
    assert_int_equal(RUN64(m, 0xc5, 0xfa, 0x6f, 0x03), EMU_FAULT);
    assert_fault(m, X86_UD, 0);
    m->st.cr4 |= X86_CR4_OSXSAVE;
    assert_int_equal(RUN64(m, 0xc5, 0xfa, 0x6f, 0x03), EMU_UNSUPPORTED);
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
    assert_int_equal(emu_execute(&m->emu), EMU_FAULT);
    assert_int_equal(m->emu.fault.vector, X86_PF);
    assert_int_equal(m->emu.fault_cr2, 0x40000000);
    m->st.gpr[X86_RBX] = 0x0000800000000000; /* not canonical */
    assert_int_equal(RUN64(m, 0x48, 0x8b, 0x03), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    machine_free(m);
}

static uint64_t at(struct machine *m, uint64_t gpa)
{
    uint64_t value = 0;

    assert_true(mem_read(&m->mem, gpa & 0xfffff, &value, 8));
    return value;
}

static uint64_t top(struct machine *m, unsigned i)
{
    return at(m, m->st.gpr[X86_RSP] + 8 * i);
}

static void the_stack(void **state)
{
    struct machine *m = long_mode();
    uint64_t *rsp = &m->st.gpr[X86_RSP];

    (void)state;
    *rsp = HIGH + STACK_TOP;
    m->st.gpr[X86_R9] = 0x1122334455667788;
    assert_int_equal(RUN64(m, 0x41, 0x51), EMU_DONE); /* push r9 */
    assert_true(*rsp == HIGH + STACK_TOP - 8);
    assert_true(top(m, 0) == 0x1122334455667788);
    assert_int_equal(RUN64(m, 0x6a, 0xff), EMU_DONE); /* push -1 */
    assert_true(top(m, 0) == UINT64_MAX);
    assert_int_equal(RUN64(m, 0x68, 0, 0, 0, 0x80), EMU_DONE);
    assert_true(top(m, 0) == 0xffffffff80000000); /* sign-extended */
    assert_int_equal(RUN64(m, 0x66, 0x6a, 0x05), EMU_DONE);
    assert_true(*rsp == HIGH + STACK_TOP - 26);
    *rsp += 2;
    assert_int_equal(RUN64(m, 0x8f, 0x04, 0x24), EMU_DONE); /* pop [rsp] */
    assert_true(top(m, 0) == 0xffffffff80000000);
    assert_int_equal(RUN64(m, 0x58), EMU_DONE); /* pop rax */
    assert_true(m->st.gpr[X86_RAX] == 0xffffffff80000000);
    assert_int_equal(RUN64(m, 0x54), EMU_DONE); /* push rsp */
    assert_true(top(m, 0) == *rsp + 8);
    assert_int_equal(RUN64(m, 0x5c), EMU_DONE); /* pop rsp */
    assert_true(*rsp == HIGH + STACK_TOP - 8);
    m->st.gpr[X86_RBP] = *rsp;
    *rsp = 0x30;
    assert_int_equal(RUN64(m, 0xc9), EMU_DONE); /* leave */
    assert_true(*rsp == HIGH + STACK_TOP);
    assert_true(m->st.gpr[X86_RBP] == 0x1122334455667788);
    *rsp = 0x0000800000000004; /* not canonical */
    assert_int_equal(RUN64(m, 0x50), EMU_FAULT);
    assert_fault(m, X86_SSEG, 0);
    assert_true(*rsp == 0x0000800000000004);
    machine_free(m);
}

static void near_branches(void **state)
{
    struct machine *m = long_mode();
    uint64_t back;

    (void)state;
    m->st.gpr[X86_RSP] = HIGH + STACK_TOP;
    back = m->st.rip + 5;
    assert_int_equal(RUN64(m, 0xe8, 0xfb, 0x0f, 0, 0), EMU_DONE); /* call */
    assert_true(m->st.rip == HIGH + CODE_AT + 0x1000);
    assert_true(top(m, 0) == back);
    assert_int_equal(RUN64(m, 0xc2, 0x10, 0), EMU_DONE); /* ret 16 */
    assert_true(m->st.rip == back);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP + 16);
    m->st.rflags |= X86_EFLAGS_ZF;
    assert_int_equal(RUN64(m, 0x74, 0x10), EMU_DONE); /* jz */
    assert_true(m->st.rip == back + 0x12);
    m->st.gpr[X86_RAX] = 0x0000800000000000;
    m->st.gpr[X86_RSP] = HIGH + STACK_TOP;
    assert_int_equal(RUN64(m, 0xff, 0xd0), EMU_FAULT); /* call rax */
    assert_fault(m, X86_GP, 0);
    assert_true(m->st.rip == back + 0x12);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP);
    machine_free(m);
}

/* ---- gates, IRET, SYSCALL ---------------------------------------------- */

#define CS64    0x08u
#define SS_USER 0x23u
#define CS_USER 0x2bu

static void gate(struct machine *m, unsigned vector, unsigned type,
                 unsigned ist)
{
    uint64_t to = HIGH + CODE_AT + 0x800;
    const uint64_t words[] = {(to & 0xffff) | CS64 << 16 | (uint64_t)ist << 32 |
                                  (uint64_t)(0x80 | type) << 40 |
                                  (to >> 16 & 0xffff) << 48,
                              to >> 32};

    machine_poke(m, IDT + 16 * vector, words, sizeof(words));
}

/* The tables, at the high mapping: their bases have 64 bits. */
static struct machine *with_tables(void)
{
    static const uint64_t gdt[] = {0,
                                   0x00af9b000000ffff,
                                   0x00cf93000000ffff,
                                   0x00cffb000000ffff,
                                   0x00cff3000000ffff,
                                   0x00affb000000ffff};
    const uint64_t rsp0 = HIGH + 0x7008, ist1 = HIGH + 0x6008;
    struct machine *m = long_mode();

    machine_poke(m, GDT, gdt, sizeof(gdt));
    machine_poke(m, TSS + 4, &rsp0, 8);
    machine_poke(m, TSS + 0x24, &ist1, 8);
    m->st.gdt = (struct x86_table){HIGH + GDT, sizeof(gdt) - 1};
    m->st.idt = (struct x86_table){HIGH + IDT, 0xfff};
    m->st.tr = (struct x86_seg){
        .selector = 0x30, .base = HIGH + TSS, .limit = 0x67, .attr = 0x8b};
    m->st.seg[X86_CS].selector = CS64;
    m->st.gpr[X86_RSP] = HIGH + STACK_TOP - 4;
    return m;
}

static void user(struct machine *m)
{
    m->st.seg[X86_CS].selector = CS_USER;
    m->st.seg[X86_CS].attr |= 3 << 5;
    m->st.seg[X86_SS].selector = SS_USER;
    m->st.seg[X86_SS].attr |= 3 << 5;
    m->st.seg[X86_FS] = (struct x86_seg){.base = 0x123456789000};
    emu_state_changed(&m->emu);
}

static void gates_align_the_stack(void **state)
{
    struct machine *m = with_tables();
    uint64_t rip = m->st.rip;

    (void)state;
    gate(m, 0x40, 14, 0);
    m->st.rflags |= X86_EFLAGS_IF;
    assert_int_equal(RUN64(m, 0xcd, 0x40), EMU_DONE);
    assert_true(m->st.rip == HIGH + CODE_AT + 0x800);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP - 16 - 40);
    assert_true(top(m, 0) == rip + 2);
    assert_int_equal(top(m, 1), CS64);
    assert_int_equal(top(m, 2), m->st.rflags | X86_EFLAGS_IF);
    assert_false(m->st.rflags & X86_EFLAGS_IF);
    assert_true(top(m, 3) == HIGH + STACK_TOP - 4);
    assert_int_equal(top(m, 4), m->st.seg[X86_SS].selector);
    assert_int_equal(RUN64(m, 0x48, 0xcf), EMU_DONE); /* and back: iretq */
    assert_true(m->st.rip == rip + 2);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP - 4);
    assert_true(m->st.rflags & X86_EFLAGS_IF);
    machine_free(m);
}

static void gates_change_stacks(void **state)
{
    struct machine *m = with_tables();
    uint64_t rip = m->st.rip;

    (void)state;
    user(m);
    gate(m, X86_GP, 15, 0);
    machine_poke(m, CODE_AT, "\xf4", 1); /* hlt: not in ring 3 */
    assert_int_equal(emu_step(&m->emu), EMU_FAULT);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(m->st.seg[X86_SS].selector, 0);
    assert_true(m->st.gpr[X86_RSP] == HIGH + 0x7000 - 48);
    assert_int_equal(top(m, 0), 0);
    assert_true(top(m, 1) == rip);
    assert_int_equal(top(m, 2), CS_USER);
    assert_int_equal(top(m, 5), SS_USER);
    m->st.gpr[X86_RSP] += 8;
    assert_int_equal(RUN64(m, 0x48, 0xcf), EMU_DONE); /* iretq */
    assert_int_equal(x86_cpl(&m->st), 3);
    assert_true(m->st.rip == rip);
    assert_true(m->st.seg[X86_FS].base == 0x123456789000);
    machine_free(m);
}

/* IST also without a change of privilege; then SS stays. */
static void a_gate_may_name_its_stack(void **state)
{
    struct machine *m = with_tables();

    (void)state;
    gate(m, X86_UD, 14, 1);
    machine_poke(m, CODE_AT, "\x0f\x0b", 2); /* ud2 */
    assert_int_equal(emu_step(&m->emu), EMU_FAULT);
    assert_true(m->st.gpr[X86_RSP] == HIGH + 0x6000 - 40);
    assert_true(top(m, 2) & X86_EFLAGS_RF);
    assert_int_equal(top(m, 4), m->st.seg[X86_SS].selector);
    machine_free(m);
}

/* No gates at all: #UD, #GP on its way, and #DF. */
static void without_gates_it_shuts_down(void **state)
{
    struct machine *m = with_tables();

    (void)state;
    machine_poke(m, CODE_AT, "\x0f\x0b", 2);
    assert_int_equal(emu_step(&m->emu), EMU_FAULT);
    assert_int_equal(m->st.activity, X86_SHUTDOWN);
    assert_int_equal(m->emu.causes, 3);
    machine_free(m);
}

static void iretq_checks_what_it_pops(void **state)
{
    /* CS, SS; what faults, with which error code */
    static const struct {
        uint64_t rip, cs, ss;
        enum x86_vector vector;
        uint32_t error;
    } rows[] = {
        {HIGH, 0, 0x10, X86_GP, 0},
        {HIGH, 0x10, 0x10, X86_GP, 0x10},
        {HIGH, 0x48, 0x10, X86_GP, 0x48},
        {HIGH, CS_USER, 0, X86_GP, 0},
        {HIGH, CS_USER, 0x13, X86_GP, 0x10},
        {0x0000900000000000, CS64, 0x10, X86_GP, 0},
        {0x100000000, 0x1b, SS_USER, X86_GP, 0}, /* 32-bit code */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct machine *m = with_tables();
        const uint64_t frame[] = {rows[i].rip, rows[i].cs, 2, 0x1000,
                                  rows[i].ss};

        m->st.gpr[X86_RSP] = HIGH + 0x7000;
        machine_poke(m, 0x7000, frame, sizeof(frame));
        assert_int_equal(RUN64(m, 0x48, 0xcf), EMU_FAULT);
        assert_fault(m, rows[i].vector, rows[i].error);
        assert_true(m->st.gpr[X86_RSP] == HIGH + 0x7000);
        machine_free(m);
    }
}

static void syscall_and_sysret(void **state)
{
    struct machine *m = with_tables();
    uint64_t rip = m->st.rip;

    (void)state;
    user(m);
    assert_int_equal(RUN64(m, 0x0f, 0x05), EMU_FAULT); /* not enabled */
    assert_fault(m, X86_UD, 0);
    m->st.efer |= X86_EFER_SCE;
    m->st.star = 0x0018000800000000;
    m->st.lstar = HIGH + CODE_AT + 0x800;
    m->st.sfmask = X86_EFLAGS_IF | X86_EFLAGS_TF;
    m->st.rflags |= X86_EFLAGS_IF | X86_EFLAGS_TF;
    assert_int_equal(RUN64(m, 0x0f, 0x05), EMU_DONE);
    assert_true(m->st.rip == HIGH + CODE_AT + 0x800);
    assert_true(m->st.gpr[X86_RCX] == rip + 2);
    assert_int_equal(m->st.gpr[X86_R11], 0x302);
    assert_int_equal(m->st.rflags, 2);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(m->st.seg[X86_CS].selector, CS64);
    m->st.seg[X86_GS].base = 1;
    m->st.kernel_gs_base = 2;
    assert_int_equal(RUN64(m, 0x0f, 0x01, 0xf8), EMU_DONE); /* swapgs */
    assert_int_equal(m->st.seg[X86_GS].base, 2);
    assert_int_equal(m->st.kernel_gs_base, 1);
    assert_int_equal(RUN64(m, 0x48, 0x0f, 0x07), EMU_DONE); /* sysretq */
    assert_true(m->st.rip == rip + 2);
    assert_int_equal(m->st.rflags, 0x302);
    assert_int_equal(m->st.seg[X86_CS].selector, CS_USER);
    assert_int_equal(m->st.seg[X86_SS].selector, SS_USER);
    assert_int_equal(x86_mode(&m->st), X86_MODE_LONG64);
    assert_int_equal(x86_cpl(&m->st), 3);
    machine_free(m);
}

/* ---- control registers, segments --------------------------------------- */

static void control_registers(void **state)
{
    struct machine *m = with_tables();

    (void)state;
    m->emu.phys_bits = 40;
    m->emu.cr4_valid |= X86_CR4_PCIDE;
    m->st.gpr[X86_RAX] = PML4;
    assert_int_equal(RUN64(m, 0x0f, 0x22, 0xd8), EMU_DONE); /* mov cr3, rax */
    assert_int_equal(RUN64(m, 0x0f, 0x20, 0xdb), EMU_DONE); /* mov rbx, cr3 */
    assert_int_equal(m->st.gpr[X86_RBX], PML4);
    m->st.gpr[X86_RAX] |= BIT64(40);
    assert_int_equal(RUN64(m, 0x0f, 0x22, 0xd8), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    m->st.gpr[X86_RAX] = m->st.cr4 | X86_CR4_PCIDE;
    assert_int_equal(RUN64(m, 0x0f, 0x22, 0xe0), EMU_DONE); /* mov cr4, rax */
    m->st.gpr[X86_RAX] = PML4 | BIT64(63) | 5; /* PCID 5, nothing flushed */
    assert_int_equal(RUN64(m, 0x0f, 0x22, 0xd8), EMU_DONE);
    assert_true(m->st.cr3 == (PML4 | 5));
    m->st.gpr[X86_RAX] = m->st.cr4 & ~(uint64_t)X86_CR4_PAE;
    assert_int_equal(RUN64(m, 0x0f, 0x22, 0xe0), EMU_FAULT);
    m->st.gpr[X86_RAX] = X86_CR0_PE | X86_CR0_ET; /* out of 64-bit code */
    assert_int_equal(RUN64(m, 0x0f, 0x22, 0xc0), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    m->st.gpr[X86_R8] = 9;
    assert_int_equal(RUN64(m, 0x45, 0x0f, 0x22, 0xc0), EMU_DONE);
    assert_int_equal(m->st.cr8, 9);                   /* mov cr8, r8 */
    assert_int_equal(RUN64(m, 0x0f, 0x06), EMU_DONE); /* clts */
    machine_free(m);
}

/* A TSS of 64 bits in the GDT, at selector 30h. */
static void put_tss(struct machine *m, uint64_t upper)
{
    const uint64_t words[] = {0x0000890050000067, upper};

    machine_poke(m, GDT + 0x30, words, sizeof(words));
    m->st.gdt.limit = 0x3f;
}

static void tables_and_tasks(void **state)
{
    struct machine *m = with_tables();
    uint8_t raw[10];

    (void)state;
    m->st.gpr[X86_RSI] = HIGH + DATA_AT;
    assert_int_equal(RUN64(m, 0x0f, 0x01, 0x06), EMU_DONE); /* sgdt [rsi] */
    assert_true(mem_read(&m->mem, DATA_AT, raw, sizeof(raw)));
    assert_memory_equal(raw + 2, &m->st.gdt.base, 8);
    assert_int_equal(RUN64(m, 0x0f, 0x01, 0x1e), EMU_DONE); /* lidt [rsi] */
    assert_true(m->st.idt.base == HIGH + GDT);
    raw[9] = 0x12; /* not canonical */
    machine_poke(m, DATA_AT, raw, sizeof(raw));
    assert_int_equal(RUN64(m, 0x0f, 0x01, 0x1e), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    put_tss(m, HIGH >> 32);
    m->st.gpr[X86_RAX] = 0x30;
    assert_int_equal(RUN64(m, 0x0f, 0x00, 0xd8), EMU_DONE); /* ltr ax */
    assert_true(m->st.tr.base == HIGH + TSS);
    assert_int_equal(m->st.tr.attr, 0x8b);
    assert_int_equal(at(m, GDT + 0x30) >> 40 & 0xff, 0x8b); /* busy */
    assert_int_equal(RUN64(m, 0x0f, 0x00, 0xd8), EMU_FAULT);
    assert_fault(m, X86_GP, 0x30);
    put_tss(m, 0x12345678); /* not canonical */
    assert_int_equal(RUN64(m, 0x0f, 0x00, 0xd8), EMU_FAULT);
    m->st.gdt.limit = 0x37; /* only half of it */
    assert_int_equal(RUN64(m, 0x0f, 0x00, 0xd8), EMU_FAULT);
    assert_fault(m, X86_GP, 0x30);
    machine_free(m);
}

static void segments(void **state)
{
    struct machine *m = with_tables();

    (void)state;
    m->st.gpr[X86_RAX] = 0;
    m->st.seg[X86_FS].base = 0x1234567890;
    assert_int_equal(RUN64(m, 0x8e, 0xd0), EMU_DONE); /* mov ss, ax: null */
    assert_true(m->st.movss_shadow);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(RUN64(m, 0x8e, 0xe0), EMU_DONE); /* mov fs, ax */
    assert_int_equal(m->st.seg[X86_FS].base, 0);
    m->emu.amd = true;
    m->st.seg[X86_FS].base = 0x1234567890;
    assert_int_equal(RUN64(m, 0x8e, 0xe0), EMU_DONE);
    assert_true(m->st.seg[X86_FS].base == 0x1234567890);
    m->st.gpr[X86_RAX] = 0x10;
    assert_int_equal(RUN64(m, 0x8e, 0xe0), EMU_DONE);
    assert_int_equal(m->st.seg[X86_FS].base, 0);
    assert_int_equal(RUN64(m, 0x0f, 0xa0), EMU_DONE); /* push fs */
    assert_int_equal(top(m, 0), 0x10);
    assert_int_equal(RUN64(m, 0x0f, 0xa9), EMU_DONE); /* pop gs */
    assert_int_equal(m->st.seg[X86_GS].selector, 0x10);
    assert_true(m->st.gpr[X86_RSP] == HIGH + STACK_TOP - 4);
    user(m);
    m->st.gpr[X86_RAX] = 3;
    assert_int_equal(RUN64(m, 0x8e, 0xd0), EMU_FAULT); /* ring 3 needs one */
    assert_fault(m, X86_GP, 0);
    machine_free(m);
}

/* ---- far branches ------------------------------------------------------ */

static void far_pointer(struct machine *m, uint64_t offset, unsigned size,
                        uint16_t selector)
{
    machine_poke(m, DATA_AT, &offset, size);
    machine_poke(m, DATA_AT + size, &selector, 2);
    m->st.gpr[X86_RSI] = HIGH + DATA_AT;
}

static void far_jumps(void **state)
{
    struct machine *m = with_tables();
    const uint64_t to = HIGH + CODE_AT + 0x100;

    (void)state;
    far_pointer(m, to, 8, CS64);
    assert_int_equal(RUN64(m, 0x48, 0xff, 0x2e), EMU_DONE); /* jmp far */
    assert_true(m->st.rip == to);
    far_pointer(m, 0x0000900000000000, 8, CS64);
    assert_int_equal(RUN64(m, 0x48, 0xff, 0x2e), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    far_pointer(m, 0x8000, 4, 0x2b); /* of ring 3 */
    assert_int_equal(RUN64(m, 0xff, 0x2e), EMU_FAULT);
    assert_fault(m, X86_GP, 0x28);
    far_pointer(m, 0x8000, 4, 0x30); /* no TSS is a target */
    put_tss(m, HIGH >> 32);
    assert_int_equal(RUN64(m, 0xff, 0x2e), EMU_FAULT);
    assert_fault(m, X86_GP, 0x30);
    m->emu.amd = true; /* takes four bytes whatever REX.W says */
    far_pointer(m, CODE_AT, 4, CS64);
    assert_int_equal(RUN64(m, 0x48, 0xff, 0x2e), EMU_DONE);
    assert_int_equal(m->st.rip, CODE_AT);
    machine_free(m);
}

static void far_calls_and_returns(void **state)
{
    struct machine *m = with_tables();
    const uint64_t from = m->st.rip, sp = m->st.gpr[X86_RSP];

    (void)state;
    far_pointer(m, HIGH + CODE_AT + 0x100, 8, CS64);
    assert_int_equal(RUN64(m, 0x48, 0xff, 0x1e), EMU_DONE); /* call far */
    assert_true(m->st.gpr[X86_RSP] == sp - 16);
    assert_true(top(m, 0) == from + 3);
    assert_int_equal(top(m, 1), CS64);
    assert_int_equal(RUN64(m, 0x48, 0xca, 0x10, 0), EMU_DONE); /* retfq 16 */
    assert_true(m->st.rip == from + 3);
    assert_true(m->st.gpr[X86_RSP] == sp + 16);
    machine_free(m);
}

/* From ring 3 through a gate of 16 bytes, and back. */
static void call_gates(void **state)
{
    const uint64_t to = HIGH + CODE_AT + 0x100;
    const uint64_t gate64[] = {(to & 0xffff) | CS64 << 16 | 0xecull << 40 |
                                   (to >> 16 & 0xffff) << 48,
                               to >> 32};
    struct machine *m = with_tables();
    const uint64_t from = m->st.rip, sp = m->st.gpr[X86_RSP];

    (void)state;
    machine_poke(m, GDT + 0x30, gate64, sizeof(gate64));
    m->st.gdt.limit = 0x3f;
    user(m);
    far_pointer(m, 0, 4, 0x33);
    assert_int_equal(RUN64(m, 0xff, 0x1e), EMU_DONE);
    assert_true(m->st.rip == to);
    assert_int_equal(x86_cpl(&m->st), 0);
    assert_int_equal(m->st.seg[X86_SS].selector, 0);
    assert_true(m->st.gpr[X86_RSP] == HIGH + 0x7008 - 32);
    assert_true(top(m, 0) == from + 2);
    assert_true(top(m, 2) == sp);
    assert_int_equal(top(m, 3), SS_USER);
    assert_int_equal(RUN64(m, 0x48, 0xcb), EMU_DONE); /* retfq */
    assert_int_equal(x86_cpl(&m->st), 3);
    assert_true(m->st.rip == from + 2);
    assert_true(m->st.gpr[X86_RSP] == sp);
    m->st.gdt.limit = 0x37; /* only half of it */
    assert_int_equal(RUN64(m, 0xff, 0x1e), EMU_FAULT);
    assert_fault(m, X86_GP, 0x30);
    machine_free(m);
}

/* ---- what is left to the owner ----------------------------------------- */

static void accessed(void *opaque, uint64_t gla, unsigned len, bool write)
{
    uint64_t *last = opaque;

    last[0] = gla;
    last[1] = len;
    last[2] = write;
}

static bool keeps(void *opaque, uint64_t addr, bool port)
{
    (void)opaque;
    return port ? addr == 0x20 : addr >= 0x80000000;
}

static bool has_feature(void *opaque, uint32_t leaf, unsigned reg, unsigned bit)
{
    (void)opaque;
    return leaf == 1 && reg == 2 && bit == 30; /* RDRAND alone */
}

/* Nothing of it is done, but what faults is known, and what is accessed. */
static void the_owner_gets_what_does_not_fault(void **state)
{
    struct machine *m = with_tables();
    uint64_t rip = m->st.rip, last[3];

    (void)state;
    m->emu.hooks.opaque = last;
    m->emu.hooks.accessed = accessed;
    m->st.gpr[X86_RSI] = HIGH + DATA_AT;
    assert_int_equal(RUN64(m, 0x0f, 0x32), EMU_UNSUPPORTED); /* rdmsr */
    /* mulx rax, rbx, [rsi] */
    assert_int_equal(RUN64(m, 0xc4, 0xe2, 0xe3, 0xf6, 0x06), EMU_UNSUPPORTED);
    assert_true(last[0] == HIGH + DATA_AT);
    assert_int_equal(last[1], 8);
    assert_int_equal(last[2], false);
    assert_true(m->st.rip == rip);
    m->st.gpr[X86_RSI] = 0x40000000;
    assert_int_equal(RUN64(m, 0xc4, 0xe2, 0xe3, 0xf6, 0x06), EMU_FAULT);
    assert_int_equal(m->emu.fault.vector, X86_PF);
    m->st.gpr[X86_RCX] = X86_MSR_LSTAR;
    m->st.gpr[X86_RDX] = 0x9000;
    assert_int_equal(RUN64(m, 0x0f, 0x30), EMU_FAULT); /* wrmsr */
    assert_fault(m, X86_GP, 0);
    assert_int_equal(RUN64(m, 0x0f, 0x01, 0xd1), EMU_FAULT); /* xsetbv */
    assert_fault(m, X86_UD, 0);
    m->emu.hooks.has_feature = has_feature;
    assert_int_equal(RUN64(m, 0x0f, 0xc7, 0xf0), EMU_UNSUPPORTED); /* rdrand */
    assert_int_equal(RUN64(m, 0x0f, 0xc7, 0xf8), EMU_FAULT);       /* rdseed */
    assert_fault(m, X86_UD, 0);
    user(m);
    assert_int_equal(RUN64(m, 0x0f, 0x32), EMU_FAULT);
    assert_fault(m, X86_GP, 0);
    machine_free(m);
}

/* Shadows too are as if nothing had been tried. */
static void the_owner_gets_its_devices(void **state)
{
    struct machine *m = with_tables();
    uint64_t rip = m->st.rip;

    (void)state;
    m->emu.hooks.keeps = keeps;
    m->st.gpr[X86_RBX] = 0x80000000;
    m->st.movss_shadow = true;
    assert_int_equal(RUN64(m, 0x48, 0x8b, 0x03), EMU_UNSUPPORTED);
    assert_int_equal(RUN64(m, 0xe6, 0x20), EMU_UNSUPPORTED); /* out 20h, al */
    assert_true(m->st.movss_shadow);
    assert_true(m->st.rip == rip);
    assert_int_equal(m->mmio_count, 0);
    assert_int_equal(RUN64(m, 0xe6, 0x21), EMU_DONE);
    m->st.apic_base = 0x80000900; /* mov rax, cr8 */
    assert_int_equal(RUN64(m, 0x44, 0x0f, 0x20, 0xc0), EMU_UNSUPPORTED);
    m->st.apic_base = 0x40000900;
    assert_int_equal(RUN64(m, 0x44, 0x0f, 0x20, 0xc0), EMU_DONE);
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
        cmocka_unit_test(the_stack),
        cmocka_unit_test(near_branches),
        cmocka_unit_test(gates_align_the_stack),
        cmocka_unit_test(gates_change_stacks),
        cmocka_unit_test(a_gate_may_name_its_stack),
        cmocka_unit_test(without_gates_it_shuts_down),
        cmocka_unit_test(iretq_checks_what_it_pops),
        cmocka_unit_test(syscall_and_sysret),
        cmocka_unit_test(control_registers),
        cmocka_unit_test(tables_and_tasks),
        cmocka_unit_test(segments),
        cmocka_unit_test(far_jumps),
        cmocka_unit_test(far_calls_and_returns),
        cmocka_unit_test(call_gates),
        cmocka_unit_test(the_owner_gets_what_does_not_fault),
        cmocka_unit_test(the_owner_gets_its_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
