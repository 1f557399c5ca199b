/* Lists the processes.  FAULTS: pages that came in when they were touched. */
#include "user.h"

int main(int argc, char **argv)
{
    bool times = argc > 1 && str_equal(argv[1], "-t");
    struct proc_info p;

    printf("PID PARENT STATE   FAULTS %sNAME\n", times ? "TICKS " : "");
    for (uint32_t slot = 0; syscall(SYS_PROC_INFO, slot, ADDR(&p), 0) == 0;
         slot++) {
        if (!p.pid) {
            continue;
        }
        printf("%3d %6d %-7s %6u ", p.pid, p.parent, p.state, p.faults);
        if (times) {
            printf("%5u ", p.ticks);
        }
        printf("%s\n", p.name);
    }
    return 0;
}
