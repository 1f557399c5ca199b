/* A string that grows.  Every text view and dump is written into one. */
#ifndef VMM_BASE_STRBUF_H
#define VMM_BASE_STRBUF_H
#include "vmm/base/base.h"

struct strbuf {
    char *text; /* NUL-terminated once anything was added; else NULL */
    size_t len; /* bytes before the NUL */
    size_t cap; /* bytes allocated */
};

void strbuf_init(struct strbuf *sb);
void strbuf_fini(struct strbuf *sb);
void strbuf_reset(struct strbuf *sb); /* empties, keeps the memory */
/* Makes room for EXTRA more bytes and a NUL at text + len. */
void strbuf_grow(struct strbuf *sb, size_t extra);
void strbuf_add(struct strbuf *sb, const void *bytes, size_t len);
void strbuf_puts(struct strbuf *sb, const char *text);
void strbuf_putc(struct strbuf *sb, char c);
void strbuf_printf(struct strbuf *sb, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The words of TEXT and a newline, in lines of up to WIDTH bytes; INDENT of the
 * first are there already, and begin the later ones as blanks. */
void strbuf_wrap(struct strbuf *sb, const char *text, size_t indent,
                 size_t width);

/* The text, never NULL; owned by SB and valid until the next call on it. */
const char *strbuf_str(const struct strbuf *sb);
#endif
