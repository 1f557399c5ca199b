/*
 * Framing of gdb's remote serial protocol (gdb manual, appendix E): bytes to
 * packets and back.  Pure: no I/O, no memory but the caller's, and nothing
 * about what packets mean.
 *
 *     $ body # two hex digits: the sum of the body's bytes, modulo 256
 *
 * In a body } announces a byte xor 20h ($ # } *), and in replies C*N stands
 * for N - 29 more of C.  Acknowledgements (+ and -) and the interrupt byte 03h
 * stand outside packets.
 */
#ifndef GDBSTUB_PACKET_H
#define GDBSTUB_PACKET_H
#include "vmm/base/strbuf.h"

#define GDB_PACKET_MAX (128u << 10) /* bytes of a body, both ways */

enum gdb_event {
    GDB_EVENT_NONE,      /* more bytes are wanted */
    GDB_EVENT_PACKET,    /* body[0..len) is one, with a NUL after it */
    GDB_EVENT_BAD,       /* its checksum is wrong */
    GDB_EVENT_TOO_LONG,  /* it was longer than GDB_PACKET_MAX */
    GDB_EVENT_INTERRUPT, /* 03h */
    GDB_EVENT_ACK,
    GDB_EVENT_NAK,
};

enum gdb_framer_state {
    GDB_FRAMER_IDLE,
    GDB_FRAMER_BODY,
    GDB_FRAMER_SUM1,
    GDB_FRAMER_SUM2,
};

struct gdb_framer {
    enum gdb_framer_state state;
    bool escaped, too_long;
    uint8_t sum, wanted;
    size_t len;
    char body[GDB_PACKET_MAX + 1]; /* escapes are undone */
};

void gdb_framer_init(struct gdb_framer *f);

/*
 * Takes bytes up to the first event, and returns how many.  After a packet its
 * body stays until the next call.
 */
size_t gdb_framer_feed(struct gdb_framer *f, const uint8_t *bytes, size_t len,
                       enum gdb_event *event);

/* Appends BODY as one packet.  Runs are shortened. */
void gdb_frame(struct strbuf *out, const char *body, size_t len);

/* For bodies. */
void gdb_put_hex(struct strbuf *body, const void *bytes, size_t len);
void gdb_put_binary(struct strbuf *body, const void *bytes, size_t len);

/* -1: not a hex digit. */
int gdb_hex_digit(char c);
/* LEN digits to LEN / 2 bytes; false: odd, or not all of them digits. */
bool gdb_from_hex(const char *text, size_t len, void *bytes);
#endif
