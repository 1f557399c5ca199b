/* Views of the board, the exits and the debugger itself. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vmm/machine/machine.h"
#include "vmm/view/commands.h"
#include "vmm/view/fault.h"
#include "vmm/view/views.h"
#include "vmm/x86/text.h"

static void put_lines(struct doc *doc, char *text)
{
    char *save = NULL;

    for (char *l = strtok_r(text, "\n", &save); l;
         l = strtok_r(NULL, "\n", &save))
        doc_note(doc, "%s", l);
}

static void put_device(struct doc *doc, const struct device *dev)
{
    struct strbuf sb;

    strbuf_init(&sb);
    if (dev->class->dump)
        dev->class->dump(dev, &sb);
    if (sb.text)
        put_lines(doc, sb.text);
    strbuf_fini(&sb);
}

bool view_devices(const struct view_ctx *ctx, int argc, char **argv,
                  struct doc *doc)
{
    const struct machine *m = vm_machine(ctx->vm);

    if (argc > 1) {
        const struct device *dev = machine_find(m, argv[1]);

        if (!dev)
            return view_fail(doc, "no device '%s'; `devices` lists them",
                             argv[1]);
        put_device(doc, dev);
        return true;
    }
    doc_table(doc, "devices", "name,chip,summary");
    for (unsigned i = 0; i < m->devices; i++) {
        doc_row(doc);
        doc_link(doc, "devices %s", m->device[i]->name);
        doc_cell(doc, "%s", m->device[i]->name);
        doc_cell(doc, "%s", m->device[i]->class->name);
        doc_cell(doc, "%s", m->device[i]->class->summary);
    }
    return true;
}

bool view_screen(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    struct machine_screen screen;

    (void)argc, (void)argv;
    machine_screen(vm_machine(ctx->vm), &screen);
    for (unsigned row = 0; row < 25; row++) {
        char line[81];

        for (unsigned col = 0; col < 80; col++) {
            uint8_t c = screen.cell[row][col][0];
            line[col] = isprint(c) ? (char)c : c ? '.' : ' ';
        }
        line[80] = '\0';
        doc_note(doc, "%s", line);
    }
    doc_field(doc, "cursor", "row %u column %u%s", screen.row, screen.col,
              screen.cursor ? "" : " (hidden)");
    return true;
}

bool view_e820(const struct view_ctx *ctx, int argc, char **argv,
               struct doc *doc)
{
    const struct machine *m = vm_machine(ctx->vm);

    (void)argc, (void)argv;
    doc_table(doc, "physical", "first,last,what,name");
    for (unsigned i = 0; i < m->mem.slots; i++) {
        const struct mem_slot *s = &m->mem.slot[i];

        doc_row(doc);
        doc_cell(doc, "%08llx", (unsigned long long)s->gpa);
        doc_cell(doc, "%08llx", (unsigned long long)(s->gpa + s->len - 1));
        doc_cell(doc, "%s", s->readonly ? "rom" : "ram");
        doc_cell(doc, "%s", s->name);
    }
    for (unsigned i = 0; i < m->bus.count[IO_MEM]; i++) {
        const struct bus_range *r = &m->bus.range[IO_MEM][i];

        doc_row(doc);
        doc_cell(doc, "%08llx", (unsigned long long)r->base);
        doc_cell(doc, "%08llx", (unsigned long long)(r->base + r->len - 1));
        doc_cell(doc, "mmio");
        doc_cell(doc, "%s", r->name);
    }
    return true;
}

bool view_ports(const struct view_ctx *ctx, int argc, char **argv,
                struct doc *doc)
{
    const struct bus *bus = &vm_machine(ctx->vm)->bus;

    (void)argc, (void)argv;
    doc_table(doc, "ports", "first,last,chip");
    for (unsigned i = 0; i < bus->count[IO_PORT]; i++) {
        const struct bus_range *r = &bus->range[IO_PORT][i];

        doc_row(doc);
        doc_cell(doc, "%04llx", (unsigned long long)r->base);
        doc_cell(doc, "%04llx", (unsigned long long)(r->base + r->len - 1));
        doc_cell(doc, "%s", r->name);
    }
    return true;
}

static const char *const point_kinds[] = {
    [DEBUG_POINT_LINEAR] = "break", [DEBUG_POINT_PHYS] = "break phys",
    [DEBUG_POINT_SEGOFF] = "break", [DEBUG_POINT_WATCH] = "watch",
    [DEBUG_POINT_CATCH] = "catch",  [DEBUG_POINT_MODE] = "catch",
};

static void put_point(const struct view_ctx *ctx, struct doc *doc,
                      const struct debug_point *p)
{
    char where[80];

    if (p->kind == DEBUG_POINT_SEGOFF)
        snprintf(where, sizeof(where), "%04x:%04llx", p->selector,
                 (unsigned long long)p->addr);
    else if (p->kind == DEBUG_POINT_MODE)
        snprintf(where, sizeof(where), "mode%s",
                 p->addr & X86_MODE_CPL ? " or CPL" : "");
    else if (p->kind == DEBUG_POINT_CATCH)
        command_catch_text(p, where, sizeof(where));
    else
        symbols_format(ctx->sym, p->addr, where, sizeof(where));
    doc_row(doc);
    doc_cell(doc, "%d", p->id);
    doc_cell(doc, "%s%s", point_kinds[p->kind], p->temporary ? " once" : "");
    doc_cell(doc, "%s", where);
    doc_cell(doc, "%s%s", p->read ? "r" : "", p->write ? "w" : "");
    doc_cell(doc, "%s", p->disabled ? "off" : "on");
    doc_cell(doc, "%llu", (unsigned long long)p->hits);
    doc_cell(doc, "%s", p->note);
}

bool view_points(const struct view_ctx *ctx, int argc, char **argv,
                 struct doc *doc)
{
    const struct debug_point *p;

    (void)argc, (void)argv;
    doc_table(doc, "points", "id,kind,where,rw,state,hits,condition");
    for (size_t i = 0; ctx->dbg && (p = debug_nth(ctx->dbg, i)); i++)
        put_point(ctx, doc, p);
    return true;
}

/* From the first fault to the shutdown. */
static void put_causes(struct doc *doc, const struct debug_stop *s)
{
    if (s->reason == DEBUG_REASON_TRIPLE_FAULT && s->causes == 0)
        doc_note(doc, "KVM does not tell what led here; --accel bt does");
    if (s->causes == 0)
        return;
    doc_table(doc, "causes", "fault,error,cr2,rip,meaning");
    for (unsigned i = 0; i < s->causes; i++) {
        const struct fault_cause *c = &s->cause[i];
        char text[80];

        x86_vector_text(text, sizeof(text), c->vector);
        doc_row(doc);
        doc_cell(doc, "%s", text);
        doc_cell(doc, "%x", c->error);
        doc_cell(doc, "%08llx", (unsigned long long)c->cr2);
        doc_cell(doc, "%08llx", (unsigned long long)c->rip);
        x86_pferr_text(text, sizeof(text), c->error);
        doc_cell(doc, "%s", c->vector == X86_PF ? text : "");
    }
}

/* At a caught exception, or at its handler: what was raised, by whom. */
static void put_fault(const struct view_ctx *ctx, struct doc *doc,
                      const struct debug_stop *s)
{
    struct x86_state st;
    struct fault_cause f;
    char text[80];

    if (s->reason == DEBUG_REASON_TRIPLE_FAULT ||
        vm_get_state(ctx->vm, &st) < 0 || !fault_at_stop(ctx->vm, &st, s, &f))
        return;
    x86_vector_text(text, sizeof(text), f.vector);
    doc_field(doc, "exception", "%s", text);
    symbols_format(ctx->sym, f.rip, text, sizeof(text));
    if (f.rip)
        doc_field(doc, "raised by", "%s", text);
    if (fault_insn_text(ctx->vm, &st, &f, text, sizeof(text)))
        doc_field(doc, "instruction", "%s", text);
    doc_field(doc, "error code", "%#x", f.error);
    if (f.vector != X86_PF)
        return;
    doc_field(doc, "cr2", "%#llx", (unsigned long long)f.cr2);
    x86_pferr_text(text, sizeof(text), f.error);
    doc_field(doc, "meaning", "%s", text);
    doc_field(doc, "more", "`explain fault` says which entry is to blame");
}

/* Where it is just now. */
static void put_here(const struct view_ctx *ctx, struct doc *doc)
{
    char where[80];
    struct x86_state st;

    if (vm_get_state(ctx->vm, &st) == 0) {
        symbols_format(ctx->sym, x86_linear_rip(&st), where, sizeof(where));
        doc_field(doc, "at", "%s", where);
    }
    doc_number(doc, "instructions", vm_vcpu(ctx->vm)->icount);
}

/* It runs: where it is, and where it last stood. */
static void put_running(const struct view_ctx *ctx, struct doc *doc,
                        const struct debug_stop *s)
{
    char where[80];

    doc_field(doc, "reason", "the guest runs");
    put_here(ctx, doc);
    if (s->reason == DEBUG_REASON_NONE) {
        doc_field(doc, "last stop", "none: it has not stopped yet");
        return;
    }
    symbols_format(ctx->sym, s->linear_rip, where, sizeof(where));
    doc_field(doc, "last stop", "%s, in %s", s->text, where);
    doc_number(doc, "instructions then", s->icount);
}

bool view_why(const struct view_ctx *ctx, int argc, char **argv,
              struct doc *doc)
{
    const struct debug_stop *s = ctx->dbg ? debug_last_stop(ctx->dbg) : NULL;
    char where[80];

    (void)argc, (void)argv;
    if (!s) {
        doc_field(doc, "reason", "%s",
                  vm_stop_reason_name(vm_stop_reason(ctx->vm)));
        doc_field(doc, "text", "%s", vm_stop_text(ctx->vm));
        return true;
    }
    if (debug_is_running(ctx->dbg)) {
        put_running(ctx, doc, s);
        return true;
    }
    if (s->reason == DEBUG_REASON_NONE) {
        doc_field(doc, "reason", "%s", debug_reason_name(s->reason));
        put_here(ctx, doc);
        return true;
    }
    symbols_format(ctx->sym, s->linear_rip, where, sizeof(where));
    doc_field(doc, "reason", "%s", debug_reason_name(s->reason));
    doc_field(doc, "text", "%s", s->text);
    doc_field(doc, "at", "%s", where);
    doc_number(doc, "instructions", s->icount);
    put_causes(doc, s);
    if (s->reason == DEBUG_REASON_WATCHPOINT)
        doc_field(doc, "touched", "%#llx by a %s", (unsigned long long)s->gla,
                  s->write ? "write" : "read");
    if (s->reason == DEBUG_REASON_MODE)
        doc_field(doc, "mode", "%s to %s", x86_mode_name(s->from),
                  x86_mode_name(s->to));
    if (s->reason == DEBUG_REASON_CATCH)
        doc_field(doc, "exit", "%s", vm_exit_name(s->exit.kind));
    put_fault(ctx, doc, s);
    return true;
}

bool view_stats(const struct view_ctx *ctx, int argc, char **argv,
                struct doc *doc)
{
    struct vcpu *vcpu = vm_vcpu(ctx->vm);
    struct strbuf sb;

    (void)argc, (void)argv;
    if (!vcpu->ops->dump)
        return view_fail(doc, "%s keeps no statistics", vcpu->ops->name);
    strbuf_init(&sb);
    vcpu->ops->dump(vcpu, &sb);
    if (sb.text)
        put_lines(doc, sb.text);
    strbuf_fini(&sb);
    return true;
}
