/*
 * Themes can be read: contrast by WCAG 2.1 (1.4.3: 4.5 to 1), and the looks
 * that mean something stay apart for people without red, green or blue cones
 * (the simulation of Vienot, Brettel and Mollon 1999, and its like for blue).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/theme.h"

struct colour {
    double rgb[3]; /* linear, 0 to 1 */
};

static struct colour linear(uint8_t index)
{
    struct colour c;
    uint8_t rgb[3];

    theme_rgb(index, rgb);
    for (unsigned i = 0; i < 3; i++) {
        double v = rgb[i] / 255.0;

        c.rgb[i] = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
    }
    return c;
}

static double luminance(struct colour c)
{
    return 0.2126 * c.rgb[0] + 0.7152 * c.rgb[1] + 0.0722 * c.rgb[2];
}

static double contrast(uint8_t fg, uint8_t bg)
{
    double a = luminance(linear(fg)) + 0.05, b = luminance(linear(bg)) + 0.05;

    return a > b ? a / b : b / a;
}

static void test_contrast(void **state)
{
    const struct theme *t;

    (void)state;
    for (size_t i = 0; (t = theme_nth(i)); i++)
        for (unsigned k = 0; t->colours && k < LOOK_COUNT; k++)
            if (contrast(t->look[k].fg, t->bg) < 4.5)
                fail_msg("%s, look %u: contrast %.2f", t->name, k,
                         contrast(t->look[k].fg, t->bg));
}

/* What is left of the colours without one kind of cone. */
static const double vision[][3][3] = {
    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    {{0.11238, 0.88762, 0}, {0.11238, 0.88762, 0}, {0.00401, -0.00401, 1}},
    {{0.29275, 0.70725, 0}, {0.29275, 0.70725, 0}, {-0.02234, 0.02234, 1}},
    {{1, 0.14461, -0.14461}, {0, 0.85924, 0.14076}, {0, 0.85924, 0.14076}},
};

static struct colour seen(struct colour c, const double m[3][3])
{
    struct colour out = {{0}};

    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < 3; k++)
            out.rgb[i] += m[i][k] * c.rgb[k];
    return out;
}

/* Distance after a cube root, which is nearer to how we see it. */
static double distance(struct colour a, struct colour b)
{
    double sum = 0;

    for (unsigned i = 0; i < 3; i++)
        sum += pow(cbrt(a.rgb[i]) - cbrt(b.rgb[i]), 2);
    return sqrt(sum);
}

static void test_colour_vision(void **state)
{
    static const enum look apart[] = {LOOK_CHANGED, LOOK_FAULT, LOOK_NAME};
    const struct theme *t;

    (void)state;
    for (size_t i = 0; (t = theme_nth(i)); i++)
        for (size_t v = 0; t->colours && v < ARRAY_SIZE(vision); v++)
            for (size_t a = 0; a < ARRAY_SIZE(apart); a++)
                for (size_t b = 0; b < a; b++) {
                    struct colour x = linear(t->look[apart[a]].fg);
                    struct colour y = linear(t->look[apart[b]].fg);
                    double d = distance(seen(x, vision[v]), seen(y, vision[v]));

                    if (d < 0.25)
                        fail_msg("%s: looks %d and %d are %.2f apart in "
                                 "vision %zu",
                                 t->name, (int)apart[a], (int)apart[b], d, v);
                }
}

/* What is marked differs from plain text without any colour, too. */
static void test_not_by_colour_alone(void **state)
{
    static const enum look marked[] = {LOOK_CHANGED, LOOK_CURRENT, LOOK_FAULT,
                                       LOOK_BAR};
    const struct theme *t;

    (void)state;
    for (size_t i = 0; (t = theme_nth(i)); i++)
        for (size_t k = 0; k < ARRAY_SIZE(marked); k++)
            assert_int_not_equal(t->look[marked[k]].attr,
                                 t->look[LOOK_PLAIN].attr);
    assert_null(theme_find("plaid"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contrast),
        cmocka_unit_test(test_colour_vision),
        cmocka_unit_test(test_not_by_colour_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
