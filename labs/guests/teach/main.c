/*
 * Where the kernel's C begins: set up in order, then start the shell.
 */
#include "kernel.h"
#include "x86.h"

#define MULTIBOOT_LOADED   0x2BADB002u
#define MULTIBOOT_HAS_MEM  0x1u
#define MULTIBOOT_HAS_LINE 0x4u
#define CMOS_INDEX         0x70
#define CMOS_DATA          0x71
#define CMOS_64K_ABOVE_16M 0x34 /* low byte; the high one follows */
#define CMOS_1K_ABOVE_1M   0x30

struct multiboot_info {
    uint32_t flags;
    uint32_t kib_low, kib_above_1m;
    uint32_t boot_device;
    uint32_t command_line;
};

static char command_line[256];

void kernel_main(uint32_t loaded_by, uint32_t info_pa);

static uint32_t cmos_word(uint8_t at)
{
    uint32_t value;

    outb(CMOS_INDEX, at);
    value = inb(CMOS_DATA);
    outb(CMOS_INDEX, (uint8_t)(at + 1));
    return value | (uint32_t)inb(CMOS_DATA) << 8;
}

/* As the loader says or, from our boot sector, as the CMOS memory does. */
static uint32_t memory_kib(uint32_t loaded_by, uint32_t info_pa)
{
    if (loaded_by == MULTIBOOT_LOADED) {
        const struct multiboot_info *info = phys_to_virt(info_pa);

        if (info->flags & MULTIBOOT_HAS_MEM) {
            return 1024 + info->kib_above_1m;
        }
    }
    uint32_t above_16m = cmos_word(CMOS_64K_ABOVE_16M) * 64;

    return above_16m ? 16 * 1024 + above_16m
                     : 1024 + cmos_word(CMOS_1K_ABOVE_1M);
}

/* Kept, for the loader's copy lies in memory that page_init() gives away. */
static void keep_command_line(uint32_t loaded_by, uint32_t info_pa)
{
    const struct multiboot_info *info = phys_to_virt(info_pa);

    if (loaded_by == MULTIBOOT_LOADED && info->flags & MULTIBOOT_HAS_LINE) {
        str_copy(command_line, phys_to_virt(info->command_line),
                 sizeof(command_line));
    }
}

/*
 * What follows "type=" on the command line is typed before anybody else can,
 * with ; for Enter: for runs without a person.
 */
static void type_command_line(void)
{
    static const char key[] = "type=";
    const char *line = command_line;
    unsigned matched = 0;

    while (*line && key[matched]) {
        matched = *line == key[matched] ? matched + 1 : *line == key[0];
        line++;
    }
    for (; *line; line++) {
        console_input(*line == ';' ? '\n' : *line);
        if (!line[1]) {
            console_input('\n');
        }
    }
}

void kernel_main(uint32_t loaded_by, uint32_t info_pa)
{
    uint32_t kib = memory_kib(loaded_by, info_pa);

    if (kib > MEM_MAX_BYTES / 1024) {
        kib = MEM_MAX_BYTES / 1024;
    }
    keep_command_line(loaded_by, info_pa);
    segment_init();
    trap_init();
    irq_init();
    console_init();
    page_init(kib * 1024);
    kprintf("Ringlet, a kernel to learn from.\n");
    kprintf("%u KiB of memory in use, %u frames free.\n", kib,
            page_free_frames());

    if (proc_spawn("shell", "shell", NULL) < 0) {
        panic("there is no shell");
    }
    type_command_line();
    proc_run();
}
