/*
 * Random instruction sequences, translated and emulated side by side: all
 * registers, flags, FPU state, memory and exits must be equal wherever they
 * are stopped.  The program is a seed: RINGSIDE_SEED and RINGSIDE_ROUNDS
 * override the default few.
 */
#include <Zydis/Zydis.h>

#include "tests/unit/accel/bt/bt_machine.h"

#define PROGRAM_INSNS 40u
#define STOP_MAX      400u
#define DATA          0x40000u
#define HANDLER       0x3000u

#define TSS         0x4000u
#define RING0_STACK 0x7e000u
#define TABLES      0x100000u /* CR3; then PDs and PTs */
#define PT32        (TABLES + 0x1000)
#define PD_PAE      (TABLES + 0x2000)
#define PT_PAE      (TABLES + 0x3000)

#define GDT      0x1000u
#define SEG_BASE 6u /* GDT index of ES; CS, SS, DS, FS, GS follow */

enum rig_paging { NO_PAGING, PAGING_32, PAGING_PAE };
enum rig_mode { FLAT32, REAL, V86, PROT16, BASED32 };

struct rig {
    enum rig_paging paging;
    enum rig_mode mode;
    bool user, a20_off;
    uint32_t here; /* linear address of the instruction being made */
    struct x86_seg cs;
    struct bt_machine m[2]; /* translated, emulated */
    uint64_t log[2];        /* hash of the exits seen */
    uint8_t pristine[BT_MACHINE_RAM];
    uint64_t seed;
    ZydisDecoder decoder;
};

static struct rig rig;

static uint64_t next_random(void)
{
    rig.seed ^= rig.seed << 13;
    rig.seed ^= rig.seed >> 7;
    rig.seed ^= rig.seed << 17;
    return rig.seed * 0x2545f4914f6cdd1dull;
}

static uint32_t random_below(uint32_t n)
{
    return (uint32_t)((next_random() >> 33) % n);
}

static void mix(unsigned which, uint64_t v)
{
    rig.log[which] = (rig.log[which] ^ v) * 0x100000001b3ull;
    if (getenv("RINGSIDE_LIST"))
        printf("%s: %llx\n", which ? "emu" : "bt", (unsigned long long)v);
}

static enum run_next log_exit(struct bt_machine *m, struct vm_exit *e)
{
    unsigned which = m == &rig.m[1];

    switch (e->kind) {
    case VM_EXIT_PIO:
        mix(which, (uint64_t)e->u.pio.port << 16 | e->icount);
        if (!e->u.pio.out)
            memset(e->u.pio.data, 0x5a, e->u.pio.size * e->u.pio.count);
        break;
    case VM_EXIT_MMIO:
        mix(which, e->u.mmio.gpa);
        mix(which, e->icount);
        if (!e->u.mmio.write)
            memset(e->u.mmio.data, (int)e->u.mmio.gpa, e->u.mmio.size);
        break;
    case VM_EXIT_EXCEPTION:
        mix(which, e->u.exception.vector + (e->icount << 8));
        break;
    default:
        break;
    }
    return RUN_AGAIN;
}

static unsigned put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
    return 4;
}

/* Changes a page-table entry in a random way and flushes it properly. */
static unsigned remap_code(uint8_t *p)
{
    static const uint8_t bits[] = {0x01, 0x02, 0x04, 0x20, 0x40, 0x60};
    uint32_t page = DATA / 4096 + random_below(4), entry;
    unsigned n = 0;

    entry = rig.paging == PAGING_32 ? PT32 + 4 * page : PT_PAE + 8 * page;
    p[n++] = 0x83; /* xor dword [entry], bits */
    p[n++] = 0x35;
    n += put32(p + n, entry);
    p[n++] = bits[random_below(sizeof(bits))];
    if (random_below(2)) { /* invlpg [page] */
        p[n++] = 0x0f, p[n++] = 0x01, p[n++] = 0x3d;
        n += put32(p + n, page * 4096 + random_below(4096));
    } else { /* mov eax, cr3; mov cr3, eax; xor eax, eax */
        memcpy(p + n, "\x0f\x20\xd8\x0f\x22\xd8\x31\xc0", 8);
        n += 8;
    }
    return n;
}

/*
 * An MMX store that faults leaves TOP 0 on some processors, and the emulator
 * does not: not for us to judge.
 */
static bool is_mmx_store(const ZydisDecodedOperand *op)
{
    return op[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
           op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           ZydisRegisterGetClass(op[1].reg.value) == ZYDIS_REGCLASS_MMX;
}

static bool code16(void)
{
    return rig.mode != FLAT32 && rig.mode != BASED32;
}

/* JMP or CALL to what follows, by another segment of the same bytes. */
static unsigned far_branch(uint8_t *p)
{
    uint32_t next = rig.here + 5, base = rig.cs.base & 0xffff0;

    base -= 16 * random_below(16) & base;
    if (next - base > 0xffff)
        return 0;
    p[0] = random_below(2) ? 0xea : 0x9a;
    p[1] = (uint8_t)(next - base), p[2] = (uint8_t)((next - base) >> 8);
    p[3] = (uint8_t)(base >> 4), p[4] = (uint8_t)(base >> 12);
    return 5;
}

/* Memory through EBX or EBP, or BX or BP, + 8 bits: the data, mostly. */
static uint8_t data_modrm(uint8_t random)
{
    if (code16())
        return (uint8_t)(0x46 | (random & 0x38) | random_below(2));
    return (uint8_t)(0x43 | (random & 0x38) | (random_below(2) ? 6 : 0));
}

/* A REP may not take for ever: MOV ECX or CX in front of it. */
static unsigned with_count(uint8_t *p, unsigned length)
{
    unsigned extra = code16() ? 3 : 5;

    memmove(p + extra, p, length);
    p[0] = 0xb9;
    p[1] = (uint8_t)random_below(100);
    memset(p + 2, 0, extra - 2);
    return length + extra;
}

/* One more instruction at P, at most 15 bytes; its length. */
static unsigned random_insn(uint8_t *p)
{
    static const uint8_t common[] = {
        0x01, 0x03, 0x29, 0x2b, 0x31, 0x33, 0x39, 0x3b, 0x85, 0x89, 0x8b,
        0x8d, 0xc7, 0x81, 0x83, 0xff, 0xf7, 0xd3, 0xc1, 0x50, 0x58, 0x68,
        0x40, 0x48, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0xd8, 0xd9, 0xdb, 0xdc,
        0xdd, 0xde, 0xdf, 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xae, 0xa6, 0x74,
        0x75, 0x72, 0xe8, 0xc3, 0x9c, 0x9d, 0xfa, 0xfb, 0xc9, 0x06, 0x07,
        0x1e, 0x1f, 0x8e, 0x8c, 0x86, 0x87, 0x88, 0x8a, 0xf6, 0x80, 0xa1};
    static const uint8_t prefix[] = {0x66, 0x66, 0xf2, 0xf3, 0xf0, 0x67,
                                     0x64, 0x65, 0x3e, 0x36, 0x2e};
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];

    if (random_below(50) == 0) {
        memcpy(p, "\x0f\x31", 2); /* RDTSC */
        return 2;
    }
    if ((rig.mode == REAL || rig.mode == V86) && random_below(12) == 0 &&
        far_branch(p))
        return 5;
    if (rig.mode == FLAT32 && rig.paging && !rig.user && random_below(8) == 0)
        return remap_code(p);
    for (;;) {
        unsigned n = 0;
        for (unsigned i = 0; i < 15; i++)
            p[i] = (uint8_t)next_random();
        while (n < 3 && random_below(5) == 0)
            p[n++] = prefix[random_below(sizeof(prefix))];
        if (random_below(4))
            p[n] = common[random_below(sizeof(common))];
        if (random_below(3) && p[n] != 0x0f)
            p[n + 1] = data_modrm(p[n + 1]);
        else if (random_below(2) && p[n] == 0x0f)
            p[n + 2] = data_modrm(p[n + 2]);
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(&rig.decoder, p, 15, &insn, op)))
            continue;
        if (insn.mnemonic == ZYDIS_MNEMONIC_HLT ||
            insn.mnemonic == ZYDIS_MNEMONIC_SYSRET || is_mmx_store(op) ||
            insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
            continue;
        if (insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
            op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
            (op[0].imm.value.s < -60 || op[0].imm.value.s > 60))
            continue;
        if (insn.meta.category == ZYDIS_CATEGORY_STRINGOP ||
            insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP)
            return with_count(p, insn.length);
        return insn.length;
    }
}

static void set_gate(struct mem *mem, unsigned vector)
{
    uint64_t gate = (uint64_t)HANDLER | 8u << 16 | 0x8e00ull << 32;

    mem_write(mem, 0x2000 + vector * 8, &gate, 8);
}

static void write_both(uint32_t at, const void *p, size_t n)
{
    mem_write(&rig.m[0].mem, at, p, n);
    mem_write(&rig.m[1].mem, at, p, n);
}

/* The entry for PAGE: itself, with rights that surprise now and then. */
static uint64_t random_entry(uint32_t page)
{
    uint64_t e = (uint64_t)page << 12 | 0x7 | (next_random() & 0x160);
    bool data = page >= DATA / 4096 && page < DATA / 4096 + 8;

    if (page < 8 || (page >= TABLES / 4096 && page < TABLES / 4096 + 8))
        return (uint64_t)page << 12 | 0x63; /* ours */
    if (page == RING0_STACK / 4096 || page == RING0_STACK / 4096 - 1)
        return (uint64_t)page << 12 | 0x63;
    if (data && random_below(3) == 0) /* another frame */
        e ^= (uint64_t)random_below(8) << 12;
    if (random_below(8) == 0)
        e &= ~(uint64_t)BIT(random_below(3));
    if (data && rig.paging == PAGING_PAE && random_below(4) == 0)
        e |= BIT64(63);
    return e;
}

static void make_tables(struct x86_state *st)
{
    for (uint32_t page = 0; page < 512; page++) {
        uint64_t e = random_entry(page);
        if (rig.paging == PAGING_32)
            write_both(PT32 + 4 * page, &e, 4);
        else
            write_both(PT_PAE + 8 * page, &e, 8);
    }
    if (rig.paging == PAGING_32) {
        uint32_t pde[4] = {PT32 | 7, 0x87, PT32 | 0x27, 0xe5};
        write_both(TABLES, pde, sizeof(pde));
    } else {
        uint64_t pdpte[4] = {PD_PAE | 1, PD_PAE | 1, 0, 0};
        uint64_t pde[4] = {PT_PAE | 7, 0x87, PT_PAE | 0x27, 0xe5};
        write_both(TABLES, pdpte, sizeof(pdpte));
        write_both(PD_PAE, pde, sizeof(pde));
        memcpy(st->pdpte, pdpte, sizeof(pdpte));
        st->cr4 |= X86_CR4_PAE;
        st->efer |= X86_EFER_NXE;
    }
    st->cr4 |= X86_CR4_PSE | (random_below(2) ? X86_CR4_PGE : 0);
    st->cr0 |= X86_CR0_PG | (random_below(2) ? X86_CR0_WP : 0);
    st->cr3 = TABLES;
}

static void make_ring3(struct x86_state *st)
{
    uint32_t tss[3] = {0, RING0_STACK, 0x10};

    write_both(TSS, tss, sizeof(tss));
    st->tr = (struct x86_seg){
        .selector = 0x28, .base = TSS, .limit = 0x67, .attr = X86_SEG_P | 0xb};
}

/* ---- segments ----------------------------------------------------------- */

static struct x86_seg real_segment(uint32_t base)
{
    return (struct x86_seg){
        .selector = (uint16_t)(base >> 4),
        .base = base & ~15u,
        .limit = 0xffff,
        .attr = X86_SEG_P | X86_SEG_S | X86_SEG_RW | X86_SEG_ACCESSED |
                (rig.mode == V86 ? 3u << 5 : 0),
    };
}

/* A data segment of any kind; its descriptor may be loaded again. */
static struct x86_seg random_segment(uint32_t base, unsigned cpl)
{
    struct x86_seg s = {
        .base = base - random_below(64),
        .limit = random_below(3) ? 0xffff : 0x1000 + random_below(0x2000),
        .attr = (uint16_t)(X86_SEG_P | X86_SEG_S | X86_SEG_RW |
                           X86_SEG_ACCESSED | cpl << 5),
    };

    if (random_below(4) == 0) {
        s.limit = 0xffffffff;
        s.attr |= X86_SEG_G;
    } else if (random_below(8) == 0) {
        s.attr &= (uint16_t)~X86_SEG_RW;
    } else if (random_below(8) == 0) {
        s.limit = random_below(0x1000);
        s.attr |= X86_SEG_EC;
    }
    if (random_below(2))
        s.attr |= X86_SEG_DB;
    return s;
}

static void put_descriptor(unsigned index, const struct x86_seg *s)
{
    uint32_t limit = s->attr & X86_SEG_G ? s->limit >> 12 : s->limit;
    uint64_t d = (limit & 0xffff) | (s->base & 0xffffff) << 16 |
                 (uint64_t)(s->attr & 0xf0ff) << 40 |
                 (uint64_t)(limit >> 16 & 0xf) << 48 |
                 (s->base >> 24 & 0xff) << 56;

    write_both(GDT + index * 8, &d, 8);
}

static void protected_segments(struct x86_state *st, uint32_t at)
{
    static const uint32_t bases[] = {
        DATA, 0, BT_MACHINE_TOP - 0x1000, DATA, DATA + 0x1000, DATA + 0x2000};
    unsigned cpl = rig.user ? 3 : random_below(8) ? 0 : 1 + random_below(2);

    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        struct x86_seg *s = &st->seg[i];
        *s = random_segment(bases[i], cpl);
        if (i == X86_SS) {
            s->attr |= X86_SEG_RW;
            s->attr &= (uint16_t)~X86_SEG_EC;
        }
        if (i == X86_CS) {
            s->base = at - random_below(0x200);
            s->limit = random_below(4) ? 0xffff : 0x200 + random_below(0x100);
            s->attr = (uint16_t)(X86_SEG_P | X86_SEG_S | X86_SEG_CODE |
                                 X86_SEG_ACCESSED | cpl << 5 |
                                 (random_below(4) ? X86_SEG_RW : 0) |
                                 (rig.mode == BASED32 ? X86_SEG_DB : 0));
        }
        s->selector = (uint16_t)((SEG_BASE + i) * 8 | cpl);
        put_descriptor(SEG_BASE + i, s);
    }
    st->gdt.limit = (SEG_BASE + X86_SREG_COUNT) * 8 - 1;
    st->rip = at - st->seg[X86_CS].base;
}

static void real_segments(struct x86_state *st, uint32_t at)
{
    static const uint32_t bases[] = {
        DATA, 0, BT_MACHINE_TOP - 0x1000, DATA, DATA + 0x1000, 0xffff0};
    uint32_t code = at - random_below(0x400);

    if (random_below(8) == 0) /* at the end of the segment */
        code = at - 0xffff + random_below(100);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        st->seg[i] = real_segment(i == X86_CS ? code : bases[i]);
    if (random_below(8) == 0) /* "unreal" */
        st->seg[X86_DS].limit = 0xffffffff;
    st->rip = at - st->seg[X86_CS].base;
}

/* The flat STATE becomes one of rig.mode, with its code at AT. */
static void make_mode(struct x86_state *st, uint32_t at)
{
    uint32_t vector = (HANDLER >> 4) << 16;

    if (rig.mode == PROT16 || rig.mode == BASED32)
        protected_segments(st, at);
    else
        real_segments(st, at);
    if (rig.mode == V86)
        st->rflags |= X86_EFLAGS_VM | (random_below(2) ? X86_EFLAGS_IOPL : 0);
    if (rig.mode == REAL) {
        st->cr0 &= ~(uint64_t)X86_CR0_PE;
        st->idt.base = 0, st->idt.limit = 0x3ff;
        for (unsigned i = 0; i < 256; i++)
            write_both(i * 4, &vector, 4);
    }
    st->gpr[X86_RSP] = 0x1000 - 2 * random_below(64);
    if (random_below(8) == 0) /* SP wraps */
        st->gpr[X86_RSP] = random_below(24) | (next_random() & 0xffff0000);
    st->gpr[X86_RBX] = 0x1000 - random_below(0x40);
    st->gpr[X86_RBP] = 0x2000 - random_below(0x40);
    if (random_below(8) == 0) /* offsets wrap */
        st->gpr[X86_RBX] = 0xffff - random_below(0x20);
    for (unsigned i = X86_RSI; i <= X86_RDI; i++)
        st->gpr[i] = random_below(4) ? random_below(0x3000) : next_random();
    for (unsigned i = 0; i < 8; i++)
        st->gpr[i] = (uint32_t)st->gpr[i];
}

static void list_program(const uint8_t *code, unsigned len, uint64_t at)
{
    ZydisDisassembledInstruction d;

    for (unsigned n = 0; n < len; n += d.info.length) {
        if (ZYAN_FAILED(
                ZydisDisassembleIntel(code16() ? ZYDIS_MACHINE_MODE_LEGACY_16
                                               : ZYDIS_MACHINE_MODE_LEGACY_32,
                                      at + n, code + n, len - n, &d)))
            break;
        printf("%08llx  %s\n", (unsigned long long)(at + n), d.text);
    }
}

static void make_program(struct x86_state *st)
{
    uint8_t code[24 * PROGRAM_INSNS + 32];
    unsigned n = 0, at = BT_MACHINE_CODE;

    if (random_below(4) == 0) /* over a page border */
        at += 0x1000 - random_below(60);
    bt_machine_flat(st, rig.user ? 3 : 0);
    if (rig.mode == REAL || rig.mode == V86)
        rig.cs = real_segment(at);
    for (unsigned i = 0; i < PROGRAM_INSNS; i++) {
        rig.here = at + n;
        n += random_insn(code + n);
    }
    code[n++] = 0xf4;
    if (getenv("RINGSIDE_LIST"))
        list_program(code, n, at);
    st->rip = at;
    for (unsigned i = 0; i < 8; i++)
        st->gpr[i] = random_below(3) ? (uint32_t)next_random()
                                     : DATA + random_below(0x2000);
    st->gpr[X86_RSP] = BT_MACHINE_TOP - 4 * random_below(64);
    st->gpr[X86_RBX] = DATA + 0x1000 - random_below(0x40);
    st->gpr[X86_RBP] = DATA + 0x2000 - random_below(0x40);
    st->gpr[X86_RCX] = random_below(2) ? random_below(40) : st->gpr[X86_RCX];
    if (random_below(2))
        st->gpr[X86_RSI] = DATA + random_below(0x3000);
    if (random_below(2))
        st->gpr[X86_RDI] = DATA + random_below(0x3000);
    st->rflags = X86_EFLAGS_RES1 | (next_random() & X86_EFLAGS_ARITH);
    for (unsigned i = 0; i < 2; i++) {
        struct mem *mem = &rig.m[i].mem;
        memcpy(mem->base, rig.pristine, BT_MACHINE_RAM);
        mem->on_write ? mem->on_write(mem->on_write_opaque, 0, BT_MACHINE_RAM)
                      : (void)0;
        mem_write(mem, at, code, n);
    }
    if (rig.paging)
        make_tables(st);
    if (rig.mode != FLAT32)
        make_mode(st, at);
    if (rig.user || rig.mode != FLAT32)
        make_ring3(st);
}

static void print_state(const char *who, const struct x86_state *st)
{
    printf("%s: rip %08llx flags %08llx", who, (unsigned long long)st->rip,
           (unsigned long long)st->rflags);
    for (unsigned i = 0; i < 8; i++)
        printf(" %08llx", (unsigned long long)st->gpr[i]);
    printf("\n");
}

/*
 * Equal memory, but for accessed bits: of an instruction's two operands, one
 * of which faults, either may have been walked first.
 */
static bool same_memory(void)
{
    const uint8_t *a = rig.m[0].mem.base, *b = rig.m[1].mem.base;
    const uint32_t after = TABLES + 0x4000;
    unsigned size = rig.paging == PAGING_PAE ? 8 : 4;

    if (!rig.paging)
        return memcmp(a, b, BT_MACHINE_RAM) == 0;
    for (uint32_t i = TABLES; i < after; i++)
        if ((a[i] ^ b[i]) & (i % size ? 0xff : 0xdf))
            return false;
    return memcmp(a, b, TABLES) == 0 &&
           memcmp(a + after, b + after, BT_MACHINE_RAM - after) == 0;
}

static bool same_state(uint64_t seed, unsigned stop)
{
    struct x86_state st[2];
    bool same;

    for (unsigned i = 0; i < 2; i++)
        accel_bt.get_state(&rig.m[i].vcpu, &st[i]);
    same = memcmp(&st[0], &st[1], sizeof(st[0])) == 0 && same_memory() &&
           rig.m[0].vcpu.icount == rig.m[1].vcpu.icount &&
           rig.log[0] == rig.log[1];
    if (same)
        return true;
    printf("seed %#llx: differs at stop %u\n", (unsigned long long)seed, stop);
    print_state("bt ", &st[0]);
    print_state("emu", &st[1]);
    printf("icount %llu %llu, log %llx %llx\n",
           (unsigned long long)rig.m[0].vcpu.icount,
           (unsigned long long)rig.m[1].vcpu.icount,
           (unsigned long long)rig.log[0], (unsigned long long)rig.log[1]);
    for (size_t i = 0; i < sizeof(st[0]); i++)
        if (((uint8_t *)&st[0])[i] != ((uint8_t *)&st[1])[i])
            printf("state byte %zu: %02x %02x\n", i, ((uint8_t *)&st[0])[i],
                   ((uint8_t *)&st[1])[i]);
    for (unsigned i = 0, n = 0; i < BT_MACHINE_RAM && n < 16; i++)
        if (rig.m[0].mem.base[i] != rig.m[1].mem.base[i])
            n++, printf("memory %x: %02x %02x\n", i, rig.m[0].mem.base[i],
                        rig.m[1].mem.base[i]);
    return false;
}

static bool run_program(uint64_t seed)
{
    enum vm_exit_kind kind[2] = {0};
    struct x86_state st, unpaged;
    unsigned stop = 0;

    rig.seed = seed;
    make_program(&st);
    bt_machine_flat(&unpaged, 0); /* forgets the last program's tables */
    for (unsigned i = 0; i < 2; i++) {
        rig.m[i].vcpu.icount = 0;
        rig.m[i].vcpu.a20 = !rig.a20_off;
        rig.log[i] = 1;
        accel_bt.set_state(&rig.m[i].vcpu, &unpaged);
        accel_bt.set_state(&rig.m[i].vcpu, &st);
    }
    do {
        stop += getenv("RINGSIDE_STEP")
                    ? 1
                    : 1 + random_below(random_below(3) ? 100 : 8);
        for (unsigned i = 0; i < 2; i++)
            kind[i] = bt_machine_run(&rig.m[i], stop);
        if (kind[0] != kind[1])
            printf("exits %s and %s\n", vm_exit_name(kind[0]),
                   vm_exit_name(kind[1]));
        if (!same_state(seed, stop) || kind[0] != kind[1])
            return false;
    } while (kind[0] == VM_EXIT_DEBUG && stop < STOP_MAX);
    return true;
}

static void random_programs(const struct accel_options *options,
                            unsigned rounds, uint64_t seed)
{
    struct accel_options emulated = {.interpret_only = true};
    unsigned bad = 0;

    bt_machine_init(&rig.m[0], options);
    bt_machine_init(&rig.m[1], &emulated);
    rig.m[0].on_exit = rig.m[1].on_exit = log_exit;
    ZydisDecoderInit(&rig.decoder,
                     code16() ? ZYDIS_MACHINE_MODE_LEGACY_16
                              : ZYDIS_MACHINE_MODE_LEGACY_32,
                     code16() ? ZYDIS_STACK_WIDTH_16 : ZYDIS_STACK_WIDTH_32);
    for (unsigned v = 0; v < 256; v++)
        set_gate(&rig.m[0].mem, v);
    mem_write(&rig.m[0].mem, HANDLER, "\xf4", 1);
    memcpy(rig.pristine, rig.m[0].mem.base, BT_MACHINE_RAM);
    rig.seed = 0x123456789;
    for (unsigned i = 0; i < 0x4000; i++)
        rig.pristine[DATA + i] = (uint8_t)next_random();
    if (getenv("RINGSIDE_ONE"))
        bad += !run_program(strtoull(getenv("RINGSIDE_ONE"), NULL, 0));
    for (unsigned i = 0; i < rounds && bad < 5 && !getenv("RINGSIDE_ONE"); i++)
        bad += !run_program(seed + i * 0x9e3779b97f4a7c15ull);
    if (getenv("RINGSIDE_DUMP")) {
        struct strbuf sb;
        strbuf_init(&sb);
        accel_bt.dump(&rig.m[0].vcpu, &sb);
        printf("%s", strbuf_str(&sb));
        strbuf_fini(&sb);
    }
    bt_machine_fini(&rig.m[0]);
    bt_machine_fini(&rig.m[1]);
    assert_int_equal(bad, 0);
}

static unsigned rounds_wanted(unsigned usual)
{
    const char *s = getenv("RINGSIDE_ROUNDS");

    return s ? (unsigned)strtoul(s, NULL, 0) : usual;
}

static uint64_t seed_wanted(void)
{
    const char *s = getenv("RINGSIDE_SEED");

    return s ? strtoull(s, NULL, 0) : 0x5eed0001;
}

static void test_random(void **state)
{
    struct accel_options options = {.check_blocks = true};

    (void)state;
    random_programs(&options, rounds_wanted(60), seed_wanted());
}

static void test_tiny_cache(void **state)
{
    struct accel_options options = {
        .check_blocks = true, .cache_bytes = 64 << 10, .evict_always = true};

    (void)state;
    random_programs(&options, rounds_wanted(60) / 3 + 1, seed_wanted() + 77);
}

static void with_paging(enum rig_paging paging, bool user, unsigned rounds)
{
    struct accel_options options = {.check_blocks = true};

    rig.paging = paging;
    rig.user = user;
    random_programs(&options, rounds_wanted(rounds), seed_wanted() + 3);
    options.evict_always = true;
    random_programs(&options, rounds_wanted(rounds) / 2, seed_wanted() + 5);
    rig.paging = NO_PAGING;
    rig.user = false;
}

static void test_paging(void **state)
{
    (void)state;
    with_paging(PAGING_32, false, 60);
}

static void test_paging_user(void **state)
{
    (void)state;
    with_paging(PAGING_32, true, 60);
}

static void test_pae(void **state)
{
    (void)state;
    with_paging(PAGING_PAE, false, 60);
}

static void test_pae_user(void **state)
{
    (void)state;
    with_paging(PAGING_PAE, true, 60);
}

static void in_mode(enum rig_mode mode, unsigned rounds)
{
    rig.mode = mode;
    with_paging(NO_PAGING, false, rounds);
    rig.mode = FLAT32;
}

static void test_real(void **state)
{
    (void)state;
    in_mode(REAL, 60);
}

static void test_real_a20_off(void **state)
{
    (void)state;
    rig.a20_off = true;
    in_mode(REAL, 20);
    rig.a20_off = false;
}

static void test_v86(void **state)
{
    (void)state;
    in_mode(V86, 40);
    rig.mode = V86;
    with_paging(PAGING_32, false, 40);
    rig.mode = FLAT32;
}

static void test_protected_16(void **state)
{
    (void)state;
    in_mode(PROT16, 60);
    rig.mode = PROT16;
    with_paging(PAGING_PAE, true, 20);
    rig.mode = FLAT32;
}

static void test_segments_not_flat(void **state)
{
    (void)state;
    in_mode(BASED32, 60);
    rig.mode = BASED32;
    with_paging(PAGING_32, true, 20);
    rig.mode = FLAT32;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_tiny_cache),
        cmocka_unit_test(test_paging),
        cmocka_unit_test(test_paging_user),
        cmocka_unit_test(test_pae),
        cmocka_unit_test(test_pae_user),
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_real_a20_off),
        cmocka_unit_test(test_v86),
        cmocka_unit_test(test_protected_16),
        cmocka_unit_test(test_segments_not_flat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
