/*
 * Guest memory as the kernel's slots.
 *
 * While the A20 gate is open they are those of vcpu->mem.  While it is shut
 * (a PC at RESET, and DOS), physical address bit 20 reads as 0: each even
 * mebibyte is there twice, and the odd one above it not at all.  A processor
 * does that on its address pins; here it is slots that show the same bytes:
 *
 *     0        1 MiB    2 MiB    3 MiB    4 MiB
 *     |  A     |  B     |  C     |  D     |      open
 *     |  A     |  A     |  C     |  C     |      shut
 *
 * virt/kvm/api.rst, KVM_SET_USER_MEMORY_REGION.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/accel/kvm/kvm_impl.h"
#include "vmm/base/log.h"

#define MIB 0x100000u

static bool slot_equal(const struct mem_slot *a, const struct mem_slot *b)
{
    return a->gpa == b->gpa && a->len == b->len && a->offset == b->offset &&
           a->readonly == b->readonly;
}

/* LEN 0 takes the slot away. */
static int set_slot(struct kvm_accel *k, unsigned i, const struct mem_slot *s)
{
    struct kvm_userspace_memory_region region = {
        .slot = i,
        .flags = s->readonly ? KVM_MEM_READONLY : 0,
        .guest_phys_addr = s->gpa,
        .memory_size = s->len,
        .userspace_addr = (uintptr_t)k->vcpu->mem->base + s->offset,
    };

    return kvm_ioctl_log(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &region,
                         "cannot map guest memory");
}

/* S as it is there with A20 shut, appended to OUT; how many slots that is. */
static unsigned shut_slots(struct mem_slot *out, const struct mem_slot *s)
{
    uint64_t end = s->gpa + s->len, next;
    unsigned n = 0;

    for (uint64_t gpa = s->gpa; gpa < end; gpa = next) {
        struct mem_slot part = *s;

        next = (gpa / MIB + 1) * MIB;
        if (gpa / MIB % 2)
            continue;
        part.gpa = gpa;
        part.len = (next < end ? next : end) - gpa;
        part.offset = s->offset + (gpa - s->gpa);
        out[n++] = part;
        part.gpa += MIB;
        out[n++] = part;
    }
    return n;
}

/* The slots that the kernel is to have; to be freed.  NULL: no memory. */
static struct mem_slot *wanted_slots(const struct vcpu *vcpu, unsigned *n)
{
    const struct mem *mem = vcpu->mem;
    struct mem_slot *list;
    size_t max = mem->slots + 1; /* calloc() of nothing may be NULL */

    if (!vcpu->a20)
        for (unsigned i = 0; i < mem->slots; i++)
            max += mem->slot[i].len / MIB + 3;
    list = calloc(max, sizeof(*list));
    *n = 0;
    for (unsigned i = 0; list && i < mem->slots; i++)
        if (vcpu->a20)
            list[(*n)++] = mem->slot[i];
        else
            *n += shut_slots(list + *n, &mem->slot[i]);
    return list;
}

/* KVM before Linux 5.12 has 509 slots; guests that shut A20 are small. */
static void cut_to_limit(struct kvm_accel *k, struct mem_slot *list,
                         unsigned *n)
{
    int max = ioctl(k->sys_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);

    if (max <= 0 || *n <= (unsigned)max)
        return;
    *n = (unsigned)max;
    log_error("kvm: A20 is shut, and this kernel has only %d memory slots: "
              "memory from %#llx on is not there meanwhile; try a smaller -m",
              max, (unsigned long long)list[*n - 1].gpa);
}

/* First all that go, then all that come, since slots never overlap. */
static int replace_slots(struct kvm_accel *k, const struct mem_slot *list,
                         unsigned n)
{
    static const struct mem_slot none = {.len = 0};
    int ret = 0;

    for (unsigned i = 0; i < k->slots && ret >= 0; i++)
        if (i >= n || !slot_equal(&k->slot[i], &list[i]))
            ret = set_slot(k, i, &none);
    for (unsigned i = 0; i < n && ret >= 0; i++)
        if (i >= k->slots || !slot_equal(&k->slot[i], &list[i]))
            ret = set_slot(k, i, &list[i]);
    return ret < 0 ? ret : 0;
}

int kvm_slots_changed(struct vcpu *vcpu)
{
    struct kvm_accel *k = kvm_of(vcpu);
    struct mem_slot *list;
    unsigned n;
    int ret;

    list = wanted_slots(vcpu, &n);
    if (!list)
        return -ENOMEM;
    cut_to_limit(k, list, &n);
    ret = replace_slots(k, list, n);
    free(k->slot);
    k->slot = list;
    k->slots = n;
    return ret;
}

void kvm_slots_fini(struct kvm_accel *k)
{
    free(k->slot);
    k->slot = NULL;
    k->slots = 0;
}
