/* Packets about the session, the threads and the documents; `monitor`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gdbstub/command.h"

/* ---- what both sides can do --------------------------------------------- */

/* clang-format off */
static const struct {
    const char *name;
    enum gdb_feature feature;
} client_features[] = {
    { "multiprocess+",  GDB_FEATURE_MULTIPROCESS },
    { "swbreak+",       GDB_FEATURE_SWBREAK },
    { "hwbreak+",       GDB_FEATURE_HWBREAK },
    { "error-message+", GDB_FEATURE_ERROR_MESSAGE },
};
/* clang-format on */

enum gdb_reply gdb_supported(struct gdb_session *s, const struct gdb_args *args)
{
    const char *p = args->arg[0].text, *limit = p + args->arg[0].len;

    s->features = 0;
    while (p < limit) {
        const char *end;

        p++; /* the : or ; before it */
        end = memchr(p, ';', (size_t)(limit - p));
        if (!end)
            end = limit;
        for (size_t i = 0; i < ARRAY_SIZE(client_features); i++)
            if (strlen(client_features[i].name) == (size_t)(end - p) &&
                memcmp(p, client_features[i].name, (size_t)(end - p)) == 0)
                s->features |= client_features[i].feature;
        p = end;
    }
    strbuf_printf(&s->body,
                  "PacketSize=%x;QStartNoAckMode+;vContSupported+;"
                  "multiprocess+;swbreak+;hwbreak+;binary-upload+;"
                  "error-message+;qXfer:features:read+;qXfer:threads:read+;"
                  "ConditionalBreakpoints+;BreakpointCommands+",
                  GDB_PACKET_MAX);
    if (s->target.ops->memory_map)
        strbuf_puts(&s->body, ";qXfer:memory-map:read+");
    if (s->target.ops->libraries)
        strbuf_puts(&s->body, ";qXfer:libraries:read+");
    if (s->target.ops->exec_file && s->target.ops->exec_file(s->target.opaque))
        strbuf_puts(&s->body, ";qXfer:exec-file:read+");
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_no_ack(struct gdb_session *s, const struct gdb_args *args)
{
    (void)args;
    s->no_ack = true; /* the server still acknowledges this packet */
    return GDB_REPLY_OK;
}

enum gdb_reply gdb_extended(struct gdb_session *s, const struct gdb_args *args)
{
    (void)args;
    s->extended = true;
    return GDB_REPLY_OK;
}

enum gdb_reply gdb_symbols(struct gdb_session *s, const struct gdb_args *args)
{
    (void)s, (void)args;
    return GDB_REPLY_OK;
}

enum gdb_reply gdb_offsets(struct gdb_session *s, const struct gdb_args *args)
{
    unsigned long long by =
        s->target.ops->load_offset
            ? (unsigned long long)s->target.ops->load_offset(s->target.opaque)
            : 0;

    (void)args;
    strbuf_printf(&s->body, "Text=%llx;Data=%llx;Bss=%llx", by, by, by);
    return GDB_REPLY_DATA;
}

/* ---- threads: the one vCPU ---------------------------------------------- */

/* A guest that was killed, or has ended, has none; nor has one that the client
 * left but not the stub, or gdb would think itself attached. */
static bool has_thread(struct gdb_session *s)
{
    struct gdb_stop stop = {0};

    if (s->dead || (s->detached && s->extended))
        return false;
    if (s->target.ops->running(s->target.opaque))
        return true;
    s->target.ops->last_stop(s->target.opaque, &stop);
    return stop.kind == GDB_STOP_SIGNAL;
}

enum gdb_reply gdb_attached(struct gdb_session *s, const struct gdb_args *args)
{
    (void)args;
    strbuf_putc(&s->body, '1'); /* so that gdb detaches when it quits */
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_thread_current(struct gdb_session *s,
                                  const struct gdb_args *args)
{
    (void)args;
    strbuf_puts(&s->body, "QC");
    gdb_put_thread(s);
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_threads_first(struct gdb_session *s,
                                 const struct gdb_args *args)
{
    if (!has_thread(s))
        return gdb_threads_next(s, args);
    strbuf_putc(&s->body, 'm');
    gdb_put_thread(s);
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_threads_next(struct gdb_session *s,
                                const struct gdb_args *args)
{
    (void)args;
    strbuf_putc(&s->body, 'l');
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_thread_select(struct gdb_session *s,
                                 const struct gdb_args *args)
{
    struct gdb_args thread;
    size_t len = args->arg[0].len;

    if (len < 2 ||
        !gdb_args_parse("T.", args->arg[0].text + 1, len - 1, &thread))
        return gdb_fail(s, EINVAL, "H: not a thread");
    return thread.arg[0].number == 1
               ? GDB_REPLY_OK
               : gdb_fail(s, ESRCH, "there is only thread 1, the vCPU");
}

enum gdb_reply gdb_thread_alive(struct gdb_session *s,
                                const struct gdb_args *args)
{
    if (args->arg[0].number != 1)
        return gdb_fail(s, ESRCH, "there is only thread 1, the vCPU");
    if (!has_thread(s))
        return gdb_fail(s, ESRCH, "the guest has ended");
    return GDB_REPLY_OK;
}

static void add_thread_info(struct gdb_session *s, struct strbuf *text)
{
    if (s->target.ops->thread_info)
        s->target.ops->thread_info(s->target.opaque, text);
    else
        strbuf_puts(text, "vCPU");
}

enum gdb_reply gdb_thread_info(struct gdb_session *s,
                               const struct gdb_args *args)
{
    enum gdb_reply reply = gdb_thread_alive(s, args);
    struct strbuf text;

    if (reply != GDB_REPLY_OK)
        return reply;
    strbuf_init(&text);
    add_thread_info(s, &text);
    gdb_put_hex(&s->body, strbuf_str(&text), text.len);
    strbuf_fini(&text);
    return GDB_REPLY_DATA;
}

/* ---- documents ---------------------------------------------------------- */

enum gdb_reply gdb_xfer_features(struct gdb_session *s,
                                 const struct gdb_args *args)
{
    const char *text;
    char annex[64];

    /* Longer than any annex there is: not one of them. */
    if (args->arg[0].len >= sizeof(annex))
        return gdb_fail(s, ENOENT, "no such part of the description");
    memcpy(annex, args->arg[0].text, args->arg[0].len);
    annex[args->arg[0].len] = '\0';
    text = s->target.ops->describe(s->target.opaque, annex,
                                   args->arg[1].number == 0);
    if (!text)
        return gdb_fail(s, ENOENT, "no such part of the description");
    return gdb_put_part(s, args, text, strlen(text));
}

enum gdb_reply gdb_xfer_threads(struct gdb_session *s,
                                const struct gdb_args *args)
{
    struct strbuf text;
    enum gdb_reply reply;

    strbuf_init(&text);
    strbuf_puts(&text, "<?xml version=\"1.0\"?>\n<threads>\n");
    if (has_thread(s)) {
        strbuf_printf(&text, "<thread id=\"%s\" core=\"0\" name=\"CPU 0\">",
                      s->features & GDB_FEATURE_MULTIPROCESS ? "p1.1" : "1");
        add_thread_info(s, &text);
        strbuf_puts(&text, "</thread>\n");
    }
    strbuf_puts(&text, "</threads>\n");
    reply = gdb_put_part(s, args, strbuf_str(&text), text.len);
    strbuf_fini(&text);
    return reply;
}

enum gdb_reply gdb_xfer_memory_map(struct gdb_session *s,
                                   const struct gdb_args *args)
{
    const char *text = s->target.ops->memory_map
                           ? s->target.ops->memory_map(s->target.opaque)
                           : NULL;

    return text ? gdb_put_part(s, args, text, strlen(text)) : GDB_REPLY_EMPTY;
}

enum gdb_reply gdb_xfer_exec_file(struct gdb_session *s,
                                  const struct gdb_args *args)
{
    const char *path = s->target.ops->exec_file
                           ? s->target.ops->exec_file(s->target.opaque)
                           : NULL;

    return path ? gdb_put_part(s, args, path, strlen(path)) : GDB_REPLY_EMPTY;
}

/* Read from its beginning, it is what the client has from now on. */
enum gdb_reply gdb_xfer_libraries(struct gdb_session *s,
                                  const struct gdb_args *args)
{
    const char *text = s->target.ops->libraries
                           ? s->target.ops->libraries(s->target.opaque)
                           : NULL;

    if (!text)
        return GDB_REPLY_EMPTY;
    if (args->arg[1].number == 0) {
        s->reads_libraries = true;
        s->libraries = hash_text(text);
    }
    return gdb_put_part(s, args, text, strlen(text));
}

bool gdb_libraries_changed(struct gdb_session *s)
{
    uint32_t now;

    if (!s->reads_libraries)
        return false;
    now = hash_text(s->target.ops->libraries(s->target.opaque));
    if (now == s->libraries)
        return false;
    s->libraries = now;
    return true;
}

/* ---- monitor ------------------------------------------------------------ */

#define MONITOR_LINE_MAX 1024u
#define MONITOR_TEXT_MAX (GDB_PACKET_MAX / 2)

/* For a client that asks for no changes: gdb without ringside-gdb.py. */
static const char hint[] =
    "gdb has not noticed; type: maintenance flush register-cache\n";

static enum gdb_reply put_text(struct gdb_session *s, const struct strbuf *text)
{
    size_t shown = text->len < MONITOR_TEXT_MAX ? text->len : MONITOR_TEXT_MAX;

    gdb_put_hex(&s->body, text->text, shown);
    return shown ? GDB_REPLY_DATA : GDB_REPLY_OK;
}

void gdb_put_monitor_end(struct gdb_session *s)
{
    struct gdb_stop stop = {0};
    struct strbuf text;

    strbuf_init(&text);
    s->target.ops->monitor_end(s->target.opaque, &text);
    s->target.ops->last_stop(s->target.opaque, &stop);
    if (!s->follows && stop.kind == GDB_STOP_SIGNAL)
        strbuf_puts(&text, hint);
    (void)put_text(s, &text);
    strbuf_fini(&text);
}

static enum gdb_reply run_monitor(struct gdb_session *s, const char *line,
                                  struct strbuf *text)
{
    switch (s->target.ops->monitor(s->target.opaque, line, text)) {
    case GDB_MONITOR_RUNS:
        s->monitoring = true;
        return GDB_REPLY_LATER;
    case GDB_MONITOR_QUIT:
        (void)gdb_end_guest(s);
        strbuf_puts(text, s->extended ? "the guest is off; `run` restarts it\n"
                                      : "the guest is off\n");
        break;
    case GDB_MONITOR_DONE:
        break;
    }
    return put_text(s, text);
}

enum gdb_reply gdb_monitor(struct gdb_session *s, const struct gdb_args *args)
{
    size_t len = args->arg[0].len / 2;
    enum gdb_reply reply;
    char line[MONITOR_LINE_MAX];
    struct strbuf text;

    if (!s->target.ops->monitor)
        return GDB_REPLY_EMPTY;
    if (len >= sizeof(line))
        return gdb_fail(s, E2BIG, "monitor: the command is too long");
    if (!gdb_from_hex(args->arg[0].text, args->arg[0].len, line))
        return gdb_fail(s, EINVAL, "monitor: not hexadecimal");
    line[len] = '\0';
    strbuf_init(&text);
    reply = run_monitor(s, line, &text);
    strbuf_fini(&text);
    return reply;
}

enum gdb_reply gdb_changes(struct gdb_session *s, const struct gdb_args *args)
{
    (void)args;
    if (!s->target.ops->changes)
        return GDB_REPLY_EMPTY;
    s->follows = true;
    strbuf_printf(&s->body, "%x", s->target.ops->changes(s->target.opaque));
    return GDB_REPLY_DATA;
}

/* ---- what scripts for QEMU send ----------------------------------------- */

enum gdb_reply gdb_phys_query(struct gdb_session *s,
                              const struct gdb_args *args)
{
    (void)args;
    strbuf_putc(&s->body, s->phys ? '1' : '0');
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_phys_set(struct gdb_session *s, const struct gdb_args *args)
{
    s->phys = args->arg[0].number != 0;
    return GDB_REPLY_OK;
}

enum gdb_reply gdb_sstep_query(struct gdb_session *s,
                               const struct gdb_args *args)
{
    (void)args;
    strbuf_printf(&s->body, "0x%x", s->sstep);
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_sstep_bits(struct gdb_session *s,
                              const struct gdb_args *args)
{
    (void)args;
    strbuf_printf(&s->body, "ENABLE=%x,NOIRQ=%x,NOTIMER=%x", GDB_SSTEP_ENABLE,
                  GDB_SSTEP_NOIRQ, GDB_SSTEP_NOTIMER);
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_sstep_set(struct gdb_session *s, const struct gdb_args *args)
{
    const uint64_t all = GDB_SSTEP_ENABLE | GDB_SSTEP_NOIRQ | GDB_SSTEP_NOTIMER;

    if (args->arg[0].number & ~all)
        return gdb_fail(s, EINVAL, "there is no such bit");
    s->sstep = (unsigned)args->arg[0].number;
    return GDB_REPLY_OK;
}
