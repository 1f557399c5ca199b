/* Interrupts, NMI, kicks and the timer: into the guest, and out of it. */
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/accel/kvm/kvm_guest.h"

#define SPIN 0xeb, 0xfe /* jmp . */

static void an_interrupt_waits_for_if(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, "\xe6\x10\xfb\x90\xeb\xfe", 6);
    g.irq = 0x31; /* out 10h, al; sti; nop; jmp . */
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_PIO);
    assert_int_equal(g.irq, 0x31);
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_INTR_WINDOW);
    assert_int_equal(g.irq, 0x31);
    e = guest_run(&g); /* the handler's HLT */
    assert_int_equal(e.kind, VM_EXIT_HLT);
    assert_false(e.u.hlt.if_set);
    assert_int_equal(g.irq, -1);
    assert_int_equal(g.nested[VM_EXIT_EXTINT], 1);
    assert_int_equal(g.last_nested.u.exception.vector, 0x31);
    guest_get(&g);
    assert_int_equal(g.st.rip, GUEST_HANDLER + 1);
    guest_fini(&g);
}

static void an_interrupt_ends_hlt(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, "\xfb\xf4\xe6\x10", 4); /* sti; hlt; out */
    guest_poke(&g, GUEST_HANDLER, "\xb0\x77\xcf", 3);     /* mov al; iret */
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_HLT);
    assert_int_equal(e.rip, GUEST_CODE + 1);
    assert_true(e.u.hlt.if_set);
    /* Nothing there: it stays halted, and runs nothing. */
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    g.irq = 0x20;
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_PIO);
    assert_int_equal(*(uint8_t *)e.u.pio.data, 0x77);
    guest_fini(&g);
}

static void an_nmi_is_taken_with_if_clear(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, "\xf4\xe6\x10", 3); /* hlt; out 10h, al */
    guest_poke(&g, GUEST_HANDLER, "\xb0\x66\xcf", 3); /* mov al, 66h; iret */
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_HLT);
    g.vcpu.nmi = true;
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_PIO);
    assert_int_equal(*(uint8_t *)e.u.pio.data, 0x66);
    assert_false(g.vcpu.nmi);
    guest_fini(&g);
}

static void the_deadline_ends_a_run(void **unused)
{
    struct guest g;
    struct vm_exit e;
    uint64_t start, took;

    (void)unused;
    guest_init(&g);
    CODE(&g, SPIN);
    g.vcpu.clock_epoch_ns = start = host_ns();
    g.vcpu.deadline_ns = 20000000;
    e = guest_run(&g);
    took = host_ns() - start;
    assert_int_equal(e.kind, VM_EXIT_PREEMPT);
    assert_in_range(took, 20000000, 2000000000);
    /* Still there: again, at once. */
    assert_int_equal(guest_run(&g).kind, VM_EXIT_PREEMPT);
    /* The next one. */
    g.vcpu.deadline_ns = host_ns() - start + 20000000;
    assert_int_equal(guest_run(&g).kind, VM_EXIT_PREEMPT);
    assert_true(host_ns() - start >= g.vcpu.deadline_ns);
    guest_fini(&g);
}

static void a_kick_before_the_run_is_not_lost(void **unused)
{
    struct guest g;

    (void)unused;
    guest_init(&g);
    CODE(&g, SPIN);
    accel_kvm.kick(&g.vcpu);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_KICK);
    assert_true(atomic_load(&g.vcpu.kicked));
    guest_fini(&g);
}

struct kicker {
    struct guest *g;
    atomic_uint done; /* kicks that the runner has seen */
    unsigned kicks;
};

static void *kick_often(void *opaque)
{
    struct kicker *k = opaque;

    for (unsigned i = 0; i < k->kicks; i++) {
        accel_kvm.kick(&k->g->vcpu);
        while (atomic_load(&k->done) <= i) /* seen: only then the next */
            usleep(10);
    }
    return NULL;
}

static void no_kick_is_lost(void **unused)
{
    struct guest g;
    struct kicker k = {.g = &g, .kicks = 300};
    pthread_t thread;

    (void)unused;
    guest_init(&g);
    CODE(&g, SPIN);
    assert_int_equal(pthread_create(&thread, NULL, kick_often, &k), 0);
    while (atomic_load(&k.done) < k.kicks) {
        struct vm_exit e;

        /* A lost kick would leave us here until the deadline. */
        g.vcpu.clock_epoch_ns = host_ns();
        g.vcpu.deadline_ns = 10000000000;
        e = guest_run(&g);
        assert_int_equal(e.kind, VM_EXIT_KICK);
        if (atomic_exchange(&g.vcpu.kicked, false))
            atomic_fetch_add(&k.done, 1);
    }
    pthread_join(thread, NULL);
    guest_fini(&g);
}

static void the_kernels_chips_take_an_interrupt(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init_options(&g, (struct accel_options){.irqchip_kernel = true});
    /* PIC: ICW1 to ICW4, vectors at 20h, all but IRQ 5 masked; sti; hlt. */
    guest_enter(&g, GUEST_PROT32,
                "\xb0\x11\xe6\x20\xb0\x20\xe6\x21\xb0\x04\xe6\x21\xb0\x01\xe6"
                "\x21\xb0\xdf\xe6\x21\xfb\xf4\xeb\xfd",
                24);
    guest_poke(&g, GUEST_HANDLER, "\xe6\x99", 2); /* out 99h, al */
    g.vcpu.clock_epoch_ns = host_ns();
    g.vcpu.deadline_ns = 500000000;
    e = guest_run(&g); /* asleep in the kernel, until the timer */
    assert_int_equal(e.kind, VM_EXIT_PREEMPT);
    guest_get(&g);
    assert_int_equal(g.st.activity, X86_HALTED);
    g.vcpu.deadline_ns = UINT64_MAX;
    assert_int_equal(accel_kvm.set_gsi(&g.vcpu, 5, true), 0);
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_PIO);
    assert_int_equal(e.u.pio.port, 0x99);
    assert_int_equal(e.rip, GUEST_HANDLER);
    guest_fini(&g);
}

static void a_reset_masks_the_kernels_chips(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init_options(&g, (struct accel_options){.irqchip_kernel = true});
    /* IRQ 5 unmasked at vector 25h, then a byte out. */
    guest_enter(&g, GUEST_PROT32,
                "\xb0\x11\xe6\x20\xb0\x20\xe6\x21\xb0\x04\xe6\x21\xb0\x01\xe6"
                "\x21\xb0\xdf\xe6\x21\xe6\x98",
                22);
    e = guest_run(&g);
    assert_int_equal(e.u.pio.port, 0x98);
    assert_int_equal(accel_kvm.reset(&g.vcpu), 0);
    guest_enter(&g, GUEST_PROT32, "\xe4\x21\xe6\x99", 4); /* in al, 21h */
    e = guest_run(&g);
    assert_int_equal(e.u.pio.port, 0x99);
    assert_int_equal(*(uint8_t *)e.u.pio.data, 0);
    guest_fini(&g);
}

static void cr8_is_the_local_apics_tpr(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    /* mov rax, cr8; mov cl, al; mov al, 9; mov cr8, rax; out 10h, al;
     * dec al; mov cr8, rax; hlt */
    guest_enter(&g, GUEST_LONG64,
                "\x44\x0f\x20\xc0\x88\xc1\xb0\x09\x44\x0f\x22\xc0\xe6\x10\xfe"
                "\xc8\x44\x0f\x22\xc0\xf4",
                21);
    g.tpr = 0x30;
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_PIO);
    assert_int_equal(g.tpr, 0x90);
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RCX] & 0xff, 3);
    assert_int_equal(g.st.cr8, 9);
    e = guest_run(&g);
    if (e.kind == VM_EXIT_CR_ACCESS) { /* where KVM tells of it at once */
        assert_int_equal(e.u.reg.reg, 8);
        assert_int_equal(e.u.reg.value, 8);
        e = guest_run(&g);
    }
    assert_int_equal(e.kind, VM_EXIT_HLT);
    assert_int_equal(g.tpr, 0x80);
    guest_fini(&g);
}

static void an_unknown_msr_is_an_exit(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, "\xb9\x78\x56\x34\x12\x0f\x32\xf4", 8);
    e = guest_run(&g); /* rdmsr 12345678h: #GP, whose handler halts */
    assert_int_equal(e.kind, VM_EXIT_HLT);
    assert_int_equal(e.rip, GUEST_HANDLER);
    assert_int_equal(g.nested[VM_EXIT_RDMSR], 1);
    guest_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interrupt_waits_for_if),
        cmocka_unit_test(an_interrupt_ends_hlt),
        cmocka_unit_test(an_nmi_is_taken_with_if_clear),
        cmocka_unit_test(the_deadline_ends_a_run),
        cmocka_unit_test(a_kick_before_the_run_is_not_lost),
        cmocka_unit_test(no_kick_is_lost),
        cmocka_unit_test(the_kernels_chips_take_an_interrupt),
        cmocka_unit_test(a_reset_masks_the_kernels_chips),
        cmocka_unit_test(cr8_is_the_local_apics_tpr),
        cmocka_unit_test(an_unknown_msr_is_an_exit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
