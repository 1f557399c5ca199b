/*
 * INT 09h puts keys into the BIOS data area's buffer, INT 16h takes them out:
 * a US keyboard, scan code set 1 as the controller translates it.
 */
#include "vmm/machine/bios.h"

#define SHIFT_FLAGS 0x417u
#define HEAD        0x41au
#define TAIL        0x41cu
#define START       0x480u
#define END         0x482u
#define EXTENDED    0x496u /* bit 1: the last byte was E0h */
#define BDA         0x400u

#define SHIFTS   0x03u
#define CTRL     BIT(2)
#define ALT      BIT(3)
#define NUM_LOCK BIT(5)
#define CAPS     BIT(6)
#define E0       BIT(1)

/* The controller's status, port 64h. */
#define KBC_OBF BIT(0)
#define KBC_AUX BIT(5)

/* By scan code: alone, with Shift, with Ctrl (0: no key). */
/* clang-format off */
static const char plain[] =
    "\0\033" "1234567890-=" "\b\t" "qwertyuiop[]" "\r\0" "asdfghjkl;'`" "\0\\"
    "zxcvbnm,./" "\0*\0 ";
static const char shifted[] =
    "\0\033" "!@#$%^&*()_+" "\b\0" "QWERTYUIOP{}" "\r\0" "ASDFGHJKL:\"~" "\0|"
    "ZXCVBNM<>?" "\0*\0 ";
/* clang-format on */

#define KEYPAD_FIRST 0x47u
static const char keypad[] = "789-456+1230.";

struct modifier {
    uint8_t scancode, flag;
};
static const struct modifier modifiers[] = {
    {0x36, BIT(0)}, {0x2a, BIT(1)}, {0x1d, CTRL}, {0x38, ALT}};
static const struct modifier locks[] = {
    {0x46, BIT(4)}, {0x45, NUM_LOCK}, {0x3a, CAPS}};

/* ---- the buffer --------------------------------------------------------- */

static unsigned next(const struct machine *m, unsigned at)
{
    at += 2;
    return at == bios_get16(m, END) ? bios_get16(m, START) : at;
}

static bool is_full(const struct machine *m)
{
    return next(m, bios_get16(m, TAIL)) == bios_get16(m, HEAD);
}

static void push(struct machine *m, unsigned key)
{
    unsigned tail = bios_get16(m, TAIL);

    if (is_full(m))
        return;
    bios_put16(m, BDA + tail, key);
    bios_put16(m, TAIL, next(m, tail));
}

static bool peek(const struct machine *m, unsigned *key)
{
    unsigned head = bios_get16(m, HEAD);

    if (head == bios_get16(m, TAIL))
        return false;
    *key = bios_get16(m, BDA + head);
    return true;
}

/* ---- INT 09h ------------------------------------------------------------ */

/* True: SCANCODE was a modifier's or a lock's. */
static bool handle_modifier(struct machine *m, unsigned scancode, bool released)
{
    unsigned flags = bios_get8(m, SHIFT_FLAGS);

    for (unsigned i = 0; i < ARRAY_SIZE(modifiers); i++)
        if (modifiers[i].scancode == scancode) {
            flags = released ? flags & ~(unsigned)modifiers[i].flag
                             : flags | modifiers[i].flag;
            bios_put8(m, SHIFT_FLAGS, flags);
            return true;
        }
    for (unsigned i = 0; i < ARRAY_SIZE(locks); i++)
        if (locks[i].scancode == scancode) {
            if (!released)
                bios_put8(m, SHIFT_FLAGS, flags ^ locks[i].flag);
            return true;
        }
    return false;
}

static unsigned ascii_of(unsigned scancode, unsigned flags)
{
    bool shift = flags & SHIFTS;
    unsigned c = 0;

    if (scancode < sizeof(plain) - 1)
        c = (uint8_t)plain[scancode];
    if (c >= 'a' && c <= 'z' && (flags & CAPS))
        shift = !shift;
    if (shift && c)
        c = (uint8_t)shifted[scancode];
    if (flags & ALT)
        return 0;
    if (flags & CTRL)
        return c >= '@' && c < 0x7f ? c & 0x1f : 0;
    if (scancode >= KEYPAD_FIRST &&
        scancode < KEYPAD_FIRST + sizeof(keypad) - 1) {
        c = (uint8_t)keypad[scancode - KEYPAD_FIRST];
        if (c >= '0' && c <= '9' && !(flags & NUM_LOCK) == !(flags & SHIFTS))
            c = 0; /* a cursor key */
    }
    return c;
}

/* One byte from the controller. */
static void take_scancode(struct machine *m)
{
    unsigned byte = (unsigned)bus_read(&m->bus, IO_PORT, 0x60, 1);
    unsigned extended = bios_get8(m, EXTENDED);
    unsigned scancode = byte & 0x7f;
    bool released = byte & 0x80;

    if (byte == 0xe0) {
        bios_put8(m, EXTENDED, extended | E0);
        return;
    }
    bios_put8(m, EXTENDED, extended & ~E0);
    if ((extended & E0) && (scancode == 0x2a || scancode == 0x36))
        return; /* the shift that a grey key brings with it */
    if (handle_modifier(m, scancode, released) || released)
        return;
    if (extended & E0) {
        unsigned c = scancode == 0x1c ? '\r' : scancode == 0x35 ? '/' : 0xe0;
        push(m, scancode << 8 | c);
        return;
    }
    push(m, scancode << 8 | ascii_of(scancode, bios_get8(m, SHIFT_FLAGS)));
}

/*
 * What there is no room for stays in the controller, and behind it with the
 * host, until INT 16h makes room: pasted text gets through a buffer of 15 keys.
 */
void bios_key_irq(struct machine *m, struct bios_frame *f)
{
    (void)f;
    if (!is_full(m))
        take_scancode(m);
}

static void take_delayed(struct machine *m)
{
    unsigned status = (unsigned)bus_read(&m->bus, IO_PORT, 0x64, 1);

    if (status & KBC_OBF && !(status & KBC_AUX))
        take_scancode(m);
}

/* ---- INT 16h ------------------------------------------------------------ */

void bios_keyboard(struct machine *m, struct bios_frame *f)
{
    unsigned ah = bios_ah(f), key = 0;
    bool extended = ah & 0x10, there;

    switch (ah & 0xef) {
    case 0x00: /* the stub has waited for it */
    case 0x01:
        there = peek(m, &key);
        if (!extended && (key & 0xff) == 0xe0)
            key &= 0xff00; /* an old program knows no E0h */
        if (there)
            bios_set16(&f->eax, key);
        if (there && (ah & 0xef) == 0) {
            bool was_full = is_full(m);

            bios_put16(m, HEAD, next(m, bios_get16(m, HEAD)));
            if (was_full)
                take_delayed(m);
        }
        if ((ah & 0xef) == 1)
            bios_set_flag(f, BIOS_ZF, !there);
        break;
    case 0x02:
        bios_set_al(f, bios_get8(m, SHIFT_FLAGS));
        if (extended)
            bios_set_ah(f, 0); /* left or right is not told apart */
        break;
    case 0x05:
        push(m, f->ecx & 0xffff);
        bios_set_al(f, 0);
        break;
    default:
        break;
    }
}
