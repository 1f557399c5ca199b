/*
 * Stop points: the list, what hits them, and how an accelerator is armed with
 * them.  See debug.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/debug_impl.h"

/* ---- points ------------------------------------------------------------- */

void debug_point_init(struct debug_point *p, enum debug_point_kind kind,
                      uint64_t addr)
{
    *p = (struct debug_point){
        .kind = kind,
        .addr = addr,
        .len = kind == DEBUG_POINT_CATCH ? 0 : 1,
        .filter = {.cpl = -1, .mode = -1},
    };
}

/* Exits that KVM handles inside the processor or the kernel. */
static bool kvm_shows(enum vm_exit_kind kind)
{
    return kind == VM_EXIT_PIO || kind == VM_EXIT_MMIO || kind == VM_EXIT_HLT ||
           kind == VM_EXIT_TRIPLE_FAULT || kind == VM_EXIT_EXTINT ||
           kind == VM_EXIT_RDMSR || kind == VM_EXIT_WRMSR;
}

static int check_point(const struct debug *d, const struct debug_point *p,
                       char *why, size_t len)
{
    bool kvm = vm_vcpu(d->vm)->ops == &accel_kvm;

    if (p->kind == DEBUG_POINT_CATCH && kvm && !kvm_shows(p->exit)) {
        snprintf(why, len, "KVM does not report %s; use --accel bt",
                 vm_exit_name(p->exit));
        return -ENOTSUP;
    }
    if (p->kind == DEBUG_POINT_MODE && kvm) {
        snprintf(why, len,
                 "KVM does not report that the mode changes: the "
                 "processor does it; use --accel bt");
        return -ENOTSUP;
    }
    if (p->kind == DEBUG_POINT_WATCH &&
        (p->len == 0 || !(p->read || p->write))) {
        snprintf(why, len, "a watchpoint needs a length, and read or write");
        return -EINVAL;
    }
    return 0;
}

int debug_add(struct debug *d, const struct debug_point *p, char *why,
              size_t len)
{
    struct debug_point *grown;
    int err = check_point(d, p, why, len);

    if (err)
        return err;
    grown = reallocarray(d->point, d->points + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    d->point = grown;
    d->point[d->points] = *p;
    d->point[d->points].id = d->next_id;
    d->points++;
    return d->next_id++;
}

struct debug_point *debug_find(struct debug *d, int id)
{
    for (size_t i = 0; i < d->points; i++)
        if (d->point[i].id == id)
            return &d->point[i];
    return NULL;
}

struct debug_point *debug_nth(struct debug *d, size_t n)
{
    return n < d->points ? &d->point[n] : NULL;
}

static void remove_at(struct debug *d, size_t i)
{
    d->points--;
    memmove(&d->point[i], &d->point[i + 1],
            (d->points - i) * sizeof(d->point[0]));
}

int debug_remove(struct debug *d, int id)
{
    struct debug_point *p = debug_find(d, id);

    if (!p)
        return -ENOENT;
    remove_at(d, (size_t)(p - d->point));
    return 0;
}

void debug_remove_owner(struct debug *d, const void *owner)
{
    for (size_t i = d->points; i-- > 0;)
        if (d->point[i].owner == owner)
            remove_at(d, i);
}

/* ---- hits --------------------------------------------------------------- */

uint64_t debug_stack_linear(const struct x86_state *st)
{
    uint64_t sp = st->gpr[X86_RSP];

    if (x86_mode(st) == X86_MODE_LONG64)
        return sp;
    if (!(st->seg[X86_SS].attr & X86_SEG_DB))
        sp &= 0xffff;
    return st->seg[X86_SS].base + (sp & 0xffffffffu);
}

static bool filter_passes(const struct debug_filter *f,
                          const struct x86_state *st)
{
    if (f->has_cr3 && f->cr3 != st->cr3)
        return false;
    if (f->cpl >= 0 && (unsigned)f->cpl != x86_cpl(st))
        return false;
    return f->mode < 0 || (enum x86_mode)f->mode == x86_mode(st);
}

/* Counts a hit of P; true if it stops the guest. */
bool debug_point_hits(struct debug *d, struct debug_point *p,
                      const struct x86_state *st)
{
    if (p->disabled || !filter_passes(&p->filter, st))
        return false;
    if (p->kind == DEBUG_POINT_SEGOFF &&
        p->selector != st->seg[X86_CS].selector)
        return false;
    if (p->condition && !p->condition(p->opaque, d, st))
        return false;
    p->hits++;
    if (p->ignore) {
        p->ignore--;
        return false;
    }
    if (p->action) {
        p->action(p->opaque, d, st);
        return false;
    }
    d->hit_id = p->id;
    return true;
}

bool debug_goal_hits(struct debug *d, const struct x86_state *st)
{
    if (debug_stack_linear(st) < d->goal_min_sp)
        return false;
    d->hit_id = GOAL_ID;
    return true;
}

/* Points may have gone since; they never change places otherwise. */
static struct debug_point *armed_point(struct debug *d, const struct armed *a)
{
    if (a->at < d->points && d->point[a->at].id == a->id)
        return &d->point[a->at];
    return debug_find(d, a->id);
}

/* The accelerator asks this in the middle of a run, millions of times. */
bool debug_bp_check(void *opaque, size_t index, const struct x86_state *st)
{
    struct debug *d = opaque;
    struct debug_point *p;

    assert(index < d->bps);
    if (d->armed[index].id == GOAL_ID)
        return debug_goal_hits(d, st);
    p = armed_point(d, &d->armed[index]);
    return p && debug_point_hits(d, p, st);
}

/* The value a CATCH compares, and whether its direction fits. */
static bool catch_matches(const struct debug_point *p, const struct vm_exit *e)
{
    uint64_t value = 0;

    if (p->kind != DEBUG_POINT_CATCH || p->exit != e->kind)
        return false;
    switch (e->kind) {
    case VM_EXIT_PIO:
        if ((p->read || p->write) && !(e->u.pio.out ? p->write : p->read))
            return false;
        value = e->u.pio.port;
        break;
    case VM_EXIT_MMIO:
        if ((p->read || p->write) && !(e->u.mmio.write ? p->write : p->read))
            return false;
        value = e->u.mmio.gpa;
        break;
    case VM_EXIT_RDMSR:
    case VM_EXIT_WRMSR:
        value = e->u.msr.index;
        break;
    case VM_EXIT_EXCEPTION:
    case VM_EXIT_EXTINT:
    case VM_EXIT_SOFT_INT:
        value = e->u.exception.vector;
        break;
    case VM_EXIT_CR_ACCESS:
    case VM_EXIT_DR_ACCESS:
    case VM_EXIT_SEG_LOAD:
        if ((p->read || p->write) && !(e->u.reg.write ? p->write : p->read))
            return false;
        value = e->u.reg.reg;
        break;
    default:
        break;
    }
    return p->len == 0 || value - p->addr < p->len;
}

static void note_triple_fault(struct debug *d, const struct vm_exit *e)
{
    d->triple_fault = true;
    d->causes = e->u.triple.causes;
    assert(d->causes <= ARRAY_SIZE(d->cause));
    for (unsigned i = 0; i < d->causes; i++)
        d->cause[i] = e->u.triple.cause[i];
    d->has_before = e->u.triple.before;
    if (d->has_before)
        d->before_fault = *e->u.triple.before;
    vm_cancel_reset(d->vm);
}

enum run_next debug_see_exit(void *opaque, const struct vm_exit *e, uint64_t ns)
{
    struct debug *d = opaque;
    struct x86_state st;

    (void)ns;
    if (!d->running)
        return RUN_AGAIN;
    if (debug_checks_see(d, e))
        return RUN_STOP;
    if (e->kind == VM_EXIT_TRIPLE_FAULT) {
        if (!d->checks.on[DEBUG_CHECK_TRIPLE])
            return RUN_AGAIN;
        note_triple_fault(d, e);
        vm_delay_end(d->vm, false);
        return RUN_STOP;
    }
    for (size_t i = 0; i < d->points; i++) {
        if (!catch_matches(&d->point[i], e))
            continue;
        if (vm_get_state(d->vm, &st) == 0 &&
            debug_point_hits(d, &d->point[i], &st)) {
            d->catch_exit = *e;
            exit_text(e, d->catch_text, sizeof(d->catch_text));
            vm_delay_end(d->vm, true);
            return RUN_STOP;
        }
    }
    return RUN_AGAIN;
}

/* ---- as the accelerator has them ---------------------------------------- */

static uint64_t exec_address(const struct debug *d, const struct debug_point *p)
{
    struct x86_state st;

    if (p->kind != DEBUG_POINT_SEGOFF)
        return p->addr;
    /* Real and V86 mode: by arithmetic.  Else by the segment's base now. */
    if (vm_get_state(d->vm, &st) < 0 || x86_mode(&st) <= X86_MODE_V86)
        return ((uint64_t)p->selector << 4) + p->addr;
    if (st.seg[X86_CS].selector == p->selector)
        return st.seg[X86_CS].base + p->addr;
    return p->addr; /* a flat segment is what protected code has */
}

void debug_arm_points(struct debug *d, struct debug_ctl *ctl)
{
    d->bp = reallocarray(d->bp, d->points + 1, sizeof(*d->bp));
    d->wp = reallocarray(d->wp, d->points + 1, sizeof(*d->wp));
    d->armed = reallocarray(d->armed, d->points + 1, sizeof(*d->armed));
    assert(d->bp && d->wp && d->armed);
    /* Padding too: accelerators compare with what they had. */
    memset(d->bp, 0, (d->points + 1) * sizeof(*d->bp));
    memset(d->wp, 0, (d->points + 1) * sizeof(*d->wp));
    for (size_t i = 0; i < d->points; i++) {
        const struct debug_point *p = &d->point[i];

        if (p->disabled || p->kind == DEBUG_POINT_CATCH)
            continue;
        if (p->kind == DEBUG_POINT_MODE) {
            ctl->stop_mode |= (uint32_t)p->addr;
            continue;
        }
        if (p->kind == DEBUG_POINT_WATCH) {
            d->wp[ctl->wps++] =
                (struct debug_wp){p->addr, p->len, p->read, p->write};
            continue;
        }
        d->armed[ctl->bps] = (struct armed){p->id, i};
        d->bp[ctl->bps++] =
            (struct debug_bp){exec_address(d, p), p->kind == DEBUG_POINT_PHYS};
    }
    if (d->goal_set) {
        d->armed[ctl->bps] = (struct armed){GOAL_ID, 0};
        d->bp[ctl->bps++] = (struct debug_bp){d->goal, false};
    }
    d->bps = ctl->bps;
    ctl->bp = d->bp;
    ctl->wp = d->wp;
    ctl->bp_check = debug_bp_check;
    ctl->bp_opaque = d;
}

/* Is BP where ST stands?  Asked before its condition is. */
bool debug_bp_is_at(const struct debug *d, const struct debug_bp *bp,
                    const struct x86_state *st)
{
    struct x86_phys phys = mem_phys(vm_vcpu(d->vm)->mem);
    struct x86_paging paging;
    struct x86_walk walk;

    if (!bp->phys)
        return bp->addr == x86_linear_rip(st);
    x86_paging_init(&paging, st);
    x86_walk(&walk, &paging, &phys, x86_linear_rip(st),
             (struct x86_access){.no_check = true});
    return walk.result == X86_WALK_OK && walk.gpa == bp->addr;
}

bool debug_point_touched(const struct debug_point *p,
                         const struct debug_touch *t)
{
    return p->kind == DEBUG_POINT_WATCH && (t->write ? p->write : p->read) &&
           t->gla < p->addr + p->len && p->addr < t->gla + t->len;
}
