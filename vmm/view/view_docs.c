#include "vmm/view/view_docs.h"

#include <string.h>

#include "vmm/view/view.h"

static const struct {
    const char *view, *table, *key, *type, *meaning;
} keys[] = {
#define KEY(view, table, key, type, meaning) {#view, table, key, type, meaning},
#include "vmm/view/view_keys.def"
#undef KEY
};

static const char intro[] =
    "# Views\n\n"
    "Made from `vmm/view/view.def` and `vmm/view/view_keys.def`.\n\n"
    "`ringside view VIEW GUEST ARG...` prints a view of a guest, as `--text` "
    "(the default),\n`--json`, or `--svg`; each is also a command of the "
    "debugger and, but for files, of\ngdb's `monitor`; `save FILE VIEW` "
    "writes it there, in the form that FILE's ending\nnames.\n\n"
    "The JSON is one object: `view` is the name, `notes` a list of lines for "
    "people, and\nthe keys below. A key of a list is one of each object in "
    "that list. Keys that have\nnothing to say are left out, a `*` stands for "
    "any characters, a `?` for one, `hex` is text in\nhexadecimal with or "
    "without 0x. A view "
    "that cannot be made has a note saying why,\nand the exit status is 2. "
    "Keys are added over time and never change meaning.\n";

static void put_cell(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            strbuf_putc(out, '\\');
        strbuf_putc(out, *text);
    }
}

static void put_keys(struct strbuf *out, const char *view)
{
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strcmp(keys[i].view, view) != 0)
            continue;
        if (!any)
            strbuf_puts(out, "\n| in | key | type | meaning |\n"
                             "|---|---|---|---|\n");
        any = true;
        strbuf_printf(out, "| %s | `%s` | %s | ", keys[i].table, keys[i].key,
                      keys[i].type);
        put_cell(out, keys[i].meaning);
        strbuf_puts(out, " |\n");
    }
    if (!any)
        strbuf_puts(out, "\nIts lines are notes.\n");
}

void view_docs_md(struct strbuf *out)
{
    const struct view *v;

    strbuf_puts(out, intro);
    for (size_t i = 0; (v = view_nth(i)); i++) {
        strbuf_printf(out, "\n## %s\n\n`%s%s%s`: %s.\n", v->name, v->name,
                      v->args[0] ? " " : "", v->args, v->summary);
        put_keys(out, v->name);
    }
}
