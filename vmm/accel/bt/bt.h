/*
 * The translator's views, for those who draw them: blocks and the shadow page
 * table, read back from where they really are.  Runs nothing, changes
 * nothing.
 */
#ifndef VMM_ACCEL_BT_BT_H
#define VMM_ACCEL_BT_BT_H
#include "vmm/accel/accel.h"

/* Why an instruction's translation is not a copy. */
enum bt_reason {
#define BT_REASON(id, text) BT_REASON_##id,
#include "vmm/accel/bt/bt_reason.def"
#undef BT_REASON
    BT_REASON_COUNT
};
const char *bt_reason_text(enum bt_reason reason);

struct bt_insn_view {
    uint32_t eip;
    uint8_t guest_len;
    enum bt_reason why;
    uint32_t host, host_len; /* range of bt_block_view.host */
};

struct bt_block_view {
    uint32_t eip, gpa;
    bool user;
    unsigned insns;
    struct bt_insn_view insn[64];
    uint64_t host_pc;    /* where the code runs */
    const uint8_t *host; /* borrowed until the guest runs again */
    uint32_t host_len;
};

/* The block that starts at or holds GLA in the current mode; false: none. */
bool bt_block_at(struct vcpu *vcpu, uint32_t gla, struct bt_block_view *out);

/* What the current window really maps at GLA. */
struct bt_shadow_view {
    bool mapped, writable;
    bool code;           /* the frame holds translated code: never writable */
    bool large;          /* part of a guest's large page */
    bool user;           /* the window is CPL 3's: no supervisor pages */
    uint64_t ram_offset; /* in the guest's memfd */
    /* What the host's kernel says of the same address: "rw-s", and where in
     * the memfd; "" if it does not say. */
    char host_rights[5];
    uint64_t host_offset;
};
void bt_shadow_at(struct vcpu *vcpu, uint32_t gla, struct bt_shadow_view *out);
#endif
