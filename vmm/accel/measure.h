/*
 * How fast an accelerator is here, and which one `--accel auto` takes.
 */
#ifndef VMM_ACCEL_MEASURE_H
#define VMM_ACCEL_MEASURE_H
#include "vmm/accel/accel.h"
#include "vmm/accel/kvm/kvm.h"

struct accel_speed {
    double insns_per_s; /* in a loop of three instructions; 0: does not run */
    double exit_ns;     /* one OUT, there and back */
};

/* Runs tiny flat 32-bit guests for about 40 ms.  0 or -errno. */
int accel_measure(const struct accel_ops *ops, struct accel_speed *out);

struct accel_choice {
    const struct accel_ops *ops;
    struct kvm_survey kvm;
    struct accel_speed bt; /* zeros unless measured */
    char why[200];         /* one sentence */
};

/*
 * Takes whichever accelerator is faster among those that run every guest.
 * MEASURE_ALL: also what the choice does not depend on.
 */
void accel_choose(struct accel_choice *out, bool measure_all);
#endif
