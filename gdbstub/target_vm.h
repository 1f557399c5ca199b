/*
 * The monitor as the stub's target.  The one file of this folder that knows
 * machines; all of it runs on the vCPU's thread.
 */
#ifndef GDBSTUB_TARGET_VM_H
#define GDBSTUB_TARGET_VM_H
#include "gdbstub/target.h"
#include "vmm/debug_server.h"
#include "vmm/view/command.h"

struct gdb_vm;

int gdb_vm_create(struct gdb_vm **out, struct debug_server *srv,
                  struct debug *dbg);
void gdb_vm_destroy(struct gdb_vm *t);
struct gdb_target gdb_vm_target(struct gdb_vm *t);
/* The guest may have moved since: registers are read anew. */
void gdb_vm_forget(struct gdb_vm *t);
/* Where printf of dprintf goes; amid a run. */
void gdb_vm_set_print(struct gdb_vm *t, gdb_print_fn *print, void *opaque);
/* Who carries out `layout` and `theme`. */
void gdb_vm_set_screen(struct gdb_vm *t, const struct command_screen *screen);
/* The guest stopped, and the client was not waiting for it. */
void gdb_vm_count_change(struct gdb_vm *t);
/* A new client: the registers' layout is chosen anew. */
void gdb_vm_begin(struct gdb_vm *t);
#endif
