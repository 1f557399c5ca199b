/*
 * Packets as commands: a table (command.def), a parser of arguments driven by
 * the table's schemas, and one client's session.  Knows nothing of sockets
 * and nothing of machines.
 *
 * A handler gets parsed arguments and says with one value what to answer; it
 * never writes to the wire.
 */
#ifndef GDBSTUB_COMMAND_H
#define GDBSTUB_COMMAND_H
#include "gdbstub/packet.h"
#include "gdbstub/target.h"

#define GDB_ARGS_MAX   6u
#define GDB_FILES_MAX  16u    /* a client's descriptors for vFile */
#define GDB_FILE_CHUNK 16384u /* bytes that one of them reads at once */

/* What the client said it understands in qSupported. */
enum gdb_feature {
    GDB_FEATURE_MULTIPROCESS = BIT(0),
    GDB_FEATURE_SWBREAK = BIT(1),
    GDB_FEATURE_HWBREAK = BIT(2),
    GDB_FEATURE_ERROR_MESSAGE = BIT(3),
};

struct gdb_session {
    struct gdb_target target;
    unsigned features; /* enum gdb_feature */
    bool no_ack;       /* after the reply to QStartNoAckMode */
    bool extended;     /* ! was sent */
    bool phys;         /* m and M take guest-physical addresses */
    unsigned sstep;    /* QEMU's bits: see GDB_SSTEP_* */
    bool running;      /* a resuming packet waits for its stop */
    bool monitoring;   /* it is a `monitor` command: the stop's text, then */
    bool follows;      /* the client asks whether the guest has changed */
    bool detached;     /* the client took its leave of the guest */
    bool dead;         /* killed; only a restart helps */
    unsigned files;    /* a bit for each open descriptor */
    unsigned file[GDB_FILES_MAX]; /* which of the target's that is */
    bool reads_libraries;         /* the client asks for the list of them */
    uint32_t libraries;           /* a hash of the list that it had */
    struct strbuf held;           /* a packet for after the stop, not for now */
    bool held_ctrl_c;             /* and ^C after it */
    struct strbuf body;
    int error; /* of REPLY_ERROR: a positive errno */
    char why[160];
};

#define GDB_SSTEP_ENABLE  BIT(0)
#define GDB_SSTEP_NOIRQ   BIT(1) /* a step never lands in a handler */
#define GDB_SSTEP_NOTIMER BIT(2)

enum gdb_reply {
    GDB_REPLY_OK,
    GDB_REPLY_DATA,  /* session->body */
    GDB_REPLY_EMPTY, /* not supported */
    GDB_REPLY_ERROR, /* session->error, session->why */
    GDB_REPLY_LATER, /* a stop reply will be sent */
    GDB_REPLY_HOLD,  /* the guest is stopped, then the packet carried out */
    GDB_REPLY_NONE,  /* nothing ever */
};

struct gdb_arg {
    uint64_t number;
    const char *text; /* LEN bytes and, for the last one, a NUL */
    size_t len;
};

struct gdb_args {
    unsigned count; /* those that were there */
    struct gdb_arg arg[GDB_ARGS_MAX];
};

typedef enum gdb_reply gdb_handler(struct gdb_session *s,
                                   const struct gdb_args *args);

/*
 * SCHEMA: pairs of a type and what must follow.
 *   types       L hexadecimal number   T thread   S text up to what follows
 *               Q a number, or 0x and one
 *   follows     , : ; =  that byte     . the end  ~ a ; or the end
 *   A leading ? lets all arguments be missing.
 */
struct gdb_command {
    const char *prefix;
    const char *schema;
    gdb_handler *handler;
    bool while_running;
    const char *summary;
};

const struct gdb_command *gdb_command_nth(size_t n); /* NULL past the last */
/* The longest prefix that fits; NULL: an unknown packet. */
const struct gdb_command *gdb_command_find(const char *packet);
bool gdb_args_parse(const char *schema, const char *text, size_t len,
                    struct gdb_args *args);

void gdb_session_init(struct gdb_session *s, const struct gdb_target *target);
void gdb_session_fini(struct gdb_session *s);
/*
 * Carries out one packet.  True: session->body is the reply's body; false: no
 * reply, or not now.
 */
bool gdb_session_packet(struct gdb_session *s, const char *packet, size_t len);
/* ^C: ends what the client waits for. */
void gdb_session_interrupt(struct gdb_session *s);
/* Does the client wait for a stop reply? */
bool gdb_session_awaits_stop(const struct gdb_session *s);
/* The target stopped: true, and the reply in session->body, if the client
 * waits for one. */
bool gdb_session_stopped(struct gdb_session *s);

/* ---- for handlers ------------------------------------------------------- */

enum gdb_reply gdb_fail(struct gdb_session *s, int error, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* OK, or the error as it stands. */
enum gdb_reply gdb_result(struct gdb_session *s, int err, const char *what);
void gdb_put_thread(struct gdb_session *s);
void gdb_put_stop(struct gdb_session *s);
/* What a `monitor` command that ran the guest says at its stop. */
void gdb_put_monitor_end(struct gdb_session *s);
/* As `k` does; 0 or -errno. */
int gdb_end_guest(struct gdb_session *s);
/* Has the client a list of libraries that is no longer true?  Once. */
bool gdb_libraries_changed(struct gdb_session *s);
/* The part of TEXT that qXfer asked for, by ARGS 1 (offset) and 2 (length). */
enum gdb_reply gdb_put_part(struct gdb_session *s, const struct gdb_args *args,
                            const char *text, size_t len);
/* The markdown table of all packets. */
void gdb_packets_md(struct strbuf *out);

#define PACKET(prefix, schema, handler, running, summary)                      \
    gdb_handler gdb_##handler;
#include "gdbstub/command.def"
#undef PACKET
#endif
