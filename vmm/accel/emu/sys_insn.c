/* The table of sensitive instructions: sys_insn.def, by mnemonic. */
#include "vmm/accel/emu/sys.h"

emu_handler *sys_handler(ZydisMnemonic mnemonic)
{
    static emu_handler *const handlers[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
#define ROW(mnemonic, handler) [ZYDIS_MNEMONIC_##mnemonic] = handler,
#include "vmm/accel/emu/sys_insn.def"
#undef ROW
    };

    return handlers[mnemonic];
}
