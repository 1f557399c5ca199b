/*
 * The world a case runs in, and the way in and out: descriptors, task
 * segments, page tables, exceptions.
 */
#include "priv.h"

#define CODE_MOST 512 /* bytes of one case */

struct tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
    uint8_t map[34];
};

struct tss16 {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags;
    uint16_t ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};

struct __attribute__((packed)) table {
    uint16_t limit;
    uint32_t base;
};

/* What the stubs push, below what the processor pushed. */
struct trap_frame {
    uint32_t gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint32_t vector, error, eip, cs, eflags;
    uint32_t outer_esp, outer_ss; /* from another ring */
    uint32_t v86_es, v86_ds, v86_fs, v86_gs;
};

/* What enter() wants. */
struct enter_frame {
    uint32_t gs, fs, es, ds, edi, esi, ebp, dummy, ebx, edx, ecx, eax;
    uint32_t esp0, ss0; /* ring 0 */
    uint32_t eip, cs, eflags, esp, ss, v86_es, v86_ds, v86_fs, v86_gs;
};

static uint64_t gdt[32] __attribute__((aligned(16)));
static uint64_t ldt[4] __attribute__((aligned(16)));
static uint64_t idt[256] __attribute__((aligned(16)));
static struct tss tss_main, tss_df, tss_b;
static struct tss16 tss_16;
uint32_t page_dir[1024] __attribute__((aligned(4096)));
uint32_t page_tables[4][1024] __attribute__((aligned(4096)));
uint32_t *const page_table = page_tables[2];

struct record record;
static const struct test *current;
static struct {
    uint32_t eip, dr6;
    uint8_t vector;
} trace[24];
static unsigned traced;

/* ---- descriptors -------------------------------------------------------- */

uint32_t *descriptor_at(unsigned selector)
{
    uint64_t *table = selector & 4 ? ldt : gdt;

    return (uint32_t *)&table[selector >> 3];
}

/* LIMIT is the raw field; ATTR is access byte and G, D in bits 12 to 15. */
void descriptor(unsigned selector, uint32_t base, uint32_t limit, unsigned attr)
{
    uint32_t *d = descriptor_at(selector);

    d[0] = base << 16 | (limit & 0xffff);
    d[1] = (base & 0xff000000u) | (attr & 0xf000) << 8 | (limit & 0xf0000) |
           (attr & 0xff) << 8 | (base >> 16 & 0xff);
}

static void gate(unsigned selector, unsigned attr, unsigned target,
                 const void *offset, unsigned count)
{
    uint32_t *d = descriptor_at(selector);

    d[0] = target << 16 | ((uint32_t)offset & 0xffff);
    d[1] = ((uint32_t)offset & 0xffff0000u) | attr << 8 | count;
}

void idt_gate(unsigned vector, unsigned attr, unsigned selector,
              const void *offset)
{
    uint32_t *d = (uint32_t *)&idt[vector];

    d[0] = selector << 16 | ((uint32_t)offset & 0xffff);
    d[1] = ((uint32_t)offset & 0xffff0000u) | attr << 8;
}

static void reset_gdt(void)
{
    for (unsigned i = 0; i < 32; i++)
        gdt[i] = 0;
    descriptor(N_CODE0, 0, 0xfffff, 0xc09b);
    descriptor(N_DATA0, 0, 0xfffff, 0xc093);
    descriptor(N_CODE3, 0, 0xfffff, 0xc0fb);
    descriptor(N_DATA3, 0, 0xfffff, 0xc0f3);
    descriptor(N_TSS_MAIN, (uint32_t)&tss_main, 0x67, 0x89);
    descriptor(N_TSS_DF, (uint32_t)&tss_df, 0x67, 0x89);
    descriptor(N_TSS_B, (uint32_t)&tss_b, 0x67, 0x89);
    descriptor(N_TSS_16, (uint32_t)&tss_16, 0x2b, 0x81);
    descriptor(N_LDT, (uint32_t)ldt, 0x1f, 0x82);
    descriptor(N_LIMITED, N_T0, 0xfff, 0x40f3);
    descriptor(N_DOWN16, N_T0 - 0x1000, 0xfff, 0x00f7);
    descriptor(N_DOWN32, 0, N_T1 >> 12, 0xc0f7);
    descriptor(N_READONLY, 0, 0xfffff, 0xc0f1);
    descriptor(N_EXECONLY, 0, 0xfffff, 0xc0f9);
    descriptor(N_CONFORMING, 0, 0xfffff, 0xc09f);
    descriptor(N_ABSENT3, 0, 0xfffff, 0xc073);
    descriptor(N_ABSENT_CODE0, 0, 0xfffff, 0xc01b);
    gate(N_GATE32, 0xec, N_CODE0, gate_target, 2);
    gate(N_GATE_DPL0, 0x8c, N_CODE0, gate_target, 0);
    gate(N_GATE16, 0xe4, N_CODE16, NULL, 1);
    gate(N_GATE_TASK, 0xe5, N_TSS_B, NULL, 0);
    descriptor(N_CODE16, N_LOW, 0xffff, 0x009b);
    descriptor(N_STACK16, N_STACK0 - 0x10000, 0xffff, 0x0093);
    descriptor(N_CODE1, 0, 0xfffff, 0xc0bb);
    descriptor(N_DATA1, 0, 0xfffff, 0xc0b3);
    gate(N_GATE_ABSENT, 0x6c, N_CODE0, gate_target, 0);
    descriptor(N_FRESH0, 0, 0xfffff, 0xc092);
    descriptor(N_SHORT_CODE0, 0, 0xff, 0x409b);
    gate(N_GATE_NULL, 0xec, 0, gate_target, 0);
    descriptor(N_ABSENT_DATA0, 0, 0xfffff, 0xc013);
    descriptor(N_STACK16_3, N_STACK3 - 0x10000, 0xffff, 0x00f3);
    ldt[1] = ldt[2] = ldt[3] = 0;
    descriptor(N_L_DATA0, N_T2, 0xfff, 0x4093);
}

static void reset_idt(unsigned wants)
{
    for (unsigned i = 0; i < 256; i++)
        idt_gate(i, 0x8e, N_CODE0, (const void *)stub_table[i]);
    idt_gate(3, 0xee, N_CODE0, (const void *)stub_table[3]);
    idt_gate(4, 0xee, N_CODE0, (const void *)stub_table[4]);
    idt_gate(N_DONE, 0xee, N_CODE0, (const void *)stub_table[N_DONE]);
    idt_gate(0x31, 0xef, N_CODE0, (const void *)stub_table[0x31]); /* trap */
    idt_gate(0x32, 0x6e, N_CODE0, NULL);                           /* absent */
    idt_gate(0x33, 0xee, N_DATA0, NULL);                           /* no code */
    idt_gate(0x34, 0xee, 0, NULL);                                 /* null */
    idt_gate(0x35, 0xe5, N_TSS_B, NULL);                           /* task */
    idt_gate(0x36, 0xec, N_CODE0, gate_target); /* not an IDT's gate */
    idt_gate(0x37, 0xee, N_ABSENT_CODE0, gate_target);
    idt_gate(0x38, 0xee, N_CODE1 & ~3u, gate_target);
    idt_gate(0x39, 0xee, N_CONFORMING, (const void *)stub_table[0x39]);
    idt_gate(0x3a, 0xee, N_BEYOND, gate_target);
    idt_gate(8, 0x85, N_TSS_DF, NULL);
    for (unsigned i = 10; wants & BY_TASK && i <= 13; i++)
        idt_gate(i, 0x85, N_TSS_DF, NULL);
}

static void clear(void *p, unsigned len)
{
    for (uint8_t *b = p; len-- > 0; b++)
        *b = 0;
}

static void reset_task(struct tss *t, const void *eip, uint32_t esp)
{
    clear(t, sizeof(*t));
    t->cr3 = (uint32_t)page_dir;
    t->eip = (uint32_t)eip;
    t->eflags = 2;
    t->esp = esp;
    t->cs = N_CODE0;
    t->es = t->ss = t->ds = t->fs = t->gs = N_DATA0;
    t->io_map = 104;
}

static void reset_tasks(unsigned wants)
{
    reset_task(&tss_main, NULL, 0);
    tss_main.esp0 = N_STACK_TSS;
    tss_main.ss0 = N_DATA0;
    tss_main.esp1 = N_STACK_TASK - 0x800;
    tss_main.ss1 = N_DATA1;
    if (wants & IO_MAP) {
        descriptor(N_TSS_MAIN, (uint32_t)&tss_main, 0x67 + 33, 0x89);
        tss_main.map[0x80 / 8] = 1;
        tss_main.map[32] = 0xff;
    }
    reset_task(&tss_df, df_entry, N_STACK_DF);
    reset_task(&tss_b, task_entry, N_STACK_TASK);
    clear(&tss_16, sizeof(tss_16));
    tss_16.flags = 2;
    tss_16.sp = 0xf000;
    tss_16.cs = N_CODE16;
    tss_16.ss = N_STACK16;
    tss_16.es = N_DATA0;
    tss_16.ds = N_LIMITED;
}

uint8_t *tss_bytes(unsigned selector)
{
    return (uint8_t *)(selector == N_TSS_MAIN ? &tss_main : &tss_b);
}

/* ---- memory ------------------------------------------------------------- */

static void reset_pages(void)
{
    static const uint32_t bits[] = {7, 0, 7, 5, 3, 1};

    for (unsigned i = 0; i < 1024; i++)
        page_table[i] = 0;
    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        uint32_t *page = (uint32_t *)(N_T0 + 4096 * i);

        page_table[i] = N_T0 + 4096 * i + 7;
        invlpg((uint32_t)page);
        for (unsigned k = 0; k < 1024; k++)
            page[k] = 0x90909090;
        page_table[i] = bits[i] ? (uint32_t)page + bits[i] : 0;
    }
    write_cr3((uint32_t)page_dir);
}

static void map_identity(void)
{
    for (unsigned i = 0; i < 4; i++) {
        page_dir[i] = (uint32_t)page_tables[i] + 7;
        for (unsigned k = 0; k < 1024; k++)
            page_tables[i][k] = (i << 22) + (k << 12) + 7;
    }
    page_dir[2] = (uint32_t)page_tables[2] + 7;
    write_cr3((uint32_t)page_dir);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
}

/* ---- the whole ---------------------------------------------------------- */

static void load_tables(unsigned wants)
{
    struct table g = {sizeof(gdt) - 1, (uint32_t)gdt};
    struct table i = {sizeof(idt) - 1, (uint32_t)idt};
    uint16_t l = wants & USE_LDT ? N_LDT : 0, t = N_TSS_MAIN;

    __asm__ volatile("lgdt %0; lidt %1; lldt %2; ltr %3; clts"
                     :
                     : "m"(g), "m"(i), "r"(l), "r"(t));
    __asm__ volatile("ljmp $8, $1f; 1: mov %0, %%ss; mov %0, %%ds;"
                     "mov %0, %%es; mov %0, %%fs; mov %0, %%gs"
                     :
                     : "r"(N_DATA0));
    __asm__ volatile("mov %0, %%dr7; mov %1, %%dr6"
                     :
                     : "r"(0x400), "r"(0xffff0ff0));
    __asm__ volatile("mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2;"
                     "mov %0, %%dr3"
                     :
                     : "r"(0));
}

void world_reset(const struct test *t)
{
    unsigned wants = t ? t->wants : 0;

    if (!(read_cr0() & CR0_PG))
        map_identity();
    write_cr0(0x80010011u); /* PG, WP, ET, PE */
    write_cr4(0);
    outb(0x21, 0xff);
    reset_gdt();
    reset_idt(wants);
    reset_tasks(wants);
    load_tables(wants);
    reset_pages();
    traced = 0;
    current = t;
}

/* ---- exceptions --------------------------------------------------------- */

static uint32_t take_dr6(void)
{
    uint32_t dr6;

    __asm__ volatile("mov %%dr6, %0; mov %1, %%dr6"
                     : "=&r"(dr6)
                     : "r"(0xffff0ff0));
    return dr6;
}

static bool pushes_error(uint32_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static uint32_t read_cr2(void)
{
    uint32_t value;

    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

void trap(struct trap_frame *f);
void trap_by_task(uint32_t error) __attribute__((noreturn));

static bool note_trace(struct trap_frame *f)
{
    if (!current || !(current->wants & TRACE) ||
        (f->vector != 1 && f->vector != 0x20))
        return false;
    if (traced < sizeof(trace) / sizeof(trace[0])) {
        trace[traced].eip = f->eip;
        trace[traced].vector = (uint8_t)f->vector;
        trace[traced].dr6 = f->vector == 1 ? take_dr6() : 0;
        traced++;
    } else {
        f->eflags &= ~FL_TF;
    }
    if (f->vector == 0x20)
        outb(0x20, 0x20);
    else
        f->eflags |= FL_RF;
    return true;
}

/* 16-bit stacks in ring 0 never come here: BY_TASK is for them. */
void trap(struct trap_frame *f)
{
    bool v86 = f->eflags & FL_VM, outer = v86 || (f->cs & 3);

    if (note_trace(f))
        return;
    record = (struct record){
        .vector = f->vector,
        .has_error = pushes_error(f->vector),
        .error = f->error,
        .cr2 = read_cr2(),
        .eip = f->eip,
        .cs = f->cs,
        .eflags = f->eflags,
        .esp = outer ? f->outer_esp : (uint32_t)&f->outer_esp,
        .ss = outer ? f->outer_ss : N_DATA0,
        .gpr = {f->eax, f->ecx, f->edx, f->ebx, 0, f->ebp, f->esi, f->edi},
        .ds = v86 ? f->v86_ds : f->ds,
        .es = v86 ? f->v86_es : f->es,
        .fs = v86 ? f->v86_fs : f->fs,
        .gs = v86 ? f->v86_gs : f->gs,
        .dr6 = take_dr6(),
        .tr = N_TSS_MAIN,
        .v86 = v86,
    };
    resume();
}

/* The interrupted task is in the TSS that we are linked to. */
void trap_by_task(uint32_t error)
{
    const struct tss *t = (struct tss *)tss_bytes(tss_df.link & 0xffff);

    record = (struct record){
        .vector = current->wants & BY_TASK ? 0xff : 8,
        .has_error = true,
        .error = error,
        .cr2 = read_cr2(),
        .eip = t->eip,
        .cs = t->cs & 0xffff,
        .eflags = t->eflags,
        .esp = t->esp,
        .ss = t->ss & 0xffff,
        .gpr = {t->eax, t->ecx, t->edx, t->ebx, 0, t->ebp, t->esi, t->edi},
        .ds = t->ds & 0xffff,
        .es = t->es & 0xffff,
        .fs = t->fs & 0xffff,
        .gs = t->gs & 0xffff,
        .dr6 = take_dr6(),
        .tr = tss_df.link & 0xffff,
        .v86 = t->eflags & FL_VM,
    };
    resume();
}

/* ---- running a case ----------------------------------------------------- */

static const uint32_t initial[8] = {0x11111111, 0x22222222, 0x33333333,
                                    0x44444444, 0,          0x66666666,
                                    0x77777777, 0x88888888};
static const char *const reg_name[8] = {"eax", "ecx", "edx", "ebx",
                                        "esp", "ebp", "esi", "edi"};

static void put_ip(const char *what, uint32_t eip, uint32_t cs, bool v86)
{
    uint32_t begin = (uint32_t)current->code, end = (uint32_t)current->end;

    if (!v86 && (cs & ~3u) != N_CODE16) {
        if (eip < begin || eip > end + 2) {
            put_field(what, eip, 8);
            return;
        }
        eip -= begin;
    }
    put_text(" ");
    put_text(what);
    put_text("=+");
    put_hex(eip, eip > 0xff ? 4 : 2);
}

/* An address in the case is shown as an offset: cases come and go. */
static void put_reg(const char *name, uint32_t value)
{
    if (value >= (uint32_t)current->code && value <= (uint32_t)current->end + 2)
        put_ip(name, value, N_CODE0, false);
    else
        put_field(name, value, 8);
}

static void put_trace(void)
{
    for (unsigned i = 0; i < traced; i++) {
        put_ip(trace[i].vector == 1 ? "db" : "irq", trace[i].eip, N_CODE0,
               false);
        if (trace[i].vector == 1) {
            put_text("/");
            put_hex(trace[i].dr6 & 0xf00f, 4);
        }
    }
}

static void put_record(uint32_t esp)
{
    const struct record *r = &record;
    unsigned wants = current->wants;

    put_text(current->name);
    put_text(":");
    put_trace();
    if (r->vector == N_DONE)
        put_text(" done");
    else if (r->vector == 0xff)
        put_text(" v=task");
    else
        put_field("v", r->vector, 2);
    if (r->has_error)
        put_field("e", r->error, 4);
    if (r->vector == 14)
        put_field("cr2", r->cr2, 8);
    if (r->vector != N_DONE)
        put_ip("ip", r->eip, r->cs, r->v86);
    for (unsigned i = 0; i < 8; i++)
        if (i != 4 && r->gpr[i] != initial[i])
            put_reg(reg_name[i], r->gpr[i]);
    if (r->esp != esp)
        put_field("esp", r->esp, 8);
    if (wants & SHOW_FLAGS)
        put_field("fl", r->eflags & ~(uint32_t)FL_RF, 8);
    if (wants & SYS_FLAGS)
        put_field("fl", r->eflags & ~(FL_RF | FL_ARITH), 8);
    if (wants & SHOW_RF)
        put_field("rf", r->eflags >> 16 & 1, 1);
    if (wants & SHOW_DR6)
        put_field("dr6", r->dr6, 8);
    if (wants & SHOW_TR)
        put_field("tr", r->tr, 2);
    if (wants & SHOW_SEGS) {
        put_field("cs", r->cs, 4);
        put_field("ss", r->ss, 4);
        put_field("ds", r->ds, 4);
        put_field("es", r->es, 4);
        put_field("fs", r->fs, 4);
        put_field("gs", r->gs, 4);
    }
}

static struct enter_frame entry;

void world_prepare(const struct test *t)
{
    struct enter_frame *f = &entry;
    static const struct {
        uint32_t cs, data, esp;
    } modes[] = {
        [RING0] = {N_CODE0, N_DATA0, N_STACK0},
        [RING1] = {N_CODE1, N_DATA1, N_STACK3},
        [RING3] = {N_CODE3, N_DATA3, N_STACK3},
        [V86] = {N_LOW >> 4, 0x3000, 0xfff0},
        [CODE16_RING0] = {N_CODE16, N_DATA0, N_STACK0},
    };
    uint32_t data = modes[t->mode].data, esp = modes[t->mode].esp;

    current = t;
    *f = (struct enter_frame){
        .eax = initial[0],
        .ecx = initial[1],
        .edx = initial[2],
        .ebx = initial[3],
        .ebp = initial[5],
        .esi = initial[6],
        .edi = initial[7],
        .esp0 = esp,
        .ss0 = data,
        .eip = (uint32_t)t->code,
        .cs = modes[t->mode].cs,
        .eflags = t->eflags | 2,
        .esp = esp,
        .ss = data,
    };
    f->ds = f->es = f->fs = f->gs = data;
    if (t->mode == V86) {
        f->ds = f->es = f->fs = f->gs = N_DATA0;
        f->v86_ds = f->v86_es = f->v86_fs = f->v86_gs = data;
        f->eflags |= FL_VM;
        f->eip = 0;
        for (unsigned i = 0; i < 256; i++)
            ((uint8_t *)N_LOW)[i] = (uint8_t)t->code[i];
    }
    if (t->mode == CODE16_RING0) {
        descriptor(N_CODE16, (uint32_t)t->code, 0xffff, 0x009b);
        f->eip = 0;
    }
}

void world_enter(void)
{
    enter((const uint32_t *)&entry);
}

/*
 * The case's code as it was before the first run; only what a case changed is
 * written, so that the rest stays translated.
 */
static void restore_code(const struct test *t, uint8_t *copy, bool first)
{
    volatile uint8_t *code = (uint8_t *)t->code;
    unsigned size = (unsigned)(t->end - t->code) + 2;

    for (unsigned i = 0; i < size && i < CODE_MOST; i++)
        if (first)
            copy[i] = code[i];
        else if (code[i] != copy[i])
            code[i] = copy[i];
}

void run(const struct test *t)
{
    static uint8_t code[CODE_MOST];
    bool first = true;

    put_first();
    do {
        world_reset(t);
        restore_code(t, code, first);
        first = false;
        world_prepare(t);
        if (t->setup)
            t->setup();
        world_enter();
        put_record(entry.esp);
        if (t->after)
            t->after();
        put_end();
    } while (put_again());
}
