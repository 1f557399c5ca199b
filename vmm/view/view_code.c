/* Views of the program: instructions, source lines, and both. */
#include <stdio.h>
#include <string.h>

#include "vmm/view/source.h"
#include "vmm/view/views.h"
#include "vmm/x86/insn.h"

#define INSNS_MAX 10000u

static const char *point_mark(const struct view_ctx *ctx, uint64_t gla)
{
    const struct debug_point *p;

    for (size_t i = 0; ctx->dbg && (p = debug_nth(ctx->dbg, i)); i++)
        if (p->kind == DEBUG_POINT_LINEAR && p->addr == gla)
            return p->disabled ? "b" : "B";
    return "";
}

/* "  ; symbol" of where the instruction jumps to, or "". */
static void target_text(const struct view_ctx *ctx, const struct x86_state *st,
                        uint64_t gla, const uint8_t *bytes, unsigned len,
                        char *buf, size_t size)
{
    uint64_t base = x86_code_base(st), offset;
    struct x86_insn insn;
    char where[80];

    buf[0] = '\0';
    if (!x86_insn_decode(&insn, bytes, len, x86_code_bits(st), gla - base) ||
        !insn.has_target || !symbols_at(ctx->sym, insn.target + base, &offset))
        return;
    symbols_format(ctx->sym, insn.target + base, where, sizeof(where));
    snprintf(buf, size, "  ; %s", where);
}

static void put_insn(const struct view_ctx *ctx, struct doc *doc,
                     const struct x86_state *st, uint64_t gla, const char *text,
                     const uint8_t *bytes, unsigned len)
{
    uint64_t offset = gla - x86_code_base(st);
    char hex[48] = "", where[80], target[90];

    for (unsigned i = 0; i < len && i < 8; i++)
        snprintf(hex + 2 * i, sizeof(hex) - 2 * i, "%02x", bytes[i]);
    if (len > 8)
        strcat(hex, "+");
    symbols_format(ctx->sym, gla, where, sizeof(where));
    doc_row(doc);
    doc_cell(doc, "%s%s", offset == st->rip ? ">" : " ", point_mark(ctx, gla));
    if (x86_code_base(st))
        doc_cell(doc, "%04x:%04llx", st->seg[X86_CS].selector,
                 (unsigned long long)offset);
    else
        doc_cell(doc, "%08llx", (unsigned long long)gla);
    doc_cell(doc, "%s", symbols_count(ctx->sym) ? where : "");
    doc_cell(doc, "%s", hex);
    target_text(ctx, st, gla, bytes, len, target, sizeof(target));
    doc_cell(doc, "%s%s", text, target);
    if (offset == st->rip)
        doc_mark(doc, DOC_CURRENT);
}

static void put_hole(struct doc *doc, uint64_t gla, unsigned empty)
{
    doc_row(doc);
    doc_cell(doc, " ");
    doc_cell(doc, "%08llx", (unsigned long long)gla);
    while (empty-- > 0)
        doc_cell(doc, " ");
    doc_cell(doc, "(not mapped)");
    doc_mark(doc, DOC_FAULT);
}

bool view_disasm(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    struct x86_state st;
    uint64_t gla, count;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!view_arg(ctx, argc, argv, 1, x86_code_base(&st) + st.rip, &gla, doc) ||
        !view_arg(ctx, argc, argv, 2, 16, &count, doc))
        return false;
    doc_table(doc, "code", " =at,address,symbol,bytes,instruction");
    for (uint64_t i = 0; i < count && i < INSNS_MAX; i++) {
        uint8_t bytes[15];
        char text[128];
        size_t n = vm_read_gla(ctx->vm, gla, bytes, sizeof(bytes));
        unsigned len;

        if (n == 0) {
            put_hole(doc, gla, 2);
            break;
        }
        len = x86_insn_text(text, sizeof(text), bytes, n, x86_code_bits(&st),
                            gla - x86_code_base(&st));
        put_insn(ctx, doc, &st, gla, text, bytes, len ? len : 1);
        gla += len ? len : 1;
    }
    return true;
}

/* ---- with the source ---------------------------------------------------- */

static void put_mixed(const struct view_ctx *ctx, struct doc *doc,
                      const struct x86_state *st, uint64_t gla,
                      const char *text, const uint8_t *bytes, unsigned len)
{
    bool here = gla == x86_linear_rip(st);
    char target[90];

    target_text(ctx, st, gla, bytes, len, target, sizeof(target));
    doc_row(doc);
    doc_cell(doc, "%s%s", here ? ">" : " ", point_mark(ctx, gla));
    doc_cell(doc, "%08llx", (unsigned long long)gla);
    doc_cell(doc, "%s%s", text, target);
    if (here)
        doc_mark(doc, DOC_CURRENT);
}

bool view_mixed(const struct view_ctx *ctx, int argc, char **argv,
                struct doc *doc)
{
    struct x86_state st;
    struct source src = {0};
    uint64_t gla, count;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!view_arg(ctx, argc, argv, 1, x86_linear_rip(&st), &gla, doc) ||
        !view_arg(ctx, argc, argv, 2, 16, &count, doc))
        return false;
    doc_table(doc, "code", " =at,where,text");
    for (uint64_t i = 0; i < count && i < INSNS_MAX; i++) {
        uint8_t bytes[15];
        char text[SOURCE_LINE_MAX];
        size_t n = vm_read_gla(ctx->vm, gla, bytes, sizeof(bytes));
        unsigned len;

        if (n == 0) {
            put_hole(doc, gla, 0);
            break;
        }
        if (source_follow(&src, ctx->sym, gla, text, sizeof(text))) {
            doc_row(doc);
            doc_cell(doc, " ");
            doc_cell(doc, "%s:%d", source_name(src.path), src.line);
            doc_cell(doc, "%s", text);
            doc_mark(doc, DOC_DIM);
        }
        len = x86_insn_text(text, sizeof(text), bytes, n, x86_code_bits(&st),
                            gla - x86_code_base(&st));
        len = len ? len : 1;
        put_mixed(ctx, doc, &st, gla, text, bytes, len);
        gla += len;
    }
    source_close(&src);
    return true;
}

bool view_source(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    struct x86_state st;
    struct source src = {0};
    char text[SOURCE_LINE_MAX];
    uint64_t gla, count;
    int from;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!view_arg(ctx, argc, argv, 1, x86_linear_rip(&st), &gla, doc) ||
        !view_arg(ctx, argc, argv, 2, 16, &count, doc))
        return false;
    if (!source_open_at(&src, ctx->sym, gla))
        return view_fail(doc, "no source line is known for this address");
    doc_field(doc, "file", "%s", source_name(src.path));
    doc_field(doc, "line", "%d", src.line);
    from = src.line > (int)(count / 3) ? src.line - (int)(count / 3) : 1;
    doc_table(doc, "lines", " =at,nr,text");
    for (int n = from; (uint64_t)(n - from) < count; n++) {
        if (!source_text(&src, n, text, sizeof(text)))
            break;
        doc_row(doc);
        doc_cell(doc, "%s", n == src.line ? ">" : " ");
        doc_cell(doc, "%d", n);
        doc_cell(doc, "%s", text);
        if (n == src.line)
            doc_mark(doc, DOC_CURRENT);
    }
    if (!src.text)
        doc_note(doc, "%s: the file is not here", src.path);
    source_close(&src);
    return true;
}
