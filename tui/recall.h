/*
 * The commands typed before, in one file for the screen and the repl; the file
 * is libedit's.
 */
#ifndef TUI_RECALL_H
#define TUI_RECALL_H
#include "vmm/base/base.h"

struct recall;

/* Of the person at the terminal: folders_path(FOLDER_STATE, this). */
#define RECALL_FILE "history"

/* Reads PATH if it is there; NULL or "": nothing is read or kept. */
struct recall *recall_open(const char *path);
/* Writes the file and the folders above it, best effort.  NULL: nothing. */
void recall_close(struct recall *r);
void recall_add(struct recall *r, const char *line);
/* The N-th last, from 0; NULL: there are not so many. */
const char *recall_nth(struct recall *r, unsigned n);
/* libedit's own handle, for el_set(EL_HIST). */
void *recall_handle(struct recall *r);
#endif
