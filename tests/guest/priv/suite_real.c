/* Real mode: the blob of entry.S, and what it noted. */
#include "priv.h"

void run_real(void)
{
    const uint16_t *r;
    uint8_t *low = (uint8_t *)N_LOW;

    put_first();
    do {
        world_reset(NULL);
        for (unsigned i = 0; i < 0x2000; i++)
            low[i] =
                i < (unsigned)(real_blob_end - real_blob) ? real_blob[i] : 0;
        real_call();
        for (r = (const uint16_t *)(N_LOW + 0x1000); r[0]; r += 3) {
            put_text("real");
            put_field("test", r[0], 2);
            if (r[1] == 0xffff) {
                put_field("found", r[2], 4);
            } else {
                put_field("v", r[1], 2);
                put_field("ip", r[2], 4);
            }
            put_end();
        }
        world_reset(NULL);
    } while (put_again());
}
