/*
 * All that the stub asks of what it debugs.  No header of the monitor's is
 * included here but its strings: the stub's core is tested on a fake.
 *
 * Everything is called on the thread that owns the machine, with it still.
 * Functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef GDBSTUB_TARGET_H
#define GDBSTUB_TARGET_H
#include <sys/types.h>

#include "vmm/base/strbuf.h"

#define GDB_REG_BYTES_MAX 16u

enum gdb_point_kind { /* the numbers of Z packets */
                      GDB_POINT_SW,
                      GDB_POINT_HW,
                      GDB_POINT_WRITE,
                      GDB_POINT_READ,
                      GDB_POINT_ACCESS,
                      GDB_POINT_KINDS
};

/* An agent expression's bytes (gdb manual, appendix F); borrowed. */
struct gdb_agent_code {
    const uint8_t *bytes;
    size_t len;
};

#define GDB_AGENT_CODES_MAX 16u

struct gdb_point {
    enum gdb_point_kind kind;
    uint64_t addr, len;
    /* Stops if one of them is not zero; none: always. */
    struct gdb_agent_code condition[GDB_AGENT_CODES_MAX];
    unsigned conditions;
    /* Run at each hit instead of stopping; none: it stops. */
    struct gdb_agent_code command[GDB_AGENT_CODES_MAX];
    unsigned commands;
    bool persist; /* the commands: also while no client is there */
};

enum gdb_resume_kind { GDB_CONTINUE, GDB_STEP, GDB_RANGE };

struct gdb_resume {
    enum gdb_resume_kind kind;
    uint64_t start, end;  /* RANGE: while start <= pc < end */
    bool into_interrupts; /* a step may end in an interrupt's handler */
};

enum gdb_stop_kind { GDB_STOP_SIGNAL, GDB_STOP_EXITED, GDB_STOP_KILLED };
enum gdb_stop_reason {
    GDB_REASON_NONE,
    GDB_REASON_SWBREAK,
    GDB_REASON_HWBREAK,
    GDB_REASON_WATCH,
    GDB_REASON_RWATCH,
    GDB_REASON_AWATCH,
};

struct gdb_stop {
    enum gdb_stop_kind kind;
    uint8_t code; /* signal, or exit status */
    enum gdb_stop_reason reason;
    uint64_t addr; /* of WATCH and its kin */
};

struct gdb_file_stat {
    uint64_t size;
    uint32_t mtime; /* seconds since 1970 */
};

enum gdb_monitor {
    GDB_MONITOR_DONE,
    GDB_MONITOR_RUNS, /* what it says is monitor_end()'s, after the stop */
    GDB_MONITOR_QUIT, /* the user wants the guest to end */
};

/* What the commands of an agent expression print goes there. */
typedef void gdb_print_fn(void *opaque, const char *text, size_t len);

struct gdb_target_ops {
    /*
     * The part ANNEX of the target's description, NULL if there is none.
     * ANEW: "target.xml" chooses the layout of registers by the CPU's mode.
     */
    const char *(*describe)(void *t, const char *annex, bool anew);
    /* Bytes of register N on the wire, 0: there is none. */
    unsigned (*reg_size)(void *t, unsigned n);
    unsigned (*reg_count_g)(void *t); /* how many a `g` packet has */
    int (*reg_read)(void *t, unsigned n, uint8_t *bytes);
    int (*reg_write)(void *t, unsigned n, const uint8_t *bytes);
    /* The N-th register that stop replies carry along; false past the last. */
    bool (*reg_expedited)(void *t, unsigned n, unsigned *regno);

    /* Bytes copied before the first that is not there. */
    size_t (*mem_read)(void *t, uint64_t addr, void *buf, size_t len,
                       bool phys);
    size_t (*mem_write)(void *t, uint64_t addr, const void *buf, size_t len,
                        bool phys);

    /* May say in WHY, in one line, why not. */
    int (*point_insert)(void *t, const struct gdb_point *p, char *why,
                        size_t len);
    int (*point_remove)(void *t, enum gdb_point_kind kind, uint64_t addr,
                        uint64_t len);
    /* KEEP: but for commands that persist. */
    void (*point_remove_all)(void *t, bool keep);

    /* Begins to run; the stop comes later, by gdb_session_stopped(). */
    int (*resume)(void *t, const struct gdb_resume *how);
    bool (*running)(void *t);
    int (*set_pc)(void *t, uint64_t linear);
    void (*interrupt)(void *t);
    void (*last_stop)(void *t, struct gdb_stop *stop);
    int (*restart)(void *t); /* power-on again, stopped */
    int (*kill)(void *t, bool for_good);

    /* Optional (NULL, or nothing added): */
    enum gdb_monitor (*monitor)(void *t, const char *line, struct strbuf *out);
    void (*monitor_end)(void *t, struct strbuf *out); /* the run has ended */
    /* How often the guest was run or changed, but for this client's packets. */
    unsigned (*changes)(void *t);
    void (*thread_info)(void *t, struct strbuf *out);
    const char *(*exec_file)(void *t); /* absolute path; NULL: not known */
    /* The number of the file PATH, if a client may
     * read it; or -errno.  The next two are there if this is. */
    int (*file_find)(void *t, const char *path);
    /* Of that file: bytes read, or -errno. */
    ssize_t (*file_read)(void *t, unsigned n, uint64_t offset, void *buf,
                         size_t len);
    int (*file_stat)(void *t, unsigned n, struct gdb_file_stat *st);
    /* By how much addresses are more than exec_file says; NULL: by none. */
    int64_t (*load_offset)(void *t);
    /* Other files with symbols, and where they are: the document as it is now.
     */
    const char *(*libraries)(void *t);
    const char *(*memory_map)(void *t);
};

struct gdb_target {
    const struct gdb_target_ops *ops;
    void *opaque;
};
#endif
