/* An output pin of a chip, connected to an input of another. */
#ifndef VMM_DEV_IRQ_H
#define VMM_DEV_IRQ_H
#include "vmm/base/base.h"

struct irq_line { /* NULL set: not connected */
    void (*set)(void *opaque, unsigned n, bool level);
    void *opaque;
    unsigned n; /* which input of the receiver */
};

static inline void irq_set(const struct irq_line *line, bool level)
{
    if (line->set)
        line->set(line->opaque, line->n, level);
}

/* Passes on changes only; *WAS is the pin's level, kept by its chip. */
static inline void irq_change(const struct irq_line *line, bool *was,
                              bool level)
{
    if (*was == level)
        return;
    *was = level;
    irq_set(line, level);
}
#endif
