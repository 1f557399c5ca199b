/* The 16550A against its datasheet: registers, FIFOs, interrupt sequences. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/ns16550a.h"

#include <string.h>

enum { BASE = 0x3f8, RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

struct line {
    struct chardev chr; /* first: the callbacks get its address */
    char sent[64];
    size_t len;
    const char *waiting; /* what the host has not yet got in */
    unsigned drained;
};

struct uart {
    struct rig r;
    struct line line;
    struct device *dev;
};

static void on_write(struct chardev *chr, const uint8_t *bytes, size_t len)
{
    struct line *l = (struct line *)(void *)chr;

    for (size_t i = 0; i < len && l->len < sizeof(l->sent) - 1; i++)
        l->sent[l->len++] = (char)bytes[i];
}

/* Gives the chip as much as it takes. */
static void feed(struct line *l)
{
    while (l->waiting && *l->waiting && l->chr.can_receive(l->chr.opaque)) {
        l->chr.receive(l->chr.opaque, (const uint8_t *)l->waiting, 1);
        l->waiting++;
    }
}

static void on_drained(struct chardev *chr)
{
    struct line *l = (struct line *)(void *)chr;

    l->drained++;
    feed(l);
}

static void uart_open(struct uart *u)
{
    rig_init(&u->r);
    u->line = (struct line){.chr = {.write = on_write, .drained = on_drained}};
    u->dev = rig_device(&u->r, &ns16550a_class,
                        &(struct device_cfg){.name = "com1",
                                             .base = BASE,
                                             .irq = {rig_pin(&u->r, 0)},
                                             .chr = &u->line.chr});
}

static void uart_close(struct uart *u)
{
    device_destroy(u->dev);
}

static unsigned rd(struct uart *u, unsigned reg)
{
    return inb(&u->r, BASE + reg - RBR);
}

static void wr(struct uart *u, unsigned reg, unsigned value)
{
    outb(&u->r, BASE + reg - RBR, value);
}

static bool irq(const struct uart *u)
{
    return u->r.pin[0].level;
}

static void put(struct uart *u, const char *text)
{
    u->line.waiting = text;
    feed(&u->line);
}

static void state_after_reset(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    assert_int_equal(rd(&u, IER), 0);
    assert_int_equal(rd(&u, IIR), 0x01);
    assert_int_equal(rd(&u, LCR), 0);
    assert_int_equal(rd(&u, MCR), 0);
    assert_int_equal(rd(&u, LSR), 0x60);
    assert_int_equal(rd(&u, MSR), 0xb0);
    wr(&u, SCR, 0xa5);
    assert_int_equal(rd(&u, SCR), 0xa5);
    wr(&u, IER, 0xff);
    assert_int_equal(rd(&u, IER), 0x0f);
    wr(&u, MCR, 0xff);
    assert_int_equal(rd(&u, MCR), 0x1f);
    uart_close(&u);
}

static void divisor_latch(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, LCR, 0x83);
    wr(&u, RBR, 0x01);
    wr(&u, IER, 0x02);
    assert_int_equal(rd(&u, RBR), 0x01);
    assert_int_equal(rd(&u, IER), 0x02);
    wr(&u, LCR, 0x03);
    assert_int_equal(rd(&u, IER), 0x00);
    assert_int_equal(u.line.len, 0);
    uart_close(&u);
}

static void transmit_and_thre_interrupt(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, RBR, 'A');
    assert_string_equal(u.line.sent, "A");
    assert_int_equal(rd(&u, LSR), 0x60);
    assert_false(irq(&u));
    wr(&u, IER, 0x02); /* THR is empty: asks at once */
    assert_true(irq(&u));
    assert_int_equal(rd(&u, IIR), 0x02);
    assert_false(irq(&u)); /* reading IIR told it */
    assert_int_equal(rd(&u, IIR), 0x01);
    wr(&u, RBR, 'B');
    assert_true(irq(&u));
    assert_int_equal(u.r.pin[0].rises, 2);
    wr(&u, RBR, 'C'); /* falls while THR is full, and rises again */
    assert_int_equal(u.r.pin[0].rises, 3);
    wr(&u, IER, 0x00);
    assert_false(irq(&u));
    wr(&u, IER, 0x02); /* asks again */
    assert_true(irq(&u));
    assert_int_equal(rd(&u, IIR), 0x02);
    wr(&u, IER, 0x02); /* no rising enable */
    assert_false(irq(&u));
    assert_string_equal(u.line.sent, "ABC");
    uart_close(&u);
}

static void iir_of_another_source_keeps_thre(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, IER, 0x03);
    put(&u, "x");
    assert_int_equal(rd(&u, IIR), 0x04);
    assert_int_equal(rd(&u, RBR), 'x');
    assert_int_equal(rd(&u, IIR), 0x02);
    assert_int_equal(rd(&u, IIR), 0x01);
    uart_close(&u);
}

static void receive_without_fifo(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, IER, 0x01);
    put(&u, "hey");
    assert_true(irq(&u));
    assert_int_equal(rd(&u, LSR), 0x61);
    assert_int_equal(rd(&u, RBR), 'h'); /* drained: the next comes */
    assert_int_equal(u.r.pin[0].rises, 2);
    assert_int_equal(rd(&u, RBR), 'e');
    assert_int_equal(rd(&u, RBR), 'y');
    assert_false(irq(&u));
    assert_int_equal(rd(&u, LSR), 0x60);
    assert_int_equal(rd(&u, RBR), 'y'); /* RBR keeps its last */
    uart_close(&u);
}

static void overrun_without_fifo_keeps_the_new(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, IER, 0x04);
    u.line.chr.receive(u.line.chr.opaque, (const uint8_t *)"ab", 2);
    assert_true(irq(&u));
    assert_int_equal(rd(&u, IIR), 0x06);
    assert_int_equal(rd(&u, LSR), 0x63);
    assert_false(irq(&u));
    assert_int_equal(rd(&u, LSR), 0x61);
    assert_int_equal(rd(&u, RBR), 'b');
    uart_close(&u);
}

static void overrun_with_fifo_keeps_the_old(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, IIR, 0x01);
    u.line.chr.receive(u.line.chr.opaque, (const uint8_t *)"0123456789abcdefX",
                       17);
    assert_int_equal(u.line.chr.can_receive(u.line.chr.opaque), 0);
    assert_int_equal(rd(&u, LSR), 0x63);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(rd(&u, RBR), "0123456789abcdef"[i]);
    assert_int_equal(rd(&u, LSR), 0x60);
    uart_close(&u);
}

static void fifo_triggers(void **state)
{
    static const unsigned level[] = {1, 4, 8, 14};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct uart u;
        uart_open(&u);
        wr(&u, IIR, i << 6 | 1);
        wr(&u, IER, 0x01);
        for (unsigned n = 1; n < level[i]; n++) {
            put(&u, "x");
            assert_false(irq(&u));
        }
        put(&u, "x");
        assert_true(irq(&u));
        assert_int_equal(rd(&u, IIR), 0xc4);
        rd(&u, RBR); /* below the trigger */
        assert_false(irq(&u));
        uart_close(&u);
    }
}

static void receive_timeout(void **state)
{
    /* 4 characters of 10 bits at 115200. */
    uint64_t wait = 4ull * 10 * CLOCK_SECOND / 115200;
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, LCR, 0x83);
    wr(&u, RBR, 1);
    wr(&u, IER, 0);
    wr(&u, LCR, 0x03);
    wr(&u, IIR, 0x81); /* trigger 8 */
    wr(&u, IER, 0x01);
    put(&u, "ab");
    rig_run(&u.r, wait - 1);
    assert_false(irq(&u));
    put(&u, "c"); /* starts it anew */
    rig_run(&u.r, wait - 1);
    assert_false(irq(&u));
    rig_run(&u.r, 1);
    assert_true(irq(&u));
    assert_int_equal(rd(&u, IIR), 0xcc);
    assert_int_equal(rd(&u, RBR), 'a'); /* a read ends it, and starts it anew */
    assert_false(irq(&u));
    assert_int_equal(rd(&u, IIR), 0xc1);
    rig_run(&u.r, wait);
    assert_int_equal(rd(&u, IIR), 0xcc);
    rd(&u, RBR);
    rd(&u, RBR);
    rig_run(&u.r, 10 * wait);
    assert_false(irq(&u)); /* empty: no timeout */
    assert_int_equal(clock_next(&u.r.clock), CLOCK_NEVER);
    uart_close(&u);
}

static void fcr_resets(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, IIR, 0x01);
    put(&u, "abc");
    wr(&u, IIR, 0x03);
    assert_int_equal(rd(&u, LSR), 0x60);
    put(&u, "abc");
    wr(&u, IIR, 0x00); /* off: emptied */
    assert_int_equal(rd(&u, LSR), 0x60);
    assert_int_equal(rd(&u, IIR), 0x01);
    wr(&u, IIR, 0xc0); /* off: the rest is not written */
    wr(&u, IER, 0x01);
    put(&u, "a");
    assert_int_equal(rd(&u, IIR), 0x04);
    uart_close(&u);
}

static void the_host_waits_for_room(void **state)
{
    static const char text[] = "a line that is longer than sixteen bytes";
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, IIR, 0x01);
    put(&u, text);
    assert_int_equal(u.line.waiting - text, 16);
    for (size_t i = 0; i < strlen(text); i++)
        assert_int_equal(rd(&u, RBR), text[i]);
    assert_int_equal(rd(&u, LSR), 0x60);
    assert_true(u.line.drained > 0);
    uart_close(&u);
}

static void loopback_of_data(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, MCR, 0x10);
    wr(&u, IER, 0x01);
    wr(&u, RBR, 0xae);
    assert_int_equal(u.line.len, 0);
    assert_true(irq(&u));
    assert_int_equal(u.line.chr.can_receive(u.line.chr.opaque), 0);
    assert_int_equal(rd(&u, RBR), 0xae);
    wr(&u, LCR, 0x40); /* break comes back */
    assert_int_equal(rd(&u, LSR), 0x71);
    assert_int_equal(rd(&u, RBR), 0);
    wr(&u, LCR, 0);
    wr(&u, MCR, 0);
    assert_int_equal(u.line.chr.can_receive(u.line.chr.opaque), 1);
    uart_close(&u);
}

static void loopback_of_modem_lines(void **state)
{
    static const struct {
        unsigned mcr, msr;
    } row[] = {
        {0x11, 0x20}, {0x12, 0x10}, {0x14, 0x40}, {0x18, 0x80}, {0x1a, 0x90}};
    struct uart u;

    (void)state;
    uart_open(&u);
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        wr(&u, MCR, row[i].mcr);
        assert_int_equal(rd(&u, MSR) & 0xf0, row[i].msr);
    }
    wr(&u, MCR, 0x10);
    rd(&u, MSR);
    wr(&u, IER, 0x08);
    assert_false(irq(&u));
    wr(&u, MCR, 0x14); /* RI rises: no delta */
    assert_false(irq(&u));
    wr(&u, MCR, 0x12); /* RI falls, CTS rises */
    assert_true(irq(&u));
    assert_int_equal(rd(&u, IIR), 0x00);
    assert_int_equal(rd(&u, MSR), 0x15);
    assert_false(irq(&u));
    assert_int_equal(rd(&u, MSR), 0x10);
    uart_close(&u);
}

static void priorities_of_interrupts(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, MCR, 0x10);
    rd(&u, MSR);
    wr(&u, MCR, 0x12);
    wr(&u, RBR, 'a');
    wr(&u, RBR, 'b'); /* overrun */
    wr(&u, IER, 0x0f);
    assert_int_equal(rd(&u, IIR), 0x06);
    rd(&u, LSR);
    assert_int_equal(rd(&u, IIR), 0x04);
    rd(&u, RBR);
    assert_int_equal(rd(&u, IIR), 0x02);
    assert_int_equal(rd(&u, IIR), 0x00);
    rd(&u, MSR);
    assert_int_equal(rd(&u, IIR), 0x01);
    assert_false(irq(&u));
    uart_close(&u);
}

static void errors_wait_for_their_byte(void **state)
{
    struct uart u;

    (void)state;
    uart_open(&u);
    wr(&u, MCR, 0x10);
    wr(&u, IIR, 0x01);
    wr(&u, RBR, 'a');
    wr(&u, LCR, 0x40);
    assert_int_equal(rd(&u, LSR), 0xe1); /* an error somewhere in the FIFO */
    assert_int_equal(rd(&u, RBR), 'a');
    assert_int_equal(rd(&u, LSR), 0xf1); /* now it is the break's turn */
    assert_int_equal(rd(&u, LSR), 0x61); /* no other behind it */
    wr(&u, IIR, 0x00);
    wr(&u, LCR, 0x00);
    wr(&u, LCR, 0x40);
    assert_int_equal(rd(&u, LSR), 0x71); /* bit 7 is the FIFO's */
    uart_close(&u);
}

static void without_a_line(void **state)
{
    struct rig r;
    struct device *dev;

    (void)state;
    rig_init(&r);
    dev = rig_device(&r, &ns16550a_class,
                     &(struct device_cfg){.name = "com2", .base = 0x2f8});
    outb(&r, 0x2f8, 'x');
    assert_int_equal(inb(&r, 0x2fd), 0x60);
    device_destroy(dev);
}

static void two_instances_and_a_copy(void **state)
{
    struct uart a, b;

    (void)state;
    uart_open(&a);
    uart_open(&b);
    wr(&a, IIR, 0xc1);
    wr(&a, IER, 0x01);
    put(&a, "abc");
    assert_int_equal(rd(&b, LSR), 0x60);
    rig_copy_device(a.dev, b.dev);
    rig_check_dump(a.dev, b.dev);
    rig_run(&a.r, CLOCK_SECOND);
    rig_run(&b.r, CLOCK_SECOND);
    assert_true(irq(&a) && irq(&b));
    assert_int_equal(rd(&b, RBR), 'a');
    b.dev->class->reset(b.dev);
    assert_false(irq(&b));
    assert_true(irq(&a));
    uart_close(&a);
    uart_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_after_reset),
        cmocka_unit_test(divisor_latch),
        cmocka_unit_test(transmit_and_thre_interrupt),
        cmocka_unit_test(iir_of_another_source_keeps_thre),
        cmocka_unit_test(receive_without_fifo),
        cmocka_unit_test(overrun_without_fifo_keeps_the_new),
        cmocka_unit_test(overrun_with_fifo_keeps_the_old),
        cmocka_unit_test(fifo_triggers),
        cmocka_unit_test(receive_timeout),
        cmocka_unit_test(fcr_resets),
        cmocka_unit_test(the_host_waits_for_room),
        cmocka_unit_test(loopback_of_data),
        cmocka_unit_test(loopback_of_modem_lines),
        cmocka_unit_test(priorities_of_interrupts),
        cmocka_unit_test(errors_wait_for_their_byte),
        cmocka_unit_test(without_a_line),
        cmocka_unit_test(two_instances_and_a_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
