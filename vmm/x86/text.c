#include "vmm/x86/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct bit_name {
    uint8_t bit;
    const char *name; /* lower case */
};

/* clang-format off */
static const struct bit_name eflags_high[] = {
    { 21, "id" }, { 20, "vip" }, { 19, "vif" }, { 18, "ac" }, { 17, "vm" },
    { 16, "rf" }, { 14, "nt" },
};
static const struct bit_name eflags_low[] = {
    { 11, "of" }, { 10, "df" }, { 9, "if" }, { 8, "tf" }, { 7, "sf" },
    { 6, "zf" }, { 4, "af" }, { 2, "pf" }, { 0, "cf" },
};
static const struct bit_name cr0_bits[] = {
    { 31, "pg" }, { 30, "cd" }, { 29, "nw" }, { 18, "am" }, { 16, "wp" },
    { 5, "ne" }, { 4, "et" }, { 3, "ts" }, { 2, "em" }, { 1, "mp" }, { 0, "pe" },
};
static const struct bit_name cr4_bits[] = {
    { 21, "smap" }, { 20, "smep" }, { 12, "la57" }, { 11, "umip" },
    { 10, "osxmmexcpt" }, { 9, "osfxsr" }, { 8, "pce" }, { 7, "pge" },
    { 6, "mce" }, { 5, "pae" }, { 4, "pse" }, { 3, "de" }, { 2, "tsd" },
    { 1, "pvi" }, { 0, "vme" },
};
static const struct bit_name efer_bits[] = {
    { 11, "nxe" }, { 10, "lma" }, { 8, "lme" }, { 0, "sce" },
};
static const struct bit_name pte_bits[] = {
    { 63, "xd" }, { 8, "g" }, { 7, "ps" }, { 6, "d" }, { 5, "a" }, { 4, "pcd" },
    { 3, "pwt" }, { 2, "u" }, { 1, "w" }, { 0, "p" },
};
/* clang-format on */

/* Appends names to BUF from *AT on. */
static void append(char *buf, size_t len, size_t *at, const char *word)
{
    int n = snprintf(buf + *at, len - *at, "%s%s", *at ? " " : "", word);

    *at += n > 0 && (size_t)n < len - *at ? (size_t)n : len - *at - 1;
}

static void append_bits(char *buf, size_t len, size_t *at, uint64_t value,
                        const struct bit_name *row, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        char word[16];
        size_t n = strlen(row[i].name);

        for (size_t k = 0; k <= n; k++)
            word[k] = value >> row[i].bit & 1
                          ? (char)toupper((unsigned char)row[i].name[k])
                          : row[i].name[k];
        append(buf, len, at, word);
    }
}

#define BITS(buf, len, at, value, rows)                                        \
    append_bits(buf, len, at, value, rows, ARRAY_SIZE(rows))

void x86_eflags_text(char *buf, size_t len, uint64_t rflags)
{
    char iopl[8];
    size_t at = 0;

    BITS(buf, len, &at, rflags, eflags_high);
    snprintf(iopl, sizeof(iopl), "IOPL=%u", (unsigned)(rflags >> 12 & 3));
    append(buf, len, &at, iopl);
    BITS(buf, len, &at, rflags, eflags_low);
}

void x86_cr0_text(char *buf, size_t len, uint64_t cr0)
{
    size_t at = 0;

    BITS(buf, len, &at, cr0, cr0_bits);
}

void x86_cr4_text(char *buf, size_t len, uint64_t cr4)
{
    size_t at = 0, skip = 0;

    /* Newer bits are shown only when set, so that a line is short enough. */
    while (cr4_bits[skip].bit > 10) {
        if (cr4 >> cr4_bits[skip].bit & 1)
            append_bits(buf, len, &at, cr4, &cr4_bits[skip], 1);
        skip++;
    }
    append_bits(buf, len, &at, cr4, cr4_bits + skip,
                ARRAY_SIZE(cr4_bits) - skip);
}

void x86_efer_text(char *buf, size_t len, uint64_t efer)
{
    size_t at = 0;

    BITS(buf, len, &at, efer, efer_bits);
}

void x86_pte_text(char *buf, size_t len, uint64_t entry)
{
    size_t at = 0;

    BITS(buf, len, &at, entry, pte_bits);
}

static const char *system_type(unsigned type, bool long_mode)
{
    /* SDM vol. 3A table 3-2. */
    static const char *const names[2][16] = {
        {"reserved", "tss16", "ldt", "tss16 busy", "call gate16", "task gate",
         "int gate16", "trap gate16", "reserved", "tss32", "reserved",
         "tss32 busy", "call gate32", "reserved", "int gate32", "trap gate32"},
        {"upper half", "reserved", "ldt", "reserved", "reserved", "reserved",
         "reserved", "reserved", "reserved", "tss64", "reserved", "tss64 busy",
         "call gate64", "reserved", "int gate64", "trap gate64"},
    };

    return names[long_mode][type];
}

void x86_attr_text(char *buf, size_t len, uint16_t attr, bool long_mode)
{
    char type[32];
    unsigned t = X86_SEG_TYPE(attr);

    if (!(attr & X86_SEG_S))
        snprintf(type, sizeof(type), "%s", system_type(t, long_mode));
    else if (t & X86_SEG_CODE)
        snprintf(type, sizeof(type), "code%s %s%s",
                 attr & X86_SEG_L    ? "64"
                 : attr & X86_SEG_DB ? "32"
                                     : "16",
                 t & X86_SEG_RW ? "r-x" : "--x",
                 t & X86_SEG_EC ? " conforming" : "");
    else
        snprintf(type, sizeof(type), "data%s %s%s",
                 attr & X86_SEG_DB ? "32" : "16",
                 t & X86_SEG_RW ? "rw-" : "r--",
                 t & X86_SEG_EC ? " expand-down" : "");
    snprintf(buf, len, "%s dpl %u%s%s", type, X86_SEG_DPL(attr),
             attr & X86_SEG_P ? "" : " NOT PRESENT",
             (attr & X86_SEG_S) && (t & X86_SEG_ACCESSED) ? " accessed" : "");
}

void x86_vector_text(char *buf, size_t len, unsigned vector)
{
    static const char *const names[32] = {
        [X86_DE] = "#DE", [X86_DB] = "#DB", [X86_NMI] = "NMI",
        [X86_BP] = "#BP", [X86_OF] = "#OF", [X86_BR] = "#BR",
        [X86_UD] = "#UD", [X86_NM] = "#NM", [X86_DF] = "#DF",
        [X86_TS] = "#TS", [X86_NP] = "#NP", [X86_SSEG] = "#SS",
        [X86_GP] = "#GP", [X86_PF] = "#PF", [X86_MF] = "#MF",
        [X86_AC] = "#AC", [X86_MC] = "#MC", [X86_XM] = "#XM",
    };

    if (vector < ARRAY_SIZE(names) && names[vector])
        snprintf(buf, len, "%s", names[vector]);
    else
        snprintf(buf, len, "vector %u", vector);
}

void x86_pferr_text(char *buf, size_t len, uint32_t error)
{
    snprintf(buf, len, "%s by %s: %s",
             error & X86_PFERR_I   ? "fetch"
             : error & X86_PFERR_W ? "write"
                                   : "read",
             error & X86_PFERR_U ? "user" : "supervisor",
             error & X86_PFERR_RSVD ? "a reserved bit is set"
             : error & X86_PFERR_P  ? "the page forbids it"
                                    : "the page is not present");
}
