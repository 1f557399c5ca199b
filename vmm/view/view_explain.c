/*
 * `explain`: the table's words (explain.def) with what this guest has there
 * now, and what no table can know: why this page fault, what this instruction,
 * port, address is.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmm/accel/bt/bt.h"
#include "vmm/machine/machine.h"
#include "vmm/view/explain.h"
#include "vmm/view/expr.h"
#include "vmm/view/fault.h"
#include "vmm/view/views.h"
#include "vmm/x86/insn.h"
#include "vmm/x86/paging.h"
#include "vmm/x86/text.h"

/* ---- rows of the table -------------------------------------------------- */

static bool value_of_topic(const struct view_ctx *ctx, enum explain_topic topic,
                           uint64_t *value)
{
    struct x86_state st;

    if (vm_get_state(ctx->vm, &st) < 0)
        return false;
    switch (topic) {
    case EXPLAIN_CR0:
        *value = st.cr0;
        return true;
    case EXPLAIN_CR4:
        *value = st.cr4;
        return true;
    case EXPLAIN_EFER:
        *value = st.efer;
        return true;
    case EXPLAIN_EFLAGS:
        *value = st.rflags;
        return true;
    default:
        return false;
    }
}

/* IOPL is the one word of two bits. */
static void put_now(struct doc *doc, const struct explanation *e, uint64_t now)
{
    if (strcmp(e->word, "iopl") == 0)
        doc_field(doc, "now", "%u", (unsigned)(now >> e->value & 3));
    else
        doc_field(doc, "now", "%s", now >> e->value & 1 ? "set" : "clear");
}

static void put_row(const struct view_ctx *ctx, struct doc *doc,
                    const struct explanation *e)
{
    uint64_t now;

    doc_field(doc, "word", "%s %s", explain_topic_name(e->topic), e->word);
    doc_mark(doc, DOC_NAME);
    doc_field(doc, "what", "%s", e->title);
    if (explain_topic_is_bits(e->topic))
        doc_field(doc, "bit", "%lld", (long long)e->value);
    if (value_of_topic(ctx, e->topic, &now))
        put_now(doc, e, now);
    doc_field(doc, "means", "%s", e->text);
    doc_field(doc, "manual", "%s", e->manual);
}

/* Every bit of VALUE that has a row. */
static void put_bits(struct doc *doc, enum explain_topic topic, uint64_t value)
{
    const struct explanation *e;

    doc_table(doc, "bits", "bit,name,now,what");
    for (size_t i = 0; (e = explain_nth(i)); i++) {
        bool set = value >> (e->value & 63) & 1;

        if (e->topic != topic)
            continue;
        doc_row(doc);
        doc_link(doc, "explain %s %s", explain_topic_name(topic), e->word);
        doc_cell(doc, "%lld", (long long)e->value);
        doc_cell(doc, "%s", e->word);
        doc_cell(doc, "%s", set ? "set" : "clear");
        if (!set)
            doc_mark(doc, DOC_DIM);
        doc_cell(doc, "%s", e->title);
    }
}

static bool put_topic(const struct view_ctx *ctx, struct doc *doc,
                      enum explain_topic topic)
{
    const struct explanation *e;
    uint64_t now;

    if (value_of_topic(ctx, topic, &now)) {
        doc_field(doc, explain_topic_name(topic), "%08llx",
                  (unsigned long long)now);
        put_bits(doc, topic, now);
        return true;
    }
    doc_table(doc, "words", "word,what,manual");
    for (size_t i = 0; (e = explain_nth(i)); i++) {
        if (e->topic != topic)
            continue;
        doc_row(doc);
        doc_link(doc, "explain %s %s", explain_topic_name(topic), e->word);
        doc_cell(doc, "%s", e->word);
        doc_cell(doc, "%s", e->title);
        doc_cell(doc, "%s", e->manual);
    }
    return true;
}

/* ---- why a page faulted ------------------------------------------------- */

/* clang-format off */
static const char *const blame[] = {
    [X86_WALK_NOT_PRESENT] = "its P bit is clear: nothing is mapped there",
    [X86_WALK_RESERVED] = "a bit that must be clear is set",
    [X86_WALK_NO_WRITE] = "a W bit on the way is clear, and the access writes",
    [X86_WALK_NO_USER] = "a U bit on the way is clear, and ring 3 asks",
    [X86_WALK_NO_EXEC] = "an XD bit on the way is set, and it is a fetch",
    [X86_WALK_SMEP] = "it is the user's; CR4.SMEP forbids ring 0 to execute it",
    [X86_WALK_SMAP] = "it is the user's; CR4.SMAP forbids ring 0 to touch it",
    [X86_WALK_NOT_CANONICAL] = "the address is not canonical",
    [X86_WALK_BUS] = "the table lies outside memory",
};
/* clang-format on */

/* The step that is to blame: the last, or the first without the right. */
static const struct x86_walk_step *blamed_step(const struct x86_walk *w)
{
    uint64_t right = w->result == X86_WALK_NO_WRITE  ? BIT(1)
                     : w->result == X86_WALK_NO_USER ? BIT(2)
                                                     : 0;

    for (unsigned i = 0; right && i < w->steps; i++)
        if (!(w->step[i].entry & right))
            return &w->step[i];
    return w->steps ? &w->step[w->steps - 1] : NULL;
}

static void put_walk_result(struct doc *doc, const struct x86_walk *w)
{
    const struct x86_walk_step *s = blamed_step(w);

    if (w->result == X86_WALK_OK) {
        doc_field(doc, "why",
                  "the tables allow it now: the kernel has mapped "
                  "it since, or the TLB had an old entry");
        return;
    }
    if (s)
        doc_field(doc, "entry", "%s entry %u at %#llx is %#llx", s->table,
                  s->index, (unsigned long long)s->entry_gpa,
                  (unsigned long long)s->entry);
    doc_field(doc, "why", "%s", blame[w->result]);
    doc_mark(doc, DOC_FAULT);
}

static void walk_as(const struct view_ctx *ctx, const struct x86_state *st,
                    uint64_t gla, uint32_t error, struct x86_walk *walk)
{
    struct x86_phys phys = mem_phys(vm_vcpu(ctx->vm)->mem);
    struct x86_paging paging;

    x86_paging_init(&paging, st);
    x86_walk(walk, &paging, &phys, gla,
             (struct x86_access){.write = error & X86_PFERR_W,
                                 .user = error & X86_PFERR_U,
                                 .fetch = error & X86_PFERR_I});
}

static bool explain_page_fault(const struct view_ctx *ctx,
                               const struct x86_state *st,
                               const struct fault_cause *f, struct doc *doc)
{
    char text[80], where[96], insn[96];
    struct x86_walk walk;

    symbols_format(ctx->sym, f->rip, where, sizeof(where));
    x86_pferr_text(text, sizeof(text), f->error);
    doc_field(doc, "address", "%#llx", (unsigned long long)f->cr2);
    if (f->rip && fault_insn_text(ctx->vm, st, f, insn, sizeof(insn)))
        doc_field(doc, "by", "%s: %s", where, insn);
    else if (f->rip)
        doc_field(doc, "by", "%s", where);
    doc_field(doc, "error", "%x: %s", f->error, text);
    if (!(st->cr0 & X86_CR0_PG))
        return view_fail(doc, "paging is off: there is no page to fault");
    walk_as(ctx, st, f->cr2, f->error, &walk);
    put_walk_result(doc, &walk);
    if (f->cr2 < 4096)
        doc_field(doc, "hint", "the first page: a null pointer and an offset");
    else if (f->rip && walk.result == X86_WALK_NOT_PRESENT)
        doc_field(doc, "maybe", "%s",
                  "no error: many kernels map a page when "
                  "it is first touched; `continue` shows what comes next");
    doc_field(doc, "more", "`walk %#llx` shows each step (SDM vol. 3A 4.7)",
              (unsigned long long)f->cr2);
    return true;
}

/* [ADDRESS]: the fault at hand, or one that an address would raise. */
static bool explain_fault(const struct view_ctx *ctx, int argc, char **argv,
                          struct doc *doc)
{
    const struct debug_stop *stop = ctx->dbg ? debug_last_stop(ctx->dbg) : NULL;
    const struct explanation *e;
    struct fault_cause f;
    struct x86_state st;
    bool at_fault;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    at_fault = fault_at_stop(ctx->vm, &st, stop, &f);
    if (argc > 2) {
        if (!view_arg(ctx, argc, argv, 2, 0, &f.cr2, doc))
            return false;
        f.rip = 0;
        if (!at_fault || f.cr2 != st.cr2)
            f.error = x86_cpl(&st) == 3 ? X86_PFERR_U : 0;
        return explain_page_fault(ctx, &st, &f, doc);
    }
    if (!at_fault)
        return view_fail(doc, "the guest is not stopped at an exception; "
                              "`catch exception 14` stops at the next page "
                              "fault, `explain fault ADDRESS` asks about one");
    e = explain_value(EXPLAIN_VECTOR, f.vector);
    if (e)
        put_row(ctx, doc, e);
    if (f.vector == X86_PF)
        return explain_page_fault(ctx, &st, &f, doc);
    doc_field(doc, "error", "%x", f.error);
    return true;
}

/* ---- what an instruction is --------------------------------------------- */

/* What the translator made of the instruction at GLA. */
static void put_translation(const struct view_ctx *ctx, uint64_t gla,
                            struct doc *doc)
{
    struct vcpu *vcpu = vm_vcpu(ctx->vm);
    struct bt_block_view *b;

    if (vcpu->ops != &accel_bt)
        return;
    b = malloc(sizeof(*b));
    if (!b || !bt_block_at(vcpu, (uint32_t)gla, b)) {
        doc_field(doc, "bt", "not translated yet: it has not run");
        free(b);
        return;
    }
    for (unsigned i = 0; i < b->insns; i++)
        if (b->insn[i].eip - b->insn[0].eip == (uint32_t)gla - b->eip ||
            b->insn[i].eip == (uint32_t)gla)
            doc_field(doc, "bt", "%s; %u bytes became %u",
                      bt_reason_text(b->insn[i].why), b->insn[i].guest_len,
                      b->insn[i].host_len);
    free(b);
}

/* [ADDRESS] */
static bool explain_insn(const struct view_ctx *ctx, int argc, char **argv,
                         struct doc *doc)
{
    char text[128], key[32];
    const struct explanation *e;
    struct x86_state st;
    uint8_t bytes[15];
    uint64_t at;
    size_t n;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    if (!view_arg(ctx, argc, argv, 2, x86_linear_rip(&st), &at, doc))
        return false;
    n = vm_read_gla(ctx->vm, at, bytes, sizeof(bytes));
    if (n == 0)
        return view_fail(doc, "nothing is mapped at %#llx",
                         (unsigned long long)at);
    if (!x86_insn_text(text, sizeof(text), bytes, n, x86_code_bits(&st),
                       at - x86_code_base(&st)) ||
        !x86_insn_key(key, sizeof(key), bytes, n, x86_code_bits(&st)))
        return view_fail(doc, "this is no instruction: it raises #UD");
    doc_field(doc, "instruction", "%s", text);
    e = explain_find(EXPLAIN_INSN, key);
    doc_field(doc, "class", "%s", e ? e->title : "innocuous");
    doc_field(doc, "means", "%s",
              e ? e->text
                : "It neither shows nor changes the machine's state, only the "
                  "program's: the host's processor may execute it itself.");
    put_translation(ctx, at, doc);
    doc_field(doc, "manual", "%s", e ? e->manual : "SDM vol. 2");
    return true;
}

/* ---- ports, MSRs, vectors, exits ---------------------------------------- */

/* A number that the table may know. */
static bool explain_number(const struct view_ctx *ctx, int argc, char **argv,
                           enum explain_topic topic, struct doc *doc)
{
    const struct explanation *e;
    uint64_t value;

    if (!view_arg(ctx, argc, argv, 2, 0, &value, doc))
        return false;
    e = explain_value(topic, value);
    if (!e && topic == EXPLAIN_VECTOR && value >= 32 && value < 256) {
        doc_field(doc, "vector",
                  "%#llx: the kernel's own choice, by INT n or "
                  "by its interrupt controller",
                  (unsigned long long)value);
        return true;
    }
    if (!e)
        return view_fail(doc, "%s %#llx has no row in the table",
                         explain_topic_name(topic), (unsigned long long)value);
    put_row(ctx, doc, e);
    return true;
}

static bool explain_msr(const struct view_ctx *ctx, int argc, char **argv,
                        struct doc *doc)
{
    return explain_number(ctx, argc, argv, EXPLAIN_MSR, doc);
}

static bool explain_vector(const struct view_ctx *ctx, int argc, char **argv,
                           struct doc *doc)
{
    return explain_number(ctx, argc, argv, EXPLAIN_VECTOR, doc);
}

static void put_chip(const struct view_ctx *ctx, uint64_t port, struct doc *doc)
{
    const struct bus_range *r =
        bus_find(&vm_machine(ctx->vm)->bus, IO_PORT, port);

    if (r)
        doc_field(doc, "chip", "%s; `devices %s` shows its state", r->name,
                  r->name);
    else
        doc_field(doc, "chip", "none: reads are all ones, writes are lost");
    if (r && !explain_value(EXPLAIN_PORT, port)) /* the second of its kind */
        doc_field(doc, "register", "%#llx of the chip",
                  (unsigned long long)(port - r->base));
}

/* PORT */
static bool explain_port(const struct view_ctx *ctx, int argc, char **argv,
                         struct doc *doc)
{
    const struct explanation *e;
    uint64_t port;

    if (!view_arg(ctx, argc, argv, 2, 0, &port, doc))
        return false;
    doc_field(doc, "port", "%#llx", (unsigned long long)port);
    put_chip(ctx, port, doc);
    e = explain_value(EXPLAIN_PORT, port);
    if (e)
        put_row(ctx, doc, e);
    return true;
}

/* What an exit's detail is about, in words of the table. */
static void put_what(const struct view_ctx *ctx, enum vm_exit_kind kind,
                     uint64_t what, struct doc *doc)
{
    static const struct {
        enum vm_exit_kind kind;
        enum explain_topic topic;
    } about[] = {
        {VM_EXIT_PIO, EXPLAIN_PORT},        {VM_EXIT_RDMSR, EXPLAIN_MSR},
        {VM_EXIT_WRMSR, EXPLAIN_MSR},       {VM_EXIT_EXCEPTION, EXPLAIN_VECTOR},
        {VM_EXIT_SOFT_INT, EXPLAIN_VECTOR},
    };
    const struct explanation *e;

    if (kind == VM_EXIT_PIO)
        put_chip(ctx, what, doc);
    for (size_t i = 0; i < ARRAY_SIZE(about); i++) {
        if (about[i].kind != kind)
            continue;
        e = explain_value(about[i].topic, what);
        if (e)
            doc_field(doc, explain_topic_name(e->topic), "%s, %s: %s (%s)",
                      e->word, e->title, e->text, e->manual);
    }
}

/* EXIT [WHAT] */
static bool explain_exit(const struct view_ctx *ctx, int argc, char **argv,
                         struct doc *doc)
{
    const struct debug_stop *stop = ctx->dbg ? debug_last_stop(ctx->dbg) : NULL;
    const struct explanation *e = NULL;
    enum vm_exit_kind kind;
    uint64_t what;

    if (argc > 2)
        e = explain_find(EXPLAIN_EXIT, argv[2]);
    else if (stop && stop->reason == DEBUG_REASON_CATCH)
        e = explain_value(EXPLAIN_EXIT, stop->exit.kind);
    else
        return put_topic(ctx, doc, EXPLAIN_EXIT);
    if (!e)
        return view_fail(doc, "no exit '%s'; `explain exit` lists them",
                         argc > 2 ? argv[2] : "");
    kind = (enum vm_exit_kind)e->value;
    put_row(ctx, doc, e);
    doc_field(doc, "class", "%s", vm_exit_class(kind));
    if (vm_exit_reason(kind) >= 0)
        doc_field(doc, "reason", "%d, the SDM's basic exit reason",
                  vm_exit_reason(kind));
    else
        doc_field(doc, "reason", "none: hardware virtualisation needs no exit");
    doc_field(doc, "so far", "%llu",
              (unsigned long long)vm_exit_stats(ctx->vm)->kind[kind].count);
    if (argc > 3) {
        if (!view_arg(ctx, argc, argv, 3, 0, &what, doc))
            return false;
        put_what(ctx, kind, what, doc);
    }
    return true;
}

static bool explain_device(const struct view_ctx *ctx, int argc, char **argv,
                           struct doc *doc)
{
    const struct device *dev =
        argc > 2 ? machine_find(vm_machine(ctx->vm), argv[2]) : NULL;

    if (!dev)
        return view_fail(doc, "no such device; `devices` lists them");
    doc_field(doc, "device", "%s", dev->name);
    doc_field(doc, "chip", "%s", dev->class->name);
    doc_field(doc, "what", "%s", dev->class->summary);
    doc_field(doc, "more", "`devices %s` shows its registers", dev->name);
    return true;
}

/* ---- entries and addresses ---------------------------------------------- */

/* VALUE in hexadecimal, as tables show it. */
static bool explain_entry(const struct view_ctx *ctx, int argc, char **argv,
                          struct doc *doc)
{
    char *end = NULL;
    uint64_t value = argc > 2 ? strtoull(argv[2], &end, 16) : 0;

    (void)ctx;
    if (!end || *end)
        return view_fail(doc, "explain entry: which? As the walk shows it");
    doc_field(doc, "entry", "%llx", (unsigned long long)value);
    if (value & 1)
        doc_field(doc, "frame", "%llx",
                  (unsigned long long)(value & 0xffffffffff000ull));
    else
        doc_field(doc, "frame",
                  "not present: the other bits are the "
                  "kernel's own");
    put_bits(doc, EXPLAIN_PTE, value);
    return true;
}

static bool put_address(const struct view_ctx *ctx, uint64_t at,
                        struct doc *doc)
{
    struct x86_state st;
    struct x86_walk walk;
    char where[96];
    uint64_t offset;
    const char *file;
    int line;

    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    doc_field(doc, "value", "%#llx, %lld", (unsigned long long)at,
              (long long)at);
    if (symbols_at(ctx->sym, at, &offset)) {
        symbols_format(ctx->sym, at, where, sizeof(where));
        doc_field(doc, "symbol", "%s", where);
    }
    if (symbols_line(ctx->sym, at, &file, &line))
        doc_field(doc, "line", "%s:%d", file, line);
    walk_as(ctx, &st, at, 0, &walk);
    if (walk.result == X86_WALK_OK)
        doc_field(
            doc, "page", "physical %#llx, %s%s%s", (unsigned long long)walk.gpa,
            walk.writable ? "writable" : "read-only", walk.user ? ", user" : "",
            st.cr0 & X86_CR0_PG ? "" : " (paging is off)");
    else
        doc_field(doc, "page", "not mapped as an address: %s",
                  x86_walk_result_name(walk.result));
    return true;
}

static bool explain_address(const struct view_ctx *ctx, int argc, char **argv,
                            struct doc *doc)
{
    uint64_t at;

    if (!view_arg(ctx, argc, argv, 2, 0, &at, doc))
        return false;
    return put_address(ctx, at, doc);
}

/* ---- a triple fault, told as a story ------------------------------------ */

static void tell_cause(const struct view_ctx *ctx, const struct fault_cause *c,
                       unsigned nth, struct doc *doc)
{
    static const char *const order[] = {"first", "then", "last"};
    char name[24], where[96], error[80] = "";

    assert(nth < ARRAY_SIZE(order));
    x86_vector_text(name, sizeof(name), c->vector);
    symbols_format(ctx->sym, c->rip, where, sizeof(where));
    if (c->vector == X86_PF)
        x86_pferr_text(error, sizeof(error), c->error);
    if (c->vector == X86_PF)
        doc_field(doc, order[nth], "%s at %s for address %#llx: %s", name,
                  where, (unsigned long long)c->cr2, error);
    else
        doc_field(doc, order[nth], "%s at %s, error code %x", name, where,
                  c->error);
}

/* Why the IDT could not take VECTOR. */
static void tell_gate(const struct view_ctx *ctx, const struct x86_state *st,
                      unsigned vector, const char *label, struct doc *doc)
{
    size_t size = x86_mode(st) == X86_MODE_REAL ? 4 : 8;
    char where[96], name[24];
    uint64_t gla, d = 0;

    x86_vector_text(name, sizeof(name), vector);
    if (vector * size + size - 1 > st->idt.limit)
        doc_field(doc, label, "the IDT ends before %s: its limit is %x", name,
                  st->idt.limit);
    else if (vm_read_gla(ctx->vm, st->idt.base + vector * size, &d, size) <
             size)
        doc_field(doc, label, "the IDT at %#llx is not mapped",
                  (unsigned long long)st->idt.base);
    else if (!fault_handler(ctx->vm, st, vector, &gla))
        doc_field(doc, label, "the IDT's gate for %s is not present", name);
    else {
        symbols_format(ctx->sym, gla, where, sizeof(where));
        doc_field(doc, label,
                  "the IDT sends %s to %s: look at that address, and at the "
                  "stack (`stack`, `tss`) that it would use",
                  name, where);
    }
}

static bool explain_triple(const struct view_ctx *ctx, int argc, char **argv,
                           struct doc *doc)
{
    const struct debug_stop *s = ctx->dbg ? debug_last_stop(ctx->dbg) : NULL;
    struct x86_state st;

    (void)argc, (void)argv;
    if (!s || s->reason != DEBUG_REASON_TRIPLE_FAULT)
        return view_fail(doc, "the guest is not stopped at a triple fault");
    if (!s->causes)
        return view_fail(doc, "KVM does not tell what led here; --accel bt "
                              "does");
    if (vm_get_state(ctx->vm, &st) < 0)
        return view_fail(doc, "the registers cannot be read");
    for (unsigned i = 0; i < s->causes; i++)
        tell_cause(ctx, &s->cause[i], i, doc);
    tell_gate(ctx, &st, s->cause[0].vector, "its gate", doc);
    if (s->causes > 1)
        tell_gate(ctx, &st, X86_DF, "gate of #DF", doc);
    doc_field(doc, "means",
              "a fault could not be delivered, nor the double "
              "fault that this became: the processor shuts "
              "down, and a PC resets");
    doc_field(doc, "manual", "SDM vol. 3A 6.15 (#DF)");
    return true;
}

/* ---- which of them ------------------------------------------------------ */

static const struct {
    const char *name;
    view_fn *fn;
} special[] = {
    {"fault", explain_fault},     {"insn", explain_insn},
    {"port", explain_port},       {"msr", explain_msr},
    {"vector", explain_vector},   {"exit", explain_exit},
    {"device", explain_device},   {"entry", explain_entry},
    {"address", explain_address}, {"triple", explain_triple},
};

/* The stop at hand: the most that can be said of it. */
static bool explain_stop(const struct view_ctx *ctx, struct doc *doc)
{
    const struct debug_stop *s = ctx->dbg ? debug_last_stop(ctx->dbg) : NULL;
    struct fault_cause f;
    struct x86_state st;

    if (s && s->reason == DEBUG_REASON_TRIPLE_FAULT)
        return explain_triple(ctx, 1, NULL, doc);
    if (s && s->reason == DEBUG_REASON_CHECK) {
        doc_field(doc, "found", "%s", s->text);
        put_row(ctx, doc, explain_value(EXPLAIN_CHECK, s->check));
        return true;
    }
    if (vm_get_state(ctx->vm, &st) == 0 && fault_at_stop(ctx->vm, &st, s, &f))
        return explain_fault(ctx, 1, NULL, doc);
    if (s && s->reason == DEBUG_REASON_CATCH)
        return explain_exit(ctx, 1, NULL, doc);
    return explain_insn(ctx, 1, NULL, doc);
}

/* WORD without what surrounds it in a sentence, and without "=VALUE". */
static void clean(char *buf, size_t len, const char *word)
{
    size_t n;

    while (*word && strchr("([<\"'`", *word))
        word++;
    snprintf(buf, len, "%s", word);
    n = strcspn(buf, "=");
    buf[n] = '\0';
    while (n > 0 && strchr(",:;.)]>\"'`", buf[n - 1]))
        buf[--n] = '\0';
}

/* Rows of any topic that have WORD; how many. */
static unsigned find_word(const char *word, const struct explanation **first)
{
    const struct explanation *e;
    unsigned n = 0;

    for (size_t i = 0; (e = explain_nth(i)); i++)
        if (strcasecmp(e->word, word) == 0 && n++ == 0)
            *first = e;
    return n;
}

static void put_choices(struct doc *doc, const char *word)
{
    const struct explanation *e;

    doc_table(doc, "words", "word,what,manual");
    for (size_t i = 0; (e = explain_nth(i)); i++) {
        if (strcasecmp(e->word, word) != 0)
            continue;
        doc_row(doc);
        doc_link(doc, "explain %s %s", explain_topic_name(e->topic), e->word);
        doc_cell(doc, "%s %s", explain_topic_name(e->topic), e->word);
        doc_cell(doc, "%s", e->title);
        doc_cell(doc, "%s", e->manual);
    }
}

static bool explain_word(const struct view_ctx *ctx, const char *word,
                         struct doc *doc)
{
    const struct explanation *e = NULL;
    const struct view *v = view_find(word);
    unsigned n = find_word(word, &e);
    struct expr_value value;
    char why[160];

    if (explain_topic_find(word) < EXPLAIN_TOPICS)
        return put_topic(ctx, doc, explain_topic_find(word));
    if (n == 1)
        put_row(ctx, doc, e);
    else if (n > 1)
        put_choices(doc, word);
    else if (v)
        doc_field(doc, v->name, "a view: %s", v->summary);
    else if (machine_find(vm_machine(ctx->vm), word))
        return explain_device(
            ctx, 3, (char *[]){NULL, NULL, (char *)(uintptr_t)word}, doc);
    else if (expr_eval(ctx->vm, ctx->sym, word, &value, why, sizeof(why)))
        return put_address(ctx, value.value, doc);
    else
        return view_fail(doc,
                         "nothing is known of '%s'; `explain cr0`, "
                         "`explain exit`, `explain fault` are known",
                         word);
    return true;
}

bool view_explain(const struct view_ctx *ctx, int argc, char **argv,
                  struct doc *doc)
{
    const struct explanation *e = NULL;
    enum explain_topic topic;
    char word[64], second[64];
    char *dot;

    if (argc < 2)
        return explain_stop(ctx, doc);
    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        if (strcmp(special[i].name, argv[1]) == 0 &&
            (argc > 2 || special[i].fn == explain_fault ||
             special[i].fn == explain_insn || special[i].fn == explain_exit ||
             special[i].fn == explain_triple))
            return special[i].fn(ctx, argc, argv, doc);
    clean(word, sizeof(word), argv[1]);
    dot = strchr(word, '.');
    if (dot)
        *dot = '\0';
    clean(second, sizeof(second), dot ? dot + 1 : argc > 2 ? argv[2] : "");
    topic = explain_topic_find(word);
    if (topic < EXPLAIN_TOPICS && second[0])
        e = explain_find(topic, second);
    if (e) {
        put_row(ctx, doc, e);
        return true;
    }
    return explain_word(ctx, second[0] ? second : word, doc);
}
