/*
 * Who called whom, by frame pointers: what `push ebp; mov ebp, esp` leaves on
 * the stack.  Functions without a frame pointer are passed over, but for the
 * one at hand at its first two instructions and at its return; gdb, which
 * reads unwinding tables, knows better.
 */
#include <string.h>

#include "vmm/view/fault.h"
#include "vmm/view/source.h"
#include "vmm/view/views.h"
#include "vmm/x86/insn.h"

#define FRAMES_MAX 64u

struct walk {
    const struct view_ctx *ctx;
    struct x86_state st;
    unsigned slot;   /* bytes of a pushed register */
    uint64_t pc;     /* linear */
    uint64_t sp, bp; /* offsets in SS */
};

static uint64_t slot_mask(const struct walk *w)
{
    return w->slot == 8 ? UINT64_MAX : (1ull << 8 * w->slot) - 1;
}

static bool read_slot(const struct walk *w, uint64_t offset, uint64_t *value)
{
    uint64_t base = w->slot == 8 ? 0 : w->st.seg[X86_SS].base;

    *value = 0;
    return vm_read_gla(w->ctx->vm, base + (offset & slot_mask(w)), value,
                       w->slot) == w->slot;
}

/* The instruction at hand pops the return address, or has not got at it yet. */
static bool return_is_on_top(const struct walk *w, uint64_t *at)
{
    uint8_t bytes[15];
    uint64_t in;
    size_t n = vm_read_gla(w->ctx->vm, w->pc, bytes, sizeof(bytes));
    struct x86_insn insn;

    *at = w->sp;
    if (n && x86_insn_decode(&insn, bytes, n, x86_code_bits(&w->st), w->pc) &&
        insn.kind == X86_INSN_RET)
        return true;
    if (!symbols_at(w->ctx->sym, w->pc, &in) || in > 1)
        return false;
    *at += in == 1 ? w->slot : 0; /* behind `push ebp` */
    return in == 0 ||
           (vm_read_gla(w->ctx->vm, w->pc - 1, bytes, 1) && bytes[0] == 0x55);
}

/* To the caller; FIRST: the function at hand may not have its frame yet. */
static bool step_out(struct walk *w, bool first)
{
    uint64_t at, pc, bp = w->bp;

    if (!first || !return_is_on_top(w, &at)) {
        at = w->bp + w->slot;
        if (w->bp == 0 || !read_slot(w, w->bp, &bp) ||
            (bp != 0 && bp <= w->bp)) /* callers are further up */
            return false;
    }
    if (!read_slot(w, at, &pc) || pc == 0)
        return false;
    w->pc = x86_code_base(&w->st) + pc;
    w->sp = at + w->slot;
    w->bp = bp;
    return true;
}

static void put_frame(struct doc *doc, const struct walk *w, unsigned nr,
                      uint64_t at)
{
    char name[80];
    const char *file;
    int line;

    symbols_format(w->ctx->sym, w->pc, name, sizeof(name));
    doc_row(doc);
    doc_link(doc, "disasm %#llx", (unsigned long long)w->pc);
    doc_cell(doc, "%u", nr);
    doc_cell(doc, "%08llx", (unsigned long long)w->pc);
    doc_cell(doc, "%s", name);
    if (symbols_line(w->ctx->sym, at, &file, &line))
        doc_cell(doc, "%s:%d", source_name(file), line);
    else
        doc_cell(doc, "%s", "");
}

bool view_backtrace(const struct view_ctx *ctx, int argc, char **argv,
                    struct doc *doc)
{
    const struct debug_stop *stop = ctx->dbg ? debug_last_stop(ctx->dbg) : NULL;
    struct walk w = {.ctx = ctx};
    struct fault_cause fault;
    unsigned nr = 0;

    (void)argc, (void)argv;
    if (vm_get_state(ctx->vm, &w.st) < 0)
        return view_fail(doc, "the registers cannot be read");
    w.slot = x86_code_bits(&w.st) / 8;
    w.pc = x86_linear_rip(&w.st);
    w.sp = w.st.gpr[X86_RSP];
    w.bp = w.st.gpr[X86_RBP] & slot_mask(&w);
    doc_table(doc, "frames", "nr,address,symbol,line");
    put_frame(doc, &w, nr++, w.pc);
    if (fault_at_stop(ctx->vm, &w.st, stop, &fault) && fault.rip &&
        fault.rip != w.pc) { /* nobody called the handler */
        w.pc = fault.rip;
        put_frame(doc, &w, nr++, w.pc);
    }
    while (nr < FRAMES_MAX && step_out(&w, nr == 1))
        put_frame(doc, &w, nr++, w.pc - 1);
    return true;
}
