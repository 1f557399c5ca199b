/* Folders for files that a person keeps (XDG Base Directory Specification). */
#ifndef TUI_FOLDERS_H
#define TUI_FOLDERS_H
#include "vmm/base/base.h"

enum folder {
    FOLDER_CONFIG, /* $XDG_CONFIG_HOME/ringside, ~/.config/ringside */
    FOLDER_STATE,  /* $XDG_STATE_HOME/ringside, ~/.local/state/ringside */
};

/* The path of NAME, which need not be there, in BUF; false, and "": nothing
 * says where a person keeps such things, or it is longer than LEN. */
bool folders_path(enum folder in, const char *name, char *buf, size_t len);

/* Makes those above PATH that are not there; if it fails, so does what follows
 * with the file. */
void folders_make_above(const char *path);
#endif
