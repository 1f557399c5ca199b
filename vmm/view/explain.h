/*
 * The table behind `?` and `explain`: words of the manuals and of this
 * monitor, with what they mean and where that is written (explain.def).
 * Knows no machine; view_explain.c adds what the guest has there now.
 */
#ifndef VMM_VIEW_EXPLAIN_H
#define VMM_VIEW_EXPLAIN_H
#include "vmm/base/strbuf.h"

enum explain_topic {
    EXPLAIN_CR0,
    EXPLAIN_CR4,
    EXPLAIN_EFER,
    EXPLAIN_EFLAGS,
    EXPLAIN_PTE,
    EXPLAIN_PFERR,
    EXPLAIN_SEG,
    EXPLAIN_REG,
    EXPLAIN_VECTOR,
    EXPLAIN_EXIT,
    EXPLAIN_INSN,
    EXPLAIN_MSR,
    EXPLAIN_PORT,
    EXPLAIN_CHECK,
    EXPLAIN_CHIP,
    EXPLAIN_TOPICS,
};

struct explanation {
    enum explain_topic topic;
    const char *word; /* lower case */
    int64_t value;    /* bit, vector, port, MSR, exit kind; -1: none */
    const char *title;
    const char *manual;
    const char *text;
};

const struct explanation *explain_nth(size_t n); /* NULL past the last */
/* WORD in any case; NULL: no such row. */
const struct explanation *explain_find(enum explain_topic topic,
                                       const char *word);
const struct explanation *explain_value(enum explain_topic topic,
                                        uint64_t value);
const char *explain_topic_name(enum explain_topic topic); /* "cr0" */
/* EXPLAIN_TOPICS: there is none of that name. */
enum explain_topic explain_topic_find(const char *name);
/* Do its rows stand for bits of a number? */
bool explain_topic_is_bits(enum explain_topic topic);
/* The page for course-notes/generated/. */
void explain_md(struct strbuf *out);
#endif
