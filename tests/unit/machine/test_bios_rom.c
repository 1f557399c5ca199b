/* The parts of the BIOS that are machine code, run by a real-mode guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/vm.h"

/* Runs a flat guest under bt to its end; the machine's time then, in ns. */
static uint64_t run(const uint8_t *code, size_t len, int *status)
{
    char path[] = "/tmp/ringside-bios-XXXXXX";
    int fd = mkstemp(path);
    struct vm_config cfg;
    struct vm *vm;
    uint64_t now;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, code, len), len);
    close(fd);
    vm_config_init(&cfg);
    cfg.accel = "bt";
    cfg.mem_bytes = 1 << 20;
    cfg.serial[0] = "null";
    cfg.guest = path;
    assert_int_equal(vm_create(&vm, &cfg), 0);
    assert_int_equal(vm_run(vm), 0);
    *status = vm_exit_status(vm);
    now = vm_now_ns(vm);
    vm_destroy(vm);
    unlink(path);
    return now;
}

/*
 *      stc; mov ah, 86h; mov cx, 1; mov dx, 86a0h (100,000 us); int 15h
 *      mov al, 1; adc al, 0; out f4h, al: 1 if CF was cleared, else 2
 */
static void test_wait(void **state)
{
    static const uint8_t code[] = {0xf9, 0xb4, 0x86, 0xb9, 0x01, 0x00,
                                   0xba, 0xa0, 0x86, 0xcd, 0x15, 0xb0,
                                   0x01, 0x14, 0x00, 0xe6, 0xf4};
    int status = 0;
    uint64_t ns = run(code, sizeof(code), &status);

    (void)state;
    assert_int_equal(status, 3);
    assert_in_range(ns, 100000000, 103000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
