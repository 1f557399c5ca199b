/* How a host exception inside an emitted instruction comes back to emu. */
#ifndef VMM_ACCEL_EMU_EMU_SIGNAL_H
#define VMM_ACCEL_EMU_EMU_SIGNAL_H
#include <signal.h>
#include <stdbool.h>

/*
 * True if SIG (SIGFPE, SIGILL, SIGSEGV) came from an instruction that emu was
 * executing on this thread; UCONTEXT then leads back into emu.  emu registers
 * it with host_signal_add() by itself.
 */
bool emu_native_signal(int sig, siginfo_t *info, void *ucontext);

/* Makes this thread's signals come to emu_native_signal(); idempotent. */
void emu_signal_attach(void);
#endif
