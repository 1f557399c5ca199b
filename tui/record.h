/* What the screen showed, as an asciinema v2 recording. */
#ifndef TUI_RECORD_H
#define TUI_RECORD_H
#include "tui/theme.h"

struct record;

/* 0 or -errno, logged. */
int record_create(struct record **out, const char *path, unsigned w,
                  unsigned h);
void record_frame(struct record *r, const struct surface *s,
                  const struct theme *theme);
void record_destroy(struct record *r); /* NULL: nothing */
#endif
