/* BIOS services, called as the stubs in ROM call them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <string.h>

#include "vmm/machine/bios.h"
#include "vmm/machine/firmware.h"

#define MIB     (1u << 20)
#define SECTORS 4096u

struct pc_rig {
    struct machine *m;
    struct blockdev blk;
    uint8_t image[SECTORS * 512];
    uint64_t now;
};

static uint64_t source(void *opaque)
{
    return ((struct pc_rig *)opaque)->now;
}

static int disk_read(void *opaque, uint64_t lba, void *buf, unsigned count)
{
    struct pc_rig *r = opaque;

    memcpy(buf, r->image + lba * 512, (size_t)count * 512);
    return 0;
}

static int disk_write(void *opaque, uint64_t lba, const void *buf,
                      unsigned count)
{
    struct pc_rig *r = opaque;

    memcpy(r->image + lba * 512, buf, (size_t)count * 512);
    return 0;
}

static int rig_open(void **state)
{
    struct pc_rig *r = test_calloc(1, sizeof(*r));
    struct machine_config cfg = {.mem_bytes = 64 * MIB,
                                 .epoch_s = 1767225599}; /* 2025-12-31 */

    for (unsigned i = 0; i < SECTORS; i++)
        memset(r->image + i * 512, (int)i & 0xff, 512);
    r->blk = (struct blockdev){.sectors = SECTORS,
                               .opaque = r,
                               .read = disk_read,
                               .write = disk_write};
    cfg.disk[2] = &r->blk; /* wherever it is plugged in, it is drive 80h */
    assert_int_equal(machine_create(&r->m, &cfg, source, r), 0);
    *state = r;
    return 0;
}

static int rig_close(void **state)
{
    struct pc_rig *r = *state;

    machine_destroy(r->m);
    test_free(r);
    return 0;
}

static struct bios_frame call(struct pc_rig *r, unsigned vector,
                              struct bios_frame f)
{
    bios_call(r->m, vector, &f);
    return f;
}

static bool carry(struct bios_frame f)
{
    return f.flags & BIOS_CF;
}

static void test_memory(void **state)
{
    struct pc_rig *r = *state;
    struct bios_frame f = {
        .eax = 0xe820, .ecx = 20, .edx = 0x534d4150, .es = 0x1000};
    uint64_t ram = 0;
    unsigned rows = 0;

    do {
        struct e820_entry e;
        f.eax = 0xe820;
        f.edx = 0x534d4150;
        f = call(r, 0x15, f);
        assert_false(carry(f));
        mem_read(&r->m->mem, 0x10000, &e, sizeof(e));
        ram += e.type == 1 ? e.len : 0;
        assert_true(++rows < 10);
    } while (f.ebx != 0);
    assert_int_equal(ram, 64 * MIB - MIB + LOW_MEMORY_END);
    f = call(r, 0x15, (struct bios_frame){.eax = 0xe801});
    assert_int_equal(f.eax, 0x3c00);
    assert_int_equal(f.ebx, 48 * 16);
    f = call(r, 0x15, (struct bios_frame){.eax = 0x8800});
    assert_int_equal(f.eax, 63 * 1024);
    f = call(r, 0x12, (struct bios_frame){0});
    assert_int_equal(f.eax, 639);
    f = call(r, 0x15, (struct bios_frame){.eax = 0x5300});
    assert_true(carry(f));
    assert_int_equal(f.eax, 0x8600);
}

static void test_disk(void **state)
{
    struct pc_rig *r = *state;
    struct bios_frame f;
    uint8_t b[4];

    f = call(r, 0x13, (struct bios_frame){.eax = 0x0800, .edx = 0x80});
    assert_int_equal(f.edx, 0x0f01);
    assert_int_equal(f.ecx & 0x3f, 63);
    /* Cylinder 1, head 2, sector 3, two sectors to 2000:0010 */
    f = call(r, 0x13,
             (struct bios_frame){.eax = 0x0202,
                                 .ecx = 0x0103,
                                 .edx = 0x0280,
                                 .es = 0x2000,
                                 .ebx = 0x10});
    assert_false(carry(f));
    assert_int_equal(f.eax, 2);
    mem_read(&r->m->mem, 0x20010, b, 1);
    assert_int_equal(b[0], ((16 + 2) * 63 + 2) & 0xff);
    f = call(r, 0x13,
             (struct bios_frame){
                 .eax = 0x0201, .ecx = 0x00c0, .edx = 0x80}); /* sector 0 */
    assert_true(carry(f));
    f = call(r, 0x13,
             (struct bios_frame){
                 .eax = 0x0201, .ecx = 1, .edx = 0x81}); /* no such drive */
    assert_true(carry(f));
    f = call(r, 0x13, (struct bios_frame){.eax = 0x0201, .ecx = 1});
    assert_true(carry(f)); /* a floppy */
    assert_int_equal(bios_get8(r->m, 0x474), 1);
}

static void test_edd(void **state)
{
    struct pc_rig *r = *state;
    uint8_t dap[16] = {16, 0, 3, 0, 0, 0, 0, 0x30}, b[2] = {0xaa, 0x55};
    struct bios_frame f, in = {.eax = 0x4200, .edx = 0x80, .esi = 0x600};
    uint64_t lba = SECTORS - 2;

    f = call(r, 0x13,
             (struct bios_frame){.eax = 0x4100, .ebx = 0x55aa, .edx = 0x80});
    assert_int_equal(f.ebx, 0xaa55);
    memcpy(dap + 8, &lba, 8);
    mem_write(&r->m->mem, 0x600, dap, sizeof(dap));
    f = call(r, 0x13, in); /* two sectors are there, the third is not */
    assert_true(carry(f));
    assert_int_equal(bios_get16(r->m, 0x602), 2);
    assert_int_equal(bios_get8(r->m, 0x30000 + 512), (SECTORS - 1) & 0xff);
    dap[2] = 1;
    mem_write(&r->m->mem, 0x600, dap, sizeof(dap));
    mem_write(&r->m->mem, 0x30000, b, 2);
    in.eax = 0x4300;
    assert_false(carry(call(r, 0x13, in)));
    assert_int_equal(r->image[(SECTORS - 2) * 512 + 1], 0x55);
    r->blk.readonly = true;
    assert_true(carry(call(r, 0x13, in)));
    in.eax = 0x4800;
    mem_write(&r->m->mem, 0x600, (uint8_t[]){26}, 1);
    assert_false(carry(call(r, 0x13, in)));
    assert_int_equal(bios_get16(r->m, 0x610), SECTORS);
}

static void type(struct pc_rig *r, const char *text)
{
    for (; *text; text++)
        call(r, 0x10, (struct bios_frame){.eax = 0x0e00 | (uint8_t)*text});
}

static void test_video(void **state)
{
    struct pc_rig *r = *state;
    struct machine_screen s;
    struct bios_frame f;

    type(r, "one\r\ntwo\b!");
    machine_screen(r->m, &s);
    assert_int_equal(s.cell[0][0][0], 'o');
    assert_int_equal(s.cell[1][2][0], '!');
    assert_int_equal(s.row, 1);
    assert_int_equal(s.col, 3);
    f = call(r, 0x10, (struct bios_frame){.eax = 0x0300});
    assert_int_equal(f.edx, 0x0103);
    for (unsigned i = 0; i < 24; i++)
        type(r, "\n");
    machine_screen(r->m, &s);
    assert_int_equal(s.cell[0][0][0], 't'); /* scrolled by one */
    assert_int_equal(s.row, 24);
    call(r, 0x10, (struct bios_frame){.eax = 0x0200, .edx = 0x0a05});
    call(r, 0x10,
         (struct bios_frame){.eax = 0x0900 | 'x', .ebx = 0x1e, .ecx = 3});
    machine_screen(r->m, &s);
    assert_int_equal(s.cell[10][7][0], 'x');
    assert_int_equal(s.cell[10][7][1], 0x1e);
    assert_int_equal(s.row * 80 + s.col, 10 * 80 + 5);
    call(r, 0x10,
         (struct bios_frame){
             .eax = 0x0600, .ebx = 0x2f00, .ecx = 0x0a05, .edx = 0x0a06});
    machine_screen(r->m, &s);
    assert_int_equal(s.cell[10][5][1], 0x2f);
    assert_int_equal(s.cell[10][7][0], 'x');
    call(r, 0x10,
         (struct bios_frame){
             .eax = 0x0600, .ecx = 0xffff, .edx = 0xffff}); /* wild window */
    call(r, 0x10, (struct bios_frame){.eax = 0x0003});
    machine_screen(r->m, &s);
    assert_int_equal(s.cell[0][0][0], ' ');
    assert_int_equal(s.row, 0);
}

static void press(struct pc_rig *r, uint8_t scancode)
{
    machine_key(r->m, scancode);
    call(r, 0x09, (struct bios_frame){0});
}

static void test_keyboard(void **state)
{
    struct pc_rig *r = *state;
    struct bios_frame f;

    f = call(r, 0x16, (struct bios_frame){.eax = 0x0100});
    assert_true(f.flags & BIOS_ZF);
    press(r, 0x1e); /* a */
    press(r, 0x9e);
    f = call(r, 0x16, (struct bios_frame){.eax = 0x0100});
    assert_false(f.flags & BIOS_ZF);
    assert_int_equal(f.eax, 0x1e61);
    press(r, 0x2a); /* shift */
    f = call(r, 0x16, (struct bios_frame){.eax = 0x0200});
    assert_int_equal(f.eax & 3, 2);
    /* AH: further keys held down; a loader's prompt would take any for one. */
    f = call(r, 0x16, (struct bios_frame){.eax = 0x1200});
    assert_int_equal(f.eax, 0x0002);
    press(r, 0x03); /* @ */
    press(r, 0xaa);
    press(r, 0x1d); /* ctrl */
    press(r, 0x2e); /* c */
    press(r, 0x9d);
    press(r, 0xe0);
    press(r, 0x48); /* up */
    press(r, 0x1c); /* enter */
    static const uint16_t want[] = {0x1e61, 0x0340, 0x2e03, 0x4800, 0x1c0d};
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        f = call(r, 0x16, (struct bios_frame){.eax = 0});
        assert_int_equal(f.eax, want[i]);
    }
    f = call(r, 0x16, (struct bios_frame){.eax = 0x1100});
    assert_true(f.flags & BIOS_ZF);
}

/* More keys than the buffer holds: the controller keeps the others. */
static void test_keys_wait_for_room(void **state)
{
    struct pc_rig *r = *state;

    for (unsigned i = 0; i < 20; i++)
        press(r, (uint8_t)(0x10 + i % 10)); /* q to p */
    for (unsigned i = 0; i < 20; i++) {
        struct bios_frame f = call(r, 0x16, (struct bios_frame){.eax = 0});
        assert_int_equal(f.eax >> 8 & 0xff, 0x10 + i % 10);
        if (bus_read(&r->m->bus, IO_PORT, 0x64, 1) & 1)
            call(r, 0x09, (struct bios_frame){0}); /* the next's interrupt */
    }
    assert_true(call(r, 0x16, (struct bios_frame){.eax = 0x0100}).flags &
                BIOS_ZF);
}

static void test_serial(void **state)
{
    struct pc_rig *r = *state;
    struct bios_frame f;

    f = call(r, 0x14, (struct bios_frame){.eax = 0x00e3}); /* 9600 8N1 */
    assert_int_equal(f.eax >> 8 & 0xe0, 0x60); /* nothing waits to go out */
    bus_write(&r->m->bus, IO_PORT, 0x3fb, 1, 0x83);
    assert_int_equal(bus_read(&r->m->bus, IO_PORT, 0x3f8, 1), 12);
    assert_int_equal(bus_read(&r->m->bus, IO_PORT, 0x3f9, 1), 0);
    bus_write(&r->m->bus, IO_PORT, 0x3fb, 1, 0x03);
    f = call(r, 0x14, (struct bios_frame){.eax = 0x0141});
    assert_false(f.eax & 0x8000);
    f = call(r, 0x14, (struct bios_frame){.eax = 0x0200}); /* nobody types */
    assert_true(f.eax & 0x8000);
    f = call(r, 0x14, (struct bios_frame){.eax = 0x0300, .edx = 7});
    assert_int_equal(f.eax, 0x0300); /* no such line */
}

static void test_time(void **state)
{
    struct pc_rig *r = *state;
    struct bios_frame f;

    bios_put16(r->m, 0x46c, 0x1234);
    bios_put8(r->m, 0x470, 1);
    f = call(r, 0x1a, (struct bios_frame){.eax = 0});
    assert_int_equal(f.edx, 0x1234);
    assert_int_equal(f.eax & 0xff, 1);
    f = call(r, 0x1a, (struct bios_frame){.eax = 0x0200});
    assert_int_equal(f.ecx, 0x2359);
    f = call(r, 0x1a, (struct bios_frame){.eax = 0x0400});
    assert_int_equal(f.edx, 0x1231);
    assert_int_equal(f.ecx & 0xff, 0x25);
}

static void test_vectors(void **state)
{
    struct pc_rig *r = *state;

    for (unsigned i = 0; i < 256; i++) {
        uint32_t at =
            bios_far(bios_get16(r->m, 4 * i + 2), bios_get16(r->m, 4 * i));
        assert_in_range(at, 0xf8000, 0xf8fff);
    }
    assert_int_not_equal(bios_get16(r->m, 4 * 0x10),
                         bios_get16(r->m, 4 * 0x13));
    assert_int_equal(bios_get8(r->m, 0xffff0), 0xeb);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_open, rig_close)
    const struct CMUnitTest tests[] = {
        CASE(test_memory), CASE(test_disk),     CASE(test_edd),
        CASE(test_video),  CASE(test_keyboard), CASE(test_keys_wait_for_room),
        CASE(test_serial), CASE(test_time),     CASE(test_vectors),
    };

    return cmocka_run_group_tests_name("bios", tests, NULL, NULL);
}
