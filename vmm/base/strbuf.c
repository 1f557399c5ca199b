#include "vmm/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_init(struct strbuf *sb)
{
    *sb = (struct strbuf){0};
}

void strbuf_fini(struct strbuf *sb)
{
    free(sb->text);
    strbuf_init(sb);
}

void strbuf_reset(struct strbuf *sb)
{
    sb->len = 0;
    if (sb->text)
        sb->text[0] = '\0';
}

/* Running out of memory is fatal. */
void strbuf_grow(struct strbuf *sb, size_t extra)
{
    size_t need = sb->len + extra + 1;

    if (need <= sb->cap)
        return;
    sb->cap = need < 2 * sb->cap ? 2 * sb->cap : need + 64;
    sb->text = realloc(sb->text, sb->cap);
    assert(sb->text && "out of memory");
}

void strbuf_add(struct strbuf *sb, const void *bytes, size_t len)
{
    strbuf_grow(sb, len);
    memcpy(sb->text + sb->len, bytes, len);
    sb->len += len;
    sb->text[sb->len] = '\0';
}

void strbuf_puts(struct strbuf *sb, const char *text)
{
    strbuf_add(sb, text, strlen(text));
}

void strbuf_putc(struct strbuf *sb, char c)
{
    strbuf_add(sb, &c, 1);
}

void strbuf_printf(struct strbuf *sb, const char *fmt, ...)
{
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(len >= 0);
    strbuf_grow(sb, (size_t)len);
    va_start(ap, fmt);
    vsnprintf(sb->text + sb->len, (size_t)len + 1, fmt, ap);
    va_end(ap);
    sb->len += (size_t)len;
}

void strbuf_wrap(struct strbuf *sb, const char *text, size_t indent,
                 size_t width)
{
    size_t col = indent;

    while (*text) {
        size_t word = strcspn(text, " ");

        if (col > indent && col + 1 + word > width) {
            strbuf_printf(sb, "\n%*s", (int)indent, "");
            col = indent;
        } else if (col > indent) {
            strbuf_putc(sb, ' ');
            col++;
        }
        strbuf_add(sb, text, word);
        col += word;
        text += word + (text[word] == ' ');
    }
    strbuf_putc(sb, '\n');
}

const char *strbuf_str(const struct strbuf *sb)
{
    return sb->text ? sb->text : "";
}
