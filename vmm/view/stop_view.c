#include "vmm/view/stop_view.h"

#include <stdio.h>

#include "vmm/machine/machine.h"
#include "vmm/view/fault.h"

static void for_port(struct vm *vm, uint16_t port, struct stop_view *v)
{
    const struct bus_range *r = bus_find(&vm_machine(vm)->bus, IO_PORT, port);

    v->view = r ? "devices" : "exits";
    if (r)
        snprintf(v->arg, sizeof(v->arg), "%s", r->name);
    else
        snprintf(v->arg, sizeof(v->arg), "PIO %#x", port);
}

static void for_exit(struct vm *vm, const struct vm_exit *e,
                     struct stop_view *v)
{
    if (e->kind == VM_EXIT_PIO) {
        for_port(vm, e->u.pio.port, v);
        return;
    }
    v->view = "exits";
    snprintf(v->arg, sizeof(v->arg), "%s", vm_exit_id(e->kind));
}

struct stop_view stop_view(struct vm *vm, const struct x86_state *st,
                           const struct debug_stop *stop)
{
    struct fault_cause fault;
    struct stop_view v = {0};

    if (stop->reason == DEBUG_REASON_TRIPLE_FAULT ||
        stop->reason == DEBUG_REASON_CHECK) {
        v.view = "why";
    } else if (fault_at_stop(vm, st, stop, &fault)) {
        v.view = fault.vector == X86_PF ? "walk" : "why";
        if (fault.vector == X86_PF)
            snprintf(v.arg, sizeof(v.arg), "%#llx",
                     (unsigned long long)fault.cr2);
    } else if (stop->reason == DEBUG_REASON_CATCH) {
        for_exit(vm, &stop->exit, &v);
    } else if (stop->reason == DEBUG_REASON_WATCHPOINT) {
        v.view = "memory";
        snprintf(v.arg, sizeof(v.arg), "%#llx", (unsigned long long)stop->gla);
    }
    return v;
}
