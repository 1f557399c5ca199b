/* The run loop, on small programs, emulated and translated alike. */
#include "tests/unit/accel/bt/bt_machine.h"

/* mov ecx, 1000; xor eax, eax; l: add eax, ecx; dec ecx; jnz l; hlt */
static const uint8_t sum[] = {0xb9, 0xe8, 0x03, 0x00, 0x00, 0x31, 0xc0,
                              0x01, 0xc8, 0x49, 0x75, 0xfb, 0xf4};

static void run_sum(bool interpret)
{
    struct accel_options options = {.interpret_only = interpret,
                                    .check_blocks = true};
    struct bt_machine m;
    struct x86_state st;

    bt_machine_init(&m, &options);
    mem_write(&m.mem, BT_MACHINE_CODE, sum, sizeof(sum));
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    accel_bt.get_state(&m.vcpu, &st);
    assert_int_equal(st.gpr[X86_RAX], 500500);
    assert_int_equal(st.rip, BT_MACHINE_CODE + sizeof(sum));
    assert_int_equal(m.vcpu.icount, 2 + 3000 + 1);
    bt_machine_fini(&m);
}

static void test_interpreted(void **state)
{
    (void)state;
    run_sum(true);
}

static void test_translated(void **state)
{
    (void)state;
    run_sum(false);
}

static void test_stops_at_count(void **state)
{
    struct bt_machine m;
    struct x86_state st;

    (void)state;
    bt_machine_init(&m, NULL);
    mem_write(&m.mem, BT_MACHINE_CODE, sum, sizeof(sum));
    for (uint64_t n = 1; n <= 1500; n++) {
        assert_int_equal(bt_machine_run(&m, n), VM_EXIT_DEBUG);
        assert_int_equal(m.vcpu.icount, n);
    }
    accel_bt.get_state(&m.vcpu, &st);
    assert_int_equal(st.gpr[X86_RCX], 1000 - 499);
    bt_machine_fini(&m);
}

static void test_deadline_preempts(void **state)
{
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, NULL);
    mem_write(&m.mem, BT_MACHINE_CODE, sum, sizeof(sum));
    m.vcpu.deadline_ns = 777;
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_PREEMPT);
    assert_int_equal(m.vcpu.icount, 777);
    bt_machine_fini(&m);
}

static void test_breakpoint(void **state)
{
    struct debug_bp bp = {.addr = BT_MACHINE_CODE + 9};
    struct debug_ctl ctl = {.stop_icount = UINT64_MAX, .bps = 1, .bp = &bp};
    struct bt_machine m;
    struct vm_exit e;

    (void)state;
    bt_machine_init(&m, NULL);
    mem_write(&m.mem, BT_MACHINE_CODE, sum, sizeof(sum));
    assert_int_equal(accel_bt.set_debug(&m.vcpu, &ctl), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(accel_bt.run(&m.vcpu, &e), 0);
        assert_int_equal(e.kind, VM_EXIT_DEBUG);
        assert_int_equal(e.u.debug.hits, DEBUG_HIT_BREAKPOINT);
        assert_int_equal(e.rip, bp.addr);
        assert_int_equal(m.vcpu.icount, 3 + 3 * i);
    }
    bt_machine_fini(&m);
}

static void test_kick(void **state)
{
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, NULL);
    mem_write(&m.mem, BT_MACHINE_CODE, "\xeb\xfe", 2);
    accel_bt.kick(&m.vcpu);
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_KICK);
    bt_machine_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpreted),
        cmocka_unit_test(test_translated),
        cmocka_unit_test(test_stops_at_count),
        cmocka_unit_test(test_deadline_preempts),
        cmocka_unit_test(test_breakpoint),
        cmocka_unit_test(test_kick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
