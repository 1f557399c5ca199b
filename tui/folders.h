/* Folders for files that a person keeps. */
#ifndef TUI_FOLDERS_H
#define TUI_FOLDERS_H

/* Makes those above PATH that are not there; if it fails, so does what follows
 * with the file. */
void folders_make_above(const char *path);
#endif
