/*
 * The CPU's state between struct x86_state and the kernel, both ways.
 *
 * What comes for nothing with each exit (run->s.regs) is not asked for again;
 * what was read is kept until the guest runs, and a write changes only the
 * groups that differ from it.  So writing back what was read is free and
 * changes nothing, and a debugger may look as often as it likes.
 *
 * Not here: AVX and later vector state (our CPUID hides it), MTRRs, and the
 * kernel's interrupt controllers.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/accel/kvm/kvm_impl.h"
#include "vmm/base/log.h"

/* In the order of struct x86_state's gpr. */
static const size_t reg_offset[X86_GPR_COUNT] = {
    [X86_RAX] = offsetof(struct kvm_regs, rax),
    [X86_RCX] = offsetof(struct kvm_regs, rcx),
    [X86_RDX] = offsetof(struct kvm_regs, rdx),
    [X86_RBX] = offsetof(struct kvm_regs, rbx),
    [X86_RSP] = offsetof(struct kvm_regs, rsp),
    [X86_RBP] = offsetof(struct kvm_regs, rbp),
    [X86_RSI] = offsetof(struct kvm_regs, rsi),
    [X86_RDI] = offsetof(struct kvm_regs, rdi),
    [X86_R8] = offsetof(struct kvm_regs, r8),
    [X86_R9] = offsetof(struct kvm_regs, r9),
    [X86_R10] = offsetof(struct kvm_regs, r10),
    [X86_R11] = offsetof(struct kvm_regs, r11),
    [X86_R12] = offsetof(struct kvm_regs, r12),
    [X86_R13] = offsetof(struct kvm_regs, r13),
    [X86_R14] = offsetof(struct kvm_regs, r14),
    [X86_R15] = offsetof(struct kvm_regs, r15),
};

/* MSRs that have a field of their own. */
static const struct {
    uint32_t index;
    size_t offset;
} msrs[] = {
    {X86_MSR_SYSENTER_CS, offsetof(struct x86_state, sysenter_cs)},
    {X86_MSR_SYSENTER_ESP, offsetof(struct x86_state, sysenter_esp)},
    {X86_MSR_SYSENTER_EIP, offsetof(struct x86_state, sysenter_eip)},
    {X86_MSR_STAR, offsetof(struct x86_state, star)},
    {X86_MSR_LSTAR, offsetof(struct x86_state, lstar)},
    {X86_MSR_CSTAR, offsetof(struct x86_state, cstar)},
    {X86_MSR_SFMASK, offsetof(struct x86_state, sfmask)},
    {X86_MSR_KERNEL_GS, offsetof(struct x86_state, kernel_gs_base)},
    {X86_MSR_PAT, offsetof(struct x86_state, pat)},
    {X86_MSR_MISC_ENABLE, offsetof(struct x86_state, misc_enable)},
    {X86_MSR_TSC, offsetof(struct x86_state, tsc)},
};
static_assert(ARRAY_SIZE(msrs) == KVM_STATE_MSRS, "kvm_impl.h counts them");

/* struct kvm_msrs ends in a flexible array. */
struct msr_list {
    struct kvm_msrs head;
    struct kvm_msr_entry entry[KVM_STATE_MSRS];
};

static uint64_t *state_u64(struct x86_state *st, size_t offset)
{
    return (uint64_t *)(void *)((char *)st + offset);
}

static uint64_t state_u64_of(const struct x86_state *st, size_t offset)
{
    uint64_t v;

    memcpy(&v, (const char *)st + offset, sizeof(v));
    return v;
}

/* ---- general registers, segments, control registers ---------------------- */

static void regs_to_state(struct x86_state *st, const struct kvm_regs *r)
{
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        memcpy(&st->gpr[i], (const char *)r + reg_offset[i], 8);
    st->rip = r->rip;
    st->rflags = r->rflags;
}

static void state_to_regs(struct kvm_regs *r, const struct x86_state *st)
{
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        memcpy((char *)r + reg_offset[i], &st->gpr[i], 8);
    r->rip = st->rip;
    r->rflags = st->rflags | X86_EFLAGS_RES1;
}

static void seg_to_state(struct x86_seg *s, const struct kvm_segment *k)
{
    bool present = k->present && !k->unusable;

    s->selector = k->selector;
    s->base = k->base;
    s->limit = k->limit;
    s->attr = (uint16_t)(k->type | k->s << 4 | k->dpl << 5 |
                         (present ? (int)X86_SEG_P : 0) | k->avl << 12 |
                         k->l << 13 | k->db << 14 | k->g << 15);
}

static void state_to_seg(struct kvm_segment *k, const struct x86_seg *s)
{
    *k = (struct kvm_segment){
        .selector = s->selector,
        .base = s->base,
        .limit = s->limit,
        .type = X86_SEG_TYPE(s->attr),
        .s = !!(s->attr & X86_SEG_S),
        .dpl = X86_SEG_DPL(s->attr),
        .present = !!(s->attr & X86_SEG_P),
        .avl = !!(s->attr & X86_SEG_AVL),
        .l = !!(s->attr & X86_SEG_L),
        .db = !!(s->attr & X86_SEG_DB),
        .g = !!(s->attr & X86_SEG_G),
        .unusable = !(s->attr & X86_SEG_P),
    };
}

/* struct kvm_sregs and kvm_sregs2 agree up to apic_base. */
static_assert(offsetof(struct kvm_sregs, apic_base) ==
                  offsetof(struct kvm_sregs2, apic_base),
              "one function fills both");

static void sregs_to_state(struct x86_state *st, const struct kvm_sregs *s)
{
    seg_to_state(&st->seg[X86_ES], &s->es);
    seg_to_state(&st->seg[X86_CS], &s->cs);
    seg_to_state(&st->seg[X86_SS], &s->ss);
    seg_to_state(&st->seg[X86_DS], &s->ds);
    seg_to_state(&st->seg[X86_FS], &s->fs);
    seg_to_state(&st->seg[X86_GS], &s->gs);
    seg_to_state(&st->ldt, &s->ldt);
    seg_to_state(&st->tr, &s->tr);
    st->gdt = (struct x86_table){s->gdt.base, s->gdt.limit};
    st->idt = (struct x86_table){s->idt.base, s->idt.limit};
    st->cr0 = s->cr0;
    st->cr2 = s->cr2;
    st->cr3 = s->cr3;
    st->cr4 = s->cr4;
    st->cr8 = s->cr8;
    st->efer = s->efer;
    st->apic_base = s->apic_base;
}

static void state_to_sregs(struct kvm_sregs *s, const struct x86_state *st)
{
    memset(s, 0, sizeof(*s));
    state_to_seg(&s->es, &st->seg[X86_ES]);
    state_to_seg(&s->cs, &st->seg[X86_CS]);
    state_to_seg(&s->ss, &st->seg[X86_SS]);
    state_to_seg(&s->ds, &st->seg[X86_DS]);
    state_to_seg(&s->fs, &st->seg[X86_FS]);
    state_to_seg(&s->gs, &st->seg[X86_GS]);
    state_to_seg(&s->ldt, &st->ldt);
    state_to_seg(&s->tr, &st->tr);
    s->gdt = (struct kvm_dtable){.base = st->gdt.base, .limit = st->gdt.limit};
    s->idt = (struct kvm_dtable){.base = st->idt.base, .limit = st->idt.limit};
    s->cr0 = st->cr0;
    s->cr2 = st->cr2;
    s->cr3 = st->cr3;
    s->cr4 = st->cr4;
    s->cr8 = st->cr8;
    s->efer = st->efer;
    s->apic_base = st->apic_base;
}

static bool uses_pdptes(const struct x86_state *st)
{
    return (st->cr0 & X86_CR0_PG) && (st->cr4 & X86_CR4_PAE) &&
           !(st->efer & X86_EFER_LMA);
}

/* KVM has them only in the second form of the call; else look in memory. */
static int get_pdptes(struct kvm_accel *k, struct x86_state *st)
{
    struct kvm_sregs2 s;
    int ret;

    memset(st->pdpte, 0, sizeof(st->pdpte));
    if (!uses_pdptes(st))
        return 0;
    if (k->has_sregs2) {
        ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_SREGS2, &s, "KVM_GET_SREGS2");
        if (ret < 0)
            return ret;
        if (s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) {
            memcpy(st->pdpte, s.pdptrs, sizeof(st->pdpte));
            return 0;
        }
    }
    (void)mem_read(k->vcpu->mem, st->cr3 & 0xffffffe0u, st->pdpte,
                   sizeof(st->pdpte));
    return 0;
}

static int get_regs(struct kvm_accel *k, struct x86_state *st)
{
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    int ret;

    if (k->sync_valid) {
        regs_to_state(st, &k->run->s.regs.regs);
        sregs_to_state(st, &k->run->s.regs.sregs);
        return get_pdptes(k, st);
    }
    if ((ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_REGS, &regs, "KVM_GET_REGS")) <
            0 ||
        (ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_SREGS, &sregs,
                             "KVM_GET_SREGS")) < 0)
        return ret;
    regs_to_state(st, &regs);
    sregs_to_state(st, &sregs);
    return get_pdptes(k, st);
}

/*
 * SVM has no busy bit in its copy of TR: kvm-amd keeps the type that LTR found
 * in the descriptor and shows it busy.  It takes a busy one too, but a QEMU
 * that emulates SVM ends at the next change of stacks by such a TSS.
 */
static void spell_tr(const struct kvm_accel *k, struct kvm_segment *tr)
{
    if (k->svm && !tr->s)
        tr->type &= (uint8_t)~2u;
}

static int set_sregs(struct kvm_accel *k, const struct x86_state *st)
{
    struct kvm_sregs sregs;
    struct kvm_sregs2 s2;

    /* Through kvm_run too: KVM_RUN takes CR8 from there. */
    k->run->cr8 = st->cr8;
    k->run->apic_base = st->apic_base;
    if ((st->efer & X86_EFER_LMA) && !k->irqchip_kernel &&
        k->vcpu->apic.set_cr8)
        k->vcpu->apic.set_cr8(k->vcpu->apic.opaque, (unsigned)st->cr8);
    state_to_sregs(&sregs, st);
    spell_tr(k, &sregs.tr);
    if (!k->has_sregs2)
        return kvm_ioctl_log(k->vcpu_fd, KVM_SET_SREGS, &sregs,
                             "the processor refuses the state: KVM_SET_SREGS");
    memset(&s2, 0, sizeof(s2));
    memcpy(&s2, &sregs, offsetof(struct kvm_sregs2, flags));
    if (uses_pdptes(st)) {
        s2.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
        memcpy(s2.pdptrs, st->pdpte, sizeof(s2.pdptrs));
    }
    return kvm_ioctl_log(k->vcpu_fd, KVM_SET_SREGS2, &s2,
                         "the processor refuses the state: KVM_SET_SREGS2");
}

/* ---- x87, SSE ------------------------------------------------------------ */

/* The XSAVE area's header: which parts are not in their initial state. */
#define XSTATE_BV_WORD 128u /* of region[]: byte 512 */
#define XSTATE_X87_SSE 3u

static int get_fpu(struct kvm_accel *k, struct x86_state *st)
{
    struct kvm_xsave x;
    int ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_XSAVE, &x, "KVM_GET_XSAVE");

    if (ret < 0)
        return ret;
    memcpy(st->fxsave, x.region, sizeof(st->fxsave));
    /* Bytes 464 and on are the operating system's, not the processor's. */
    memset(st->fxsave + 464, 0, sizeof(st->fxsave) - 464);
    return 0;
}

static int set_fpu(struct kvm_accel *k, const struct x86_state *st)
{
    struct kvm_xsave x;
    int ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_XSAVE, &x, "KVM_GET_XSAVE");
    uint32_t mxcsr, mask;

    if (ret < 0)
        return ret;
    mask = x.region[7];
    memcpy(x.region, st->fxsave, 464);
    /* Bits that this processor does not have would make the call fail. */
    memcpy(&mxcsr, st->fxsave + 24, 4);
    x.region[6] = mxcsr & (mask ? mask : 0xffbfu);
    x.region[7] = mask;
    x.region[XSTATE_BV_WORD] |= XSTATE_X87_SSE;
    return kvm_ioctl_log(k->vcpu_fd, KVM_SET_XSAVE, &x, "KVM_SET_XSAVE");
}

/* ---- MSRs ---------------------------------------------------------------- */

static int get_msrs(struct kvm_accel *k, struct x86_state *st)
{
    struct msr_list list = {.head.nmsrs = 0};
    unsigned row[KVM_STATE_MSRS], n = 0;
    int ret;

    for (unsigned i = 0; i < KVM_STATE_MSRS; i++) {
        *state_u64(st, msrs[i].offset) = 0;
        if (k->msr_known[i]) {
            list.entry[n].index = msrs[i].index;
            row[n++] = i;
        }
    }
    list.head.nmsrs = n;
    ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_MSRS, &list, "KVM_GET_MSRS");
    if (ret < 0)
        return ret;
    for (int i = 0; i < ret; i++)
        *state_u64(st, msrs[row[i]].offset) = list.entry[i].data;
    return 0;
}

/* OLD: what the kernel has now, or NULL: not known, write all. */
static int set_msrs(struct kvm_accel *k, const struct x86_state *st,
                    const struct x86_state *old)
{
    struct msr_list list = {.head.nmsrs = 0};
    unsigned n = 0;
    int ret;

    for (unsigned i = 0; i < KVM_STATE_MSRS; i++) {
        uint64_t v = state_u64_of(st, msrs[i].offset);

        if (!k->msr_known[i] || (old && state_u64_of(old, msrs[i].offset) == v))
            continue;
        list.entry[n].index = msrs[i].index;
        list.entry[n++].data = v;
    }
    if (n == 0)
        return 0;
    list.head.nmsrs = n;
    ret = kvm_ioctl_log(k->vcpu_fd, KVM_SET_MSRS, &list, "KVM_SET_MSRS");
    if (ret >= 0 && (unsigned)ret < n) {
        log_error("kvm: the processor refuses MSR %#x = %#llx",
                  list.entry[ret].index,
                  (unsigned long long)list.entry[ret].data);
        return -EINVAL;
    }
    return ret < 0 ? ret : 0;
}

/* ---- debug registers ----------------------------------------------------- */

static int get_drs(struct kvm_accel *k, struct x86_state *st)
{
    struct kvm_debugregs d;
    int ret =
        kvm_ioctl_log(k->vcpu_fd, KVM_GET_DEBUGREGS, &d, "KVM_GET_DEBUGREGS");

    if (ret < 0)
        return ret;
    memcpy(st->dr, d.db, sizeof(d.db));
    st->dr[4] = st->dr[5] = 0;
    st->dr[6] = d.dr6;
    st->dr[7] = d.dr7;
    return 0;
}

static int set_drs(struct kvm_accel *k, const struct x86_state *st)
{
    struct kvm_debugregs d = {.dr6 = st->dr[6], .dr7 = st->dr[7]};

    memcpy(d.db, st->dr, sizeof(d.db));
    return kvm_ioctl_log(k->vcpu_fd, KVM_SET_DEBUGREGS, &d,
                         "the processor refuses DR6 or DR7: KVM_SET_DEBUGREGS");
}

/* ---- events and activity ------------------------------------------------- */

static void events_to_state(struct x86_state *st,
                            const struct kvm_vcpu_events *e)
{
    st->sti_shadow = e->interrupt.shadow & KVM_X86_SHADOW_INT_STI;
    st->movss_shadow = e->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS;
    st->nmi_blocked = e->nmi.masked;
    st->nmi_pending = e->nmi.pending || e->nmi.injected;
    st->pending = (struct x86_event){.valid = false};
    if (e->exception.injected || e->exception.pending)
        st->pending = (struct x86_event){
            .valid = true,
            .vector = e->exception.nr,
            .has_error = e->exception.has_error_code,
            .error = e->exception.has_error_code ? e->exception.error_code : 0,
        };
    else if (e->interrupt.injected)
        st->pending = (struct x86_event){
            .valid = true,
            .vector = e->interrupt.nr,
            .soft = e->interrupt.soft,
            .external = !e->interrupt.soft,
        };
}

static int get_events(struct kvm_accel *k, struct x86_state *st)
{
    struct kvm_vcpu_events e;
    struct kvm_mp_state mp;
    int ret;

    ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_VCPU_EVENTS, &e,
                        "KVM_GET_VCPU_EVENTS");
    if (ret < 0)
        return ret;
    events_to_state(st, &e);
    if (k->irqchip_kernel) {
        ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_MP_STATE, &mp,
                            "KVM_GET_MP_STATE");
        if (ret < 0)
            return ret;
        k->halted = mp.mp_state == KVM_MP_STATE_HALTED;
    }
    st->activity = k->shutdown ? X86_SHUTDOWN
                   : k->halted ? X86_HALTED
                               : X86_ACTIVE;
    return 0;
}

/*
 * A soft event (INT n) is not written: RIP is still at its instruction, which
 * then simply executes again.
 */
static void state_to_events(struct kvm_vcpu_events *e,
                            const struct x86_state *st)
{
    const struct x86_event *p = &st->pending;

    memset(e, 0, sizeof(*e));
    e->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
    e->interrupt.shadow =
        (uint8_t)((st->sti_shadow ? KVM_X86_SHADOW_INT_STI : 0) |
                  (st->movss_shadow ? KVM_X86_SHADOW_INT_MOV_SS : 0));
    e->nmi.masked = st->nmi_blocked;
    e->nmi.pending = st->nmi_pending;
    if (!p->valid || p->soft)
        return;
    if (p->external) {
        e->interrupt.injected = 1;
        e->interrupt.nr = p->vector;
        return;
    }
    e->exception.injected = 1;
    e->exception.nr = p->vector;
    e->exception.has_error_code = p->has_error;
    e->exception.error_code = p->error;
}

static int set_events(struct kvm_accel *k, const struct x86_state *st)
{
    struct kvm_vcpu_events e;
    struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_RUNNABLE};
    int ret;

    state_to_events(&e, st);
    ret = kvm_ioctl_log(k->vcpu_fd, KVM_SET_VCPU_EVENTS, &e,
                        "KVM_SET_VCPU_EVENTS");
    if (ret < 0)
        return ret;
    k->shutdown = st->activity == X86_SHUTDOWN;
    k->halted = st->activity == X86_HALTED;
    if (!k->irqchip_kernel)
        return 0;
    if (k->halted)
        mp.mp_state = KVM_MP_STATE_HALTED;
    return kvm_ioctl_log(k->vcpu_fd, KVM_SET_MP_STATE, &mp, "KVM_SET_MP_STATE");
}

/* ---- all together -------------------------------------------------------- */

static bool seg_differs(const struct x86_seg *a, const struct x86_seg *b)
{
    return a->selector != b->selector || a->base != b->base ||
           a->limit != b->limit || a->attr != b->attr;
}

static bool sregs_differ(const struct x86_state *a, const struct x86_state *b)
{
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        if (seg_differs(&a->seg[i], &b->seg[i]))
            return true;
    return seg_differs(&a->ldt, &b->ldt) || seg_differs(&a->tr, &b->tr) ||
           a->gdt.base != b->gdt.base || a->gdt.limit != b->gdt.limit ||
           a->idt.base != b->idt.base || a->idt.limit != b->idt.limit ||
           a->cr0 != b->cr0 || a->cr2 != b->cr2 || a->cr3 != b->cr3 ||
           a->cr4 != b->cr4 || a->cr8 != b->cr8 || a->efer != b->efer ||
           a->apic_base != b->apic_base ||
           memcmp(a->pdpte, b->pdpte, sizeof(a->pdpte)) != 0;
}

static bool regs_differ(const struct x86_state *a, const struct x86_state *b)
{
    return memcmp(a->gpr, b->gpr, sizeof(a->gpr)) != 0 || a->rip != b->rip ||
           a->rflags != b->rflags;
}

static bool events_differ(const struct x86_state *a, const struct x86_state *b)
{
    const struct x86_event *p = &a->pending, *q = &b->pending;

    return a->activity != b->activity || a->sti_shadow != b->sti_shadow ||
           a->movss_shadow != b->movss_shadow ||
           a->nmi_blocked != b->nmi_blocked ||
           a->nmi_pending != b->nmi_pending || p->valid != q->valid ||
           (p->valid && (p->vector != q->vector ||
                         p->has_error != q->has_error || p->soft != q->soft ||
                         p->external != q->external || p->error != q->error));
}

void kvm_state_changed(struct kvm_accel *k)
{
    k->cache_valid = false;
    k->sync_valid = false;
}

int kvm_get_state(struct vcpu *vcpu, struct x86_state *st)
{
    struct kvm_accel *k = kvm_of(vcpu);
    struct x86_state *c = &k->cache;
    int ret;

    if (k->emulating) {
        *st = *k->emulating;
        return 0;
    }
    if ((ret = kvm_complete_io(k)) < 0)
        return ret;
    if (!k->cache_valid) {
        memset(c, 0, sizeof(*c));
        if ((ret = get_regs(k, c)) < 0 || (ret = get_fpu(k, c)) < 0 ||
            (ret = get_msrs(k, c)) < 0 || (ret = get_drs(k, c)) < 0 ||
            (ret = get_events(k, c)) < 0)
            return ret;
        k->cache_valid = true;
    }
    *st = *c;
    return 0;
}

int kvm_set_state(struct vcpu *vcpu, const struct x86_state *st)
{
    struct kvm_accel *k = kvm_of(vcpu);
    const struct x86_state *old;
    int ret;

    if (k->emulating) {
        *k->emulating = *st;
        return 0;
    }
    if ((ret = kvm_complete_io(k)) < 0)
        return ret;
    old = k->cache_valid ? &k->cache : NULL;
    k->sync_valid = false;
    /* A window that was open may be shut now, and the other way round. */
    if (!old || events_differ(st, old) || regs_differ(st, old))
        k->run->ready_for_interrupt_injection = 0;
    if ((!old || sregs_differ(st, old)) && (ret = set_sregs(k, st)) < 0)
        goto out;
    if (!old || regs_differ(st, old)) {
        struct kvm_regs regs;

        state_to_regs(&regs, st);
        ret = kvm_ioctl_log(k->vcpu_fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
        if (ret < 0)
            goto out;
    }
    if ((!old || memcmp(st->fxsave, old->fxsave, sizeof(st->fxsave)) != 0) &&
        (ret = set_fpu(k, st)) < 0)
        goto out;
    if ((ret = set_msrs(k, st, old)) < 0)
        goto out;
    if ((!old || memcmp(st->dr, old->dr, sizeof(st->dr)) != 0) &&
        (ret = set_drs(k, st)) < 0)
        goto out;
    /* KVM_SET_REGS forgets a pending exception: say it again. */
    if (!old || events_differ(st, old) || st->pending.valid)
        ret = set_events(k, st);
    /* What run() says of rip and IF, should it not get to the guest. */
    state_to_regs(&k->run->s.regs.regs, st);
    state_to_sregs(&k->run->s.regs.sregs, st);
out:
    kvm_state_changed(k);
    return ret < 0 ? ret : 0;
}

/*
 * KVM has no call for it.  A change of what paging depends on makes it load its
 * tables anew, and forget all translations with them.
 */
int kvm_flush_tlb(struct kvm_accel *k, const struct x86_state *st)
{
    struct x86_state other = *st;
    int ret;

    other.cr4 ^= X86_CR4_PGE;
    ret = set_sregs(k, &other);
    return ret < 0 ? ret : set_sregs(k, st);
}

/* CPUID.80000001h:ECX.SVM of the processor that KVM uses. */
static bool host_has_svm(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(0x80000001u, &eax, &ebx, &ecx, &edx) && (ecx & BIT(2));
}

int kvm_state_init(struct kvm_accel *k)
{
    struct x86_state st;

    k->svm = host_has_svm();

    for (unsigned i = 0; i < KVM_STATE_MSRS; i++) {
        struct msr_list list = {.head.nmsrs = 1};

        list.entry[0].index = msrs[i].index;
        k->msr_known[i] = kvm_ioctl(k->vcpu_fd, KVM_GET_MSRS, &list) == 1;
    }
    /* Before the first run there is nothing from the kernel in kvm_run. */
    x86_state_reset(&st);
    state_to_regs(&k->run->s.regs.regs, &st);
    state_to_sregs(&k->run->s.regs.sregs, &st);
    return 0;
}
