#include "vmm/view/guess.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vmm/view/command.h"
#include "vmm/view/expr.h"
#include "vmm/view/gdb_words.h"

#define NAMES_MAX 3u
#define WORD_MAX  24u

/*
 * How many letters must be added, dropped, changed, or change places with
 * their neighbour to make B of A (optimal string alignment).
 */
static unsigned distance(const char *a, const char *b)
{
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];
    size_t n = strnlen(a, WORD_MAX), m = strnlen(b, WORD_MAX);

    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            unsigned best = (unsigned)(i ? j ? WORD_MAX : i : j);

            if (i && j) {
                best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
                if (d[i - 1][j] + 1 < best)
                    best = d[i - 1][j] + 1;
                if (d[i][j - 1] + 1 < best)
                    best = d[i][j - 1] + 1;
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

/* As typed in a hurry: a letter wrong, of long words two. */
static bool is_near(const char *word, const char *name)
{
    size_t n = strlen(word), m = strnlen(name, WORD_MAX);
    size_t most = n < 6 ? 1 : 2;

    return n > 2 && n < WORD_MAX && n <= m + most && m <= n + most &&
           distance(word, name) <= most;
}

/* Is WORD, or of several one, what a word of TEXT begins with? */
static bool is_in(const char *word, const char *text)
{
    static const char between[] = " ,;:.()";
    size_t n = strlen(word);

    if (n > 4 && word[n - 1] == 's')
        n--;
    while (n > 3 && *text) {
        text += strspn(text, between);
        if (strncasecmp(text, word, n) == 0)
            return true;
        text += strcspn(text, between);
    }
    return false;
}

struct guesses {
    char *buf;
    size_t len, at;
    unsigned count;
};

static void add(struct guesses *g, const char *name)
{
    char seen[128];

    snprintf(seen, sizeof(seen), "%s", g->buf);
    if (g->count == NAMES_MAX || is_in(name, seen) || g->at >= g->len)
        return;
    g->at += (size_t)snprintf(g->buf + g->at, g->len - g->at, "%s%s",
                              g->count++ ? ", " : "", name);
}

bool guess_names(const char *word, char *buf, size_t len)
{
    struct guesses g = {.buf = buf, .len = len};
    const char *gdb = gdb_words_info(word);
    const struct command *c;
    const struct view *v;

    buf[0] = '\0';
    if (gdb)
        add(&g, gdb);
    for (size_t i = 0; (c = command_nth(i)); i++)
        if (is_near(word, c->name))
            add(&g, c->name);
    for (size_t i = 0; (v = view_nth(i)); i++)
        if (is_near(word, v->name))
            add(&g, v->name);
    for (size_t i = 0; (gdb = gdb_words_nth(i)); i++)
        if (is_near(word, gdb))
            add(&g, gdb);
    if (g.count)
        return true;
    for (size_t i = 0; (v = view_nth(i)); i++)
        if (is_in(word, v->summary))
            add(&g, v->name);
    for (size_t i = 0; (c = command_nth(i)); i++)
        if (is_in(word, c->summary))
            add(&g, c->name);
    return g.count > 0;
}

bool guess_values(const struct symbols *sym, const char *word, char *buf,
                  size_t len)
{
    struct guesses g = {.buf = buf, .len = len};
    const char *name;

    buf[0] = '\0';
    for (size_t i = 0; (name = symbols_complete(sym, "", i)); i++)
        if (is_near(word, name))
            add(&g, name);
    for (size_t i = 0; (name = expr_register_name(i)); i++)
        if (is_near(word, name))
            add(&g, name);
    return g.count > 0;
}
