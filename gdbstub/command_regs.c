/* Packets that read and write registers. */
#include <errno.h>

#include "gdbstub/command.h"

static unsigned reg_size(struct gdb_session *s, uint64_t n)
{
    return n > UINT16_MAX
               ? 0
               : s->target.ops->reg_size(s->target.opaque, (unsigned)n);
}

/* What cannot be read is x's, as the protocol has it. */
static void put_reg(struct gdb_session *s, unsigned n)
{
    uint8_t bytes[GDB_REG_BYTES_MAX];
    unsigned size = reg_size(s, n);

    if (s->target.ops->reg_read(s->target.opaque, n, bytes) == 0)
        gdb_put_hex(&s->body, bytes, size);
    else
        for (unsigned i = 0; i < 2 * size; i++)
            strbuf_putc(&s->body, 'x');
}

enum gdb_reply gdb_regs_read(struct gdb_session *s, const struct gdb_args *args)
{
    unsigned count = s->target.ops->reg_count_g(s->target.opaque);

    (void)args;
    for (unsigned n = 0; n < count; n++)
        put_reg(s, n);
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_regs_write(struct gdb_session *s,
                              const struct gdb_args *args)
{
    unsigned count = s->target.ops->reg_count_g(s->target.opaque);
    const char *p = args->arg[0].text;
    size_t left = args->arg[0].len, want = 0;
    int err = 0;

    for (unsigned n = 0; n < count; n++)
        want += 2 * reg_size(s, n);
    if (left != want)
        return gdb_fail(s, EINVAL, "G: %zu digits are not %zu", left, want);
    for (unsigned n = 0; n < count; n++) {
        uint8_t bytes[GDB_REG_BYTES_MAX];
        unsigned digits = 2 * reg_size(s, n);
        int ret = -EINVAL;

        if (p[0] == 'x') /* as it was read */
            ret = 0;
        else if (gdb_from_hex(p, digits, bytes))
            ret = s->target.ops->reg_write(s->target.opaque, n, bytes);
        err = err ? err : ret;
        p += digits;
    }
    return gdb_result(s, err, "G");
}

enum gdb_reply gdb_reg_read(struct gdb_session *s, const struct gdb_args *args)
{
    if (!reg_size(s, args->arg[0].number))
        return gdb_fail(s, EINVAL, "there is no such register");
    put_reg(s, (unsigned)args->arg[0].number);
    return GDB_REPLY_DATA;
}

enum gdb_reply gdb_reg_write(struct gdb_session *s, const struct gdb_args *args)
{
    uint8_t bytes[GDB_REG_BYTES_MAX];
    unsigned size = reg_size(s, args->arg[0].number);
    const struct gdb_arg *value = &args->arg[1];

    if (!size)
        return gdb_fail(s, EINVAL, "there is no such register");
    if (value->len != 2 * size || !gdb_from_hex(value->text, value->len, bytes))
        return gdb_fail(s, EINVAL, "that register has %u bytes", size);
    return gdb_result(s,
                      s->target.ops->reg_write(s->target.opaque,
                                               (unsigned)args->arg[0].number,
                                               bytes),
                      "this register cannot be set so");
}
