/*
 * `?`: from the line or word under the cursor to a line of `explain`.  What it
 * means is vmm/view/explain.def; here is only what the cursor is on.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screen.h"
#include "vmm/view/explain.h"

/* What a pane's words and lines are about. */
static const struct {
    const char *pane;
    const char *topic; /* of the words; NULL: any */
    const char *line;  /* without a word: explain this and the first word */
    bool alone;        /* ... without the first word */
} panes[] = {
    {"walk", "pte", "fault", true},        {"nested", "pte", "pte", true},
    {"tree", "pte", "pte", true},          {"shadow", "pte", "pte", true},
    {"gdt", "seg", "seg", true},           {"ldt", "seg", "seg", true},
    {"segs", "seg", "seg", true},          {"tss", "seg", "seg tss32", true},
    {"devices", "chip", "device", false},  {"ports", "port", "port 0x", false},
    {"idt", "vector", "vector 0x", false}, {"why", "vector", "", true},
};

static void first_word(const char *text, char *buf, size_t len)
{
    text += strspn(text, " >B");
    snprintf(buf, len, "%.*s", (int)strcspn(text, " "), text);
}

/* "cr0" for the line of CR0's bits; NULL: no such topic. */
static const char *line_topic(const struct pane_line *l)
{
    char word[32];

    if (l->topic)
        return l->topic;
    first_word(l->text, word, sizeof(word));
    return explain_topic_find(word) < EXPLAIN_TOPICS
               ? explain_topic_name(explain_topic_find(word))
               : NULL;
}

static bool is_hex(const char *word)
{
    size_t n = strlen(word);

    return n >= 8 && strspn(word, "0123456789abcdef") == n;
}

static const char *pane_topic(const struct pane *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(panes); i++)
        if (strcmp(panes[i].pane, p->class->name) == 0)
            return panes[i].topic;
    return NULL;
}

static void about_word(const struct pane *p, const struct pane_line *l,
                       const char *word, char *buf, size_t len)
{
    const char *topic = line_topic(l);

    if (!topic)
        topic = pane_topic(p);
    if (is_hex(word) && topic && strcmp(topic, "pte") == 0)
        snprintf(buf, len, "explain entry %s", word);
    else if (is_hex(word))
        snprintf(buf, len, "explain address 0x%s", word);
    else
        snprintf(buf, len, "explain %s %s", topic ? topic : "", word);
}

/* An exits pane: the row's reason, port or place, else the pane's own. */
static bool about_exit(const struct pane *p, const struct pane_line *l,
                       char *buf, size_t len)
{
    if (strcmp(p->class->name, "exits") != 0)
        return false;
    if (l->link && strncmp(l->link, "exits ", 6) == 0)
        snprintf(buf, len, "explain exit %s", l->link + 6);
    else if (l->link && strncmp(l->link, "disasm ", 7) == 0)
        snprintf(buf, len, "explain insn %s", l->link + 7);
    else
        snprintf(buf, len, "explain exit %s", p->arg);
    return true;
}

/* BUF is "explain" already. */
static void about_line(const struct pane *p, const struct pane_line *l,
                       char *buf, size_t len)
{
    char word[32];

    if (about_exit(p, l, buf, len))
        return;
    if (l->link && strncmp(l->link, "explain ", 8) == 0) {
        snprintf(buf, len, "%s", l->link);
        return;
    }
    if (pane_is_program(p) && l->look == LOOK_CURRENT)
        return; /* the stop itself, or the instruction if that is all */
    if (pane_is_program(p) && l->has_addr) {
        snprintf(buf, len, "explain insn %#llx", (unsigned long long)l->addr);
        return;
    }
    if (line_topic(l)) {
        snprintf(buf, len, "explain %s", line_topic(l));
        return;
    }
    first_word(l->text, word, sizeof(word));
    for (size_t i = 0; i < ARRAY_SIZE(panes); i++) {
        if (strcmp(panes[i].pane, p->class->name) != 0)
            continue;
        if (strcmp(panes[i].line, "fault") == 0)
            snprintf(buf, len, "explain fault %s", p->arg);
        else
            snprintf(buf, len, "explain %s%s%s", panes[i].line,
                     strstr(panes[i].line, "0x") ? "" : " ",
                     panes[i].alone ? "" : word);
        return;
    }
    snprintf(buf, len, "explain %s", word);
}

void explain_cursor(struct screen *sc)
{
    struct pane *p = screen_focus(sc);
    const struct pane_line *l =
        p->cursor < p->lines ? &p->line[p->cursor] : NULL;
    char line[INPUT_MAX] = "explain", word[64];

    if (l && pane_word(p, word, sizeof(word)))
        about_word(p, l, word, line, sizeof(line));
    else if (l)
        about_line(p, l, line, sizeof(line));
    screen_command(sc, line);
}
