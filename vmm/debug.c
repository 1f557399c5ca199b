/* Run control.  See debug.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/debug_impl.h"
#include "vmm/x86/insn.h"
#include "vmm/x86/text.h"

/* ---- one leg: arm, run, look -------------------------------------------- */

/* What a leg ended in. */
enum leg {
    LEG_DONE,    /* the step or count is complete, or the goal is reached */
    LEG_STOPPED, /* d->stop is filled in */
    LEG_MISSED,  /* a breakpoint whose condition or filter was false */
    LEG_AGAIN,   /* something else that is not to stop */
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

static void stop_at_check(struct debug *d, const struct x86_state *st)
{
    fill_stop(d, DEBUG_REASON_CHECK, st);
    d->stop.check = d->checks.which;
    snprintf(d->stop.text, sizeof(d->stop.text), "check %s: %s",
             debug_check_name(d->checks.which), d->checks.text);
}

/* "mode real to prot16 (PE) at 0x7c20" */
static void say_mode(struct debug *d, const struct x86_state *st)
{
    static const char *const names[] = {"PE",       "PG",   "EFLAGS.VM",
                                        "EFER.LMA", "CS.L", "CS.D"};
    struct debug_stop *s = &d->stop;
    uint32_t now = x86_mode_bits(st);
    char which[64] = "";
    size_t n = 0;

    s->from = d->mode;
    s->to = x86_mode(st);
    s->changed = now ^ d->mode_bits;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (s->changed & BIT(i))
            n += (size_t)snprintf(which + n, sizeof(which) - n, "%s%s=%u",
                                  n ? ", " : "", names[i], now >> i & 1);
    if (s->changed & X86_MODE_CPL)
        snprintf(which + n, sizeof(which) - n, "%sCPL %u", n ? ", " : "",
                 x86_cpl(st));
    snprintf(s->text, sizeof(s->text), "mode change %d: %s to %s (%s) at %#llx",
             s->point, x86_mode_name(s->from), x86_mode_name(s->to), which,
             (unsigned long long)s->linear_rip);
}

/*
 * "catchpoint 1: #PF by 0x400005, address 0: read by user", which fits a line
 */
static void say_exception(struct debug_stop *s)
{
    const struct vm_exit *e = &s->exit;
    bool page_fault = e->u.exception.vector == X86_PF;
    char name[24], error[80];
    size_t n;

    x86_vector_text(name, sizeof(name), e->u.exception.vector);
    x86_pferr_text(error, sizeof(error), e->u.exception.error);
    n = (size_t)snprintf(s->text, sizeof(s->text), "%s %d: %s by %#llx",
                         debug_reason_name(s->reason), s->point, name,
                         (unsigned long long)e->rip);
    if (page_fault)
        snprintf(s->text + n, sizeof(s->text) - n, ", address %#llx: %.*s",
                 (unsigned long long)e->u.exception.cr2,
                 (int)strcspn(error, ":"), error);
    else if (e->u.exception.has_error)
        snprintf(s->text + n, sizeof(s->text) - n, ", error %#x",
                 e->u.exception.error);
}

/* What happened at a stop point, for people; and what ends the guest next. */
static void say_point(struct debug *d, const struct x86_state *st)
{
    struct debug_stop *s = &d->stop;
    const char *next = vm_delayed_end(d->vm);
    size_t n;

    if (s->reason == DEBUG_REASON_MODE)
        say_mode(d, st);
    else if (s->reason == DEBUG_REASON_CATCH &&
             s->exit.kind == VM_EXIT_EXCEPTION)
        say_exception(s);
    else if (s->reason == DEBUG_REASON_CATCH)
        snprintf(s->text, sizeof(s->text), "%s %d: %s, by %#llx",
                 debug_reason_name(s->reason), s->point, d->catch_text,
                 (unsigned long long)s->exit.rip);
    else
        snprintf(s->text, sizeof(s->text), "%s %d at %#llx",
                 debug_reason_name(s->reason), s->point,
                 (unsigned long long)s->linear_rip);
    n = strlen(s->text);
    if (next)
        snprintf(s->text + n, sizeof(s->text) - n, "; next: %s", next);
}

static void stop_at_point(struct debug *d, int id, const struct x86_state *st)
{
    static const enum debug_reason reasons[] = {
        [DEBUG_POINT_LINEAR] = DEBUG_REASON_BREAKPOINT,
        [DEBUG_POINT_PHYS] = DEBUG_REASON_BREAKPOINT,
        [DEBUG_POINT_SEGOFF] = DEBUG_REASON_BREAKPOINT,
        [DEBUG_POINT_WATCH] = DEBUG_REASON_WATCHPOINT,
        [DEBUG_POINT_CATCH] = DEBUG_REASON_CATCH,
        [DEBUG_POINT_MODE] = DEBUG_REASON_MODE,
    };
    struct debug_point *p = debug_find(d, id);
    struct debug_stop *s = &d->stop;

    if (p->owner == &d->checks) {
        stop_at_check(d, st);
        return;
    }
    fill_stop(d, reasons[p->kind], st);
    s->point = id;
    s->point_kind = p->kind;
    s->len = p->len;
    s->both = p->read && p->write;
    s->exit = d->catch_exit;
    if (p->kind == DEBUG_POINT_WATCH) {
        s->gla = d->touch.first;
        s->write = d->touch.write;
    }
    say_point(d, st);
    if (p->temporary)
        debug_remove(d, id);
}

static bool touch_stops(struct debug *d, const struct debug_touch *t,
                        const struct x86_state *st)
{
    for (size_t i = 0; i < d->points; i++) {
        struct debug_point *p = &d->point[i];

        if (!debug_point_touched(p, t) || !debug_point_hits(d, p, st))
            continue;
        d->touch = *t;
        d->touch.first = t->gla > p->addr ? t->gla : p->addr;
        stop_at_point(d, p->id, st);
        return true;
    }
    return false;
}

/* KVM names one of the bytes its register watches, and guesses the rest. */
static bool watch_stops(struct debug *d, const struct vm_exit *e,
                        const struct x86_state *st)
{
    const struct debug_touch named[] = {
        {.gla = e->u.debug.gla, .len = 1, .write = e->u.debug.write},
        {.gla = e->u.debug.gla, .len = 1, .write = !e->u.debug.write},
    };

    for (unsigned i = 0; i < e->u.debug.touches; i++)
        if (touch_stops(d, &e->u.debug.touch[i], st))
            return true;
    for (unsigned i = 0; !e->u.debug.touches && i < ARRAY_SIZE(named); i++)
        if (touch_stops(d, &named[i], st))
            return true;
    return false;
}

/* Is there a breakpoint, as last armed, where ST stands? */
static bool breakpoint_stops(struct debug *d, const struct x86_state *st)
{
    for (size_t i = 0; i < d->bps; i++)
        if (d->armed[i].id != GOAL_ID && debug_bp_is_at(d, &d->bp[i], st) &&
            debug_bp_check(d, i, st)) {
            stop_at_point(d, d->armed[i].id, st);
            return true;
        }
    return false;
}

/* The points under a hit the accelerator reported without asking. */
static enum leg look_at_hit(struct debug *d, const struct vm_exit *e,
                            const struct x86_state *st)
{
    uint64_t at = x86_linear_rip(st);

    if ((e->u.debug.hits & DEBUG_HIT_WATCH) && watch_stops(d, e, st))
        return LEG_STOPPED;
    if (e->u.debug.hits & DEBUG_HIT_BREAKPOINT) {
        if (d->goal_set && at == d->goal && debug_goal_hits(d, st))
            return LEG_DONE;
        if (breakpoint_stops(d, st))
            return LEG_STOPPED;
    }
    if (e->u.debug.hits & (DEBUG_HIT_STEP | DEBUG_HIT_COUNT))
        return LEG_DONE;
    return e->u.debug.hits & DEBUG_HIT_BREAKPOINT ? LEG_MISSED : LEG_AGAIN;
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
    if (d->checks.found) {
        stop_at_check(d, &st);
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

static void note_mode(struct debug *d)
{
    struct x86_state st;

    vm_get_state(d->vm, &st);
    d->mode_bits = x86_mode_bits(&st);
    d->mode = x86_mode(&st);
}

/* Is there a point for the way the mode has changed in this leg? */
static bool mode_stops(struct debug *d)
{
    struct x86_state st;
    uint32_t changed;

    vm_get_state(d->vm, &st);
    changed = x86_mode_bits(&st) ^ d->mode_bits;
    for (size_t i = 0; changed && i < d->points; i++) {
        struct debug_point *p = &d->point[i];

        if (p->kind == DEBUG_POINT_MODE && (changed & p->addr) &&
            debug_point_hits(d, p, &st)) {
            stop_at_point(d, p->id, &st);
            return true;
        }
    }
    return false;
}

static enum leg run_leg(struct debug *d, struct debug_ctl *ctl, bool points,
                        int *err)
{
    enum leg leg = LEG_DONE;

    if (points)
        debug_arm_points(d, ctl);
    d->ctl = *ctl;
    d->hit_id = 0;
    d->triple_fault = false;
    d->checks.found = false;
    d->catch_exit = (struct vm_exit){0};
    if (ctl->stop_mode)
        note_mode(d);
    *err = vm_set_debug(d->vm, ctl);
    if (*err)
        return LEG_STOPPED;
    vm_forget_stop(d->vm); /* before the test: an interrupt is never lost */
    if (!atomic_load(&d->interrupted)) {
        d->running = true;
        *err = vm_run(d->vm);
        d->running = false;
        leg = *err ? LEG_STOPPED : look(d);
    }
    if (leg != LEG_STOPPED && ctl->stop_mode && mode_stops(d))
        leg = LEG_STOPPED;
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

    debug_arm_points(d, &ctl); /* for the watchpoints */
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

/* ---- the kinds of run --------------------------------------------------- */

static enum leg until_leg(struct debug *d, uint64_t addr, uint64_t min_sp,
                          int *err)
{
    enum leg leg;

    d->goal_set = true;
    d->goal = addr;
    d->goal_min_sp = min_sp;
    leg = free_leg(d, UINT64_MAX, err);
    d->goal_set = false;
    return leg;
}

static bool is_waiting(const struct x86_state *st)
{
    return st->activity == X86_HALTED && (st->rflags & X86_EFLAGS_IF);
}

/* A halted processor: into the handler of the interrupt that wakes it. */
static enum leg wake_leg(struct debug *d, int *err)
{
    struct x86_state st;
    enum leg leg;

    do {
        leg = step_leg(d, true, err);
        vm_get_state(d->vm, &st);
    } while (leg != LEG_STOPPED && is_waiting(&st));
    return leg;
}

/* One instruction, not that of an interrupt's handler unless it may be. */
static enum leg insn_leg(struct debug *d, bool into_interrupts, int *err)
{
    struct x86_state before;
    enum leg leg;

    vm_get_state(d->vm, &before);
    if (is_waiting(&before)) {
        leg = wake_leg(d, err);
        if (leg != LEG_STOPPED && !into_interrupts)
            leg = until_leg(d, x86_linear_rip(&before),
                            debug_stack_linear(&before), err);
        if (leg == LEG_STOPPED || into_interrupts)
            return leg;
    }
    return step_leg(d, into_interrupts, err);
}

/* Amid several steps, none of which looks at breakpoints. */
static bool breakpoint_here(struct debug *d, const struct x86_state *st)
{
    struct debug_ctl ctl = {0};

    debug_arm_points(d, &ctl);
    return breakpoint_stops(d, st);
}

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

    if (!insn_here(d, &st, &insn) || !is_call_like(insn.kind))
        return insn_leg(d, into_interrupts, err);
    return until_leg(d, x86_linear_rip(&st) + insn.len, debug_stack_linear(&st),
                     err);
}

static enum leg finish_leg(struct debug *d, int *err)
{
    struct x86_state st;
    struct x86_insn insn;
    uint64_t frame;
    enum leg leg = LEG_DONE;

    vm_get_state(d->vm, &st);
    frame = debug_stack_linear(&st);
    while (leg != LEG_STOPPED) {
        bool ret = insn_here(d, &st, &insn) &&
                   (insn.kind == X86_INSN_RET || insn.kind == X86_INSN_IRET);

        leg = over_leg(d, false, err);
        vm_get_state(d->vm, &st);
        if (ret && leg == LEG_DONE && debug_stack_linear(&st) > frame)
            return leg;
        if (leg != LEG_STOPPED && breakpoint_here(d, &st))
            leg = LEG_STOPPED;
    }
    return leg;
}

static enum leg range_leg(struct debug *d, const struct debug_run *how,
                          int *err)
{
    struct x86_state st;
    enum leg leg;

    do {
        leg = insn_leg(d, how->into_interrupts, err);
        vm_get_state(d->vm, &st);
        if (x86_linear_rip(&st) - how->addr >= how->end - how->addr)
            return leg;
        if (leg != LEG_STOPPED && breakpoint_here(d, &st))
            leg = LEG_STOPPED;
    } while (leg != LEG_STOPPED);
    return leg;
}

static enum leg steps_leg(struct debug *d, const struct debug_run *how,
                          int *err)
{
    uint64_t count = how->count ? how->count : 1;
    struct x86_state st;
    enum leg leg;

    if (count > 1 && vm_vcpu(d->vm)->ops == &accel_bt)
        return free_leg(d, vm_vcpu(d->vm)->icount + count, err);
    for (;;) {
        leg = insn_leg(d, how->into_interrupts, err);
        if (leg == LEG_STOPPED || --count == 0)
            return leg;
        vm_get_state(d->vm, &st);
        if (breakpoint_here(d, &st))
            return LEG_STOPPED;
    }
}

/* A breakpoint where it stopped has been seen; not one to where somebody has
 * set RIP since. */
static enum leg continue_leg(struct debug *d, int *err)
{
    struct x86_state st;

    vm_get_state(d->vm, &st);
    if (d->stop.reason != DEBUG_REASON_NONE &&
        d->stop.linear_rip != x86_linear_rip(&st) && breakpoint_here(d, &st))
        return LEG_STOPPED;
    return free_leg(d, UINT64_MAX, err);
}

/* It has come where HOW wanted it. */
static void stop_at_goal(struct debug *d, const struct debug_run *how)
{
    const char *done = how->kind == DEBUG_RUN_FINISH ? "returned to"
                       : how->kind == DEBUG_RUN_TO   ? "reached"
                                                     : NULL;
    struct x86_state st;

    vm_get_state(d->vm, &st);
    fill_stop(d, DEBUG_REASON_STEP, &st);
    if (done)
        snprintf(d->stop.text, sizeof(d->stop.text), "%s %#llx", done,
                 (unsigned long long)d->stop.linear_rip);
}

int debug_run(struct debug *d, const struct debug_run *how,
              struct debug_stop *stop)
{
    enum leg leg = LEG_DONE;
    int err = 0;

    exit_lap_begin(&d->lap, vm_exit_stats(d->vm), vm_stats_now_ns(d->vm));
    switch (how->kind) {
    case DEBUG_RUN_CONTINUE:
        leg = continue_leg(d, &err);
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
        leg = until_leg(d, how->addr, 0, &err);
        break;
    case DEBUG_RUN_RANGE:
        leg = range_leg(d, how, &err);
        break;
    }
    exit_lap_end(&d->lap, vm_stats_now_ns(d->vm));
    atomic_store(&d->interrupted, false);
    if (!err && leg != LEG_STOPPED)
        stop_at_goal(d, how);
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
    debug_arm_points(d, &ctl);
    if (!breakpoints)
        ctl.bps = d->bps = 0;
    d->ctl = ctl;
    vm_set_debug(d->vm, &ctl);
}

/* ---- the rest ----------------------------------------------------------- */

const struct exit_lap *debug_lap(const struct debug *d)
{
    return &d->lap;
}

void debug_look_at_lap(struct debug *d)
{
    exit_lap_look(&d->lap, vm_exit_stats(d->vm), vm_stats_now_ns(d->vm));
}

const struct debug_stop *debug_last_stop(const struct debug *d)
{
    return &d->stop;
}

bool debug_is_running(const struct debug *d)
{
    return d->running;
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

void debug_forget_interrupt(struct debug *d)
{
    atomic_store(&d->interrupted, false);
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
        [DEBUG_REASON_MODE] = "mode change",
        [DEBUG_REASON_TRIPLE_FAULT] = "triple fault",
        [DEBUG_REASON_CHECK] = "check",
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
    debug_checks_init(d);
    d->observer = (struct vm_observer){.on_exit = debug_see_exit, .opaque = d};
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
    free(d->armed);
    free(d);
}
