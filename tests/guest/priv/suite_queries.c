/* LAR, LSL, VERR, VERW and ARPL of every selector, in rings 0 and 3. */
#include "priv.h"

extern const char query_code[], query_end[];
__asm__(".pushsection .text.cases; .p2align 4;"
        "query_code: mov query_selector, %esi; xor %eax, %eax; xor %ebx, %ebx;"
        "xor %ecx, %ecx; xor %edx, %edx; xor %edi, %edi;"
        "lar %esi, %eax; setz %cl; lsl %esi, %ebx; setz %ch;"
        "verr %si; setz %dl; verw %si; setz %dh;"
        "mov %esi, %edi; mov $2, %ebp; arpl %bp, %di; jnz query_end; or $0x10, "
        "%cl; "
        "query_end: int $0x30; .popsection");
uint32_t query_selector;

static void query(enum mode mode, unsigned selector)
{
    struct test t = {.name = "",
                     .code = query_code,
                     .end = query_end,
                     .mode = mode,
                     .wants = USE_LDT};
    const uint32_t *r = record.gpr;

    query_selector = selector;
    put_first();
    do {
        world_reset(&t);
        world_prepare(&t);
        world_enter();
        put_text("query");
        put_field(mode == RING3 ? "ring3" : "ring0", selector, 4);
        if (record.vector != N_DONE) {
            put_field("v", record.vector, 2);
            put_field("e", record.error, 4);
        }
        put_field("lar", r[0] & 0xf0ff00, 8);
        put_field("lsl", r[3], 8);
        put_field("zf", r[1], 4);
        put_field("verr,verw", r[2], 4);
        put_field("arpl", r[7], 4);
        put_end();
    } while (put_again());
}

void run_queries(void)
{
    for (unsigned ring = 0; ring < 2; ring++)
        for (unsigned i = 0; i < 0x108; i += 8)
            query(ring ? RING3 : RING0, i | (ring ? 3 : 0));
    query(RING3, N_DATA0);
    query(RING3, N_CODE3 & ~3u);
    query(RING0, N_L_DATA0);
    query(RING0, 0x0c);
    query(RING0, 0x24);
    query(RING0, N_DATA0 | 3);
    query(RING0, N_CONFORMING | 3);
}
