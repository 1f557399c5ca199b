/* What each option of cli.def does: from text to struct cli and vm_config. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli.h"
#include "vmm/host/chardev_host.h"

#define MIB (1024ull * 1024)

/* Is TEXT one of the words of the row's VALUE? */
static int one_of(const struct cli *cli, const char *name, const char *text,
                  const char *const words[], size_t count)
{
    const char *near;

    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], text) == 0)
            return (int)i;
    near = cli_nearest(text, words, count, sizeof(words[0]));
    if (near)
        return cli_error(cli, "`--%s %s`: did you mean `%s`", name, text, near);
    return cli_error(cli, "`--%s %s`: not a choice", name, text);
}

int opt_accel(struct cli *cli, char *text)
{
    static const char *const words[] = {"auto", "kvm", "bt"};

    cli->vm.accel = text;
    return one_of(cli, "accel", text, words, ARRAY_SIZE(words)) < 0 ? -EINVAL
                                                                    : 0;
}

/*
 * Digits and perhaps one of K M G (powers of K); UNIT when there is none.
 * False: nonsense.
 */
static bool parse_number(const char *text, uint64_t unit, uint64_t k,
                         uint64_t *out)
{
    const struct {
        char letter;
        uint64_t factor;
    } units[] = {{'K', k}, {'M', k * k}, {'G', k * k * k}};
    char *end;
    uint64_t n;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno)
        return false;
    for (size_t i = 0; *end && i < ARRAY_SIZE(units); i++) {
        if ((*end & ~0x20) == units[i].letter) {
            unit = units[i].factor;
            end++;
            break;
        }
    }
    return !*end && !__builtin_mul_overflow(n, unit, out);
}

int opt_mem(struct cli *cli, char *text)
{
    uint64_t bytes;

    if (!parse_number(text, MIB, 1024, &bytes))
        return cli_error(cli, "`-m %s` is not a size; write 128M or 1G", text);
    if (bytes < MIB || bytes > 3072 * MIB)
        return cli_error(cli, "`-m %s` is out of range: 1M to 3G", text);
    if (bytes % MIB)
        return cli_error(cli, "`-m %s` is not a whole number of MiB", text);
    cli->vm.mem_bytes = bytes;
    return 0;
}

int opt_kernel_args(struct cli *cli, char *text)
{
    cli->vm.kernel_args = text;
    return 0;
}

int opt_initrd(struct cli *cli, char *text)
{
    cli->vm.initrd = text;
    return 0;
}

int opt_disk(struct cli *cli, char *text)
{
    char *comma = strrchr(text, ',');
    struct vm_disk *disk;

    if (cli->disks == VM_DISKS_MAX)
        return cli_error(cli, "`--disk %s`: only four disks fit", text);
    disk = &cli->vm.disk[cli->disks++];
    if (comma && strcmp(comma, ",ro") == 0) {
        disk->readonly = true;
        *comma = '\0';
    }
    disk->path = text;
    if (!*text)
        return cli_error(cli, "`--disk` needs a file name");
    return 0;
}

int opt_irqchip(struct cli *cli, char *text)
{
    static const char *const words[] = {"user", "kernel"};
    int i = one_of(cli, "irqchip", text, words, ARRAY_SIZE(words));

    if (i < 0)
        return i;
    cli->vm.accel_options.irqchip_kernel = i == 1;
    return 0;
}

int opt_realtime(struct cli *cli, char *text)
{
    (void)text;
    cli->vm.realtime = true;
    return 0;
}

int opt_serial(struct cli *cli, char *text)
{
    if (cli->serials == VM_SERIALS_MAX)
        return cli_error(cli, "`--serial %s`: only COM1 and COM2 are there",
                         text);
    if (!chardev_spec_valid(text))
        return cli_error(cli,
                         "`--serial %s`: not stdio, pty, unix:PATH, file:PATH "
                         "or null",
                         text);
    cli->vm.serial[cli->serials++] = text;
    return 0;
}

int opt_display(struct cli *cli, char *text)
{
    static const char *const words[] = {"none", "text"};
    int i = one_of(cli, "display", text, words, ARRAY_SIZE(words));

    if (i < 0)
        return i;
    cli->vm.text_display = i == 1;
    return 0;
}

int opt_max_insns(struct cli *cli, char *text)
{
    uint64_t n;

    if (!parse_number(text, 1, 1000, &n) || n == 0)
        return cli_error(cli, "`--max-insns %s` is not a count", text);
    cli->vm.max_insns = n;
    return 0;
}

int opt_exit_ns(struct cli *cli, char *text)
{
    uint64_t n;

    if (!parse_number(text, 1, 1000, &n) || n == 0)
        return cli_error(cli, "`--exit-ns %s` is not a number of nanoseconds",
                         text);
    cli->vm.exit_ns = n;
    return 0;
}

int opt_timeout(struct cli *cli, char *text)
{
    char *end;
    double s = strtod(text, &end);

    if (end == text || *end || !isfinite(s) || s <= 0 || s > 1e9)
        return cli_error(cli, "`--timeout %s` is not a number of seconds",
                         text);
    cli->vm.timeout_s = s;
    return 0;
}

int opt_no_reboot(struct cli *cli, char *text)
{
    (void)text;
    cli->vm.no_reboot = true;
    return 0;
}

int opt_stats(struct cli *cli, char *text)
{
    if (text && strcmp(text, "json") != 0)
        return cli_error(cli, "`--stats=%s`: only json is known", text);
    cli->stats = text ? CLI_STATS_JSON : CLI_STATS_TEXT;
    return 0;
}

int opt_digest(struct cli *cli, char *text)
{
    (void)text;
    cli->digest = true;
    return 0;
}

int opt_report(struct cli *cli, char *text)
{
    cli->report = text;
    return 0;
}

int opt_json(struct cli *cli, char *text)
{
    (void)text;
    cli->json = true;
    cli->svg = false;
    return 0;
}

int opt_text(struct cli *cli, char *text)
{
    (void)text;
    cli->json = cli->svg = false;
    return 0;
}

int opt_svg(struct cli *cli, char *text)
{
    (void)text;
    cli->json = false;
    cli->svg = true;
    return 0;
}

int opt_verbose(struct cli *cli, char *text)
{
    (void)text;
    cli->verbose++;
    return 0;
}

int opt_help(struct cli *cli, char *text)
{
    (void)text;
    cli->help = true;
    return 0;
}
