/* Packets that run the guest, and the stop reply. */
#include <errno.h>
#include <string.h>

#include "gdbstub/command.h"

#define GDB_SIGNAL_TRAP 5u

/* ---- why it stopped ----------------------------------------------------- */

static void put_reason(struct gdb_session *s, const struct gdb_stop *stop)
{
    static const char *const watch[] = {
        [GDB_REASON_WATCH] = "watch",
        [GDB_REASON_RWATCH] = "rwatch",
        [GDB_REASON_AWATCH] = "awatch",
    };

    if (stop->reason == GDB_REASON_SWBREAK &&
        (s->features & GDB_FEATURE_SWBREAK))
        strbuf_puts(&s->body, "swbreak:;");
    else if (stop->reason == GDB_REASON_HWBREAK &&
             (s->features & GDB_FEATURE_HWBREAK))
        strbuf_puts(&s->body, "hwbreak:;");
    else if (stop->reason >= GDB_REASON_WATCH)
        strbuf_printf(&s->body, "%s:%llx;", watch[stop->reason],
                      (unsigned long long)stop->addr);
}

static void put_expedited(struct gdb_session *s)
{
    const struct gdb_target_ops *ops = s->target.ops;
    unsigned regno;

    for (unsigned i = 0; ops->reg_expedited(s->target.opaque, i, &regno); i++) {
        uint8_t bytes[GDB_REG_BYTES_MAX];

        if (ops->reg_read(s->target.opaque, regno, bytes) < 0)
            continue;
        strbuf_printf(&s->body, "%02x:", regno);
        gdb_put_hex(&s->body, bytes, ops->reg_size(s->target.opaque, regno));
        strbuf_putc(&s->body, ';');
    }
}

void gdb_put_stop(struct gdb_session *s)
{
    struct gdb_stop stop = {0};

    s->target.ops->last_stop(s->target.opaque, &stop);
    if (s->dead)
        stop = (struct gdb_stop){.kind = GDB_STOP_KILLED, .code = 9};
    if (stop.kind != GDB_STOP_SIGNAL) {
        strbuf_printf(&s->body, "%c%02x",
                      stop.kind == GDB_STOP_EXITED ? 'W' : 'X', stop.code);
        if (s->features & GDB_FEATURE_MULTIPROCESS)
            strbuf_puts(&s->body, ";process:1");
        return;
    }
    strbuf_printf(&s->body, "T%02xthread:", stop.code);
    gdb_put_thread(s);
    strbuf_puts(&s->body, ";core:0;");
    put_reason(s, &stop);
    put_expedited(s);
}

/* Asked before any run as well: there is always an answer. */
enum gdb_reply gdb_why(struct gdb_session *s, const struct gdb_args *args)
{
    (void)args;
    if (s->target.ops->running(s->target.opaque)) {
        s->target.ops->interrupt(s->target.opaque);
        return GDB_REPLY_LATER;
    }
    gdb_put_stop(s);
    return GDB_REPLY_DATA;
}

/* ---- running ------------------------------------------------------------ */

static enum gdb_reply resume(struct gdb_session *s, struct gdb_resume *how)
{
    int err;

    if (s->dead)
        return gdb_fail(s, ESRCH, "the guest was killed; `run` restarts it");
    if (gdb_libraries_changed(s)) { /* gdb reads it and resumes again */
        strbuf_printf(&s->body, "T%02xthread:", GDB_SIGNAL_TRAP);
        gdb_put_thread(s);
        strbuf_puts(&s->body, ";core:0;library:;");
        put_expedited(s);
        return GDB_REPLY_DATA;
    }
    how->into_interrupts = !(s->sstep & GDB_SSTEP_NOIRQ);
    err = s->target.ops->resume(s->target.opaque, how);
    return err ? gdb_result(s, err, "the guest cannot run") : GDB_REPLY_LATER;
}

static enum gdb_reply run(struct gdb_session *s, enum gdb_resume_kind kind,
                          const struct gdb_arg *addr)
{
    struct gdb_resume how = {.kind = kind};
    int err = 0;

    if (addr)
        err = s->target.ops->set_pc(s->target.opaque, addr->number);
    return err ? gdb_result(s, err, "the address cannot be set")
               : resume(s, &how);
}

enum gdb_reply gdb_continue(struct gdb_session *s, const struct gdb_args *args)
{
    return run(s, GDB_CONTINUE, args->count ? &args->arg[0] : NULL);
}

enum gdb_reply gdb_step(struct gdb_session *s, const struct gdb_args *args)
{
    return run(s, GDB_STEP, args->count ? &args->arg[0] : NULL);
}

static enum gdb_reply run_signal(struct gdb_session *s,
                                 enum gdb_resume_kind kind,
                                 const struct gdb_args *args)
{
    struct gdb_args addr = {0};

    if (args->count > 1 &&
        !gdb_args_parse("L.", args->arg[1].text, args->arg[1].len, &addr))
        return gdb_fail(s, EINVAL, "not an address");
    return run(s, kind, addr.count ? &addr.arg[0] : NULL);
}

enum gdb_reply gdb_continue_signal(struct gdb_session *s,
                                   const struct gdb_args *args)
{
    return run_signal(s, GDB_CONTINUE, args);
}

enum gdb_reply gdb_step_signal(struct gdb_session *s,
                               const struct gdb_args *args)
{
    return run_signal(s, GDB_STEP, args);
}

/* ---- vCont -------------------------------------------------------------- */

enum gdb_reply gdb_vcont_query(struct gdb_session *s,
                               const struct gdb_args *args)
{
    (void)args;
    strbuf_puts(&s->body, "vCont;c;C;s;S;t;r");
    return GDB_REPLY_DATA;
}

/* One action without its thread: c, C05, s, S05, t, r10,20. */
static bool parse_action(const char *text, size_t len, char *action,
                         struct gdb_resume *how)
{
    static const struct {
        char letter;
        const char *schema;
        enum gdb_resume_kind kind;
    } actions[] = {
        {'c', "", GDB_CONTINUE},  {'C', "L.", GDB_CONTINUE},
        {'s', "", GDB_STEP},      {'S', "L.", GDB_STEP},
        {'r', "L,L.", GDB_RANGE}, {'t', "", GDB_CONTINUE},
    };
    struct gdb_args args;

    for (size_t i = 0; len && i < ARRAY_SIZE(actions); i++) {
        if (actions[i].letter != text[0])
            continue;
        if (!gdb_args_parse(actions[i].schema, text + 1, len - 1, &args))
            return false;
        if (actions[i].kind == GDB_RANGE &&
            args.arg[1].number < args.arg[0].number)
            return false;
        *action = text[0];
        *how = (struct gdb_resume){.kind = actions[i].kind,
                                   .start = args.arg[0].number,
                                   .end = args.arg[1].number};
        return true;
    }
    return false;
}

/* The first action that is for our thread counts. */
enum gdb_reply gdb_vcont(struct gdb_session *s, const struct gdb_args *args)
{
    const char *p = args->arg[0].text, *limit = p + args->arg[0].len;
    bool found = false;
    struct gdb_resume how = {0};
    char action = 0;

    while (p <= limit) {
        const char *end = memchr(p, ';', (size_t)(limit - p));
        const char *colon;
        struct gdb_args thread = {.arg[0].number = 1};
        struct gdb_resume this;
        char letter;

        end = end ? end : limit;
        colon = memchr(p, ':', (size_t)(end - p));
        if (!parse_action(p, (size_t)((colon ? colon : end) - p), &letter,
                          &this))
            return gdb_fail(s, EINVAL, "vCont: not an action");
        if (colon && !gdb_args_parse("T.", colon + 1, (size_t)(end - colon - 1),
                                     &thread))
            return gdb_fail(s, EINVAL, "vCont: not a thread");
        if (!found && thread.arg[0].number == 1) {
            found = true;
            how = this;
            action = letter;
        }
        p = end + 1;
    }
    if (!found)
        return gdb_fail(s, ESRCH, "vCont: no action for thread 1");
    if (action == 't') { /* it is stopped already */
        gdb_put_stop(s);
        return GDB_REPLY_DATA;
    }
    return resume(s, &how);
}

enum gdb_reply gdb_ctrl_c(struct gdb_session *s, const struct gdb_args *args)
{
    (void)args;
    s->target.ops->interrupt(s->target.opaque);
    return GDB_REPLY_OK;
}

/* ---- leaving and coming back -------------------------------------------- */

enum gdb_reply gdb_detach(struct gdb_session *s, const struct gdb_args *args)
{
    struct gdb_resume how = {.kind = GDB_CONTINUE};
    const struct gdb_target_ops *ops = s->target.ops;

    (void)args;
    ops->point_remove_all(s->target.opaque, true);
    if (!s->dead && !ops->running(s->target.opaque))
        (void)ops->resume(s->target.opaque, &how);
    s->detached = true;
    return GDB_REPLY_OK;
}

int gdb_end_guest(struct gdb_session *s)
{
    s->dead = true;
    s->target.ops->point_remove_all(s->target.opaque, false);
    return s->target.ops->kill(s->target.opaque, !s->extended);
}

enum gdb_reply gdb_kill(struct gdb_session *s, const struct gdb_args *args)
{
    (void)args;
    (void)gdb_end_guest(s);
    return GDB_REPLY_NONE;
}

enum gdb_reply gdb_vkill(struct gdb_session *s, const struct gdb_args *args)
{
    if (args->arg[0].number != 1)
        return gdb_fail(s, ESRCH, "there is only process 1, the guest");
    return gdb_result(s, gdb_end_guest(s), "kill");
}

static enum gdb_reply do_restart(struct gdb_session *s)
{
    int err;

    if (!s->extended)
        return gdb_fail(s, EPERM, "restart: only for extended-remote");
    if (s->target.ops->running(s->target.opaque)) /* since `detach` */
        return GDB_REPLY_HOLD;
    err = s->target.ops->restart(s->target.opaque);
    if (!err)
        s->dead = s->detached = false;
    return gdb_result(s, err, "restart");
}

enum gdb_reply gdb_restart(struct gdb_session *s, const struct gdb_args *args)
{
    enum gdb_reply reply = do_restart(s);

    (void)args;
    return reply == GDB_REPLY_OK ? GDB_REPLY_NONE : reply;
}

enum gdb_reply gdb_vrun(struct gdb_session *s, const struct gdb_args *args)
{
    enum gdb_reply reply = do_restart(s);

    (void)args;
    if (reply != GDB_REPLY_OK)
        return reply;
    gdb_put_stop(s);
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_attach(struct gdb_session *s, const struct gdb_args *args)
{
    if (s->dead)
        return gdb_fail(s, ESRCH, "the guest was killed; `run` restarts it");
    if (args->arg[0].number != 1)
        return gdb_fail(s, ESRCH, "there is only process 1, the guest");
    s->detached = false;
    return gdb_why(s, args);
}
