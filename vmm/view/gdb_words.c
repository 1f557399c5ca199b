/* gdb's manual: "Examining Memory", "Output Formats", "Assignment". */
#include "vmm/view/gdb_words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/view/view.h"

static const struct row {
    const char *first, *second, *here, *with;
} rows[] = {
#define GDB_WORD(first, second, here, with) {first, second, here, with},
#include "vmm/view/gdb_words.def"
#undef GDB_WORD
};

/* A line, cut at its first word; all of it points into the line. */
struct cut {
    const char *word, *options, *rest; /* OPTIONS: behind the /; or "" */
    int len, options_len;
};

static struct cut cut_line(const char *line)
{
    struct cut c = {.word = line, .options = ""};

    c.len = (int)strcspn(line, "/ \t");
    line += c.len;
    line += strspn(line, " \t");
    if (*line == '/') {
        c.options = line + 1;
        c.options_len = (int)strcspn(c.options, " \t");
        line = c.options + c.options_len;
    }
    c.rest = line + strspn(line, " \t");
    return c;
}

static bool is(const struct cut *c, const char *word)
{
    return strlen(word) == (size_t)c->len &&
           strncmp(word, c->word, (size_t)c->len) == 0;
}

static bool fits(int n, size_t len)
{
    return n >= 0 && (size_t)n < len;
}

/* "x/8xw $esp" as "memory $esp 32 d"; "x/4i $pc" as "disasm $pc 4". */
static bool examine(const struct cut *c, char *buf, size_t len)
{
    static const char letters[] = "bhwg", ours[] = "bwdq"; /* 1, 2, 4, 8 */
    char address[128], unit = 'w', format = 'x';
    char *options;
    unsigned long count = strtoul(c->options, &options, 10);
    size_t n = 0, size;

    count = options == c->options ? 1 : count;
    for (; *options && *options != ' ' && *options != '\t'; options++) {
        if (strchr(letters, *options))
            unit = *options;
        else
            format = *options;
    }
    for (const char *s = c->rest; *s; s++) /* an operand is one word here */
        if (!isspace((unsigned char)*s) && n < sizeof(address) - 1)
            address[n++] = *s;
    address[n] = '\0';
    if (format == 'i')
        return fits(
            snprintf(buf, len, "disasm %s %lu", n ? address : "$pc", count),
            len);
    if (format == 's') {
        unit = 'b';
        count = 64 * count;
    }
    if (n == 0)
        return fits(snprintf(buf, len, "memory"), len);
    size = (size_t)(strchr(letters, unit) - letters);
    return fits(snprintf(buf, len, "memory %s %lu %c", address, count << size,
                         ours[size]),
                len);
}

/* "set var $eax = 1" as "set $eax 1" */
static bool assign(const struct cut *c, char *buf, size_t len)
{
    const char *to = c->rest, *value = strchr(to, '=');

    if (!value || value == to || value[1] == '=' || strchr("<>!", value[-1]))
        return false; /* it compares */
    if (strncmp(to, "var ", 4) == 0 || strncmp(to, "variable ", 9) == 0)
        to = strchr(to, ' ') + 1;
    return fits(
        snprintf(buf, len, "set %.*s %s", (int)(value - to), to, value + 1),
        len);
}

/* "info registers" and the like; "info NAME" of a view is that view. */
static bool info(const struct cut *c, char *buf, size_t len)
{
    struct cut word = cut_line(c->rest);
    char name[32];

    if (word.len == 0)
        return false;
    snprintf(name, sizeof(name), "%.*s", word.len, word.word);
    for (size_t i = 0; !view_find(name) && i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];

        if (r->second[0] && strncmp(r->second, name, strlen(name)) == 0)
            return fits(snprintf(buf, len, "%s %s",
                                 r->with[0] && word.rest[0] ? r->with : r->here,
                                 word.rest),
                        len);
    }
    return fits(snprintf(buf, len, "%s", c->rest), len);
}

const char *gdb_words_nth(size_t n)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!rows[i].second[0] && n-- == 0)
            return rows[i].first;
    return NULL;
}

const char *gdb_words_find(const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!rows[i].second[0] && strcmp(rows[i].first, word) == 0)
            return rows[i].here;
    return NULL;
}

const char *gdb_words_info(const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].second[0] && strncmp(rows[i].second, word, n) == 0 &&
            strlen(rows[i].second) <= n + 1)
            return rows[i].here;
    return NULL;
}

bool gdb_words(const char *line, char *buf, size_t len)
{
    struct cut c = cut_line(line);
    const char *here;
    char word[32];

    if (is(&c, "info"))
        return info(&c, buf, len);
    if (is(&c, "set"))
        return assign(&c, buf, len);
    if (is(&c, "x") && c.options_len > 0)
        return examine(&c, buf, len);
    snprintf(word, sizeof(word), "%.*s", c.len, c.word);
    here = gdb_words_find(word);
    if (!here && !is(&c, "p") && !is(&c, "print"))
        return false;
    /* `p/x` and `bt/f`: there is one way to show it, which has them all */
    return fits(snprintf(buf, len, "%s %s", here ? here : word, c.rest), len);
}
