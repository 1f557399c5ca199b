/* The guest side of a sequence: page tables, memory, registers. */
#include <string.h>

#include "tests/diff/diff.h"

#define RAM_SIZE (1u << 20)
#define PD_GPA   0x1000u
#define PT_GPA   0x2000u /* one page table for each area */

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)

/* The supervisor's page: tables, its stack, the one handler. */
#define SYS_GDT     DIFF_SYS
#define SYS_TSS     (DIFF_SYS + 0x100)
#define SYS_IDT     (DIFF_SYS + 0x200)
#define SYS_VECTORS 32u
#define SYS_HANDLER (DIFF_SYS + 0x400)
#define SYS_STACK   (DIFF_SYS + 0xff0)

static const struct area {
    uint32_t gla, pages;
} areas[] = {
    {DIFF_CODE, DIFF_CODE_PAGES},
    {DIFF_RO, 1 + DIFF_DATA_PAGES},
    {DIFF_STACK, DIFF_STACK_PAGES},
    {DIFF_SYS, 1},
};
#define AREA_SYS 3u

/* Neighbours in linear memory are not neighbours in physical memory. */
static uint32_t page_gpa(unsigned area, unsigned page)
{
    return 0x10000u + (area * 16 + (page * 7 + 3) % 16) * DIFF_PAGE;
}

static void copy_area(struct mem *mem, unsigned area, unsigned first,
                      unsigned pages, void *buf, bool in)
{
    uint8_t *p = buf;

    for (unsigned i = 0; i < pages; i++, p += DIFF_PAGE) {
        uint8_t *ram = mem->base + page_gpa(area, first + i);

        if (in)
            memcpy(ram, p, DIFF_PAGE);
        else
            memcpy(p, ram, DIFF_PAGE);
    }
}

static void put32(struct mem *mem, uint32_t gpa, uint32_t value)
{
    memcpy(mem->base + gpa, &value, 4);
}

static void map_all(struct mem *mem)
{
    for (unsigned a = 0; a < ARRAY_SIZE(areas); a++) {
        uint32_t pt = PT_GPA + a * DIFF_PAGE;

        put32(mem, PD_GPA + (areas[a].gla >> 22) * 4,
              pt | PTE_P | PTE_W | PTE_U);
        for (unsigned i = 0; i < areas[a].pages; i++) {
            uint32_t gla = areas[a].gla + i * DIFF_PAGE;
            uint32_t pte = page_gpa(a, i) | PTE_P;

            if (gla != DIFF_RO)
                pte |= PTE_W;
            if (a != AREA_SYS)
                pte |= PTE_U;
            put32(mem, pt + (gla >> 12 & 1023) * 4, pte);
        }
    }
}

/* Flat segments for both rings, a TSS, an IDT that leads to a HLT. */
static void make_system(struct mem *mem)
{
    static const uint64_t gdt[] = {
        0,
        0x00cf9b000000ffff,
        0x00cf93000000ffff,
        0,
        0x00cffb000000ffff,
        0x00cff3000000ffff,
        0x00008b0000000067 | (SYS_TSS & 0xffffffull) << 16 |
            (SYS_TSS & 0xff000000ull) << 32,
    };
    static const uint8_t handler[] = {0xf4, 0xeb, 0xfd}; /* hlt; jmp */
    uint32_t gpa = page_gpa(AREA_SYS, 0);

    memcpy(mem->base + gpa, gdt, sizeof(gdt));
    put32(mem, gpa + (SYS_TSS - DIFF_SYS) + 4, SYS_STACK);
    put32(mem, gpa + (SYS_TSS - DIFF_SYS) + 8, 0x10);
    for (uint32_t v = 0; v < SYS_VECTORS; v++) {
        uint32_t gate = gpa + (SYS_IDT - DIFF_SYS) + 8 * v;

        put32(mem, gate, 8u << 16 | (SYS_HANDLER & 0xffff));
        put32(mem, gate + 4, (SYS_HANDLER & 0xffff0000u) | 0x8e00);
    }
    memcpy(mem->base + gpa + (SYS_HANDLER - DIFF_SYS), handler,
           sizeof(handler));
}

bool diff_machine_frame(const struct diff_machine *m, struct x86_state *st,
                        bool has_error)
{
    uint32_t frame[5], esp = (uint32_t)st->gpr[X86_RSP];

    if (has_error)
        esp += 4;
    if (esp != SYS_STACK - sizeof(frame))
        return false;
    memcpy(frame, m->mem.base + page_gpa(AREA_SYS, 0) + (esp - DIFF_SYS),
           sizeof(frame));
    st->rip = frame[0];
    st->rflags = frame[2];
    st->gpr[X86_RSP] = frame[3];
    return true;
}

int diff_machine_init(struct diff_machine *m)
{
    int err = mem_init(&m->mem, RAM_SIZE);

    if (err < 0)
        return err;
    mem_add_slot(&m->mem, "ram", 0, RAM_SIZE, 0, false);
    map_all(&m->mem);
    make_system(&m->mem);
    return 0;
}

void diff_machine_fini(struct diff_machine *m)
{
    mem_fini(&m->mem);
}

static void load_segments(struct x86_state *st, uint32_t base)
{
    uint16_t attr = (uint16_t)(X86_SEG_P | 3u << 5 | X86_SEG_S | X86_SEG_RW |
                               X86_SEG_ACCESSED | X86_SEG_G | X86_SEG_DB);

    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        st->seg[i] = (struct x86_seg){
            .selector = 0x2b,
            .attr = attr,
            .base = i <= X86_DS ? base : 0,
            .limit = i <= X86_DS ? diff_limit(base) << 12 | 0xfff : 0xffffffff,
        };
    st->seg[X86_CS].base = 0;
    st->seg[X86_CS].limit = 0xffffffff;
    st->seg[X86_CS].selector = 0x23;
    st->seg[X86_CS].attr |= X86_SEG_CODE;
    st->gdt = (struct x86_table){SYS_GDT, 7 * 8 - 1};
    st->idt = (struct x86_table){SYS_IDT, SYS_VECTORS * 8 - 1};
    st->tr = (struct x86_seg){
        .selector = 0x30,
        .attr = X86_SEG_P | 0xb,
        .base = SYS_TSS,
        .limit = 0x67,
    };
}

static void load_memory(struct diff_machine *m, const struct diff_seq *seq)
{
    static const uint32_t pages = 1 + DIFF_DATA_PAGES;
    uint32_t buf[(1 + DIFF_DATA_PAGES) * DIFF_PAGE / 4];
    uint64_t seed = (uint64_t)seq->seed_hi << 32 | seq->seed_lo;
    uint8_t code[DIFF_CODE_PAGES * DIFF_PAGE];

    map_all(&m->mem); /* accessed and dirty bits clear */
    diff_fill(buf, pages * DIFF_PAGE / 4, seed);
    copy_area(&m->mem, 1, 0, pages, buf, true);
    diff_fill(buf, DIFF_STACK_PAGES * DIFF_PAGE / 4, ~seed);
    copy_area(&m->mem, 2, 0, DIFF_STACK_PAGES, buf, true);
    memset(code, 0xf4, sizeof(code)); /* HLT */
    memcpy(code + (seq->code_at - DIFF_CODE), seq->code, seq->code_len);
    copy_area(&m->mem, 0, 0, DIFF_CODE_PAGES, code, true);
}

void diff_machine_load(struct diff_machine *m, const struct diff_seq *seq)
{
    struct x86_state *st = &m->st;

    load_memory(m, seq);
    x86_state_reset(st);
    load_segments(st, seq->base);
    st->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP | X86_CR0_NE | X86_CR0_ET;
    st->cr3 = PD_GPA;
    st->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    st->rip = seq->code_at;
    st->rflags = seq->eflags;
    for (unsigned i = 0; i < 8; i++)
        st->gpr[i] = seq->gpr[i];
    memcpy(st->fxsave, seq->fxsave, 288);
}

void diff_machine_store(const struct diff_machine *m,
                        const struct diff_end *end, struct diff_result *r)
{
    const struct x86_state *st = &m->st;
    struct mem mem = m->mem;

    r->vector = end->vector;
    r->error = end->error;
    r->cr2 = end->cr2;
    r->eip = (uint32_t)st->rip;
    r->eflags = (uint32_t)st->rflags;
    for (unsigned i = 0; i < 8; i++)
        r->gpr[i] = (uint32_t)st->gpr[i];
    memcpy(r->fxsave, st->fxsave, sizeof(r->fxsave));
    copy_area(&mem, 1, 0, 1 + DIFF_DATA_PAGES, r->memory, false);
    copy_area(&mem, 2, 0, DIFF_STACK_PAGES,
              r->memory + (size_t)(1 + DIFF_DATA_PAGES) * DIFF_PAGE, false);
}
