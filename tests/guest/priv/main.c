/* Runs every case, then the suites that are loops, and leaves. */
#include "priv.h"

extern const struct test tests_begin[], tests_end[];
void main(void);

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

void main(void)
{
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
