/* Views of memory as bytes and as stack. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vmm/view/expr.h"
#include "vmm/view/past.h"
#include "vmm/view/views.h"

#define ROW_BYTES 16u
#define ROWS_KEPT 256u /* so many are compared with the last stop */
#define BYTES_MAX (1u << 20)

struct dump {
    const struct view_ctx *ctx;
    struct doc *doc;
    struct expr_value at;
    uint64_t count;
    unsigned unit; /* bytes shown as one number */
};

struct row {
    uint64_t addr;
    uint8_t now[ROW_BYTES], old[ROW_BYTES];
    size_t n, known; /* bytes that can be read; whose past is known */
};

static bool changed(const struct row *r, size_t from, size_t len)
{
    for (size_t i = from; i < from + len && i < r->n && i < r->known; i++)
        if (r->now[i] != r->old[i])
            return true;
    return false;
}

/* One number, after a star if it has changed. */
static void add_unit(struct strbuf *sb, const struct row *r, size_t at,
                     unsigned unit, bool *any)
{
    bool star = changed(r, at, unit);
    uint64_t value = 0;

    *any |= star;
    if (at > 0 && at % 8 == 0 && unit < 8)
        strbuf_putc(sb, ' ');
    strbuf_putc(sb, star ? '*' : ' ');
    memcpy(&value, r->now + at, unit);
    if (at + unit <= r->n)
        strbuf_printf(sb, "%0*llx", (int)unit * 2, (unsigned long long)value);
    else
        strbuf_printf(sb, "%*s", (int)unit * 2, "");
}

/* What JSON has: all bytes alike, and which of them changed. */
static void json_hex(struct doc *doc, const struct row *r)
{
    char hex[3 * ROW_BYTES + 1] = "";

    for (size_t i = 0; i < r->n; i++)
        snprintf(hex + 3 * i, sizeof(hex) - 3 * i, "%02x ", r->now[i]);
    hex[r->n ? 3 * r->n - 1 : 0] = '\0';
    doc_json_value(doc, "\"%s\"", hex);
}

static void put_changed_list(struct doc *doc, const struct row *r)
{
    char list[4 * ROW_BYTES + 2] = "[";

    for (size_t i = 0; i < r->n; i++)
        if (changed(r, i, 1))
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%zu",
                     list[1] ? "," : "", i);
    doc_cell(doc, "%s", "");
    doc_json_value(doc, "%s]", list);
}

static void put_row(const struct dump *d, const struct row *r)
{
    char ascii[ROW_BYTES + 1] = "";
    struct strbuf sb;
    bool any = false;

    strbuf_init(&sb);
    for (size_t i = 0; i < ROW_BYTES; i += d->unit)
        add_unit(&sb, r, i, d->unit, &any);
    for (size_t i = 0; i < r->n; i++)
        ascii[i] = isprint(r->now[i]) ? (char)r->now[i] : '.';
    doc_row(d->doc);
    if (any)
        doc_mark(d->doc, DOC_CHANGED);
    doc_cell(d->doc, "%08llx", (unsigned long long)r->addr);
    doc_cell(d->doc, "%s", strbuf_str(&sb));
    json_hex(d->doc, r);
    doc_cell(d->doc, "%s", ascii);
    put_changed_list(d->doc, r);
    strbuf_fini(&sb);
}

static bool read_row(const struct dump *d, struct row *r, uint64_t done)
{
    size_t want = ROW_BYTES;

    if (d->count - done < want)
        want = (size_t)(d->count - done);
    *r = (struct row){.addr = d->at.value + done};
    r->n = d->at.phys ? vm_read_gpa(d->ctx->vm, r->addr, r->now, want)
                      : vm_read_gla(d->ctx->vm, r->addr, r->now, want);
    if (done < ROWS_KEPT * ROW_BYTES)
        r->known = view_past_bytes(d->ctx->past, d->at.phys, r->addr, r->old,
                                   ROW_BYTES);
    return r->n > 0;
}

static bool unit_word(const char *word, unsigned *unit)
{
    static const char letters[] = "bwdq"; /* 1, 2, 4, 8 */
    const char *at = word[0] && !word[1] ? strchr(letters, word[0]) : NULL;

    if (at)
        *unit = 1u << (at - letters);
    return at;
}

/* ADDRESS [BYTES] [b|w|d|q] */
static bool parse_dump(struct dump *d, int argc, char **argv)
{
    char why[160];

    if (argc < 2)
        return view_fail(d->doc, "which address? try: memory esp");
    if (!expr_eval(d->ctx->vm, d->ctx->sym, argv[1], &d->at, why, sizeof(why)))
        return view_fail(d->doc, "%s: %s", argv[0], why);
    d->count = 128;
    d->unit = 1;
    for (int i = 2; i < argc; i++)
        if (!unit_word(argv[i], &d->unit) &&
            !view_arg(d->ctx, argc, argv, i, 0, &d->count, d->doc))
            return false;
    d->count = d->count < BYTES_MAX ? d->count : BYTES_MAX;
    return true;
}

bool view_memory(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    struct dump d = {.ctx = ctx, .doc = doc};

    if (!parse_dump(&d, argc, argv))
        return false;
    doc_table(doc, "bytes", "address,hex,ascii,!changed");
    for (uint64_t done = 0; done < d.count; done += ROW_BYTES) {
        struct row r;

        if (!read_row(&d, &r, done)) {
            doc_row(doc);
            doc_mark(doc, DOC_FAULT);
            doc_cell(doc, "%08llx", (unsigned long long)r.addr);
            doc_cell(doc, " (not mapped)");
            break;
        }
        put_row(&d, &r);
    }
    return true;
}

/* ---- the stack ---------------------------------------------------------- */

/* A printable string at GLA, or "". */
static void string_at(const struct view_ctx *ctx, uint64_t gla, char *buf,
                      size_t len)
{
    size_t n = vm_read_gla(ctx->vm, gla, buf, len - 1), i = 0;

    while (i < n && isprint((unsigned char)buf[i]))
        i++;
    buf[i >= 4 ? i : 0] = '\0';
}

/* What VALUE is: "symbol", "\"string\"", or both. */
static void describe(const struct view_ctx *ctx, uint64_t value,
                     struct strbuf *out)
{
    char name[80], text[33];
    uint64_t offset;

    if (symbols_at(ctx->sym, value, &offset)) {
        symbols_format(ctx->sym, value, name, sizeof(name));
        strbuf_puts(out, name);
    }
    string_at(ctx, value, text, sizeof(text));
    if (text[0])
        strbuf_printf(out, "%s\"%s\"", out->len ? " " : "", text);
}

#define HOPS_MAX 3u /* sections of the telescope */

/* Follows VALUE while it says nothing by itself and points somewhere. */
static void look_through(const struct view_ctx *ctx, uint64_t value,
                         unsigned size, struct strbuf *out)
{
    struct strbuf what;

    strbuf_init(&what);
    for (unsigned hop = 0; hop < HOPS_MAX; hop++) {
        uint64_t next = 0;

        describe(ctx, value, &what);
        if (what.len || value < 4096 || value % size ||
            vm_read_gla(ctx->vm, value, &next, size) < size)
            break;
        strbuf_printf(out, "-> %0*llx ", (int)size * 2,
                      (unsigned long long)next);
        value = next;
    }
    strbuf_puts(out, strbuf_str(&what));
    strbuf_fini(&what);
}

static void put_slot(const struct view_ctx *ctx, struct doc *doc, uint64_t gla,
                     uint64_t value, unsigned size, uint64_t frame)
{
    struct strbuf sb;
    uint64_t old = 0;
    bool known = view_past_bytes(ctx->past, false, gla, &old, size) == size;

    strbuf_init(&sb);
    look_through(ctx, value, size, &sb);
    doc_row(doc);
    if (known && old != value)
        doc_mark(doc, DOC_CHANGED);
    doc_cell(doc, "%08llx", (unsigned long long)gla);
    doc_cell(doc, "%0*llx%s", (int)size * 2, (unsigned long long)value,
             known && old != value ? "*" : "");
    doc_json_value(doc, "\"%0*llx\"", (int)size * 2, (unsigned long long)value);
    doc_cell(doc, "%s%s", gla == frame ? "[frame] " : "", strbuf_str(&sb));
    doc_cell(doc, "%s", "");
    doc_json_value(doc, "%s", known && old != value ? "true" : "false");
    strbuf_fini(&sb);
}

bool view_stack(const struct view_ctx *ctx, int argc, char **argv,
                struct doc *doc)
{
    struct x86_state st;
    uint64_t sp, count, frame;
    unsigned size;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!view_arg(ctx, argc, argv, 1, 16, &count, doc))
        return false;
    size = x86_code_bits(&st) / 8;
    sp = st.gpr[X86_RSP];
    if (size < 8) {
        sp &= st.seg[X86_SS].attr & X86_SEG_DB ? 0xffffffffu : 0xffffu;
        sp += st.seg[X86_SS].base;
    }
    frame = st.gpr[X86_RBP] + (size < 8 ? st.seg[X86_SS].base : 0);
    doc_table(doc, "stack", "address,value,meaning,!changed");
    for (uint64_t i = 0; i < count && i < 4096; i++, sp += size) {
        uint64_t value = 0;

        if (vm_read_gla(ctx->vm, sp, &value, size) < size)
            break;
        put_slot(ctx, doc, sp, value, size, frame);
    }
    return true;
}
