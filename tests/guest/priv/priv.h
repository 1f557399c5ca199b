/*
 * The privileged-behaviour test kernel: what its files share.
 *
 * Each case is a few instructions, run in a ring or mode of their own on a
 * world (GDT, IDT, TSS, page tables, test pages) that is built anew before it.
 * It ends with the first exception, or with INT 30h at its end, and prints
 *
 *     name: v=0e e=0002 cr2=00801ffc ip=+3 eax=...
 *
 * with every general register that is not what it was at the start.  Nothing
 * here depends on time, so that the output of two processors can be compared
 * as text.
 */
#ifndef PRIV_H
#define PRIV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers that C and the cases' assembly share. */
#define NUMBERS(X)                                                             \
    X(T0, 0x800000) /* test pages: present, writable, user */                  \
    X(T1, 0x801000) /* absent */                                               \
    X(T2, 0x802000) /* as T0 */                                                \
    X(T3, 0x803000) /* read-only, user */                                      \
    X(T4, 0x804000) /* writable, supervisor */                                 \
    X(T5, 0x805000) /* read-only, supervisor */                                \
    X(T6, 0x806000) /* absent, as are all that follow */                       \
    X(STACK0, 0x700000)                                                        \
    X(STACK3, 0x710000)                                                        \
    X(STACK_TSS, 0x720000) /* esp0 */                                          \
    X(STACK_TASK, 0x730000)                                                    \
    X(STACK_DF, 0x740000)                                                      \
    X(LOW, 0x20000) /* 16-bit code runs here */                                \
    X(CODE0, 0x08)                                                             \
    X(DATA0, 0x10)                                                             \
    X(CODE3, 0x1b)                                                             \
    X(DATA3, 0x23)                                                             \
    X(TSS_MAIN, 0x28)                                                          \
    X(TSS_DF, 0x30)                                                            \
    X(TSS_B, 0x38)                                                             \
    X(TSS_16, 0x40)                                                            \
    X(LDT, 0x48)                                                               \
    X(LIMITED, 0x53) /* T0, 4 KiB, DPL 3 */                                    \
    X(DOWN16, 0x5b)  /* expand-down, 1000h to FFFFh above T0 - 1000h */        \
    X(DOWN32, 0x63)  /* expand-down, above T1 */                               \
    X(READONLY, 0x6b)                                                          \
    X(EXECONLY, 0x73)                                                          \
    X(CONFORMING, 0x78) /* readable, DPL 0 */                                  \
    X(ABSENT3, 0x83)                                                           \
    X(ABSENT_CODE0, 0x88)                                                      \
    X(GATE32, 0x93) /* to gate_target, two parameters, DPL 3 */                \
    X(GATE_DPL0, 0x98)                                                         \
    X(GATE16, 0xa3) /* to gate_target16, one parameter */                      \
    X(GATE_TASK, 0xab)                                                         \
    X(CODE16, 0xb0)  /* ring 0, at the case's code */                          \
    X(STACK16, 0xb8) /* ring 0, 64 KiB that end at STACK0 */                   \
    X(CODE1, 0xc1)                                                             \
    X(DATA1, 0xc9)                                                             \
    X(GATE_ABSENT, 0xd3)                                                       \
    X(FRESH0, 0xd8)      /* data, never accessed */                            \
    X(SHORT_CODE0, 0xe0) /* limit FFh */                                       \
    X(GATE_NULL, 0xeb)                                                         \
    X(ABSENT_DATA0, 0xf0)                                                      \
    X(STACK16_3, 0xfb) /* ring 3, 64 KiB that end at STACK3 */                 \
    X(BEYOND, 0x100)   /* the first selector outside the GDT */                \
    X(L_DATA0, 0x04)   /* in the LDT: T2, 4 KiB */                             \
    X(DONE, 0x30)

#define X(name, value) N_##name = value,
enum numbers { NUMBERS(X) };
#undef X
#define X(name, value) __asm__(".set " #name ", " #value);
NUMBERS(X)
#undef X

enum mode { RING0, RING1, RING3, V86, CODE16_RING0 };

/* What a case wants besides. */
enum wants {
    SHOW_FLAGS = 1, /* EFLAGS at the end, arithmetic ones included */
    TRACE = 2,      /* #DB and IRQ 0 are noted and resumed, not final */
    BY_TASK = 4,    /* faults go through a task gate */
    SHOW_SEGS = 8,  /* DS, ES, FS, GS, SS, CS */
    SHOW_DR6 = 16,
    SHOW_RF = 32,   /* RF in the pushed EFLAGS */
    SYS_FLAGS = 64, /* EFLAGS without the arithmetic ones */
    USE_LDT = 128,
    SHOW_TR = 256,
    IO_MAP = 512, /* ports 0 to FFh but 80h are open */
};

struct test {
    const char *name;
    const char *code, *end;
    enum mode mode;
    uint32_t eflags; /* besides bit 1 */
    unsigned wants;
    void (*setup)(void);
    void (*after)(void);
};

/*
 * CASE(identifier, mode, eflags, wants, setup, after, "name", "assembly").
 * The assembly may use the NUMBERS; the code of 16-bit modes says .code16.
 */
#define CASE(id, m, fl, w, set, aft, text, assembly)                           \
    extern const char code_##id[], end_##id[];                                 \
    __asm__(".pushsection .text.cases; .p2align 4; code_" #id ": " assembly    \
            "\n end_" #id ": int $0x30; .code32; .popsection");                \
    static const struct test test_##id                                         \
        __attribute__((section(".tests"), used, aligned(4))) = {               \
            .name = text,                                                      \
            .code = code_##id,                                                 \
            .end = end_##id,                                                   \
            .mode = m,                                                         \
            .eflags = fl,                                                      \
            .wants = w,                                                        \
            .setup = set,                                                      \
            .after = aft,                                                      \
    };

#define R0(id, text, assembly) CASE(id, RING0, 0, 0, 0, 0, text, assembly)
#define R3(id, text, assembly) CASE(id, RING3, 0, 0, 0, 0, text, assembly)

/* clang-format off */
#define FL_CF   0x1u
#define FL_ARITH 0x8d5u
#define FL_TF   0x100u
#define FL_IF   0x200u
#define FL_OF   0x800u
#define FL_IOPL(n) ((unsigned)(n) << 12)
#define FL_NT   0x4000u
#define FL_RF   0x10000u
#define FL_VM   0x20000u
#define FL_AC   0x40000u
#define FL_ID   0x200000u

#define CR0_WP  0x10000u
#define CR0_PG  0x80000000u
#define CR4_DE  0x8u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
/* clang-format on */

/* What an exception left, wherever it came from. */
struct record {
    uint32_t vector, error, cr2, eip, cs, eflags, esp, ss;
    uint32_t gpr[8]; /* in encoding order */
    uint32_t ds, es, fs, gs, dr6, tr;
    bool has_error, v86;
};

extern struct record record;
extern uint32_t page_dir[1024];
extern uint32_t page_tables[4][1024];
extern uint32_t *const page_table; /* of T0 and what follows: 1024 entries */

/* world.c */
void world_reset(const struct test *t);
void descriptor(unsigned selector, uint32_t base, uint32_t limit,
                unsigned attr);
uint32_t *descriptor_at(unsigned selector);
void idt_gate(unsigned vector, unsigned attr, unsigned selector,
              const void *offset);
uint8_t *tss_bytes(unsigned selector);
/* Makes ready to run T in the world as it is; then does so. */
void world_prepare(const struct test *t);
void world_enter(void);
/* All of it, and prints the line. */
void run(const struct test *t);

/* out.c */
void put_text(const char *s);
void put_hex(uint32_t value, unsigned digits);
/* " name=value" */
void put_field(const char *name, uint32_t value, unsigned digits);
void put_end(void);
void put_last(void);
void put_init(void);
/*
 * What a case prints is printed once, however often it runs:
 *     put_first(); do { ... } while (put_again());
 * A later run is printed too where it differs from the one before.
 */
void put_repeats(unsigned n);
void put_first(void);
bool put_again(void);

/* The suites that are C loops rather than cases. */
void run_pages(void);
void run_queries(void);
void run_real(void);

/* entry.S */
void enter(const uint32_t *frame);
void resume(void) __attribute__((noreturn));
extern uint32_t stub_table[256];
extern uint8_t sysenter_entry[], df_entry[], gate_target[], gate_target16[],
    task_entry[];
extern uint8_t real_blob[], real_blob_end[];
void real_call(void);

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void invlpg(uint32_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline uint32_t read_cr0(void)
{
    uint32_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline void write_cr0(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline void write_cr3(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline void write_cr4(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline void wrmsr(uint32_t index, uint32_t low, uint32_t high)
{
    __asm__ volatile("wrmsr" : : "c"(index), "a"(low), "d"(high));
}
#endif
