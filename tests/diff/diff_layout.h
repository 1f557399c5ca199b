/*
 * What the comparer and the 32-bit native runner share: one file, mapped by
 * both.
 *
 *     struct diff_header | struct diff_seq [count] | struct diff_result [count]
 *
 * A sequence's linear memory, the same natively and in the guest:
 *
 *     CODE   two pages, the border in the middle of a sequence now and then
 *     DATA   one read-only page, four pages, then nothing
 *     STACK  two pages
 *
 * DS, ES and SS may have a base, all the same one, and then a limit.
 *
 * No header of the C library or the monitor: this is also compiled
 * freestanding for i386.
 */
#ifndef TESTS_DIFF_DIFF_LAYOUT_H
#define TESTS_DIFF_DIFF_LAYOUT_H
#include <stdint.h>

#define DIFF_PAGE        4096u
#define DIFF_CODE        0x10000000u
#define DIFF_CODE_PAGES  2u
#define DIFF_RO          0x20000000u /* the read-only page */
#define DIFF_DATA        (DIFF_RO + DIFF_PAGE)
#define DIFF_DATA_PAGES  4u
#define DIFF_DATA_END    (DIFF_DATA + DIFF_DATA_PAGES * DIFF_PAGE)
#define DIFF_STACK       0x30000000u
#define DIFF_STACK_PAGES 2u
#define DIFF_STACK_END   (DIFF_STACK + DIFF_STACK_PAGES * DIFF_PAGE)
/* Filled and compared: the read-only page, the data, the stack. */
#define DIFF_MEMORY ((1 + DIFF_DATA_PAGES + DIFF_STACK_PAGES) * DIFF_PAGE)
#define DIFF_SYS    0x50000000u /* the guest's supervisor page */
#define DIFF_SHARED 0x40000000u /* where the runner maps the file */

#define DIFF_CODE_MAX 256u
#define DIFF_MAGIC    0x52444946u

struct diff_header {
    uint32_t magic, count;
    uint32_t done; /* sequences finished by the runner */
    uint32_t pad;
};

/* clang-format off */
struct diff_seq {
    uint8_t fxsave[512] __attribute__((aligned(16))); /* 32-bit form */
    uint32_t seed_lo, seed_hi; /* of the memory's contents */
    uint32_t code_at;          /* linear address of code[0] */
    uint32_t code_len;         /* the end: where execution stops */
    uint32_t gpr[8], eflags;
    uint32_t base;             /* of DS, ES and SS; 0: they are flat */
    uint8_t code[DIFF_CODE_MAX];
    /* For the comparer alone: */
    uint32_t insns;            /* boundaries used */
    uint16_t boundary[64];     /* offset behind each instruction */
    uint32_t undefined[64];    /* flags undefined after each instruction */
};

struct diff_result {
    uint8_t fxsave[512] __attribute__((aligned(16)));
    int32_t vector;            /* of the exception that ended it; -1: none */
    uint32_t error, cr2;       /* cr2: #PF only */
    uint32_t eip, gpr[8], eflags;
    uint8_t memory[DIFF_MEMORY] __attribute__((aligned(16)));
};
/* clang-format on */

/* Limit of segments with BASE, in pages: they end with the stack. */
static inline uint32_t diff_limit(uint32_t base)
{
    return base ? (DIFF_STACK_END - base) / DIFF_PAGE - 1 : 0xfffff;
}

static inline uint64_t diff_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/*
 * A mixture that arithmetic likes: noise, small numbers, floats, doubles,
 * extended reals.  WORDS: whole pages.
 */
static inline void diff_fill(uint32_t *p, uint32_t words, uint64_t seed)
{
    const uint32_t block = DIFF_PAGE / 4;

    for (uint32_t i = 0; i < block; i += 4) {
        uint64_t a = diff_random(&seed), b = diff_random(&seed);
        uint32_t lo = (uint32_t)a, hi = (uint32_t)(a >> 32);
        uint32_t lo2 = (uint32_t)b, hi2 = (uint32_t)(b >> 32);

        switch (hi2 >> 29) {
        case 0: /* floats near one */
            lo = (lo & 0x87ffffffu) | 0x38000000u;
            hi = (hi & 0x87ffffffu) | 0x38000000u;
            lo2 = (lo2 & 0x87ffffffu) | 0x38000000u;
            hi2 = (hi2 & 0x87ffffffu) | 0x38000000u;
            break;
        case 1: /* doubles */
        case 2:
            hi = (hi & 0x80ffffffu) | 0x3f000000u;
            hi2 = (hi2 & 0x80ffffffu) | 0x3f000000u;
            break;
        case 3: /* an extended real */
            hi |= 0x80000000u;
            lo2 = (lo2 & 0xffff801fu) | 0x3fe0u;
            break;
        case 4: /* small integers */
            lo &= 0xff, hi &= 0xff;
            lo2 = 0u - (lo2 & 0xff), hi2 &= 0xffff;
            break;
        default:
            break;
        }
        p[i] = lo, p[i + 1] = hi, p[i + 2] = lo2, p[i + 3] = hi2;
    }
    /* Every page is a little different from the one before. */
    for (uint32_t i = block; i < words; i++)
        p[i] = p[i - block] ^ (i & 7);
}
#endif
