#include "vmm/host/keyboard.h"

#include <string.h>

#include "vmm/dev/ps2_keymap.h"

#define BREAK    0x80u
#define LEFT_ALT 0x38u

/* What xterm, the Linux console and rxvt send. */
static const struct {
    const char *text;
    bool extended; /* E0h comes first */
    uint8_t code;  /* set 1 */
} sequences[] = {
    {"\033[A", true, 0x48},    {"\033[B", true, 0x50},
    {"\033[C", true, 0x4d},    {"\033[D", true, 0x4b},
    {"\033OA", true, 0x48},    {"\033OB", true, 0x50},
    {"\033OC", true, 0x4d},    {"\033OD", true, 0x4b},
    {"\033[H", true, 0x47},    {"\033[F", true, 0x4f},
    {"\033OH", true, 0x47},    {"\033OF", true, 0x4f},
    {"\033[1~", true, 0x47},   {"\033[4~", true, 0x4f},
    {"\033[7~", true, 0x47},   {"\033[8~", true, 0x4f},
    {"\033[2~", true, 0x52},   {"\033[3~", true, 0x53},
    {"\033[5~", true, 0x49},   {"\033[6~", true, 0x51},
    {"\033OP", false, 0x3b},   {"\033OQ", false, 0x3c},
    {"\033OR", false, 0x3d},   {"\033OS", false, 0x3e},
    {"\033[[A", false, 0x3b},  {"\033[[B", false, 0x3c},
    {"\033[[C", false, 0x3d},  {"\033[[D", false, 0x3e},
    {"\033[[E", false, 0x3f},  {"\033[11~", false, 0x3b},
    {"\033[12~", false, 0x3c}, {"\033[13~", false, 0x3d},
    {"\033[14~", false, 0x3e}, {"\033[15~", false, 0x3f},
    {"\033[17~", false, 0x40}, {"\033[18~", false, 0x41},
    {"\033[19~", false, 0x42}, {"\033[20~", false, 0x43},
    {"\033[21~", false, 0x44}, {"\033[23~", false, 0x57},
    {"\033[24~", false, 0x58},
};

static size_t take_sequence(const char *text, size_t len, uint8_t *codes,
                            size_t *count)
{
    for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
        size_t n = strlen(sequences[i].text), at = 0;

        if (len < n || memcmp(text, sequences[i].text, n) != 0)
            continue;
        for (unsigned release = 0; release <= BREAK; release += BREAK) {
            if (sequences[i].extended)
                codes[at++] = 0xe0;
            codes[at++] = (uint8_t)(sequences[i].code | release);
        }
        *count = at;
        return n;
    }
    return 0;
}

/* ESC and a key, sent together, is Alt and that key. */
static size_t take_alt(const char *text, size_t len, uint8_t *codes,
                       size_t *count)
{
    uint8_t key[PS2_KEYS_MAX];
    size_t n;

    if (len < 2 || (text[1] & 0x80) || text[1] == '\033')
        return 0;
    n = ps2_keys_of_ascii(text[1], key);
    if (!n)
        return 0;
    codes[0] = LEFT_ALT;
    memcpy(codes + 1, key, n);
    codes[n + 1] = LEFT_ALT | BREAK;
    *count = n + 2;
    return 2;
}

/* An unknown CSI sequence vanishes whole, not letter by letter. */
static size_t skip_csi(const char *text, size_t len)
{
    size_t n = 2;

    if (len < 3 || text[1] != '[')
        return 0;
    while (n < len && text[n] >= 0x20 && text[n] < 0x40)
        n++;
    return n < len ? n + 1 : 0;
}

size_t keyboard_take(const char *text, size_t len,
                     uint8_t codes[KEYBOARD_BYTES], size_t *count)
{
    size_t n = 0;

    *count = 0;
    if (text[0] == '\033' && len > 1) {
        n = take_sequence(text, len, codes, count);
        if (!n)
            n = skip_csi(text, len);
        if (!n)
            n = take_alt(text, len, codes, count);
        if (n)
            return n;
    }
    if (!(text[0] & 0x80))
        *count = ps2_keys_of_ascii(text[0], codes);
    return 1;
}
