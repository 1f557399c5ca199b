/*
 * What this host's KVM is good for, found out by asking it to run guests of a
 * few bytes: `ringside doctor` shows it, `--accel auto` decides by it.
 *
 * A KVM without hardware virtualisation below it may open, make VMs and run
 * real-mode code, and still not know page tables of 32-bit kernels.  Such is
 * seen here, before a guest runs into it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/accel/kvm/kvm_impl.h"

/* Where things are in the guest's megabyte. */
#define AT_CODE    0x1000u
#define AT_HANDLER 0x1800u
#define AT_GDT     0x2000u
#define AT_IDT     0x3000u
#define AT_PD      0x4000u
#define AT_PT      0x5000u
#define AT_STACK   0x8000u
#define AT_PAGE    0x9000u /* page tables show it at AT_WINDOW */
#define AT_WINDOW  0x20000u
#define RAM_SIZE   0x100000u

#define PORT_DONE   0x10u
#define GIVE_UP_NS  200000000u /* of one guest */
#define VECTOR_SOFT 0x40u
#define VECTOR_IRQ  0x50u

struct patient {
    struct vcpu vcpu;
    struct mem mem;
    struct x86_state st;
    bool irq;
    unsigned emulated; /* instructions that KVM left to us */
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool irq_pending(void *opaque)
{
    return ((struct patient *)opaque)->irq;
}

static int irq_ack(void *opaque)
{
    struct patient *p = opaque;
    int vector = p->irq ? (int)VECTOR_IRQ : -1;

    p->irq = false;
    return vector;
}

static enum run_next on_exit_inside(struct vcpu *vcpu, struct vm_exit *e)
{
    struct patient *p = vcpu->owner;

    if (e->kind == VM_EXIT_EMULATE)
        p->emulated++;
    return RUN_AGAIN;
}

static int admit(struct patient *p)
{
    int ret;

    memset(p, 0, sizeof(*p));
    ret = mem_init(&p->mem, RAM_SIZE);
    if (ret < 0)
        return ret;
    mem_add_slot(&p->mem, "ram", 0, RAM_SIZE, 0, false);
    p->vcpu = (struct vcpu){
        .ops = &accel_kvm,
        .mem = &p->mem,
        .intc = {p, irq_pending, irq_ack},
        .on_exit = on_exit_inside,
        .owner = p,
        .a20 = true,
    };
    ret = accel_kvm.init(&p->vcpu);
    if (ret < 0)
        mem_fini(&p->mem);
    else
        kvm_of(&p->vcpu)->surveyed = true;
    return ret;
}

static void discharge(struct patient *p)
{
    accel_kvm.fini(&p->vcpu);
    mem_fini(&p->mem);
}

static bool run(struct patient *p, struct vm_exit *e)
{
    p->vcpu.clock_epoch_ns = now_ns();
    p->vcpu.deadline_ns = GIVE_UP_NS;
    return accel_kvm.run(&p->vcpu, e) == 0;
}

/* Runs to OUT PORT_DONE, AL and gives what was in EAX then. */
static bool run_to_out(struct patient *p, uint32_t *eax)
{
    struct vm_exit e;

    do {
        if (!run(p, &e))
            return false;
    } while (e.kind == VM_EXIT_INTR_WINDOW);
    if (e.kind != VM_EXIT_PIO || !e.u.pio.out || e.u.pio.port != PORT_DONE ||
        accel_kvm.get_state(&p->vcpu, &p->st) < 0)
        return false;
    *eax = (uint32_t)p->st.gpr[X86_RAX];
    return p->emulated == 0;
}

static void put32(struct patient *p, uint64_t gpa, uint32_t value)
{
    (void)mem_write(&p->mem, gpa, &value, sizeof(value));
}

/* A 32-bit interrupt gate to AT_HANDLER. */
static void put_gate(struct patient *p, unsigned vector)
{
    put32(p, AT_IDT + 8 * vector, (8u << 16) | (AT_HANDLER & 0xffff));
    put32(p, AT_IDT + 8 * vector + 4, (AT_HANDLER & 0xffff0000u) | 0x8e00);
}

static void start_real(struct patient *p)
{
    x86_state_reset(&p->st);
    p->st.seg[X86_CS].selector = 0;
    p->st.seg[X86_CS].base = 0;
    p->st.rip = AT_CODE;
    p->st.gpr[X86_RSP] = AT_STACK;
}

static void start_flat(struct patient *p)
{
    static const uint32_t gdt[] = {0, 0, 0xffff, 0xcf9b00, 0xffff, 0xcf9300};

    (void)mem_write(&p->mem, AT_GDT, gdt, sizeof(gdt));
    put_gate(p, VECTOR_SOFT);
    put_gate(p, VECTOR_IRQ);
    start_real(p);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        p->st.seg[i] = (struct x86_seg){
            .selector = 16, .limit = UINT32_MAX, .attr = 0xc093};
    p->st.seg[X86_CS].selector = 8;
    p->st.seg[X86_CS].attr = 0xc09b;
    p->st.gdt = (struct x86_table){AT_GDT, sizeof(gdt) - 1};
    p->st.idt = (struct x86_table){AT_IDT, 256 * 8 - 1};
    p->st.cr0 = X86_CR0_PE | X86_CR0_ET;
}

static void start_paged(struct patient *p)
{
    start_flat(p);
    put32(p, AT_PD, AT_PT | 7);
    for (uint32_t page = 0; page < RAM_SIZE / MEM_PAGE_SIZE; page++)
        put32(p, AT_PT + 4 * page, (page * MEM_PAGE_SIZE) | 7);
    put32(p, AT_PT + 4 * (AT_WINDOW / MEM_PAGE_SIZE), AT_PAGE | 7);
    put32(p, AT_PAGE, 0x600df00d);
    p->st.cr3 = AT_PD;
    p->st.cr0 |= X86_CR0_PG;
}

/* clang-format off */
static const uint8_t code_out16[] = {
    0x66, 0xb8, 0xcd, 0xab, 0x34, 0x12, /* mov eax, 0x1234abcd */
    0xe6, PORT_DONE };
static const uint8_t code_out32[] = {
    0xb8, 0xcd, 0xab, 0x34, 0x12,       /* mov eax, 0x1234abcd */
    0xe6, PORT_DONE };
static const uint8_t code_window[] = {
    0xa1, 0, 0, 2, 0,                   /* mov eax, [AT_WINDOW] */
    0xe6, PORT_DONE };
static const uint8_t code_soft[] = {
    0xcd, VECTOR_SOFT,                  /* int VECTOR_SOFT */
    0xe6, PORT_DONE };
static const uint8_t code_wait[] = {
    0xfb,                               /* sti */
    0x3d, 0xcd, 0xab, 0x34, 0x12,       /* again: cmp eax, 0x1234abcd */
    0x75, 0xf9,                         /* jne again */
    0xe6, PORT_DONE };
static const uint8_t handler[] = {
    0xb8, 0xcd, 0xab, 0x34, 0x12,       /* mov eax, 0x1234abcd */
    0xcf };                             /* iret */
static const uint8_t code_loop[] = {
    0x83, 0xc0, 0x03,                   /* again: add eax, 3 */
    0x49,                               /* dec ecx */
    0x75, 0xfa,                         /* jnz again */
    0xe6, PORT_DONE };
static const uint8_t code_exits[] = {
    0xe6, PORT_DONE,                    /* again: out PORT_DONE, al */
    0xeb, 0xfc };                       /* jmp again */

static const struct check {
    const char *what;
    size_t result; /* a bool of struct kvm_survey */
    void (*start)(struct patient *p);
    const uint8_t *code;
    size_t len;
    uint32_t eax;
    bool irq;
} checks[] = {
    {"real mode", offsetof(struct kvm_survey, real_mode), start_real,
     code_out16, sizeof(code_out16), 0x1234abcd, false},
    {"protected mode", offsetof(struct kvm_survey, protected_mode), start_flat,
     code_out32, sizeof(code_out32), 0x1234abcd, false},
    {"32-bit paging", offsetof(struct kvm_survey, paging32), start_paged,
     code_window, sizeof(code_window), 0x600df00d, false},
    {"INT n", offsetof(struct kvm_survey, soft_int), start_paged,
     code_soft, sizeof(code_soft), 0x1234abcd, false},
    {"interrupts", offsetof(struct kvm_survey, injection), start_paged,
     code_wait, sizeof(code_wait), 0x1234abcd, true},
};
/* clang-format on */

static bool load(struct patient *p, void (*start)(struct patient *p),
                 const uint8_t *code, size_t len)
{
    (void)mem_write(&p->mem, AT_CODE, code, len);
    (void)mem_write(&p->mem, AT_HANDLER, handler, sizeof(handler));
    start(p);
    return accel_kvm.set_state(&p->vcpu, &p->st) == 0;
}

static bool check_one(const struct check *c)
{
    struct patient p;
    uint32_t eax;
    bool ok;

    if (admit(&p) < 0)
        return false;
    p.irq = c->irq;
    ok = load(&p, c->start, c->code, c->len) && run_to_out(&p, &eax) &&
         eax == c->eax;
    discharge(&p);
    return ok;
}

static bool check_step(void (*start)(struct patient *p))
{
    const struct debug_ctl step = {.step = true, .stop_icount = UINT64_MAX};
    struct patient p;
    struct vm_exit e;
    bool ok;

    if (admit(&p) < 0)
        return false;
    ok = load(&p, start, code_loop, sizeof(code_loop)) &&
         accel_kvm.set_debug(&p.vcpu, &step) == 0 && run(&p, &e) &&
         e.kind == VM_EXIT_DEBUG && e.u.debug.hits == DEBUG_HIT_STEP &&
         e.rip == AT_CODE + 3 && run(&p, &e) && e.kind == VM_EXIT_DEBUG &&
         e.rip == AT_CODE + 4;
    discharge(&p);
    return ok;
}

/* Longer and longer loops, until one takes some milliseconds. */
static double measure_insns(void (*start)(struct patient *p))
{
    double speed = 0;

    for (uint32_t n = 20000; n <= 65535u * 1024u; n *= 8) {
        struct patient p;
        uint64_t t0, t1;
        uint32_t eax;
        bool ok;

        if (admit(&p) < 0)
            return speed;
        ok = load(&p, start, code_loop, sizeof(code_loop));
        p.st.gpr[X86_RCX] = n;
        ok = ok && accel_kvm.set_state(&p.vcpu, &p.st) == 0;
        t0 = now_ns();
        ok = ok && run_to_out(&p, &eax);
        t1 = now_ns();
        discharge(&p);
        if (!ok)
            return speed;
        speed = 3.0 * n * 1e9 / (double)(t1 - t0);
        /* CX is all that real mode counts with. */
        if (t1 - t0 > 3000000 || start == start_real)
            break;
    }
    return speed;
}

static double measure_exit(void (*start)(struct patient *p))
{
    enum { WARM = 8, EXITS = 64 };
    struct patient p;
    struct vm_exit e;
    uint64_t t0 = 0;
    double ns = 0;

    if (admit(&p) < 0)
        return 0;
    if (!load(&p, start, code_exits, sizeof(code_exits)))
        goto out;
    for (unsigned i = 0; i < WARM + EXITS; i++) {
        if (i == WARM)
            t0 = now_ns();
        if (!run(&p, &e) || e.kind != VM_EXIT_PIO)
            goto out;
    }
    ns = (double)(now_ns() - t0) / EXITS;
out:
    discharge(&p);
    return ns;
}

/* "this KVM cannot do 32-bit paging, INT n" */
static void say_missing(struct kvm_survey *s)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(checks) && n < sizeof(s->why); i++)
        if (!*((const bool *)s + checks[i].result))
            n += (size_t)snprintf(s->why + n, sizeof(s->why) - n, "%s%s",
                                  n ? ", " : "this KVM cannot do ",
                                  checks[i].what);
    if (!s->single_step && n < sizeof(s->why))
        snprintf(s->why + n, sizeof(s->why) - n, "%s%s",
                 n ? ", " : "this KVM cannot do ", "single-stepping");
}

static bool stops(struct patient *p, enum debug_hit hit, unsigned offset)
{
    struct vm_exit e;

    return run(p, &e) && e.kind == VM_EXIT_DEBUG && e.u.debug.hits == hit &&
           e.rip == AT_CODE + offset;
}

/* A breakpoint that is left by way of RF, and a write that is watched. */
bool kvm_check_breakpoints(void)
{
    static const uint8_t code[] = {
        0x90,                               /* nop */
        0xa3, AT_PAGE & 0xff, AT_PAGE >> 8, /* mov [AT_PAGE], ax */
        0xeb, 0xfe,                         /* jmp . */
    };
    static const struct debug_bp bp = {.addr = AT_CODE + 1};
    static const struct debug_wp wp = {.gla = AT_PAGE, .len = 2, .write = true};
    const struct debug_ctl ctl = {
        .bps = 1, .bp = &bp, .wps = 1, .wp = &wp, .stop_icount = UINT64_MAX};
    struct patient p;
    bool ok;

    if (admit(&p) < 0)
        return false;
    kvm_of(&p.vcpu)->hw_bp = HW_BP_WORK; /* that is the question */
    ok = load(&p, start_real, code, sizeof(code)) &&
         accel_kvm.set_debug(&p.vcpu, &ctl) == 0 &&
         stops(&p, DEBUG_HIT_BREAKPOINT, 1) && stops(&p, DEBUG_HIT_WATCH, 4);
    discharge(&p);
    return ok;
}

static void check_all(struct kvm_survey *s)
{
    s->complete = true;
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        bool *result = (bool *)s + checks[i].result;

        *result = check_one(&checks[i]);
        s->complete = s->complete && *result;
    }
    s->single_step = check_step(s->protected_mode ? start_flat : start_real);
    s->complete = s->complete && s->single_step;
    if (!s->complete)
        say_missing(s);
}

void kvm_check_missing(char *why, size_t len)
{
    struct kvm_survey s = {.present = true};

    check_all(&s);
    snprintf(why, len, "%s", s.why);
}

int kvm_survey(struct kvm_survey *out)
{
    /* clang-format off */
    void (*start)(struct patient *p);
    /* clang-format on */
    struct patient p;
    int ret;

    memset(out, 0, sizeof(*out));
    ret = accel_kvm.probe(out->why, sizeof(out->why));
    if (ret < 0)
        return ret;
    ret = admit(&p);
    if (ret < 0) {
        snprintf(out->why, sizeof(out->why), "cannot create a VM: %s",
                 strerror(-ret));
        return ret;
    }
    discharge(&p);
    out->present = true;
    check_all(out);
    start = out->protected_mode ? start_flat : start_real;
    out->breakpoints = kvm_check_breakpoints();
    out->insns_per_s = measure_insns(start);
    out->exit_ns = measure_exit(start);
    return 0;
}
