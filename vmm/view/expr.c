/* A recursive-descent evaluator; one function per precedence level. */
#include "vmm/view/expr.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/view/guess.h"

struct parser {
    struct vm *vm;
    const struct symbols *sym;
    struct x86_state st;
    const char *text, *at;
    char *why;
    size_t why_len;
    bool failed;
    struct expr_value *out;
    unsigned depth;
};

/* clang-format off */
static const struct {
    const char *form, *meaning;
} forms[] = {
    { "0x10 16 'a'", "numbers; plain digits are decimal" },
    { "eax $eax cr3 dr7 ds", "registers, with or without $" },
    { "$pc $sp $fp", "linear, as gdb has them" },
    { "main main+4 &main", "symbols; `symbols FILE` loads them" },
    { "main.c:12", "where a source line's code begins" },
    { "f000:fff0 cs:ip ss:esp", "segment:offset; a number before the colon is in hex" },
    { "phys:0x1000", "a guest-physical address" },
    { "[esp+4] [ebp-8].w", "memory at a linear address; .b .w .d .q" },
    { "*esp", "likewise, 4 bytes" },
    { "+ - * / % & | ^ << >> ~ !", "as in C, unsigned" },
    { "== != < <= > >= && || ( )", "likewise" },
};
/* clang-format on */

void expr_help(struct strbuf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        strbuf_printf(out, "%-26s %s\n", forms[i].form, forms[i].meaning);
}

#define DEPTH_MAX 64u /* of parentheses and unary operators */

static uint64_t parse_binary(struct parser *p, unsigned level);

PRINTF_LIKE(2, 3)
static uint64_t fail(struct parser *p, const char *fmt, ...)
{
    va_list ap;

    if (p->failed)
        return 0;
    p->failed = true;
    va_start(ap, fmt);
    vsnprintf(p->why, p->why_len, fmt, ap);
    va_end(ap);
    return 0;
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool accept(struct parser *p, const char *token)
{
    size_t n = strlen(token);

    skip_space(p);
    if (strncmp(p->at, token, n) != 0)
        return false;
    p->at += n;
    return true;
}

/* ---- registers ---------------------------------------------------------- */

enum reg_kind { REG_GPR, REG_SEG, REG_FIELD };

struct reg_row {
    const char *name;
    uint8_t kind;
    uint8_t index; /* of gpr[] or seg[] */
    uint8_t size;  /* bytes */
    uint8_t shift; /* bits: AH is 8 */
    size_t field;  /* REG_FIELD: offset in struct x86_state */
};

#define GPR(n32, n16, i)                                                       \
    {"e" n16, REG_GPR, X86_##i, 4, 0, 0}, {n16, REG_GPR, X86_##i, 2, 0, 0},    \
    {                                                                          \
        n32, REG_GPR, X86_##i, 8, 0, 0                                         \
    }
#define FIELD(n, f, s)                                                         \
    {                                                                          \
        n, REG_FIELD, 0, s, 0, offsetof(struct x86_state, f)                   \
    }

/* clang-format off */
static const struct reg_row regs[] = {
    GPR("rax", "ax", RAX), GPR("rcx", "cx", RCX), GPR("rdx", "dx", RDX),
    GPR("rbx", "bx", RBX), GPR("rsp", "sp", RSP), GPR("rbp", "bp", RBP),
    GPR("rsi", "si", RSI), GPR("rdi", "di", RDI),
    { "al", REG_GPR, X86_RAX, 1, 0, 0 }, { "ah", REG_GPR, X86_RAX, 1, 8, 0 },
    { "cl", REG_GPR, X86_RCX, 1, 0, 0 }, { "ch", REG_GPR, X86_RCX, 1, 8, 0 },
    { "dl", REG_GPR, X86_RDX, 1, 0, 0 }, { "dh", REG_GPR, X86_RDX, 1, 8, 0 },
    { "bl", REG_GPR, X86_RBX, 1, 0, 0 }, { "bh", REG_GPR, X86_RBX, 1, 8, 0 },
    { "r8",  REG_GPR, X86_R8,  8, 0, 0 }, { "r9",  REG_GPR, X86_R9,  8, 0, 0 },
    { "r10", REG_GPR, X86_R10, 8, 0, 0 }, { "r11", REG_GPR, X86_R11, 8, 0, 0 },
    { "r12", REG_GPR, X86_R12, 8, 0, 0 }, { "r13", REG_GPR, X86_R13, 8, 0, 0 },
    { "r14", REG_GPR, X86_R14, 8, 0, 0 }, { "r15", REG_GPR, X86_R15, 8, 0, 0 },
    { "es", REG_SEG, X86_ES, 2, 0, 0 }, { "cs", REG_SEG, X86_CS, 2, 0, 0 },
    { "ss", REG_SEG, X86_SS, 2, 0, 0 }, { "ds", REG_SEG, X86_DS, 2, 0, 0 },
    { "fs", REG_SEG, X86_FS, 2, 0, 0 }, { "gs", REG_SEG, X86_GS, 2, 0, 0 },
    FIELD("rip", rip, 8), FIELD("eip", rip, 4), FIELD("ip", rip, 2),
    FIELD("rflags", rflags, 8), FIELD("eflags", rflags, 4),
    FIELD("cr0", cr0, 8), FIELD("cr2", cr2, 8), FIELD("cr3", cr3, 8),
    FIELD("cr4", cr4, 8), FIELD("cr8", cr8, 8), FIELD("efer", efer, 8),
    FIELD("dr0", dr[0], 8), FIELD("dr1", dr[1], 8), FIELD("dr2", dr[2], 8),
    FIELD("dr3", dr[3], 8), FIELD("dr6", dr[6], 8), FIELD("dr7", dr[7], 8),
    FIELD("gdtr", gdt.base, 8), FIELD("idtr", idt.base, 8),
    FIELD("ldtr", ldt.selector, 2), FIELD("tr", tr.selector, 2),
    FIELD("es_base", seg[X86_ES].base, 8), FIELD("cs_base", seg[X86_CS].base, 8),
    FIELD("ss_base", seg[X86_SS].base, 8), FIELD("ds_base", seg[X86_DS].base, 8),
    FIELD("fs_base", seg[X86_FS].base, 8), FIELD("gs_base", seg[X86_GS].base, 8),
};
/* clang-format on */

const char *expr_register_name(size_t n)
{
    return n < ARRAY_SIZE(regs) ? regs[n].name : NULL;
}

static const struct reg_row *find_reg(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
        if (strcasecmp(regs[i].name, name) == 0)
            return &regs[i];
    return NULL;
}

static uint8_t *reg_bytes(struct x86_state *st, const struct reg_row *r)
{
    if (r->kind == REG_GPR)
        return (uint8_t *)&st->gpr[r->index] + r->shift / 8;
    if (r->kind == REG_SEG)
        return (uint8_t *)&st->seg[r->index].selector;
    return (uint8_t *)st + r->field;
}

/* A register by name, without $; false: there is no such register. */
static bool find_register(const struct x86_state *st, const char *name,
                          uint64_t *value)
{
    const struct reg_row *r = find_reg(name);
    struct x86_state copy;

    if (!r)
        return false;
    copy = *st;
    *value = 0;
    memcpy(value, reg_bytes(&copy, r), r->size);
    return true;
}

bool expr_set_register(struct x86_state *st, const char *name, uint64_t value)
{
    const struct reg_row *r = find_reg(name);

    if (!r || r->kind == REG_SEG) /* a selector alone would not load it */
        return false;
    if (r->size == 4) { /* as the processor: the upper half is cleared */
        uint64_t wide = (uint32_t)value;
        memcpy(reg_bytes(st, r), &wide, r->kind == REG_GPR ? 8 : 4);
        return true;
    }
    memcpy(reg_bytes(st, r), &value, r->size);
    return true;
}

/* ---- primaries ---------------------------------------------------------- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '@';
}

static size_t word_len(const char *s)
{
    size_t n = 0;

    while (is_word(s[n]))
        n++;
    return n;
}

static uint64_t read_memory(struct parser *p, uint64_t addr, unsigned size)
{
    uint64_t value = 0;

    if (p->failed)
        return 0;
    if (vm_read_gla(p->vm, addr, &value, size) < size)
        return fail(p, "no memory is mapped at %#llx",
                    (unsigned long long)addr);
    return value;
}

static uint64_t parse_memory(struct parser *p)
{
    uint64_t addr = parse_binary(p, 0);
    unsigned size = 4;

    if (!accept(p, "]"))
        return fail(p, "expected ] at '%.20s'", p->at);
    if (accept(p, ".b"))
        size = 1;
    else if (accept(p, ".w"))
        size = 2;
    else if (accept(p, ".q"))
        size = 8;
    else
        (void)accept(p, ".d");
    return read_memory(p, addr, size);
}

static uint64_t parse_number(struct parser *p)
{
    char *end;
    uint64_t value = strtoull(p->at, &end, 0);

    if (is_word(*end))
        return fail(p, "'%.20s' is not a number", p->at);
    p->at = end;
    return value;
}

/* gdb's own names, and as in gdb linear. */
static bool find_gdb_register(const struct x86_state *st, const char *name,
                              uint64_t *value)
{
    bool flat = x86_mode(st) == X86_MODE_LONG64;
    uint64_t base = flat ? 0 : st->seg[X86_SS].base;

    if (strcmp(name, "$pc") == 0)
        *value = x86_linear_rip(st);
    else if (strcmp(name, "$sp") == 0)
        *value = base + st->gpr[X86_RSP];
    else if (strcmp(name, "$fp") == 0)
        *value = base + st->gpr[X86_RBP];
    else
        return false;
    return true;
}

static uint64_t parse_name(struct parser *p, const char *name)
{
    uint64_t value;
    char near[72];

    if (find_gdb_register(&p->st, name, &value))
        return value;
    if (find_register(&p->st, name[0] == '$' ? name + 1 : name, &value))
        return value;
    if (symbols_lookup(p->sym, name, &value, NULL))
        return value;
    if (guess_values(p->sym, name + (name[0] == '$'), near, sizeof(near)))
        return fail(p, "no register or symbol '%.40s'; did you mean %s?", name,
                    near);
    if (!symbols_count(p->sym))
        return fail(p,
                    "no register '%.40s', and there are no symbols; `symbols "
                    "FILE` loads them",
                    name);
    return fail(p, "no register or symbol '%.40s'; see `help expr`", name);
}

/* The part after the colon: plain digits are hexadecimal here. */
static uint64_t parse_offset(struct parser *p)
{
    size_t n = word_len(p->at);
    uint64_t value;
    char word[20], *end;

    if (n == 0 || n >= sizeof(word))
        return parse_binary(p, 6);
    memcpy(word, p->at, n);
    word[n] = '\0';
    value = strtoull(word, &end, 16);
    if (*end || find_reg(word))
        return parse_binary(p, 6);
    p->at += n;
    return value;
}

/* SEG:OFF when a colon follows the word at p->at; else false. */
static bool parse_segoff(struct parser *p, uint64_t *value)
{
    char word[16];
    size_t n = word_len(p->at);
    uint64_t selector, base;
    char *end;

    if (n == 0 || n >= sizeof(word) || p->at[n] != ':')
        return false;
    memcpy(word, p->at, n);
    word[n] = '\0';
    p->at += n + 1;
    if (strcmp(word, "phys") == 0) {
        p->out->phys = true;
        *value = parse_binary(p, 0);
        return true;
    }
    if (!find_register(&p->st, word, &selector)) {
        selector = strtoull(word, &end, 16);
        if (*end || selector > 0xffff) {
            fail(p, "'%s' is not a segment", word);
            return true;
        }
    }
    p->out->segoff = true;
    p->out->selector = (uint16_t)selector;
    p->out->offset = parse_offset(p);
    base = selector << 4;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        if (p->st.seg[i].selector == selector &&
            x86_mode(&p->st) > X86_MODE_V86)
            base = p->st.seg[i].base;
    *value = base + p->out->offset;
    return true;
}

/* FILE.C:LINE at p->at; else false.  A segment's name has no dot. */
static bool parse_line(struct parser *p, uint64_t *value)
{
    size_t n = strcspn(p->at, ": \t");
    char file[128], *end;
    long line;

    if (n >= sizeof(file) || !memchr(p->at, '.', n) || p->at[n] != ':' ||
        !isdigit((unsigned char)p->at[n + 1]))
        return false;
    memcpy(file, p->at, n);
    file[n] = '\0';
    line = strtol(p->at + n + 1, &end, 10);
    p->at = end;
    if (line > INT_MAX || !symbols_find_line(p->sym, file, (int)line, value))
        fail(p, "no code is known of line %ld of '%s'", line, file);
    return true;
}

static uint64_t parse_primary(struct parser *p)
{
    char word[128];
    uint64_t value = 0;
    size_t n;

    skip_space(p);
    if (parse_line(p, &value) || parse_segoff(p, &value))
        return value;
    if (accept(p, "(")) {
        value = parse_binary(p, 0);
        return accept(p, ")") ? value : fail(p, "expected ) at '%.20s'", p->at);
    }
    if (accept(p, "["))
        return parse_memory(p);
    if (p->at[0] == '\'' && p->at[1] && p->at[2] == '\'') {
        p->at += 3;
        return (uint8_t)p->at[-2];
    }
    if (isdigit((unsigned char)*p->at))
        return parse_number(p);
    n = (*p->at == '$') + word_len(p->at + (*p->at == '$'));
    if (n == 0 || n >= sizeof(word))
        return fail(p, *p->at ? "unexpected '%.20s'" : "expression expected%s",
                    p->at);
    memcpy(word, p->at, n);
    word[n] = '\0';
    p->at += n;
    return parse_name(p, word);
}

static uint64_t parse_unary(struct parser *p)
{
    uint64_t value;

    if (++p->depth > DEPTH_MAX)
        return fail(p, "the expression is nested too deeply");
    skip_space(p);
    if (accept(p, "-"))
        value = -parse_unary(p);
    else if (accept(p, "~"))
        value = ~parse_unary(p);
    else if (p->at[0] == '!' && p->at[1] != '=' && accept(p, "!"))
        value = !parse_unary(p);
    else if (accept(p, "*")) /* as gdb's users type them */
        value = read_memory(p, parse_unary(p), 4);
    else if (accept(p, "&"))
        value = parse_unary(p);
    else
        value = parse_primary(p);
    p->depth--;
    return value;
}

/* ---- binary operators --------------------------------------------------- */

static uint64_t op_add(uint64_t a, uint64_t b)
{
    return a + b;
}
static uint64_t op_sub(uint64_t a, uint64_t b)
{
    return a - b;
}
static uint64_t op_mul(uint64_t a, uint64_t b)
{
    return a * b;
}
static uint64_t op_div(uint64_t a, uint64_t b)
{
    return b ? a / b : 0;
}
static uint64_t op_mod(uint64_t a, uint64_t b)
{
    return b ? a % b : 0;
}
static uint64_t op_shl(uint64_t a, uint64_t b)
{
    return b < 64 ? a << b : 0;
}
static uint64_t op_shr(uint64_t a, uint64_t b)
{
    return b < 64 ? a >> b : 0;
}
static uint64_t op_and(uint64_t a, uint64_t b)
{
    return a & b;
}
static uint64_t op_xor(uint64_t a, uint64_t b)
{
    return a ^ b;
}
static uint64_t op_or(uint64_t a, uint64_t b)
{
    return a | b;
}
static uint64_t op_eq(uint64_t a, uint64_t b)
{
    return a == b;
}
static uint64_t op_ne(uint64_t a, uint64_t b)
{
    return a != b;
}
static uint64_t op_le(uint64_t a, uint64_t b)
{
    return a <= b;
}
static uint64_t op_ge(uint64_t a, uint64_t b)
{
    return a >= b;
}
static uint64_t op_lt(uint64_t a, uint64_t b)
{
    return a < b;
}
static uint64_t op_gt(uint64_t a, uint64_t b)
{
    return a > b;
}
static uint64_t op_land(uint64_t a, uint64_t b)
{
    return a && b;
}
static uint64_t op_lor(uint64_t a, uint64_t b)
{
    return a || b;
}

/* Loosest first.  Longer tokens stand before their prefixes. */
/* clang-format off */
static const struct {
    unsigned level;
    const char *token;
    char not_before; /* the token is another one if this follows */
    uint64_t (*apply)(uint64_t a, uint64_t b);
} operators[] = {
    { 0, "||", 0, op_lor },
    { 1, "&&", 0, op_land },
    { 2, "==", 0, op_eq }, { 2, "!=", 0, op_ne },
    { 2, "<=", 0, op_le }, { 2, ">=", 0, op_ge },
    { 2, "<", '<', op_lt }, { 2, ">", '>', op_gt },
    { 3, "|", '|', op_or },
    { 4, "^", 0, op_xor },
    { 5, "&", '&', op_and },
    { 6, "<<", 0, op_shl }, { 6, ">>", 0, op_shr },
    { 7, "+", 0, op_add }, { 7, "-", 0, op_sub },
    { 8, "*", 0, op_mul }, { 8, "/", 0, op_div }, { 8, "%", 0, op_mod },
};
/* clang-format on */
#define LEVELS 9u

static uint64_t parse_binary(struct parser *p, unsigned level)
{
    uint64_t value =
        level + 1 < LEVELS ? parse_binary(p, level + 1) : parse_unary(p);

    for (size_t i = 0; i < ARRAY_SIZE(operators) && !p->failed; i++) {
        const char *token = operators[i].token;
        size_t n = strlen(token);

        skip_space(p);
        if (operators[i].level != level || strncmp(p->at, token, n) != 0 ||
            (operators[i].not_before && p->at[n] == operators[i].not_before))
            continue;
        p->at += n;
        value = operators[i].apply(value, level + 1 < LEVELS
                                              ? parse_binary(p, level + 1)
                                              : parse_unary(p));
        i = (size_t)-1; /* look for another operator of this level */
    }
    return value;
}

bool expr_eval(struct vm *vm, const struct symbols *sym, const char *text,
               struct expr_value *out, char *why, size_t len)
{
    struct parser p = {
        .vm = vm,
        .sym = sym,
        .text = text,
        .at = text,
        .why = why,
        .why_len = len,
        .out = out,
    };

    *out = (struct expr_value){0};
    if (vm_get_state(vm, &p.st) < 0) {
        snprintf(why, len, "the machine's state cannot be read");
        return false;
    }
    out->value = parse_binary(&p, 0);
    skip_space(&p);
    if (!p.failed && *p.at)
        fail(&p, "unexpected '%.20s' in '%.40s'", p.at, text);
    return !p.failed;
}
