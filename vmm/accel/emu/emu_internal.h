/*
 * What the emu_*.c files share and nobody else sees: the cache of decoded
 * instructions, native execution, and linear memory.
 */
#ifndef VMM_ACCEL_EMU_EMU_INTERNAL_H
#define VMM_ACCEL_EMU_EMU_INTERNAL_H
#include "vmm/accel/emu/emu.h"

/* Which x87/MMX/SSE rules an instruction obeys (SDM vol. 3A table 2-2, 13-1) */
enum emu_fpu {
    EMU_FPU_X87 = 1,     /* #NM by EM and TS */
    EMU_FPU_MMX = 2,     /* #UD by EM, #NM by TS */
    EMU_FPU_SSE = 4,     /* ... and #UD without CR4.OSFXSR */
    EMU_FPU_WAITING = 8, /* a pending x87 exception is raised first */
    EMU_FPU_WAIT = 16,   /* WAIT itself: #NM by MP and TS */
};

/* Registers and flags of the native thunk; offsets known to emu_thunk.S. */
struct emu_native_ctx {
    uint64_t gpr[X86_GPR_COUNT]; /* 0 */
    uint64_t flags;              /* 128: AH: SF ZF AF PF CF, AL: OF */
    uint64_t host_rsp;           /* 136 */
    uint8_t *fxsave;             /* 144: guest's FXSAVE image */
    uint64_t code;               /* 152: 64-bit thunk: what to call */
    uint32_t host_mxcsr;         /* 160: restored after FPU code */
    uint64_t *regs;              /* 168: 16- and 32-bit code's: any array */
};

/* An instruction as it was decoded, and as the host runs it. */
struct emu_entry {
    uint8_t bytes[16];
    uint8_t len;          /* 0: the entry is empty */
    uint8_t bits;         /* 16, 32 or 64 */
    uint8_t fpu;          /* enum emu_fpu */
    int16_t fop;          /* emu_fpu_opcode() */
    bool compat;          /* 16 or 32 bits, but in long mode */
    bool repeats;         /* a string instruction: counts iterations itself */
    bool of_the_kind;     /* emu->defers is about it */
    emu_handler *handler; /* NULL: not supported */
    /* Of native instructions: */
    bool emitted;
    bool aligned;     /* the memory operand must be 16-byte aligned */
    uint8_t esp_host; /* the host register that stands for ESP, or X86_RSP */
    int8_t mem;       /* index of the memory operand, or -1 */
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

#define EMU_CACHE_SIZE 1024u
#define EMU_SLOT_SIZE  32u

struct emu_native {
    struct emu_entry *cur;  /* the instruction at hand */
    struct emu_entry none;  /* ... when there is none */
    uint8_t *code_rw;       /* one memfd, mapped twice */
    const uint8_t *code_rx; /* EMU_CACHE_SIZE slots */
    uint8_t *scratch;       /* right behind code_rx: the memory operand */
    size_t code_len;
    volatile int host_signal; /* that ended the thunk */
    struct emu_native_ctx ctx __attribute__((aligned(64)));
    struct emu_entry entry[EMU_CACHE_SIZE];
};

/* ---- emu_native.c ----------------------------------------------------- */
int emu_native_init(struct emu *emu);
void emu_native_fini(struct emu *emu);
/* The handler of everything the host executes. */
bool emu_native_execute(struct emu *emu);
/* May the host execute ENTRY?  Then everything is ready but the code. */
bool emu_native_prepare(struct emu_entry *entry);

/* ---- emu_encode.c ----------------------------------------------------- */
/* Emits ENTRY's instruction for the host and a RET; the length. */
unsigned emu_encode(const struct emu_entry *entry, uint8_t *out,
                    const uint8_t *out_rx, const uint8_t *scratch);

/* ---- emu_thunk.S ------------------------------------------------------ */
/* 0: done; 1: a signal handler jumped to emu_thunk_abort. */
int emu_thunk(struct emu_native_ctx *ctx, const void *code);
int emu_thunk_fpu(struct emu_native_ctx *ctx, const void *code);
int emu_thunk64(struct emu_native_ctx *ctx, const void *code);
int emu_thunk64_fpu(struct emu_native_ctx *ctx, const void *code);
void emu_thunk_abort(void);
void emu_thunk_abort_fpu(void);

/* ---- emu_guard.c ------------------------------------------------------ */
/*
 * For an instruction that the owner executes: raises what it would raise, as
 * far as that can be said without executing it, and tells who watches what
 * memory it accesses.  True: it may go on.
 */
MUST_CHECK bool emu_guard(struct emu *emu);

/* ---- emu_isa.c -------------------------------------------------------- */
/* emu_isa_has() is in emu.h: the translator asks it too. */
/*
 * Does it ask what kind of processor this is, or choose among what that kind
 * has: CPUID, MSRs, time stamps, and what emu_isa_has() does not know?
 */
bool emu_isa_is_of_the_kind(const ZydisDecodedInstruction *insn);
/* x87, MMX, SSE: prefix 66 is part of the opcode. */
bool emu_isa_is_vector(ZydisISAExt ext);

/* ---- emu_fpu.c -------------------------------------------------------- */
#define FXSAVE_POINTERS     6u /* in the image: FOP, FIP, FCS, FDP, FDS */
#define FXSAVE_POINTERS_LEN 18u
/* The enum emu_fpu rules of an instruction. */
unsigned emu_fpu_rules(const ZydisDecodedInstruction *insn,
                       const ZydisDecodedOperand *op);
/* #UD, #NM, #MF as the rules say. */
MUST_CHECK bool emu_fpu_check(struct emu *emu, unsigned rules);
/*
 * After an x87 instruction with these rules: did an unmasked exception keep it
 * from storing to memory?  (Inexact does not: SDM vol. 1 8.5.)
 */
bool emu_fpu_store_suppressed(const struct x86_state *st, unsigned rules);

/* ---- emu_fetch.c ------------------------------------------------------ */
/* Sets emu->insn, op, bytes, next_rip and native->cur.  False: fault. */
MUST_CHECK bool emu_fetch(struct emu *emu);

/* ---- emu_mem.c -------------------------------------------------------- */
static inline bool emu_is_protected(const struct x86_state *st)
{
    return (st->cr0 & X86_CR0_PE) && !(st->rflags & X86_EFLAGS_VM);
}

/* Checks SEG:OFF for SIZE bytes; the linear address. */
MUST_CHECK bool emu_linear(struct emu *emu, enum x86_sreg seg, uint64_t off,
                           unsigned size, enum emu_right right, uint64_t *gla);
/* The translation of the page of GLA, with RIGHT committed; NULL: #PF. */
struct emu_tlb_entry *emu_tlb_get(struct emu *emu, uint64_t gla,
                                  enum emu_right right, bool user);
/* Reads code, from RAM or a device; never crosses a page. */
void emu_page_read(struct emu *emu, const struct emu_tlb_entry *page,
                   unsigned offset, void *buf, unsigned size);
/* LEN bytes at HVA, of guest-physical GPA, were changed. */
void emu_ram_written(struct emu *emu, const uint8_t *hva, uint64_t gpa,
                     unsigned len);
#define EMU_ROM 8u /* in emu_tlb_entry.rights: writes are dropped */

/*
 * Everything of an access but the access itself: its faults, and what is told
 * to who watches.  RIGHT: read or write.
 */
MUST_CHECK bool emu_touch(struct emu *emu, enum x86_sreg seg, uint64_t off,
                          unsigned size, enum emu_right right);

/* ---- emu_flow.c ------------------------------------------------------- */
/*
 * Sets RIP to TARGET, cut to the operand size; #GP(0) beyond CS's limit or
 * outside the address space.
 */
MUST_CHECK bool emu_branch(struct emu *emu, uint64_t target);

/* ---- emu_operand.c ---------------------------------------------------- */
/* Number of a general register of any width; -1: it is none. */
int emu_gpr_index(ZydisRegister reg, unsigned *size, bool *high);
uint64_t emu_get_reg(const struct emu *emu, ZydisRegister reg);
void emu_put_reg(struct emu *emu, ZydisRegister reg, uint64_t value);
/* The segment a memory operand goes through. */
static inline enum x86_sreg emu_op_seg(const ZydisDecodedOperand *op)
{
    return (enum x86_sreg)(op->mem.segment - ZYDIS_REGISTER_ES);
}

/* The handlers of emu_insn.def. */
#define INSN(mnemonic, fn)   emu_handler fn;
#define STRING(mnemonic, fn) emu_handler fn;
#include "vmm/accel/emu/emu_insn.def"
#undef INSN
#undef STRING
emu_handler emu_do_undefined;
/* Those of emu_long.def. */
emu_handler emu_long_push, emu_long_pop, emu_long_pushf, emu_long_popf;
emu_handler emu_long_leave, emu_long_call, emu_long_ret;
#endif
