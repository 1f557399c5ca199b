/*
 * A processor with 1 MiB of RAM, a GDT, an IDT, a TSS and a stack for each
 * ring, to execute single sensitive instructions on.  Every test builds the
 * descriptors it is about; nothing is mapped away and paging is off unless a
 * test turns it on.
 */
#ifndef TESTS_UNIT_ACCEL_EMU_SYS_FIXTURE_H
#define TESTS_UNIT_ACCEL_EMU_SYS_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/accel/emu/sys.h"

/* clang-format off */
enum { /* linear = physical */
    GDT = 0x1000, IDT = 0x2000, LDT = 0x3000, TSS = 0x4000, TSS_B = 0x4800,
    TSS_16 = 0x5000, CODE = 0x10000, CODE3 = 0x11000, HANDLER = 0x12000,
    TARGET = 0x13000, STACK0 = 0x20000, STACK1 = 0x28000, STACK3 = 0x30000,
    DATA = 0x40000, TABLES = 0x50000, RAM = 0x100000,
};
enum { /* selectors */
    CS0 = 0x08, DS0 = 0x10, CS3 = 0x1b, DS3 = 0x23, SEL_TSS = 0x28,
    SEL_TSS_B = 0x30, SEL_TSS_16 = 0x38, SEL_LDT = 0x40,
    CS1 = 0x49, DS1 = 0x51,
    SEL_X = 0x60, /* the one a test is about */
    SEL_GATE = 0x68, GDT_LIMIT = 0x7f,
};
/* Attributes as struct x86_seg has them. */
enum {
    A_CODE0 = 0xc09b, A_DATA0 = 0xc093, A_CODE3 = 0xc0fb, A_DATA3 = 0xc0f3,
    A_TSS = 0x89, A_TSS_BUSY = 0x8b, A_TSS16 = 0x81, A_LDT = 0x82,
};
/* clang-format on */

#define EXITS_MAX 16

struct machine {
    struct mem mem;
    struct vcpu vcpu;
    struct x86_state st;
    struct emu emu;
    unsigned exits;
    struct vm_exit exit[EXITS_MAX];
    uint8_t port_in; /* what ports read as */
    unsigned flushes, global_flushes;
};

static inline enum run_next fixture_exit(struct vcpu *vcpu, struct vm_exit *e)
{
    struct machine *m = vcpu->owner;

    if (e->kind == VM_EXIT_PIO && !e->u.pio.out)
        memset(e->u.pio.data, m->port_in,
               (size_t)e->u.pio.count * e->u.pio.size);
    if (m->exits < EXITS_MAX)
        m->exit[m->exits++] = *e;
    return RUN_AGAIN;
}

static inline void fixture_flush(void *opaque, bool global)
{
    struct machine *m = opaque;

    m->flushes++;
    m->global_flushes += global;
}

static inline const struct vm_exit *last_exit(const struct machine *m)
{
    assert_true(m->exits > 0);
    return &m->exit[m->exits - 1];
}

/* ---- memory ------------------------------------------------------------ */

static inline void poke(struct machine *m, uint32_t gpa, uint32_t value,
                        unsigned size)
{
    assert_true(mem_write(&m->mem, gpa, &value, size));
}

static inline uint32_t peek(const struct machine *m, uint32_t gpa,
                            unsigned size)
{
    uint32_t value = 0;

    assert_true(mem_read(&m->mem, gpa, &value, size));
    return value;
}

/* ---- descriptors ------------------------------------------------------- */

static inline uint32_t desc_at(unsigned selector)
{
    return (selector & 4 ? LDT : GDT) + (selector & ~7u);
}

/* LIMIT is the raw field: 20 bits. */
static inline void descriptor(struct machine *m, unsigned selector,
                              uint32_t base, uint32_t limit, unsigned attr)
{
    poke(m, desc_at(selector), (base << 16) | (limit & 0xffff), 4);
    poke(m, desc_at(selector) + 4,
         (base & 0xff000000u) | (attr & 0xf000) << 8 | (limit & 0xf0000) |
             (attr & 0xff) << 8 | (base >> 16 & 0xff),
         4);
}

/* ATTR: P, DPL and type.  COUNT: parameters of a call gate. */
static inline void gate_at(struct machine *m, uint32_t at, unsigned attr,
                           unsigned selector, uint32_t offset, unsigned count)
{
    poke(m, at, selector << 16 | (offset & 0xffff), 4);
    poke(m, at + 4, (offset & 0xffff0000u) | (attr & 0xff) << 8 | count, 4);
}

static inline void idt_gate(struct machine *m, unsigned vector, unsigned attr,
                            unsigned selector, uint32_t offset)
{
    gate_at(m, IDT + vector * 8, attr, selector, offset, 0);
}

/* Is the accessed (or busy) bit of a descriptor set? */
static inline unsigned type_bits(const struct machine *m, unsigned selector)
{
    return peek(m, desc_at(selector) + 5, 1) & 0xf;
}

/* ---- the processor ----------------------------------------------------- */

static inline struct x86_seg flat_seg(unsigned selector, unsigned attr)
{
    return (struct x86_seg){(uint16_t)selector, (uint16_t)attr, 0xffffffff, 0};
}

static inline void set_ring(struct machine *m, unsigned cpl)
{
    struct x86_state *st = &m->st;
    static const unsigned cs[] = {CS0, CS1, 0, CS3}, ds[] = {DS0, DS1, 0, DS3};
    static const uint32_t stack[] = {STACK0, STACK1, 0, STACK3};

    st->seg[X86_CS] = flat_seg(cs[cpl], A_CODE0 | cpl << 5);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        if (i != X86_CS)
            st->seg[i] = flat_seg(ds[cpl], A_DATA0 | cpl << 5);
    st->gpr[X86_RSP] = stack[cpl];
    st->rip = cpl ? CODE3 : CODE;
}

static inline void set_v86(struct machine *m, unsigned iopl)
{
    struct x86_state *st = &m->st;

    st->rflags = X86_EFLAGS_RES1 | X86_EFLAGS_VM | iopl << 12;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        st->seg[i] = (struct x86_seg){0x3000, SYS_V86_ATTR, 0xffff, 0x30000};
    st->seg[X86_CS] = (struct x86_seg){CODE3 >> 4, SYS_V86_ATTR, 0xffff, CODE3};
    st->gpr[X86_RSP] = 0x1000;
    st->rip = 0;
}

static inline void set_real(struct machine *m)
{
    struct x86_state *st = &m->st;

    x86_state_reset(st);
    st->seg[X86_CS].selector = CODE >> 4;
    st->seg[X86_CS].base = CODE;
    st->seg[X86_SS].selector = 0x2000;
    st->seg[X86_SS].base = 0x20000;
    st->gpr[X86_RSP] = 0x1000;
    st->rip = 0;
    emu_state_changed(&m->emu);
}

static inline void set_tss(struct machine *m, uint32_t base, unsigned attr)
{
    m->st.tr = (struct x86_seg){SEL_TSS, (uint16_t)attr, 0x67, base};
    poke(m, base + 4, STACK0, 4);
    poke(m, base + 8, DS0, 2);
    poke(m, base + 12, STACK1, 4);
    poke(m, base + 16, DS1, 2);
    poke(m, base + 0x66, 0x68, 2); /* no I/O bitmap */
}

static inline int machine_setup(void **state)
{
    static const struct emu_hooks no_hooks;
    struct emu_hooks hooks = no_hooks;
    struct machine *m = calloc(1, sizeof(*m) + 64);

    if (!m || mem_init(&m->mem, RAM))
        return -1;
    mem_add_slot(&m->mem, "ram", 0, RAM, 0, false);
    m->vcpu.mem = &m->mem;
    m->vcpu.a20 = true;
    m->vcpu.on_exit = fixture_exit;
    m->vcpu.owner = m;
    hooks.opaque = m;
    hooks.tlb_flush = fixture_flush;

    x86_state_reset(&m->st);
    m->st.cr0 = X86_CR0_PE | X86_CR0_ET;
    m->st.gdt = (struct x86_table){GDT, GDT_LIMIT};
    m->st.idt = (struct x86_table){IDT, 0x7ff};
    m->st.ldt = (struct x86_seg){.attr = X86_SEG_UNUSABLE};
    descriptor(m, CS0, 0, 0xfffff, A_CODE0);
    descriptor(m, DS0, 0, 0xfffff, A_DATA0);
    descriptor(m, CS3, 0, 0xfffff, A_CODE3);
    descriptor(m, DS3, 0, 0xfffff, A_DATA3);
    descriptor(m, CS1, 0, 0xfffff, A_CODE0 | 1 << 5);
    descriptor(m, DS1, 0, 0xfffff, A_DATA0 | 1 << 5);
    descriptor(m, SEL_TSS, TSS, 0x67, A_TSS_BUSY);
    descriptor(m, SEL_TSS_B, TSS_B, 0x67, A_TSS);
    descriptor(m, SEL_TSS_16, TSS_16, 0x2b, A_TSS16);
    descriptor(m, SEL_LDT, LDT, 0x3f, A_LDT);
    set_tss(m, TSS, A_TSS_BUSY);
    set_ring(m, 0);
    if (emu_init(&m->emu, &m->vcpu, &m->st, &hooks))
        return -1;
    *state = m;
    return 0;
}

static inline int machine_teardown(void **state)
{
    struct machine *m = *state;

    emu_fini(&m->emu);
    mem_fini(&m->mem);
    free(m);
    return 0;
}

#define TEST(fn)                                                               \
    cmocka_unit_test_setup_teardown(fn, machine_setup, machine_teardown)

/* ---- one instruction --------------------------------------------------- */

static inline enum emu_result exec_bytes(struct machine *m, const void *bytes,
                                         size_t len)
{
    uint64_t at = m->st.seg[X86_CS].base + m->st.rip;

    assert_true(mem_write(&m->mem, at, bytes, len));
    return emu_execute(&m->emu);
}

/* exec(m, 0x0f, 0x00, ...): executes the instruction at CS:RIP. */
#define exec(m, ...)                                                           \
    exec_bytes(m, (const uint8_t[]){__VA_ARGS__},                              \
               sizeof((const uint8_t[]){__VA_ARGS__}))

#define assert_done(result) assert_int_equal(result, EMU_DONE)

static inline void check_fault(struct machine *m, enum emu_result result,
                               unsigned vector, uint32_t error,
                               const char *file, int line)
{
    if (result == EMU_FAULT && m->emu.fault.vector == vector &&
        m->emu.fault.error == error)
        return;
    if (result == EMU_FAULT)
        print_error("vector %u error %x, not %u %x\n", m->emu.fault.vector,
                    m->emu.fault.error, vector, error);
    else
        print_error("result %d, not a fault\n", (int)result);
    _fail(file, line);
}

/* The instruction faults and the general registers are as before. */
#define assert_faults(m, vector, error, ...)                                   \
    do {                                                                       \
        struct x86_state before_ = (m)->st;                                    \
        check_fault(m, exec(m, __VA_ARGS__), vector, error, __FILE__,          \
                    __LINE__);                                                 \
        assert_memory_equal(&before_, &(m)->st,                                \
                            offsetof(struct x86_state, fxsave));               \
    } while (0)

static inline bool deliver(struct machine *m, unsigned vector, bool has_error,
                           uint32_t error)
{
    struct x86_event ev = {.valid = true,
                           .vector = (uint8_t)vector,
                           .has_error = has_error,
                           .error = error};

    return emu_deliver(&m->emu, &ev);
}
#endif
