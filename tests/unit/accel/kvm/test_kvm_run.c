/* Real-mode guests: exits, their data, and state after them. */
#include "tests/unit/accel/kvm/kvm_guest.h"

static void port_io_reaches_the_monitor(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_init(&g);
    CODE(&g, 0xb0, 'A',    /* mov al, 'A' */
         0xe6, 0x10,       /* out 0x10, al */
         0xe4, 0x11,       /* in al, 0x11 */
         0xfe, 0xc0,       /* inc al */
         0xe6, 0x12,       /* out 0x12, al */
         0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
         0xef,             /* out dx, ax */
         0xf4);            /* hlt */

    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_PIO);
    assert_int_equal(e.rip, GUEST_CODE + 2);
    assert_true(e.u.pio.out);
    assert_int_equal(e.u.pio.port, 0x10);
    assert_int_equal(e.u.pio.size, 1);
    assert_int_equal(e.u.pio.count, 1);
    assert_int_equal(*(uint8_t *)e.u.pio.data, 'A');

    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_PIO);
    assert_int_equal(e.rip, GUEST_CODE + 4);
    assert_false(e.u.pio.out);
    assert_int_equal(e.u.pio.port, 0x11);
    *(uint8_t *)e.u.pio.data = 0x41;
    /* Reading the state first lets KVM finish the instruction. */
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RAX] & 0xff, 0x41);
    assert_int_equal(g.st.rip, GUEST_CODE + 6);

    e = guest_run(&g);
    assert_int_equal(e.u.pio.port, 0x12);
    assert_int_equal(e.rip, GUEST_CODE + 8);
    assert_int_equal(*(uint8_t *)e.u.pio.data, 0x42);
    e = guest_run(&g);
    assert_int_equal(e.u.pio.port, 0x3f8);
    assert_int_equal(e.u.pio.size, 2);

    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_HLT);
    assert_int_equal(e.rip, GUEST_CODE + 14);
    guest_get(&g);
    assert_int_equal(g.st.activity, X86_HALTED);
    /* Nothing wakes it: it stays where it is. */
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_HLT);
    guest_fini(&g);
}

static void string_io_comes_in_one_exit(void **unused)
{
    struct guest g;
    struct vm_exit e;
    char got[16] = "";
    size_t n = 0;

    (void)unused;
    guest_init(&g);
    CODE(&g, 0xfc,         /* cld */
         0xbe, 0x00, 0x20, /* mov si, 0x2000 */
         0xb9, 0x05, 0x00, /* mov cx, 5 */
         0xba, 0xe9, 0x00, /* mov dx, 0xe9 */
         0xf3, 0x6e,       /* rep outsb */
         0xf4);            /* hlt */
    assert_true(mem_write(&g.mem, 0x2000, "hello", 5));
    while ((e = guest_run(&g)).kind == VM_EXIT_PIO) {
        assert_int_equal(e.u.pio.port, 0xe9);
        assert_int_equal(e.u.pio.size, 1);
        assert_true(n + e.u.pio.count < sizeof(got));
        memcpy(got + n, e.u.pio.data, e.u.pio.count);
        n += e.u.pio.count;
    }
    assert_int_equal(e.kind, VM_EXIT_HLT);
    assert_string_equal(got, "hello");
    guest_fini(&g);
}

static void memory_without_ram_reaches_the_monitor(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_init(&g);
    g.st = (struct x86_state){0};
    CODE(&g, 0xb8, 0xff, 0xff, /* mov ax, 0xffff */
         0x8e, 0xd8,           /* mov ds, ax */
         0xa1, 0x20, 0x00,     /* mov ax, [0x20]: linear 100010h */
         0xa2, 0x24, 0x00,     /* mov [0x24], al */
         0xf4);                /* hlt */
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_MMIO);
    assert_false(e.u.mmio.write);
    assert_int_equal(e.u.mmio.gpa, 0x100010);
    assert_int_equal(e.u.mmio.size, 2);
    assert_int_equal(e.rip, GUEST_CODE + 5);
    memcpy(e.u.mmio.data, "\x34\x12", 2);
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_MMIO);
    assert_true(e.u.mmio.write);
    assert_int_equal(e.rip, GUEST_CODE + 8);
    assert_int_equal(e.u.mmio.gpa, 0x100014);
    assert_int_equal(e.u.mmio.size, 1);
    assert_int_equal(e.u.mmio.data[0], 0x34);
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_HLT);
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RAX] & 0xffff, 0x1234);
    guest_fini(&g);
}

/* Byte AT of memory, as the guest left it. */
static uint8_t byte_at(struct guest *g, uint64_t at)
{
    uint8_t b = 0;

    assert_true(mem_read(&g->mem, at, &b, 1));
    return b;
}

static void with_a20_shut_addresses_wrap_at_1_mib(void **unused)
{
    static const uint8_t code[] = {
        0xb8, 0xff, 0xff,             /* mov ax, 0xffff */
        0x8e, 0xd8,                   /* mov ds, ax */
        0xc6, 0x06, 0x10, 0x20, 0x5a, /* mov byte [0x2010], 0x5a */
        0xa0, 0x11, 0x20,             /* mov al, [0x2011] */
        0xf4,                         /* hlt */
    };
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_init(&g);
    g.vcpu.a20 = false;
    assert_int_equal(accel_kvm.slots_changed(&g.vcpu), 0);
    assert_true(mem_write(&g.mem, 0x2001, "\x77", 1));
    guest_real(&g, code, sizeof(code));
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_get(&g);
    assert_int_equal(g.st.gpr[X86_RAX] & 0xff, 0x77);
    assert_int_equal(byte_at(&g, 0x2000), 0x5a);
    /* Open again: what was below 1 MiB is not seen above. */
    assert_true(mem_write(&g.mem, 0x2000, "", 1));
    g.vcpu.a20 = true;
    assert_int_equal(accel_kvm.slots_changed(&g.vcpu), 0);
    guest_real(&g, code, sizeof(code));
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_MMIO);
    assert_int_equal(e.u.mmio.gpa, 0x102000);
    assert_int_equal(byte_at(&g, 0x2000), 0);
    guest_fini(&g);
}

/* A device's memory wraps as well: its gpa is what is on the address pins. */
static void with_a20_shut_devices_wrap_too(void **unused)
{
    struct guest g;
    struct vm_exit e;

    (void)unused;
    guest_init(&g);
    g.mem.slots = 0; /* RAM to 1 MiB, but for a page at 2000h */
    mem_add_slot(&g.mem, "low", 0, 0x2000, 0, false);
    mem_add_slot(&g.mem, "high", 0x3000, 0xfd000, 0x3000, false);
    g.vcpu.a20 = false;
    assert_int_equal(accel_kvm.slots_changed(&g.vcpu), 0);
    CODE(&g, 0xb8, 0xff, 0xff, /* mov ax, 0xffff */
         0x8e, 0xd8,           /* mov ds, ax */
         0xa2, 0x10, 0x20,     /* mov [0x2010], al */
         0xf4);                /* hlt */
    e = guest_run(&g);
    assert_int_equal(e.kind, VM_EXIT_MMIO);
    assert_int_equal(e.u.mmio.gpa, 0x2000);
    assert_int_equal(e.rip, GUEST_CODE + 5);
    assert_int_equal(guest_run(&g).kind, VM_EXIT_HLT);
    guest_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_io_reaches_the_monitor),
        cmocka_unit_test(string_io_comes_in_one_exit),
        cmocka_unit_test(memory_without_ram_reaches_the_monitor),
        cmocka_unit_test(with_a20_shut_addresses_wrap_at_1_mib),
        cmocka_unit_test(with_a20_shut_devices_wrap_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
