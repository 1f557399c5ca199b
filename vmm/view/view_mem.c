/* Views of memory as code, bytes and stack. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vmm/view/expr.h"
#include "vmm/view/views.h"
#include "vmm/x86/insn.h"

static const char *point_mark(const struct view_ctx *ctx, uint64_t gla)
{
    const struct debug_point *p;

    for (size_t i = 0; ctx->dbg && (p = debug_nth(ctx->dbg, i)); i++)
        if (p->kind == DEBUG_POINT_LINEAR && p->addr == gla)
            return p->disabled ? "b" : "B";
    return "";
}

static void put_insn(const struct view_ctx *ctx, struct doc *doc,
                     const struct x86_state *st, uint64_t gla, const char *text,
                     const uint8_t *bytes, unsigned len)
{
    uint64_t offset = gla - x86_code_base(st), target_offset;
    char hex[48] = "", where[80];
    struct x86_insn insn;

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
    if (x86_insn_decode(&insn, bytes, len, x86_code_bits(st), offset) &&
        insn.has_target &&
        symbols_at(ctx->sym, insn.target + x86_code_base(st), &target_offset)) {
        symbols_format(ctx->sym, insn.target + x86_code_base(st), where,
                       sizeof(where));
        doc_cell(doc, "%s  ; %s", text, where);
    } else {
        doc_cell(doc, "%s", text);
    }
    if (offset == st->rip)
        doc_mark(doc, DOC_CURRENT);
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
    doc_table(doc, "code", " ,address,symbol,bytes,instruction");
    for (uint64_t i = 0; i < count && i < 10000; i++) {
        uint8_t bytes[15];
        char text[128];
        size_t n = vm_read_gla(ctx->vm, gla, bytes, sizeof(bytes));
        unsigned len;

        if (n == 0) {
            doc_row(doc);
            doc_cell(doc, " ");
            doc_cell(doc, "%08llx", (unsigned long long)gla);
            doc_cell(doc, " ");
            doc_cell(doc, " ");
            doc_cell(doc, "(not mapped)");
            doc_mark(doc, DOC_FAULT);
            break;
        }
        len = x86_insn_text(text, sizeof(text), bytes, n, x86_code_bits(&st),
                            gla - x86_code_base(&st));
        put_insn(ctx, doc, &st, gla, text, bytes, len ? len : 1);
        gla += len ? len : 1;
    }
    return true;
}

static void put_hex_row(struct doc *doc, uint64_t addr, const uint8_t *bytes,
                        size_t n)
{
    char hex[64] = "", ascii[20] = "";

    for (size_t i = 0; i < 16; i++) {
        size_t at = strlen(hex);
        const char *gap = i == 7 ? "  " : i == 15 ? "" : " ";

        if (i < n)
            snprintf(hex + at, sizeof(hex) - at, "%02x%s", bytes[i], gap);
        else
            snprintf(hex + at, sizeof(hex) - at, "  %s", gap);
        if (i < n)
            ascii[i] = isprint(bytes[i]) ? (char)bytes[i] : '.';
    }
    doc_row(doc);
    doc_cell(doc, "%08llx", (unsigned long long)addr);
    doc_cell(doc, "%s", hex);
    doc_cell(doc, "%s", ascii);
}

bool view_memory(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    struct expr_value at;
    uint64_t count;
    char why[160];

    if (argc < 2)
        return view_fail(doc, "which address? try: memory esp");
    if (!expr_eval(ctx->vm, ctx->sym, argv[1], &at, why, sizeof(why)))
        return view_fail(doc, "%s", why);
    if (!view_arg(ctx, argc, argv, 2, 128, &count, doc))
        return false;
    doc_table(doc, "bytes", "address,hex,ascii");
    for (uint64_t done = 0; done < count && done < 1 << 20; done += 16) {
        uint64_t addr = at.value + done;
        size_t want = count - done < 16 ? (size_t)(count - done) : 16, n;
        uint8_t bytes[16];

        n = at.phys ? vm_read_gpa(ctx->vm, addr, bytes, want)
                    : vm_read_gla(ctx->vm, addr, bytes, want);
        if (n == 0) {
            doc_row(doc);
            doc_cell(doc, "%08llx", (unsigned long long)addr);
            doc_cell(doc, "(not mapped)");
            doc_mark(doc, DOC_FAULT);
            break;
        }
        put_hex_row(doc, addr, bytes, n);
    }
    return true;
}

/* A printable string at GLA, or "". */
static void string_at(const struct view_ctx *ctx, uint64_t gla, char *buf,
                      size_t len)
{
    size_t n = vm_read_gla(ctx->vm, gla, buf, len - 1), i = 0;

    while (i < n && isprint((unsigned char)buf[i]))
        i++;
    buf[i >= 4 ? i : 0] = '\0';
}

static void put_slot(const struct view_ctx *ctx, struct doc *doc, uint64_t gla,
                     uint64_t value, unsigned size)
{
    char name[80] = "", text[33];
    uint64_t offset;

    if (symbols_at(ctx->sym, value, &offset))
        symbols_format(ctx->sym, value, name, sizeof(name));
    string_at(ctx, value, text, sizeof(text));
    doc_row(doc);
    doc_cell(doc, "%08llx", (unsigned long long)gla);
    doc_cell(doc, "%0*llx", (int)size * 2, (unsigned long long)value);
    if (text[0])
        doc_cell(doc, "%s \"%s\"", name, text);
    else
        doc_cell(doc, "%s", name);
}

bool view_stack(const struct view_ctx *ctx, int argc, char **argv,
                struct doc *doc)
{
    struct x86_state st;
    uint64_t sp, count;
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
    doc_table(doc, "stack", "address,value,meaning");
    for (uint64_t i = 0; i < count && i < 4096; i++, sp += size) {
        uint64_t value = 0;

        if (vm_read_gla(ctx->vm, sp, &value, size) < size)
            break;
        put_slot(ctx, doc, sp, value, size);
    }
    return true;
}
