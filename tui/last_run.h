/*
 * The exits of the last session with each guest under each accelerator: kept
 * in a file when a person leaves, so that the next session with the other
 * accelerator shows both side by side.  Files are
 *
 *   $XDG_STATE_HOME/ringside/runs/NAME-HASH-ACCEL.json    (~/.local/state)
 *
 * with the hash of the guest's full path; their form is --stats=json's.
 */
#ifndef TUI_LAST_RUN_H
#define TUI_LAST_RUN_H
#include "vmm/vm.h"

/* Writes VM's, if it has run; that it cannot be written is no error. */
void last_run_keep(struct vm *vm);

/* The file of the same guest under another accelerator; false: there is none */
bool last_run_other(struct vm *vm, char *path, size_t len);
#endif
