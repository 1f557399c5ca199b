/*
 * The translator against the host.
 *
 *     diff_bt RUNNER [COUNT [SEED [FIRST]]]
 *
 * Behind a sequence lies a HLT, which is #GP at CPL 3: so every run ends by an
 * exception, in the handler's HLT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/diff/diff.h"
#include "vmm/accel/accel.h"

struct rig {
    struct diff_machine machine;
    struct vcpu vcpu;
    struct x86_state st;
    struct vm_exit exception; /* the last one */
};

static enum run_next on_exit_note(struct vcpu *vcpu, struct vm_exit *e)
{
    struct rig *rig = vcpu->owner;

    if (e->kind == VM_EXIT_EXCEPTION)
        rig->exception = *e;
    return e->kind == VM_EXIT_TRIPLE_FAULT ? RUN_STOP : RUN_AGAIN;
}

/* The machine's memory was filled behind the accelerator's back. */
static void say_written(struct diff_machine *m)
{
    if (m->mem.on_write)
        m->mem.on_write(m->mem.on_write_opaque, 0, m->mem.size);
}

static bool run(void *opaque, struct diff_machine *m, uint32_t stop,
                struct diff_end *end)
{
    struct rig *rig = opaque;
    struct vcpu *vcpu = &rig->vcpu;
    struct vm_exit why = {.kind = VM_EXIT_PREEMPT};

    say_written(m);
    rig->exception.kind = VM_EXIT_COUNT;
    vcpu->stop_requested = false;
    if (vcpu->ops->set_state(vcpu, &m->st) < 0)
        return false;
    for (unsigned i = 0; i < 100 && why.kind != VM_EXIT_HLT; i++)
        if (vcpu->ops->run(vcpu, &why) < 0 || vcpu->stop_requested)
            return false;
    vcpu->ops->get_state(vcpu, &m->st);
    if (why.kind != VM_EXIT_HLT || rig->exception.kind != VM_EXIT_EXCEPTION ||
        !diff_machine_frame(m, &m->st, rig->exception.u.exception.has_error))
        return false;
    if (m->st.rip == stop)
        return true;
    end->vector = rig->exception.u.exception.vector;
    end->error = rig->exception.u.exception.error;
    end->cr2 = (uint32_t)rig->exception.u.exception.cr2;
    return true;
}

int main(int argc, char **argv)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct diff_executor ex = {"bt", rig, run};
    struct diff_options opt = diff_options_of(argc, argv);
    int status;

    if (!rig || diff_machine_init(&rig->machine) < 0)
        return 2;
    rig->vcpu = (struct vcpu){
        .ops = &accel_bt,
        .mem = &rig->machine.mem,
        .a20 = true,
        .on_exit = on_exit_note,
        .owner = rig,
        .deadline_ns = UINT64_MAX,
        .options = {.check_blocks = true},
    };
    if (rig->vcpu.ops->init(&rig->vcpu) < 0)
        return 2;
    status = diff_run(&opt, &rig->machine, &ex);
    if (getenv("DIFF_STATS")) {
        struct strbuf sb = {0};

        rig->vcpu.ops->dump(&rig->vcpu, &sb);
        puts(strbuf_str(&sb));
        strbuf_fini(&sb);
    }
    rig->vcpu.ops->fini(&rig->vcpu);
    diff_machine_fini(&rig->machine);
    free(rig);
    return status;
}
