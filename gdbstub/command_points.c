/* Z and z: breakpoints and watchpoints, with conditions and commands. */
#include <errno.h>
#include <string.h>

#include "gdbstub/command.h"

struct cursor {
    const char *p, *limit;
};

static bool take_byte(struct cursor *c, char byte)
{
    if (c->p == c->limit || *c->p != byte)
        return false;
    c->p++;
    return true;
}

static bool take_number(struct cursor *c, uint64_t *value)
{
    const char *start = c->p;

    *value = 0;
    while (c->p < c->limit && gdb_hex_digit(*c->p) >= 0 && !(*value >> 60))
        *value = *value << 4 | (unsigned)gdb_hex_digit(*c->p++);
    return c->p > start;
}

/* XLEN,HEX...: the bytes replace the digits they were, in place. */
static bool take_code(struct cursor *c, uint8_t *room,
                      struct gdb_agent_code *to)
{
    uint64_t len;

    if (!take_byte(c, 'X') || !take_number(c, &len) || !take_byte(c, ','))
        return false;
    if (len > (uint64_t)(c->limit - c->p) / 2 ||
        !gdb_from_hex(c->p, 2 * (size_t)len, room))
        return false;
    *to = (struct gdb_agent_code){.bytes = room, .len = (size_t)len};
    c->p += 2 * len;
    return true;
}

/*
 * [X..X..][;cmds:PERSIST,X..X..]   ROOM takes the bytes of all of them.
 */
static bool parse_codes(struct cursor *c, uint8_t *room, struct gdb_point *p)
{
    static const char cmds[] = "cmds:";
    uint64_t persist;

    take_byte(c, ';');
    while (c->p < c->limit && *c->p == 'X') {
        if (p->conditions == GDB_AGENT_CODES_MAX ||
            !take_code(c, room, &p->condition[p->conditions]))
            return false;
        room += p->condition[p->conditions++].len;
    }
    take_byte(c, ';');
    if ((size_t)(c->limit - c->p) < sizeof(cmds) - 1 ||
        memcmp(c->p, cmds, sizeof(cmds) - 1) != 0)
        return c->p == c->limit;
    c->p += sizeof(cmds) - 1;
    if (!take_number(c, &persist) || !take_byte(c, ','))
        return false;
    p->persist = persist != 0;
    while (c->p < c->limit) {
        if (p->commands == GDB_AGENT_CODES_MAX ||
            !take_code(c, room, &p->command[p->commands]))
            return false;
        room += p->command[p->commands++].len;
    }
    return true;
}

static bool parse_point(const struct gdb_args *args, struct gdb_point *p)
{
    if (args->arg[0].number >= GDB_POINT_KINDS)
        return false;
    *p = (struct gdb_point){
        .kind = (enum gdb_point_kind)args->arg[0].number,
        .addr = args->arg[1].number,
        .len = args->arg[2].number,
    };
    return true;
}

enum gdb_reply gdb_point_insert(struct gdb_session *s,
                                const struct gdb_args *args)
{
    struct cursor c = {args->arg[3].text, args->arg[3].text};
    struct strbuf room;
    char why[160] = "what follows the address is malformed";
    struct gdb_point p;
    int err = -EINVAL;

    if (!parse_point(args, &p))
        return GDB_REPLY_EMPTY; /* a kind that we do not know */
    if (args->count > 3)
        c.limit += args->arg[3].len;
    if (p.kind >= GDB_POINT_WRITE && !p.len)
        return gdb_fail(s, EINVAL, "a watchpoint of no bytes");
    strbuf_init(&room);
    strbuf_grow(&room, (size_t)(c.limit - c.p));
    if (parse_codes(&c, (uint8_t *)room.text, &p))
        err =
            s->target.ops->point_insert(s->target.opaque, &p, why, sizeof(why));
    strbuf_fini(&room);
    return err ? gdb_fail(s, -err, "this stop point cannot be set: %s", why)
               : GDB_REPLY_OK;
}

enum gdb_reply gdb_point_remove(struct gdb_session *s,
                                const struct gdb_args *args)
{
    struct gdb_point p;
    int err;

    if (!parse_point(args, &p))
        return GDB_REPLY_EMPTY;
    err = s->target.ops->point_remove(s->target.opaque, p.kind, p.addr, p.len);
    /* Removing twice does no harm: packets may be sent again. */
    return err == -ENOENT ? GDB_REPLY_OK : gdb_result(s, err, "z");
}
