/* What a terminal may send, cut anywhere. */
#include <assert.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/host/keyboard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    uint8_t codes[KEYBOARD_BYTES];
    size_t count;

    for (size_t at = 0; at < size;) {
        size_t n = keyboard_take(text + at, size - at, codes, &count);

        assert(n >= 1 && n <= size - at && count <= KEYBOARD_BYTES);
        at += n;
    }
    return 0;
}
