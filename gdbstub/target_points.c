#include "gdbstub/target_points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdbstub/agent.h"

struct gdb_vm_point {
    struct gdb_vm_point *next;
    struct gdb_points *set;
    int id;
    struct gdb_point p; /* its expressions are in code */
    /* Decoded for registers as this layout numbers them. */
    enum gdb_layout_kind kind;
    struct gdb_agent_program *condition[GDB_AGENT_CODES_MAX];
    struct gdb_agent_program *command[GDB_AGENT_CODES_MAX];
    uint8_t code[];
};

/* ---- decoding ----------------------------------------------------------- */

static void forget_programs(struct gdb_vm_point *p)
{
    for (unsigned i = 0; i < GDB_AGENT_CODES_MAX; i++) {
        gdb_agent_free(p->condition[i]);
        gdb_agent_free(p->command[i]);
        p->condition[i] = p->command[i] = NULL;
    }
}

static bool where(void *opaque, unsigned n, uint32_t *offset, uint32_t *bytes)
{
    const struct gdb_layout *l = opaque;

    return n < l->count && gdb_reg_where(&l->reg[n], offset, bytes);
}

static bool decode(struct gdb_vm_point *p, char *why, size_t len)
{
    const struct gdb_layout *l = p->set->layout;
    bool ok = true;

    forget_programs(p);
    p->kind = l->kind;
    for (unsigned i = 0; ok && i < p->p.conditions; i++) {
        p->condition[i] = gdb_agent_compile(&p->p.condition[i], where,
                                            (void *)(uintptr_t)l, why, len);
        ok = p->condition[i];
    }
    for (unsigned i = 0; ok && i < p->p.commands; i++) {
        p->command[i] = gdb_agent_compile(&p->p.command[i], where,
                                          (void *)(uintptr_t)l, why, len);
        ok = p->command[i];
    }
    return ok;
}

/* ---- hits --------------------------------------------------------------- */

/* What an expression sees: the CPU at the hit, which is amid a run. */
struct hit {
    const struct gdb_vm_point *p;
    struct gdb_cpu cpu;
    struct gdb_agent_env env;
};

static bool hit_reg(void *opaque, unsigned n, uint64_t *value)
{
    const struct hit *h = opaque;
    const struct gdb_layout *l = h->p->set->layout;

    if (n >= l->count)
        return false;
    *value = gdb_reg_number(&l->reg[n], &h->cpu);
    return true;
}

static bool hit_mem(void *opaque, uint64_t addr, void *buf, size_t len)
{
    const struct hit *h = opaque;

    return vm_read_gla_as(debug_vm(h->p->set->dbg), h->cpu.st, addr, buf,
                          len) == len;
}

/* False: gdb has read another layout since, and memory is short. */
static bool begin_hit(struct hit *h, struct gdb_vm_point *p,
                      const struct x86_state *st)
{
    const struct gdb_points *set = p->set;
    char why[80];

    if (p->kind != set->layout->kind && !decode(p, why, sizeof(why)))
        return false;
    h->p = p;
    h->cpu.st = st;
    h->cpu.icount = vm_vcpu(debug_vm(set->dbg))->icount;
    h->cpu.vector = set->cpu->vector;
    h->cpu.error = set->cpu->error;
    h->env = (struct gdb_agent_env){
        .opaque = h,
        .reg = hit_reg,
        .mem = hit_mem,
        .fields = st,
        .print = set->print,
        .print_opaque = set->print_opaque,
    };
    return true;
}

/* gdb's conditions are or-ed.  One that fails stops, so that it is seen. */
static bool condition_holds(void *opaque, struct debug *d,
                            const struct x86_state *st)
{
    struct gdb_vm_point *p = opaque;
    struct hit h;
    uint64_t value;

    (void)d;
    if (!begin_hit(&h, p, st))
        return true;
    for (unsigned i = 0; i < p->p.conditions; i++)
        if (!gdb_agent_run(p->condition[i], &h.env, &value) || value)
            return true;
    return false;
}

static void run_commands(void *opaque, struct debug *d,
                         const struct x86_state *st)
{
    struct gdb_vm_point *p = opaque;
    struct hit h;
    uint64_t value;

    (void)d;
    if (!begin_hit(&h, p, st))
        return;
    for (unsigned i = 0; i < p->p.commands; i++)
        (void)gdb_agent_run(p->command[i], &h.env, &value);
}

/* ---- the set ------------------------------------------------------------ */

static struct gdb_vm_point **find(struct gdb_points *s,
                                  enum gdb_point_kind kind, uint64_t addr,
                                  uint64_t len)
{
    struct gdb_vm_point **p = &s->list;

    while (*p && ((*p)->p.kind != kind || (*p)->p.addr != addr ||
                  (kind >= GDB_POINT_WRITE && (*p)->p.len != len)))
        p = &(*p)->next;
    return p;
}

static void drop(struct gdb_points *s, struct gdb_vm_point **at)
{
    struct gdb_vm_point *p = *at;

    *at = p->next;
    (void)debug_remove(s->dbg, p->id);
    forget_programs(p);
    free(p);
}

static size_t code_bytes(const struct gdb_agent_code *code, unsigned n)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < n; i++)
        bytes += code[i].len;
    return bytes;
}

static uint8_t *keep_codes(struct gdb_agent_code *code, unsigned n, uint8_t *to)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(to, code[i].bytes, code[i].len);
        code[i].bytes = to;
        to += code[i].len;
    }
    return to;
}

/* A copy of FROM with its expressions; NULL: they cannot be run (WHY), or no
 * memory. */
static struct gdb_vm_point *
copy(struct gdb_points *s, const struct gdb_point *from, char *why, size_t len)
{
    size_t bytes = code_bytes(from->condition, from->conditions) +
                   code_bytes(from->command, from->commands);
    struct gdb_vm_point *p = calloc(1, sizeof(*p) + bytes);

    snprintf(why, len, "out of memory");
    if (!p)
        return NULL;
    p->set = s;
    p->p = *from;
    keep_codes(p->p.command, p->p.commands,
               keep_codes(p->p.condition, p->p.conditions, p->code));
    if (decode(p, why, len))
        return p;
    forget_programs(p);
    free(p);
    return NULL;
}

static void fill(struct gdb_vm_point *from, struct debug_point *p)
{
    enum gdb_point_kind kind = from->p.kind;
    bool watch = kind >= GDB_POINT_WRITE;

    debug_point_init(p, watch ? DEBUG_POINT_WATCH : DEBUG_POINT_LINEAR,
                     from->p.addr);
    p->owner = from->set;
    if (watch) {
        p->len = from->p.len;
        p->write = kind != GDB_POINT_READ;
        p->read = kind != GDB_POINT_WRITE;
    }
    p->opaque = from;
    p->condition = from->p.conditions ? condition_holds : NULL;
    p->action = from->p.commands ? run_commands : NULL;
    snprintf(p->note, sizeof(p->note), "gdb's%s%s",
             from->p.commands ? ", commands" : "",
             from->p.conditions ? ", condition" : "");
}

int gdb_points_insert(struct gdb_points *s, const struct gdb_point *from,
                      char *why, size_t len)
{
    struct gdb_vm_point *p = copy(s, from, why, len), **at;
    struct debug_point point;

    if (!p)
        return -EINVAL;
    at = find(s, from->kind, from->addr, from->len);
    if (*at) /* again: with another condition */
        drop(s, at);
    fill(p, &point);
    p->id = debug_add(s->dbg, &point, why, len);
    if (p->id < 0) {
        int err = p->id;

        forget_programs(p);
        free(p);
        return err;
    }
    p->next = s->list;
    s->list = p;
    return 0;
}

int gdb_points_remove(struct gdb_points *s, enum gdb_point_kind kind,
                      uint64_t addr, uint64_t len)
{
    struct gdb_vm_point **at = find(s, kind, addr, len);

    if (!*at)
        return -ENOENT;
    drop(s, at);
    return 0;
}

void gdb_points_remove_all(struct gdb_points *s, bool keep)
{
    struct gdb_vm_point **at = &s->list;

    while (*at)
        if (keep && (*at)->p.commands && (*at)->p.persist)
            at = &(*at)->next;
        else
            drop(s, at);
}

enum gdb_stop_reason gdb_points_reason(const struct gdb_points *s, int id)
{
    static const enum gdb_stop_reason reasons[GDB_POINT_KINDS] = {
        [GDB_POINT_SW] = GDB_REASON_SWBREAK,
        [GDB_POINT_HW] = GDB_REASON_HWBREAK,
        [GDB_POINT_WRITE] = GDB_REASON_WATCH,
        [GDB_POINT_READ] = GDB_REASON_RWATCH,
        [GDB_POINT_ACCESS] = GDB_REASON_AWATCH,
    };

    for (const struct gdb_vm_point *p = s->list; p; p = p->next)
        if (p->id == id)
            return reasons[p->p.kind];
    return GDB_REASON_NONE;
}
