/* The bill of shadow paging, page by page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/exit_pages.h"

static struct vm_exit page_exit(enum vm_exit_kind kind, uint64_t gla,
                                uint32_t error)
{
    struct vm_exit e = {.kind = kind};

    e.u.page.gla = gla;
    e.u.page.error = error;
    return e;
}

static struct vm_exit fault(uint8_t vector, uint64_t cr2)
{
    struct vm_exit e = {.kind = VM_EXIT_EXCEPTION};

    e.u.exception.vector = vector;
    e.u.exception.cr2 = cr2;
    return e;
}

static void add(struct exit_pages *pages, struct vm_exit e, uint64_t ns)
{
    exit_pages_add(pages, &e, ns);
}

static void test_each_cost(void **state)
{
    struct exit_pages *pages = calloc(1, sizeof(*pages));
    const struct exit_page *p;

    (void)state;
    add(pages, page_exit(VM_EXIT_PAGE_FILL, 0x5123, 0), 10);
    add(pages, page_exit(VM_EXIT_PAGE_FILL, 0x5000, X86_PFERR_W), 20);
    add(pages, page_exit(VM_EXIT_PAGE_FILL, 0x5fff, X86_PFERR_P | X86_PFERR_W),
        40);
    add(pages, page_exit(VM_EXIT_CODE_WRITE, 0x5010, X86_PFERR_W), 80);
    add(pages, fault(X86_PF, 0x5abc), 160);
    add(pages, fault(X86_GP, 0x5abc), 320);
    add(pages, page_exit(VM_EXIT_INVLPG, 0x5000, 0), 640);
    p = exit_pages_find(pages, 0x5800);
    assert_non_null(p);
    assert_int_equal(p->cost[EXIT_PAGE_FILL].count, 2);
    assert_int_equal(p->cost[EXIT_PAGE_FILL].total_ns, 30);
    assert_int_equal(p->cost[EXIT_PAGE_DIRTY].total_ns, 40);
    assert_int_equal(p->cost[EXIT_PAGE_CODE].total_ns, 80);
    assert_int_equal(p->cost[EXIT_PAGE_FAULT].count, 1);
    assert_int_equal(p->cost[EXIT_PAGE_FAULT].total_ns, 160);
    assert_null(exit_pages_find(pages, 0x6000));
    assert_null(exit_pages_find(pages, 0));
    free(pages);
}

static void test_a_full_table_loses_nothing(void **state)
{
    struct exit_pages *pages = calloc(1, sizeof(*pages));
    uint64_t found = 0;

    (void)state;
    for (uint64_t i = 0; i < 2 * EXIT_PAGES_MAX; i++)
        add(pages, page_exit(VM_EXIT_PAGE_FILL, i << 12, 0), 1);
    for (uint64_t i = 0; i < 2 * EXIT_PAGES_MAX; i++)
        found += exit_pages_find(pages, i << 12) != NULL;
    assert_int_equal(found + pages->other, 2 * EXIT_PAGES_MAX);
    free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_cost),
        cmocka_unit_test(test_a_full_table_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
