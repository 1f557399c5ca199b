#include "gdbstub/regs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CORE     "org.gnu.gdb.i386.core"
#define SSE      "org.gnu.gdb.i386.sse"
#define SEGMENTS "org.gnu.gdb.i386.segments"
#define SYSTEM   "org.ringside.system"

/* FXSAVE image, SDM vol. 1 10.5.1 */
#define FX_FCW   0u
#define FX_FSW   2u
#define FX_FTW   4u
#define FX_FOP   6u
#define FX_FIP   8u  /* 64 bits */
#define FX_FDP   16u /* 64 bits */
#define FX_MXCSR 24u
#define FX_ST    32u /* ST(0), ST(1)...: 16 bytes each */
#define FX_XMM   160u

/* ---- the rows ----------------------------------------------------------- */

struct builder {
    struct gdb_layout *l;
    const char *feature, *group;
};

static struct gdb_reg *add(struct builder *b, const char *name, unsigned bits,
                           const char *type, enum gdb_reg_kind kind,
                           size_t offset)
{
    struct gdb_reg *r = &b->l->reg[b->l->count++];

    assert(b->l->count <= GDB_REGS_MAX);
    *r = (struct gdb_reg){
        .type = type,
        .group = b->group,
        .feature = b->feature,
        .bits = (uint16_t)bits,
        .offset = (uint16_t)offset,
        .kind = kind,
    };
    snprintf(r->name, sizeof(r->name), "%s", name);
    return r;
}

static void field(struct builder *b, const char *name, unsigned bits,
                  const char *type, size_t offset, size_t size)
{
    add(b, name, bits, type, GDB_REG_FIELD, offset)->size = (uint8_t)size;
}

#define FIELD(b, name, bits, type, member)                                     \
    field(b, name, bits, type, offsetof(struct x86_state, member),             \
          sizeof(((struct x86_state *)0)->member))

/* The order is gdb's own: i386-tdep.h, amd64-tdep.h. */
static void add_general(struct builder *b, bool wide)
{
    static const struct {
        const char *narrow, *wide;
        enum gdb_reg_kind kind;
        uint8_t gpr[2]; /* narrow, wide */
    } order[8] = {
        {"eax", "rax", GDB_REG_FIELD, {X86_RAX, X86_RAX}},
        {"ecx", "rbx", GDB_REG_FIELD, {X86_RCX, X86_RBX}},
        {"edx", "rcx", GDB_REG_FIELD, {X86_RDX, X86_RCX}},
        {"ebx", "rdx", GDB_REG_FIELD, {X86_RBX, X86_RDX}},
        {"esp", "rsi", GDB_REG_FIELD, {X86_RSP, X86_RSI}},
        {"ebp", "rdi", GDB_REG_FIELD, {X86_RBP, X86_RDI}},
        {"esi", "rbp", GDB_REG_FIELD, {X86_RSI, X86_RBP}},
        {"edi", "rsp", GDB_REG_FIELD, {X86_RDI, X86_RSP}},
    };
    unsigned bits = wide ? 64 : 32;

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        const char *name = wide ? order[i].wide : order[i].narrow;
        unsigned gpr = order[i].gpr[wide];
        bool pointer = gpr == X86_RSP || gpr == X86_RBP;

        if (gpr == X86_RSP)
            b->l->sp = b->l->count;
        if (gpr == X86_RBP)
            b->l->bp = b->l->count;
        if (gpr == X86_RSP)
            add(b, name, bits, "data_ptr", GDB_REG_SP, 0);
        else
            field(b, name, bits,
                  pointer ? "data_ptr"
                  : wide  ? "int64"
                          : "int32",
                  offsetof(struct x86_state, gpr) + gpr * sizeof(uint64_t), 8);
    }
    for (unsigned i = X86_R8; wide && i <= X86_R15; i++) {
        char name[8];

        snprintf(name, sizeof(name), "r%u", i);
        field(b, name, 64, "int64",
              offsetof(struct x86_state, gpr) + i * sizeof(uint64_t), 8);
    }
}

static void add_core(struct builder *b, bool wide)
{
    static const enum x86_sreg order[6] = {X86_CS, X86_SS, X86_DS,
                                           X86_ES, X86_FS, X86_GS};
    static const char *const names[6] = {"cs", "ss", "ds", "es", "fs", "gs"};
    static const char *const fpu[8] = {"fctrl", "fstat", "ftag",  "fiseg",
                                       "fioff", "foseg", "fooff", "fop"};

    b->feature = CORE;
    add_general(b, wide);
    b->l->pc = b->l->count;
    add(b, wide ? "rip" : "eip", wide ? 64 : 32, "code_ptr", GDB_REG_PC, 0);
    b->l->flags = b->l->count;
    FIELD(b, "eflags", 32, "i386_eflags", rflags);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        add(b, names[i], 32, "int32", GDB_REG_SEL, order[i]);
    for (unsigned i = 0; i < 8; i++) {
        char name[8];

        snprintf(name, sizeof(name), "st%u", i);
        add(b, name, 80, "i387_ext", GDB_REG_BYTES, FX_ST + 16u * i)->size = 10;
    }
    b->group = "float";
    for (unsigned i = 0; i < ARRAY_SIZE(fpu); i++)
        add(b, fpu[i], 32, "int", GDB_REG_FPU, i);
}

static void add_sse(struct builder *b, bool wide)
{
    b->feature = SSE;
    b->group = NULL;
    for (unsigned i = 0; i < (wide ? 16u : 8u); i++) {
        char name[8];

        snprintf(name, sizeof(name), "xmm%u", i);
        add(b, name, 128, "vec128", GDB_REG_BYTES, FX_XMM + 16u * i)->size = 16;
    }
    b->group = "vector";
    add(b, "mxcsr", 32, "i386_mxcsr", GDB_REG_BYTES, FX_MXCSR)->size = 4;
}

static void add_segment(struct builder *b, const char *name, size_t offset,
                        bool with_base)
{
    char full[16];

    if (with_base) {
        snprintf(full, sizeof(full), "%s_base", name);
        field(b, full, 64, "int64", offset + offsetof(struct x86_seg, base), 8);
    }
    snprintf(full, sizeof(full), "%s_limit", name);
    field(b, full, 32, "uint32", offset + offsetof(struct x86_seg, limit), 4);
    snprintf(full, sizeof(full), "%s_attr", name);
    field(b, full, 32, "segment_attr", offset + offsetof(struct x86_seg, attr),
          2);
}

static void add_system(struct builder *b, bool wide)
{
    static const char *const names[X86_SREG_COUNT] = {"es", "cs", "ss",
                                                      "ds", "fs", "gs"};

    b->feature = SYSTEM;
    b->group = "system";
    b->l->mode = b->l->count;
    add(b, "mode", 32, "cpu_mode", GDB_REG_MODE, 0);
    add(b, "cpl", 32, "uint32", GDB_REG_CPL, 0);
    FIELD(b, "cs_ip", 64, "uint64", rip);
    FIELD(b, "ss_sp", 64, "uint64", gpr[X86_RSP]);
    /* Flags are of 32 bits, all others are reserved: gdb casts the number of
     * `set $cr0 = 0x11` to flags of its own width alone. */
    FIELD(b, "cr0", 32, "cr0_flags", cr0);
    FIELD(b, "cr2", 64, "uint64", cr2);
    FIELD(b, "cr3", 64, "uint64", cr3);
    FIELD(b, "cr4", 32, "cr4_flags", cr4);
    FIELD(b, "cr8", 64, "uint64", cr8);
    FIELD(b, "efer", 32, "efer_flags", efer);
    FIELD(b, "dr0", 64, "uint64", dr[0]);
    FIELD(b, "dr1", 64, "uint64", dr[1]);
    FIELD(b, "dr2", 64, "uint64", dr[2]);
    FIELD(b, "dr3", 64, "uint64", dr[3]);
    FIELD(b, "dr6", 32, "dr6_flags", dr[6]);
    FIELD(b, "dr7", 32, "dr7_flags", dr[7]);
    FIELD(b, "gdtr_base", 64, "uint64", gdt.base);
    FIELD(b, "gdtr_limit", 32, "uint32", gdt.limit);
    FIELD(b, "idtr_base", 64, "uint64", idt.base);
    FIELD(b, "idtr_limit", 32, "uint32", idt.limit);
    FIELD(b, "ldtr", 32, "uint32", ldt.selector);
    add_segment(b, "ldtr", offsetof(struct x86_state, ldt), true);
    FIELD(b, "tr", 32, "uint32", tr.selector);
    add_segment(b, "tr", offsetof(struct x86_state, tr), true);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        add_segment(b, names[i],
                    offsetof(struct x86_state, seg) +
                        i * sizeof(struct x86_seg),
                    !(wide && (i == X86_FS || i == X86_GS)));
    add(b, "icount", 64, "uint64", GDB_REG_ICOUNT, 0);
    add(b, "vector", 32, "uint32", GDB_REG_VECTOR, 0);
    add(b, "error_code", 32, "uint32", GDB_REG_ERROR, 0);
}

void gdb_layout_init(struct gdb_layout *l, enum gdb_layout_kind kind)
{
    bool wide = kind == GDB_LAYOUT_64;
    struct builder b = {.l = l};

    l->kind = kind;
    l->count = 0;
    add_core(&b, wide);
    add_sse(&b, wide);
    l->count_g = l->count;
    if (wide) {
        b.feature = SEGMENTS;
        b.group = NULL;
        FIELD(&b, "fs_base", 64, "int", seg[X86_FS].base);
        FIELD(&b, "gs_base", 64, "int", seg[X86_GS].base);
    }
    add_system(&b, wide);
}

enum gdb_layout_kind gdb_layout_for(const struct x86_state *st)
{
    switch (x86_code_bits(st)) {
    case 16:
        return GDB_LAYOUT_16;
    case 64:
        return GDB_LAYOUT_64;
    default:
        return GDB_LAYOUT_32;
    }
}

/* ---- values ------------------------------------------------------------- */

static uint64_t narrow(const struct x86_state *st, uint64_t linear)
{
    return x86_mode(st) == X86_MODE_LONG64 ? linear : linear & 0xffffffffu;
}

static uint64_t gdb_pc(const struct x86_state *st)
{
    if (x86_mode(st) == X86_MODE_LONG64)
        return st->rip;
    return narrow(st, st->seg[X86_CS].base + st->rip);
}

void gdb_set_pc(struct x86_state *st, uint64_t linear)
{
    if (x86_mode(st) != X86_MODE_LONG64)
        linear = narrow(st, linear - st->seg[X86_CS].base);
    st->rip = linear;
}

/* The part of SP that the stack segment uses. */
static uint64_t sp_mask(const struct x86_state *st)
{
    if (x86_mode(st) == X86_MODE_LONG64)
        return ~0ull;
    return st->seg[X86_SS].attr & X86_SEG_DB ? 0xffffffffu : 0xffffu;
}

static uint64_t get_sp(const struct x86_state *st)
{
    uint64_t sp = st->gpr[X86_RSP];

    if (x86_mode(st) == X86_MODE_LONG64)
        return sp;
    return narrow(st, st->seg[X86_SS].base + (sp & sp_mask(st)));
}

static void set_sp(struct x86_state *st, uint64_t linear)
{
    uint64_t mask = sp_mask(st), sp = linear;

    if (x86_mode(st) != X86_MODE_LONG64)
        sp -= st->seg[X86_SS].base;
    st->gpr[X86_RSP] = (st->gpr[X86_RSP] & ~mask) | (sp & mask);
}

/* In real and V86 mode the base follows; else only the visible part is set. */
static void set_selector(struct x86_state *st, unsigned i, uint64_t value)
{
    st->seg[i].selector = (uint16_t)value;
    if (x86_mode(st) <= X86_MODE_V86)
        st->seg[i].base = (value & 0xffff) << 4;
}

/* An x87 register's tag: 0 valid, 1 zero, 2 special (SDM vol. 1 8.1.7). */
static unsigned tag_of(const uint8_t *st)
{
    uint64_t fraction;
    uint16_t exponent;

    memcpy(&fraction, st, 8);
    memcpy(&exponent, st + 8, 2);
    exponent &= 0x7fff;
    if (exponent == 0)
        return fraction == 0 ? 1 : 2;
    return exponent == 0x7fff || !(fraction >> 63) ? 2 : 0;
}

/* FXSAVE has a bit for each physical register; gdb wants the full word. */
static uint16_t full_tag(const uint8_t *fx)
{
    unsigned top = (fx[FX_FSW + 1] >> 3) & 7, tag = 0;

    for (unsigned i = 0; i < 8; i++) {
        unsigned value = 3;

        if (fx[FX_FTW] & BIT(i))
            value = tag_of(fx + FX_ST + 16 * ((i - top) & 7));
        tag |= value << (2 * i);
    }
    return (uint16_t)tag;
}

static uint8_t short_tag(uint16_t tag)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < 8; i++)
        if (((tag >> (2 * i)) & 3) != 3)
            bits |= BIT(i);
    return (uint8_t)bits;
}

/* clang-format off */
/* fctrl fstat ftag fiseg fioff foseg fooff fop */
static const struct { uint8_t offset, size; } fpu_at[8] = {
    { FX_FCW, 2 }, { FX_FSW, 2 }, { FX_FTW, 1 }, { FX_FIP + 4, 4 },
    { FX_FIP, 4 }, { FX_FDP + 4, 4 }, { FX_FDP, 4 }, { FX_FOP, 2 },
};
/* clang-format on */
#define FPU_TAG 2u

static uint64_t get_fpu(const struct x86_state *st, unsigned i)
{
    uint64_t value = 0;

    if (i == FPU_TAG)
        return full_tag(st->fxsave);
    memcpy(&value, st->fxsave + fpu_at[i].offset, fpu_at[i].size);
    return value;
}

static void set_fpu(struct x86_state *st, unsigned i, uint64_t value)
{
    if (i == FPU_TAG)
        value = short_tag((uint16_t)value);
    memcpy(st->fxsave + fpu_at[i].offset, &value, fpu_at[i].size);
}

static uint64_t get_field(const struct gdb_reg *r, const struct x86_state *st)
{
    uint64_t value = 0;

    memcpy(&value, (const uint8_t *)st + r->offset, r->size);
    return value;
}

/* Only as many bits as were on the wire. */
static void set_field(const struct gdb_reg *r, struct x86_state *st,
                      uint64_t value)
{
    unsigned size = r->bits / 8u < r->size ? r->bits / 8u : r->size;

    memcpy((uint8_t *)st + r->offset, &value, size);
    if (size < r->size) /* as a 32-bit instruction would */
        memset((uint8_t *)st + r->offset + size, 0, r->size - size);
}

bool gdb_reg_where(const struct gdb_reg *r, uint32_t *offset, uint32_t *bytes)
{
    uint32_t wire = r->bits / 8u, size = r->size < wire ? r->size : wire;

    *bytes = size < sizeof(uint64_t) ? size : sizeof(uint64_t);
    *offset = r->offset;
    if (r->kind == GDB_REG_BYTES)
        *offset += (uint32_t)offsetof(struct x86_state, fxsave);
    return r->kind == GDB_REG_FIELD || r->kind == GDB_REG_BYTES;
}

uint64_t gdb_reg_number(const struct gdb_reg *r, const struct gdb_cpu *cpu)
{
    uint64_t value = 0;

    switch (r->kind) {
    case GDB_REG_FIELD:
        return get_field(r, cpu->st);
    case GDB_REG_PC:
        return gdb_pc(cpu->st);
    case GDB_REG_SP:
        return get_sp(cpu->st);
    case GDB_REG_SEL:
        return cpu->st->seg[r->offset].selector;
    case GDB_REG_FPU:
        return get_fpu(cpu->st, r->offset);
    case GDB_REG_CPL:
        return x86_cpl(cpu->st);
    case GDB_REG_MODE:
        return x86_mode(cpu->st);
    case GDB_REG_ICOUNT:
        return cpu->icount;
    case GDB_REG_VECTOR:
        return cpu->vector;
    case GDB_REG_ERROR:
        return cpu->error;
    case GDB_REG_BYTES:
        memcpy(&value, cpu->st->fxsave + r->offset,
               r->size < sizeof(value) ? r->size : sizeof(value));
        return value;
    }
    assert(!"no such kind of register");
    return 0;
}

void gdb_reg_get(const struct gdb_reg *r, const struct gdb_cpu *cpu,
                 uint8_t *bytes)
{
    uint64_t value;

    if (r->kind == GDB_REG_BYTES) {
        memcpy(bytes, cpu->st->fxsave + r->offset, r->size);
        return;
    }
    value = gdb_reg_number(r, cpu);
    memcpy(bytes, &value, r->bits / 8u);
}

int gdb_reg_set(const struct gdb_reg *r, struct x86_state *st,
                const uint8_t *bytes)
{
    uint64_t value = 0;

    if (r->kind == GDB_REG_BYTES) {
        memcpy(st->fxsave + r->offset, bytes, r->size);
        return 0;
    }
    memcpy(&value, bytes, r->bits / 8u);
    switch (r->kind) {
    case GDB_REG_FIELD:
        set_field(r, st, value);
        return 0;
    case GDB_REG_PC:
        gdb_set_pc(st, value);
        return 0;
    case GDB_REG_SP:
        set_sp(st, value);
        return 0;
    case GDB_REG_SEL:
        set_selector(st, r->offset, value);
        return 0;
    case GDB_REG_FPU:
        set_fpu(st, r->offset, value);
        return 0;
    case GDB_REG_ICOUNT: /* after a `call` gdb writes all it had read */
    case GDB_REG_VECTOR:
    case GDB_REG_ERROR:
        return 0;
    default:
        return -EPERM;
    }
}
