/* What gdb's users type, and what it is here; no name of ours is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/view/command.h"
#include "vmm/view/gdb_words.h"

static void test_lines(void **state)
{
    static const struct {
        const char *gdb, *here; /* NULL: it stays as it is */
    } rows[] = {
        {"stepi", "step "},
        {"stepi 4", "step 4"},
        {"bt", "backtrace "},
        {"x/4i $pc", "disasm $pc 4"},
        {"x/i", "disasm $pc 1"},
        {"x/8xw $esp + 4", "memory $esp+4 32 d"},
        {"x /2g 0x1000", "memory 0x1000 16 q"},
        {"x/s msg", "memory msg 64 b"},
        {"x/4x", "memory"},
        {"p/x $eax", "p $eax"},
        {"disassemble /r main", "disasm main"},
        {"info registers", "regs "},
        {"info r eip", "print eip"},
        {"info b", "points "},
        {"info tree w", "tree w"},
        {"set $eax = 5", "set $eax   5"},
        {"set var counter=5", "set counter 5"},
        {"set eax 5", NULL},
        {"set eax ebx==1", NULL},
        {"set eax ebx>=1", NULL},
        {"info", NULL},
        {"x 0x1000", NULL},
        {"continue", NULL},
        {"compare /tmp/x=y", NULL},
    };
    char buf[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(gdb_words(rows[i].gdb, buf, sizeof(buf)),
                         rows[i].here != NULL);
        if (rows[i].here)
            assert_string_equal(buf, rows[i].here);
    }
    assert_false(gdb_words("stepi 4", buf, 6));
}

static void test_names_are_free(void **state)
{
    const struct command *c;
    const char *name;

    (void)state;
    for (size_t i = 0; (name = gdb_words_nth(i)); i++) {
        const char *here = gdb_words_find(name);
        bool known = view_find(here) != NULL;

        assert_null(view_find(name));
        for (size_t k = 0; (c = command_nth(k)); k++) {
            assert_string_not_equal(c->name, name);
            known |= strcmp(c->name, here) == 0;
        }
        assert_true(known);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_names_are_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
