#include "gdbstub/gdb_run.h"

#include <errno.h>

#include "gdbstub/server.h"
#include "vmm/base/log.h"

static struct gdb_server *signalled; /* handlers have no argument of ours */

void gdb_run_end(void)
{
    if (signalled)
        gdb_server_end(signalled);
}

int opt_gdb(struct cli *cli, char *text)
{
    if (!gdb_server_where(text))
        return cli_error(
            cli, "--gdb %s: expected [HOST:]PORT, unix:PATH or stdio", text);
    cli->gdb = text;
    return 0;
}

int opt_gdb_wait(struct cli *cli, char *text)
{
    (void)text;
    cli->gdb_wait = true;
    return 0;
}

static int run(const struct cli *cli, struct debug_server *srv,
               struct debug *dbg, const struct command_screen *screen)
{
    static const struct debug_run go = {.kind = DEBUG_RUN_CONTINUE};
    struct gdb_server *g;
    int err = gdb_server_create(&g, cli->gdb, srv, dbg, false);

    if (err)
        return err;
    gdb_server_set_screen(g, screen);
    signalled = g;
    if (cli->gdb_wait)
        log_info("waiting for gdb at %s", gdb_server_address(g));
    else
        debug_server_resume(srv, &go);
    debug_server_loop(srv);
    signalled = NULL;
    gdb_server_destroy(g);
    return 0;
}

int gdb_run(const struct cli *cli, struct vm *vm,
            const struct command_screen *screen)
{
    struct debug_server *srv = NULL;
    struct debug *dbg;
    int err = debug_create(&dbg, vm);

    if (!err)
        err = debug_server_create(&srv, dbg);
    if (!err)
        err = run(cli, srv, dbg, screen);
    debug_server_destroy(srv);
    debug_destroy(dbg);
    return err;
}
