/* Runs every case, then the suites that are loops, and leaves. */
#include "priv.h"

struct boot_info { /* multiboot */
    uint32_t flags, mem_lower, mem_upper, boot_device;
    const char *cmdline; /* with bit 2 of the flags */
};

void main(const struct boot_info *info) __attribute__((regparm(1)));

extern const struct test tests_begin[], tests_end[];

/* The interrupt controllers at vectors 20h and 28h, all masked. */
static void init_pics(void)
{
    static const uint8_t words[][2] = {
        {0x20, 0x11}, {0xa0, 0x11}, {0x21, 0x20}, {0xa1, 0x28}, {0x21, 4},
        {0xa1, 2},    {0x21, 1},    {0xa1, 1},    {0x21, 0xff}, {0xa1, 0xff},
    };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        outb(words[i][0], words[i][1]);
}

/*
 * Every page that a case may use is used once before: where the host gives
 * memory at the first touch, a task switch that stumbles over a page it has
 * not given yet is more than some nested processors can take back.
 */
static void touch(void)
{
    /* A processor that strays into V86 mode by a wrong IRET finds INT3. */
    for (uint32_t byte = 0x1000; byte < 0x10200; byte++)
        *(volatile uint8_t *)byte = 0xcc;
    for (uint32_t page = N_LOW; page < N_LOW + 0x30000; page += 4096)
        *(volatile uint32_t *)page = 0;
    for (uint32_t page = 0x600000; page < N_T6; page += 4096)
        *(volatile uint32_t *)page = 0;
}

/* "repeat=N" on the command line; 1 without. */
static unsigned repeats(const struct boot_info *info)
{
    static const char word[] = "repeat=";
    const char *s = info->flags & 4 ? info->cmdline : "";
    unsigned n = 0, matched = 0;

    for (; *s && matched < sizeof(word) - 1; s++)
        matched = *s == word[matched] ? matched + 1 : *s == word[0];
    for (; matched == sizeof(word) - 1 && *s >= '0' && *s <= '9'; s++)
        n = 10 * n + (unsigned)(*s - '0');
    return n ? n : 1;
}

__attribute__((regparm(1))) void main(const struct boot_info *info)
{
    put_repeats(repeats(info));
    touch();
    put_init();
    init_pics();
    world_reset(NULL);
    for (const struct test *t = tests_begin; t < tests_end; t++)
        run(t);
    run_queries();
    run_pages();
    run_real();
    put_last();
    outb(0xf4, 0);
    for (;;)
        __asm__ volatile("cli; hlt");
}
