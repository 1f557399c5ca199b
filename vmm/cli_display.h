/* `--display text`: the guest's screen and keyboard on this terminal. */
#ifndef VMM_CLI_DISPLAY_H
#define VMM_CLI_DISPLAY_H
#include "vmm/vm.h"

struct display;

/* Begins to draw and to take keys.  0 or -errno, logged. */
int display_open(struct display **out, struct vm *vm);
/* Ends; the last screen stays on the terminal (or is all that is printed,
 * when standard output is none).  NULL: nothing. */
void display_close(struct display *d);
#endif
