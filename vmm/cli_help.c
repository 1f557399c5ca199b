/* The rows of cli.def as text: --help, the man page, completion, notes. */
#include <stdio.h>
#include <string.h>

#include "vmm/cli.h"
#include "vmm/exit_status.h"

static const struct {
    int number;
    const char *meaning;
} statuses[] = {
#define STATUS(id, number, meaning) {number, meaning},
#include "vmm/exit_status.def"
#undef STATUS
};

static const char guest_status[] =
    "odd: the guest wrote VALUE to the debug-exit port 0xf4; the status is "
    "(VALUE << 1) | 1";

static const struct {
    const char *key, *meaning;
} terminal_keys[] = {
    {"Ctrl-A x", "leave the monitor"},
    {"Ctrl-A h", "say what the Ctrl-A keys do"},
    {"Ctrl-A Ctrl-A", "send Ctrl-A to the guest"},
};

static const struct {
    const char *command, *meaning;
} examples[] = {
    {"ringside run --initrd initrd.gz --kernel-args console=ttyS0 vmlinuz",
     "A Linux kernel; its console is this terminal."},
    {"ringside run --stats --accel bt kernel.elf",
     "A multiboot kernel under the translator, then a histogram of its exits."},
    {"ringside run --display text --disk xv6.img --disk fs.img",
     "A boot disk and a second disk; the VGA text screen is drawn here."},
    {"ringside debug build/guests/teach.elf",
     "The debugger's screen, on the teaching kernel that `make guests` built."},
    {"ringside doctor", "Can this host run KVM, and what is faster here?"},
};

static void option_usage(const struct cli_option *opt, char *buf, size_t len)
{
    char letter[8] = "";

    if (opt->letter)
        snprintf(letter, sizeof(letter), "-%c, ", opt->letter);
    if (!opt->value)
        snprintf(buf, len, "%s--%s", letter, opt->name);
    else if (opt->value[0] == '?')
        snprintf(buf, len, "%s--%s[=%s]", letter, opt->name, opt->value + 1);
    else
        snprintf(buf, len, "%s--%s %s", letter, opt->name, opt->value);
}

static void help_option(struct strbuf *out, const struct cli_option *opt)
{
    char usage[96];

    option_usage(opt, usage, sizeof(usage));
    if (strlen(usage) > 22)
        strbuf_printf(out, "  %s\n%26s", usage, "");
    else
        strbuf_printf(out, "  %-24s", usage);
    strbuf_wrap(out, opt->summary, 26, 79);
}

static void help_statuses(struct strbuf *out)
{
    strbuf_puts(out, "\nExit status:\n");
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        strbuf_printf(out, "  %3d  ", statuses[i].number);
        strbuf_wrap(out, statuses[i].meaning, 7, 79);
    }
    strbuf_puts(out, "       ");
    strbuf_wrap(out, guest_status, 7, 79);
}

void cli_help_command(struct strbuf *out, const struct cli_command *cmd)
{
    strbuf_printf(out, "Usage: ringside %s [options]%s%s\n\n", cmd->name,
                  cmd->operands ? " " : "", cmd->operands ? cmd->operands : "");
    strbuf_wrap(out, cmd->summary, 0, 79);
    for (unsigned g = 0; g < CLI_GROUP_COUNT; g++) {
        if (g != CLI_GROUP_COMMON && !(cmd->groups & BIT(g)))
            continue;
        strbuf_printf(out, "\n%s:\n", cli_group_headings[g]);
        for (size_t i = 0; i < cli_option_count; i++)
            if (cli_options[i].group == g)
                help_option(out, &cli_options[i]);
    }
    if (!(cmd->groups & BIT(CLI_GROUP_CONSOLE)))
        return;
    strbuf_puts(out, "\nKeys, when a serial line or the screen is here:\n");
    for (size_t i = 0; i < ARRAY_SIZE(terminal_keys); i++)
        strbuf_printf(out, "  %-24s%s\n", terminal_keys[i].key,
                      terminal_keys[i].meaning);
    help_statuses(out);
}

void cli_help_all(struct strbuf *out)
{
    strbuf_puts(out, "Ringside " RINGSIDE_VERSION
                     ": a virtual machine monitor to learn from.\n\n"
                     "Usage: ringside COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *cmd = &cli_commands[i];
        char usage[64];

        snprintf(usage, sizeof(usage), "%s%s%s", cmd->name,
                 cmd->operands ? " " : "", cmd->operands ? cmd->operands : "");
        strbuf_printf(out, "  %-29s ", usage);
        strbuf_wrap(out, cmd->summary, 32, 79);
    }
    strbuf_puts(out, "\nExamples:\n");
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++)
        strbuf_printf(out, "  %s\n", examples[i].command);
    strbuf_puts(out, "\n`ringside COMMAND --help` explains a command.\n");
}

/* ---- the man page ------------------------------------------------------- */

/* TEXT with what roff would take for its own escaped. */
static void roff(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '-')
            strbuf_putc(out, '\\');
        strbuf_putc(out, *text);
    }
}

static void man_item(struct strbuf *out, const char *tag, const char *text)
{
    strbuf_puts(out, ".TP\n.B ");
    roff(out, tag);
    strbuf_putc(out, '\n');
    roff(out, text);
    strbuf_puts(out, "\n");
}

static void man_commands(struct strbuf *out)
{
    strbuf_puts(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *cmd = &cli_commands[i];
        char tag[64];

        snprintf(tag, sizeof(tag), "%s%s%s", cmd->name,
                 cmd->operands ? " " : "", cmd->operands ? cmd->operands : "");
        man_item(out, tag, cmd->summary);
    }
}

static void man_options(struct strbuf *out)
{
    char usage[96];

    strbuf_puts(out, ".SH OPTIONS\n");
    for (unsigned g = 0; g < CLI_GROUP_COUNT; g++) {
        strbuf_puts(out, ".SS ");
        roff(out, cli_group_headings[g]);
        strbuf_puts(out, "\nTaken by:");
        for (size_t i = 0; i < cli_command_count; i++) {
            if (g != CLI_GROUP_COMMON && !(cli_commands[i].groups & BIT(g)))
                continue;
            strbuf_putc(out, ' ');
            roff(out, g == CLI_GROUP_COMMON ? "all" : cli_commands[i].name);
            if (g == CLI_GROUP_COMMON)
                break;
        }
        strbuf_puts(out, ".\n");
        for (size_t i = 0; i < cli_option_count; i++) {
            if (cli_options[i].group != g)
                continue;
            option_usage(&cli_options[i], usage, sizeof(usage));
            man_item(out, usage, cli_options[i].summary);
        }
    }
}

void cli_man_page(struct strbuf *out)
{
    char number[16];

    strbuf_puts(out,
                ".TH RINGSIDE 1 \"\" \"Ringside " RINGSIDE_VERSION "\"\n"
                ".SH NAME\nringside \\- a virtual machine monitor to learn "
                "from\n.SH SYNOPSIS\n.B ringside\n.I COMMAND\n"
                "[\\fIoptions\\fR] [\\fIoperands\\fR]\n.SH DESCRIPTION\n"
                "Ringside runs real x86 guests and shows why every exit to "
                "the monitor happened.\nTwo accelerators run the same PC: "
                "KVM, and a translator (bt) that needs no hardware help and "
                "is deterministic.\nGuests are recognised by content: Linux "
                "bzImage, multiboot, ELF, boot sector, else flat code at "
                "0x7c00.\n");
    man_commands(out);
    man_options(out);
    strbuf_puts(out, ".SH KEYS\n");
    for (size_t i = 0; i < ARRAY_SIZE(terminal_keys); i++)
        man_item(out, terminal_keys[i].key, terminal_keys[i].meaning);
    strbuf_puts(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        snprintf(number, sizeof(number), "%d", statuses[i].number);
        man_item(out, number, statuses[i].meaning);
    }
    man_item(out, "odd", strchr(guest_status, ' ') + 1);
    strbuf_puts(out, ".SH EXAMPLES\n");
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++)
        man_item(out, examples[i].command, examples[i].meaning);
}

/* ---- bash completion ---------------------------------------------------- */

/* The lower-case words of VALUE ("auto|kvm|bt", "stdio|unix:PATH"). */
static void completion_words(struct strbuf *out, const char *value)
{
    value += value[0] == '?';
    while (*value) {
        size_t len = strcspn(value, "|");
        size_t fixed = strspn(value, "abcdefghijklmnopqrstuvwxyz:");

        strbuf_add(out, value, fixed < len ? fixed : len);
        strbuf_putc(out, ' ');
        value += len + (value[len] == '|');
    }
}

static void completion_values(struct strbuf *out)
{
    for (size_t i = 0; i < cli_option_count; i++) {
        const struct cli_option *opt = &cli_options[i];

        if (!opt->value)
            continue;
        strbuf_printf(out, "        --%s=", opt->name);
        if (opt->value[0] != '?')
            strbuf_printf(out, "|--%s", opt->name);
        if (opt->letter)
            strbuf_printf(out, "|-%c", opt->letter);
        strbuf_puts(out, ") ");
        if (strncmp(opt->value, "FILE", 4) == 0) {
            strbuf_puts(out, "compopt -o default; COMPREPLY=()");
        } else {
            strbuf_puts(out, "COMPREPLY=($(compgen -W \"");
            completion_words(out, opt->value);
            strbuf_puts(out, "\" -- \"$cur\"))");
        }
        strbuf_puts(out, "; return ;;\n");
    }
}

/* The first operand of those commands whose operand is one of a few words. */
static void completion_operands(struct strbuf *out)
{
    strbuf_puts(out, "    case $COMP_CWORD${COMP_WORDS[1]} in\n"
                     "        2help) words=\"$commands\" ;;\n"
                     "        2view) words=\""
#define VIEW(name, arguments, summary) #name " "
#include "vmm/view/view.def"
#undef VIEW
                     "\" ;;\n"
                     "    esac\n");
}

static void completion_options(struct strbuf *out)
{
    strbuf_puts(out, "        case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        strbuf_printf(out, "            %s) words=\"", cli_commands[i].name);
        for (size_t j = 0; j < cli_option_count; j++)
            if (cli_takes(&cli_commands[i], &cli_options[j]))
                strbuf_printf(out, "--%s ", cli_options[j].name);
        strbuf_puts(out, "\" ;;\n");
    }
    strbuf_puts(out, "        esac\n");
}

/*
 * Bash cuts words at `=`: at --accel=k the word is `k`, and the one before it
 * `=`.  An option whose value may be left out has one only behind a `=`.
 */
void cli_completion(struct strbuf *out)
{
    strbuf_puts(out, "# bash completion for ringside; made from cli.def\n"
                     "# shellcheck shell=bash disable=SC2207\n"
                     "_ringside()\n{\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
                     "    local prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                     "    local commands=\"");
    for (size_t i = 0; i < cli_command_count; i++)
        strbuf_printf(out, "%s ", cli_commands[i].name);
    strbuf_puts(out,
                "\"\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))\n"
                "        return\n    fi\n"
                "    if [ \"$cur\" = = ]; then\n"
                "        cur='' prev=$prev=\n"
                "    elif [ \"$prev\" = = ]; then\n"
                "        prev=${COMP_WORDS[COMP_CWORD-2]}=\n"
                "    fi\n"
                "    case $prev in\n");
    completion_values(out);
    strbuf_puts(out, "    esac\n");
    completion_operands(out);
    strbuf_puts(out, "    if [[ $cur == -* ]]; then\n");
    completion_options(out);
    strbuf_puts(out,
                "    fi\n"
                "    if [ -n \"$words\" ]; then\n"
                "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                "    else\n        compopt -o default\n        "
                "COMPREPLY=()\n    fi\n}\n"
                "complete -F _ringside ringside\n");
}

/* ---- course notes ------------------------------------------------------- */

void cli_options_md(struct strbuf *out)
{
    char usage[96];

    strbuf_puts(out, "# Commands and options\n\nMade from `vmm/cli.def`.\n\n"
                     "| command | does |\n|---|---|\n");
    for (size_t i = 0; i < cli_command_count; i++)
        strbuf_printf(out, "| `ringside %s` | %s |\n", cli_commands[i].name,
                      cli_commands[i].summary);
    strbuf_puts(out, "\n| option | means |\n|---|---|\n");
    for (size_t i = 0; i < cli_option_count; i++) {
        option_usage(&cli_options[i], usage, sizeof(usage));
        strbuf_puts(out, "| `");
        for (const char *p = usage; *p; p++)
            strbuf_printf(out, "%s%c", *p == '|' ? "\\" : "", *p);
        strbuf_printf(out, "` | %s |\n", cli_options[i].summary);
    }
}

void cli_exit_status_md(struct strbuf *out)
{
    strbuf_puts(out, "# Exit statuses\n\nMade from `vmm/exit_status.def`.\n\n"
                     "| status | meaning |\n|---|---|\n");
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
        strbuf_printf(out, "| %d | %s |\n", statuses[i].number,
                      statuses[i].meaning);
    strbuf_printf(out, "| odd | %s |\n", strchr(guest_status, ' ') + 1);
}

/* ---- the commands ------------------------------------------------------- */

int cmd_help(struct cli *cli)
{
    struct strbuf text;
    int status = EXIT_STATUS_OK;

    strbuf_init(&text);
    if (cli->operands) {
        const struct cli_command *cmd = cli_find_command(cli->operand[0]);

        if (cmd) {
            cli_help_command(&text, cmd);
        } else {
            cli_error(cli, "no command is called `%s`", cli->operand[0]);
            status = EXIT_STATUS_USAGE;
        }
    } else {
        cli_help_all(&text);
    }
    fputs(strbuf_str(&text), stdout);
    strbuf_fini(&text);
    return status;
}

int cmd_version(struct cli *cli)
{
    (void)cli;
    puts("ringside " RINGSIDE_VERSION);
    return EXIT_STATUS_OK;
}
