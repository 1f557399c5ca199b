/* `ringside run --gdb`: the run as a debugger's, on this thread. */
#ifndef GDBSTUB_GDB_RUN_H
#define GDBSTUB_GDB_RUN_H
#include "vmm/cli.h"
#include "vmm/view/command.h"

/*
 * Runs VM until it ends, with gdb let in at CLI's --gdb.  0 or -errno, logged:
 * nothing was run.  SCREEN: for `monitor layout` and `theme`; copied.
 */
int gdb_run(const struct cli *cli, struct vm *vm,
            const struct command_screen *screen);
/* From a signal handler: a guest that gdb has stopped ends, too. */
void gdb_run_end(void);
#endif
