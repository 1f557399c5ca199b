/* Stop points and run control on a small real-mode guest under bt. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/accel/host_signal.h"
#include "vmm/debug_server.h"
#include "vmm/view/command.h"

/*
 * 7c00 cli            7c0c call 7c20     7c20 mov [0x9000], ax
 * 7c01 xor ax, ax     7c0f jmp 7c08      7c23 out 0x80, al
 * 7c03 mov ds, ax                        7c25 ret
 * 7c05 mov cx, 3
 * 7c08 inc ax
 * 7c09 nop; nop; nop
 */
static const uint8_t image[512] = {
    [0x00] = 0xfa, 0x31,          0xc0,         0x8e,          0xd8, 0xb9, 0x03,
    0x00,          [0x08] = 0x40, 0x90,         0x90,          0x90, 0xe8, 0x11,
    0x00,          0xeb,          0xf7,         [0x20] = 0xa3, 0x00, 0x90, 0xe6,
    0x80,          0xc3,          [510] = 0x55, 0xaa,
};

struct fixture {
    struct vm *vm;
    struct debug *dbg;
    char path[64];
};

static int setup(void **state)
{
    static struct fixture f;
    struct vm_config cfg;
    FILE *file;

    snprintf(f.path, sizeof(f.path), "/tmp/ringside-debug-%d.bin", getpid());
    file = fopen(f.path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(image, 1, sizeof(image), file), sizeof(image));
    fclose(file);
    vm_config_init(&cfg);
    cfg.accel = "bt";
    cfg.mem_bytes = 1 << 20;
    cfg.serial[0] = "null";
    cfg.guest = f.path;
    assert_int_equal(vm_create(&f.vm, &cfg), 0);
    assert_int_equal(debug_create(&f.dbg, f.vm), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    debug_destroy(f->dbg);
    vm_destroy(f->vm);
    unlink(f->path);
    return 0;
}

/* Between set-up and test cmocka puts its own signal handlers in place. */
static struct fixture *fixture(void **state)
{
    assert_int_equal(host_signal_init(), 0);
    return *state;
}

static struct debug_stop run(struct fixture *f, enum debug_run_kind kind,
                             uint64_t count_or_addr)
{
    struct debug_run how = {
        .kind = kind, .count = count_or_addr, .addr = count_or_addr};
    struct debug_stop stop;

    assert_int_equal(debug_run(f->dbg, &how, &stop), 0);
    return stop;
}

static int add(struct fixture *f, enum debug_point_kind kind, uint64_t addr)
{
    struct debug_point p;
    char why[80];

    debug_point_init(&p, kind, addr);
    p.write = kind == DEBUG_POINT_WATCH;
    p.len = kind == DEBUG_POINT_WATCH ? 2 : p.len;
    return debug_add(f->dbg, &p, why, sizeof(why));
}

static void test_steps(void **state)
{
    struct fixture *f = fixture(state);
    struct debug_stop s = run(f, DEBUG_RUN_STEP, 1);

    assert_int_equal(s.reason, DEBUG_REASON_STEP);
    assert_int_equal(s.linear_rip, 0x7c01);
    assert_int_equal(run(f, DEBUG_RUN_STEP, 7).linear_rip, 0x7c0c);
    assert_int_equal(run(f, DEBUG_RUN_OVER, 0).linear_rip, 0x7c0f);
    assert_int_equal(run(f, DEBUG_RUN_TO, 0x7c23).linear_rip, 0x7c23);
    assert_int_equal(run(f, DEBUG_RUN_FINISH, 0).linear_rip, 0x7c0f);
    assert_int_equal(debug_last_stop(f->dbg)->icount, 21);
}

static void set_rip(struct fixture *f, uint64_t rip)
{
    struct x86_state st;

    assert_int_equal(vm_get_state(f->vm, &st), 0);
    st.rip = rip;
    assert_int_equal(vm_set_state(f->vm, &st), 0);
}

static void test_breakpoints_stop_before(void **state)
{
    struct fixture *f = fixture(state);
    int id = add(f, DEBUG_POINT_LINEAR, 0x7c20);
    struct debug_stop s;

    for (uint16_t turn = 1; turn <= 3; turn++) {
        struct x86_state st;

        s = run(f, DEBUG_RUN_CONTINUE, 0);
        assert_int_equal(s.reason, DEBUG_REASON_BREAKPOINT);
        assert_int_equal(s.point, id);
        assert_int_equal(s.linear_rip, 0x7c20);
        vm_get_state(f->vm, &st);
        assert_int_equal(st.gpr[X86_RAX] & 0xffff, turn);
    }
    assert_int_equal(debug_find(f->dbg, id)->hits, 3);
    run(f, DEBUG_RUN_STEP, 1);
    set_rip(f, 0x7c20);
    assert_int_equal(run(f, DEBUG_RUN_CONTINUE, 0).linear_rip, 0x7c20);
    assert_int_equal(debug_find(f->dbg, id)->hits, 4);
    assert_int_equal(debug_remove(f->dbg, id), 0);
    id = add(f, DEBUG_POINT_PHYS, 0x7c25);
    assert_int_equal(run(f, DEBUG_RUN_CONTINUE, 0).linear_rip, 0x7c25);
    debug_find(f->dbg, id)->ignore = 10;
    run(f, DEBUG_RUN_CONTINUE, 0);
    assert_int_equal(debug_find(f->dbg, id)->hits, 12);
}

/* Runs that are made of steps do not pass one. */
static void test_breakpoints_among_steps(void **state)
{
    struct fixture *f = fixture(state);
    struct debug_run range = {
        .kind = DEBUG_RUN_RANGE, .addr = 0x7c20, .end = 0x7c25};
    struct debug_stop s;
    int id;

    run(f, DEBUG_RUN_TO, 0x7c20);
    id = add(f, DEBUG_POINT_LINEAR, 0x7c23);
    s = run(f, DEBUG_RUN_FINISH, 0);
    assert_int_equal(s.reason, DEBUG_REASON_BREAKPOINT);
    assert_int_equal(s.linear_rip, 0x7c23);
    s = run(f, DEBUG_RUN_FINISH, 0);
    assert_int_equal(s.reason, DEBUG_REASON_STEP);
    assert_int_equal(s.linear_rip, 0x7c0f);
    assert_int_equal(debug_find(f->dbg, id)->hits, 1);
    debug_find(f->dbg, id)->disabled = true;
    run(f, DEBUG_RUN_TO, 0x7c20);
    debug_find(f->dbg, id)->disabled = false;
    assert_int_equal(debug_run(f->dbg, &range, &s), 0);
    assert_int_equal(s.reason, DEBUG_REASON_BREAKPOINT);
    assert_int_equal(s.linear_rip, 0x7c23);
    assert_int_equal(debug_run(f->dbg, &range, &s), 0);
    assert_int_equal(s.reason, DEBUG_REASON_STEP);
    assert_int_equal(s.linear_rip, 0x7c25);
}

static bool ax_is_100(void *opaque, struct debug *d, const struct x86_state *st)
{
    (void)opaque, (void)d;
    return (st->gpr[X86_RAX] & 0xffff) == 100;
}

static void test_conditions(void **state)
{
    struct fixture *f = fixture(state);
    int id = add(f, DEBUG_POINT_SEGOFF, 0x7c20);
    struct x86_state st;

    debug_find(f->dbg, id)->condition = ax_is_100;
    run(f, DEBUG_RUN_CONTINUE, 0);
    vm_get_state(f->vm, &st);
    assert_int_equal(st.gpr[X86_RAX] & 0xffff, 100);
    assert_int_equal(debug_find(f->dbg, id)->hits, 1);
}

static void test_watchpoints_and_catches(void **state)
{
    struct fixture *f = fixture(state);
    int watch = add(f, DEBUG_POINT_WATCH, 0x9000);
    struct debug_point port;
    struct debug_stop s = run(f, DEBUG_RUN_CONTINUE, 0);
    char why[80];

    assert_int_equal(s.reason, DEBUG_REASON_WATCHPOINT);
    assert_int_equal(s.point, watch);
    assert_int_equal(s.linear_rip, 0x7c23); /* the write has been done */
    assert_true(s.write);
    debug_point_init(&port, DEBUG_POINT_CATCH, 0x80);
    port.exit = VM_EXIT_PIO;
    port.len = 1;
    assert_true(debug_add(f->dbg, &port, why, sizeof(why)) > 0);
    s = run(f, DEBUG_RUN_CONTINUE, 0);
    assert_int_equal(s.reason, DEBUG_REASON_CATCH);
    assert_int_equal(s.exit.u.pio.port, 0x80);
}

/* `catch` says what it has understood, and is stopped by nothing else. */
static void test_catch_ways(void **state)
{
    static const struct {
        const char *line, *says; /* "": it fails */
    } rows[] = {
        {"catch port", "1: catchpoint, port I/O\n"},
        {"catch port 0x80 in", "2: catchpoint, port I/O 0x80 in\n"},
        {"catch port out", "3: catchpoint, port I/O out\n"},
        {"catch port 0x70..0x7f", "4: catchpoint, port I/O 0x70..0x7f\n"},
        {"catch port 0x80..0x81 out",
         "5: catchpoint, port I/O 0x80..0x81 out\n"},
        {"catch cr 3 write", "6: catchpoint, control register 0x3 write\n"},
        {"catch mmio read", "7: catchpoint, memory-mapped I/O read\n"},
        {"catch port 0x80 write", "catch port: in or out, not write\n"},
        {"catch port 0x81..0x80", "catch: the range 0x81..0x80 is backwards\n"},
        {"catch hlt out",
         "catch: expected cr3 VALUE, cpl N, mode NAME or `if EXPR`, not "
         "out\n"},
    };
    struct fixture *f = fixture(state);
    struct command_ctx ctx;
    struct strbuf out;

    strbuf_init(&out);
    command_ctx_init(&ctx, f->vm, f->dbg);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        strbuf_reset(&out);
        assert_int_equal(command_run(&ctx, rows[i].line, &out), i < 7);
        assert_string_equal(strbuf_str(&out), rows[i].says);
    }
    assert_true(command_run(&ctx, "delete 1", &out));
    assert_true(command_run(&ctx, "delete 3", &out));
    run(f, DEBUG_RUN_CONTINUE, 0);
    assert_int_equal(debug_last_stop(f->dbg)->point, 5);
    assert_true(command_run(&ctx, "delete", &out));
    assert_true(command_run(&ctx, "catch port 0x80 out if al == 7", &out));
    run(f, DEBUG_RUN_CONTINUE, 0);
    strbuf_reset(&out);
    assert_true(command_run(&ctx, "print al", &out));
    assert_string_equal(strbuf_str(&out), "0x7  7\n");
    command_ctx_fini(&ctx);
    strbuf_fini(&out);
}

static void test_commands(void **state)
{
    struct fixture *f = fixture(state);
    struct command_ctx ctx;
    struct strbuf out;

    strbuf_init(&out);
    command_ctx_init(&ctx, f->vm, f->dbg);
    assert_true(command_run(&ctx, "break 0:7c20 if ax == 5", &out));
    assert_true(command_run(&ctx, "c", &out));
    strbuf_reset(&out);
    assert_true(command_run(&ctx, "print ax * 2 + (1 << 4)", &out));
    assert_string_equal(strbuf_str(&out), "0x1a  26\n");
    strbuf_reset(&out);
    assert_false(command_run(&ctx, "print nosuch + 1", &out));
    assert_string_equal(strbuf_str(&out),
                        "print: no register 'nosuch', and there are no "
                        "symbols; `symbols FILE` loads them\n");
    strbuf_reset(&out);
    assert_false(command_run(&ctx, "frobnicate", &out));
    assert_false(command_run(&ctx, "break 0x7c20 cpl 4", &out));
    assert_false(command_run(&ctx, "break 0x7c20 mode odd", &out));
    assert_false(command_run(&ctx, "break 0x7c20 cpl", &out));
    assert_false(command_run(&ctx, "break 0x7c20 maybe 1", &out));
    /* Those that never fit, and one that does. */
    assert_true(command_run(&ctx, "break 0x7c20 cpl 3", &out));
    assert_true(command_run(&ctx, "break 0x7c20 cr3 0x1000", &out));
    assert_true(command_run(&ctx, "break 0x7c20 mode prot32", &out));
    assert_true(
        command_run(&ctx, "break 0x7c20 mode real cpl 0 if ax == 9", &out));
    assert_true(command_run(&ctx, "c", &out));
    assert_int_equal(debug_last_stop(f->dbg)->point, 5);
    assert_true(command_run(&ctx, "set ax 0x1234", &out));
    assert_true(command_run(&ctx, "set 0x9000 0xbeef w", &out));
    strbuf_reset(&out);
    assert_true(command_run(&ctx, "print [0x9000].w ^ ax", &out));
    assert_string_equal(strbuf_str(&out), "0xacdb  44251\n");
    ctx.form = DOC_JSON;
    strbuf_reset(&out);
    assert_true(command_run(&ctx, "points", &out));
    assert_non_null(strstr(strbuf_str(&out), "\"where\":\"0000:7c20\""));
    command_ctx_fini(&ctx);
    strbuf_fini(&out);
}

/* ---- the server --------------------------------------------------------- */

struct watcher {
    struct debug_server *srv;
    atomic_int stops;
};

static void count_stop(void *opaque, const struct debug_stop *stop)
{
    struct watcher *w = opaque;

    (void)stop;
    atomic_fetch_add(&w->stops, 1);
}

static int read_ax(struct debug *d, void *arg)
{
    struct x86_state st;

    vm_get_state(debug_vm(d), &st);
    *(uint64_t *)arg = st.gpr[X86_RAX] & 0xffff;
    return 7;
}

static int add_break(struct debug *d, void *arg)
{
    struct debug_point p;

    (void)arg;
    debug_point_init(&p, DEBUG_POINT_LINEAR, 0x7c23);
    return debug_add(d, &p, NULL, 0);
}

static void wait_for_stop(struct watcher *w, int count)
{
    for (int i = 0; i < 5000 && atomic_load(&w->stops) < count; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&w->stops), count);
}

static void *client_main(void *arg)
{
    struct debug_run go = {.kind = DEBUG_RUN_CONTINUE};
    struct watcher *w = arg;
    uint64_t ax = 99;

    assert_int_equal(debug_server_call(w->srv, read_ax, &ax), 7);
    assert_int_equal(debug_server_resume(w->srv, &go), 0);
    assert_int_equal(debug_server_resume(w->srv, &go), -16 /* EBUSY */);
    assert_int_equal(debug_server_call(w->srv, read_ax, &ax), 7);
    assert_true(debug_server_running(w->srv));
    debug_server_interrupt(w->srv);
    wait_for_stop(w, 1);
    assert_int_equal(debug_server_resume(w->srv, &go), 0);
    assert_true(debug_server_call(w->srv, add_break, NULL) > 0);
    wait_for_stop(w, 2);
    debug_server_quit(w->srv);
    return NULL;
}

/* A server in *SRV as long as CLIENT's thread, with its opaque, wants one. */
static void serve(struct fixture *f, struct debug_server **srv,
                  struct debug_client *client, void *(*start)(void *))
{
    pthread_t thread;

    assert_int_equal(debug_server_create(srv, f->dbg), 0);
    debug_server_attach(*srv, client);
    assert_int_equal(pthread_create(&thread, NULL, start, client->opaque), 0);
    debug_server_loop(*srv);
    pthread_join(thread, NULL);
    debug_server_destroy(*srv);
}

static void test_server(void **state)
{
    struct fixture *f = fixture(state);
    struct watcher w = {0};
    struct debug_client client = {"test", count_stop, NULL, &w, NULL};

    serve(f, &w.srv, &client, client_main);
    assert_int_equal(debug_last_stop(f->dbg)->reason, DEBUG_REASON_BREAKPOINT);
}

/* ---- interrupts at every moment ------------------------------------------ */

static void test_interrupt_before_the_run(void **state)
{
    static const enum debug_run_kind kinds[] = {
        DEBUG_RUN_CONTINUE, DEBUG_RUN_STEP, DEBUG_RUN_OVER,
        DEBUG_RUN_FINISH,   DEBUG_RUN_TO,   DEBUG_RUN_RANGE,
    };
    struct fixture *f = fixture(state);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        uint64_t icount = vm_vcpu(f->vm)->icount;
        struct debug_stop s;

        debug_interrupt(f->dbg);
        s = run(f, kinds[i], 0);
        assert_int_equal(s.reason, DEBUG_REASON_INTERRUPT);
        assert_int_equal(s.icount, icount);
        assert_int_equal(run(f, DEBUG_RUN_STEP, 1).reason, DEBUG_REASON_STEP);
        assert_int_equal(vm_vcpu(f->vm)->icount, icount + 1);
    }
}

/* The end that a catch has put off comes, whoever interrupts before. */
static void test_interrupt_before_the_end(void **state)
{
    struct fixture *f = fixture(state);

    run(f, DEBUG_RUN_STEP, 1);
    vm_forget_stop(f->vm);
    vm_stop(f->vm, VM_STOP_POWEROFF);
    vm_delay_end(f->vm, true);
    vm_stop(f->vm, VM_STOP_DEBUG);
    assert_int_equal(vm_run(f->vm), 0);
    assert_int_equal(vm_stop_reason(f->vm), VM_STOP_DEBUG);
    debug_interrupt(f->dbg);
    assert_int_equal(run(f, DEBUG_RUN_CONTINUE, 0).reason,
                     DEBUG_REASON_INTERRUPT);
    assert_int_equal(run(f, DEBUG_RUN_CONTINUE, 0).reason, DEBUG_REASON_ENDED);
    assert_int_equal(vm_stop_reason(f->vm), VM_STOP_POWEROFF);
}

#define ROUNDS 500

struct impatient {
    struct debug_server *srv;
    atomic_int stops;
    atomic_int reason;
};

static void note_stop(void *opaque, const struct debug_stop *stop)
{
    struct impatient *w = opaque;

    atomic_store(&w->reason, (int)stop->reason);
    debug_server_interrupt(w->srv); /* too late: not for the next run */
    atomic_fetch_add(&w->stops, 1);
}

/* Interrupts again and again until the stop; then a step is just a step. */
static void *impatient_main(void *arg)
{
    static const struct debug_run go = {.kind = DEBUG_RUN_CONTINUE};
    static const struct debug_run step = {.kind = DEBUG_RUN_STEP};
    struct impatient *w = arg;

    for (int round = 0; round < ROUNDS; round++) {
        int stops = atomic_load(&w->stops);

        assert_int_equal(debug_server_resume(w->srv, &go), 0);
        for (volatile int wait = round % 97 * 40; wait > 0; wait--)
            ;
        while (atomic_load(&w->stops) == stops) {
            debug_server_interrupt(w->srv);
            sched_yield();
        }
        assert_int_equal(atomic_load(&w->reason), DEBUG_REASON_INTERRUPT);
        while (debug_server_resume(w->srv, &step) != 0)
            sched_yield();
        while (atomic_load(&w->stops) == stops + 1)
            sched_yield();
        assert_int_equal(atomic_load(&w->reason), DEBUG_REASON_STEP);
        while (debug_server_running(w->srv))
            sched_yield();
    }
    debug_server_quit(w->srv);
    return NULL;
}

static void test_interrupts_and_runs(void **state)
{
    struct fixture *f = fixture(state);
    struct impatient w = {0};
    struct debug_client client = {"impatient", note_stop, NULL, &w, NULL};

    serve(f, &w.srv, &client, impatient_main);
}

/* ---- several clients ----------------------------------------------------- */

struct place {
    const void *owner;
    uint64_t at;
};

/* Of PLACE's owner, the only stop point then. */
static int break_only_at(struct debug *d, void *arg)
{
    const struct place *place = arg;
    struct debug_point p;

    debug_remove_owner(d, place->owner);
    debug_point_init(&p, DEBUG_POINT_LINEAR, place->at);
    p.owner = place->owner;
    return debug_add(d, &p, NULL, 0);
}

static int let_go(struct debug *d, void *owner)
{
    debug_remove_owner(d, owner);
    return 0;
}

static int where(struct debug *d, void *arg)
{
    *(uint64_t *)arg = debug_last_stop(d)->linear_rip;
    return 0;
}

struct three {
    struct debug_server *srv;
    struct watcher w[3];
    struct debug_client c[3]; /* a screen, a gdb, a grader */
};

static void expect_stop(struct three *t, uint64_t at, int screen, int others)
{
    const struct debug_run go = {.kind = DEBUG_RUN_CONTINUE};
    uint64_t rip = 0;

    assert_int_equal(debug_server_resume(t->srv, &go), 0);
    wait_for_stop(&t->w[1], others);
    wait_for_stop(&t->w[2], others);
    wait_for_stop(&t->w[0], screen);
    debug_server_call(t->srv, where, &rip);
    assert_int_equal(rip, at);
}

static void *three_main(void *arg)
{
    struct three *t = arg;
    struct place gdb = {&t->c[1], 0x7c23}, grader = {&t->c[2], 0x7c25};

    assert_true(debug_server_call(t->srv, break_only_at, &gdb) > 0);
    expect_stop(t, 0x7c23, 1, 1); /* gdb's point, and everybody is told */
    assert_true(debug_server_call(t->srv, break_only_at, &grader) > 0);
    expect_stop(t, 0x7c25, 2, 2);
    expect_stop(t, 0x7c23, 3, 3); /* both have theirs */
    debug_server_call(t->srv, let_go, &t->c[1]);
    expect_stop(t, 0x7c25, 4, 4); /* gdb's left with it, the grader's not */
    debug_server_detach(t->srv, &t->c[0]);
    expect_stop(t, 0x7c25, 4, 5);
    debug_server_quit(t->srv);
    return NULL;
}

static void test_three_clients(void **state)
{
    struct fixture *f = fixture(state);
    struct three t = {0};
    pthread_t thread;

    assert_int_equal(debug_server_create(&t.srv, f->dbg), 0);
    for (int i = 0; i < 3; i++) {
        t.c[i] = (struct debug_client){"one", count_stop, NULL, &t.w[i], NULL};
        debug_server_attach(t.srv, &t.c[i]);
    }
    assert_int_equal(pthread_create(&thread, NULL, three_main, &t), 0);
    debug_server_loop(t.srv);
    pthread_join(thread, NULL);
    debug_server_destroy(t.srv);
}

/* Programs wait by reading ports: an access takes as long as on a bus. */
static void test_port_access_takes_time(void **state)
{
    struct fixture *f = fixture(state);
    uint64_t before;

    run(f, DEBUG_RUN_TO, 0x7c23);
    before = vm_now_ns(f->vm);
    assert_int_equal(run(f, DEBUG_RUN_STEP, 1).linear_rip, 0x7c25);
    assert_int_equal(vm_now_ns(f->vm) - before, 1001);
    before = vm_now_ns(f->vm);
    run(f, DEBUG_RUN_STEP, 1);
    assert_int_equal(vm_now_ns(f->vm) - before, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_steps),
        T(test_breakpoints_stop_before),
        T(test_conditions),
        T(test_watchpoints_and_catches),
        T(test_catch_ways),
        T(test_commands),
        T(test_port_access_takes_time),
        T(test_server),
        T(test_three_clients),
        T(test_interrupt_before_the_run),
        T(test_interrupt_before_the_end),
        T(test_interrupts_and_runs),
        T(test_breakpoints_among_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
