/*
 * What the sensitive half of the executor (sys_*.c) shares: descriptors, a
 * stack that need not be the current one, task switches, exit reports.
 * Private to vmm/accel/emu.
 */
#ifndef VMM_ACCEL_EMU_SYS_H
#define VMM_ACCEL_EMU_SYS_H
#include "vmm/accel/emu/emu.h"

/* clang-format off */
/* Types of system descriptors (S = 0), SDM vol. 3A table 3-2. */
enum sys_type {
    SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4,
    SYS_TASK_GATE = 5, SYS_INT16 = 6, SYS_TRAP16 = 7, SYS_TSS32 = 9,
    SYS_TSS32_BUSY = 11, SYS_CALL32 = 12, SYS_INT32 = 14, SYS_TRAP32 = 15,
};
/* clang-format on */
#define SYS_TSS_BUSY BIT(1) /* of a TSS descriptor's type */
#define SYS_TYPE_32  BIT(3) /* of a gate's or a TSS's type */

/* What V86 mode makes of every segment register. */
#define SYS_V86_ATTR                                                           \
    (X86_SEG_P | 3u << 5 | X86_SEG_S | X86_SEG_RW | X86_SEG_ACCESSED)

/* A descriptor as it lies in its table. */
struct sys_desc {
    uint64_t gla; /* of the descriptor */
    uint32_t lo, hi;
};

static inline unsigned sys_desc_dpl(const struct sys_desc *d)
{
    return d->hi >> 13 & 3;
}

static inline bool sys_desc_present(const struct sys_desc *d)
{
    return d->hi & BIT(15);
}

/* Type with S on top: below 16 a system descriptor's enum sys_type. */
static inline unsigned sys_desc_type(const struct sys_desc *d)
{
    return d->hi >> 8 & 0x1f;
}

static inline bool sys_desc_is_code(const struct sys_desc *d)
{
    return (sys_desc_type(d) & (X86_SEG_S | X86_SEG_CODE)) ==
           (X86_SEG_S | X86_SEG_CODE);
}

static inline bool sys_desc_is_conforming(const struct sys_desc *d)
{
    return sys_desc_is_code(d) && (sys_desc_type(d) & X86_SEG_EC);
}

static inline bool sys_desc_is_writable(const struct sys_desc *d)
{
    return (sys_desc_type(d) & (X86_SEG_S | X86_SEG_CODE | X86_SEG_RW)) ==
           (X86_SEG_S | X86_SEG_RW);
}

/* Of a gate. */
static inline uint16_t sys_gate_selector(const struct sys_desc *d)
{
    return (uint16_t)(d->lo >> 16);
}

static inline uint32_t sys_gate_offset(const struct sys_desc *d)
{
    uint32_t low = d->lo & 0xffff;

    return sys_desc_type(d) & SYS_TYPE_32 ? low | (d->hi & 0xffff0000u) : low;
}

/* The error code of a fault that concerns a vector: index, IDT, EXT later. */
static inline uint32_t sys_vector_error(unsigned vector)
{
    return vector * 8u + 2;
}

static inline bool sys_is_null(uint16_t selector)
{
    return (selector & ~3u) == 0;
}

/* A selector as an error code: index and table, no RPL. */
static inline uint32_t sys_selector_error(uint16_t selector)
{
    return selector & ~3u;
}

static inline bool sys_raise_selector(struct emu *emu, enum x86_vector vector,
                                      uint16_t selector)
{
    return emu_raise_err(emu, vector, sys_selector_error(selector));
}

static inline bool sys_is_v86(const struct emu *emu)
{
    return x86_mode(emu->st) == X86_MODE_V86;
}

/* 64-bit and compatibility mode: gates, stacks and IRET are another's. */
static inline bool sys_is_long(const struct emu *emu)
{
    return emu->st->efer & X86_EFER_LMA;
}

/* Addresses wrap at 4 GiB, but in long mode. */
static inline uint64_t sys_wrap(const struct emu *emu, uint64_t address)
{
    return sys_is_long(emu) ? address : (uint32_t)address;
}

/* Protected mode proper: selectors name descriptors. */
static inline bool sys_is_protected(const struct emu *emu)
{
    return x86_mode(emu->st) > X86_MODE_V86;
}

/* ---- descriptors ------------------------------------------------------- */

/* Where SELECTOR's descriptor lies; false: outside its table. */
bool sys_desc_find(const struct emu *emu, uint16_t selector, uint64_t *gla);
/* Reads it.  VECTOR(0) for a null selector, VECTOR(selector) outside. */
MUST_CHECK bool sys_desc_get(struct emu *emu, uint16_t selector,
                             enum x86_vector vector, struct sys_desc *d);
/* The same from the GDT alone: a selector of the LDT faults as well. */
MUST_CHECK bool sys_desc_get_global(struct emu *emu, uint16_t selector,
                                    enum x86_vector vector, struct sys_desc *d);
/* The upper half of D, which has 16 bytes; #GP(selector) outside the table. */
MUST_CHECK bool sys_desc_upper(struct emu *emu, uint16_t selector,
                               const struct sys_desc *d, uint32_t upper[2]);
/* Sets the accessed bit of a code or data descriptor in memory. */
MUST_CHECK bool sys_desc_touch(struct emu *emu, struct sys_desc *d);
/* Sets or clears the busy bit of a TSS descriptor in memory. */
MUST_CHECK bool sys_desc_set_busy(struct emu *emu, struct sys_desc *d,
                                  bool busy);
/* As a segment register holds it. */
struct x86_seg sys_desc_seg(uint16_t selector, const struct sys_desc *d);
/* A segment register as real (or V86) mode loads it. */
struct x86_seg sys_real_seg(const struct emu *emu, enum x86_sreg reg,
                            uint16_t selector, bool v86);
/* sys_load_segment() without its exit report: for task switches. */
MUST_CHECK bool sys_segment_load(struct emu *emu, enum x86_sreg reg,
                                 uint16_t selector);
/* Does not touch memory but for the accessed bit; CPL as if it were given. */
MUST_CHECK bool sys_check_stack_segment(struct emu *emu, uint16_t selector,
                                        unsigned cpl, enum x86_vector vector,
                                        struct x86_seg *seg);
/* ES, DS, FS, GS that a less privileged CPL may not keep become null. */
void sys_drop_segments(struct emu *emu, unsigned cpl);

/* ---- stacks ------------------------------------------------------------ */

/* A stack under construction; nothing of it is in the CPU state yet. */
struct sys_stack {
    struct x86_seg ss;
    uint32_t sp;
    bool user;      /* accesses are CPL 3's */
    uint32_t error; /* of the #SS when the limit is exceeded */
};

struct sys_stack sys_stack_current(const struct emu *emu);
/* Of the TSS, for an entry to CPL; #TS and #SS as the SDM has them. */
MUST_CHECK bool sys_stack_inner(struct emu *emu, unsigned cpl,
                                struct sys_stack *s);
MUST_CHECK bool sys_stack_push(struct emu *emu, struct sys_stack *s,
                               uint32_t value, unsigned size);
MUST_CHECK bool sys_stack_pop(struct emu *emu, struct sys_stack *s,
                              uint32_t *value, unsigned size);
/* COUNT values in the order they are pushed or popped. */
MUST_CHECK bool sys_stack_push_all(struct emu *emu, struct sys_stack *s,
                                   const uint32_t *value, unsigned count,
                                   unsigned size);
MUST_CHECK bool sys_stack_pop_all(struct emu *emu, struct sys_stack *s,
                                  uint32_t *value, unsigned count,
                                  unsigned size);
/* Makes S's pointer the current one; SS too if it was changed. */
void sys_stack_commit(struct emu *emu, const struct sys_stack *s);

/* ---- control flow ------------------------------------------------------ */

/* #GP(0) if EIP is outside CS. */
MUST_CHECK bool sys_check_eip(struct emu *emu, const struct x86_seg *cs,
                              uint32_t eip);
void sys_jump(struct emu *emu, const struct x86_seg *cs, uint64_t rip);

/*
 * The code segment of a gate: the handler's CPL in its selector.  In long mode
 * it has to be 64-bit code.
 */
MUST_CHECK bool sys_handler_cs(struct emu *emu, uint16_t selector,
                               struct x86_seg *cs);
/* As SYSENTER, SYSCALL and their returns make one up: all of 4 GiB, 32-bit. */
struct x86_seg sys_flat_segment(uint64_t selector, unsigned cpl, bool code);

/* RET and IRET: is SELECTOR a code segment one may return to? */
MUST_CHECK bool sys_return_cs(struct emu *emu, uint16_t selector,
                              struct x86_seg *cs);
/*
 * RET and IRET to an outer level: pops ESP and SS, SKIP bytes further up, and
 * S becomes that stack.
 */
MUST_CHECK bool sys_return_stack(struct emu *emu, struct sys_stack *s,
                                 unsigned rpl, uint32_t skip, unsigned size);

enum sys_task_how { SYS_TASK_JMP, SYS_TASK_CALL, SYS_TASK_IRET };

struct sys_task {
    enum sys_task_how how; /* an interrupt is a call */
    uint16_t selector;
    struct sys_desc tss; /* present, of the right busy state: checked */
    uint32_t eip;        /* of the old task, to save */
    uint32_t eflags;
    bool push_error;
    uint32_t error;
};

/*
 * A hardware task switch, SDM vol. 3A 7.3.  False: a fault, and if it came
 * late the state is already the new task's, as the manual says.
 */
MUST_CHECK bool sys_task_switch(struct emu *emu, struct sys_task *task);
/* Through a task gate: checks TSS and switches.  VECTOR: #GP, or #TS. */
MUST_CHECK bool sys_task_gate(struct emu *emu, const struct sys_desc *gate,
                              struct sys_task *task);
/* IRET with NT set. */
MUST_CHECK bool sys_task_return(struct emu *emu, uint32_t eip);

/* ---- long mode: sys_long.c --------------------------------------------- */

/* EFLAGS as the delivery of EV pushes them. */
uint32_t sys_pushed_flags(const struct emu *emu, const struct x86_event *ev);
/* One attempt to deliver EV through a 64-bit gate. */
MUST_CHECK bool sys_long_deliver(struct emu *emu, const struct x86_event *ev);

/* The stack pointer of TSS: that of IST, if it is not 0, else that of CPL. */
MUST_CHECK bool sys_long_tss_stack(struct emu *emu, unsigned ist, unsigned cpl,
                                   uint64_t *rsp);
/* Which bits of RSP are the stack pointer. */
uint64_t sys_long_sp_mask(const struct emu *emu);
/* N values of SIZE bytes from the stack at FROM; RSP stays. */
MUST_CHECK bool sys_long_pop(struct emu *emu, uint64_t from, uint64_t *value,
                             unsigned n, unsigned size);
/* IRET and RET to the code of CS: its stack segment, and where it begins. */
MUST_CHECK bool sys_long_return_ss(struct emu *emu, uint16_t selector,
                                   const struct x86_seg *cs,
                                   struct x86_seg *ss);
MUST_CHECK bool sys_long_check_rip(struct emu *emu, const struct x86_seg *cs,
                                   uint64_t rip);
void sys_long_set_rsp(struct emu *emu, const struct x86_seg *cs,
                      uint64_t value);
/* sys_drop_segments(), as long mode does it. */
void sys_long_drop_segments(struct emu *emu, unsigned cpl);
/* Null as a stack segment, with the CPL that is kept in it. */
struct x86_seg sys_null_ss(unsigned cpl);
/*
 * Bytes of a far pointer's offset: 2, 4, and 8 with REX.W, which AMD's
 * processors do not look at here.
 */
unsigned sys_far_size(const struct emu *emu);
/* The far pointer in memory at MEM, with SIZE bytes of offset. */
MUST_CHECK bool sys_far_pointer(struct emu *emu, const ZydisDecodedOperand *mem,
                                unsigned size, uint64_t *offset,
                                uint16_t *selector);

emu_handler sys_long_iret, sys_long_syscall, sys_long_sysret;
emu_handler sys_long_swapgs, sys_long_sysenter, sys_long_sysexit;
emu_handler sys_long_jmp_far, sys_long_call_far, sys_long_ret_far;

/* ---- the rest ---------------------------------------------------------- */

/* #GP(0) unless CPL is 0. */
MUST_CHECK bool sys_need_cpl0(struct emu *emu);
/* #GP(0) with CR4.UMIP, unless CPL is 0. */
MUST_CHECK bool sys_need_umip(struct emu *emu);
/* #GP(0) unless CPL <= IOPL (in V86 mode: IOPL = 3). */
MUST_CHECK bool sys_need_iopl(struct emu *emu);
/* #UD in real and V86 mode. */
MUST_CHECK bool sys_need_protected(struct emu *emu);

/* An exit of the instruction at hand, to be filled in and reported. */
struct vm_exit sys_exit(const struct emu *emu, enum vm_exit_kind kind);
/* Reports one with the register detail. */
void sys_report_reg(struct emu *emu, enum vm_exit_kind kind, unsigned reg,
                    bool write, uint64_t value);

/* MOV to and from control and debug registers: sys_ctl.c. */
emu_handler sys_mov_system;

#define ROW(mnemonic, handler) emu_handler handler;
#include "vmm/accel/emu/sys_insn.def"
#undef ROW
#endif
