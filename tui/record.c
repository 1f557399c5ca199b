#include "tui/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tui/ansi.h"
#include "vmm/base/log.h"

struct record {
    FILE *file;
    unsigned w, h; /* as the file has it */
    struct timespec start;
    struct surface last;
};

int record_create(struct record **out, const char *path, unsigned w, unsigned h)
{
    struct record *r = calloc(1, sizeof(*r));

    *out = NULL;
    if (!r)
        return -ENOMEM;
    r->file = fopen(path, "we");
    if (!r->file) {
        int err = -errno;
        log_error("cannot record to %s: %s", path, strerror(-err));
        free(r);
        return err;
    }
    clock_gettime(CLOCK_MONOTONIC, &r->start);
    r->w = w;
    r->h = h;
    fprintf(r->file,
            "{\"version\": 2, \"width\": %u, \"height\": %u, \"timestamp\": "
            "%lld, \"title\": \"ringside\"}\n",
            w, h, (long long)time(NULL));
    surface_init(&r->last, 0, 0);
    *out = r;
    return 0;
}

static double elapsed(const struct record *r)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - r->start.tv_sec) +
           (double)(now.tv_nsec - r->start.tv_nsec) / 1e9;
}

static bool row_same(const struct surface *a, const struct surface *b,
                     unsigned y)
{
    if (a->w != b->w || a->h != b->h)
        return false;
    for (unsigned x = 0; x < a->w; x++) {
        const struct cell *p = &a->cell[(size_t)y * a->w + x];
        const struct cell *q = &b->cell[(size_t)y * b->w + x];
        if (p->ch != q->ch || p->look != q->look)
            return false;
    }
    return true;
}

static void add_row(struct strbuf *out, const struct surface *s, unsigned y,
                    const struct theme *theme)
{
    strbuf_printf(out, "\033[%u;1H", y + 1);
    ansi_row(out, s, y, theme);
}

/* As a JSON string. */
static void write_json(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < 0x20)
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

void record_frame(struct record *r, const struct surface *s,
                  const struct theme *theme)
{
    struct strbuf out;

    if (r->w != s->w || r->h != s->h) {
        r->w = s->w;
        r->h = s->h;
        fprintf(r->file, "[%.6f, \"r\", \"%ux%u\"]\n", elapsed(r), s->w, s->h);
    }
    strbuf_init(&out);
    if (r->last.w != s->w || r->last.h != s->h)
        strbuf_puts(&out, "\033[2J\033[?25l");
    for (unsigned y = 0; y < s->h; y++)
        if (!row_same(&r->last, s, y))
            add_row(&out, s, y, theme);
    if (out.len) {
        fprintf(r->file, "[%.6f, \"o\", ", elapsed(r));
        write_json(r->file, strbuf_str(&out));
        fputs("]\n", r->file);
        surface_fini(&r->last);
        surface_init(&r->last, s->w, s->h);
        memcpy(r->last.cell, s->cell, sizeof(*s->cell) * s->w * s->h);
    }
    strbuf_fini(&out);
}

void record_destroy(struct record *r)
{
    if (!r)
        return;
    fclose(r->file);
    surface_fini(&r->last);
    free(r);
}
