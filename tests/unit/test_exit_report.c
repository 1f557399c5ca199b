/* Exit statistics as text and JSON: columns, widths, and there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/exit_report.h"

static struct exit_stats stats;
static struct exit_report report;
static const struct exit_style plain = {0}, rich = {true, true};

static void add(enum vm_exit_kind kind, uint64_t rip, uint16_t port, bool out,
                uint64_t ns, unsigned times)
{
    struct vm_exit e = {.kind = kind, .rip = rip};

    if (kind == VM_EXIT_PIO) {
        e.u.pio.port = port;
        e.u.pio.out = out;
    } else if (kind == VM_EXIT_EXCEPTION) {
        e.u.exception.vector = (uint8_t)port;
    }
    while (times--)
        exit_stats_add(&stats, &e, ns);
}

static int setup(void **state)
{
    (void)state;
    exit_stats_reset(&stats);
    add(VM_EXIT_PIO, 0xc0101234, 0x3f8, true, 300, 900);
    add(VM_EXIT_PIO, 0xc0101234, 0x3f8, true, 5000, 99);
    add(VM_EXIT_PIO, 0xc0101300, 0x3fd, false, 250, 1500);
    add(VM_EXIT_PIO, 0xc0101400, 0x3fd, false, 250, 1);
    add(VM_EXIT_EXCEPTION, 0x08048000, 14, false, 1700, 400);
    add(VM_EXIT_HLT, 0xc0100010, 0, false, 4100000, 20);
    add(VM_EXIT_IRET, 0xc0100999, 0, false, 90, 420);
    report = (struct exit_report){
        .accel = "bt",
        .guest = "teach.elf",
        .stop = "the guest powered off",
        .wall_ns = 1250000000,
        .insns = 98765432,
        .stats = &stats,
        .kernels = 3,
        .kernel = {{"exits", 1234567}, {"irq_exits", 12}, {"nmi_exits", 0}},
        .inlines = 1,
        .inlined = {{"CLI", 1234}},
    };
    return 0;
}

static unsigned columns(const char *line, size_t len)
{
    unsigned n = 0;

    for (size_t i = 0; i < len; i++)
        n += (line[i] & 0xc0) != 0x80;
    return n;
}

static void assert_fits(const char *text)
{
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n");

        if (columns(p, len) > 80)
            fail_msg("over 80 columns: %.*s", (int)len, p);
        p += len + (p[len] == '\n');
    }
}

static void assert_text(const struct strbuf *got, const char *want)
{
    if (strcmp(strbuf_str(got), want) == 0)
        return;
    fprintf(stderr, "---- got:\n%s---- want:\n%s----\n", strbuf_str(got), want);
    fail();
}

static void numbers(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } times[] = {{0, "0ns"},         {999, "999ns"},
                 {1000, "1.0us"},    {9999, "9.9us"},
                 {12345, "12us"},    {999999, "999us"},
                 {1000000, "1.0ms"}, {59000000000, "59s"},
                 {1e15, ">2.7h"},    {9999ull * 1000000000, "9999s"}};
    static const struct {
        uint64_t n;
        unsigned width;
        const char *text;
    } counts[] = {{0, 9, "0"},
                  {1234567, 9, "1,234,567"},
                  {12345678, 9, "12.3M"},
                  {999999, 7, "999,999"},
                  {UINT64_MAX, 7, "18.4E"},
                  {999960, 6, "1.0M"}};
    static const struct {
        uint64_t part, whole;
        const char *text;
    } shares[] = {{0, 0, "-"},     {0, 5, "0.0%"},       {5, 5, "100%"},
                  {1, 3, "33.3%"}, {1, 100000, "<0.1%"}, {9999, 10000, "100%"}};
    char buf[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        exit_format_ns(buf, times[i].ns);
        assert_string_equal(buf, times[i].text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        exit_format_count(buf, counts[i].n, counts[i].width);
        assert_string_equal(buf, counts[i].text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
        exit_format_share(buf, shares[i].part, shares[i].whole);
        assert_string_equal(buf, shares[i].text);
    }
}

static void bars_have_their_width(void **state)
{
    struct strbuf sb;

    (void)state;
    strbuf_init(&sb);
    for (uint64_t i = 0; i <= 100; i++) {
        strbuf_reset(&sb);
        exit_format_bar(&sb, i, 100, 5, &rich);
        assert_int_equal(columns(strbuf_str(&sb), sb.len), 5);
        strbuf_reset(&sb);
        exit_format_bar(&sb, i, 100, 5, &plain);
        assert_int_equal(sb.len, 5);
        assert_true(i == 0 || sb.text[0] == '#');
    }
    strbuf_fini(&sb);
}

static void every_class_has_a_letter(void **state)
{
    (void)state;
    for (unsigned k = 0; k < VM_EXIT_COUNT; k++)
        assert_int_not_equal(
            exit_class_letter(vm_exit_class((enum vm_exit_kind)k)), '?');
}

/* clang-format off */
static const char want_text[] =
    "Exits of teach.elf under bt\n"
    "3,340 exits in 1.250 s, 2,672 a second; 98.8M instructions, 29,570 to an exit\n"
    "In the monitor: 0.084 s, 6.7% of the time\n"
    "Ended: the guest powered off (status 0)\n"
    "\n"
    "Exit                 C SDM   Samples  Smp%  Time%          Min   Max   Avg Times\n"
    "port I/O             V  30     2,500 74.9%  1.4% #     250ns 5.0us 456ns #= _\n"
    "IRET                 P   -       420 12.6% <0.1% #      90ns  90ns  90ns #\n"
    "exception            F   0       400 12.0%  0.8% #     1.7us 1.7us 1.7us   #\n"
    "HLT                  Z  12        20  0.6% 97.8% ##### 4.1ms 4.1ms 4.1ms       #\n"
    "SDM: basic exit reason (vol. 3D, app. C).  Times: each cell four times the last,\n"
    "from under 256 ns to over 262 us.  C, the class:\n"
    "  V  virtualised resource             2,500 74.9%  1.4% #\n"
    "  P  protecting the hardware            420 12.6% <0.1% #\n"
    "  F  fault                              400 12.0%  0.8% #\n"
    "  Z  idle guest                          20  0.6% 97.8% #####\n"
    "\n"
    "Exit                 What                              Samples  Smp% Time%   Avg\n"
    "port I/O             port 0x3fd in                     1,501 44.9%  0.4% 250ns\n"
    "port I/O             port 0x3f8 out                      999 29.9%  0.9% 765ns\n"
    "IRET                 -                                   420 12.6% <0.1%  90ns\n"
    "... and 2 more\n"
    "\n"
    "Rip        Exit              What                     Samples  Smp% Time%   Avg\n"
    "0xc0101300 port I/O          port 0x3fd in            1,500 44.9%  0.4% 250ns\n"
    "0xc0101234 port I/O          port 0x3f8 out             999 29.9%  0.9% 765ns\n"
    "0xc0100999 IRET              -                          420 12.6% <0.1%  90ns\n"
    "... and 3 more\n"
    "\n"
    "Sensitive instructions done in translated code: no exit\n"
    "CLI                              1,234\n"
    "\n"
    "Handled inside the host's kernel by KVM (its counters)\n"
    "exits                        1,234,567  irq_exits                           12\n"
    "nmi_exits                            0\n";
/* clang-format on */

static void text_is_this(void **state)
{
    struct strbuf sb;

    (void)state;
    strbuf_init(&sb);
    exit_report_text(&sb, &report, 3, &plain);
    assert_fits(strbuf_str(&sb));
    assert_text(&sb, want_text);
    strbuf_reset(&sb);
    add(VM_EXIT_PIO, 0xffffffff81000000, 0x3f8, true, 300, 1);
    exit_report_text(&sb, &report, 100, &(struct exit_style){.utf8 = true});
    assert_fits(strbuf_str(&sb));
    strbuf_fini(&sb);
}

/* clang-format off */
static const char want_compare[] =
    "                         bt: teach.elf               kvm: teach.elf\n"
    "exits                        3,340                       2,520\n"
    "time                       1.250 s                     0.400 s\n"
    "  of it in the monitor     0.084 s  6.7%               0.083 s 20.8%\n"
    "instructions                 98.8M                   not known\n"
    "\n"
    "Exit                 SDM     Count   Avg Time%           Count   Avg Time%\n"
    "port I/O              30     2,500 456ns  1.4% #         2,500 456ns  1.4% #\n"
    "IRET                   -       420  90ns <0.1% #             -\n"
    "exception              0       400 1.7us  0.8% #             -\n"
    "HLT                   12        20 4.1ms 97.8% #####         -\n"
    "memory-mapped I/O     49         -                          20 4.1ms 98.6% #####\n";
/* clang-format on */

static void two_runs_side_by_side(void **state)
{
    static struct exit_stats other;
    struct exit_report kvm = {
        .accel = "kvm", .guest = "teach.elf", .stats = &other};
    struct strbuf sb;

    (void)state;
    kvm.wall_ns = 400000000;
    other.kind[VM_EXIT_PIO] = stats.kind[VM_EXIT_PIO];
    other.kind[VM_EXIT_MMIO] = stats.kind[VM_EXIT_HLT];
    strbuf_init(&sb);
    exit_report_compare(&sb, &report, &kvm, &plain);
    assert_fits(strbuf_str(&sb));
    assert_text(&sb, want_compare);
    strbuf_reset(&sb);
    exit_report_compare(&sb, &report, NULL, &plain);
    assert_fits(strbuf_str(&sb));
    strbuf_fini(&sb);
}

static void nothing_happened(void **state)
{
    struct strbuf sb;

    (void)state;
    exit_stats_reset(&stats);
    report.wall_ns = 0;
    report.insns = 0;
    report.kernels = report.inlines = 0;
    strbuf_init(&sb);
    exit_report_text(&sb, &report, 3, &plain);
    assert_text(&sb, "Exits of teach.elf under bt\n0 exits in 0.000 s\n"
                     "Ended: the guest powered off (status 0)\n");
    strbuf_fini(&sb);
}

static void json_and_back(void **state)
{
    char path[] = "/tmp/ringside-stats-XXXXXX", why[128];
    static struct exit_stats loaded_stats;
    static struct exit_report loaded;
    FILE *f = fdopen(mkstemp(path), "w");
    struct strbuf sb;

    (void)state;
    strbuf_init(&sb);
    exit_report_json(&sb, &report);
    fputs(strbuf_str(&sb), f);
    fputs("digest: 0\n", f); /* what --digest adds after it */
    fclose(f);
    assert_int_equal(
        exit_report_load(&loaded, &loaded_stats, path, why, sizeof(why)), 0);
    assert_memory_equal(loaded_stats.kind, stats.kind, sizeof(stats.kind));
    assert_string_equal(loaded.accel, "bt");
    assert_string_equal(loaded.guest, "teach.elf");
    assert_int_equal(loaded.insns, report.insns);
    assert_int_equal(loaded.wall_ns, report.wall_ns);
    assert_non_null(strstr(strbuf_str(&sb), "\"text\": \"port 0x3f8 out\""));
    unlink(path);
    strbuf_fini(&sb);
}

static void bad_json_is_said_so(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "{\"schema\": 5}", "\n", "{}", "{\"schema\": \"x\"}"};
    static struct exit_stats loaded_stats;
    static struct exit_report loaded;
    char why[128];

    (void)state;
    assert_true(exit_report_load(&loaded, &loaded_stats, "/nonexistent", why,
                                 sizeof(why)) < 0);
    assert_non_null(strstr(why, "/nonexistent"));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char path[] = "/tmp/ringside-stats-XXXXXX";
        FILE *f = fdopen(mkstemp(path), "w");

        fputs(texts[i], f);
        fclose(f);
        why[0] = '\0';
        assert_true(exit_report_load(&loaded, &loaded_stats, path, why,
                                     sizeof(why)) < 0);
        assert_non_null(strstr(why, path));
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers, setup),
        cmocka_unit_test_setup(bars_have_their_width, setup),
        cmocka_unit_test_setup(every_class_has_a_letter, setup),
        cmocka_unit_test_setup(text_is_this, setup),
        cmocka_unit_test_setup(two_runs_side_by_side, setup),
        cmocka_unit_test_setup(nothing_happened, setup),
        cmocka_unit_test_setup(json_and_back, setup),
        cmocka_unit_test_setup(bad_json_is_said_so, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
