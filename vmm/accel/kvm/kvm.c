/*
 * The KVM accelerator: one VM with one vCPU in the host's kernel.
 *
 * This file makes and unmakes it; kvm_run.c runs it, kvm_state.c moves the
 * CPU's state, kvm_debug.c has breakpoints, kvm_emulate.c does what KVM cannot,
 * kvm_slots.c gives it the guest's memory.
 * Devices and interrupt controllers are the board's, unless
 * options.irqchip_kernel moves PIC, IOAPIC, LAPIC and PIT into the kernel.
 *
 * Kernel documentation: virt/kvm/api.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/accel/kvm/kvm_impl.h"
#include "vmm/base/log.h"

#define KVM_DEVICE "/dev/kvm"

/*
 * Where Intel's KVM keeps what it needs for real mode: four pages below the
 * firmware that no board of ours uses.
 */
#define KVM_IDENTITY_MAP_GPA 0xfffbc000u
#define KVM_TSS_GPA          0xfffbd000u

static const struct {
    int cap;
    const char *name;
} needed[] = {
    {KVM_CAP_USER_MEMORY, "USER_MEMORY"},
    {KVM_CAP_READONLY_MEM, "READONLY_MEM"},
    {KVM_CAP_EXT_CPUID, "EXT_CPUID"},
    {KVM_CAP_VCPU_EVENTS, "VCPU_EVENTS"},
    {KVM_CAP_DEBUGREGS, "DEBUGREGS"},
    {KVM_CAP_XSAVE, "XSAVE"},
    {KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
    {KVM_CAP_SYNC_REGS, "SYNC_REGS"},
};

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int ret = ioctl(fd, request, arg);

    return ret < 0 ? -errno : ret;
}

int kvm_ioctl_log(int fd, unsigned long request, void *arg, const char *what)
{
    int ret = kvm_ioctl(fd, request, arg);

    if (ret < 0)
        log_error("kvm: %s: %s", what, strerror(-ret));
    return ret;
}

static int ioctl_num(int fd, unsigned long request, unsigned long num)
{
    int ret = ioctl(fd, request, num);

    return ret < 0 ? -errno : ret;
}

static void say_open_error(int err, char *why, size_t len)
{
    if (err == ENOENT || err == ENODEV || err == ENXIO)
        snprintf(why, len,
                 "there is no " KVM_DEVICE
                 ": load kvm_intel or kvm_amd (modprobe), or use --accel bt");
    else if (err == EACCES || err == EPERM)
        snprintf(why, len,
                 KVM_DEVICE ": permission denied: join the group kvm and log "
                            "in again, or use --accel bt");
    else
        snprintf(why, len, KVM_DEVICE ": %s; use --accel bt", strerror(err));
}

/* Opens the device and checks it.  A descriptor, or -errno and WHY. */
static int open_kvm(char *why, size_t len)
{
    int fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC), version;

    if (fd < 0) {
        int err = errno;
        say_open_error(err, why, len);
        return -err;
    }
    version = ioctl_num(fd, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        snprintf(why, len, KVM_DEVICE " speaks API %d, not %d; use --accel bt",
                 version, KVM_API_VERSION);
        close(fd);
        return -ENOTSUP;
    }
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (ioctl_num(fd, KVM_CHECK_EXTENSION, (unsigned)needed[i].cap) > 0)
            continue;
        snprintf(why, len,
                 "this kernel's KVM lacks KVM_CAP_%s (Linux 4.17 has it); "
                 "use --accel bt",
                 needed[i].name);
        close(fd);
        return -ENOTSUP;
    }
    return fd;
}

static int kvm_probe(char *why, size_t len)
{
    char unused[160];
    int fd = why ? open_kvm(why, len) : open_kvm(unused, sizeof(unused));

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

#define PIC_PINS    16u
#define IOAPIC_PINS 24u

/*
 * Where an interrupt input leads: ISA IRQs to both kinds of controller, the
 * timer to pin 2 of the IOAPIC (the board's ACPI and MP tables say so; KVM's
 * own default is pin 0), the rest to the IOAPIC alone.
 */
static int route_irqs(struct kvm_accel *k)
{
    struct {
        struct kvm_irq_routing head;
        struct kvm_irq_routing_entry entry[PIC_PINS + IOAPIC_PINS];
    } all = {.head.nr = 0};
    unsigned n = 0;

    for (unsigned irq = 0; irq < PIC_PINS; irq++)
        all.entry[n++] = (struct kvm_irq_routing_entry){
            .gsi = irq,
            .type = KVM_IRQ_ROUTING_IRQCHIP,
            .u.irqchip = {irq < 8 ? KVM_IRQCHIP_PIC_MASTER
                                  : KVM_IRQCHIP_PIC_SLAVE,
                          irq % 8},
        };
    for (unsigned gsi = 0; gsi < IOAPIC_PINS; gsi++)
        if (gsi != 2)
            all.entry[n++] = (struct kvm_irq_routing_entry){
                .gsi = gsi,
                .type = KVM_IRQ_ROUTING_IRQCHIP,
                .u.irqchip = {KVM_IRQCHIP_IOAPIC, gsi == 0 ? 2 : gsi},
            };
    all.head.nr = n;
    return kvm_ioctl_log(k->vm_fd, KVM_SET_GSI_ROUTING, &all,
                         "KVM_SET_GSI_ROUTING");
}

static int make_irqchip(struct kvm_accel *k)
{
    struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
    int ret;

    if (!k->irqchip_kernel)
        return 0;
    ret = kvm_ioctl_log(k->vm_fd, KVM_CREATE_IRQCHIP, NULL,
                        "cannot make the kernel's interrupt controllers; "
                        "try --irqchip user");
    if (ret < 0 || (ret = route_irqs(k)) < 0)
        return ret;
    return kvm_ioctl_log(k->vm_fd, KVM_CREATE_PIT2, &pit,
                         "cannot make the kernel's timer; try --irqchip user");
}

/* Keeps what the kernel's chips are like before any guest touched them. */
static int save_chips(struct kvm_accel *k)
{
    int ret;

    if (!k->irqchip_kernel)
        return 0;
    for (unsigned i = 0; i < ARRAY_SIZE(k->chip_reset); i++) {
        k->chip_reset[i].chip_id = i; /* PIC, PIC, IOAPIC */
        ret = kvm_ioctl_log(k->vm_fd, KVM_GET_IRQCHIP, &k->chip_reset[i],
                            "KVM_GET_IRQCHIP");
        if (ret < 0)
            return ret;
    }
    ret = kvm_ioctl_log(k->vcpu_fd, KVM_GET_LAPIC, &k->lapic_reset,
                        "KVM_GET_LAPIC");
    return ret < 0 ? ret
                   : kvm_ioctl_log(k->vm_fd, KVM_GET_PIT2, &k->pit_reset,
                                   "KVM_GET_PIT2");
}

static int kvm_reset(struct vcpu *vcpu)
{
    struct kvm_accel *k = kvm_of(vcpu);
    int ret;

    if (!k->irqchip_kernel)
        return 0;
    for (unsigned i = 0; i < ARRAY_SIZE(k->chip_reset); i++) {
        ret = kvm_ioctl_log(k->vm_fd, KVM_SET_IRQCHIP, &k->chip_reset[i],
                            "KVM_SET_IRQCHIP");
        if (ret < 0)
            return ret;
    }
    ret = kvm_ioctl_log(k->vcpu_fd, KVM_SET_LAPIC, &k->lapic_reset,
                        "KVM_SET_LAPIC");
    return ret < 0 ? ret
                   : kvm_ioctl_log(k->vm_fd, KVM_SET_PIT2, &k->pit_reset,
                                   "KVM_SET_PIT2");
}

static int make_vm(struct kvm_accel *k)
{
    uint64_t identity = KVM_IDENTITY_MAP_GPA;
    int ret;

    do
        k->vm_fd = ioctl_num(k->sys_fd, KVM_CREATE_VM, 0);
    while (k->vm_fd == -EINTR);
    if (k->vm_fd < 0) {
        log_error("kvm: cannot create a VM: %s; is another hypervisor using "
                  "the processor?  --accel bt does without",
                  strerror(-k->vm_fd));
        return k->vm_fd;
    }
    /* Only Intel's part has these; others say so, and need none. */
    (void)kvm_ioctl(k->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
    (void)ioctl_num(k->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_GPA);
    ret = make_irqchip(k);
    return ret < 0 ? ret : kvm_slots_changed(k->vcpu);
}

static int enable_cap(struct kvm_accel *k, unsigned cap, uint64_t arg)
{
    struct kvm_enable_cap enable = {.cap = cap, .args = {arg}};

    if (ioctl_num(k->vm_fd, KVM_CHECK_EXTENSION, cap) <= 0)
        return -ENOTSUP;
    return kvm_ioctl(k->vm_fd, KVM_ENABLE_CAP, &enable);
}

static void enable_caps(struct kvm_accel *k)
{
    int debug;

    k->has_emulation_exit =
        enable_cap(k, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1) == 0;
    /* MSRs that KVM does not know become exits: the guest's view is ours. */
    (void)enable_cap(k, KVM_CAP_X86_USER_SPACE_MSR,
                     KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
    k->has_sregs2 =
        ioctl_num(k->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SREGS2) > 0;
    debug = ioctl_num(k->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);
    k->has_blockirq = debug > 0 && (debug & KVM_GUESTDBG_BLOCKIRQ);
}

static int make_vcpu(struct kvm_accel *k)
{
    int ret = ioctl_num(k->sys_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

    if (ret < 0)
        return ret;
    k->run_len = (size_t)ret;
    k->vcpu_fd = ioctl_num(k->vm_fd, KVM_CREATE_VCPU, 0);
    if (k->vcpu_fd < 0) {
        log_error("kvm: cannot create a vCPU: %s", strerror(-k->vcpu_fd));
        return k->vcpu_fd;
    }
    k->run = mmap(NULL, k->run_len, PROT_READ | PROT_WRITE, MAP_SHARED,
                  k->vcpu_fd, 0);
    if (k->run == MAP_FAILED) {
        ret = -errno;
        k->run = NULL;
        log_error("kvm: cannot map the vCPU: %s", strerror(-ret));
        return ret;
    }
    k->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
    return 0;
}

static void kvm_fini(struct vcpu *vcpu)
{
    struct kvm_accel *k = kvm_of(vcpu);

    if (!k)
        return;
    kvm_run_fini(k);
    kvm_stats_fini(k);
    kvm_emulate_fini(k);
    kvm_slots_fini(k);
    if (k->run)
        munmap(k->run, k->run_len);
    if (k->vcpu_fd >= 0)
        close(k->vcpu_fd);
    if (k->vm_fd >= 0)
        close(k->vm_fd);
    if (k->sys_fd >= 0)
        close(k->sys_fd);
    free(k);
    vcpu->accel = NULL;
}

static int kvm_init(struct vcpu *vcpu)
{
    struct kvm_accel *k = calloc(1, sizeof(*k));
    char why[160];
    int ret;

    if (!k)
        return -ENOMEM;
    k->vcpu = vcpu;
    k->sys_fd = k->vm_fd = k->vcpu_fd = -1;
    k->stats[0].fd = k->stats[1].fd = -1;
    k->irqchip_kernel = vcpu->options.irqchip_kernel;
    vcpu->accel = k;
    k->sys_fd = ret = open_kvm(why, sizeof(why));
    if (ret < 0) {
        log_error("%s", why);
        goto out;
    }
    if ((ret = make_vm(k)) < 0)
        goto out;
    enable_caps(k);
    if ((ret = make_vcpu(k)) < 0 || (ret = kvm_cpuid_init(k)) < 0 ||
        (ret = save_chips(k)) < 0 || (ret = kvm_state_init(k)) < 0 ||
        (ret = kvm_run_init(k)) < 0)
        goto out;
    kvm_stats_init(k);
    return 0;
out:
    kvm_fini(vcpu);
    return ret;
}

static int kvm_set_gsi(struct vcpu *vcpu, unsigned gsi, bool level)
{
    struct kvm_accel *k = kvm_of(vcpu);
    struct kvm_irq_level line = {.irq = gsi, .level = level};

    if (!k->irqchip_kernel)
        return -ENOTSUP;
    return kvm_ioctl_log(k->vm_fd, KVM_IRQ_LINE, &line, "KVM_IRQ_LINE");
}

const struct accel_ops accel_kvm = {
    .name = "kvm",
    .summary = "hardware virtualisation by the host's kernel",
    .bits = 64,
    .probe = kvm_probe,
    .init = kvm_init,
    .fini = kvm_fini,
    .run = kvm_run,
    .kick = kvm_kick,
    .get_state = kvm_get_state,
    .set_state = kvm_set_state,
    .set_debug = kvm_set_debug,
    .reset = kvm_reset,
    .slots_changed = kvm_slots_changed,
    .set_gsi = kvm_set_gsi,
    .dump = kvm_dump,
};
