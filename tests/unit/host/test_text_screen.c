/* Drawing the text screen, and keys from what a terminal sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/host/keyboard.h"
#include "vmm/host/text_screen.h"

static text_cells cells;
static struct text_screen screen;
static struct strbuf out;

static int setup(void **state)
{
    (void)state;
    memset(&screen, 0, sizeof(screen));
    screen.rows = 25;
    screen.cols = 80;
    screen.utf8 = screen.color = true;
    for (unsigned r = 0; r < TEXT_SCREEN_ROWS; r++)
        for (unsigned c = 0; c < TEXT_SCREEN_COLS; c++) {
            cells[r][c][0] = ' ';
            cells[r][c][1] = 7;
        }
    strbuf_init(&out);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    strbuf_fini(&out);
    return 0;
}

static void put(unsigned row, unsigned col, const char *text, uint8_t attr)
{
    for (; *text; text++, col++) {
        cells[row][col][0] = (uint8_t)*text;
        cells[row][col][1] = attr;
    }
}

static const char *draw(unsigned row, unsigned col)
{
    strbuf_reset(&out);
    text_screen_draw(&screen, cells, row, col, true, &out);
    return strbuf_str(&out);
}

static void only_changes_are_drawn(void **state)
{
    (void)state;
    draw(0, 0);
    assert_string_equal(draw(0, 0), "\033[?25l\033[1;1H\033[?25h");
    put(2, 3, "hi", 7);
    assert_string_equal(draw(2, 5), "\033[?25l\033[3;4H\033[0;37;40mhi"
                                    "\033[3;6H\033[?25h");
    put(2, 3, "ho", 7);
    assert_string_equal(draw(2, 5),
                        "\033[?25l\033[3;5H\033[0;37;40mo\033[3;6H\033[?25h");
}

static void colours_are_a_terminals(void **state)
{
    (void)state;
    draw(0, 0);
    put(0, 0, "x", 0x1e); /* yellow on blue */
    assert_non_null(strstr(draw(0, 0), "\033[0;93;44mx"));
    screen.color = false;
    put(0, 0, "y", 0x70); /* black on grey */
    assert_non_null(strstr(draw(0, 0), "\033[0;7my"));
}

static void every_character_has_a_form(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++)
        cells[i / 80][i % 80][0] = (uint8_t)i;
    text_screen_lines(&screen, cells, &out);
    assert_non_null(strstr(strbuf_str(&out), "☺☻♥"));
    assert_non_null(strstr(strbuf_str(&out), "»░▒▓│┤"));
    assert_non_null(strstr(strbuf_str(&out), "~⌂ÇüéâäàåçêëèïîìÄ"));
    assert_non_null(strstr(strbuf_str(&out), "°∙·√ⁿ²■"));
    strbuf_reset(&out);
    screen.utf8 = false;
    text_screen_lines(&screen, cells, &out);
    for (size_t i = 0; i < out.len; i++)
        assert_true(out.text[i] == '\n' ||
                    (out.text[i] >= ' ' && out.text[i] < 0x7f));
}

static void a_short_terminal_follows_the_cursor(void **state)
{
    (void)state;
    screen.rows = 24;
    put(0, 0, "top", 7);
    put(24, 0, "bottom", 7);
    assert_non_null(strstr(draw(0, 0), "top"));
    assert_null(strstr(draw(0, 0), "bottom"));
    assert_non_null(strstr(draw(24, 6), "\033[24;1Hbottom"));
    assert_null(strstr(draw(24, 6), "top"));
}

static void tiny_terminals(void **state)
{
    (void)state;
    put(12, 40, "middle", 7);
    for (unsigned rows = 1; rows < 30; rows++) {
        for (unsigned cols = 1; cols < 100; cols += 7) {
            screen.rows = rows;
            screen.cols = cols;
            screen.valid = false;
            draw(24, 79);
            draw(12, 40);
        }
    }
}

static void lines_end_where_text_ends(void **state)
{
    (void)state;
    put(0, 2, "a", 7);
    put(2, 0, "b", 7);
    text_screen_lines(&screen, cells, &out);
    assert_string_equal(strbuf_str(&out), "  a\n\nb\n");
}

static void keys(void **state)
{
    static const struct {
        const char *text;
        size_t takes;
        const char *codes; /* hex */
    } rows[] = {
        {"a", 1, "1e 9e"},
        {"A", 1, "2a 1e 9e aa"},
        {"\033", 1, "01 81"},
        {"\033[A", 3, "e0 48 e0 c8"},
        {"\033[5~x", 4, "e0 49 e0 c9"},
        {"\033OP", 3, "3b bb"},
        {"\033[15~", 5, "3f bf"},
        {"\033x", 2, "38 2d ad b8"},
        {"\033[99;5q!", 7, ""},
        {"\xc3", 1, ""},
    };
    uint8_t codes[KEYBOARD_BYTES];
    size_t count;
    char hex[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t at = 0;

        assert_int_equal(
            keyboard_take(rows[i].text, strlen(rows[i].text), codes, &count),
            rows[i].takes);
        hex[0] = '\0';
        for (size_t j = 0; j < count; j++)
            at += (size_t)snprintf(hex + at, sizeof(hex) - at, "%s%02x",
                                   j ? " " : "", codes[j]);
        assert_string_equal(hex, rows[i].codes);
    }
}

static void any_bytes_are_keys(void **state)
{
    uint8_t codes[KEYBOARD_BYTES];
    char text[12];
    size_t count;

    (void)state;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        size_t len = 1 + (size_t)rand() % sizeof(text);

        for (size_t j = 0; j < len; j++)
            text[j] = "\033[O~1;5AaZ\x80\x01"[rand() % 12];
        for (size_t at = 0; at < len;) {
            size_t n = keyboard_take(text + at, len - at, codes, &count);

            assert_in_range(n, 1, len - at);
            assert_in_range(count, 0, KEYBOARD_BYTES);
            at += n;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_changes_are_drawn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(colours_are_a_terminals, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_character_has_a_form, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_short_terminal_follows_the_cursor,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(tiny_terminals, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_end_where_text_ends, setup,
                                        teardown),
        cmocka_unit_test(keys),
        cmocka_unit_test(any_bytes_are_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
