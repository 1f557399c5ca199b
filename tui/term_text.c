/* No terminal: keys from a file, the last surface printed as text. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tui/term.h"
#include "vmm/base/log.h"

struct text_state {
    FILE *keys;
    char line[512];
    const char *at; /* in line; NULL: read the next */
    struct surface last;
};

static void text_fini(struct term *t)
{
    struct text_state *ts = t->state;
    struct strbuf out;

    for (size_t i = 0; t->ascii && i < (size_t)ts->last.w * ts->last.h; i++)
        ts->last.cell[i].ch = surface_ascii(ts->last.cell[i].ch);
    strbuf_init(&out);
    surface_to_text(&ts->last, &out);
    fputs(strbuf_str(&out), stdout);
    strbuf_fini(&out);
    surface_fini(&ts->last);
    if (ts->keys)
        fclose(ts->keys);
    free(ts);
}

static void text_present(struct term *t, const struct surface *s, unsigned x,
                         unsigned y)
{
    struct text_state *ts = t->state;

    (void)x, (void)y;
    surface_fini(&ts->last);
    surface_init(&ts->last, s->w, s->h);
    memcpy(ts->last.cell, s->cell, sizeof(*s->cell) * s->w * s->h);
}

static const struct {
    const char *name;
    int key;
} names[] = {
    {"Left", TERM_LEFT}, {"Right", TERM_RIGHT},   {"F1", TERM_F1},
    {"Up", TERM_UP},     {"Down", TERM_DOWN},     {"PgUp", TERM_PGUP},
    {"PgDn", TERM_PGDN}, {"Home", TERM_HOME},     {"End", TERM_END},
    {"Tab", '\t'},       {"S-Tab", TERM_BACKTAB}, {"Enter", '\r'},
    {"Esc", 0x1b},       {"BS", TERM_BACKSPACE},  {"C-c", KEY_CTRL('c')},
};

/* After a backslash. */
static int escaped(struct text_state *ts)
{
    const char *end;

    switch (*ts->at++) {
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'e':
        return 0x1b;
    case '<':
        break;
    default:
        return ts->at[-1];
    }
    end = strchr(ts->at, '>');
    for (size_t i = 0; end && i < ARRAY_SIZE(names); i++)
        if (strlen(names[i].name) == (size_t)(end - ts->at) &&
            strncasecmp(names[i].name, ts->at, (size_t)(end - ts->at)) == 0) {
            ts->at = end + 1;
            return names[i].key;
        }
    log_error("--keys: no key is called '<%.12s'", ts->at);
    return TERM_EOF;
}

static int text_key(struct term *t, int timeout_ms)
{
    struct text_state *ts = t->state;

    (void)timeout_ms; /* the screen asks only when it is ready for a key */
    while (!ts->at || !*ts->at) {
        if (!ts->keys || !fgets(ts->line, sizeof(ts->line), ts->keys))
            return TERM_EOF;
        ts->line[strcspn(ts->line, "\n")] = '\0';
        ts->at = ts->line[0] == '#' ? NULL : ts->line;
    }
    if (*ts->at != '\\')
        return (unsigned char)*ts->at++;
    ts->at++;
    return escaped(ts);
}

static void text_wake(struct term *t)
{
    (void)t;
}

static void text_set_theme(struct term *t, const struct theme *theme)
{
    (void)t, (void)theme; /* text has no colours */
}

int term_text_init(struct term *t, const char *keys, unsigned w, unsigned h)
{
    static const struct term_ops ops = {
        .fini = text_fini,
        .present = text_present,
        .key = text_key,
        .wake = text_wake,
        .redraw = text_wake,
        .set_theme = text_set_theme,
    };
    struct text_state *ts = calloc(1, sizeof(*ts));

    if (!ts)
        return -ENOMEM;
    if (keys && !(ts->keys = fopen(keys, "re"))) {
        int err = -errno;
        log_error("cannot read the keys of %s: %s", keys, strerror(-err));
        free(ts);
        return err;
    }
    *t = (struct term){
        .ops = &ops, .state = ts, .w = w, .h = h, .patient = true};
    surface_init(&ts->last, 0, 0);
    return 0;
}
