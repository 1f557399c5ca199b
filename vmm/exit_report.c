/* Exit statistics as columns, after `perf kvm stat`. */
#include "vmm/exit_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAR 5u

struct totals {
    uint64_t count, ns;
};

static struct totals totals_of(const struct exit_stats *s)
{
    struct totals t = {0};

    for (unsigned k = 0; k < VM_EXIT_COUNT; k++) {
        t.count += s->kind[k].count;
        t.ns += s->kind[k].total_ns;
    }
    return t;
}

static void bold(struct strbuf *out, const struct exit_style *style,
                 const char *line)
{
    strbuf_printf(out, style->color ? "\033[1m%s\033[0m\n" : "%s\n", line);
}

static void title(struct strbuf *out, const struct exit_report *r,
                  const struct exit_style *style)
{
    struct totals t = totals_of(r->stats);
    char line[160], count[32], insns[32], each[32];
    double s = (double)r->wall_ns / 1e9;

    snprintf(line, sizeof(line), "Exits of %.40s under %s", r->guest, r->accel);
    bold(out, style, line);
    exit_format_count(count, t.count, 9);
    strbuf_printf(out, "%s exits in %.3f s", count, s);
    if (s > 0) {
        exit_format_count(each, (uint64_t)((double)t.count / s), 9);
        strbuf_printf(out, ", %s a second", each);
    }
    if (r->insns) {
        exit_format_count(insns, r->insns, 7);
        strbuf_printf(out, "; %s instructions", insns);
        if (t.count) {
            exit_format_count(each, r->insns / t.count, 7);
            strbuf_printf(out, ", %s to an exit", each);
        }
    }
    strbuf_puts(out, "\n");
    if (r->wall_ns) {
        exit_format_share(each, t.ns, r->wall_ns);
        strbuf_printf(out, "In the monitor: %.3f s, %s of the time\n",
                      (double)t.ns / 1e9, each);
    }
    if (r->stop[0])
        strbuf_printf(out, "Ended: %.60s (status %d)\n", r->stop, r->status);
}

/* ---- by kind, by class --------------------------------------------------- */

struct order {
    uint64_t count;
    unsigned index;
};

static int by_count(const void *a, const void *b)
{
    const struct order *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static void kind_row(struct strbuf *out, const struct exit_stats *s,
                     unsigned kind, const struct totals *t,
                     const struct exit_style *style)
{
    const struct exit_count *c = &s->kind[kind];
    enum vm_exit_kind k = (enum vm_exit_kind)kind;
    char reason[8] = "-", n[32], share[16], time[16], lo[16], hi[16], avg[16];

    if (vm_exit_reason(k) >= 0)
        snprintf(reason, sizeof(reason), "%d", vm_exit_reason(k));
    exit_format_count(n, c->count, 9);
    exit_format_share(share, c->count, t->count);
    exit_format_share(time, c->total_ns, t->ns);
    exit_format_ns(lo, c->min_ns);
    exit_format_ns(hi, c->max_ns);
    exit_format_ns(avg, c->total_ns / c->count);
    strbuf_printf(out, "%-20.20s %c %3s %9s %5s %5s ", vm_exit_name(k),
                  exit_class_letter(vm_exit_class(k)), reason, n, share, time);
    if (style->color)
        strbuf_puts(out, "\033[36m");
    exit_format_bar(out, c->total_ns, t->ns, BAR, style);
    if (style->color)
        strbuf_puts(out, "\033[0m");
    strbuf_printf(out, " %5s %5s %5s ", lo, hi, avg);
    exit_format_spark(out, c, style);
    while (out->len && out->text[out->len - 1] == ' ')
        out->text[--out->len] = '\0';
    strbuf_putc(out, '\n');
}

static void kinds(struct strbuf *out, const struct exit_report *r,
                  const struct exit_style *style)
{
    struct totals t = totals_of(r->stats);
    struct order order[VM_EXIT_COUNT];

    for (unsigned k = 0; k < VM_EXIT_COUNT; k++)
        order[k] = (struct order){r->stats->kind[k].count, k};
    qsort(order, VM_EXIT_COUNT, sizeof(order[0]), by_count);
    strbuf_putc(out, '\n');
    bold(out, style,
         "Exit                 C SDM   Samples  Smp%  Time%          Min   "
         "Max   Avg Times");
    for (unsigned i = 0; i < VM_EXIT_COUNT && order[i].count; i++)
        kind_row(out, r->stats, order[i].index, &t, style);
    strbuf_puts(out, "SDM: basic exit reason (vol. 3D, app. C).  Times: each "
                     "cell four times the last,\nfrom under 256 ns to over "
                     "262 us.  C, the class:\n");
}

/* Which kinds share a class is known by the class's name. */
static void classes(struct strbuf *out, const struct exit_report *r,
                    const struct exit_style *style)
{
    struct totals t = totals_of(r->stats);
    struct totals sum[VM_EXIT_COUNT] = {0};
    const char *name[VM_EXIT_COUNT];
    struct order order[VM_EXIT_COUNT];
    unsigned n = 0;

    for (unsigned k = 0; k < VM_EXIT_COUNT; k++) {
        const char *class = vm_exit_class((enum vm_exit_kind)k);
        unsigned i = 0;

        while (i < n && strcmp(name[i], class) != 0)
            i++;
        if (i == n)
            name[n++] = class;
        sum[i].count += r->stats->kind[k].count;
        sum[i].ns += r->stats->kind[k].total_ns;
    }
    for (unsigned i = 0; i < n; i++)
        order[i] = (struct order){sum[i].count, i};
    qsort(order, n, sizeof(order[0]), by_count);
    for (unsigned j = 0; j < n && order[j].count; j++) {
        unsigned i = order[j].index;
        char count[32], share[16], time[16];

        exit_format_count(count, sum[i].count, 11);
        exit_format_share(share, sum[i].count, t.count);
        exit_format_share(time, sum[i].ns, t.ns);
        strbuf_printf(out, "  %c  %-26s %11s %5s %5s ",
                      exit_class_letter(name[i]), name[i], count, share, time);
        exit_format_bar(out, sum[i].ns, t.ns, BAR, style);
        while (out->text[out->len - 1] == ' ')
            out->text[--out->len] = '\0';
        strbuf_putc(out, '\n');
    }
}

/* ---- by detail, by rip --------------------------------------------------- */

static int compare_what(const void *a, const void *b)
{
    const struct exit_detail *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->what != y->what)
        return x->what < y->what ? -1 : 1;
    return (int)x->write - (int)y->write;
}

static int compare_rip(const void *a, const void *b)
{
    const struct exit_detail *x = a, *y = b;

    if (x->rip != y->rip)
        return x->rip < y->rip ? -1 : 1;
    return compare_what(a, b);
}

static int compare_count(const void *a, const void *b)
{
    const struct exit_detail *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return compare_rip(a, b);
}

/* The used entries, those that COMPARE calls equal added up, most first. */
static size_t gather(const struct exit_stats *s, struct exit_detail *list,
                     int (*compare)(const void *, const void *))
{
    size_t used = 0, n = 0;

    for (size_t i = 0; i < EXIT_STATS_DETAILS; i++)
        if (s->detail[i].count)
            list[used++] = s->detail[i];
    qsort(list, used, sizeof(list[0]), compare);
    for (size_t i = 0; i < used; i++) {
        if (n && compare(&list[n - 1], &list[i]) == 0) {
            list[n - 1].count += list[i].count;
            list[n - 1].total_ns += list[i].total_ns;
            list[n - 1].elements += list[i].elements;
        } else {
            list[n++] = list[i];
        }
    }
    qsort(list, n, sizeof(list[0]), compare_count);
    return n;
}

/* FIRST comes before it; NAME and WIDTH are columns of the two texts. */
static void detail_row(struct strbuf *out, const struct exit_detail *d,
                       const char *first, int name, int width,
                       const struct totals *t)
{
    char what[48], n[32], share[16], time[16], avg[16];

    exit_detail_text(d, what, sizeof(what));
    exit_format_count(n, d->count, 11);
    exit_format_share(share, d->count, t->count);
    exit_format_share(time, d->total_ns, t->ns);
    exit_format_ns(avg, d->total_ns / d->count);
    strbuf_printf(out, "%s%-*.*s %-*.*s %11s %5s %5s %5s\n", first, name, name,
                  vm_exit_name((enum vm_exit_kind)d->kind), width, width, what,
                  n, share, time, avg);
}

static void rip_rows(struct strbuf *out, const struct exit_detail *list,
                     size_t n, const struct totals *t,
                     const struct exit_style *style)
{
    bool wide = false;
    char rip[24];

    for (size_t i = 0; i < n; i++)
        wide |= list[i].rip >> 32 != 0;
    strbuf_putc(out, '\n');
    bold(out, style,
         wide
             ? "Rip              Exit           What                  Samples  "
               "Smp% Time%   Avg"
             : "Rip        Exit              What                     Samples  "
               "Smp% Time%   Avg");
    for (size_t i = 0; i < n; i++) {
        snprintf(rip, sizeof(rip), wide ? "%016llx " : "%#010llx ",
                 (unsigned long long)list[i].rip);
        detail_row(out, &list[i], rip, wide ? 14 : 17, wide ? 15 : 18, t);
    }
}

static void and_more(struct strbuf *out, size_t n, size_t shown)
{
    if (n > shown)
        strbuf_printf(out, "... and %zu more\n", n - shown);
}

static void details(struct strbuf *out, const struct exit_report *r,
                    unsigned top, const struct exit_style *style)
{
    struct exit_detail *list = calloc(EXIT_STATS_DETAILS, sizeof(*list));
    struct totals t = totals_of(r->stats);
    size_t n, shown;

    if (!list)
        return;
    n = gather(r->stats, list, compare_what);
    shown = n < top ? n : top;
    strbuf_putc(out, '\n');
    bold(out, style,
         "Exit                 What                              Samples  Smp% "
         "Time%   Avg");
    for (size_t i = 0; i < shown; i++)
        detail_row(out, &list[i], "", 20, 27, &t);
    and_more(out, n, shown);
    n = gather(r->stats, list, compare_rip);
    shown = n < top ? n : top;
    rip_rows(out, list, shown, &t, style);
    and_more(out, n, shown);
    if (r->stats->other)
        strbuf_printf(out, "%llu exits found no room in these tables.\n",
                      (unsigned long long)r->stats->other);
    free(list);
}

/* What made no exit, and is in no table above. */
static void counters(struct strbuf *out, const char *title,
                     const struct exit_counter *c, unsigned count,
                     const struct exit_style *style)
{
    char n[32];

    if (!count)
        return;
    strbuf_putc(out, '\n');
    bold(out, style, title);
    for (unsigned i = 0; i < count; i++) {
        exit_format_count(n, c[i].value, 15);
        strbuf_printf(out, "%-26.26s %11s%s", c[i].name, n,
                      i % 2 || i + 1 == count ? "\n" : "  ");
    }
}

void exit_report_text(struct strbuf *out, const struct exit_report *r,
                      unsigned top, const struct exit_style *style)
{
    title(out, r, style);
    if (totals_of(r->stats).count) {
        kinds(out, r, style);
        classes(out, r, style);
        if (top)
            details(out, r, top, style);
    }
    counters(out, "Sensitive instructions done in translated code: no exit",
             r->inlined, r->inlines, style);
    counters(out, "Handled inside the host's kernel by KVM (its counters)",
             r->kernel, r->kernels, style);
}
