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
#endif
