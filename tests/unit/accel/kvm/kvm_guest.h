/*
 * A guest of a few bytes on the KVM accelerator, without a board: 1 MiB of RAM
 * at 0, exits collected by the test itself.
 */
#ifndef TESTS_UNIT_ACCEL_KVM_KVM_GUEST_H
#define TESTS_UNIT_ACCEL_KVM_KVM_GUEST_H
#include <errno.h>
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
    int irq;     /* vector on the INTR pin, or -1 */
    uint8_t tpr; /* of a local APIC that does nothing else */
    /* Nested exits, by kind. */
    unsigned nested[VM_EXIT_COUNT];
    struct vm_exit last_nested;
    uint8_t pio_in, mmio_in; /* what nested exits read, each byte */
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

static inline unsigned guest_get_cr8(void *opaque)
{
    const struct guest *g = opaque;

    return g->tpr >> 4;
}

static inline void guest_set_cr8(void *opaque, unsigned cr8)
{
    struct guest *g = opaque;

    g->tpr = (uint8_t)(cr8 << 4);
}

static inline enum run_next guest_on_exit(struct vcpu *vcpu, struct vm_exit *e)
{
    struct guest *g = vcpu->owner;

    g->nested[e->kind]++;
    g->last_nested = *e;
    if (e->kind == VM_EXIT_PIO && !e->u.pio.out)
        memset(e->u.pio.data, g->pio_in, e->u.pio.size);
    if (e->kind == VM_EXIT_MMIO && !e->u.mmio.write)
        memset(e->u.mmio.data, g->mmio_in, e->u.mmio.size);
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
        .apic = {.opaque = g,
                 .get_cr8 = guest_get_cr8,
                 .set_cr8 = guest_set_cr8},
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

/* ---- modes other than real: tables at fixed places --------------------- */

#define GUEST_GDT     0x2000u
#define GUEST_IDT     0x3000u
#define GUEST_CR3     0x4000u  /* page directory, PDPT or PML4 */
#define GUEST_HANDLER 0x10000u /* of every vector; HLT unless overwritten */
#define GUEST_STACK   0x9000u

enum guest_mode {
    GUEST_REAL,
    GUEST_PROT16,
    GUEST_PROT32,
    GUEST_PAGED32,
    GUEST_PAE,
    GUEST_LONG64,
    GUEST_MODES
};

static inline void guest_poke(struct guest *g, uint64_t gpa, const void *bytes,
                              size_t len)
{
    assert_true(mem_write(&g->mem, gpa, bytes, len));
}

static inline void guest_put64(struct guest *g, uint64_t gpa, uint64_t v)
{
    guest_poke(g, gpa, &v, sizeof(v));
}

static inline void guest_put32(struct guest *g, uint64_t gpa, uint32_t v)
{
    guest_poke(g, gpa, &v, sizeof(v));
}

/* Identity maps of 2 or 4 MiB at GUEST_CR3. */
static inline void guest_paging(struct guest *g, enum guest_mode mode)
{
    g->st.cr3 = GUEST_CR3;
    g->st.cr0 |= X86_CR0_PG;
    if (mode == GUEST_PAGED32) {
        g->st.cr4 |= X86_CR4_PSE;
        guest_put32(g, GUEST_CR3, 0x83);
        return;
    }
    g->st.cr4 |= X86_CR4_PAE;
    if (mode == GUEST_PAE) {
        for (unsigned i = 0; i < 4; i++) {
            g->st.pdpte[i] = 0x5001;
            guest_put64(g, GUEST_CR3 + 8 * i, g->st.pdpte[i]);
        }
        guest_put64(g, 0x5000, 0x83);
        return;
    }
    g->st.efer = X86_EFER_LME | X86_EFER_LMA;
    guest_put64(g, GUEST_CR3, 0x5003);
    guest_put64(g, 0x5000, 0x6003);
    guest_put64(g, 0x6000, 0x83);
}

/* All vectors lead to GUEST_HANDLER, where there is a HLT. */
static inline void guest_idt(struct guest *g, enum guest_mode mode)
{
    bool wide = mode == GUEST_LONG64;
    unsigned size = wide ? 16 : 8;

    for (unsigned v = 0; v < 256; v++) {
        uint64_t gate = ((uint64_t)(GUEST_HANDLER >> 16) << 48) | (8u << 16) |
                        (GUEST_HANDLER & 0xffffu) | (0x8eull << 40);

        guest_put64(g, GUEST_IDT + size * v, gate);
        if (wide)
            guest_put64(g, GUEST_IDT + size * v + 8, 0);
    }
    guest_poke(g, GUEST_HANDLER, "\xf4", 1);
    g->st.idt = (struct x86_table){GUEST_IDT, (uint16_t)(size * 256 - 1)};
}

/* Flat segments; code is read at GUEST_CODE in every mode. */
static inline void guest_enter(struct guest *g, enum guest_mode mode,
                               const void *code, size_t len)
{
    static const uint16_t code_attr[] = {
        [GUEST_PROT16] = 0x9b,    [GUEST_PROT32] = 0xc09b,
        [GUEST_PAGED32] = 0xc09b, [GUEST_PAE] = 0xc09b,
        [GUEST_LONG64] = 0xa09b,
    };
    uint16_t attr = code_attr[mode];
    uint64_t desc = ((uint64_t)(attr & 0xf0ff) << 40) | 0x000f00000000ffffull;

    guest_real(g, code, len);
    if (mode == GUEST_REAL)
        return;
    guest_put64(g, GUEST_GDT, 0);
    guest_put64(g, GUEST_GDT + 8, desc);
    guest_put64(g, GUEST_GDT + 16, 0x00cf93000000ffffull);
    g->st.gdt = (struct x86_table){GUEST_GDT, 0x2f};
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        g->st.seg[i] = (struct x86_seg){
            .selector = 16, .limit = UINT32_MAX, .attr = 0xc093};
    g->st.seg[X86_CS] =
        (struct x86_seg){.selector = 8,
                         .limit = attr & X86_SEG_G ? UINT32_MAX : 0xfffff,
                         .attr = attr};
    g->st.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
    g->st.gpr[X86_RSP] = GUEST_STACK;
    guest_idt(g, mode);
    if (mode >= GUEST_PAGED32)
        guest_paging(g, mode);
    assert_int_equal(accel_kvm.set_state(&g->vcpu, &g->st), 0);
}

/* Skips the rest of the test where KVM is only partly there. */
static inline void guest_need(struct guest *g, bool has, const char *what)
{
    if (has)
        return;
    printf("skipped: this KVM cannot do %s\n", what);
    if (g)
        g->vcpu.ops->fini(&g->vcpu), mem_fini(&g->mem);
    skip();
}

static inline void guest_need_complete(void)
{
    struct kvm_survey s;

    if (kvm_survey(&s) == 0 && s.complete)
        return;
    printf("skipped: %s\n", s.why);
    skip();
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
