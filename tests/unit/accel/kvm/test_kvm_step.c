/*
 * Steps, in long mode above all, over what saves, loads or clears RFLAGS: where
 * the trap flag of KVM's own stepping would be lost, or seen by the guest.
 */
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
static void start(struct guest *g, bool irqchip_kernel, const void *code,
                  size_t len)
{
    guest_need_complete();
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
        cmocka_unit_test(a_fault_ends_in_its_handler),
        cmocka_unit_test(a_fault_in_ring_3_ends_in_ring_0),
        cmocka_unit_test(an_interrupt_is_taken_unless_told_not_to),
        cmocka_unit_test(the_guests_trap_flag_traps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
