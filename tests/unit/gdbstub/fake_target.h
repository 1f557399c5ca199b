/* A target without a machine: four registers, 64 KiB of memory at 1000h. */
#ifndef FAKE_TARGET_H
#define FAKE_TARGET_H
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gdbstub/command.h"

#define FAKE_REGS 4u
#define FAKE_BASE 0x1000u
#define FAKE_SIZE 0x10000u

struct fake {
    uint32_t reg[FAKE_REGS];
    uint8_t mem[FAKE_SIZE];
    bool running, was_phys;
    unsigned points, interrupts, restarts, changes;
    struct gdb_point last_point;
    struct gdb_resume last_resume;
    struct gdb_stop stop;
    bool killed;
    char monitored[128];
    int64_t load_offset;
    const char *libraries;
};

static const char *fake_describe(void *t, const char *annex, bool anew)
{
    (void)t, (void)anew;
    return strcmp(annex, "target.xml") == 0 ? "<target>}*</target>" : NULL;
}

static unsigned fake_reg_size(void *t, unsigned n)
{
    (void)t;
    return n < FAKE_REGS ? 4 : 0;
}

static unsigned fake_count(void *t)
{
    (void)t;
    return FAKE_REGS;
}

static int fake_reg_read(void *t, unsigned n, uint8_t *bytes)
{
    assert(n < FAKE_REGS);
    memcpy(bytes, &((struct fake *)t)->reg[n], 4);
    return n == 3 ? -EIO : 0; /* one that cannot be read */
}

static int fake_reg_write(void *t, unsigned n, const uint8_t *bytes)
{
    assert(n < FAKE_REGS);
    memcpy(&((struct fake *)t)->reg[n], bytes, 4);
    return n == 2 ? -EPERM : 0; /* one that cannot be written */
}

static bool fake_expedited(void *t, unsigned n, unsigned *regno)
{
    (void)t;
    *regno = n;
    return n < 2;
}

static size_t fake_mem(struct fake *f, uint64_t addr, size_t len, bool phys)
{
    f->was_phys = phys;
    if (addr < FAKE_BASE || addr - FAKE_BASE >= FAKE_SIZE)
        return 0;
    addr -= FAKE_BASE;
    return len < FAKE_SIZE - addr ? len : (size_t)(FAKE_SIZE - addr);
}

static size_t fake_mem_read(void *t, uint64_t addr, void *buf, size_t len,
                            bool phys)
{
    struct fake *f = t;

    len = fake_mem(f, addr, len, phys);
    if (len)
        memcpy(buf, f->mem + (addr - FAKE_BASE), len);
    return len;
}

static size_t fake_mem_write(void *t, uint64_t addr, const void *buf,
                             size_t len, bool phys)
{
    struct fake *f = t;

    len = fake_mem(f, addr, len, phys);
    if (len)
        memcpy(f->mem + (addr - FAKE_BASE), buf, len);
    return len;
}

static int fake_insert(void *t, const struct gdb_point *p, char *why,
                       size_t len)
{
    struct fake *f = t;
    volatile uint8_t sum = 0;

    /* Every byte of every expression is there to be read. */
    for (unsigned i = 0; i < p->conditions; i++)
        for (size_t k = 0; k < p->condition[i].len; k++)
            sum = (uint8_t)(sum + p->condition[i].bytes[k]);
    for (unsigned i = 0; i < p->commands; i++)
        for (size_t k = 0; k < p->command[i].len; k++)
            sum = (uint8_t)(sum + p->command[i].bytes[k]);
    f->last_point = *p;
    f->points++;
    snprintf(why, len, "no more of them");
    return p->addr == 0xbad ? -ENOSPC : 0;
}

static int fake_remove(void *t, enum gdb_point_kind kind, uint64_t addr,
                       uint64_t len)
{
    struct fake *f = t;

    (void)kind, (void)addr, (void)len;
    return f->points ? (f->points--, 0) : -ENOENT;
}

static void fake_remove_all(void *t, bool keep)
{
    (void)keep;
    ((struct fake *)t)->points = 0;
}

static int fake_resume(void *t, const struct gdb_resume *how)
{
    struct fake *f = t;

    f->last_resume = *how;
    f->running = true;
    return 0;
}

static bool fake_running(void *t)
{
    return ((struct fake *)t)->running;
}

static int fake_set_pc(void *t, uint64_t linear)
{
    ((struct fake *)t)->reg[0] = (uint32_t)linear;
    return 0;
}

static void fake_interrupt(void *t)
{
    ((struct fake *)t)->interrupts++;
}

static void fake_last_stop(void *t, struct gdb_stop *stop)
{
    *stop = ((struct fake *)t)->stop;
}

static int fake_restart(void *t)
{
    ((struct fake *)t)->restarts++;
    return 0;
}

static int fake_kill(void *t, bool for_good)
{
    ((struct fake *)t)->killed = for_good;
    return 0;
}

static enum gdb_monitor fake_monitor(void *t, const char *line,
                                     struct strbuf *out)
{
    struct fake *f = t;

    strncpy(f->monitored, line, sizeof(f->monitored) - 1);
    if (strcmp(line, "step") == 0) {
        f->running = true;
        return GDB_MONITOR_RUNS;
    }
    strbuf_puts(out, line[0] ? "said\n" : "");
    return strcmp(line, "quit") == 0 ? GDB_MONITOR_QUIT : GDB_MONITOR_DONE;
}

static void fake_monitor_end(void *t, struct strbuf *out)
{
    (void)t;
    strbuf_puts(out, "ran\n");
}

static unsigned fake_changes(void *t)
{
    return ((struct fake *)t)->changes;
}

static const char *fake_text(void *t)
{
    (void)t;
    return "/some/where";
}

/* The file /some/where: 100000 bytes, each the low part of its offset. */
static int fake_file_find(void *t, const char *path)
{
    (void)t;
    return strcmp(path, "/some/where") == 0 ? 7 : -ENOENT;
}

static ssize_t fake_file_read(void *t, unsigned n, uint64_t offset, void *buf,
                              size_t len)
{
    (void)t;
    assert(n == 7);
    if (offset >= 100000)
        return 0;
    len = len < 100000 - offset ? len : (size_t)(100000 - offset);
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)(offset + i);
    return (ssize_t)len;
}

static int fake_file_stat(void *t, unsigned n, struct gdb_file_stat *st)
{
    (void)t;
    assert(n == 7);
    *st = (struct gdb_file_stat){.size = 100000, .mtime = 0x12345678};
    return 0;
}

static const char *fake_libraries(void *t)
{
    return ((struct fake *)t)->libraries;
}

static int64_t fake_load_offset(void *t)
{
    return ((struct fake *)t)->load_offset;
}

static const struct gdb_target_ops fake_ops = {
    .describe = fake_describe,
    .reg_size = fake_reg_size,
    .reg_count_g = fake_count,
    .reg_read = fake_reg_read,
    .reg_write = fake_reg_write,
    .reg_expedited = fake_expedited,
    .mem_read = fake_mem_read,
    .mem_write = fake_mem_write,
    .point_insert = fake_insert,
    .point_remove = fake_remove,
    .point_remove_all = fake_remove_all,
    .resume = fake_resume,
    .running = fake_running,
    .set_pc = fake_set_pc,
    .interrupt = fake_interrupt,
    .last_stop = fake_last_stop,
    .restart = fake_restart,
    .kill = fake_kill,
    .monitor = fake_monitor,
    .monitor_end = fake_monitor_end,
    .changes = fake_changes,
    .exec_file = fake_text,
    .file_find = fake_file_find,
    .file_read = fake_file_read,
    .file_stat = fake_file_stat,
    .load_offset = fake_load_offset,
    .libraries = fake_libraries,
    .memory_map = fake_text,
};

static void fake_init(struct fake *f)
{
    *f = (struct fake){.stop = {.code = 5}, .libraries = "<library-list/>"};
    for (unsigned i = 0; i < FAKE_REGS; i++)
        f->reg[i] = 0x11111111u * (i + 1);
    for (unsigned i = 0; i < FAKE_SIZE; i++)
        f->mem[i] = (uint8_t)(i ^ i >> 8);
}
#endif
