/* Guest code to a block.  Stands in until the translator does. */
#include "vmm/accel/bt/bt_int.h"

struct bt_tb *bt_translate(struct bt *bt, uint32_t eip, uint32_t frame,
                           uint64_t gpa, bool user)
{
    (void)bt, (void)eip, (void)frame, (void)gpa, (void)user;
    assert(!"not yet");
    return NULL;
}
