/*
 * The command line: what was asked for, parsed by the rows of cli.def.
 * Everything is borrowed from argv, which outlives it.
 */
#ifndef VMM_CLI_H
#define VMM_CLI_H
#include "vmm/vm.h"

#define RINGSIDE_VERSION "0.1"

enum cli_group {
#define GROUP(id, heading) CLI_GROUP_##id,
#include "vmm/cli.def"
#undef GROUP
    CLI_GROUP_COUNT
};

enum cli_stats { CLI_STATS_NONE, CLI_STATS_TEXT, CLI_STATS_JSON };

struct cli {
    const struct cli_command *command;
    struct vm_config vm; /* vm.guest: the first operand of run */
    char **operand;      /* the words that are no options */
    unsigned operands;
    unsigned arg; /* index in argv of the word being parsed */
    unsigned disks, serials;
    unsigned verbose;
    enum cli_stats stats;
    const char *report; /* path, or NULL: standard output */
    bool digest;
    bool json;
    bool svg; /* view: neither is text */
    bool repl;
    const char *keys, *record;   /* paths, or NULL */
    unsigned screen_w, screen_h; /* 0: 80x24 */
    const char *symbols[8];      /* paths; none: the guest */
    unsigned symbol_files;
    const char *check[8]; /* names of runtime checks */
    unsigned checks;
    const char *layout, *theme; /* path and name, or NULL */
    bool ascii;
    const char *stats_with; /* path, or NULL */
    const char *stop_at;    /* expression, or NULL */
    const char *gdb;        /* where gdb is let in, or NULL */
    bool gdb_wait;          /* -S */
    bool help;
    bool at_terminal; /* a person types at the guest, here */
};

struct cli_command {
    const char *name;
    const char *operands; /* as shown, or NULL */
    unsigned min, max;    /* operands */
    unsigned groups;      /* BIT(enum cli_group) */
    const char *summary;
    int (*run)(struct cli *cli);
};

struct cli_option {
    enum cli_group group;
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    const char *value;
    const char *summary;
    int (*set)(struct cli *cli, char *value); /* of argv: may be cut */
};

#define COMMAND(fn, name, operands, min, max, groups, summary)                 \
    int cmd_##fn(struct cli *cli);
#define OPTION(group, fn, name, letter, value, summary)                        \
    int opt_##fn(struct cli *cli, char *text);
#include "vmm/cli.def"
#undef COMMAND
#undef OPTION

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;
extern const struct cli_option cli_options[];
extern const size_t cli_option_count;
extern const char *const cli_group_headings[CLI_GROUP_COUNT];

const struct cli_command *cli_find_command(const char *name);
bool cli_takes(const struct cli_command *cmd, const struct cli_option *opt);

/* 0, or EXIT_STATUS_USAGE with one logged line. */
int cli_parse(struct cli *cli, int argc, char **argv);
/* The whole program: parses and runs; the exit status. */
int cli_main(int argc, char **argv);
/* Logs "COMMAND: FMT; see 'ringside COMMAND --help'".  Returns -EINVAL. */
int cli_error(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The row of WORDS (COUNT rows, STRIDE bytes apart, each beginning with a
 * const char *) that WORD was probably meant to be, or NULL. */
const char *cli_nearest(const char *word, const void *rows, size_t count,
                        size_t stride);

/* cli_help.c: the tables as text. */
void cli_help_all(struct strbuf *out);
void cli_help_command(struct strbuf *out, const struct cli_command *cmd);
void cli_man_page(struct strbuf *out);
void cli_completion(struct strbuf *out);
void cli_options_md(struct strbuf *out);
void cli_exit_status_md(struct strbuf *out);
#endif
