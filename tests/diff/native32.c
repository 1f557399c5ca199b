/*
 * Runs the sequences of a shared file on this processor, in 32-bit mode.
 *
 * A freestanding i386 program without any library: file descriptor 3 is the
 * file.  A sequence ends by a jump to native32_end behind its last instruction,
 * or by a signal, whose context holds the guest's registers.
 */
#include "diff_layout.h"

#define SYS_EXIT         1
#define SYS_MODIFY_LDT   123
#define SYS_MPROTECT     125
#define SYS_RT_SIGACTION 174
#define SYS_SIGALTSTACK  186
#define SYS_MMAP2        192

#define PROT_RWX  7
#define PROT_RW   3
#define PROT_R    1
#define MAP_FLAGS 0x32 /* private, fixed, anonymous */
#define MAP_FILE  0x11 /* shared, fixed */

#define SIGILL       4
#define SIGTRAP      5
#define SIGBUS       7
#define SIGFPE       8
#define SIGSEGV      11
#define SA_SIGINFO   4u
#define SA_ONSTACK   0x08000000u
#define SA_NODEFER   0x40000000u
#define LDT_WRITE    1
#define LDT_SELECTOR 7    /* entry 0, RPL 3 */
#define LDT_DATA     0x51 /* 32 bits, limit in pages, available */
#define FXSAVE_STATE 112  /* of the signal frame's FPU state */

/* What native32_enter.S loads and stores. */
struct native32_regs {
    uint32_t gpr[8];
    uint32_t eflags, eip;
    uint32_t host_esp;
    uint32_t segment, flat; /* of DS, ES, SS: in a sequence; ours */
};

extern struct native32_regs native32_regs;
extern uint8_t native32_fxsave[512];
void native32_enter(void);
void native32_end(void);
void native32_return(void) __attribute__((noreturn));
void native32_main(void);

static struct diff_result *current;

static int call(int nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d,
                uint32_t e, uint32_t f)
{
    int result;

    __asm__ volatile("push %%ebp\n\t"
                     "mov %7, %%ebp\n\t"
                     "int $0x80\n\t"
                     "pop %%ebp"
                     : "=a"(result)
                     : "0"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), "m"(f)
                     : "memory");
    return result;
}

static void copy(void *to, const void *from, uint32_t len)
{
    __asm__ volatile("rep movsb"
                     : "+D"(to), "+S"(from), "+c"(len)
                     :
                     : "memory");
}

/* i386 signal frames, asm/sigcontext.h. */
struct context {
    uint32_t gs, fs, es, ds;
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint32_t trapno, err, eip, cs, eflags, esp_at_signal, ss;
    uint8_t *fpstate;
    uint32_t oldmask, cr2;
};

struct ucontext {
    uint32_t flags;
    struct ucontext *link;
    uint32_t stack[3];
    struct context context;
};

static void on_signal(int sig, void *info, struct ucontext *uc)
{
    const struct context *c = &uc->context;
    struct diff_result *r = current;

    (void)sig, (void)info;
    r->vector = (int32_t)c->trapno;
    r->error = c->err;
    r->cr2 = c->cr2;
    r->eip = c->eip;
    r->gpr[0] = c->eax, r->gpr[1] = c->ecx, r->gpr[2] = c->edx;
    r->gpr[3] = c->ebx, r->gpr[4] = c->esp, r->gpr[5] = c->ebp;
    r->gpr[6] = c->esi, r->gpr[7] = c->edi;
    r->eflags = c->eflags;
    copy(r->fxsave, c->fpstate + FXSAVE_STATE, sizeof(r->fxsave));
    native32_return();
}

static uint32_t map(uint32_t at, uint32_t len, uint32_t prot, uint32_t flags,
                    uint32_t fd)
{
    uint32_t got = (uint32_t)call(SYS_MMAP2, at, len, prot, flags, fd, 0);

    if (got != at)
        call(SYS_EXIT, 10, 0, 0, 0, 0, 0);
    return got;
}

static void set_up(void)
{
    static uint8_t stack[65536];
    static const int signals[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
    struct {
        void *sp;
        int flags;
        uint32_t size;
    } altstack = {stack, 0, sizeof(stack)};
    struct {
        void (*handler)(int, void *, struct ucontext *);
        uint32_t flags;
        void *restorer;
        uint32_t mask[2];
    } action = {on_signal, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, 0, {0, 0}};

    map(DIFF_CODE, DIFF_CODE_PAGES * DIFF_PAGE, PROT_RWX, MAP_FLAGS, ~0u);
    map(DIFF_RO, (1 + DIFF_DATA_PAGES) * DIFF_PAGE, PROT_RW, MAP_FLAGS, ~0u);
    map(DIFF_STACK, DIFF_STACK_PAGES * DIFF_PAGE, PROT_RW, MAP_FLAGS, ~0u);
    call(SYS_SIGALTSTACK, (uint32_t)&altstack, 0, 0, 0, 0, 0);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        call(SYS_RT_SIGACTION, (uint32_t)signals[i], (uint32_t)&action, 0, 8, 0,
             0);
}

/* The selector of a segment with SEQ's base. */
static uint32_t segment(const struct diff_seq *seq)
{
    struct {
        uint32_t entry, base, limit, flags;
    } d = {0, seq->base, diff_limit(seq->base), LDT_DATA};

    if (!seq->base)
        return native32_regs.flat;
    if (call(SYS_MODIFY_LDT, LDT_WRITE, (uint32_t)&d, sizeof(d), 0, 0, 0) < 0)
        call(SYS_EXIT, 12, 0, 0, 0, 0, 0);
    return LDT_SELECTOR;
}

static void run(const struct diff_seq *seq, struct diff_result *result)
{
    uint8_t *code = (uint8_t *)seq->code_at, *p;
    uint64_t seed = (uint64_t)seq->seed_hi << 32 | seq->seed_lo;
    const uint32_t data = (1 + DIFF_DATA_PAGES) * DIFF_PAGE;
    int32_t distance;

    call(SYS_MPROTECT, DIFF_RO, DIFF_PAGE, PROT_RW, 0, 0, 0);
    diff_fill((uint32_t *)DIFF_RO, data / 4, seed);
    diff_fill((uint32_t *)DIFF_STACK, DIFF_STACK_PAGES * DIFF_PAGE / 4, ~seed);
    call(SYS_MPROTECT, DIFF_RO, DIFF_PAGE, PROT_R, 0, 0, 0);
    copy(code, seq->code, seq->code_len);
    p = code + seq->code_len;
    distance = (int32_t)((uint32_t)native32_end - (uint32_t)(p + 5));
    *p = 0xe9; /* jmp native32_end */
    copy(p + 1, &distance, 4);

    copy(native32_regs.gpr, seq->gpr, sizeof(seq->gpr));
    native32_regs.eflags = seq->eflags;
    native32_regs.eip = seq->code_at;
    native32_regs.segment = segment(seq);
    copy(native32_fxsave, seq->fxsave, sizeof(seq->fxsave));
    current = result;
    result->vector = -1;
    result->error = result->cr2 = 0;
    native32_enter();
    if (result->vector < 0) {
        copy(result->gpr, native32_regs.gpr, sizeof(result->gpr));
        result->eflags = native32_regs.eflags;
        result->eip = seq->code_at + seq->code_len;
        copy(result->fxsave, native32_fxsave, sizeof(result->fxsave));
    }
    copy(result->memory, (void *)DIFF_RO, data);
    copy(result->memory + data, (void *)DIFF_STACK,
         DIFF_STACK_PAGES * DIFF_PAGE);
}

void native32_main(void)
{
    struct diff_header *header = (struct diff_header *)DIFF_SHARED;
    struct diff_seq *seq = (struct diff_seq *)(header + 1);
    struct diff_result *result;
    uint32_t len;

    map(DIFF_SHARED, DIFF_PAGE, PROT_RW, MAP_FILE, 3);
    if (header->magic != DIFF_MAGIC)
        call(SYS_EXIT, 11, 0, 0, 0, 0, 0);
    len = (uint32_t)sizeof(*header) +
          header->count * (uint32_t)(sizeof(*seq) + sizeof(*result));
    map(DIFF_SHARED, (len + DIFF_PAGE - 1) & ~(DIFF_PAGE - 1), PROT_RW,
        MAP_FILE, 3);
    result = (struct diff_result *)(seq + header->count);
    set_up();
    __asm__("mov %%ds, %0" : "=r"(native32_regs.flat));
    for (uint32_t i = 0; i < header->count; i++) {
        run(&seq[i], &result[i]);
        header->done = i + 1;
    }
    call(SYS_EXIT, 0, 0, 0, 0, 0, 0);
}
