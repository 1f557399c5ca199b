/*
 * Synchronous host signals (SIGSEGV, SIGBUS, SIGFPE, SIGILL) shared between
 * the parts of the monitor that execute guest code in this process.
 *
 * The process-wide handler runs on an alternate stack and asks the handlers of
 * the thread that was hit, last added first.  If none takes the signal, what
 * was installed before (or the default action) gets it.
 */
#ifndef VMM_ACCEL_HOST_SIGNAL_H
#define VMM_ACCEL_HOST_SIGNAL_H
#include <signal.h>

#include "vmm/base/base.h"

struct host_signal_handler {
    /* True: dealt with; it may have edited UCONTEXT (a ucontext_t). */
    bool (*fn)(void *opaque, int sig, siginfo_t *info, void *ucontext);
    void *opaque;
    struct host_signal_handler *next;
};

/*
 * Installs the process's handler, again if somebody (a test framework) has put
 * his own in its place since.  0 or -errno.  Any thread.
 */
int host_signal_init(void);

/*
 * This thread's handlers; H is borrowed until it is removed.  The first one
 * gives the thread an alternate signal stack, unless it has one.
 */
void host_signal_add(struct host_signal_handler *h);
void host_signal_remove(struct host_signal_handler *h);
#endif
