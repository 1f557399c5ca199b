/* The two-dimensional walk: how many references, and which. */
#include "tests/unit/x86/page_tables.h"
#include "vmm/x86/nested.h"

static const struct x86_nested_host host4 = {4, 12}, host5 = {5, 12};

/* Tables at 1000h, 2000h... whose entry 0 leads on; the page is at 9000h. */
static void put_tables(struct fixture *f, unsigned levels, unsigned size)
{
    for (unsigned i = 0; i < levels; i++) {
        uint64_t next = i + 1 < levels ? (i + 2) * 0x1000 : 0x9000;
        uint64_t entry = next | P | W | U;

        put(f, (i + 1) * 0x1000, entry, size);
    }
}

static struct x86_nested walk(struct fixture *f, uint64_t gla,
                              struct x86_nested_host host)
{
    struct x86_nested n;
    struct x86_paging pg;

    x86_paging_init(&pg, &f->st);
    x86_nested_walk(&n, &pg, &f->phys, gla, host);
    return n;
}

static void long_mode(struct fixture *f, bool five)
{
    f->st.cr4 |= X86_CR4_PAE | (five ? X86_CR4_LA57 : 0);
    f->st.efer |= X86_EFER_LMA | X86_EFER_LME;
}

static void test_two_by_four(void **state)
{
    struct fixture *f = *state;
    struct x86_nested n;

    put_tables(f, 2, 4);
    n = walk(f, 0x123, host4);
    assert_int_equal(n.refs, 14);
    assert_int_equal(n.rows, 3);
    assert_int_equal(n.row[0].gpa, 0x1000);
    assert_int_equal(n.row[2].gpa, 0x9123);
    assert_null(n.row[2].step);
    /* Four of the host's tables from the top, then the guest's own entry. */
    assert_int_equal(n.ref[0].level, 4);
    assert_int_equal(n.ref[3].level, 1);
    assert_int_equal(n.ref[3].index, 1);
    assert_int_equal(n.ref[4].level, 0);
    assert_int_equal(n.ref[5].row, 1);
    assert_int_equal(n.ref[13].index, 9);
}

static void test_four_by_four(void **state)
{
    struct fixture *f = *state;

    long_mode(f, false);
    put_tables(f, 4, 8);
    assert_int_equal(walk(f, 0x123, host4).refs, 24);
    assert_int_equal(walk(f, 0x123, host5).refs, 29);
}

static void test_five_by_five(void **state)
{
    struct fixture *f = *state;
    struct x86_nested n;

    long_mode(f, true);
    put_tables(f, 5, 8);
    n = walk(f, 0x123, host5);
    assert_int_equal(n.refs, 35);
    assert_int_equal(n.ref[0].level, 5);
    assert_string_equal(n.row[0].step->table, "PML5");
}

static void test_pae_has_its_root_in_registers(void **state)
{
    struct fixture *f = *state;
    struct x86_nested n;

    f->st.cr4 |= X86_CR4_PAE;
    f->st.pdpte[0] = 0x2000 | P;
    put_tables(f, 3, 8);
    n = walk(f, 0x123, host4);
    assert_int_equal(n.refs, 14);
    assert_string_equal(n.row[0].step->table, "PD");
}

static void test_no_paging_is_one_row(void **state)
{
    struct fixture *f = *state;

    f->st.cr0 &= ~(uint64_t)X86_CR0_PG;
    assert_int_equal(walk(f, 0x123, host4).refs, 4);
}

static void test_large_host_pages(void **state)
{
    struct fixture *f = *state;
    struct x86_nested n;

    long_mode(f, false);
    put_tables(f, 4, 8);
    n = walk(f, 0, (struct x86_nested_host){4, 21});
    assert_int_equal(n.refs, 19);
    assert_int_equal(n.ref[2].level, 2);
    assert_int_equal(walk(f, 0, (struct x86_nested_host){4, 30}).refs, 14);
    assert_int_equal(walk(f, 0, (struct x86_nested_host){1, 12}).refs, 9);
}

static void test_a_fault_ends_it(void **state)
{
    struct fixture *f = *state;
    struct x86_nested n;

    put_tables(f, 2, 4);
    n = walk(f, 0x1000, host4); /* entry 1 of the page table is empty */
    assert_int_equal(n.guest.result, X86_WALK_NOT_PRESENT);
    assert_int_equal(n.rows, 2);
    assert_int_equal(n.refs, 10);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_two_by_four),
        TEST(test_four_by_four),
        TEST(test_five_by_five),
        TEST(test_pae_has_its_root_in_registers),
        TEST(test_no_paging_is_one_row),
        TEST(test_large_host_pages),
        TEST(test_a_fault_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
