/* The target description, written from the rows of regs.c. */
#include <stdio.h>
#include <string.h>

#include "gdbstub/regs.h"

/* A bit or a range of bits with the manual's name; end of list: NULL. */
struct bits {
    const char *name;
    uint8_t start, end;
};

struct type {
    const char *name;
    const char *feature;
    unsigned size;
    const struct bits *bits;
};

/* clang-format off */
static const struct bits eflags[] = {
    { "CF", 0, 0 }, { "", 1, 1 }, { "PF", 2, 2 }, { "AF", 4, 4 },
    { "ZF", 6, 6 }, { "SF", 7, 7 }, { "TF", 8, 8 }, { "IF", 9, 9 },
    { "DF", 10, 10 }, { "OF", 11, 11 }, { "IOPL", 12, 13 }, { "NT", 14, 14 },
    { "RF", 16, 16 }, { "VM", 17, 17 }, { "AC", 18, 18 }, { "VIF", 19, 19 },
    { "VIP", 20, 20 }, { "ID", 21, 21 }, { NULL, 0, 0 },
};
static const struct bits mxcsr[] = {
    { "IE", 0, 0 }, { "DE", 1, 1 }, { "ZE", 2, 2 }, { "OE", 3, 3 },
    { "UE", 4, 4 }, { "PE", 5, 5 }, { "DAZ", 6, 6 }, { "IM", 7, 7 },
    { "DM", 8, 8 }, { "ZM", 9, 9 }, { "OM", 10, 10 }, { "UM", 11, 11 },
    { "PM", 12, 12 }, { "RC", 13, 14 }, { "FZ", 15, 15 }, { NULL, 0, 0 },
};
static const struct bits cr0[] = {
    { "PE", 0, 0 }, { "MP", 1, 1 }, { "EM", 2, 2 }, { "TS", 3, 3 },
    { "ET", 4, 4 }, { "NE", 5, 5 }, { "WP", 16, 16 }, { "AM", 18, 18 },
    { "NW", 29, 29 }, { "CD", 30, 30 }, { "PG", 31, 31 }, { NULL, 0, 0 },
};
static const struct bits cr4[] = {
    { "VME", 0, 0 }, { "PVI", 1, 1 }, { "TSD", 2, 2 }, { "DE", 3, 3 },
    { "PSE", 4, 4 }, { "PAE", 5, 5 }, { "MCE", 6, 6 }, { "PGE", 7, 7 },
    { "PCE", 8, 8 }, { "OSFXSR", 9, 9 }, { "OSXMMEXCPT", 10, 10 },
    { "UMIP", 11, 11 }, { "LA57", 12, 12 }, { "SMEP", 20, 20 },
    { "SMAP", 21, 21 }, { NULL, 0, 0 },
};
static const struct bits efer[] = {
    { "SCE", 0, 0 }, { "LME", 8, 8 }, { "LMA", 10, 10 }, { "NXE", 11, 11 },
    { NULL, 0, 0 },
};
static const struct bits dr6[] = {
    { "B0", 0, 0 }, { "B1", 1, 1 }, { "B2", 2, 2 }, { "B3", 3, 3 },
    { "BD", 13, 13 }, { "BS", 14, 14 }, { "BT", 15, 15 }, { NULL, 0, 0 },
};
static const struct bits dr7[] = {
    { "L0", 0, 0 }, { "G0", 1, 1 }, { "L1", 2, 2 }, { "G1", 3, 3 },
    { "L2", 4, 4 }, { "G2", 5, 5 }, { "L3", 6, 6 }, { "G3", 7, 7 },
    { "LE", 8, 8 }, { "GE", 9, 9 }, { "GD", 13, 13 },
    { "RW0", 16, 17 }, { "LEN0", 18, 19 }, { "RW1", 20, 21 },
    { "LEN1", 22, 23 }, { "RW2", 24, 25 }, { "LEN2", 26, 27 },
    { "RW3", 28, 29 }, { "LEN3", 30, 31 }, { NULL, 0, 0 },
};
static const struct bits attr[] = {
    { "type", 0, 3 }, { "S", 4, 4 }, { "DPL", 5, 6 }, { "P", 7, 7 },
    { "AVL", 12, 12 }, { "L", 13, 13 }, { "DB", 14, 14 }, { "G", 15, 15 },
    { NULL, 0, 0 },
};

static const struct type types[] = {
    { "i386_eflags",  "org.gnu.gdb.i386.core", 4, eflags },
    { "i386_mxcsr",   "org.gnu.gdb.i386.sse",  4, mxcsr },
    { "cr0_flags",    "org.ringside.system",   4, cr0 },
    { "cr4_flags",    "org.ringside.system",   4, cr4 },
    { "efer_flags",   "org.ringside.system",   4, efer },
    { "dr6_flags",    "org.ringside.system",   4, dr6 },
    { "dr7_flags",    "org.ringside.system",   4, dr7 },
    { "segment_attr", "org.ringside.system",   4, attr },
};
/* clang-format on */

static void put_type(struct strbuf *out, const struct type *t)
{
    strbuf_printf(out, "<flags id=\"%s\" size=\"%u\">\n", t->name, t->size);
    for (const struct bits *b = t->bits; b->name; b++) {
        strbuf_printf(out, "<field name=\"%s\" start=\"%u\" end=\"%u\"",
                      b->name, b->start, b->end);
        if (b->start != b->end)
            strbuf_printf(out, " type=\"uint%u\"", 8 * t->size);
        strbuf_puts(out, "/>\n");
    }
    strbuf_puts(out, "</flags>\n");
}

static void put_mode_type(struct strbuf *out)
{
    strbuf_puts(out, "<enum id=\"cpu_mode\" size=\"4\">\n");
    for (unsigned i = 0; i <= X86_MODE_LONG64; i++)
        strbuf_printf(out, "<evalue name=\"%s\" value=\"%u\"/>\n",
                      x86_mode_name((enum x86_mode)i), i);
    strbuf_puts(out, "</enum>\n");
}

/* What gdb shows an XMM register as. */
static const char vectors[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>\n"
    "<union id=\"vec128\">\n"
    "<field name=\"v4_float\" type=\"v4f\"/>\n"
    "<field name=\"v2_double\" type=\"v2d\"/>\n"
    "<field name=\"v16_int8\" type=\"v16i8\"/>\n"
    "<field name=\"v8_int16\" type=\"v8i16\"/>\n"
    "<field name=\"v4_int32\" type=\"v4i32\"/>\n"
    "<field name=\"v2_int64\" type=\"v2i64\"/>\n"
    "<field name=\"uint128\" type=\"uint128\"/>\n"
    "</union>\n";

static void begin_feature(struct strbuf *out, const char *feature)
{
    strbuf_printf(out, "<feature name=\"%s\">\n", feature);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i].feature, feature) == 0)
            put_type(out, &types[i]);
    if (strcmp(feature, "org.gnu.gdb.i386.sse") == 0)
        strbuf_puts(out, vectors);
    if (strcmp(feature, "org.ringside.system") == 0)
        put_mode_type(out);
}

void gdb_layout_xml(const struct gdb_layout *l, struct strbuf *out)
{
    static const char *const names[] = {
        [GDB_LAYOUT_16] = "i8086",
        [GDB_LAYOUT_32] = "i386",
        [GDB_LAYOUT_64] = "i386:x86-64",
    };
    const char *feature = "";

    strbuf_printf(out,
                  "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM "
                  "\"gdb-target.dtd\">\n<target version=\"1.0\">\n"
                  "<architecture>%s</architecture>\n<osabi>none</osabi>\n",
                  names[l->kind]);
    for (unsigned i = 0; i < l->count; i++) {
        const struct gdb_reg *r = &l->reg[i];

        if (strcmp(r->feature, feature) != 0) {
            strbuf_puts(out, *feature ? "</feature>\n" : "");
            begin_feature(out, r->feature);
            feature = r->feature;
        }
        strbuf_printf(out, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"",
                      r->name, r->bits, r->type);
        if (r->group)
            strbuf_printf(out, " group=\"%s\"", r->group);
        strbuf_printf(out, " regnum=\"%u\"/>\n", i);
    }
    strbuf_puts(out, "</feature>\n</target>\n");
}
