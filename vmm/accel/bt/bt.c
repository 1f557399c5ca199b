/*
 * The translator as an accelerator: its life, and the run loop that decides
 * between translated code (native.c) and one emulated instruction (emu).
 * With options.interpret_only everything is emulated.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/accel/bt/bt_int.h"
#include "vmm/accel/emu/sys.h"
#include "vmm/base/log.h"

/* Shorter runs are emulated: entering would cost more. */
#define NATIVE_MIN        8u
#define VMAS_MARGIN       8192
#define VMAS_DEFAULT      65530
#define FXSAVE_MXCSR_MASK 28

/* ---- what emu and the memory tell us ------------------------------------ */

static void on_tlb_flush_page(void *opaque, uint32_t gla)
{
    bt_space_invlpg(opaque, gla);
}

static void on_tlb_flush(void *opaque, bool global)
{
    struct bt *bt = opaque;

    bt->space_stale = true;
    for (unsigned i = 0; global && i < BT_SPACES; i++)
        bt->space[i].check_global = true;
}

static void on_code_written(void *opaque, uint64_t gpa, unsigned len)
{
    struct bt *bt = opaque;

    while (len > 0) {
        bool rom;
        uint32_t frame = bt_frame(bt, gpa, &rom);
        uint32_t offset = (uint32_t)gpa % BT_PAGE;
        unsigned n = len < BT_PAGE - offset ? len : BT_PAGE - offset;
        if (frame != UINT32_MAX && bt_bit(bt->cache.code_pages, frame))
            bt_cache_written(bt, frame, offset, n);
        gpa += n, len -= n;
    }
}

static void on_mem_write(void *opaque, uint64_t gpa, uint64_t len)
{
    const uint64_t most = BIT(30);

    for (; len > 0; gpa += most, len -= len < most ? len : most)
        on_code_written(opaque, gpa, (unsigned)(len < most ? len : most));
}

/*
 * Switches that make the rare common, for tests of a whole guest:
 * RINGSIDE_BT=interpret,check,evict,tiny.  None changes a digest.
 */
static void options_from_environment(struct accel_options *o)
{
    const char *s = getenv("RINGSIDE_BT");

    if (!s)
        return;
    o->interpret_only |= strstr(s, "interpret") != NULL;
    o->check_blocks |= strstr(s, "check") != NULL;
    o->evict_always |= strstr(s, "evict") != NULL;
    if (strstr(s, "tiny"))
        o->cache_bytes = BT_CACHE_MIN;
}

/* ---- life --------------------------------------------------------------- */

static int bt_probe(char *why, size_t len)
{
    if (why && len)
        why[0] = '\0';
    return 0;
}

static long read_vmas_max(void)
{
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    long n = VMAS_DEFAULT;

    if (f) {
        if (fscanf(f, "%ld", &n) != 1)
            n = VMAS_DEFAULT;
        fclose(f);
    }
    return n > 2 * VMAS_MARGIN ? n - VMAS_MARGIN : n / 2;
}

/* The budget's readable range between two pages without rights. */
static int map_budget(struct bt *bt)
{
    uint8_t *p = mmap(NULL, BT_BUDGET_MAX + 2 * BT_PAGE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return -errno;
    if (mprotect(p + BT_PAGE, BT_BUDGET_MAX, PROT_READ) < 0)
        return -errno;
    bt->nothing = p;
    bt->floor = p + BT_PAGE;
    return 0;
}

static void init_cpu(struct bt *bt)
{
    struct bt_cpu *cpu = bt->cpu;

    cpu->fxsave = cpu->st.fxsave;
    cpu->exit_fn = bt_exit;
    cpu->miss_fn = bt_miss;
    cpu->fpu_load_fn = bt_fpu_load;
    cpu->pushf_fn = bt_pushf;
    cpu->popf_fn = bt_popf;
    cpu->ask_fn = bt_ask;
    cpu->x87_dead = cpu->sse_dead = 1;
    cpu->mxcsr = 0x1f80;
    x86_state_reset(&cpu->st);
}

static void bt_fini(struct vcpu *vcpu)
{
    struct bt *bt = vcpu->accel;

    if (!bt)
        return;
    if (vcpu->mem->on_write_opaque == bt)
        vcpu->mem->on_write = NULL;
    bt_spaces_fini(bt);
    bt_cache_fini(bt);
    bt_mode_fini(bt);
    emu_fini(&bt->emu);
    if (bt->nothing)
        munmap(bt->nothing, BT_BUDGET_MAX + 2 * BT_PAGE);
    bt_points_fini(bt);
    free(bt->xlat);
    free(bt->cpu);
    free(bt);
    vcpu->accel = NULL;
}

static int bt_init(struct vcpu *vcpu)
{
    struct emu_hooks hooks = {
        .tlb_flush_page = on_tlb_flush_page,
        .tlb_flush = on_tlb_flush,
        .code_written = on_code_written,
        .translate = bt_tlb_translate,
    };
    struct bt *bt = calloc(1, sizeof(*bt));
    int err;

    if (!bt)
        return -ENOMEM;
    options_from_environment(&vcpu->options);
    vcpu->accel = bt;
    bt->vcpu = vcpu;
    bt->cache.fd = -1;
    bt->debug.stop_icount = UINT64_MAX;
    bt->vmas_max = read_vmas_max();
    hooks.opaque = bt;
    bt->cpu = aligned_alloc(64, (sizeof(*bt->cpu) + 63) & ~63ull);
    err = bt->cpu ? 0 : -ENOMEM;
    if (!err) {
        memset(bt->cpu, 0, sizeof(*bt->cpu));
        init_cpu(bt);
        bt->cpu->owner = bt;
        err = emu_init(&bt->emu, vcpu, bt_st(bt), &hooks);
    }
    /* In the list also while only emulating: it then finds no code of ours. */
    bt->signals =
        (struct host_signal_handler){.fn = bt_native_signal, .opaque = bt};
    if (!err && !vcpu->options.interpret_only) {
        err = host_signal_init();
        if (!err)
            err = map_budget(bt);
        if (!err)
            err = bt_mode_init(bt);
        if (!err)
            err = bt_cache_init(bt);
        if (!err)
            err = bt_translate_init(bt);
        if (!err) {
            bt->emu.code_pages = bt->cache.code_pages;
            vcpu->mem->on_write = on_mem_write;
            vcpu->mem->on_write_opaque = bt;
        }
    }
    if (err)
        bt_fini(vcpu);
    return err;
}

/* ---- the run loop ------------------------------------------------------- */

uint64_t bt_limit(const struct bt *bt)
{
    const struct vcpu *vcpu = bt->vcpu;
    uint64_t now = vcpu->icount + vcpu->idle_ns, left = 0, stop = 0;

    if (vcpu->deadline_ns > now)
        left = vcpu->deadline_ns - now;
    if (bt->debug.stop_icount > vcpu->icount)
        stop = bt->debug.stop_icount - vcpu->icount;
    return left < stop ? left : stop;
}

bool bt_interrupt_due(const struct bt *bt)
{
    const struct vcpu *vcpu = bt->vcpu;
    const struct x86_state *st = &bt->cpu->st;

    if (st->pending.valid || vcpu->nmi || st->nmi_pending)
        return true;
    if (!(st->rflags & X86_EFLAGS_IF) || bt->skip_intr)
        return false;
    return vcpu->intc.pending && vcpu->intc.pending(vcpu->intc.opaque);
}

static void fill_exit(const struct bt *bt, struct vm_exit *why,
                      enum vm_exit_kind kind)
{
    *why = (struct vm_exit){
        .kind = kind,
        .rip = bt->cpu->st.rip,
        .icount = bt->vcpu->icount,
    };
}

static bool debug_exit(struct bt *bt, struct vm_exit *why, unsigned hits)
{
    fill_exit(bt, why, VM_EXIT_DEBUG);
    why->u.debug.hits = hits;
    why->u.debug.gla = x86_linear_rip(bt_st(bt));
    return true;
}

bool bt_mode_stops(const struct bt *bt)
{
    return bt->debug.stop_mode &&
           (x86_mode_bits(&bt->cpu->st) ^ bt->mode_bits) & bt->debug.stop_mode;
}

/* The accesses are forgotten at the next run. */
static void say_touches(struct bt *bt, struct vm_exit *why)
{
    why->u.debug.gla = bt->touch[0].first;
    why->u.debug.write = bt->touch[0].write;
    why->u.debug.touches = bt->touches;
    why->u.debug.touch = bt->touch;
}

/* Must run() return before the next instruction?  Then *WHY says so. */
static bool must_leave(struct bt *bt, struct vm_exit *why)
{
    struct vcpu *vcpu = bt->vcpu;

    if (bt_st(bt)->activity == X86_SHUTDOWN)
        fill_exit(bt, why,
                  vcpu->stop_requested ? VM_EXIT_KICK : VM_EXIT_TRIPLE_FAULT);
    else if (bt->bp_hit)
        debug_exit(bt, why, DEBUG_HIT_BREAKPOINT);
    else if (vcpu->stop_requested || atomic_load(&vcpu->kicked))
        fill_exit(bt, why, VM_EXIT_KICK);
    else if (bt->touches) {
        debug_exit(bt, why, DEBUG_HIT_WATCH);
        say_touches(bt, why);
    } else if (bt_mode_stops(bt))
        debug_exit(bt, why, DEBUG_HIT_MODE);
    else if (vcpu->icount >= bt->debug.stop_icount)
        debug_exit(bt, why, DEBUG_HIT_COUNT);
    else if (vcpu->icount + vcpu->idle_ns >= vcpu->deadline_ns)
        fill_exit(bt, why, VM_EXIT_PREEMPT);
    else
        return bt->debug.bps && bt_breakpoint_hits(bt) &&
               debug_exit(bt, why, DEBUG_HIT_BREAKPOINT);
    bt->bp_hit = false;
    return true;
}

static bool never_pending(void *opaque)
{
    (void)opaque;
    return false;
}

/* One step of emu; a REP is stepped to its end.  True: leave with *WHY. */
static bool emulate(struct bt *bt, struct vm_exit *why)
{
    struct vcpu *vcpu = bt->vcpu;
    struct vcpu_intc intc = vcpu->intc;
    uint64_t rip = bt_st(bt)->rip;
    enum emu_result result;

    if (bt->skip_intr)
        vcpu->intc.pending = never_pending;
    result = emu_step(&bt->emu);
    vcpu->intc = intc;
    bt->stats.emu_steps++;
    if (result == EMU_HALT && bt_st(bt)->activity == X86_HALTED) {
        fill_exit(bt, why, VM_EXIT_HLT);
        why->rip = rip;
        why->u.hlt.if_set = bt_st(bt)->rflags & X86_EFLAGS_IF;
        return true;
    }
    if (result == EMU_UNSUPPORTED) {
        fill_exit(bt, why, VM_EXIT_FAIL);
        why->u.fail.text = "bt cannot execute this instruction";
        return true;
    }
    return false;
}

static bool single_step(struct bt *bt, struct vm_exit *why)
{
    bt->skip_intr = bt->debug.step_skip_intr;
    do {
        bt->emu.restart = false;
        if (emulate(bt, why))
            break;
    } while (bt->emu.restart && !bt->vcpu->stop_requested);
    bt->skip_intr = false;
    if (why->kind != VM_EXIT_HLT && why->kind != VM_EXIT_FAIL) {
        debug_exit(bt, why, DEBUG_HIT_STEP);
        if (bt->touches) {
            why->u.debug.hits |= DEBUG_HIT_WATCH;
            say_touches(bt, why);
        }
    }
    return true;
}

static bool may_run_native(struct bt *bt)
{
    const struct x86_state *st = bt_st(bt);

    return !bt->vcpu->options.interpret_only && !bt->debug.step &&
           !bt->emulate_next && bt->vcpu->icount >= bt->emulate_until &&
           st->activity == X86_ACTIVE && !st->sti_shadow && !st->movss_shadow &&
           bt_mode_translates(bt) && !bt_interrupt_due(bt);
}

static int bt_run(struct vcpu *vcpu, struct vm_exit *why)
{
    struct bt *bt = vcpu->accel;
    uint64_t limit;

    *why = (struct vm_exit){.kind = VM_EXIT_PREEMPT};
    bt->touches = 0;
    if (bt->debug.step && !vcpu->stop_requested) {
        single_step(bt, why);
        return 0;
    }
    bt->gs = NULL; /* another thread, or another machine, may have run */
    if (bt->signals.fn)
        host_signal_add(&bt->signals);
    while (!must_leave(bt, why)) {
        limit = bt_limit(bt);
        if (limit >= NATIVE_MIN && may_run_native(bt)) {
            bt_native_run(bt, limit);
            continue;
        }
        bt->emulate_next = false;
        if (emulate(bt, why))
            break;
    }
    host_signal_remove(&bt->signals);
    return 0;
}

/*
 * Any thread, or a signal handler.  Translated code looks at nothing, but each
 * block reads the budget's range: without it, the next block faults.  A million
 * instructions of REP MOVS would be a long time to wait for the budget's end.
 */
static void bt_kick(struct vcpu *vcpu)
{
    const struct bt *bt = vcpu->accel;

    atomic_store(&vcpu->kicked, true);
    if (bt && bt->floor)
        (void)mprotect(bt->floor, BT_BUDGET_MAX, PROT_NONE);
}

/* ---- state -------------------------------------------------------------- */

static int bt_get_state(struct vcpu *vcpu, struct x86_state *st)
{
    struct bt *bt = vcpu->accel;

    *st = *bt_st(bt);
    st->tsc = sys_tsc(&bt->emu);
    return 0;
}

static bool same_paging(const struct x86_state *a, const struct x86_state *b)
{
    return a->cr0 == b->cr0 && a->cr3 == b->cr3 && a->cr4 == b->cr4 &&
           a->efer == b->efer &&
           memcmp(a->pdpte, b->pdpte, sizeof(a->pdpte)) == 0;
}

static int bt_set_state(struct vcpu *vcpu, const struct x86_state *st)
{
    static const uint32_t mxcsr_mask = 0xffff; /* as FXSAVE has it */
    struct bt *bt = vcpu->accel;

    if (!same_paging(bt_st(bt), st))
        bt_space_drop_all(bt);
    *bt_st(bt) = *st;
    memcpy(bt_st(bt)->fxsave + FXSAVE_MXCSR_MASK, &mxcsr_mask, 4);
    sys_set_tsc(&bt->emu, st->tsc);
    emu_state_changed(&bt->emu);
    bt->bp_asked = bt->emulate_next = false;
    bt->emulate_until = 0;
    return 0;
}

static int bt_slots_changed(struct vcpu *vcpu)
{
    struct bt *bt = vcpu->accel;

    emu_state_changed(&bt->emu);
    bt_space_drop_all(bt);
    if (bt->cache.rx)
        bt_cache_flush(bt);
    return 0;
}

/*
 * A block asks at each of its breakpoints: blocks made without one must go.
 */
static int bt_set_debug(struct vcpu *vcpu, const struct debug_ctl *ctl)
{
    struct bt *bt = vcpu->accel;

    bt->debug = *ctl;
    bt->mode_bits = x86_mode_bits(bt_st(bt));
    bt->emu.hooks.accessed = ctl->wps ? bt_accessed : NULL;
    if (bt_points_armed(bt, ctl))
        return 0;
    if (bt->cache.rx) {
        bt_cache_flush(bt);
        bt_space_hide_all(bt);
    }
    return bt_points_arm(bt, ctl);
}

/* ---- statistics --------------------------------------------------------- */

static bool bt_inlined(struct vcpu *vcpu, size_t n, struct accel_inlined *out)
{
    static const char *const names[] = {
#define BT_INLINE(id, name) name,
#include "vmm/accel/bt/bt_inline.def"
#undef BT_INLINE
    };
    const struct bt *bt = vcpu->accel;

    if (n >= ARRAY_SIZE(names))
        return false;
    *out = (struct accel_inlined){names[n], bt->cpu->inlined[n]};
    return true;
}

static void dump_callouts(const struct bt *bt, struct strbuf *out)
{
    uint64_t seen = UINT64_MAX;

    strbuf_puts(out, "call-outs by instruction:\n");
    for (unsigned row = 0; row < 16; row++) {
        unsigned best = 0;
        uint64_t most = 0;
        for (unsigned i = 0; i < ARRAY_SIZE(bt->stats.callout); i++)
            if (bt->stats.callout[i] > most && bt->stats.callout[i] < seen)
                most = bt->stats.callout[i], best = i;
        if (!most)
            break;
        strbuf_printf(out, "%12llu  %s\n", (unsigned long long)most,
                      ZydisMnemonicGetString((ZydisMnemonic)best));
        seen = most;
    }
}

static void bt_dump(struct vcpu *vcpu, struct strbuf *out)
{
    const struct bt *bt = vcpu->accel;
    const struct bt_stats *s = &bt->stats;

#define BT_STAT(id, text)                                                      \
    strbuf_printf(out, "%12llu  %s\n", (unsigned long long)s->id, text);
#include "vmm/accel/bt/bt_stats.def"
#undef BT_STAT
    strbuf_printf(out, "%12llu  bytes of code cache used, of %llu\n",
                  (unsigned long long)bt->cache.used,
                  (unsigned long long)bt->cache.size);
    dump_callouts(bt, out);
}

const struct accel_ops accel_bt = {
    .name = "bt",
    .summary = "binary translation with ring compression",
    .bits = 32,
    .probe = bt_probe,
    .init = bt_init,
    .fini = bt_fini,
    .run = bt_run,
    .kick = bt_kick,
    .get_state = bt_get_state,
    .set_state = bt_set_state,
    .set_debug = bt_set_debug,
    .slots_changed = bt_slots_changed,
    .inlined = bt_inlined,
    .dump = bt_dump,
};
