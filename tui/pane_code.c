/* Panes of the program: instructions, source, and the processor at a glance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/pane.h"
#include "vmm/view/expr.h"
#include "vmm/view/source.h"
#include "vmm/x86/insn.h"
#include "vmm/x86/text.h"

/* What the pane was asked for, else RIP. */
static uint64_t shown_address(struct pane *p, struct command_ctx *ctx,
                              uint64_t rip)
{
    struct expr_value v;
    char why[96];

    if (!p->arg[0])
        return rip;
    if (expr_eval(ctx->vm, ctx->sym, p->arg, &v, why, sizeof(why)))
        return v.value;
    pane_add(p, LOOK_FAULT, "%s", why);
    return rip;
}

/* Where the pane begins: its argument, or a little before rip. */
static uint64_t code_start(struct pane *p, struct command_ctx *ctx,
                           uint64_t rip)
{
    uint64_t offset;

    if (p->arg[0])
        return shown_address(p, ctx, rip);
    /* A function's start is an instruction's start; other guesses lie. */
    if (!symbols_at(ctx->sym, rip, &offset) || offset > 4096)
        return rip;
    return rip - offset;
}

static char point_at(const struct command_ctx *ctx, uint64_t gla)
{
    const struct debug_point *p;

    for (size_t i = 0; (p = debug_nth(ctx->dbg, i)); i++)
        if (p->kind <= DEBUG_POINT_SEGOFF && p->addr == gla)
            return p->disabled ? 'b' : 'B';
    return ' ';
}

/* One instruction; how long it is. */
static unsigned add_insn(struct pane *p, struct command_ctx *ctx,
                         const struct x86_state *st, uint64_t gla, uint64_t rip)
{
    uint8_t bytes[15];
    char text[128], where[80] = "";
    size_t n = vm_read_gla(ctx->vm, gla, bytes, sizeof(bytes));
    struct x86_insn insn;
    struct pane_line *l;
    uint64_t offset;
    unsigned len;

    if (n == 0) {
        pane_add(p, LOOK_FAULT, "  %08llx (not mapped)",
                 (unsigned long long)gla);
        return 0;
    }
    len = x86_insn_text(text, sizeof(text), bytes, n, x86_code_bits(st),
                        gla - x86_code_base(st));
    if (x86_insn_decode(&insn, bytes, n, x86_code_bits(st),
                        gla - x86_code_base(st)) &&
        insn.has_target &&
        symbols_at(ctx->sym, insn.target + x86_code_base(st), &offset))
        symbols_format(ctx->sym, insn.target + x86_code_base(st), where,
                       sizeof(where));
    l = pane_add(p, gla == rip ? LOOK_CURRENT : LOOK_PLAIN, "%c%c%08llx %s%s%s",
                 gla == rip ? '>' : ' ', point_at(ctx, gla),
                 (unsigned long long)gla, text, where[0] ? " ; " : "", where);
    l->addr = gla;
    l->has_addr = true;
    return len ? len : 1;
}

#define CODE_LINES 400u

/* The cursor goes to line HERE, with room before it, when the guest has been
 * running since; what a person looks at in between stays. */
static void follow_processor(struct pane *p, const struct command_ctx *ctx,
                             uint64_t rip, size_t here, size_t above)
{
    struct pane_follow *f = &p->followed;

    if (f->done && f->runs == ctx->runs && f->rip == rip &&
        p->cursor != f->line)
        return;
    *f = (struct pane_follow){true, ctx->runs, rip, here};
    p->cursor = here;
    p->top = here > above ? here - above : 0;
}

/* The source line that the instruction at GLA begins. */
static void add_line_of(struct pane *p, const struct command_ctx *ctx,
                        struct source *src, uint64_t gla)
{
    char text[SOURCE_LINE_MAX];

    if (source_follow(src, ctx->sym, gla, text, sizeof(text)))
        pane_add(p, LOOK_DIM, "%s:%d %s", source_name(src->path), src->line,
                 text);
}

/* MIXED: under the source lines they were made from. */
static void add_code(struct pane *p, struct command_ctx *ctx, bool mixed)
{
    struct source src = {0};
    size_t here = 0, rows = p->area.h > 1 ? p->area.h - 1 : 0;
    bool found = false;
    struct x86_state st;
    uint64_t rip, gla, offset;

    if (vm_get_state(ctx->vm, &st) < 0)
        return;
    rip = x86_code_base(&st) + st.rip;
    gla = code_start(p, ctx, rip);
    for (unsigned i = 0; i < CODE_LINES; i++) {
        const char *name = symbols_at(ctx->sym, gla, &offset);
        unsigned len;

        if (name && offset == 0)
            pane_add(p, LOOK_NAME, "%s:", name);
        if (mixed)
            add_line_of(p, ctx, &src, gla);
        if (gla == rip) {
            here = p->lines;
            found = true;
        }
        len = add_insn(p, ctx, &st, gla, rip);
        if (len == 0)
            break;
        gla += len;
    }
    source_close(&src);
    if (!found || p->arg[0])
        return;
    follow_processor(p, ctx, rip, here, rows / 3);
}

void pane_code_refresh(struct pane *p, struct command_ctx *ctx)
{
    add_code(p, ctx, false);
}

void pane_mixed_refresh(struct pane *p, struct command_ctx *ctx)
{
    add_code(p, ctx, true);
}

/* ---- source ------------------------------------------------------------- */

#define SOURCE_AROUND 2000 /* lines before and after; files may be long */
#define SOURCE_ABOVE  4    /* of them in sight, above the current one */

/* Line N of a file, its instructions from ADDR on; 0: it has none. */
static void add_source_line(struct pane *p, const struct command_ctx *ctx,
                            int n, bool current, uint64_t addr,
                            const char *text, size_t len)
{
    struct pane_line *l =
        pane_add(p, current ? LOOK_CURRENT : LOOK_PLAIN, "%c%c%4d %.*s",
                 current ? '>' : ' ', addr ? point_at(ctx, addr) : ' ', n,
                 (int)len, text);

    for (char *t = l->text; *t; t++)
        *t = *t == '\t' ? ' ' : *t;
    l->addr = addr;
    l->has_addr = addr != 0;
    if (addr &&
        asprintf(&l->link, "disasm %#llx", (unsigned long long)addr) < 0)
        l->link = NULL;
}

/* The lines around the one at hand, of them CURRENT is the processor's; where
 * the one at hand is among them. */
static size_t add_source(struct pane *p, const struct command_ctx *ctx,
                         const struct source *src, uint64_t at, int current)
{
    const char *text = src->text, *end = text + src->size;
    size_t here = 0, count = (size_t)src->line + SOURCE_AROUND + 1;
    uint64_t *addr = calloc(count, sizeof(*addr));

    if (addr)
        symbols_lines(ctx->sym, at, src->path, addr, count);
    for (int n = 1; text < end && (size_t)n < count; n++) {
        const char *nl = memchr(text, '\n', (size_t)(end - text));
        size_t len = (size_t)((nl ? nl : end) - text);

        if (n == src->line)
            here = p->lines;
        if (n >= src->line - SOURCE_AROUND)
            add_source_line(p, ctx, n, n == current, addr ? addr[n] : 0, text,
                            len);
        text += len + 1;
    }
    free(addr);
    return here;
}

/* The processor's line, if it is in FILE; else 0. */
static int line_in(const struct command_ctx *ctx, uint64_t rip,
                   const char *file)
{
    const char *path;
    int line;

    if (!symbols_line(ctx->sym, rip, &path, &line) || strcmp(path, file) != 0)
        return 0;
    return line;
}

void pane_source_refresh(struct pane *p, struct command_ctx *ctx)
{
    struct x86_state st;
    struct source src = {0};
    uint64_t at, rip;
    size_t here;

    if (vm_get_state(ctx->vm, &st) < 0)
        return;
    rip = x86_linear_rip(&st);
    at = shown_address(p, ctx, rip);
    if (!source_open_at(&src, ctx->sym, at))
        pane_add(p, LOOK_DIM, "no source line is known for this address");
    else if (!src.text)
        pane_add(p, LOOK_DIM, "%s:%d (the file is not here)", src.path,
                 src.line);
    else {
        here = add_source(p, ctx, &src, at, line_in(ctx, rip, src.path));
        follow_processor(p, ctx, at, here, SOURCE_ABOVE);
    }
    source_close(&src);
}

/* ---- the processor in 28 columns ---------------------------------------- */

struct named {
    const char *name;
    uint64_t value;
    bool changed;
};

/* In 64 bits a line for each, else one for both. */
static void add_two(struct pane *p, bool wide, struct named a, struct named b)
{
    const struct named *each[] = {&a, &b};

    for (unsigned i = 0; wide && i < ARRAY_SIZE(each); i++)
        pane_add(p, each[i]->changed ? LOOK_CHANGED : LOOK_PLAIN, "%s %016llx",
                 each[i]->name, (unsigned long long)each[i]->value);
    if (!wide)
        pane_add(p, a.changed || b.changed ? LOOK_CHANGED : LOOK_PLAIN,
                 "%s %08llx  %s %08llx", a.name, (unsigned long long)a.value,
                 b.name, (unsigned long long)b.value);
}

static struct named gpr(const struct command_ctx *ctx,
                        const struct x86_state *st, bool wide, unsigned i)
{
    static const char *const r32[] = {"eax", "ecx", "edx", "ebx",
                                      "esp", "ebp", "esi", "edi"};
    static const char *const r64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                      "rsi", "rdi", "r8 ", "r9 ", "r10", "r11",
                                      "r12", "r13", "r14", "r15"};

    return (struct named){
        .name = wide ? r64[i] : r32[i],
        .value = st->gpr[i],
        .changed = ctx->has_prev && ctx->prev.gpr[i] != st->gpr[i],
    };
}

static void add_flags(struct pane *p, const struct x86_state *st)
{
    char text[160], *low;

    x86_eflags_text(text, sizeof(text), st->rflags);
    low = strstr(text, " of");
    if (!low)
        low = strstr(text, " OF");
    if (low)
        *low++ = '\0';
    pane_add(p, LOOK_PLAIN, "%s", low ? low : "")->topic = "eflags";
    pane_add(p, LOOK_DIM, "%s", text)->topic = "eflags";
}

void pane_cpu_refresh(struct pane *p, struct command_ctx *ctx)
{
    static const char *const sregs[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    struct x86_state st;
    char text[128];
    bool wide;

    if (vm_get_state(ctx->vm, &st) < 0)
        return;
    wide = x86_mode(&st) == X86_MODE_LONG64;
    for (unsigned i = 0; i < (wide ? 16u : 8u); i += 2)
        add_two(p, wide, gpr(ctx, &st, wide, i), gpr(ctx, &st, wide, i + 1));
    add_two(p, wide, (struct named){wide ? "rip" : "eip", st.rip, false},
            (struct named){wide ? "rfl" : "efl", st.rflags, false});
    add_flags(p, &st);
    for (unsigned i = 0; i < X86_SREG_COUNT; i += 3)
        pane_add(p, LOOK_PLAIN, "%s %04x  %s %04x  %s %04x", sregs[i],
                 st.seg[i].selector, sregs[i + 1], st.seg[i + 1].selector,
                 sregs[i + 2], st.seg[i + 2].selector);
    add_two(p, wide, (struct named){"cr3", st.cr3, false},
            (struct named){"cr2", st.cr2, false});
    x86_cr0_text(text, sizeof(text), st.cr0);
    pane_add(p, LOOK_DIM, "%s", text)->topic = "cr0";
    x86_cr4_text(text, sizeof(text), st.cr4);
    pane_add(p, LOOK_DIM, "%s", text)->topic = "cr4";
}
