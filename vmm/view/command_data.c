/* Commands that look at and change values, and help. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/dev/chardev.h"
#include "vmm/view/commands.h"
#include "vmm/view/expr.h"
#include "vmm/view/gdb_words.h"

static void help_row(struct strbuf *out, const char *name, const char *args,
                     const char *summary)
{
    if (strlen(args) > 22)
        strbuf_printf(out, "%-9s %s\n%33s", name, args, "");
    else
        strbuf_printf(out, "%-9s %-22s ", name, args);
    strbuf_wrap(out, summary, 33, 79);
}

bool command_help(struct command_ctx *ctx, int argc, char **argv,
                  struct strbuf *out)
{
    const char *here = argc > 1 ? gdb_words_find(argv[1]) : NULL;
    const char *gdb;
    const struct command *c;
    const struct view *v;

    (void)ctx;
    if (here)
        argv[1] = (char *)(uintptr_t)here;
    for (size_t i = 0; (c = command_nth(i)); i++)
        if (argc < 2 || strcmp(argv[1], c->name) == 0)
            help_row(out, c->name, c->args, c->summary);
    if (argc < 2)
        strbuf_puts(out, "views:\n");
    for (size_t i = 0; (v = view_nth(i)); i++)
        if (argc < 2 || strcmp(argv[1], v->name) == 0)
            help_row(out, v->name, v->args, v->summary);
    if (argc > 1 && strcmp(argv[1], "expr") == 0)
        expr_help(out);
    if (out->len == 0)
        return command_fail_unknown(out, argv[1]);
    if (argc < 2)
        strbuf_puts(out, "addresses and values: help expr\n"
                         "in gdb's words:\n info x/4i p/x");
    for (size_t i = 0; argc < 2 && (gdb = gdb_words_nth(i)); i++)
        strbuf_printf(out, " %s", gdb);
    if (argc < 2)
        strbuf_putc(out, '\n');
    return true;
}

/* What is about a screen is its own affair. */
static bool on_screen(struct command_ctx *ctx, int argc, char **argv,
                      struct strbuf *out)
{
    if (!ctx->screen.run)
        return command_fail(out, "%s: nothing is drawn here", argv[0]);
    return ctx->screen.run(ctx->screen.opaque, ctx, argc, argv, out);
}

bool command_type(struct command_ctx *ctx, int argc, char **argv,
                  struct strbuf *out)
{
    struct chardev *com1 = vm_serial(ctx->vm, 0);

    (void)argc, (void)argv;
    if (!com1)
        return command_fail(out, "the machine has no COM1 (--serial)");
    chardev_type(com1, ctx->rest, strlen(ctx->rest));
    chardev_type(com1, "\r", 1);
    return true;
}

bool command_layout(struct command_ctx *ctx, int argc, char **argv,
                    struct strbuf *out)
{
    return on_screen(ctx, argc, argv, out);
}

bool command_theme(struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    return on_screen(ctx, argc, argv, out);
}

bool command_print(struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    char text[512] = "", why[160], where[96];
    struct expr_value v;
    uint64_t offset;

    if (argc < 2)
        return command_fail(out, "print what? try: print [esp+4]");
    for (int i = 1; i < argc; i++) /* spaces are welcome in expressions */
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ",
                 argv[i]);
    if (!expr_eval(ctx->vm, ctx->sym, text, &v, why, sizeof(why)))
        return command_fail(out, "print: %s", why);
    strbuf_printf(out, "%#llx  %lld", (unsigned long long)v.value,
                  (long long)v.value);
    if (symbols_at(ctx->sym, v.value, &offset)) {
        symbols_format(ctx->sym, v.value, where, sizeof(where));
        strbuf_printf(out, "  %s", where);
    }
    strbuf_putc(out, '\n');
    return true;
}

static unsigned width_of(const char *text)
{
    static const struct {
        char key;
        unsigned size;
    } widths[] = {{'b', 1}, {'w', 2}, {'d', 4}, {'q', 8}};

    for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
        if (text[0] == widths[i].key && !text[1])
            return widths[i].size;
    return 0;
}

static bool set_memory(struct command_ctx *ctx, int argc, char **argv,
                       uint64_t value, struct strbuf *out)
{
    unsigned size = argc > 3 ? width_of(argv[3]) : 4;
    struct expr_value at;
    char why[160];
    size_t n;

    if (size == 0)
        return command_fail(out, "set: the width is b, w, d or q");
    if (!expr_eval(ctx->vm, ctx->sym, argv[1], &at, why, sizeof(why)))
        return command_fail(out, "set: %s", why);
    n = at.phys ? vm_write_gpa(ctx->vm, at.value, &value, size)
                : vm_write_gla(ctx->vm, at.value, &value, size);
    ctx->changes++;
    if (n < size)
        return command_fail(out, "set: nothing is mapped at %#llx",
                            (unsigned long long)at.value);
    return true;
}

bool command_set(struct command_ctx *ctx, int argc, char **argv,
                 struct strbuf *out)
{
    const char *name = argc > 1 ? argv[1] : "";
    struct x86_state st;
    uint64_t value;

    if (!command_value(ctx, argc, argv, 2, &value, out))
        return false;
    if (vm_get_state(ctx->vm, &st) < 0)
        return command_fail(out, "set: the registers cannot be read");
    if (!expr_set_register(&st, name[0] == '$' ? name + 1 : name, value))
        return set_memory(ctx, argc, argv, value, out);
    if (vm_set_state(ctx->vm, &st) < 0)
        return command_fail(out, "set: the processor refused the value");
    ctx->changes++;
    return true;
}

bool command_phys(struct command_ctx *ctx, int argc, char **argv,
                  struct strbuf *out)
{
    struct strbuf line;
    bool ok;

    (void)argv;
    if (argc < 2)
        return command_fail(out, "phys: which address? try: phys 0xb8000");
    strbuf_init(&line);
    strbuf_printf(&line, "memory phys:%s",
                  ctx->rest + strspn(ctx->rest, " \t"));
    ok = command_run(ctx, line.text, out);
    strbuf_fini(&line);
    return ok;
}

static enum doc_form form_of(const char *path)
{
    const char *end = strrchr(path, '.');

    if (end && strcmp(end, ".svg") == 0)
        return DOC_SVG;
    return end && strcmp(end, ".json") == 0 ? DOC_JSON : DOC_TEXT;
}

/* Somebody else's files go where we run, and look like what they are. */
static bool name_for_remote(const char *path)
{
    static const char *const ends[] = {".svg", ".json", ".txt"};
    const char *end = strrchr(path, '.');

    for (size_t i = 0; end && i < ARRAY_SIZE(ends); i++)
        if (strcmp(end, ends[i]) == 0)
            return path[0] != '.' && !strchr(path, '/');
    return false;
}

static bool write_file(const struct command_ctx *ctx, const char *path,
                       const struct strbuf *text, struct strbuf *out)
{
    FILE *f;
    bool ok;

    if (ctx->remote && !name_for_remote(path))
        return command_fail(out, "save: through gdb, to a new NAME.svg, .json "
                                 "or .txt where ringside runs; elsewhere: pipe "
                                 "monitor VIEW | cat > FILE");
    f = fopen(path, ctx->remote ? "wxe" : "we");
    if (!f)
        return command_fail(out, "save: cannot write %s: %s", path,
                            strerror(errno));
    ok = fwrite(text->text, 1, text->len, f) == text->len;
    ok &= fclose(f) == 0;
    return ok || command_fail(out, "save: %s: %s; is the disk full?", path,
                              strerror(errno));
}

bool command_save(struct command_ctx *ctx, int argc, char **argv,
                  struct strbuf *out)
{
    const struct view *view = argc > 2 ? view_find(argv[2]) : NULL;
    struct view_ctx vc = command_view_ctx(ctx);
    struct strbuf text;
    struct doc doc;
    bool ok;

    if (!view)
        return command_fail(out, "save what, and where? try: "
                                 "save walk.svg walk cr2");
    strbuf_init(&text);
    doc_init(&doc, view->name);
    ok = view->fn(&vc, argc - 2, argv + 2, &doc);
    doc_write(&doc, ok ? form_of(argv[1]) : DOC_TEXT, 0, ok ? &text : out);
    ok = ok && write_file(ctx, argv[1], &text, out);
    if (ok)
        strbuf_printf(out, "%s: %zu bytes\n", argv[1], text.len);
    doc_fini(&doc);
    strbuf_fini(&text);
    return ok;
}

static bool list_symbols(const struct command_ctx *ctx, struct strbuf *out)
{
    if (!ctx->sym)
        return command_fail(out, "symbols: none are loaded; which ELF file or "
                                 "System.map?");
    for (const struct symbols *s = ctx->sym; s; s = symbols_next(s)) {
        strbuf_printf(out, "%zu symbols from %s", symbols_count(s),
                      symbols_path(s));
        if (symbols_delta(s))
            strbuf_printf(out, ", moved by %#llx",
                          (unsigned long long)symbols_delta(s));
        strbuf_putc(out, '\n');
    }
    return true;
}

static bool relocate_symbols(struct command_ctx *ctx, int argc, char **argv,
                             struct strbuf *out)
{
    uint64_t delta;

    if (!ctx->sym)
        return command_fail(out, "symbols: load a file first");
    if (!command_value(ctx, argc, argv, 2, &delta, out))
        return false;
    symbols_relocate(ctx->sym, (int64_t)delta);
    ctx->changes++;
    return true;
}

/* symbols [FILE [DELTA] | add FILE [DELTA] | relocate DELTA] */
bool command_symbols(struct command_ctx *ctx, int argc, char **argv,
                     struct strbuf *out)
{
    bool more = argc > 1 && strcmp(argv[1], "add") == 0;
    struct symbols *fresh;
    uint64_t delta = 0;

    if (argc < 2)
        return list_symbols(ctx, out);
    if (strcmp(argv[1], "relocate") == 0)
        return relocate_symbols(ctx, argc, argv, out);
    if (more && argc < 3)
        return command_fail(out, "symbols: add which ELF file?");
    if (argc > 2 + more &&
        !command_value(ctx, argc, argv, 2 + more, &delta, out))
        return false;
    if (symbols_load(&fresh, argv[1 + more]) < 0)
        return command_fail(out,
                            "symbols: %s is neither an ELF file with "
                            "symbols nor a list as System.map is",
                            argv[1 + more]);
    symbols_relocate(fresh, (int64_t)delta);
    if (!more) {
        symbols_free(ctx->sym);
        ctx->sym = NULL;
    }
    ctx->sym = symbols_add(ctx->sym, fresh);
    ctx->changes++;
    strbuf_printf(out, "%zu symbols from %s\n", symbols_count(fresh),
                  argv[1 + more]);
    return true;
}
