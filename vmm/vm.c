/*
 * A machine with one vCPU: made, run, stopped.  The run loop is here; what an
 * exit means is in exit.c.
 */
#include "vmm/vm.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/log.h"
#include "vmm/exit_status.h"
#include "vmm/host/chardev_host.h"
#include "vmm/machine/block_raw.h"
#include "vmm/vm_impl.h"

/* The RTC at power-on when runs have to be alike: 2026-01-01 00:00:00 UTC. */
#define FIXED_EPOCH_S 1767225600u

/* ---- stopping ------------------------------------------------------------ */

void vm_set_stop(struct vm *vm, enum vm_stop_reason reason, const char *fmt,
                 ...)
{
    int none = VM_STOP_NONE;
    va_list ap;

    if (!atomic_compare_exchange_strong(&vm->stop, &none, (int)reason))
        return;
    va_start(ap, fmt);
    vsnprintf(vm->stop_text, sizeof(vm->stop_text), fmt, ap);
    va_end(ap);
}

void vm_stop(struct vm *vm, enum vm_stop_reason reason)
{
    int none = VM_STOP_NONE;

    atomic_compare_exchange_strong(&vm->stop, &none, (int)reason);
    vm_kick(vm);
}

void vm_kick(struct vm *vm)
{
    atomic_store(&vm->vcpu.kicked, true);
    if (atomic_load(&vm->has_vcpu)) /* else the first turn looks anyway */
        vm->vcpu.ops->kick(&vm->vcpu);
    hostio_wake(vm->io);
}

static const struct {
    const char *name;
    int status;
} stop_rows[] = {
    [VM_STOP_NONE] = {"running", EXIT_STATUS_OK},
    [VM_STOP_POWEROFF] = {"power-off", EXIT_STATUS_OK},
    [VM_STOP_RESET] = {"reset", EXIT_STATUS_RESET},
    [VM_STOP_DEBUG_EXIT] = {"debug-exit port", EXIT_STATUS_OK},
    [VM_STOP_TRIPLE_FAULT] = {"triple fault", EXIT_STATUS_TRIPLE_FAULT},
    [VM_STOP_HALTED] = {"halted for ever", EXIT_STATUS_HALTED},
    [VM_STOP_MAX_INSNS] = {"instruction limit", EXIT_STATUS_MAX_INSNS},
    [VM_STOP_TIMEOUT] = {"time limit", EXIT_STATUS_TIMEOUT},
    [VM_STOP_USER] = {"user", EXIT_STATUS_OK},
    [VM_STOP_DEBUG] = {"debug stop", EXIT_STATUS_DEBUG},
    [VM_STOP_FAILED] = {"failure", EXIT_STATUS_FAILED},
};

enum vm_stop_reason vm_stop_reason(const struct vm *vm)
{
    return (enum vm_stop_reason)atomic_load(&vm->stop);
}

const char *vm_stop_reason_name(enum vm_stop_reason reason)
{
    assert(reason < ARRAY_SIZE(stop_rows));
    return stop_rows[reason].name;
}

const char *vm_stop_text(const struct vm *vm)
{
    return vm->stop_text[0] ? vm->stop_text
                            : vm_stop_reason_name(vm_stop_reason(vm));
}

int vm_exit_status(const struct vm *vm)
{
    enum vm_stop_reason reason = vm_stop_reason(vm);

    if (reason == VM_STOP_DEBUG_EXIT)
        return exit_status_of_guest(vm->debug_exit_value);
    return stop_rows[reason].status;
}

/* ---- time ---------------------------------------------------------------- */

static bool is_virtual_time(const struct vm *vm)
{
    return vm->vcpu.ops == &accel_bt;
}

static uint64_t clock_source(void *opaque)
{
    const struct vm *vm = opaque;

    if (is_virtual_time(vm))
        return vm->vcpu.icount + vm->vcpu.idle_ns;
    if (!vm->run_start_ns)
        return vm->clock_base_ns;
    return vm->clock_base_ns + (host_now_ns() - vm->run_start_ns);
}

uint64_t vm_now_ns(const struct vm *vm)
{
    return clock_now(&vm->machine->clock);
}

uint64_t vm_stats_now_ns(const struct vm *vm)
{
    /* + 1: at power-on it is 0, which means never in exit_lap.h */
    return vm->cfg.exit_ns ? vm_now_ns(vm) + 1 : host_now_ns();
}

/* ---- what the board asks of us ------------------------------------------- */

static void board_reset(void *opaque, const char *who)
{
    struct vm *vm = opaque;

    vm->reset_by = who;
    vm->vcpu.stop_requested = true;
}

static void board_poweroff(void *opaque)
{
    vm_set_stop(opaque, VM_STOP_POWEROFF, "the guest powered off");
}

static void board_debug_exit(void *opaque, uint32_t value)
{
    struct vm *vm = opaque;

    vm->debug_exit_value = value;
    vm_set_stop(vm, VM_STOP_DEBUG_EXIT, "the guest wrote %#x to port 0xf4",
                value);
}

static void board_nmi(void *opaque)
{
    ((struct vm *)opaque)->vcpu.nmi = true;
}

static void board_set_a20(void *opaque, bool on)
{
    struct vm *vm = opaque;

    if (vm->vcpu.a20 == on)
        return;
    vm->vcpu.a20 = on;
    if (vm->vcpu.accel && vm->vcpu.ops->slots_changed)
        vm->vcpu.ops->slots_changed(&vm->vcpu);
}

static void board_console(void *opaque, uint8_t byte)
{
    struct vm *vm = opaque;

    if (vm->cfg.debugcon)
        vm->cfg.debugcon(vm->cfg.debugcon_opaque, byte);
    else
        log_write((const char *)&byte, 1);
}

static void kernel_gsi(void *opaque, unsigned gsi, bool level)
{
    struct vm *vm = opaque;

    if (vm->vcpu.accel && vm->vcpu.ops->set_gsi)
        vm->vcpu.ops->set_gsi(&vm->vcpu, gsi, level);
}

/* ---- making and unmaking ------------------------------------------------- */

void vm_config_init(struct vm_config *cfg)
{
    *cfg = (struct vm_config){
        .accel = "auto",
        .mem_bytes = 128ull << 20,
        .serial = {"stdio", "null"},
    };
}

static int events_watch(void *opaque, int fd, hostio_fn *fn, void *fn_opaque)
{
    return hostio_watch(((struct vm *)opaque)->io, fd, fn, fn_opaque);
}

static void events_unwatch(void *opaque, int fd)
{
    hostio_unwatch(((struct vm *)opaque)->io, fd);
}

static void events_quit(void *opaque)
{
    vm_set_stop(opaque, VM_STOP_USER, "the user left");
    vm_kick(opaque);
}

/* Also when the time limit is over: its watch runs only between exits. */
static bool events_stopping(void *opaque)
{
    struct vm *vm = opaque;
    struct pollfd limit = {.fd = vm->timeout_fd, .events = POLLIN};

    return atomic_load(&vm->stop) != VM_STOP_NONE ||
           (vm->timeout_fd >= 0 && poll(&limit, 1, 0) > 0);
}

static struct host_events host_events(struct vm *vm)
{
    return (struct host_events){
        .opaque = vm,
        .watch = events_watch,
        .unwatch = events_unwatch,
        .quit = events_quit,
        .stopping = events_stopping,
    };
}

static int open_serials(struct vm *vm)
{
    struct host_events events = host_events(vm);
    int err;

    for (unsigned i = 0; i < VM_SERIALS_MAX; i++) {
        if (vm->cfg.chardev[i] || !vm->cfg.serial[i])
            continue;
        err = chardev_open(&vm->chardev[i], vm->cfg.serial[i], &events);
        if (err)
            return err;
    }
    return 0;
}

/* A guest that is a disk image is the first disk too; the others move up. */
static int open_guest_disk(struct vm *vm, unsigned *next)
{
    const char *path = vm->cfg.guest;
    const char *format = path ? boot_format_name(path) : NULL;

    if (!format || strcmp(format, "disk image") != 0)
        return 0;
    return block_raw_open(&vm->disk[(*next)++], path, access(path, W_OK) < 0);
}

static int open_disks(struct vm *vm)
{
    unsigned next = 0;
    int err = open_guest_disk(vm, &next);

    for (unsigned i = 0; !err && i < VM_DISKS_MAX; i++, next++) {
        const struct vm_disk *d = &vm->cfg.disk[i];
        if (!d->path)
            continue;
        if (next >= VM_DISKS_MAX) {
            log_error("disk %s: too many; the guest's own image is the first "
                      "of four",
                      d->path);
            return -EINVAL;
        }
        err = block_raw_open(&vm->disk[next], d->path, d->readonly);
    }
    return err;
}

static int create_machine(struct vm *vm)
{
    struct machine_config mc = {
        .mem_bytes = vm->cfg.mem_bytes,
        .irqchip_kernel = vm->cfg.accel_options.irqchip_kernel,
        .kernel_gsi = {kernel_gsi, vm, 0},
        .host =
            {
                .opaque = vm,
                .reset = board_reset,
                .poweroff = board_poweroff,
                .debug_exit = board_debug_exit,
                .nmi = board_nmi,
                .set_a20 = board_set_a20,
                .console = board_console,
            },
        .epoch_s = vm->cfg.interactive || vm->cfg.realtime
                       ? (uint64_t)time(NULL)
                       : FIXED_EPOCH_S,
    };

    for (unsigned i = 0; i < VM_SERIALS_MAX; i++)
        mc.serial[i] = vm_serial(vm, i);
    for (unsigned i = 0; i < VM_DISKS_MAX; i++)
        mc.disk[i] = vm->disk[i];
    return machine_create(&vm->machine, &mc, clock_source, vm);
}

static int create_vcpu(struct vm *vm)
{
    struct vcpu *vcpu = &vm->vcpu;

    vcpu->mem = &vm->machine->mem;
    vcpu->intc = vm->machine->intc;
    vcpu->apic = vm->machine->apic;
    vcpu->a20 = true;
    vcpu->on_exit = vm_dispatch_exit;
    vcpu->owner = vm;
    vcpu->options = vm->cfg.accel_options;
    vcpu->deadline_ns = CLOCK_NEVER;
    return vcpu->ops->init(vcpu);
}

/* Loads the guest into RAM; the state it starts in goes to vm->entry. */
static int load_guest(struct vm *vm)
{
    struct boot_request req = {
        .path = vm->cfg.guest,
        .cmdline = vm->cfg.kernel_args,
        .initrd = vm->cfg.initrd,
        .bits = vm->vcpu.ops->bits,
    };

    x86_state_reset(&vm->entry);
    if (vm->cfg.guest)
        return boot_load(vm->machine, &req, &vm->entry);
    return vm->disk[0] ? boot_disk(vm->machine, &vm->entry) : 0;
}

static int choose_accel(struct vm *vm)
{
    const char *name = vm->cfg.accel ? vm->cfg.accel : "auto";
    char why[160];
    int err;

    if (strcmp(name, "auto") == 0)
        name = accel_auto();
    vm->vcpu.ops = accel_find(name);
    if (!vm->vcpu.ops) {
        log_error("no accelerator '%s'; there are kvm, bt and auto", name);
        return -EINVAL;
    }
    err = vm->vcpu.ops->probe(why, sizeof(why));
    if (err)
        log_error("%s", why);
    return err;
}

static void io_kick(void *opaque)
{
    vm_kick(opaque);
}

int vm_create(struct vm **out, const struct vm_config *cfg)
{
    static const struct debug_ctl no_debug = {.stop_icount = UINT64_MAX};
    struct vm *vm = calloc(1, sizeof(*vm));
    int err;

    *out = NULL;
    if (!vm)
        return -ENOMEM;
    vm->cfg = *cfg;
    vm->timeout_fd = -1;
    exit_stats_reset(&vm->stats);
    err = choose_accel(vm);
    if (!err)
        err = hostio_create(&vm->io, io_kick, vm);
    if (!err)
        err = open_disks(vm);
    if (!err)
        err = open_serials(vm);
    if (!err)
        err = create_machine(vm);
    if (!err)
        err = load_guest(vm);
    if (!err)
        err = create_vcpu(vm);
    if (!err)
        err = vm->vcpu.ops->set_state(&vm->vcpu, &vm->entry);
    if (!err)
        err = vm_set_debug(vm, &no_debug);
    if (err) {
        vm_destroy(vm);
        return err;
    }
    atomic_store(&vm->has_vcpu, true);
    *out = vm;
    return 0;
}

void vm_destroy(struct vm *vm)
{
    if (!vm)
        return;
    atomic_store(&vm->has_vcpu, false);
    if (vm->io) /* its thread kicks the vCPU: it goes first */
        hostio_stop(vm->io);
    if (vm->vcpu.accel)
        vm->vcpu.ops->fini(&vm->vcpu);
    machine_destroy(vm->machine);
    for (unsigned i = 0; i < VM_SERIALS_MAX; i++)
        chardev_close(vm->chardev[i]);
    for (unsigned i = 0; i < VM_DISKS_MAX; i++)
        block_raw_close(vm->disk[i]);
    if (vm->timeout_fd >= 0)
        close(vm->timeout_fd);
    hostio_destroy(vm->io);
    free(vm);
}

void vm_cancel_reset(struct vm *vm)
{
    vm->reset_by = NULL;
}

void vm_delay_end(struct vm *vm, bool keep)
{
    int stop = atomic_load(&vm->stop);

    if (stop != VM_STOP_POWEROFF && stop != VM_STOP_DEBUG_EXIT &&
        stop != VM_STOP_TRIPLE_FAULT)
        return;
    if (keep) {
        vm->end = (enum vm_stop_reason)stop;
        memcpy(vm->end_text, vm->stop_text, sizeof(vm->end_text));
    }
    vm->stop_text[0] = '\0';
    atomic_store(&vm->stop, VM_STOP_NONE);
}

const char *vm_delayed_end(const struct vm *vm)
{
    return vm->end == VM_STOP_NONE ? NULL : vm->end_text;
}

int vm_reset(struct vm *vm)
{
    int err;

    vm->reset_by = NULL;
    vm->end = VM_STOP_NONE;
    vm->halted = false;
    vm->vcpu.nmi = false;
    machine_reset(vm->machine);
    err = load_guest(vm);
    if (err)
        return err;
    if (vm->vcpu.ops->slots_changed)
        vm->vcpu.ops->slots_changed(&vm->vcpu);
    if (vm->vcpu.ops->reset)
        vm->vcpu.ops->reset(&vm->vcpu);
    return vm->vcpu.ops->set_state(&vm->vcpu, &vm->entry);
}

int vm_restart(struct vm *vm)
{
    atomic_store(&vm->stop, VM_STOP_NONE);
    vm->stop_text[0] = '\0';
    vm->last_exit = (struct vm_exit){0};
    return vm_reset(vm);
}

/* ---- running ------------------------------------------------------------- */

static void on_timeout(void *opaque, int fd)
{
    struct vm *vm = opaque;

    hostio_unwatch(vm->io, fd);
    vm_set_stop(vm, VM_STOP_TIMEOUT, "the time limit of %g s was reached",
                vm->cfg.timeout_s);
}

static int arm_timeout(struct vm *vm)
{
    struct itimerspec its = {0};
    double s = vm->cfg.timeout_s;

    if (s <= 0 || vm->timeout_fd >= 0)
        return 0;
    its.it_value.tv_sec = (time_t)s;
    its.it_value.tv_nsec = (long)((s - (double)(time_t)s) * 1e9) + 1;
    vm->timeout_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (vm->timeout_fd < 0 ||
        timerfd_settime(vm->timeout_fd, 0, &its, NULL) < 0)
        return -errno;
    return hostio_watch(vm->io, vm->timeout_fd, on_timeout, vm);
}

/* Nobody types and time is virtual: skip to the next timer. */
static bool may_skip_idle(const struct vm *vm)
{
    return is_virtual_time(vm) && !vm->cfg.realtime && !vm->cfg.interactive;
}

/* A hint, no more: a kernel that finds no long mode may say so first, or say
 * nothing, and halts. */
static bool wanted_64(const struct vm *vm)
{
    const uint64_t soon = 100000; /* instructions; enough to fill a screen */

    return vm->vcpu.ops->bits == 32 && vm->asked_64 &&
           vm->vcpu.icount - vm->asked_64_at <= soon;
}

static void stop_halted(struct vm *vm)
{
    if (wanted_64(vm))
        vm_set_stop(vm, VM_STOP_HALTED,
                    "the guest halted with interrupts off, soon after CPUID "
                    "80000001h said no 64-bit mode; if that is why, try "
                    "--accel kvm");
    else
        vm_set_stop(vm, VM_STOP_HALTED,
                    "the guest halted with interrupts off (HLT, IF=0)");
}

/* HLT: until an interrupt, a timer, the host, or a stop. */
static void idle(struct vm *vm)
{
    struct clock *clk = &vm->machine->clock;
    uint64_t now = clock_now(clk), next = clock_next(clk), waited;

    if (!vm->halted_if && !vm->vcpu.nmi &&
        !vm->cfg.accel_options.irqchip_kernel) {
        stop_halted(vm);
        return;
    }
    if (next <= now)
        return;
    if (may_skip_idle(vm) && next != CLOCK_NEVER) {
        vm->vcpu.idle_ns += next - now;
        return;
    }
    waited = host_now_ns();
    hostio_wait(vm->io, next == CLOCK_NEVER ? UINT64_MAX : next - now);
    waited = host_now_ns() - waited;
    if (is_virtual_time(vm))
        vm->vcpu.idle_ns += waited < next - now ? waited : next - now;
}

/*
 * A guest that waits in a loop (for a tick, for a key) instead of halting:
 * where somebody watches, its clock is not to fall behind the wall's because
 * its instructions take long here.  One timer at a time, so that none is
 * missed.
 */
static void keep_pace(struct vm *vm)
{
    uint64_t now, next, wall;

    if (!is_virtual_time(vm) || may_skip_idle(vm))
        return;
    now = clock_now(&vm->machine->clock);
    next = clock_next(&vm->machine->clock);
    wall = vm->clock_base_ns + (host_now_ns() - vm->run_start_ns);
    if (now < wall && now < next)
        vm->vcpu.idle_ns += (wall < next ? wall : next) - now;
}

static bool wakes(const struct vm *vm)
{
    const struct vcpu_intc *ic = &vm->vcpu.intc;

    return vm->vcpu.nmi ||
           (vm->halted_if && ic->pending && ic->pending(ic->opaque));
}

static int do_reset(struct vm *vm)
{
    if (vm->cfg.no_reboot) {
        vm_set_stop(vm, VM_STOP_RESET, "reset by %s", vm->reset_by);
        return 0;
    }
    if (vm->reset_by != vm->triple_fault || vm->told_of_faults) {
        log_info("reset by %s", vm->reset_by);
    } else {
        log_warn("reset by a %s; --no-reboot ends the run there",
                 vm->triple_fault);
        vm->told_of_faults = true;
    }
    return vm_reset(vm);
}

static int run_once(struct vm *vm)
{
    struct vcpu *vcpu = &vm->vcpu;
    struct vm_exit e = {0};
    int err;

    vcpu->deadline_ns = clock_next(&vm->machine->clock);
    vcpu->stop_requested = false;
    err = vcpu->ops->run(vcpu, &e);
    if (!err)
        vm_dispatch_exit(vcpu, &e);
    return err;
}

static void check_insn_limit(struct vm *vm)
{
    if (vm->cfg.max_insns && vm->vcpu.icount >= vm->cfg.max_insns)
        vm_set_stop(vm, VM_STOP_MAX_INSNS,
                    "the limit of %llu instructions was reached",
                    (unsigned long long)vm->cfg.max_insns);
}

/* One turn of the run loop. */
static int turn(struct vm *vm)
{
    int err;

    atomic_store(&vm->vcpu.kicked, false);
    hostio_dispatch(vm->io);
    clock_run(&vm->machine->clock);
    if (vm->reset_by)
        return do_reset(vm);
    if (atomic_load(&vm->stop) != VM_STOP_NONE)
        return 0;
    if (vm->halted && wakes(vm))
        vm->halted = false;
    if (vm->halted) {
        idle(vm);
        return 0;
    }
    check_insn_limit(vm);
    if (atomic_load(&vm->stop) != VM_STOP_NONE)
        return 0;
    err = run_once(vm);
    keep_pace(vm);
    return err;
}

int vm_run(struct vm *vm)
{
    int err = arm_timeout(vm);

    if (vm->end != VM_STOP_NONE) {
        vm_set_stop(vm, vm->end, "%s", vm->end_text);
        if (vm_stop_reason(vm) == vm->end) /* else it waits for the next run */
            vm->end = VM_STOP_NONE;
    }

    vm->run_start_ns = host_now_ns();
    vm->vcpu.clock_epoch_ns = vm->run_start_ns - vm->clock_base_ns;
    while (!err && atomic_load(&vm->stop) == VM_STOP_NONE)
        err = turn(vm);
    vm->clock_base_ns = clock_source(vm);
    vm->run_start_ns = 0;
    if (err)
        vm_set_stop(vm, VM_STOP_FAILED, "the accelerator %s failed: %s",
                    vm->vcpu.ops->name, strerror(-err));
    return err;
}

/* ---- small things -------------------------------------------------------- */

int vm_set_debug(struct vm *vm, const struct debug_ctl *ctl)
{
    vm->debug = *ctl;
    if (vm->cfg.max_insns && vm->cfg.max_insns < vm->debug.stop_icount)
        vm->debug.stop_icount = vm->cfg.max_insns;
    return vm->vcpu.ops->set_debug(&vm->vcpu, &vm->debug);
}

const struct vm_exit *vm_last_exit(const struct vm *vm)
{
    return &vm->last_exit;
}

void vm_forget_stop(struct vm *vm)
{
    int debug = VM_STOP_DEBUG;

    vm->last_exit = (struct vm_exit){0};
    if (atomic_compare_exchange_strong(&vm->stop, &debug, VM_STOP_NONE))
        vm->stop_text[0] = '\0';
}

struct vcpu *vm_vcpu(struct vm *vm)
{
    return &vm->vcpu;
}

struct chardev *vm_serial(struct vm *vm, unsigned i)
{
    return vm->cfg.chardev[i] ? vm->cfg.chardev[i] : vm->chardev[i];
}

struct machine *vm_machine(struct vm *vm)
{
    return vm->machine;
}

const struct vm_config *vm_config(const struct vm *vm)
{
    return &vm->cfg;
}

const char *vm_accel_name(const struct vm *vm)
{
    return vm->vcpu.ops->name;
}

const struct exit_stats *vm_exit_stats(const struct vm *vm)
{
    return &vm->stats;
}

const struct exit_pages *vm_exit_pages(const struct vm *vm)
{
    return &vm->pages;
}

int vm_watch_fd(struct vm *vm, int fd, hostio_fn *fn, void *opaque)
{
    return hostio_watch(vm->io, fd, fn, opaque);
}

void vm_unwatch_fd(struct vm *vm, int fd)
{
    hostio_unwatch(vm->io, fd);
}

void vm_add_observer(struct vm *vm, struct vm_observer *obs)
{
    struct vm_observer **p = &vm->observers;

    while (*p)
        p = &(*p)->next;
    obs->next = NULL;
    *p = obs;
}

void vm_remove_observer(struct vm *vm, struct vm_observer *obs)
{
    for (struct vm_observer **p = &vm->observers; *p; p = &(*p)->next)
        if (*p == obs) {
            *p = obs->next;
            return;
        }
}
