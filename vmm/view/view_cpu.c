/* Views of the processor: registers, segments, floating point. */
#include <stdio.h>
#include <string.h>

#include "vmm/view/views.h"
#include "vmm/x86/text.h"

static const char *const gpr32[] = {"eax", "ecx", "edx", "ebx",
                                    "esp", "ebp", "esi", "edi"};
static const char *const gpr64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                    "rsi", "rdi", "r8",  "r9",  "r10", "r11",
                                    "r12", "r13", "r14", "r15"};
static const char *const sregs[] = {"es", "cs", "ss", "ds", "fs", "gs"};

/* A register with what is there, if that is a name or a string. */
static void put_gpr(const struct view_ctx *ctx, struct doc *doc,
                    const char *name, uint64_t value, uint64_t before,
                    int digits)
{
    char where[80] = "";
    uint64_t offset;

    if (symbols_at(ctx->sym, value, &offset))
        symbols_format(ctx->sym, value, where, sizeof(where));
    doc_field(doc, name, "%0*llx  %s", digits, (unsigned long long)value,
              where);
    if (ctx->prev && value != before)
        doc_mark(doc, DOC_CHANGED);
}

bool view_regs(const struct view_ctx *ctx, int argc, char **argv,
               struct doc *doc)
{
    struct x86_state st;
    char text[160];
    bool wide;

    (void)argc, (void)argv;
    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    wide = x86_mode(&st) == X86_MODE_LONG64;
    for (unsigned i = 0; i < (wide ? 16u : 8u); i++)
        put_gpr(ctx, doc, wide ? gpr64[i] : gpr32[i], st.gpr[i],
                ctx->prev ? ctx->prev->gpr[i] : 0, wide ? 16 : 8);
    put_gpr(ctx, doc, wide ? "rip" : "eip", st.rip,
            ctx->prev ? ctx->prev->rip : 0, wide ? 16 : 8);
    x86_eflags_text(text, sizeof(text), st.rflags);
    doc_field(doc, "eflags", "%08llx  %s", (unsigned long long)st.rflags, text);
    doc_field(doc, "mode", "%s, CPL %u%s", x86_mode_name(x86_mode(&st)),
              x86_cpl(&st), st.activity == X86_HALTED ? ", halted" : "");
    x86_cr0_text(text, sizeof(text), st.cr0);
    doc_field(doc, "cr0", "%08llx  %s", (unsigned long long)st.cr0, text);
    doc_field(doc, "cr2", "%08llx", (unsigned long long)st.cr2);
    doc_field(doc, "cr3", "%08llx", (unsigned long long)st.cr3);
    x86_cr4_text(text, sizeof(text), st.cr4);
    doc_field(doc, "cr4", "%08llx  %s", (unsigned long long)st.cr4, text);
    x86_efer_text(text, sizeof(text), st.efer);
    doc_field(doc, "efer", "%08llx  %s", (unsigned long long)st.efer, text);
    for (unsigned i = 0; i < 8; i++)
        if (i < 4 ? st.dr[i] != 0 : i >= 6) {
            snprintf(text, sizeof(text), "dr%u", i);
            doc_field(doc, text, "%08llx", (unsigned long long)st.dr[i]);
        }
    return true;
}

static void put_seg(struct doc *doc, const char *name,
                    const struct x86_seg *seg, bool long_mode)
{
    char text[80];

    x86_attr_text(text, sizeof(text), seg->attr, long_mode);
    doc_row(doc);
    doc_cell(doc, "%s", name);
    doc_cell(doc, "%04x", seg->selector);
    doc_cell(doc, "%08llx", (unsigned long long)seg->base);
    doc_cell(doc, "%08x", seg->limit);
    doc_cell(doc, "%04x", seg->attr);
    doc_cell(doc, "%s", text);
}

bool view_segs(const struct view_ctx *ctx, int argc, char **argv,
               struct doc *doc)
{
    struct x86_state st;
    bool long_mode;

    (void)argc, (void)argv;
    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    long_mode = st.efer & X86_EFER_LMA;
    doc_table(doc, "segments", "name,sel,base,limit,attr,meaning");
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        put_seg(doc, sregs[i], &st.seg[i], long_mode);
    put_seg(doc, "ldtr", &st.ldt, long_mode);
    put_seg(doc, "tr", &st.tr, long_mode);
    doc_field(doc, "gdtr", "base %08llx limit %04x",
              (unsigned long long)st.gdt.base, st.gdt.limit);
    doc_field(doc, "idtr", "base %08llx limit %04x",
              (unsigned long long)st.idt.base, st.idt.limit);
    return true;
}

/* An 80-bit register of the FXSAVE image as a number. */
static long double st_value(const uint8_t *bytes)
{
    long double value = 0;

    memcpy(&value, bytes, 10);
    return value;
}

/* Of the last x87 instruction: FIP or FDP, at AT in the image. */
static void put_fpu_pointer(struct doc *doc, const char *name,
                            const struct x86_state *st, unsigned at)
{
    uint64_t value;

    memcpy(&value, st->fxsave + at, sizeof(value));
    if (st->efer & X86_EFER_LMA) /* 64 bits, no selector */
        doc_field(doc, name, "%016llx", (unsigned long long)value);
    else
        doc_field(doc, name, "%04x:%08x", (unsigned)(value >> 32 & 0xffff),
                  (unsigned)value);
}

/* FOP has the second byte, and the low bits of the first. */
static void put_fpu_opcode(struct doc *doc, const struct x86_state *st)
{
    uint16_t fop;
    uint32_t fip;

    memcpy(&fop, st->fxsave + 6, sizeof(fop));
    memcpy(&fip, st->fxsave + 8, sizeof(fip));
    if (fop || fip)
        doc_field(doc, "fop", "%03x  %02x %02x", fop, 0xd8u | (fop >> 8 & 7u),
                  fop & 0xffu);
    else /* none since FNINIT */
        doc_field(doc, "fop", "000");
}

bool view_fpu(const struct view_ctx *ctx, int argc, char **argv,
              struct doc *doc)
{
    struct x86_state st;
    uint16_t fcw, fsw;
    uint32_t mxcsr;

    (void)argc, (void)argv;
    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    memcpy(&fcw, st.fxsave, 2);
    memcpy(&fsw, st.fxsave + 2, 2);
    memcpy(&mxcsr, st.fxsave + 24, 4);
    doc_field(doc, "fcw", "%04x", fcw);
    doc_field(doc, "fsw", "%04x  top %u", fsw, fsw >> 11 & 7u);
    doc_field(doc, "ftw", "%02x", st.fxsave[4]);
    doc_field(doc, "mxcsr", "%08x", mxcsr);
    put_fpu_opcode(doc, &st);
    put_fpu_pointer(doc, "fip", &st, 8);
    put_fpu_pointer(doc, "fdp", &st, 16);
    doc_table(doc, "x87", "st,used,value");
    for (unsigned i = 0; i < 8; i++) {
        unsigned physical = ((fsw >> 11 & 7u) + i) & 7u;

        doc_row(doc);
        doc_cell(doc, "st%u", i);
        doc_cell(doc, "%s", st.fxsave[4] >> physical & 1 ? "yes" : "no");
        doc_cell(doc, "%.18Lg", st_value(st.fxsave + 32 + 16 * i));
    }
    doc_table(doc, "sse", "xmm,high,low");
    for (unsigned i = 0; i < 8; i++) {
        uint64_t half[2];

        memcpy(half, st.fxsave + 160 + 16 * i, 16);
        doc_row(doc);
        doc_cell(doc, "xmm%u", i);
        doc_cell(doc, "%016llx", (unsigned long long)half[1]);
        doc_cell(doc, "%016llx", (unsigned long long)half[0]);
    }
    return true;
}
