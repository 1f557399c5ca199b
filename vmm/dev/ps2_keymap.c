/* The US layout: which key of set 1 makes which character, and with what. */
#include "vmm/dev/ps2_keymap.h"

#include <string.h>

enum { KEY_CTRL = 0x1d, KEY_LSHIFT = 0x2a, KEY_SPACE = 0x39, RELEASE = 0x80 };

/* Rows of the keyboard: the set-1 code of the first key, then characters. */
static const struct {
    uint8_t first;
    const char *plain, *shifted;
} rows[] = {
    {0x02, "1234567890-=", "!@#$%^&*()_+"},
    {0x10, "qwertyuiop[]", "QWERTYUIOP{}"},
    {0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
    {0x2b, "\\", "|"},
    {0x2c, "zxcvbnm,./", "ZXCVBNM<>?"},
};

/* Control characters that have a key of their own. */
static const struct {
    char c;
    uint8_t key;
} specials[] = {
    {'\n', 0x1c}, {'\r', 0x1c}, {'\t', 0x0f},     {'\b', 0x0e},
    {0x7f, 0x0e}, {0x1b, 0x01}, {' ', KEY_SPACE},
};

/* The key for C; *SHIFT: with the shift key.  0: none. */
static uint8_t find_key(char c, bool *shift)
{
    *shift = false;
    for (size_t i = 0; i < ARRAY_SIZE(specials); i++)
        if (specials[i].c == c)
            return specials[i].key;
    if (c == '\0')
        return 0; /* strchr would find the end */
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *p = strchr(rows[i].plain, c);
        const char *s = strchr(rows[i].shifted, c);
        *shift = s != NULL;
        if (p)
            return (uint8_t)(rows[i].first + (p - rows[i].plain));
        if (s)
            return (uint8_t)(rows[i].first + (s - rows[i].shifted));
    }
    return 0;
}

size_t ps2_keys_of_ascii(char c, uint8_t out[PS2_KEYS_MAX])
{
    bool shift;
    uint8_t key = find_key(c, &shift);
    uint8_t modifier = shift ? KEY_LSHIFT : 0;
    size_t n = 0;

    if (!key && c >= 1 && c <= 26) {
        key = find_key((char)(c - 1 + 'a'), &shift);
        modifier = KEY_CTRL;
    }
    if (!key)
        return 0;
    if (modifier)
        out[n++] = modifier;
    out[n++] = key;
    out[n++] = key | RELEASE;
    if (modifier)
        out[n++] = modifier | RELEASE;
    return n;
}
