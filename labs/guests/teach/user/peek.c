/* Prints words of memory, as far as this program may see it. */
#include "user.h"

int main(int argc, char **argv)
{
    uint32_t at = argc > 1 ? number(argv[1]) : 0x00400000;
    uint32_t words = argc > 2 ? number(argv[2]) : 4;

    for (uint32_t i = 0; i < words; i++, at += 4) {
        printf("%08x: %08x\n", at, *(volatile uint32_t *)at);
    }
    return 0;
}
