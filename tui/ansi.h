/* Cells as a terminal gets them: text and escape sequences (ECMA-48 8.3.117,
 * SGR) for a theme's colours. */
#ifndef TUI_ANSI_H
#define TUI_ANSI_H
#include "tui/theme.h"

/* Row Y of S; how the last cell looked stays in force. */
void ansi_row(struct strbuf *out, const struct surface *s, unsigned y,
              const struct theme *theme);
#endif
