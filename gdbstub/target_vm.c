#include "gdbstub/target_vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gdbstub/guest_files.h"
#include "gdbstub/target_points.h"

/* Signals by gdb's numbers. */
enum {
    SIG_INT = 2,
    SIG_ILL = 4,
    SIG_TRAP = 5,
    SIG_ABRT = 6,
    SIG_FPE = 8,
    SIG_BUS = 10, /* gdb's own numbering */
    SIG_SEGV = 11,
    SIG_TERM = 15,
};

struct gdb_vm {
    struct debug_server *srv;
    struct debug *dbg;
    struct vm *vm;
    struct command_ctx ctx;
    bool resumed;     /* a command of `monitor` has let the guest go */
    unsigned changes; /* unknown to the client, but for ctx.changes */
    struct vm_observer observer; /* for the last vector */
    struct gdb_layout layout;
    struct strbuf xml;
    struct x86_state st;
    struct gdb_cpu cpu; /* cpu.st: &st */
    bool fresh;         /* they are what the CPU has now */
    struct gdb_points points;
    struct guest_files files;
    struct strbuf libraries; /* the document */
};

/* ---- registers ---------------------------------------------------------- */

static enum run_next note_vector(void *opaque, const struct vm_exit *e,
                                 uint64_t ns)
{
    struct gdb_vm *t = opaque;

    (void)ns;
    if (e->kind == VM_EXIT_EXCEPTION || e->kind == VM_EXIT_EXTINT ||
        e->kind == VM_EXIT_SOFT_INT) {
        t->cpu.vector = e->u.exception.vector;
        t->cpu.error = e->u.exception.has_error ? e->u.exception.error : 0;
    }
    if (e->kind == VM_EXIT_TRIPLE_FAULT && e->u.triple.causes) {
        t->cpu.vector = e->u.triple.cause[0].vector;
        t->cpu.error = e->u.triple.cause[0].error;
    }
    return RUN_AGAIN;
}

static int refresh(struct gdb_vm *t)
{
    int err = t->fresh ? 0 : vm_get_state(t->vm, &t->st);

    t->cpu.icount = vm_vcpu(t->vm)->icount;
    t->fresh = !err;
    return err;
}

static int write_back(struct gdb_vm *t)
{
    int err = vm_set_state(t->vm, &t->st);

    t->fresh = false; /* the accelerator may have an opinion */
    return err;
}

static const char *describe(void *opaque, const char *annex, bool anew)
{
    struct gdb_vm *t = opaque;

    if (strcmp(annex, "target.xml") != 0)
        return NULL;
    if (anew || !t->xml.len) {
        if (refresh(t) == 0)
            gdb_layout_init(&t->layout, gdb_layout_for(&t->st));
        strbuf_reset(&t->xml);
        gdb_layout_xml(&t->layout, &t->xml);
    }
    return strbuf_str(&t->xml);
}

static unsigned reg_size(void *opaque, unsigned n)
{
    const struct gdb_vm *t = opaque;

    return n < t->layout.count ? t->layout.reg[n].bits / 8u : 0;
}

static unsigned reg_count_g(void *opaque)
{
    return ((const struct gdb_vm *)opaque)->layout.count_g;
}

static int reg_read(void *opaque, unsigned n, uint8_t *bytes)
{
    struct gdb_vm *t = opaque;
    int err = refresh(t);

    if (!err)
        gdb_reg_get(&t->layout.reg[n], &t->cpu, bytes);
    return err;
}

static int reg_write(void *opaque, unsigned n, const uint8_t *bytes)
{
    struct gdb_vm *t = opaque;
    uint8_t now[GDB_REG_BYTES_MAX];
    int err = refresh(t);

    if (err)
        return err;
    /* Nothing to do is nothing done: not even by way of set_state(). */
    gdb_reg_get(&t->layout.reg[n], &t->cpu, now);
    if (memcmp(now, bytes, t->layout.reg[n].bits / 8u) == 0)
        return 0;
    err = gdb_reg_set(&t->layout.reg[n], &t->st, bytes);
    return err ? err : write_back(t);
}

static bool reg_expedited(void *opaque, unsigned n, unsigned *regno)
{
    const struct gdb_vm *t = opaque;
    const struct gdb_layout *l = &t->layout;
    const unsigned numbers[] = {l->bp, l->sp, l->pc, l->flags, l->mode};

    if (n >= ARRAY_SIZE(numbers))
        return false;
    /* One that only the description has: who has not read it would complain. */
    if (numbers[n] == l->mode && !t->xml.len)
        return false;
    *regno = numbers[n];
    return true;
}

static int set_pc(void *opaque, uint64_t linear)
{
    struct gdb_vm *t = opaque;
    int err = refresh(t);

    if (err)
        return err;
    gdb_set_pc(&t->st, linear);
    return write_back(t);
}

/* ---- memory ------------------------------------------------------------- */

static size_t read_mem(void *opaque, uint64_t addr, void *buf, size_t len,
                       bool phys)
{
    struct gdb_vm *t = opaque;

    return phys ? vm_read_gpa(t->vm, addr, buf, len)
                : vm_read_gla(t->vm, addr, buf, len);
}

static size_t write_mem(void *opaque, uint64_t addr, const void *buf,
                        size_t len, bool phys)
{
    struct gdb_vm *t = opaque;

    return phys ? vm_write_gpa(t->vm, addr, buf, len)
                : vm_write_gla(t->vm, addr, buf, len);
}

/* Linear addresses: which of them are mapped changes all the time. */
/* gdb keeps it as long as it is connected, whatever mode follows: every
 * address there is.  In two, for lengths have 64 bits. */
static const char *memory_map(void *opaque)
{
    (void)opaque;
    return "<memory-map><memory type=\"ram\" start=\"0x0\" "
           "length=\"0x8000000000000000\"/><memory type=\"ram\" "
           "start=\"0x8000000000000000\" length=\"0x8000000000000000\"/>"
           "</memory-map>\n";
}

/* ---- stop points -------------------------------------------------------- */

static int point_insert(void *opaque, const struct gdb_point *p, char *why,
                        size_t len)
{
    return gdb_points_insert(&((struct gdb_vm *)opaque)->points, p, why, len);
}

static int point_remove(void *opaque, enum gdb_point_kind kind, uint64_t addr,
                        uint64_t len)
{
    return gdb_points_remove(&((struct gdb_vm *)opaque)->points, kind, addr,
                             len);
}

static void point_remove_all(void *opaque, bool keep)
{
    gdb_points_remove_all(&((struct gdb_vm *)opaque)->points, keep);
}

/* ---- running ------------------------------------------------------------ */

static int resume(void *opaque, const struct gdb_resume *from)
{
    static const enum debug_run_kind kinds[] = {
        [GDB_CONTINUE] = DEBUG_RUN_CONTINUE,
        [GDB_STEP] = DEBUG_RUN_STEP,
        [GDB_RANGE] = DEBUG_RUN_RANGE,
    };
    struct gdb_vm *t = opaque;
    struct debug_run how = {
        .kind = kinds[from->kind],
        .count = 1,
        .addr = from->start,
        .end = from->end,
        .into_interrupts = from->into_interrupts,
    };
    int err = debug_server_resume(t->srv, &how);

    /* Somebody else has let it run: its next stop is ours as well. */
    return err == -EBUSY ? 0 : err;
}

static bool running(void *opaque)
{
    return debug_server_running(((struct gdb_vm *)opaque)->srv);
}

static void interrupt(void *opaque)
{
    debug_server_interrupt(((struct gdb_vm *)opaque)->srv);
}

static uint8_t signal_of_vector(unsigned vector)
{
    switch (vector) {
    case X86_DE:
    case X86_MF:
    case X86_XM:
        return SIG_FPE;
    case X86_DB:
    case X86_BP:
        return SIG_TRAP;
    case X86_UD:
        return SIG_ILL;
    case X86_AC:
        return SIG_BUS;
    case X86_TS:
    case X86_NP:
    case X86_SSEG:
    case X86_GP:
    case X86_PF:
        return SIG_SEGV;
    default:
        return SIG_TRAP;
    }
}

static void end_of(struct gdb_vm *t, struct gdb_stop *to)
{
    enum vm_stop_reason reason = vm_stop_reason(t->vm);

    to->kind = GDB_STOP_EXITED;
    to->code = (uint8_t)vm_exit_status(t->vm);
    if (reason == VM_STOP_USER || reason == VM_STOP_TIMEOUT) {
        to->kind = GDB_STOP_KILLED;
        to->code = SIG_TERM;
    } else if (reason == VM_STOP_FAILED) {
        to->kind = GDB_STOP_KILLED;
        to->code = SIG_ABRT;
    }
}

static void last_stop(void *opaque, struct gdb_stop *to)
{
    struct gdb_vm *t = opaque;
    const struct debug_stop *stop = debug_last_stop(t->dbg);

    *to = (struct gdb_stop){.kind = GDB_STOP_SIGNAL, .code = SIG_TRAP};
    switch (stop->reason) {
    case DEBUG_REASON_INTERRUPT:
        to->code = SIG_INT;
        break;
    case DEBUG_REASON_BREAKPOINT:
    case DEBUG_REASON_WATCHPOINT:
        to->reason = gdb_points_reason(&t->points, stop->point);
        to->addr = stop->gla;
        break;
    case DEBUG_REASON_CATCH:
        if (stop->exit.kind == VM_EXIT_EXCEPTION)
            to->code = signal_of_vector(stop->exit.u.exception.vector);
        break;
    case DEBUG_REASON_TRIPLE_FAULT:
        to->code =
            stop->causes ? signal_of_vector(stop->cause[0].vector) : SIG_SEGV;
        break;
    case DEBUG_REASON_CHECK:
        to->code = SIG_ABRT;
        break;
    case DEBUG_REASON_ENDED:
        end_of(t, to);
        break;
    case DEBUG_REASON_MODE:
    case DEBUG_REASON_NONE:
    case DEBUG_REASON_STEP:
        break;
    }
}

static int restart(void *opaque)
{
    struct gdb_vm *t = opaque;

    if (debug_server_running(t->srv))
        return -EBUSY;
    t->fresh = false;
    return debug_restart(t->dbg);
}

static int kill_guest(void *opaque, bool for_good)
{
    struct gdb_vm *t = opaque;

    vm_forget_stop(t->vm);
    vm_stop(t->vm, VM_STOP_USER);
    if (for_good)
        debug_server_quit(t->srv);
    return 0;
}

/* ---- for people --------------------------------------------------------- */

/* On behalf of `monitor step` and its like. */
static int resume_for_command(void *opaque, const struct debug_run *how)
{
    struct gdb_vm *t = opaque;
    int err = debug_server_resume(t->srv, how);

    t->resumed = !err;
    return err;
}

static enum gdb_monitor monitor(void *opaque, const char *line,
                                struct strbuf *out)
{
    struct gdb_vm *t = opaque;

    t->resumed = t->ctx.quit = false;
    command_run(&t->ctx, line, out);
    t->fresh = false; /* `monitor set` */
    return t->resumed    ? GDB_MONITOR_RUNS
           : t->ctx.quit ? GDB_MONITOR_QUIT
                         : GDB_MONITOR_DONE;
}

static void monitor_end(void *opaque, struct strbuf *out)
{
    struct gdb_vm *t = opaque;

    command_say_stop(&t->ctx, debug_last_stop(t->dbg), out);
}

static unsigned changes(void *opaque)
{
    const struct gdb_vm *t = opaque;

    return t->changes + t->ctx.changes;
}

static void thread_info(void *opaque, struct strbuf *out)
{
    struct gdb_vm *t = opaque;
    const struct debug_stop *stop = debug_last_stop(t->dbg);

    if (refresh(t) < 0)
        return;
    strbuf_printf(
        out, "%s, CPL %u%s, %s", x86_mode_name(x86_mode(&t->st)),
        x86_cpl(&t->st), t->st.activity == X86_HALTED ? ", halted" : "",
        debug_server_running(t->srv) ? "running"
                                     : debug_reason_name(stop->reason));
}

static const char *exec_file(void *opaque)
{
    return guest_files_program(&((const struct gdb_vm *)opaque)->files);
}

static int file_find(void *opaque, const char *path)
{
    struct gdb_vm *t = opaque;

    return guest_files_find(&t->files, t->ctx.sym, path);
}

static ssize_t file_read(void *opaque, unsigned n, uint64_t offset, void *buf,
                         size_t len)
{
    return guest_files_read(&((struct gdb_vm *)opaque)->files, n, offset, buf,
                            len);
}

static int file_stat(void *opaque, unsigned n, struct gdb_file_stat *st)
{
    return guest_files_stat(&((struct gdb_vm *)opaque)->files, n, st);
}

static int64_t load_offset(void *opaque)
{
    const struct gdb_vm *t = opaque;

    return guest_files_delta(&t->files, t->ctx.sym);
}

static const char *libraries(void *opaque)
{
    struct gdb_vm *t = opaque;

    strbuf_reset(&t->libraries);
    guest_files_libraries(&t->files, t->ctx.sym, &t->libraries);
    return strbuf_str(&t->libraries);
}

/* ---- life --------------------------------------------------------------- */

static const struct gdb_target_ops ops = {
    .describe = describe,
    .reg_size = reg_size,
    .reg_count_g = reg_count_g,
    .reg_read = reg_read,
    .reg_write = reg_write,
    .reg_expedited = reg_expedited,
    .mem_read = read_mem,
    .mem_write = write_mem,
    .point_insert = point_insert,
    .point_remove = point_remove,
    .point_remove_all = point_remove_all,
    .resume = resume,
    .running = running,
    .set_pc = set_pc,
    .interrupt = interrupt,
    .last_stop = last_stop,
    .restart = restart,
    .kill = kill_guest,
    .monitor = monitor,
    .monitor_end = monitor_end,
    .changes = changes,
    .thread_info = thread_info,
    .exec_file = exec_file,
    .file_find = file_find,
    .file_read = file_read,
    .file_stat = file_stat,
    .load_offset = load_offset,
    .libraries = libraries,
    .memory_map = memory_map,
};

struct gdb_target gdb_vm_target(struct gdb_vm *t)
{
    return (struct gdb_target){.ops = &ops, .opaque = t};
}

void gdb_vm_forget(struct gdb_vm *t)
{
    t->fresh = false;
}

void gdb_vm_set_screen(struct gdb_vm *t, const struct command_screen *screen)
{
    t->ctx.screen = *screen;
}

void gdb_vm_count_change(struct gdb_vm *t)
{
    t->changes++;
}

void gdb_vm_set_print(struct gdb_vm *t, gdb_print_fn *print, void *opaque)
{
    t->points.print = print;
    t->points.print_opaque = opaque;
}

void gdb_vm_begin(struct gdb_vm *t)
{
    t->fresh = false;
    t->changes = t->ctx.changes = 0;
    strbuf_reset(&t->xml);
    if (refresh(t) == 0)
        gdb_layout_init(&t->layout, gdb_layout_for(&t->st));
}

/* gdb may load a guest that is an ELF file by itself. */
static void find_program(struct gdb_vm *t)
{
    const char *path = vm_config(t->vm)->guest;

    if (path && symbols_load(&t->ctx.sym, path) == 0)
        (void)guest_files_open_program(&t->files, path);
}

int gdb_vm_create(struct gdb_vm **out, struct debug_server *srv,
                  struct debug *dbg)
{
    struct gdb_vm *t = calloc(1, sizeof(*t));

    *out = t;
    if (!t)
        return -ENOMEM;
    t->srv = srv;
    t->dbg = dbg;
    t->vm = debug_vm(dbg);
    t->cpu.st = &t->st;
    t->points = (struct gdb_points){
        .dbg = dbg,
        .layout = &t->layout,
        .cpu = &t->cpu,
    };
    strbuf_init(&t->xml);
    strbuf_init(&t->libraries);
    command_ctx_init(&t->ctx, t->vm, dbg);
    t->ctx.remote = true;
    t->ctx.resume = resume_for_command;
    t->ctx.resume_opaque = t;
    t->observer = (struct vm_observer){.on_exit = note_vector, .opaque = t};
    vm_add_observer(t->vm, &t->observer);
    find_program(t);
    gdb_layout_init(&t->layout, GDB_LAYOUT_32);
    return 0;
}

void gdb_vm_destroy(struct gdb_vm *t)
{
    if (!t)
        return;
    point_remove_all(t, false);
    vm_remove_observer(t->vm, &t->observer);
    command_ctx_fini(&t->ctx);
    guest_files_close(&t->files);
    strbuf_fini(&t->libraries);
    strbuf_fini(&t->xml);
    free(t);
}
