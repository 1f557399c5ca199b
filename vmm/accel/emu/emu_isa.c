/*
 * What the guest's processor knows: an i686 with x87, MMX, SSE and SSE2, as
 * its CPUID says.  Everything else is #UD, whatever the host could do.
 */
#include "vmm/accel/emu/emu_internal.h"

/* clang-format off */
static const bool known[ZYDIS_ISA_SET_MAX_VALUE + 1] = {
    [ZYDIS_ISA_SET_I86] = true,          [ZYDIS_ISA_SET_I186] = true,
    [ZYDIS_ISA_SET_I286REAL] = true,     [ZYDIS_ISA_SET_I286PROTECTED] = true,
    [ZYDIS_ISA_SET_I386] = true,         [ZYDIS_ISA_SET_I486] = true,
    [ZYDIS_ISA_SET_I486REAL] = true,     [ZYDIS_ISA_SET_PENTIUMREAL] = true,
    [ZYDIS_ISA_SET_PPRO] = true,         [ZYDIS_ISA_SET_CMOV] = true,
    [ZYDIS_ISA_SET_FAT_NOP] = true,      [ZYDIS_ISA_SET_LAHF] = true,
    [ZYDIS_ISA_SET_X87] = true,          [ZYDIS_ISA_SET_FCMOV] = true,
    [ZYDIS_ISA_SET_RDPMC] = true,        [ZYDIS_ISA_SET_FXSAVE] = true,
    [ZYDIS_ISA_SET_PENTIUMMMX] = true,   [ZYDIS_ISA_SET_SSE] = true,
    [ZYDIS_ISA_SET_SSEMXCSR] = true,     [ZYDIS_ISA_SET_SSE_PREFETCH] = true,
    [ZYDIS_ISA_SET_SSE2] = true,         [ZYDIS_ISA_SET_SSE2MMX] = true,
    [ZYDIS_ISA_SET_PAUSE] = true,        [ZYDIS_ISA_SET_CLFSH] = true,
    /* SYSCALL is refused by its handler. */
    [ZYDIS_ISA_SET_AMD] = true,          [ZYDIS_ISA_SET_LONGMODE] = true,
};
/* clang-format on */

/*
 * 64-bit code is KVM's and sees the host's CPUID.  What changes nothing but
 * registers, flags and memory may go to the host; VEX and EVEX may not.
 */
static bool known64(ZydisISAExt ext)
{
    switch (ext) {
    case ZYDIS_ISA_EXT_BASE:
    case ZYDIS_ISA_EXT_LONGMODE:
    case ZYDIS_ISA_EXT_X87:
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_AES:
    case ZYDIS_ISA_EXT_PCLMULQDQ:
    case ZYDIS_ISA_EXT_SHA:
    case ZYDIS_ISA_EXT_MOVBE:
    case ZYDIS_ISA_EXT_BMI1: /* TZCNT */
    case ZYDIS_ISA_EXT_LZCNT:
    case ZYDIS_ISA_EXT_ADOX_ADCX:
        return true;
    default:
        return false;
    }
}

bool emu_isa_is_vector(ZydisISAExt ext)
{
    switch (ext) {
    case ZYDIS_ISA_EXT_X87:
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_AES:
    case ZYDIS_ISA_EXT_PCLMULQDQ:
    case ZYDIS_ISA_EXT_SHA:
        return true;
    default:
        return false;
    }
}

bool emu_isa_has(const ZydisDecodedInstruction *insn)
{
    if (insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return false;
    if (insn->machine_mode == ZYDIS_MACHINE_MODE_LONG_64)
        return known64(insn->meta.isa_ext);
    return known[insn->meta.isa_set];
}

bool emu_isa_is_of_the_kind(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_RDMSR:
    case ZYDIS_MNEMONIC_WRMSR:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDPMC:
        return true;
    default:
        return !emu_isa_has(insn);
    }
}
