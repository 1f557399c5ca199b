/*
 * Page walks where an address is translated twice: nested paging (EPT, NPT)
 * as a grid, shadow paging as what bt really has.
 *
 * SDM vol. 3C 28.3: each of the g references of the guest's walk, and the data
 * itself, is a guest-physical address that the second dimension translates
 * with h references: (g + 1)(h + 1) - 1 in all.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/accel/bt/bt.h"
#include "vmm/machine/machine.h"
#include "vmm/view/views.h"
#include "vmm/x86/insn.h"
#include "vmm/x86/text.h"

/* Levels of the second dimension, lowest last: the EPT has the same shape. */
static const char *const host_tables[] = {"L5", "L4", "L3", "L2", "L1"};

struct walk_at {
    struct x86_state st;
    struct x86_paging paging;
    struct x86_walk walk;
    uint64_t gla;
};

static bool walk_for(const struct view_ctx *ctx, int argc, char **argv,
                     struct walk_at *w, struct doc *doc)
{
    struct x86_phys phys = mem_phys(&vm_machine(ctx->vm)->mem);
    struct x86_access look = {.no_check = true};

    if (vm_get_state(ctx->vm, &w->st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!view_arg(ctx, argc, argv, 1, w->st.rip + w->st.seg[X86_CS].base,
                  &w->gla, doc))
        return false;
    x86_paging_init(&w->paging, &w->st);
    x86_walk(&w->walk, &w->paging, &phys, w->gla, look);
    return true;
}

/* One row of the grid: GPA translated by H levels, then what is read there. */
static void put_grid_row(struct doc *doc, const char *what, uint64_t gpa,
                         unsigned h, unsigned *reference, const char *entry)
{
    char text[32];

    doc_row(doc);
    doc_cell(doc, "%s", what);
    doc_cell(doc, "%#llx", (unsigned long long)gpa);
    for (unsigned i = 0; i < h; i++) {
        unsigned shift = 12 + 9 * (h - 1 - i);

        doc_cell(doc, "%2u [%llu]", ++*reference,
                 (unsigned long long)(gpa >> shift & 511));
    }
    if (entry)
        snprintf(text, sizeof(text), "%2u %s", ++*reference, entry);
    else
        snprintf(text, sizeof(text), "data");
    doc_cell(doc, "%s", text);
}

static bool is_register(const struct x86_walk_step *s, unsigned i)
{
    return i == 0 && s->shift == 30 && s->entry_size == 8;
}

static bool host_levels(int argc, char **argv, unsigned *h, struct doc *doc)
{
    *h = argc > 2 ? (unsigned)(argv[2][0] - '0') : 4;
    if (*h < 1 || *h > 5 || (argc > 2 && argv[2][1]))
        return view_fail(doc, "the second dimension has 1 to 5 levels");
    return true;
}

static void put_nested_columns(struct doc *doc, unsigned h)
{
    char columns[64] = "guest,gpa";

    for (unsigned i = 5 - h; i < 5; i++) {
        strcat(columns, ",");
        strcat(columns, host_tables[i]);
    }
    strcat(columns, ",then");
    doc_table(doc, "references", columns);
}

bool view_nested(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    unsigned h, reference = 0, g = 0;
    struct walk_at w;

    if (!host_levels(argc, argv, &h, doc) ||
        !walk_for(ctx, argc, argv, &w, doc))
        return false;
    doc_field(doc, "address", "%#llx", (unsigned long long)w.gla);
    doc_field(doc, "guest", "%s paging, cr3 %#llx",
              x86_paging_mode_name(w.paging.mode),
              (unsigned long long)w.st.cr3);
    doc_field(doc, "host", "%u levels; a model: %s", h,
              vm_vcpu(ctx->vm)->ops == &accel_kvm
                  ? "the kernel hides its tables"
                  : "bt has no second table, see `shadow`");
    put_nested_columns(doc, h);
    for (unsigned i = 0; i < w.walk.steps; i++) {
        const struct x86_walk_step *s = &w.walk.step[i];
        char entry[24];

        if (is_register(s, i)) /* PAE's PDPTEs: loaded with CR3, no reference */
            continue;
        snprintf(entry, sizeof(entry), "%llx", (unsigned long long)s->entry);
        put_grid_row(doc, s->table, s->entry_gpa, h, &reference, entry);
        g++;
    }
    if (w.walk.result != X86_WALK_OK)
        return view_fail(doc, "the guest's walk ends here: %s",
                         x86_walk_result_name(w.walk.result));
    put_grid_row(doc, "data", w.walk.gpa, h, &reference, NULL);
    doc_number(doc, "count", reference);
    doc_note(doc, "(g+1)(h+1)-1 = (%u+1)(%u+1)-1 = %u references", g, h,
             (g + 1) * (h + 1) - 1);
    return true;
}

/* ---- shadow paging
 * ------------------------------------------------------------ */

static void put_rights(struct doc *doc, const char *who, bool mapped,
                       bool writable, const char *where, const char *why)
{
    doc_row(doc);
    doc_cell(doc, "%s", who);
    doc_cell(doc, "%s", mapped ? "yes" : "no");
    doc_cell(doc, "%s", !mapped ? "-" : writable ? "yes" : "no");
    doc_cell(doc, "%s", where);
    doc_cell(doc, "%s", why);
}

/* Why the shadow allows less than the guest's entry does. */
static const char *shadow_policy(const struct x86_walk *w,
                                 const struct bt_shadow_view *sh)
{
    if (w->result != X86_WALK_OK)
        return "nothing to shadow";
    if (!sh->mapped)
        return "not touched yet: an access fills it";
    if (w->writable && !sh->writable)
        return w->dirty ? "read-only: it holds translated code"
                        : "read-only until a write sets the dirty bit";
    return "as the guest allows";
}

static bool put_real_shadow(const struct view_ctx *ctx, const struct walk_at *w,
                            struct doc *doc)
{
    struct bt_shadow_view sh;
    char where[32] = "-";

    bt_shadow_at(vm_vcpu(ctx->vm), (uint32_t)w->gla, &sh);
    if (sh.mapped)
        snprintf(where, sizeof(where), "RAM+%#llx",
                 (unsigned long long)sh.ram_offset);
    put_rights(doc, "shadow entry", sh.mapped, sh.writable, where,
               shadow_policy(&w->walk, &sh));
    doc_note(doc, "The shadow entry is read back from the current window.");
    return true;
}

bool view_shadow(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    char where[32] = "-", bits[64] = "-";
    const struct x86_walk *walk;
    struct walk_at w;

    if (!walk_for(ctx, argc, argv, &w, doc))
        return false;
    walk = &w.walk;
    doc_field(doc, "address", "%#llx", (unsigned long long)w.gla);
    if (walk->steps)
        x86_pte_text(bits, sizeof(bits), walk->step[walk->steps - 1].entry);
    if (walk->result == X86_WALK_OK)
        snprintf(where, sizeof(where), "gpa %#llx",
                 (unsigned long long)walk->gpa);
    doc_table(doc, "entries", "what,mapped,writable,where,why");
    put_rights(doc, "guest entry", walk->result == X86_WALK_OK, walk->writable,
               where, bits);
    if (vm_vcpu(ctx->vm)->ops == &accel_bt)
        return put_real_shadow(ctx, &w, doc);
    doc_note(doc, "KVM uses nested paging or hides its shadow pages; "
                  "--accel bt shows real ones");
    return true;
}

/* ---- what bt made of the code
 * -------------------------------------------------- */

static void put_guest_insn(const struct view_ctx *ctx, struct doc *doc,
                           const struct bt_insn_view *in)
{
    uint8_t bytes[15];
    char text[128];
    size_t n = vm_read_gla(ctx->vm, in->eip, bytes, in->guest_len);

    x86_insn_text(text, sizeof(text), bytes, n, 32, in->eip);
    doc_row(doc);
    doc_cell(doc, "%08x", in->eip);
    doc_cell(doc, "%s", text);
    doc_cell(doc, "%s", bt_reason_text(in->why));
    doc_mark(doc, DOC_NAME);
}

static void put_host_insns(struct doc *doc, const struct bt_block_view *b,
                           const struct bt_insn_view *in)
{
    for (uint32_t at = in->host; at < in->host + in->host_len;) {
        char text[128];
        unsigned len = x86_insn_text(text, sizeof(text), b->host + at,
                                     b->host_len - at, 64, b->host_pc + at);

        doc_row(doc);
        doc_cell(doc, "%s", "");
        doc_cell(doc, "    %s", text);
        doc_cell(doc, "%s", "");
        at += len ? len : 1;
    }
}

bool view_block(const struct view_ctx *ctx, int argc, char **argv,
                struct doc *doc)
{
    struct bt_block_view b;
    struct x86_state st;
    uint64_t gla;

    if (vm_vcpu(ctx->vm)->ops != &accel_bt)
        return view_fail(doc, "KVM runs the guest's code as it is; --accel bt "
                              "translates");
    if (vm_get_state(ctx->vm, &st) < 0 ||
        !view_arg(ctx, argc, argv, 1, st.rip, &gla, doc))
        return false;
    if (!bt_block_at(vm_vcpu(ctx->vm), (uint32_t)gla, &b))
        return view_fail(doc,
                         "%#llx has not been translated: it has not run, "
                         "or only in 16-bit or other rare modes",
                         (unsigned long long)gla);
    doc_field(doc, "block", "%08x, %u instructions, %s", b.eip, b.insns,
              b.user ? "user" : "supervisor");
    doc_field(doc, "host", "%#llx, %u bytes", (unsigned long long)b.host_pc,
              b.host_len);
    doc_table(doc, "code", "address,guest and host code,why");
    for (unsigned i = 0; i < b.insns; i++) {
        put_guest_insn(ctx, doc, &b.insn[i]);
        put_host_insns(doc, &b, &b.insn[i]);
    }
    return true;
}
