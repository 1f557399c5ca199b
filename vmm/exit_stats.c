#include "vmm/exit_stats.h"

#include <stdio.h>
#include <string.h>

#include "vmm/host/hostio.h"

void exit_stats_reset(struct exit_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->start_ns = host_now_ns();
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned log2 = ns ? 63u - (unsigned)__builtin_clzll(ns) : 0;

    return log2 < EXIT_STATS_BUCKETS ? log2 : EXIT_STATS_BUCKETS - 1;
}

static void count_kind(struct exit_count *c, uint64_t ns)
{
    if (c->count == 0 || ns < c->min_ns)
        c->min_ns = ns;
    if (ns > c->max_ns)
        c->max_ns = ns;
    c->count++;
    c->total_ns += ns;
    c->bucket[bucket_of(ns)]++;
}

/* What tells one exit of a kind from another. */
static uint64_t detail_of(const struct vm_exit *e, bool *write)
{
    *write = false;
    switch (e->kind) {
    case VM_EXIT_PIO:
        *write = e->u.pio.out;
        return e->u.pio.port;
    case VM_EXIT_MMIO:
        *write = e->u.mmio.write;
        return e->u.mmio.gpa & ~0xfffull;
    case VM_EXIT_EXCEPTION:
    case VM_EXIT_EXTINT:
    case VM_EXIT_SOFT_INT:
        return e->u.exception.vector;
    case VM_EXIT_CR_ACCESS:
    case VM_EXIT_DR_ACCESS:
    case VM_EXIT_SEG_LOAD:
        *write = e->u.reg.write;
        return e->u.reg.reg;
    case VM_EXIT_WRMSR:
        *write = true;
        return e->u.msr.index;
    case VM_EXIT_RDMSR:
        return e->u.msr.index;
    case VM_EXIT_CPUID:
        return e->u.cpuid.leaf;
    case VM_EXIT_PAGE_FILL:
    case VM_EXIT_INVLPG:
    case VM_EXIT_CODE_WRITE:
    case VM_EXIT_TRANSLATE:
        *write = e->u.page.error & X86_PFERR_W;
        return e->u.page.gpa & ~0xfffull;
    default:
        return 0;
    }
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdull;
    return h ^ h >> 29;
}

static bool same_detail(const struct exit_detail *a,
                        const struct exit_detail *b)
{
    return a->rip == b->rip && a->what == b->what && a->kind == b->kind &&
           a->write == b->write;
}

/* Nearly each of these has a rip of its own; the page says enough. */
static bool rip_tells(enum vm_exit_kind kind)
{
    return kind != VM_EXIT_TRANSLATE && kind != VM_EXIT_PAGE_FILL &&
           kind != VM_EXIT_CODE_WRITE;
}

static void count_detail(struct exit_stats *stats, const struct vm_exit *e,
                         uint64_t ns)
{
    struct exit_detail key = {.rip = rip_tells(e->kind) ? e->rip : 0,
                              .kind = (uint16_t)e->kind};
    uint64_t at;

    key.what = detail_of(e, &key.write);
    at = mix(key.rip ^ mix(key.what + key.kind * 2u + key.write));
    for (unsigned probe = 0; probe < 16; probe++, at++) {
        struct exit_detail *d = &stats->detail[at % EXIT_STATS_DETAILS];

        if (d->count == 0)
            *d = key;
        else if (!same_detail(d, &key))
            continue;
        d->count++;
        d->total_ns += ns;
        if (e->kind == VM_EXIT_PIO)
            d->elements += e->u.pio.count;
        return;
    }
    stats->other++;
}

void exit_stats_add(struct exit_stats *stats, const struct vm_exit *e,
                    uint64_t ns)
{
    count_kind(&stats->kind[e->kind], ns);
    count_detail(stats, e, ns);
}

void exit_detail_text(const struct exit_detail *d, char *buf, size_t len)
{
    static const char *const sregs[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    const char *way = d->write ? "write" : "read";
    unsigned long long what = d->what;

    switch (d->kind) {
    case VM_EXIT_PIO:
        way = d->write ? "out" : "in";
        if (d->elements > d->count) /* on average */
            snprintf(buf, len, "port %#llx %s x%llu", what, way,
                     (unsigned long long)(d->elements / d->count));
        else
            snprintf(buf, len, "port %#llx %s", what, way);
        break;
    case VM_EXIT_MMIO:
        snprintf(buf, len, "page %#llx %s", what, way);
        break;
    case VM_EXIT_EXCEPTION:
    case VM_EXIT_EXTINT:
    case VM_EXIT_SOFT_INT:
        snprintf(buf, len, "vector %llu", what);
        break;
    case VM_EXIT_CR_ACCESS:
        snprintf(buf, len, "CR%llu %s", what, way);
        break;
    case VM_EXIT_DR_ACCESS:
        snprintf(buf, len, "DR%llu %s", what, way);
        break;
    case VM_EXIT_SEG_LOAD:
        snprintf(buf, len, "%s",
                 what < ARRAY_SIZE(sregs) ? sregs[what] : "segment");
        break;
    case VM_EXIT_RDMSR:
    case VM_EXIT_WRMSR:
        snprintf(buf, len, "MSR %#llx", what);
        break;
    case VM_EXIT_CPUID:
        snprintf(buf, len, "leaf %#llx", what);
        break;
    case VM_EXIT_PAGE_FILL:
    case VM_EXIT_INVLPG:
    case VM_EXIT_CODE_WRITE:
    case VM_EXIT_TRANSLATE:
        snprintf(buf, len, "page %#llx %s", what, way);
        break;
    default:
        snprintf(buf, len, "-");
    }
}

static unsigned long long data_value(const void *data, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, data, size < sizeof(value) ? size : sizeof(value));
    return value;
}

void exit_text(const struct vm_exit *e, char *buf, size_t len)
{
    struct exit_detail d = {.kind = (uint16_t)e->kind};
    char what[40];

    d.what = detail_of(e, &d.write);
    exit_detail_text(&d, what, sizeof(what));
    switch (e->kind) {
    case VM_EXIT_PIO:
        if (e->u.pio.count == 1)
            snprintf(buf, len, "%s, %#llx", what,
                     data_value(e->u.pio.data, e->u.pio.size));
        else
            snprintf(buf, len, "%s, %u times", what, e->u.pio.count);
        break;
    case VM_EXIT_MMIO:
        snprintf(buf, len, "memory %#llx %s, %#llx",
                 (unsigned long long)e->u.mmio.gpa,
                 e->u.mmio.write ? "write" : "read",
                 data_value(e->u.mmio.data, e->u.mmio.size));
        break;
    case VM_EXIT_CR_ACCESS:
    case VM_EXIT_DR_ACCESS:
    case VM_EXIT_SEG_LOAD:
        snprintf(buf, len, "%s, %#llx", what,
                 (unsigned long long)e->u.reg.value);
        break;
    case VM_EXIT_RDMSR:
    case VM_EXIT_WRMSR:
        snprintf(buf, len, "%s %s, %#llx%s", what, d.write ? "write" : "read",
                 (unsigned long long)e->u.msr.value,
                 e->u.msr.fault ? ", #GP" : "");
        break;
    case VM_EXIT_HLT:
        snprintf(buf, len, "HLT, IF=%u", e->u.hlt.if_set);
        break;
    default:
        snprintf(buf, len, "%s%s%s", vm_exit_name(e->kind),
                 what[0] != '-' ? ", " : "", what[0] != '-' ? what : "");
    }
}
