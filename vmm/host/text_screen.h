/*
 * The guest's 80x25 text screen as escape sequences for a terminal: only the
 * cells that changed.  Pure: bytes go to a strbuf.
 */
#ifndef VMM_HOST_TEXT_SCREEN_H
#define VMM_HOST_TEXT_SCREEN_H
#include "vmm/base/strbuf.h"

#define TEXT_SCREEN_ROWS 25u
#define TEXT_SCREEN_COLS 80u

typedef uint8_t text_cells[TEXT_SCREEN_ROWS][TEXT_SCREEN_COLS][2];

struct text_screen {
    text_cells shown; /* what the terminal shows: character, attribute */
    bool valid;       /* false: draw everything */
    unsigned first;   /* guest row at the terminal's top: 1 when it is short */
    unsigned rows, cols; /* of the terminal */
    bool color, utf8;
};

/* Brings the terminal from S->shown to CELLS; ROW, COL: the cursor. */
void text_screen_draw(struct text_screen *s, text_cells cells, unsigned row,
                      unsigned col, bool cursor, struct strbuf *out);

/* As lines, without what is empty at the ends. */
void text_screen_lines(const struct text_screen *s, text_cells cells,
                       struct strbuf *out);

/* Begins and ends full-screen drawing. */
extern const char text_screen_enter[], text_screen_leave[];
#endif
