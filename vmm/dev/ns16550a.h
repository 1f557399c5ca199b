/*
 * The serial port's chip, with 16-byte FIFOs: eight ports from cfg->base.
 *
 * cfg->irq[0] is INTRPT, cfg->chr the line (NULL: nothing is connected).  The
 * chip sets chr->can_receive, receive and opaque, and calls chardev_drained().
 * RESET does not touch the host's side.
 */
#ifndef VMM_DEV_NS16550A_H
#define VMM_DEV_NS16550A_H
#include "vmm/dev/device.h"

extern const struct device_class ns16550a_class;
#endif
