/* The page walker against tables built by hand. */
#include "tests/unit/x86/page_tables.h"

static struct x86_walk walk(struct fixture *f, uint64_t gla,
                            struct x86_access access)
{
    struct x86_paging pg;
    struct x86_walk w;

    x86_paging_init(&pg, &f->st);
    x86_walk(&w, &pg, &f->phys, gla, access);
    return w;
}

static const struct x86_access sread = {0}, swrite = {.write = true},
                               uread = {.user = true},
                               uwrite = {.user = true, .write = true},
                               ufetch = {.user = true, .fetch = true};

static void test_no_paging(void **state)
{
    struct fixture *f = *state;
    struct x86_walk w;

    f->st.cr0 &= ~(uint64_t)X86_CR0_PG;
    w = walk(f, 0x12345, uwrite);
    assert_int_equal(w.result, X86_WALK_OK);
    assert_int_equal(w.gpa, 0x12345);
    assert_int_equal(w.steps, 0);
}

static void test_two_level(void **state)
{
    struct fixture *f = *state;
    struct x86_walk w;

    put(f, 0x1000 + 4 * 1, 0x2000 | P | W | U, 4);
    put(f, 0x2000 + 4 * 3, 0x5000 | P | U, 4);
    w = walk(f, 0x403abc, uread);
    assert_int_equal(w.result, X86_WALK_OK);
    assert_int_equal(w.gpa, 0x5abc);
    assert_int_equal(w.page_size, 4096);
    assert_int_equal(w.steps, 2);
    assert_int_equal(w.step[1].entry_gpa, 0x200c);
    assert_string_equal(w.step[0].table, "PD");
    assert_int_equal(walk(f, 0x403abc, uwrite).error, 7);
    assert_int_equal(walk(f, 0x403abc, swrite).error, 3);
    f->st.cr0 &= ~(uint64_t)X86_CR0_WP;
    assert_int_equal(walk(f, 0x403abc, swrite).result, X86_WALK_OK);
    assert_int_equal(walk(f, 0x403abc, uwrite).result, X86_WALK_NO_WRITE);
    assert_int_equal(walk(f, 0x404000, uread).error, 4);
    assert_int_equal(walk(f, 0x404000, swrite).error, 2);
}

static void test_large_page(void **state)
{
    struct fixture *f = *state;
    struct x86_walk w;

    f->st.cr4 |= X86_CR4_PSE | X86_CR4_PGE;
    put(f, 0x1000 + 4 * 2, 0x00c00000 | P | W | PS | G, 4);
    w = walk(f, 0x00812345, swrite);
    assert_int_equal(w.gpa, 0xc12345);
    assert_int_equal(w.page_size, 4 << 20);
    assert_true(w.global);
    assert_int_equal(walk(f, 0x00812345, uread).result, X86_WALK_NO_USER);
    put(f, 0x1000 + 4 * 2, 0x00c00000 | BIT(21) | P | W | PS, 4);
    w = walk(f, 0x00812345, sread);
    assert_int_equal(w.result, X86_WALK_RESERVED);
    assert_int_equal(w.error, X86_PFERR_P | X86_PFERR_RSVD);
}

static void test_pae_nx(void **state)
{
    struct fixture *f = *state;
    struct x86_walk w;

    f->st.cr4 |= X86_CR4_PAE;
    f->st.efer |= X86_EFER_NXE;
    put(f, 0x1000 + 8 * 3, 0x2000 | P, 8);
    put(f, 0x2000 + 8 * 0, 0x3000 | P | W | U, 8);
    put(f, 0x3000 + 8 * 1, 0x7000 | P | W | U | BIT64(63), 8);
    assert_true(x86_load_pdptes(f->st.cr3, &f->phys, f->st.pdpte));
    w = walk(f, 0xc0001010, uwrite);
    assert_int_equal(w.gpa, 0x7010);
    assert_int_equal(w.steps, 3);
    w = walk(f, 0xc0001010, ufetch);
    assert_int_equal(w.result, X86_WALK_NO_EXEC);
    assert_int_equal(w.error, X86_PFERR_P | X86_PFERR_U | X86_PFERR_I);
    f->st.efer = 0; /* without NXE bit 63 is reserved */
    assert_int_equal(walk(f, 0xc0001010, uread).result, X86_WALK_RESERVED);
    put(f, 0x1000 + 8 * 2, 0x2000 | P | W, 8);
    assert_false(x86_load_pdptes(f->st.cr3, &f->phys, f->st.pdpte));
}

static void test_accessed_and_dirty(void **state)
{
    struct fixture *f = *state;
    struct x86_walk w;
    uint32_t pde, pte;

    put(f, 0x1000, 0x2000 | P | W | U, 4);
    put(f, 0x2000, 0x5000 | P | W | U, 4);
    w = walk(f, 0x10, uread);
    assert_true(x86_walk_commit(&w, &f->phys, false));
    mem_read(&f->mem, 0x1000, &pde, 4);
    mem_read(&f->mem, 0x2000, &pte, 4);
    assert_int_equal(pde, 0x2000 | P | W | U | A);
    assert_int_equal(pte, 0x5000 | P | W | U | A);
    w = walk(f, 0x10, uwrite);
    assert_false(w.dirty);
    assert_true(x86_walk_commit(&w, &f->phys, true));
    mem_read(&f->mem, 0x2000, &pte, 4);
    assert_int_equal(pte, 0x5000 | P | W | U | A | D);
    w = walk(f, 0x10, uwrite);
    assert_false(x86_walk_commit(&w, &f->phys, true));
}

/* A fault: the entries above the one that ended the walk were used. */
static void test_accessed_before_a_fault(void **state)
{
    struct fixture *f = *state;
    struct x86_walk w;
    uint32_t pde, pte;

    put(f, 0x1000, 0x2000 | P | W | U, 4);
    put(f, 0x2000, 0x5000 | P | U, 4);
    w = walk(f, 0x10, uwrite);
    assert_int_equal(w.result, X86_WALK_NO_WRITE);
    assert_true(x86_walk_commit(&w, &f->phys, true));
    mem_read(&f->mem, 0x1000, &pde, 4);
    mem_read(&f->mem, 0x2000, &pte, 4);
    assert_int_equal(pde, 0x2000 | P | W | U | A);
    assert_int_equal(pte, 0x5000 | P | U);
    put(f, 0x1000, 0, 4);
    w = walk(f, 0x10, uread);
    assert_false(x86_walk_commit(&w, &f->phys, false));
}

static void test_four_level(void **state)
{
    struct fixture *f = *state;
    struct x86_walk w;

    f->st.cr4 |= X86_CR4_PAE;
    f->st.efer |= X86_EFER_LMA | X86_EFER_LME | X86_EFER_NXE;
    put(f, 0x1000 + 8 * 511, 0x2000 | P | W, 8);
    put(f, 0x2000 + 8 * 510, 0x3000 | P | W, 8);
    put(f, 0x3000 + 8 * 4, 0x00a00000 | P | W | PS, 8);
    w = walk(f, 0xffffffff80812345, swrite);
    assert_int_equal(w.gpa, 0xa12345);
    assert_int_equal(w.steps, 3);
    assert_int_equal(w.page_size, 2 << 20);
    assert_int_equal(walk(f, 0x0000800000000000, sread).result,
                     X86_WALK_NOT_CANONICAL);
}

static void test_table_outside_memory(void **state)
{
    struct fixture *f = *state;

    put(f, 0x1000, 0x40000000 | P | W | U, 4);
    assert_int_equal(walk(f, 0, sread).result, X86_WALK_BUS);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_no_paging),          T(test_two_level),
        T(test_large_page),         T(test_pae_nx),
        T(test_accessed_and_dirty), T(test_accessed_before_a_fault),
        T(test_four_level),         T(test_table_outside_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
