/* Rounds of arithmetic, to have something that takes time. */
#include "user.h"

int main(int argc, char **argv)
{
    uint32_t millions = argc > 1 ? number(argv[1]) : 1;
    uint32_t sum = 1;

    for (uint32_t m = 0; m < millions; m++) {
        for (uint32_t i = 0; i < 1000000; i++) {
            sum = sum * 1664525 + 1013904223;
            sum ^= sum >> 13;
        }
    }
    printf("%u million rounds: %08x\n", millions, sum);
    return 0;
}
