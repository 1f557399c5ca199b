/* Finding and running a command; the commands themselves are elsewhere. */
#include "vmm/view/command.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/view/commands.h"
#include "vmm/view/explain.h"
#include "vmm/view/expr.h"
#include "vmm/view/gdb_words.h"
#include "vmm/view/guess.h"
#include "vmm/view/past.h"

#define ARGS_MAX     16
#define LINE_MAX_LEN 512u

static const struct command commands[] = {
#define COMMAND(name, alias, args, summary)                                    \
    {#name, alias, args, summary, command_##name},
#include "vmm/view/command.def"
#undef COMMAND
};

const struct command *command_nth(size_t n)
{
    return n < ARRAY_SIZE(commands) ? &commands[n] : NULL;
}

bool command_fail(struct strbuf *out, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    strbuf_puts(out, text);
    strbuf_putc(out, '\n');
    return false;
}

bool command_fail_unknown(struct strbuf *out, const char *name)
{
    char names[96];

    if (guess_names(name, names, sizeof(names)))
        return command_fail(
            out, "no command '%s'; did you mean %s? `help` lists all", name,
            names);
    return command_fail(out, "no command '%s'; `help` lists them", name);
}

bool command_value(struct command_ctx *ctx, int argc, char **argv, int i,
                   uint64_t *value, struct strbuf *out)
{
    struct expr_value v;
    char why[160];

    if (i >= argc)
        return command_fail(out, "%s: an argument is missing; see `help %s`",
                            argv[0], argv[0]);
    if (!expr_eval(ctx->vm, ctx->sym, argv[i], &v, why, sizeof(why)))
        return command_fail(out, "%s: %s", argv[0], why);
    *value = v.value;
    return true;
}

struct view_ctx command_view_ctx(const struct command_ctx *ctx)
{
    return (struct view_ctx){
        .vm = ctx->vm,
        .dbg = ctx->dbg,
        .sym = ctx->sym,
        .prev = ctx->has_prev ? &ctx->prev : NULL,
        .other = ctx->other,
        .past = ctx->past,
        .utf8 = ctx->utf8,
    };
}

void command_ctx_init(struct command_ctx *ctx, struct vm *vm, struct debug *dbg)
{
    *ctx = (struct command_ctx){
        .vm = vm, .dbg = dbg, .width = DOC_WIDTH, .past = view_past_create()};
}

void command_ctx_leave(struct command_ctx *ctx)
{
    ctx->runs++;
    ctx->has_prev = vm_get_state(ctx->vm, &ctx->prev) == 0;
    view_past_keep(ctx->past, ctx->vm);
}

void command_ctx_fini(struct command_ctx *ctx)
{
    command_free_conditions(ctx);
    command_free_other(ctx);
    view_past_free(ctx->past);
    symbols_free(ctx->sym);
    ctx->sym = NULL;
}

/* ---- finding ------------------------------------------------------------ */

struct found {
    const struct command *command;
    const struct view *view;
    unsigned matches; /* of the prefix; 1 for an exact name */
    char others[128]; /* what it could mean */
};

/* One-letter names that people's fingers know. */
static const struct {
    char key;
    const char *name;
} letters[] = {
    {'s', "step"},     {'n', "next"},  {'f', "finish"}, {'u', "until"},
    {'c', "continue"}, {'b', "break"}, {'d', "delete"}, {'p', "print"},
    {'x', "memory"},   {'q', "quit"},  {'h', "help"},   {'r', "regs"},
};

static void add_match(struct found *f, const char *name)
{
    size_t at = strlen(f->others);

    f->matches++;
    snprintf(f->others + at, sizeof(f->others) - at, "%s%s", at ? ", " : "",
             name);
}

static bool exact(struct found *f, const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, word) == 0 ||
            (commands[i].alias[0] && strcmp(commands[i].alias, word) == 0)) {
            *f = (struct found){.command = &commands[i], .matches = 1};
            return true;
        }
    if (view_find(word)) {
        *f = (struct found){.view = view_find(word), .matches = 1};
        return true;
    }
    return false;
}

static void find(struct found *f, const char *word)
{
    size_t n = strlen(word);
    const struct view *v;

    *f = (struct found){0};
    for (size_t i = 0; n == 1 && i < ARRAY_SIZE(letters); i++)
        if (letters[i].key == word[0])
            word = letters[i].name, n = strlen(word);
    if (exact(f, word))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strncmp(commands[i].name, word, n) == 0) {
            f->command = &commands[i];
            add_match(f, commands[i].name);
        }
    for (size_t i = 0; (v = view_nth(i)); i++)
        if (strncmp(v->name, word, n) == 0) {
            f->view = v;
            add_match(f, v->name);
        }
    if (f->matches == 1 && f->view)
        f->command = NULL;
}

/* ---- running ------------------------------------------------------------ */

static int split(char *line, char **argv)
{
    char *save = NULL;
    int argc = 0;

    for (char *w = strtok_r(line, " \t", &save); w && argc < ARGS_MAX;
         w = strtok_r(NULL, " \t", &save))
        argv[argc++] = w;
    return argc;
}

static bool run_view(struct command_ctx *ctx, const struct view *view, int argc,
                     char **argv, struct strbuf *out)
{
    struct view_ctx vc = command_view_ctx(ctx);
    struct doc doc;
    bool ok;

    doc_init(&doc, view->name);
    ok = view->fn(&vc, argc, argv, &doc);
    doc_write(&doc, ctx->form, ok ? ctx->width : 0, out); /* errors: one line */
    doc_fini(&doc);
    return ok;
}

bool command_run(struct command_ctx *ctx, const char *line, struct strbuf *out)
{
    char copy[LINE_MAX_LEN], *argv[ARGS_MAX + 1] = {NULL};
    char words[LINE_MAX_LEN];
    struct found f;
    int argc;

    while (isspace((unsigned char)*line))
        line++;
    if (!*line)
        line = ctx->last;
    if (strlen(line) >= sizeof(copy))
        return command_fail(out, "the line is longer than %u characters",
                            LINE_MAX_LEN - 1);
    if (gdb_words(line, words, sizeof(words)))
        line = words;
    strcpy(copy, line);
    ctx->rest = line + strcspn(line, " \t");
    ctx->rest += *ctx->rest != '\0'; /* one space; any more are typed */
    argc = split(copy, argv);
    if (argc == 0)
        return true;
    find(&f, argv[0]);
    if (f.matches == 0)
        return command_fail_unknown(out, argv[0]);
    if (f.matches > 1)
        return command_fail(out, "'%s' could be %s", argv[0], f.others);
    argv[0] = (char *)(uintptr_t)(f.view ? f.view->name : f.command->name);
    if (f.view)
        return run_view(ctx, f.view, argc, argv, out);
    return f.command->fn(ctx, argc, argv, out);
}

/* ---- completion --------------------------------------------------------- */

/* The N-th name of a command or view that starts with WORD. */
static const char *complete_name(const char *word, size_t n)
{
    size_t len = strlen(word);
    const struct view *v;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strncmp(commands[i].name, word, len) == 0 && n-- == 0)
            return commands[i].name;
    for (size_t i = 0; (v = view_nth(i)); i++)
        if (strncmp(v->name, word, len) == 0 && n-- == 0)
            return v->name;
    return NULL;
}

/* Words that a command takes, beside what every expression may have. */
static const char *complete_word(const char *command, const char *word,
                                 size_t *n)
{
    static const struct {
        const char *command, *word;
    } rows[] = {
        {"layout", "large"}, {"layout", "medium"}, {"layout", "small"},
        {"layout", "tiny"},  {"layout", "auto"},   {"layout", "save"},
        {"layout", "reset"}, {"layout", "follow"}, {"theme", "dark"},
        {"theme", "light"},  {"theme", "mono"},    {"explain", "fault"},
        {"explain", "insn"}, {"explain", "exit"},
    };
    size_t len = strlen(word);
    const struct explanation *e;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].command, command) == 0 &&
            strncmp(rows[i].word, word, len) == 0 && (*n)-- == 0)
            return rows[i].word;
    for (unsigned c = 0; strcmp(command, "check") == 0 && c < DEBUG_CHECK_COUNT;
         c++) {
        const char *name = debug_check_name((enum debug_check)c);
        if (strncmp(name, word, len) == 0 && (*n)-- == 0)
            return name;
    }
    for (size_t i = 0; strcmp(command, "explain") == 0 && (e = explain_nth(i));
         i++)
        if (word[0] && strncmp(e->word, word, len) == 0 && (*n)-- == 0)
            return e->word;
    return NULL;
}

/* `catch`: first an exit, then for an exception its vector. */
static const char *complete_catch(const char *line, const char *word, size_t n)
{
    static const char exception[] = "catch exception ";
    size_t len = strlen(word);
    const struct explanation *e;
    const char *name;

    if (strcspn(line, " ") + 1 == (size_t)(word - line)) {
        for (size_t i = 0; (name = command_catch_name(i)); i++)
            if (strncmp(name, word, len) == 0 && n-- == 0)
                return name;
    } else if (line + strlen(exception) == word &&
               strncmp(line, exception, strlen(exception)) == 0) {
        for (size_t i = 0; (e = explain_nth(i)); i++)
            if (e->topic == EXPLAIN_VECTOR &&
                strncmp(e->word, word, len) == 0 && n-- == 0)
                return e->word;
    }
    return NULL;
}

static const char *complete_operand(const struct command_ctx *ctx,
                                    const char *word, size_t n)
{
    const char *name;

    for (size_t i = 0; (name = expr_register_name(i)); i++)
        if (word[0] && strncmp(name, word, strlen(word)) == 0 && n-- == 0)
            return name;
    return symbols_complete(ctx->sym, word, n);
}

bool command_complete(struct command_ctx *ctx, const char *line, size_t n,
                      char *buf, size_t len)
{
    const char *word = strrchr(line, ' '), *name = NULL;
    char command[32];

    snprintf(command, sizeof(command), "%.*s", (int)strcspn(line, " "), line);
    if (!word || strcmp(command, "help") == 0)
        name = complete_name(word ? word + 1 : line, n);
    else if (strcmp(command, "catch") == 0)
        name = complete_catch(line, word + 1, n);
    else
        name = complete_word(command, word + 1, &n);
    if (!name && word && strcmp(command, "help") != 0 &&
        strcmp(command, "catch") != 0)
        name = complete_operand(ctx, word + 1, n);
    if (!name)
        return false;
    snprintf(buf, len, "%.*s%s", word ? (int)(word + 1 - line) : 0, line, name);
    return true;
}
