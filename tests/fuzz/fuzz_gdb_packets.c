/* Packets without their frames, one a line, to every handler; conditions are
 * checked and run. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gdbstub/agent.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/gdbstub/fake_target.h"

static bool reg(void *opaque, unsigned n, uint64_t *value)
{
    *value = ((struct fake *)opaque)->reg[n % FAKE_REGS];
    return n < FAKE_REGS;
}

static bool mem(void *opaque, uint64_t addr, void *buf, size_t len)
{
    return fake_mem_read(opaque, addr, buf, len, false) == len;
}

static void print(void *opaque, const char *text, size_t len)
{
    (void)opaque;
    assert(len < 1000 && !memchr(text, '\1', 0));
}

static void try_code(struct fake *f, const char *text, size_t len)
{
    struct gdb_agent_env env = {
        .opaque = f, .reg = reg, .mem = mem, .print = print};
    struct gdb_agent_code code = {.bytes = (const uint8_t *)text, .len = len};
    struct gdb_agent_program *p;
    uint64_t value;
    char why[80];

    p = gdb_agent_compile(&code, NULL, NULL, why, sizeof(why));
    if (p)
        gdb_agent_run(p, &env, &value);
    gdb_agent_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake fake;
    struct gdb_target target = {&fake_ops, &fake};
    struct gdb_session s;
    struct strbuf framed;

    fake_init(&fake);
    gdb_session_init(&s, &target);
    strbuf_init(&framed);
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end ? (size_t)(end - data) - at : size - at;
        char *packet = malloc(len + 1); /* so that a byte more is seen */

        assert(packet);
        memcpy(packet, data + at, len);
        packet[len] = '\0';
        if (gdb_session_packet(&s, packet, len)) {
            assert(s.body.len <= 2 * GDB_PACKET_MAX + 1);
            strbuf_reset(&framed);
            gdb_frame(&framed, strbuf_str(&s.body), s.body.len);
        }
        if (fake.running) {
            fake.running = false;
            (void)gdb_session_stopped(&s);
        }
        try_code(&fake, packet, len);
        free(packet);
        at += len + 1;
    }
    strbuf_fini(&framed);
    gdb_session_fini(&s);
    return 0;
}
