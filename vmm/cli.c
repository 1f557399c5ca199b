/*
 * Parses the command line by the rows of cli.def.  Not here: what the options
 * mean (cli_options.c), help and the man page (cli_help.c).
 */
#include "vmm/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/log.h"
#include "vmm/exit_status.h"

#define G(id) BIT(CLI_GROUP_##id)

const struct cli_command cli_commands[] = {
#define COMMAND(fn, name, operands, min, max, groups, summary)                 \
    {name, operands, min, max, groups, summary, cmd_##fn},
#include "vmm/cli.def"
#undef COMMAND
};
const size_t cli_command_count = ARRAY_SIZE(cli_commands);

const struct cli_option cli_options[] = {
#define OPTION(group, fn, name, letter, value, summary)                        \
    {CLI_GROUP_##group, name, letter, value, summary, opt_##fn},
#include "vmm/cli.def"
#undef OPTION
};
const size_t cli_option_count = ARRAY_SIZE(cli_options);

const char *const cli_group_headings[] = {
#define GROUP(id, heading) [CLI_GROUP_##id] = (heading),
#include "vmm/cli.def"
#undef GROUP
};

const struct cli_command *cli_find_command(const char *name)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].name, name) == 0)
            return &cli_commands[i];
    return NULL;
}

bool cli_takes(const struct cli_command *cmd, const struct cli_option *opt)
{
    return opt->group == CLI_GROUP_COMMON || (cmd->groups & BIT(opt->group));
}

int cli_error(const struct cli *cli, const char *fmt, ...)
{
    char what[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    log_error("%s: %s; see `ringside %s --help`", cli->command->name, what,
              cli->command->name);
    return -EINVAL;
}

/* Edits (insert, delete, replace, swap neighbours) from A to B. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[3][32] = {0};
    size_t la = strlen(a), lb = strlen(b);

    if (la > 30 || lb > 30)
        return 99;
    for (unsigned j = 0; j <= lb; j++)
        row[0][j] = j;
    for (unsigned i = 1; i <= la; i++) {
        unsigned *cur = row[i % 3], *up = row[(i + 2) % 3];
        const unsigned *up2 = row[(i + 1) % 3];

        cur[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (cur[j - 1] + 1 < best)
                best = cur[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            cur[j] = best;
        }
    }
    return row[la % 3][lb];
}

const char *cli_nearest(const char *word, const void *rows, size_t count,
                        size_t stride)
{
    const char *best = NULL;
    unsigned limit = (unsigned)strlen(word) / 3 + 1;

    for (size_t i = 0; i < count; i++) {
        const char *name;
        unsigned d;

        memcpy(&name, (const char *)rows + i * stride, sizeof(name));
        d = edit_distance(word, name);
        if (strlen(word) >= 3 && strncmp(word, name, strlen(word)) == 0)
            d = 1;
        if (d <= limit) {
            limit = d ? d - 1 : 0;
            best = name;
        }
    }
    return best;
}

static int unknown_option(const struct cli *cli, const char *word, size_t len)
{
    const char *names[ARRAY_SIZE(cli_options)];
    size_t n = 0;
    const char *near;
    char name[32];

    for (size_t i = 0; i < cli_option_count; i++)
        if (cli_takes(cli->command, &cli_options[i]))
            names[n++] = cli_options[i].name;
    snprintf(name, sizeof(name), "%.*s", (int)(len < 31 ? len : 31), word);
    near = cli_nearest(name, names, n, sizeof(names[0]));
    if (near)
        return cli_error(cli,
                         "unknown option `--%s` (word %u); did you mean `--%s`",
                         name, cli->arg, near);
    return cli_error(cli, "unknown option `--%s` (word %u)", name, cli->arg);
}

static const struct cli_option *
find_option(const struct cli *cli, const char *name, size_t len, char letter)
{
    for (size_t i = 0; i < cli_option_count; i++) {
        const struct cli_option *opt = &cli_options[i];

        if (!cli_takes(cli->command, opt))
            continue;
        if (letter ? opt->letter == letter
                   : strlen(opt->name) == len &&
                         strncmp(opt->name, name, len) == 0)
            return opt;
    }
    return NULL;
}

/* Applies OPT with VALUE (what came with it, or NULL); may take a word. */
static int apply(struct cli *cli, const struct cli_option *opt, char *value,
                 int argc, char **argv)
{
    bool optional = opt->value && opt->value[0] == '?';

    if (!opt->value && value)
        return cli_error(cli, "option `--%s` takes no value (word %u)",
                         opt->name, cli->arg);
    if (opt->value && !optional && !value) {
        if ((int)cli->arg + 1 >= argc)
            return cli_error(cli, "option `--%s` needs a value: %s", opt->name,
                             opt->value);
        value = argv[++cli->arg];
    }
    return opt->set(cli, value);
}

static int parse_long(struct cli *cli, int argc, char **argv)
{
    char *name = argv[cli->arg] + 2;
    size_t len = strcspn(name, "=");
    const struct cli_option *opt = find_option(cli, name, len, 0);

    if (!opt)
        return unknown_option(cli, name, len);
    return apply(cli, opt, name[len] ? name + len + 1 : NULL, argc, argv);
}

/* -v, -vv, -m 64M, -m64M */
static int parse_short(struct cli *cli, int argc, char **argv)
{
    for (char *p = argv[cli->arg] + 1; *p; p++) {
        const struct cli_option *opt = find_option(cli, NULL, 0, *p);
        int err;

        if (!opt)
            return cli_error(cli, "unknown option `-%c` (word %u)", *p,
                             cli->arg);
        if (opt->value && opt->value[0] != '?')
            return apply(cli, opt, p[1] ? p + 1 : NULL, argc, argv);
        err = apply(cli, opt, NULL, argc, argv);
        if (err)
            return err;
    }
    return 0;
}

static int unknown_command(const char *word)
{
    const char *near = cli_nearest(word, cli_commands, cli_command_count,
                                   sizeof(cli_commands[0]));

    if (near)
        log_error("unknown command `%s`; did you mean `ringside %s`?", word,
                  near);
    else if (access(word, F_OK) == 0)
        log_error("`%s` is a file, not a command; to boot it: ringside run %s",
                  word, word);
    else
        log_error("unknown command `%s`; see `ringside help`", word);
    return EXIT_STATUS_USAGE;
}

static int parse_words(struct cli *cli, int argc, char **argv)
{
    bool only_operands = false;

    for (cli->arg = 2; (int)cli->arg < argc; cli->arg++) {
        char *word = argv[cli->arg];
        int err = 0;

        if (only_operands || word[0] != '-' || !word[1])
            argv[cli->operands++] = word; /* in place: never overtakes */
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (word[1] == '-')
            err = parse_long(cli, argc, argv);
        else
            err = parse_short(cli, argc, argv);
        if (err)
            return err;
    }
    cli->operand = argv;
    return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";

    *cli = (struct cli){0};
    vm_config_init(&cli->vm);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    cli->command = cli_find_command(name);
    if (!cli->command)
        return unknown_command(name);
    if (parse_words(cli, argc, argv))
        return EXIT_STATUS_USAGE;
    if (cli->help)
        return 0;
    if (cli->operands < cli->command->min) {
        cli_error(cli, "%s is missing", cli->command->operands);
        return EXIT_STATUS_USAGE;
    }
    if (cli->operands > cli->command->max) {
        cli_error(cli, "one word too many: `%s`",
                  cli->operand[cli->command->max]);
        return EXIT_STATUS_USAGE;
    }
    return 0;
}

int cli_main(int argc, char **argv)
{
    struct cli cli;
    struct strbuf text;
    int status = cli_parse(&cli, argc, argv);

    if (status)
        return status;
    log_set_level(cli.verbose > 1   ? LOG_DEBUG
                  : cli.verbose > 0 ? LOG_INFO
                                    : LOG_WARN);
    if (cli.help) {
        strbuf_init(&text);
        cli_help_command(&text, cli.command);
        fputs(strbuf_str(&text), stdout);
        strbuf_fini(&text);
        return EXIT_STATUS_OK;
    }
    return cli.command->run(&cli);
}
