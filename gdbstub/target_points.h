/*
 * gdb's stop points in the debugger's core, with their conditions and commands
 * decoded.  A part of target_vm.c; everything runs on the vCPU's thread.
 */
#ifndef GDBSTUB_TARGET_POINTS_H
#define GDBSTUB_TARGET_POINTS_H
#include "gdbstub/regs.h"
#include "gdbstub/target.h"
#include "vmm/debug.h"

struct gdb_vm_point;

struct gdb_points {
    struct debug *dbg;
    const struct gdb_layout *layout; /* what expressions number */
    const struct gdb_cpu *cpu;       /* last vector and error code */
    gdb_print_fn *print;             /* of printf; NULL: dropped */
    void *print_opaque;
    struct gdb_vm_point *list;
};

/* 0, or -errno and WHY in one line.  What is there already is replaced. */
int gdb_points_insert(struct gdb_points *s, const struct gdb_point *from,
                      char *why, size_t len);
int gdb_points_remove(struct gdb_points *s, enum gdb_point_kind kind,
                      uint64_t addr, uint64_t len);
/* KEEP: but for those whose commands go on without a client. */
void gdb_points_remove_all(struct gdb_points *s, bool keep);
/* The reason that the core's point ID has for gdb; NONE: it is not ours. */
enum gdb_stop_reason gdb_points_reason(const struct gdb_points *s, int id);
#endif
