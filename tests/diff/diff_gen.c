/*
 * Random sequences of innocuous instructions.
 *
 * An instruction is made of a random opcode and random fields; Zydis decodes
 * it and says whether it is one that we want.  A memory operand is led into the
 * data area by instructions in front that load its registers (MOV: no flags
 * change).  Flags that an instruction leaves undefined are followed: nothing
 * may read them, and they are not compared at the end.
 */
#include <Zydis/Zydis.h>
#include <string.h>

#include "tests/diff/diff.h"

/* clang-format off */
static const uint8_t int_opcodes[] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d,
    0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
    0x27, 0x2f, 0x37, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
    0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x52, 0x54, 0x56,
    0x58, 0x5a, 0x5c, 0x5e, 0x60, 0x61, 0x62, 0x68, 0x69, 0x6a, 0x6b, 0x80,
    0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d,
    0x8f, 0x90, 0x91, 0x94, 0x96, 0x98, 0x99, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae,
    0xaf, 0xb0, 0xb4, 0xb7, 0xb8, 0xbc, 0xbd, 0xc0, 0xc1, 0xc6, 0xc7, 0xc8,
    0xc9, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xf5, 0xf6, 0xf7,
    0xf8, 0xf9, 0xfc, 0xfd, 0xfe, 0xff,
};
static const uint8_t int_0f_opcodes[] = {
    0x0d, 0x18, 0x1f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x90, 0x91, 0x92, 0x93, 0x94,
    0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa3,
    0xa4, 0xa5, 0xab, 0xac, 0xad, 0xaf, 0xb0, 0xb1, 0xb3, 0xb6, 0xb7, 0xba,
    0xbb, 0xbc, 0xbd, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3, 0xc7, 0xc8, 0xcb, 0xcc,
    0xcf,
};
/* clang-format on */

struct gen {
    struct diff_seq *seq;
    uint64_t rnd;
    ZydisDecoder decoder;
    uint32_t undefined; /* flags */
    bool esp_dirty;     /* ESP may point anywhere */
    bool fpu;           /* mostly x87, MMX, SSE */
};

/* One instruction in the making. */
struct insn {
    uint8_t bytes[32];
    unsigned len;
    ZydisDecodedInstruction info;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    bool memory;
    unsigned base, index, scale; /* of a memory operand; 8: none */
    int32_t disp;
};

static uint32_t rnd(struct gen *g, uint32_t n)
{
    return (uint32_t)(diff_random(&g->rnd) >> 11) % n;
}

static bool chance(struct gen *g, unsigned percent)
{
    return rnd(g, 100) < percent;
}

static bool room(const struct gen *g, unsigned len)
{
    return g->seq->code_len + len + 8 < DIFF_CODE_MAX;
}

static void put(struct gen *g, const void *bytes, unsigned len)
{
    memcpy(g->seq->code + g->seq->code_len, bytes, len);
    g->seq->code_len += len;
}

/* mov REG, VALUE */
static void put_mov(struct gen *g, unsigned reg, uint32_t value)
{
    uint8_t code[5] = {(uint8_t)(0xb8 + reg)};

    memcpy(code + 1, &value, 4);
    put(g, code, sizeof(code));
    if (reg == X86_RSP)
        g->esp_dirty = true;
}

static void put_esp(struct gen *g)
{
    uint32_t at = DIFF_STACK + DIFF_PAGE - 64 + rnd(g, 128) - g->seq->base;

    put_mov(g, X86_RSP, chance(g, 70) ? at & ~3u : at);
    g->esp_dirty = false;
}

/* The offset that a memory operand of SIZE bytes gets: borders are what
 * matters. */
static uint32_t data_address(struct gen *g, unsigned size, bool aligned)
{
    uint32_t page = rnd(g, DIFF_DATA_PAGES - 1) + 1, at;

    at = DIFF_DATA + page * DIFF_PAGE;
    if (chance(g, 50))
        at -= rnd(g, size + 2);
    else
        at += rnd(g, 256) - 128;
    if (chance(g, 1))
        at = DIFF_DATA - rnd(g, size + 2);
    else if (chance(g, 1))
        at = DIFF_DATA_END - rnd(g, size + 2);
    if (aligned && chance(g, 97))
        at &= ~15u;
    return at - g->seq->base;
}

/* ---- one instruction --------------------------------------------------- */

static void byte(struct insn *in, unsigned b)
{
    in->bytes[in->len++] = (uint8_t)b;
}

/* ModRM with a random operand; what decides the address is remembered. */
static void put_modrm(struct gen *g, struct insn *in, unsigned reg)
{
    unsigned mod = rnd(g, 4), rm = rnd(g, 8);

    in->base = in->index = 8;
    in->disp = 0;
    if (chance(g, 35))
        mod = 3;
    byte(in, mod << 6 | reg << 3 | rm);
    if (mod == 3)
        return;
    in->memory = true;
    in->base = rm;
    if (rm == 4) {
        in->scale = rnd(g, 4);
        in->index = rnd(g, 8);
        in->base = rnd(g, 8);
        byte(in, in->scale << 6 | in->index << 3 | in->base);
        if (in->index == 4)
            in->index = 8;
    }
    if (mod == 0 && in->base == 5) {
        in->base = 8;
        mod = 2;
    }
    if (mod == 1)
        in->disp = (int32_t)rnd(g, 256) - 128;
    else if (mod == 2)
        in->disp = (int32_t)diff_random(&g->rnd);
    for (unsigned i = 0; i < (mod == 1 ? 1u : mod == 2 ? 4u : 0u); i++)
        byte(in, (uint32_t)in->disp >> (8 * i));
}

static void make_int(struct gen *g, struct insn *in)
{
    bool wide = chance(g, 30);
    unsigned opcode = wide ? int_0f_opcodes[rnd(g, sizeof(int_0f_opcodes))]
                           : int_opcodes[rnd(g, sizeof(int_opcodes))];

    if (chance(g, 4))
        byte(in, (const uint8_t[]){0x26, 0x36, 0x3e, 0x2e}[rnd(g, 4)]);
    if (chance(g, 6))
        byte(in, 0xf0);
    if (chance(g, 20))
        byte(in, 0x66);
    if (!wide && opcode >= 0xa4 && opcode <= 0xaf && (opcode & 0xfe) != 0xa8 &&
        chance(g, 50))
        byte(in, 0xf2 + rnd(g, 2));
    if (wide)
        byte(in, 0x0f);
    byte(in, opcode);
}

static void make_vector(struct gen *g, struct insn *in)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3};
    static const uint8_t first[] = {0x10, 0x28, 0x50, 0x60, 0x70,
                                    0xc0, 0xd0, 0xe0, 0xf0, 0x58};
    unsigned prefix = prefixes[rnd(g, 4)];

    if (prefix)
        byte(in, prefix);
    byte(in, 0x0f);
    byte(in, chance(g, 3) ? 0xae : first[rnd(g, 10)] + rnd(g, 16));
}

static bool wanted_mnemonic(ZydisMnemonic mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_FNSTENV: /* these show instruction pointers */
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_PREFETCHW: /* the host has more than the guest */
    case ZYDIS_MNEMONIC_PREFETCH:
    case ZYDIS_MNEMONIC_PREFETCHWT1:
        return false;
    default:
        return true;
    }
}

static bool wanted_category(ZydisInstructionCategory category)
{
    switch (category) {
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
        return false;
    default:
        return true;
    }
}

static bool wanted_isa(ZydisISASet set)
{
    switch (set) {
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_I486REAL:
    case ZYDIS_ISA_SET_PENTIUMREAL:
    case ZYDIS_ISA_SET_PPRO:
    case ZYDIS_ISA_SET_CMOV:
    case ZYDIS_ISA_SET_FAT_NOP:
    case ZYDIS_ISA_SET_LAHF:
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_SSE_PREFETCH:
        return true;
    default:
        return false;
    }
}

static bool wanted(struct gen *g, struct insn *in)
{
    uint32_t tested;

    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&g->decoder, in->bytes, 24,
                                             &in->info, in->op)))
        return false;
    if (in->info.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
        !wanted_isa(in->info.meta.isa_set) ||
        !wanted_category(in->info.meta.category) ||
        !wanted_mnemonic(in->info.mnemonic))
        return false;
    in->len = in->info.length;
    tested = in->info.cpu_flags ? in->info.cpu_flags->tested : 0;
    return !(tested & g->undefined);
}

static void follow_flags(struct gen *g, const struct insn *in)
{
    const ZydisAccessedFlags *f = in->info.cpu_flags;

    if (!f)
        return;
    /* A count of zero changes no flag. */
    if (in->info.meta.category != ZYDIS_CATEGORY_SHIFT &&
        in->info.meta.category != ZYDIS_CATEGORY_ROTATE &&
        in->info.meta.category != ZYDIS_CATEGORY_STRINGOP)
        g->undefined &= ~(f->modified | f->set_0 | f->set_1);
    g->undefined |= f->undefined;
}

static bool uses_stack(const struct insn *in)
{
    switch (in->info.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_PUSHA:
    case ZYDIS_MNEMONIC_PUSHAD:
    case ZYDIS_MNEMONIC_POPA:
    case ZYDIS_MNEMONIC_POPAD:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_LEAVE:
        return true;
    default:
        return false;
    }
}

static bool writes_esp(const struct insn *in)
{
    for (unsigned i = 0; i < in->info.operand_count_visible; i++)
        if (in->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (in->op[i].reg.value == ZYDIS_REGISTER_ESP ||
             in->op[i].reg.value == ZYDIS_REGISTER_SP) &&
            (in->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            return true;
    return false;
}

/* Loads what an instruction without ModRM takes its address from. */
static void prepare_implicit(struct gen *g, struct insn *in)
{
    unsigned level;

    if (in->info.meta.category == ZYDIS_CATEGORY_STRINGOP) {
        put_mov(g, X86_RSI, data_address(g, 64, false));
        put_mov(g, X86_RDI, data_address(g, 64, false));
        if (in->info.attributes &
            (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
             ZYDIS_ATTRIB_HAS_REPNE))
            put_mov(g, X86_RCX, rnd(g, 60));
        else if (in->bytes[0] >= 0xf2) /* a prefix that Zydis ignores */
            put_mov(g, X86_RCX, rnd(g, 60));
    }
    switch (in->info.mnemonic) {
    case ZYDIS_MNEMONIC_XLAT:
        put_mov(g, X86_RBX, data_address(g, 200, false));
        break;
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
        /* Masked bytes beyond a border may fault, or not. */
        put_mov(g, X86_RDI, DIFF_DATA + DIFF_PAGE - rnd(g, 16) - g->seq->base);
        break;
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
        put_mov(g, X86_RDX, rnd(g, 3));
        break;
    case ZYDIS_MNEMONIC_LEAVE:
    case ZYDIS_MNEMONIC_ENTER:
        put_mov(g, X86_RBP,
                DIFF_STACK + DIFF_PAGE - 32 + rnd(g, 64) - g->seq->base);
        break;
    default:
        break;
    }
    if (in->info.mnemonic == ZYDIS_MNEMONIC_ENTER) {
        level = in->info.raw.imm[1].offset;
        in->bytes[level - 2] &= 31;
        in->bytes[level - 1] = 0;
        in->bytes[level] &= 0x83;
    }
}

static bool is_moffs(const struct insn *in)
{
    return in->info.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
           in->info.opcode >= 0xa0 && in->info.opcode <= 0xa3;
}

/*
 * Where the processor's behaviour at a page fault is its own business: which
 * piece of an environment is read first, what of the x87 state has changed
 * before a store.
 */
static bool faults_peculiarly(const struct insn *in,
                              const ZydisDecodedOperand *op)
{
    if (in->info.mnemonic == ZYDIS_MNEMONIC_FLDENV ||
        in->info.mnemonic == ZYDIS_MNEMONIC_FRSTOR)
        return true;
    if (!(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
        return false;
    for (unsigned i = 0; i < in->info.operand_count; i++)
        if (in->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            in->op[i].reg.value >= ZYDIS_REGISTER_MM0 &&
            in->op[i].reg.value <= ZYDIS_REGISTER_MM7)
            return true;
    return in->info.meta.isa_ext == ZYDIS_ISA_EXT_X87;
}

/* Leads the memory operand to a good address. */
static void prepare_memory(struct gen *g, struct insn *in)
{
    const ZydisDecodedOperand *op = NULL;
    uint32_t at, disp;
    unsigned size;

    for (unsigned i = 0; i < in->info.operand_count; i++)
        if (in->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            op = &in->op[i];
    if (!op || op->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
        return;
    size = op->size / 8u;
    at = data_address(g, size, size == 16);
    /* A locked access across cache lines stops the whole machine, and costs
     * milliseconds where a hypervisor throttles it. */
    if ((in->info.attributes & ZYDIS_ATTRIB_HAS_LOCK) ||
        in->info.mnemonic == ZYDIS_MNEMONIC_XCHG)
        at = ((at + g->seq->base) & ~(size - 1)) - g->seq->base;
    if (faults_peculiarly(in, op))
        at = DIFF_DATA + DIFF_PAGE + rnd(g, DIFF_PAGE) - g->seq->base;
    if (is_moffs(in)) {
        memcpy(in->bytes + in->info.raw.disp.offset, &at, 4);
        return;
    }
    if (in->base == 8 && in->index == 8) { /* absolute */
        memcpy(in->bytes + in->info.raw.disp.offset, &at, 4);
        return;
    }
    if (in->index != 8 && in->index == in->base) {
        /* base * (scale + 1) + disp: only a 32-bit disp reaches it */
        uint32_t value = rnd(g, 1000);

        if (in->info.raw.disp.size != 32)
            return;
        put_mov(g, in->base, value);
        disp = at - value * (1 + (1u << in->scale));
        memcpy(in->bytes + in->info.raw.disp.offset, &disp, 4);
        return;
    }
    at -= (uint32_t)in->disp;
    if (in->index != 8) {
        uint32_t value = (uint32_t)diff_random(&g->rnd);

        put_mov(g, in->index, value);
        at -= value << in->scale;
    }
    if (in->base != 8) {
        put_mov(g, in->base, at);
    } else {
        disp = (uint32_t)in->disp + at;
        memcpy(in->bytes + in->info.raw.disp.offset, &disp, 4);
    }
}

/* A bit offset in a register must not lead out of the data. */
static void prepare_bit(struct gen *g, const struct insn *in)
{
    unsigned reg = in->info.raw.modrm.reg;

    switch (in->info.mnemonic) {
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
        break;
    default:
        return;
    }
    if (in->memory && in->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        reg != in->base && reg != in->index)
        put_mov(g, reg, rnd(g, 4000) - 2000);
}

static bool hopeless(const struct insn *in)
{
    /* [reg + reg * n] with a short displacement, and an ESP-relative POP */
    if (in->memory && in->index != 8 && in->index == in->base &&
        in->info.raw.disp.size != 32 && in->info.mnemonic != ZYDIS_MNEMONIC_LEA)
        return true;
    return in->memory && in->base == X86_RSP && uses_stack(in);
}

static void make(struct gen *g, struct insn *in)
{
    for (;;) {
        uint64_t noise;

        memset(in, 0, sizeof(*in));
        in->base = in->index = 8;
        if (!g->fpu || chance(g, 25)) {
            make_int(g, in);
        } else if (chance(g, 50)) {
            byte(in, 0xd8 + rnd(g, 8));
        } else {
            make_vector(g, in);
        }
        put_modrm(g, in, rnd(g, 8));
        for (unsigned i = 0; i < 2; i++) {
            noise = diff_random(&g->rnd);
            memcpy(in->bytes + in->len + (size_t)8 * i, &noise, 8);
        }
        if (wanted(g, in)) {
            if (!(in->info.attributes & ZYDIS_ATTRIB_HAS_MODRM))
                in->memory = false;
            if (!hopeless(in))
                return;
        }
    }
}

/* An instruction with all that it needs in front; false: no room. */
static bool put_unit(struct gen *g)
{
    struct insn in;

    if (!room(g, 60))
        return false;
    make(g, &in);
    prepare_implicit(g, &in);
    if (in.memory || is_moffs(&in))
        prepare_memory(g, &in);
    prepare_bit(g, &in);
    if (uses_stack(&in) && (g->esp_dirty || chance(g, 30)))
        put_esp(g);
    put(g, in.bytes, in.len);
    follow_flags(g, &in);
    if (writes_esp(&in))
        g->esp_dirty = true;
    return true;
}

/* A forward jump over a unit, by some condition. */
static bool put_jump(struct gen *g)
{
    /* What Jcc reads, by the upper three bits of the condition. */
    static const uint32_t reads[8] = {
        X86_EFLAGS_OF,
        X86_EFLAGS_CF,
        X86_EFLAGS_ZF,
        X86_EFLAGS_CF | X86_EFLAGS_ZF,
        X86_EFLAGS_SF,
        X86_EFLAGS_PF,
        X86_EFLAGS_SF | X86_EFLAGS_OF,
        X86_EFLAGS_SF | X86_EFLAGS_OF | X86_EFLAGS_ZF,
    };
    uint32_t cc = rnd(g, 16), undefined = g->undefined, at;
    bool dirty = g->esp_dirty;
    uint8_t *code = g->seq->code;
    unsigned kind = rnd(g, 10);

    if ((reads[cc >> 1] & undefined) || !room(g, 80))
        return true;
    if (kind == 0) /* LOOP, JECXZ; not LOOPE and LOOPNE */
        put(g, (const uint8_t[]){(uint8_t)(0xe2 + rnd(g, 2)), 0}, 2);
    else if (kind == 1)
        put(g, (const uint8_t[]){0x0f, (uint8_t)(0x80 + cc), 0, 0, 0, 0}, 6);
    else
        put(g, (const uint8_t[]){(uint8_t)(0x70 + cc), 0}, 2);
    at = g->seq->code_len;
    if (!put_unit(g))
        return false;
    code[at - (kind == 1 ? 4 : 1)] = (uint8_t)(g->seq->code_len - at);
    g->undefined |= undefined;
    g->esp_dirty |= dirty;
    return true;
}

/* ---- the initial state ------------------------------------------------- */

static void initial_fpu(struct gen *g, uint8_t *fxsave)
{
    uint32_t words[DIFF_PAGE / 4];
    uint16_t fcw = 0x37f, fsw;
    uint32_t mxcsr = 0x1f80;

    memset(fxsave, 0, 512);
    diff_fill(words, DIFF_PAGE / 4, diff_random(&g->rnd) | 1);
    if (chance(g, 40))
        fcw =
            (uint16_t)(0x7f | rnd(g, 4) << 10 | (chance(g, 50) ? 3u << 8 : 0) |
                       (chance(g, 30) ? 2u << 8 : 0));
    if (chance(g, 4))
        fcw &= (uint16_t) ~(1u << rnd(g, 6));
    fsw = (uint16_t)(rnd(g, 8) << 11 | rnd(g, 8) << 8);
    if (chance(g, 40))
        mxcsr |= rnd(g, 4) << 13 | (chance(g, 20) ? 1u << 15 : 0) |
                 (chance(g, 20) ? 1u << 6 : 0);
    if (chance(g, 4))
        mxcsr &= ~(0x80u << rnd(g, 6));
    memcpy(fxsave, &fcw, 2);
    memcpy(fxsave + 2, &fsw, 2);
    fxsave[4] = (uint8_t)rnd(g, 256);
    memcpy(fxsave + 24, &mxcsr, 4);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *st = fxsave + 32 + (size_t)16 * i;

        memcpy(st, &words[(size_t)4 * i], 10);
        memcpy(st + 128, &words[32 + (size_t)4 * i], 16);
        if (chance(g, 70)) { /* a normal number near one */
            st[7] |= 0x80;
            st[8] = (uint8_t)((st[8] & 0x1f) | 0xe0);
            st[9] = (uint8_t)((st[9] & 0x80) | 0x3f);
        }
    }
}

static void initial_state(struct gen *g)
{
    struct diff_seq *seq = g->seq;
    uint64_t memory = diff_random(&g->rnd) | 1;

    seq->seed_lo = (uint32_t)memory;
    seq->seed_hi = (uint32_t)(memory >> 32);
    seq->code_at = DIFF_CODE + DIFF_PAGE - rnd(g, 400);
    if (chance(g, 50))
        seq->code_at = DIFF_CODE + rnd(g, 1024);
    for (unsigned i = 0; i < 8; i++)
        seq->gpr[i] =
            chance(g, 30) ? rnd(g, 256) : (uint32_t)diff_random(&g->rnd);
    if (chance(g, 25)) /* at - base is nowhere, should it be taken as linear */
        seq->base = 0x100000 + rnd(g, 0x7000000);
    if (chance(g, 50))
        seq->base &= ~(DIFF_PAGE - 1);
    seq->gpr[X86_RSP] =
        DIFF_STACK + DIFF_PAGE + rnd(g, 64) * 4 - 128 - seq->base;
    seq->eflags = ((uint32_t)diff_random(&g->rnd) & X86_EFLAGS_ARITH) |
                  X86_EFLAGS_IF | X86_EFLAGS_RES1;
    if (chance(g, 15))
        seq->eflags |= X86_EFLAGS_DF;
    initial_fpu(g, seq->fxsave);
}

static void close_unit(struct gen *g)
{
    struct diff_seq *seq = g->seq;

    seq->boundary[seq->insns] = (uint16_t)seq->code_len;
    seq->undefined[seq->insns] = g->undefined;
    seq->insns++;
}

void diff_generate(struct diff_seq *seq, uint64_t seed)
{
    struct gen g = {.seq = seq, .rnd = seed * 0x9e3779b97f4a7c15ull + 1};
    unsigned units;

    memset(seq, 0, sizeof(*seq));
    ZydisDecoderInit(&g.decoder, ZYDIS_MACHINE_MODE_LEGACY_32,
                     ZYDIS_STACK_WIDTH_32);
    for (unsigned i = 0; i < 4; i++)
        diff_random(&g.rnd);
    initial_state(&g);
    g.fpu = chance(&g, 45);
    units = 2 + rnd(&g, 12);
    while (seq->insns < units) {
        if (!(chance(&g, 8) ? put_jump(&g) : put_unit(&g)))
            break;
        close_unit(&g);
    }
}
