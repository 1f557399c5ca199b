/*
 * All chips on one bus under random accesses and a clock that jumps: nothing
 * may crash (the sanitizers look on), and a board restored from a snapshot
 * taken anywhere must go on as the one it was taken from.
 *
 * RANDOM_PORTS_STEPS sets how many accesses each seed makes.
 */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/debug_exit.h"
#include "vmm/dev/debugcon.h"
#include "vmm/dev/i8042.h"
#include "vmm/dev/i8254.h"
#include "vmm/dev/i8259.h"
#include "vmm/dev/mc146818.h"
#include "vmm/dev/ns16550a.h"
#include "vmm/dev/port92.h"
#include "vmm/dev/post80.h"
#include "vmm/dev/rst_cnt.h"
#include "vmm/dev/vga_text.h"

#include <stdlib.h>

enum { PIC, PIT, RTC, KBC, COM1, VGA, P92, RST, EXIT_PORT, CON, P80, CHIPS };

struct board {
    struct rig r;
    struct device *dev[CHIPS];
    struct chardev chr;
    uint64_t seen; /* a hash of all that came out */
};

static const struct device_class *const classes[CHIPS] = {
    [PIC] = &i8259_class,
    [PIT] = &i8254_class,
    [RTC] = &mc146818_class,
    [KBC] = &i8042_class,
    [COM1] = &ns16550a_class,
    [VGA] = &vga_text_class,
    [P92] = &port92_class,
    [RST] = &rst_cnt_class,
    [EXIT_PORT] = &debug_exit_class,
    [CON] = &debugcon_class,
    [P80] = &post80_class,
};

/* clang-format off */
static const struct {
    uint16_t base, len;
} ports[] = {
    {0x20, 2}, {0xa0, 2}, {0x4d0, 2}, {0x40, 4}, {0x61, 1}, {0x70, 2},
    {0x60, 1}, {0x64, 1}, {0x3f8, 8}, {0x3c0, 16}, {0x3d4, 2}, {0x3da, 1},
    {0x92, 1}, {0xcf9, 1}, {0xf4, 4}, {0xe9, 1}, {0x80, 1},
};
/* clang-format on */

static void note(struct board *b, uint64_t value)
{
    b->seen = (b->seen ^ value) * 1099511628211ull;
}

static void on_write(struct chardev *chr, const uint8_t *bytes, size_t len)
{
    struct board *b = container_of(chr, struct board, chr);

    for (size_t i = 0; i < len; i++)
        note(b, bytes[i]);
}

static void on_a20(void *opaque, bool on)
{
    note(opaque, on);
}

static void on_reset(void *opaque, const char *who)
{
    note(opaque, (uint8_t)who[0]);
}

static void on_value(void *opaque, uint32_t value)
{
    note(opaque, value);
}

static void on_console(void *opaque, uint8_t byte)
{
    note(opaque, byte);
}

static void on_intr(void *opaque, unsigned n, bool level)
{
    note(opaque, n * 2 + level);
}

static void board_open(struct board *b)
{
    struct device_cfg cfg[CHIPS] = {
        [PIC] = {.irq = {{on_intr, b, 0}}},
        [RTC] = {.arg = 1700000000},
        [COM1] = {.base = 0x3f8, .chr = &b->chr},
    };

    rig_init(&b->r);
    b->seen = 0;
    b->chr = (struct chardev){.write = on_write};
    for (unsigned i = 0; i < CHIPS; i++) {
        cfg[i].name = classes[i]->name;
        if (i == PIT || i == RTC || i == KBC || i == COM1) {
            unsigned irq = i == PIT ? 0 : i == RTC ? 8 : i == KBC ? 1 : 4;
            cfg[i].irq[0] = (struct irq_line){i8259_set_irq, b->dev[PIC], irq};
        }
        b->dev[i] = rig_device(&b->r, classes[i], &cfg[i]);
    }
    i8042_connect(b->dev[KBC], &(struct i8042_outputs){b, on_a20, on_reset});
    port92_connect(b->dev[P92], &(struct port92_outputs){b, on_a20, on_reset});
    rst_cnt_connect(b->dev[RST], &(struct rst_cnt_outputs){b, on_reset});
    debug_exit_connect(b->dev[EXIT_PORT],
                       &(struct debug_exit_outputs){b, on_value});
    debugcon_connect(b->dev[CON], &(struct debugcon_outputs){b, on_console});
}

static void board_close(struct board *b)
{
    for (unsigned i = 0; i < CHIPS; i++)
        device_destroy(b->dev[i]);
}

static void board_copy(struct board *from, struct board *to)
{
    to->r.now = from->r.now;
    for (unsigned i = 0; i < CHIPS; i++)
        rig_copy_device(from->dev[i], to->dev[i]);
    to->seen = from->seen; /* restoring tells A20 again */
}

/* xorshift64*, so that a seed is the same test everywhere. */
static uint64_t next_random(uint64_t *x)
{
    *x ^= *x >> 12;
    *x ^= *x << 25;
    *x ^= *x >> 27;
    return *x * 2685821657736338717ull;
}

static void access_port(struct board *b, uint64_t dice)
{
    unsigned i = (unsigned)(dice % ARRAY_SIZE(ports));
    unsigned port = ports[i].base + (unsigned)(dice >> 8) % ports[i].len;
    unsigned size = 1u << (dice >> 16) % 3;

    if (port == 0x70) /* the clock's registers, not its memory */
        dice &= ~(0x70ull << 32);
    if (dice >> 20 & 1)
        bus_write(&b->r.bus, IO_PORT, port, size, dice >> 32 & all_ones(size));
    else
        note(b, bus_read(&b->r.bus, IO_PORT, port, size));
}

static void access_memory(struct board *b, uint64_t dice)
{
    uint64_t gpa = (dice >> 8 & 1 ? 0xb7ff0 : 0xa0000) + (dice >> 9) % 0x20010;
    unsigned size = 1u << (dice >> 40) % 4;

    if (dice >> 44 & 1)
        bus_write(&b->r.bus, IO_MEM, gpa, size, dice);
    else
        note(b, bus_read(&b->r.bus, IO_MEM, gpa, size));
}

static void outside_event(struct board *b, uint64_t dice)
{
    uint8_t byte = (uint8_t)(dice >> 16);

    switch (dice >> 8 & 3) {
    case 0:
        i8042_key(b->dev[KBC], byte);
        break;
    case 1:
        if (b->chr.can_receive(b->chr.opaque))
            b->chr.receive(b->chr.opaque, &byte, 1);
        break;
    case 2:
        note(b, i8259_pending(b->dev[PIC]));
        note(b, (uint64_t)i8259_ack(b->dev[PIC]));
        break;
    default:
        i8259_set_irq(b->dev[PIC], 9 + (byte & 3), byte >> 7);
        break;
    }
}

/* Mostly microseconds, now and then most of a second. */
static void let_time_pass(struct board *b, uint64_t dice)
{
    uint64_t ns = (dice >> 16) % (dice >> 8 & 31 ? 3000 : 700000000);

    rig_run(&b->r, ns);
}

static void one_step(struct board *b, uint64_t dice)
{
    unsigned what = dice & 15;

    dice >>= 4;
    if (what < 10)
        access_port(b, dice);
    else if (what < 12)
        access_memory(b, dice);
    else if (what < 14)
        outside_event(b, dice);
    else
        let_time_pass(b, dice);
}

static void dump_all(struct board *b, struct strbuf *out)
{
    strbuf_reset(out);
    for (unsigned i = 0; i < CHIPS; i++)
        b->dev[i]->class->dump(b->dev[i], out);
}

/* Leads B astray, brings it to where A is, and looks whether it got there. */
static void astray_and_back(struct board *a, struct board *b, uint64_t x,
                            struct strbuf *text_a, struct strbuf *text_b)
{
    for (unsigned i = 0; i < 40; i++)
        one_step(b, next_random(&x));
    board_copy(a, b);
    dump_all(a, text_a);
    dump_all(b, text_b);
    assert_string_equal(strbuf_str(text_a), strbuf_str(text_b));
}

static unsigned steps(void)
{
    const char *text = getenv("RANDOM_PORTS_STEPS");

    return text ? (unsigned)strtoul(text, NULL, 0) : 3000;
}

/* Two boards: B does as A does, and is restored from A again and again. */
static void run_seed(uint64_t seed)
{
    struct board a, b;
    struct strbuf text_a, text_b;
    uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;

    strbuf_init(&text_a);
    strbuf_init(&text_b);
    board_open(&a);
    board_open(&b);
    b.seen = a.seen;
    for (unsigned i = 0, n = steps(); i < n; i++) {
        uint64_t dice = next_random(&x);
        if (dice % 97 == 0)
            astray_and_back(&a, &b, dice, &text_a, &text_b);
        if (dice % 1009 == 0) {
            unsigned chip = (unsigned)(dice >> 32) % CHIPS;
            a.dev[chip]->class->reset(a.dev[chip]);
            b.dev[chip]->class->reset(b.dev[chip]);
        }
        one_step(&a, dice);
        one_step(&b, dice);
        if (a.seen != b.seen)
            fail_msg("seed %llu: the copies part at step %u",
                     (unsigned long long)seed, i);
    }
    board_close(&a);
    board_close(&b);
    strbuf_fini(&text_a);
    strbuf_fini(&text_b);
}

static void random_accesses(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++)
        run_seed(seed);
}

/* A snapshot cut short or of another chip is an error, never a crash. */
static void broken_snapshots(void **state)
{
    struct board a, b;

    (void)state;
    board_open(&a);
    board_open(&b);
    for (unsigned i = 0; i < CHIPS; i++) {
        struct snap save, load;
        snap_init_save(&save);
        a.dev[i]->class->snap(a.dev[i], &save);
        for (size_t len = 0; len < save.len; len += 1 + save.len / 64) {
            snap_init_restore(&load, save.buf, len);
            b.dev[i]->class->snap(b.dev[i], &load);
            assert_true(load.err < 0);
        }
        for (size_t at = 8; at < save.len; at++)
            if (at % 7 == 0)
                save.buf[at] ^= 0xff;
        snap_init_restore(&load, save.buf, save.len);
        b.dev[i]->class->snap(b.dev[i], &load);
        snap_fini(&load);
        snap_fini(&save);
    }
    board_close(&a);
    board_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_accesses),
        cmocka_unit_test(broken_snapshots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
