/* Views of the guest's page tables: one walk, and everything mapped. */
#include <stdio.h>
#include <string.h>

#include "vmm/machine/machine.h"
#include "vmm/view/views.h"
#include "vmm/x86/text.h"

static struct x86_access access_of(const struct x86_state *st, int argc,
                                   char **argv)
{
    const char *how = argc > 2 ? argv[2] : "r";

    return (struct x86_access){
        .write = how[0] == 'w',
        .fetch = how[0] == 'x',
        .user = x86_cpl(st) == 3,
    };
}

static void put_step(struct doc *doc, const struct x86_walk_step *s)
{
    char bits[64];

    x86_pte_text(bits, sizeof(bits), s->entry);
    doc_row(doc);
    doc_cell(doc, "%s", s->table);
    doc_cell(doc, "%u", s->index);
    doc_cell(doc, "%#llx", (unsigned long long)s->entry_gpa);
    doc_cell(doc, "%0*llx", s->entry_size * 2, (unsigned long long)s->entry);
    doc_cell(doc, "%s", bits);
}

/* The address cut up as the tables use it: "PD 768 | PT 256 | offset 0xdcd". */
static void put_fields(struct doc *doc, const struct x86_walk *w)
{
    unsigned shift = w->steps ? w->step[w->steps - 1].shift : 32;
    char text[128] = "";

    for (unsigned i = 0; i < w->steps; i++) {
        size_t at = strlen(text);

        snprintf(text + at, sizeof(text) - at, "%s %u | ", w->step[i].table,
                 w->step[i].index);
    }
    doc_field(doc, "fields", "%soffset %#llx", text,
              (unsigned long long)(w->gla & ((1ull << shift) - 1)));
}

static void put_result(struct doc *doc, const struct x86_walk *w)
{
    char text[80];

    doc_field(doc, "result", "%s", x86_walk_result_name(w->result));
    if (w->result != X86_WALK_OK) {
        doc_mark(doc, DOC_FAULT);
        x86_pferr_text(text, sizeof(text), w->error);
        doc_field(doc, "error code", "%#x  %s", w->error, text);
        return;
    }
    doc_field(doc, "physical", "%#llx", (unsigned long long)w->gpa);
    doc_field(doc, "page", "%llu KiB, %s%s%s%s",
              (unsigned long long)w->page_size >> 10,
              w->user ? "user" : "supervisor",
              w->writable ? ", writable" : ", read-only",
              w->nx ? ", not executable" : "", w->global ? ", global" : "");
    doc_field(doc, "references", "%u", w->steps + 1);
}

bool view_walk(const struct view_ctx *ctx, int argc, char **argv,
               struct doc *doc)
{
    struct x86_phys phys = mem_phys(&vm_machine(ctx->vm)->mem);
    struct x86_paging paging;
    struct x86_state st;
    struct x86_walk w;
    uint64_t gla;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!view_arg(ctx, argc, argv, 1, st.cr2, &gla, doc))
        return false;
    x86_paging_init(&paging, &st);
    x86_walk(&w, &paging, &phys, gla, access_of(&st, argc, argv));
    doc_field(doc, "address", "%#llx", (unsigned long long)gla);
    put_fields(doc, &w);
    doc_field(doc, "paging", "%s", x86_paging_mode_name(paging.mode));
    doc_field(doc, "cr3", "%#llx", (unsigned long long)st.cr3);
    doc_table(doc, "steps", "table,index,entry at,entry,bits");
    for (unsigned i = 0; i < w.steps; i++)
        put_step(doc, &w.step[i]);
    put_result(doc, &w);
    return true;
}

/* ---- the tree --------------------------------------------------------------
 */

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
