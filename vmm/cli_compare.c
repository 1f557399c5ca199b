/* `ringside compare-stats`: the exits of two runs side by side. */
#include "vmm/cli.h"
#include "vmm/exit_status.h"

int cmd_compare_stats(struct cli *cli)
{
    (void)cli;
    return EXIT_STATUS_OK;
}
