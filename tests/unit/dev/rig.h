/*
 * What the device tests stand on: a bus, a clock that moves when told, output
 * pins that remember what happened to them, and save/restore of one device.
 */
#ifndef TESTS_UNIT_DEV_RIG_H
#define TESTS_UNIT_DEV_RIG_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "vmm/dev/device.h"

#define RIG_PINS 16u

struct rig_pin {
    bool level;
    unsigned rises, falls;
    uint64_t rose_at, fell_at; /* ns */
};

struct rig {
    struct bus bus;
    struct clock clock;
    uint64_t now; /* ns */
    struct device_env env;
    struct rig_pin pin[RIG_PINS];
};

static inline uint64_t rig_source(void *opaque)
{
    const struct rig *r = opaque;

    return r->now;
}

static inline void rig_init(struct rig *r)
{
    *r = (struct rig){0};
    bus_init(&r->bus);
    clock_init(&r->clock, rig_source, r);
    r->env = (struct device_env){.bus = &r->bus, .clock = &r->clock};
}

static inline void rig_set_pin(void *opaque, unsigned n, bool level)
{
    struct rig *r = opaque;
    struct rig_pin *p = &r->pin[n];

    assert_true(n < RIG_PINS);
    if (level && !p->level) {
        p->rises++;
        p->rose_at = r->now;
    }
    if (!level && p->level) {
        p->falls++;
        p->fell_at = r->now;
    }
    p->level = level;
}

static inline struct irq_line rig_pin(struct rig *r, unsigned n)
{
    return (struct irq_line){rig_set_pin, r, n};
}

static inline struct device *rig_device(struct rig *r,
                                        const struct device_class *class,
                                        const struct device_cfg *cfg)
{
    struct device *dev;

    assert_int_equal(device_create(&dev, class, &r->env, cfg), 0);
    return dev;
}

/* Goes to NS, stopping at every deadline on the way. */
static inline void rig_run_to(struct rig *r, uint64_t ns)
{
    while (clock_next(&r->clock) <= ns) {
        if (clock_next(&r->clock) > r->now)
            r->now = clock_next(&r->clock);
        clock_run(&r->clock);
    }
    r->now = ns;
}

static inline void rig_run(struct rig *r, uint64_t ns)
{
    rig_run_to(r, r->now + ns);
}

static inline void outb(struct rig *r, unsigned port, unsigned value)
{
    bus_write(&r->bus, IO_PORT, port, 1, value);
}

static inline unsigned inb(struct rig *r, unsigned port)
{
    return (unsigned)bus_read(&r->bus, IO_PORT, port, 1);
}

/* Saves A and restores it into B, another instance of its class. */
static inline void rig_copy_device(struct device *a, struct device *b)
{
    struct snap save, load;

    snap_init_save(&save);
    a->class->snap(a, &save);
    assert_int_equal(save.err, 0);
    snap_init_restore(&load, save.buf, save.len);
    b->class->snap(b, &load);
    assert_int_equal(load.err, 0);
    assert_int_equal(load.pos, load.len);
    snap_fini(&load);
    snap_fini(&save);
}

/* The dump says something, and the same after save and restore. */
static inline void rig_check_dump(struct device *a, struct device *b)
{
    struct strbuf sa, sb;

    strbuf_init(&sa);
    strbuf_init(&sb);
    a->class->dump(a, &sa);
    b->class->dump(b, &sb);
    assert_true(sa.len > 0 && sa.text[sa.len - 1] == '\n');
    assert_string_equal(strbuf_str(&sa), strbuf_str(&sb));
    strbuf_fini(&sa);
    strbuf_fini(&sb);
}
#endif
