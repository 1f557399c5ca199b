/* Keyboard controller and keyboard: transcripts of commands and answers. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/i8042.h"
#include "vmm/dev/ps2_keymap.h"

#include <stdio.h>
#include <string.h>

struct kbc {
    struct rig r;
    struct device *dev;
    bool a20;
    unsigned resets;
};

static void on_a20(void *opaque, bool on)
{
    ((struct kbc *)opaque)->a20 = on;
}

static void on_reset(void *opaque, const char *who)
{
    assert_string_equal(who, "i8042");
    ((struct kbc *)opaque)->resets++;
}

static void kbc_open(struct kbc *k)
{
    rig_init(&k->r);
    k->a20 = true;
    k->resets = 0;
    k->dev = rig_device(
        &k->r, &i8042_class,
        &(struct device_cfg){.name = "kbc",
                             .irq = {rig_pin(&k->r, 1), rig_pin(&k->r, 12)}});
    i8042_connect(k->dev, &(struct i8042_outputs){k, on_a20, on_reset});
}

static void kbc_close(struct kbc *k)
{
    assert_int_equal(k->r.pin[12].rises, 0);
    device_destroy(k->dev);
}

static void command(struct kbc *k, unsigned cmd)
{
    outb(&k->r, 0x64, cmd);
    assert_int_equal(inb(&k->r, 0x64) & 0x08, 0x08);
}

static void data(struct kbc *k, unsigned byte)
{
    outb(&k->r, 0x60, byte);
    assert_int_equal(inb(&k->r, 0x64) & 0x08, 0);
}

static bool full(struct kbc *k)
{
    return inb(&k->r, 0x64) & 1;
}

static void expect(struct kbc *k, unsigned byte)
{
    assert_true(full(k));
    assert_int_equal(inb(&k->r, 0x60), byte);
}

static void expect_nothing(struct kbc *k)
{
    assert_false(full(k));
    assert_false(k->r.pin[1].level);
}

static unsigned ctr(struct kbc *k)
{
    command(k, 0x20);
    assert_true(full(k));
    return inb(&k->r, 0x60);
}

static void set_ctr(struct kbc *k, unsigned value)
{
    command(k, 0x60);
    data(k, value);
}

static void controller_commands(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    assert_int_equal(inb(&k.r, 0x64), 0x14);
    command(&k, 0xaa);
    expect(&k, 0x55);
    command(&k, 0xab);
    expect(&k, 0x00);
    command(&k, 0xa4);
    expect(&k, 0xf1);
    command(&k, 0xc0);
    expect(&k, 0x80);
    command(&k, 0xe0);
    expect(&k, 0x00);
    expect_nothing(&k);
    kbc_close(&k);
}

static void command_byte_and_ram(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    assert_int_equal(ctr(&k), 0x65);
    set_ctr(&k, 0x74);
    assert_int_equal(ctr(&k), 0x74);
    command(&k, 0xae);
    assert_int_equal(ctr(&k), 0x64);
    command(&k, 0xad);
    assert_int_equal(ctr(&k), 0x74);
    command(&k, 0xa8);
    assert_int_equal(ctr(&k), 0x54);
    command(&k, 0xa7);
    assert_int_equal(ctr(&k), 0x74);
    set_ctr(&k, 0x00);
    assert_int_equal(inb(&k.r, 0x64) & 4, 0); /* SYS follows bit 2 */
    command(&k, 0x75);
    data(&k, 0x99);
    command(&k, 0x35);
    expect(&k, 0x99);
    kbc_close(&k);
}

/* What a driver looks for to give up the mouse at once. */
static void no_auxiliary_port(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    command(&k, 0xd3);
    data(&k, 0x5a);
    assert_int_equal(inb(&k.r, 0x64) & 0x21, 0x01);
    command(&k, 0xa9); /* with the looped byte unread */
    expect(&k, 0x01);
    expect_nothing(&k);
    command(&k, 0xd4);
    data(&k, 0xf2);
    assert_int_equal(inb(&k.r, 0x64) & 0x41, 0x41);
    expect(&k, 0xfe);
    assert_int_equal(inb(&k.r, 0x64) & 0x40, 0);
    kbc_close(&k);
}

static void a20_and_reset(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    command(&k, 0xd0);
    expect(&k, 0xcf);
    command(&k, 0xd1);
    data(&k, 0xdd);
    assert_false(k.a20);
    command(&k, 0xd0);
    assert_int_equal(inb(&k.r, 0x60) & 2, 0);
    command(&k, 0xd1);
    data(&k, 0xdf);
    assert_true(k.a20);
    command(&k, 0xdd);
    assert_false(k.a20);
    command(&k, 0xdf);
    assert_true(k.a20);
    assert_int_equal(k.resets, 0);
    command(&k, 0xff); /* pulses nothing */
    assert_int_equal(k.resets, 0);
    command(&k, 0xfe);
    assert_int_equal(k.resets, 1);
    command(&k, 0xd1);
    data(&k, 0xfe);
    assert_int_equal(k.resets, 2);
    command(&k, 0xdd);
    k.dev->class->reset(k.dev);
    assert_true(k.a20);
    kbc_close(&k);
}

static void keyboard_commands(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    data(&k, 0xff);
    expect(&k, 0xfa);
    expect(&k, 0xaa);
    data(&k, 0xf2);
    expect(&k, 0xfa);
    expect(&k, 0xab);
    expect(&k, 0x41); /* 83h, translated */
    data(&k, 0xee);
    expect(&k, 0xee);
    data(&k, 0xed);
    expect(&k, 0xfa);
    data(&k, 0x05);
    expect(&k, 0xfa);
    assert_int_equal(i8042_leds(k.dev), 5);
    data(&k, 0xf3);
    expect(&k, 0xfa);
    data(&k, 0x20);
    expect(&k, 0xfa);
    data(&k, 0xf6);
    expect(&k, 0xfa);
    assert_int_equal(i8042_leds(k.dev), 0);
    data(&k, 0xfe); /* resend */
    expect(&k, 0xfa);
    data(&k, 0x01); /* no command */
    expect(&k, 0xfe);
    data(&k, 0xed); /* a command in place of an argument */
    expect(&k, 0xfa);
    data(&k, 0xf4);
    expect(&k, 0xfa);
    data(&k, 0x07);
    expect(&k, 0xfe);
    expect_nothing(&k);
    kbc_close(&k);
}

static void code_sets(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    set_ctr(&k, 0x25); /* no translation */
    data(&k, 0xf2);
    expect(&k, 0xfa);
    expect(&k, 0xab);
    expect(&k, 0x83);
    data(&k, 0xf0);
    expect(&k, 0xfa);
    data(&k, 0x00);
    expect(&k, 0xfa);
    expect(&k, 2);
    i8042_key(k.dev, 0x1e); /* A */
    i8042_key(k.dev, 0x9e);
    expect(&k, 0x1c);
    expect(&k, 0xf0);
    expect(&k, 0x1c);
    i8042_key(k.dev, 0x41); /* F7 */
    expect(&k, 0x83);
    data(&k, 0xf0);
    expect(&k, 0xfa);
    data(&k, 0x01);
    expect(&k, 0xfa);
    i8042_key(k.dev, 0x1e);
    i8042_key(k.dev, 0x9e);
    expect(&k, 0x1e);
    expect(&k, 0x9e);
    data(&k, 0xf0);
    expect(&k, 0xfa);
    data(&k, 0x04);
    expect(&k, 0xfe);
    kbc_close(&k);
}

static void keys_come_through_translation(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    for (unsigned code = 1; code < 0x80; code++) {
        i8042_key(k.dev, (uint8_t)code);
        expect(&k, code);
        i8042_key(k.dev, (uint8_t)(code | 0x80));
        expect(&k, code | 0x80);
        expect_nothing(&k);
    }
    i8042_key(k.dev, 0xe0); /* cursor up */
    i8042_key(k.dev, 0x48);
    i8042_key(k.dev, 0xe0);
    i8042_key(k.dev, 0xc8);
    expect(&k, 0xe0);
    expect(&k, 0x48);
    expect(&k, 0xe0);
    expect(&k, 0xc8);
    kbc_close(&k);
}

static void each_byte_makes_an_interrupt(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    i8042_key(k.dev, 0x10);
    i8042_key(k.dev, 0x90);
    assert_true(k.r.pin[1].level);
    assert_int_equal(k.r.pin[1].rises, 1);
    expect(&k, 0x10);
    assert_int_equal(k.r.pin[1].rises, 2);
    expect(&k, 0x90);
    assert_false(k.r.pin[1].level);
    set_ctr(&k, 0x64); /* interrupt off */
    i8042_key(k.dev, 0x10);
    assert_false(k.r.pin[1].level);
    set_ctr(&k, 0x65);
    assert_true(k.r.pin[1].level);
    expect(&k, 0x10);
    kbc_close(&k);
}

static void a_disabled_interface_holds_the_keys(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    command(&k, 0xad);
    i8042_key(k.dev, 0x10);
    expect_nothing(&k);
    command(&k, 0xae);
    expect(&k, 0x10);
    command(&k, 0xad);
    data(&k, 0xf4); /* talking to the keyboard enables it */
    expect(&k, 0xfa);
    data(&k, 0xf5);
    expect(&k, 0xfa);
    i8042_key(k.dev, 0x10); /* not scanning */
    expect_nothing(&k);
    data(&k, 0xf4);
    expect(&k, 0xfa);
    i8042_key(k.dev, 0x10);
    expect(&k, 0x10);
    kbc_close(&k);
}

static void replies_go_before_keys(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    i8042_key(k.dev, 0x10);
    i8042_key(k.dev, 0x90);
    data(&k, 0xed);
    expect(&k, 0x10); /* was in the buffer already */
    expect(&k, 0xfa);
    expect(&k, 0x90);
    kbc_close(&k);
}

static void the_buffer_has_an_end(void **state)
{
    struct kbc k;
    unsigned taken = 0, got = 0;

    (void)state;
    kbc_open(&k);
    command(&k, 0xad);
    while (i8042_key_room(k.dev)) {
        i8042_key(k.dev, 0x90);
        taken++;
    }
    assert_true(taken >= 100);
    i8042_key(k.dev, 0x11); /* dropped */
    for (unsigned i = 0; i < 100; i++)
        outb(&k.r, 0x60, 0xee); /* replies nobody reads */
    while (full(&k)) {
        unsigned byte = inb(&k.r, 0x60);
        assert_true(byte == 0x90 || byte == 0xee);
        got += byte == 0x90;
    }
    assert_int_equal(got, taken);
    kbc_close(&k);
}

static void pulse_by_d2(void **state)
{
    struct kbc k;

    (void)state;
    kbc_open(&k);
    command(&k, 0xd2);
    data(&k, 0x1c); /* not translated */
    expect(&k, 0x1c);
    kbc_close(&k);
}

static void typed(const char *expected, char c)
{
    uint8_t keys[PS2_KEYS_MAX];
    char text[64] = "";
    size_t n = ps2_keys_of_ascii(c, keys);

    assert_true(n <= PS2_KEYS_MAX);
    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%02x",
                 i ? " " : "", keys[i]);
    assert_string_equal(text, expected);
}

static void ascii_to_keys(void **state)
{
    (void)state;
    typed("1e 9e", 'a');
    typed("2a 1e 9e aa", 'A');
    typed("2c ac", 'z');
    typed("02 82", '1');
    typed("2a 02 82 aa", '!');
    typed("0b 8b", '0');
    typed("0d 8d", '=');
    typed("35 b5", '/');
    typed("2a 35 b5 aa", '?');
    typed("2b ab", '\\');
    typed("2a 2b ab aa", '|');
    typed("29 a9", '`');
    typed("2a 28 a8 aa", '"');
    typed("39 b9", ' ');
    typed("1c 9c", '\n');
    typed("1c 9c", '\r');
    typed("0e 8e", '\b');
    typed("0e 8e", 0x7f);
    typed("0f 8f", '\t');
    typed("01 81", 0x1b);
    typed("1d 2e ae 9d", 3); /* Ctrl-C */
    typed("1d 20 a0 9d", 4);
    typed("", 0);
    typed("", (char)0xe4);
    typed("", 0x1c);
    for (char c = ' '; c < 0x7f; c++) {
        uint8_t keys[PS2_KEYS_MAX];
        assert_true(ps2_keys_of_ascii(c, keys) >= 2);
    }
}

static void two_instances_and_a_copy(void **state)
{
    struct kbc a, b;

    (void)state;
    kbc_open(&a);
    kbc_open(&b);
    for (unsigned i = 0; i < 300; i++) {
        i8042_key(a.dev, 0x10);
        if (i < 250)
            expect(&a, 0x10);
    }
    expect_nothing(&b);
    rig_copy_device(a.dev, b.dev);
    rig_check_dump(a.dev, b.dev);
    for (unsigned i = 0; i < 50; i++) {
        expect(&a, 0x10);
        expect(&b, 0x10);
    }
    expect_nothing(&a);
    assert_false(full(&b));
    kbc_close(&a);
    kbc_close(&b);
}

/*
 * Saved when the controller has swallowed a release prefix and what follows is
 * yet to come: the keyboard sends set 1, where F0h is a key, and translation,
 * meant for set 2, is on.
 */
static void a_copy_within_a_release(void **state)
{
    struct kbc a, b;

    (void)state;
    kbc_open(&a);
    kbc_open(&b);
    data(&a, 0xf0);
    expect(&a, 0xfa);
    data(&a, 0x01);
    expect(&a, 0xfa);
    i8042_key(a.dev, 0xf0);
    expect_nothing(&a);
    rig_copy_device(a.dev, b.dev);
    i8042_key(a.dev, 0x1e);
    i8042_key(b.dev, 0x1e);
    assert_true(inb(&a.r, 0x60) & 0x80);
    assert_true(inb(&b.r, 0x60) & 0x80);
    i8042_key(b.dev, 0x1e);
    assert_false(inb(&b.r, 0x60) & 0x80);
    kbc_close(&a);
    kbc_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controller_commands),
        cmocka_unit_test(command_byte_and_ram),
        cmocka_unit_test(no_auxiliary_port),
        cmocka_unit_test(a20_and_reset),
        cmocka_unit_test(keyboard_commands),
        cmocka_unit_test(code_sets),
        cmocka_unit_test(keys_come_through_translation),
        cmocka_unit_test(each_byte_makes_an_interrupt),
        cmocka_unit_test(a_disabled_interface_holds_the_keys),
        cmocka_unit_test(replies_go_before_keys),
        cmocka_unit_test(the_buffer_has_an_end),
        cmocka_unit_test(pulse_by_d2),
        cmocka_unit_test(ascii_to_keys),
        cmocka_unit_test(two_instances_and_a_copy),
        cmocka_unit_test(a_copy_within_a_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
