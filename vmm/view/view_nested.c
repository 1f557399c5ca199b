/*
 * The page walk in two dimensions, as a grid: what nested paging (EPT, NPT)
 * costs in references to memory.  The guest's entries are real; the host's
 * tables are a model, whatever runs the guest.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/machine/machine.h"
#include "vmm/view/views.h"
#include "vmm/x86/nested.h"

struct grid {
    struct doc *doc;
    const struct mem *mem;
    struct x86_state st;
    struct x86_paging paging;
    struct x86_nested_host host;
    struct x86_nested n;
    bool stepped;
    uint64_t step; /* of n.refs: this one is being done */
};

/* ---- what is asked for -------------------------------------------------- */

static bool page_word(const char *word, unsigned *shift)
{
    static const struct {
        const char *word;
        unsigned shift;
    } sizes[] = {{"4k", 12}, {"2m", 21}, {"1g", 30}};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        if (strcmp(sizes[i].word, word) == 0) {
            *shift = sizes[i].shift;
            return true;
        }
    return false;
}

/* ADDRESS [LEVELS] [4k|2m|1g] [step N] */
static bool parse(struct grid *g, const struct view_ctx *ctx, int argc,
                  char **argv, uint64_t *gla)
{
    if (!view_address(ctx, argc, argv, x86_linear_rip(&g->st), gla, g->doc))
        return false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "step") == 0) {
            g->stepped = true;
            if (!view_arg(ctx, argc, argv, ++i, 0, &g->step, g->doc))
                return false;
        } else if (argv[i][0] >= '1' && argv[i][0] <= '5' && !argv[i][1]) {
            g->host.levels = (unsigned)(argv[i][0] - '0');
        } else if (!page_word(argv[i], &g->host.shift)) {
            return view_fail(g->doc,
                             "nested: '%s'? the second dimension has 1 to 5 "
                             "levels and pages of 4k, 2m or 1g",
                             argv[i]);
        }
    }
    if (12 + 9 * (g->host.levels - 1) < g->host.shift)
        return view_fail(g->doc, "so few levels have no pages of that size");
    return true;
}

/* ---- the grid ----------------------------------------------------------- */

static void put_columns(const struct grid *g)
{
    char columns[64] = "guest,gpa";

    for (unsigned i = 0; i < g->n.host_refs; i++) {
        size_t at = strlen(columns);
        snprintf(columns + at, sizeof(columns) - at, ",L%u",
                 g->host.levels - i);
    }
    strcat(columns, ",then");
    doc_table_draw(g->doc, "references", columns, DOC_DRAW_GRID);
}

/* Reference number NR, or the data that it all was for. */
static void put_ref(const struct grid *g, unsigned nr, const char *what)
{
    if (g->stepped && nr > g->step) {
        doc_cell(g->doc, ".");
        doc_mark(g->doc, DOC_DIM);
    } else {
        bool now = g->stepped && nr == g->step;

        doc_cell(g->doc, "%s%u %s", now ? ">" : "", nr, what);
        if (now)
            doc_mark(g->doc, DOC_CURRENT);
    }
}

/* One address translated by the host, then what is read there. */
static unsigned put_row(const struct grid *g, unsigned row, unsigned nr)
{
    const struct x86_nested_row *r = &g->n.row[row];
    char text[32];

    doc_row(g->doc);
    doc_cell(g->doc, "%s", r->step ? r->step->table : "data");
    if (g->stepped && nr > g->step)
        doc_cell(g->doc, "?"); /* it has not been read yet */
    else
        doc_cell(g->doc, "%#llx", (unsigned long long)r->gpa);
    for (; nr < g->n.refs && g->n.ref[nr].row == row; nr++) {
        const struct x86_nested_ref *ref = &g->n.ref[nr];

        assert(ref->level || r->step);
        if (ref->level)
            snprintf(text, sizeof(text), "[%u]", ref->index);
        else
            snprintf(text, sizeof(text), "%llx",
                     (unsigned long long)r->step->entry);
        put_ref(g, nr + 1, text);
    }
    if (!r->step) {
        doc_cell(g->doc, "%s",
                 mem_find(g->mem, r->gpa) ? "data" : "a device: EPT violation");
        doc_mark(g->doc, mem_find(g->mem, r->gpa) ? DOC_NAME : DOC_FAULT);
    }
    return nr;
}

/* What the reference at hand is for, in words. */
static void put_reference(const struct grid *g)
{
    const struct x86_nested_ref *ref;
    const struct x86_nested_row *row;
    char what[32];

    doc_field(g->doc, "reference", "%llu of %u", (unsigned long long)g->step,
              g->n.refs);
    if (g->step == 0)
        return;
    ref = &g->n.ref[g->step - 1];
    row = &g->n.row[ref->row];
    assert(ref->level || row->step);
    snprintf(what, sizeof(what), "%s%s", row->step ? "guest's " : "data",
             row->step ? row->step->table : "");
    if (ref->level)
        doc_field(g->doc, "read",
                  "host's L%u entry %u, to find the %s at gpa %#llx",
                  ref->level, ref->index, what, (unsigned long long)row->gpa);
    else
        doc_field(g->doc, "read", "%s entry %u at gpa %#llx: %llx", what,
                  ref->index, (unsigned long long)row->gpa,
                  (unsigned long long)row->step->entry);
}

static void put_count(const struct grid *g)
{
    unsigned tables = g->n.rows - 1;

    if (g->n.guest.result != X86_WALK_OK) {
        doc_number(g->doc, "count", g->n.refs);
        view_fail(g->doc, "the guest's walk ends here: %s",
                  x86_walk_result_name(g->n.guest.result));
        return;
    }
    doc_number(g->doc, "count", g->n.refs);
    doc_note(g->doc, "(g+1)(h+1)-1 = (%u+1)(%u+1)-1 = %u references", tables,
             g->n.host_refs, (tables + 1) * (g->n.host_refs + 1) - 1);
    if (g->paging.mode == X86_PAGING_PAE)
        doc_note(g->doc, "PAE's PDPTEs were loaded with CR3: no reference");
}

static void put_head(const struct grid *g, const struct view_ctx *ctx)
{
    doc_field(g->doc, "address", "%#llx", (unsigned long long)g->n.guest.gla);
    doc_field(g->doc, "guest", "%s paging, cr3 %#llx",
              x86_paging_mode_name(g->paging.mode),
              (unsigned long long)g->st.cr3);
    doc_field(
        g->doc, "host", "%u levels, pages of %s; a model: %s", g->host.levels,
        g->host.shift == 12   ? "4 KiB"
        : g->host.shift == 21 ? "2 MiB"
                              : "1 GiB",
        vm_vcpu(ctx->vm)->ops == &accel_kvm ? "the kernel hides its tables"
                                            : "bt has none, see `shadow`");
}

bool view_nested(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    struct grid g = {.doc = doc,
                     .mem = &vm_machine(ctx->vm)->mem,
                     .host = {.levels = 4, .shift = 12}};
    struct x86_phys phys = mem_phys(&vm_machine(ctx->vm)->mem);
    unsigned nr = 0;
    uint64_t gla;

    if (vm_get_state(ctx->vm, &g.st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!parse(&g, ctx, argc, argv, &gla))
        return false;
    x86_paging_init(&g.paging, &g.st);
    x86_nested_walk(&g.n, &g.paging, &phys, gla, g.host);
    if (g.stepped && g.step > g.n.refs)
        g.step = g.n.refs;
    put_head(&g, ctx);
    put_columns(&g);
    for (unsigned row = 0; row < g.n.rows; row++)
        nr = put_row(&g, row, nr);
    if (g.stepped)
        put_reference(&g);
    if (!g.stepped || g.step == g.n.refs)
        put_count(&g);
    return true;
}
