/* Frames from anybody, in pieces; replies come back as they were. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gdbstub/packet.h"
#include "tests/fuzz/fuzz.h"

static struct gdb_framer framer, back;

/* What gdb_frame() makes of a body is that body again, runs undone. */
static void round_trip(const char *body, size_t len)
{
    struct strbuf binary, out, plain;
    enum gdb_event event;

    strbuf_init(&binary);
    strbuf_init(&out);
    strbuf_init(&plain);
    gdb_put_binary(&binary, body, len);
    gdb_frame(&out, binary.text, binary.len);
    strbuf_putc(&plain, '$');
    for (size_t i = 1; i < out.len - 3; i++) {
        if (out.text[i] != '*') {
            strbuf_putc(&plain, out.text[i]);
            continue;
        }
        assert(i + 1 < out.len - 3);
        for (int n = out.text[++i] - 29; n > 0; n--)
            strbuf_putc(&plain, plain.text[plain.len - 1]);
    }
    assert(plain.len - 1 == binary.len);
    assert(memcmp(plain.text + 1, binary.text, binary.len) == 0);
    /* And the framer reads what was not shortened. */
    if (len <= GDB_PACKET_MAX && !memchr(out.text, '*', out.len)) {
        gdb_framer_init(&back);
        gdb_framer_feed(&back, (const uint8_t *)out.text, out.len, &event);
        assert(event == GDB_EVENT_PACKET && back.len == len);
        assert(memcmp(back.body, body, len) == 0);
    }
    strbuf_fini(&binary);
    strbuf_fini(&out);
    strbuf_fini(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;

    gdb_framer_init(&framer);
    while (at < size) {
        size_t piece = 1 + data[at] % 7, left = size - at, n;
        enum gdb_event event;

        n = gdb_framer_feed(&framer, data + at, piece < left ? piece : left,
                            &event);
        assert(n >= 1 && n <= left);
        if (event == GDB_EVENT_PACKET)
            round_trip(framer.body, framer.len);
        at += n;
    }
    round_trip((const char *)data, size);
    return 0;
}
