/* Parts of the machine that are still being built; each goes as it lands. */
#include <errno.h>

#include "vmm/machine/machine.h"

#define PENDING __attribute__((weak))

PENDING int boot_load(struct machine *m, const struct boot_request *req,
                      struct x86_state *st)
{
    (void)m, (void)req, (void)st;
    return -ENOSYS;
}

PENDING int boot_disk(struct machine *m, struct x86_state *st)
{
    (void)m, (void)st;
    return -ENOSYS;
}
