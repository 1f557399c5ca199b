/* What page tables map, as runs; and two such lists compared. */
#include "tests/unit/x86/page_tables.h"
#include "vmm/view/page_runs.h"

static struct page_runs collect(struct fixture *f, struct page_filter filter)
{
    struct page_runs runs;
    struct x86_paging pg;

    x86_paging_init(&pg, &f->st);
    page_runs_collect(&runs, &pg, &f->phys, filter);
    return runs;
}

static void test_two_level(void **state)
{
    struct fixture *f = *state;
    struct page_runs r;

    f->st.cr4 |= X86_CR4_PSE;
    put(f, 0x1000, 0x2000 | P | W | U, 4);
    for (unsigned i = 0; i < 8; i++)
        put(f, 0x2000 + 4 * i, (0x5000 + i * 0x1000) | P | W, 4);
    put(f, 0x2000 + 4 * 8, 0x5000 | P | W, 4);       /* not the next frame */
    put(f, 0x2000 + 4 * 9, 0x6000 | P | W | U, 4);   /* other rights */
    put(f, 0x1000 + 4 * 1023, 0xc00000 | P | PS, 4); /* the very last page */
    r = collect(f, (struct page_filter){0, 0});
    assert_int_equal(r.count, 4);
    assert_int_equal(r.run[0].first, 0);
    assert_int_equal(r.run[0].last, 0x7fff);
    assert_int_equal(r.run[0].gpa, 0x5000);
    assert_int_equal(r.run[1].gpa, 0x5000);
    assert_int_equal(r.run[2].bits & PAGE_RIGHTS, PAGE_W | PAGE_U | PAGE_X);
    assert_int_equal(r.run[3].last, 0xffffffff);
    assert_int_equal(r.run[3].page_size, 4 << 20);
    page_runs_free(&r);
}

static void test_filters(void **state)
{
    struct fixture *f = *state;
    struct page_runs r;

    put(f, 0x1000, 0x2000 | P | W | U, 4);
    for (unsigned i = 0; i < 8; i++)
        put(f, 0x2000 + 4 * i, (0x5000 + i * 0x1000) | P | W | (i == 3 ? D : 0),
            4);
    r = collect(f, (struct page_filter){.set = PAGE_D});
    assert_int_equal(r.count, 1);
    assert_int_equal(r.run[0].first, 0x3000);
    page_runs_free(&r);
    r = collect(f, (struct page_filter){.clear = PAGE_D});
    assert_int_equal(r.count, 2);
    assert_int_equal(r.run[1].first, 0x4000);
    page_runs_free(&r);
    r = collect(f, (struct page_filter){.set = PAGE_W, .clear = PAGE_X});
    assert_int_equal(r.count, 0);
    page_runs_free(&r);
}

static void test_both_halves_of_long_mode(void **state)
{
    struct fixture *f = *state;
    struct page_runs r;

    f->st.cr4 |= X86_CR4_PAE;
    f->st.efer |= X86_EFER_LMA | X86_EFER_LME;
    put(f, 0x1000, 0x2000 | P | W, 8);
    put(f, 0x1000 + 8 * 511, 0x2000 | P | W, 8);
    put(f, 0x2000, 0x3000 | P | W, 8);
    put(f, 0x2000 + 8 * 511, 0x3000 | P | W, 8);
    put(f, 0x3000 + 8 * 511, 0x200000 | P | PS, 8);
    r = collect(f, (struct page_filter){0, 0});
    assert_int_equal(r.count, 4);
    assert_int_equal(r.run[0].first, 0x3fe00000);
    assert_int_equal(r.run[2].first, 0xffffff803fe00000);
    assert_int_equal(r.run[3].last, UINT64_MAX);
    page_runs_free(&r);
}

/* ---- comparing ---------------------------------------------------------- */

struct seen {
    struct page_run run[16];
    enum page_change change[16];
    unsigned n;
};

static void see(void *opaque, const struct page_run *run,
                enum page_change change)
{
    struct seen *s = opaque;

    assert_true(s->n < 16);
    s->run[s->n] = *run;
    s->change[s->n++] = change;
}

static void assert_row(const struct seen *s, unsigned i, uint64_t first,
                       uint64_t last, enum page_change change)
{
    assert_int_equal(s->run[i].first, first);
    assert_int_equal(s->run[i].last, last);
    assert_int_equal(s->change[i], change);
}

static void test_compare(void **state)
{
    struct page_run was[] = {{0x1000, 0x4fff, 0x1000, 4096, PAGE_W},
                             {0x8000, 0x9fff, 0x8000, 4096, PAGE_W}};
    struct page_run is[] = {{0x2000, 0x6fff, 0x2000, 4096, PAGE_W},
                            {0x8000, 0x8fff, 0x8000, 4096, 0},
                            {~0xfffull, ~0ull, 0, 4096, 0}};
    struct page_runs old = {was, 2, 2}, now = {is, 3, 3};
    struct seen s = {.n = 0};

    (void)state;
    page_runs_compare(&now, &old, see, &s);
    assert_int_equal(s.n, 6);
    assert_row(&s, 0, 0x1000, 0x1fff, PAGE_GONE);
    assert_row(&s, 1, 0x2000, 0x4fff, PAGE_SAME);
    assert_row(&s, 2, 0x5000, 0x6fff, PAGE_NEW);
    assert_int_equal(s.run[2].gpa, 0x5000);
    assert_row(&s, 3, 0x8000, 0x8fff, PAGE_CHANGED);
    assert_row(&s, 4, 0x9000, 0x9fff, PAGE_GONE);
    assert_row(&s, 5, ~0xfffull, ~0ull, PAGE_NEW);
}

static void test_compare_merges(void **state)
{
    struct page_run was[] = {{0, 0xfff, 0, 4096, 0},
                             {0x1000, 0x1fff, 0x1000, 4096, 0}};
    struct page_run is[] = {{0, 0x1fff, 0, 4096, 0}};
    struct page_runs old = {was, 2, 2}, now = {is, 1, 1}, none = {0};
    struct seen s = {.n = 0};

    (void)state;
    page_runs_compare(&now, &old, see, &s);
    assert_int_equal(s.n, 1); /* split before, one run now, nothing new */
    assert_row(&s, 0, 0, 0x1fff, PAGE_SAME);
    s.n = 0;
    page_runs_compare(&none, &none, see, &s);
    assert_int_equal(s.n, 0);
    page_runs_compare(&none, &now, see, &s);
    assert_row(&s, 0, 0, 0x1fff, PAGE_GONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_two_level),
        TEST(test_filters),
        TEST(test_both_halves_of_long_mode),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_compare_merges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
