/*
 * Runtime checks: rows that look at every exit while they are on.  One that
 * finds something stops the guest with DEBUG_REASON_CHECK and a sentence.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/accel/bt/bt.h"
#include "vmm/debug_impl.h"

/* Further than this it is another stack, and no overflow of this one. */
#define NEAR_STACK 0x10000u

typedef bool check_fn(struct debug *d, const struct vm_exit *e);

static check_fn check_code, check_stack, check_hlt;

static const struct {
    const char *name, *summary, *kvm;
    bool on; /* from the start */
} rows[] = {
#define CHECK(id, name, on, summary, kvm)                                      \
    [DEBUG_CHECK_##id] = {name, summary, kvm, on},
#include "vmm/debug_check.def"
#undef CHECK
};

/* TRIPLE has none: debug_see_exit() looks for it. */
static check_fn *const functions[DEBUG_CHECK_COUNT] = {
    [DEBUG_CHECK_CODE] = check_code,
    [DEBUG_CHECK_STACK] = check_stack,
    [DEBUG_CHECK_HLT] = check_hlt,
};

/* ---- the checks --------------------------------------------------------- */

/* Does a block hold one of the bytes that a write at GLA may touch? */
static bool has_run(struct debug *d, uint64_t gla)
{
    static const unsigned reach = 4;
    struct bt_block_view block;

    for (unsigned i = 0; i < reach; i++)
        if (bt_block_at(vm_vcpu(d->vm), (uint32_t)(gla + i), &block))
            return true;
    return false;
}

static bool check_code(struct debug *d, const struct vm_exit *e)
{
    if (e->kind != VM_EXIT_CODE_WRITE || !has_run(d, e->u.page.gla))
        return false;
    snprintf(d->checks.text, sizeof(d->checks.text),
             "the instruction at %#llx writes to %#llx: code that has run",
             (unsigned long long)e->rip, (unsigned long long)e->u.page.gla);
    return true;
}

/* How far ST's stack pointer is outside, if it is the same stack's. */
static bool stack_left(struct debug *d, const struct x86_state *st)
{
    uint64_t sp = debug_stack_linear(st), low = d->checks.low;
    uint64_t high = d->checks.high;
    bool below = sp < low && low - sp <= NEAR_STACK;

    if (x86_cpl(st) != d->checks.cpl ||
        (!below && !(sp > high && sp - high <= NEAR_STACK)))
        return false;
    snprintf(d->checks.text, sizeof(d->checks.text),
             "the stack pointer %#llx is %s its range %#llx to %#llx",
             (unsigned long long)sp, below ? "below" : "above",
             (unsigned long long)low, (unsigned long long)high);
    return true;
}

static bool check_stack(struct debug *d, const struct vm_exit *e)
{
    struct x86_state st;

    (void)e;
    return vm_get_state(d->vm, &st) == 0 && stack_left(d, &st);
}

static bool check_hlt(struct debug *d, const struct vm_exit *e)
{
    if (e->kind != VM_EXIT_HLT || e->u.hlt.if_set)
        return false;
    snprintf(d->checks.text, sizeof(d->checks.text),
             "HLT at %#llx with IF=0: no interrupt will wake the guest",
             (unsigned long long)e->rip);
    return true;
}

bool debug_checks_see(struct debug *d, const struct vm_exit *e)
{
    for (unsigned c = 0; c < DEBUG_CHECK_COUNT; c++)
        if (d->checks.on[c] && functions[c] && functions[c](d, e)) {
            d->checks.found = true;
            d->checks.which = (enum debug_check)c;
            return true;
        }
    return false;
}

/* ---- switching them ----------------------------------------------------- */

/* Of the write just below the range: is it a push? */
static bool is_overflow(void *opaque, struct debug *d,
                        const struct x86_state *st)
{
    (void)opaque;
    if (!stack_left(d, st))
        return false;
    d->checks.found = true;
    d->checks.which = DEBUG_CHECK_STACK;
    return true;
}

/* The range, and a guard below it: bt sees the first push outside. */
static int watch_stack(struct debug *d, uint64_t low, uint64_t high, char *note,
                       size_t len)
{
    struct debug_point guard;
    struct x86_state st;
    int err = vm_get_state(d->vm, &st);

    if (err)
        return err;
    if (low >= high) { /* the page that holds what was pushed last */
        low = (debug_stack_linear(&st) - 1) & ~0xfffull;
        high = low + 0x1000;
    }
    d->checks.low = low;
    d->checks.high = high;
    d->checks.cpl = x86_cpl(&st);
    snprintf(note, len, "%#llx to %#llx at CPL %u", (unsigned long long)low,
             (unsigned long long)high, d->checks.cpl);
    if (vm_vcpu(d->vm)->ops != &accel_bt || low < 0x1000)
        return 0;
    debug_point_init(&guard, DEBUG_POINT_WATCH, low - 0x1000);
    guard.len = 0x1000;
    guard.write = true;
    guard.condition = is_overflow;
    guard.owner = &d->checks;
    snprintf(guard.note, sizeof(guard.note), "check stack");
    err = debug_add(d, &guard, note, len);
    return err < 0 ? err : 0;
}

int debug_check_set(struct debug *d, enum debug_check c, bool on, uint64_t low,
                    uint64_t high, char *note, size_t len)
{
    int err = 0;

    assert(c < DEBUG_CHECK_COUNT);
    note[0] = '\0';
    if (c == DEBUG_CHECK_STACK) {
        debug_remove_owner(d, &d->checks);
        if (on)
            err = watch_stack(d, low, high, note, len);
    }
    if (err)
        return err;
    d->checks.on[c] = on;
    if (on && vm_vcpu(d->vm)->ops == &accel_kvm && rows[c].kvm[0]) {
        size_t at = strlen(note);

        snprintf(note + at, len - at, "%sunder KVM: %s", at ? "; " : "",
                 rows[c].kvm);
    }
    debug_rearm(d);
    return 0;
}

void debug_checks_init(struct debug *d)
{
    for (unsigned c = 0; c < DEBUG_CHECK_COUNT; c++)
        d->checks.on[c] = rows[c].on;
}

bool debug_check_is_on(const struct debug *d, enum debug_check c)
{
    assert(c < DEBUG_CHECK_COUNT);
    return d->checks.on[c];
}

const char *debug_check_name(enum debug_check c)
{
    assert(c < DEBUG_CHECK_COUNT);
    return rows[c].name;
}

const char *debug_check_summary(enum debug_check c)
{
    assert(c < DEBUG_CHECK_COUNT);
    return rows[c].summary;
}
