/*
 * The one-instruction executor against the host.
 *
 *     diff_emu RUNNER [COUNT [SEED [FIRST]]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/diff/diff.h"
#include "vmm/accel/emu/emu.h"

struct rig {
    struct diff_machine machine;
    struct vcpu vcpu;
    struct emu emu;
};

static enum run_next on_exit_ignore(struct vcpu *vcpu, struct vm_exit *e)
{
    (void)vcpu, (void)e;
    return RUN_AGAIN;
}

static bool run(void *opaque, struct diff_machine *m, uint32_t stop,
                struct diff_end *end)
{
    struct emu *emu = opaque;

    emu_state_changed(emu);
    for (unsigned i = 0; i < 10000; i++) {
        if (m->st.rip == stop)
            return true;
        switch (emu_execute(emu)) {
        case EMU_DONE:
            break;
        case EMU_FAULT:
            end->vector = emu->fault.vector;
            end->error = emu->fault.error;
            end->cr2 = (uint32_t)emu->fault_cr2;
            return true;
        default:
            printf("not supported: %02x %02x %02x at %#llx\n", emu->bytes[0],
                   emu->bytes[1], emu->bytes[2], (unsigned long long)m->st.rip);
            return false;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct diff_executor ex = {"emu", &rig->emu, run};
    struct diff_options opt = diff_options_of(argc, argv);
    int status;

    if (!rig || diff_machine_init(&rig->machine) < 0)
        return 2;
    rig->vcpu = (struct vcpu){
        .mem = &rig->machine.mem, .a20 = true, .on_exit = on_exit_ignore};
    if (emu_init(&rig->emu, &rig->vcpu, &rig->machine.st, NULL) < 0)
        return 2;
    status = diff_run(&opt, &rig->machine, &ex);
    emu_fini(&rig->emu);
    diff_machine_fini(&rig->machine);
    free(rig);
    return status;
}
