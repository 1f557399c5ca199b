/*
 * Host file descriptors that the machine listens to, and how the vCPU's thread
 * sleeps and is woken.
 *
 * A helper thread waits for the descriptors and kicks the vCPU out of the
 * guest; the callbacks then run on the vCPU's thread, so devices need no
 * locks.  A callback that cannot take the bytes unwatches its descriptor
 * until it can: descriptors are level-triggered.
 */
#ifndef VMM_HOST_HOSTIO_H
#define VMM_HOST_HOSTIO_H
#include "vmm/base/base.h"

struct hostio;

typedef void hostio_fn(void *opaque, int fd);

/* KICK is called from the helper thread when some descriptor is ready.  0 or
 * -errno. */
int hostio_create(struct hostio **out, void (*kick)(void *opaque),
                  void *opaque);
/* Ends the helper thread: KICK is not called any more. */
void hostio_stop(struct hostio *io);
void hostio_destroy(struct hostio *io);

/* FN runs when FD is readable or at its end.  0 or -errno; -EPERM: FD is a
 * regular file, which is always ready and cannot be waited for. */
int hostio_watch(struct hostio *io, int fd, hostio_fn *fn, void *opaque);
void hostio_unwatch(struct hostio *io, int fd);

/* Runs the callbacks of what is ready; cheap when nothing is. */
void hostio_dispatch(struct hostio *io);

/* Sleeps until a descriptor is ready, hostio_wake(), or TIMEOUT_NS passed
 * (UINT64_MAX: no limit); runs the callbacks. */
void hostio_wait(struct hostio *io, uint64_t timeout_ns);

/* Ends hostio_wait() soon.  Any thread, also a signal handler. */
void hostio_wake(struct hostio *io);

/* A wake-up from sleep takes longer than most of what a debugger asks: who
 * waits for it looks for so long first, and gives way to others between looks.
 * In ns. */
#define HOST_LOOK_NS 200000u

/* Host monotonic time in ns. */
uint64_t host_now_ns(void);
#endif
