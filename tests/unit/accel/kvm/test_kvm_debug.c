/* Stepping, breakpoints, watchpoints; and the guest's own debugging. */
#include "tests/unit/accel/kvm/kvm_guest.h"
#include "vmm/accel/kvm/kvm_impl.h"

static const uint8_t straight[] = {
    0xb8, 1,    0,    0,    0,          /* 00 mov eax, 1 */
    0xa3, 0,    0xa0, 0,    0,          /* 05 mov [0a000h], eax */
    0x40,                               /* 0a inc eax */
    0xc6, 0x05, 3,    0xa0, 0,    0, 7, /* 0b mov byte [0a003h], 7 */
    0x8b, 0x1d, 0,    0xa0, 0,    0,    /* 12 mov ebx, [0a000h] */
    0x90, 0x90, 0x90, 0x90, 0x90,       /* 18 nop... */
    0x90, 0x90, 0x90,                   /* 1d */
    0xf4,                               /* 20 hlt */
};

static void debug(struct guest *g, struct debug_ctl ctl)
{
    static struct debug_ctl kept;

    kept = ctl;
    kept.stop_icount = UINT64_MAX;
    assert_int_equal(accel_kvm.set_debug(&g->vcpu, &kept), 0);
}

static void start(struct guest *g)
{
    guest_need_complete();
    guest_init(g);
    guest_enter(g, GUEST_PROT32, straight, sizeof(straight));
}

static void expect_debug(struct guest *g, unsigned hits, unsigned offset)
{
    struct vm_exit e = guest_run(g);

    assert_int_equal(e.kind, VM_EXIT_DEBUG);
    assert_int_equal(e.u.debug.hits, hits);
    assert_int_equal(e.rip, GUEST_CODE + offset);
}

static void a_step_is_one_instruction(void **unused)
{
    static const unsigned after[] = {0x05, 0x0a, 0x0b, 0x12, 0x18, 0x19};
    struct guest g;

    (void)unused;
    start(&g);
    debug(&g, (struct debug_ctl){.step = true});
    for (size_t i = 0; i < ARRAY_SIZE(after); i++)
        expect_debug(&g, DEBUG_HIT_STEP, after[i]);
    guest_get(&g);
    assert_false(g.st.rflags & X86_EFLAGS_TF);
    debug(&g, (struct debug_ctl){.step = false});
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

/* The access itself is an exit inside the step. */
static void a_step_over_port_io_does_all_of_it(void **unused)
{
    struct guest g;

    (void)unused;
    guest_need_complete();
    for (unsigned wide = 0; wide < 2; wide++) {
        guest_init(&g); /* in al, 10h; nop; hlt */
        guest_enter(&g, wide ? GUEST_LONG64 : GUEST_PROT32, "\xe4\x10\x90\xf4",
                    4);
        g.pio_in = 0x5c;
        debug(&g, (struct debug_ctl){.step = true});
        expect_debug(&g, DEBUG_HIT_STEP, 2);
        assert_int_equal(g.nested[VM_EXIT_PIO], 1);
        guest_get(&g);
        assert_int_equal(g.st.gpr[X86_RAX] & 0xff, 0x5c);
        guest_fini(&g);
    }
}

/* With the kernel's interrupt controllers KVM steps, and so does the access. */
static void a_step_by_kvm_over_port_io(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init_options(&g, (struct accel_options){.irqchip_kernel = true});
    guest_enter(&g, GUEST_LONG64, "\xe4\x10\x90\xf4", 4);
    debug(&g, (struct debug_ctl){.step = true});
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_PIO);
    *(uint8_t *)e.u.pio.data = 0x5c;
    expect_debug(&g, DEBUG_HIT_STEP, 2);
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RAX] & 0xff, 0x5c);
    assert_false(g.st.rflags & X86_EFLAGS_TF);
    expect_debug(&g, DEBUG_HIT_STEP, 3);
    guest_fini(&g);
}

/*
 * The emulator steps, but the guest has KVM's processor, not the emulator's:
 * CPUID says so, and long mode can be asked for.  (No further than that:
 * QEMU 7.2 as the host hangs, its kernel with it, in a CPUID with TF, LME and
 * no paging.)
 */
static void steps_show_the_processor_of_kvm(void **unused)
{
    static const uint8_t code[] = {
        0xb8, 1,    0, 0, 0x80, /* 00 mov eax, 80000001h */
        0x0f, 0xa2,             /* 05 cpuid */
        0xb9, 0x80, 0, 0, 0xc0, /* 07 mov ecx, EFER */
        0xb8, 0,    1, 0, 0,    /* 0c mov eax, LME */
        0x89, 0xd3,             /* 11 mov ebx, edx */
        0x31, 0xd2,             /* 13 xor edx, edx */
        0x0f, 0x30,             /* 15 wrmsr */
        0x90, 0xf4,             /* 17 nop; hlt */
    };
    static const unsigned after[] = {0x05, 0x07, 0x0c, 0x11, 0x13, 0x15, 0x17};
    struct guest g;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, code, sizeof(code));
    debug(&g, (struct debug_ctl){.step = true});
    for (size_t i = 0; i < ARRAY_SIZE(after); i++) {
        expect_debug(&g, DEBUG_HIT_STEP, after[i]);
        if (after[i] == 0x07) {
            guest_get(&g);
            assert_true(g.st.gpr[X86_RDX] & BIT(29)); /* long mode */
        }
    }
    guest_get(&g);
    assert_int_equal(g.st.efer, X86_EFER_LME);
    guest_fini(&g);
}

static void breakpoints_work_in_64_bit_code(void **unused)
{
    static const struct debug_bp bp[] = {
        {GUEST_CODE + 1, false}, {GUEST_CODE + 2, true},
        {GUEST_CODE + 3, false}, {GUEST_CODE + 4, false},
        {GUEST_CODE + 5, false}, {GUEST_CODE + 6, false}};
    struct guest g;

    (void)unused;
    guest_need_complete();
    for (unsigned kernel = 0; kernel < 2; kernel++) {
        guest_init_options(&g,
                           (struct accel_options){.irqchip_kernel = kernel});
        guest_enter(&g, GUEST_LONG64, /* pushfq; popfq; nop... out; hlt */
                    "\x9c\x9d\x90\x90\x90\x90\xe6\x10\xf4", 9);
        debug(&g, (struct debug_ctl){.bps = 6, .bp = bp});
        for (unsigned i = 1; i <= 6; i++)
            expect_debug(&g, DEBUG_HIT_BREAKPOINT, i);
        if (kernel)
            assert_int_equal(guest_run(&g).kind, VM_EXIT_PIO);
        else
            assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
        guest_fini(&g);
    }
}

static void a_breakpoint_stops_before_and_once(void **unused)
{
    static const struct debug_bp bp[] = {{GUEST_CODE + 0x0a, false},
                                         {GUEST_CODE + 0x18, false}};
    struct guest g;

    (void)unused;
    start(&g);
    debug(&g, (struct debug_ctl){.bps = 2, .bp = bp});
    expect_debug(&g, DEBUG_HIT_BREAKPOINT, 0x0a);
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RAX], 1);
    expect_debug(&g, DEBUG_HIT_BREAKPOINT, 0x18);
    guest_get(&g);
    assert_int_equal(g.st.dr[7], 0x400); /* the guest sees none of it */
    assert_int_equal(g.st.dr[0], 0);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

/* Whoever steps looks at no breakpoints; they are to hit when it runs on. */
static void a_step_onto_a_breakpoint_leaves_it_to_hit(void **unused)
{
    static const struct debug_bp bp[] = {{GUEST_CODE + 0x05, false},
                                         {GUEST_CODE + 0x0a, false}};
    struct guest g;

    (void)unused;
    start(&g);
    for (unsigned i = 0; i < ARRAY_SIZE(bp); i++) {
        unsigned at = (unsigned)(bp[i].addr - GUEST_CODE);

        debug(&g, (struct debug_ctl){.step = true});
        expect_debug(&g, DEBUG_HIT_STEP, at);
        debug(&g, (struct debug_ctl){.bps = 2, .bp = bp});
        expect_debug(&g, DEBUG_HIT_BREAKPOINT, at);
    }
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

static void more_breakpoints_than_registers(void **unused)
{
    static const struct debug_bp bp[] = {
        {GUEST_CODE + 0x05, false}, {GUEST_CODE + 0x0b, false},
        {GUEST_CODE + 0x18, false}, {GUEST_CODE + 0x1a, false},
        {GUEST_CODE + 0x1c, false}, {GUEST_CODE + 0x1d, true},
    };
    struct guest g;

    (void)unused;
    start(&g);
    debug(&g, (struct debug_ctl){.bps = ARRAY_SIZE(bp), .bp = bp});
    for (size_t i = 0; i < ARRAY_SIZE(bp); i++)
        expect_debug(&g, DEBUG_HIT_BREAKPOINT,
                     (unsigned)(bp[i].addr - GUEST_CODE));
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

static void a_watchpoint_stops_after_the_access(void **unused)
{
    static const struct debug_wp wp[] = {{0xa003, 1, false, true}};
    struct guest g;
    struct vm_exit e;

    (void)unused;
    start(&g);
    debug(&g, (struct debug_ctl){.wps = 1, .wp = wp});
    e = guest_run(&g); /* bytes 0 to 3 */
    assert_int_equal(e.kind, VM_EXIT_DEBUG);
    assert_int_equal(e.u.debug.hits, DEBUG_HIT_WATCH);
    assert_int_equal(e.u.debug.gla, 0xa003);
    assert_true(e.u.debug.write);
    assert_int_equal(e.rip, GUEST_CODE + 0x0a);
    expect_debug(&g, DEBUG_HIT_WATCH, 0x12);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT); /* not for the read */
    guest_fini(&g);
}

static void a_watch_of_reads_sees_both(void **unused)
{
    static const struct debug_wp wp[] = {{0xa000, 3, true, true}};
    struct guest g;

    (void)unused;
    start(&g);
    debug(&g, (struct debug_ctl){.wps = 1, .wp = wp});
    expect_debug(&g, DEBUG_HIT_WATCH, 0x0a);
    expect_debug(&g, DEBUG_HIT_WATCH, 0x18);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

static void watchpoints_have_no_limit(void **unused)
{
    static const struct debug_wp wp[] = {{0xa001, 2, false, true},
                                         {0xb001, 15, true, true},
                                         {0xc000, 8, true, true}};
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    for (unsigned wide = 0; wide < 2; wide++) {
        guest_init(&g); /* mov [rsi], eax; cpuid; nop; hlt */
        guest_enter(&g, wide ? GUEST_LONG64 : GUEST_PROT32,
                    "\x89\x06\x0f\xa2\x90\xf4", 6);
        g.st.gpr[X86_RSI] = 0xa000;
        assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
        debug(&g, (struct debug_ctl){.wps = 3, .wp = wp});
        e = guest_run(&g);
        assert_int_equal(e.kind, VM_EXIT_DEBUG);
        assert_int_equal(e.u.debug.hits, DEBUG_HIT_WATCH);
        assert_int_equal(e.u.debug.gla, 0xa001);
        assert_int_equal(e.rip, GUEST_CODE + 2);
        assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
        guest_fini(&g);
    }
}

/*
 * An entry that was cut short leaves nothing behind: neither interrupts held
 * back for ever, nor a second report.
 */
static void an_entry_may_be_cut_short(void **unused)
{
    static const struct debug_bp bp[] = {{GUEST_CODE + 1, true}};
    struct kvm_accel *k;
    struct guest g;

    (void)unused;
    guest_need_complete();
    guest_init(&g); /* nop; cpuid; nop; hlt */
    guest_enter(&g, GUEST_LONG64, "\x90\x0f\xa2\x90\xf4", 5);
    k = kvm_of(&g.vcpu);
    debug(&g, (struct debug_ctl){.bps = 1, .bp = bp});
    expect_debug(&g, DEBUG_HIT_BREAKPOINT, 1);
    k->hit_valid = false;
    k->step_by_kvm = true;
    kvm_debug_not_entered(k);
    assert_false(k->step_by_kvm);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    k->step_by_kvm = true;
    debug(&g, (struct debug_ctl){.step = false});
    assert_false(k->step_by_kvm);
    guest_fini(&g);
}

/* CPUID is none for the emulator, which steps to find the breakpoint. */
static void a_breakpoint_where_kvm_steps_hits_once(void **unused)
{
    static const struct debug_bp bp[] = {{GUEST_CODE + 1, true}};
    struct guest g;

    (void)unused;
    guest_need_complete();
    for (unsigned wide = 0; wide < 2; wide++) {
        guest_init(&g); /* nop; cpuid; nop; hlt */
        guest_enter(&g, wide ? GUEST_LONG64 : GUEST_PROT32,
                    "\x90\x0f\xa2\x90\xf4", 5);
        debug(&g, (struct debug_ctl){.bps = 1, .bp = bp});
        expect_debug(&g, DEBUG_HIT_BREAKPOINT, 1);
        assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
        guest_fini(&g);
    }
}

/* Where the emulator cannot step: too many are refused, and nothing is set. */
static void too_many_watchpoints_are_refused(void **unused)
{
    static const struct debug_wp wp[] = {{0xb000, 8, false, true},
                                         {0xb008, 8, false, true},
                                         {0xb010, 8, false, true},
                                         {0xb018, 8, false, true},
                                         {0xa000, 8, false, true}};
    const struct debug_ctl ctl = {
        .wps = ARRAY_SIZE(wp), .wp = wp, .stop_icount = UINT64_MAX};
    struct guest g;

    (void)unused;
    guest_need_complete();
    for (unsigned wide = 0; wide < 2; wide++) {
        guest_init_options(&g, (struct accel_options){.irqchip_kernel = true});
        /* mov [rsi], eax; out 10h, al */
        guest_enter(&g, wide ? GUEST_LONG64 : GUEST_PROT32,
                    "\x89\x06\xe6\x10\xf4", 5);
        g.st.gpr[X86_RSI] = 0xa000;
        assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
        assert_int_equal(accel_kvm.set_debug(&g.vcpu, &ctl), -ENOSPC);
        assert_int_equal(guest_run(&g).kind, VM_EXIT_PIO);
        guest_fini(&g);
    }
}

static void the_guests_own_trap_flag_works(void **unused)
{
    static const struct debug_bp bp[] = {{GUEST_CODE + 0x100, false}};
    struct guest g;

    (void)unused;
    /* Without a debugger, and with one that looks elsewhere. */
    for (unsigned debugging = 0; debugging < 2; debugging++) {
        start(&g);
        g.st.rflags |= X86_EFLAGS_TF;
        assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
        debug(&g, (struct debug_ctl){.bps = debugging, .bp = bp});
        assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
        guest_get(&g);
        assert_int_equal(g.st.rip, GUEST_HANDLER + 1);
        assert_true(g.st.dr[6] & BIT(14)); /* BS */
        guest_fini(&g);
    }
}

static void the_guests_own_breakpoint_works(void **unused)
{
    struct kvm_survey survey;
    struct guest g;

    (void)unused;
    if (kvm_survey(&survey) < 0 || !survey.breakpoints) {
        printf("skipped: debug registers do not work in a guest here\n");
        skip();
    }
    start(&g);
    g.st.dr[0] = GUEST_CODE + 0x18;
    g.st.dr[7] = 0x402;
    assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_get(&g);
    assert_int_equal(g.st.rip, GUEST_HANDLER + 1);
    assert_true(g.st.dr[6] & 1);
    guest_fini(&g);
}

/* ---- in the processor's registers, where they work ----------------------- */

/* Of all modes real mode is enough for it: a partial KVM has that. */
static const uint8_t straight16[] = {
    0xb8, 1,    0,             /* 00 mov ax, 1 */
    0xa3, 0,    0xa0,          /* 03 mov [0a000h], ax */
    0x40,                      /* 06 inc ax */
    0xc6, 0x06, 3,    0xa0, 7, /* 07 mov byte [0a003h], 7 */
    0xa1, 0,    0xa0,          /* 0c mov ax, [0a000h] */
    0x90, 0x90, 0x90, 0x90,    /* 0f nop... */
    0xf4,                      /* 13 hlt */
};

static void start_in_registers(struct guest *g, struct debug_ctl ctl)
{
    struct kvm_survey s;

    if (kvm_survey(&s) < 0 || !s.breakpoints) {
        printf("skipped: debug registers do not work in a guest here\n");
        skip();
    }
    guest_init(g);
    guest_enter(g, GUEST_REAL, straight16, sizeof(straight16));
    debug(g, ctl);
    assert_false(kvm_of(&g->vcpu)->soft);
}

static void registers_hold_four_breakpoints(void **unused)
{
    static const struct debug_bp bp[] = {{GUEST_CODE + 0x13, false},
                                         {GUEST_CODE + 0x07, false},
                                         {GUEST_CODE, false},
                                         {GUEST_CODE + 0x06, false}};
    struct guest g;

    (void)unused;
    start_in_registers(&g, (struct debug_ctl){.bps = 4, .bp = bp});
    expect_debug(&g, DEBUG_HIT_BREAKPOINT, 0);
    expect_debug(&g, DEBUG_HIT_BREAKPOINT, 0x06);
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RAX] & 0xffff, 1);
    assert_int_equal(g.st.dr[7], 0x400); /* the guest sees none of it */
    assert_int_equal(g.st.dr[0], 0);
    expect_debug(&g, DEBUG_HIT_BREAKPOINT, 0x07);
    expect_debug(&g, DEBUG_HIT_BREAKPOINT, 0x13);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

static void registers_watch_writes(void **unused)
{
    static const struct debug_wp wp[] = {{0xa003, 1, false, true},
                                         {0xa000, 2, false, true}};
    static const struct debug_bp bp[] = {{GUEST_CODE + 0x06, false}};
    struct guest g;
    struct vm_exit e;

    (void)unused;
    start_in_registers(
        &g, (struct debug_ctl){.wps = 2, .wp = wp, .bps = 1, .bp = bp});
    e = guest_run(&g); /* the write, and behind it the breakpoint */
    assert_int_equal(e.kind, VM_EXIT_DEBUG);
    assert_true(e.u.debug.hits & DEBUG_HIT_WATCH);
    assert_int_equal(e.u.debug.gla, 0xa000);
    assert_true(e.u.debug.write);
    assert_int_equal(e.rip, GUEST_CODE + 0x06);
    if (!(e.u.debug.hits & DEBUG_HIT_BREAKPOINT))
        expect_debug(&g, DEBUG_HIT_BREAKPOINT, 0x06);
    e = guest_run(&g);
    assert_int_equal(e.u.debug.hits, DEBUG_HIT_WATCH);
    assert_int_equal(e.u.debug.gla, 0xa003);
    assert_int_equal(e.rip, GUEST_CODE + 0x0c);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT); /* not for the read */
    guest_fini(&g);
}

/* Three bytes take two registers; a register cannot watch reads alone. */
static void registers_watch_reads_and_writes(void **unused)
{
    static const struct debug_wp wp[] = {{0xa001, 3, true, true}};
    struct guest g;

    (void)unused;
    start_in_registers(&g, (struct debug_ctl){.wps = 1, .wp = wp});
    expect_debug(&g, DEBUG_HIT_WATCH, 0x06);
    expect_debug(&g, DEBUG_HIT_WATCH, 0x0c);
    expect_debug(&g, DEBUG_HIT_WATCH, 0x0f);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

/* The guest's DR0 to DR7 are its own, also while ours are in the processor. */
static void the_guest_keeps_its_registers_meanwhile(void **unused)
{
    static const struct debug_bp bp[] = {{GUEST_CODE + 0x06, false}};
    struct guest g;

    (void)unused;
    start_in_registers(&g, (struct debug_ctl){.bps = 1, .bp = bp});
    g.st.dr[0] = 0x1234;
    g.st.dr[3] = 0x5678;
    g.st.dr[7] = 0x4c1;
    assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
    expect_debug(&g, DEBUG_HIT_BREAKPOINT, 0x06);
    guest_get(&g);
    assert_int_equal(g.st.dr[0], 0x1234);
    assert_int_equal(g.st.dr[3], 0x5678);
    assert_int_equal(g.st.dr[7], 0x4c1);
    guest_fini(&g);
}

/* ---- on the way into handlers ------------------------------------------- */

static void a_step_into_a_fault_ends_in_its_handler(void **unused)
{
    struct guest g;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, "\x0f\x0b\xf4", 3); /* ud2 */
    guest_poke(&g, GUEST_HANDLER, "\x83\x04\x24\x02\xcf", 5);
    debug(&g, (struct debug_ctl){.step = true});
    expect_debug(&g, DEBUG_HIT_STEP, GUEST_HANDLER - GUEST_CODE);
    expect_debug(&g, DEBUG_HIT_STEP, GUEST_HANDLER + 4 - GUEST_CODE);
    expect_debug(&g, DEBUG_HIT_STEP, 2); /* add [esp], 2; iret */
    guest_fini(&g);
}

static void a_step_takes_an_interrupt_unless_told_not_to(void **unused)
{
    struct guest g;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, "\xfb\x90\x90\x90\x90\xf4", 6); /* sti */
    g.irq = 0x33;
    debug(&g, (struct debug_ctl){.step = true, .step_skip_intr = true});
    expect_debug(&g, DEBUG_HIT_STEP, 1);
    expect_debug(&g, DEBUG_HIT_STEP, 2);
    expect_debug(&g, DEBUG_HIT_STEP, 3);
    debug(&g, (struct debug_ctl){.step = true});
    expect_debug(&g, DEBUG_HIT_STEP, GUEST_HANDLER - GUEST_CODE);
    assert_int_equal(g.irq, -1);
    guest_fini(&g);
}

/* POPCNT is none of the translator's processor, but of a KVM guest's. */
static void a_step_over_a_newer_instruction(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init(&g); /* popcnt eax, ecx; inc eax; hlt */
    guest_enter(&g, GUEST_PROT32, "\xf3\x0f\xb8\xc1\x40\xf4", 6);
    g.st.gpr[X86_RCX] = 0xff;
    assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
    debug(&g, (struct debug_ctl){.step = true});
    e = guest_run(&g);
    if (e.kind == VM_EXIT_HLT) { /* a processor without it: its #UD */
        assert_int_equal(e.rip, GUEST_HANDLER);
    } else {
        assert_int_equal(e.kind, VM_EXIT_DEBUG);
        assert_int_equal(e.rip, GUEST_CODE + 4);
        guest_get(&g);
        assert_int_equal(g.st.gpr[X86_RAX], 8);
        expect_debug(&g, DEBUG_HIT_STEP, 5);
    }
    guest_fini(&g);
}

static void stepping_works_in_real_mode(void **unused)
{
    struct kvm_survey s;
    struct guest g;

    (void)unused;
    if (kvm_survey(&s) < 0 || !s.single_step)
        skip();
    guest_init(&g);
    CODE(&g, 0x40, 0x40, 0xf4);
    debug(&g, (struct debug_ctl){.step = true});
    expect_debug(&g, DEBUG_HIT_STEP, 1);
    expect_debug(&g, DEBUG_HIT_STEP, 2);
    guest_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_one_instruction),
        cmocka_unit_test(a_step_over_port_io_does_all_of_it),
        cmocka_unit_test(a_step_by_kvm_over_port_io),
        cmocka_unit_test(steps_show_the_processor_of_kvm),
        cmocka_unit_test(breakpoints_work_in_64_bit_code),
        cmocka_unit_test(a_breakpoint_stops_before_and_once),
        cmocka_unit_test(a_step_onto_a_breakpoint_leaves_it_to_hit),
        cmocka_unit_test(more_breakpoints_than_registers),
        cmocka_unit_test(a_watchpoint_stops_after_the_access),
        cmocka_unit_test(a_watch_of_reads_sees_both),
        cmocka_unit_test(watchpoints_have_no_limit),
        cmocka_unit_test(a_breakpoint_where_kvm_steps_hits_once),
        cmocka_unit_test(an_entry_may_be_cut_short),
        cmocka_unit_test(too_many_watchpoints_are_refused),
        cmocka_unit_test(the_guests_own_trap_flag_works),
        cmocka_unit_test(the_guests_own_breakpoint_works),
        cmocka_unit_test(registers_hold_four_breakpoints),
        cmocka_unit_test(registers_watch_writes),
        cmocka_unit_test(registers_watch_reads_and_writes),
        cmocka_unit_test(the_guest_keeps_its_registers_meanwhile),
        cmocka_unit_test(a_step_into_a_fault_ends_in_its_handler),
        cmocka_unit_test(a_step_takes_an_interrupt_unless_told_not_to),
        cmocka_unit_test(a_step_over_a_newer_instruction),
        cmocka_unit_test(stepping_works_in_real_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
