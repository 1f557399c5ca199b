/*
 * A rectangle of cells: what panes draw on, what tests read as text, what the
 * terminal shows.  Knows no terminal.
 */
#ifndef TUI_SURFACE_H
#define TUI_SURFACE_H
#include "vmm/base/strbuf.h"
#include "vmm/view/doc.h"

/* How a cell looks; marks of documents and the screen's own. */
enum look {
    LOOK_PLAIN,
    LOOK_CHANGED,
    LOOK_CURRENT,
    LOOK_FAULT,
    LOOK_DIM,
    LOOK_NAME,
    LOOK_TITLE, /* a pane's title */
    LOOK_FOCUS, /* the title of the pane that has the keys */
    LOOK_BAR,   /* status and hints */
    LOOK_COUNT
};

struct cell {
    uint32_t ch; /* Unicode */
    uint8_t look;
};

struct surface {
    unsigned w, h;
    struct cell *cell; /* h rows of w */
};

struct rect {
    unsigned x, y, w, h;
};

void surface_init(struct surface *s, unsigned w, unsigned h);
void surface_fini(struct surface *s);
void surface_clear(struct surface *s);

/* UTF-8 TEXT at X, Y of AREA, cut at its edges; the columns used. */
unsigned surface_text(struct surface *s, struct rect area, unsigned x,
                      unsigned y, enum look look, const char *text);
/* Columns that the first BYTES of UTF-8 TEXT take. */
unsigned surface_columns(const char *text, size_t bytes);
/* A row of AREA filled with CH. */
void surface_fill(struct surface *s, struct rect area, unsigned y,
                  enum look look, uint32_t ch);
/* Rows of text without trailing spaces. */
void surface_to_text(const struct surface *s, struct strbuf *out);
/* The ASCII character that comes nearest. */
uint32_t surface_ascii(uint32_t ch);
/* Appends CH as UTF-8. */
void surface_utf8(struct strbuf *out, uint32_t ch);
#endif
