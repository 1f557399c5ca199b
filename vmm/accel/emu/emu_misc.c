/*
 * Instructions that are simple in C: moves, single bits, flags, decimal
 * arithmetic (SDM vol. 2A AAA to DAS, which 64-bit mode does not have).
 */
#include "vmm/accel/emu/emu_internal.h"

bool emu_do_undefined(struct emu *emu)
{
    return emu_raise(emu, X86_UD);
}

bool emu_do_nop(struct emu *emu)
{
    (void)emu;
    return true;
}

bool emu_do_clflush(struct emu *emu)
{
    uint8_t byte;

    return emu_read64(emu, emu_op_seg(&emu->op[0]), emu_ea64(emu, &emu->op[0]),
                      &byte, 1);
}

bool emu_do_mov(struct emu *emu)
{
    uint64_t value;

    return emu_get(emu, &emu->op[1], &value) &&
           emu_put(emu, &emu->op[0], value);
}

bool emu_do_lea(struct emu *emu)
{
    emu_put_reg(emu, emu->op[0].reg.value, emu_ea64(emu, &emu->op[1]));
    return true;
}

bool emu_do_xlat(struct emu *emu)
{
    uint64_t off = emu->st->gpr[X86_RBX] + (uint8_t)emu->st->gpr[X86_RAX];
    uint8_t value;

    off &= all_ones(emu->insn->address_width / 8u);
    if (!emu_read64(emu, emu_data_segment(emu), off, &value, 1))
        return false;
    emu_put_reg(emu, ZYDIS_REGISTER_AL, value);
    return true;
}

/* Sign-extends the low SIZE bytes. */
static int64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - 8 * size;

    return (int64_t)(value << shift) >> shift;
}

bool emu_do_bound(struct emu *emu)
{
    unsigned size = emu_opsize(emu);
    enum x86_sreg seg = emu_op_seg(&emu->op[1]);
    uint32_t ea = emu_ea(emu, &emu->op[1]);
    uint32_t mask = (uint32_t)all_ones(emu->insn->address_width / 8u);
    int64_t index = sign_extend(emu_get_reg(emu, emu->op[0].reg.value), size);
    uint64_t low = 0, high = 0;

    if (!emu_read(emu, seg, ea, &low, size) ||
        !emu_read(emu, seg, (ea + size) & mask, &high, size))
        return false;
    if (index < sign_extend(low, size) || index > sign_extend(high, size))
        return emu_raise(emu, X86_BR);
    return true;
}

/* ---- bit test ---------------------------------------------------------- */

static uint64_t change_bit(ZydisMnemonic mnemonic, uint64_t value, uint64_t bit)
{
    if (mnemonic == ZYDIS_MNEMONIC_BTS)
        return value | bit;
    if (mnemonic == ZYDIS_MNEMONIC_BTR)
        return value & ~bit;
    return value ^ bit;
}

bool emu_do_bt(struct emu *emu)
{
    const ZydisDecodedOperand *base = &emu->op[0], *index = &emu->op[1];
    ZydisMnemonic mnemonic = emu->insn->mnemonic;
    bool memory = base->type == ZYDIS_OPERAND_TYPE_MEMORY;
    unsigned size = base->size / 8u;
    uint64_t number, value = 0, off = 0, bit;

    if (!emu_get(emu, index, &number))
        return false;
    if (memory) {
        off = emu_ea64(emu, base);
        /* A register may name a bit far away, on either side. */
        if (index->type == ZYDIS_OPERAND_TYPE_REGISTER) {
            int64_t element = sign_extend(number, size) >> (size == 2   ? 4
                                                            : size == 4 ? 5
                                                                        : 6);
            off += (uint64_t)(element * (int64_t)size);
            off &= all_ones(emu->insn->address_width / 8u);
        }
        if (mnemonic != ZYDIS_MNEMONIC_BT &&
            !emu_probe_write64(emu, emu_op_seg(base), off, size))
            return false;
        if (!emu_read64(emu, emu_op_seg(base), off, &value, size))
            return false;
    } else if (!emu_get(emu, base, &value)) {
        return false;
    }
    bit = 1ull << (number & (8 * size - 1));
    emu->st->rflags &= ~(uint64_t)X86_EFLAGS_CF;
    emu->st->rflags |= value & bit ? X86_EFLAGS_CF : 0;
    if (mnemonic == ZYDIS_MNEMONIC_BT)
        return true;
    value = change_bit(mnemonic, value, bit);
    if (memory)
        return emu_write64(emu, emu_op_seg(base), off, &value, size);
    emu_put_reg(emu, base->reg.value, value);
    return true;
}

/* ---- flags ------------------------------------------------------------- */

bool emu_do_carry(struct emu *emu)
{
    uint64_t *flags = &emu->st->rflags;

    if (emu->insn->mnemonic == ZYDIS_MNEMONIC_CMC)
        *flags ^= X86_EFLAGS_CF;
    else if (emu->insn->mnemonic == ZYDIS_MNEMONIC_STC)
        *flags |= X86_EFLAGS_CF;
    else
        *flags &= ~(uint64_t)X86_EFLAGS_CF;
    return true;
}

bool emu_do_direction(struct emu *emu)
{
    if (emu->insn->mnemonic == ZYDIS_MNEMONIC_STD)
        emu->st->rflags |= X86_EFLAGS_DF;
    else
        emu->st->rflags &= ~(uint64_t)X86_EFLAGS_DF;
    return true;
}

#define LOW_FLAGS                                                              \
    (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |           \
     X86_EFLAGS_SF)

bool emu_do_lahf(struct emu *emu)
{
    emu_put_reg(emu, ZYDIS_REGISTER_AH,
                (emu->st->rflags & LOW_FLAGS) | X86_EFLAGS_RES1);
    return true;
}

bool emu_do_sahf(struct emu *emu)
{
    uint64_t ah = emu_get_reg(emu, ZYDIS_REGISTER_AH);

    emu->st->rflags &= ~(uint64_t)LOW_FLAGS;
    emu->st->rflags |= ah & LOW_FLAGS;
    return true;
}

bool emu_do_salc(struct emu *emu)
{
    emu_put_reg(emu, ZYDIS_REGISTER_AL,
                emu->st->rflags & X86_EFLAGS_CF ? 0xff : 0);
    return true;
}

/* ---- decimal ----------------------------------------------------------- */

static void set_flag(struct emu *emu, uint32_t flag, bool value)
{
    emu->st->rflags &= ~(uint64_t)flag;
    if (value)
        emu->st->rflags |= flag;
}

static void set_szp(struct emu *emu, uint8_t result)
{
    set_flag(emu, X86_EFLAGS_SF, result & 0x80);
    set_flag(emu, X86_EFLAGS_ZF, result == 0);
    set_flag(emu, X86_EFLAGS_PF, !__builtin_parity(result));
}

/* AAA and AAS.  OF, SF, ZF and PF are undefined: by the result, OF clear. */
bool emu_do_aaa(struct emu *emu)
{
    bool subtract = emu->insn->mnemonic == ZYDIS_MNEMONIC_AAS;
    uint16_t ax = (uint16_t)emu->st->gpr[X86_RAX];
    bool adjust = (ax & 0xf) > 9 || (emu->st->rflags & X86_EFLAGS_AF);

    if (adjust)
        ax = (uint16_t)(subtract ? ax - 0x106 : ax + 0x106);
    ax &= 0xff0f;
    emu_put_reg(emu, ZYDIS_REGISTER_AX, ax);
    set_flag(emu, X86_EFLAGS_AF | X86_EFLAGS_CF, adjust);
    set_flag(emu, X86_EFLAGS_OF, false);
    set_szp(emu, (uint8_t)ax);
    return true;
}

bool emu_do_aam(struct emu *emu)
{
    uint8_t base = (uint8_t)emu->op[0].imm.value.u;
    uint8_t al = (uint8_t)emu->st->gpr[X86_RAX];

    if (base == 0)
        return emu_raise(emu, X86_DE);
    emu_put_reg(emu, ZYDIS_REGISTER_AH, al / base);
    emu_put_reg(emu, ZYDIS_REGISTER_AL, al % base);
    set_flag(emu, X86_EFLAGS_OF | X86_EFLAGS_AF | X86_EFLAGS_CF, false);
    set_szp(emu, al % base);
    return true;
}

bool emu_do_aad(struct emu *emu)
{
    uint8_t base = (uint8_t)emu->op[0].imm.value.u;
    uint16_t ax = (uint16_t)emu->st->gpr[X86_RAX];
    uint8_t al = (uint8_t)((ax & 0xff) + (ax >> 8) * base);

    emu_put_reg(emu, ZYDIS_REGISTER_AX, al);
    set_flag(emu, X86_EFLAGS_OF | X86_EFLAGS_AF | X86_EFLAGS_CF, false);
    set_szp(emu, al);
    return true;
}

bool emu_do_daa(struct emu *emu)
{
    bool subtract = emu->insn->mnemonic == ZYDIS_MNEMONIC_DAS;
    uint8_t old = (uint8_t)emu->st->gpr[X86_RAX], al = old;
    bool old_cf = emu->st->rflags & X86_EFLAGS_CF, cf = false;
    bool af = (old & 0xf) > 9 || (emu->st->rflags & X86_EFLAGS_AF);

    if (af) {
        cf = old_cf || (subtract ? old < 6 : old > 0xff - 6);
        al = (uint8_t)(subtract ? al - 6 : al + 6);
    }
    if (old > 0x99 || old_cf) {
        al = (uint8_t)(subtract ? al - 0x60 : al + 0x60);
        cf = true;
    } else if (!subtract) {
        cf = false;
    }
    emu_put_reg(emu, ZYDIS_REGISTER_AL, al);
    set_flag(emu, X86_EFLAGS_AF, af);
    set_flag(emu, X86_EFLAGS_CF, cf);
    set_flag(emu, X86_EFLAGS_OF, false);
    set_szp(emu, al);
    return true;
}
