#include "vmm/accel/accel.h"

#include <string.h>

static const struct {
    const char *id, *name;
    int reason;
    const char *class;
} rows[] = {
/* The classes of vm_exit.def, for people. */
#define FAULT       "fault"
#define INTERRUPT   "interrupt for the monitor"
#define PROTECT     "protecting the hardware"
#define SUBSTITUTE  "substituted value"
#define VIRTUALISED "virtualised resource"
#define TIMESLICE   "time slice"
#define IDLE        "idle guest"
#define EXIT(id, name, reason, class)                                          \
    [VM_EXIT_##id] = {#id, name, reason, class},
#include "vmm/vm_exit.def"
#undef EXIT
};

const char *vm_exit_name(enum vm_exit_kind kind)
{
    assert(kind < VM_EXIT_COUNT);
    return rows[kind].name;
}

const char *vm_exit_id(enum vm_exit_kind kind)
{
    assert(kind < VM_EXIT_COUNT);
    return rows[kind].id;
}

const char *vm_exit_class(enum vm_exit_kind kind)
{
    assert(kind < VM_EXIT_COUNT);
    return rows[kind].class;
}

int vm_exit_reason(enum vm_exit_kind kind)
{
    assert(kind < VM_EXIT_COUNT);
    return rows[kind].reason;
}

const struct accel_ops *accel_find(const char *name)
{
    static const struct accel_ops *const all[] = {&accel_kvm, &accel_bt};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}