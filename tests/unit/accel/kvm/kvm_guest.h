/*
 * A guest of a few bytes on the KVM accelerator, without a board: 1 MiB of RAM
 * at 0, exits collected by the test itself.
 */
#ifndef TESTS_UNIT_ACCEL_KVM_KVM_GUEST_H
#define TESTS_UNIT_ACCEL_KVM_KVM_GUEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "vmm/accel/kvm/kvm.h"

#define GUEST_RAM  0x100000u
#define GUEST_CODE 0x1000u

struct guest {
    struct vcpu vcpu;
    struct mem mem;
    struct x86_state st;
    int irq; /* vector on the INTR pin, or -1 */
    /* Nested exits, by kind. */
    unsigned nested[VM_EXIT_COUNT];
    struct vm_exit last_nested;
};

static inline bool guest_pending(void *opaque)
{
    const struct guest *g = opaque;

    return g->irq >= 0;
}

static inline int guest_ack(void *opaque)
{
    struct guest *g = opaque;
    int vector = g->irq;

    g->irq = -1;
    return vector;
}

static inline enum run_next guest_on_exit(struct vcpu *vcpu, struct vm_exit *e)
{
    struct guest *g = vcpu->owner;

    g->nested[e->kind]++;
    g->last_nested = *e;
    if (e->kind == VM_EXIT_RDMSR || e->kind == VM_EXIT_WRMSR)
        e->u.msr.fault = true;
    return RUN_AGAIN;
}

static inline uint64_t host_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Skips the test, with the reason, where there is no KVM. */
static inline void guest_init_options(struct guest *g,
                                      struct accel_options options)
{
    char why[160];

    if (accel_kvm.probe(why, sizeof(why)) < 0) {
        printf("skipped: %s\n", why);
        skip();
    }
    memset(g, 0, sizeof(*g));
    g->irq = -1;
    assert_int_equal(mem_init(&g->mem, GUEST_RAM), 0);
    mem_add_slot(&g->mem, "ram", 0, GUEST_RAM, 0, false);
    g->vcpu = (struct vcpu){
        .ops = &accel_kvm,
        .mem = &g->mem,
        .intc = {g, guest_pending, guest_ack},
        .on_exit = guest_on_exit,
        .owner = g,
        .a20 = true,
        .deadline_ns = UINT64_MAX,
        .options = options,
    };
    assert_int_equal(accel_kvm.init(&g->vcpu), 0);
}

static inline void guest_init(struct guest *g)
{
    guest_init_options(g, (struct accel_options){.irqchip_kernel = false});
}

static inline void guest_fini(struct guest *g)
{
    accel_kvm.fini(&g->vcpu);
    mem_fini(&g->mem);
}

/* Code for real mode at 0:GUEST_CODE, stack below it. */
static inline void guest_real(struct guest *g, const void *code, size_t len)
{
    assert_true(mem_write(&g->mem, GUEST_CODE, code, len));
    x86_state_reset(&g->st);
    g->st.seg[X86_CS].selector = 0;
    g->st.seg[X86_CS].base = 0;
    g->st.rip = GUEST_CODE;
    g->st.gpr[X86_RSP] = GUEST_CODE;
    assert_int_equal(accel_kvm.set_state(&g->vcpu, &g->st), 0);
}

static inline struct vm_exit guest_run(struct guest *g)
{
    struct vm_exit e;

    assert_int_equal(accel_kvm.run(&g->vcpu, &e), 0);
    if (e.kind == VM_EXIT_FAIL)
        printf("failed: %s\n", e.u.fail.text);
    return e;
}

static inline void guest_get(struct guest *g)
{
    assert_int_equal(accel_kvm.get_state(&g->vcpu, &g->st), 0);
}

#define CODE(g, ...)                                                           \
    do {                                                                       \
        static const uint8_t bytes_[] = {__VA_ARGS__};                         \
        guest_real((g), bytes_, sizeof(bytes_));                               \
    } while (0)
#endif
