/* How long the machine has been up. */
#include "user.h"

int main(int argc, char **argv)
{
    uint32_t ticks = (uint32_t)syscall(SYS_UPTIME, 0, 0, 0);

    (void)argc;
    (void)argv;
    printf("up %u.%02u seconds\n", ticks / 100, ticks % 100);
    return 0;
}
