/*
 * A byte stream between a guest's chip and the host: the host side (terminal,
 * pty, socket, file, a test's buffer) behind one small interface.
 */
#ifndef VMM_DEV_CHARDEV_H
#define VMM_DEV_CHARDEV_H
#include "vmm/base/strbuf.h"

struct chardev {
    /* Guest to host.  NULL: bytes vanish.  Never blocks the guest for ever. */
    void (*write)(struct chardev *chr, const uint8_t *bytes, size_t len);
    /*
     * Host to guest, set by the chip.  can_receive: how many bytes it takes
     * now; receive: takes them.  Called on the vCPU's thread.
     */
    size_t (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *bytes, size_t len);
    void *opaque; /* the chip */
    /* The chip can receive again; may be NULL. */
    void (*drained)(struct chardev *chr);
    struct strbuf typed; /* by chardev_type(); freed by the host side */
};

/* As if the host side had sent it.  What the chip has no room for waits. */
void chardev_type(struct chardev *chr, const void *bytes, size_t len);
/* The chip calls this when it can receive again. */
void chardev_drained(struct chardev *chr);
/* Gives the chip as many of the *LEN bytes as it takes now; the rest moves to
 * the front of BYTES. */
void chardev_deliver(struct chardev *chr, void *bytes, size_t *len);
#endif
