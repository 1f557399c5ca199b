/* Ends a process. */
#include "user.h"

int main(int argc, char **argv)
{
    if (argc < 2 || syscall(SYS_KILL, number(argv[1]), 0, 0) < 0) {
        printf("kill: no such process\n");
        return 1;
    }
    return 0;
}
