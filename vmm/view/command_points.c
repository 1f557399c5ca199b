/* Commands that make and unmake stop points. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/view/commands.h"
#include "vmm/view/explain.h"
#include "vmm/view/expr.h"
#include "vmm/x86/text.h"

/* A condition that a person typed, evaluated at each hit. */
struct typed_condition {
    struct command_ctx *ctx;
    struct typed_condition *next;
    char text[128];
};

void command_free_conditions(struct command_ctx *ctx)
{
    while (ctx->conditions) {
        struct typed_condition *c = ctx->conditions;

        ctx->conditions = c->next;
        free(c);
    }
}

static bool condition_holds(void *opaque, struct debug *d,
                            const struct x86_state *st)
{
    const struct typed_condition *c = opaque;
    struct expr_value v;
    char why[80];

    (void)d, (void)st;
    /* A condition that cannot be evaluated stops, so that it is seen. */
    return !expr_eval(c->ctx->vm, c->ctx->sym, c->text, &v, why, sizeof(why)) ||
           v.value != 0;
}

/* Joins ARGV[FROM..] with spaces. */
static void join(char *buf, size_t len, int argc, char **argv, int from)
{
    size_t at = 0;

    buf[0] = '\0';
    for (int i = from; i < argc && at + 1 < len; i++)
        at += (size_t)snprintf(buf + at, len - at, "%s%s", i > from ? " " : "",
                               argv[i]);
}

static bool set_condition(struct command_ctx *ctx, struct debug_point *p,
                          int argc, char **argv, int from, struct strbuf *out)
{
    struct typed_condition *c;
    size_t at = strlen(p->note);

    if (argc <= from + 1)
        return command_fail(out, "%s: an expression is missing after `if`",
                            argv[0]);
    c = calloc(1, sizeof(*c));
    if (!c)
        return command_fail(out, "out of memory");
    c->ctx = ctx;
    c->next = ctx->conditions;
    ctx->conditions = c;
    join(c->text, sizeof(c->text), argc, argv, from + 1);
    snprintf(p->note + at, sizeof(p->note) - at, "%sif %.40s", at ? " " : "",
             c->text);
    p->condition = condition_holds;
    p->opaque = c;
    return true;
}

#define MODES "real, v86, prot16, prot32, compat16, compat32, long64"

static bool filter_mode(struct debug_filter *f, const char *name)
{
    for (int mode = X86_MODE_REAL; mode <= X86_MODE_LONG64; mode++)
        if (strcmp(x86_mode_name((enum x86_mode)mode), name) == 0) {
            f->mode = mode;
            return true;
        }
    return false;
}

/* One of `cr3 VALUE`, `cpl N`, `mode NAME` at ARGV[I]. */
static bool set_filter(struct command_ctx *ctx, struct debug_point *p, int argc,
                       char **argv, int i, struct strbuf *out)
{
    struct debug_filter *f = &p->filter;
    size_t at = strlen(p->note);
    uint64_t cpl;

    if (i + 1 >= argc)
        return command_fail(out, "%s: `%s` what?", argv[0], argv[i]);
    snprintf(p->note + at, sizeof(p->note) - at, "%s%s %.18s", at ? " " : "",
             argv[i], argv[i + 1]);
    if (strcmp(argv[i], "cr3") == 0)
        return f->has_cr3 = command_value(ctx, argc, argv, i + 1, &f->cr3, out);
    if (strcmp(argv[i], "mode") == 0)
        return filter_mode(f, argv[i + 1]) ||
               command_fail(out, "%s: no mode %s; there are " MODES, argv[0],
                            argv[i + 1]);
    if (!command_value(ctx, argc, argv, i + 1, &cpl, out))
        return false;
    f->cpl = (int)cpl;
    return cpl <= 3 || command_fail(out, "%s: a CPL is 0 to 3", argv[0]);
}

static bool is_limit(const char *word)
{
    return strcmp(word, "if") == 0 || strcmp(word, "cr3") == 0 ||
           strcmp(word, "cpl") == 0 || strcmp(word, "mode") == 0;
}

/* What follows the address: filters, then `if EXPR`. */
static bool set_limits(struct command_ctx *ctx, struct debug_point *p, int argc,
                       char **argv, int from, struct strbuf *out)
{
    for (int i = from; i < argc; i += 2) {
        const char *word = argv[i];

        if (strcmp(word, "if") == 0)
            return set_condition(ctx, p, argc, argv, i, out);
        if (!is_limit(word))
            return command_fail(out,
                                "%s: expected cr3 VALUE, cpl N, mode "
                                "NAME or `if EXPR`, not %s",
                                argv[0], word);
        if (!set_filter(ctx, p, argc, argv, i, out))
            return false;
    }
    return true;
}

static bool add(struct command_ctx *ctx, const struct debug_point *p,
                struct strbuf *out)
{
    char why[160] = "out of memory", what[64] = "";
    int id = debug_add(ctx->dbg, p, why, sizeof(why));

    if (id < 0)
        return command_fail(out, "%s", why);
    if (p->kind == DEBUG_POINT_CATCH)
        command_catch_text(p, what, sizeof(what));
    strbuf_printf(out, "%d: %s%s%s\n", id,
                  p->kind == DEBUG_POINT_WATCH   ? "watchpoint"
                  : p->kind >= DEBUG_POINT_CATCH ? "catchpoint"
                                                 : "breakpoint",
                  what[0] ? ", " : "", what);
    return true;
}

static bool add_break(struct command_ctx *ctx, int argc, char **argv,
                      bool temporary, struct strbuf *out)
{
    const char *where = argc > 1 ? argv[1] : "";
    struct debug_point p;
    struct expr_value v;
    char why[160];

    if (argc < 2)
        return command_fail(out, "%s where? try: %s main, or f000:fff0",
                            argv[0], argv[0]);
    where += where[0] == '*'; /* as gdb's users type an address */
    if (!expr_eval(ctx->vm, ctx->sym, where, &v, why, sizeof(why)))
        return command_fail(out, "%s: %s", argv[0], why);
    debug_point_init(&p,
                     v.phys     ? DEBUG_POINT_PHYS
                     : v.segoff ? DEBUG_POINT_SEGOFF
                                : DEBUG_POINT_LINEAR,
                     v.segoff ? v.offset : v.value);
    p.selector = v.selector;
    p.temporary = temporary;
    return set_limits(ctx, &p, argc, argv, 2, out) && add(ctx, &p, out);
}

bool command_break(struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    return add_break(ctx, argc, argv, false, out);
}

bool command_tbreak(struct command_ctx *ctx, int argc, char **argv,
                    struct strbuf *out)
{
    return add_break(ctx, argc, argv, true, out);
}

static bool add_watch(struct command_ctx *ctx, int argc, char **argv, bool read,
                      bool write, struct strbuf *out)
{
    struct debug_point p;
    uint64_t addr, len = 4;

    if (!command_value(ctx, argc, argv, 1, &addr, out) ||
        (argc > 2 && !command_value(ctx, argc, argv, 2, &len, out)))
        return false;
    debug_point_init(&p, DEBUG_POINT_WATCH, addr);
    p.len = len;
    p.read = read;
    p.write = write;
    return add(ctx, &p, out);
}

bool command_watch(struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    return add_watch(ctx, argc, argv, false, true, out);
}

bool command_rwatch(struct command_ctx *ctx, int argc, char **argv,
                    struct strbuf *out)
{
    return add_watch(ctx, argc, argv, true, false, out);
}

bool command_awatch(struct command_ctx *ctx, int argc, char **argv,
                    struct strbuf *out)
{
    return add_watch(ctx, argc, argv, true, true, out);
}

/* clang-format off */
static const struct catch_row {
    const char *name;
    enum vm_exit_kind exit;
    const char *value; /* that may follow, or "" */
    const char *ways[2]; /* to read, to write: one of these may follow then */
    const char *summary;
} catches[] = {
    { "exception", VM_EXIT_EXCEPTION, "[VECTOR]", {0}, "a fault or trap: #pf, or 14" },
    { "int", VM_EXIT_SOFT_INT, "[VECTOR]", {0}, "an INT n of the guest's" },
    { "vector", VM_EXIT_EXTINT, "[VECTOR]", {0}, "an interrupt from a device" },
    { "iret", VM_EXIT_IRET, "", {0}, "the return from a handler" },
    { "port", VM_EXIT_PIO, "[PORT]", {"in", "out"}, "an IN or OUT" },
    { "mmio", VM_EXIT_MMIO, "[PHYSICAL]", {"read", "write"}, "an access to a chip's memory" },
    { "rdmsr", VM_EXIT_RDMSR, "[MSR]", {0}, "a model-specific register is read" },
    { "wrmsr", VM_EXIT_WRMSR, "[MSR]", {0}, "... or written" },
    { "cr", VM_EXIT_CR_ACCESS, "[N]", {"read", "write"}, "a control register: `catch cr 3`" },
    { "dr", VM_EXIT_DR_ACCESS, "[N]", {"read", "write"}, "a debug register" },
    { "hlt", VM_EXIT_HLT, "", {0}, "the guest waits for an interrupt" },
    { "cpuid", VM_EXIT_CPUID, "", {0}, "CPUID" },
    { "invlpg", VM_EXIT_INVLPG, "", {0}, "INVLPG" },
    { "task", VM_EXIT_TASK_SWITCH, "", {0}, "a switch through a TSS" },
    { "segment", VM_EXIT_SEG_LOAD, "[N]", {0}, "a segment register is loaded" },
};
/* clang-format on */

static const struct catch_row *find_catch(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(catches); i++)
        if (strcmp(catches[i].name, name) == 0)
            return &catches[i];
    return NULL;
}

const char *command_catch_name(size_t n)
{
    if (n < ARRAY_SIZE(catches))
        return catches[n].name;
    return n == ARRAY_SIZE(catches) ? "mode" : NULL;
}

static const char *way_name(const struct debug_point *p)
{
    for (size_t i = 0; p->read != p->write && i < ARRAY_SIZE(catches); i++)
        if (catches[i].exit == p->exit)
            return catches[i].ways[p->write];
    return NULL;
}

void command_catch_text(const struct debug_point *p, char *buf, size_t len)
{
    bool vector = p->exit == VM_EXIT_EXCEPTION && p->len == 1 && p->addr < 32;
    const char *way = way_name(p);
    struct strbuf text;
    char name[24];

    strbuf_init(&text);
    strbuf_puts(&text, vm_exit_name(p->exit));
    if (p->len)
        strbuf_printf(&text, " %#llx", (unsigned long long)p->addr);
    if (p->len > 1)
        strbuf_printf(&text, "..%#llx",
                      (unsigned long long)(p->addr + p->len - 1));
    if (vector) {
        x86_vector_text(name, sizeof(name), (unsigned)p->addr);
        strbuf_printf(&text, " %s", name);
    }
    if (way)
        strbuf_printf(&text, " %s", way);
    snprintf(buf, len, "%s", strbuf_str(&text));
    strbuf_fini(&text);
}

static bool list_catches(struct strbuf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(catches); i++) {
        const struct catch_row *c = &catches[i];
        char values[40];

        snprintf(values, sizeof(values), c->ways[0] ? "%s [%s | %s]" : "%s",
                 c->value, c->ways[0], c->ways[1]);
        strbuf_printf(out, "%-10s %-25s %s\n", c->name, values, c->summary);
    }
    strbuf_puts(
        out,
        "mode       [cpl | NAME]              a change of mode, or of CPL\n"
        "A value may be a range: catch port 0x3f8..0x3ff out\n"
        "Then, as for break: [cr3 VALUE] [cpl N] [mode NAME] [if EXPR], of "
        "the\n"
        "state at the stop, where a handler begins: catch exception #pf "
        "if cr2 < 4096\n");
    return true;
}

/* catch mode [cpl | NAME]: cpl: its changes too; NAME: only to that mode. */
static bool catch_mode(struct command_ctx *ctx, int argc, char **argv,
                       struct strbuf *out)
{
    struct debug_point p;
    bool cpl = argc > 2 && strcmp(argv[2], "cpl") == 0;

    debug_point_init(&p, DEBUG_POINT_MODE,
                     X86_MODE_BITS | (cpl ? X86_MODE_CPL : 0u));
    if (argc > 2 && !cpl) {
        if (!filter_mode(&p.filter, argv[2]))
            return command_fail(
                out, "catch mode: no mode %s; there are " MODES ", and cpl",
                argv[2]);
        snprintf(p.note, sizeof(p.note), "to %s", argv[2]);
    }
    return add(ctx, &p, out);
}

/* A number, or "#pf" of an exception; and FIRST..LAST. */
static bool catch_value(struct command_ctx *ctx, struct debug_point *p,
                        int argc, char **argv, struct strbuf *out)
{
    const struct explanation *e = p->exit == VM_EXIT_EXCEPTION
                                      ? explain_find(EXPLAIN_VECTOR, argv[2])
                                      : NULL;
    char *dots = strstr(argv[2], "..");
    char *last[] = {argv[0], dots ? dots + 2 : NULL};
    uint64_t end;

    p->len = 1;
    if (e) {
        p->addr = (uint64_t)e->value;
        return true;
    }
    if (dots)
        *dots = '\0';
    if (!command_value(ctx, argc, argv, 2, &p->addr, out) ||
        (dots && !command_value(ctx, 2, last, 1, &end, out)))
        return false;
    if (dots && end < p->addr)
        return command_fail(out, "catch: the range %s..%s is backwards",
                            argv[2], last[1]);
    p->len += dots ? end - p->addr : 0;
    return true;
}

/* Is WORD one of the two ways of ROW?  Then P waits for that alone. */
static bool take_way(const struct catch_row *row, struct debug_point *p,
                     const char *word)
{
    p->read = row->ways[0] && strcmp(word, row->ways[0]) == 0;
    p->write = row->ways[1] && strcmp(word, row->ways[1]) == 0;
    return p->read || p->write;
}

/* catch NAME [VALUE] [WAY] [LIMIT...] */
bool command_catch(struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    const struct catch_row *row;
    struct debug_point p;
    int at = 2;

    if (argc < 2)
        return list_catches(out);
    if (strcmp(argv[1], "mode") == 0)
        return catch_mode(ctx, argc, argv, out);

    row = find_catch(argv[1]);
    if (!row)
        return command_fail(out, "catch: no exit '%s'; `catch` lists them",
                            argv[1]);
    debug_point_init(&p, DEBUG_POINT_CATCH, 0);
    p.exit = row->exit;
    if (row->value[0] && at < argc && !is_limit(argv[at]) &&
        !take_way(row, &p, argv[at])) {
        if (!catch_value(ctx, &p, argc, argv, out))
            return false;
        at++;
    }
    if (at < argc && take_way(row, &p, argv[at]))
        at++;
    else if (row->ways[0] && at < argc && !is_limit(argv[at]))
        return command_fail(out, "catch %s: %s or %s, not %s", row->name,
                            row->ways[0], row->ways[1], argv[at]);
    return set_limits(ctx, &p, argc, argv, at, out) && add(ctx, &p, out);
}

static struct debug_point *point_arg(struct command_ctx *ctx, int argc,
                                     char **argv, struct strbuf *out)
{
    struct debug_point *p;
    uint64_t id;

    if (!command_value(ctx, argc, argv, 1, &id, out))
        return NULL;
    p = debug_find(ctx->dbg, (int)id);
    if (!p)
        command_fail(out, "%s: there is no stop point %s; `points` lists them",
                     argv[0], argv[1]);
    return p;
}

static bool find_check(const char *name, enum debug_check *c)
{
    for (unsigned i = 0; i < DEBUG_CHECK_COUNT; i++) {
        *c = (enum debug_check)i;
        if (strcmp(debug_check_name(*c), name) == 0)
            return true;
    }
    return false;
}

static bool list_checks(struct command_ctx *ctx, struct strbuf *out)
{
    for (unsigned i = 0; i < DEBUG_CHECK_COUNT; i++) {
        enum debug_check c = (enum debug_check)i;

        strbuf_printf(out, "%-7s %-4s %s\n", debug_check_name(c),
                      debug_check_is_on(ctx->dbg, c) ? "on" : "off",
                      debug_check_summary(c));
    }
    return true;
}

bool command_check(struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    uint64_t low = 0, high = 0;
    char note[256];
    enum debug_check c;
    bool on;

    if (argc < 2)
        return list_checks(ctx, out);
    if (!find_check(argv[1], &c))
        return command_fail(out, "check: no check '%s'; `check` lists them",
                            argv[1]);
    on = argc < 3 || strcmp(argv[2], "on") == 0;
    if (!on && strcmp(argv[2], "off") != 0)
        return command_fail(out, "check: on or off?");
    if (argc > 3 && (!command_value(ctx, argc, argv, 3, &low, out) ||
                     !command_value(ctx, argc, argv, 4, &high, out)))
        return false;
    if (debug_check_set(ctx->dbg, c, on, low, high, note, sizeof(note)) < 0)
        return command_fail(out, "check: %s", note);
    strbuf_printf(out, "check %s %s%s%s\n", argv[1], on ? "on" : "off",
                  note[0] ? ": " : "", note);
    return true;
}

bool command_delete(struct command_ctx *ctx, int argc, char **argv,
                    struct strbuf *out)
{
    struct debug_point *p;

    if (argc < 2) {
        while ((p = debug_nth(ctx->dbg, 0)))
            debug_remove(ctx->dbg, p->id);
        return true;
    }
    p = point_arg(ctx, argc, argv, out);
    return p && debug_remove(ctx->dbg, p->id) == 0;
}

static bool switch_point(struct command_ctx *ctx, int argc, char **argv,
                         bool disabled, struct strbuf *out)
{
    struct debug_point *p = point_arg(ctx, argc, argv, out);

    if (p)
        p->disabled = disabled;
    return p != NULL;
}

bool command_enable(struct command_ctx *ctx, int argc, char **argv,
                    struct strbuf *out)
{
    return switch_point(ctx, argc, argv, false, out);
}

bool command_disable(struct command_ctx *ctx, int argc, char **argv,
                     struct strbuf *out)
{
    return switch_point(ctx, argc, argv, true, out);
}

bool command_ignore(struct command_ctx *ctx, int argc, char **argv,
                    struct strbuf *out)
{
    struct debug_point *p = point_arg(ctx, argc, argv, out);

    return p && command_value(ctx, argc, argv, 2, &p->ignore, out);
}
