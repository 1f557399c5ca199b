/* Every size of screen: panes stay on it, and drawing stays in bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/screen.h"

static void fill(struct pane *p)
{
    if (p->lines == 0)
        for (int i = 0; i < 40; i++)
            pane_add(p, i == 7 ? LOOK_CURRENT : LOOK_PLAIN,
                     "line %d \xe2\x94\x80 \xff of a pane that is long enough "
                     "to be cut at every width that there is",
                     i);
    p->cursor = 35;
}

static void draw(struct screen *sc)
{
    struct surface s;

    surface_init(&s, sc->term.w, sc->term.h);
    for (unsigned i = 0; i < sc->panes; i++) {
        const struct rect *a = &sc->pane[i].area;

        assert_true(a->h == 0 || a->y + a->h <= sc->term.h);
        assert_true(a->w == 0 || a->x + a->w <= sc->term.w);
        fill(&sc->pane[i]);
        pane_draw(&sc->pane[i], &s, i == sc->focus);
    }
    surface_fini(&s);
}

static void test_every_size(void **state)
{
    static struct screen sc;

    (void)state;
    for (unsigned w = 1; w <= 300; w += w < 40 ? 1 : 13)
        for (unsigned h = 1; h <= 100; h += h < 30 ? 1 : 7)
            for (unsigned how = 0; how < 4; how++) {
                sc.term.w = w;
                sc.term.h = h;
                sc.zoomed = how & 1;
                sc.wide = how & 2;
                layout_apply(&sc);
                assert_true(sc.panes > 0 && sc.focus < sc.panes);
                sc.focus = (sc.focus + 1) % sc.panes;
                draw(&sc);
            }
    layout_fini(&sc);
}

/* 16 general registers, RIP and RFLAGS want a line each. */
static void test_wide_registers(void **state)
{
    static const unsigned sizes[][2] = {{80, 24}, {120, 40}, {190, 50}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct screen sc = {.wide = true};
        bool seen = false;

        sc.term.w = sizes[i][0];
        sc.term.h = sizes[i][1];
        layout_apply(&sc);
        for (unsigned p = 0; p < sc.panes; p++)
            if (strcmp(sc.pane[p].class->name, "cpu") == 0) {
                seen = true;
                assert_true(sc.pane[p].area.w >= 21);
                assert_true(sc.pane[p].area.h >= 19);
            }
        assert_true(seen);
        layout_fini(&sc);
    }
}

static void test_surface_text(void **state)
{
    struct rect all = {0, 0, 4, 2};
    struct strbuf out;
    struct surface s;

    (void)state;
    surface_init(&s, 4, 2);
    assert_int_equal(surface_text(&s, all, 1, 0, LOOK_NAME, "ab\xe2\x94\x80z"),
                     4);
    surface_text(&s, all, 0, 9, LOOK_PLAIN, "nowhere");
    strbuf_init(&out);
    surface_to_text(&s, &out);
    assert_string_equal(strbuf_str(&out), " ab\xe2\x94\x80\n\n");
    strbuf_fini(&out);
    surface_fini(&s);
}

static void test_where_a_pane_was(void **state)
{
    struct pane p;

    (void)state;
    pane_init(&p, pane_class_find("code"));
    assert_false(pane_back(&p));
    pane_go(&p, "one");
    pane_go(&p, "two");
    assert_true(pane_back(&p));
    assert_string_equal(p.arg, "one");
    assert_true(pane_back(&p));
    assert_string_equal(p.arg, "");
    assert_true(pane_forward(&p));
    assert_string_equal(p.arg, "one");
    for (int i = 0; i < 100; i++)
        pane_go(&p, i % 2 ? "here" : "there");
    for (unsigned i = 0; i + 1 < PANE_HISTORY; i++)
        assert_true(pane_back(&p));
    assert_false(pane_back(&p));
    pane_fini(&p);
}

/* A screen of some size, laid out. */
static void lay_out(struct screen *sc, unsigned w, unsigned h)
{
    sc->term.w = w;
    sc->term.h = h;
    layout_apply(sc);
}

static int read_text(struct screen *sc, const char *text)
{
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    int line = layout_read(sc, file);

    fclose(file);
    return line;
}

static void test_a_layout_is_kept(void **state)
{
    static struct screen sc, other;
    char text[2048] = "";
    FILE *file;

    (void)state;
    lay_out(&sc, 80, 24);
    layout_move(&sc, 1); /* code changes places with cpu */
    assert_string_equal(sc.pane[0].class->name, "cpu");
    assert_int_equal(sc.focus, 1);
    lay_out(&sc, 190, 50); /* another size has its own panes */
    assert_string_equal(sc.pane[0].class->name, "code");
    lay_out(&sc, 80, 24);
    assert_string_equal(sc.pane[0].class->name, "cpu");
    file = fmemopen(text, sizeof(text), "w");
    layout_write(&sc, file);
    fclose(file);
    assert_int_equal(read_text(&other, text), 0);
    lay_out(&other, 80, 24);
    assert_string_equal(other.pane[0].class->name, "cpu");
    layout_reset(&other);
    assert_string_equal(other.pane[0].class->name, "code");
    layout_move(&other, -1); /* round the end */
    assert_string_equal(other.pane[other.panes - 1].class->name, "code");
    layout_fini(&sc);
    layout_fini(&other);
}

static unsigned place_of(const struct screen *sc, const char *name)
{
    for (unsigned i = 0; i < sc->panes; i++)
        if (strcmp(sc->pane[i].class->name, name) == 0)
            return i;
    fail_msg("no pane shows %s", name);
    return 0;
}

static void test_panes_outlive_a_small_screen(void **state)
{
    static struct screen sc;

    (void)state;
    lay_out(&sc, 190, 50);
    sc.focus = place_of(&sc, "memory");
    pane_go(&sc.pane[sc.focus], "there");
    pane_go(&sc.pane[place_of(&sc, "code")], "here");
    lay_out(&sc, 80, 24);
    assert_string_equal(sc.pane[place_of(&sc, "code")].arg, "here");
    assert_string_equal(sc.pane[sc.focus].class->name, "code");
    for (unsigned i = 0; i < 20; i++)
        lay_out(&sc, 1 + i, 30 - i);
    lay_out(&sc, 190, 50);
    assert_string_equal(sc.pane[sc.focus].class->name, "memory");
    assert_string_equal(sc.pane[sc.focus].arg, "there");
    sc.zoomed = true;
    lay_out(&sc, 80, 24); /* what fills the screen stays */
    assert_string_equal(sc.pane[sc.focus].class->name, "memory");
    sc.zoomed = false;
    lay_out(&sc, 80, 24);
    assert_string_equal(sc.pane[sc.focus].class->name, "code");
    layout_fini(&sc);
}

static void test_two_panes_of_a_kind_keep_their_order(void **state)
{
    static struct screen sc;
    unsigned a, b;

    (void)state;
    lay_out(&sc, 120, 40);
    a = place_of(&sc, "memory");
    b = place_of(&sc, "walk");
    pane_show(&sc.pane[b], pane_class_find("memory"));
    layout_note(&sc);
    pane_go(&sc.pane[a], "first");
    pane_go(&sc.pane[b], "second");
    for (unsigned i = 0; i < 3; i++) {
        lay_out(&sc, 80, 24);
        lay_out(&sc, 120, 40);
        assert_string_equal(sc.pane[a].arg, a < b ? "first" : "second");
        assert_string_equal(sc.pane[b].arg, a < b ? "second" : "first");
    }
    layout_fini(&sc);
}

static void test_a_wrong_layout_changes_nothing(void **state)
{
    static const struct {
        const char *text;
        int line;
    } rows[] = {
        {"# a comment\n78x22: code cpu walk\n", 0},
        {"78x22: code cpu\n", 1},
        {"78x22: code cpu walk stack\n", 1},
        {"# one\n78x22: code cpu nonsense\n", 2},
        {"79x22: code cpu walk\n", 1},
        {"\x01\x02\x03\n", 1},
        {"78x22", 1},
    };
    static struct screen sc;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        memset(sc.chosen, 0, sizeof(sc.chosen));
        assert_int_equal(read_text(&sc, rows[i].text), rows[i].line);
        assert_true(!!sc.chosen[2].pane[2] == !rows[i].line);
    }
}

static void test_words_of_a_line(void **state)
{
    struct pane p;
    char word[16];

    (void)state;
    pane_init(&p, pane_class_find("cpu"));
    pane_move_word(&p, 1); /* nothing there: nothing happens */
    assert_false(pane_word(&p, word, sizeof(word)));
    pane_add(&p, LOOK_PLAIN, "  eax 00000000  ecx");
    assert_false(pane_word(&p, word, sizeof(word)));
    for (int i = 0; i < 9; i++)
        pane_move_word(&p, 1);
    assert_true(pane_word(&p, word, sizeof(word)));
    assert_string_equal(word, "ecx");
    pane_move_word(&p, -1);
    assert_true(pane_word(&p, word, sizeof(word)));
    assert_string_equal(word, "00000000");
    for (int i = 0; i < 9; i++)
        pane_move_word(&p, -1);
    assert_false(pane_word(&p, word, sizeof(word)));
    pane_fini(&p);
}

static void test_popup_wraps(void **state)
{
    static struct screen sc;

    (void)state;
    sc.term.w = 30;
    sc.term.h = 24;
    popup_open(&sc);
    popup_line(&sc, LOOK_PLAIN, "name  words that do not fit one line of it");
    assert_int_equal(sc.popup.lines, 2);
    assert_string_equal(sc.popup.line[0].text, "name  words that do not");
    assert_string_equal(sc.popup.line[1].text, "      fit one line of it");
    for (unsigned w = 1; w < 80; w++) {
        sc.term.w = w;
        popup_open(&sc);
        popup_line(&sc, LOOK_PLAIN, "averylongwordthatnolinecanholdatall and");
        popup_line(&sc, LOOK_PLAIN, "");
        popup_line(&sc, LOOK_PLAIN, "\xe2\x94\x80\xe2\x94\x80 \xff");
    }
    assert_true(popup_key(&sc, TERM_DOWN));
    assert_false(popup_key(&sc, 's')); /* it goes on to its own meaning */
    assert_false(sc.popup_open);
    pane_fini(&sc.popup);
}

static void test_ascii(void **state)
{
    static const struct {
        uint32_t ch, ascii;
    } rows[] = {{'a', 'a'},     {0x2500, '-'}, {0x2502, '|'}, {0x253c, '+'},
                {0x2581, '_'},  {0x2588, '#'}, {0x258f, '|'}, {0x258b, '#'},
                {0x1f600, '?'}, {0xfffd, '?'}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(surface_ascii(rows[i].ch), rows[i].ascii);
}

/* One that was asked for, while it fits; then the terminal's size decides. */
static void test_pinned(void **state)
{
    static struct screen sc;
    struct strbuf out;

    (void)state;
    strbuf_init(&out);
    sc.term.w = 120;
    sc.term.h = 40;
    assert_false(layout_pin(&sc, layout_find("large"), &out));
    assert_string_equal(strbuf_str(&out),
                        "layout: large needs 180x46, the screen has 120x40\n");
    assert_true(layout_pin(&sc, layout_find("small"), &out));
    assert_int_equal(sc.panes, 3);
    sc.term.w = 70;
    layout_apply(&sc);
    assert_int_equal(sc.panes, 2);
    sc.term.w = 200;
    sc.term.h = 60;
    layout_apply(&sc);
    assert_int_equal(sc.panes, 3);
    assert_true(layout_pin(&sc, LAYOUTS, &out));
    assert_int_equal(sc.panes, 9);
    assert_int_equal(layout_find("huge"), LAYOUTS);
    layout_fini(&sc);
    strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_wide_registers),
        cmocka_unit_test(test_surface_text),
        cmocka_unit_test(test_where_a_pane_was),
        cmocka_unit_test(test_a_layout_is_kept),
        cmocka_unit_test(test_panes_outlive_a_small_screen),
        cmocka_unit_test(test_two_panes_of_a_kind_keep_their_order),
        cmocka_unit_test(test_a_wrong_layout_changes_nothing),
        cmocka_unit_test(test_words_of_a_line),
        cmocka_unit_test(test_popup_wraps),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_pinned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
