/*
 * Steps, in long mode above all, over what saves, loads or clears RFLAGS: where
 * the trap flag of KVM's own stepping would be lost, or seen by the guest.
 */
#include <cpuid.h>

#include "tests/unit/accel/kvm/kvm_guest.h"

#define USER_CODE 0x8000u
#define TSS       0x7000u
#define RSP0      0xa000u
#define SYSCALL   0x10100u /* what LSTAR says */
#define NOT_THERE 0x40000000u

#define CS_USER 0x2bu
#define SS_USER 0x23u
#define CS32    0x33u /* of ring 3 */

static void descriptors(struct guest *g)
{
    guest_put64(g, GUEST_GDT + 0x18, 0x00cffb000000ffff);
    guest_put64(g, GUEST_GDT + 0x20, 0x00cff3000000ffff);
    guest_put64(g, GUEST_GDT + 0x28, 0x00affb000000ffff);
    guest_put64(g, GUEST_GDT + 0x30, 0x00cffb000000ffff);
    guest_put64(g, GUEST_GDT + 0x38, 0x00008b0070000067);
    guest_put64(g, GUEST_GDT + 0x40, 0);
    g->st.gdt.limit = 0x47;
    g->st.tr = (struct x86_seg){
        .selector = 0x38, .base = TSS, .limit = 0x67, .attr = 0x8b};
    guest_put64(g, TSS + 4, RSP0);
}

/* One to one, for everybody; NOT_THERE is not mapped. */
static void start_one(struct guest *g, bool irqchip_kernel, const void *code,
                      size_t len)
{
    guest_init_options(
        g, (struct accel_options){.irqchip_kernel = irqchip_kernel});
    guest_enter(g, GUEST_LONG64, code, len);
    guest_put64(g, GUEST_CR3, 0x5007);
    guest_put64(g, 0x5000, 0x6007);
    guest_put64(g, 0x6000, 0x87);
    descriptors(g);
    guest_poke(g, USER_CODE, "\x90\xf4", 2);
    guest_poke(g, SYSCALL, "\x90\xf4", 2);
    guest_poke(g, GUEST_HANDLER, "\x90\xf4", 2);
    g->st.efer |= X86_EFER_SCE;
    g->st.star = 0x0018000800000000;
    g->st.lstar = SYSCALL;
    g->st.sfmask = X86_EFLAGS_TF | X86_EFLAGS_IF;
    g->st.rflags = X86_EFLAGS_RES1 | X86_EFLAGS_CF;
}

static void start(struct guest *g, bool irqchip_kernel, const void *code,
                  size_t len)
{
    guest_need_complete();
    start_one(g, irqchip_kernel, code, len);
}

static void push(struct guest *g, uint64_t value)
{
    g->st.gpr[X86_RSP] -= 8;
    guest_put64(g, g->st.gpr[X86_RSP], value);
}

static uint64_t at(struct guest *g, uint64_t gpa)
{
    uint64_t value;

    memcpy(&value, mem_hva(&g->mem, gpa, 8), 8);
    return value;
}

static uint64_t top(struct guest *g, unsigned i)
{
    return at(g, g->st.gpr[X86_RSP] + 8 * i);
}

/* In ring 3, where TF and IF are free for all. */
static void to_user(struct guest *g, unsigned cs, const void *code, size_t len)
{
    guest_poke(g, USER_CODE, code, len);
    g->st.rip = USER_CODE;
    g->st.seg[X86_CS] = (struct x86_seg){
        .selector = (uint16_t)cs,
        .limit = UINT32_MAX,
        .attr = cs == CS_USER ? 0xa0fb : 0xc0fb,
    };
    g->st.seg[X86_SS] = (struct x86_seg){
        .selector = SS_USER, .limit = UINT32_MAX, .attr = 0xc0f3};
}

static void set(struct guest *g)
{
    assert_int_equal(accel_kvm.set_state(&g->vcpu, &g->st), 0);
}

static void debug(struct guest *g, struct debug_ctl ctl)
{
    static struct debug_ctl kept;

    kept = ctl;
    kept.stop_icount = UINT64_MAX;
    assert_int_equal(accel_kvm.set_debug(&g->vcpu, &kept), 0);
}

/* Steps; it ends at RIP, and nothing of it is in RFLAGS. */
static void step_to(struct guest *g, uint64_t rip)
{
    struct vm_exit e;

    debug(g, (struct debug_ctl){.step = true, .step_skip_intr = true});
    e = guest_run(g);
    assert_int_equal(e.kind, VM_EXIT_DEBUG);
    assert_int_equal(e.rip, rip);
    assert_int_equal(e.u.debug.hits, DEBUG_HIT_STEP);
    guest_get(g);
    assert_false(g->st.rflags & X86_EFLAGS_TF);
}

#define START(g, kernel, bytes) start((g), (kernel), bytes, sizeof(bytes) - 1)

static void pushfq_shows_no_trap_flag(void **kernel)
{
    struct guest g;

    START(&g, *kernel, "\x9c\x90\xf4");
    set(&g);
    step_to(&g, GUEST_CODE + 1);
    assert_int_equal(top(&g, 0), 0x3);
    guest_fini(&g);
}

static void popfq_ends_behind_itself(void **kernel)
{
    struct guest g;

    START(&g, *kernel, "\x9d\x90\xf4");
    push(&g, X86_EFLAGS_RES1 | X86_EFLAGS_ZF);
    set(&g);
    step_to(&g, GUEST_CODE + 1);
    assert_int_equal(g.st.rflags, X86_EFLAGS_RES1 | X86_EFLAGS_ZF);
    step_to(&g, GUEST_CODE + 2);
    guest_fini(&g);
}

static void iretq_ends_where_it_leads(void **kernel)
{
    struct guest g;

    for (unsigned user = 0; user < 2; user++) {
        START(&g, *kernel, "\x48\xcf\x90\xf4");
        push(&g, user ? SS_USER : 16);
        push(&g, 0x9800);
        push(&g, X86_EFLAGS_RES1 | X86_EFLAGS_IF);
        push(&g, user ? CS_USER : 8);
        push(&g, USER_CODE);
        set(&g);
        step_to(&g, USER_CODE);
        assert_int_equal(x86_cpl(&g.st), user ? 3 : 0);
        assert_int_equal(g.st.gpr[X86_RSP], 0x9800);
        assert_int_equal(g.st.rflags, X86_EFLAGS_RES1 | X86_EFLAGS_IF);
        step_to(&g, USER_CODE + 1);
        guest_fini(&g);
    }
}

static void syscall_ends_at_its_target(void **kernel)
{
    struct guest g;

    for (unsigned masked = 0; masked < 2; masked++) {
        START(&g, *kernel, "\xf4");
        to_user(&g, CS_USER, "\x0f\x05\x90\xf4", 4);
        g.st.sfmask = masked ? X86_EFLAGS_TF | X86_EFLAGS_IF : 0;
        set(&g);
        step_to(&g, SYSCALL);
        assert_int_equal(x86_cpl(&g.st), 0);
        assert_int_equal(g.st.gpr[X86_RCX], USER_CODE + 2);
        assert_int_equal(g.st.gpr[X86_R11], 0x3);
        step_to(&g, SYSCALL + 1);
        guest_fini(&g);
    }
}

static void sysret_ends_at_its_target(void **kernel)
{
    struct guest g;

    START(&g, *kernel, "\x48\x0f\x07\xf4");
    g.st.gpr[X86_RCX] = USER_CODE;
    g.st.gpr[X86_R11] = X86_EFLAGS_RES1 | X86_EFLAGS_IF | X86_EFLAGS_SF;
    set(&g);
    step_to(&g, USER_CODE);
    assert_int_equal(x86_cpl(&g.st), 3);
    assert_int_equal(g.st.seg[X86_CS].selector, CS_USER);
    assert_int_equal(g.st.rflags, g.st.gpr[X86_R11]);
    step_to(&g, USER_CODE + 1);
    guest_fini(&g);
}

static void int_n_ends_in_its_handler(void **kernel)
{
    struct guest g;

    START(&g, *kernel, "\xcd\x40\x90\xf4");
    set(&g);
    step_to(&g, GUEST_HANDLER);
    assert_int_equal(top(&g, 0), GUEST_CODE + 2);
    assert_int_equal(top(&g, 2), 0x3);
    assert_int_equal(top(&g, 3), GUEST_STACK);
    step_to(&g, GUEST_HANDLER + 1);
    guest_fini(&g);
}

static void int3_ends_in_its_handler(void **kernel)
{
    struct guest g;

    START(&g, *kernel, "\xcc\x90\xf4");
    set(&g);
    step_to(&g, GUEST_HANDLER);
    assert_int_equal(top(&g, 0), GUEST_CODE + 1);
    assert_int_equal(top(&g, 2), 0x3);
    guest_fini(&g);
}

static void a_fault_ends_in_its_handler(void **unused)
{
    struct guest g;

    (void)unused;
    START(&g, false, "\x0f\x0b\xf4"); /* ud2 */
    set(&g);
    step_to(&g, GUEST_HANDLER);
    assert_int_equal(top(&g, 0), GUEST_CODE);
    assert_int_equal(top(&g, 2), X86_EFLAGS_RF | 0x3);
    guest_fini(&g);
    START(&g, false, "\x48\x8b\x06\xf4"); /* mov rax, [rsi] */
    g.st.gpr[X86_RSI] = NOT_THERE;
    set(&g);
    step_to(&g, GUEST_HANDLER);
    assert_int_equal(top(&g, 0), 0); /* not present, read */
    assert_int_equal(top(&g, 1), GUEST_CODE);
    assert_int_equal(top(&g, 3), X86_EFLAGS_RF | 0x3);
    assert_int_equal(g.st.cr2, NOT_THERE);
    guest_fini(&g);
}

/* The stack is the TSS's. */
static void a_fault_in_ring_3_ends_in_ring_0(void **unused)
{
    struct guest g;

    (void)unused;
    START(&g, false, "\xf4");
    to_user(&g, CS_USER, "\xfa\xf4", 2); /* cli */
    set(&g);
    step_to(&g, GUEST_HANDLER);
    assert_int_equal(x86_cpl(&g.st), 0);
    assert_int_equal(g.st.gpr[X86_RSP], RSP0 - 48);
    assert_int_equal(top(&g, 0), 0);
    assert_int_equal(top(&g, 1), USER_CODE);
    assert_int_equal(top(&g, 2), CS_USER);
    assert_int_equal(top(&g, 3), X86_EFLAGS_RF | 0x3);
    assert_int_equal(top(&g, 4), GUEST_STACK);
    assert_int_equal(top(&g, 5), SS_USER);
    guest_fini(&g);
}

static void an_interrupt_is_taken_unless_told_not_to(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    START(&g, false, "\x90\x90\x90\xf4");
    g.st.rflags |= X86_EFLAGS_IF;
    set(&g);
    g.irq = 0x33;
    step_to(&g, GUEST_CODE + 1);
    debug(&g, (struct debug_ctl){.step = true});
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_DEBUG);
    assert_int_equal(e.rip, GUEST_HANDLER);
    assert_int_equal(g.irq, -1);
    guest_get(&g);
    assert_int_equal(top(&g, 0), GUEST_CODE + 1);
    assert_int_equal(top(&g, 2), X86_EFLAGS_IF | 0x3);
    guest_fini(&g);
}

/* Compatibility mode: the gates and the stacks are 64-bit all the same. */
static void compatibility_mode_is_stepped_too(void **kernel)
{
    static const char code[] = "\x9c\x9d\xcd\x40"; /* pushfd, popfd, int 40h */
    struct guest g;

    START(&g, *kernel, "\xf4");
    to_user(&g, CS32, code, sizeof(code));
    guest_put64(&g, GUEST_IDT + 16 * 0x40, 0x0001ee0000080000);
    guest_poke(&g, GUEST_HANDLER, "\x90\x48\xcf", 3); /* iretq */
    set(&g);
    step_to(&g, USER_CODE + 1);
    assert_int_equal((uint32_t)top(&g, 0), 0x3);
    step_to(&g, USER_CODE + 2);
    step_to(&g, GUEST_HANDLER);
    assert_int_equal(g.st.gpr[X86_RSP], RSP0 - 40);
    assert_int_equal(top(&g, 0), USER_CODE + 4);
    assert_int_equal(top(&g, 2), 0x3);
    step_to(&g, GUEST_HANDLER + 1);
    step_to(&g, USER_CODE + 4);
    assert_int_equal(x86_cpl(&g.st), 3);
    guest_fini(&g);
}

/* pushfd, popfd, int 40h, whose handler is iretd. */
static void protected_mode_is_stepped_so_too(void **kernel)
{
    const struct accel_options options = {.irqchip_kernel = *kernel};
    struct guest g;

    guest_need_complete();
    guest_init_options(&g, options);
    guest_enter(&g, GUEST_PROT32, "\x9c\x9d\xcd\x40\x90\xf4", 6);
    guest_poke(&g, GUEST_HANDLER, "\x90\xcf", 2);
    g.st.rflags = X86_EFLAGS_RES1 | X86_EFLAGS_CF;
    set(&g);
    step_to(&g, GUEST_CODE + 1);
    assert_int_equal((uint32_t)top(&g, 0), 0x3);
    step_to(&g, GUEST_CODE + 2);
    step_to(&g, GUEST_HANDLER);
    assert_int_equal(top(&g, 0), 8ull << 32 | (GUEST_CODE + 4)); /* CS:EIP */
    assert_int_equal((uint32_t)top(&g, 1), 0x3);
    step_to(&g, GUEST_HANDLER + 1);
    step_to(&g, GUEST_CODE + 4);
    step_to(&g, GUEST_CODE + 5);
    guest_fini(&g);
}

/* The guest's own trap flag stays its own. */
static void the_guests_trap_flag_traps(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    START(&g, false, "\x9d\x90\x90\xf4");
    push(&g, X86_EFLAGS_RES1 | X86_EFLAGS_TF);
    set(&g);
    debug(&g, (struct debug_ctl){.step = true});
    e = guest_run(&g);
    assert_int_equal(e.rip, GUEST_CODE + 1);
    step_to(&g, GUEST_HANDLER);
    assert_int_equal(top(&g, 0), GUEST_CODE + 2);
    assert_int_equal(top(&g, 2), X86_EFLAGS_TF | X86_EFLAGS_RES1);
    assert_true(g.st.dr[6] & BIT(14));
    guest_fini(&g);
}

/* ---- faults of every kind ---------------------------------------------- */

#define HANDLERS 0x11000u /* one for each vector, 16 bytes apart */
#define DATA     0xb000u
#define HIGH_BIT 0x0000900000000000ull /* not canonical */

/* Gates of their own for the exceptions, SIZE bytes each. */
static void tell_vectors_apart(struct guest *g, unsigned size)
{
    for (unsigned v = 0; v < 32; v++) {
        uint16_t low = (uint16_t)(HANDLERS + 16 * v);

        guest_poke(g, GUEST_IDT + size * v, &low, 2);
        guest_put32(g, GUEST_IDT + size * v + 4, 0x00018e00);
        guest_poke(g, HANDLERS + 16 * v, "\x90\xf4", 2);
    }
}

static void registers(struct guest *g, const uint64_t gpr[4])
{
    g->st.gpr[X86_RAX] = gpr[0];
    g->st.gpr[X86_RCX] = gpr[1];
    g->st.gpr[X86_RDX] = gpr[2];
    g->st.gpr[X86_RSI] = gpr[3];
}

struct fault_row {
    const char *name, *code;
    uint64_t gpr[4]; /* RAX, RCX, RDX, RSI */
    enum x86_vector vector;
    uint32_t error;
    bool has_error;
};

/* clang-format off */
static const struct fault_row ring0[] = {
    {"rdmsr",     "\x0f\x32",     {0, 0x12345},                 X86_GP, 0, true},
    {"wrmsr",     "\x0f\x30",     {0, 0x12345},                 X86_GP, 0, true},
    {"efer",      "\x0f\x30",     {1u << 31, 0xc0000080},       X86_GP, 0, true},
    {"pat",       "\x0f\x30",     {0x02020202, 0x277},          X86_GP, 0, true},
    {"fs_base",   "\x0f\x30",     {0, 0xc0000100, 0x9000},      X86_GP, 0, true},
    {"cr0",       "\x0f\x22\xc0", {X86_CR0_PG},                 X86_GP, 0, true},
    {"cr0-pg",    "\x0f\x22\xc0", {X86_CR0_PE},                 X86_GP, 0, true},
    {"cr3",       "\x0f\x22\xd8", {1ull << 60},                 X86_GP, 0, true},
    {"cr4",       "\x0f\x22\xe0", {X86_CR4_PAE | BIT64(31)},    X86_GP, 0, true},
    {"cr4-pae",   "\x0f\x22\xe0", {0},                          X86_GP, 0, true},
    {"cr5",       "\x0f\x22\xe8", {0},                          X86_UD, 0, false},
    {"cr8",       "\x44\x0f\x22\xc0", {16},                     X86_GP, 0, true},
    {"dr7",       "\x0f\x23\xf8", {1ull << 32},                 X86_GP, 0, true},
    {"mov-ds",    "\x8e\xd8",     {0x48},                       X86_GP, 0x48, true},
    {"mov-ss",    "\x8e\xd0",     {0x2b},                       X86_GP, 0x28, true},
    {"lfs",       "\x0f\xb4\x06", {0, 0, 0, NOT_THERE},         X86_PF, 0, true},
    {"lgdt",      "\x0f\x01\x16", {0, 0, 0, NOT_THERE},         X86_PF, 0, true},
    {"sidt",      "\x0f\x01\x0e", {0, 0, 0, NOT_THERE},         X86_PF, 2, true},
    {"lldt",      "\x0f\x00\xd0", {0x10},                       X86_GP, 0x10, true},
    {"ltr",       "\x0f\x00\xd8", {0x38},                       X86_GP, 0x38, true},
    {"jmp-far",   "\xff\x2e",     {0, 0, 0, DATA},              X86_GP, 0, true},
    {"call-far",  "\xff\x1e",     {0, 0, 0, NOT_THERE},         X86_PF, 0, true},
    {"retf",      "\x48\xcb",     {0},                          X86_GP, 0, true},
    {"insb",      "\x6c",         {0},                          X86_PF, 2, true},
    {"fxsave",    "\x0f\xae\x06", {0, 0, 0, NOT_THERE},         X86_PF, 2, true},
    {"fxrstor",   "\x0f\xae\x0e", {0, 0, 0, DATA + 8},          X86_GP, 0, true},
    {"xsave",     "\x0f\xae\x26", {7, 0, 0, DATA},              X86_UD, 0, false},
    {"xsetbv",    "\x0f\x01\xd1", {7},                          X86_UD, 0, false},
    {"vzeroupper", "\xc5\xf8\x77", {0},                         X86_UD, 0, false},
    {"vmrun",     "\x0f\x01\xd8", {0},                          X86_UD, 0, false},
    {"wrfsbase",  "\xf3\x48\x0f\xae\xd0", {0},                  X86_UD, 0, false},
};

static const struct fault_row ring3[] = {
    {"rdmsr",     "\x0f\x32",     {0, 0x10},                    X86_GP, 0, true},
    {"rdpmc",     "\x0f\x33",     {0},                          X86_GP, 0, true},
    {"rdtsc",     "\x0f\x31",     {0},                          X86_GP, 0, true},
    {"clts",      "\x0f\x06",     {0},                          X86_GP, 0, true},
    {"invlpg",    "\x0f\x01\x3e", {0, 0, 0, DATA},              X86_GP, 0, true},
    {"wbinvd",    "\x0f\x09",     {0},                          X86_GP, 0, true},
    {"cr0",       "\x0f\x20\xc0", {0},                          X86_GP, 0, true},
    {"mov-es",    "\x8e\xc0",     {0x10},                       X86_GP, 0x10, true},
};

static const struct fault_row prot32[] = {
    {"rdmsr",     "\x0f\x32",     {0, 0x12345},                 X86_GP, 0, true},
    {"cr0",       "\x0f\x22\xc0", {X86_CR0_PG},                 X86_GP, 0, true},
    {"cr4",       "\x0f\x22\xe0", {BIT64(31)},                  X86_GP, 0, true},
    {"jmp-far",   "\xea\x34\x12\0\0\x48\0", {0},                X86_GP, 0x48, true},
    {"xsetbv",    "\x0f\x01\xd1", {7},                          X86_UD, 0, false},
    {"addsubps",  "\xf2\x0f\xd0\x06", {0, 0, 0, NOT_THERE},     X86_PF, 0, true},
};
/* clang-format on */

/* The handler's frame: an error code or none, RIP, CS, RFLAGS. */
static void at_handler(struct guest *g, const struct fault_row *row,
                       uint64_t rip, unsigned size)
{
    uint64_t sp, value = 0;

    step_to(g, HANDLERS + 16 * row->vector);
    sp = g->st.gpr[X86_RSP];
    if (row->has_error) {
        guest_get(g);
        memcpy(&value, mem_hva(&g->mem, sp, 8), size);
        assert_int_equal(value, row->error);
        sp += size;
    }
    memcpy(&value, mem_hva(&g->mem, sp, 8), size);
    assert_int_equal(value, rip);
    memcpy(&value, mem_hva(&g->mem, sp + 2 * size, 8), size);
    assert_int_equal(value, X86_EFLAGS_RF | 0x3);
    step_to(g, HANDLERS + 16 * row->vector + 1);
}

static void faults_of_ring_0_end_in_their_handlers(void **kernel)
{
    struct guest g;

    guest_need_complete();
    for (size_t i = 0; i < ARRAY_SIZE(ring0); i++) {
        printf("# %s\n", ring0[i].name);
        start_one(&g, *kernel, ring0[i].code, 8);
        tell_vectors_apart(&g, 16);
        registers(&g, ring0[i].gpr);
        g.st.gpr[X86_RDI] = NOT_THERE;
        set(&g);
        at_handler(&g, &ring0[i], GUEST_CODE, 8);
        guest_fini(&g);
    }
}

static void faults_of_ring_3_end_in_their_handlers(void **kernel)
{
    struct guest g;

    guest_need_complete();
    for (size_t i = 0; i < ARRAY_SIZE(ring3); i++) {
        printf("# %s\n", ring3[i].name);
        start_one(&g, *kernel, "\xf4", 1);
        tell_vectors_apart(&g, 16);
        to_user(&g, CS_USER, ring3[i].code, 8);
        registers(&g, ring3[i].gpr);
        g.st.cr4 |= X86_CR4_TSD;
        set(&g);
        at_handler(&g, &ring3[i], USER_CODE, 8);
        guest_fini(&g);
    }
}

static void faults_of_older_modes_end_in_their_handlers(void **kernel)
{
    const struct accel_options options = {.irqchip_kernel = *kernel};
    struct guest g;

    guest_need_complete();
    for (size_t i = 0; i < ARRAY_SIZE(prot32); i++) {
        printf("# %s\n", prot32[i].name);
        guest_init_options(&g, options);
        guest_enter(&g, GUEST_PAGED32, prot32[i].code, 8);
        tell_vectors_apart(&g, 8);
        registers(&g, prot32[i].gpr);
        g.st.cr4 |= X86_CR4_OSFXSR | X86_CR4_TSD;
        g.st.rflags = X86_EFLAGS_RES1 | X86_EFLAGS_CF;
        set(&g);
        at_handler(&g, &prot32[i], GUEST_CODE, 4);
        guest_fini(&g);
    }
}

/* What the host's processor, and so the guest's, does not have. */
static void an_instruction_that_is_not_there_ends_in_its_handler(void **kernel)
{
    static const struct fault_row rdrand = {
        "rdrand", "\x0f\xc7\xf0", {0}, X86_UD, 0, false};
    unsigned eax, ebx, ecx, edx;
    struct guest g;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & BIT(30))) {
        printf("skipped: this processor has RDRAND\n");
        skip();
    }
    start(&g, *kernel, rdrand.code, 4);
    tell_vectors_apart(&g, 16);
    set(&g);
    at_handler(&g, &rdrand, GUEST_CODE, 8);
    guest_fini(&g);
}

/* ---- what does not fault ----------------------------------------------- */

static void system_registers_are_stepped(void **kernel)
{
    static const char code[] = "\x0f\x20\xe5"     /* mov rbp, cr4 */
                               "\x0f\x22\xe5"     /* mov cr4, rbp */
                               "\x0f\x06"         /* clts */
                               "\x8e\xe0"         /* mov fs, eax */
                               "\x0f\xa2"         /* cpuid */
                               "\x0f\x31"         /* rdtsc */
                               "\x44\x0f\x20\xc7" /* mov rdi, cr8 */
                               "\x0f\x01\x56\x10" /* lgdt [rsi+16] */
                               "\xff\x2e\x90";    /* jmp far [rsi] */
    static const unsigned length[] = {3, 3, 2, 2, 2, 2, 4, 4};
    uint64_t rip = GUEST_CODE;
    struct guest g;

    START(&g, *kernel, code);
    g.st.gpr[X86_RSI] = DATA;
    g.st.gpr[X86_RAX] = 0x10;
    g.st.cr0 |= X86_CR0_TS;
    guest_put64(&g, DATA, 8ull << 32 | SYSCALL);
    guest_put64(&g, DATA + 16, (uint64_t)GUEST_GDT << 16 | 0x3f);
    guest_put64(&g, DATA + 24, 0);
    set(&g);
    for (size_t i = 0; i < ARRAY_SIZE(length); i++)
        step_to(&g, rip += length[i]);
    assert_int_equal(g.st.gpr[X86_RBP] & X86_CR4_PAE, X86_CR4_PAE);
    assert_false(g.st.cr0 & X86_CR0_TS);
    assert_int_equal(g.st.seg[X86_FS].limit, UINT32_MAX);
    assert_int_equal(g.st.gdt.limit, 0x3f);
    step_to(&g, SYSCALL);
    guest_fini(&g);
}

/* A call gate to ring 0, and back. */
static void far_calls_are_stepped(void **kernel)
{
    struct guest g;

    START(&g, *kernel, "\xf4");
    to_user(&g, CS_USER, "\xff\x1e\x90", 3); /* call far [rsi] */
    guest_put64(&g, DATA, 0x4bull << 32);
    guest_put64(&g, GUEST_GDT + 0x48, 0x0001ec0000080100);
    guest_put64(&g, GUEST_GDT + 0x50, 0);
    g.st.gdt.limit = 0x57;
    guest_poke(&g, SYSCALL, "\x90\x48\xcb", 3); /* retfq */
    g.st.gpr[X86_RSI] = DATA;
    set(&g);
    step_to(&g, SYSCALL);
    assert_int_equal(x86_cpl(&g.st), 0);
    assert_int_equal(g.st.gpr[X86_RSP], RSP0 - 32);
    assert_int_equal(top(&g, 0), USER_CODE + 2);
    assert_int_equal(top(&g, 1), CS_USER);
    assert_int_equal(top(&g, 2), GUEST_STACK);
    step_to(&g, SYSCALL + 1);
    step_to(&g, USER_CODE + 2);
    assert_int_equal(x86_cpl(&g.st), 3);
    assert_int_equal(g.st.gpr[X86_RSP], GUEST_STACK);
    guest_fini(&g);
}

/* Into long mode, one instruction at a time, as a loader does it. */
static void long_mode_is_entered_in_steps(void **kernel)
{
    static const char code[] = "\x0f\x22\xd8"            /* mov cr3, eax */
                               "\x0f\x22\xe3"            /* mov cr4, ebx */
                               "\x89\xd0\x31\xd2"        /* mov eax, edx; xor */
                               "\x0f\x30"                /* wrmsr */
                               "\x0f\x22\xc6"            /* mov cr0, esi */
                               "\xea\0\x01\x01\0\x18\0"; /* jmp 18h:10100h */
    static const unsigned length[] = {3, 3, 2, 2, 2, 3};
    const struct accel_options options = {.irqchip_kernel = *kernel};
    uint64_t rip = GUEST_CODE;
    struct guest g;

    guest_need_complete();
    guest_init_options(&g, options);
    guest_enter(&g, GUEST_PROT32, code, sizeof(code));
    guest_put64(&g, GUEST_CR3, 0x5003);
    guest_put64(&g, 0x5000, 0x6003);
    guest_put64(&g, 0x6000, 0x83);
    guest_put64(&g, GUEST_GDT + 0x18, 0x00af9b000000ffff);
    guest_poke(&g, SYSCALL, "\x90\xf4", 2);
    g.st.gpr[X86_RAX] = GUEST_CR3;
    g.st.gpr[X86_RBX] = X86_CR4_PAE;
    g.st.gpr[X86_RCX] = X86_MSR_EFER;
    g.st.gpr[X86_RDX] = X86_EFER_LME;
    g.st.gpr[X86_RSI] = g.st.cr0 | X86_CR0_PG;
    set(&g);
    for (size_t i = 0; i < ARRAY_SIZE(length); i++)
        step_to(&g, rip += length[i]);
    assert_int_equal(g.st.efer, X86_EFER_LME | X86_EFER_LMA);
    step_to(&g, SYSCALL);
    assert_int_equal(x86_mode(&g.st), X86_MODE_LONG64);
    step_to(&g, SYSCALL + 1);
    guest_fini(&g);
}

/* What the processor has cached of a page goes with INVLPG, stepped or not. */
static void invlpg_reaches_the_processor(void **unused)
{
    static const char code[] = "\x48\x8b\x06\xf4"  /* mov rax, [rsi]; hlt */
                               "\x0f\x01\x3e"      /* invlpg [rsi] */
                               "\x48\x8b\x1e\xf4"; /* mov rbx, [rsi]; hlt */
    struct guest g;
    struct vm_exit e;

    (void)unused;
    START(&g, false, code);
    guest_put64(&g, 0x6008, 0x40007);
    guest_put64(&g, 0x40000, 0x50007);
    guest_put64(&g, 0x50000, 1);
    guest_put64(&g, 0x51000, 2);
    g.st.gpr[X86_RSI] = 0x200000;
    set(&g);
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_HLT);
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RAX], 1);
    guest_put64(&g, 0x40000, 0x51007);
    g.st.activity = X86_ACTIVE;
    g.st.rip = GUEST_CODE + 4;
    set(&g);
    step_to(&g, GUEST_CODE + 7);
    debug(&g, (struct debug_ctl){.step = false});
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_HLT);
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RBX], 2);
    guest_fini(&g);
}

/* The kernel's own controllers answer, not the board. */
static void devices_in_the_kernel_are_the_kernels(void **unused)
{
    static const char code[] = "\xa1\x30\0\xe0\xfe" /* mov eax, [fee00030] */
                               "\xe4\x21\xe4\x80";  /* in al, 21h; 80h */
    struct guest g;

    (void)unused;
    guest_need_complete();
    guest_init_options(&g, (struct accel_options){.irqchip_kernel = true});
    guest_enter(&g, GUEST_PROT32, code, sizeof(code));
    g.pio_in = g.mmio_in = 0x5a;
    set(&g);
    step_to(&g, GUEST_CODE + 5);
    assert_int_equal(g.st.gpr[X86_RAX] & 0xff, 0x14); /* version */
    step_to(&g, GUEST_CODE + 7);
    assert_int_equal(g.nested[VM_EXIT_MMIO] + g.nested[VM_EXIT_PIO], 0);
    assert_int_not_equal(g.st.gpr[X86_RAX] & 0xff, 0x5a);
    step_to(&g, GUEST_CODE + 9);
    assert_int_equal(g.nested[VM_EXIT_PIO], 1);
    assert_int_equal(g.st.gpr[X86_RAX] & 0xff, 0x5a);
    guest_fini(&g);
}

/* ---- watchpoints ------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *name, *code;
    bool write, old; /* 32-bit code */
} accesses[] = {
    {"lfs",      "\x0f\xb4\x06",     false, false},
    {"lgdt",     "\x0f\x01\x16",     false, false},
    {"sgdt",     "\x0f\x01\x06",     true,  false},
    {"mov-fs",   "\x8e\x26",         false, false},
    {"jmp-far",  "\xff\x2e",         false, false},
    {"fxsave",   "\x0f\xae\x06",     true,  false},
    {"fxrstor",  "\x0f\xae\x0e",     false, false},
    {"outsb",    "\x6e",             false, false},
    {"addsubps", "\xf2\x0f\xd0\x06", false, true},
};
/* clang-format on */

static void watchpoints_see_what_is_stepped(void **unused)
{
    static const struct debug_wp both = {
        .gla = DATA, .len = 2, .read = true, .write = true};
    struct vm_exit e;
    struct guest g;

    (void)unused;
    guest_need_complete();
    for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
        printf("# %s\n", accesses[i].name);
        if (accesses[i].old) {
            guest_init(&g);
            guest_enter(&g, GUEST_PROT32, accesses[i].code, 5);
        } else {
            start_one(&g, false, accesses[i].code, 5);
        }
        g.st.cr4 |= X86_CR4_OSFXSR;
        g.st.gpr[X86_RSI] = DATA;
        guest_put64(&g, DATA, 8ull << 32 | SYSCALL);
        set(&g);
        debug(&g,
              (struct debug_ctl){
                  .step = true, .step_skip_intr = true, .wps = 1, .wp = &both});
        e = guest_run(&g);
        assert_int_equal(e.kind, VM_EXIT_DEBUG);
        assert_int_equal(e.u.debug.hits, DEBUG_HIT_STEP | DEBUG_HIT_WATCH);
        assert_int_equal(e.u.debug.gla, DATA);
        assert_int_equal(e.u.debug.write, accesses[i].write);
        guest_fini(&g);
    }
}

int main(void)
{
    /* In the kernel, the interrupt controllers leave it less to the emulator;
     * what faults and interrupts do is not for it then. */
    static bool kernel = true;
#define BOTH(test)                                                             \
    {#test, test, NULL, NULL, NULL},                                           \
    {                                                                          \
#test "_kernel", test, NULL, NULL, &kernel                             \
    }
    const struct CMUnitTest tests[] = {
        BOTH(pushfq_shows_no_trap_flag),
        BOTH(popfq_ends_behind_itself),
        BOTH(iretq_ends_where_it_leads),
        BOTH(syscall_ends_at_its_target),
        BOTH(sysret_ends_at_its_target),
        BOTH(int_n_ends_in_its_handler),
        BOTH(int3_ends_in_its_handler),
        BOTH(compatibility_mode_is_stepped_too),
        BOTH(protected_mode_is_stepped_so_too),
        BOTH(faults_of_ring_0_end_in_their_handlers),
        BOTH(faults_of_ring_3_end_in_their_handlers),
        BOTH(faults_of_older_modes_end_in_their_handlers),
        BOTH(an_instruction_that_is_not_there_ends_in_its_handler),
        BOTH(system_registers_are_stepped),
        BOTH(far_calls_are_stepped),
        BOTH(long_mode_is_entered_in_steps),
        cmocka_unit_test(invlpg_reaches_the_processor),
        cmocka_unit_test(devices_in_the_kernel_are_the_kernels),
        cmocka_unit_test(watchpoints_see_what_is_stepped),
        cmocka_unit_test(a_fault_ends_in_its_handler),
        cmocka_unit_test(a_fault_in_ring_3_ends_in_ring_0),
        cmocka_unit_test(an_interrupt_is_taken_unless_told_not_to),
        cmocka_unit_test(the_guests_trap_flag_traps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
