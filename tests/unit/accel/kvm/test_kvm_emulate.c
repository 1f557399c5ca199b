/* What KVM leaves to the emulator: one instruction, on the same state. */
#include "tests/unit/accel/kvm/kvm_guest.h"

#define NO_RAM 0x180000u /* inside the identity map, outside memory */

static void x87_works_on_every_kvm(void **unused)
{
    struct kvm_survey s;
    struct guest g;

    (void)unused;
    if (kvm_survey(&s) < 0 || !s.protected_mode)
        skip();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, /* fld1; fadd st0; fistp [0a000h]; hlt */
                "\xd9\xe8\xd8\xc0\xdb\x1d\x00\xa0\x00\x00\xf4", 11);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    assert_int_equal(*(uint32_t *)mem_hva(&g.mem, 0xa000, 4), 2);
    if (!s.complete)
        assert_int_equal(g.nested[VM_EXIT_EMULATE], 3);
    else
        assert_int_equal(g.nested[VM_EXIT_EMULATE], 0);
    guest_fini(&g);
}

static void sse_works_on_every_kvm(void **unused)
{
    struct kvm_survey s;
    struct guest g;

    (void)unused;
    if (kvm_survey(&s) < 0 || !s.protected_mode)
        skip();
    guest_init(&g);
    guest_enter(&g, GUEST_PROT32, /* paddd xmm1, xmm0; hlt */
                "\x66\x0f\xfe\xc8\xf4", 5);
    g.st.cr4 |= X86_CR4_OSFXSR;
    memset(g.st.fxsave + 160, 1, 16);
    memset(g.st.fxsave + 176, 2, 16);
    assert_int_equal(accel_kvm.set_state(&g.vcpu, &g.st), 0);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_get(&g);
    assert_int_equal(g.st.fxsave[176], 3);
    assert_int_equal(g.st.fxsave[191], 3);
    guest_fini(&g);
}

/* KVM knows no x87 with an operand outside RAM. */
static void x87_on_a_device_is_emulated(void **unused)
{
    struct guest g;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_PAGED32, /* fild [NO_RAM]; fistp [0a000h]; hlt */
                "\xdb\x05\x00\x00\x18\x00\xdb\x1d\x00\xa0\x00\x00\xf4", 13);
    g.mmio_in = 0x11;
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    assert_int_equal(g.nested[VM_EXIT_EMULATE], 1);
    assert_true(g.nested[VM_EXIT_MMIO] >= 1);
    assert_int_equal(*(uint32_t *)mem_hva(&g.mem, 0xa000, 4), 0x11111111);
    guest_fini(&g);
}

/* The emulator may know it; if not, the message names it. */
static void in_64_bit_code_it_works_or_says_what_and_where(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    guest_enter(&g, GUEST_LONG64, "\xdb\x04\x25\x00\x00\x18\x00\xf4", 8);
    e = guest_run(&g);
    if (e.kind == VM_EXIT_HLT) {
        assert_int_equal(g.nested[VM_EXIT_EMULATE], 1);
    } else {
        assert_int_equal(e.kind, VM_EXIT_FAIL);
        assert_int_equal(e.rip, GUEST_CODE);
        assert_non_null(strstr(e.u.fail.text, "db 04 25 00 00 18 00 at"));
        assert_non_null(strstr(e.u.fail.text, "0x1000"));
        assert_non_null(strstr(e.u.fail.text, "--accel bt"));
    }
    guest_fini(&g);
}

static void a_partial_kvm_is_named_when_a_guest_dies_of_it(void **unused)
{
    struct kvm_survey s;
    struct guest g;
    struct vm_exit e;

    (void)unused;
    if (kvm_survey(&s) < 0 || s.paging32 || !s.protected_mode) {
        printf("skipped: this KVM is complete, or absent\n");
        skip();
    }
    guest_init(&g);
    guest_enter(&g, GUEST_PAGED32, "\xf4", 1);
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_FAIL);
    assert_non_null(strstr(e.u.fail.text, "32-bit paging"));
    assert_non_null(strstr(e.u.fail.text, "--accel bt"));
    guest_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x87_works_on_every_kvm),
        cmocka_unit_test(sse_works_on_every_kvm),
        cmocka_unit_test(x87_on_a_device_is_emulated),
        cmocka_unit_test(in_64_bit_code_it_works_or_says_what_and_where),
        cmocka_unit_test(a_partial_kvm_is_named_when_a_guest_dies_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
