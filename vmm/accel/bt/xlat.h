/*
 * Translating one instruction: what the driver (translate.c) and the classes
 * of instructions (xlat_*.c, rows in xlat.def) share.
 */
#ifndef VMM_ACCEL_BT_XLAT_H
#define VMM_ACCEL_BT_XLAT_H
#include "vmm/accel/bt/bt_int.h"
#include "vmm/accel/bt/emit.h"

enum xlat_flow {
    XLAT_NEXT,        /* translated; the block goes on */
    XLAT_END,         /* translated; control never comes to what follows */
    XLAT_CALLOUT,     /* not translated: emulate it and go on behind it */
    XLAT_CALLOUT_END, /* ... and find the next block anew */
};

struct xlat_branch {
    uint32_t fixup;    /* buffer offset of the rel32 */
    uint32_t target;   /* linear */
    unsigned executed; /* instructions, the branch included */
};

#define XLAT_SIZE_MAX     64u /* bytes that one operand may have */
#define XLAT_BRANCHES_MAX 60u /* slots are numbered with six bits */

struct xlat {
    struct bt *bt;
    struct bt_tb *tb;
    struct bt_mode mode;
    struct emit e;
    uint32_t eip, next;  /* of the instruction at hand, linear */
    const uint8_t *code; /* its bytes */
    unsigned index;
    enum bt_reason why; /* set by the handlers */
    bool sti;           /* it was an inline STI */
    uint8_t seg_load;   /* for struct bt_insn */
    bool leaves_page;   /* more bytes are needed than the page has */
    uint8_t undo;       /* likewise */
    uint16_t fop, fds;  /* likewise */
    bool x87_ready, sse_ready;
    unsigned branches;
    struct xlat_branch branch[BT_TB_INSNS];
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t crossing[16]; /* bytes of an instruction from two pages */
    uint8_t buf[BT_HOST_MAX];
};

typedef enum xlat_flow xlat_handler(struct xlat *x);

#define XLAT(mnemonic, fn) xlat_handler fn;
#include "vmm/accel/bt/xlat.def"
#undef XLAT
xlat_handler xlat_fpu; /* whatever is x87, MMX or SSE and has no row */

/* ---- addresses ---------------------------------------------------------- */

static inline struct emit_mem xlat_context(int disp)
{
    return (struct emit_mem){
        .base = HOST_R15, .index = HOST_NONE, .scale = 1, .disp = disp};
}

/* The selector of an enum x86_sreg, in the context. */
static inline struct emit_mem xlat_selector(unsigned seg)
{
    return xlat_context((int)(offsetof(struct x86_state, seg) +
                              seg * sizeof(struct x86_seg) +
                              offsetof(struct x86_seg, selector)));
}

static inline struct emit_mem xlat_segment_base(unsigned seg)
{
    return xlat_context((int)(offsetof(struct x86_state, seg) +
                              seg * sizeof(struct x86_seg) +
                              offsetof(struct x86_seg, base)));
}

static inline struct emit_mem xlat_at(enum host_reg base, int disp)
{
    return (struct emit_mem){
        .base = (int)base, .index = HOST_NONE, .scale = 1, .disp = disp};
}

/* ESP's host register is R12, the others' are their own. */
static inline unsigned xlat_gpr(unsigned guest)
{
    return guest == X86_RSP ? HOST_R12 : guest;
}

/* The host's register for REG; HOST_NONE for none. */
int xlat_register(ZydisRegister reg);
/* R11D = the offset of OP, cut to the address size, with EXTRA added. */
void xlat_offset(struct xlat *x, const ZydisDecodedOperand *op, int extra);
/* Faults unless SIZE bytes at OFFSET are within SEG's limit.  Uses R10. */
void xlat_check_limit(struct xlat *x, unsigned seg, bool write,
                      enum host_reg offset, unsigned size);
/*
 * Guest memory operand OP as the host's; emits what computes it.  With EXTRA
 * added to the displacement.  BARE: R14 may be the base (a REX prefix).  May
 * use R10 and R11.
 */
bool xlat_memory(struct xlat *x, const ZydisDecodedOperand *op, int extra,
                 bool bare, struct emit_mem *out);
/* The memory operand of the ModRM byte or moffs; NULL: there is none. */
const ZydisDecodedOperand *xlat_memory_operand(const struct xlat *x);

/*
 * SIZE bytes of the stack at REG + DISP, REG being R12 or EBP.  May use R9
 * and R10.
 */
struct emit_mem xlat_stack(struct xlat *x, unsigned reg, int disp,
                           unsigned size, bool write);
/* ESP, or SP, = REG + DISP. */
void xlat_set_esp(struct xlat *x, unsigned reg, int disp);

/* ---- operands of SIZE 2 or 4 bytes -------------------------------------- */

void xlat_zero_extend(struct xlat *x, unsigned reg); /* its low 16 bits */
void xlat_move(struct xlat *x, unsigned size, unsigned to, unsigned from);
/* Zero-extended to 32 bits. */
void xlat_load(struct xlat *x, unsigned size, unsigned reg,
               struct emit_mem mem);
void xlat_store(struct xlat *x, unsigned size, unsigned reg,
                struct emit_mem mem);
void xlat_store_imm(struct xlat *x, unsigned size, uint32_t value,
                    struct emit_mem mem);

/* ---- pieces of code ----------------------------------------------------- */

void xlat_lea(struct xlat *x, unsigned reg, unsigned base, int disp);
void xlat_charge(struct xlat *x, unsigned executed);
/* To the block at R11D, which must be a guest eip. */
void xlat_dispatch(struct xlat *x);
/* To TARGET, after EXECUTED instructions of this block. */
void xlat_goto(struct xlat *x, uint32_t target, unsigned executed);
/* R11D = the register or memory operand OP, of the operand size. */
bool xlat_load_r11(struct xlat *x, const ZydisDecodedOperand *op);
/* Counts a sensitive instruction done without an exit; no flag changes. */
void xlat_count(struct xlat *x, enum bt_inline which);
void xlat_exit_info(struct xlat *x, unsigned kind, unsigned low);
void xlat_callout_code(struct xlat *x);
bool xlat_add_branch(struct xlat *x, uint32_t target);

/* May the host execute INSN in translated code at all? */
bool xlat_is_innocuous(const ZydisDecodedInstruction *insn);

#endif
