/* Framing: both ways, whole and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gdbstub/packet.h"

static struct gdb_framer framer;

/* The events of TEXT, as letters. */
static const char *events(const char *text, size_t len)
{
    static const char letters[] = ".PBLI+-";
    static char seen[64];
    size_t at = 0, n = 0;

    while (at < len && n < sizeof(seen) - 1) {
        enum gdb_event e;

        at +=
            gdb_framer_feed(&framer, (const uint8_t *)text + at, len - at, &e);
        if (e != GDB_EVENT_NONE)
            seen[n++] = letters[e];
    }
    seen[n] = '\0';
    return seen;
}

static int setup(void **state)
{
    (void)state;
    gdb_framer_init(&framer);
    return 0;
}

static void test_events(void **state)
{
    (void)state;
    assert_string_equal(events("+$g#67-\003noise", 13), "+P-I");
    assert_string_equal(framer.body, "g");
    assert_string_equal(events("$g#68", 5), "B");
    assert_string_equal(events("$g#6z", 5), "B");
    assert_string_equal(events("$#00", 4), "P");
    assert_int_equal(framer.len, 0);
    /* Cut off by the next one; 03h inside a packet is data. */
    assert_string_equal(events("$abc$g\003#6a", 10), "P");
    assert_memory_equal(framer.body, "g\003", 2);
    assert_string_equal(events("$qC", 3), "");
    assert_string_equal(events("#b4", 3), "P");
}

static void test_escapes(void **state)
{
    (void)state;
    assert_string_equal(events("$X}\003}]#b2", 9), "P");
    assert_int_equal(framer.len, 3);
    assert_memory_equal(framer.body, "X#}", 3);
    assert_string_equal(events("$a}#de", 6), "B"); /* nothing is escaped */
}

static void test_bounds(void **state)
{
    size_t len = GDB_PACKET_MAX + 8;
    char *text = malloc(len);

    (void)state;
    assert_non_null(text);
    memset(text, 'A', len);
    text[0] = '$';
    memcpy(text + GDB_PACKET_MAX + 1, "#00", 3);
    assert_string_equal(events(text, GDB_PACKET_MAX + 4), "P");
    assert_int_equal(framer.len, GDB_PACKET_MAX);
    text[GDB_PACKET_MAX + 1] = 'A';
    memcpy(text + GDB_PACKET_MAX + 2, "#41", 3);
    assert_string_equal(events(text, GDB_PACKET_MAX + 5), "L");
    assert_string_equal(events("$g#67", 5), "P");
    free(text);
}

static void assert_frame(const char *body, const char *want)
{
    struct strbuf out;

    strbuf_init(&out);
    gdb_frame(&out, body, strlen(body));
    assert_string_equal(strbuf_str(&out), want);
    strbuf_fini(&out);
}

static void test_runs(void **state)
{
    (void)state;
    assert_frame("OK", "$OK#9a");
    assert_frame("", "$#00");
    assert_frame("aaa", "$aaa#23"); /* as long as it would be */
    assert_frame("aaaa", "$a* #ab");
    /* 6 and 7 repeats would be # and $: they are said with fewer. */
    assert_frame("0000000", "$0*\"0#ac");
    assert_frame("00000000", "$0*\"00#dc");
    /* 14 and 16 are + and -, which a count may be; 97 is the last, ~. */
    assert_frame("00000000000000A", "$0**A#c5");
    assert_frame("000000000000000A", "$0*+A#c6");
    assert_frame("0000000000000000A", "$0*,A#c7");
    assert_frame("00000000000000000A", "$0*-A#c8");
    /* A * of the body's own comes escaped: the body is binary data. */
    assert_frame("}\n}\n}\n", "$}\n}\n}\n#95");
}

/* BODY framed, its runs undone again, is BODY, under the right sum. */
static void assert_comes_back(const char *body, size_t len)
{
    struct strbuf out;
    char back[260], sum_text[3];
    uint8_t sum = 0;
    size_t n = 0;

    strbuf_init(&out);
    gdb_frame(&out, body, len);
    for (size_t i = 1; i < out.len - 3; i++) {
        sum = (uint8_t)(sum + (uint8_t)out.text[i]);
        if (out.text[i] != '*') {
            back[n++] = out.text[i];
            continue;
        }
        i++;
        sum = (uint8_t)(sum + (uint8_t)out.text[i]);
        assert_true(out.text[i] >= ' ' && out.text[i] <= '~');
        assert_true(out.text[i] != '#' && out.text[i] != '$');
        for (int k = out.text[i] - 29; k > 0; k--, n++)
            back[n] = back[n - 1];
    }
    assert_int_equal(n, len);
    assert_memory_equal(back, body, len);
    (void)snprintf(sum_text, sizeof(sum_text), "%02x", sum);
    assert_string_equal(out.text + out.len - 2, sum_text);
    strbuf_fini(&out);
}

static void test_run_lengths(void **state)
{
    char body[260];

    (void)state;
    memset(body, 'x', sizeof(body));
    for (size_t len = 0; len < sizeof(body); len++)
        assert_comes_back(body, len);
}

/* Runs of every length up to five begin at every place of a longer text. */
static void test_runs_anywhere(void **state)
{
    char body[70];

    (void)state;
    for (size_t at = 0; at < 60; at++) {
        for (size_t run = 2; run <= 5; run++) {
            for (size_t i = 0; i < sizeof(body); i++)
                body[i] = (char)(0x81 + i);
            memset(body + at, body[at], run);
            assert_comes_back(body, sizeof(body));
            assert_comes_back(body, at + run);
        }
    }
}

/* Every byte, at every place and in every length. */
static void test_hex(void **state)
{
    uint8_t bytes[256 + 40];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t at = 0; at < 256; at++) {
        const size_t len = at % 40;
        struct strbuf out;
        uint8_t back[40];

        strbuf_init(&out);
        gdb_put_hex(&out, bytes + at, len);
        assert_int_equal(out.len, 2 * len);
        for (size_t i = 0; i < len; i++) {
            char want[3];

            (void)snprintf(want, sizeof(want), "%02x", bytes[at + i]);
            assert_memory_equal(out.text + 2 * i, want, 2);
        }
        assert_true(gdb_from_hex(strbuf_str(&out), 2 * len, back));
        assert_memory_equal(back, bytes + at, len);
        strbuf_fini(&out);
    }
}

static void test_hex_and_binary(void **state)
{
    struct strbuf out;
    uint8_t bytes[2];

    (void)state;
    strbuf_init(&out);
    gdb_put_hex(&out, "\x12\xaf", 2);
    gdb_put_binary(&out, "a}*#$", 5);
    assert_string_equal(strbuf_str(&out), "12afa}]}\n}\003}\004");
    assert_true(gdb_from_hex("12aF", 4, bytes));
    assert_int_equal(bytes[1], 0xaf);
    assert_false(gdb_from_hex("123", 3, bytes));
    assert_false(gdb_from_hex("1g", 2, bytes));
    strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_events, setup),
        cmocka_unit_test_setup(test_escapes, setup),
        cmocka_unit_test_setup(test_bounds, setup),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_run_lengths),
        cmocka_unit_test(test_runs_anywhere),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hex_and_binary),
    };

    return cmocka_run_group_tests_name("gdb packets", tests, NULL, NULL);
}
