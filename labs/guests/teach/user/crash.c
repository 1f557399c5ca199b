/* Does what a program must not, one way each; the kernel must survive all. */
#include "user.h"

static int sink;

static void read_null(void)
{
    sink = *(volatile int *)(uintptr_t)sink;
}

static void read_kernel(void)
{
    sink = *(volatile int *)0xC0100000;
}

static void write_text(void)
{
    *(volatile uint8_t *)(uintptr_t)write_text = 0x90;
}

static void jump_nowhere(void)
{
    ((void (*)(void))0x08000000)();
}

/* As good as endless, and no tail call: what comes back is used. */
static int recurse(volatile int depth)
{
    return depth < 0 ? 0 : depth + recurse(depth + 1);
}

static void overflow_stack(void)
{
    sink = recurse(0);
}

static void opcode(void)
{
    __asm__ volatile("ud2");
}

static void privileged(void)
{
    __asm__ volatile("hlt");
}

static void port(void)
{
    __asm__ volatile("outb %al, $0xF4");
}

static void selector(void)
{
    __asm__ volatile("mov %w0, %%es" : : "r"(0x10));
}

static void breakpoint(void)
{
    __asm__ volatile("int3");
}

static void reserved_vector(void)
{
    __asm__ volatile("int $14");
}

static const struct {
    const char *name;
    void (*run)(void);
} way[] = {
    {"null", read_null},        {"kernel", read_kernel},
    {"text", write_text},       {"jump", jump_nowhere},
    {"stack", overflow_stack},  {"opcode", opcode},
    {"hlt", privileged},        {"port", port},
    {"selector", selector},     {"int3", breakpoint},
    {"int14", reserved_vector},
};

int main(int argc, char **argv)
{
    for (unsigned i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
        if (argc < 2) {
            printf("%s ", way[i].name);
        } else if (str_equal(argv[1], way[i].name)) {
            way[i].run();
        }
    }
    printf("\n");
    return 0;
}
