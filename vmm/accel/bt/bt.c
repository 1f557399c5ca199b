/* The translator. */
#include <errno.h>
#include <stdio.h>

#include "vmm/accel/accel.h"

static int bt_probe(char *why, size_t len)
{
    if (why)
        snprintf(why, len, "bt is not built in yet; use --accel kvm");
    return -ENOSYS;
}

const struct accel_ops accel_bt = {
    .name = "bt",
    .summary = "binary translation with ring compression",
    .probe = bt_probe,
};
