/*
 * x87, MMX and SSE: who may use them (SDM vol. 3A 2.5, 13.1), and the
 * instructions that move their state to and from memory.
 *
 * The guest's state is an FXSAVE image (SDM vol. 1 10.5.1).  Arithmetic is the
 * host's; what is stored here would otherwise be in the host's layout.
 *
 * The instruction and data pointers and the opcode (FIP, FCS, FDP, FDS, FOP)
 * are kept by software: the host's would show where its code lies, and hosts
 * differ in when they have them.  As on a P6, each non-control instruction
 * leaves them, and the selectors are true.  CR0.NE = 0 (FERR# and IRQ 13) is
 * not modelled: an x87 exception is #MF always.
 */
#include <string.h>

#include "vmm/accel/emu/emu_internal.h"

#define FXSAVE_FCW   0
#define FXSAVE_FSW   2
#define FXSAVE_FTW   4
#define FXSAVE_FOP   6
#define FXSAVE_FIP   8 /* FCS above it: 64 bits */
#define FXSAVE_FDP   16
#define FXSAVE_MXCSR 24
#define FXSAVE_MASK  28
#define FXSAVE_ST    32
#define FXSAVE_XMM   160
#define FXSAVE_END32 288 /* XMM8 and up exist in 64-bit mode only */
#define FXSAVE_END64 416
#define MXCSR_MASK   0xffffu
#define FSW_ES_B     0x8080u
#define EXCEPTIONS   0x3fu
#define FOP_MASK     0x7ffu

static_assert(FXSAVE_POINTERS == FXSAVE_FOP, "FOP, FIP, FDP");
static_assert(FXSAVE_POINTERS + FXSAVE_POINTERS_LEN == FXSAVE_MXCSR,
              "FOP, FIP, FDP");

static uint16_t get16(const struct x86_state *st, unsigned offset)
{
    uint16_t value;

    memcpy(&value, st->fxsave + offset, 2);
    return value;
}

static uint32_t get32(const struct x86_state *st, unsigned offset)
{
    uint32_t value;

    memcpy(&value, st->fxsave + offset, 4);
    return value;
}

static void put16(struct x86_state *st, unsigned offset, unsigned value)
{
    uint16_t word = (uint16_t)value;

    memcpy(st->fxsave + offset, &word, 2);
}

/* Where ST(I) lies in an FXSAVE image, as long as 16 bytes. */
static size_t st_offset(size_t i)
{
    return FXSAVE_ST + 16 * i;
}

static unsigned top_of(const struct x86_state *st)
{
    return get16(st, FXSAVE_FSW) >> 11 & 7;
}

/*
 * The image holds ST(i), counted from TOP, while the registers stay where they
 * are: a TOP that changes from OLD moves them in the image.
 */
static void rotate_registers(struct x86_state *st, unsigned old)
{
    unsigned by = top_of(st) - old;
    uint8_t regs[128];

    memcpy(regs, st->fxsave + FXSAVE_ST, sizeof(regs));
    for (unsigned i = 0; i < 8; i++)
        memcpy(st->fxsave + st_offset(i), regs + 16 * (size_t)((i + by) & 7),
               16);
}

/* ---- who may ----------------------------------------------------------- */

static bool has_register(const ZydisDecodedInstruction *insn,
                         const ZydisDecodedOperand *op, ZydisRegister first,
                         ZydisRegister last)
{
    for (unsigned i = 0; i < insn->operand_count; i++)
        if (op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            op[i].reg.value >= first && op[i].reg.value <= last)
            return true;
    return false;
}

/* FISTTP is SSE3's. */
static bool is_x87(const ZydisDecodedInstruction *insn)
{
    return insn->meta.isa_ext == ZYDIS_ISA_EXT_X87 ||
           insn->mnemonic == ZYDIS_MNEMONIC_FISTTP;
}

unsigned emu_fpu_rules(const ZydisDecodedInstruction *insn,
                       const ZydisDecodedOperand *op)
{
    unsigned rules = 0;

    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_FWAIT:
        return EMU_FPU_WAIT | EMU_FPU_WAITING;
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FNCLEX:
    case ZYDIS_MNEMONIC_FNSTSW:
    case ZYDIS_MNEMONIC_FNSTCW:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FENI8087_NOP:
    case ZYDIS_MNEMONIC_FDISI8087_NOP:
    case ZYDIS_MNEMONIC_FSETPM287_NOP:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR64:
        return EMU_FPU_X87;
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
        return EMU_FPU_SSE;
    default:
        break;
    }
    if (is_x87(insn))
        return EMU_FPU_X87 | EMU_FPU_WAITING;
    switch (insn->meta.isa_ext) {
    case ZYDIS_ISA_EXT_MMX:
        return EMU_FPU_MMX | EMU_FPU_WAITING;
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_AES:
    case ZYDIS_ISA_EXT_PCLMULQDQ:
    case ZYDIS_ISA_EXT_SHA:
        /* CVTSD2SI of memory names no XMM register. */
        if (has_register(insn, op, ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_XMM31) ||
            insn->meta.category == ZYDIS_CATEGORY_CONVERT)
            rules |= EMU_FPU_SSE;
        if (has_register(insn, op, ZYDIS_REGISTER_MM0, ZYDIS_REGISTER_MM7))
            rules |= EMU_FPU_MMX | EMU_FPU_WAITING;
        return rules;
    default:
        return 0;
    }
}

/* ---- what an instruction leaves of itself ------------------------------ */

int emu_fpu_opcode(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FNCLEX:
    case ZYDIS_MNEMONIC_FLDCW:
    case ZYDIS_MNEMONIC_FNSTCW:
    case ZYDIS_MNEMONIC_FNSTSW:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FWAIT:
    case ZYDIS_MNEMONIC_FENI8087_NOP:
    case ZYDIS_MNEMONIC_FDISI8087_NOP:
    case ZYDIS_MNEMONIC_FSETPM287_NOP:
        return -1;
    default:
        if (!is_x87(insn))
            return -1;
        return (insn->opcode & 7) << 8 | insn->raw.modrm.mod << 6 |
               insn->raw.modrm.reg << 3 | insn->raw.modrm.rm;
    }
}

static void put_pointer(uint8_t *at, uint64_t offset, uint16_t selector)
{
    offset |= (uint64_t)selector << 32;
    memcpy(at, &offset, sizeof(offset));
}

void emu_fpu_put_insn(struct x86_state *st, unsigned fop, uint64_t fip,
                      uint16_t fcs)
{
    put16(st, FXSAVE_FOP, fop & FOP_MASK);
    put_pointer(st->fxsave + FXSAVE_FIP, fip, fcs);
}

void emu_fpu_put_data(struct x86_state *st, uint64_t fdp, uint16_t fds)
{
    put_pointer(st->fxsave + FXSAVE_FDP, fdp, fds);
}

/* ---- exceptions -------------------------------------------------------- */

static bool exception_pending(const struct x86_state *st)
{
    return get16(st, FXSAVE_FSW) & ~get16(st, FXSAVE_FCW) & EXCEPTIONS;
}

bool emu_fpu_store_suppressed(const struct x86_state *st, unsigned rules)
{
    const unsigned both = EMU_FPU_X87 | EMU_FPU_WAITING, precision = BIT(5);

    return (rules & both) == both &&
           (get16(st, FXSAVE_FSW) & ~get16(st, FXSAVE_FCW) & EXCEPTIONS &
            ~precision);
}

bool emu_fpu_check(struct emu *emu, unsigned rules)
{
    const struct x86_state *st = emu->st;
    const uint64_t wait = X86_CR0_MP | X86_CR0_TS;

    if ((rules & (EMU_FPU_MMX | EMU_FPU_SSE)) && (st->cr0 & X86_CR0_EM))
        return emu_raise(emu, X86_UD);
    if ((rules & EMU_FPU_SSE) && !(st->cr4 & X86_CR4_OSFXSR))
        return emu_raise(emu, X86_UD);
    if ((rules & EMU_FPU_X87) && (st->cr0 & (X86_CR0_EM | X86_CR0_TS)))
        return emu_raise(emu, X86_NM);
    if ((rules & (EMU_FPU_MMX | EMU_FPU_SSE)) && (st->cr0 & X86_CR0_TS))
        return emu_raise(emu, X86_NM);
    if ((rules & EMU_FPU_WAIT) && (st->cr0 & wait) == wait)
        return emu_raise(emu, X86_NM);
    if ((rules & EMU_FPU_WAITING) && exception_pending(st))
        return emu_raise(emu, X86_MF);
    return true;
}

/* ---- environments: SDM vol. 1 8.1.10 ----------------------------------- */

struct environment {
    uint16_t fcw, fsw, ftw; /* FTW: two bits a register */
    uint16_t fop, fcs, fds;
    uint32_t fip, fdp;
};

/* The tag of a value: valid, zero or special. */
static unsigned tag_of(const uint8_t st_reg[10])
{
    uint64_t mantissa;
    uint16_t exponent;

    memcpy(&mantissa, st_reg, 8);
    memcpy(&exponent, st_reg + 8, 2);
    exponent &= 0x7fff;
    if (exponent == 0)
        return mantissa == 0 ? 1 : 2;
    if (exponent == 0x7fff || !(mantissa >> 63))
        return 2;
    return 0;
}

static void env_get(const struct x86_state *st, struct environment *env)
{
    unsigned top = top_of(st), ftw = 0;

    for (unsigned r = 0; r < 8; r++) {
        unsigned tag = 3;

        if (st->fxsave[FXSAVE_FTW] >> r & 1)
            tag = tag_of(st->fxsave + st_offset((r - top) & 7));
        ftw |= tag << (2 * r);
    }
    *env = (struct environment){
        .fcw = get16(st, FXSAVE_FCW),
        .fsw = get16(st, FXSAVE_FSW),
        .ftw = (uint16_t)ftw,
        .fop = get16(st, FXSAVE_FOP) & FOP_MASK,
        .fip = get32(st, FXSAVE_FIP),
        .fcs = get16(st, FXSAVE_FIP + 4),
        .fdp = get32(st, FXSAVE_FDP),
        .fds = get16(st, FXSAVE_FDP + 4),
    };
}

/* The rules by which the processor cleans FCW and FSW when they are loaded. */
static void control_put(struct x86_state *st, unsigned fcw, unsigned fsw)
{
    fcw = (fcw & 0x1f3f) | 0x40;
    fsw &= ~FSW_ES_B;
    if (fsw & ~fcw & EXCEPTIONS)
        fsw |= FSW_ES_B;
    put16(st, FXSAVE_FCW, fcw);
    put16(st, FXSAVE_FSW, fsw);
}

static void env_put(struct x86_state *st, const struct environment *env)
{
    unsigned abridged = 0;

    for (unsigned r = 0; r < 8; r++)
        if ((env->ftw >> (2 * r) & 3) != 3)
            abridged |= BIT(r);
    control_put(st, env->fcw, env->fsw);
    st->fxsave[FXSAVE_FTW] = (uint8_t)abridged;
    emu_fpu_put_insn(st, env->fop, env->fip, env->fcs);
    emu_fpu_put_data(st, env->fdp, env->fds);
}

static unsigned env_size(const struct emu *emu)
{
    return emu_opsize(emu) == 2 ? 14 : 28;
}

/*
 * The last four fields of the image, 16 or 32 bits each:
 *
 *     protected mode       FIP | FOP and FCS | FDP | FDS
 *     real and V86 mode    linear addresses, cut in two:
 *                          FIP 15-0 | FIP 31-16 and FOP | FDP 15-0 | FDP 31-16
 *
 * with the upper halves at bit 12 (bits 19-16 alone, if it has 16 bits).  FOP
 * is not in protected mode's 16-bit image.
 */
static void pointers_encode(const struct emu *emu,
                            const struct environment *env, uint32_t out[4])
{
    const uint32_t above = 0xffff0000u; /* as processors fill what is unused */
    uint32_t fip = env->fip + ((uint32_t)env->fcs << 4);
    uint32_t fdp = env->fdp + ((uint32_t)env->fds << 4);

    if (emu_is_protected(emu->st)) {
        out[0] = env->fip;
        out[1] = (uint32_t)env->fop << 16 | env->fcs;
        out[2] = env->fdp;
        out[3] = above | env->fds;
        return;
    }
    out[0] = above | fip;
    out[1] = (fip & above) >> 4 | env->fop;
    out[2] = above | fdp;
    out[3] = (fdp & above) >> 4;
}

static void pointers_decode(const struct emu *emu, struct environment *env,
                            const uint32_t in[4])
{
    if (emu_is_protected(emu->st)) {
        env->fip = in[0];
        env->fcs = (uint16_t)in[1];
        env->fop = in[1] >> 16 & FOP_MASK;
        env->fdp = in[2];
        env->fds = (uint16_t)in[3];
        return;
    }
    env->fip = (in[0] & 0xffff) | (in[1] << 4 & 0xffff0000u);
    env->fop = in[1] & FOP_MASK;
    env->fdp = (in[2] & 0xffff) | (in[3] << 4 & 0xffff0000u);
}

static void env_encode(const struct emu *emu, const struct environment *env,
                       uint8_t *out)
{
    uint32_t field[7] = {0xffff0000u | env->fcw, 0xffff0000u | env->fsw,
                         0xffff0000u | env->ftw};
    unsigned step = env_size(emu) / 7;

    pointers_encode(emu, env, field + 3);
    for (unsigned i = 0; i < 7; i++)
        memcpy(out + (size_t)step * i, &field[i], step);
}

static void env_decode(const struct emu *emu, struct environment *env,
                       const uint8_t *in)
{
    unsigned step = env_size(emu) / 7;
    uint32_t field[7] = {0};

    for (unsigned i = 0; i < 7; i++)
        memcpy(&field[i], in + (size_t)step * i, step);
    *env = (struct environment){
        .fcw = (uint16_t)field[0],
        .fsw = (uint16_t)field[1],
        .ftw = (uint16_t)field[2],
    };
    pointers_decode(emu, env, field + 3);
}

static bool operand_read(struct emu *emu, void *buf, unsigned size)
{
    return emu_read64(emu, emu_op_seg(&emu->op[0]), emu_ea64(emu, &emu->op[0]),
                      buf, size);
}

static bool operand_write(struct emu *emu, const void *buf, unsigned size)
{
    return emu_write64(emu, emu_op_seg(&emu->op[0]), emu_ea64(emu, &emu->op[0]),
                       buf, size);
}

bool emu_do_fnstenv(struct emu *emu)
{
    struct environment env;
    uint8_t image[28];

    env_get(emu->st, &env);
    env_encode(emu, &env, image);
    if (!operand_write(emu, image, env_size(emu)))
        return false;
    control_put(emu->st, env.fcw | EXCEPTIONS, env.fsw);
    return true;
}

bool emu_do_fldenv(struct emu *emu)
{
    unsigned old_top = top_of(emu->st);
    struct environment env;
    uint8_t image[28];

    if (!operand_read(emu, image, env_size(emu)))
        return false;
    env_decode(emu, &env, image);
    env_put(emu->st, &env);
    rotate_registers(emu->st, old_top);
    return true;
}

/* Leaves the registers' contents alone. */
bool emu_do_fninit(struct emu *emu)
{
    unsigned old_top = top_of(emu->st);

    put16(emu->st, FXSAVE_FCW, 0x37f);
    put16(emu->st, FXSAVE_FSW, 0);
    emu->st->fxsave[FXSAVE_FTW] = 0;
    emu_fpu_put_insn(emu->st, 0, 0, 0);
    emu_fpu_put_data(emu->st, 0, 0);
    rotate_registers(emu->st, old_top);
    return true;
}

bool emu_do_fnsave(struct emu *emu)
{
    struct environment env;
    unsigned n = env_size(emu);
    uint8_t image[108];

    env_get(emu->st, &env);
    env_encode(emu, &env, image);
    for (unsigned i = 0; i < 8; i++)
        memcpy(image + n + 10 * (size_t)i, emu->st->fxsave + st_offset(i), 10);
    return operand_write(emu, image, n + 80) && emu_do_fninit(emu);
}

bool emu_do_frstor(struct emu *emu)
{
    struct environment env;
    unsigned n = env_size(emu);
    uint8_t image[108];

    if (!operand_read(emu, image, n + 80))
        return false;
    env_decode(emu, &env, image);
    env_put(emu->st, &env);
    for (unsigned i = 0; i < 8; i++)
        memcpy(emu->st->fxsave + st_offset(i), image + n + 10 * (size_t)i, 10);
    return true;
}

/* ---- FXSAVE ------------------------------------------------------------ */

#define EFER_FFXSR BIT(14) /* AMD: ring 0 leaves the XMM registers out */

static bool fxsave_aligned(struct emu *emu)
{
    if (emu_ea64(emu, &emu->op[0]) & 15)
        return emu_raise(emu, X86_GP);
    return true;
}

/* How much of the image is saved and restored. */
static unsigned fxsave_end(const struct emu *emu)
{
    const struct x86_state *st = emu->st;

    if (!emu_is_long64(st))
        return FXSAVE_END32;
    return (st->efer & EFER_FFXSR) && x86_cpl(st) == 0 ? FXSAVE_XMM
                                                       : FXSAVE_END64;
}

/* The bits of MXCSR: KVM tells them with the state, as the processor does. */
static uint32_t mxcsr_mask(const struct x86_state *st)
{
    uint32_t mask;

    memcpy(&mask, st->fxsave + FXSAVE_MASK, 4);
    return emu_is_long64(st) && mask ? mask : MXCSR_MASK;
}

/* Without REX.W, FIP and FDP have 32 bits; FCS and FDS are above, if at all. */
static void fxsave_pointers(const struct emu *emu, uint8_t *image)
{
    bool selectors = !emu->no_fcs && !emu_is_long64(emu->st);
    unsigned first = selectors ? 6 : 4; /* byte that is reserved, or 0 */

    image[5] = 0;
    if (emu->insn->operand_width == 64)
        return;
    memset(image + FXSAVE_FIP + first, 0, 8 - first);
    memset(image + FXSAVE_FDP + first, 0, 8 - first);
}

bool emu_do_fxsave(struct emu *emu)
{
    const uint32_t mask = mxcsr_mask(emu->st);
    uint8_t image[FXSAVE_END64];

    if (!fxsave_aligned(emu) ||
        !emu_probe_write64(emu, emu_op_seg(&emu->op[0]),
                           emu_ea64(emu, &emu->op[0]), 512))
        return false;
    memcpy(image, emu->st->fxsave, sizeof(image));
    fxsave_pointers(emu, image);
    memcpy(image + FXSAVE_MASK, &mask, 4);
    return operand_write(emu, image, fxsave_end(emu));
}

bool emu_do_fxrstor(struct emu *emu)
{
    struct x86_state *st = emu->st;
    unsigned end = fxsave_end(emu);
    uint8_t image[512];
    uint32_t mxcsr;
    uint16_t fcw, fsw, fop;

    if (!fxsave_aligned(emu) || !operand_read(emu, image, sizeof(image)))
        return false;
    memcpy(&mxcsr, image + FXSAVE_MXCSR, 4);
    if (mxcsr & ~mxcsr_mask(st))
        return emu_raise(emu, X86_GP);
    memcpy(&fcw, image + FXSAVE_FCW, 2);
    memcpy(&fsw, image + FXSAVE_FSW, 2);
    memcpy(&fop, image + FXSAVE_FOP, 2);
    fxsave_pointers(emu, image);
    memcpy(st->fxsave, image, FXSAVE_MXCSR + 4);
    control_put(st, fcw, fsw);
    put16(st, FXSAVE_FOP, fop & FOP_MASK);
    for (unsigned i = 0; i < 8; i++)
        memcpy(st->fxsave + st_offset(i), image + st_offset(i), 10);
    memcpy(st->fxsave + FXSAVE_XMM, image + FXSAVE_XMM, end - FXSAVE_XMM);
    return true;
}

bool emu_do_ldmxcsr(struct emu *emu)
{
    uint32_t mxcsr;

    if (!operand_read(emu, &mxcsr, 4))
        return false;
    if (mxcsr & ~MXCSR_MASK)
        return emu_raise(emu, X86_GP);
    memcpy(emu->st->fxsave + FXSAVE_MXCSR, &mxcsr, 4);
    return true;
}

bool emu_do_stmxcsr(struct emu *emu)
{
    return operand_write(emu, emu->st->fxsave + FXSAVE_MXCSR, 4);
}

/* ---- MASKMOVQ, MASKMOVDQU ---------------------------------------------- */

/* An MMX instruction makes TOP 0 and all registers valid. */
static void enter_mmx(struct x86_state *st)
{
    unsigned old_top = top_of(st);

    put16(st, FXSAVE_FSW, get16(st, FXSAVE_FSW) & ~0x3800u);
    rotate_registers(st, old_top);
    st->fxsave[FXSAVE_FTW] = 0xff;
}

bool emu_do_maskmov(struct emu *emu)
{
    bool mmx = emu->insn->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
    unsigned size = mmx ? 8 : 16, first = mmx ? FXSAVE_ST : FXSAVE_XMM;
    unsigned top = mmx ? top_of(emu->st) : 0;
    unsigned wrap = mmx ? 7 : 15; /* of register numbers */
    const uint8_t *regs = emu->st->fxsave + first;
    const uint8_t *data =
        regs + 16 * (size_t)((emu->insn->raw.modrm.reg - top) & wrap);
    const uint8_t *mask =
        regs + 16 * (size_t)((emu->insn->raw.modrm.rm - top) & wrap);
    uint32_t wrap_off = (uint32_t)all_ones(emu->insn->address_width / 8u);
    uint32_t off = (uint32_t)emu->st->gpr[X86_RDI];
    enum x86_sreg seg = emu_data_segment(emu);

    for (unsigned i = 0; i < size; i++)
        if ((mask[i] & 0x80) &&
            !emu_probe_write(emu, seg, (off + i) & wrap_off, 1))
            return false;
    for (unsigned i = 0; i < size; i++)
        if ((mask[i] & 0x80) &&
            !emu_write(emu, seg, (off + i) & wrap_off, &data[i], 1))
            return false;
    if (mmx)
        enter_mmx(emu->st);
    return true;
}
