/*
 * Shadow paging: the guest's entry, what the monitor makes of it and why, the
 * entry that the processor really uses, and what the address has cost in
 * exits.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/accel/bt/bt.h"
#include "vmm/machine/machine.h"
#include "vmm/view/views.h"
#include "vmm/x86/text.h"

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
