/* `ringside debug` and `ringside view`: the debugger's sub-commands. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tui/repl.h"
#include "vmm/base/log.h"
#include "vmm/cli.h"
#include "vmm/exit_status.h"

int opt_repl(struct cli *cli, char *text)
{
    (void)text;
    cli->repl = true;
    return 0;
}

int opt_symbols(struct cli *cli, char *text)
{
    cli->symbols = text;
    return 0;
}

int opt_stop_at(struct cli *cli, char *text)
{
    cli->stop_at = text;
    return 0;
}

struct session {
    struct vm *vm;
    struct debug *dbg;
    struct command_ctx ctx;
};

/* Names come from --symbols, else from the guest itself if it is an ELF. */
static int load_symbols(struct session *s, const struct cli *cli)
{
    const char *path = cli->symbols ? cli->symbols : cli->vm.guest;

    if (!path || symbols_load(&s->ctx.sym, path) == 0 || !cli->symbols)
        return 0;
    log_error("%s is not an ELF file with symbols", path);
    return EXIT_STATUS_SETUP;
}

static void session_close(struct session *s)
{
    command_ctx_fini(&s->ctx);
    debug_destroy(s->dbg);
    vm_destroy(s->vm);
}

static int session_open(struct session *s, struct cli *cli)
{
    int status;

    *s = (struct session){0};
    if (!cli->serials)
        cli->vm.serial[0] = "null"; /* the terminal is the debugger's */
    if (vm_create(&s->vm, &cli->vm))
        return EXIT_STATUS_SETUP;
    if (debug_create(&s->dbg, s->vm)) {
        vm_destroy(s->vm);
        return EXIT_STATUS_SETUP;
    }
    command_ctx_init(&s->ctx, s->vm, s->dbg);
    status = load_symbols(s, cli);
    if (status)
        session_close(s);
    return status;
}

int cmd_debug(struct cli *cli)
{
    struct session s;
    int status;

    if (cli->operands)
        cli->vm.guest = cli->operand[0];
    status = session_open(&s, cli);
    if (status)
        return status;
    repl_run(&s.ctx);
    session_close(&s);
    return EXIT_STATUS_OK;
}

/* Runs to --stop-at, or until the machine stops by itself. */
static int run_to_stop(struct session *s, const struct cli *cli)
{
    char line[160];
    struct strbuf out;
    bool ok;

    if (!cli->stop_at && !cli->vm.max_insns)
        return EXIT_STATUS_OK; /* the state at power-on */
    strbuf_init(&out);
    snprintf(line, sizeof(line), "%s %s", cli->stop_at ? "until" : "continue",
             cli->stop_at ? cli->stop_at : "");
    ok = command_run(&s->ctx, line, &out);
    if (!ok)
        log_error("--stop-at: %s", strbuf_str(&out));
    strbuf_fini(&out);
    return ok ? EXIT_STATUS_OK : EXIT_STATUS_USAGE;
}

/* The view and its arguments as a line of the command language. */
static void view_line(const struct cli *cli, char *line, size_t len)
{
    snprintf(line, len, "%s", cli->operand[0]);
    for (unsigned i = 2; i < cli->operands; i++) {
        size_t at = strlen(line);
        snprintf(line + at, len - at, " %s", cli->operand[i]);
    }
}

int cmd_view(struct cli *cli)
{
    char line[512];
    struct session s;
    struct strbuf out;
    int status;

    if (!view_find(cli->operand[0])) {
        cli_error(cli,
                  "no view '%s'; `help` in `ringside debug --repl` lists "
                  "them",
                  cli->operand[0]);
        return EXIT_STATUS_USAGE;
    }
    cli->vm.guest = cli->operands > 1 ? cli->operand[1] : NULL;
    status = session_open(&s, cli);
    if (status)
        return status;
    status = run_to_stop(&s, cli);
    view_line(cli, line, sizeof(line));
    strbuf_init(&out);
    s.ctx.json = cli->json;
    if (!status && !command_run(&s.ctx, line, &out))
        status = EXIT_STATUS_USAGE;
    fputs(strbuf_str(&out), status ? stderr : stdout);
    strbuf_fini(&out);
    session_close(&s);
    return status;
}
