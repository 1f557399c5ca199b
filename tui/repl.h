/* The debugger as a line at a time: `ringside debug --repl`. */
#ifndef TUI_REPL_H
#define TUI_REPL_H
#include "vmm/view/command.h"

/*
 * Reads commands from standard input until it ends or `quit`: with editing,
 * history and completion (libedit) on a terminal, plainly otherwise.
 */
void repl_run(struct command_ctx *ctx);
#endif
