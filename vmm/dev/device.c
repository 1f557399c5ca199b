#include "vmm/dev/device.h"

#include <errno.h>
#include <stdlib.h>

int device_create(struct device **out, const struct device_class *class,
                  const struct device_env *env, const struct device_cfg *cfg)
{
    struct device *dev = calloc(1, sizeof(*dev));
    int err;

    *out = NULL;
    if (!dev)
        return -ENOMEM;
    *dev = (struct device){.class = class, .name = cfg->name, .env = *env};
    dev->state = calloc(1, class->state_size);
    if (!dev->state) {
        free(dev);
        return -ENOMEM;
    }
    err = class->init(dev, cfg);
    if (err) {
        free(dev->state);
        free(dev);
        return err;
    }
    class->reset(dev);
    *out = dev;
    return 0;
}

void device_destroy(struct device *dev)
{
    if (!dev)
        return;
    if (dev->class->fini)
        dev->class->fini(dev);
    free(dev->state);
    free(dev);
}
