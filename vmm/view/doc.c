#include "vmm/view/doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void doc_init(struct doc *doc, const char *title)
{
    *doc = (struct doc){.title = strdup(title)};
}

void doc_fini(struct doc *doc)
{
    for (size_t i = 0; i < doc->items; i++) {
        free(doc->item[i].name);
        free(doc->item[i].text);
        free(doc->item[i].link);
        free(doc->item[i].json);
    }
    free(doc->item);
    free(doc->title);
    *doc = (struct doc){0};
}

static struct doc_item *add(struct doc *doc, enum doc_item_kind kind)
{
    if (doc->items == doc->cap) {
        doc->cap = doc->cap ? 2 * doc->cap : 64;
        doc->item = reallocarray(doc->item, doc->cap, sizeof(*doc->item));
        assert(doc->item && "out of memory");
    }
    doc->item[doc->items] = (struct doc_item){.kind = kind};
    return &doc->item[doc->items++];
}

PRINTF_LIKE(1, 0) static char *format(const char *fmt, va_list ap)
{
    char *text = NULL;
    int n = vasprintf(&text, fmt, ap);

    assert(n >= 0 && text && "out of memory");
    return text;
}

void doc_field(struct doc *doc, const char *name, const char *fmt, ...)
{
    struct doc_item *it = add(doc, DOC_FIELD);
    va_list ap;

    va_start(ap, fmt);
    it->text = format(fmt, ap);
    va_end(ap);
    it->name = strdup(name);
}

void doc_number(struct doc *doc, const char *name, uint64_t value)
{
    doc_field(doc, name, "%llu", (unsigned long long)value);
    doc->item[doc->items - 1].raw = true;
}

void doc_table(struct doc *doc, const char *name, const char *columns)
{
    struct doc_item *it = add(doc, DOC_TABLE);

    it->name = strdup(name);
    it->text = strdup(columns);
}

void doc_table_draw(struct doc *doc, const char *name, const char *columns,
                    enum doc_draw draw)
{
    doc_table(doc, name, columns);
    doc->item[doc->items - 1].draw = draw;
}

void doc_row(struct doc *doc)
{
    add(doc, DOC_ROW);
}

void doc_cell(struct doc *doc, const char *fmt, ...)
{
    struct doc_item *it = add(doc, DOC_CELL);
    va_list ap;

    va_start(ap, fmt);
    it->text = format(fmt, ap);
    va_end(ap);
}

void doc_json_value(struct doc *doc, const char *fmt, ...)
{
    struct doc_item *it = &doc->item[doc->items - 1];
    va_list ap;

    assert(doc->items > 0 && !it->json);
    va_start(ap, fmt);
    it->json = format(fmt, ap);
    va_end(ap);
}

void doc_link(struct doc *doc, const char *fmt, ...)
{
    struct doc_item *it = &doc->item[doc->items - 1];
    va_list ap;

    assert(doc->items > 0 && it->kind == DOC_ROW && !it->link);
    va_start(ap, fmt);
    it->link = format(fmt, ap);
    va_end(ap);
}

void doc_note(struct doc *doc, const char *fmt, ...)
{
    struct doc_item *it = add(doc, DOC_NOTE);
    va_list ap;

    va_start(ap, fmt);
    it->text = format(fmt, ap);
    va_end(ap);
}

void doc_mark(struct doc *doc, enum doc_mark mark)
{
    assert(doc->items > 0);
    doc->item[doc->items - 1].mark = mark;
}

/* ---- text --------------------------------------------------------------- */

struct writer {
    void (*line)(void *opaque, const struct doc_line *l);
    void *opaque;
    size_t width; /* what a line may take; 0: any */
    struct strbuf sb;
};

static void emit(struct writer *w, enum doc_mark mark, const char *link)
{
    while (w->sb.len > 0 && w->sb.text[w->sb.len - 1] == ' ')
        w->sb.text[--w->sb.len] = '\0';
    w->line(w->opaque, &(struct doc_line){strbuf_str(&w->sb), mark, link});
    strbuf_reset(&w->sb);
}

static size_t field_width(const struct doc *doc, size_t at)
{
    size_t width = 0;

    for (; at < doc->items && doc->item[at].kind == DOC_FIELD; at++) {
        size_t n = strlen(doc->item[at].name);
        width = n > width ? n : width;
    }
    return width;
}

/* TEXT behind INDENT characters, broken between words where it must be. */
static void write_words(struct writer *w, const char *text, size_t indent)
{
    if (!w->width || indent + doc_width(text) <= w->width) {
        strbuf_puts(&w->sb, text);
        return;
    }
    strbuf_wrap(&w->sb, text, indent, w->width);
    w->sb.text[--w->sb.len] = '\0'; /* the newline is emit()'s */
}

static size_t write_fields(const struct doc *doc, size_t at, struct writer *w)
{
    size_t width = field_width(doc, at);

    for (; at < doc->items && doc->item[at].kind == DOC_FIELD; at++) {
        const struct doc_item *it = &doc->item[at];
        strbuf_printf(&w->sb, "%-*s  ", (int)width, it->name);
        write_words(w, it->text, width + 2);
        emit(w, it->mark, NULL);
    }
    return at;
}

size_t doc_width(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void measure(const struct doc *doc, size_t at, struct doc_columns *c)
{
    size_t column = 0;

    for (; at < doc->items; at++) {
        const struct doc_item *it = &doc->item[at];
        size_t n;

        if (it->kind == DOC_ROW) {
            column = 0;
            continue;
        }
        if (it->kind != DOC_CELL)
            return;
        assert(column < c->count);
        n = doc_width(it->text);
        if (n > c->width[column])
            c->width[column] = n;
        column++;
    }
}

void doc_columns_init(struct doc_columns *c, const struct doc *doc,
                      size_t table)
{
    char *save = NULL;

    *c = (struct doc_columns){.copy = strdup(doc->item[table].text)};
    for (char *s = strtok_r(c->copy, ",", &save); s;
         s = strtok_r(NULL, ",", &save)) {
        assert(c->count < DOC_COLUMNS_MAX);
        c->hidden[c->count] = s[0] == '!';
        c->spare[c->count] = s[0] == '+';
        s += s[0] == '!' || s[0] == '+';
        c->name[c->count] = c->key[c->count] = s;
        if (strchr(s, '=')) {
            c->key[c->count] = strchr(s, '=') + 1;
            *strchr(s, '=') = '\0';
        }
        c->width[c->count++] = doc_width(s);
    }
    measure(doc, table + 1, c);
}

void doc_columns_fini(struct doc_columns *c)
{
    free(c->copy);
}

static void put_padded(struct strbuf *sb, const char *text, size_t width)
{
    strbuf_printf(sb, "%s%*s", text, (int)(width - doc_width(text)) + 2, "");
}

/* Hides columns that can be spared, the last first, until the rest fits. */
static void fit_columns(struct doc_columns *c, size_t width)
{
    size_t sum = 0;

    for (size_t i = 0; i < c->count; i++)
        if (!c->hidden[i])
            sum += c->width[i] + 2;
    for (size_t i = c->count; width && sum > width + 2 && i-- > 0;) {
        if (!c->spare[i])
            continue;
        c->hidden[i] = true;
        sum -= c->width[i] + 2;
    }
}

static enum doc_mark stronger(enum doc_mark a, enum doc_mark b)
{
    static const uint8_t strength[] = {
        [DOC_PLAIN] = 0,   [DOC_DIM] = 1,     [DOC_NAME] = 2,
        [DOC_CHANGED] = 3, [DOC_CURRENT] = 4, [DOC_FAULT] = 5,
    };

    return strength[a] > strength[b] ? a : b;
}

static size_t write_table(const struct doc *doc, size_t at, struct writer *w)
{
    struct doc_columns c;
    enum doc_mark mark = DOC_PLAIN;
    const char *link = NULL;
    size_t column = 0;

    doc_columns_init(&c, doc, at++);
    fit_columns(&c, w->width);
    for (size_t i = 0; i < c.count; i++)
        if (!c.hidden[i])
            put_padded(&w->sb, c.name[i], c.width[i]);
    emit(w, DOC_NAME, NULL);
    for (; at < doc->items; at++) {
        const struct doc_item *it = &doc->item[at];

        if (it->kind == DOC_ROW) {
            if (column > 0)
                emit(w, mark, link);
            column = 0;
            mark = it->mark;
            link = it->link;
            continue;
        }
        if (it->kind != DOC_CELL)
            break;
        if (!c.hidden[column])
            put_padded(&w->sb, it->text, c.width[column]);
        column++;
        mark = stronger(mark, it->mark);
    }
    if (column > 0)
        emit(w, mark, link);
    doc_columns_fini(&c);
    return at;
}

static size_t table_end(const struct doc *doc, size_t at)
{
    while (at < doc->items &&
           (doc->item[at].kind == DOC_ROW || doc->item[at].kind == DOC_CELL))
        at++;
    return at;
}

/* The widest cell of the row that begins at AT. */
static size_t row_width(const struct doc *doc, size_t at)
{
    size_t width = 0;

    for (at++; at < doc->items && doc->item[at].kind == DOC_CELL; at++) {
        size_t n = doc_width(doc->item[at].text);
        width = n > width ? n : width;
    }
    return width;
}

/* Rows stand side by side under the names of the columns. */
static size_t write_strip(const struct doc *doc, size_t table, struct writer *w)
{
    size_t end = table_end(doc, table + 1), names = 0;
    struct doc_columns c;

    doc_columns_init(&c, doc, table);
    for (size_t i = 0; i < c.count; i++)
        names = doc_width(c.name[i]) > names ? doc_width(c.name[i]) : names;
    for (size_t i = 0; i < c.count; i++) {
        if (c.hidden[i])
            continue;
        put_padded(&w->sb, c.name[i], names);
        for (size_t at = table + 1; at < end; at++)
            if (doc->item[at].kind == DOC_ROW)
                put_padded(&w->sb, doc->item[at + 1 + i].text,
                           row_width(doc, at));
        emit(w, DOC_PLAIN, NULL);
    }
    doc_columns_fini(&c);
    return end;
}

static void write_doc(const struct doc *doc, struct writer w)
{
    strbuf_init(&w.sb);
    for (size_t at = 0; at < doc->items;) {
        const struct doc_item *it = &doc->item[at];

        if (it->kind == DOC_FIELD) {
            at = write_fields(doc, at, &w);
        } else if (it->kind == DOC_TABLE) {
            at = it->draw == DOC_DRAW_STRIP ? write_strip(doc, at, &w)
                                            : write_table(doc, at, &w);
        } else {
            write_words(&w, it->text ? it->text : "", 0);
            emit(&w, it->mark, NULL);
            at++;
        }
    }
    strbuf_fini(&w.sb);
}

void doc_lines(const struct doc *doc,
               void (*line)(void *opaque, const struct doc_line *l),
               void *opaque)
{
    write_doc(doc, (struct writer){.line = line, .opaque = opaque});
}

static void add_line(void *opaque, const struct doc_line *l)
{
    strbuf_puts(opaque, l->text);
    strbuf_putc(opaque, '\n');
}

void doc_text(const struct doc *doc, size_t width, struct strbuf *out)
{
    write_doc(doc,
              (struct writer){.line = add_line, .opaque = out, .width = width});
}

/* ---- JSON --------------------------------------------------------------- */

static void json_string(struct strbuf *out, const char *text)
{
    assert(text);
    strbuf_putc(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            strbuf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            strbuf_printf(out, "\\u%04x", c);
        else
            strbuf_putc(out, (char)c);
    }
    strbuf_putc(out, '"');
}

static void json_key(struct strbuf *out, const char *name)
{
    size_t at = out->len;

    json_string(out, name);
    for (; at < out->len; at++)
        if (out->text[at] == ' ')
            out->text[at] = '_';
    strbuf_putc(out, ':');
}

static void json_value(struct strbuf *out, const struct doc_item *it)
{
    if (it->json)
        strbuf_puts(out, it->json);
    else if (it->raw)
        strbuf_puts(out, it->text);
    else
        json_string(out, it->text);
}

static size_t json_table(const struct doc *doc, size_t at, struct strbuf *out)
{
    struct doc_columns c;
    size_t column = 0;
    bool open = false, first = true;

    doc_columns_init(&c, doc, at++);
    strbuf_putc(out, '[');
    for (; at < doc->items; at++) {
        const struct doc_item *it = &doc->item[at];

        if (it->kind == DOC_ROW) {
            strbuf_puts(out, open ? "}," : "");
            strbuf_putc(out, '{');
            open = first = true;
            column = 0;
            continue;
        }
        if (it->kind != DOC_CELL)
            break;
        strbuf_puts(out, first ? "" : ",");
        json_key(out, c.key[column++]);
        json_value(out, it);
        first = false;
    }
    strbuf_puts(out, open ? "}]" : "]");
    doc_columns_fini(&c);
    return at;
}

static void json_notes(const struct doc *doc, struct strbuf *out)
{
    bool first = true;

    strbuf_puts(out, ",\"notes\":[");
    for (size_t i = 0; i < doc->items; i++) {
        if (doc->item[i].kind != DOC_NOTE)
            continue;
        strbuf_puts(out, first ? "" : ",");
        json_string(out, doc->item[i].text);
        first = false;
    }
    strbuf_putc(out, ']');
}

void doc_json(const struct doc *doc, struct strbuf *out)
{
    strbuf_puts(out, "{\"view\":");
    json_string(out, doc->title);
    for (size_t at = 0; at < doc->items;) {
        const struct doc_item *it = &doc->item[at];

        if (it->kind != DOC_FIELD && it->kind != DOC_TABLE) {
            at++;
            continue;
        }
        strbuf_putc(out, ',');
        json_key(out, it->name);
        if (it->kind == DOC_TABLE) {
            at = json_table(doc, at, out);
        } else {
            json_value(out, it);
            at++;
        }
    }
    json_notes(doc, out);
    strbuf_puts(out, "}\n");
}

void doc_write(const struct doc *doc, enum doc_form form, size_t width,
               struct strbuf *out)
{
    static void (*const write[])(const struct doc *, struct strbuf *) = {
        [DOC_JSON] = doc_json, [DOC_SVG] = doc_svg};

    if (form == DOC_TEXT)
        doc_text(doc, width, out);
    else
        write[form](doc, out);
}
