/*
 * Save and restore of a machine's fields, in one function for both ways.
 *
 * A device lists its fields once: snap_field(s, dev->latch).  Saving appends
 * them to a buffer; restoring reads them back in the same order.  Each field
 * carries its name's hash and its length, so a restore of something else is an
 * error (-EINVAL, kept in snap->err) and never garbage.
 */
#ifndef VMM_BASE_SNAP_H
#define VMM_BASE_SNAP_H
#include "vmm/base/base.h"

struct snap {
    bool saving;
    uint8_t *buf; /* saving: owned, grows.  restoring: borrowed */
    size_t len;   /* bytes in buf */
    size_t pos;   /* restoring: read position */
    int err;      /* first error, negative errno; later calls do nothing */
};

void snap_init_save(struct snap *s);
void snap_init_restore(struct snap *s, const void *buf, size_t len);
void snap_fini(struct snap *s); /* frees what saving allocated */
void snap_bytes(struct snap *s, const char *name, void *ptr, size_t len);

#define snap_field(s, lvalue)                                                  \
    snap_bytes((s), #lvalue, &(lvalue), sizeof(lvalue))
#endif
