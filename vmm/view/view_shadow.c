/*
 * Shadow paging: the guest's entry, what the monitor may make of it and why,
 * the entry that the processor really uses, and what the address has cost in
 * exits.  Under KVM the entry is a model: the kernel hides the real one.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/accel/bt/bt.h"
#include "vmm/exit_format.h"
#include "vmm/exit_pages.h"
#include "vmm/machine/machine.h"
#include "vmm/view/views.h"
#include "vmm/x86/text.h"

/* What an entry allows; the bits of which the three rows differ. */
struct rights {
    bool present, writable, user;
};

struct shadow {
    const struct view_ctx *ctx;
    struct doc *doc;
    struct x86_state st;
    struct x86_paging paging;
    struct x86_walk walk;
    const struct mem_slot *slot; /* of the page; NULL: none */
    bool real;                   /* bt: there is a shadow to read */
    struct bt_shadow_view view;  /* if real */
};

/* ---- what the shadow may be --------------------------------------------- */

static struct rights guest_rights(const struct shadow *s)
{
    const struct x86_walk *w = &s->walk;

    return w->result == X86_WALK_OK
               ? (struct rights){true, w->writable, w->user}
               : (struct rights){0};
}

/* The most that the shadow may allow at this moment, and why no more. */
static struct rights policy(const struct shadow *s, const char **why)
{
    struct rights r = guest_rights(s);
    bool user = s->real ? s->view.user : x86_cpl(&s->st) == 3;

    *why = "as the guest allows";
    if (!r.present) {
        *why = "nothing to shadow: an access is a page fault";
        return r;
    }
    if (!s->slot) {
        *why = "a device: every access is an exit";
        return (struct rights){0};
    }
    if (user && !r.user) {
        *why = "the window of CPL 3 has no supervisor pages";
        return (struct rights){0};
    }
    if (!r.writable && !user && !s->paging.wp) {
        *why = "CR0.WP is 0: a supervisor writes anywhere";
        r.writable = true;
    }
    if (s->slot->readonly && r.writable) {
        *why = "ROM: writes go nowhere";
        r.writable = false;
    } else if (r.writable && !s->walk.dirty) {
        *why = "not writable: the first write must set D";
        r.writable = false;
    } else if (r.writable && s->real && s->view.code) {
        *why = "not writable: it holds translated code";
        r.writable = false;
    }
    r.user = true; /* ring compression: all of the guest is in ring 3 */
    return r;
}

/* ---- side by side ------------------------------------------------------- */

/* A star marks what differs from the guest's own entry. */
static void put_bit(struct doc *doc, bool present, bool value, bool guest)
{
    bool differs = value != guest;

    doc_cell(doc, "%s%s",
             !present ? "-"
             : value  ? "1"
                      : "0",
             present && differs ? "*" : "");
    doc_json_value(doc, "%s", !present ? "null" : value ? "true" : "false");
    if (differs && present)
        doc_mark(doc, DOC_CHANGED);
}

static void put_entry(const struct shadow *s, const char *what, struct rights r,
                      const char *where, const char *why)
{
    struct rights guest = guest_rights(s);

    doc_row(s->doc);
    doc_cell(s->doc, "%s", what);
    put_bit(s->doc, true, r.present, guest.present);
    put_bit(s->doc, r.present, r.writable, guest.writable);
    put_bit(s->doc, r.present, r.user, guest.user);
    doc_cell(s->doc, "%s", where);
    doc_cell(s->doc, "%s", why);
}

static void put_guest(const struct shadow *s)
{
    const struct x86_walk *w = &s->walk;
    char where[32] = "-", bits[64] = "no paging";

    if (w->steps)
        x86_pte_text(bits, sizeof(bits), w->step[w->steps - 1].entry);
    if (w->result == X86_WALK_OK)
        snprintf(where, sizeof(where), "%#llx",
                 (unsigned long long)w->gpa & ~0xfffull);
    put_entry(s, "guest entry", guest_rights(s), where, bits);
}

static void put_real(const struct shadow *s)
{
    const struct bt_shadow_view *v = &s->view;
    struct rights r = {v->mapped, v->writable, true};
    char where[32] = "-", why[64] = "";
    const char *may;
    struct rights most = policy(s, &may);

    if (v->mapped)
        snprintf(where, sizeof(where), "RAM+%#llx",
                 (unsigned long long)v->ram_offset);
    if (!v->mapped && most.present)
        strcpy(why, "not used yet: an access fills it in");
    else if (v->mapped && most.writable && !v->writable)
        strcpy(why, "read-only since it was filled in; a write mends it");
    else if (v->host_rights[0] && v->mapped)
        snprintf(why, sizeof(why), "%s RAM+%#llx in /proc/self/maps",
                 v->host_rights, (unsigned long long)v->host_offset);
    put_entry(s, "shadow entry", r, where, why);
}

static void put_entries(const struct shadow *s)
{
    const char *why;
    struct rights most = policy(s, &why);

    doc_table(s->doc, "entries", "what,P,W,U,frame,why");
    put_guest(s);
    put_entry(s, "policy", most, "-", why);
    if (s->real) {
        put_real(s);
        if (s->view.mapped && !guest_rights(s).user) {
            doc_note(s->doc, "* U: ring compression. The host's processor runs "
                             "all of the guest in ring 3;");
            doc_note(s->doc,
                     "  CPL 0 and CPL 3 have a window each, and this "
                     "is that of CPL %u.",
                     s->view.user ? 3 : 0);
        }
        return;
    }
    doc_note(s->doc, "A model: KVM has EPT or NPT, see `nested`, or hides its "
                     "shadow pages; --accel bt");
    doc_note(s->doc, "has real ones and counts what they cost.");
}

/* ---- the bill ----------------------------------------------------------- */

static void put_costs(const struct shadow *s)
{
    const struct exit_page *p =
        exit_pages_find(vm_exit_pages(s->ctx->vm), s->walk.gla);
    char text[16];

    if (!s->real) {
        doc_note(s->doc, "Exits of this page: not counted, the kernel has "
                         "them to itself.");
        return;
    }
    doc_table(s->doc, "costs", "exit,count,time");
    for (unsigned i = 0; i < EXIT_PAGE_COSTS; i++) {
        uint64_t count = p ? p->cost[i].count : 0;
        uint64_t ns = p ? p->cost[i].total_ns : 0;

        doc_row(s->doc);
        if (count == 0)
            doc_mark(s->doc, DOC_DIM);
        doc_cell(s->doc, "%s", exit_page_cost_name((enum exit_page_cost)i));
        doc_cell(s->doc, "%llu", (unsigned long long)count);
        doc_json_value(s->doc, "%llu", (unsigned long long)count);
        exit_format_ns(text, ns);
        doc_cell(s->doc, "%s", count ? text + strspn(text, " ") : "-");
        doc_json_value(s->doc, "%llu", (unsigned long long)ns);
    }
    if (s->view.mapped && !(p && p->cost[EXIT_PAGE_FILL].count))
        doc_note(s->doc, "It was filled in together with a neighbour.");
}

bool view_shadow(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    struct x86_phys phys = mem_phys(&vm_machine(ctx->vm)->mem);
    struct x86_access look = {.no_check = true};
    struct shadow s = {.ctx = ctx, .doc = doc};
    uint64_t gla;

    if (vm_get_state(ctx->vm, &s.st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!view_address(ctx, argc, argv, x86_linear_rip(&s.st), &gla, doc))
        return false;
    x86_paging_init(&s.paging, &s.st);
    x86_walk(&s.walk, &s.paging, &phys, gla, look);
    if (s.walk.result == X86_WALK_OK)
        s.slot = mem_find(&vm_machine(ctx->vm)->mem, s.walk.gpa);
    s.real = vm_vcpu(ctx->vm)->ops == &accel_bt;
    if (s.real)
        bt_shadow_at(vm_vcpu(ctx->vm), (uint32_t)gla, &s.view);
    doc_field(doc, "address", "%#llx", (unsigned long long)gla);
    doc_field(doc, "paging", "%s, cr3 %#llx",
              x86_paging_mode_name(s.paging.mode),
              (unsigned long long)s.st.cr3);
    put_entries(&s);
    put_costs(&s);
    return true;
}
