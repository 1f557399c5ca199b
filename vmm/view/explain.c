#include "vmm/view/explain.h"

#include <string.h>
#include <strings.h>

#include "vmm/debug.h"

static const struct explanation rows[] = {
#define EXPLAIN(topic, word, value, title, manual, text)                       \
    {EXPLAIN_##topic, word, value, title, manual, text},
#include "vmm/view/explain.def"
#undef EXPLAIN
};

static const struct {
    const char *name, *heading;
    bool bits;
} topics[EXPLAIN_TOPICS] = {
    [EXPLAIN_CR0] = {"cr0", "Bits of CR0", true},
    [EXPLAIN_CR4] = {"cr4", "Bits of CR4", true},
    [EXPLAIN_EFER] = {"efer", "Bits of EFER", true},
    [EXPLAIN_EFLAGS] = {"eflags", "Bits of EFLAGS", true},
    [EXPLAIN_PTE] = {"pte", "Bits of page-table entries", true},
    [EXPLAIN_PFERR] = {"pferr", "Bits of a page fault's error code", true},
    [EXPLAIN_SEG] = {"seg", "Segments and gates", false},
    [EXPLAIN_REG] = {"reg", "Registers", false},
    [EXPLAIN_VECTOR] = {"vector", "Exceptions", false},
    [EXPLAIN_EXIT] = {"exit", "Exits", false},
    [EXPLAIN_INSN] = {"insn", "Instructions that are not innocuous", false},
    [EXPLAIN_MSR] = {"msr", "Model-specific registers", false},
    [EXPLAIN_PORT] = {"port", "Ports", false},
    [EXPLAIN_CHECK] = {"check", "Runtime checks", false},
    [EXPLAIN_CHIP] = {"chip", "Registers of chips", false},
};

const struct explanation *explain_nth(size_t n)
{
    return n < ARRAY_SIZE(rows) ? &rows[n] : NULL;
}

const struct explanation *explain_find(enum explain_topic topic,
                                       const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].topic == topic && strcasecmp(rows[i].word, word) == 0)
            return &rows[i];
    return NULL;
}

const struct explanation *explain_value(enum explain_topic topic,
                                        uint64_t value)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].topic == topic && rows[i].value >= 0 &&
            (uint64_t)rows[i].value == value)
            return &rows[i];
    return NULL;
}

const char *explain_topic_name(enum explain_topic topic)
{
    assert(topic < EXPLAIN_TOPICS);
    return topics[topic].name;
}

enum explain_topic explain_topic_find(const char *name)
{
    unsigned i = 0;

    while (i < EXPLAIN_TOPICS && strcasecmp(topics[i].name, name) != 0)
        i++;
    return (enum explain_topic)i;
}

bool explain_topic_is_bits(enum explain_topic topic)
{
    assert(topic < EXPLAIN_TOPICS);
    return topics[topic].bits;
}

void explain_md(struct strbuf *out)
{
    strbuf_puts(out, "# What the words on the screen mean\n\nMade from "
                     "`vmm/view/explain.def`: what `?` and `explain WORD` "
                     "say.\n");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct explanation *e = &rows[i];

        if (i == 0 || rows[i - 1].topic != e->topic)
            strbuf_printf(out, "\n## %s\n\n", topics[e->topic].heading);
        strbuf_printf(out, "- **%s**", e->word);
        if (e->topic == EXPLAIN_MSR || e->topic == EXPLAIN_PORT)
            strbuf_printf(out, " (%#llx)", (unsigned long long)e->value);
        else if (e->value >= 0 && e->topic != EXPLAIN_EXIT)
            strbuf_printf(out, " (%lld)", (long long)e->value);
        strbuf_printf(out, ", %s: %s (%s)\n", e->title, e->text, e->manual);
    }
}
