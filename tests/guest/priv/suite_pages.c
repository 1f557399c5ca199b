/*
 * Page rights: every combination of P, R/W, U/S, A, D and NX against WP, the
 * ring and the kind of access, with PAE; and the reserved bits.  One line for
 * each (access, ring, WP, NX); an entry is the fault's error code or "ok",
 * and A and D afterwards.
 */
#include "priv.h"

#define PTE_P  1u
#define PTE_W  2u
#define PTE_U  4u
#define PTE_A  0x20u
#define PTE_D  0x40u
#define PTE_NX (1ull << 63)

static uint64_t pdpt[4] __attribute__((aligned(32)));
static uint64_t pd[512] __attribute__((aligned(4096)));
static uint64_t pt[512] __attribute__((aligned(4096)));

extern const char page_read[], page_write[], page_exec[], page_rmw[];
__asm__(".pushsection .text.cases; .p2align 4;"
        "page_read: mov T1, %eax; int $0x30;"
        "page_write: mov %eax, T1; int $0x30;"
        "page_exec: call T1; int $0x30;"
        "page_rmw: addl $0, T1; int $0x30;"
        ".popsection");

static void pae_on(void)
{
    for (unsigned i = 0; i < 8; i++)
        pd[i] = (uint64_t)i << 21 | 0xe7; /* 2 MiB, user */
    pd[4] = (uint32_t)pt | 0x27;
    for (unsigned i = 0; i < 512; i++)
        pt[i] = (N_T0 + ((uint64_t)i << 12)) | 0x67;
    pdpt[0] = (uint32_t)pd | PTE_P;
    write_cr0(read_cr0() & ~CR0_PG);
    write_cr4(CR4_PAE);
    write_cr3((uint32_t)pdpt);
    wrmsr(0xc0000080, 0x800, 0);
    write_cr0(read_cr0() | CR0_PG);
}

static void pae_off(void)
{
    write_cr0(read_cr0() & ~CR0_PG);
    write_cr4(0);
    wrmsr(0xc0000080, 0, 0);
    write_cr3((uint32_t)page_dir);
    write_cr0(read_cr0() | CR0_PG);
}

static void access_page(const char *code, enum mode mode, bool wp)
{
    struct test t = {.name = "", .code = code, .end = code + 15, .mode = mode};

    world_prepare(&t);
    write_cr0(wp ? read_cr0() | CR0_WP : read_cr0() & ~CR0_WP);
    invlpg(N_T1);
    world_enter();
    write_cr0(read_cr0() | CR0_WP);
}

/* The page holds a RET, also after a case that wrote it. */
static void fresh_page(void)
{
    pd[4] = (uint32_t)pt | 0x27;
    write_cr3((uint32_t)pdpt);
    *(uint32_t *)N_T2 = 0xc3;
}

static void put_outcome(uint64_t entry)
{
    put_text(" ");
    if (record.vector == N_DONE) {
        put_text("ok");
    } else if (record.vector == 14) {
        put_hex(record.error, 2);
        if (record.cr2 != N_T1)
            put_field("cr2", record.cr2, 8);
    } else {
        put_field("v", record.vector, 2);
    }
    put_text(entry & PTE_A ? "A" : "a");
    put_text(entry & PTE_D ? "D" : "d");
}

static void put_title(const char *table, const char *what, enum mode mode,
                      bool wp, bool nx)
{
    put_text(table);
    put_text(what);
    put_text(mode == RING3 ? " ring3" : " ring0");
    put_text(wp ? " WP" : " wp");
    put_text(nx ? " NX:" : " nx:");
}

static void one_line(const char *what, const char *code, enum mode mode,
                     bool wp, bool nx)
{
    put_first();
    do {
        put_title("pages: ", what, mode, wp, nx);
        for (unsigned bits = 0; bits < 32; bits++) {
            uint64_t e = N_T2 | (bits & 7) | (bits & 8 ? PTE_A : 0) |
                         (bits & 16 ? PTE_D : 0) | (nx ? PTE_NX : 0);

            fresh_page();
            pt[1] = e;
            access_page(code, mode, wp);
            put_outcome(pt[1]);
        }
        put_end();
    } while (put_again());
}

/* The directory's rights count as well as the table's. */
static void directory_line(const char *what, const char *code, enum mode mode)
{
    put_first();
    do {
        put_title("directory: ", what, mode, true, false);
        pt[1] = N_T2 | 0x67;
        for (unsigned bits = 0; bits < 8; bits++) {
            uint64_t e = (uint32_t)pt | bits;

            fresh_page();
            pd[4] = e;
            write_cr3((uint32_t)pdpt);
            access_page(code, mode, true);
            put_outcome(pd[4]);
        }
        fresh_page();
        put_end();
    } while (put_again());
}

static void reserved_line(const char *what, uint64_t bit, uint64_t pde)
{
    put_first();
    do {
        put_text("pages: reserved ");
        put_text(what);
        put_text(":");
        fresh_page();
        pt[1] = N_T2 | 0x67 | bit;
        if (pde)
            pd[4] = pde;
        write_cr3((uint32_t)pdpt);
        access_page(page_read, RING0, true);
        put_outcome(pt[1]);
        access_page(page_write, RING3, true);
        put_outcome(pt[1]);
        pt[1] = (N_T2 | 0x66 | bit); /* absent: nothing is reserved */
        access_page(page_read, RING0, true);
        put_outcome(pt[1]);
        fresh_page();
        put_end();
    } while (put_again());
}

void run_pages(void)
{
    static const struct {
        const char *name, *code;
    } accesses[] = {
        {"read", page_read},
        {"write", page_write},
        {"rmw", page_rmw},
        {"exec", page_exec},
    };

    world_reset(NULL);
    pae_on();
    for (unsigned i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++)
        for (unsigned k = 0; k < 8; k++)
            one_line(accesses[i].name, accesses[i].code, k & 4 ? RING3 : RING0,
                     k & 2, k & 1);
    for (unsigned i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
        directory_line(accesses[i].name, accesses[i].code, RING0);
        directory_line(accesses[i].name, accesses[i].code, RING3);
    }
    reserved_line("none", 0, 0);
    reserved_line("pte bit 51", 1ull << 51, 0);
    reserved_line("pte bit 62", 1ull << 62, 0);
    reserved_line("2 MiB pde bit 13", 0, N_T0 | 0x20e7);
    reserved_line("2 MiB pde bit 20", 0, N_T0 | 0x1000e7);
    pae_off();
    world_reset(NULL);
}
