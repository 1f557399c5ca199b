/* Page walks, grids, trees and memory as views, in every paging mode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/view/fixture.h"

#define P  1u
#define W  2u
#define U  4u
#define PS 0x80u
#define XD BIT64(63)

static int setup(void **state)
{
    static struct fixture f;

    fixture_open(&f, NULL);
    assert_int_equal(vm_get_state(f.vm, &f.st), 0);
    f.st.cr0 |= X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
    f.st.cr3 = 0x101000;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    return 0;
}

static void put(struct fixture *f, uint64_t gpa, uint64_t entry, unsigned size)
{
    assert_int_equal(vm_write_gpa(f->vm, gpa, &entry, size), size);
}

/* What LINE prints once the processor is in the fixture's state. */
static const char *says(struct fixture *f, const char *line)
{
    assert_int_equal(host_signal_init(), 0); /* cmocka put its own */
    assert_int_equal(vm_set_state(f->vm, &f->st), 0);
    strbuf_reset(&f->out);
    command_run(&f->ctx, line, &f->out);
    return strbuf_str(&f->out);
}

static void assert_says(struct fixture *f, const char *line, const char *what)
{
    const char *text = says(f, line);

    if (!strstr(text, what))
        fail_msg("`%s` does not say \"%s\":\n%s", line, what, text);
}

/* Tables at 101000h, 102000h... by their entry 0; the page is at 109000h. */
static void put_tables(struct fixture *f, unsigned levels, unsigned size)
{
    for (unsigned i = 0; i < levels; i++)
        put(f, 0x101000 + i * 0x1000,
            (i + 1 < levels ? 0x102000 + i * 0x1000 : 0x109000) | P | W | U,
            size);
}

static void long_mode(struct fixture *f, bool five)
{
    f->st.cr4 |= X86_CR4_PAE | (five ? X86_CR4_LA57 : 0);
    f->st.efer |= X86_EFER_LMA | X86_EFER_LME | X86_EFER_NXE;
}

static void test_pae(void **state)
{
    struct fixture *f = *state;

    f->st.cr4 |= X86_CR4_PAE;
    f->st.efer |= X86_EFER_NXE;
    f->st.pdpte[0] = 0x102000 | P;
    put_tables(f, 3, 8);
    put(f, 0x103000 + 8 * 5, 0x10a000 | P | XD, 8);
    assert_says(f, "walk 0x123", "PAE, cr3 0x101000");
    assert_says(f, "walk 0x123", "physical    0x109123");
    assert_says(f, "walk 0x123", "references  3"); /* PDPTEs are registers */
    assert_says(f, "walk 0x5000 x", "XD is 1 in PT[5]");
    assert_says(f, "walk 0x5000 wu", "U is 0 in PT[5]");
    assert_says(f, "walk 0x5000 w", "W is 0 in PT[5], and CR0.WP");
    assert_says(f, "walk 0x123 step 2", "so far     user, writable");
    assert_says(f, "nested 0x123", "(2+1)(4+1)-1 = 14 references");
    assert_says(f, "nested 0x123", "PDPTEs were loaded with CR3");
    assert_says(f, "tree", "00005000  00005fff  0010a000");
    assert_says(f, "tree !x", "in 1 runs");
    assert_says(f, "tree x w u !g", "in 1 runs");
    assert_says(f, "frames 0x10a010", "00005010");
}

static void test_four_levels(void **state)
{
    struct fixture *f = *state;

    long_mode(f, false);
    put_tables(f, 4, 8);
    put(f, 0x103000 + 8, 0x40000000 | P | W | PS, 8); /* a large page */
    assert_says(f, "walk 0x123", "references  5");
    assert_says(f, "walk 0x200000", "page        2048 KiB, supervisor");
    assert_says(f, "walk 0x200000 u", "U is 0 in PD[1]");
    assert_says(f, "walk 0x8000000000", "P is 0 in PML4[1]");
    assert_says(f, "walk 0x800000000000", "not all equal: #GP, no walk");
    assert_says(f, "nested 0x123", "= 24 references");
    assert_says(f, "nested 0x123 step 24", "reference  24 of 24");
    assert_says(f, "nested 0x200000", "EPT violation");
    assert_says(f, "tree depth 3", "PT[0] a d");
}

static void test_five_levels(void **state)
{
    struct fixture *f = *state;

    long_mode(f, true);
    put_tables(f, 5, 8);
    assert_says(f, "walk 0x123", "paging   5-level");
    assert_says(f, "walk 0x123 step 1", "56:48");
    assert_says(f, "nested 0x123 5", "= 35 references");
    assert_says(f, "tree", "in 1 runs, 5-level paging");
}

static void test_broken_tables(void **state)
{
    struct fixture *f = *state;

    put(f, 0x101000, 0x70000000 | P | W | U, 4);
    assert_says(f, "walk 0x123", "PT lies outside of memory, at 0x70000000");
    assert_says(f, "tree", "in 0 runs");
    f->st.cr3 = 0x70000000;
    assert_says(f, "walk 0x123 step 1", "PD lies outside of memory");
    assert_says(f, "shadow 0x123", "nothing to shadow");
    assert_says(f, "nested 0x123 step 9", "the guest's walk ends here");
}

static void test_wrong_questions(void **state)
{
    static const char *const lines[] = {
        "walk 0 step",    "walk 0 sideways", "walk nowhere",    "nested 0 7",
        "nested 0 1 2m",  "tree run",        "tree nowhere",    "frames",
        "memory",         "memory 0 z",      "stack nowhere",   "tree depth x",
        "shadow nowhere", "nested 0 4k x",   "walk 0 step two",
    };
    struct fixture *f = *state;

    put_tables(f, 2, 4);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        says(f, lines[i]);
        strbuf_reset(&f->out);
        assert_false(command_run(&f->ctx, lines[i], &f->out) && i != 0 &&
                     i != 11); /* a number may be missing */
        assert_true(f->out.len > 0);
    }
}

/* What has changed since the guest last ran is marked, and only that. */
static void test_the_past(void **state)
{
    struct fixture *f = *state;
    uint32_t was = 0x11223344, is = 0x11aa3344, entry = 0x10a000 | P | W;

    put_tables(f, 2, 4);
    put(f, 0x109100, was, 4);
    assert_says(f, "memory 0x100 16", " 44 33 22 11 ");
    assert_says(f, "tree", "in 1 runs");
    command_ctx_leave(&f->ctx);
    assert_says(f, "memory 0x100 16", " 44 33 22 11 ");
    put(f, 0x109100, is, 4);
    put(f, 0x102004, entry, 4);
    put(f, 0x102000, 0, 4);
    assert_says(f, "memory phys:0x109100 16", " 44 33 aa 11 "); /* never seen */
    assert_says(f, "tree", "gone");
    assert_says(f, "tree",
                "00001000  00001fff  0010a000  4K    4K    -wx-    new");
    assert_says(f, "tree", "since the last stop  2 changes");
    put(f, 0x102000, 0x109000 | P | W | U, 4);
    assert_says(f, "memory 0x100 16", " 44 33*aa 11 ");
    assert_says(f, "memory 0x100 16 d", "*11aa3344 00000000");
    command_ctx_leave(&f->ctx);
    assert_says(f, "memory 0x100 16", " 44 33 aa 11 ");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pae),
        TEST(test_four_levels),
        TEST(test_five_levels),
        TEST(test_broken_tables),
        TEST(test_wrong_questions),
        TEST(test_the_past),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
