/* The table of panes, and what all panes have in common. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/pane.h"

/* clang-format off */
static const struct pane_class classes[] = {
    { "code",    "code",          NULL,      true,  false, false, pane_code_refresh },
    { "cpu",     "cpu",           NULL,      false, false, true,  pane_cpu_refresh },
    { "source",  "source",        NULL,      true,  false, false, pane_source_refresh },
    { "mixed",   "mixed",         NULL,      true,  false, false, pane_mixed_refresh },
    { "regs",    "registers",     "regs",    false, false, true,  NULL },
    { "segs",    "segments",      "segs",    false, false, false, NULL },
    { "fpu",     "x87 and SSE",   "fpu",     false, false, false, NULL },
    { "memory",  "memory",        "memory",  true,  false, false, NULL },
    { "stack",   "stack",         "stack",   false, false, false, NULL },
    { "backtrace", "backtrace",   "backtrace", false, false, false, NULL },
    { "walk",    "page walk",     "walk",    true,  false, false, NULL },
    { "nested",  "nested walk",   "nested",  true,  false, false, NULL },
    { "shadow",  "shadow entry",  "shadow",  true,  false, false, NULL },
    { "block",   "translation",   "block",   true,  false, false, NULL },
    { "tree",    "page tables",   "tree",    true,  false, false, NULL },
    { "frames",  "who maps it",   "frames",  true,  false, false, NULL },
    { "exits",   "exits",         "exits",   true,  false, true,  NULL },
    { "gdt",     "GDT",           "gdt",     false, false, false, NULL },
    { "ldt",     "LDT",           "ldt",     false, false, false, NULL },
    { "idt",     "IDT",           "idt",     false, false, false, NULL },
    { "tss",     "TSS",           "tss",     false, false, false, NULL },
    { "devices", "devices",       "devices", true,  false, true,  NULL },
    { "screen",  "guest screen",  "screen",  false, false, true,  NULL },
    { "e820",    "physical map",  "e820",    false, false, false, NULL },
    { "ports",   "ports",         "ports",   false, false, false, NULL },
    { "points",  "stop points",   "points",  false, false, false, NULL },
    { "why",     "why",           "why",     false, false, false, NULL },
    { "stats",   "statistics",    "stats",   false, false, true,  NULL },
    { "console", "guest console", NULL,      false, true, true,  NULL },
    { "log",     "log",           NULL,      false, true, true,  NULL },
};
/* clang-format on */

const struct pane_class *pane_class_nth(size_t n)
{
    return n < ARRAY_SIZE(classes) ? &classes[n] : NULL;
}

const struct pane_class *pane_class_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        if (strcmp(classes[i].name, name) == 0)
            return &classes[i];
    return NULL;
}

void pane_init(struct pane *p, const struct pane_class *class)
{
    *p = (struct pane){.class = class};
}

void pane_clear(struct pane *p)
{
    for (size_t i = 0; i < p->lines; i++) {
        free(p->line[i].text);
        free(p->line[i].link);
    }
    p->lines = 0;
}

void pane_drop_lines(struct pane *p, size_t max)
{
    size_t n = max / 4;

    if (p->lines < max)
        return;
    for (size_t i = 0; i < n; i++) {
        free(p->line[i].text);
        free(p->line[i].link);
    }
    p->lines -= n;
    memmove(p->line, p->line + n, p->lines * sizeof(*p->line));
}

void pane_fini(struct pane *p)
{
    pane_clear(p);
    free(p->line);
    *p = (struct pane){0};
}

void pane_show(struct pane *p, const struct pane_class *class)
{
    struct rect area = p->area;

    pane_fini(p);
    pane_init(p, class);
    p->area = area;
}

bool pane_is_program(const struct pane *p)
{
    return p->class->refresh == pane_code_refresh ||
           p->class->refresh == pane_source_refresh ||
           p->class->refresh == pane_mixed_refresh;
}

/* ---- where the pane was ------------------------------------------------- */

bool pane_takes_address(const struct pane *p)
{
    const struct pane_class *c = p->class;
    const char *args = c->view ? view_find(c->view)->args : "ADDRESS";

    return c->wants_arg && strncmp(args + (args[0] == '['), "ADDRESS", 7) == 0;
}

static struct pane_place place_of(const struct pane *p)
{
    struct pane_place here = {.cursor = p->cursor, .step = p->step};

    memcpy(here.arg, p->arg, sizeof(here.arg));
    return here;
}

void pane_go(struct pane *p, const char *arg)
{
    if (p->history_at == PANE_HISTORY - 1) { /* forget the oldest */
        memmove(&p->history[0], &p->history[1],
                sizeof(p->history) - sizeof(p->history[0]));
        p->history_at--;
    }
    p->history[p->history_at++] = place_of(p);
    p->history_len = p->history_at;
    snprintf(p->arg, sizeof(p->arg), "%s", arg);
    p->top = p->cursor = p->step = 0;
    p->followed.done = false;
}

static bool can_step(const struct pane *p)
{
    return p->class->view && strstr(view_find(p->class->view)->args, "step N");
}

bool pane_step(struct pane *p, int by)
{
    if (!can_step(p))
        return false;
    if (by > 0 || p->step > 0)
        p->step += (unsigned)by;
    return true;
}

static bool move_in_history(struct pane *p, int by)
{
    struct pane_place here = place_of(p), *there;

    if ((by < 0 && p->history_at == 0) ||
        (by > 0 && p->history_at >= p->history_len))
        return false;
    if (by < 0)
        p->history_at--;
    there = &p->history[p->history_at];
    memcpy(p->arg, there->arg, sizeof(p->arg));
    p->cursor = there->cursor;
    p->step = there->step;
    *there = here;
    if (by > 0)
        p->history_at++;
    p->top = 0; /* the drawing brings the cursor into sight */
    p->followed.done = false;
    return true;
}

bool pane_back(struct pane *p)
{
    return move_in_history(p, -1);
}

bool pane_forward(struct pane *p)
{
    return move_in_history(p, 1);
}

/* ---- the word under the cursor ------------------------------------------ */

/* The N-th word of TEXT, its bytes in *LEN; NULL: there are not so many. */
static const char *nth_word(const char *text, unsigned n, size_t *len)
{
    for (;;) {
        text += strspn(text, " ");
        *len = strcspn(text, " ");
        if (*len == 0)
            return NULL;
        if (n-- == 0)
            return text;
        text += *len;
    }
}

bool pane_word(const struct pane *p, char *buf, size_t len)
{
    const char *word;
    size_t n;

    if (!p->word || p->cursor >= p->lines)
        return false;
    word = nth_word(p->line[p->cursor].text, p->word - 1, &n);
    if (!word)
        return false;
    snprintf(buf, len, "%.*s", (int)n, word);
    return true;
}

void pane_move_word(struct pane *p, int by)
{
    size_t n;

    if (p->cursor >= p->lines || (by < 0 && p->word == 0))
        return;
    if (by < 0 || nth_word(p->line[p->cursor].text, p->word, &n))
        p->word += (unsigned)by;
}

/* ---- content ------------------------------------------------------------ */

struct pane_line *pane_add(struct pane *p, enum look look, const char *fmt, ...)
{
    struct pane_line *l;
    va_list ap;

    if (p->lines == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->line = reallocarray(p->line, p->cap, sizeof(*p->line));
        assert(p->line && "out of memory");
    }
    l = &p->line[p->lines++];
    *l = (struct pane_line){.look = look};
    va_start(ap, fmt);
    if (vasprintf(&l->text, fmt, ap) < 0)
        l->text = NULL;
    va_end(ap);
    assert(l->text && "out of memory");
    return l;
}

/* A line that begins with an address, of 32 bits or more, is about it. */
static bool line_address(const char *text, uint64_t *addr)
{
    size_t n;

    text += strspn(text, " ");
    n = strspn(text, "0123456789abcdef");
    if (n < 8 || n > 16 || text[n] != ' ')
        return false;
    *addr = strtoull(text, NULL, 16);
    return true;
}

static void add_doc_line(void *opaque, const struct doc_line *from)
{
    static const enum look looks[] = {
        [DOC_PLAIN] = LOOK_PLAIN,     [DOC_CHANGED] = LOOK_CHANGED,
        [DOC_CURRENT] = LOOK_CURRENT, [DOC_FAULT] = LOOK_FAULT,
        [DOC_DIM] = LOOK_DIM,         [DOC_NAME] = LOOK_NAME,
    };
    const char *text = from->text;
    struct pane_line *l = pane_add(opaque, looks[from->mark], "%s", text);

    l->link = from->link ? strdup(from->link) : NULL;
    l->has_addr = line_address(text, &l->addr);
}

static void add_doc(struct pane *p, const struct doc *doc)
{
    doc_lines(doc, add_doc_line, p);
}

/* The walk may be shorter than where the pane was in it. */
static void clamp_step(struct pane *p, const struct doc *doc)
{
    unsigned n;

    for (size_t i = 0; p->step && i < doc->items; i++)
        if (doc->item[i].kind == DOC_FIELD &&
            strcmp(doc->item[i].name, "reference") == 0 &&
            sscanf(doc->item[i].text, "%u", &n) == 1)
            p->step = n + 1;
}

#define WORDS_MAX 16

/* What a view is called with. */
struct words {
    char name[32], arg[sizeof(((struct pane *)0)->arg)];
    char dot[2], step[5], number[16];
    char *argv[WORDS_MAX + 1];
    int argc;
};

/* The words of the pane's argument, and where it is in a walk. */
static void split_words(struct words *w, const struct pane *p)
{
    char *save = NULL;

    *w = (struct words){.dot = ".", .step = "step"};
    snprintf(w->name, sizeof(w->name), "%s", p->class->view);
    snprintf(w->arg, sizeof(w->arg), "%s", p->arg);
    if (!w->arg[0] && strcmp(w->name, "memory") == 0)
        strcpy(w->arg, "esp"); /* somewhere to begin */
    w->argv[w->argc++] = w->name;
    for (char *t = strtok_r(w->arg, " ", &save); t && w->argc < WORDS_MAX - 3;
         t = strtok_r(NULL, " ", &save))
        w->argv[w->argc++] = t;
    if (!p->step)
        return;
    snprintf(w->number, sizeof(w->number), "%u", p->step - 1);
    if (w->argc == 1)
        w->argv[w->argc++] = w->dot;
    w->argv[w->argc++] = w->step;
    w->argv[w->argc++] = w->number;
}

static void refresh_view(struct pane *p, struct command_ctx *ctx)
{
    const struct view *view = view_find(p->class->view);
    struct view_ctx vc = command_view_ctx(ctx);
    struct words w;
    struct doc doc;

    split_words(&w, p);
    doc_init(&doc, view->name);
    view->fn(&vc, w.argc, w.argv, &doc);
    clamp_step(p, &doc);
    add_doc(p, &doc);
    if (can_step(p) && !p->step)
        pane_add(p, LOOK_DIM, "Space goes through it reference by reference");
    doc_fini(&doc);
}

void pane_refresh(struct pane *p, struct command_ctx *ctx)
{
    if (!p->class->view && !p->class->refresh)
        return; /* the screen fills it */
    pane_clear(p);
    if (p->class->refresh)
        p->class->refresh(p, ctx);
    else
        refresh_view(p, ctx);
    if (p->cursor >= p->lines)
        p->cursor = p->lines ? p->lines - 1 : 0;
}

/* ---- drawing ------------------------------------------------------------ */

static void draw_title(const struct pane *p, struct surface *s, bool focus)
{
    enum look look = focus ? LOOK_FOCUS : LOOK_TITLE;
    char title[160];

    surface_fill(s, p->area, 0, look, 0x2500);
    snprintf(title, sizeof(title), " %s%s%s%s ", p->class->title,
             p->arg[0] ? ": " : "", p->arg, p->earlier ? " (earlier)" : "");
    surface_text(s, p->area, 1, 0, look, title);
    if (p->lines + 1 > p->area.h && p->area.w > 30) {
        snprintf(title, sizeof(title), " %zu/%zu ", p->cursor + 1, p->lines);
        surface_text(s, p->area, p->area.w - (unsigned)strlen(title) - 1, 0,
                     look, title);
    }
}

/* Moves the top so that the cursor is in sight. */
static void scroll(struct pane *p, size_t rows)
{
    if (p->class->at_end && p->lines > rows)
        p->cursor = p->cursor < p->lines ? p->cursor : p->lines - 1;
    if (p->cursor < p->top)
        p->top = p->cursor;
    if (rows && p->cursor >= p->top + rows)
        p->top = p->cursor - rows + 1;
    if (rows && p->top + rows > p->lines)
        p->top = p->lines > rows ? p->lines - rows : 0;
}

static void draw_cursor(const struct pane *p, struct surface *s, unsigned y)
{
    const char *text = p->line[p->cursor].text, *word;
    char copy[64];
    size_t n;

    surface_text(s, p->area, 0, y, LOOK_FOCUS, ">");
    word = p->word ? nth_word(text, p->word - 1, &n) : NULL;
    if (!word)
        return;
    snprintf(copy, sizeof(copy), "%.*s", (int)n, word);
    surface_text(s, p->area, 1 + surface_columns(text, (size_t)(word - text)),
                 y, LOOK_BAR, copy);
}

void pane_draw(struct pane *p, struct surface *s, bool focus)
{
    size_t rows = p->area.h > 1 ? p->area.h - 1 : 0;

    if (p->area.h == 0 || p->area.w == 0)
        return;
    draw_title(p, s, focus);
    scroll(p, rows);
    for (size_t i = 0; i < rows && p->top + i < p->lines; i++) {
        const struct pane_line *l = &p->line[p->top + i];
        bool here = focus && p->top + i == p->cursor;

        if (l->look == LOOK_CURRENT)
            surface_fill(s, p->area, (unsigned)i + 1, LOOK_CURRENT, ' ');
        surface_text(s, p->area, 1, (unsigned)i + 1, l->look, l->text);
        if (here)
            draw_cursor(p, s, (unsigned)i + 1);
    }
}
