/* The run that the exits view compares with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/exit_report.h"
#include "vmm/view/commands.h"

/* A report with its own counters, in one piece. */
struct loaded {
    struct exit_report report;
    struct exit_stats stats;
};

void command_free_other(struct command_ctx *ctx)
{
    free(ctx->other);
    ctx->other = NULL;
}

bool command_compare_with(struct command_ctx *ctx, const char *path,
                          struct strbuf *out)
{
    struct loaded *fresh = malloc(sizeof(*fresh));
    char why[160];

    if (!fresh)
        return command_fail(out, "compare: no memory");
    if (exit_report_load(&fresh->report, &fresh->stats, path, why,
                         sizeof(why)) < 0) {
        free(fresh);
        return command_fail(out, "compare: %s", why);
    }
    command_free_other(ctx);
    ctx->other = &fresh->report;
    strbuf_printf(out, "exits are shown beside those of %s under %s\n",
                  ctx->other->guest, ctx->other->accel);
    return true;
}

bool command_compare(struct command_ctx *ctx, int argc, char **argv,
                     struct strbuf *out)
{
    if (argc < 2)
        return command_fail(out, "compare: which file? `ringside run "
                                 "--stats=json --report FILE` writes one");
    if (strcmp(argv[1], "off") != 0)
        return command_compare_with(ctx, argv[1], out);
    command_free_other(ctx);
    return true;
}
