/* Exit statistics as JSON; the schema is course-notes/stats-schema.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "vmm/exit_report.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *kind_json(const struct exit_count *c, enum vm_exit_kind kind)
{
    json_t *log2 = json_array();
    unsigned last = EXIT_STATS_BUCKETS;

    while (last && !c->bucket[last - 1])
        last--;
    for (unsigned i = 0; i < last; i++)
        json_array_append_new(log2, number(c->bucket[i]));
    return json_pack(
        "{s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id", vm_exit_id(kind),
        "name", vm_exit_name(kind), "reason",
        vm_exit_reason(kind) < 0 ? json_null()
                                 : json_integer(vm_exit_reason(kind)),
        "class", vm_exit_class(kind), "count", number(c->count), "total_ns",
        number(c->total_ns), "min_ns", number(c->min_ns), "max_ns",
        number(c->max_ns), "log2_ns", log2);
}

static json_t *kinds_json(const struct exit_stats *s)
{
    json_t *list = json_array();

    for (unsigned k = 0; k < VM_EXIT_COUNT; k++)
        if (s->kind[k].count)
            json_array_append_new(list,
                                  kind_json(&s->kind[k], (enum vm_exit_kind)k));
    return list;
}

static int most_first(const void *a, const void *b)
{
    const struct exit_detail *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    if (x->rip != y->rip)
        return x->rip < y->rip ? -1 : 1;
    return x->what < y->what ? -1 : x->what > y->what;
}

static json_t *details_json(const struct exit_stats *s)
{
    struct exit_detail *list = calloc(EXIT_STATS_DETAILS, sizeof(*list));
    json_t *array = json_array();
    char text[48];
    size_t n = 0;

    for (size_t i = 0; list && i < EXIT_STATS_DETAILS; i++)
        if (s->detail[i].count)
            list[n++] = s->detail[i];
    if (n)
        qsort(list, n, sizeof(list[0]), most_first);
    for (size_t i = 0; i < n; i++) {
        exit_detail_text(&list[i], text, sizeof(text));
        json_array_append_new(
            array,
            json_pack("{s:s, s:o, s:b, s:s, s:o, s:o, s:o, s:o}", "kind",
                      vm_exit_id((enum vm_exit_kind)list[i].kind), "what",
                      number(list[i].what), "write", list[i].write, "text",
                      text, "rip", number(list[i].rip), "count",
                      number(list[i].count), "total_ns",
                      number(list[i].total_ns), "elements",
                      number(list[i].elements)));
    }
    free(list);
    return array;
}

static json_t *counters_json(const struct exit_counter *c, unsigned count)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < count; i++)
        json_object_set_new(object, c[i].name, number(c[i].value));
    return object;
}

void exit_report_json(struct strbuf *out, const struct exit_report *r)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "schema", EXIT_REPORT_SCHEMA, "accel", r->accel, "guest", r->guest,
        "stop", r->stop, "status", r->status, "wall_ns", number(r->wall_ns),
        "insns", r->insns ? number(r->insns) : json_null(), "kinds",
        kinds_json(r->stats), "details", details_json(r->stats), "other",
        number(r->stats->other), "kernel", counters_json(r->kernel, r->kernels),
        "inline", counters_json(r->inlined, r->inlines));
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER);

    assert(text && "out of memory");
    strbuf_puts(out, text);
    strbuf_putc(out, '\n');
    free(text);
    json_decref(root);
}

/* ---- and back ------------------------------------------------------------ */

static uint64_t get_number(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));

    return n > 0 ? (uint64_t)n : 0;
}

static void get_string(const json_t *object, const char *key, char *buf,
                       size_t len)
{
    const char *text = json_string_value(json_object_get(object, key));

    snprintf(buf, len, "%s", text ? text : "");
}

/* Kinds that this version does not know are left out. */
static void load_kind(struct exit_stats *stats, const json_t *row)
{
    const char *id = json_string_value(json_object_get(row, "id"));
    const json_t *log2 = json_object_get(row, "log2_ns");

    for (unsigned k = 0; id && k < VM_EXIT_COUNT; k++) {
        struct exit_count *c = &stats->kind[k];

        if (strcmp(vm_exit_id((enum vm_exit_kind)k), id) != 0)
            continue;
        c->count = get_number(row, "count");
        c->total_ns = get_number(row, "total_ns");
        c->min_ns = get_number(row, "min_ns");
        c->max_ns = get_number(row, "max_ns");
        for (size_t i = 0; i < EXIT_STATS_BUCKETS; i++) {
            json_int_t n = json_integer_value(json_array_get(log2, i));

            c->bucket[i] = n > 0 ? (uint64_t)n : 0;
        }
    }
}

int exit_report_load(struct exit_report *r, struct exit_stats *stats,
                     const char *path, char *why, size_t len)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_DISABLE_EOF_CHECK, &error);
    const char *schema = json_string_value(json_object_get(root, "schema"));
    const json_t *kinds = json_object_get(root, "kinds"), *row;
    size_t i;

    *r = (struct exit_report){.stats = stats};
    memset(stats, 0, sizeof(*stats));
    if (!root || !schema || strcmp(schema, EXIT_REPORT_SCHEMA) != 0) {
        if (!root && json_error_code(&error) == json_error_cannot_open_file)
            snprintf(why, len, "%s", error.text);
        else if (!root)
            snprintf(why, len, "%s: %s (line %d)", path, error.text,
                     error.line);
        else
            snprintf(why, len, "%s: not written by --stats=json", path);
        json_decref(root);
        return -EINVAL;
    }
    get_string(root, "accel", r->accel, sizeof(r->accel));
    get_string(root, "guest", r->guest, sizeof(r->guest));
    get_string(root, "stop", r->stop, sizeof(r->stop));
    r->status = (int)json_integer_value(json_object_get(root, "status"));
    r->wall_ns = get_number(root, "wall_ns");
    r->insns = get_number(root, "insns");
    json_array_foreach(kinds, i, row)
    {
        load_kind(stats, row);
    }
    json_decref(root);
    return 0;
}
