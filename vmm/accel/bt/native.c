/*
 * Entering translated code, and what is to be done at each way out of it.
 *
 * Between two entries the state is whole: registers, flags and the
 * instruction count are the guest's at CS:RIP.
 */
#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "vmm/accel/bt/bt_int.h"
#include "vmm/accel/emu/sys.h"
#include "vmm/base/log.h"

#define HWCAP2_FSGSBASE_BIT BIT(1)
#define ARCH_SET_GS_CODE    0x1001
#define PF_WRITE            2 /* of the host's page-fault error code */
#define FLAGS_NATIVE        (X86_EFLAGS_ARITH | X86_EFLAGS_DF)
#define FILLS_MAX           16u      /* without an instruction retired */
#define THRASH_WINDOW       2000000u /* instructions */

/* ---- in and out --------------------------------------------------------- */

/* What INFO, an exit_info, says besides the kind. */
static struct bt_tb *block_at(const struct bt *bt, uint32_t info, unsigned *low)
{
    *low = info & (BIT(BT_EXIT_TB_SHIFT) - 1);
    return &bt->cache
                .tb[(info & (BIT(BT_EXIT_KIND_SHIFT) - 1)) >> BT_EXIT_TB_SHIFT];
}

/* From the state to what translated code keeps apart. */
static void load_cpu(struct bt *bt)
{
    const struct vcpu_intc *intc = &bt->vcpu->intc;
    struct bt_cpu *cpu = bt->cpu;
    struct x86_state *st = &cpu->st;
    bool off = st->cr0 & (X86_CR0_EM | X86_CR0_TS);

    cpu->hflags = (uint32_t)st->rflags & FLAGS_NATIVE;
    cpu->hflags |= X86_EFLAGS_RES1 | X86_EFLAGS_IF; /* the host's own IF */
    cpu->iflag = (st->rflags & X86_EFLAGS_IF) != 0;
    cpu->sys_flags =
        (uint32_t)st->rflags & ~(FLAGS_NATIVE | X86_EFLAGS_IF | X86_EFLAGS_RF);
    cpu->irq_line = bt->vcpu->nmi || st->nmi_pending ||
                    (intc->pending && intc->pending(intc->opaque));
    cpu->x87_off = off;
    cpu->sse_off = off || !(st->cr4 & X86_CR4_OSFXSR);
    cpu->fpu_enter = 0;
    bt_mode_load(bt);
}

/* What the x87 instructions since the last time have left of themselves. */
static void save_x87_pointers(struct bt *bt)
{
    struct bt_cpu *cpu = bt->cpu;
    struct x86_state *st = &cpu->st;
    uint32_t last = cpu->x87_insn ? cpu->x87_insn : cpu->x87_mem;
    const struct x86_seg *cs = &st->seg[X86_CS];
    const struct bt_insn *insn;
    const struct bt_tb *tb;
    unsigned i;

    if (!last)
        return;
    tb = block_at(bt, last, &i);
    insn = bt_tb_insn(bt, tb, i);
    emu_fpu_put_insn(st, insn->fop,
                     (uint32_t)(tb->eip + insn->guest - cs->base),
                     cs->selector);
    if (cpu->x87_mem) {
        tb = block_at(bt, cpu->x87_mem, &i);
        emu_fpu_put_data(st, cpu->x87_data,
                         st->seg[bt_tb_insn(bt, tb, i)->fds].selector);
    }
    cpu->x87_insn = cpu->x87_mem = 0;
}

/* And back: the state is whole but for RIP and the count. */
static void save_cpu(struct bt *bt)
{
    struct bt_cpu *cpu = bt->cpu;

    save_x87_pointers(bt);
    cpu->st.rflags = cpu->sys_flags | (cpu->hflags & FLAGS_NATIVE) |
                     (cpu->iflag ? X86_EFLAGS_IF : 0) | X86_EFLAGS_RES1;
}

/* At instruction I of a block, I have been executed that R13 knows not of. */
static void sync_count(struct bt *bt, unsigned i)
{
    uint64_t left = bt->cpu->r13 - i - (uint64_t)bt->floor;

    assert(left <= bt->left);
    bt->vcpu->icount += bt->left - left;
    bt->left = left;
}

static void set_gs_base(struct bt *bt)
{
    uint64_t base = (uint64_t)bt->win->base;

    if (bt->gs == bt->win)
        return;
    if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT)
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    else if (syscall(SYS_arch_prctl, ARCH_SET_GS_CODE, base) < 0)
        assert(!"arch_prctl(ARCH_SET_GS)");
    bt->gs = bt->win;
}

static void enter(struct bt *bt, uint32_t host, unsigned i)
{
    struct bt_cpu *cpu = bt->cpu;

    set_gs_base(bt);
    cpu->target = bt->cache.rx + host;
    cpu->r13 = (uint64_t)bt->floor + bt->left + i;
    cpu->tsc_base = sys_tsc(&bt->emu) + bt->left + (uint64_t)bt->floor;
    bt->stats.entries++;
    bt_enter(&cpu->st);
}

/* LINEAR is in CS. */
static void set_rip(struct bt *bt, uint32_t linear)
{
    bt_st(bt)->rip = (uint32_t)(linear - bt_st(bt)->seg[X86_CS].base);
}

/* ---- finding blocks ----------------------------------------------------- */

static void report_translation(struct bt *bt, uint32_t eip, uint64_t gpa)
{
    struct vm_exit e = {
        .kind = VM_EXIT_TRANSLATE,
        .rip = bt_st(bt)->rip,
        .icount = bt->vcpu->icount,
    };

    e.u.page.gla = eip;
    e.u.page.gpa = gpa;
    vcpu_exit(bt->vcpu, &e);
}

uint32_t bt_second_frame(struct bt *bt, uint32_t eip)
{
    return bt_tlb_fetch(bt, (eip & ~(BT_PAGE - 1)) + BT_PAGE);
}

/* The block at EIP, made if need be; NULL: emulate there. */
static struct bt_tb *find(struct bt *bt, uint32_t eip)
{
    struct bt_tb *tb;
    uint64_t flushes, gpa;
    uint32_t frame;

    /* A page is first fetched from when no breakpoint can stop before it. */
    if (bt->debug.bps && !bt->win->fetch[eip / BT_PAGE] &&
        bt_breakpoint_on(bt, eip))
        return NULL;
    frame = bt_tlb_fetch(bt, eip);
    if (frame == BT_NO_FRAME)
        return NULL;
    tb = bt_cache_lookup(bt, eip, frame, bt->mode);
    if (tb &&
        (bt_tb_half(bt, tb) || (tb->frame2 != BT_NO_FRAME &&
                                bt_second_frame(bt, eip) != tb->frame2))) {
        bt_cache_kill(bt, tb);
        tb = NULL;
    }
    if (!tb) {
        gpa = bt_frame_gpa(bt, frame) + eip % BT_PAGE;
        tb = bt_translate(bt, eip, frame, gpa);
        flushes = bt->stats.flushes;
        report_translation(bt, eip, gpa);
        if (flushes != bt->stats.flushes || bt->space_stale)
            return NULL; /* an observer changed what we stand on */
    }
    if (!bt_tb_half(bt, tb))
        bt_jt_set(bt->jt, eip, tb->host);
    return tb;
}

/* What the loop below goes on with. */
struct at {
    struct bt_tb *tb;
    unsigned i; /* instruction in it; tb->insns: its end */
};

static bool go_to(struct bt *bt, struct at *at, uint32_t eip)
{
    set_rip(bt, eip);
    if (bt->left == 0) /* fetched by who goes on */
        return false;
    at->tb = find(bt, eip);
    at->i = 0;
    bt->emulate_next = !at->tb;
    return at->tb && !bt->vcpu->stop_requested;
}

/* ---- the ways out: each true if translated code goes on at *AT ---------- */

static bool leave_at(struct bt *bt, const struct at *at)
{
    set_rip(bt, at->tb->eip + bt_tb_insn(bt, at->tb, at->i)->guest);
    bt->emulate_next = true;
    return false;
}

static bool out_miss(struct bt *bt, struct at *at)
{
    bt->stats.misses++;
    sync_count(bt, 0);
    return go_to(bt, at, (uint32_t)bt->cpu->r11);
}

static bool out_chain(struct bt *bt, struct at *at, unsigned index)
{
    uint32_t slot = at->tb->slot + index, frame = at->tb->frame;
    uint32_t target = bt->cache.slot[slot].target;
    uint64_t flushes = bt->stats.flushes;

    bt->stats.chain_misses++;
    sync_count(bt, 0);
    if (!go_to(bt, at, target))
        return false;
    if (flushes == bt->stats.flushes && at->tb->frame == frame)
        bt_cache_chain(bt, slot, at->tb);
    return true;
}

/* After an emulated instruction: may the block go on behind it? */
static bool may_resume(struct bt *bt, const struct at *at, uint32_t next)
{
    const struct x86_state *st = bt_st(bt);
    uint64_t limit;

    if (st->rip != next || at->tb->dead || bt->emu.restart ||
        bt->vcpu->stop_requested || atomic_load(&bt->vcpu->kicked) ||
        bt->space_stale || bt->win_stale || bt->touches ||
        !bt->win->fetch[at->tb->eip / BT_PAGE] || /* INVLPG of this page */
        st->sti_shadow || st->movss_shadow || bt->a20 != bt->vcpu->a20 ||
        !bt_mode_holds(bt) || bt_mode_stops(bt) || bt_interrupt_due(bt))
        return false;
    limit = bt_limit(bt);
    if (limit <= BT_TB_INSNS)
        return false;
    bt->left = limit < BT_BUDGET_MAX ? limit : BT_BUDGET_MAX;
    load_cpu(bt);
    return true;
}

/*
 * MOV to or POP of DS, ES, FS, GS, which a kernel does at each entry: as emu
 * would, without decoding.  False: emu->fault is set.
 */
static bool load_segment(struct bt *bt, uint8_t how, uint32_t next)
{
    enum x86_sreg seg = (enum x86_sreg)(how >> 4 & 7);
    struct x86_state *st = bt_st(bt);
    unsigned source = how & 15;
    uint32_t value, sp = emu_sp(&bt->emu);

    if (source < BT_SEG_POP)
        value = (uint32_t)st->gpr[source];
    else if (!emu_pop_at(&bt->emu, &sp, &value, source == BT_SEG_POP ? 4 : 2))
        return false;
    if (!sys_load_segment(&bt->emu, seg, (uint16_t)value))
        return false;
    emu_set_sp(&bt->emu, sp);
    st->rip = next;
    bt->emu.restart = false;
    bt->stats.segment_loads++;
    return true;
}

static bool out_callout(struct bt *bt, struct at *at, unsigned i)
{
    const struct bt_insn *insn = bt_tb_insn(bt, at->tb, i);
    uint32_t next;
    uint64_t flushes = bt->stats.flushes;
    enum emu_result result;

    at->i = i;
    sync_count(bt, i);
    set_rip(bt, at->tb->eip + insn->guest);
    next = (uint32_t)bt_st(bt)->rip + insn->len;
    bt->stats.callouts++;
    if (insn->ends) {
        bt->emulate_next = true;
        return false;
    }
    if (insn->seg_load && !bt->debug.wps)
        result = load_segment(bt, insn->seg_load, next) ? EMU_DONE : EMU_FAULT;
    else
        result = emu_execute(&bt->emu);
    if (result == EMU_FAULT) {
        emu_deliver(&bt->emu, &bt->emu.fault);
        return false;
    }
    if (result == EMU_UNSUPPORTED) {
        bt->emulate_next = true;
        return false;
    }
    if (!bt->emu.restart)
        bt->vcpu->icount++;
    if (!insn->seg_load)
        bt->stats.callout[bt->emu.insn->mnemonic]++;
    at->i = i + 1;
    if (insn->why == BT_REASON_FPU) /* the block counts on a live FPU */
        return false;
    return result == EMU_DONE && flushes == bt->stats.flushes &&
           may_resume(bt, at, next);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A fault of the shadow's: when it came, and what there was. */
struct hidden {
    uint64_t start_ns;
    uint32_t gla;
    bool write, present;
};

static void report_page(struct bt *bt, enum vm_exit_kind kind,
                        const struct hidden *h)
{
    struct vm_exit e = {
        .kind = kind,
        .start_ns = h->start_ns,
        .rip = bt_st(bt)->rip,
        .icount = bt->vcpu->icount,
    };

    e.u.page.gla = h->gla;
    e.u.page.gpa = (uint64_t)(bt->win->shadow[h->gla / BT_PAGE] >> 12) << 12;
    e.u.page.error = (h->present ? X86_PFERR_P : 0) |
                     (h->write ? X86_PFERR_W : 0) |
                     (bt->win->user ? X86_PFERR_U : 0);
    vcpu_exit(bt->vcpu, &e);
}

/* Makes the instruction a call-out if it keeps faulting. */
static void count_site(struct bt *bt, const struct at *at)
{
    uint32_t offset =
        (at->tb->eip % BT_PAGE) + bt_tb_insn(bt, at->tb, at->i)->guest;
    uint64_t key = (uint64_t)at->tb->frame * BT_PAGE + offset;
    struct bt_site *site = bt_cache_site(bt, key, true);

    if (++site->faults == BT_FAULTS_CALLOUT)
        bt_cache_forget(bt, at->tb->frame, offset);
}

/* A write to a page with blocks: they go, unless that happens all the time. */
static bool code_write(struct bt *bt, struct at *at, uint32_t gla)
{
    uint32_t frame = bt->win->shadow[gla / BT_PAGE] >> 12;
    struct bt_page *page = &bt->cache.page[frame];

    bt->stats.fault_code++;
    if (bt->vcpu->icount - page->written > THRASH_WINDOW)
        page->writes = 0;
    page->written = bt->vcpu->icount;
    if (page->writes < BT_WRITES_THRASH) {
        page->writes++;
        bt_cache_written(bt, frame, 0, BT_PAGE);
    } else if (!at->tb->dead) {
        count_site(bt, at);
    }
    return leave_at(bt, at);
}

static bool out_fault(struct bt *bt, struct at *at, uint32_t gla)
{
    uint64_t flushes = bt->stats.flushes;
    struct hidden h = {
        .start_ns = now_ns(),
        .gla = gla,
        .write = bt->signal.write,
        .present = bt->win->shadow[gla / BT_PAGE] & BT_SHADOW_PRESENT,
    };
    enum bt_fill fill;

    if (bt->fill_icount != bt->vcpu->icount)
        bt->fill_icount = bt->vcpu->icount, bt->fills = 0;
    if (++bt->fills > FILLS_MAX)
        return leave_at(bt, at);
    fill = bt_tlb_fill(bt, gla, h.write);
    if (fill == BT_FILL_CODE) {
        leave_at(bt, at);
        report_page(bt, VM_EXIT_CODE_WRITE, &h);
        return flushes == bt->stats.flushes && code_write(bt, at, gla);
    }
    if (fill == BT_FILL_DEVICE && !at->tb->dead)
        count_site(bt, at);
    if (fill != BT_FILL_DONE) {
        bt->stats.fault_emulated++;
        return leave_at(bt, at);
    }
    leave_at(bt, at); /* so that RIP is right in the report */
    bt->emulate_next = false;
    report_page(bt, VM_EXIT_PAGE_FILL, &h);
    return flushes == bt->stats.flushes && !at->tb->dead && !bt->space_stale &&
           !bt->vcpu->stop_requested;
}

/* A signal in the middle of instruction AT: its registers as before it. */
static void undo_part(struct bt *bt, const struct at *at)
{
    unsigned undo = bt_tb_insn(bt, at->tb, at->i)->undo;
    uint64_t *gpr = bt_st(bt)->gpr;

    /* A string instruction leaves pointers into the window. */
    gpr[X86_RSI] = (uint32_t)gpr[X86_RSI];
    gpr[X86_RDI] = (uint32_t)gpr[X86_RDI];
    if (bt_is_limit(bt, bt->signal.addr))
        return; /* that was checked before anything changed */
    if (undo & BT_UNDO_SWAP(0)) {
        uint64_t *r = &gpr[undo & 3];
        *r = (*r & ~0xffffull) | (*r & 0xff) << 8 | (*r >> 8 & 0xff);
    }
    if (undo & BT_UNDO_RSI)
        gpr[X86_RSI] = (uint32_t)bt->signal.r8;
    if (undo & BT_UNDO_RDI)
        gpr[X86_RDI] = (uint32_t)bt->signal.r9;
}

/* The budget is used up, or bt_kick() took its range away. */
static bool out_of_budget(struct bt *bt, const struct at *at)
{
    sync_count(bt, 0);
    set_rip(bt, at->tb->eip);
    if (bt->signal.addr >= (uint64_t)bt->floor) {
        bt->stats.trips++;
        if (mprotect(bt->floor, BT_BUDGET_MAX, PROT_READ) < 0)
            assert(!"mprotect(budget)");
        return false;
    }
    bt->stats.budget_stops++;
    bt->emulate_until = bt->vcpu->icount + bt->left;
    return false;
}

static bool out_signal(struct bt *bt, struct at *at)
{
    const struct bt_signal *sig = &bt->signal;
    uint64_t gla = sig->addr - (uint64_t)bt->win->base;

    bt->stats.signals++;
    at->tb = bt_cache_by_pc(bt, sig->pc);
    assert(at->tb && "a signal outside of any block");
    at->i = bt_tb_index(bt, at->tb, sig->pc);
    if (sig->addr - (uint64_t)bt->nothing < BT_PAGE + BT_BUDGET_MAX &&
        at->i == 0 &&
        sig->pc == (uint64_t)bt->cache.rx + at->tb->host + at->tb->head)
        return out_of_budget(bt, at);
    undo_part(bt, at);
    sync_count(bt, at->i);
    if (bt_is_limit(bt, sig->addr) && !at->tb->dead)
        count_site(bt, at); /* an unusual segment: call out at once */
    if (sig->signo == SIGFPE)
        bt->stats.fault_fpu++;
    if (sig->signo == SIGSEGV && gla < BT_WINDOW_SIZE)
        return out_fault(bt, at, (uint32_t)gla);
    return leave_at(bt, at);
}

/*
 * Called by bt_ask(), amid a block: makes the state whole and asks.  Not 0:
 * translated code is to be left, because a breakpoint stops or the block went.
 */
int bt_ask_breakpoints(struct x86_state *r15)
{
    struct bt_cpu *cpu = container_of(r15, struct bt_cpu, st);
    struct bt *bt = cpu->owner;
    uint64_t flushes = bt->stats.flushes;
    unsigned i;
    const struct bt_tb *tb = block_at(bt, cpu->exit_info, &i);

    save_cpu(bt);
    sync_count(bt, i);
    set_rip(bt, tb->eip + bt_tb_insn(bt, tb, i)->guest);
    bt->bp_hit = bt_breakpoint_hits(bt);
    return bt->bp_hit || flushes != bt->stats.flushes;
}

static bool go_on(struct bt *bt, struct at *at)
{
    uint32_t info = bt->cpu->exit_info;
    unsigned low;

    save_cpu(bt);
    at->tb = block_at(bt, info, &low);
    switch (info >> BT_EXIT_KIND_SHIFT) {
    case BT_EXIT_CALLOUT:
        return out_callout(bt, at, low);
    case BT_EXIT_CHAIN:
        return out_chain(bt, at, low);
    case BT_EXIT_MISS:
        return out_miss(bt, at);
    case BT_EXIT_ASKED:
        return false;
    default:
        return out_signal(bt, at);
    }
}

void bt_native_run(struct bt *bt, uint64_t limit)
{
    uint32_t eip = (uint32_t)x86_linear_rip(bt_st(bt)), host;
    struct at at = {0};

    bt_mode_select(bt);
    if (bt_space_select(bt) < 0) {
        bt->vcpu->options.interpret_only = true; /* logged */
        return;
    }
    bt->left = limit < BT_BUDGET_MAX ? limit : BT_BUDGET_MAX;
    load_cpu(bt);
    bt->cpu->r11 = eip; /* as if it came from translated code */
    host = bt->jt->entry[eip];
    if (!host) {
        if (!go_to(bt, &at, eip))
            return;
        host = at.tb->host;
    }
    for (;;) {
        enter(bt, host, at.i);
        if (!go_on(bt, &at))
            break;
        host = at.tb->host + (at.i ? bt_tb_insn(bt, at.tb, at.i)->host : 0);
    }
}

/* ---- signals ------------------------------------------------------------ */

bool bt_native_signal(void *opaque, int sig, siginfo_t *info, void *ucontext)
{
    struct bt *bt = opaque;
    greg_t *reg = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    uint64_t pc = (uint64_t)reg[REG_RIP];

    if (pc - (uint64_t)bt->cache.rx >= bt->cache.used)
        return false;
    bt->signal = (struct bt_signal){
        .signo = sig,
        .pc = pc,
        .addr = (uint64_t)info->si_addr,
        .r8 = (uint64_t)reg[REG_R8],
        .r9 = (uint64_t)reg[REG_R9],
        .write = reg[REG_ERR] & PF_WRITE,
    };
    bt->cpu->exit_info = (uint32_t)BT_EXIT_SIGNAL << BT_EXIT_KIND_SHIFT;
    reg[REG_RIP] = (greg_t)(uint64_t)bt_exit;
    return true;
}
