/*
 * System calls: a table by number.  Whatever a program passes is checked
 * here; the pages behind a good pointer come in by page faults, as ever.
 */
#include "kernel.h"

#define COMMAND_MAX 128u

/* Arguments 0, 1, 2 of a call. */
struct args {
    uint32_t a[3];
};

#define PTR(type, value) ((type *)(value))

static bool may_write(uint32_t va, uint32_t len)
{
    return space_check(&proc_current->space, va, len, true);
}

static bool may_read(uint32_t va, uint32_t len)
{
    return space_check(&proc_current->space, va, len, false);
}

/* Copies a program's string; false if it leaves the program's memory. */
static bool fetch_string(uint32_t va, char *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!may_read(va + i, 1)) {
            return false;
        }
        to[i] = *PTR(const char, va + i);
        if (!to[i]) {
            return true;
        }
    }
    to[size - 1] = 0;
    return true;
}

static int sys_exit(const struct args *x)
{
    proc_exit((int)x->a[0] & 0x7F); /* above are the kernel's own */
}

static int sys_write(const struct args *x)
{
    if (!may_read(x->a[0], x->a[1])) {
        return -1;
    }
    for (uint32_t i = 0; i < x->a[1]; i++) {
        console_put(PTR(const char, x->a[0])[i]);
    }
    return (int)x->a[1];
}

static int sys_read(const struct args *x)
{
    if (!may_write(x->a[0], x->a[1])) {
        return -1;
    }
    return console_read(PTR(char, x->a[0]), x->a[1]);
}

static int sys_spawn(const struct args *x)
{
    char file[NAME_SIZE], command[COMMAND_MAX];

    if (!fetch_string(x->a[0], file, sizeof(file)) ||
        !fetch_string(x->a[1], command, sizeof(command))) {
        return -1;
    }
    return proc_spawn(file, command, proc_current);
}

static int sys_wait(const struct args *x)
{
    if (!may_write(x->a[1], sizeof(int))) {
        return -1;
    }
    return proc_wait((int)x->a[0], PTR(int, x->a[1]), x->a[2]);
}

static int sys_yield(const struct args *x)
{
    (void)x;
    proc_yield();
    return 0;
}

static int sys_getpid(const struct args *x)
{
    (void)x;
    return proc_current->pid;
}

/* The heap only grows; its pages come when they are touched. */
static int sys_sbrk(const struct args *x)
{
    struct region *heap = proc_current->heap;
    uint32_t old = heap->end;
    uint32_t bytes = (x->a[0] + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);

    if (x->a[0] > HEAP_BYTES || bytes > HEAP_BYTES - (old - heap->start)) {
        return -1;
    }
    heap->end += bytes;
    return (int)old;
}

static int sys_sleep(const struct args *x)
{
    proc_current->wake_at = timer_ticks() + (x->a[0] + 9) / 10;
    while (timer_ticks() < proc_current->wake_at && !proc_current->killed) {
        proc_sleep(&proc_current->wake_at);
    }
    return 0;
}

static int sys_uptime(const struct args *x)
{
    (void)x;
    return (int)timer_ticks();
}

static int sys_kill(const struct args *x)
{
    struct proc *p = proc_find((int)x->a[0]);

    if (!p || p->pid <= 1) {
        return -1;
    }
    proc_kill(p);
    return 0;
}

static int sys_proc_info(const struct args *x)
{
    static const char *const state[] = {"free", "ready", "asleep", "zombie"};

    if (x->a[0] + 1 >= PROCS_MAX ||
        !may_write(x->a[1], sizeof(struct proc_info))) {
        return -1;
    }
    const struct proc *p = &proc_table[x->a[0] + 1];
    struct proc_info *info = PTR(struct proc_info, x->a[1]);

    *info = (struct proc_info){
        .pid = p->state == PROC_FREE ? 0 : p->pid,
        .parent = p->parent ? p->parent->pid : 0,
        .faults = p->faults,
        .ticks = p->ticks,
    };
    str_copy(info->state, p == proc_current ? "running" : state[p->state],
             sizeof(info->state));
    str_copy(info->name, p->name, sizeof(info->name));
    return 0;
}

static int sys_page_next(const struct args *x)
{
    struct page_info info;

    if (!may_write(x->a[1], sizeof(info)) ||
        !space_next(&proc_current->space, x->a[0], &info)) {
        return -1;
    }
    *PTR(struct page_info, x->a[1]) = info;
    return 0;
}

static int sys_frames(const struct args *x)
{
    (void)x;
    return (int)page_free_frames();
}

static int sys_file_info(const struct args *x)
{
    const struct file *f = file_get(x->a[0]);

    if (!f || !may_write(x->a[1], sizeof(struct file_info))) {
        return -1;
    }
    struct file_info *info = PTR(struct file_info, x->a[1]);

    info->size = (uint32_t)(f->end - f->start);
    str_copy(info->name, f->name, sizeof(info->name));
    return 0;
}

static int sys_file_read(const struct args *x)
{
    const struct file *f = file_get(x->a[0]);
    uint32_t size = f ? (uint32_t)(f->end - f->start) : 0;
    uint32_t n = x->a[1] < size ? size - x->a[1] : 0;

    if (!f || !may_write(x->a[2], sizeof(struct file_chunk))) {
        return -1;
    }
    n = n < sizeof(struct file_chunk) ? n : sizeof(struct file_chunk);
    memcpy(PTR(char, x->a[2]), f->start + x->a[1], n);
    return (int)n;
}

static int sys_poweroff(const struct args *x)
{
    poweroff((int)x->a[0], (int)x->a[1]);
}

static int (*const call[SYS_COUNT])(const struct args *) = {
#define X(upper, lower) [SYS_##upper] = sys_##lower,
    SYSCALLS(X)
#undef X
};

void syscall_handle(struct trap_frame *tf)
{
    struct args x = {{tf->ebx, tf->ecx, tf->edx}};

    tf->eax = tf->eax < SYS_COUNT ? (uint32_t)call[tf->eax](&x) : (uint32_t)-1;
}
