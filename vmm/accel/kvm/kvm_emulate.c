/* The instruction that KVM could not do, done by the emulator. */
#include <stdio.h>

#include "vmm/accel/kvm/kvm_impl.h"

bool kvm_emulate(struct kvm_accel *k, struct vm_exit *why)
{
    snprintf(k->fail_text, sizeof(k->fail_text),
             "KVM cannot emulate the instruction at rip %#llx; try --accel bt",
             (unsigned long long)why->rip);
    why->kind = VM_EXIT_FAIL;
    why->u.fail.code = KVM_INTERNAL_ERROR_EMULATION;
    why->u.fail.text = k->fail_text;
    return true;
}
