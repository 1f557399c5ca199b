/*
 * Numbers of the exit statistics in few columns: times, counts, shares, bars,
 * sparklines.  Pure; every function writes at most the width it promises.
 */
#ifndef VMM_EXIT_FORMAT_H
#define VMM_EXIT_FORMAT_H
#include "vmm/base/strbuf.h"
#include "vmm/exit_stats.h"

/* How a report may look. */
struct exit_style {
    bool color; /* escape sequences */
    bool utf8;  /* block characters; else ASCII */
};

/* For FD: color on a terminal without NO_COLOR; utf8 by the locale. */
struct exit_style exit_style_for(int fd);

#define EXIT_SPARK_CELLS 7u

/* Five columns: "999ns", "1.2us", " 12us", "123ms", "12.3s". */
void exit_format_ns(char buf[16], uint64_t ns);
/* With commas while it fits WIDTH, else "12.3M". */
void exit_format_count(char buf[32], uint64_t n, unsigned width);
/* Five columns: "  0% ", "83.1%", " 100%"; "    -" when WHOLE is 0. */
void exit_format_share(char buf[16], uint64_t part, uint64_t whole);
/* PART of WHOLE as a bar of WIDTH columns, padded with spaces. */
void exit_format_bar(struct strbuf *out, uint64_t part, uint64_t whole,
                     unsigned width, const struct exit_style *style);
/* Times of the exits of C: under 256 ns, then times four a cell. */
void exit_format_spark(struct strbuf *out, const struct exit_count *c,
                       const struct exit_style *style);
/* One letter for an exit's class: the table's key. */
char exit_class_letter(const char *class_name);
#endif
