/* The reset control register at CF9h. */
#ifndef VMM_DEV_RST_CNT_H
#define VMM_DEV_RST_CNT_H
#include "vmm/dev/device.h"

extern const struct device_class rst_cnt_class;

struct rst_cnt_outputs {
    void *opaque;
    /* RST_CPU (bit 2) went from 0 to 1; WHO is "port CF9h".  May be NULL. */
    void (*reset)(void *opaque, const char *who);
};

void rst_cnt_connect(struct device *dev, const struct rst_cnt_outputs *out);
#endif
