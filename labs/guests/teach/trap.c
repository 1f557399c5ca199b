/*
 * Interrupts and exceptions: the IDT, and who handles which vector.
 * SDM vol. 3A chapter 6.
 */
#include "kernel.h"
#include "x86.h"

#define STUB_SYSCALL 48 /* its place in trap_stubs, behind vectors 0-47 */

#define GATE_INTERRUPT 0x8E00u /* present, ring 0, IF is cleared on entry */
#define GATE_RING3     0x6000u /* programs may use INT n on it */

struct gate {
    uint16_t offset_low, selector, type, offset_high;
};

struct table_register {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

extern const uint32_t trap_stubs[];

static struct gate idt[SYS_VECTOR + 1];

/* clang-format off */
static const char *const exception_name[VECTOR_IRQ0] = {
    [0] = "divide error",        [1] = "debug",
    [2] = "NMI",                 [3] = "breakpoint",
    [4] = "overflow",            [5] = "bound range exceeded",
    [6] = "invalid opcode",      [7] = "no coprocessor",
    [8] = "double fault",        [10] = "invalid TSS",
    [11] = "segment not present", [12] = "stack fault",
    [13] = "general protection", [14] = "page fault",
    [16] = "x87 error",          [17] = "alignment check",
    [18] = "machine check",      [19] = "SIMD error",
};
/* clang-format on */

static bool from_user(const struct trap_frame *tf)
{
    return (tf->cs & 3) == 3;
}

static void set_gate(unsigned vector, uint32_t stub, uint32_t type)
{
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)stub,
        .selector = SEL_KERNEL_CODE,
        .type = (uint16_t)type,
        .offset_high = (uint16_t)(stub >> 16),
    };
}

void trap_init(void)
{
    struct table_register idtr = {sizeof(idt) - 1, (uint32_t)idt};

    for (unsigned v = 0; v < STUB_SYSCALL; v++) {
        /* INT3 and INTO are a program's to use, the others the processor's. */
        uint32_t ring = v == 3 || v == 4 ? GATE_RING3 : 0;

        set_gate(v, trap_stubs[v], GATE_INTERRUPT | ring);
    }
    set_gate(SYS_VECTOR, trap_stubs[STUB_SYSCALL], GATE_INTERRUPT | GATE_RING3);
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

/* A program did what it must not: say what, and end it. */
static void end_program(const struct trap_frame *tf)
{
    kprintf("%s (pid %d): %s at eip %08x, error code %x\n", proc_current->name,
            proc_current->pid, exception_name[tf->vector], tf->eip, tf->error);
    if (tf->vector == VECTOR_PF) {
        kprintf("  %s %08x: %s\n", tf->error & PTE_W ? "write to" : "read of",
                read_cr2(),
                tf->error & PTE_P ? "the page forbids it" : "nothing is there");
    }
    proc_exit(STATUS_EXCEPTION + (int)tf->vector);
}

static void handle_exception(struct trap_frame *tf)
{
    if (!exception_name[tf->vector]) {
        panic("vector %u", tf->vector);
    }
    if (!from_user(tf)) {
        panic("%s in the kernel at eip %08x, error code %x",
              exception_name[tf->vector], tf->eip, tf->error);
    }
    end_program(tf);
}

static void handle_page_fault(struct trap_frame *tf)
{
    uint32_t va = read_cr2();

    /* The kernel, too, may be the first to touch a program's page. */
    if (va < KERNEL_BASE && space_fault(&proc_current->space, va, tf->error)) {
        proc_current->faults++;
        return;
    }
    if (!from_user(tf)) {
        panic("page fault in the kernel at eip %08x, address %08x, error %x",
              tf->eip, va, tf->error);
    }
    end_program(tf);
}

static void handle_irq(struct trap_frame *tf)
{
    irq_handle(tf->vector - VECTOR_IRQ0);
    if (tf->vector == VECTOR_IRQ0 + IRQ_TIMER && from_user(tf)) {
        proc_current->ticks++;
        proc_yield(); /* preemption is this line */
    }
}

void trap_entry(struct trap_frame *tf)
{
    if (tf->vector == SYS_VECTOR) {
        syscall_handle(tf);
    } else if (tf->vector == VECTOR_PF) {
        handle_page_fault(tf);
    } else if (tf->vector >= VECTOR_IRQ0) {
        handle_irq(tf);
    } else {
        handle_exception(tf);
    }
    if (proc_current->killed && from_user(tf)) {
        proc_exit(STATUS_KILLED);
    }
}
