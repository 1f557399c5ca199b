/* Finding a packet's row, parsing its arguments, shaping its reply. */
#include "gdbstub/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct gdb_command commands[] = {
#define PACKET(prefix, schema, handler, running, summary)                      \
    {prefix, schema, gdb_##handler, running, summary},
#include "gdbstub/command.def"
#undef PACKET
};

const struct gdb_command *gdb_command_nth(size_t n)
{
    return n < ARRAY_SIZE(commands) ? &commands[n] : NULL;
}

const struct gdb_command *gdb_command_find(const char *packet)
{
    const struct gdb_command *best = NULL;
    size_t best_len = 0;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const char *prefix = commands[i].prefix;
        size_t len;

        if (prefix[0] != packet[0])
            continue;
        len = strlen(prefix);
        if (len > best_len && strncmp(packet, prefix, len) == 0) {
            best = &commands[i];
            best_len = len;
        }
    }
    return best;
}

/* ---- arguments ---------------------------------------------------------- */

/* Bytes of a hexadecimal number at TEXT; 0: there is none, or too long. */
static size_t parse_number(const char *text, size_t len, uint64_t *value)
{
    size_t n = 0;

    *value = 0;
    for (; n < len && gdb_hex_digit(text[n]) >= 0; n++) {
        if (*value >> 60)
            return 0;
        *value = *value << 4 | (unsigned)gdb_hex_digit(text[n]);
    }
    return n;
}

/* As QEMU's manual has people type them: 0x5. */
static size_t parse_qemu_number(const char *text, size_t len, uint64_t *value)
{
    size_t before = len > 2 && memcmp(text, "0x", 2) == 0 ? 2 : 0;
    size_t n = parse_number(text + before, len - before, value);

    return n ? before + n : 0;
}

/* p1.1, p1, 1, -1, 0: there is but one thread, so only the form matters. */
static size_t parse_thread(const char *text, size_t len, uint64_t *value)
{
    size_t n = 0, digits;

    *value = 1;
    if (n < len && text[n] == 'p')
        n++;
    for (;;) {
        if (len - n >= 2 && text[n] == '-' && text[n + 1] == '1') {
            digits = 2;
        } else {
            uint64_t id;

            digits = parse_number(text + n, len - n, &id);
            if (id > 1)
                *value = id;
        }
        n += digits;
        if (!digits || n == len || text[n] != '.' || text[0] != 'p')
            return digits ? n : 0;
        n++;
    }
}

static size_t parse_text(const char *text, size_t len, char end)
{
    const char *at = end == '.' ? NULL : memchr(text, end, len);

    return at ? (size_t)(at - text) : len;
}

static bool parse_one(const char schema[2], const char **text, size_t *len,
                      struct gdb_arg *arg)
{
    size_t n = 0;
    bool at_end;

    arg->text = *text;
    if (schema[0] == 'L')
        n = parse_number(*text, *len, &arg->number);
    else if (schema[0] == 'Q')
        n = parse_qemu_number(*text, *len, &arg->number);
    else if (schema[0] == 'T')
        n = parse_thread(*text, *len, &arg->number);
    else
        n = parse_text(*text, *len, schema[1]);
    if (n == 0 && schema[0] != 'S')
        return false;
    arg->len = n;
    at_end = n == *len;
    if (schema[1] == '.')
        return at_end;
    if (at_end)
        return schema[1] == '~';
    if ((*text)[n] != (schema[1] == '~' ? ';' : schema[1]))
        return false;
    *text += n + 1;
    *len -= n + 1;
    return true;
}

bool gdb_args_parse(const char *schema, const char *text, size_t len,
                    struct gdb_args *args)
{
    *args = (struct gdb_args){0};
    if (*schema == '?' && len == 0)
        return true;
    schema += *schema == '?';
    if (!*schema)
        return len == 0;
    for (; *schema; schema += 2) {
        const char *before = text;

        assert(args->count < GDB_ARGS_MAX);
        if (!parse_one(schema, &text, &len, &args->arg[args->count]))
            return false;
        args->count++;
        if (text == before) /* nothing follows: the rest is missing */
            break;
    }
    return true;
}

/* ---- the session -------------------------------------------------------- */

void gdb_session_init(struct gdb_session *s, const struct gdb_target *target)
{
    *s = (struct gdb_session){
        .target = *target,
        .sstep = GDB_SSTEP_ENABLE | GDB_SSTEP_NOIRQ | GDB_SSTEP_NOTIMER,
    };
    strbuf_init(&s->body);
    strbuf_init(&s->held);
}

void gdb_session_fini(struct gdb_session *s)
{
    strbuf_fini(&s->body);
    strbuf_fini(&s->held);
}

enum gdb_reply gdb_fail(struct gdb_session *s, int error, const char *fmt, ...)
{
    va_list ap;

    s->error = error;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, ap);
    va_end(ap);
    return GDB_REPLY_ERROR;
}

enum gdb_reply gdb_result(struct gdb_session *s, int err, const char *what)
{
    return err ? gdb_fail(s, -err, "%s: %s", what, strerror(-err))
               : GDB_REPLY_OK;
}

static enum gdb_reply carry_out(struct gdb_session *s, const char *packet,
                                size_t len)
{
    const struct gdb_command *cmd = gdb_command_find(packet);
    size_t prefix = cmd ? strlen(cmd->prefix) : 0;
    struct gdb_args args;

    if (!cmd || memchr(packet, '\0', prefix < len ? prefix : len))
        return GDB_REPLY_EMPTY;
    if (!gdb_args_parse(cmd->schema, packet + prefix, len - prefix, &args)) {
        /* "qC" is no reason to misunderstand "qCat". */
        if (!cmd->schema[0])
            return GDB_REPLY_EMPTY;
        return gdb_fail(s, EINVAL, "malformed packet %.16s", cmd->prefix);
    }
    if (!cmd->while_running && s->target.ops->running(s->target.opaque))
        return gdb_fail(s, EBUSY, "the guest runs");
    return cmd->handler(s, &args);
}

static void put_error(struct gdb_session *s)
{
    strbuf_reset(&s->body);
    if (s->features & GDB_FEATURE_ERROR_MESSAGE)
        strbuf_printf(&s->body, "E.%s", s->why);
    else
        strbuf_printf(&s->body, "E%02x", (unsigned)s->error & 0xffu);
}

static bool hold(struct gdb_session *s, const char *packet, size_t len)
{
    s->target.ops->interrupt(s->target.opaque);
    strbuf_reset(&s->held);
    strbuf_add(&s->held, packet, len);
    return false;
}

bool gdb_session_packet(struct gdb_session *s, const char *packet, size_t len)
{
    /* The client has given up waiting for the end of its `monitor` command: gdb
     * does at ^C, and says nothing. */
    if (s->monitoring)
        return hold(s, packet, len);
    strbuf_reset(&s->body);
    switch (carry_out(s, packet, len)) {
    case GDB_REPLY_OK:
        strbuf_reset(&s->body);
        strbuf_puts(&s->body, "OK");
        return true;
    case GDB_REPLY_DATA:
        return true;
    case GDB_REPLY_EMPTY:
        strbuf_reset(&s->body);
        return true;
    case GDB_REPLY_ERROR:
        put_error(s);
        return true;
    case GDB_REPLY_LATER:
        s->running = true;
        return false;
    case GDB_REPLY_HOLD:
        return hold(s, packet, len);
    case GDB_REPLY_NONE:
        return false;
    }
    return false;
}

void gdb_session_interrupt(struct gdb_session *s)
{
    if (s->held.len)
        s->held_ctrl_c = true;
    else if (s->running)
        s->target.ops->interrupt(s->target.opaque);
}

bool gdb_session_awaits_stop(const struct gdb_session *s)
{
    return s->running && !s->monitoring;
}

bool gdb_session_stopped(struct gdb_session *s)
{
    bool waited = s->running, monitoring = s->monitoring;

    s->running = s->monitoring = false;
    if (s->held.len) {
        struct strbuf packet = s->held;
        bool reply;

        strbuf_init(&s->held);
        reply = gdb_session_packet(s, strbuf_str(&packet), packet.len);
        strbuf_fini(&packet);
        if (s->held_ctrl_c)
            gdb_session_interrupt(s);
        s->held_ctrl_c = false;
        return reply;
    }
    strbuf_reset(&s->body);
    if (monitoring)
        gdb_put_monitor_end(s);
    else if (waited)
        gdb_put_stop(s);
    return waited;
}

/* ---- for handlers and documents ----------------------------------------- */

void gdb_put_thread(struct gdb_session *s)
{
    strbuf_puts(&s->body,
                s->features & GDB_FEATURE_MULTIPROCESS ? "p1.1" : "1");
}

enum gdb_reply gdb_put_part(struct gdb_session *s, const struct gdb_args *args,
                            const char *text, size_t len)
{
    uint64_t offset = args->arg[1].number, want = args->arg[2].number;

    if (offset > len)
        return gdb_fail(s, EINVAL, "qXfer: the offset is past the end");
    if (want > GDB_PACKET_MAX / 2 - 1) /* every byte may need an escape */
        want = GDB_PACKET_MAX / 2 - 1;
    if (want > len - offset)
        want = len - offset;
    strbuf_putc(&s->body, offset + want < len ? 'm' : 'l');
    gdb_put_binary(&s->body, text + offset, want);
    return GDB_REPLY_DATA;
}

void gdb_packets_md(struct strbuf *out)
{
    strbuf_puts(out, "# gdb packets\n\nMade from `gdbstub/command.def`.  All "
                     "others are answered with an empty packet.\n\n| packet | "
                     "what it does | while the guest runs |\n|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        strbuf_printf(out, "| `%s` | %s | %s |\n", commands[i].prefix,
                      commands[i].summary,
                      commands[i].while_running ? "yes" : "no");
}
