/* Operands: registers of every width, effective addresses, values. */
#include <string.h>

#include "vmm/accel/emu/emu_internal.h"

int emu_gpr_index(ZydisRegister reg, unsigned *size, bool *high)
{
    *high = false;
    if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D) {
        *size = 4;
        return (int)(reg - ZYDIS_REGISTER_EAX);
    }
    if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W) {
        *size = 2;
        return (int)(reg - ZYDIS_REGISTER_AX);
    }
    if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15) {
        *size = 8;
        return (int)(reg - ZYDIS_REGISTER_RAX);
    }
    if (reg < ZYDIS_REGISTER_AL || reg > ZYDIS_REGISTER_R15B)
        return -1;
    *size = 1;
    if (reg <= ZYDIS_REGISTER_BL)
        return (int)(reg - ZYDIS_REGISTER_AL);
    if (reg <= ZYDIS_REGISTER_BH) {
        *high = true;
        return (int)(reg - ZYDIS_REGISTER_AH);
    }
    return (int)(reg - ZYDIS_REGISTER_SPL) + X86_RSP;
}

uint64_t emu_get_reg(const struct emu *emu, ZydisRegister reg)
{
    unsigned size;
    bool high;
    int i = emu_gpr_index(reg, &size, &high);

    if (i < 0 && reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS)
        return emu->st->seg[reg - ZYDIS_REGISTER_ES].selector;
    assert(i >= 0);
    return (emu->st->gpr[i] >> (high ? 8 : 0)) & all_ones(size);
}

void emu_put_reg(struct emu *emu, ZydisRegister reg, uint64_t value)
{
    unsigned size;
    bool high;
    int i = emu_gpr_index(reg, &size, &high);
    uint64_t *r;

    assert(i >= 0);
    r = &emu->st->gpr[i];
    if (high)
        *r = (*r & ~0xff00ull) | (value & 0xff) << 8;
    else if (size >= 4) /* a 32-bit result is zero-extended */
        *r = value & all_ones(size);
    else
        *r = (*r & ~all_ones(size)) | (value & all_ones(size));
}

uint64_t emu_ea64(const struct emu *emu, const ZydisDecodedOperand *op)
{
    uint64_t ea = (uint64_t)op->mem.disp.value;

    if (op->mem.base == ZYDIS_REGISTER_RIP ||
        op->mem.base == ZYDIS_REGISTER_EIP)
        ea += emu->next_rip;
    else if (op->mem.base != ZYDIS_REGISTER_NONE)
        ea += emu_get_reg(emu, op->mem.base);
    if (op->mem.index != ZYDIS_REGISTER_NONE)
        ea += emu_get_reg(emu, op->mem.index) * op->mem.scale;
    return ea & all_ones(emu->insn->address_width / 8);
}

uint32_t emu_ea(const struct emu *emu, const ZydisDecodedOperand *op)
{
    return (uint32_t)emu_ea64(emu, op);
}

bool emu_get(struct emu *emu, const ZydisDecodedOperand *op, uint64_t *value)
{
    switch (op->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        *value = emu_get_reg(emu, op->reg.value);
        return true;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        *value = op->imm.value.u;
        if (op->imm.is_signed)
            *value &= all_ones(emu->insn->operand_width / 8);
        return true;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        *value = 0;
        assert(op->size <= 64);
        return emu_read64(emu, emu_op_seg(op), emu_ea64(emu, op), value,
                          op->size / 8);
    default:
        assert(!"an operand without a value");
        return false;
    }
}

bool emu_put(struct emu *emu, const ZydisDecodedOperand *op, uint64_t value)
{
    if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        assert(op->size <= 64);
        return emu_write64(emu, emu_op_seg(op), emu_ea64(emu, op), &value,
                           op->size / 8);
    }
    assert(op->type == ZYDIS_OPERAND_TYPE_REGISTER);
    emu_put_reg(emu, op->reg.value, value);
    return true;
}

unsigned emu_opsize(const struct emu *emu)
{
    return emu->insn->operand_width == 16 ? 2 : 4;
}

enum x86_sreg emu_data_segment(const struct emu *emu)
{
    static const struct {
        ZydisInstructionAttributes attribute;
        enum x86_sreg seg;
    } overrides[] = {
        {ZYDIS_ATTRIB_HAS_SEGMENT_CS, X86_CS},
        {ZYDIS_ATTRIB_HAS_SEGMENT_SS, X86_SS},
        {ZYDIS_ATTRIB_HAS_SEGMENT_ES, X86_ES},
        {ZYDIS_ATTRIB_HAS_SEGMENT_FS, X86_FS},
        {ZYDIS_ATTRIB_HAS_SEGMENT_GS, X86_GS},
    };

    for (size_t i = 0; i < ARRAY_SIZE(overrides); i++)
        if (emu->insn->attributes & overrides[i].attribute)
            return overrides[i].seg;
    return X86_DS;
}
