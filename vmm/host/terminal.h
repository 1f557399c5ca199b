/*
 * The terminal in raw mode, and back again whatever happens: at exit, on
 * every signal that would end the process and can be caught, when stopped
 * (SIGTSTP) and continued.
 *
 * There is one terminal to a process and signal handlers have no argument, so
 * this file keeps its state in statics.  Handlers that were there before are
 * kept: only signals at SIG_DFL are taken, and whoever takes SIGSEGV later
 * passes on what is not its own.
 */
#ifndef VMM_HOST_TERMINAL_H
#define VMM_HOST_TERMINAL_H
#include <poll.h>

#include "vmm/base/base.h"

/* Takes the deadly signals.  terminal_raw() does it too; a program that will
 * install other handlers for them calls this first, so that those pass on to
 * ours. */
void terminal_prepare(void);

/* 0, or -ENOTTY, or -errno logged.  A second call does nothing. */
int terminal_raw(int fd);
/*
 * A library makes FD raw and will tidy up itself, but for deadly signals: from
 * here on they and terminal_restore() bring its mode of now back.  Stops are
 * the library's own.  0 or -errno, logged.
 */
int terminal_lend(int fd);
/* Async-signal-safe; does nothing when not raw. */
void terminal_restore(void);

/*
 * Bytes that terminal_restore() writes to FD first, to leave a full-screen
 * display (at most 127; "" for none).  RESUME runs after SIGCONT, in the
 * handler: it may only set a flag.
 */
void terminal_set_leave(int fd, const char *bytes, void (*resume)(void));

/*
 * SIGWINCH waits, for the calling thread and those it will start, until one of
 * them is in terminal_wait(): it interrupts no other's sleep, and none is lost
 * between looking for it and going to sleep.
 */
void terminal_hold_resize(void);
/* poll(), which a SIGWINCH ends (-1, EINTR), also one that was held.
 * TIMEOUT_MS < 0: no limit. */
int terminal_wait(struct pollfd *fds, unsigned count, int timeout_ms);
#endif
