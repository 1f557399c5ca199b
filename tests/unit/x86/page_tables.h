/*
 * A guest's page tables built by hand: a MiB of RAM, paging on with the root
 * at 1000h; the mode is 2-level until a test says otherwise.
 */
#ifndef TESTS_UNIT_X86_PAGE_TABLES_H
#define TESTS_UNIT_X86_PAGE_TABLES_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/mem/mem.h"

/* Bits of an entry (SDM vol. 3A 4.3). */
#define P  1u
#define W  2u
#define U  4u
#define A  0x20u
#define D  0x40u
#define PS 0x80u
#define G  0x100u

struct fixture {
    struct mem mem;
    struct x86_phys phys;
    struct x86_state st;
};

static inline int setup(void **state)
{
    static struct fixture f;

    assert_int_equal(mem_init(&f.mem, 1 << 20), 0);
    mem_add_slot(&f.mem, "ram", 0, 1 << 20, 0, false);
    f.phys = mem_phys(&f.mem);
    x86_state_reset(&f.st);
    f.st.cr0 |= X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
    f.st.cr3 = 0x1000;
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    mem_fini(&((struct fixture *)*state)->mem);
    return 0;
}

/* ENTRY of SIZE bytes, 4 or 8, at GPA. */
static inline void put(struct fixture *f, uint64_t gpa, uint64_t entry,
                       unsigned size)
{
    mem_write(&f->mem, gpa, &entry, size);
}
#endif
