/*
 * What every view writes: named fields, tables and notes.  One description,
 * four faces: text for terminals and panes, JSON for programs, SVG for notes
 * and hand-ins (doc_svg.c), and marks that the screen turns into colours.
 *
 *   doc_field(doc, "cr3", "%#llx", cr3);
 *   doc_table(doc, "entries", "index,selector,base");
 *   doc_row(doc); doc_cell(doc, "%u", i); doc_cell(...); doc_cell(...);
 *   doc_note(doc, "...");
 *
 * Names are JSON keys as well as what the text shows.  A column whose name
 * begins with ! is for JSON and figures alone, with + also for text that has
 * room for it; "shown=key" has another name in JSON.  A key's spaces become
 * underscores.
 */
#ifndef VMM_VIEW_DOC_H
#define VMM_VIEW_DOC_H
#include "vmm/base/strbuf.h"

/* How a cell or note is meant; the screen's theme gives it a look. */
enum doc_mark {
    DOC_PLAIN,
    DOC_CHANGED, /* differs from the last stop */
    DOC_CURRENT, /* the instruction at hand, the selected row */
    DOC_FAULT,   /* where it went wrong */
    DOC_DIM,     /* there, but not important */
    DOC_NAME,    /* a symbol or a heading */
};

/* How a table is drawn; all of them are columns of text, but for STRIP. */
enum doc_draw {
    DOC_DRAW_TABLE,
    DOC_DRAW_STRIP, /* rows side by side: the fields of a number */
    DOC_DRAW_CHAIN, /* rows are tables, each leads to the next; the fields
                       that follow are what the last one leads to */
    DOC_DRAW_GRID,  /* cells are steps, read like a page */
};

/* What a document is written as. */
enum doc_form { DOC_TEXT, DOC_JSON, DOC_SVG };

enum doc_item_kind { DOC_FIELD, DOC_TABLE, DOC_CELL, DOC_ROW, DOC_NOTE };

struct doc_item {
    enum doc_item_kind kind;
    enum doc_mark mark;
    char *name; /* FIELD and TABLE; TABLE's columns are in text */
    char *text;
    char *link; /* ROW: where Enter leads, as a command; NULL: nowhere */
    char *json; /* its value in JSON when that is not the text; NULL */
    bool raw;   /* JSON: text is a number or boolean, not a string */
    enum doc_draw draw; /* TABLE */
};

struct doc {
    char *title;
    struct doc_item *item;
    size_t items, cap;
};

void doc_init(struct doc *doc, const char *title);
void doc_fini(struct doc *doc);

void doc_field(struct doc *doc, const char *name, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* A count: JSON shows it as a number, not a string. */
void doc_number(struct doc *doc, const char *name, uint64_t value);
void doc_table(struct doc *doc, const char *name, const char *columns);
void doc_table_draw(struct doc *doc, const char *name, const char *columns,
                    enum doc_draw draw);
void doc_row(struct doc *doc);
void doc_cell(struct doc *doc, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* JSON has this value instead of the text of what was added last. */
void doc_json_value(struct doc *doc, const char *fmt, ...) PRINTF_LIKE(2, 3);
void doc_note(struct doc *doc, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Marks what was added last: after doc_row() the row, after a cell the cell. */
void doc_mark(struct doc *doc, enum doc_mark mark);
/* After doc_row(): the command that shows more of this row. */
void doc_link(struct doc *doc, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct doc_line {
    const char *text; /* without a newline */
    enum doc_mark mark;
    const char *link; /* of the row; or NULL */
};

/*
 * Text: fields aligned, tables in columns under a heading.  LINE is called for
 * each line; its mark is the strongest in it.
 */
void doc_lines(const struct doc *doc,
               void (*line)(void *opaque, const struct doc_line *l),
               void *opaque);
/* The same in lines of WIDTH characters, as far as words and columns that can
 * be spared allow; 0: of any length. */
#define DOC_WIDTH 80u
void doc_text(const struct doc *doc, size_t width, struct strbuf *out);
/*
 * One object: {"view": title, field: ..., table: [{column: ...}], "notes": []}
 */
void doc_json(const struct doc *doc, struct strbuf *out);
/*
 * A figure that stands alone, legible on light and on dark paper.  A column
 * named `share` becomes a bar, a cell whose JSON is a list a small histogram.
 */
void doc_svg(const struct doc *doc, struct strbuf *out);

/* WIDTH is for text. */
void doc_write(const struct doc *doc, enum doc_form form, size_t width,
               struct strbuf *out);

/* The columns of a table, for those who write a form of it. */
#define DOC_COLUMNS_MAX 16u
struct doc_columns {
    char *copy; /* the names, cut apart; owned */
    const char *name[DOC_COLUMNS_MAX];
    const char *key[DOC_COLUMNS_MAX]; /* in JSON */
    bool hidden[DOC_COLUMNS_MAX];     /* its name began with ! */
    bool spare[DOC_COLUMNS_MAX];      /* ... with + */
    size_t width[DOC_COLUMNS_MAX];    /* of the widest text, in characters */
    size_t count;
};
void doc_columns_init(struct doc_columns *c, const struct doc *doc,
                      size_t table);
void doc_columns_fini(struct doc_columns *c);
/* How many characters UTF-8 TEXT shows. */
size_t doc_width(const char *text);
#endif
