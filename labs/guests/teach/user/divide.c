/* Divides: by zero, too, if it is told to. */
#include "user.h"

int main(int argc, char **argv)
{
    volatile uint32_t a = argc > 1 ? number(argv[1]) : 1;
    volatile uint32_t b = argc > 2 ? number(argv[2]) : 0;

    printf("%u remainder %u\n", a / b, a % b);
    return 0;
}
