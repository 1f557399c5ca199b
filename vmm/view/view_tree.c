/* The tree of page tables: what is mapped. */
#include <stdio.h>
#include <string.h>

#include "vmm/machine/machine.h"
#include "vmm/view/views.h"

struct run {
    uint64_t gla, gpa, len, page_size;
    bool writable, user, nx, global;
};

struct tree {
    struct doc *doc;
    struct run run; /* grows; len 0: none yet */
    bool want_w, want_u, want_x;
    uint64_t runs, bytes;
};

static bool wanted(const struct tree *t, const struct run *r)
{
    return !(t->want_w && !r->writable) && !(t->want_u && !r->user) &&
           !(t->want_x && r->nx);
}

static void flush_run(struct tree *t)
{
    const struct run *r = &t->run;

    if (r->len && wanted(t, r)) {
        doc_row(t->doc);
        doc_cell(t->doc, "%08llx", (unsigned long long)r->gla);
        doc_cell(t->doc, "%08llx", (unsigned long long)(r->gla + r->len - 1));
        doc_cell(t->doc, "%08llx", (unsigned long long)r->gpa);
        doc_cell(t->doc, "%lluK", (unsigned long long)r->len >> 10);
        doc_cell(t->doc, "%lluK", (unsigned long long)r->page_size >> 10);
        doc_cell(t->doc, "%c%c%c%c", r->user ? 'u' : '-',
                 r->writable ? 'w' : '-', r->nx ? '-' : 'x',
                 r->global ? 'g' : '-');
        t->runs++;
        t->bytes += r->len;
    }
    t->run.len = 0;
}

static void add_page(struct tree *t, const struct x86_walk *w)
{
    struct run *r = &t->run;
    uint64_t gla = w->gla & ~(w->page_size - 1);
    uint64_t gpa = w->gpa & ~(w->page_size - 1);

    if (r->len && r->gla + r->len == gla && r->gpa + r->len == gpa &&
        r->page_size == w->page_size && r->writable == w->writable &&
        r->user == w->user && r->nx == w->nx && r->global == w->global) {
        r->len += w->page_size;
        return;
    }
    flush_run(t);
    *r = (struct run){gla,         gpa,     w->page_size, w->page_size,
                      w->writable, w->user, w->nx,        w->global};
}

/* How far to the next address that a missing entry does not cover. */
static uint64_t hole_size(const struct x86_walk *w)
{
    return w->steps ? 1ull << w->step[w->steps - 1].shift : 4096;
}

static bool filter(struct tree *t, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "w") == 0)
            t->want_w = true;
        else if (strcmp(argv[i], "u") == 0)
            t->want_u = true;
        else if (strcmp(argv[i], "x") == 0)
            t->want_x = true;
        else
            return view_fail(t->doc, "no filter '%s'; there are w, u and x",
                             argv[i]);
    }
    return true;
}

bool view_tree(const struct view_ctx *ctx, int argc, char **argv,
               struct doc *doc)
{
    struct x86_phys phys = mem_phys(&vm_machine(ctx->vm)->mem);
    struct x86_access look = {.no_check = true};
    struct tree t = {.doc = doc};
    struct x86_paging paging;
    struct x86_state st;
    uint64_t gla = 0, end;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!filter(&t, argc, argv))
        return false;
    x86_paging_init(&paging, &st);
    if (paging.mode == X86_PAGING_NONE)
        return view_fail(doc, "paging is off: linear is physical");
    end = paging.mode < X86_PAGING_4LEVEL ? 1ull << 32 : 1ull << 47;
    doc_table(doc, "runs", "first,last,physical,size,page,rights");
    for (unsigned half = 0; half < 2; half++) {
        while (gla < end) {
            struct x86_walk w;

            x86_walk(&w, &paging, &phys, gla, look);
            if (w.result == X86_WALK_OK) {
                add_page(&t, &w);
                gla = (gla & ~(w.page_size - 1)) + w.page_size;
            } else {
                flush_run(&t);
                gla = (gla & ~(hole_size(&w) - 1)) + hole_size(&w);
            }
            if (gla == 0) /* wrapped at the top */
                break;
        }
        flush_run(&t);
        if (paging.mode < X86_PAGING_4LEVEL)
            break;
        gla = 0xffff800000000000ull; /* the canonical upper half */
        end = UINT64_MAX;
    }
    doc_field(doc, "total", "%llu KiB in %llu runs, %s paging",
              (unsigned long long)t.bytes >> 10, (unsigned long long)t.runs,
              x86_paging_mode_name(paging.mode));
    return true;
}
