/*
 * The CPU's state as gdb's registers: what each is called, how many bits it
 * has on the wire, its type, and where it is in struct x86_state.  From this
 * the target description is written.  Pure.
 *
 * pc and sp are linear, in every mode, so that breakpoints, disassembly and
 * the stack are where gdb looks for them; the offsets themselves are registers
 * of org.ringside.system.
 */
#ifndef GDBSTUB_REGS_H
#define GDBSTUB_REGS_H
#include "vmm/base/strbuf.h"
#include "vmm/x86/state.h"

#define GDB_REGS_MAX 160u

/* What code the CPU runs: the architecture that gdb is told. */
enum gdb_layout_kind { GDB_LAYOUT_16, GDB_LAYOUT_32, GDB_LAYOUT_64 };

struct gdb_cpu {
    const struct x86_state *st; /* borrowed */
    uint64_t icount;
    uint32_t vector, error; /* of the last exception or interrupt */
};

enum gdb_reg_kind {
    GDB_REG_FIELD, /* SIZE bytes at OFFSET of x86_state */
    GDB_REG_PC,    /* linear */
    GDB_REG_SP,    /* linear */
    GDB_REG_SEL,   /* selector of segment register OFFSET */
    GDB_REG_FPU,   /* i387 control register OFFSET: 0 fctrl ... 7 fop */
    GDB_REG_BYTES, /* SIZE bytes at OFFSET of fxsave, as they are */
    GDB_REG_CPL,   /* these cannot be written: */
    GDB_REG_MODE,
    GDB_REG_ICOUNT,
    GDB_REG_VECTOR,
    GDB_REG_ERROR,
};

struct gdb_reg {
    char name[16];
    const char *type, *group, *feature; /* group: NULL, none */
    uint16_t bits;                      /* on the wire */
    uint8_t size;                       /* FIELD: in the state */
    uint16_t offset;
    enum gdb_reg_kind kind;
};

struct gdb_layout {
    enum gdb_layout_kind kind;
    unsigned count;
    unsigned count_g;                 /* those in a `g` packet: up to mxcsr */
    unsigned pc, sp, bp, flags, mode; /* their numbers */
    struct gdb_reg reg[GDB_REGS_MAX];
};

enum gdb_layout_kind gdb_layout_for(const struct x86_state *st);
void gdb_layout_init(struct gdb_layout *l, enum gdb_layout_kind kind);
/* target.xml */
void gdb_layout_xml(const struct gdb_layout *l, struct strbuf *out);

/* Is R, as an integer, *BYTES bytes at *OFFSET of struct x86_state? */
bool gdb_reg_where(const struct gdb_reg *r, uint32_t *offset, uint32_t *bytes);
/* As an integer; of a longer register the first eight bytes. */
uint64_t gdb_reg_number(const struct gdb_reg *r, const struct gdb_cpu *cpu);
void gdb_reg_get(const struct gdb_reg *r, const struct gdb_cpu *cpu,
                 uint8_t *bytes);
/* 0; -EPERM: it cannot be set.  What only counts stays as it is. */
int gdb_reg_set(const struct gdb_reg *r, struct x86_state *st,
                const uint8_t *bytes);

/* Sets RIP so that its linear address is LINEAR. */
void gdb_set_pc(struct x86_state *st, uint64_t linear);
#endif
