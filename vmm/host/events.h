/*
 * What the host side (terminal, sockets, screen) asks of whoever runs the
 * machine.  vm.c fills one in; tests fill in their own.
 */
#ifndef VMM_HOST_EVENTS_H
#define VMM_HOST_EVENTS_H
#include "vmm/base/base.h"

struct host_events {
    void *opaque;
    /*
     * FN(FN_OPAQUE, FD) runs on the vCPU's thread while FD is readable (level
     * triggered).  0 or -errno.  unwatch may be called from within FN.
     */
    int (*watch)(void *opaque, int fd, void (*fn)(void *fn_opaque, int fd),
                 void *fn_opaque);
    void (*unwatch)(void *opaque, int fd);
    void (*quit)(void *opaque);     /* the user wants to leave; may be NULL */
    bool (*stopping)(void *opaque); /* stop waiting for anything; or NULL */
};
#endif
