/*
 * Everything the kernel's files know of each other.
 *
 * The linear address space, the same in every process:
 *
 *   FFFFFFFF +---------------------------+
 *            | nothing                   |
 *   C2000000 +---------------------------+
 *            | physical memory, at       |  supervisor only; kernel text and
 *            | address + C0000000h       |  constants are read-only
 *   C0000000 +---------------------------+
 *            | guard page                |
 *   BFFFF000 +---------------------------+
 *            | stack, 16 pages at most   |  brought in when touched
 *   BFFEF000 +---------------------------+
 *            | the shared board (1 page) |  at 10000000
 *            | heap, grown by sbrk       |  brought in when touched
 *            | program text, data        |  brought in when touched
 *   00400000 +---------------------------+
 *            | nothing: NULL faults      |
 *   00000000 +---------------------------+
 */
#ifndef TEACH_KERNEL_H
#define TEACH_KERNEL_H
#include "abi.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE     4096u
#define KERNEL_BASE   0xC0000000u
#define STACK_TOP     0xBFFFF000u
#define STACK_BYTES   (16 * PAGE_SIZE)
#define HEAP_BYTES    0x01000000u
#define MEM_MAX_BYTES 0x02000000u /* what it uses of a larger machine */

/* A page table entry (SDM vol. 3A 4.3). */
#define PTE_P     0x001u
#define PTE_W     0x002u
#define PTE_U     0x004u
#define PTE_A     0x020u
#define PTE_D     0x040u
#define PTE_FRAME 0xFFFFF000u

/* Segment selectors: rows of the GDT in segment.c. */
#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_USER_CODE   0x1B
#define SEL_USER_DATA   0x23
#define SEL_TSS         0x28

#define VECTOR_PF    14
#define VECTOR_IRQ0  0x20
#define IRQ_TIMER    0
#define IRQ_KEYBOARD 1
#define IRQ_COM1     4

/* ---- format.c: shared with the programs ---- */
size_t format(char *out, size_t size, const char *fmt, va_list ap);
size_t str_len(const char *s);
bool str_equal(const char *a, const char *b);
void str_copy(char *to, const char *from, size_t size); /* always ends in 0 */
void *memset(void *to, int byte, size_t n);
void *memcpy(void *to, const void *from, size_t n);

/* ---- console.c ---- */
void console_init(void);
void console_put(char c);
void console_input(char c);              /* from a device, in its interrupt */
int console_read(char *buf, size_t len); /* sleeps until a line is there */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void panic(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));
void poweroff(int how, int status) __attribute__((noreturn));

/* ---- irq.c: interrupt controllers, timer, keyboard, serial line ---- */
void irq_init(void);
void irq_handle(unsigned irq);
uint32_t timer_ticks(void);
void serial_put(char c);

/* ---- segment.c ---- */
void segment_init(void);
void segment_set_kernel_stack(uint32_t top); /* used on entry from ring 3 */

/* ---- trap.c ---- */

/* What the stubs in trap.S push, lowest address first. */
struct trap_frame {
    uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax; /* PUSHA */
    uint32_t gs, fs, es, ds;
    uint32_t vector;
    uint32_t error; /* by the processor, or 0 */
    uint32_t eip, cs, eflags;
    uint32_t esp, ss; /* only when it came from ring 3 */
};

void trap_init(void);
void trap_entry(struct trap_frame *tf); /* called by trap.S */
void trap_return(void);                 /* in trap.S: pops a frame */

/* ---- syscall.c ---- */
void syscall_handle(struct trap_frame *tf);

/* ---- page.c ---- */

/* A stretch of a process's address space that may be touched. */
struct region {
    uint32_t start, end; /* page borders */
    bool writable;
    uint32_t file_va; /* its first bytes come from the program file... */
    const uint8_t *file;
    uint32_t file_bytes; /* ...so many of them; the rest is zero */
};

struct space {
    uint32_t *dir; /* page directory, seen through the direct map */
    struct region region[6];
    unsigned regions;
};

void page_init(uint32_t mem_bytes);
uint32_t page_free_frames(void);
uint32_t frame_alloc(void); /* a zeroed frame's physical address, 0: none */
void frame_free(uint32_t pa);
void *phys_to_virt(uint32_t pa);
bool space_create(struct space *s); /* false: out of memory */
void space_destroy(struct space *s);
void space_switch(const struct space *s);
bool space_add(struct space *s, struct region r);
struct region *space_find(struct space *s, uint32_t va);
bool space_fault(struct space *s, uint32_t va, uint32_t error);
bool space_check(struct space *s, uint32_t va, uint32_t len, bool write);
bool space_next(const struct space *s, uint32_t va, struct page_info *out);

/* ---- proc.c ---- */

enum proc_state { PROC_FREE, PROC_READY, PROC_ASLEEP, PROC_ZOMBIE };

struct proc {
    int pid;
    enum proc_state state;
    char name[NAME_SIZE];
    struct proc *parent;
    struct space space;
    struct region *heap;
    uint32_t kernel_stack;  /* page, seen through the direct map */
    uint32_t saved_esp;     /* while another runs */
    const void *sleeps_on;  /* what it waits for; ASLEEP only */
    uint32_t wake_at;       /* tick; ASLEEP on the timer only */
    bool killed;            /* ends when it next leaves the kernel */
    int status;             /* ZOMBIE only */
    uint32_t faults, ticks; /* for `ps` */
};

#define PROCS_MAX 16

extern struct proc proc_table[PROCS_MAX]; /* [0] is the idle loop */
extern struct proc *proc_current;

void proc_run(void) __attribute__((noreturn)); /* becomes the idle loop */
int proc_spawn(const char *file, const char *command, struct proc *parent);
void proc_exit(int status) __attribute__((noreturn));
int proc_wait(int pid, int *status, bool nohang);
void proc_yield(void);
void proc_sleep(const void *on);
void proc_wake(const void *on);
void proc_kill(struct proc *p);
void proc_interrupt(void); /* Ctrl-C: ends all but the shell */
struct proc *proc_find(int pid);

/* switch.S: saves this stack's pointer, goes on with another. */
void switch_stack(uint32_t *save_esp, uint32_t load_esp);

/* ---- files.c ---- */
struct file {
    const char *name;
    const uint8_t *start, *end;
};

const struct file *file_get(unsigned index); /* NULL: past the last */
const struct file *file_find(const char *name);

/* ---- exec.c ---- */
/* Adds a program's segments to S.  Its entry point, or 0: not a program. */
uint32_t exec_load(struct space *s, const struct file *f);
#endif
