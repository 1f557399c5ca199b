/*
 * A guest instruction in the host's encoding.  What changes:
 *
 *  - segment, address-size and LOCK prefixes go: the memory operand becomes
 *    [rip + scratch], which needs no register and no REX prefix, so that AH to
 *    BH stay what they are;
 *  - the operand-size prefix says 16 bits whatever the guest's default is;
 *  - ESP is an ordinary register here: another one that the instruction does
 *    not name stands for it;
 *  - 40-4F (REX on the host) become FF /0 and /1; 82 becomes 80.
 *
 * SDM vol. 2A ch. 2.
 */
#include <string.h>

#include "vmm/accel/emu/emu_internal.h"

struct out {
    uint8_t *p;
    unsigned len;
};

static void put(struct out *o, unsigned byte)
{
    assert(o->len < EMU_SLOT_SIZE);
    o->p[o->len++] = (uint8_t)byte;
}

static void put_prefixes(struct out *o, const struct emu_entry *entry)
{
    const ZydisDecodedInstruction *insn = &entry->insn;

    for (unsigned i = 0; i < insn->raw.prefix_count; i++)
        if (insn->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY)
            put(o, insn->raw.prefixes[i].value);
    /* Vector instructions know 66 as a mandatory prefix only. */
    if (!emu_isa_is_vector(insn->meta.isa_ext) && insn->operand_width == 16)
        put(o, 0x66);
    if (entry->bits == 64 && (insn->attributes & ZYDIS_ATTRIB_HAS_REX)) {
        unsigned rex = entry->bytes[insn->raw.rex.offset];

        put(o, entry->mem >= 0 ? rex & ~3u : rex);
    }
}

static void put_map(struct out *o, ZydisOpcodeMap map)
{
    if (map == ZYDIS_OPCODE_MAP_DEFAULT)
        return;
    put(o, 0x0f);
    if (map == ZYDIS_OPCODE_MAP_0F38)
        put(o, 0x38);
    else if (map == ZYDIS_OPCODE_MAP_0F3A)
        put(o, 0x3a);
    else
        assert(map == ZYDIS_OPCODE_MAP_0F);
}

/* FIELD of the encoding, unless it names ESP: then what stands for it. */
static unsigned gpr_field(const struct emu_entry *entry, unsigned field,
                          ZydisOperandEncoding encoding)
{
    for (unsigned i = 0; i < entry->insn.operand_count; i++) {
        const ZydisDecodedOperand *op = &entry->op[i];

        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
            op->encoding == encoding &&
            (op->reg.value == ZYDIS_REGISTER_SP ||
             op->reg.value == ZYDIS_REGISTER_SPL ||
             op->reg.value == ZYDIS_REGISTER_ESP ||
             op->reg.value == ZYDIS_REGISTER_RSP))
            return entry->esp_host;
    }
    return field;
}

static void put_opcode(struct out *o, const struct emu_entry *entry)
{
    const ZydisDecodedInstruction *insn = &entry->insn;
    unsigned opcode = insn->opcode;
    bool one_byte = insn->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
    unsigned reg = gpr_field(entry, opcode & 7, ZYDIS_OPERAND_ENCODING_OPCODE);

    if (one_byte && opcode >= 0x40 && opcode <= 0x4f && entry->bits != 64) {
        put(o, 0xff);
        put(o, (opcode < 0x48 ? 0xc0 : 0xc8) | reg);
        return;
    }
    if (one_byte && opcode == 0x82)
        opcode = 0x80;
    if (!(insn->attributes & ZYDIS_ATTRIB_HAS_MODRM))
        opcode = (opcode & ~7u) | reg;
    put(o, opcode);
}

static void put_modrm(struct out *o, const struct emu_entry *entry)
{
    const ZydisDecodedInstruction *insn = &entry->insn;
    unsigned reg = gpr_field(entry, insn->raw.modrm.reg & 7,
                             ZYDIS_OPERAND_ENCODING_MODRM_REG);
    unsigned rm = gpr_field(entry, insn->raw.modrm.rm & 7,
                            ZYDIS_OPERAND_ENCODING_MODRM_RM);

    if (!(insn->attributes & ZYDIS_ATTRIB_HAS_MODRM))
        return;
    if (entry->mem >= 0) {
        put(o, reg << 3 | 5); /* mod 0, rm 5: [rip + disp32] */
        for (unsigned i = 0; i < 4; i++)
            put(o, 0);
    } else {
        put(o, 0xc0 | reg << 3 | rm);
    }
}

unsigned emu_encode(const struct emu_entry *entry, uint8_t *out,
                    const uint8_t *out_rx, const uint8_t *scratch)
{
    const ZydisDecodedInstruction *insn = &entry->insn;
    struct out o = {out, 0};
    unsigned after_modrm;

    put_prefixes(&o, entry);
    put_map(&o, insn->opcode_map);
    put_opcode(&o, entry);
    put_modrm(&o, entry);
    after_modrm = o.len;
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < insn->raw.imm[i].size / 8u; k++)
            put(&o, entry->bytes[insn->raw.imm[i].offset + k]);
    if (entry->mem >= 0) {
        int32_t disp = (int32_t)(scratch - (out_rx + o.len));

        memcpy(out + after_modrm - 4, &disp, 4);
    }
    put(&o, 0xc3); /* RET to the thunk */
    return o.len;
}
