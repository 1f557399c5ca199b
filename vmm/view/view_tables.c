/* Views of descriptor tables and the TSS.  SDM vol. 3A 3.4.5, 6.11, 7.2. */
#include <stdio.h>
#include <string.h>

#include "vmm/view/views.h"
#include "vmm/x86/text.h"

static bool is_gate(uint16_t attr)
{
    unsigned t = X86_SEG_TYPE(attr);

    return !(attr & X86_SEG_S) &&
           (t == 4 || t == 5 || t == 6 || t == 7 || t >= 12);
}

/* HIGH: its upper half; in long mode, system descriptors have 16 bytes. */
static void put_descriptor(struct doc *doc, unsigned selector, uint64_t d,
                           uint64_t high, bool long_mode)
{
    struct x86_seg seg = x86_seg_decode((uint16_t)selector, d);
    char text[80];

    x86_attr_text(text, sizeof(text), seg.attr, long_mode);
    doc_row(doc);
    doc_cell(doc, "%04x", selector);
    if (is_gate(seg.attr)) {
        doc_cell(doc, "%04x:", (unsigned)(d >> 16 & 0xffff));
        doc_cell(doc, "%08llx",
                 (unsigned long long)((d & 0xffff) | (d >> 32 & 0xffff0000) |
                                      high << 32));
    } else {
        doc_cell(doc, "%08llx", (unsigned long long)(seg.base | high << 32));
        doc_cell(doc, "%08x", seg.limit);
    }
    doc_cell(doc, "%s", text);
}

static bool put_table(const struct view_ctx *ctx, struct doc *doc,
                      uint64_t base, uint32_t limit, unsigned ti,
                      bool long_mode)
{
    doc_field(doc, "base", "%08llx", (unsigned long long)base);
    doc_field(doc, "limit", "%04x", limit);
    doc_table(doc, "descriptors", "sel,base,limit,meaning");
    for (uint32_t at = 0; at + 7 <= limit; at += 8) {
        uint64_t d, high = 0;
        bool both;

        if (vm_read_gla(ctx->vm, base + at, &d, 8) < 8)
            return view_fail(doc, "nothing is mapped at %#llx",
                             (unsigned long long)(base + at));
        if (d == 0)
            continue; /* empty ones say nothing */
        both = long_mode && !(d >> 40 & X86_SEG_S) &&
               vm_read_gla(ctx->vm, base + at + 8, &high, 8) == 8;
        put_descriptor(doc, at | ti, d, both ? high : 0, long_mode);
        if (both)
            at += 8;
    }
    return true;
}

bool view_gdt(const struct view_ctx *ctx, int argc, char **argv,
              struct doc *doc)
{
    struct x86_state st;

    (void)argc, (void)argv;
    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    return put_table(ctx, doc, st.gdt.base, st.gdt.limit, 0,
                     st.efer & X86_EFER_LMA);
}

bool view_ldt(const struct view_ctx *ctx, int argc, char **argv,
              struct doc *doc)
{
    struct x86_state st;

    (void)argc, (void)argv;
    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!(st.ldt.attr & X86_SEG_P) || !(st.ldt.selector & ~7u))
        return view_fail(doc, "LDTR is null: the guest has no LDT");
    return put_table(ctx, doc, st.ldt.base,
                     st.ldt.limit < 0xffff ? st.ldt.limit : 0xffff, 4,
                     st.efer & X86_EFER_LMA);
}

static void put_vector(const struct view_ctx *ctx, struct doc *doc, unsigned v,
                       unsigned selector, uint64_t offset, const char *meaning)
{
    char name[32], where[80] = "";
    uint64_t in;

    x86_vector_text(name, sizeof(name), v);
    if (symbols_at(ctx->sym, offset, &in))
        symbols_format(ctx->sym, offset, where, sizeof(where));
    doc_row(doc);
    doc_cell(doc, "%02x", v);
    doc_cell(doc, "%s", name);
    doc_cell(doc, "%04x:%08llx", selector, (unsigned long long)offset);
    doc_cell(doc, "%s", where);
    doc_cell(doc, "%s", meaning);
}

static bool real_mode_idt(const struct view_ctx *ctx,
                          const struct x86_state *st, struct doc *doc)
{
    for (unsigned v = 0; v < 256 && 4 * v + 3 <= st->idt.limit; v++) {
        uint16_t far[2];

        if (vm_read_gla(ctx->vm, st->idt.base + 4 * v, far, 4) < 4)
            return view_fail(doc, "nothing is mapped at the vector table");
        if (far[0] | far[1])
            put_vector(ctx, doc, v, far[1], far[0], "real mode");
    }
    return true;
}

bool view_idt(const struct view_ctx *ctx, int argc, char **argv,
              struct doc *doc)
{
    unsigned size;
    struct x86_state st;

    (void)argc, (void)argv;
    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    doc_field(doc, "base", "%08llx", (unsigned long long)st.idt.base);
    doc_field(doc, "limit", "%04x", st.idt.limit);
    doc_table(doc, "vectors", "nr,name,handler,symbol,gate");
    if (x86_mode(&st) == X86_MODE_REAL)
        return real_mode_idt(ctx, &st, doc);
    size = st.efer & X86_EFER_LMA ? 16 : 8;
    for (unsigned v = 0; v < 256 && size * v + 7 <= st.idt.limit; v++) {
        uint64_t d[2] = {0, 0}, offset;
        char text[80];

        if (vm_read_gla(ctx->vm, st.idt.base + size * v, d, size) < size)
            return view_fail(doc, "nothing is mapped at %#llx",
                             (unsigned long long)(st.idt.base + size * v));
        if (!(d[0] >> 47 & 1))
            continue;
        offset = (d[0] & 0xffff) | (d[0] >> 32 & 0xffff0000);
        offset |= d[1] << 32;
        x86_attr_text(text, sizeof(text), (uint16_t)(d[0] >> 40 & 0xff),
                      st.efer & X86_EFER_LMA);
        put_vector(ctx, doc, v, (unsigned)(d[0] >> 16 & 0xffff), offset, text);
    }
    return true;
}

/* Fields of the 32-bit TSS in the order of SDM vol. 3A figure 7-2. */
static const char *const tss32[] = {
    "link",   "esp0", "ss0", "esp1", "ss1", "esp2", "ss2", "cr3",        "eip",
    "eflags", "eax",  "ecx", "edx",  "ebx", "esp",  "ebp", "esi",        "edi",
    "es",     "cs",   "ss",  "ds",   "fs",  "gs",   "ldt", "t | io map",
};

/* Of the 64-bit TSS, SDM vol. 3A figure 7-11; 8 bytes each. */
static const struct {
    const char *name;
    unsigned offset;
} tss64[] = {
    {"rsp0", 4},  {"rsp1", 12}, {"rsp2", 20}, {"ist1", 36}, {"ist2", 44},
    {"ist3", 52}, {"ist4", 60}, {"ist5", 68}, {"ist6", 76}, {"ist7", 84},
};
#define TSS64_IO_MAP 102u /* 16 bits: where the I/O permission map begins */

static bool put_tss64(const struct view_ctx *ctx, uint64_t base,
                      struct doc *doc)
{
    uint8_t tss[TSS64_IO_MAP + 2];
    uint16_t io_map;

    if (vm_read_gla(ctx->vm, base, tss, sizeof(tss)) < sizeof(tss))
        return view_fail(doc, "the TSS is not mapped");
    for (unsigned i = 0; i < ARRAY_SIZE(tss64); i++) {
        uint64_t value;

        memcpy(&value, tss + tss64[i].offset, sizeof(value));
        doc_field(doc, tss64[i].name, "%016llx", (unsigned long long)value);
    }
    memcpy(&io_map, tss + TSS64_IO_MAP, sizeof(io_map));
    doc_field(doc, "io map", "%04x", io_map);
    return true;
}

bool view_tss(const struct view_ctx *ctx, int argc, char **argv,
              struct doc *doc)
{
    struct x86_state st;
    char text[80];

    (void)argc, (void)argv;
    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!(st.tr.selector & ~3u))
        return view_fail(doc, "TR is null: no LTR has been executed yet");
    x86_attr_text(text, sizeof(text), st.tr.attr, st.efer & X86_EFER_LMA);
    doc_field(doc, "tr", "%04x base %08llx limit %x  %s", st.tr.selector,
              (unsigned long long)st.tr.base, st.tr.limit, text);
    if (st.efer & X86_EFER_LMA)
        return put_tss64(ctx, st.tr.base, doc);
    if (X86_SEG_TYPE(st.tr.attr) < 8)
        return true; /* other layouts: the raw bytes say more */
    for (unsigned i = 0; i < ARRAY_SIZE(tss32); i++) {
        uint32_t value;

        if (vm_read_gla(ctx->vm, st.tr.base + 4 * i, &value, 4) < 4)
            return view_fail(doc, "the TSS is not mapped");
        doc_field(doc, tss32[i], "%08x", value);
    }
    return true;
}
