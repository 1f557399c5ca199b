/* `ringside doctor`: what this host offers. */
#include "vmm/cli.h"
#include "vmm/exit_status.h"

int cmd_doctor(struct cli *cli)
{
    (void)cli;
    return EXIT_STATUS_OK;
}
