/*
 * Windows and code: filled and dropped as a TLB would be, self-modifying code,
 * chains that are cut, watchpoints.
 */
#include "tests/unit/accel/bt/bt_machine.h"
#include "vmm/accel/bt/bt.h"

#define DATA 0x40000u

static void load(struct bt_machine *m, uint32_t at, const void *code, size_t n)
{
    mem_write(&m->mem, at, code, n);
}

static uint64_t reg(struct bt_machine *m, enum x86_gpr r)
{
    struct x86_state st;

    accel_bt.get_state(&m->vcpu, &st);
    return st.gpr[r];
}

static void restart(struct bt_machine *m)
{
    struct x86_state st;

    accel_bt.get_state(&m->vcpu, &st);
    st.rip = BT_MACHINE_CODE;
    st.activity = X86_ACTIVE;
    accel_bt.set_state(&m->vcpu, &st);
}

static const struct accel_options checked = {.check_blocks = true};

/* A write to the next instruction of the same block takes effect at once. */
static void test_block_writes_itself(void **state)
{
    /* xor eax, eax; mov byte [1000a], 5; 10009: mov al, 1; hlt */
    static const uint8_t code[] = {0x31, 0xc0, 0xc6, 0x05, 0x0a, 0x00,
                                   0x01, 0x00, 0x05, 0xb0, 0x01, 0xf4};
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, &checked);
    load(&m, BT_MACHINE_CODE, code, sizeof(code));
    for (unsigned i = 0; i < 8; i++) {
        load(&m, BT_MACHINE_CODE + 10, "\x01", 1);
        restart(&m);
        assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
        assert_int_equal(reg(&m, X86_RAX), 5);
    }
    bt_machine_fini(&m);
}

/* mem_write (DMA, a debugger) makes blocks go, chained ones too. */
static void test_outside_write(void **state)
{
    /* l: inc eax; cmp eax, 100; jb l; mov al, 7; hlt */
    static const uint8_t code[] = {0x40, 0x83, 0xf8, 0x64, 0x72,
                                   0xfa, 0xb0, 0x07, 0xf4};
    struct bt_machine m;
    struct x86_state st;

    (void)state;
    bt_machine_init(&m, &checked);
    load(&m, BT_MACHINE_CODE, code, sizeof(code));
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    assert_int_equal(reg(&m, X86_RAX), 7);
    load(&m, BT_MACHINE_CODE + 7, "\x09", 1);
    accel_bt.get_state(&m.vcpu, &st);
    st.gpr[X86_RAX] = 0;
    accel_bt.set_state(&m.vcpu, &st);
    restart(&m);
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    assert_int_equal(reg(&m, X86_RAX), 9);
    bt_machine_fini(&m);
}

/*
 * Data beside code: the write faults a few times, then is a call-out, however
 * long it goes on.
 */
static void test_code_and_data_on_one_page(void **state)
{
    /* mov ecx, 1500000; l: mov [0x10800], ecx; dec ecx; jnz l; hlt */
    static const uint8_t code[] = {0xb9, 0x60, 0xe3, 0x16, 0x00,
                                   0x89, 0x0d, 0x00, 0x08, 0x01,
                                   0x00, 0x49, 0x75, 0xf7, 0xf4};
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, &checked);
    load(&m, BT_MACHINE_CODE, code, sizeof(code));
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    assert_int_equal(m.vcpu.icount, 1 + 3 * 1500000 + 1);
    assert_in_range(m.exits[VM_EXIT_CODE_WRITE], 1, 12);
    bt_machine_fini(&m);
}

/* DMA from INC EDX to INC EBX and back. */
static enum run_next rewrite_loop(struct bt_machine *m, struct vm_exit *e)
{
    uint8_t byte;

    if (e->kind == VM_EXIT_PIO) {
        mem_read(&m->mem, BT_MACHINE_CODE + 7, &byte, 1);
        byte ^= 1;
        mem_write(&m->mem, BT_MACHINE_CODE + 7, &byte, 1);
    }
    return RUN_AGAIN;
}

/* The block that is running goes, amid a call-out. */
static void test_dma_into_a_hot_loop(void **state)
{
    /* mov ecx, 40; l: out 92h, al; inc edx; dec ecx; jnz l; hlt */
    static const uint8_t code[] = {0xb9, 0x28, 0x00, 0x00, 0x00, 0xe6,
                                   0x92, 0x42, 0x49, 0x75, 0xfa, 0xf4};
    uint64_t edx, ebx;
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, &checked);
    m.on_exit = rewrite_loop;
    load(&m, BT_MACHINE_CODE, code, sizeof(code));
    edx = reg(&m, X86_RDX), ebx = reg(&m, X86_RBX);
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    assert_int_equal(reg(&m, X86_RDX), edx + 20);
    assert_int_equal(reg(&m, X86_RBX), ebx + 20);
    bt_machine_fini(&m);
}

static enum run_next toggle_a20(struct bt_machine *m, struct vm_exit *e)
{
    m->vcpu.a20 ^= e->kind == VM_EXIT_PIO;
    return RUN_AGAIN;
}

static void test_a20_in_a_hot_loop(void **state)
{
    /* mov ecx, 40; xor edx, edx; l: out 92h, al; add edx, [0x140000];
     * dec ecx; jnz l; hlt */
    static const uint8_t code[] = {0xb9, 0x28, 0x00, 0x00, 0x00, 0x31, 0xd2,
                                   0xe6, 0x92, 0x03, 0x15, 0x00, 0x00, 0x14,
                                   0x00, 0x49, 0x75, 0xf5, 0xf4};
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, &checked);
    m.on_exit = toggle_a20;
    load(&m, BT_MACHINE_CODE, code, sizeof(code));
    load(&m, DATA, "\x01", 1);
    load(&m, DATA + 0x100000, "\x02", 1);
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    assert_int_equal(reg(&m, X86_RDX), 20 * 1 + 20 * 2);
    bt_machine_fini(&m);
}

/* A device register: after three faults no signal is spent on it any more. */
static enum run_next count_mmio(struct bt_machine *m, struct vm_exit *e)
{
    (void)m;
    if (e->kind == VM_EXIT_MMIO && !e->u.mmio.write)
        memset(e->u.mmio.data, 0x11, e->u.mmio.size);
    return RUN_AGAIN;
}

static void test_device(void **state)
{
    /* mov ecx, 50; l: add eax, [0xfee00000]; loop l; hlt */
    static const uint8_t code[] = {0xb9, 0x32, 0x00, 0x00, 0x00, 0x03, 0x05,
                                   0x00, 0x00, 0xe0, 0xfe, 0xe2, 0xf8, 0xf4};
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, &checked);
    m.on_exit = count_mmio;
    load(&m, BT_MACHINE_CODE, code, sizeof(code));
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    assert_int_equal(m.exits[VM_EXIT_MMIO], 50);
    assert_int_equal(reg(&m, X86_RAX),
                     (uint32_t)(reg(&m, X86_RCX) + 50 * 0x11111111ull));
    bt_machine_fini(&m);
}

static void test_shadow_view(void **state)
{
    /* mov eax, [0x40000]; hlt */
    static const uint8_t code[] = {0xa1, 0x00, 0x00, 0x04, 0x00, 0x90, 0xf4};
    struct bt_shadow_view v;
    struct bt_block_view b;
    struct bt_machine m;

    (void)state;
    bt_machine_init(&m, &checked);
    load(&m, BT_MACHINE_CODE, code, sizeof(code));
    bt_shadow_at(&m.vcpu, DATA, &v);
    assert_false(v.mapped);
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    bt_shadow_at(&m.vcpu, DATA, &v);
    assert_true(v.mapped && v.writable && v.large);
    assert_int_equal(v.ram_offset, DATA);
    assert_true(bt_block_at(&m.vcpu, BT_MACHINE_CODE, &b));
    assert_int_equal(b.insns, 3);
    assert_int_equal(b.insn[0].why, BT_REASON_MEMORY);
    assert_int_equal(b.insn[1].why, BT_REASON_NOTHING);
    assert_int_equal(b.insn[1].host_len, 0);
    assert_int_equal(b.insn[2].why, BT_REASON_CALLOUT);
    assert_false(bt_block_at(&m.vcpu, DATA, &b));
    bt_machine_fini(&m);
}

/* 2-level tables at 0x100000: a PTE is changed, then flushed. */
static void test_stale_windows(void **state)
{
    /* mov eax,[0x40000]; mov dword [0x101100], 0x41067; FLUSH;
     * mov edx,[0x40000]; hlt */
    static const uint8_t head[] = {0xa1, 0x00, 0x00, 0x04, 0x00,
                                   0xc7, 0x05, 0x00, 0x11, 0x10,
                                   0x00, 0x67, 0x10, 0x04, 0x00};
    static const uint8_t tail[] = {0x8b, 0x15, 0x00, 0x00, 0x04, 0x00, 0xf4};
    static const uint8_t invlpg[] = {0x0f, 0x01, 0x3d, 0x00, 0x00, 0x04, 0x00};
    static const uint8_t cr3[] = {0x0f, 0x20, 0xdb, 0x0f, 0x22, 0xdb};

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        const uint8_t *flush = way ? cr3 : invlpg;
        size_t n = way ? sizeof(cr3) : sizeof(invlpg);
        uint32_t pde = 0x101067, pte, at = BT_MACHINE_CODE;
        struct bt_machine m;
        struct x86_state st;

        bt_machine_init(&m, &checked);
        load(&m, 0x100000, &pde, 4);
        for (uint32_t i = 0; i < 512; i++) {
            pte = i << 12 | 0x67;
            load(&m, 0x101000 + 4 * i, &pte, 4);
        }
        load(&m, DATA, "AAAA", 4);
        load(&m, DATA + 0x1000, "BBBB", 4);
        load(&m, at, head, sizeof(head));
        load(&m, (uint32_t)(at + sizeof(head)), flush, n);
        load(&m, (uint32_t)(at + sizeof(head) + n), tail, sizeof(tail));
        accel_bt.get_state(&m.vcpu, &st);
        st.cr3 = 0x100000;
        st.cr0 |= X86_CR0_PG | X86_CR0_WP;
        accel_bt.set_state(&m.vcpu, &st);
        assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
        assert_int_equal(reg(&m, X86_RAX), 0x41414141);
        assert_int_equal(reg(&m, X86_RDX), 0x42424242);
        bt_machine_fini(&m);
    }
}

/* An instruction across a page whose second half is remapped. */
static void test_instruction_across_pages(void **state)
{
    /* call 10ffe; mov edx, eax; mov dword [101044], 13067; invlpg [11000];
     * call 10ffe; hlt */
    static const uint8_t code[] = {
        0xe8, 0xf9, 0xef, 0xff, 0xff, 0x89, 0xc2, 0xc7, 0x05, 0x44,
        0x10, 0x10, 0x00, 0x67, 0x30, 0x01, 0x00, 0x0f, 0x01, 0x3d,
        0x00, 0x10, 0x01, 0x00, 0xe8, 0xe1, 0xef, 0xff, 0xff, 0xf4};
    uint32_t pde = 0x101067, pte;
    struct bt_machine m;
    struct x86_state st;

    (void)state;
    bt_machine_init(&m, &checked);
    load(&m, 0x100000, &pde, 4);
    for (uint32_t i = 0; i < 512; i++) {
        pte = i << 12 | 0x67;
        load(&m, 0x101000 + 4 * i, &pte, 4);
    }
    load(&m, 0x12000, code, sizeof(code));
    load(&m, 0x10ffe, "\xb8\x01\x00\x00\x00\xc3", 6); /* mov eax, 1; ret */
    load(&m, 0x13000, "\x00\x00\x01\xc3", 4);
    accel_bt.get_state(&m.vcpu, &st);
    st.rip = 0x12000;
    st.cr3 = 0x100000;
    st.cr0 |= X86_CR0_PG | X86_CR0_WP;
    accel_bt.set_state(&m.vcpu, &st);
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    assert_int_equal(reg(&m, X86_RDX), 1);
    assert_int_equal(reg(&m, X86_RAX), 0x01000001);
    bt_machine_fini(&m);
}

/* What is no instruction without its page's end is not fetched further. */
static void test_undefined_before_a_border(void **state)
{
    static const uint8_t gate[8] = {0, 0, 8, 0, 0, 0x8e, 2, 0};
    uint32_t pde = 0x101067, pte;
    struct bt_machine m;
    struct x86_state st;

    (void)state;
    bt_machine_init(&m, &checked);
    load(&m, 0x100000, &pde, 4);
    for (uint32_t i = 0; i < 512; i++) {
        pte = i << 12 | 0x67;
        load(&m, 0x101000 + 4 * i, &pte, 4);
    }
    pte = 0x11000 | 0x7;
    load(&m, 0x101000 + 4 * 0x11, &pte, 4);
    load(&m, 0x10f00, "\xe9\xf9\x00\x00\x00", 5); /* jmp 10ffe */
    load(&m, 0x10ffe, "\xff\xff", 2);             /* opcode FF /7 */
    load(&m, 0x2000 + X86_UD * 8, gate, 8);
    load(&m, 0x20000, "\xf4", 1);
    accel_bt.get_state(&m.vcpu, &st);
    st.rip = 0x10f00;
    st.cr3 = 0x100000;
    st.cr0 |= X86_CR0_PG | X86_CR0_WP;
    accel_bt.set_state(&m.vcpu, &st);
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    assert_int_equal(m.exits[VM_EXIT_EXCEPTION], 1);
    mem_read(&m.mem, 0x101000 + 4 * 0x11, &pte, 4);
    assert_int_equal(pte, 0x11007);
    bt_machine_fini(&m);
}

static void test_watchpoint(void **state)
{
    /* mov ecx, 100; l: add eax, ecx; loop l; mov [0x40004], eax; nop; hlt */
    static const uint8_t code[] = {0xb9, 0x64, 0x00, 0x00, 0x00, 0x01,
                                   0xc8, 0xe2, 0xfc, 0xa3, 0x04, 0x00,
                                   0x04, 0x00, 0x90, 0xf4};
    struct debug_wp wp = {.gla = DATA + 6, .len = 1, .write = true};
    struct debug_ctl ctl = {.stop_icount = UINT64_MAX, .wps = 1, .wp = &wp};
    struct bt_machine m;
    struct vm_exit e;

    (void)state;
    bt_machine_init(&m, &checked);
    load(&m, BT_MACHINE_CODE, code, sizeof(code));
    assert_int_equal(accel_bt.set_debug(&m.vcpu, &ctl), 0);
    assert_int_equal(accel_bt.run(&m.vcpu, &e), 0);
    assert_int_equal(e.kind, VM_EXIT_DEBUG);
    assert_int_equal(e.u.debug.hits, DEBUG_HIT_WATCH);
    assert_int_equal(e.u.debug.gla, DATA + 6);
    assert_true(e.u.debug.write);
    assert_int_equal(e.rip, BT_MACHINE_CODE + 14);
    assert_int_equal(m.vcpu.icount, 202);
    bt_machine_fini(&m);
}

/* `jmp .` must take the interrupt that a deadline brings. */
static void test_interrupt_in_a_tight_loop(void **state)
{
    static const uint8_t gate[8] = {0, 0, 8, 0, 0, 0x8e, 2, 0};
    struct bt_machine m;
    struct x86_state st;

    (void)state;
    bt_machine_init(&m, &checked);
    load(&m, BT_MACHINE_CODE, "\xfb\xeb\xfe", 3); /* sti; jmp . */
    load(&m, 0x2000 + 0x20 * 8, gate, 8);         /* to 0x20000 */
    load(&m, 0x20000, "\xf4", 1);
    m.vector = 0x20;
    m.vcpu.deadline_ns = 100000;
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_PREEMPT);
    assert_int_equal(m.vcpu.icount, 100000);
    m.irq = true;
    m.vcpu.deadline_ns = UINT64_MAX;
    assert_int_equal(bt_machine_run(&m, UINT64_MAX), VM_EXIT_HLT);
    accel_bt.get_state(&m.vcpu, &st);
    assert_int_equal(st.rip, 0x20001);
    assert_int_equal(m.vcpu.icount, 100001);
    bt_machine_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_writes_itself),
        cmocka_unit_test(test_outside_write),
        cmocka_unit_test(test_code_and_data_on_one_page),
        cmocka_unit_test(test_dma_into_a_hot_loop),
        cmocka_unit_test(test_a20_in_a_hot_loop),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_shadow_view),
        cmocka_unit_test(test_stale_windows),
        cmocka_unit_test(test_instruction_across_pages),
        cmocka_unit_test(test_undefined_before_a_border),
        cmocka_unit_test(test_watchpoint),
        cmocka_unit_test(test_interrupt_in_a_tight_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
