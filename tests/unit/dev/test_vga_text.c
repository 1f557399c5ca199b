/* The text screen: memory, start address, cursor, registers, retrace. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/vga_text.h"

#include <string.h>

enum { TEXT = 0xb8000 };

struct vga {
    struct rig r;
    struct device *dev;
    struct vga_screen s;
};

static void vga_open(struct vga *v)
{
    rig_init(&v->r);
    v->dev =
        rig_device(&v->r, &vga_text_class, &(struct device_cfg){.name = "vga"});
}

static void vga_close(struct vga *v)
{
    device_destroy(v->dev);
}

static void poke(struct vga *v, uint64_t gpa, unsigned size, uint64_t value)
{
    bus_write(&v->r.bus, IO_MEM, gpa, size, value);
}

static uint64_t peek(struct vga *v, uint64_t gpa, unsigned size)
{
    return bus_read(&v->r.bus, IO_MEM, gpa, size);
}

static void crtc(struct vga *v, unsigned reg, unsigned value)
{
    bus_write(&v->r.bus, IO_PORT, 0x3d4, 2, reg | value << 8);
}

static unsigned crtc_read(struct vga *v, unsigned reg)
{
    outb(&v->r, 0x3d4, reg);
    return inb(&v->r, 0x3d5);
}

static void look(struct vga *v)
{
    vga_text_snapshot(v->dev, &v->s);
}

static void a_cleared_screen(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    look(&v);
    for (unsigned row = 0; row < 25; row++)
        for (unsigned col = 0; col < 80; col++) {
            assert_int_equal(v.s.cell[row][col][0], ' ');
            assert_int_equal(v.s.cell[row][col][1], 0x07);
        }
    assert_true(v.s.cursor);
    assert_int_equal(v.s.row, 0);
    assert_int_equal(v.s.col, 0);
    vga_close(&v);
}

static void memory_of_all_sizes(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    poke(&v, TEXT, 2, 0x1f41);
    poke(&v, TEXT + 160, 4, 0x2f432f42);
    poke(&v, TEXT + 0x7ff8, 8, 0x0102030405060708);
    assert_int_equal(peek(&v, TEXT, 1), 0x41);
    assert_int_equal(peek(&v, TEXT + 1, 1), 0x1f);
    assert_int_equal(peek(&v, TEXT + 161, 2), 0x432f);
    assert_int_equal(peek(&v, TEXT + 0x7ff8, 8), 0x0102030405060708);
    look(&v);
    assert_int_equal(v.s.cell[0][0][0], 'A');
    assert_int_equal(v.s.cell[0][0][1], 0x1f);
    assert_int_equal(v.s.cell[1][1][0], 'C');
    vga_close(&v);
}

static void outside_the_window(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    poke(&v, 0xa0000, 4, 0);
    assert_int_equal(peek(&v, 0xa0000, 4), 0xffffffff);
    assert_int_equal(peek(&v, 0xb0000, 1), 0xff);
    /* Across both borders. */
    poke(&v, TEXT - 2, 4, 0x11223344);
    assert_int_equal(peek(&v, TEXT - 2, 4), 0x1122ffff);
    poke(&v, TEXT + 0x7fff, 4, 0x55);
    assert_int_equal(peek(&v, TEXT + 0x7fff, 4), 0xffffff55);
    vga_close(&v);
}

static void start_address_scrolls_and_wraps(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    for (unsigned row = 0; row < 30; row++)
        poke(&v, TEXT + row * 160, 1, 'a' + row);
    crtc(&v, 0x0c, 0);
    crtc(&v, 0x0d, 80);
    look(&v);
    assert_int_equal(v.s.cell[0][0][0], 'b');
    assert_int_equal(v.s.cell[24][0][0], 'a' + 25);
    crtc(&v, 0x0c, 0x40); /* 4000h cells are the whole window */
    look(&v);
    assert_int_equal(v.s.cell[0][0][0], 'b');
    crtc(&v, 0x0c, (0x4000 - 80) >> 8);
    crtc(&v, 0x0d, (0x4000 - 80) & 0xff);
    look(&v);
    assert_int_equal(v.s.cell[1][0][0], 'a');
    vga_close(&v);
}

static void cursor(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    crtc(&v, 0x0e, (5 * 80 + 7) >> 8);
    crtc(&v, 0x0f, (5 * 80 + 7) & 0xff);
    look(&v);
    assert_int_equal(v.s.row, 5);
    assert_int_equal(v.s.col, 7);
    assert_true(v.s.cursor);
    crtc(&v, 0x0d, 80); /* scrolled with the start */
    look(&v);
    assert_int_equal(v.s.row, 4);
    crtc(&v, 0x0a, 0x2d);
    look(&v);
    assert_false(v.s.cursor);
    crtc(&v, 0x0a, 0x0f); /* starts after its end */
    look(&v);
    assert_false(v.s.cursor);
    crtc(&v, 0x0a, 0x0d);
    crtc(&v, 0x0e, 0x20); /* off the screen */
    look(&v);
    assert_false(v.s.cursor);
    vga_close(&v);
}

static void generation(void **state)
{
    struct vga v;
    uint64_t g;

    (void)state;
    vga_open(&v);
    g = vga_text_generation(v.dev);
    poke(&v, TEXT, 2, 0x0720);            /* nothing new */
    poke(&v, TEXT + 160 * 25, 2, 0x0741); /* below the screen */
    crtc(&v, 0x0f, 0);
    peek(&v, TEXT, 4);
    assert_int_equal(vga_text_generation(v.dev), g);
    poke(&v, TEXT + 160 * 25 - 2, 2, 0x0741);
    assert_true(vga_text_generation(v.dev) > g);
    g = vga_text_generation(v.dev);
    crtc(&v, 0x0f, 1);
    assert_true(vga_text_generation(v.dev) > g);
    look(&v);
    g = v.s.generation;
    assert_int_equal(vga_text_generation(v.dev), g);
    v.dev->class->reset(v.dev);
    assert_true(vga_text_generation(v.dev) > g);
    vga_close(&v);
}

static void crtc_registers(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    assert_int_equal(crtc_read(&v, 1), 0x4f);
    assert_int_equal(crtc_read(&v, 0x13), 0x28);
    crtc(&v, 0x01, 0x00); /* protected by bit 7 of 11h */
    assert_int_equal(crtc_read(&v, 1), 0x4f);
    crtc(&v, 0x07, 0x00); /* but for bit 4 */
    assert_int_equal(crtc_read(&v, 7), 0x0f);
    crtc(&v, 0x11, 0x0e);
    crtc(&v, 0x01, 0x00);
    assert_int_equal(crtc_read(&v, 1), 0x00);
    for (unsigned reg = 0x0a; reg < 0x10; reg++) {
        crtc(&v, reg, 0x15);
        assert_int_equal(crtc_read(&v, reg), 0x15);
    }
    crtc(&v, 0x3f, 0x15);
    assert_int_equal(crtc_read(&v, 0x3f), 0xff);
    assert_int_equal(inb(&v.r, 0x3d4), 0x3f);
    vga_close(&v);
}

static void sequencer_graphics_misc(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    bus_write(&v.r.bus, IO_PORT, 0x3c4, 2, 0x0502);
    assert_int_equal(inb(&v.r, 0x3c5), 0x05);
    bus_write(&v.r.bus, IO_PORT, 0x3ce, 2, 0x0406);
    assert_int_equal(inb(&v.r, 0x3cf), 0x04);
    outb(&v.r, 0x3c4, 7);
    assert_int_equal(inb(&v.r, 0x3c5), 0xff);
    assert_int_equal(inb(&v.r, 0x3cc), 0x67);
    outb(&v.r, 0x3c2, 0xe3);
    assert_int_equal(inb(&v.r, 0x3cc), 0xe3);
    assert_int_equal(inb(&v.r, 0x3cb), 0xff);
    assert_int_equal(inb(&v.r, 0x3b4), 0xff); /* no monochrome CRTC */
    vga_close(&v);
}

static void attributes(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    inb(&v.r, 0x3da); /* next is the index */
    outb(&v.r, 0x3c0, 0x10);
    outb(&v.r, 0x3c0, 0x04);
    outb(&v.r, 0x3c0, 0x11);
    inb(&v.r, 0x3da);
    outb(&v.r, 0x3c0, 0x30);
    assert_int_equal(inb(&v.r, 0x3c0), 0x30);
    assert_int_equal(inb(&v.r, 0x3c1), 0x04);
    inb(&v.r, 0x3da);
    outb(&v.r, 0x3c0, 0x26);
    assert_int_equal(inb(&v.r, 0x3c1), 0x14);
    vga_close(&v);
}

static void palette(void **state)
{
    struct vga v;

    (void)state;
    vga_open(&v);
    outb(&v.r, 0x3c7, 0x14); /* brown */
    assert_int_equal(inb(&v.r, 0x3c7), 3);
    assert_int_equal(inb(&v.r, 0x3c9), 42);
    assert_int_equal(inb(&v.r, 0x3c9), 21);
    assert_int_equal(inb(&v.r, 0x3c9), 0);
    assert_int_equal(inb(&v.r, 0x3c9), 42); /* 15h: red and blue */
    outb(&v.r, 0x3c8, 255);
    assert_int_equal(inb(&v.r, 0x3c7), 0);
    for (unsigned i = 1; i <= 4; i++)
        outb(&v.r, 0x3c9, i | 0xc0);
    assert_int_equal(inb(&v.r, 0x3c8), 0); /* wrapped */
    outb(&v.r, 0x3c7, 255);
    for (unsigned i = 1; i <= 4; i++)
        assert_int_equal(inb(&v.r, 0x3c9), i);
    assert_int_equal(inb(&v.r, 0x3c6), 0xff);
    vga_close(&v);
}

static void retrace_toggles(void **state)
{
    struct vga v;
    unsigned retraces = 0, blanks = 0, was = 0;

    (void)state;
    vga_open(&v);
    for (; v.r.now < CLOCK_SECOND; v.r.now += 3000) {
        unsigned s = inb(&v.r, 0x3da);
        retraces += (s & 8) && !(was & 8);
        blanks += (s & 1) && !(was & 1);
        assert_true(!(s & 8) || (s & 1));
        was = s;
    }
    assert_in_range(retraces, 69, 71);
    assert_in_range(blanks, 27000, 32000);
    vga_close(&v);
}

static void two_instances_and_a_copy(void **state)
{
    struct vga a, b;

    (void)state;
    vga_open(&a);
    vga_open(&b);
    poke(&a, TEXT + 2, 1, 'x');
    crtc(&a, 0x0f, 9);
    look(&b);
    assert_int_equal(b.s.cell[0][1][0], ' ');
    rig_copy_device(a.dev, b.dev);
    rig_check_dump(a.dev, b.dev);
    look(&b);
    assert_int_equal(b.s.cell[0][1][0], 'x');
    assert_int_equal(b.s.col, 9);
    vga_close(&a);
    vga_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cleared_screen),
        cmocka_unit_test(memory_of_all_sizes),
        cmocka_unit_test(outside_the_window),
        cmocka_unit_test(start_address_scrolls_and_wraps),
        cmocka_unit_test(cursor),
        cmocka_unit_test(generation),
        cmocka_unit_test(crtc_registers),
        cmocka_unit_test(sequencer_graphics_misc),
        cmocka_unit_test(attributes),
        cmocka_unit_test(palette),
        cmocka_unit_test(retrace_toggles),
        cmocka_unit_test(two_instances_and_a_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
