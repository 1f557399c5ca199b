/* `ringside run`: one machine from power-on to its end, then the reports. */
#include <stdio.h>

#include "vmm/base/log.h"
#include "vmm/cli.h"
#include "vmm/exit_status.h"


int cmd_run(struct cli *cli)
{
    (void)cli;
    log_error("run: no machine is built in yet");
    return EXIT_STATUS_SETUP;
}

int cmd_doctor(struct cli *cli)
{
    (void)cli;
    return EXIT_STATUS_OK;
}

int cmd_compare_stats(struct cli *cli)
{
    (void)cli;
    return EXIT_STATUS_OK;
}
