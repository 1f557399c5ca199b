/* Stop points and run control.  See debug.h. */
#include "vmm/debug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/host/hostio.h"
#include "vmm/x86/insn.h"
#include "vmm/x86/text.h"

struct debug {
    struct vm *vm;
    struct vm_observer observer;
    struct debug_point *point; /* in order of id */
    size_t points;
    int next_id;
    struct debug_stop stop;
    struct exit_lap lap;
    atomic_bool interrupted;
    bool running;

    /* The points as the accelerator has them; which point is bp[i]. */
    struct debug_bp *bp;
    struct debug_wp *wp;
    int *bp_id;
    size_t bps;
    struct debug_ctl ctl; /* of the run at hand */

    /* What happened in the run at hand. */
    int hit_id; /* a point that bp_check or the observer let stop */
    struct vm_exit catch_exit;
    bool triple_fault;
    unsigned causes;
    struct fault_cause cause[3];
    struct x86_state before_fault;
    bool has_before;

    /* Internal breakpoint of OVER, FINISH and TO: reached with sp >= min_sp */
    bool goal_set;
    uint64_t goal, goal_min_sp;
};

#define GOAL_ID (-1) /* stands for the internal breakpoint */

/* ---- points ---------------------------------------------------------------
 */

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

/* ---- hits -----------------------------------------------------------------
 */

static uint64_t stack_linear(const struct x86_state *st)
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
static bool point_hits(struct debug *d, struct debug_point *p,
                       const struct x86_state *st)
{
    if (p->disabled || !filter_passes(&p->filter, st))
        return false;
    if (p->kind == DEBUG_POINT_SEGOFF &&
        p->selector != st->seg[X86_CS].selector)
        return false;
    if (p->condition && !p->condition(p->condition_opaque, d, st))
        return false;
    p->hits++;
    if (p->ignore) {
        p->ignore--;
        return false;
    }
    d->hit_id = p->id;
    return true;
}

static bool goal_hits(struct debug *d, const struct x86_state *st)
{
    if (stack_linear(st) < d->goal_min_sp)
        return false;
    d->hit_id = GOAL_ID;
    return true;
}

/* The accelerator asks this in the middle of a run. */
static bool bp_check(void *opaque, size_t index, const struct x86_state *st)
{
    struct debug *d = opaque;
    struct debug_point *p;

    assert(index < d->bps);
    if (d->bp_id[index] == GOAL_ID)
        return goal_hits(d, st);
    p = debug_find(d, d->bp_id[index]);
    return p && point_hits(d, p, st);
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

static enum run_next see_exit(void *opaque, const struct vm_exit *e,
                              uint64_t ns)
{
    struct debug *d = opaque;
    struct x86_state st;

    (void)ns;
    if (!d->running)
        return RUN_AGAIN;
    if (e->kind == VM_EXIT_TRIPLE_FAULT) {
        note_triple_fault(d, e);
        return RUN_STOP;
    }
    for (size_t i = 0; i < d->points; i++) {
        if (!catch_matches(&d->point[i], e))
            continue;
        if (vm_get_state(d->vm, &st) == 0 && point_hits(d, &d->point[i], &st)) {
            d->catch_exit = *e;
            return RUN_STOP;
        }
    }
    return RUN_AGAIN;
}

/* ---- one leg: arm, run, look ----------------------------------------------
 */

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

static void arm_points(struct debug *d, struct debug_ctl *ctl)
{
    d->bp = reallocarray(d->bp, d->points + 1, sizeof(*d->bp));
    d->wp = reallocarray(d->wp, d->points + 1, sizeof(*d->wp));
    d->bp_id = reallocarray(d->bp_id, d->points + 1, sizeof(*d->bp_id));
    assert(d->bp && d->wp && d->bp_id);
    /* Padding too: accelerators compare with what they had. */
    memset(d->bp, 0, (d->points + 1) * sizeof(*d->bp));
    memset(d->wp, 0, (d->points + 1) * sizeof(*d->wp));
    for (size_t i = 0; i < d->points; i++) {
        const struct debug_point *p = &d->point[i];

        if (p->disabled || p->kind == DEBUG_POINT_CATCH)
            continue;
        if (p->kind == DEBUG_POINT_WATCH) {
            d->wp[ctl->wps++] =
                (struct debug_wp){p->addr, p->len, p->read, p->write};
            continue;
        }
        d->bp_id[ctl->bps] = p->id;
        d->bp[ctl->bps++] =
            (struct debug_bp){exec_address(d, p), p->kind == DEBUG_POINT_PHYS};
    }
    if (d->goal_set) {
        d->bp_id[ctl->bps] = GOAL_ID;
        d->bp[ctl->bps++] = (struct debug_bp){d->goal, false};
    }
    d->bps = ctl->bps;
    ctl->bp = d->bp;
    ctl->wp = d->wp;
    ctl->bp_check = bp_check;
    ctl->bp_opaque = d;
}

/* What a leg ended in. */
enum leg {
    LEG_DONE,    /* the step or count is complete, or the goal is reached */
    LEG_STOPPED, /* d->stop is filled in */
    LEG_MISSED,  /* a breakpoint whose condition or filter was false */
};

static void fill_stop(struct debug *d, enum debug_reason reason,
                      const struct x86_state *st)
{
    struct debug_stop *s = &d->stop;

    *s = (struct debug_stop){
        .reason = reason,
        .rip = st->rip,
        .linear_rip = x86_linear_rip(st),
        .icount = vm_vcpu(d->vm)->icount,
    };
    snprintf(s->text, sizeof(s->text), "%s at %#llx", debug_reason_name(reason),
             (unsigned long long)s->linear_rip);
}

static void stop_at_point(struct debug *d, int id, const struct x86_state *st)
{
    static const enum debug_reason reasons[] = {
        [DEBUG_POINT_LINEAR] = DEBUG_REASON_BREAKPOINT,
        [DEBUG_POINT_PHYS] = DEBUG_REASON_BREAKPOINT,
        [DEBUG_POINT_SEGOFF] = DEBUG_REASON_BREAKPOINT,
        [DEBUG_POINT_WATCH] = DEBUG_REASON_WATCHPOINT,
        [DEBUG_POINT_CATCH] = DEBUG_REASON_CATCH,
    };
    const struct vm_exit *last = vm_last_exit(d->vm);
    struct debug_point *p = debug_find(d, id);
    struct debug_stop *s = &d->stop;

    fill_stop(d, reasons[p->kind], st);
    s->point = id;
    s->point_kind = p->kind;
    s->len = p->len;
    s->both = p->read && p->write;
    s->exit = d->catch_exit;
    if (p->kind == DEBUG_POINT_WATCH) {
        s->gla = last->u.debug.gla;
        s->write = last->u.debug.write;
    }
    snprintf(s->text, sizeof(s->text), "%s %d at %#llx",
             debug_reason_name(s->reason), id,
             (unsigned long long)s->linear_rip);
    if (p->temporary)
        debug_remove(d, id);
}

static bool overlaps(const struct debug_point *p, uint64_t gla)
{
    return p->kind == DEBUG_POINT_WATCH && gla + 16 > p->addr &&
           gla < p->addr + p->len;
}

/* Is BP where ST stands?  Asked before its condition is. */
static bool bp_is_at(const struct debug *d, const struct debug_bp *bp,
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

/* The points under a hit the accelerator reported without asking. */
static enum leg look_at_hit(struct debug *d, const struct vm_exit *e,
                            const struct x86_state *st)
{
    uint64_t at = x86_linear_rip(st);

    if (e->u.debug.hits & DEBUG_HIT_WATCH)
        for (size_t i = 0; i < d->points; i++)
            if (overlaps(&d->point[i], e->u.debug.gla) &&
                point_hits(d, &d->point[i], st)) {
                stop_at_point(d, d->point[i].id, st);
                return LEG_STOPPED;
            }
    if (e->u.debug.hits & DEBUG_HIT_BREAKPOINT) {
        if (d->goal_set && at == d->goal && goal_hits(d, st))
            return LEG_DONE;
        for (size_t i = 0; i < d->bps; i++)
            if (d->bp_id[i] != GOAL_ID && bp_is_at(d, &d->bp[i], st) &&
                bp_check(d, i, st)) {
                stop_at_point(d, d->bp_id[i], st);
                return LEG_STOPPED;
            }
    }
    if (e->u.debug.hits & (DEBUG_HIT_STEP | DEBUG_HIT_COUNT))
        return LEG_DONE;
    return LEG_MISSED;
}

/* The guest is put back to where the first fault was about to happen. */
static void stop_at_triple_fault(struct debug *d, struct x86_state *st)
{
    struct debug_stop *s = &d->stop;

    if (d->has_before && vm_set_state(d->vm, &d->before_fault) == 0)
        *st = d->before_fault;
    fill_stop(d, DEBUG_REASON_TRIPLE_FAULT, st);
    s->causes = d->causes;
    memcpy(s->cause, d->cause, sizeof(s->cause));
    for (unsigned i = 0; i < s->causes; i++) {
        char name[24];
        size_t at = strlen(s->text);

        x86_vector_text(name, sizeof(name), s->cause[i].vector);
        snprintf(s->text + at, sizeof(s->text) - at, "%s %s", i ? "," : ":",
                 name);
    }
}

static enum leg look(struct debug *d)
{
    const struct vm_exit *e = vm_last_exit(d->vm);
    struct x86_state st;

    vm_get_state(d->vm, &st);
    if (vm_stop_reason(d->vm) != VM_STOP_DEBUG) {
        fill_stop(d, DEBUG_REASON_ENDED, &st);
        snprintf(d->stop.text, sizeof(d->stop.text), "%s", vm_stop_text(d->vm));
        return LEG_STOPPED;
    }
    if (d->triple_fault) {
        stop_at_triple_fault(d, &st);
        return LEG_STOPPED;
    }
    if (d->hit_id == GOAL_ID)
        return LEG_DONE;
    if (d->hit_id) {
        stop_at_point(d, d->hit_id, &st);
        return LEG_STOPPED;
    }
    if (e->kind == VM_EXIT_DEBUG && e->u.debug.hits)
        return look_at_hit(d, e, &st);
    if (atomic_load(&d->interrupted)) {
        fill_stop(d, DEBUG_REASON_INTERRUPT, &st);
        return LEG_STOPPED;
    }
    return LEG_DONE; /* HLT ended a step */
}

static enum leg run_leg(struct debug *d, struct debug_ctl *ctl, bool points,
                        int *err)
{
    enum leg leg;

    if (points)
        arm_points(d, ctl);
    d->ctl = *ctl;
    d->hit_id = 0;
    d->triple_fault = false;
    d->catch_exit = (struct vm_exit){0};
    *err = vm_set_debug(d->vm, ctl);
    if (*err)
        return LEG_STOPPED;
    vm_forget_stop(d->vm); /* before the test: an interrupt is never lost */
    if (!atomic_load(&d->interrupted)) {
        d->running = true;
        *err = vm_run(d->vm);
        d->running = false;
    }
    leg = *err ? LEG_STOPPED : look(d);
    if (leg != LEG_STOPPED && atomic_load(&d->interrupted)) {
        struct x86_state st;
        vm_get_state(d->vm, &st);
        fill_stop(d, DEBUG_REASON_INTERRUPT, &st);
        leg = LEG_STOPPED;
    }
    return leg;
}

/* One instruction; execution breakpoints are not looked at: we stand on it. */
static enum leg step_leg(struct debug *d, bool into_interrupts, int *err)
{
    struct debug_ctl ctl = {
        .step = true,
        .step_skip_intr = !into_interrupts,
        .stop_icount = UINT64_MAX,
    };

    arm_points(d, &ctl); /* for the watchpoints */
    ctl.bps = d->bps = 0;
    return run_leg(d, &ctl, false, err);
}

/* Runs with all points armed until something stops or STOP_ICOUNT. */
static enum leg free_leg(struct debug *d, uint64_t stop_icount, int *err)
{
    enum leg leg = step_leg(d, true, err);

    while (leg != LEG_STOPPED) {
        struct debug_ctl ctl = {.stop_icount = stop_icount};

        if (vm_vcpu(d->vm)->icount >= stop_icount)
            return LEG_DONE;
        leg = run_leg(d, &ctl, true, err);
        if (leg == LEG_DONE)
            return leg;
        if (leg == LEG_MISSED) /* KVM: get past the breakpoint */
            leg = step_leg(d, true, err);
    }
    return leg;
}

/* ---- the kinds of run ------------------------------------------------------
 */

static bool insn_here(struct debug *d, struct x86_state *st,
                      struct x86_insn *insn)
{
    uint8_t bytes[15];
    size_t n;

    vm_get_state(d->vm, st);
    n = vm_read_gla(d->vm, x86_linear_rip(st), bytes, sizeof(bytes));
    return x86_insn_decode(insn, bytes, n, x86_code_bits(st), st->rip);
}

static bool is_call_like(enum x86_insn_kind kind)
{
    return kind == X86_INSN_CALL || kind == X86_INSN_INT ||
           kind == X86_INSN_REP;
}

static enum leg over_leg(struct debug *d, bool into_interrupts, int *err)
{
    struct x86_state st;
    struct x86_insn insn;
    enum leg leg;

    if (!insn_here(d, &st, &insn) || !is_call_like(insn.kind))
        return step_leg(d, into_interrupts, err);
    d->goal_set = true;
    d->goal = x86_linear_rip(&st) + insn.len;
    d->goal_min_sp = stack_linear(&st);
    leg = free_leg(d, UINT64_MAX, err);
    d->goal_set = false;
    return leg;
}

static enum leg finish_leg(struct debug *d, int *err)
{
    struct x86_state st;
    struct x86_insn insn;
    uint64_t frame;
    enum leg leg = LEG_DONE;

    vm_get_state(d->vm, &st);
    frame = stack_linear(&st);
    while (leg != LEG_STOPPED) {
        bool ret = insn_here(d, &st, &insn) &&
                   (insn.kind == X86_INSN_RET || insn.kind == X86_INSN_IRET);

        leg = over_leg(d, false, err);
        vm_get_state(d->vm, &st);
        if (ret && leg == LEG_DONE && stack_linear(&st) > frame)
            return leg;
    }
    return leg;
}

static enum leg range_leg(struct debug *d, const struct debug_run *how,
                          int *err)
{
    struct x86_state st;
    enum leg leg;

    do {
        leg = step_leg(d, how->into_interrupts, err);
        vm_get_state(d->vm, &st);
    } while (leg != LEG_STOPPED &&
             x86_linear_rip(&st) - how->addr < how->end - how->addr);
    return leg;
}

static enum leg steps_leg(struct debug *d, const struct debug_run *how,
                          int *err)
{
    uint64_t count = how->count ? how->count : 1;
    enum leg leg;

    if (count > 1 && vm_vcpu(d->vm)->ops == &accel_bt)
        return free_leg(d, vm_vcpu(d->vm)->icount + count, err);
    do
        leg = step_leg(d, how->into_interrupts, err);
    while (leg != LEG_STOPPED && --count > 0);
    return leg;
}

static enum leg to_leg(struct debug *d, const struct debug_run *how, int *err)
{
    enum leg leg;

    d->goal_set = true;
    d->goal = how->addr;
    d->goal_min_sp = 0;
    leg = free_leg(d, UINT64_MAX, err);
    d->goal_set = false;
    return leg;
}

int debug_run(struct debug *d, const struct debug_run *how,
              struct debug_stop *stop)
{
    struct x86_state st;
    enum leg leg = LEG_DONE;
    int err = 0;

    exit_lap_begin(&d->lap, vm_exit_stats(d->vm), host_now_ns());
    switch (how->kind) {
    case DEBUG_RUN_CONTINUE:
        leg = free_leg(d, UINT64_MAX, &err);
        break;
    case DEBUG_RUN_STEP:
        leg = steps_leg(d, how, &err);
        break;
    case DEBUG_RUN_OVER:
        leg = over_leg(d, how->into_interrupts, &err);
        break;
    case DEBUG_RUN_FINISH:
        leg = finish_leg(d, &err);
        break;
    case DEBUG_RUN_TO:
        leg = to_leg(d, how, &err);
        break;
    case DEBUG_RUN_RANGE:
        leg = range_leg(d, how, &err);
        break;
    }
    exit_lap_end(&d->lap, host_now_ns());
    atomic_store(&d->interrupted, false);
    if (!err && leg != LEG_STOPPED) {
        vm_get_state(d->vm, &st);
        fill_stop(d, DEBUG_REASON_STEP, &st);
    }
    *stop = d->stop;
    return err;
}

void debug_rearm(struct debug *d)
{
    struct debug_ctl ctl = d->ctl;
    bool breakpoints = !ctl.step;

    if (!d->running)
        return;
    ctl.bps = ctl.wps = 0;
    arm_points(d, &ctl);
    if (!breakpoints)
        ctl.bps = d->bps = 0;
    d->ctl = ctl;
    vm_set_debug(d->vm, &ctl);
}

/* ---- the rest --------------------------------------------------------------
 */

const struct exit_lap *debug_lap(const struct debug *d)
{
    return &d->lap;
}

void debug_look_at_lap(struct debug *d)
{
    exit_lap_look(&d->lap, vm_exit_stats(d->vm), host_now_ns());
}

const struct debug_stop *debug_last_stop(const struct debug *d)
{
    return &d->stop;
}

int debug_restart(struct debug *d)
{
    assert(!d->running);
    d->stop = (struct debug_stop){.reason = DEBUG_REASON_NONE};
    return vm_restart(d->vm);
}

void debug_interrupt(struct debug *d)
{
    atomic_store(&d->interrupted, true);
    vm_stop(d->vm, VM_STOP_DEBUG);
}

struct vm *debug_vm(struct debug *d)
{
    return d->vm;
}

const char *debug_reason_name(enum debug_reason reason)
{
    static const char *const names[] = {
        [DEBUG_REASON_NONE] = "not run yet",
        [DEBUG_REASON_INTERRUPT] = "interrupted",
        [DEBUG_REASON_STEP] = "stepped",
        [DEBUG_REASON_BREAKPOINT] = "breakpoint",
        [DEBUG_REASON_WATCHPOINT] = "watchpoint",
        [DEBUG_REASON_CATCH] = "catchpoint",
        [DEBUG_REASON_TRIPLE_FAULT] = "triple fault",
        [DEBUG_REASON_ENDED] = "the machine ended",
    };

    assert(reason < ARRAY_SIZE(names));
    return names[reason];
}

int debug_create(struct debug **out, struct vm *vm)
{
    struct debug *d = calloc(1, sizeof(*d));

    *out = d;
    if (!d)
        return -ENOMEM;
    d->vm = vm;
    d->next_id = 1;
    d->observer = (struct vm_observer){.on_exit = see_exit, .opaque = d};
    vm_add_observer(vm, &d->observer);
    return 0;
}

void debug_destroy(struct debug *d)
{
    if (!d)
        return;
    vm_remove_observer(d->vm, &d->observer);
    free(d->point);
    free(d->bp);
    free(d->wp);
    free(d->bp_id);
    free(d);
}
