/*
 * The whole board under random accesses to ports, chips' memory and pins, with
 * a clock that jumps: nothing may crash (the sanitizers look on), and a board
 * restored from a snapshot taken anywhere must go on as the original.
 *
 * RANDOM_BOARD_STEPS sets how many accesses each seed makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "vmm/machine/machine.h"

enum { DISK_SECTORS = 64 };

struct board {
    struct machine *m;
    uint64_t now;  /* ns */
    uint64_t seen; /* a hash of all that came out */
    struct chardev chr;
    struct blockdev disk;
    uint8_t sectors[DISK_SECTORS * BLOCKDEV_SECTOR];
};

/* clang-format off */
static const struct {
    uint16_t base, len;
} ports[] = {
    {0x20, 2}, {0xa0, 2}, {0x4d0, 2}, {0x40, 4}, {0x61, 1}, {0x70, 2},
    {0x60, 1}, {0x64, 1}, {0x3f8, 8}, {0x2f8, 8}, {0x3c0, 16}, {0x3d4, 2},
    {0x3da, 1}, {0x92, 1}, {0xcf9, 1}, {0xf4, 4}, {0xe9, 1}, {0x80, 1},
    {0x1f0, 8}, {0x1f0, 8}, {0x1f0, 1}, {0x3f6, 2}, {0x170, 8}, {0x600, 16},
};
static const struct {
    uint64_t base, len;
} windows[] = {
    {0xb8000, 0x8000}, {0xa0000, 0x20000}, {0xfee00000, 0x400},
    {0xfec00000, 0x20},
};
/* clang-format on */
static const uint8_t ata_commands[] = {0x20, 0x30, 0xec, 0xc4, 0xc5,
                                       0xc6, 0xe7, 0x40, 0x91};

/* ---- the host's side ---------------------------------------------------- */

static void note(struct board *b, uint64_t value)
{
    b->seen = (b->seen ^ value) * 1099511628211ull;
}

static uint64_t source(void *opaque)
{
    return ((struct board *)opaque)->now;
}

static void on_line(struct chardev *chr, const uint8_t *bytes, size_t len)
{
    struct board *b = container_of(chr, struct board, chr);

    for (size_t i = 0; i < len; i++)
        note(b, bytes[i]);
}

static int disk_read(void *opaque, uint64_t lba, void *buf, unsigned count)
{
    struct board *b = opaque;

    assert_true(lba + count <= DISK_SECTORS);
    memcpy(buf, b->sectors + lba * BLOCKDEV_SECTOR,
           (size_t)count * BLOCKDEV_SECTOR);
    return 0;
}

static int disk_write(void *opaque, uint64_t lba, const void *buf,
                      unsigned count)
{
    struct board *b = opaque;

    assert_true(lba + count <= DISK_SECTORS);
    memcpy(b->sectors + lba * BLOCKDEV_SECTOR, buf,
           (size_t)count * BLOCKDEV_SECTOR);
    return 0;
}

static void on_reset(void *opaque, const char *who)
{
    note(opaque, (uint8_t)who[0]);
}

static void on_poweroff(void *opaque)
{
    note(opaque, 0x50ff);
}

static void on_exit_value(void *opaque, uint32_t value)
{
    note(opaque, value);
}

static void on_nmi(void *opaque)
{
    note(opaque, 2);
}

static void on_a20(void *opaque, bool on)
{
    note(opaque, on);
}

static void on_console(void *opaque, uint8_t byte)
{
    note(opaque, byte);
}

/* ---- boards ------------------------------------------------------------- */

static void board_open(struct board *b)
{
    struct machine_config cfg = {
        .mem_bytes = 1 << 20,
        .serial = {&b->chr},
        .disk = {&b->disk},
        .host = {b, on_reset, on_poweroff, on_exit_value, on_nmi, on_a20,
                 on_console},
        .epoch_s = 1700000000,
    };

    *b = (struct board){
        .chr = {.write = on_line},
        .disk = {DISK_SECTORS, false, b, disk_read, disk_write, NULL},
    };
    assert_int_equal(machine_create(&b->m, &cfg, source, b), 0);
}

static void board_close(struct board *b)
{
    machine_destroy(b->m);
}

static void save_all(struct board *b, struct snap *s)
{
    snap_init_save(s);
    for (unsigned i = 0; i < b->m->devices; i++)
        b->m->device[i]->class->snap(b->m->device[i], s);
    assert_int_equal(s->err, 0);
}

static void dump_all(struct board *b, struct strbuf *out)
{
    strbuf_reset(out);
    for (unsigned i = 0; i < b->m->devices; i++)
        b->m->device[i]->class->dump(b->m->device[i], out);
}

/* Makes TO what FROM is; in the end their snapshots are equal to the byte. */
static void board_copy(struct board *from, struct board *to)
{
    struct snap save, load, again;

    save_all(from, &save);
    to->now = from->now;
    snap_init_restore(&load, save.buf, save.len);
    for (unsigned i = 0; i < to->m->devices; i++)
        to->m->device[i]->class->snap(to->m->device[i], &load);
    assert_int_equal(load.err, 0);
    assert_int_equal(load.pos, load.len);
    memcpy(to->sectors, from->sectors, sizeof(to->sectors));
    to->seen = from->seen;
    save_all(to, &again);
    assert_int_equal(again.len, save.len);
    assert_memory_equal(again.buf, save.buf, save.len);
    snap_fini(&again);
    snap_fini(&load);
    snap_fini(&save);
}

/* ---- steps -------------------------------------------------------------- */

/* xorshift64*, so that a seed is the same test everywhere. */
static uint64_t next_random(uint64_t *x)
{
    *x ^= *x >> 12;
    *x ^= *x << 25;
    *x ^= *x >> 27;
    return *x * 2685821657736338717ull;
}

static void access_space(struct board *b, enum io_space space, uint64_t addr,
                         unsigned size, uint64_t dice)
{
    if (dice >> 20 & 1)
        bus_write(&b->m->bus, space, addr, size, dice >> 32 & all_ones(size));
    else
        note(b, bus_read(&b->m->bus, space, addr, size));
}

static void access_port(struct board *b, uint64_t dice)
{
    unsigned i = (unsigned)(dice % ARRAY_SIZE(ports));
    unsigned port = ports[i].base + (unsigned)(dice >> 8) % ports[i].len;

    if (port == 0x70) /* the clock's registers, not its memory */
        dice &= ~(0x70ull << 32);
    if (port == 0x1f7 && (dice >> 40 & 3)) /* mostly commands that exist */
        dice = (dice & ~(0xffull << 32)) |
               (uint64_t)ata_commands[(dice >> 44) % ARRAY_SIZE(ata_commands)]
                   << 32;
    access_space(b, IO_PORT, port, 1u << (dice >> 16) % 3, dice);
}

static void access_memory(struct board *b, uint64_t dice)
{
    unsigned i = (unsigned)(dice % ARRAY_SIZE(windows));
    uint64_t gpa = windows[i].base + (dice >> 8) % windows[i].len;
    unsigned size = 4;

    if (i >= 2 && (dice >> 50 & 7)) /* an APIC wants whole registers */
        gpa &= ~15ull;
    else
        size = 1u << (dice >> 44) % 4;
    access_space(b, IO_MEM, gpa, size, dice);
}

static void outside_event(struct board *b, uint64_t dice)
{
    uint8_t byte = (uint8_t)(dice >> 16);

    switch (dice >> 8 & 3) {
    case 0:
        machine_key(b->m, byte);
        break;
    case 1:
        if (b->chr.can_receive(b->chr.opaque))
            b->chr.receive(b->chr.opaque, &byte, 1);
        break;
    case 2:
        note(b, b->m->apic.get_cr8(b->m->apic.opaque));
        b->m->apic.set_cr8(b->m->apic.opaque, byte & 15);
        break;
    default:
        if (b->m->intc.pending(b->m->intc.opaque))
            note(b, (uint64_t)b->m->intc.ack(b->m->intc.opaque));
        break;
    }
}

/* Mostly microseconds, now and then most of a second. */
static void let_time_pass(struct board *b, uint64_t dice)
{
    uint64_t end = b->now + (dice >> 16) % (dice >> 8 & 31 ? 3000 : 700000000);

    while (clock_next(&b->m->clock) <= end) {
        if (clock_next(&b->m->clock) > b->now)
            b->now = clock_next(&b->m->clock);
        clock_run(&b->m->clock);
    }
    b->now = end;
}

static void one_step(struct board *b, uint64_t dice)
{
    unsigned what = dice & 15;

    dice >>= 4;
    if (what < 9)
        access_port(b, dice);
    else if (what < 11)
        access_memory(b, dice);
    else if (what < 14)
        outside_event(b, dice);
    else
        let_time_pass(b, dice);
}

/* Leads B astray, brings it to where A is, and looks whether it got there. */
static void astray_and_back(struct board *a, struct board *b, uint64_t x)
{
    struct strbuf text_a, text_b;

    strbuf_init(&text_a);
    strbuf_init(&text_b);
    for (unsigned i = 0; i < 40; i++)
        one_step(b, next_random(&x));
    board_copy(a, b);
    dump_all(a, &text_a);
    dump_all(b, &text_b);
    assert_string_equal(strbuf_str(&text_a), strbuf_str(&text_b));
    strbuf_fini(&text_a);
    strbuf_fini(&text_b);
}

static unsigned steps(void)
{
    const char *text = getenv("RANDOM_BOARD_STEPS");

    return text ? (unsigned)strtoul(text, NULL, 0) : 3000;
}

/* Two boards: B does as A does, and is restored from A again and again. */
static void run_seed(uint64_t seed)
{
    struct board *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
    uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;

    assert_true(a && b);
    board_open(a);
    board_open(b);
    for (unsigned i = 0, n = steps(); i < n; i++) {
        uint64_t dice = next_random(&x);
        if (dice % 97 == 0)
            astray_and_back(a, b, dice);
        one_step(a, dice);
        one_step(b, dice);
        if (a->seen != b->seen)
            fail_msg("seed %llu: the copies part at step %u",
                     (unsigned long long)seed, i);
    }
    board_close(a);
    board_close(b);
    free(a);
    free(b);
}

static void random_accesses(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_accesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
