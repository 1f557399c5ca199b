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
            for (unsigned zoomed = 0; zoomed < 2; zoomed++) {
                sc.term.w = w;
                sc.term.h = h;
                sc.zoomed = zoomed;
                layout_apply(&sc);
                assert_true(sc.panes > 0 && sc.focus < sc.panes);
                sc.focus = (sc.focus + 1) % sc.panes;
                draw(&sc);
            }
    for (unsigned i = 0; i < sc.panes; i++)
        pane_fini(&sc.pane[i]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_surface_text),
        cmocka_unit_test(test_where_a_pane_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
