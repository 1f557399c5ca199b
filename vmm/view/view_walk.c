/*
 * The walk of the guest's page tables, whole or one reference at a time.  SDM
 * vol. 3A 4.3 to 4.5.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/machine/machine.h"
#include "vmm/view/fault.h"
#include "vmm/view/views.h"
#include "vmm/x86/text.h"

#define PTE_P  BIT64(0)
#define PTE_W  BIT64(1)
#define PTE_U  BIT64(2)
#define PTE_A  BIT64(5)
#define PTE_D  BIT64(6)
#define PTE_G  BIT64(8)
#define PTE_XD BIT64(63)

struct walk {
    struct doc *doc;
    struct x86_state st;
    struct x86_paging paging;
    struct x86_access access;
    struct x86_walk w;
    bool of_fault; /* the access is that of the page fault at hand */
    uint32_t fault_error;
    /* What of it is shown: all, or 0 (CR3) to steps + 1 (the data). */
    bool stepped;
    uint64_t step;
};

/* ---- whose access ------------------------------------------------------- */

/* The error code of the page fault of GLA that the guest has stopped at. */
static bool fault_at_hand(const struct view_ctx *ctx,
                          const struct x86_state *st, uint64_t gla,
                          uint32_t *error)
{
    const struct debug_stop *s = ctx->dbg ? debug_last_stop(ctx->dbg) : NULL;
    struct fault_cause fault;

    if (!fault_at_stop(ctx->vm, st, s, &fault))
        return false;
    *error = fault.error;
    return fault.vector == X86_PF && fault.cr2 == gla;
}

static void set_access(struct walk *v, const struct view_ctx *ctx, uint64_t gla,
                       bool chosen)
{
    uint32_t error;

    if (chosen || !fault_at_hand(ctx, &v->st, gla, &error))
        return;
    v->of_fault = true;
    v->fault_error = error;
    v->access = (struct x86_access){
        .write = error & X86_PFERR_W,
        .fetch = error & X86_PFERR_I,
        .user = error & X86_PFERR_U,
    };
}

/* A word that is one of r w x u s, as a set of them: "wu" too. */
static bool access_word(struct x86_access *a, const char *word)
{
    for (const char *p = word; *p; p++) {
        if (!strchr("rwxus", *p))
            return false;
        a->write = *p == 'w' || (a->write && *p != 'r' && *p != 'x');
        a->fetch = *p == 'x' || (a->fetch && *p != 'r' && *p != 'w');
        a->user = *p == 'u' || (a->user && *p != 's');
    }
    return true;
}

/* ADDRESS [r|w|x] [u|s] [step N] */
static bool parse(struct walk *v, const struct view_ctx *ctx, int argc,
                  char **argv, uint64_t *gla)
{
    bool chosen = false;

    if (!view_address(ctx, argc, argv, v->st.cr2, gla, v->doc))
        return false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "step") == 0) {
            v->stepped = true;
            if (!view_arg(ctx, argc, argv, ++i, 0, &v->step, v->doc))
                return false;
        } else if (access_word(&v->access, argv[i])) {
            chosen = true;
        } else {
            return view_fail(v->doc,
                             "walk: '%s'? after the address there are r, w or "
                             "x, u or s, and step N",
                             argv[i]);
        }
    }
    set_access(v, ctx, *gla, chosen);
    return true;
}

/* ---- what the walk is of ------------------------------------------------ */

static void put_binary(struct doc *doc, uint64_t value, unsigned bits)
{
    char text[65];

    for (unsigned i = 0; i < bits; i++)
        text[i] = value >> (bits - 1 - i) & 1 ? '1' : '0';
    text[bits] = '\0';
    doc_cell(doc, "%s", text);
}

static void put_field(struct doc *doc, const char *name, uint64_t gla,
                      unsigned shift, unsigned bits, bool current)
{
    uint64_t value = gla >> shift & (BIT64(bits) - 1);

    doc_row(doc);
    if (current)
        doc_mark(doc, DOC_CURRENT);
    doc_cell(doc, "%s", name);
    doc_cell(doc, "%u:%u", shift + bits - 1, shift);
    put_binary(doc, value, bits);
    doc_cell(doc, shift ? "%llu" : "%#llx", (unsigned long long)value);
}

/* The address cut up as the tables use it. */
static void put_fields(const struct walk *v)
{
    const struct x86_walk *w = &v->w;
    struct x86_paging_level lv;
    unsigned shift = 32;

    if (v->paging.mode == X86_PAGING_NONE)
        return; /* nothing is looked up */
    doc_table_draw(v->doc, "fields",
                   v->stepped ? "field,bits,binary,index"
                              : "field,!bits,!binary,index",
                   DOC_DRAW_STRIP);
    for (unsigned i = 0; x86_paging_level(v->paging.mode, i, &lv); i++) {
        if (w->result == X86_WALK_OK && i >= w->steps)
            break; /* a large page: the rest is offset */
        put_field(v->doc, lv.table, w->gla, lv.shift, lv.bits,
                  v->stepped && v->step == i + 1);
        shift = lv.shift;
    }
    put_field(v->doc, "offset", w->gla, 0, shift,
              v->stepped && v->step > w->steps);
}

static void put_head(const struct walk *v)
{
    struct x86_access a = v->access;

    doc_field(v->doc, "address", "%#llx", (unsigned long long)v->w.gla);
    if (v->of_fault)
        doc_field(v->doc, "access",
                  "%s by %s: the page fault's, error code %#x",
                  a.fetch   ? "fetch"
                  : a.write ? "write"
                            : "read",
                  a.user ? "user" : "supervisor", v->fault_error);
    else
        doc_field(v->doc, "access", "%s by %s",
                  a.fetch   ? "fetch"
                  : a.write ? "write"
                            : "read",
                  a.user ? "user" : "supervisor");
    doc_field(v->doc, "paging", "%s, cr3 %#llx",
              x86_paging_mode_name(v->paging.mode),
              (unsigned long long)v->st.cr3);
}

static unsigned entries_of(const struct walk *v, const struct x86_walk_step *s)
{
    struct x86_paging_level lv;

    for (unsigned i = 0; x86_paging_level(v->paging.mode, i, &lv); i++)
        if (lv.shift == s->shift)
            return 1u << lv.bits;
    return 0;
}

static void put_step(const struct walk *v, unsigned i)
{
    const struct x86_walk_step *s = &v->w.step[i];
    char bits[64];

    x86_pte_text(bits, sizeof(bits), s->entry);
    doc_row(v->doc);
    if (v->w.result != X86_WALK_OK && i + 1 == v->w.steps)
        doc_mark(v->doc, DOC_FAULT);
    else if (v->stepped && v->step == i + 1)
        doc_mark(v->doc, DOC_CURRENT);
    doc_cell(v->doc, "%s", s->table);
    doc_cell(v->doc, "%u", s->index);
    doc_cell(v->doc, "%#llx", (unsigned long long)s->entry_gpa);
    doc_cell(v->doc, "%0*llx", s->entry_size * 2, (unsigned long long)s->entry);
    doc_cell(v->doc, "%s", bits);
    doc_cell(v->doc, "%#llx", (unsigned long long)s->table_gpa);
    doc_cell(v->doc, "%u", entries_of(v, s));
}

static void put_steps(const struct walk *v)
{
    unsigned n = v->w.steps;

    if (v->stepped && v->step < n)
        n = (unsigned)v->step;
    if (n == 0)
        return;
    doc_table_draw(v->doc, "steps",
                   "table,index,entry at,entry,bits,!base,!entries",
                   DOC_DRAW_CHAIN);
    for (unsigned i = 0; i < n; i++)
        put_step(v, i);
}

/* ---- how it ends -------------------------------------------------------- */

/* Where the walk ended; the first when there was none, paging being off. */
static const struct x86_walk_step *last_step(const struct x86_walk *w)
{
    return &w->step[w->steps ? w->steps - 1 : 0];
}

/* The first entry on the way in which BIT is VALUE; the last if none is. */
static const struct x86_walk_step *guilty(const struct x86_walk *w,
                                          uint64_t bit, bool value)
{
    for (unsigned i = 0; i < w->steps; i++)
        if (((w->step[i].entry & bit) != 0) == value &&
            !(w->step[i].shift == 30 && i == 0 && w->step[i].entry_size == 8 &&
              w->steps < 4 && bit != PTE_P)) /* PAE's PDPTEs have no rights */
            return &w->step[i];
    return last_step(w);
}

static void put_reason(const struct walk *v)
{
    const struct x86_walk *w = &v->w;
    const struct x86_walk_step *last = last_step(w);
    const struct x86_walk_step *no_w = guilty(w, PTE_W, false);
    const struct x86_walk_step *no_u = guilty(w, PTE_U, false);
    const struct x86_walk_step *xd = guilty(w, PTE_XD, true);
    char text[128] = "";

    switch (w->result) {
    case X86_WALK_NOT_PRESENT:
        snprintf(text, sizeof(text), "P is 0 in %s[%u]", last->table,
                 last->index);
        break;
    case X86_WALK_RESERVED:
        snprintf(text, sizeof(text), "%s[%u] has a bit set that must be 0",
                 last->table, last->index);
        break;
    case X86_WALK_NO_WRITE:
        snprintf(text, sizeof(text), "W is 0 in %s[%u]%s", no_w->table,
                 no_w->index,
                 v->access.user ? "" : ", and CR0.WP holds supervisors to it");
        break;
    case X86_WALK_NO_USER:
        snprintf(text, sizeof(text), "U is 0 in %s[%u]: for supervisors only",
                 no_u->table, no_u->index);
        break;
    case X86_WALK_NO_EXEC:
        snprintf(text, sizeof(text), "XD is 1 in %s[%u]", xd->table, xd->index);
        break;
    case X86_WALK_SMEP:
        snprintf(text, sizeof(text), "U is 1 on the whole way, and CR4.SMEP");
        break;
    case X86_WALK_SMAP:
        snprintf(text, sizeof(text),
                 "U is 1 on the whole way, CR4.SMAP is 1 and EFLAGS.AC is 0");
        break;
    case X86_WALK_NOT_CANONICAL:
        snprintf(text, sizeof(text),
                 "the highest bits are not all equal: #GP, no walk");
        break;
    case X86_WALK_BUS:
        snprintf(text, sizeof(text), "%s lies outside of memory, at %#llx",
                 last->table, (unsigned long long)last->table_gpa);
        break;
    case X86_WALK_OK:
        break;
    }
    doc_field(v->doc, "reason", "%s", text);
    doc_mark(v->doc, DOC_FAULT);
}

static void put_result(const struct walk *v)
{
    const struct x86_walk *w = &v->w;
    char text[80];

    doc_field(v->doc, "result", "%s", x86_walk_result_name(w->result));
    if (w->result != X86_WALK_OK) {
        doc_mark(v->doc, DOC_FAULT);
        put_reason(v);
        x86_pferr_text(text, sizeof(text), w->error);
        doc_field(v->doc, "error code", "%#x  %s", w->error, text);
        return;
    }
    doc_field(v->doc, "physical", "%#llx", (unsigned long long)w->gpa);
    doc_field(v->doc, "page", "%llu KiB, %s%s%s%s",
              (unsigned long long)w->page_size >> 10,
              w->user ? "user" : "supervisor",
              w->writable ? ", writable" : ", read-only",
              w->nx ? ", not executable" : "", w->global ? ", global" : "");
    doc_number(v->doc, "references",
               w->steps + (v->paging.mode != X86_PAGING_PAE));
}

/* ---- one reference ------------------------------------------------------ */

static const char *means_of(const struct walk *v, const struct x86_walk_step *s,
                            bool leaf, char *buf, size_t len)
{
    uint64_t e = s->entry;

    if (!(e & PTE_P))
        return "not present: what else it holds is the guest's own affair";
    snprintf(buf, len, "present, %s, %s, %s%s%s%s",
             e & PTE_W ? "writable" : "read-only",
             e & PTE_U ? "user too" : "supervisor only",
             e & PTE_A ? "accessed" : "not accessed",
             !leaf       ? ""
             : e & PTE_D ? ", dirty"
                         : ", not dirty",
             leaf && (e & PTE_G) ? ", global" : "",
             v->paging.nxe && (e & PTE_XD) ? ", not executable" : "");
    return buf;
}

/* The rights of the first N entries together. */
static void put_so_far(const struct walk *v, unsigned n)
{
    uint64_t all = PTE_W | PTE_U, any = 0;

    for (unsigned i = 0; i < n; i++) {
        if (v->paging.mode == X86_PAGING_PAE && i == 0)
            continue;
        all &= v->w.step[i].entry;
        any |= v->w.step[i].entry;
    }
    doc_field(v->doc, "so far", "%s, %s%s", all & PTE_U ? "user" : "supervisor",
              all & PTE_W ? "writable" : "read-only",
              v->paging.nxe && (any & PTE_XD) ? ", not executable" : "");
}

static void put_next(const struct walk *v, unsigned n)
{
    const struct x86_walk *w = &v->w;
    const struct x86_walk_step *s = &w->step[n];

    if (n < w->steps)
        doc_field(v->doc, "next", "%s at %#llx, entry %u of %u bytes: %#llx",
                  s->table, (unsigned long long)s->table_gpa, s->index,
                  s->entry_size, (unsigned long long)s->entry_gpa);
    else if (w->result == X86_WALK_OK)
        doc_field(v->doc, "next", "the data: frame %#llx + offset %#llx",
                  (unsigned long long)(w->gpa & ~(w->page_size - 1)),
                  (unsigned long long)(w->gla & (w->page_size - 1)));
}

static void put_reference(const struct walk *v)
{
    const struct x86_walk *w = &v->w;
    unsigned n = (unsigned)v->step;
    bool ok = w->result == X86_WALK_OK;
    char text[128];

    doc_field(v->doc, "reference", "%u of %u", n, w->steps + ok);
    if (n > w->steps) {
        doc_field(v->doc, "read", "the data, at %#llx",
                  (unsigned long long)w->gpa);
    } else if (n == 0) {
        doc_field(v->doc, "read", "nothing yet: CR3 says where the root is");
        put_next(v, 0);
    } else {
        const struct x86_walk_step *s = &w->step[n - 1];

        doc_field(v->doc, "read", "%s at %#llx + %u * %u = %#llx", s->table,
                  (unsigned long long)s->table_gpa, s->index, s->entry_size,
                  (unsigned long long)s->entry_gpa);
        doc_field(v->doc, "means", "%s",
                  means_of(v, s, n == w->steps, text, sizeof(text)));
        if (s->entry & PTE_P)
            put_so_far(v, n);
        put_next(v, n);
    }
}

bool view_walk(const struct view_ctx *ctx, int argc, char **argv,
               struct doc *doc)
{
    struct x86_phys phys = mem_phys(&vm_machine(ctx->vm)->mem);
    struct walk v = {.doc = doc};
    uint64_t gla, last;

    if (vm_get_state(ctx->vm, &v.st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!parse(&v, ctx, argc, argv, &gla))
        return false;
    x86_paging_init(&v.paging, &v.st);
    x86_walk(&v.w, &v.paging, &phys, gla, v.access);
    last = v.w.steps + (v.w.result == X86_WALK_OK);
    if (v.stepped && v.step > last)
        v.step = last;
    put_head(&v);
    put_fields(&v);
    put_steps(&v);
    if (v.stepped)
        put_reference(&v);
    if (!v.stepped || v.step == last)
        put_result(&v);
    return true;
}
