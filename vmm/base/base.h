/* Small things every file needs.  Includes nothing of Ringside. */
#ifndef VMM_BASE_BASE_H
#define VMM_BASE_BASE_H
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1u << (n))
#define BIT64(n)      (1ull << (n))

#define container_of(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Tells gcc and clang to check a printf-like function's arguments. */
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* All ones of an access of SIZE bytes (1, 2, 4 or 8): an unmapped read. */
static inline uint64_t all_ones(unsigned size)
{
    return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

/* FNV-1a, 32 bits: to tell names apart, no secret. */
static inline uint32_t hash_text(const char *text)
{
    uint32_t h = 2166136261u;

    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}
#endif
