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
    /* SYSCALL is refused by its handler; 64-bit state is KVM's only. */
    [ZYDIS_ISA_SET_AMD] = true,          [ZYDIS_ISA_SET_LONGMODE] = true,
};
/* clang-format on */

bool emu_isa_has(const ZydisDecodedInstruction *insn)
{
    if (insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return false;
    return known[insn->meta.isa_set];
}
