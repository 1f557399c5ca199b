/*
 * Documents as SVG: fields and tables as text, and some tables as figures: the
 * fields of an address as a strip, page tables as a chain, the references of a
 * nested walk as a grid, shares and times as bars.
 *
 * Colours are Okabe and Ito's, told apart by all eyes; what a colour says, a
 * sign or weight says too.  A style sheet turns them for dark paper.  Widths
 * are those of a monospaced font, whatever it is.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/view/doc.h"

#define CHAR_W 7.85 /* of 13 px monospace, generously */
#define LINE_H 19.0
#define PAD    24.0
#define GAP    16.0 /* between blocks */

struct svg {
    const struct doc *doc;
    struct strbuf out;
    double y, width; /* where the next block begins; the widest so far */
};

static const char *const classes[] = {
    [DOC_PLAIN] = "t",           [DOC_CHANGED] = "t changed",
    [DOC_CURRENT] = "t current", [DOC_FAULT] = "t fault",
    [DOC_DIM] = "t dim",         [DOC_NAME] = "t name",
};

static const char style[] =
    "<style>\n"
    ".bg{fill:#ffffff}.t{font:13px monospace;fill:#1b1f24}"
    ".title{font:bold 19px sans-serif;fill:#1b1f24}"
    ".label{font:12px sans-serif;fill:#57606a}"
    ".dim{fill:#6e7781}.name{font-weight:bold}"
    ".changed{fill:#0072b2;font-weight:bold}"
    ".current{fill:#0072b2;font-weight:bold}"
    ".fault{fill:#b34700;font-weight:bold}"
    ".box{fill:#f4f6f8;stroke:#8c959f;stroke-width:1}"
    ".slot{fill:#cfe6f5;stroke:#0072b2;stroke-width:1.5}"
    ".bad{fill:#fbe3d6;stroke:#b34700;stroke-width:2;stroke-dasharray:5 3}"
    ".good{fill:#d9f2e8;stroke:#00785a;stroke-width:1.5}"
    ".stripe{fill:#f4f6f8}.rule{stroke:#8c959f;stroke-width:1}"
    ".bar{fill:#56b4e9}.arrow{fill:none;stroke:#57606a;stroke-width:1.5}"
    ".tip{fill:#57606a}\n"
    "@media (prefers-color-scheme:dark){.bg{fill:#14181d}"
    ".t,.title{fill:#e6edf3}.label,.dim{fill:#9aa5b1}"
    ".changed,.current{fill:#56b4e9}.fault{fill:#f0a060}"
    ".box{fill:#20262d;stroke:#6e7781}.slot{fill:#12405c;stroke:#56b4e9}"
    ".bad{fill:#4a2a14;stroke:#f0a060}.good{fill:#0f3d31;stroke:#2fbf95}"
    ".stripe{fill:#1b2128}.rule{stroke:#6e7781}.bar{fill:#2f7fb5}"
    ".arrow{stroke:#9aa5b1}.tip{fill:#9aa5b1}}\n"
    "</style>\n";

/* ---- pieces ------------------------------------------------------------- */

static void put_escaped(struct strbuf *out, const char *text)
{
    static const char *const entity[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;"};

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 128 && entity[c])
            strbuf_puts(out, entity[c]);
        else if (c >= ' ' && c != 0x7f)
            strbuf_putc(out, (char)c);
        else
            strbuf_putc(out, '.'); /* no XML may hold it */
    }
}

static double text_width(const char *text)
{
    return (double)doc_width(text) * CHAR_W;
}

static void reach(struct svg *s, double x)
{
    s->width = x > s->width ? x : s->width;
}

/* ANCHOR: "start", "middle" or "end" of the text is at X. */
static void put_text(struct svg *s, double x, double y, const char *class,
                     const char *anchor, const char *text)
{
    if (!*text)
        return;
    strbuf_printf(&s->out,
                  "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" "
                  "text-anchor=\"%s\" xml:space=\"preserve\">",
                  x, y, class, anchor);
    put_escaped(&s->out, text);
    strbuf_puts(&s->out, "</text>\n");
    if (anchor[0] == 's')
        reach(s, x + text_width(text));
}

static void put_rect(struct svg *s, double x, double y, double w, double h,
                     const char *class)
{
    strbuf_printf(&s->out,
                  "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                  "rx=\"3\" class=\"%s\"/>\n",
                  x, y, w, h, class);
    reach(s, x + w);
}

static void put_rule(struct svg *s, double x, double y, double w)
{
    strbuf_printf(&s->out,
                  "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
                  "class=\"rule\"/>\n",
                  x, y, x + w, y);
}

/* From X0, Y0 to the right and up or down to X1, Y1. */
static void put_arrow(struct svg *s, double x0, double y0, double x1, double y1)
{
    strbuf_printf(&s->out,
                  "<path class=\"arrow\" d=\"M%.1f %.1f C%.1f %.1f %.1f %.1f "
                  "%.1f %.1f\"/><path class=\"tip\" d=\"M%.1f %.1f l-8 -4 v8 "
                  "z\"/>\n",
                  x0, y0, (x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1 - 6, y1, x1,
                  y1);
}

static const struct doc_item *item(const struct svg *s, size_t at)
{
    return at < s->doc->items ? &s->doc->item[at] : NULL;
}

static bool is_kind(const struct svg *s, size_t at, enum doc_item_kind kind)
{
    return at < s->doc->items && s->doc->item[at].kind == kind;
}

/* The I-th cell of the row at AT, or NULL. */
static const struct doc_item *cell(const struct svg *s, size_t at, size_t i)
{
    for (size_t n = 0; n <= i; n++)
        if (!is_kind(s, at + 1 + n, DOC_CELL))
            return NULL;
    return item(s, at + 1 + i);
}

static const char *cell_text(const struct svg *s, size_t at, size_t i)
{
    const struct doc_item *it = cell(s, at, i);

    return it ? it->text : "";
}

static size_t next_row(const struct svg *s, size_t at)
{
    for (at++; is_kind(s, at, DOC_CELL);)
        at++;
    return at;
}

static size_t skip_table(const struct svg *s, size_t at)
{
    while (is_kind(s, at, DOC_ROW) || is_kind(s, at, DOC_CELL))
        at++;
    return at;
}

/* The strongest mark of a row: its own, or its first marked cell's. */
static enum doc_mark row_mark(const struct svg *s, size_t at)
{
    enum doc_mark mark = item(s, at)->mark;

    for (at++; !mark && is_kind(s, at, DOC_CELL); at++)
        mark = item(s, at)->mark;
    return mark;
}

static size_t column_named(const struct doc_columns *c, const char *name)
{
    size_t i = 0;

    while (i < c->count && strcmp(c->name[i], name) != 0)
        i++;
    return i;
}

/* ---- fields and notes --------------------------------------------------- */

static size_t draw_fields(struct svg *s, size_t at, double x, double *bottom)
{
    size_t names = 0;

    for (size_t i = at; is_kind(s, i, DOC_FIELD); i++)
        names = doc_width(item(s, i)->name) > names
                    ? doc_width(item(s, i)->name)
                    : names;
    for (; is_kind(s, at, DOC_FIELD); at++) {
        const struct doc_item *it = item(s, at);

        *bottom += LINE_H;
        put_text(s, x, *bottom - 5, "label", "start", it->name);
        put_text(s, x + (double)names * CHAR_W + 14, *bottom - 5,
                 classes[it->mark], "start", it->text);
    }
    return at;
}

static size_t draw_note(struct svg *s, size_t at)
{
    s->y += LINE_H;
    put_text(s, PAD, s->y - 5, classes[item(s, at)->mark], "start",
             item(s, at)->text);
    return at + 1;
}

/* ---- tables ------------------------------------------------------------- */

#define BAR_W 160.0 /* of a share of 1 */

/* A list of counts as columns, their height by logarithm as in the text. */
static void draw_spark(struct svg *s, const char *json, double x)
{
    const double bar = 5;
    bool begun = false;
    double most = 0;
    const char *p = json;

    while ((p = strpbrk(p, "[,"))) {
        double n = log2(strtod(++p, NULL) + 1);
        most = n > most ? n : most;
    }
    for (p = json; most > 0 && (p = strpbrk(p, "[,"));) {
        double n = log2(strtod(++p, NULL) + 1) / most * (LINE_H - 5);

        if (n > 0)
            put_rect(s, x, s->y + LINE_H - 2 - n, bar - 1, n, "bar");
        begun |= n > 0; /* empty buckets before the first say nothing */
        x += begun ? bar : 0;
    }
}

/* "83.1% ####": the number, and a real bar. */
static void draw_share(struct svg *s, const struct doc_item *it, double x)
{
    char number[16];

    snprintf(number, sizeof(number), "%s", it->text);
    for (char *p = number; *p; p++)
        if (*p == '%')
            p[1] = '\0';
    put_text(s, x, s->y + LINE_H - 5, "t", "start", number);
    put_rect(s, x + 7 * CHAR_W, s->y + 4, strtod(it->json, NULL) * BAR_W + 1,
             LINE_H - 7, "bar");
}

static void draw_cell(struct svg *s, const struct doc_item *it,
                      enum doc_mark mark, double x, bool share)
{
    if (share && it->json)
        draw_share(s, it, x);
    else if (it->json && it->json[0] == '[')
        draw_spark(s, it->json, x);
    else
        put_text(s, x, s->y + LINE_H - 5, classes[it->mark ? it->mark : mark],
                 "start", it->text);
}

static void draw_row(struct svg *s, size_t at, const struct doc_columns *c,
                     double width, bool odd)
{
    enum doc_mark mark = row_mark(s, at);
    size_t share = column_named(c, "share");
    double x = PAD;

    if (odd)
        put_rect(s, PAD - 6, s->y + 1, width + 12, LINE_H, "stripe");
    if (mark == DOC_CURRENT || mark == DOC_FAULT)
        put_text(s, PAD - 16, s->y + LINE_H - 5, classes[mark], "start",
                 mark == DOC_FAULT ? "!" : "\u25b8");
    for (size_t i = 0; i < c->count; i++) {
        const struct doc_item *it = cell(s, at, i);

        if (c->hidden[i] || !it)
            continue;
        draw_cell(s, it, item(s, at)->mark, x, i == share);
        x += (double)(c->width[i] + 2) * CHAR_W;
    }
    s->y += LINE_H;
}

static double table_width(const struct doc_columns *c)
{
    double width = 0;

    for (size_t i = 0; i < c->count; i++)
        if (!c->hidden[i])
            width += (double)(c->width[i] + 2) * CHAR_W;
    return width;
}

static void draw_heading(struct svg *s, const struct doc_columns *c,
                         double width)
{
    double x = PAD;

    for (size_t i = 0; i < c->count; i++) {
        if (c->hidden[i])
            continue;
        put_text(s, x, s->y + LINE_H - 6, "label", "start", c->name[i]);
        x += (double)(c->width[i] + 2) * CHAR_W;
    }
    s->y += LINE_H + 2;
    put_rule(s, PAD - 6, s->y, width + 12);
}

static void draw_table(struct svg *s, size_t at, const struct doc_columns *c)
{
    bool share = column_named(c, "share") < c->count, odd = false;
    double width = table_width(c) + (share ? BAR_W : 0);

    draw_heading(s, c, width);
    for (; is_kind(s, at, DOC_ROW); at = next_row(s, at), odd = !odd)
        draw_row(s, at, c, width, odd);
}

/* Each row a field of a number, as wide as its bits need. */
static void draw_strip(struct svg *s, size_t at, const struct doc_columns *c)
{
    double x = PAD;

    for (; is_kind(s, at, DOC_ROW); at = next_row(s, at)) {
        enum doc_mark mark = row_mark(s, at);
        double w = 30, y = s->y + LINE_H;
        char head[64];

        for (size_t i = 0; i < c->count; i++)
            w = text_width(cell_text(s, at, i)) + 30 > w
                    ? text_width(cell_text(s, at, i)) + 30
                    : w;
        snprintf(head, sizeof(head), "%s  %s", cell_text(s, at, 0),
                 cell_text(s, at, 1));
        w = text_width(head) + 16 > w ? text_width(head) + 16 : w;
        put_text(s, x + w / 2, y - 6, "label", "middle", head);
        put_rect(s, x, y, w, 28, mark == DOC_CURRENT ? "slot" : "box");
        put_text(s, x + w / 2, y + 19, classes[mark], "middle",
                 cell_text(s, at, 2));
        put_text(s, x + w / 2, y + 46, classes[DOC_NAME], "middle",
                 cell_text(s, at, 3));
        x += w;
    }
    s->y += LINE_H + 52;
}

/* ---- a chain of tables -------------------------------------------------- */

#define LINK_W   172.0
#define LINK_H   176.0
#define LINK_GAP 44.0
#define SLOT_H   24.0

/* Where in its table's box the entry is: the first at the top. */
static double slot_y(const char *index, const char *entries)
{
    double n = strtod(entries, NULL);
    double part = n > 1 ? strtod(index, NULL) / (n - 1) : 0;

    return part * (LINK_H - SLOT_H);
}

static void draw_link(struct svg *s, size_t at, const struct doc_columns *c,
                      double x, double y)
{
    const char *entries = cell_text(s, at, column_named(c, "entries"));
    const char *entry = cell_text(s, at, column_named(c, "entry"));
    const char *index = cell_text(s, at, column_named(c, "index"));
    const char *base = cell_text(s, at, column_named(c, "base"));
    double slot = y + slot_y(index, entries);
    enum doc_mark mark = row_mark(s, at);
    char text[64];

    snprintf(text, sizeof(text), "%s at %s", cell_text(s, at, 0), base);
    put_text(s, x, y - 8, classes[DOC_NAME], "start", text);
    put_rect(s, x, y, LINK_W, LINK_H, "box");
    put_rect(s, x, slot, LINK_W, SLOT_H, mark == DOC_FAULT ? "bad" : "slot");
    snprintf(text, sizeof(text), "%s: %s", index, entry);
    put_text(s, x + LINK_W / 2, slot + 16, classes[mark], "middle", text);
    put_text(s, x + LINK_W / 2, y + LINK_H + 18, "label", "middle",
             cell_text(s, at, column_named(c, "bits")));
}

/* The tables of a walk from left to right, then what they lead to. */
static size_t draw_chain(struct svg *s, size_t at, const struct doc_columns *c)
{
    double x = PAD, y = s->y + LINE_H + 6, from = 0, end;
    size_t index = column_named(c, "index");
    size_t entries = column_named(c, "entries");

    for (; is_kind(s, at, DOC_ROW); at = next_row(s, at)) {
        if (from > 0)
            put_arrow(s, x - LINK_GAP, from, x, y + 10);
        draw_link(s, at, c, x, y);
        from = y + SLOT_H / 2 +
               slot_y(cell_text(s, at, index), cell_text(s, at, entries));
        x += LINK_W + LINK_GAP;
    }
    end = y;
    if (is_kind(s, at, DOC_FIELD)) {
        const char *class = item(s, at)->mark == DOC_FAULT ? "bad" : "good";
        struct svg probe = {.doc = s->doc};
        double bottom = y + 8;

        draw_fields(&probe, at, x + 12, &bottom); /* how large will it be? */
        strbuf_fini(&probe.out);
        put_rect(s, x, y, probe.width - x + 12, bottom - y + 8, class);
        if (from > 0)
            put_arrow(s, x - LINK_GAP, from, x, y + 18);
        end = bottom + 8;
        bottom = y + 8;
        at = draw_fields(s, at, x + 12, &bottom);
    }
    s->y = (end > y + LINK_H + 26 ? end : y + LINK_H + 26);
    return at;
}

/* ---- a grid of references ----------------------------------------------- */

#define CELL_H 30.0

static void draw_grid_cell(struct svg *s, const struct doc_item *it, double x,
                           double w)
{
    static const char *const boxes[] = {
        [DOC_PLAIN] = "box", [DOC_CHANGED] = "slot", [DOC_CURRENT] = "slot",
        [DOC_FAULT] = "bad", [DOC_DIM] = "stripe",   [DOC_NAME] = "good"};

    put_rect(s, x, s->y, w, CELL_H, boxes[it->mark]);
    put_text(s, x + w / 2, s->y + 20, classes[it->mark], "middle", it->text);
}

/* The first two columns say what is translated, the others are references. */
static void draw_grid(struct svg *s, size_t at, const struct doc_columns *c)
{
    double x = PAD, y0;

    for (size_t i = 0; i < c->count; i++) {
        if (c->hidden[i])
            continue;
        put_text(s, x, s->y + LINE_H - 6, "label", "start", c->name[i]);
        x += (double)(c->width[i] + 4) * CHAR_W + (i > 0 ? 14 : 0);
    }
    s->y += LINE_H + 4;
    for (; is_kind(s, at, DOC_ROW); at = next_row(s, at)) {
        x = PAD;
        y0 = s->y + CELL_H / 2;
        for (size_t i = 0; i < c->count; i++) {
            double w = (double)(c->width[i] + 4) * CHAR_W;
            const struct doc_item *it = cell(s, at, i);

            if (c->hidden[i] || !it)
                continue;
            if (i == 0)
                put_text(s, x, s->y + 20, classes[DOC_NAME], "start", it->text);
            else if (*it->text)
                draw_grid_cell(s, it, x, w);
            if (i > 1 && *it->text)
                put_arrow(s, x - 14, y0, x, y0);
            x += w + (i > 0 ? 14 : 0);
        }
        s->y += CELL_H + 8;
    }
}

/* ---- the whole ---------------------------------------------------------- */

static size_t draw_item(struct svg *s, size_t at)
{
    const struct doc_item *it = item(s, at);
    struct doc_columns c;
    size_t after = at + 1;

    if (it->kind == DOC_FIELD)
        return draw_fields(s, at, PAD, &s->y);
    if (it->kind != DOC_TABLE)
        return draw_note(s, at);
    s->y += GAP;
    doc_columns_init(&c, s->doc, at);
    if (it->draw == DOC_DRAW_CHAIN) {
        after = draw_chain(s, after, &c);
    } else {
        if (it->draw == DOC_DRAW_STRIP)
            draw_strip(s, after, &c);
        else if (it->draw == DOC_DRAW_GRID)
            draw_grid(s, after, &c);
        else
            draw_table(s, after, &c);
        after = skip_table(s, after);
    }
    s->y += GAP;
    doc_columns_fini(&c);
    return after;
}

void doc_svg(const struct doc *doc, struct strbuf *out)
{
    struct svg s = {.doc = doc, .y = PAD + 34, .width = 320};

    strbuf_init(&s.out);
    put_text(&s, PAD, PAD + 16, "title", "start", doc->title);
    for (size_t at = 0; at < doc->items;)
        at = draw_item(&s, at);
    s.width += PAD;
    s.y += PAD;
    strbuf_printf(out,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
                  "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n"
                  "<title>",
                  s.width, s.y, s.width, s.y);
    put_escaped(out, doc->title);
    strbuf_puts(out, "</title>\n");
    strbuf_puts(out, style);
    strbuf_puts(out, "<rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n");
    strbuf_puts(out, strbuf_str(&s.out));
    strbuf_puts(out, "</svg>\n");
    strbuf_fini(&s.out);
}
