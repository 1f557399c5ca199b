/* `ringside compare-stats`: the exits of two runs side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/base/log.h"
#include "vmm/cli.h"
#include "vmm/exit_report.h"
#include "vmm/exit_status.h"

struct loaded {
    struct exit_report report;
    struct exit_stats stats;
};

int cmd_compare_stats(struct cli *cli)
{
    struct exit_style style = exit_style_for(STDOUT_FILENO);
    struct loaded *run = calloc(2, sizeof(*run));
    struct strbuf text;
    char why[256];
    int err = 0;

    if (!run)
        return EXIT_STATUS_SETUP;
    strbuf_init(&text);
    for (unsigned i = 0; i < cli->operands && !err; i++)
        err = exit_report_load(&run[i].report, &run[i].stats, cli->operand[i],
                               why, sizeof(why));
    if (err)
        log_error("compare-stats: %s", why);
    else
        exit_report_compare(&text, &run[0].report,
                            cli->operands > 1 ? &run[1].report : NULL, &style);
    fputs(strbuf_str(&text), stdout);
    strbuf_fini(&text);
    free(run);
    return err ? EXIT_STATUS_SETUP : EXIT_STATUS_OK;
}
