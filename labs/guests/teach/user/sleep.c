/* Sleeps for so many milliseconds. */
#include "user.h"

int main(int argc, char **argv)
{
    syscall(SYS_SLEEP, argc > 1 ? number(argv[1]) : 1000, 0, 0);
    return 0;
}
