/* Host encodings.  SDM vol. 2A 2.1 (ModRM, SIB), 2.2.1 (REX). */
#include "vmm/accel/bt/emit.h"

#include <string.h>

#define MODRM(mod, reg, rm)                                                    \
    ((uint8_t)((mod) << 6 | ((unsigned)(reg)&7) << 3 | ((unsigned)(rm)&7)))
#define RM_SIB      4
#define SIB_NO_BASE 5
#define LOW_BP      5 /* EBP, R13: mod 0 means something else */
#define REX         0x40
#define REX_W       0x08
#define REX_R       0x04
#define REX_X       0x02
#define REX_B       0x01

void emit_byte(struct emit *e, uint8_t b)
{
    assert(e->at < e->end);
    *e->at++ = b;
}

void emit_bytes(struct emit *e, const void *bytes, size_t n)
{
    assert(n <= (size_t)(e->end - e->at));
    memcpy(e->at, bytes, n);
    e->at += n;
}

void emit_u32(struct emit *e, uint32_t v)
{
    emit_bytes(e, &v, sizeof(v));
}

static uint8_t sib_byte(const struct emit_mem *m)
{
    unsigned scale = m->scale >= 8   ? 3u
                     : m->scale >= 4 ? 2u
                     : m->scale >= 2 ? 1u
                                     : 0u;
    unsigned index = m->index == HOST_NONE ? 4u : (unsigned)m->index;
    unsigned base = m->base == HOST_NONE ? SIB_NO_BASE : (unsigned)m->base;

    assert(m->index != HOST_RSP);
    return MODRM(scale, index, base);
}

static void emit_address(struct emit *e, unsigned reg, const struct emit_mem *m)
{
    bool sib = m->index != HOST_NONE || m->base == HOST_NONE ||
               (m->base & 7) == RM_SIB;
    unsigned rm = sib ? RM_SIB : (unsigned)m->base, mod;

    if (m->base == HOST_NONE || (m->disp == 0 && (m->base & 7) != LOW_BP))
        mod = 0;
    else
        mod = m->disp == (int8_t)m->disp ? 1 : 2;
    emit_byte(e, MODRM(mod, reg, rm));
    if (sib)
        emit_byte(e, sib_byte(m));
    if (mod == 1)
        emit_byte(e, (uint8_t)m->disp);
    else if (mod == 2 || m->base == HOST_NONE)
        emit_u32(e, (uint32_t)m->disp);
}

static uint8_t rex_of(const struct emit_insn *in)
{
    uint8_t rex = in->wide ? REX_W : 0;

    if (in->modrm && in->reg >= HOST_R8)
        rex |= REX_R;
    if (in->modrm && in->memory) {
        if (in->mem.index != HOST_NONE && in->mem.index >= HOST_R8)
            rex |= REX_X;
        if (in->mem.base != HOST_NONE && in->mem.base >= HOST_R8)
            rex |= REX_B;
    } else if (in->rm >= HOST_R8) {
        rex |= REX_B;
    }
    return rex;
}

bool emit_insn(struct emit *e, const struct emit_insn *in)
{
    uint8_t rex = rex_of(in);

    if (rex && in->no_rex)
        return false;
    if (in->memory && in->mem.gs)
        emit_bytes(e, "\x65\x67", 2);
    emit_bytes(e, in->prefix, in->prefixes);
    if (rex)
        emit_byte(e, REX | rex);
    emit_bytes(e, in->opcode, in->opcodes);
    if (in->modrm && in->memory)
        emit_address(e, in->reg, &in->mem);
    else if (in->modrm)
        emit_byte(e, MODRM(3, in->reg, in->rm));
    if (in->imms)
        emit_bytes(e, in->imm, in->imms);
    return true;
}

static struct emit_insn plain(unsigned opcode, unsigned reg)
{
    struct emit_insn in = {.modrm = true, .reg = (uint8_t)reg};

    if (opcode > 0xff)
        in.opcode[in.opcodes++] = (uint8_t)(opcode >> 8);
    in.opcode[in.opcodes++] = (uint8_t)opcode;
    return in;
}

void emit_rm(struct emit *e, unsigned opcode, unsigned reg, unsigned rm)
{
    struct emit_insn in = plain(opcode, reg);

    in.rm = (uint8_t)rm;
    emit_insn(e, &in);
}

void emit_load(struct emit *e, unsigned opcode, unsigned reg,
               struct emit_mem mem)
{
    struct emit_insn in = plain(opcode, reg);

    in.memory = true;
    in.mem = mem;
    emit_insn(e, &in);
}

void emit_load64(struct emit *e, unsigned opcode, unsigned reg,
                 struct emit_mem mem)
{
    struct emit_insn in = plain(opcode, reg);

    in.wide = in.memory = true;
    in.mem = mem;
    emit_insn(e, &in);
}
