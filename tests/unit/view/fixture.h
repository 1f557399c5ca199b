/* A machine of 2 MiB under bt, its debugger, and a command line for both. */
#ifndef TESTS_UNIT_VIEW_FIXTURE_H
#define TESTS_UNIT_VIEW_FIXTURE_H
#include "vmm/accel/host_signal.h"
#include "vmm/view/command.h"

struct fixture {
    struct vm *vm;
    struct debug *dbg;
    struct chardev *com1; /* borrowed; NULL: nothing is connected */
    struct command_ctx ctx;
    struct x86_state st;
    struct strbuf out;
};

static inline void fixture_open(struct fixture *f, struct chardev *com1)
{
    struct vm_config cfg;

    vm_config_init(&cfg);
    cfg.accel = "bt";
    cfg.mem_bytes = 2 << 20;
    cfg.serial[0] = "null";
    cfg.chardev[0] = f->com1 = com1;
    assert_int_equal(vm_create(&f->vm, &cfg), 0);
    assert_int_equal(debug_create(&f->dbg, f->vm), 0);
    command_ctx_init(&f->ctx, f->vm, f->dbg);
    strbuf_init(&f->out);
}

static inline void fixture_close(struct fixture *f)
{
    strbuf_fini(&f->out);
    command_ctx_fini(&f->ctx);
    debug_destroy(f->dbg);
    vm_destroy(f->vm);
}
#endif
