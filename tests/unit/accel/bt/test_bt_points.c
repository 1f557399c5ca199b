/* Watchpoints: many, long, and all the ways in which memory is touched. */
#include "tests/unit/accel/bt/bt_machine.h"

#define DATA 0x20000u

struct seen {
    unsigned touches;
    struct debug_touch first;
    uint64_t rip;
};

/* Runs to a HLT; what stopped on the way goes to SEEN.  How many did. */
static size_t watch(struct bt_machine *m, const struct debug_wp *wp, size_t wps,
                    struct seen *seen, size_t max)
{
    struct debug_ctl ctl = {.stop_icount = UINT64_MAX, .wps = wps, .wp = wp};
    struct vm_exit e;
    size_t n = 0;

    assert_int_equal(accel_bt.set_debug(&m->vcpu, &ctl), 0);
    for (;;) {
        assert_int_equal(accel_bt.run(&m->vcpu, &e), 0);
        if (e.kind == VM_EXIT_HLT)
            return n;
        assert_int_equal(e.kind, VM_EXIT_DEBUG);
        assert_int_equal(e.u.debug.hits, DEBUG_HIT_WATCH);
        assert_true(n < max && e.u.debug.touches > 0);
        assert_int_equal(e.u.debug.gla, e.u.debug.touch[0].first);
        seen[n++] = (struct seen){e.u.debug.touches, e.u.debug.touch[0], e.rip};
    }
}

static void begin(struct bt_machine *m, const uint8_t *code, size_t len)
{
    struct accel_options options = {.check_blocks = true};

    bt_machine_init(m, &options);
    mem_write(&m->mem, BT_MACHINE_CODE, code, len);
}

/* Ten thousand single bytes, three apart; every fourth access meets none. */
static void test_many(void **state)
{
    /* mov edi, 20000; mov ecx, 2000; l: mov [edi], al; add edi, 4; dec ecx;
     * jnz l; hlt */
    static const uint8_t code[] = {0xbf, 0,    0,    2,    0,    0xb9, 0xd0,
                                   0x07, 0,    0,    0x88, 0x07, 0x83, 0xc7,
                                   4,    0x49, 0x75, 0xf8, 0xf4};
    static struct debug_wp wp[10000];
    static struct seen seen[2000];
    struct bt_machine m;
    size_t n, want = 0;

    (void)state;
    memset(wp, 0, sizeof(wp));
    for (size_t i = 0; i < ARRAY_SIZE(wp); i++) { /* in no order */
        wp[i].gla = DATA + 3 * (i * 7919 % ARRAY_SIZE(wp));
        wp[i].len = 1;
        wp[i].write = true;
    }
    begin(&m, code, sizeof(code));
    n = watch(&m, wp, ARRAY_SIZE(wp), seen, ARRAY_SIZE(seen));
    for (uint64_t at = DATA; at < DATA + 8000; at += 4)
        if ((at - DATA) % 3 == 0) {
            assert_true(want < n);
            assert_int_equal(seen[want].first.first, at);
            want++;
        }
    assert_int_equal(n, want);
    bt_machine_fini(&m);
}

/* One over three pages, and accesses that cross into and out of it. */
static void test_long_and_crossing(void **state)
{
    static const uint8_t code[] = {
        0xa3, 0xec, 0x0f, 2, 0, /* mov [20fec], eax: just below */
        0xa3, 0xee, 0x0f, 2, 0, /* mov [20fee], eax */
        0xa3, 0xfe, 0x1f, 2, 0, /* mov [21ffe], eax: across pages */
        0xa1, 0x00, 0x20, 2, 0, /* mov eax, [22000]: a read */
        0xa3, 0x0f, 0x30, 2, 0, /* mov [2300f], eax: its last byte */
        0xa3, 0x10, 0x30, 2, 0, /* mov [23010], eax: just above */
        0xf4,
    };
    const struct debug_wp wp = {
        .gla = DATA + 0xff0, .len = 0x2020, .write = true};
    struct bt_machine m;
    struct seen seen[4];

    (void)state;
    begin(&m, code, sizeof(code));
    assert_int_equal(watch(&m, &wp, 1, seen, ARRAY_SIZE(seen)), 3);
    assert_int_equal(seen[0].first.gla, DATA + 0xfee);
    assert_int_equal(seen[0].first.first, DATA + 0xff0);
    assert_int_equal(seen[1].first.first, DATA + 0x1ffe);
    assert_int_equal(seen[1].first.len, 4);
    assert_int_equal(seen[2].first.first, DATA + 0x300f);
    bt_machine_fini(&m);
}

/* Both sides of one MOVS; a PUSH; a string stops where it has got to. */
static void test_strings_and_stack(void **state)
{
    static const uint8_t code[] = {
        0xbe, 0,    0x10, 2, 0, /* mov esi, 21000 */
        0xbf, 0,    0,    2, 0, /* mov edi, 20000 */
        0xa5,                   /* movsd */
        0x50,                   /* push eax */
        0xb9, 100,  0,    0, 0, /* mov ecx, 100 */
        0xf3, 0xaa,             /* rep stosb: 20004... */
        0xf4,
    };
    const struct debug_wp wp[] = {
        {.gla = DATA + 0x1000, .len = 4, .read = true},
        {.gla = DATA, .len = 4, .write = true},
        {.gla = BT_MACHINE_TOP - 2, .len = 1, .write = true},
        {.gla = DATA + 20, .len = 1, .write = true},
    };
    struct bt_machine m;
    struct seen seen[4];

    (void)state;
    begin(&m, code, sizeof(code));
    assert_int_equal(watch(&m, wp, ARRAY_SIZE(wp), seen, ARRAY_SIZE(seen)), 3);
    assert_int_equal(seen[0].touches, 2);
    assert_false(seen[0].first.write);
    assert_int_equal(seen[1].first.first, BT_MACHINE_TOP - 2);
    assert_int_equal(seen[2].first.first, DATA + 20);
    assert_int_equal(seen[2].rip, BT_MACHINE_CODE + 17); /* amid the REP */
    bt_machine_fini(&m);
}

/* What the processor touches by itself: a frame, a gate, a descriptor. */
static void test_implicit(void **state)
{
    static const uint8_t code[] = {
        0x8e, 0xd8, /* mov ds, ax */
        0xcd, 0x40, /* int 40h */
        0xf4,       /* hlt */
        0xcf,       /* iret, at +5 */
    };
    const struct debug_wp wp[] = {
        {.gla = 0x1010, .len = 8, .read = true},               /* GDT */
        {.gla = 0x2200, .len = 8, .read = true},               /* IDT */
        {.gla = BT_MACHINE_TOP - 12, .len = 4, .write = true}, /* EIP */
        {.gla = BT_MACHINE_TOP - 4, .len = 4, .read = true},   /* EFLAGS */
    };
    const uint64_t gate = 0x00018e0000080005;
    struct bt_machine m;
    struct x86_state st;
    struct seen seen[4];

    (void)state;
    begin(&m, code, sizeof(code));
    mem_write(&m.mem, 0x2200, &gate, 8);
    accel_bt.get_state(&m.vcpu, &st);
    st.gpr[X86_RAX] = 0x10;
    accel_bt.set_state(&m.vcpu, &st);
    assert_int_equal(watch(&m, wp, ARRAY_SIZE(wp), seen, ARRAY_SIZE(seen)), 3);
    assert_int_equal(seen[0].first.first, 0x1010);
    assert_int_equal(seen[0].rip, BT_MACHINE_CODE + 2);
    assert_int_equal(seen[1].touches, 2); /* gate and frame */
    assert_int_equal(seen[1].first.first, 0x2200);
    assert_int_equal(seen[1].rip, BT_MACHINE_CODE + 5);
    assert_int_equal(seen[2].first.first, BT_MACHINE_TOP - 4);
    assert_int_equal(seen[2].rip, BT_MACHINE_CODE + 4);
    bt_machine_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_long_and_crossing),
        cmocka_unit_test(test_strings_and_stack),
        cmocka_unit_test(test_implicit),
    };

    return cmocka_run_group_tests_name("bt: watchpoints", tests, NULL, NULL);
}
