/*
 * The exits view: by reason, then by what was touched (port, MSR, page,
 * vector), then by the places in the guest that did it.  Every row leads to
 * the next level.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmm/accel/kvm/kvm.h"
#include "vmm/exit_report.h"
#include "vmm/machine/machine.h"
#include "vmm/view/expr.h"
#include "vmm/view/views.h"
#include "vmm/x86/text.h"

#define BAR      10u
#define ROWS_MAX 200u

static struct exit_style style_of(const struct view_ctx *ctx)
{
    return (struct exit_style){.utf8 = ctx->utf8};
}

static void cell_count(struct doc *doc, uint64_t n)
{
    char text[32] = "-";

    if (n)
        exit_format_count(text, n, 9);
    doc_cell(doc, "%s", text);
    doc_json_value(doc, "%llu", (unsigned long long)n);
}

static void cell_ns(struct doc *doc, uint64_t ns)
{
    char text[16];

    exit_format_ns(text, ns);
    doc_cell(doc, "%s", text);
    doc_json_value(doc, "%llu", (unsigned long long)ns);
}

static void cell_spark(const struct view_ctx *ctx, struct doc *doc,
                       const struct exit_count *c)
{
    struct exit_style style = style_of(ctx);
    struct strbuf sb;

    strbuf_init(&sb);
    exit_format_spark(&sb, c, &style);
    doc_cell(doc, "%s", strbuf_str(&sb));
    strbuf_reset(&sb);
    for (unsigned i = 0; i < EXIT_STATS_BUCKETS; i++)
        strbuf_printf(&sb, "%c%llu", i ? ',' : '[',
                      (unsigned long long)c->bucket[i]);
    doc_json_value(doc, "%s]", strbuf_str(&sb));
    strbuf_fini(&sb);
}

/* "83.1% ########"; in JSON a part of 1. */
static void cell_share(const struct view_ctx *ctx, struct doc *doc,
                       uint64_t part, uint64_t whole)
{
    struct exit_style style = style_of(ctx);
    struct strbuf sb;
    char text[16];

    exit_format_share(text, part, whole);
    strbuf_init(&sb);
    strbuf_printf(&sb, "%5s ", text);
    exit_format_bar(&sb, part, whole, BAR, &style);
    doc_cell(doc, "%s", strbuf_str(&sb));
    doc_json_value(doc, "%.4f", whole ? (double)part / (double)whole : 0);
    strbuf_fini(&sb);
}

/* ---- by reason ---------------------------------------------------------- */

struct kind_order {
    unsigned kind[VM_EXIT_COUNT];
    unsigned n;
};

static uint64_t count_of(const struct exit_report *r, unsigned kind)
{
    return r ? r->stats->kind[kind].count : 0;
}

/* Kinds that happened here or there, most first. */
static void order_kinds(struct kind_order *order, const struct exit_stats *s,
                        const struct exit_report *other)
{
    order->n = 0;
    for (unsigned k = 0; k < VM_EXIT_COUNT; k++) {
        uint64_t mine = s->kind[k].count + count_of(other, k);
        unsigned at = order->n;

        if (!mine)
            continue;
        for (; at > 0; at--) {
            unsigned before = order->kind[at - 1];
            if (s->kind[before].count + count_of(other, before) >= mine)
                break;
            order->kind[at] = before;
        }
        order->kind[at] = k;
        order->n++;
    }
}

static void put_name(struct doc *doc, unsigned kind)
{
    doc_row(doc);
    doc_link(doc, "exits %s", vm_exit_id((enum vm_exit_kind)kind));
    doc_cell(doc, "%s", vm_exit_name((enum vm_exit_kind)kind));
}

static uint64_t mean_ns(const struct exit_count *c)
{
    return c->count ? c->total_ns / c->count : 0;
}

static uint64_t rate_of(const struct view_ctx *ctx, const struct exit_stats *s,
                        unsigned kind)
{
    return ctx->dbg ? exit_lap_rate(debug_lap(ctx->dbg), s, kind,
                                    vm_stats_now_ns(ctx->vm))
                    : 0;
}

static void put_kind(const struct view_ctx *ctx, struct doc *doc,
                     const struct exit_stats *s, unsigned kind, uint64_t total)
{
    const struct exit_count *c = &s->kind[kind];
    int reason = vm_exit_reason((enum vm_exit_kind)kind);
    uint64_t since =
        ctx->dbg ? exit_lap_count(debug_lap(ctx->dbg), s, kind) : c->count;

    put_name(doc, kind);
    cell_count(doc, c->count);
    cell_count(doc, since);
    if (since)
        doc_mark(doc, DOC_CHANGED);
    cell_count(doc, rate_of(ctx, s, kind));
    cell_spark(ctx, doc, c);
    cell_ns(doc, mean_ns(c));
    cell_ns(doc, c->total_ns);
    cell_share(ctx, doc, c->count, total);
    /* what 80 columns have no room for */
    cell_ns(doc, c->max_ns);
    if (reason >= 0)
        doc_cell(doc, "%d", reason);
    else
        doc_cell(doc, "-");
}

/* The same kind in two runs. */
static void put_pair(const struct view_ctx *ctx, struct doc *doc,
                     const struct exit_stats *s, unsigned kind)
{
    const struct exit_count *mine = &s->kind[kind];
    const struct exit_count *theirs = &ctx->other->stats->kind[kind];

    put_name(doc, kind);
    cell_count(doc, mine->count);
    cell_ns(doc, mean_ns(mine));
    cell_spark(ctx, doc, mine);
    cell_count(doc, rate_of(ctx, s, kind));
    cell_count(doc, theirs->count);
    cell_ns(doc, mean_ns(theirs));
    cell_spark(ctx, doc, theirs);
}

static void pair_columns(char *buf, size_t len, const char *mine,
                         const char *theirs)
{
    if (strcmp(mine, theirs) == 0)
        theirs = "other";
    snprintf(buf, len, "exit,%s,mean,times,per_s,%s,%s_mean,%s_times", mine,
             theirs, theirs, theirs);
}

static void put_kinds(const struct view_ctx *ctx, const struct exit_stats *s,
                      struct doc *doc)
{
    struct kind_order order;
    char columns[96];
    uint64_t total = 0;

    order_kinds(&order, s, ctx->other);
    for (unsigned i = 0; i < order.n; i++)
        total += s->kind[order.kind[i]].count;
    doc_field(doc, "accelerator", "%s", vm_accel_name(ctx->vm));
    doc_number(doc, "total", total);
    if (ctx->other) {
        doc_field(doc, "beside", "%s under %s", ctx->other->guest,
                  ctx->other->accel);
        pair_columns(columns, sizeof(columns), vm_accel_name(ctx->vm),
                     ctx->other->accel);
        doc_table(doc, "exits", columns);
        for (unsigned i = 0; i < order.n; i++)
            put_pair(ctx, doc, s, order.kind[i]);
        return;
    }
    doc_table(doc, "exits",
              "exit,count,+since,+per_s,times,mean,total,share,+max,+sdm");
    for (unsigned i = 0; i < order.n; i++)
        put_kind(ctx, doc, s, order.kind[i], total);
}

/* What the host's kernel handled itself cannot be seen one by one. */
static void put_kernel(const struct view_ctx *ctx, struct doc *doc)
{
    struct kvm_stat *stats;
    int n = kvm_stats_read(vm_vcpu(ctx->vm), &stats);

    if (n < 0)
        return;
    doc_table(doc, "kernel", "counted by KVM itself,value");
    for (int i = 0; i < n; i++)
        if (kvm_stat_is_count(&stats[i])) {
            doc_row(doc);
            doc_cell(doc, "%s", stats[i].name);
            cell_count(doc, stats[i].value);
        }
    free(stats);
}

/* ---- what a port, page or number is ------------------------------------- */

/* The chip or name behind a detail, or "". */
static void owner_text(const struct view_ctx *ctx, const struct exit_detail *d,
                       char *buf, size_t len)
{
    const struct machine *m = vm_machine(ctx->vm);
    const struct bus_range *r = NULL;

    buf[0] = '\0';
    switch (d->kind) {
    case VM_EXIT_PIO:
        r = bus_find(&m->bus, IO_PORT, d->what);
        snprintf(buf, len, "%s", r ? r->name : "no chip");
        break;
    case VM_EXIT_MMIO:
        r = bus_find(&m->bus, IO_MEM, d->what);
        snprintf(buf, len, "%s", r ? r->name : "");
        break;
    case VM_EXIT_EXCEPTION:
        x86_vector_text(buf, len, (unsigned)d->what);
        break;
    default:
        break;
    }
}

static int by_count(const void *a, const void *b)
{
    const struct exit_detail *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    if (x->what != y->what)
        return x->what < y->what ? -1 : 1;
    return (x->rip > y->rip) - (x->rip < y->rip);
}

struct selection {
    enum vm_exit_kind kind;
    bool has_what;
    uint64_t what;
};

/* The details of SEL, most first; freed by the caller. */
static struct exit_detail *select_details(const struct exit_stats *s,
                                          const struct selection *sel,
                                          size_t *n)
{
    struct exit_detail *list = calloc(EXIT_STATS_DETAILS, sizeof(*list));

    assert(list && "out of memory");
    *n = 0;
    for (size_t i = 0; i < EXIT_STATS_DETAILS; i++) {
        const struct exit_detail *d = &s->detail[i];

        if (d->count && d->kind == sel->kind &&
            (!sel->has_what || d->what == sel->what))
            list[(*n)++] = *d;
    }
    return list;
}

/* Adds up what differs only by rip. */
static size_t merge_places(struct exit_detail *list, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < kept &&
               (list[k].what != list[i].what || list[k].write != list[i].write))
            k++;
        if (k < kept) {
            list[k].count += list[i].count;
            list[k].total_ns += list[i].total_ns;
            list[k].elements += list[i].elements;
        } else {
            list[kept++] = list[i];
        }
    }
    return kept;
}

/* ---- by port, MSR, page, vector ----------------------------------------- */

static void put_times(struct doc *doc, const struct exit_detail *d)
{
    cell_count(doc, d->count);
    cell_ns(doc, d->total_ns / d->count);
    cell_ns(doc, d->total_ns);
}

static void put_whats(const struct view_ctx *ctx, const struct exit_stats *s,
                      const struct selection *sel, struct doc *doc)
{
    uint64_t total = s->kind[sel->kind].count;
    char text[64], owner[64];
    size_t n;
    struct exit_detail *list = select_details(s, sel, &n);

    n = merge_places(list, n);
    qsort(list, n, sizeof(*list), by_count);
    doc_table(doc, "details", "what,of,count,mean,total,share");
    for (size_t i = 0; i < n && i < ROWS_MAX; i++) {
        exit_detail_text(&list[i], text, sizeof(text));
        owner_text(ctx, &list[i], owner, sizeof(owner));
        doc_row(doc);
        doc_link(doc, "exits %s %#llx", vm_exit_id(sel->kind),
                 (unsigned long long)list[i].what);
        doc_cell(doc, "%s", text);
        doc_cell(doc, "%s", owner);
        put_times(doc, &list[i]);
        cell_share(ctx, doc, list[i].count, total);
    }
    if (n > ROWS_MAX)
        doc_note(doc, "and %zu more", n - ROWS_MAX);
    free(list);
}

/* ---- by place ----------------------------------------------------------- */

static void put_place(const struct view_ctx *ctx, const struct exit_detail *d,
                      uint64_t total, struct doc *doc)
{
    char where[96];
    const char *file;
    int line;

    symbols_format(ctx->sym, d->rip, where, sizeof(where));
    doc_row(doc);
    doc_link(doc, "disasm %#llx", (unsigned long long)d->rip);
    doc_cell(doc, "%08llx", (unsigned long long)d->rip);
    doc_cell(doc, "%s", where);
    if (symbols_line(ctx->sym, d->rip, &file, &line))
        doc_cell(doc, "%s:%d",
                 strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
    else
        doc_cell(doc, "-");
    doc_cell(doc, "%s", d->write ? "write" : "read");
    put_times(doc, d);
    cell_share(ctx, doc, d->count, total);
}

static void put_places(const struct view_ctx *ctx, const struct exit_stats *s,
                       const struct selection *sel, struct doc *doc)
{
    uint64_t total = 0;
    size_t n;
    struct exit_detail *list = select_details(s, sel, &n);

    qsort(list, n, sizeof(*list), by_count);
    for (size_t i = 0; i < n; i++)
        total += list[i].count;
    if (n && !list[0].rip)
        doc_note(doc, "nearly each of these has a place of its own: only the "
                      "page is kept");
    doc_table(doc, "places", "rip,where,+line,+way,count,mean,total,share");
    for (size_t i = 0; i < n && i < ROWS_MAX; i++)
        if (list[i].rip)
            put_place(ctx, &list[i], total, doc);
    if (n > ROWS_MAX)
        doc_note(doc, "and %zu more", n - ROWS_MAX);
    free(list);
}

/* "pio", "port" and "PIO" are the same; the first that begins so. */
static bool find_kind(const char *word, enum vm_exit_kind *kind)
{
    for (unsigned k = 0; k < VM_EXIT_COUNT; k++) {
        *kind = (enum vm_exit_kind)k;
        if (strcasecmp(vm_exit_id(*kind), word) == 0)
            return true;
    }
    for (unsigned k = 0; k < VM_EXIT_COUNT; k++) {
        *kind = (enum vm_exit_kind)k;
        if (strncasecmp(vm_exit_name(*kind), word, strlen(word)) == 0)
            return true;
    }
    return false;
}

/* Without a note when nothing happened, an empty table says nothing. */
static void put_selection(const struct view_ctx *ctx,
                          const struct exit_stats *s,
                          const struct selection *sel, struct doc *doc)
{
    const struct exit_count *c = &s->kind[sel->kind];

    doc_field(doc, "exit", "%s", vm_exit_name(sel->kind));
    doc_field(doc, "class", "%s", vm_exit_class(sel->kind));
    doc_number(doc, "count", c->count);
    if (sel->has_what)
        put_places(ctx, s, sel, doc);
    else
        put_whats(ctx, s, sel, doc);
    if (s->other)
        doc_note(doc, "%llu exits found no room in the table of details",
                 (unsigned long long)s->other);
}

bool view_exits(const struct view_ctx *ctx, int argc, char **argv,
                struct doc *doc)
{
    const struct exit_stats *s = vm_exit_stats(ctx->vm);
    struct selection sel = {.has_what = argc > 2};

    if (argc < 2) {
        put_kinds(ctx, s, doc);
        put_kernel(ctx, doc);
        return true;
    }
    if (!find_kind(argv[1], &sel.kind))
        return view_fail(doc, "no exit '%s'; `exits` lists those that were",
                         argv[1]);
    if (!view_arg(ctx, argc, argv, 2, 0, &sel.what, doc))
        return false;
    put_selection(ctx, s, &sel, doc);
    return true;
}
