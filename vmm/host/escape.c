#include "vmm/host/escape.h"

enum escape_request escape_feed(struct escape *esc, uint8_t byte, bool *send,
                                uint8_t *out)
{
    *out = byte;
    *send = false;
    if (!esc->seen) {
        esc->seen = byte == ESCAPE_KEY;
        *send = !esc->seen;
        return ESCAPE_NONE;
    }
    esc->seen = false;
    switch (byte) {
    case ESCAPE_KEY:
        *send = true;
        return ESCAPE_NONE;
    case 'x':
    case 'X':
    case 'x' & 0x1f: /* Ctrl still held down */
        return ESCAPE_QUIT;
    default:
        return ESCAPE_HELP;
    }
}

const char *escape_help(void)
{
    return "\r\n[Ctrl-A x  leave   Ctrl-A h  this help   "
           "Ctrl-A Ctrl-A  send Ctrl-A]\r\n";
}
