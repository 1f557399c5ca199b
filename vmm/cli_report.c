#include "vmm/cli_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/log.h"

int cli_report(const struct cli *cli, struct vm *vm)
{
    char hex[65];
    FILE *f = stdout;
    int err = 0;

    if (!cli->digest && cli->stats == CLI_STATS_NONE)
        return 0;
    if (cli->report)
        f = fopen(cli->report, "w");
    if (!f) {
        err = -errno;
        log_error("cannot write %s: %s", cli->report, strerror(errno));
        return err;
    }
    if (cli->digest) {
        vm_digest(vm, hex);
        fprintf(f, "digest: %s\n", hex);
    }
    if (fflush(f) || (f != stdout && fclose(f))) {
        err = -errno;
        log_error("cannot write %s: %s",
                  cli->report ? cli->report : "the report", strerror(errno));
    }
    return err;
}
