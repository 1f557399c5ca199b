/*
 * What kernel and programs agree on: system call numbers and the structs that
 * cross the border.  A call is INT 80h with the number in EAX and up to three
 * arguments in EBX, ECX, EDX; the result comes back in EAX, negative for an
 * error.
 */
#ifndef TEACH_ABI_H
#define TEACH_ABI_H
#include <stdint.h>

/* clang-format off */
#define SYSCALLS(X)                                                      \
    X(EXIT,      exit)      /* (status)                 never returns */ \
    X(WRITE,     write)     /* (buf, len)               bytes */         \
    X(READ,      read)      /* (buf, len)               one line */      \
    X(SPAWN,     spawn)     /* (file, command line)     pid */           \
    X(WAIT,      wait)      /* (pid or -1, *status, nohang) pid */       \
    X(YIELD,     yield)     /* ()                       0 */             \
    X(GETPID,    getpid)    /* ()                       pid */           \
    X(SBRK,      sbrk)      /* (bytes)                  old end */       \
    X(SLEEP,     sleep)     /* (milliseconds)           0 */             \
    X(UPTIME,    uptime)    /* ()                       ticks of 10 ms */\
    X(KILL,      kill)      /* (pid)                    0 */             \
    X(PROC_INFO, proc_info) /* (slot, *info)            0 */             \
    X(PAGE_NEXT, page_next) /* (va, *info)              0 */             \
    X(FRAMES,    frames)    /* ()                       free frames */   \
    X(FILE_INFO, file_info) /* (index, *info)           0 */             \
    X(FILE_READ, file_read) /* (index, offset, *chunk)  bytes */         \
    X(POWEROFF,  poweroff)  /* (how, status)            never returns */
/* clang-format on */

enum {
#define X(upper, lower) SYS_##upper,
    SYSCALLS(X)
#undef X
        SYS_COUNT
};

#define SYS_VECTOR 0x80

/* How a process ended: its own status, or 128 + the exception's vector. */
#define STATUS_EXCEPTION 128
#define STATUS_KILLED    255

enum { POWEROFF_ACPI, POWEROFF_DEBUG_EXIT };

#define NAME_SIZE 16

struct proc_info {
    int32_t pid, parent;
    char state[8];
    char name[NAME_SIZE];
    uint32_t faults; /* pages brought in on demand */
    uint32_t ticks;  /* of the timer while it ran */
};

struct page_info {
    uint32_t va;
    uint32_t pte; /* as the processor sees it: frame and bits */
};

struct file_info {
    char name[NAME_SIZE];
    uint32_t size;
};

struct file_chunk {
    char bytes[256];
};

/* One page that every process shares, for programs that meet there. */
#define BOARD_VA 0x10000000u
#endif
