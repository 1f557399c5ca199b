/* Every field of the state, both ways, in every mode. */
#include "tests/unit/accel/kvm/kvm_guest.h"
#include "vmm/accel/kvm/kvm_impl.h"

static const char *const mode_names[] = {
    [GUEST_REAL] = "real",     [GUEST_PROT16] = "prot16",
    [GUEST_PROT32] = "prot32", [GUEST_PAGED32] = "2-level",
    [GUEST_PAE] = "PAE",       [GUEST_LONG64] = "long64",
};

/* mov word [0x7000], ax would need modes told apart; NOP and HLT do not. */
static const uint8_t nop_hlt[] = {0x90, 0xf4};

static void fill(struct x86_state *st, enum guest_mode mode)
{
    for (unsigned i = 0; i < (mode == GUEST_LONG64 ? 16 : 8); i++)
        if (i != X86_RSP)
            st->gpr[i] = 0x11110000u + i;
    st->cr2 = 0xdeadb000;
    st->dr[0] = 0x7700;
    st->dr[1] = 0x7701;
    st->dr[2] = 0x7702;
    st->dr[3] = 0x7703;
    st->dr[6] = 0xffff4ff1;
    st->dr[7] = 0x400;
    st->sysenter_cs = 8;
    st->sysenter_esp = 0x8123;
    st->sysenter_eip = 0x9123;
    st->pat = 0x0007040600070406;
    st->star = 0x0010000800000000;
    st->lstar = 0x1000;
    st->sfmask = 0x200;
    st->kernel_gs_base = 0x4321;
    st->tsc = 0x123456789abc;
    st->rflags |= X86_EFLAGS_CF | X86_EFLAGS_OF | X86_EFLAGS_DF;
    memset(st->fxsave + 32, 0x3c, 8);   /* ST0's significand */
    memset(st->fxsave + 160, 0x5a, 32); /* XMM0, XMM1 */
    st->fxsave[4] = 1;                  /* FTW: ST0 is in use */
}

static void assert_seg(const struct x86_seg *a, const struct x86_seg *b)
{
    assert_int_equal(a->selector, b->selector);
    assert_int_equal(a->attr, b->attr);
    assert_int_equal(a->limit, b->limit);
    assert_int_equal(a->base, b->base);
}

static void assert_state(const struct x86_state *a, const struct x86_state *b)
{
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        assert_int_equal(a->gpr[i], b->gpr[i]);
    assert_int_equal(a->rip, b->rip);
    assert_int_equal(a->rflags, b->rflags);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        assert_seg(&a->seg[i], &b->seg[i]);
    assert_seg(&a->ldt, &b->ldt);
    assert_seg(&a->tr, &b->tr);
    assert_int_equal(a->gdt.base, b->gdt.base);
    assert_int_equal(a->gdt.limit, b->gdt.limit);
    assert_int_equal(a->idt.base, b->idt.base);
    assert_int_equal(a->idt.limit, b->idt.limit);
    assert_int_equal(a->cr0, b->cr0);
    assert_int_equal(a->cr2, b->cr2);
    assert_int_equal(a->cr3, b->cr3);
    assert_int_equal(a->cr4, b->cr4);
    assert_int_equal(a->cr8, b->cr8);
    assert_int_equal(a->efer, b->efer);
    assert_int_equal(a->apic_base, b->apic_base);
    assert_memory_equal(a->dr, b->dr, sizeof(a->dr));
    assert_int_equal(a->sysenter_cs, b->sysenter_cs);
    assert_int_equal(a->sysenter_esp, b->sysenter_esp);
    assert_int_equal(a->sysenter_eip, b->sysenter_eip);
    assert_int_equal(a->star, b->star);
    assert_int_equal(a->lstar, b->lstar);
    assert_int_equal(a->cstar, b->cstar);
    assert_int_equal(a->sfmask, b->sfmask);
    assert_int_equal(a->kernel_gs_base, b->kernel_gs_base);
    assert_int_equal(a->pat, b->pat);
    assert_int_equal(a->misc_enable, b->misc_enable);
    assert_int_equal(a->activity, b->activity);
    assert_int_equal(a->sti_shadow, b->sti_shadow);
    assert_int_equal(a->movss_shadow, b->movss_shadow);
    assert_int_equal(a->nmi_blocked, b->nmi_blocked);
    assert_int_equal(a->nmi_pending, b->nmi_pending);
    assert_int_equal(a->pending.valid, b->pending.valid);
    assert_memory_equal(a->pdpte, b->pdpte, sizeof(a->pdpte));
    assert_memory_equal(a->fxsave, b->fxsave, 288);
}

/* What was written is read, and again so after writing it back in full. */
static void round_trip(struct guest *g, const struct x86_state *expect)
{
    struct x86_state once, twice;

    kvm_state_changed(g->vcpu.accel);
    assert_int_equal(accel_kvm.get_state(&g->vcpu, &once), 0);
    if (expect)
        assert_state(&once, expect);
    kvm_state_changed(g->vcpu.accel);
    assert_int_equal(accel_kvm.set_state(&g->vcpu, &once), 0);
    assert_int_equal(accel_kvm.get_state(&g->vcpu, &twice), 0);
    assert_state(&once, &twice);
}

static void check_mode(enum guest_mode mode)
{
    struct guest g;
    struct vm_exit e;
    uint64_t tsc;

    print_message("# %s\n", mode_names[mode]);
    guest_init(&g);
    guest_enter(&g, mode, nop_hlt, sizeof(nop_hlt));
    fill(&g.st, mode);
    assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
    tsc = g.st.tsc;
    round_trip(&g, mode == GUEST_REAL ? NULL : &g.st);
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_HLT);
    round_trip(&g, NULL);
    guest_get(&g);
    assert_int_equal(g.st.activity, X86_HALTED);
    assert_int_equal(g.st.rip, GUEST_CODE + 2);
    assert_int_equal(g.st.gpr[X86_RBX], 0x11110003);
    assert_int_equal(g.st.cr2, 0xdeadb000);
    assert_int_equal(g.st.dr[3], 0x7703);
    assert_int_equal(g.st.fxsave[160], 0x5a);
    if (mode != GUEST_REAL) /* some partial KVM has a TSC of its own mind */
        assert_true(g.st.tsc >= tsc);
    guest_fini(&g);
}

static void real_mode(void **unused)
{
    (void)unused;
    check_mode(GUEST_REAL);
}

static void protected_modes(void **unused)
{
    (void)unused;
    guest_need_complete();
    check_mode(GUEST_PROT16);
    check_mode(GUEST_PROT32);
}

static void paged_modes(void **unused)
{
    (void)unused;
    guest_need_complete();
    check_mode(GUEST_PAGED32);
    check_mode(GUEST_PAE);
    check_mode(GUEST_LONG64);
}

/* A state that was read may be written without a single call to the kernel:
 * a pending interrupt shadow and the TSC stay as they are. */
static void writing_back_is_free(void **unused)
{
    struct guest g;
    struct x86_state st;

    (void)unused;
    guest_init(&g);
    CODE(&g, 0x90, 0xf4);
    guest_get(&g);
    assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
    assert_int_equal(accel_kvm.get_state(&g.vcpu, &st), 0);
    assert_state(&g.st, &st);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

static void events_survive(void **unused)
{
    struct guest g;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, nop_hlt, sizeof(nop_hlt));
    g.st.nmi_blocked = true;
    g.st.pending = (struct x86_event){
        .valid = true, .vector = X86_GP, .has_error = true, .error = 0x28};
    assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
    round_trip(&g, &g.st);
    guest_get(&g);
    assert_int_equal(g.st.pending.vector, X86_GP);
    assert_int_equal(g.st.pending.error, 0x28);
    /* It is delivered: the handler's HLT, with the error code pushed. */
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_get(&g);
    assert_int_equal(g.st.rip, GUEST_HANDLER + 1);
    assert_int_equal(g.st.gpr[X86_RSP], GUEST_STACK - 16);
    assert_false(g.st.pending.valid);
    guest_fini(&g);
}

static void shutdown_stays(void **unused)
{
    struct guest g;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, "\x0f\x0b", 2); /* ud2 */
    g.st.idt.limit = 0;
    assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_TRIPLE_FAULT);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_TRIPLE_FAULT);
    guest_get(&g);
    assert_int_equal(g.st.activity, X86_SHUTDOWN);
    /* A reset brings it back. */
    CODE(&g, 0xf4);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_mode),
        cmocka_unit_test(protected_modes),
        cmocka_unit_test(paged_modes),
        cmocka_unit_test(writing_back_is_free),
        cmocka_unit_test(events_survive),
        cmocka_unit_test(shutdown_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
