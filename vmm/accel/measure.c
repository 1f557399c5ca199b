#include "vmm/accel/measure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmm/base/log.h"

#define AT_CODE    0x1000u
#define RAM_SIZE   0x100000u
#define ENOUGH_NS  20000000u /* of one measurement */
#define ROUNDS_MIN 1000u

/* Between two exits a kernel that is not idle executes about so much. */
#define INSNS_PER_EXIT 10000.0

struct subject {
    struct vcpu vcpu;
    struct mem mem;
    bool halted;
};

/* clang-format off */
static const uint8_t code_loop[] = {
    0x83, 0xc0, 0x03, /* again: add eax, 3 */
    0x49,             /* dec ecx */
    0x75, 0xfa,       /* jnz again */
    0xf4 };           /* hlt */
static const uint8_t code_exits[] = {
    0xe6, 0x80,       /* again: out 0x80, al */
    0x49,             /* dec ecx */
    0x75, 0xfb,       /* jnz again */
    0xf4 };           /* hlt */
/* clang-format on */

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static enum run_next on_exit_inside(struct vcpu *vcpu, struct vm_exit *e)
{
    struct subject *s = vcpu->owner;

    s->halted |= e->kind == VM_EXIT_HLT;
    return s->halted ? RUN_STOP : RUN_AGAIN;
}

static int admit(struct subject *s, const struct accel_ops *ops)
{
    int err;

    memset(s, 0, sizeof(*s));
    err = mem_init(&s->mem, RAM_SIZE);
    if (err)
        return err;
    mem_add_slot(&s->mem, "ram", 0, RAM_SIZE, 0, false);
    s->vcpu = (struct vcpu){
        .ops = ops,
        .mem = &s->mem,
        .on_exit = on_exit_inside,
        .owner = s,
        .a20 = true,
        .deadline_ns = UINT64_MAX,
    };
    err = ops->init(&s->vcpu);
    if (err)
        mem_fini(&s->mem);
    return err;
}

static void discharge(struct subject *s)
{
    s->vcpu.ops->fini(&s->vcpu);
    mem_fini(&s->mem);
}

/* Flat 32-bit code at AT_CODE with ROUNDS in ECX. */
static int start(struct subject *s, uint32_t rounds)
{
    struct x86_state st;

    x86_state_reset(&st);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        st.seg[i] = (struct x86_seg){
            .selector = 16, .limit = UINT32_MAX, .attr = 0xc093};
    st.seg[X86_CS].selector = 8;
    st.seg[X86_CS].attr = 0xc09b;
    st.cr0 = X86_CR0_PE | X86_CR0_ET;
    st.rip = AT_CODE;
    st.gpr[X86_RCX] = rounds;
    s->halted = false;
    return s->vcpu.ops->set_state(&s->vcpu, &st);
}

/* Host time of ROUNDS rounds to the HLT behind them. */
static int run_rounds(struct subject *s, uint32_t rounds, uint64_t *ns)
{
    uint64_t begin;
    int err = start(s, rounds);

    begin = now_ns();
    while (!err && !s->halted) {
        struct vm_exit e = {0};

        s->vcpu.stop_requested = false;
        err = s->vcpu.ops->run(&s->vcpu, &e);
        s->halted |= e.kind == VM_EXIT_HLT;
        if (e.kind == VM_EXIT_FAIL || e.kind == VM_EXIT_TRIPLE_FAULT)
            err = -EIO;
    }
    *ns = now_ns() - begin;
    return err;
}

/* ns a round: more rounds until the time is long enough to tell. */
static int measure(struct subject *s, const uint8_t *code, size_t len,
                   double *round_ns)
{
    uint32_t rounds = ROUNDS_MIN;
    uint64_t ns = 0;
    int err = 0;

    if (!mem_write(&s->mem, AT_CODE, code, len))
        return -EFAULT;
    while (!err) {
        err = run_rounds(s, rounds, &ns);
        if (ns >= ENOUGH_NS || rounds >= 1u << 29)
            break;
        rounds *= 4;
    }
    *round_ns = (double)ns / rounds;
    return err;
}

int accel_measure(const struct accel_ops *ops, struct accel_speed *out)
{
    struct subject s;
    double round_ns;
    int err = admit(&s, ops);

    memset(out, 0, sizeof(*out));
    if (err)
        return err;
    err = measure(&s, code_loop, sizeof(code_loop), &round_ns);
    if (!err && round_ns > 0)
        out->insns_per_s = 3e9 / round_ns;
    if (!err)
        err = measure(&s, code_exits, sizeof(code_exits), &out->exit_ns);
    discharge(&s);
    return err;
}

/* ---- the choice ---------------------------------------------------------- */

/* Time for one exit and the instructions before it. */
static double cost(double insns_per_s, double exit_ns)
{
    return insns_per_s > 0 ? INSNS_PER_EXIT * 1e9 / insns_per_s + exit_ns
                           : 1e18;
}

static void decide(struct accel_choice *c)
{
    double kvm = cost(c->kvm.insns_per_s, c->kvm.exit_ns);
    double bt = cost(c->bt.insns_per_s, c->bt.exit_ns);

    c->ops = kvm < bt ? &accel_kvm : &accel_bt;
    snprintf(c->why, sizeof(c->why),
             "%u instructions and an exit take %.1f us under kvm, %.1f us "
             "under bt",
             (unsigned)INSNS_PER_EXIT, kvm / 1e3, bt / 1e3);
}

void accel_choose(struct accel_choice *out, bool measure_all)
{
    char no_bt[160] = "";

    memset(out, 0, sizeof(*out));
    out->ops = &accel_bt;
    (void)kvm_survey(&out->kvm);
    if (accel_bt.probe(no_bt, sizeof(no_bt))) {
        out->ops = &accel_kvm;
        snprintf(out->why, sizeof(out->why), "bt does not run: %s", no_bt);
        return;
    }
    if (measure_all || out->kvm.complete)
        (void)accel_measure(&accel_bt, &out->bt);
    if (out->kvm.complete)
        decide(out);
    else if (out->kvm.present)
        snprintf(out->why, sizeof(out->why),
                 "KVM is partial here, bt runs every 32-bit guest");
    else
        snprintf(out->why, sizeof(out->why), "there is no usable KVM here");
}

const char *accel_auto(void)
{
    struct accel_choice choice;

    accel_choose(&choice, false);
    log_info("--accel auto takes %s: %s", choice.ops->name, choice.why);
    return choice.ops->name;
}
