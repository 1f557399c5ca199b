/*
 * What a device model is to the rest of the monitor.
 *
 * One file per chip, named by the chip; its header declares one
 * `const struct device_class` and, where the board needs them, its inputs.
 * A device knows the bus, the clock and its pins, and nothing of vCPUs or
 * accelerators.  State lives in dev->state (zeroed, class->state_size bytes);
 * there is no file-static mutable state, so two machines fit in one process.
 */
#ifndef VMM_DEV_DEVICE_H
#define VMM_DEV_DEVICE_H
#include "vmm/base/snap.h"
#include "vmm/base/strbuf.h"
#include "vmm/dev/blockdev.h"
#include "vmm/dev/bus.h"
#include "vmm/dev/chardev.h"
#include "vmm/dev/clock.h"
#include "vmm/dev/irq.h"
#include "vmm/mem/mem.h"

struct device;

/* What every device may use; owned by the machine. */
struct device_env {
    struct bus *bus;
    struct clock *clock;
    struct mem *mem;
};

/* How one instance is wired; a row of the board's table. */
struct device_cfg {
    const char *name;        /* "com1"; outlives the device */
    uint64_t base;           /* first port, or first gpa */
    struct irq_line irq[4];  /* output pins; meaning in the chip's header */
    struct chardev *chr;     /* borrowed; NULL: none */
    struct blockdev *blk[2]; /* borrowed; NULL: no disk */
    uint64_t arg;            /* chip specific, see its header */
};

struct device_class {
    const char *name;    /* "i8254" */
    const char *summary; /* one line, for `info devices` and the notes */
    size_t state_size;
    /* Maps its ranges, keeps what it needs of CFG.  0 or -errno. */
    int (*init)(struct device *dev, const struct device_cfg *cfg);
    void (*fini)(struct device *dev);  /* may be NULL */
    void (*reset)(struct device *dev); /* to the state after RESET */
    void (*dump)(const struct device *dev, struct strbuf *out);
    void (*snap)(struct device *dev, struct snap *s); /* saves or restores */
};

struct device {
    const struct device_class *class;
    const char *name;
    struct device_env env;
    void *state;
};

/* Allocates, inits and resets.  0 or -errno; free with device_destroy(). */
int device_create(struct device **out, const struct device_class *class,
                  const struct device_env *env, const struct device_cfg *cfg);
void device_destroy(struct device *dev);
#endif
