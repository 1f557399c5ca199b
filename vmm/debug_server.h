/*
 * One debugger, several clients at the same time: the gdb stub's thread, the
 * screen's thread, a grader.  The thread that calls debug_server_loop() is
 * the vCPU's; everything that touches the machine runs there.
 *
 *     client thread                      vCPU's thread
 *     debug_server_call(fn)  -- queue -> fn(debug)      (also amid a run)
 *     debug_server_resume()  ---------> debug_run()
 *     on_stop()              <--------- told to everybody
 *     debug_server_interrupt() -------> the run ends
 */
#ifndef VMM_DEBUG_SERVER_H
#define VMM_DEBUG_SERVER_H
#include "vmm/debug.h"

struct debug_server;

/* Both functions are called on the vCPU's thread and must not block. */
struct debug_client {
    const char *name;
    void (*on_stop)(void *opaque, const struct debug_stop *stop);
    void (*on_resume)(void *opaque); /* may be NULL */
    void *opaque;
    struct debug_client *next;
};

/* Serves D, which it borrows, to any number of clients.  0 or -errno. */
int debug_server_create(struct debug_server **out, struct debug *d);
void debug_server_destroy(struct debug_server *srv);

/* Serves on this thread, from stopped, until debug_server_quit(). */
void debug_server_loop(struct debug_server *srv);

/* ---- any thread, but not from within a call or on_stop ------------------- */

void debug_server_attach(struct debug_server *srv, struct debug_client *c);
void debug_server_detach(struct debug_server *srv, struct debug_client *c);

/*
 * Runs FN on the vCPU's thread with the guest still, and returns what it
 * returned.  A running guest goes on afterwards, with stop points as FN left
 * them.  -ECANCELED: the server has quit.
 */
int debug_server_call(struct debug_server *srv,
                      int (*fn)(struct debug *d, void *arg), void *arg);

/* The three below may also be called from within a call. */
/* 0; -EBUSY: the guest runs already; -ECANCELED: the server has quit. */
int debug_server_resume(struct debug_server *srv, const struct debug_run *how);
/* Ends a run soon; nothing if the guest does not run. */
void debug_server_interrupt(struct debug_server *srv);
bool debug_server_running(struct debug_server *srv);
/* debug_server_loop() returns soon.  Also from on_stop or a call. */
void debug_server_quit(struct debug_server *srv);
#endif
