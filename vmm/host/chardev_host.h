/*
 * Where a guest's serial line goes on the host.
 *
 *   stdio       this terminal: raw, Ctrl-A escapes (see terminal.h)
 *   pty         a new pseudo-terminal; its name is logged
 *   unix:PATH   a socket that listens at PATH for one client at a time
 *   file:PATH   output only, truncated first
 *   null        output vanishes, no input
 *
 * Output: stdio and file wait for a slow reader and lose nothing.  A pty or a
 * socket that nobody reads must not stop the guest: after a second without
 * progress the newest 64 KiB are kept, and sent when a reader turns up.
 * Input is taken from the host only as fast as the guest's chip takes it.
 */
#ifndef VMM_HOST_CHARDEV_HOST_H
#define VMM_HOST_CHARDEV_HOST_H
#include <stdio.h>

#include "vmm/dev/chardev.h"
#include "vmm/host/events.h"

/* Is SPEC one of the forms above?  Does not touch the host. */
bool chardev_spec_valid(const char *spec);

/*
 * Opens SPEC.  EVENTS is copied; what its opaque names outlives the chardev.
 * 0 and *OUT (NULL chardev->write for null is allowed), or -errno with one
 * logged line.  Free with chardev_close().
 */
int chardev_open(struct chardev **out, const char *spec,
                 const struct host_events *events);
void chardev_close(struct chardev *chr); /* an opened one; NULL: nothing */

/* For tests and the debugger: output is kept, input is typed by them. */
int chardev_memory_create(struct chardev **out);
void chardev_memory_destroy(struct chardev *chr);
const char *chardev_memory_output(const struct chardev *chr, size_t *len);
/* From now on output goes to TO as well, which is borrowed. */
void chardev_memory_echo(struct chardev *chr, FILE *to);
#endif
