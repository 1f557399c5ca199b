/* Switches the machine off. */
#include "user.h"

int main(int argc, char **argv)
{
    if (argc > 1) {
        syscall(SYS_POWEROFF, POWEROFF_DEBUG_EXIT, number(argv[1]), 0);
    }
    syscall(SYS_POWEROFF, POWEROFF_ACPI, 0, 0);
    return 0;
}
