/*
 * gdb's way in: one listener, one client at a time, on a thread of its own.
 *
 *   server's thread                        vCPU's thread
 *   bytes -> packets -> debug_server_call  the packet's command, the reply
 *   03h -> debug_server_interrupt          on_stop: the stop reply
 *   what could not be sent at once
 */
#ifndef GDBSTUB_SERVER_H
#define GDBSTUB_SERVER_H
#include "vmm/debug_server.h"
#include "vmm/view/command.h"

struct gdb_server;

/*
 * WHERE: [HOST:]PORT (HOST: 127.0.0.1; PORT 0: a free one, which is said on
 * standard error), unix:PATH, or stdio.  0 or -errno, logged.  The caller runs
 * debug_server_loop(), which is quit when the guest has ended; unless somebody
 * else debugs it, too (SHARED): then only a `kill` switches the guest off, and
 * `run` on again.
 */
int gdb_server_create(struct gdb_server **out, const char *where,
                      struct debug_server *srv, struct debug *dbg, bool shared);
void gdb_server_destroy(struct gdb_server *g);
/* What gdb's `target remote` takes, with the port that it really is; G's. */
const char *gdb_server_address(const struct gdb_server *g);
/* Who carries out `monitor layout` and `theme`; before debug_server_loop(). */
void gdb_server_set_screen(struct gdb_server *g,
                           const struct command_screen *screen);
/* Ends the guest soon, stopped or not.  Any thread, or a signal handler. */
void gdb_server_end(struct gdb_server *g);
/* Is WHERE of a form that gdb_server_create() knows? */
bool gdb_server_where(const char *where);
#endif
