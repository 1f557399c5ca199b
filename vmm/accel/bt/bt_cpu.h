/*
 * What translated code sees of the monitor: the context that R15 points into,
 * and the assembly that enters and leaves translated code.
 *
 * Host registers in translated code:
 *   EAX ECX EDX EBX EBP ESI EDI   their guest namesakes, upper halves zero
 *   R12                           guest ESP, upper half zero
 *   R13                           instruction budget, as an address (below)
 *   R14                           base of the window; GS base is the same
 *   R15                           &bt_cpu.st
 *   R8 to R11                     scratch within one guest instruction
 *   RSP                           the monitor's stack
 * The guest's arithmetic flags and DF are in the host's flags.  Everything
 * else of EFLAGS is in st.rflags, but IF, which is `iflag`.
 *
 * The budget.  R13 - budget_floor is how many instructions may still run.
 * A block of n instructions begins with a load from [R13-n]; below the floor
 * lies a page without rights, so a block that would overrun faults before its
 * first instruction, with the flags untouched and no branch spent.  Blocks
 * charge R13 where they are left: at instruction i of a block, i instructions
 * have been executed that R13 does not show yet.
 *
 * Shared with stubs.S, hence the numbers.
 */
#ifndef VMM_ACCEL_BT_BT_CPU_H
#define VMM_ACCEL_BT_BT_CPU_H

/* Offsets from R15; the last 128 bytes before the state by one-byte disps. */
#define BT_CPU_HOST_RSP     (-336)
#define BT_CPU_INLINED      (-320) /* 8 bytes each: bt_inline.def */
#define BT_CPU_INLINED_POPF (-296)
#define BT_CPU_READ_LIMIT   (-272) /* one for each enum x86_sreg */
#define BT_CPU_WRITE_LIMIT  (-224) /* the same */
#define BT_CPU_CODE_LIMIT   (-176)
#define BT_CPU_MODE         (-168)
#define BT_CPU_MXCSR        (-164)
#define BT_CPU_ASK_FN       (-160)
#define BT_CPU_TSC_BASE     (-152)
#define BT_CPU_TSC_NOW      (-144)
#define BT_CPU_FXSAVE       (-136)
#define BT_CPU_EXIT_FN      (-128)
#define BT_CPU_MISS_FN      (-120)
#define BT_CPU_FPU_LOAD_FN  (-112)
#define BT_CPU_PUSHF_FN     (-104)
#define BT_CPU_POPF_FN      (-96)
#define BT_CPU_JT           (-88)
#define BT_CPU_FS_BASE      (-80)
#define BT_CPU_GS_BASE      (-72)
#define BT_CPU_EXIT_INFO    (-64)
#define BT_CPU_HFLAGS       (-60)
#define BT_CPU_IFLAG        (-56)
#define BT_CPU_IRQ_LINE     (-55)
#define BT_CPU_X87_DEAD     (-54)
#define BT_CPU_SSE_DEAD     (-53)
#define BT_CPU_X87_OFF      (-52)
#define BT_CPU_SSE_OFF      (-51)
#define BT_CPU_FPU_ENTER    (-50)
#define BT_CPU_X87_MEM      (-48) /* x87_insn right behind it */
#define BT_CPU_X87_INSN     (-44)
#define BT_CPU_R13          (-40)
#define BT_CPU_R14          (-32)
#define BT_CPU_TARGET       (-24)
#define BT_CPU_R11          (-16)
#define BT_CPU_SYS_FLAGS    (-8)
#define BT_CPU_X87_DATA     (-4)

/* exit_info: kind in the top four bits, block number, index in the block. */
#define BT_EXIT_KIND_SHIFT 28
#define BT_EXIT_TB_SHIFT   6
#define BT_EXIT_CALLOUT    0 /* emulate the instruction, then go on behind it */
#define BT_EXIT_CHAIN      1 /* a direct branch; the index is a slot's */
#define BT_EXIT_MISS       2 /* the jump table had no entry for R11 */
#define BT_EXIT_SIGNAL     3 /* a host signal: see struct bt_signal */
#define BT_EXIT_ASKED      4 /* a breakpoint that was asked: state is whole */

#ifndef __ASSEMBLER__
#include "vmm/x86/state.h"

struct bt;

enum bt_inline {
#define BT_INLINE(id, name) BT_INLINE_##id,
#include "vmm/accel/bt/bt_inline.def"
#undef BT_INLINE
    BT_INLINE_COUNT
};

struct bt_cpu {
    void *host_rsp;
    _Alignas(16) uint64_t inlined[BT_INLINE_COUNT]; /* times executed */
    /*
     * Segment limits as addresses: limit + off is readable if the byte at OFF
     * may be accessed so, else it is not.  For checked modes only (mode.c).
     */
    uint64_t read_limit[X86_SREG_COUNT], write_limit[X86_SREG_COUNT];
    uint64_t code_limit; /* the same for a branch to OFF in CS */
    uint32_t mode;       /* number of the mode that the CPU is in */
    uint32_t mxcsr;      /* the monitor's own */
    void (*ask_fn)(void);
    uint64_t tsc_base; /* TSC at instruction i: this + i - R13 */
    uint64_t tsc_now;  /* between two halves of RDTSC */
    uint8_t *fxsave;   /* st.fxsave */
    void (*exit_fn)(void);
    void (*miss_fn)(void);
    void (*fpu_load_fn)(void);
    void (*pushf_fn)(void);
    void (*popf_fn)(void);
    uint32_t *jt; /* the current window's jump table */
    /* Point to the base if the segment is flat enough to be used without a
     * check, else to a page without rights. */
    const uint64_t *fs_base, *gs_base;
    uint32_t exit_info;
    uint32_t hflags;   /* guest's arithmetic flags and DF, when in C */
    uint8_t iflag;     /* EFLAGS.IF, when in translated code */
    uint8_t irq_line;  /* INTR is up: STI and POPF must look */
    uint8_t x87_dead;  /* 0: guest x87 and SSE state is in the processor */
    uint8_t sse_dead;  /* 0: ... and SSE instructions are allowed */
    uint8_t x87_off;   /* CR0.EM or TS: an x87 instruction must be emulated */
    uint8_t sse_off;   /* ... or CR4.OSFXSR clear, for SSE */
    uint8_t fpu_enter; /* bt_enter() loads the FPU state first */
    /*
     * What x87 instructions have left of themselves that st.fxsave does not
     * show yet: the last one that has a memory operand (that of x87_data), and
     * the last one if it is later and has none.  As in exit_info; 0: none.
     */
    uint32_t x87_mem, x87_insn;
    uint64_t r13, r14;
    const void *target; /* where bt_enter() jumps */
    uint64_t r11;       /* the address entered; at the exit: the one missed */
    uint32_t sys_flags; /* rflags but for arithmetic flags, DF and IF */
    uint32_t x87_data;  /* offset of the operand of x87_mem */
    struct x86_state st;
    struct bt *owner;
};

#define BT_CHECK_OFFSET(field, value)                                          \
    _Static_assert((int)offsetof(struct bt_cpu, field) -                       \
                           (int)offsetof(struct bt_cpu, st) ==                 \
                       (value),                                                \
                   "bt_cpu.h: offset of " #field)

BT_CHECK_OFFSET(host_rsp, BT_CPU_HOST_RSP);
BT_CHECK_OFFSET(inlined, BT_CPU_INLINED);
BT_CHECK_OFFSET(inlined[BT_INLINE_POPF], BT_CPU_INLINED_POPF);
BT_CHECK_OFFSET(read_limit, BT_CPU_READ_LIMIT);
BT_CHECK_OFFSET(write_limit, BT_CPU_WRITE_LIMIT);
BT_CHECK_OFFSET(code_limit, BT_CPU_CODE_LIMIT);
BT_CHECK_OFFSET(mode, BT_CPU_MODE);
BT_CHECK_OFFSET(mxcsr, BT_CPU_MXCSR);
BT_CHECK_OFFSET(ask_fn, BT_CPU_ASK_FN);
BT_CHECK_OFFSET(tsc_base, BT_CPU_TSC_BASE);
BT_CHECK_OFFSET(tsc_now, BT_CPU_TSC_NOW);
BT_CHECK_OFFSET(fxsave, BT_CPU_FXSAVE);
BT_CHECK_OFFSET(exit_fn, BT_CPU_EXIT_FN);
BT_CHECK_OFFSET(miss_fn, BT_CPU_MISS_FN);
BT_CHECK_OFFSET(fpu_load_fn, BT_CPU_FPU_LOAD_FN);
BT_CHECK_OFFSET(pushf_fn, BT_CPU_PUSHF_FN);
BT_CHECK_OFFSET(popf_fn, BT_CPU_POPF_FN);
BT_CHECK_OFFSET(jt, BT_CPU_JT);
BT_CHECK_OFFSET(fs_base, BT_CPU_FS_BASE);
BT_CHECK_OFFSET(gs_base, BT_CPU_GS_BASE);
BT_CHECK_OFFSET(exit_info, BT_CPU_EXIT_INFO);
BT_CHECK_OFFSET(hflags, BT_CPU_HFLAGS);
BT_CHECK_OFFSET(iflag, BT_CPU_IFLAG);
BT_CHECK_OFFSET(irq_line, BT_CPU_IRQ_LINE);
BT_CHECK_OFFSET(x87_dead, BT_CPU_X87_DEAD);
BT_CHECK_OFFSET(sse_dead, BT_CPU_SSE_DEAD);
BT_CHECK_OFFSET(x87_off, BT_CPU_X87_OFF);
BT_CHECK_OFFSET(sse_off, BT_CPU_SSE_OFF);
BT_CHECK_OFFSET(fpu_enter, BT_CPU_FPU_ENTER);
BT_CHECK_OFFSET(x87_mem, BT_CPU_X87_MEM);
BT_CHECK_OFFSET(x87_insn, BT_CPU_X87_INSN);
BT_CHECK_OFFSET(r13, BT_CPU_R13);
BT_CHECK_OFFSET(r14, BT_CPU_R14);
BT_CHECK_OFFSET(target, BT_CPU_TARGET);
BT_CHECK_OFFSET(r11, BT_CPU_R11);
BT_CHECK_OFFSET(sys_flags, BT_CPU_SYS_FLAGS);
BT_CHECK_OFFSET(x87_data, BT_CPU_X87_DATA);

/* Loads the guest's registers and jumps to cpu->target; back at an exit. */
void bt_enter(struct x86_state *r15);

/* native.c, for bt_ask(): 0 if translated code is to go on. */
int bt_ask_breakpoints(struct x86_state *r15);

/* Not called from C: the places translated code leaves to. */
void bt_exit(void);
void bt_miss(void);
void bt_fpu_load(void);
void bt_pushf(void);
void bt_popf(void);
void bt_ask(void);
#endif
#endif
