/*
 * Exits: counted, timed, shown to observers, and handled by one table.
 *
 * Both ways an exit can come (accel.h) end in vm_dispatch_exit().
 */
#include <stdio.h>
#include <string.h>

#include "vmm/base/log.h"
#include "vmm/vm_impl.h"
#include "vmm/x86/cpuid.h"

typedef enum run_next exit_handler(struct vm *vm, struct vm_exit *e);

/*
 * What one access takes in virtual time: a byte-wide chip about a cycle of the
 * ISA bus, which programs that wait by reading a port count on; a wider one is
 * a disk's data (PIO mode 4) or the chip set's.
 */
#define BYTE_PORT_NS 1000u
#define WIDE_PORT_NS 120u

static enum run_next on_pio(struct vm *vm, struct vm_exit *e)
{
    uint8_t *data = e->u.pio.data;
    unsigned size = e->u.pio.size;

    for (uint32_t i = 0; i < e->u.pio.count; i++, data += size) {
        uint64_t value = 0;

        if (e->u.pio.out) {
            memcpy(&value, data, size);
            bus_write(&vm->machine->bus, IO_PORT, e->u.pio.port, size, value);
        } else {
            value = bus_read(&vm->machine->bus, IO_PORT, e->u.pio.port, size);
            memcpy(data, &value, size);
        }
        vm->vcpu.idle_ns += size == 1 ? BYTE_PORT_NS : WIDE_PORT_NS;
    }
    return RUN_AGAIN;
}

static enum run_next on_mmio(struct vm *vm, struct vm_exit *e)
{
    uint64_t value = 0;
    unsigned size = e->u.mmio.size;

    if (e->u.mmio.write) {
        memcpy(&value, e->u.mmio.data, size);
        bus_write(&vm->machine->bus, IO_MEM, e->u.mmio.gpa, size, value);
    } else {
        value = bus_read(&vm->machine->bus, IO_MEM, e->u.mmio.gpa, size);
        memcpy(e->u.mmio.data, &value, size);
    }
    return RUN_AGAIN;
}

static enum run_next on_hlt(struct vm *vm, struct vm_exit *e)
{
    vm->halted = true;
    vm->halted_if = e->u.hlt.if_set;
    if (!vm->debug.step)
        return RUN_AGAIN;
    vm_set_stop(vm, VM_STOP_DEBUG, "stepped HLT");
    return RUN_STOP;
}

static enum run_next on_triple_fault(struct vm *vm, struct vm_exit *e)
{
    snprintf(vm->triple_fault, sizeof(vm->triple_fault),
             "triple fault at rip %#llx", (unsigned long long)e->rip);
    if (vm->cfg.no_reboot || vm->refused_64)
        vm_set_stop(vm, VM_STOP_TRIPLE_FAULT,
                    "%s; `ringside debug` shows the chain of causes",
                    vm->triple_fault);
    else
        vm->reset_by = vm->triple_fault;
    return RUN_STOP;
}

static enum run_next on_debug(struct vm *vm, struct vm_exit *e)
{
    uint64_t limit = vm->cfg.max_insns;

    if (e->u.debug.hits == DEBUG_HIT_COUNT && limit && vm->vcpu.icount >= limit)
        return RUN_AGAIN; /* the run loop stops for --max-insns itself */
    vm_set_stop(vm, VM_STOP_DEBUG, "debug stop at rip %#llx",
                (unsigned long long)e->rip);
    return RUN_STOP;
}

static enum run_next on_fail(struct vm *vm, struct vm_exit *e)
{
    vm_set_stop(vm, VM_STOP_FAILED, "%s (code %d) at rip %#llx",
                e->u.fail.text ? e->u.fail.text : "accelerator failure",
                e->u.fail.code, (unsigned long long)e->rip);
    log_error("%s", vm->stop_text);
    return RUN_STOP;
}

/* An MSR that the accelerator does not know reaches us only to be refused. */
static enum run_next on_msr(struct vm *vm, struct vm_exit *e)
{
    if (e->kind == VM_EXIT_WRMSR && e->u.msr.index == X86_MSR_EFER &&
        e->u.msr.fault && (e->u.msr.value & X86_EFER_LME) && !vm->refused_64) {
        log_warn("the guest needs 64-bit mode (it sets EFER.LME at rip %#llx), "
                 "which %s does not have; use --accel kvm, or a 32-bit build "
                 "of the guest",
                 (unsigned long long)e->rip, vm->vcpu.ops->name);
        vm->refused_64 = true;
    }
    log_debug("MSR %#x at rip %#llx", e->u.msr.index,
              (unsigned long long)e->rip);
    return RUN_AGAIN;
}

/* What a 64-bit kernel asks first of all; others do for other features. */
static enum run_next on_cpuid(struct vm *vm, struct vm_exit *e)
{
    if (e->u.cpuid.leaf == X86_CPUID_EXTENDED) {
        vm->asked_64 = true;
        vm->asked_64_at = vm->vcpu.icount;
    }
    return RUN_AGAIN;
}

/* Kinds without a row are reports: counted, and the guest goes on. */
static exit_handler *const handlers[VM_EXIT_COUNT] = {
    [VM_EXIT_PIO] = on_pio,     [VM_EXIT_MMIO] = on_mmio,
    [VM_EXIT_HLT] = on_hlt,     [VM_EXIT_TRIPLE_FAULT] = on_triple_fault,
    [VM_EXIT_DEBUG] = on_debug, [VM_EXIT_FAIL] = on_fail,
    [VM_EXIT_RDMSR] = on_msr,   [VM_EXIT_WRMSR] = on_msr,
    [VM_EXIT_CPUID] = on_cpuid,
};

static enum run_next tell_observers(struct vm *vm, const struct vm_exit *e,
                                    uint64_t ns)
{
    enum run_next next = RUN_AGAIN;

    for (struct vm_observer *o = vm->observers; o; o = o->next)
        if (o->on_exit(o->opaque, e, ns) == RUN_STOP) {
            vm_set_stop(vm, VM_STOP_DEBUG, "stopped at exit: %s",
                        vm_exit_name(e->kind));
            next = RUN_STOP;
        }
    return next;
}

enum run_next vm_dispatch_exit(struct vcpu *vcpu, struct vm_exit *e)
{
    struct vm *vm = vcpu->owner;
    uint64_t start = e->start_ns ? e->start_ns : host_now_ns();
    enum run_next next = RUN_AGAIN;
    uint64_t ns;

    assert(e->kind < VM_EXIT_COUNT);
    if (handlers[e->kind])
        next = handlers[e->kind](vm, e);
    ns = vm->cfg.exit_ns ? vm->cfg.exit_ns : host_now_ns() - start;
    exit_stats_add(&vm->stats, e, ns);
    exit_pages_add(&vm->pages, e, ns);
    if (tell_observers(vm, e, ns) == RUN_STOP)
        next = RUN_STOP;
    if (next == RUN_STOP)
        vm->last_exit = *e;
    if (vm->reset_by || atomic_load(&vm->stop) != VM_STOP_NONE)
        next = RUN_STOP;
    /* A device may have armed a timer: bt goes on without leaving run(). */
    if (e->kind == VM_EXIT_PIO || e->kind == VM_EXIT_MMIO)
        vcpu->deadline_ns = clock_next(&vm->machine->clock);
    return next;
}
