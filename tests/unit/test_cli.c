/* The command line: every option, and what is said of nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/cli.h"
#include "vmm/exit_status.h"

/* Parses a line of words; keeps what was logged in LOGGED. */
static char line[512], logged[1024];
static char *words[64];

static int parse(struct cli *cli, const char *text)
{
    FILE *f = tmpfile();
    int argc = 0, saved = dup(STDERR_FILENO), status;
    size_t n;

    assert_non_null(f);
    snprintf(line, sizeof(line), "%s", text);
    for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
        words[argc++] = w;
    words[argc] = NULL;
    fflush(stderr);
    dup2(fileno(f), STDERR_FILENO);
    status = cli_parse(cli, argc, words);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(f);
    n = fread(logged, 1, sizeof(logged) - 1, f);
    logged[n] = '\0';
    fclose(f);
    return status;
}

static void run_takes_every_option(void **state)
{
    struct cli cli;

    (void)state;
    assert_int_equal(
        parse(&cli,
              "ringside run --accel bt -m 64M --kernel-args quiet "
              "--initrd i.gz --disk a.img --disk=b.img,ro --serial null "
              "--serial file:/tmp/x --display text --stats=json "
              "--digest --max-insns 5M --timeout 1.5 --no-reboot "
              "--irqchip kernel --realtime -vv --report r.json guest.elf"),
        0);
    assert_string_equal(cli.vm.accel, "bt");
    assert_int_equal(cli.vm.mem_bytes, 64 << 20);
    assert_string_equal(cli.vm.kernel_args, "quiet");
    assert_string_equal(cli.vm.initrd, "i.gz");
    assert_string_equal(cli.vm.disk[0].path, "a.img");
    assert_false(cli.vm.disk[0].readonly);
    assert_string_equal(cli.vm.disk[1].path, "b.img");
    assert_true(cli.vm.disk[1].readonly);
    assert_string_equal(cli.vm.serial[0], "null");
    assert_string_equal(cli.vm.serial[1], "file:/tmp/x");
    assert_true(cli.vm.text_display);
    assert_int_equal(cli.stats, CLI_STATS_JSON);
    assert_true(cli.digest);
    assert_int_equal(cli.vm.max_insns, 5000000);
    assert_true(cli.vm.timeout_s > 1.4 && cli.vm.timeout_s < 1.6);
    assert_true(cli.vm.no_reboot);
    assert_true(cli.vm.accel_options.irqchip_kernel);
    assert_true(cli.vm.realtime);
    assert_int_equal(cli.verbose, 2);
    assert_string_equal(cli.report, "r.json");
    assert_int_equal(cli.operands, 1);
    assert_string_equal(cli.operand[0], "guest.elf");
}

static void options_may_follow_operands(void **state)
{
    struct cli cli;

    (void)state;
    assert_int_equal(parse(&cli, "ringside run g.elf -m1G --stats"), 0);
    assert_int_equal(cli.vm.mem_bytes, 1024u << 20);
    assert_int_equal(cli.stats, CLI_STATS_TEXT);
    assert_string_equal(cli.operand[0], "g.elf");
    assert_int_equal(parse(&cli, "ringside run -- --stats"), 0);
    assert_string_equal(cli.operand[0], "--stats");
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t mib; /* 0: refused */
    } rows[] = {{"1", 1},
                {"128", 128},
                {"64M", 64},
                {"64m", 64},
                {"1G", 1024},
                {"3G", 3072},
                {"65536K", 64},
                {"4G", 0},
                {"0", 0},
                {"1500K", 0},
                {"-5", 0},
                {"5T", 0},
                {"x", 0},
                {"64MB", 0},
                {"1e3", 0},
                {"99999999999G", 0},
                {"18446744073709551616", 0}};
    struct cli cli;
    char text[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        snprintf(text, sizeof(text), "ringside run -m %s g", rows[i].text);
        assert_int_equal(parse(&cli, text),
                         rows[i].mib ? 0 : EXIT_STATUS_USAGE);
        if (rows[i].mib)
            assert_int_equal(cli.vm.mem_bytes, rows[i].mib << 20);
        else
            assert_non_null(strstr(logged, "-m "));
    }
}

static void nonsense_gets_one_helpful_line(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"ringside rnu x", "did you mean `ringside run`"},
        {"ringside /bin/sh", "is a file, not a command"},
        {"ringside run --acel bt x", "did you mean `--accel`"},
        {"ringside run --display txt x", "did you mean `text`"},
        {"ringside run --zzz x", "unknown option `--zzz` (word 2)"},
        {"ringside run -q x", "unknown option `-q`"},
        {"ringside run --disk", "needs a value: FILE[,ro]"},
        {"ringside run --digest=5 x", "takes no value"},
        {"ringside run --stats=xml x", "only json"},
        {"ringside run --serial tcp:5 x", "not stdio, pty"},
        {"ringside run --timeout soon x", "not a number of seconds"},
        {"ringside run --timeout nan x", "not a number of seconds"},
        {"ringside run --max-insns 0 x", "not a count"},
        {"ringside run a b", "one word too many: `b`"},
        {"ringside doctor --accel bt", "unknown option `--accel`"},
        {"ringside run --disk 1 --disk 2 --disk 3 --disk 4 --disk 5 x",
         "only four disks"},
        {"ringside run --serial null --serial null --serial null x",
         "only COM1 and COM2"},
    };
    struct cli cli;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(parse(&cli, rows[i].text), EXIT_STATUS_USAGE);
        if (!strstr(logged, rows[i].says))
            fail_msg("`%s` says: %s", rows[i].text, logged);
        assert_ptr_equal(strchr(logged, '\n'), logged + strlen(logged) - 1);
    }
}

static void help_fits_80_columns(void **state)
{
    struct strbuf text;

    (void)state;
    strbuf_init(&text);
    cli_help_all(&text);
    for (size_t i = 0; i < cli_command_count; i++)
        cli_help_command(&text, &cli_commands[i]);
    for (const char *p = strbuf_str(&text); *p; p += strcspn(p, "\n") + 1)
        assert_true(strcspn(p, "\n") < 80);
    strbuf_fini(&text);
}

static void every_row_is_documented(void **state)
{
    struct strbuf man, bash;
    char want[64];

    (void)state;
    strbuf_init(&man);
    strbuf_init(&bash);
    cli_man_page(&man);
    cli_completion(&bash);
    for (size_t i = 0; i < cli_option_count; i++) {
        snprintf(want, sizeof(want), "--%s", cli_options[i].name);
        assert_non_null(strstr(strbuf_str(&bash), want));
    }
    for (size_t i = 0; i < cli_command_count; i++)
        assert_non_null(strstr(strbuf_str(&bash), cli_commands[i].name));
    assert_non_null(strstr(strbuf_str(&man), "\\-\\-accel auto|kvm|bt"));
    assert_non_null(strstr(strbuf_str(&man), ".SH EXIT STATUS"));
    strbuf_fini(&man);
    strbuf_fini(&bash);
}

static void no_two_options_clash(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_option_count; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(cli_options[i].name, cli_options[j].name);
            assert_true(!cli_options[i].letter ||
                        cli_options[i].letter != cli_options[j].letter);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_takes_every_option),
        cmocka_unit_test(options_may_follow_operands),
        cmocka_unit_test(sizes),
        cmocka_unit_test(nonsense_gets_one_helpful_line),
        cmocka_unit_test(help_fits_80_columns),
        cmocka_unit_test(every_row_is_documented),
        cmocka_unit_test(no_two_options_clash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
