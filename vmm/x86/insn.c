#include "vmm/x86/insn.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

static void decoder_init(ZydisDecoder *dec, unsigned bits)
{
    if (bits == 64)
        ZydisDecoderInit(dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else if (bits == 32)
        ZydisDecoderInit(dec, ZYDIS_MACHINE_MODE_LEGACY_32,
                         ZYDIS_STACK_WIDTH_32);
    else
        ZydisDecoderInit(dec, ZYDIS_MACHINE_MODE_LEGACY_16,
                         ZYDIS_STACK_WIDTH_16);
}

static enum x86_insn_kind kind_of(const ZydisDecodedInstruction *in)
{
    const ZydisInstructionAttributes rep =
        ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;

    switch (in->meta.category) {
    case ZYDIS_CATEGORY_CALL:
        return X86_INSN_CALL;
    case ZYDIS_CATEGORY_RET:
        return in->mnemonic == ZYDIS_MNEMONIC_IRET ||
                       in->mnemonic == ZYDIS_MNEMONIC_IRETD ||
                       in->mnemonic == ZYDIS_MNEMONIC_IRETQ
                   ? X86_INSN_IRET
                   : X86_INSN_RET;
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_SYSCALL:
        return X86_INSN_INT;
    case ZYDIS_CATEGORY_UNCOND_BR:
        return X86_INSN_JMP;
    case ZYDIS_CATEGORY_COND_BR:
        return X86_INSN_JCC;
    default:
        break;
    }
    if (in->mnemonic == ZYDIS_MNEMONIC_HLT)
        return X86_INSN_HLT;
    return in->attributes & rep ? X86_INSN_REP : X86_INSN_OTHER;
}

bool x86_insn_decode(struct x86_insn *insn, const uint8_t *bytes, size_t avail,
                     unsigned bits, uint64_t rip)
{
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction in;
    ZydisDecoder dec;

    decoder_init(&dec, bits);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&dec, bytes, avail, &in, op)))
        return false;
    *insn = (struct x86_insn){.len = in.length, .kind = kind_of(&in)};
    insn->has_target =
        in.operand_count_visible == 1 &&
        op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op[0].imm.is_relative &&
        ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&in, &op[0], rip, &insn->target));
    return true;
}

/* The kinds of operand that make an instruction another one. */
static const char *operand_key(const ZydisDecodedInstruction *in,
                               const ZydisDecodedOperand *op)
{
    if (in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return " far";
    for (unsigned i = 0; i < in->operand_count_visible; i++) {
        if (op[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        switch (ZydisRegisterGetClass(op[i].reg.value)) {
        case ZYDIS_REGCLASS_CONTROL:
            return " cr";
        case ZYDIS_REGCLASS_DEBUG:
            return " dr";
        case ZYDIS_REGCLASS_SEGMENT:
            return " sreg";
        default:
            break;
        }
    }
    return "";
}

bool x86_insn_key(char *buf, size_t len, const uint8_t *bytes, size_t avail,
                  unsigned bits)
{
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction in;
    ZydisDecoder dec;
    const char *name;
    size_t n;

    decoder_init(&dec, bits);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&dec, bytes, avail, &in, op)))
        return false;
    name = ZydisMnemonicGetString(in.mnemonic);
    n = strlen(name);
    /* POPF, POPFD and POPFQ are one instruction, as are INS and IN here. */
    if ((strncmp(name, "popf", 4) == 0 || strncmp(name, "pushf", 5) == 0 ||
         strncmp(name, "iret", 4) == 0) &&
        strchr("dq", name[n - 1]))
        n--;
    if (in.meta.category == ZYDIS_CATEGORY_IOSTRINGOP)
        n = name[0] == 'i' ? 2 : 3;
    snprintf(buf, len, "%.*s%s", (int)n, name, operand_key(&in, op));
    return true;
}

unsigned x86_insn_text(char *buf, size_t len, const uint8_t *bytes,
                       size_t avail, unsigned bits, uint64_t rip)
{
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction in;
    ZydisFormatter fmt;
    ZydisDecoder dec;

    decoder_init(&dec, bits);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&dec, bytes, avail, &in, op))) {
        snprintf(buf, len, "(bad)");
        return 0;
    }
    ZydisFormatterInit(&fmt, ZYDIS_FORMATTER_STYLE_INTEL);
    ZydisFormatterSetProperty(&fmt, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, 0);
    ZydisFormatterSetProperty(&fmt, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
                              ZYDIS_PADDING_DISABLED);
    ZydisFormatterFormatInstruction(&fmt, &in, op, in.operand_count_visible,
                                    buf, len, rip, NULL);
    return in.length;
}
