/*
 * Holds the place of emu_*.c until they land: weak, so that the first strong
 * definition wins.  To be deleted with that landing.
 */
#include <stdlib.h>

#include "vmm/accel/emu/emu.h"

#define PENDING(name)                                                          \
    void pending_##name(void);                                                 \
    void __attribute__((weak)) pending_##name(void) __asm__(#name);            \
    void __attribute__((weak)) pending_##name(void)                            \
    {                                                                          \
        abort();                                                               \
    }                                                                          \
    void pending_##name(void)

PENDING(emu_raise);
PENDING(emu_raise_err);
PENDING(emu_read);
PENDING(emu_write);
PENDING(emu_probe_write);
PENDING(emu_read_sys);
PENDING(emu_write_sys);
PENDING(emu_read_linear);
PENDING(emu_write_linear);
PENDING(emu_ea);
PENDING(emu_get);
PENDING(emu_put);
PENDING(emu_sp);
PENDING(emu_set_sp);
PENDING(emu_push_at);
PENDING(emu_pop_at);
PENDING(emu_opsize);
PENDING(emu_state_changed);
PENDING(emu_tlb_flush);
PENDING(emu_match_breakpoints);
