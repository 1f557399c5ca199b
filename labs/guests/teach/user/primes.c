/* Counts primes with a sieve in the heap, whose pages come when touched. */
#include "user.h"

int main(int argc, char **argv)
{
    uint32_t limit = argc > 1 ? number(argv[1]) : 100000, found = 0;
    char *composite = sbrk(limit);

    if (!composite) {
        printf("primes: not enough memory for %u\n", limit);
        return 1;
    }
    for (uint32_t n = 2; n < limit; n++) {
        if (composite[n]) {
            continue;
        }
        found++;
        for (uint32_t m = 2 * n; m < limit; m += n) {
            composite[m] = 1;
        }
    }
    printf("%u primes below %u\n", found, limit);
    return 0;
}
