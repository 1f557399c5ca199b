/* Agent expressions: each operator, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gdbstub/agent.h"

static bool reg(void *opaque, unsigned n, uint64_t *value)
{
    (void)opaque;
    *value = 100 + n;
    return n < 16;
}

static bool mem(void *opaque, uint64_t addr, void *buf, size_t len)
{
    static const char text[] = "\x01\x82\x03\x84\x05\x86\x07\x88name";

    (void)opaque;
    if (addr >= sizeof(text) || len > sizeof(text) - addr)
        return false;
    memcpy(buf, text + addr, len);
    return true;
}

static char printed[600];

static void print(void *opaque, const char *text, size_t len)
{
    (void)opaque;
    memcpy(printed, text, len);
    printed[len] = '\0';
}

static const uint8_t fields[8] = {1, 2, 3, 4, 5, 6, 7, 0x88};
static const struct gdb_agent_env env = {
    .reg = reg, .mem = mem, .fields = fields, .print = print};
static char why[120];

/* Registers from 16 on are so many bytes, less 16, of the fields. */
static bool where(void *opaque, unsigned n, uint32_t *offset, uint32_t *bytes)
{
    (void)opaque;
    *offset = n == 17;
    *bytes = n - 16;
    return n > 16 && n <= 24;
}

static bool run(const void *bytes, size_t len, uint64_t *value)
{
    struct gdb_agent_code code = {.bytes = bytes, .len = len};
    struct gdb_agent_program *p =
        gdb_agent_compile(&code, where, NULL, why, sizeof(why));
    bool ok = p && gdb_agent_run(p, &env, value);

    gdb_agent_free(p);
    return ok;
}

/* clang-format off */
#define A   "\x25\xff\xff\xff\xff\xff\xff\xff\xf8" /* -8 */
#define B   "\x22\x03"                             /* 3 */
static const struct {
    const char *name, *code;
    size_t len;
    uint64_t want;
} cases[] = {
#define C(name, code, want) { name, code, sizeof(code) - 1, (uint64_t)(want) }
    C("add", A B "\x02\x27", -5),          C("sub", A B "\x03\x27", -11),
    C("mul", A B "\x04\x27", -24),         C("div_signed", A B "\x05\x27", -2),
    C("div_unsigned", B "\x22\x02\x06\x27", 1),
    C("rem_signed", A B "\x07\x27", -2),   C("rem_unsigned", B "\x22\x02\x08\x27", 1),
    C("lsh", A B "\x09\x27", -64),         C("lsh 64", B "\x22\x40\x09\x27", 0),
    C("rsh_signed", A B "\x0a\x27", -1),   C("rsh_unsigned", A "\x22\x3f\x0b\x27", 1),
    C("log_not", B "\x0e\x27", 0),         C("bit_and", A B "\x0f\x27", 0),
    C("bit_or", A B "\x10\x27", -5),       C("bit_xor", A B "\x11\x27", -5),
    C("bit_not", A "\x12\x27", 7),         C("equal", B B "\x13\x27", 1),
    C("less_signed", A B "\x14\x27", 1),   C("less_unsigned", A B "\x15\x27", 0),
    C("ext", "\x22\x80\x16\x08\x27", -128), C("zero_ext", A "\x2a\x08\x27", 0xf8),
    C("ref8", "\x22\x01\x17\x27", 0x82),   C("ref16", "\x22\x00\x18\x27", 0x8201),
    C("ref32", "\x22\x00\x19\x27", 0x84038201),
    C("ref64", "\x22\x00\x1a\x27", 0x8807860584038201),
    C("const16", "\x23\x12\x34\x27", 0x1234),
    C("const32", "\x24\x12\x34\x56\x78\x27", 0x12345678),
    C("reg", "\x26\x00\x05\x27", 105),
    C("field", "\x26\x00\x14\x27", 0x04030201),
    C("field 1", "\x26\x00\x11\x27", 2),
    C("field 8", "\x26\x00\x18\x27", 0x8807060504030201),
    C("loop", "\x22\x09" "\x22\x01\x03\x28\x20\x00\x02\x27", 0),
    C("unreachable", B "\x27\x02\x02", 3),
    C("dup", B "\x28\x02\x27", 6),
    C("pop", B A "\x29\x27", 3),           C("swap", A B "\x2b\x03\x27", 11),
    C("pick", A B "\x32\x01\x27", -8),
    C("rot", "\x22\x01\x22\x02\x22\x03\x33\x27", 2),
    C("if_goto", B "\x20\x00\x08\x22\x07\x27" "\x22\x09\x27", 9),
    C("goto", "\x21\x00\x05\x22\x07" "\x22\x09\x27", 9),
    C("div min", "\x25\x80\x00\x00\x00\x00\x00\x00\x00\x22\xff\x16\x08\x05\x27",
      1ull << 63),
    C("no end", B, 3),                     C("nothing", "\x27", 0),
#undef C
};
#define BAD(code) { code, sizeof(code) - 1 }
static const struct { const char *code; size_t len; } bad[] = {
    BAD("\x02\x27"),                /* nothing to add */
    BAD("\x22\x00\x22\x00\x05\x27"), /* division by 0 */
    BAD("\x22\x00\x22\x00\x07\x27"),
    BAD("\x26\x00\x63\x27"),        /* no such register */
    BAD("\x23\xff\xff\x17\x27"),    /* no memory */
    BAD("\x21\x00\x00"),            /* for ever */
    BAD("\x22\x00\x28\x21\x00\x02"), /* until the stack is full */
    BAD("\x32\x05\x27"),            /* nothing to pick */
    BAD("\x01\x27"), BAD("\xff"), BAD("\x1b\x27"), /* floating, unknown */
    BAD("\x22"), BAD("\x25\x00"), BAD("\x26\x00"), /* cut off */
    BAD("\x21\x00\x63\x27"), BAD("\x22\x20\x21\x00\x01"), /* jumps nowhere */
    BAD("\x34\x00\x00\x05" "ab"), BAD("\x34\x00\x00\x02" "ab"),
    BAD("\x34\x00\x00\x00"), BAD("\x34\x09\x00\x01\x00\x27"),
};
#define SAYS(code, says) { code, sizeof(code) - 1, says }
/* What has no place in a monitor's conditions is said in words. */
static const struct { const char *code; size_t len; const char *says; } said[] = {
    SAYS("\x01\x27", "floating point"), SAYS("\x1c\x27", "floating point"),
    SAYS("\x2c\x00\x01\x27", "trace state"),
    SAYS("\x31\x27", "no operator"), SAYS("\x22", "cut off"),
    SAYS("\x02\x27", "too little"), SAYS("\x21\x00\x63", "nowhere"),
    SAYS("\x22\x01\x20\x00\x06\x28\x27", "too little"),
    SAYS("\x22\x01\x28\x20\x00\x07\x28\x27", "two ways"),
};
/* clang-format on */

static void test_says_why(void **state)
{
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
        why[0] = '\0';
        assert_false(run(said[i].code, said[i].len, &value));
        if (!strstr(why, said[i].says))
            fail_msg("said[%zu]: %s", i, why);
    }
}

static void test_operators(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t value = 0;

        if (!run(cases[i].code, cases[i].len, &value))
            fail_msg("%s: refused", cases[i].name);
        if (value != cases[i].want)
            fail_msg("%s: %#llx, not %#llx", cases[i].name,
                     (unsigned long long)value,
                     (unsigned long long)cases[i].want);
    }
}

static void test_refused(void **state)
{
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (run(bad[i].code, bad[i].len, &value))
            fail_msg("bad[%zu] was run", i);
}

/* Arguments, a channel, a function; then printf. */
static void test_printf(void **state)
{
#define FORMAT "%s=%d %-4x|%c%% %5llu\n"
    static const char code[] =
        "\x22\x2a\x22\x41\x22\xff\x24\xff\xff\xff\xfe"
        "\x22\x08\x22\x00\x22\x00\x34\x05\x00\x17" FORMAT "\0\x27";
    uint64_t value;

    (void)state;
    assert_int_equal(sizeof(FORMAT), 0x17);
    assert_true(run(code, sizeof(code) - 1, &value));
    assert_string_equal(printed, "name=-2 ff  |A%    42\n");
}

/* As gdb 13 sends them: two characters each. */
static void test_escapes(void **state)
{
    static const char code[] = "\x22\x00\x22\x00\x34\x00\x00\x18"
                               "a\\n\\t\\\\\\\"\\101\\q%%\\0612\\\0\x27";
    uint64_t value;

    (void)state;
    assert_true(run(code, sizeof(code) - 1, &value));
    assert_string_equal(printed, "a\n\t\\\"Aq%12\\");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operators), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_says_why),  cmocka_unit_test(test_printf),
        cmocka_unit_test(test_escapes),
    };

    return cmocka_run_group_tests_name("agent expressions", tests, NULL, NULL);
}
