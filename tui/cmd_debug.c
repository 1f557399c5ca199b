/* `ringside debug` and `ringside view`: the debugger's sub-commands. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gdbstub/server.h"
#include "tui/folders.h"
#include "tui/last_run.h"
#include "tui/recall.h"
#include "tui/repl.h"
#include "tui/screen.h"
#include "vmm/base/log.h"
#include "vmm/cli.h"
#include "vmm/exit_format.h"
#include "vmm/exit_status.h"
#include "vmm/host/chardev_host.h"
#include "vmm/host/terminal.h"

int opt_repl(struct cli *cli, char *text)
{
    (void)text;
    cli->repl = true;
    return 0;
}

int opt_symbols(struct cli *cli, char *text)
{
    if (cli->symbol_files == ARRAY_SIZE(cli->symbols))
        return cli_error(cli, "--symbols: %zu files at most",
                         ARRAY_SIZE(cli->symbols));
    cli->symbols[cli->symbol_files++] = text;
    return 0;
}

int opt_stats_with(struct cli *cli, char *text)
{
    cli->stats_with = text;
    return 0;
}

int opt_stop_at(struct cli *cli, char *text)
{
    cli->stop_at = text;
    return 0;
}

int opt_keys(struct cli *cli, char *text)
{
    cli->keys = text;
    return 0;
}

int opt_record(struct cli *cli, char *text)
{
    cli->record = text;
    return 0;
}

int opt_check(struct cli *cli, char *text)
{
    if (cli->checks == ARRAY_SIZE(cli->check))
        return cli_error(cli, "--check %s: each once is enough", text);
    cli->check[cli->checks++] = text;
    return 0;
}

int opt_layout(struct cli *cli, char *text)
{
    cli->layout = text;
    return 0;
}

int opt_theme(struct cli *cli, char *text)
{
    if (!theme_find(text))
        return cli_error(cli, "--theme %s: expected dark, light or mono", text);
    cli->theme = text;
    return 0;
}

int opt_ascii(struct cli *cli, char *text)
{
    (void)text;
    cli->ascii = true;
    return 0;
}

int opt_size(struct cli *cli, char *text)
{
    char end;

    if (sscanf(text, "%ux%u%c", &cli->screen_w, &cli->screen_h, &end) != 2 ||
        cli->screen_w - 1 >= 1000 || cli->screen_h - 1 >= 1000)
        return cli_error(cli, "--size %s: expected WIDTHxHEIGHT, as 80x24",
                         text);
    return 0;
}

struct session {
    struct vm *vm;
    struct debug *dbg;
    struct command_ctx ctx;
    struct chardev *console; /* COM1 when the screen shows it */
};

/* Names come from --symbols, else from the guest itself if it is an ELF
 * file. */
static int load_symbols(struct session *s, const struct cli *cli)
{
    if (!cli->symbol_files && cli->vm.guest)
        (void)symbols_load(&s->ctx.sym, cli->vm.guest);
    for (unsigned i = 0; i < cli->symbol_files; i++) {
        struct symbols *more;

        if (symbols_load(&more, cli->symbols[i])) {
            log_error("%s is neither an ELF file with symbols nor a list as "
                      "System.map is",
                      cli->symbols[i]);
            return EXIT_STATUS_SETUP;
        }
        s->ctx.sym = symbols_add(s->ctx.sym, more);
    }
    return 0;
}

/* A line of the command language before anybody types; what it says is an
 * error if it fails. */
static int run_early(struct session *s, const char *command, const char *arg)
{
    char line[512];
    struct strbuf out;
    bool ok;

    strbuf_init(&out);
    snprintf(line, sizeof(line), "%s %s", command, arg);
    ok = command_run(&s->ctx, line, &out);
    if (!ok)
        log_error("%.*s", (int)strcspn(strbuf_str(&out), "\n"),
                  strbuf_str(&out));
    strbuf_fini(&out);
    return ok ? 0 : EXIT_STATUS_USAGE;
}

static void session_close(struct session *s)
{
    command_ctx_fini(&s->ctx);
    debug_destroy(s->dbg);
    vm_destroy(s->vm);
    if (s->console)
        chardev_memory_destroy(s->console);
}

static int session_open(struct session *s, struct cli *cli)
{
    int status;

    *s = (struct session){0};
    if (!cli->serials) { /* the terminal is the debugger's */
        cli->vm.serial[0] = "null";
        if (chardev_memory_create(&s->console))
            return EXIT_STATUS_SETUP;
        cli->vm.chardev[0] = s->console;
    }
    if (vm_create(&s->vm, &cli->vm))
        return EXIT_STATUS_SETUP;
    if (debug_create(&s->dbg, s->vm)) {
        vm_destroy(s->vm);
        return EXIT_STATUS_SETUP;
    }
    command_ctx_init(&s->ctx, s->vm, s->dbg);
    s->ctx.utf8 = exit_style_for(STDOUT_FILENO).utf8;
    s->ctx.console = s->console;
    status = load_symbols(s, cli);
    if (!status && cli->stats_with)
        status = run_early(s, "compare", cli->stats_with);
    for (unsigned i = 0; !status && i < cli->checks; i++)
        status = run_early(s, "check", cli->check[i]);
    if (status)
        session_close(s);
    return status;
}

/* ---- the screen --------------------------------------------------------- */

struct screen_thread {
    struct screen_config cfg;
    struct debug_server *srv;
};

static void *screen_main(void *arg)
{
    struct screen_thread *t = arg;

    screen_run(&t->cfg);
    debug_server_quit(t->srv);
    return NULL;
}

static int open_term(struct term *t, const struct cli *cli)
{
    unsigned w = cli->screen_w ? cli->screen_w : 80;
    unsigned h = cli->screen_h ? cli->screen_h : 24;
    int err =
        cli->keys ? term_text_init(t, cli->keys, w, h) : term_curses_init(t);

    if (!err)
        t->ascii |= cli->ascii;
    return err;
}

static const char *theme_of(const struct cli *cli)
{
    const char *no_color = getenv("NO_COLOR");

    if (cli->theme)
        return cli->theme;
    return no_color && no_color[0] ? "mono" : "dark";
}

/* The screen has a thread of its own; this one is the vCPU's. */
static int run_screen(struct session *s, const struct cli *cli)
{
    char layout[512], history[512];
    struct paper_screen beside = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                  .layout = LAYOUTS};
    struct paper paper = {
        .theme = theme_find("mono"), .console = s->console, .beside = &beside};
    struct command_screen for_gdb = {paper_command, &paper};
    struct screen_thread t = {.cfg = {.ctx = &s->ctx,
                                      .paper = cli->gdb ? &beside : NULL,
                                      .console = s->console,
                                      .record = cli->record,
                                      .layout = cli->layout,
                                      .theme = theme_of(cli)}};
    struct gdb_server *gdb = NULL;
    pthread_t thread;
    int status = EXIT_STATUS_SETUP;

    s->ctx.width = 0; /* panes break lines to their own */
    if (!cli->keys) { /* typed keys do the same everywhere */
        bool kept =
            folders_path(FOLDER_CONFIG, "layout", layout, sizeof(layout));

        folders_path(FOLDER_STATE, RECALL_FILE, history, sizeof(history));
        t.cfg.layout = cli->layout ? cli->layout : kept ? layout : NULL;
        t.cfg.history = history;
    }
    if (debug_server_create(&t.srv, s->dbg))
        return status;
    t.cfg.srv = t.srv;
    if (cli->gdb && gdb_server_create(&gdb, cli->gdb, t.srv, s->dbg, true)) {
        debug_server_destroy(t.srv);
        return status;
    }
    if (gdb) {
        gdb_server_set_screen(gdb, &for_gdb);
        t.cfg.gdb = gdb_server_address(gdb);
    }
    if (open_term(&t.cfg.term, cli) == 0 &&
        pthread_create(&thread, NULL, screen_main, &t) == 0) {
        debug_server_loop(t.srv);
        pthread_join(thread, NULL);
        status = EXIT_STATUS_OK;
    }
    gdb_server_destroy(gdb);
    debug_server_destroy(t.srv);
    return status;
}

static void run_repl(struct session *s, const struct cli *cli)
{
    bool colours = isatty(STDOUT_FILENO) || cli->theme;
    struct paper paper = {.theme = theme_find(colours ? theme_of(cli) : "mono"),
                          .console = s->console};

    s->ctx.screen = (struct command_screen){paper_command, &paper};
    repl_run(&s->ctx);
}

static bool wants_screen(const struct cli *cli)
{
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

    return cli->keys || (terminal && !cli->repl);
}

/* A person's sessions are compared; scripts do the same everywhere. */
static bool keeps_runs(const struct cli *cli)
{
    return isatty(STDIN_FILENO) && !cli->keys && !cli->stats_with;
}

static void compare_with_last(struct session *s)
{
    struct strbuf out;
    char path[512];

    strbuf_init(&out); /* a file that is no good is one that is not there */
    if (last_run_other(s->vm, path, sizeof(path)))
        command_compare_with(&s->ctx, path, &out);
    strbuf_fini(&out);
}

int cmd_debug(struct cli *cli)
{
    struct session s;
    int status;

    terminal_prepare();
    if (cli->gdb && (!wants_screen(cli) || strcmp(cli->gdb, "stdio") == 0)) {
        cli_error(cli,
                  "--gdb %s: beside the screen, and by another way than "
                  "its terminal",
                  cli->gdb);
        return EXIT_STATUS_USAGE;
    }
    terminal_hold_resize();
    /* A person at the screen waits as the guest does; a script does not. */
    cli->vm.interactive = wants_screen(cli) && !cli->keys;
    if (cli->operands)
        cli->vm.guest = cli->operand[0];
    status = session_open(&s, cli);
    if (status)
        return status;
    if (keeps_runs(cli))
        compare_with_last(&s);
    s.ctx.utf8 |= wants_screen(cli); /* the terminal has its own fallback */
    if (wants_screen(cli))
        status = run_screen(&s, cli);
    else
        run_repl(&s, cli);
    if (keeps_runs(cli))
        last_run_keep(s.vm);
    session_close(&s);
    return status;
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
    s.ctx.form = cli->json ? DOC_JSON : cli->svg ? DOC_SVG : DOC_TEXT;
    if (!status && !command_run(&s.ctx, line, &out))
        status = EXIT_STATUS_USAGE;
    fputs(strbuf_str(&out), status ? stderr : stdout);
    strbuf_fini(&out);
    session_close(&s);
    return status;
}
