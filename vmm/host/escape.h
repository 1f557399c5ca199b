/*
 * Ctrl-A: the one key that the monitor keeps for itself on a terminal.  Pure:
 * from typed bytes to bytes for the guest and requests to us.
 */
#ifndef VMM_HOST_ESCAPE_H
#define VMM_HOST_ESCAPE_H
#include "vmm/base/base.h"

#define ESCAPE_KEY 0x01u /* Ctrl-A */

enum escape_request { ESCAPE_NONE, ESCAPE_QUIT, ESCAPE_HELP };

struct escape {
    bool seen; /* the last byte was Ctrl-A */
};

/*
 * Takes one typed BYTE.  *SEND: the guest gets *OUT (BYTE, or one Ctrl-A for
 * two).  An unknown key after Ctrl-A asks for help and goes nowhere.
 */
enum escape_request escape_feed(struct escape *esc, uint8_t byte, bool *send,
                                uint8_t *out);
const char *escape_help(void); /* lines ending in CR LF */
#endif
