/* The exits of two runs side by side: what an accelerator saves. */
#include <stdio.h>
#include <stdlib.h>

#include "vmm/exit_report.h"

#define BAR 5u

struct side {
    const struct exit_report *r; /* NULL: this side is empty */
    uint64_t count, ns;
};

static struct side side_of(const struct exit_report *r)
{
    struct side s = {.r = r};

    for (unsigned k = 0; r && k < VM_EXIT_COUNT; k++) {
        s.count += r->stats->kind[k].count;
        s.ns += r->stats->kind[k].total_ns;
    }
    return s;
}

static void cells(struct strbuf *out, const struct side *s, unsigned kind,
                  const struct exit_style *style)
{
    const struct exit_count *c;
    char n[32], share[16], avg[16];

    if (!s->r)
        return;
    c = &s->r->stats->kind[kind];
    if (!c->count) {
        strbuf_printf(out, " %9s %5s %5s %*s", "-", "", "", (int)BAR, "");
        return;
    }
    exit_format_count(n, c->count, 9);
    exit_format_ns(avg, c->total_ns / c->count);
    exit_format_share(share, c->total_ns, s->ns);
    strbuf_printf(out, " %9s %5s %5s ", n, avg, share);
    exit_format_bar(out, c->total_ns, s->ns, BAR, style);
}

static void line_end(struct strbuf *out)
{
    while (out->len && out->text[out->len - 1] == ' ')
        out->text[--out->len] = '\0';
    strbuf_putc(out, '\n');
}

static void sum_row(struct strbuf *out, const char *name, const struct side *a,
                    const struct side *b,
                    void (*cell)(char *buf, size_t len, const struct side *s))
{
    char text[48];

    strbuf_printf(out, "%-24s", name);
    cell(text, sizeof(text), a);
    strbuf_printf(out, " %-27s", text);
    if (b->r) {
        cell(text, sizeof(text), b);
        strbuf_printf(out, " %-27s", text);
    }
    line_end(out);
}

static void name_cell(char *buf, size_t len, const struct side *s)
{
    snprintf(buf, len, "%s: %.20s", s->r->accel, s->r->guest);
}

static void exits_cell(char *buf, size_t len, const struct side *s)
{
    char n[32];

    exit_format_count(n, s->count, 9);
    snprintf(buf, len, "%9s", n);
}

static void time_cell(char *buf, size_t len, const struct side *s)
{
    snprintf(buf, len, "%7.3f s", (double)s->r->wall_ns / 1e9);
}

static void monitor_cell(char *buf, size_t len, const struct side *s)
{
    char share[16];

    exit_format_share(share, s->ns, s->r->wall_ns);
    snprintf(buf, len, "%7.3f s %5s", (double)s->ns / 1e9, share);
}

static void insns_cell(char *buf, size_t len, const struct side *s)
{
    char n[32] = "not known";

    if (s->r->insns)
        exit_format_count(n, s->r->insns, 9);
    snprintf(buf, len, "%9s", n);
}

static uint64_t both(const struct side *a, const struct side *b, unsigned kind)
{
    return a->r->stats->kind[kind].count +
           (b->r ? b->r->stats->kind[kind].count : 0);
}

/* Kinds that happened on either side, most time first. */
static unsigned order_kinds(const struct side *a, const struct side *b,
                            unsigned order[VM_EXIT_COUNT])
{
    unsigned n = 0;

    for (unsigned k = 0; k < VM_EXIT_COUNT; k++) {
        uint64_t mine = both(a, b, k);
        unsigned at = n;

        if (!mine)
            continue;
        for (; at > 0 && both(a, b, order[at - 1]) < mine; at--)
            order[at] = order[at - 1];
        order[at] = k;
        n++;
    }
    return n;
}

static void header(struct strbuf *out, const struct side *b,
                   const struct exit_style *style)
{
    static const char one[] = "     Count   Avg Time%      ";

    strbuf_puts(out, style->color ? "\n\033[1m" : "\n");
    strbuf_printf(out, "%-20s SDM%.*s%s", "Exit", (int)sizeof(one), one,
                  b->r ? one : "");
    line_end(out);
    if (style->color)
        strbuf_puts(out, "\033[0m");
}

void exit_report_compare(struct strbuf *out, const struct exit_report *ra,
                         const struct exit_report *rb,
                         const struct exit_style *style)
{
    struct side a = side_of(ra), b = side_of(rb);
    unsigned order[VM_EXIT_COUNT], n = order_kinds(&a, &b, order);

    sum_row(out, "", &a, &b, name_cell);
    sum_row(out, "exits", &a, &b, exits_cell);
    sum_row(out, "time", &a, &b, time_cell);
    sum_row(out, "  of it in the monitor", &a, &b, monitor_cell);
    sum_row(out, "instructions", &a, &b, insns_cell);
    header(out, &b, style);
    for (unsigned i = 0; i < n; i++) {
        enum vm_exit_kind kind = (enum vm_exit_kind)order[i];
        char reason[8] = "-";

        if (vm_exit_reason(kind) >= 0)
            snprintf(reason, sizeof(reason), "%d", vm_exit_reason(kind));
        strbuf_printf(out, "%-20.20s %3s", vm_exit_name(kind), reason);
        cells(out, &a, order[i], style);
        cells(out, &b, order[i], style);
        line_end(out);
    }
}
