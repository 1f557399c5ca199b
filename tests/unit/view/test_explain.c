/* Every word that the screen shows has a row; instructions have their class. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/accel/accel.h"
#include "vmm/view/explain.h"
#include "vmm/x86/insn.h"
#include "vmm/x86/text.h"

static void test_every_exit(void **state)
{
    (void)state;
    for (unsigned k = 0; k < VM_EXIT_COUNT; k++) {
        const struct explanation *e =
            explain_find(EXPLAIN_EXIT, vm_exit_id((enum vm_exit_kind)k));

        assert_non_null(e);
        assert_int_equal(e->value, k);
    }
}

/* The one word in upper case is the bit that is set. */
static void check_bits(enum explain_topic topic,
                       void (*text)(char *buf, size_t len, uint64_t value))
{
    for (unsigned bit = 0; bit < 64; bit++) {
        char buf[256], *save = NULL;

        text(buf, sizeof(buf), 1ull << bit);
        for (char *w = strtok_r(buf, " ", &save); w;
             w = strtok_r(NULL, " ", &save)) {
            const struct explanation *e;

            w[strcspn(w, "=")] = '\0';
            e = explain_find(topic, w);
            assert_non_null(e);
            if (w[0] >= 'A' && w[0] <= 'Z' && strcmp(w, "IOPL") != 0)
                assert_int_equal(e->value, bit);
        }
    }
}

static void test_every_bit(void **state)
{
    (void)state;
    check_bits(EXPLAIN_CR0, x86_cr0_text);
    check_bits(EXPLAIN_CR4, x86_cr4_text);
    check_bits(EXPLAIN_EFER, x86_efer_text);
    check_bits(EXPLAIN_EFLAGS, x86_eflags_text);
    check_bits(EXPLAIN_PTE, x86_pte_text);
}

static void test_every_vector(void **state)
{
    char name[24];

    (void)state;
    for (unsigned v = 0; v < 32; v++) {
        const struct explanation *e = explain_value(EXPLAIN_VECTOR, v);

        x86_vector_text(name, sizeof(name), v);
        if (strncmp(name, "vector", 6) == 0) {
            assert_null(e);
            continue;
        }
        assert_non_null(e);
        assert_ptr_equal(explain_find(EXPLAIN_VECTOR, name), e);
    }
}

static void test_rows_are_whole(void **state)
{
    const struct explanation *e;

    (void)state;
    for (size_t i = 0; (e = explain_nth(i)); i++) {
        assert_true(e->word[0] && e->title[0] && e->text[0] && e->manual[0]);
        assert_ptr_equal(explain_find(e->topic, e->word), e); /* no twins */
        assert_int_equal(explain_topic_find(explain_topic_name(e->topic)),
                         e->topic);
        if (explain_topic_is_bits(e->topic))
            assert_in_range(e->value, 0, 63);
    }
    assert_int_equal(explain_topic_find("nothing"), EXPLAIN_TOPICS);
}

static void test_instruction_keys(void **state)
{
    static const struct {
        uint8_t bytes[7];
        const char *key;
    } rows[] = {
        {{0x0f, 0x20, 0xd0}, "mov cr"},
        {{0x0f, 0x23, 0xc0}, "mov dr"},
        {{0x8e, 0xd8}, "mov sreg"},
        {{0x89, 0xd8}, "mov"},
        {{0x1e}, "push sreg"},
        {{0x50}, "push"},
        {{0x9d}, "popf"},
        {{0x9c}, "pushf"},
        {{0xcf}, "iret"},
        {{0xcb}, "ret far"},
        {{0xc3}, "ret"},
        {{0x6c}, "in"},
        {{0x6e}, "out"},
        {{0xec}, "in"},
        {{0xea, 0, 0, 0, 0, 8, 0}, "jmp far"},
        {{0xcd, 0x80}, "int"},
        {{0x40}, "inc"},
        {{0xf4}, "hlt"},
    };
    static const uint8_t cut_off[] = {0x0f};
    char key[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_true(x86_insn_key(key, sizeof(key), rows[i].bytes,
                                 sizeof(rows[i].bytes), 32));
        assert_string_equal(key, rows[i].key);
    }
    assert_false(x86_insn_key(key, sizeof(key), cut_off, 1, 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_exit),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_every_vector),
        cmocka_unit_test(test_rows_are_whole),
        cmocka_unit_test(test_instruction_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
