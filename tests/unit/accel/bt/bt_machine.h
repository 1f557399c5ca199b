/*
 * A bare machine for the translator's tests: RAM, one vCPU, no devices.  The
 * state is 32-bit protected mode with flat segments, no paging, CPL 0.
 */
#ifndef TESTS_UNIT_ACCEL_BT_BT_MACHINE_H
#define TESTS_UNIT_ACCEL_BT_BT_MACHINE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/accel/accel.h"

#define BT_MACHINE_RAM  (2u << 20)
#define BT_MACHINE_CODE 0x10000u
#define BT_MACHINE_TOP  0x80000u /* initial ESP */

struct bt_machine {
    struct vcpu vcpu;
    struct mem mem;
    bool irq; /* INTR */
    int vector;
    uint64_t exits[VM_EXIT_COUNT];
    enum run_next (*on_exit)(struct bt_machine *m, struct vm_exit *e);
};

static inline bool bt_machine_pending(void *opaque)
{
    return ((struct bt_machine *)opaque)->irq;
}

static inline int bt_machine_ack(void *opaque)
{
    struct bt_machine *m = opaque;

    m->irq = false;
    return m->vector;
}

static inline enum run_next bt_machine_exit(struct vcpu *vcpu,
                                            struct vm_exit *e)
{
    struct bt_machine *m = vcpu->owner;

    m->exits[e->kind]++;
    return m->on_exit ? m->on_exit(m, e) : RUN_AGAIN;
}

static inline struct x86_seg bt_machine_seg(bool code, unsigned dpl)
{
    return (struct x86_seg){
        .selector =
            (uint16_t)((code ? 0x08u : 0x10u) + (dpl ? 0x10u : 0u) + dpl),
        .attr = (uint16_t)(X86_SEG_P | X86_SEG_S | X86_SEG_RW |
                           X86_SEG_ACCESSED | X86_SEG_DB | X86_SEG_G |
                           (code ? X86_SEG_CODE : 0) | dpl << 5),
        .limit = 0xffffffff,
    };
}

static inline void bt_machine_flat(struct x86_state *st, unsigned cpl)
{
    x86_state_reset(st);
    st->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
    st->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        st->seg[i] = bt_machine_seg(i == X86_CS, cpl);
    st->rip = BT_MACHINE_CODE;
    st->gpr[X86_RSP] = BT_MACHINE_TOP;
    st->gdt.base = 0x1000, st->gdt.limit = 0x2f;
    st->idt.base = 0x2000, st->idt.limit = 0x7ff;
}

static inline void bt_machine_descriptor(struct mem *mem, unsigned index,
                                         const struct x86_seg *s)
{
    uint64_t d = 0xffff;

    d |= (uint64_t)(s->attr & 0xf0ff) << 40 | 0xfull << 48;
    mem_write(mem, 0x1000 + index * 8, &d, 8);
}

static inline void bt_machine_init(struct bt_machine *m,
                                   const struct accel_options *options)
{
    struct x86_seg s;
    struct x86_state st;

    memset(m, 0, sizeof(*m));
    assert_int_equal(mem_init(&m->mem, BT_MACHINE_RAM), 0);
    mem_add_slot(&m->mem, "ram", 0, BT_MACHINE_RAM, 0, false);
    m->vcpu.ops = &accel_bt;
    m->vcpu.mem = &m->mem;
    m->vcpu.a20 = true;
    m->vcpu.owner = m;
    m->vcpu.on_exit = bt_machine_exit;
    m->vcpu.deadline_ns = UINT64_MAX;
    m->vcpu.intc = (struct vcpu_intc){m, bt_machine_pending, bt_machine_ack};
    if (options)
        m->vcpu.options = *options;
    for (unsigned dpl = 0; dpl <= 3; dpl += 3)
        for (unsigned code = 0; code < 2; code++) {
            s = bt_machine_seg(code, dpl);
            bt_machine_descriptor(&m->mem, s.selector >> 3, &s);
        }
    assert_int_equal(accel_bt.init(&m->vcpu), 0);
    bt_machine_flat(&st, 0);
    assert_int_equal(accel_bt.set_state(&m->vcpu, &st), 0);
}

static inline void bt_machine_fini(struct bt_machine *m)
{
    accel_bt.fini(&m->vcpu);
    mem_fini(&m->mem);
}

/* Runs until the instruction count is COUNT, or an exit that stops. */
static inline enum vm_exit_kind bt_machine_run(struct bt_machine *m,
                                               uint64_t count)
{
    struct debug_ctl ctl = {.stop_icount = count};
    struct vm_exit e;

    m->vcpu.stop_requested = false;
    assert_int_equal(accel_bt.set_debug(&m->vcpu, &ctl), 0);
    assert_int_equal(accel_bt.run(&m->vcpu, &e), 0);
    m->exits[e.kind]++;
    return e.kind;
}
#endif
