/* The 8259A pair against its datasheet: every ICW, OCW and mode. */
#include "tests/unit/dev/rig.h"
#include "vmm/dev/i8259.h"

enum { M0 = 0x20, M1 = 0x21, S0 = 0xa0, S1 = 0xa1, ELCR1 = 0x4d0 };
enum { EOI = 0x20, READ_IRR = 0x0a, READ_ISR = 0x0b, POLL = 0x0c };

struct pic {
    struct rig r;
    struct device *dev;
};

/* As every PC kernel does: bases 20h and 28h, ICW4 as given. */
static void program(struct pic *p, unsigned icw4_master, unsigned icw4_slave)
{
    struct rig *r = &p->r;

    outb(r, M0, 0x11);
    outb(r, S0, 0x11);
    outb(r, M1, 0x20);
    outb(r, S1, 0x28);
    outb(r, M1, 0x04);
    outb(r, S1, 0x02);
    outb(r, M1, icw4_master);
    outb(r, S1, icw4_slave);
}

static void pic_open(struct pic *p)
{
    rig_init(&p->r);
    p->dev = rig_device(
        &p->r, &i8259_class,
        &(struct device_cfg){.name = "pic", .irq = {rig_pin(&p->r, 0)}});
    program(p, 0x01, 0x01);
}

static void pic_close(struct pic *p)
{
    device_destroy(p->dev);
}

static void raise_irq(struct pic *p, unsigned irq)
{
    i8259_set_irq(p->dev, irq, true);
}

static void lower_irq(struct pic *p, unsigned irq)
{
    i8259_set_irq(p->dev, irq, false);
}

static void pulse_irq(struct pic *p, unsigned irq)
{
    lower_irq(p, irq);
    raise_irq(p, irq);
}

static unsigned irr(struct pic *p, unsigned port)
{
    outb(&p->r, port, READ_IRR);
    return inb(&p->r, port);
}

static unsigned isr(struct pic *p, unsigned port)
{
    outb(&p->r, port, READ_ISR);
    return inb(&p->r, port);
}

static void silent_until_initialised(void **state)
{
    struct pic p;

    (void)state;
    rig_init(&p.r);
    p.dev = rig_device(&p.r, &i8259_class, &(struct device_cfg){.name = "pic"});
    raise_irq(&p, 0);
    assert_false(i8259_pending(p.dev));
    lower_irq(&p, 0);
    program(&p, 1, 1);
    raise_irq(&p, 0);
    assert_true(i8259_pending(p.dev));
    pic_close(&p);
}

static void init_without_icw3_and_icw4(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    outb(&p.r, M0, 0x12); /* single, no ICW4 */
    outb(&p.r, M1, 0x40);
    outb(&p.r, M1, 0xfe); /* already OCW1 */
    assert_int_equal(inb(&p.r, M1), 0xfe);
    raise_irq(&p, 0);
    assert_int_equal(i8259_ack(p.dev), 0x40);
    pic_close(&p);
}

static void vectors_of_all_inputs(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    for (unsigned irq = 0; irq < 16; irq++) {
        if (irq == 2)
            continue;
        raise_irq(&p, irq);
        assert_true(i8259_pending(p.dev));
        assert_true(p.r.pin[0].level);
        assert_int_equal(i8259_ack(p.dev), 0x20 + irq);
        assert_false(i8259_pending(p.dev));
        lower_irq(&p, irq);
        if (irq >= 8) {
            assert_int_equal(isr(&p, S0), 1u << (irq - 8));
            assert_int_equal(isr(&p, M0), 4);
            outb(&p.r, S0, EOI);
        }
        outb(&p.r, M0, EOI);
        assert_int_equal(isr(&p, M0) | isr(&p, S0), 0);
    }
    pic_close(&p);
}

static void an_edge_asks_once(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    raise_irq(&p, 3);
    assert_int_equal(irr(&p, M0), 8);
    assert_int_equal(i8259_ack(p.dev), 0x23);
    assert_int_equal(irr(&p, M0), 0);
    outb(&p.r, M0, EOI);
    raise_irq(&p, 3); /* still high: no edge */
    assert_false(i8259_pending(p.dev));
    pulse_irq(&p, 3);
    assert_true(i8259_pending(p.dev));
    pic_close(&p);
}

static void a_level_asks_while_high(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    outb(&p.r, ELCR1, 0xff);
    outb(&p.r, ELCR1 + 1, 0xff);
    assert_int_equal(inb(&p.r, ELCR1), 0xf8);
    assert_int_equal(inb(&p.r, ELCR1 + 1), 0xde);
    raise_irq(&p, 11);
    assert_int_equal(i8259_ack(p.dev), 0x2b);
    assert_int_equal(irr(&p, S0), 8);
    assert_false(i8259_pending(p.dev)); /* in service */
    outb(&p.r, S0, EOI);
    outb(&p.r, M0, EOI);
    assert_true(i8259_pending(p.dev)); /* still high */
    lower_irq(&p, 11);
    assert_false(i8259_pending(p.dev));
    pic_close(&p);
}

static void ltim_makes_all_level(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    outb(&p.r, M0, 0x19);
    outb(&p.r, M1, 0x20);
    outb(&p.r, M1, 0x04);
    outb(&p.r, M1, 0x01);
    raise_irq(&p, 0);
    assert_int_equal(i8259_ack(p.dev), 0x20);
    outb(&p.r, M0, EOI);
    assert_true(i8259_pending(p.dev));
    pic_close(&p);
}

static void fixed_priorities_nest(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    raise_irq(&p, 5);
    raise_irq(&p, 7);
    assert_int_equal(i8259_ack(p.dev), 0x25);
    assert_false(i8259_pending(p.dev)); /* 7 is lower */
    raise_irq(&p, 1);
    assert_int_equal(i8259_ack(p.dev), 0x21); /* 1 is higher */
    assert_int_equal(isr(&p, M0), 0x22);
    outb(&p.r, M0, EOI); /* ends 1 */
    assert_int_equal(isr(&p, M0), 0x20);
    outb(&p.r, M0, EOI);
    assert_int_equal(i8259_ack(p.dev), 0x27);
    pic_close(&p);
}

static void slave_ranks_at_two(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    raise_irq(&p, 3);
    raise_irq(&p, 14);
    assert_int_equal(i8259_ack(p.dev), 0x2e);
    raise_irq(&p, 8); /* higher in the slave, but the master serves 2 */
    assert_false(i8259_pending(p.dev));
    raise_irq(&p, 1);
    assert_int_equal(i8259_ack(p.dev), 0x21);
    outb(&p.r, M0, EOI);
    outb(&p.r, S0, EOI);
    outb(&p.r, M0, EOI);
    assert_int_equal(i8259_ack(p.dev), 0x28);
    outb(&p.r, S0, EOI);
    outb(&p.r, M0, EOI);
    assert_int_equal(i8259_ack(p.dev), 0x23);
    pic_close(&p);
}

static void special_fully_nested(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    program(&p, 0x11, 0x01);
    raise_irq(&p, 14);
    assert_int_equal(i8259_ack(p.dev), 0x2e);
    raise_irq(&p, 15); /* lower in the slave */
    assert_false(i8259_pending(p.dev));
    raise_irq(&p, 8);
    assert_int_equal(i8259_ack(p.dev), 0x28);
    raise_irq(&p, 3); /* lower than the slave */
    assert_false(i8259_pending(p.dev));
    pic_close(&p);
}

static void masks(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    outb(&p.r, M1, 0xfe);
    raise_irq(&p, 4);
    assert_false(i8259_pending(p.dev));
    assert_int_equal(irr(&p, M0), 0x10); /* the request waits */
    outb(&p.r, M1, 0x00);
    assert_true(i8259_pending(p.dev));
    outb(&p.r, M1, 0xff);
    assert_false(i8259_pending(p.dev));
    assert_int_equal(inb(&p.r, M1), 0xff);
    pic_close(&p);
}

static void specific_eoi(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    raise_irq(&p, 6);
    i8259_ack(p.dev);
    raise_irq(&p, 1);
    i8259_ack(p.dev);
    outb(&p.r, M0, 0x66);
    assert_int_equal(isr(&p, M0), 0x02);
    outb(&p.r, M0, 0x66); /* not in service: nothing */
    assert_int_equal(isr(&p, M0), 0x02);
    pic_close(&p);
}

static void rotate_on_eoi(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    raise_irq(&p, 4);
    assert_int_equal(i8259_ack(p.dev), 0x24);
    outb(&p.r, M0, 0xa0); /* rotate on non-specific EOI: 4 is now lowest */
    pulse_irq(&p, 4);
    raise_irq(&p, 3);
    raise_irq(&p, 5);
    assert_int_equal(i8259_ack(p.dev), 0x25);
    outb(&p.r, M0, EOI);
    assert_int_equal(i8259_ack(p.dev), 0x23);
    outb(&p.r, M0, 0xe3); /* rotate on specific EOI: 3 is lowest */
    pulse_irq(&p, 3);
    assert_int_equal(i8259_ack(p.dev), 0x24);
    pic_close(&p);
}

static void set_priority(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    outb(&p.r, M0, 0xc0 | 5); /* 5 lowest, 6 highest */
    raise_irq(&p, 0);
    raise_irq(&p, 5);
    raise_irq(&p, 6);
    assert_int_equal(i8259_ack(p.dev), 0x26);
    assert_false(i8259_pending(p.dev));
    outb(&p.r, M0, EOI);
    assert_int_equal(i8259_ack(p.dev), 0x20);
    outb(&p.r, M0, EOI);
    assert_int_equal(i8259_ack(p.dev), 0x25);
    outb(&p.r, M0, 0x40); /* no operation */
    outb(&p.r, M0, EOI);
    assert_int_equal(isr(&p, M0), 0);
    pic_close(&p);
}

static void automatic_eoi(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    program(&p, 0x03, 0x03);
    raise_irq(&p, 4);
    assert_int_equal(i8259_ack(p.dev), 0x24);
    assert_int_equal(isr(&p, M0), 0);
    /* Two requests of the slave need two edges on the master's IR2. */
    raise_irq(&p, 10);
    raise_irq(&p, 12);
    assert_int_equal(i8259_ack(p.dev), 0x2a);
    assert_true(i8259_pending(p.dev));
    assert_int_equal(i8259_ack(p.dev), 0x2c);
    assert_false(i8259_pending(p.dev));
    pic_close(&p);
}

static void rotate_in_automatic_eoi(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    program(&p, 0x03, 0x01);
    outb(&p.r, M0, 0x80);
    raise_irq(&p, 3);
    raise_irq(&p, 4);
    assert_int_equal(i8259_ack(p.dev), 0x23);
    pulse_irq(&p, 3);
    assert_int_equal(i8259_ack(p.dev), 0x24); /* 3 is lowest now */
    pulse_irq(&p, 4);
    assert_int_equal(i8259_ack(p.dev), 0x23);
    outb(&p.r, M0, 0x00); /* no more rotation: 3 stays lowest */
    assert_int_equal(i8259_ack(p.dev), 0x24);
    pulse_irq(&p, 3);
    pulse_irq(&p, 4);
    assert_int_equal(i8259_ack(p.dev), 0x24);
    pic_close(&p);
}

static void special_mask_mode(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    raise_irq(&p, 1);
    assert_int_equal(i8259_ack(p.dev), 0x21);
    raise_irq(&p, 6);
    assert_false(i8259_pending(p.dev));
    outb(&p.r, M0, 0x68); /* ESMM SMM */
    outb(&p.r, M1, 0x02); /* mask what is in service */
    assert_int_equal(i8259_ack(p.dev), 0x26);
    outb(&p.r, M0, EOI); /* ends 6; 1 is masked and must be named */
    assert_int_equal(isr(&p, M0), 0x02);
    outb(&p.r, M0, EOI);
    assert_int_equal(isr(&p, M0), 0x02);
    outb(&p.r, M0, 0x48); /* SMM off */
    pulse_irq(&p, 6);
    assert_false(i8259_pending(p.dev));
    outb(&p.r, M0, 0x61);
    assert_int_equal(isr(&p, M0), 0);
    pic_close(&p);
}

static void poll_is_an_acknowledge(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    outb(&p.r, M0, POLL);
    assert_int_equal(inb(&p.r, M0), 0);
    raise_irq(&p, 5);
    outb(&p.r, M0, POLL);
    assert_int_equal(inb(&p.r, M0), 0x85);
    assert_int_equal(isr(&p, M0), 0x20);
    outb(&p.r, M0, EOI);
    raise_irq(&p, 9);
    outb(&p.r, M0, POLL);
    assert_int_equal(inb(&p.r, M1), 0x82);
    outb(&p.r, S0, POLL);
    assert_int_equal(inb(&p.r, S0), 0x81);
    assert_int_equal(isr(&p, S0), 0x02);
    pic_close(&p);
}

static void spurious_interrupts(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    raise_irq(&p, 4);
    assert_true(i8259_pending(p.dev));
    lower_irq(&p, 4); /* gone before INTA */
    assert_int_equal(irr(&p, M0), 0);
    assert_int_equal(i8259_ack(p.dev), 0x27);
    assert_int_equal(isr(&p, M0), 0);
    pic_close(&p);
}

static void icw1_resets_the_edge_sense(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    outb(&p.r, M1, 0xff);
    outb(&p.r, M0, 0xc3);
    raise_irq(&p, 4);
    program(&p, 1, 1);
    assert_int_equal(inb(&p.r, M1), 0); /* mask cleared */
    assert_int_equal(irr(&p, M0), 0);
    assert_false(i8259_pending(p.dev));
    pulse_irq(&p, 4);
    raise_irq(&p, 3);
    assert_int_equal(i8259_ack(p.dev), 0x23); /* default priorities */
    pic_close(&p);
}

static void the_pin_makes_an_edge_per_interrupt(void **state)
{
    struct pic p;

    (void)state;
    pic_open(&p);
    program(&p, 0x03, 0x03);
    raise_irq(&p, 3);
    raise_irq(&p, 4);
    assert_int_equal(p.r.pin[0].rises, 1);
    i8259_ack(p.dev);
    assert_int_equal(p.r.pin[0].rises, 2);
    i8259_ack(p.dev);
    assert_int_equal(p.r.pin[0].falls, 2);
    assert_false(p.r.pin[0].level);
    pic_close(&p);
}

static void two_instances_and_a_copy(void **state)
{
    struct pic a, b;

    (void)state;
    pic_open(&a);
    pic_open(&b);
    raise_irq(&a, 12);
    assert_false(i8259_pending(b.dev));
    rig_copy_device(a.dev, b.dev);
    rig_check_dump(a.dev, b.dev);
    assert_int_equal(i8259_ack(b.dev), 0x2c);
    assert_int_equal(i8259_ack(a.dev), 0x2c);
    a.dev->class->reset(a.dev);
    assert_false(i8259_pending(a.dev));
    assert_int_equal(isr(&a, M0), 0);
    assert_int_equal(isr(&b, M0), 4);
    pic_close(&a);
    pic_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_until_initialised),
        cmocka_unit_test(init_without_icw3_and_icw4),
        cmocka_unit_test(vectors_of_all_inputs),
        cmocka_unit_test(an_edge_asks_once),
        cmocka_unit_test(a_level_asks_while_high),
        cmocka_unit_test(ltim_makes_all_level),
        cmocka_unit_test(fixed_priorities_nest),
        cmocka_unit_test(slave_ranks_at_two),
        cmocka_unit_test(special_fully_nested),
        cmocka_unit_test(masks),
        cmocka_unit_test(specific_eoi),
        cmocka_unit_test(rotate_on_eoi),
        cmocka_unit_test(set_priority),
        cmocka_unit_test(automatic_eoi),
        cmocka_unit_test(rotate_in_automatic_eoi),
        cmocka_unit_test(special_mask_mode),
        cmocka_unit_test(poll_is_an_acknowledge),
        cmocka_unit_test(spurious_interrupts),
        cmocka_unit_test(icw1_resets_the_edge_sense),
        cmocka_unit_test(the_pin_makes_an_edge_per_interrupt),
        cmocka_unit_test(two_instances_and_a_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
