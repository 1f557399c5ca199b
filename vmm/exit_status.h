/* Exit statuses of the command, from exit_status.def. */
#ifndef VMM_EXIT_STATUS_H
#define VMM_EXIT_STATUS_H
#include "vmm/base/base.h"

enum exit_status {
#define STATUS(id, number, meaning) EXIT_STATUS_##id = (number),
#include "vmm/exit_status.def"
#undef STATUS
};

/* The status that the guest asked for at the debug-exit port. */
static inline int exit_status_of_guest(uint32_t value)
{
    return (int)(((value << 1) | 1u) & 0xffu);
}
#endif
