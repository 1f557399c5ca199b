#include "tui/repl.h"

#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/folders.h"
#include "tui/recall.h"
#include "vmm/host/chardev_host.h"
#include "vmm/host/terminal.h"

#define PROMPT "(ringside) "

/* A signal handler has no argument of ours; one repl has the terminal. */
static struct debug *interrupted_debug;

static void on_sigint(int sig)
{
    (void)sig;
    if (interrupted_debug)
        debug_interrupt(interrupted_debug);
}

/* Did the guest print since, and leave its last line open? */
static bool guest_amid_line(const struct command_ctx *ctx, size_t before)
{
    const char *text;
    size_t len;

    if (!ctx->console)
        return false;
    text = chardev_memory_output(ctx->console, &len);
    return len > before && text[len - 1] != '\n';
}

static void run_line(struct command_ctx *ctx, const char *line)
{
    struct strbuf out;
    size_t printed = 0;

    if (ctx->console)
        chardev_memory_output(ctx->console, &printed);
    strbuf_init(&out);
    interrupted_debug = ctx->dbg;
    command_run(ctx, line, &out);
    interrupted_debug = NULL;
    debug_forget_interrupt(ctx->dbg);
    if (guest_amid_line(ctx, printed))
        putchar('\n');
    fputs(strbuf_str(&out), stdout);
    fflush(stdout);
    strbuf_fini(&out);
}

static void plain(struct command_ctx *ctx)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while (!ctx->quit && (n = getline(&line, &cap, stdin)) >= 0) {
        if (n > 0 && line[n - 1] == '\n')
            line[--n] = '\0';
        printf(PROMPT "%s\n", line); /* a transcript shows what was asked */
        run_line(ctx, line);
    }
    free(line);
}

static char *prompt(EditLine *el)
{
    static char text[] = PROMPT;

    (void)el;
    return text;
}

static void list_completions(struct command_ctx *ctx, const char *line)
{
    char other[256];

    putchar('\n');
    for (size_t i = 0;
         i < 100 && command_complete(ctx, line, i, other, sizeof(other)); i++)
        printf("%s  ", strrchr(other, ' ') ? strrchr(other, ' ') + 1 : other);
    putchar('\n');
}

/* Tab: inserts what all completions share, or lists them. */
static unsigned char on_tab(EditLine *el, int ch)
{
    struct command_ctx *ctx;
    const LineInfo *li = el_line(el);
    char line[256], first[256], other[256];
    size_t n = (size_t)(li->cursor - li->buffer), common;

    (void)ch;
    el_get(el, EL_CLIENTDATA, &ctx);
    if (n >= sizeof(line))
        return CC_ERROR;
    memcpy(line, li->buffer, n);
    line[n] = '\0';
    if (!command_complete(ctx, line, 0, first, sizeof(first)))
        return CC_ERROR;
    common = strlen(first);
    for (size_t i = 1; command_complete(ctx, line, i, other, sizeof(other));
         i++) {
        size_t k = 0;

        while (k < common && other[k] == first[k])
            k++;
        common = k;
    }
    if (common > n) {
        first[common] = '\0';
        el_insertstr(el, first + n);
        return CC_REFRESH;
    }
    list_completions(ctx, line);
    return CC_REDISPLAY;
}

/* ^C with nothing running: a key like others, as a signal would be lost while
 * the line is not being read. */
static unsigned char on_cancel(EditLine *el, int ch)
{
    const LineInfo *li = el_line(el);

    (void)ch;
    puts("\nthe guest is stopped; `quit` leaves");
    el_cursor(el, (int)(li->lastchar - li->cursor));
    el_deletestr(el, (int)(li->lastchar - li->buffer));
    return CC_REDISPLAY;
}

/* ^Z, which is a key for the same reason. */
static unsigned char on_suspend(EditLine *el, int ch)
{
    (void)ch;
    el_set(el, EL_PREP_TERM, 0);
    kill(0, SIGTSTP);
    el_set(el, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
}

static void edited(struct command_ctx *ctx)
{
    EditLine *el = el_init("ringside", stdin, stdout, stderr);
    struct recall *past;
    char path[512];
    const char *line;
    int n;

    terminal_lend(STDIN_FILENO);
    puts("`help` lists the commands; ^C stops a running guest, `type TEXT` "
         "types to it");
    folders_path(FOLDER_STATE, RECALL_FILE, path, sizeof(path));
    past = recall_open(path);
    el_set(el, EL_EDITOR, "emacs");
    el_set(el, EL_PROMPT, prompt);
    el_set(el, EL_HIST, history, recall_handle(past));
    el_set(el, EL_CLIENTDATA, ctx);
    /* As wide characters: libedit keeps the words, and would lose copies. */
    el_wset(el, EL_ADDFN, L"ringside-complete", L"complete a name", on_tab);
    el_set(el, EL_BIND, "^I", "ringside-complete", NULL);
    el_wset(el, EL_ADDFN, L"ringside-cancel", L"forget the line", on_cancel);
    el_set(el, EL_BIND, "^C", "ringside-cancel", NULL);
    el_wset(el, EL_ADDFN, L"ringside-stop", L"back to the shell", on_suspend);
    el_set(el, EL_BIND, "^Z", "ringside-stop", NULL);
    el_set(el, EL_SETTY, "-d", "-isig", NULL);
    while (!ctx->quit) {
        char copy[512];

        el_set(el, EL_PREP_TERM, 1); /* whoever sees the prompt can type */
        line = el_gets(el, &n);
        if (!line || n <= 0)
            break;
        snprintf(copy, sizeof(copy), "%.*s", n, line);
        copy[strcspn(copy, "\n")] = '\0';
        if (copy[0])
            recall_add(past, copy);
        run_line(ctx, copy);
    }
    el_end(el);
    terminal_restore();
    recall_close(past);
}

void repl_run(struct command_ctx *ctx)
{
    struct sigaction sa = {.sa_handler = on_sigint}, old;

    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, &old);
    if (ctx->console)
        chardev_memory_echo(ctx->console, stdout);
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        edited(ctx);
    else
        plain(ctx);
    sigaction(SIGINT, &old, NULL);
}
