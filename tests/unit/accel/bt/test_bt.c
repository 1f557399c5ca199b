/* The run loop, on small programs, emulated and translated alike. */
#include <pthread.h>
#include <time.h>

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

/* What breakpoints on all instructions of a program saw. */
struct asked {
    struct x86_state st;
    uint64_t icount;
};
struct diary {
    struct bt_machine *m;
    struct asked asked[256];
    size_t n;
    size_t stop_at; /* this one stops; SIZE_MAX: none does */
};

static bool write_down(void *opaque, size_t index, const struct x86_state *st)
{
    struct diary *d = opaque;

    assert_int_equal(st->rip, BT_MACHINE_CODE + index);
    assert_true(d->n < ARRAY_SIZE(d->asked));
    d->asked[d->n] = (struct asked){*st, d->m->vcpu.icount};
    return d->n++ == d->stop_at;
}

/*
 * Runs CODE to its HLT with a breakpoint on every byte; stops at breakpoint
 * number STOP_AT once on the way.
 */
static void keep_diary(struct diary *d, const uint8_t *code, size_t len,
                       bool interpret, size_t stop_at)
{
    struct accel_options options = {.interpret_only = interpret,
                                    .check_blocks = true};
    struct debug_bp bp[64];
    struct debug_ctl ctl = {
        .stop_icount = UINT64_MAX,
        .bp = bp,
        .bps = len,
        .bp_check = write_down,
        .bp_opaque = d,
    };
    struct bt_machine m;
    struct vm_exit e;

    assert_true(len <= ARRAY_SIZE(bp));
    memset(bp, 0, sizeof(bp));
    for (size_t i = 0; i < len; i++)
        bp[i].addr = BT_MACHINE_CODE + i;
    *d = (struct diary){.m = &m, .stop_at = stop_at};
    bt_machine_init(&m, &options);
    mem_write(&m.mem, BT_MACHINE_CODE, code, len);
    assert_int_equal(accel_bt.set_debug(&m.vcpu, &ctl), 0);
    assert_int_equal(accel_bt.run(&m.vcpu, &e), 0);
    if (stop_at != SIZE_MAX) {
        assert_int_equal(e.u.debug.hits, DEBUG_HIT_BREAKPOINT);
        assert_int_equal(e.rip, d->asked[stop_at].st.rip);
        assert_int_equal(d->n, stop_at + 1);
        assert_int_equal(accel_bt.run(&m.vcpu, &e), 0);
    }
    assert_int_equal(e.kind, VM_EXIT_HLT);
    accel_bt.get_state(&m.vcpu, &d->asked[d->n].st);
    d->asked[d->n++].icount = m.vcpu.icount;
    bt_machine_fini(&m);
}

/*
 * A condition sees the whole state in the middle of a block, and the block
 * does not see that it was asked.
 */
static void test_breakpoints_in_blocks(void **state)
{
    static const uint8_t code[] = {
        0xbd, 3,    0,    0, 0, /* mov ebp, 3 */
        0xd9, 0xe8,             /* fld1 */
        0xb9, 5,    0,    0, 0, /* l: mov ecx, 5 */
        0xfb,                   /* sti */
        0xf9,                   /* stc */
        0x11, 0xc8,             /* adc eax, ecx */
        0xd8, 0xc0,             /* fadd st0, st0 */
        0x0f, 0x58, 0xc1,       /* addps xmm0, xmm1 */
        0x9c,                   /* pushf */
        0x5b,                   /* pop ebx */
        0xbf, 0,    0,    2, 0, /* mov edi, 20000h */
        0xfd,                   /* std */
        0xf3, 0xaa,             /* rep stosb */
        0xfc,                   /* cld */
        0xfa,                   /* cli */
        0x4d,                   /* dec ebp */
        0x75, 0xe3,             /* jnz l */
        0xf4,                   /* hlt */
    };
    static struct diary d[2];

    (void)state;
    for (size_t stop_at = 0; stop_at < 20; stop_at++) {
        size_t at = stop_at == 0 ? SIZE_MAX : stop_at;

        keep_diary(&d[0], code, sizeof(code), true, at);
        keep_diary(&d[1], code, sizeof(code), false, at);
        assert_int_equal(d[0].n, d[1].n);
        assert_true(d[0].n > 20);
        for (size_t i = 0; i < d[0].n; i++) {
            d[0].asked[i].st.tsc = d[1].asked[i].st.tsc = 0;
            assert_int_equal(d[0].asked[i].icount, d[1].asked[i].icount);
            assert_memory_equal(&d[0].asked[i].st, &d[1].asked[i].st,
                                sizeof(d[0].asked[i].st));
        }
    }
}

/* What blocks do without an exit, they count. */
static void test_inlined_are_counted(void **state)
{
    static const uint8_t code[] = {
        0xbd, 100,  0, 0, 0, /* mov ebp, 100 */
        0xfa,                /* l: cli */
        0xfb,                /* sti */
        0x9c,                /* pushf */
        0x9d,                /* popf */
        0x0f, 0x31,          /* rdtsc */
        0x8c, 0xd8,          /* mov eax, ds */
        0x1e,                /* push ds */
        0x58,                /* pop eax */
        0x4d,                /* dec ebp */
        0x75, 0xf3,          /* jnz l */
        0xf4,                /* hlt */
    };
    static const struct accel_inlined want[] = {
        {"CLI", 100},  {"STI", 100},   {"PUSHF", 100},
        {"POPF", 100}, {"RDTSC", 100}, {"segment register read", 200},
    };
    struct accel_options options = {.check_blocks = true};
    struct accel_inlined got;
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, &options);
    mem_write(&m.mem, BT_MACHINE_CODE, code, sizeof(code));
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        assert_true(accel_bt.inlined(&m.vcpu, i, &got));
        assert_string_equal(got.name, want[i].name);
        assert_int_equal(got.count, want[i].count);
    }
    assert_false(accel_bt.inlined(&m.vcpu, ARRAY_SIZE(want), &got));
    assert_int_equal(m.exits[VM_EXIT_FLAGS] + m.exits[VM_EXIT_RDTSC], 0);
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

static void *kick_later(void *arg)
{
    const struct timespec wait = {.tv_nsec = 50000000};

    nanosleep(&wait, NULL);
    accel_bt.kick(arg);
    return NULL;
}

/* Few but long instructions: a kick is not left waiting for the budget. */
static void test_kick_amid_long_strings(void **state)
{
    static const uint8_t code[] = {
        0xbf, 0,    0, 0x04, 0, /* l: mov edi, 40000 */
        0xb9, 0,    0, 0x10, 0, /* mov ecx, 100000 */
        0xf3, 0xaa,             /* rep stosb */
        0xeb, 0xf2,             /* jmp l */
    };
    struct bt_machine m;
    pthread_t kicker;

    (void)state;
    bt_machine_init(&m, NULL);
    mem_write(&m.mem, BT_MACHINE_CODE, code, sizeof(code));
    for (unsigned i = 0; i < 3; i++) {
        uint64_t before = m.vcpu.icount;

        atomic_store(&m.vcpu.kicked, false);
        assert_int_equal(pthread_create(&kicker, NULL, kick_later, &m.vcpu), 0);
        assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_KICK);
        pthread_join(kicker, NULL);
        assert_in_range(m.vcpu.icount - before, 1, 500000);
    }
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
        cmocka_unit_test(test_breakpoints_in_blocks),
        cmocka_unit_test(test_inlined_are_counted),
        cmocka_unit_test(test_kick),
        cmocka_unit_test(test_kick_amid_long_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
