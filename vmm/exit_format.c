#include "vmm/exit_format.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct exit_style exit_style_for(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct exit_style style = {0};

    style.color = isatty(fd) && !(no_color && *no_color) &&
                  !(term && strcmp(term, "dumb") == 0);
    setlocale(LC_CTYPE, "");
    style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return style;
}

void exit_format_ns(char buf[16], uint64_t ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    unsigned unit = 0;
    uint64_t whole = ns, rest = 0;

    while (whole >= 1000 && unit < ARRAY_SIZE(units) - 1) {
        rest = whole % 1000;
        whole /= 1000;
        unit++;
    }
    if (whole < 10 && unit > 0)
        snprintf(buf, 16, "%u.%u%s", (unsigned)whole, (unsigned)(rest / 100),
                 units[unit]);
    else if (unit == ARRAY_SIZE(units) - 1 && whole >= 10000)
        snprintf(buf, 16, ">2.7h");
    else
        snprintf(buf, 16, "%u%s", (unsigned)whole, units[unit]);
}

void exit_format_count(char buf[32], uint64_t n, unsigned width)
{
    static const char letters[] = " kMGTPE";
    char digits[24];
    size_t len, at = 0;
    double value = (double)n;
    unsigned unit = 0;

    len =
        (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    if (len + (len - 1) / 3 <= width) {
        for (size_t i = 0; i < len; i++) {
            if (i && (len - i) % 3 == 0)
                buf[at++] = ',';
            buf[at++] = digits[i];
        }
        buf[at] = '\0';
        return;
    }
    for (; value >= 999.5; unit++)
        value /= 1000;
    snprintf(buf, 32, "%.*f%c", value < 99.95 ? 1 : 0, value, letters[unit]);
}

void exit_format_share(char buf[16], uint64_t part, uint64_t whole)
{
    double percent = whole ? 100.0 * (double)part / (double)whole : 0;

    if (!whole)
        snprintf(buf, 16, "-");
    else if (part && percent < 0.05)
        snprintf(buf, 16, "<0.1%%");
    else if (percent > 99.95)
        snprintf(buf, 16, "100%%");
    else
        snprintf(buf, 16, "%.1f%%", percent);
}

void exit_format_bar(struct strbuf *out, uint64_t part, uint64_t whole,
                     unsigned width, const struct exit_style *style)
{
    static const char *const eighths[] = {"",  "▏", "▎", "▍",
                                          "▌", "▋", "▊", "▉"};
    double share = whole ? (double)part / (double)whole : 0;
    unsigned steps = style->utf8 ? 8 : 1;
    unsigned n = (unsigned)(share * width * steps + 0.5);
    unsigned used = n / steps + (n % steps != 0);

    if (part && !n) {
        n = 1; /* something is never nothing */
        used = 1;
    }
    for (unsigned i = 0; i < n / steps; i++)
        strbuf_puts(out, style->utf8 ? "█" : "#");
    if (n % steps)
        strbuf_puts(out, eighths[n % steps]);
    strbuf_printf(out, "%*s", (int)(width - used), "");
}

void exit_format_spark(struct strbuf *out, const struct exit_count *c,
                       const struct exit_style *style)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄",
                                         "▅", "▆", "▇", "█"};
    static const char ascii[] = "_.-:=+*#";
    uint64_t cell[EXIT_SPARK_CELLS] = {0}, most = 0;

    for (unsigned i = 0; i < EXIT_STATS_BUCKETS; i++) {
        unsigned at = i < 8 ? 0 : (i - 6) / 2;

        if (at >= EXIT_SPARK_CELLS)
            at = EXIT_SPARK_CELLS - 1;
        cell[at] += c->bucket[i];
        if (cell[at] > most)
            most = cell[at];
    }
    for (unsigned i = 0; i < EXIT_SPARK_CELLS; i++) {
        unsigned level = most ? (unsigned)(cell[i] * 7 / most) : 0;

        if (!cell[i])
            strbuf_putc(out, ' ');
        else if (style->utf8)
            strbuf_puts(out, blocks[level]);
        else
            strbuf_putc(out, ascii[level]);
    }
}

char exit_class_letter(const char *class_name)
{
    static const struct {
        const char *name;
        char letter;
    } rows[] = {
        {"protecting the hardware", 'P'},
        {"virtualised resource", 'V'},
        {"substituted value", 'S'},
        {"interrupt for the monitor", 'I'},
        {"time slice", 'T'},
        {"idle guest", 'Z'},
        {"fault", 'F'},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].name, class_name) == 0)
            return rows[i].letter;
    return '?';
}
