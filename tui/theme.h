/*
 * What each look is in colours.  Two themes that people with any kind of
 * colour vision can tell apart, dark and light, and one without colours.
 * Nothing is said by colour alone: marks and words say it too.
 */
#ifndef TUI_THEME_H
#define TUI_THEME_H
#include "tui/surface.h"

enum theme_attr {
    THEME_BOLD = BIT(0),
    THEME_DIM = BIT(1),
    THEME_REVERSE = BIT(2),
    THEME_UNDERLINE = BIT(3),
};

struct theme_look {
    uint8_t fg;    /* of the 256 colours */
    uint8_t basic; /* of the eight, for terminals that have no more */
    uint8_t attr;
};

struct theme {
    const char *name;
    bool colours;
    uint8_t bg, basic_bg;
    struct theme_look look[LOOK_COUNT];
};

/* NULL: there is none of that name. */
const struct theme *theme_find(const char *name);
const struct theme *theme_nth(size_t n);
/* Their names, a line each, CURRENT marked. */
void theme_list(const struct theme *current, struct strbuf *out);
/* Red, green and blue (0 to 255) of one of the 256 colours from 16 on. */
void theme_rgb(uint8_t colour, uint8_t rgb[3]);
#endif
