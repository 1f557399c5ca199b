/*
 * A vCPU with RAM and no board, for the executor's tests: 32-bit flat
 * protected mode without paging unless a test says otherwise.
 */
#ifndef TESTS_UNIT_ACCEL_EMU_MACHINE_H
#define TESTS_UNIT_ACCEL_EMU_MACHINE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/accel/emu/emu.h"

#define RAM_SIZE  (1u << 20)
#define CODE_AT   0x10000u
#define STACK_TOP 0x8000u
#define DATA_AT   0x20000u
#define MMIO_GPA  0x80000000u

struct machine {
    struct mem mem;
    struct vcpu vcpu;
    struct x86_state st;
    struct emu emu;
    uint8_t mmio[64]; /* a device at MMIO_GPA */
    unsigned mmio_count;
    unsigned mmio_sizes; /* of all accesses, added */
    unsigned writes;     /* hooks.code_written */
    uint64_t written_gpa;
};

static enum run_next machine_exit(struct vcpu *vcpu, struct vm_exit *e)
{
    struct machine *m = vcpu->owner;
    uint64_t off = e->u.mmio.gpa - MMIO_GPA;

    if (e->kind != VM_EXIT_MMIO || off + e->u.mmio.size > sizeof(m->mmio))
        return RUN_AGAIN;
    m->mmio_count++;
    m->mmio_sizes += e->u.mmio.size;
    if (e->u.mmio.write)
        memcpy(m->mmio + off, e->u.mmio.data, e->u.mmio.size);
    else
        memcpy(e->u.mmio.data, m->mmio + off, e->u.mmio.size);
    return RUN_AGAIN;
}

static void machine_code_written(void *opaque, uint64_t gpa, unsigned len)
{
    struct machine *m = opaque;

    (void)len;
    m->writes++;
    m->written_gpa = gpa;
}

static inline void machine_flat(struct machine *m, unsigned bits, unsigned cpl)
{
    uint16_t attr =
        (uint16_t)(X86_SEG_P | X86_SEG_S | X86_SEG_RW | X86_SEG_ACCESSED |
                   X86_SEG_G | cpl << 5 | (bits == 32 ? X86_SEG_DB : 0));

    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        m->st.seg[i] = (struct x86_seg){
            .selector = (uint16_t)(0x10 | cpl),
            .attr = attr,
            .limit = 0xffffffff,
        };
    m->st.seg[X86_CS].attr |= X86_SEG_CODE;
    m->st.cr0 |= X86_CR0_PE;
    emu_state_changed(&m->emu);
}

static inline struct machine *machine_new(void)
{
    struct machine *m = calloc(1, sizeof(*m));
    static const struct emu_hooks none;
    struct emu_hooks hooks = none;

    assert_non_null(m);
    assert_int_equal(mem_init(&m->mem, RAM_SIZE), 0);
    mem_add_slot(&m->mem, "ram", 0, RAM_SIZE, 0, false);
    m->vcpu = (struct vcpu){
        .mem = &m->mem, .a20 = true, .on_exit = machine_exit, .owner = m};
    x86_state_reset(&m->st);
    m->st.cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    m->st.cr0 |= X86_CR0_NE;
    hooks.opaque = m;
    hooks.code_written = machine_code_written;
    assert_int_equal(emu_init(&m->emu, &m->vcpu, &m->st, &hooks), 0);
    machine_flat(m, 32, 0);
    m->st.rip = CODE_AT;
    m->st.gpr[X86_RSP] = STACK_TOP;
    return m;
}

static inline void machine_free(struct machine *m)
{
    emu_fini(&m->emu);
    mem_fini(&m->mem);
    free(m);
}

static inline void machine_poke(struct machine *m, uint32_t gpa,
                                const void *data, size_t len)
{
    assert_true(mem_write(&m->mem, gpa, data, len));
}

static inline uint32_t machine_peek32(const struct machine *m, uint32_t gpa)
{
    uint32_t value = 0;

    assert_true(mem_read(&m->mem, gpa, &value, 4));
    return value;
}

static inline void machine_poke32(struct machine *m, uint32_t gpa,
                                  uint32_t value)
{
    machine_poke(m, gpa, &value, 4);
}

/* Puts CODE at CS:RIP and executes one instruction. */
static inline enum emu_result machine_do(struct machine *m, const void *code,
                                         size_t len)
{
    machine_poke(m, (uint32_t)(m->st.seg[X86_CS].base + m->st.rip), code, len);
    return emu_execute(&m->emu);
}

/* RUN(m, 0x90) executes one instruction given as bytes. */
#define RUN(m, ...)                                                            \
    machine_do(m, (const uint8_t[]){__VA_ARGS__},                              \
               sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void assert_fault(const struct machine *m, unsigned vector,
                                uint32_t error)
{
    assert_true(m->emu.fault.valid);
    assert_int_equal(m->emu.fault.vector, vector);
    assert_int_equal(m->emu.fault.error, error);
}
#endif
