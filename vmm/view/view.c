#include "vmm/view/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/view/expr.h"
#include "vmm/view/views.h"

static const struct view views[] = {
#define VIEW(name, args, summary) {#name, args, summary, view_##name},
#include "vmm/view/view.def"
#undef VIEW
};

const struct view *view_nth(size_t n)
{
    return n < ARRAY_SIZE(views) ? &views[n] : NULL;
}

const struct view *view_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(views); i++)
        if (strcmp(views[i].name, name) == 0)
            return &views[i];
    return NULL;
}

bool view_fail(struct doc *doc, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    doc_note(doc, "%s", text);
    doc_mark(doc, DOC_FAULT);
    return false;
}

bool view_arg(const struct view_ctx *ctx, int argc, char **argv, int i,
              uint64_t dflt, uint64_t *value, struct doc *doc)
{
    struct expr_value v;
    char why[160];

    *value = dflt;
    if (i >= argc)
        return true;
    if (!expr_eval(ctx->vm, ctx->sym, argv[i], &v, why, sizeof(why)))
        return view_fail(doc, "%s: %s", argv[0], why);
    *value = v.value;
    return true;
}

bool view_address(const struct view_ctx *ctx, int argc, char **argv,
                  uint64_t dflt, uint64_t *gla, struct doc *doc)
{
    bool dot = argc > 1 && strcmp(argv[1], ".") == 0;

    return view_arg(ctx, dot ? 1 : argc, argv, 1, dflt, gla, doc);
}
