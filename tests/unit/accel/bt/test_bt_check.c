/*
 * The encoder, decoded back by Zydis; and the checker, which must refuse what
 * a wrong translator could emit.
 */
#include <Zydis/Zydis.h>

#include "tests/unit/accel/bt/bt_machine.h"
#include "vmm/accel/bt/xlat.h"

static void expect_text(const struct emit *e, const char *text)
{
    ZydisDisassembledInstruction d;

    assert_true(ZYAN_SUCCESS(
        ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, 0, e->start,
                              (ZyanUSize)(e->at - e->start), &d)));
    assert_int_equal(d.info.length, e->at - e->start);
    assert_string_equal(d.text, text);
}

static const struct {
    struct emit_mem mem;
    const char *text;
} addresses[] = {
    {{HOST_RAX, HOST_NONE, 1, true, 0}, "mov edx, gs:[eax]"},
    {{HOST_RBP, HOST_NONE, 1, true, 0}, "mov edx, gs:[ebp]"},
    {{HOST_R12, HOST_NONE, 1, true, 8}, "mov edx, gs:[r12d+0x08]"},
    {{HOST_NONE, HOST_NONE, 1, true, 0x1234},
     "mov edx, gs:[0x0000000000001234]"},
    {{HOST_NONE, HOST_RCX, 8, true, 0x1000}, "mov edx, gs:[ecx*8+0x1000]"},
    {{HOST_RSI, HOST_RDI, 2, true, -4}, "mov edx, gs:[esi+edi*2-0x04]"},
    {{HOST_R14, HOST_R12, 1, false, -4}, "mov edx, [r14+r12*1-0x04]"},
    {{HOST_R14, HOST_RBP, 1, false, 0x300}, "mov edx, [r14+rbp*1+0x300]"},
    {{HOST_R15, HOST_NONE, 1, false, -64}, "mov edx, [r15-0x40]"},
    {{HOST_R13, HOST_NONE, 1, false, 0}, "mov edx, [r13]"},
};

static void test_addresses(void **state)
{
    uint8_t buf[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct emit e = {buf, buf, buf + sizeof(buf)};
        emit_load(&e, 0x8b, HOST_RDX, addresses[i].mem);
        expect_text(&e, addresses[i].text);
    }
}

static void test_rex_and_high_bytes_exclude_each_other(void **state)
{
    struct emit_insn in = {.opcode = {0x8a},
                           .opcodes = 1,
                           .modrm = true,
                           .memory = true,
                           .reg = 4, /* AH */
                           .no_rex = true,
                           .mem = {HOST_RBX, HOST_NONE, 1, true, 0}};
    uint8_t buf[32];
    struct emit e = {buf, buf, buf + sizeof(buf)};

    (void)state;
    assert_true(emit_insn(&e, &in));
    expect_text(&e, "mov ah, gs:[ebx]");
    in.mem.base = HOST_R12;
    assert_false(emit_insn(&e, &in));
}

static const struct {
    uint8_t code[16];
    size_t len;
    bool good;
    const char *what;
} cases[] = {
    {{0x65, 0x67, 0x8b, 0x00}, 4, true, "mov eax, gs:[eax]"},
    {{0x65, 0x8b, 0x00}, 3, false, "gs without 67h"},
    {{0x8b, 0x00}, 2, false, "no window"},
    {{0x67, 0x8b, 0x00}, 3, false, "no gs"},
    {{0x41, 0x8b, 0x04, 0x06}, 4, true, "mov eax, [r14+rax]"},
    {{0x43, 0x8b, 0x04, 0x16}, 4, false, "[r14+r10]: not a guest register"},
    {{0x41, 0x8b, 0x84, 0x06, 0, 0, 0, 0x40}, 8, false, "beyond the guard"},
    {{0x41, 0x8b, 0x04, 0x46}, 4, false, "[r14+rax*2]"},
    {{0x41, 0x8b, 0x07}, 3, true, "a load from the context"},
    {{0x41, 0x89, 0x07}, 3, false, "a store into the context's registers"},
    {{0x41, 0x8b, 0x87, 0, 0, 1, 0}, 7, false, "beyond the context"},
    {{0x49, 0xc7, 0x47, 0xd0, 1, 0, 0, 0}, 8, true, "mov [r15+x87_mem], 1"},
    {{0x45, 0x89, 0x5f, 0xfc}, 4, true, "mov [r15+x87_data], r11d"},
    {{0x45, 0x89, 0x5f, 0xf8}, 4, false, "mov [r15+sys_flags], r11d"},
    {{0x4d, 0x8d, 0x6d, 0xfd}, 4, true, "lea r13, [r13-3]"},
    {{0x4d, 0x8d, 0x6d, 0x03}, 4, false, "lea r13, [r13+3]"},
    {{0x49, 0x89, 0xc5}, 3, false, "mov r13, rax"},
    {{0x49, 0x89, 0xc6}, 3, false, "mov r14, rax"},
    {{0x49, 0x89, 0xc7}, 3, false, "mov r15, rax"},
    {{0x48, 0x01, 0xd8}, 3, false, "add rax, rbx: 64 bits"},
    {{0x01, 0xd8}, 2, true, "add eax, ebx"},
    {{0x50}, 1, false, "push rax"},
    {{0xc3}, 1, false, "ret"},
    {{0x0f, 0x05}, 2, false, "syscall"},
    {{0xcd, 0x80}, 2, false, "int 80h"},
    {{0x0f, 0xa2}, 2, false, "cpuid"},
    {{0xf4}, 1, false, "hlt"},
    {{0xff, 0xe0}, 2, false, "jmp rax"},
    {{0x41, 0xff, 0xe2}, 3, false, "jmp r10 out of the blue"},
    {{0x41, 0xff, 0x67, 0x80}, 4, true, "jmp [r15+exit_fn]"},
    {{0x41, 0xff, 0x67, 0x88}, 4, false, "jmp [r15+miss_fn]"},
    {{0xeb, 0x7f}, 2, false, "a jump out of the block"},
    {{0xeb, 0xff, 0xc0}, 3, false, "a jump into an instruction"},
    {{0xf3, 0xa4}, 2, false, "rep movsb without window pointers"},
    {{0x49, 0x8d, 0x34, 0x36, 0x49, 0x8d, 0x3c, 0x3e, 0xa4, 0x8b, 0xf6, 0x8b,
      0xff},
     13,
     true,
     "movsb as it is emitted"},
    {{0x49, 0x8d, 0x34, 0x36, 0x49, 0x8d, 0x3c, 0x3e, 0xa4, 0x8b, 0xf6, 0x90},
     12,
     false,
     "edi is left a pointer"},
    {{0x45, 0x8b, 0xd8, 0x4d, 0x8b, 0x97, 0xf0, 0xfe, 0xff, 0xff, 0x47, 0x0f,
      0xb6, 0x14, 0x1a},
     15,
     true,
     "a limit check: movzx r10d, byte [r10+r11]"},
    {{0x4d, 0x8b, 0xd8, 0x4d, 0x8b, 0x97, 0xf0, 0xfe, 0xff, 0xff, 0x47, 0x0f,
      0xb6, 0x14, 0x1a},
     15,
     false,
     "... with all of R11"},
    {{0x45, 0x8b, 0xd8, 0x4d, 0x8b, 0x97, 0xf0, 0xfe, 0xff, 0xff, 0x47, 0x8b,
      0x14, 0x1a},
     14,
     false,
     "... as more than a byte"},
    {{0x45, 0x8b, 0xd8, 0x4d, 0x8b, 0x97, 0xf8, 0xff, 0xff, 0xff, 0x47, 0x0f,
      0xb6, 0x14, 0x1a},
     15,
     false,
     "... through what is no limit"},
    {{0x4d, 0x89, 0x97, 0xf0, 0xfe, 0xff, 0xff}, 7, false, "a new limit"},
    {{0x8e, 0xd8}, 2, false, "mov ds, eax"},
    {{0x9d}, 1, false, "popf"},
};

static void test_checker(void **state)
{
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {

        if (bt_check_block(m.vcpu.accel, cases[i].code, cases[i].len) !=
            cases[i].good)
            fail_msg("%s: %s", cases[i].what,
                     cases[i].good ? "refused" : "accepted");
    }
    bt_machine_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_rex_and_high_bytes_exclude_each_other),
        cmocka_unit_test(test_checker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
