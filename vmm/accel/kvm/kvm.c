/* The KVM accelerator. */
#include <errno.h>
#include <stdio.h>

#include "vmm/accel/accel.h"

static int kvm_probe(char *why, size_t len)
{
    if (why)
        snprintf(why, len, "kvm is not built in yet; use --accel bt");
    return -ENOSYS;
}

const struct accel_ops accel_kvm = {
    .name = "kvm",
    .summary = "hardware virtualisation by the host's kernel",
    .probe = kvm_probe,
};
