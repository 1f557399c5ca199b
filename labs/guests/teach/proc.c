/*
 * Processes and the scheduler: round robin over a small table, a turn each.
 *
 * The kernel is never preempted: interrupts are off in it, but for the idle
 * loop's HLT.  So one may think of the code here as running alone.
 */
#include "kernel.h"
#include "x86.h"

struct proc proc_table[PROCS_MAX];
struct proc *proc_current = &proc_table[0];

static int next_pid = 1;

struct proc *proc_find(int pid)
{
    for (struct proc *p = proc_table + 1; p < proc_table + PROCS_MAX; p++) {
        if (p->state != PROC_FREE && p->pid == pid) {
            return p;
        }
    }
    return NULL;
}

/* ---- who runs next ---- */

/* The next one that is ready behind the current; the idle loop if none is. */
static struct proc *pick(void)
{
    unsigned at = (unsigned)(proc_current - proc_table);

    for (unsigned i = 1; i <= PROCS_MAX; i++) {
        struct proc *p = &proc_table[(at + i) % PROCS_MAX];

        if (p != proc_table && p->state == PROC_READY) {
            return p;
        }
    }
    return proc_table;
}

static void switch_away(void)
{
    struct proc *from = proc_current, *to = pick();

    if (from == to) {
        return;
    }
    proc_current = to;
    segment_set_kernel_stack(to->kernel_stack + PAGE_SIZE);
    space_switch(to->space.dir ? &to->space : NULL);
    switch_stack(&from->saved_esp, to->saved_esp);
}

void proc_yield(void)
{
    switch_away();
}

void proc_sleep(const void *on)
{
    proc_current->sleeps_on = on;
    proc_current->state = PROC_ASLEEP;
    switch_away();
    proc_current->sleeps_on = NULL;
}

void proc_wake(const void *on)
{
    for (struct proc *p = proc_table + 1; p < proc_table + PROCS_MAX; p++) {
        if (p->state == PROC_ASLEEP && p->sleeps_on == on) {
            p->state = PROC_READY;
        }
    }
}

void proc_run(void)
{
    proc_table[0] = (struct proc){.state = PROC_READY, .name = "idle"};
    for (;;) {
        switch_away();
        sti_hlt_cli();
    }
}

/* ---- beginning and end ---- */

static struct proc *allocate(void)
{
    for (struct proc *p = proc_table + 1; p < proc_table + PROCS_MAX; p++) {
        if (p->state == PROC_FREE) {
            uint32_t stack = frame_alloc();

            if (!stack) {
                return NULL;
            }
            *p = (struct proc){.kernel_stack = (uint32_t)phys_to_virt(stack)};
            return p;
        }
    }
    return NULL;
}

static void release(struct proc *p)
{
    space_destroy(&p->space);
    frame_free(p->kernel_stack - KERNEL_BASE);
    p->state = PROC_FREE;
}

/*
 * The program's stack starts with its command line, which it finds at ESP + 4,
 * as if it had been called.  Written through the direct map, for the space is
 * not the current one.  Returns ESP.
 */
static uint32_t push_command(struct space *s, const char *command)
{
    uint32_t bytes = ((uint32_t)str_len(command) + 1 + 15) & ~15u;
    uint32_t text = STACK_TOP - bytes;
    uint32_t words[4] = {0, text, 0, 0}; /* no way back; the argument */
    uint32_t esp = text - sizeof(words);
    struct page_info page;

    if (bytes + sizeof(words) > PAGE_SIZE / 2 ||
        !space_fault(s, esp, PTE_W | PTE_U) || !space_next(s, esp, &page)) {
        return 0;
    }
    uint8_t *top = (uint8_t *)phys_to_virt(page.pte & PTE_FRAME) + PAGE_SIZE;

    memcpy(top - bytes, command, str_len(command) + 1);
    memcpy(top - bytes - sizeof(words), words, sizeof(words));
    return esp;
}

/* The frame that "returns" a new process to its first instruction, and under
 * it the one that switch_stack() returns through. */
static void push_first_frames(struct proc *p, uint32_t eip, uint32_t esp)
{
    struct trap_frame *tf = (void *)(p->kernel_stack + PAGE_SIZE - sizeof(*tf));
    uint32_t *callee_saved = (uint32_t *)tf - 5;

    *tf = (struct trap_frame){
        .ds = SEL_USER_DATA,
        .es = SEL_USER_DATA,
        .eip = eip,
        .cs = SEL_USER_CODE,
        .eflags = EFLAGS_IF,
        .esp = esp,
        .ss = SEL_USER_DATA,
    };
    callee_saved[4] = (uint32_t)trap_return;
    p->saved_esp = (uint32_t)callee_saved;
}

/* Past the program's last segment: an empty heap, which sbrk lets grow. */
static bool add_heap(struct proc *p)
{
    uint32_t end = 0;

    for (unsigned i = 0; i < p->space.regions; i++) {
        const struct region *r = &p->space.region[i];

        if (r->end < BOARD_VA && r->end > end) {
            end = r->end;
        }
    }
    p->heap = &p->space.region[p->space.regions];
    return space_add(
        &p->space, (struct region){.start = end, .end = end, .writable = true});
}

int proc_spawn(const char *file, const char *command, struct proc *parent)
{
    const struct file *f = file_find(file);
    struct proc *p = f ? allocate() : NULL;

    if (!p) {
        return -1;
    }
    uint32_t eip = 0, esp = 0;

    if (space_create(&p->space)) {
        eip = exec_load(&p->space, f);
        esp = push_command(&p->space, command);
    }
    if (!eip || !esp || !add_heap(p)) {
        release(p);
        return -1;
    }
    push_first_frames(p, eip, esp);
    str_copy(p->name, f->name, NAME_SIZE);
    p->pid = next_pid++;
    p->parent = parent;
    p->state = PROC_READY;
    return p->pid;
}

/* What it had stays until its parent has asked how it ended. */
void proc_exit(int status)
{
    struct proc *self = proc_current;
    struct proc *shell = proc_find(1);

    if (self == shell) {
        kprintf("The shell has ended with status %d.\n", status);
        poweroff(POWEROFF_ACPI, 0);
    }
    for (struct proc *p = proc_table + 1; p < proc_table + PROCS_MAX; p++) {
        if (p->parent == self) {
            p->parent = shell;
        }
    }
    self->status = status;
    self->state = PROC_ZOMBIE;
    proc_wake(self->parent);
    switch_away();
    panic("a process ran after its end");
}

/* The first child that has ended, PID alone or any for -1; its pid.  0: none
 * has ended yet (with NOHANG); -1: there is no such child. */
int proc_wait(int pid, int *status, bool nohang)
{
    for (;;) {
        bool children = false;

        for (struct proc *p = proc_table + 1; p < proc_table + PROCS_MAX; p++) {
            if (p->state == PROC_FREE || p->parent != proc_current ||
                (pid != -1 && p->pid != pid)) {
                continue;
            }
            children = true;
            if (p->state == PROC_ZOMBIE) {
                int ended = p->pid;

                *status = p->status;
                release(p);
                return ended;
            }
        }
        if (!children || nohang || proc_current->killed) {
            return children ? 0 : -1;
        }
        proc_sleep(proc_current);
    }
}

void proc_kill(struct proc *p)
{
    p->killed = true;
    if (p->state == PROC_ASLEEP) {
        p->state = PROC_READY;
    }
}

void proc_interrupt(void)
{
    for (struct proc *p = proc_table + 1; p < proc_table + PROCS_MAX; p++) {
        if (p->pid > 1 && (p->state == PROC_READY || p->state == PROC_ASLEEP)) {
            proc_kill(p);
        }
    }
}
