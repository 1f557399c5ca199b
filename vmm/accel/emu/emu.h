/*
 * One guest instruction, exactly as the SDM says, in any mode; in long mode,
 * which KVM alone has, all that a debugger may not leave to KVM.
 *
 * This is the translator's slow path and KVM's fallback.  It is not an
 * interpreter of arithmetic: an innocuous instruction is executed by the host
 * processor itself, with its registers loaded and its memory operand
 * redirected to a buffer.  Only address formation, the stack, control flow and
 * the sensitive instructions are written in C.
 *
 * Two halves share struct emu and this header:
 *   emu_*.c  fetch, decode, memory, native execution, stack, strings, flow
 *   sys_*.c  segments, far transfers, interrupts, tasks, control registers
 *
 * Faults are data: a function that may fault returns false after emu_raise()
 * has filled emu->fault, and the caller returns false at once.  A handler
 * changes guest state only when nothing can fault any more.
 *
 * The guest's memory is touched only through emu_read/emu_write and friends;
 * MMIO inside them is a nested vcpu_exit().
 */
#ifndef VMM_ACCEL_EMU_EMU_H
#define VMM_ACCEL_EMU_EMU_H
#include <Zydis/Zydis.h>

#include "vmm/accel/accel.h"

#define MUST_CHECK __attribute__((warn_unused_result))

enum emu_right { EMU_READ = 1, EMU_WRITE = 2, EMU_FETCH = 4 };

/* What the owner (bt, kvm) wants to hear while an instruction is emulated. */
struct emu_hooks {
    void *opaque;
    /* A page's translation may be stale: INVLPG.  May be NULL. */
    void (*tlb_flush_page)(void *opaque, uint32_t gla);
    /* All are; GLOBAL: also global pages (CR0.PG, CR4 changes). May be NULL. */
    void (*tlb_flush)(void *opaque, bool global);
    /* Guest RAM that emu->code_pages marks was written.  May be NULL. */
    void (*code_written)(void *opaque, uint64_t gpa, unsigned len);
    /*
     * The instruction read or wrote data there (watchpoints).  NULL: nobody
     * watches, and accesses are faster.
     */
    void (*accessed)(void *opaque, uint64_t gla, unsigned len, bool write);
    /*
     * The processor's TLB, if the owner keeps it: the page of GLA for an
     * access with RIGHT, as USER or supervisor, accessed and dirty bits set
     * where that is due.  False: the owner does not know; emu walks.  Calls
     * emu_tlb_flush() when it knows less than before.  May be NULL.
     */
    bool (*translate)(void *opaque, uint32_t gla, enum emu_right right,
                      bool user, uint64_t *gpa);
    /*
     * Does the owner keep the device at a guest-physical address, or PORT?  An
     * instruction that gets there is left to it: EMU_UNSUPPORTED.  May be NULL.
     */
    bool (*keeps)(void *opaque, uint64_t addr, bool port);
    /*
     * Does the guest's CPUID show BIT of register REG (0: EAX, to 3: EDX) of
     * LEAF?  Asked of what is left to the owner.  NULL: it does.
     */
    bool (*has_feature)(void *opaque, uint32_t leaf, unsigned reg,
                        unsigned bit);
};

#define EMU_TLB_SIZE 1024u /* direct mapped, by linear page number */

struct emu_tlb_entry {
    uint64_t tag;   /* see emu_mem.c: page, user, generation */
    uint8_t rights; /* enum emu_right: checked and committed already */
    uint64_t gpa;   /* of the page */
    uint8_t *hva;   /* NULL: not RAM, go through the bus */
};

struct emu {
    struct vcpu *vcpu;
    struct x86_state *st; /* the live state; borrowed */
    struct emu_hooks hooks;
    /*
     * One bit per page of RAM (memfd offset / 4096) that holds translated
     * code; NULL: none.  A write to such a page calls hooks.code_written.
     */
    const uint64_t *code_pages;

    /* The instruction at hand. */
    ZydisDecoder decoder[3];             /* 16, 32, 64 bits */
    const ZydisDecodedInstruction *insn; /* never NULL */
    const ZydisDecodedOperand *op;       /* at least 3; the rest UNUSED */
    const uint8_t *bytes;
    uint64_t next_rip; /* of the following instruction, wrapped */
    bool branched;     /* the handler wrote st->rip itself */
    bool restart;      /* the handler wants the same instruction again */
    bool may_leave;    /* hooks.keeps is asked: not of deliveries */
    bool left;         /* ... and said yes: the handler returned false */

    /* What emu_raise() said. */
    struct x86_event fault;
    uint64_t fault_cr2; /* of #PF: written to CR2 when it is delivered */
    uint32_t fault_dr6; /* of #DB: bits to set in DR6 */
    /*
     * DR6 bits of the guest's own data and I/O breakpoints that the
     * instruction at hand hit; a #DB trap is due after it (emu_step does it).
     */
    uint32_t trap_dr6;
    uint32_t held_dr6; /* the same, waiting for the MOV SS shadow to end */

    /*
     * The time stamp counter is virtual time (icount + idle_ns) plus this.
     * An accelerator's get_state fills st->tsc with sys_tsc(), set_state
     * calls sys_set_tsc().
     */
    uint64_t tsc_offset;
    /*
     * What kind of processor the guest has; emu_init() fills in that of
     * vmm/x86/cpuid.c.
     */
    bool amd; /* AMD's long mode: SYSCALL, not SYSENTER, and so on */
    /* FCS and FDS are always 0 (CPUID.(7,0):EBX[13]): the owner's state has no
     * room for them. */
    bool no_fcs;
    unsigned phys_bits; /* of a physical address: CR3 of long mode */
    uint64_t cr4_valid; /* bits of CR4 that can be set */
    /*
     * The owner executes what depends on the kind of processor: CPUID, MSRs,
     * time stamps, and what the processor of vmm/x86/cpuid.c does not know.
     */
    bool defers;

    struct x86_paging paging; /* valid until emu_state_changed() */
    bool watching;            /* accesses are looked at one by one */
    bool a20;                 /* vcpu->a20 as the TLB knows it */
    uint64_t tlb_generation;
    struct emu_tlb_entry tlb[EMU_TLB_SIZE];
    struct emu_native *native; /* decoded and emitted instructions */
    /* The chain of exceptions on the way to a triple fault, oldest first. */
    struct fault_cause cause[3];
    unsigned causes;
    struct x86_state before_fault; /* the state at cause[0] */
};

enum emu_result {
    EMU_DONE,  /* retired: state advanced by one instruction */
    EMU_FAULT, /* emu->fault says what; guest registers unchanged */
    EMU_HALT,  /* HLT retired: st->activity is X86_HALTED */
    /*
     * The owner has to execute it; see emu->defers, emu_long.def and
     * hooks.keeps.  Nothing is done, and it raises none of the faults that can
     * be foreseen (emu_guard.c).
     */
    EMU_UNSUPPORTED,
};

/* ST is borrowed for emu's life.  0 or -errno, logged. */
int emu_init(struct emu *emu, struct vcpu *vcpu, struct x86_state *st,
             const struct emu_hooks *hooks);
void emu_fini(struct emu *emu);

/* Paging, segments or mode were changed from outside: forget what is cached. */
void emu_state_changed(struct emu *emu);

/* Forgets translations only: INVLPG, CR3.  Costs next to nothing. */
void emu_tlb_flush(struct emu *emu);

/*
 * Executes the instruction at CS:RIP, nothing more: no interrupts, no traps.
 * Sets and clears the STI and MOV SS shadows.  Does not count it.
 */
enum emu_result emu_execute(struct emu *emu);

/*
 * Delivers an exception or interrupt through the IDT or the real-mode vector
 * table, with all checks, stack and task switches; nested faults become #DF
 * and then shutdown (st->activity = X86_SHUTDOWN, TRIPLE_FAULT exit reported).
 * Reports EXCEPTION or EXTINT to vcpu_exit().  False: the CPU is shut down.
 */
bool emu_deliver(struct emu *emu, const struct x86_event *ev);

/*
 * One step of the processor as software sees it: takes an NMI or external
 * interrupt if it may, else executes one instruction, delivers its fault or
 * the single-step and data breakpoint traps (TF, DR0-3).  Adds 1 to
 * vcpu->icount when an instruction retired.
 */
enum emu_result emu_step(struct emu *emu);

/* CR4 bits of the features in vmm/x86/cpuid.c, and PCE as all since the P6. */
#define EMU_CR4_VALID                                                          \
    (X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE |      \
     X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

/* Does the guest's processor know the instruction? */
bool emu_isa_has(const ZydisDecodedInstruction *insn);

/* ---- what an x87 instruction leaves behind: SDM vol. 1 8.1.8, 8.1.9 ------ */

/*
 * FOP, 11 bits, of an x87 instruction; -1: INSN leaves neither opcode nor
 * pointers, being a control instruction or none of x87.
 */
int emu_fpu_opcode(const ZydisDecodedInstruction *insn);
/* Into ST's image: FOP, FIP and FCS; FDP and FDS. */
void emu_fpu_put_insn(struct x86_state *st, unsigned fop, uint64_t fip,
                      uint16_t fcs);
void emu_fpu_put_data(struct x86_state *st, uint64_t fdp, uint16_t fds);

/* ---- for the handlers ------------------------------------------------- */

/* Each returns false, so that a caller can `return emu_raise(...)`. */
bool emu_raise(struct emu *emu, enum x86_vector vector); /* error 0 if it has */
bool emu_raise_err(struct emu *emu, enum x86_vector vector, uint32_t error);
/* True: the owner keeps that device, and the handler is to return false. */
bool emu_leaves(struct emu *emu, uint64_t addr, bool port);

/*
 * SIZE bytes at SEG:OFF (OFF as computed, not yet wrapped), checking type,
 * limit and page rights at the current CPL.  #SS for SS, else #GP.  A write
 * checks every page before it changes the first byte.  SIZE at most 512.
 */
MUST_CHECK bool emu_read(struct emu *emu, enum x86_sreg seg, uint32_t off,
                         void *buf, unsigned size);
MUST_CHECK bool emu_write(struct emu *emu, enum x86_sreg seg, uint32_t off,
                          const void *buf, unsigned size);
/* 64-bit offsets too. */
MUST_CHECK bool emu_read64(struct emu *emu, enum x86_sreg seg, uint64_t off,
                           void *buf, unsigned size);
MUST_CHECK bool emu_write64(struct emu *emu, enum x86_sreg seg, uint64_t off,
                            const void *buf, unsigned size);
/* Faults exactly where emu_write would, and writes nothing. */
MUST_CHECK bool emu_probe_write(struct emu *emu, enum x86_sreg seg,
                                uint32_t off, unsigned size);
MUST_CHECK bool emu_probe_write64(struct emu *emu, enum x86_sreg seg,
                                  uint64_t off, unsigned size);
/*
 * Where SEG:OFF lies.  False: it may not be accessed so; *GLA is filled in all
 * the same.
 */
bool emu_linear_quiet(const struct emu *emu, enum x86_sreg seg, uint64_t off,
                      unsigned size, enum emu_right right, uint64_t *gla);

static inline bool emu_is_long64(const struct x86_state *st)
{
    return (st->efer & X86_EFER_LMA) && (st->seg[X86_CS].attr & X86_SEG_L);
}

/*
 * The last offset in SEG that may be accessed so, all below it too; false:
 * none may, or the offsets that may do not begin at 0 (expand-down).
 */
bool emu_segment_limit(const struct emu *emu, enum x86_sreg seg,
                       enum emu_right right, uint64_t *limit);

/* Linear addresses at CPL 0: descriptor tables and TSSs. */
MUST_CHECK bool emu_read_sys(struct emu *emu, uint64_t gla, void *buf,
                             unsigned size);
MUST_CHECK bool emu_write_sys(struct emu *emu, uint64_t gla, const void *buf,
                              unsigned size);

/* Linear address as user or supervisor, for stacks that are not current yet */
MUST_CHECK bool emu_read_linear(struct emu *emu, uint64_t gla, void *buf,
                                unsigned size, bool user);
MUST_CHECK bool emu_write_linear(struct emu *emu, uint64_t gla, const void *buf,
                                 unsigned size, bool user);

/* Effective address (offset) of the memory operand OP, wrapped to 16 or 32. */
uint32_t emu_ea(const struct emu *emu, const ZydisDecodedOperand *op);
uint64_t emu_ea64(const struct emu *emu, const ZydisDecodedOperand *op);

/* An operand's value: register, memory or immediate, zero-extended. */
MUST_CHECK bool emu_get(struct emu *emu, const ZydisDecodedOperand *op,
                        uint64_t *value);
/* Writes a register or memory operand of the operand's size. */
MUST_CHECK bool emu_put(struct emu *emu, const ZydisDecodedOperand *op,
                        uint64_t value);

/*
 * Stack of the current SS, 16- or 32-bit by SS.B.  SIZE 2 or 4.
 * emu_stack_read peeks DEPTH bytes above the top without moving it;
 * emu_push_at writes below the top and moves a shadow pointer, not ESP:
 *     uint32_t sp = emu_sp(emu);
 *     if (!emu_push_at(emu, &sp, v, 4)) return false;
 *     ... emu_set_sp(emu, sp);
 */
uint32_t emu_sp(const struct emu *emu);
void emu_set_sp(struct emu *emu, uint32_t sp); /* SP only if !SS.B */
MUST_CHECK bool emu_push_at(struct emu *emu, uint32_t *sp, uint32_t value,
                            unsigned size);
MUST_CHECK bool emu_pop_at(struct emu *emu, uint32_t *sp, uint32_t *value,
                           unsigned size);

/*
 * Compares an access with DR0-3 and sets emu->trap_dr6.  emu_read/emu_write
 * do it themselves; IN and OUT with CR4.DE call it with the port and IO set.
 */
void emu_match_breakpoints(struct emu *emu, uint64_t addr, unsigned len,
                           bool write, bool io);

/* The segment of the default-DS operand of a string instruction. */
enum x86_sreg emu_data_segment(const struct emu *emu);

/* Operand size of the instruction at hand in bytes: 2 or 4. */
unsigned emu_opsize(const struct emu *emu);

/* A handler of one mnemonic.  False: emu->fault is set. */
typedef bool emu_handler(struct emu *emu);

/* ---- implemented in sys_*.c, used by emu_*.c ---------------------------- */

/*
 * Loads a segment register with all checks (SDM vol. 3A 5.5 to 5.7), real and
 * V86 mode included; not CS.  Sets the accessed bit in memory.
 */
MUST_CHECK bool sys_load_segment(struct emu *emu, enum x86_sreg seg,
                                 uint16_t selector);
/* New RFLAGS from POPF or IRET, by CPL and IOPL; SIZE 2 or 4. */
void sys_set_flags(struct emu *emu, uint32_t value, unsigned size);

/* The time stamp counter now; and its new value. */
uint64_t sys_tsc(const struct emu *emu);
void sys_set_tsc(struct emu *emu, uint64_t value);

/*
 * The rows of sys_insn.def, looked up by emu_execute; NULL: not there.
 * Asked for first: what touches segment, control and debug registers (MOV),
 * and far branches (JMP, CALL, RET with branch_type FAR).  POP of a segment
 * register is emu's and calls sys_load_segment.
 */
emu_handler *sys_handler(ZydisMnemonic mnemonic);
/*
 * The same of long mode (emu_long.def), where all else that would be in
 * sys_insn.def or emu_insn.def is not supported.
 */
emu_handler *emu_long_handler(ZydisMnemonic mnemonic, bool compat);
#endif
