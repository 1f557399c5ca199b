/*
 * The one header (with debug.h and trace.h) that gdbstub/, tui/, traces/,
 * labs/ and tests/ include to have a machine.
 *
 * Ownership: vm_create() allocates, vm_destroy() frees everything below it.
 * Threads: everything is called on the thread that calls vm_run(), but for
 * vm_kick() and vm_stop().
 */
#ifndef VMM_VM_H
#define VMM_VM_H
#include "vmm/accel/accel.h"
#include "vmm/host/events.h"

struct vm;
struct chardev;
struct exit_pages;
struct exit_stats;
struct machine;

#define VM_DISKS_MAX   4u
#define VM_SERIALS_MAX 2u

struct vm_config {
    const char *accel;       /* "auto", "kvm", "bt"; NULL: auto */
    uint64_t mem_bytes;      /* multiple of 1 MiB; 1 MiB to 3 GiB */
    const char *guest;       /* path of the image; NULL: no guest is loaded */
    const char *kernel_args; /* NULL: none */
    const char *initrd;      /* path; NULL: none */
    struct vm_disk {
        const char *path; /* NULL: none */
        bool readonly;
    } disk[VM_DISKS_MAX];
    const char *serial[VM_SERIALS_MAX]; /* "stdio" ...; NULL: "null" */
    bool text_display;  /* draw the VGA text screen on the terminal */
    bool realtime;      /* bt: HLT waits for the wall clock */
    bool no_reboot;     /* a reset ends the run */
    uint64_t max_insns; /* bt: stop after so many; 0: never */
    double timeout_s;   /* wall clock; 0: never */
    uint64_t exit_ns;   /* what each exit is said to take; 0: it is measured */
    struct accel_options accel_options;
    /* Serial ports by the caller instead of serial[]; borrowed. */
    struct chardev *chardev[VM_SERIALS_MAX];
    bool interactive; /* a person may sit there: HLT waits for real */
    /* Bytes of the debug console (port E9h) go here; NULL: standard error */
    void (*debugcon)(void *opaque, uint8_t byte);
    void *debugcon_opaque;
};

/* Why vm_run() returned. */
enum vm_stop_reason {
    VM_STOP_NONE,
    VM_STOP_POWEROFF,     /* ACPI S5 */
    VM_STOP_RESET,        /* with no_reboot */
    VM_STOP_DEBUG_EXIT,   /* port 0xf4: status in vm_exit_status() */
    VM_STOP_TRIPLE_FAULT, /* with no_reboot, or after asking for 64 bits */
    VM_STOP_HALTED,       /* HLT with IF=0: nothing can wake it */
    VM_STOP_MAX_INSNS,
    VM_STOP_TIMEOUT,
    VM_STOP_USER,   /* Ctrl-A x, a signal, vm_stop() */
    VM_STOP_DEBUG,  /* a breakpoint, step or watchpoint: vm_run() again */
    VM_STOP_FAILED, /* the accelerator failed: error logged */
};

/* Fills in the defaults: auto, 128 MiB, COM1 on stdio. */
void vm_config_init(struct vm_config *cfg);

/* 0 or -errno; the reason has been logged in one line. */
int vm_create(struct vm **out, const struct vm_config *cfg);
void vm_destroy(struct vm *vm);

/* Runs until something stops the guest; why is in vm_stop_reason(). */
int vm_run(struct vm *vm);
enum vm_stop_reason vm_stop_reason(const struct vm *vm);
const char *vm_stop_reason_name(enum vm_stop_reason reason);
/* One line for people: what stopped the guest and where. */
const char *vm_stop_text(const struct vm *vm);
/* What `ringside run` exits with; see the man page, EXIT STATUS. */
int vm_exit_status(const struct vm *vm);

/* Makes vm_run() return soon with REASON.  Any thread, or a signal handler. */
void vm_stop(struct vm *vm, enum vm_stop_reason reason);
/* Makes the vCPU look up from the guest soon.  Any thread, signal handler. */
void vm_kick(struct vm *vm);

/* Amid an exit: the reset it asked for is not done.  A debugger looks first. */
void vm_cancel_reset(struct vm *vm);
/* Amid an exit that ended the machine: it stops for a debugger first, and ends
 * when it is run again.  KEEP false: it does not end at all. */
void vm_delay_end(struct vm *vm, bool keep);
/* Does it end when it is run again?  NULL: no; else why, for people. */
const char *vm_delayed_end(const struct vm *vm);
/* Back to power-on, with the guest loaded anew.  0 or -errno. */
int vm_reset(struct vm *vm);

/* The same for a machine that may have ended: it can run again. */
int vm_restart(struct vm *vm);

/* Breakpoints, steps and watchpoints for the next vm_run(); what CTL points
 * to is borrowed until the next call.  0 or -errno. */
int vm_set_debug(struct vm *vm, const struct debug_ctl *ctl);
/* The exit that stopped the last vm_run(); kind DEBUG for VM_STOP_DEBUG. */
const struct vm_exit *vm_last_exit(const struct vm *vm);
/* After VM_STOP_DEBUG: lets the guest run again.  Other stops are final. */
void vm_forget_stop(struct vm *vm);

struct vcpu *vm_vcpu(struct vm *vm);
struct machine *vm_machine(struct vm *vm);
/* Where serial line I ends; NULL: nowhere. */
struct chardev *vm_serial(struct vm *vm, unsigned i);
const struct vm_config *vm_config(const struct vm *vm);
const char *vm_accel_name(const struct vm *vm); /* what `auto` chose */
uint64_t vm_now_ns(const struct vm *vm);        /* the machine's clock */
/* The clock of rates: the host's; the machine's if no exit is measured. */
uint64_t vm_stats_now_ns(const struct vm *vm);

/* 0 or -errno. */
int vm_get_state(struct vm *vm, struct x86_state *st);
int vm_set_state(struct vm *vm, const struct x86_state *st);

/* Guest-physical and linear memory, as a debugger reads it: no accessed bits;
 * of devices, a screen's memory alone.  Bytes copied before the first that is
 * not there. */
size_t vm_read_gpa(struct vm *vm, uint64_t gpa, void *buf, size_t len);
size_t vm_write_gpa(struct vm *vm, uint64_t gpa, const void *buf, size_t len);
size_t vm_read_gla(struct vm *vm, uint64_t gla, void *buf, size_t len);
/* In the address space of ST. */
size_t vm_read_gla_as(struct vm *vm, const struct x86_state *st, uint64_t gla,
                      void *buf, size_t len);
size_t vm_write_gla(struct vm *vm, uint64_t gla, const void *buf, size_t len);

/*
 * Observers see every exit after it was handled, in the order they were
 * added.  One may return RUN_STOP to stop (vm_stop_reason VM_STOP_DEBUG
 * unless it called vm_stop()).
 */
struct vm_observer {
    enum run_next (*on_exit)(void *opaque, const struct vm_exit *e,
                             uint64_t ns);
    void *opaque;
    struct vm_observer *next;
};
void vm_add_observer(struct vm *vm, struct vm_observer *obs); /* borrowed */
void vm_remove_observer(struct vm *vm, struct vm_observer *obs);

/* Counters of all exits so far; owned by the vm. */
const struct exit_stats *vm_exit_stats(const struct vm *vm);
/* What linear pages have cost in exits; owned by the vm. */
const struct exit_pages *vm_exit_pages(const struct vm *vm);

/*
 * Host file descriptors the machine listens to.  FN runs on the vCPU's thread
 * when FD is readable.  0 or -errno.
 */
int vm_watch_fd(struct vm *vm, int fd, void (*fn)(void *opaque, int fd),
                void *opaque);
void vm_unwatch_fd(struct vm *vm, int fd);

/* SHA-256 in hex of CPU state and RAM: equal runs have equal digests. */
void vm_digest(struct vm *vm, char hex[65]);
#endif
