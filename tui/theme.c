#include "tui/theme.h"

#include <string.h>

enum { BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE };

/*
 * Yellow, red and blue of different brightness keep their distance for every
 * kind of colour vision; tests/unit/tui/test_theme.c computes it, and the
 * contrast.
 */
/* clang-format off */
static const struct theme themes[] = {
    { "dark", true, 16, BLACK, {
        [LOOK_PLAIN] =   { 252, WHITE,   0 },
        [LOOK_CHANGED] = { 227, YELLOW,  THEME_BOLD },
        [LOOK_CURRENT] = { 255, WHITE,   THEME_REVERSE },
        [LOOK_FAULT] =   { 203, MAGENTA, THEME_BOLD | THEME_UNDERLINE },
        [LOOK_DIM] =     { 246, WHITE,   THEME_DIM },
        [LOOK_NAME] =    { 111, CYAN,    THEME_BOLD },
        [LOOK_TITLE] =   { 110, CYAN,    0 },
        [LOOK_FOCUS] =   { 227, YELLOW,  THEME_BOLD },
        [LOOK_BAR] =     { 255, WHITE,   THEME_REVERSE } } },
    { "light", true, 231, WHITE, {
        [LOOK_PLAIN] =   { 235, BLACK,   0 },
        [LOOK_CHANGED] = {  58, RED,     THEME_BOLD },
        [LOOK_CURRENT] = {  16, BLACK,   THEME_REVERSE },
        [LOOK_FAULT] =   { 161, MAGENTA, THEME_BOLD | THEME_UNDERLINE },
        [LOOK_DIM] =     { 242, BLACK,   THEME_DIM },
        [LOOK_NAME] =    {  19, BLUE,    THEME_BOLD },
        [LOOK_TITLE] =   {  24, BLUE,    0 },
        [LOOK_FOCUS] =   {  58, RED,     THEME_BOLD },
        [LOOK_BAR] =     {  16, BLACK,   THEME_REVERSE } } },
    { "mono", false, 0, 0, {
        [LOOK_CHANGED] = { 0, 0, THEME_BOLD },
        [LOOK_CURRENT] = { 0, 0, THEME_REVERSE },
        [LOOK_FAULT] =   { 0, 0, THEME_BOLD | THEME_UNDERLINE },
        [LOOK_DIM] =     { 0, 0, THEME_DIM },
        [LOOK_NAME] =    { 0, 0, THEME_BOLD },
        [LOOK_FOCUS] =   { 0, 0, THEME_BOLD | THEME_UNDERLINE },
        [LOOK_BAR] =     { 0, 0, THEME_REVERSE } } },
};
/* clang-format on */

const struct theme *theme_nth(size_t n)
{
    return n < ARRAY_SIZE(themes) ? &themes[n] : NULL;
}

const struct theme *theme_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(themes); i++)
        if (strcmp(themes[i].name, name) == 0)
            return &themes[i];
    return NULL;
}

void theme_list(const struct theme *current, struct strbuf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(themes); i++)
        strbuf_printf(out, "%c %-6s %s\n", &themes[i] == current ? '*' : ' ',
                      themes[i].name,
                      themes[i].colours
                          ? "colours on a background like its name"
                          : "no colours");
}

void theme_rgb(uint8_t colour, uint8_t rgb[3])
{
    static const uint8_t steps[] = {0, 95, 135, 175, 215, 255};

    assert(colour >= 16);
    if (colour >= 232) {
        rgb[0] = rgb[1] = rgb[2] = (uint8_t)(8 + 10 * (colour - 232));
        return;
    }
    rgb[0] = steps[(colour - 16) / 36];
    rgb[1] = steps[(colour - 16) / 6 % 6];
    rgb[2] = steps[(colour - 16) % 6];
}
