/*
 * Encodes host instructions, one at a time, into a bounded buffer.  Knows
 * x86-64's encoding and nothing of guests or windows.
 */
#ifndef VMM_ACCEL_BT_EMIT_H
#define VMM_ACCEL_BT_EMIT_H
#include "vmm/base/base.h"

struct emit {
    uint8_t *start, *at, *end;
};

enum host_reg {
    HOST_RAX,
    HOST_RCX,
    HOST_RDX,
    HOST_RBX,
    HOST_RSP,
    HOST_RBP,
    HOST_RSI,
    HOST_RDI,
    HOST_R8,
    HOST_R9,
    HOST_R10,
    HOST_R11,
    HOST_R12,
    HOST_R13,
    HOST_R14,
    HOST_R15,
};
#define HOST_NONE (-1)

/* An address as the host forms it. */
struct emit_mem {
    int base, index; /* enum host_reg or HOST_NONE; index is never RSP */
    uint8_t scale;   /* 1, 2, 4, 8 */
    bool gs;         /* gs: and 67h: 32-bit, in the window */
    int32_t disp;
};

struct emit_insn {
    uint8_t prefix[4], prefixes; /* legacy ones, in order */
    uint8_t opcode[3], opcodes;
    bool wide;   /* REX.W */
    bool no_rex; /* an operand is AH, CH, DH or BH */
    bool modrm;  /* else a register in the opcode's low bits, if any */
    bool memory; /* of modrm: `mem`, else the register `rm` */
    uint8_t reg; /* modrm.reg: host register or opcode extension */
    uint8_t rm;  /* host register; without modrm: only for REX.B */
    struct emit_mem mem;
    const uint8_t *imm;
    uint8_t imms; /* bytes of it */
};

/* False, and nothing emitted: the operands contradict each other (REX). */
bool emit_insn(struct emit *e, const struct emit_insn *in);

static inline uint32_t emit_offset(const struct emit *e)
{
    return (uint32_t)(e->at - e->start);
}

void emit_byte(struct emit *e, uint8_t b);
void emit_bytes(struct emit *e, const void *bytes, size_t n);
void emit_u32(struct emit *e, uint32_t v);

/* OPCODE is one byte, or 0x0f00 | second byte. */
void emit_rm(struct emit *e, unsigned opcode, unsigned reg, unsigned rm);
void emit_load(struct emit *e, unsigned opcode, unsigned reg,
               struct emit_mem mem);
/* The same with REX.W. */
void emit_load64(struct emit *e, unsigned opcode, unsigned reg,
                 struct emit_mem mem);
#endif
