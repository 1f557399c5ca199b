/*
 * What the guest's page tables map: as runs, opened to tables and pages where
 * somebody wants to see more; and the other way, from a frame to all that map
 * it.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/machine/machine.h"
#include "vmm/view/past.h"
#include "vmm/view/views.h"

#define OPEN_MAX  16u
#define OPEN_LINK 3u /* so many stay open when one more is: lines are short */

/* What is opened: a run to its tables, or also one table to its pages. */
struct opened {
    uint64_t gla;
    bool table;
};

struct tree {
    const struct view_ctx *ctx;
    struct doc *doc;
    struct x86_paging paging;
    struct x86_phys phys;
    struct page_filter filter;
    char filter_text[48]; /* " w !u", for links */
    struct opened open[OPEN_MAX];
    unsigned opens;
    uint64_t depth; /* 1: runs, 2: and tables, 3: and pages */
    uint64_t runs, bytes, changes;
};

static const char bit_letters[] = "wuxgad"; /* in the order of page_bits */

/* ---- what is asked for -------------------------------------------------- */

/* "w", "!d" */
static bool filter_word(struct tree *t, const char *word)
{
    bool not = word[0] == '!';
    const char *letter = word[not ] ? strchr(bit_letters, word[not ]) : NULL;
    size_t n = strlen(t->filter_text);

    if (!letter || word[not +1])
        return false;
    *(not ? &t->filter.clear : &t->filter.set) |= 1u << (letter - bit_letters);
    snprintf(t->filter_text + n, sizeof(t->filter_text) - n, " %s", word);
    return true;
}

static bool add_open(struct tree *t, int argc, char **argv, int i, bool table)
{
    uint64_t gla;

    if (i >= argc)
        return view_fail(t->doc, "tree: which address is to be opened?");
    if (t->opens == OPEN_MAX)
        return view_fail(t->doc, "tree: %u places can be open at once",
                         OPEN_MAX);
    if (!view_arg(t->ctx, argc, argv, i, 0, &gla, t->doc))
        return false;
    for (unsigned k = 0; k < t->opens; k++)
        if (t->open[k].gla == gla && t->open[k].table == table)
            return true;
    t->open[t->opens++] = (struct opened){gla, table};
    return true;
}

/* [!]w... | run ADDRESS | [table] ADDRESS | depth N */
static bool parse(struct tree *t, int argc, char **argv)
{
    bool ok = true;

    t->depth = 1;
    for (int i = 1; i < argc && ok; i++) {
        if (filter_word(t, argv[i]))
            continue;
        if (strcmp(argv[i], "depth") == 0)
            ok = view_arg(t->ctx, argc, argv, ++i, 2, &t->depth, t->doc);
        else if (strcmp(argv[i], "run") == 0)
            ok = add_open(t, argc, argv, ++i, false);
        else if (strcmp(argv[i], "table") == 0)
            ok = add_open(t, argc, argv, ++i, true);
        else
            ok = add_open(t, argc, argv, i, true);
    }
    return ok;
}

/* Is anything within [first, last] open, tables to their pages if PAGES? */
static bool is_open(const struct tree *t, uint64_t first, uint64_t last,
                    bool pages)
{
    for (unsigned i = 0; i < t->opens; i++)
        if (t->open[i].gla >= first && t->open[i].gla <= last &&
            (t->open[i].table || !pages))
            return true;
    return t->depth >= (pages ? 3 : 2);
}

/* What Enter does on a row: opens it, or closes what is open in it. */
static void put_link(const struct tree *t, uint64_t first, uint64_t last,
                     bool table)
{
    char text[160] = "tree";
    bool was_open = false;
    unsigned kept = 0;

    snprintf(text, sizeof(text), "tree%s", t->filter_text);
    for (unsigned i = 0; i < t->opens; i++) {
        const struct opened *o = &t->open[i];
        size_t n = strlen(text);

        if (o->gla >= first && o->gla <= last && (o->table || !table)) {
            was_open = true;
            if (!table || !o->table)
                continue;
            snprintf(text + n, sizeof(text) - n, " run %#llx",
                     (unsigned long long)o->gla);
        } else if (kept++ < OPEN_LINK) {
            snprintf(text + n, sizeof(text) - n, " %s %#llx",
                     o->table ? "table" : "run", (unsigned long long)o->gla);
        }
    }
    if (!was_open) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, " %s %#llx",
                 table ? "table" : "run", (unsigned long long)first);
    }
    doc_link(t->doc, "%s", text);
}

/* ---- rows --------------------------------------------------------------- */

static void put_size(struct doc *doc, uint64_t bytes)
{
    static const char units[] = "KMGT";
    unsigned u = 0;

    for (bytes >>= 10; bytes >= 1024 && bytes % 1024 == 0 && u < 3; u++)
        bytes >>= 10;
    doc_cell(doc, "%llu%c", (unsigned long long)bytes, units[u]);
}

/* INDENT spaces show that it is part of the row above. */
static void put_range(const struct tree *t, unsigned indent,
                      const struct page_run *r)
{
    doc_cell(t->doc, "%*s%08llx", (int)indent, "",
             (unsigned long long)r->first);
    doc_json_value(t->doc, "\"%08llx\"", (unsigned long long)r->first);
    doc_cell(t->doc, "%08llx", (unsigned long long)r->last);
    doc_cell(t->doc, "%08llx", (unsigned long long)r->gpa);
    put_size(t->doc, r->last - r->first + 1);
    put_size(t->doc, r->page_size);
    doc_cell(t->doc, "%c%c%c%c", r->bits & PAGE_U ? 'u' : '-',
             r->bits & PAGE_W ? 'w' : '-', r->bits & PAGE_X ? 'x' : '-',
             r->bits & PAGE_G ? 'g' : '-');
}

static void put_page(const struct tree *t, const struct x86_walk *w)
{
    const struct x86_walk_step *leaf = &w->step[w->steps - 1];
    struct page_run page = {
        .first = w->gla & ~(w->page_size - 1),
        .gpa = w->gpa & ~(w->page_size - 1),
        .page_size = w->page_size,
        .bits = page_bits_of(w),
    };

    page.last = page.first + (w->page_size - 1);
    doc_row(t->doc);
    doc_link(t->doc, "walk %#llx", (unsigned long long)page.first);
    put_range(t, 4, &page);
    doc_cell(t->doc, "%s[%u] %s %s", leaf->table, leaf->index,
             page.bits & PAGE_A ? "A" : "a", page.bits & PAGE_D ? "D" : "d");
    doc_cell(t->doc, "page");
}

static void put_pages(const struct tree *t, const struct page_run *r)
{
    const struct x86_access look = {.no_check = true};

    for (uint64_t gla = r->first;; gla += r->page_size) {
        struct x86_walk w;

        x86_walk(&w, &t->paging, &t->phys, gla, look);
        if (w.result == X86_WALK_OK)
            put_page(t, &w);
        if (gla + (r->page_size - 1) >= r->last)
            return;
    }
}

/* The part of run R that the last table of walk W maps. */
static struct page_run part_in_table(const struct page_run *r,
                                     const struct x86_walk *w)
{
    const struct x86_walk_step *leaf = &w->step[w->steps - 1];
    uint64_t entries = leaf->entry_size == 4 ? 1024 : 512;
    uint64_t last = w->gla | (BIT64(leaf->shift) * entries - 1);
    struct page_run part = *r;

    part.gpa += w->gla - r->first;
    part.first = w->gla;
    part.last = last < r->last ? last : r->last;
    return part;
}

static void put_tables(const struct tree *t, const struct page_run *r)
{
    const struct x86_access look = {.no_check = true};

    for (uint64_t gla = r->first;;) {
        const struct x86_walk_step *leaf;
        struct page_run part;
        struct x86_walk w;

        x86_walk(&w, &t->paging, &t->phys, gla, look);
        if (w.result != X86_WALK_OK)
            return; /* a row of what is gone */
        leaf = &w.step[w.steps - 1];
        part = part_in_table(r, &w);
        doc_row(t->doc);
        put_link(t, part.first, part.last, true);
        put_range(t, 2, &part);
        doc_cell(t->doc, "%s at %08llx[%u]", leaf->table,
                 (unsigned long long)leaf->table_gpa, leaf->index);
        doc_cell(t->doc, "table");
        if (is_open(t, part.first, part.last, true))
            put_pages(t, &part);
        if (part.last == r->last)
            return;
        gla = part.last + 1;
    }
}

static bool passes(const struct tree *t, const struct page_run *r)
{
    return (r->bits & t->filter.set) == t->filter.set &&
           !(r->bits & t->filter.clear);
}

static void put_run(void *opaque, const struct page_run *r,
                    enum page_change change)
{
    static const char *const changes[] = {[PAGE_SAME] = "",
                                          [PAGE_NEW] = "new",
                                          [PAGE_GONE] = "gone",
                                          [PAGE_CHANGED] = "changed"};
    struct tree *t = opaque;

    if (change == PAGE_GONE && !passes(t, r))
        return;
    doc_row(t->doc);
    put_link(t, r->first, r->last, false);
    if (change == PAGE_GONE)
        doc_mark(t->doc, DOC_DIM);
    else if (change != PAGE_SAME)
        doc_mark(t->doc, DOC_CHANGED);
    put_range(t, 0, r);
    doc_cell(t->doc, "%s", changes[change]);
    doc_cell(t->doc, "run");
    t->changes += change != PAGE_SAME;
    if (change == PAGE_GONE)
        return;
    t->runs++;
    t->bytes += r->last - r->first + 1;
    if (is_open(t, r->first, r->last, false))
        put_tables(t, r);
}

/* ---- the views ---------------------------------------------------------- */

static bool tree_init(struct tree *t, const struct view_ctx *ctx,
                      struct doc *doc, struct x86_state *st)
{
    *t = (struct tree){.ctx = ctx, .doc = doc};
    if (vm_get_state(ctx->vm, st) < 0)
        return view_fail(doc, "the registers cannot be read");
    t->phys = mem_phys(&vm_machine(ctx->vm)->mem);
    x86_paging_init(&t->paging, st);
    if (t->paging.mode == X86_PAGING_NONE)
        return view_fail(doc, "paging is off: linear is physical");
    return true;
}

/* What was there at the last stop and the filter lets through, if known. */
static bool past_runs(const struct tree *t, const struct x86_state *st,
                      struct page_runs *old)
{
    const struct page_runs *past;
    uint64_t cr3;

    *old = (struct page_runs){0};
    past = view_past_tree(t->ctx->past, &cr3);
    if (!past)
        return false;
    if (cr3 != st->cr3) {
        doc_note(t->doc, "another address space than at the last stop");
        return false;
    }
    if ((t->filter.set | t->filter.clear) & ~(unsigned)PAGE_RIGHTS)
        return false; /* accessed and dirty bits were not kept */
    *old = *past;
    return true;
}

bool view_tree(const struct view_ctx *ctx, int argc, char **argv,
               struct doc *doc)
{
    struct page_runs now, old;
    struct x86_state st;
    struct tree t;

    if (!tree_init(&t, ctx, doc, &st) || !parse(&t, argc, argv))
        return false;
    page_runs_collect(&now, &t.paging, &t.phys, t.filter);
    doc_table(doc, "runs", "first,last,physical,size,page,rights,what,!kind");
    if (past_runs(&t, &st, &old))
        page_runs_compare(&now, &old, put_run, &t);
    else
        for (size_t i = 0; i < now.count; i++)
            put_run(&t, &now.run[i], PAGE_SAME);
    doc_field(doc, "total", "%llu KiB in %llu runs, %s paging",
              (unsigned long long)t.bytes >> 10, (unsigned long long)t.runs,
              x86_paging_mode_name(t.paging.mode));
    if (t.changes)
        doc_field(doc, "since the last stop", "%llu changes",
                  (unsigned long long)t.changes);
    page_runs_free(&now);
    return true;
}

bool view_frames(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    struct page_runs now;
    struct x86_state st;
    unsigned found = 0;
    uint64_t gpa;
    struct tree t;

    if (argc < 2)
        return view_fail(doc, "which physical address? try: frames 0xb8000");
    if (!tree_init(&t, ctx, doc, &st) ||
        !view_arg(ctx, argc, argv, 1, 0, &gpa, doc))
        return false;
    page_runs_collect(&now, &t.paging, &t.phys, t.filter);
    doc_field(doc, "physical", "%#llx", (unsigned long long)gpa);
    doc_table(doc, "mappings", "linear,page,rights,symbol");
    for (size_t i = 0; i < now.count; i++) {
        const struct page_run *r = &now.run[i];
        char where[80] = "";
        uint64_t gla = r->first + (gpa - r->gpa), offset;

        if (gpa < r->gpa || gpa - r->gpa > r->last - r->first)
            continue;
        if (symbols_at(ctx->sym, gla, &offset))
            symbols_format(ctx->sym, gla, where, sizeof(where));
        doc_row(doc);
        doc_link(doc, "walk %#llx", (unsigned long long)gla);
        doc_cell(doc, "%08llx", (unsigned long long)gla);
        put_size(doc, r->page_size);
        doc_cell(doc, "%c%c%c%c", r->bits & PAGE_U ? 'u' : '-',
                 r->bits & PAGE_W ? 'w' : '-', r->bits & PAGE_X ? 'x' : '-',
                 r->bits & PAGE_G ? 'g' : '-');
        doc_cell(doc, "%s", where);
        found++;
    }
    page_runs_free(&now);
    if (found == 0)
        doc_note(doc, "nothing maps it in this address space (cr3 %#llx)",
                 (unsigned long long)st.cr3);
    return true;
}
