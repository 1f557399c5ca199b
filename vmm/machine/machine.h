/*
 * The board: a PC as a table of devices (pc.c), and how guests get into it
 * (boot_*.c).  Knows devices and memory, not accelerators; what it needs of
 * the CPU comes as vcpu_intc and struct machine_host.
 */
#ifndef VMM_MACHINE_MACHINE_H
#define VMM_MACHINE_MACHINE_H
#include "vmm/accel/accel.h"
#include "vmm/dev/device.h"

#define MACHINE_DEVICES_MAX 32u

/* What the board asks of whoever runs it; all may be NULL. */
struct machine_host {
    void *opaque;
    void (*reset)(void *opaque, const char *who); /* "i8042", "port CF9h" */
    void (*poweroff)(void *opaque);
    void (*debug_exit)(void *opaque, uint32_t value); /* port 0xf4 */
    void (*nmi)(void *opaque);
    void (*set_a20)(void *opaque, bool on);
    void (*console)(void *opaque, uint8_t byte); /* port 0xe9 */
};

struct machine_config {
    uint64_t mem_bytes;
    struct chardev *serial[2]; /* borrowed */
    struct blockdev *disk[4];  /* borrowed; NULL: no disk */
    struct machine_host host;
    bool irqchip_kernel; /* PIC, IOAPIC, LAPIC are KVM's: make stubs' place */
    /* With irqchip_kernel: device pins go here instead (GSI number). */
    struct irq_line kernel_gsi; /* .set and .opaque; n is the ISA IRQ, so
                                 * IRQ 0 is GSI 0: route it to I/O APIC pin 2 */
    uint64_t epoch_s; /* the RTC's start, Unix seconds: fixed under bt */
};

struct machine {
    struct bus bus;
    struct clock clock;
    struct mem mem;
    struct vcpu_intc intc; /* for the vCPU: LAPIC and PIC combined */
    struct vcpu_apic apic; /* for the vCPU, too */
    unsigned devices;
    struct device *device[MACHINE_DEVICES_MAX];
    struct machine_host host;
    struct blockdev *disk[4];
    uint64_t mem_bytes;
};

/* A board with RAM, devices and firmware tables.  SOURCE: see clock_init. */
int machine_create(struct machine **out, const struct machine_config *cfg,
                   uint64_t (*source)(void *opaque), void *source_opaque);
void machine_destroy(struct machine *m);
/*
 * The reset line: devices, and the firmware's tables in RAM.  Else RAM keeps
 * its contents, as on a PC that is reset while it has power; who wants it zero
 * creates another machine.
 */
void machine_reset(struct machine *m);

struct device *machine_find(const struct machine *m, const char *name);

/* A key of the PS/2 keyboard, by set-1 make or break code (host side). */
void machine_key(struct machine *m, uint8_t scancode);
/* How many more bytes of them it takes now; beyond, keys are lost. */
unsigned machine_key_room(const struct machine *m);
/* The 80x25 text screen: 25 rows of 80 (character, attribute) and cursor. */
struct machine_screen {
    uint8_t cell[25][80][2];
    unsigned row, col;
    bool cursor;
};
void machine_screen(const struct machine *m, struct machine_screen *out);

/* ---- booting ------------------------------------------------------------ */

struct boot_request {
    const char *path;
    const char *cmdline; /* NULL: none */
    const char *initrd;  /* path, or NULL */
    unsigned bits;       /* the processor's widest mode; 0: any */
};

/*
 * Recognises PATH by content (bzImage, multiboot, ELF, boot sector, flat),
 * loads it and sets ST to the entry state its protocol wants.  0 or -errno,
 * with one logged line that says what is wrong with the image and where.
 */
int boot_load(struct machine *m, const struct boot_request *req,
              struct x86_state *st);
/*
 * The format that boot_load() would take PATH for: "bzImage", "multiboot",
 * "ELF", "boot sector", "disk image" (a boot sector with more behind it: the
 * caller may want it as disk 0), "flat"; NULL: none, or no such file.
 */
const char *boot_format_name(const char *path);
/* Boots disk 0's first sector at 0:7C00, DL = 80h. */
int boot_disk(struct machine *m, struct x86_state *st);
#endif
