/*
 * What is emitted for the host says what the guest's instruction says, and
 * 16-bit code becomes the same bytes as the 32-bit code that means the same.
 * The instructions are those of the differential tests.
 */
#include "tests/diff/diff_gen.c" /* NOLINT(bugprone-suspicious-include) */
#include "tests/unit/accel/emu/machine.h"
#include "vmm/accel/emu/emu_internal.h"

#define SEQUENCES 3000u

/* Executed in C: never emitted. */
static const bool in_c[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
#define INSN(mnemonic, fn) [ZYDIS_MNEMONIC_##mnemonic] = true,
#define STRING(mnemonic, fn)
#include "vmm/accel/emu/emu_insn.def"
#undef INSN
#undef STRING
};

/* As the executor decodes: without what the guest's processor lacks. */
struct decoders {
    struct machine *m;
    ZydisDecoder host;
};

static void decoders_init(struct decoders *d)
{
    d->m = machine_new();
    ZydisDecoderInit(&d->host, ZYDIS_MACHINE_MODE_LONG_64,
                     ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&d->host, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&d->host, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
}

static bool decode_entry(const struct decoders *d, struct emu_entry *e,
                         const uint8_t *bytes, unsigned len, unsigned bits)
{
    memset(e, 0, sizeof(*e));
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&d->m->emu.decoder[bits == 16 ? 0 : 1],
                                   bytes, len, &e->insn, e->op)))
        return false;
    e->bits = (uint8_t)bits;
    e->len = e->insn.length;
    memcpy(e->bytes, bytes, e->len < 16 ? e->len : 16);
    return true;
}

/* The same instruction for a 16-bit code segment; its length. */
static unsigned to_16_bits(const struct emu_entry *e, uint8_t *out)
{
    bool toggle = !emu_isa_is_vector(e->insn.meta.isa_ext) ||
                  e->insn.meta.isa_ext == ZYDIS_ISA_EXT_X87;
    unsigned prefixes = e->insn.raw.prefix_count, n = 0;
    bool had = false;

    out[n++] = 0x67;
    for (unsigned i = 0; i < prefixes; i++) {
        if (e->bytes[i] == 0x66 && toggle)
            had = true;
        else
            out[n++] = e->bytes[i];
    }
    if (toggle && !had)
        out[n++] = 0x66;
    memcpy(out + n, e->bytes + prefixes, e->len - prefixes);
    return n + e->len - prefixes;
}

static void show(const struct emu_entry *e, const uint8_t *code, unsigned len)
{
    for (unsigned i = 0; i < e->len; i++)
        print_message(" %02x", e->bytes[i]);
    print_message(" became");
    for (unsigned i = 0; i < len; i++)
        print_message(" %02x", code[i]);
    print_message("\n");
}

static void assert_same_operands(const struct emu_entry *a,
                                 const struct emu_entry *b)
{
    assert_int_equal(a->insn.mnemonic, b->insn.mnemonic);
    if (!emu_isa_is_vector(a->insn.meta.isa_ext)) /* has no meaning there */
        assert_int_equal(a->insn.operand_width, b->insn.operand_width);
    assert_int_equal(a->insn.address_width, b->insn.address_width);
    assert_int_equal(a->insn.operand_count_visible,
                     b->insn.operand_count_visible);
    for (unsigned i = 0; i < a->insn.operand_count_visible; i++) {
        const ZydisDecodedOperand *p = &a->op[i], *q = &b->op[i];

        if (p->size != q->size)
            show(a, b->bytes, b->len);
        assert_int_equal(p->type, q->type);
        assert_int_equal(p->size, q->size);
        assert_int_equal(p->actions, q->actions);
        if (p->type == ZYDIS_OPERAND_TYPE_REGISTER)
            assert_int_equal(p->reg.value, q->reg.value);
        if (p->type == ZYDIS_OPERAND_TYPE_MEMORY)
            assert_memory_equal(&p->mem, &q->mem, sizeof(p->mem));
    }
}

/* What a register operand of the guest is on the host. */
static ZydisRegister host_register(const struct emu_entry *e, ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_ESP)
        return ZYDIS_REGISTER_EAX + e->esp_host;
    if (reg == ZYDIS_REGISTER_SP)
        return ZYDIS_REGISTER_AX + e->esp_host;
    return reg;
}

static void assert_decodes_back(const struct decoders *d,
                                const struct emu_entry *e, const uint8_t *code,
                                unsigned len, const uint8_t *scratch)
{
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction host;

    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d->host, code, len, &host, op)) ||
        host.length != len - 1 || host.mnemonic != e->insn.mnemonic) {
        show(e, code, len);
        fail();
    }
    assert_int_equal(code[len - 1], 0xc3);
    assert_false(host.attributes & ZYDIS_ATTRIB_HAS_REX);
    for (unsigned i = 0; i < e->insn.operand_count_visible; i++) {
        const ZydisDecodedOperand *p = &e->op[i];

        assert_int_equal(op[i].type, p->type);
        assert_int_equal(op[i].size, p->size);
        if (p->type == ZYDIS_OPERAND_TYPE_REGISTER)
            assert_int_equal(op[i].reg.value, host_register(e, p->reg.value));
        if (p->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
            assert_int_equal(op[i].imm.value.u, p->imm.value.u);
        if (p->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        assert_int_equal(op[i].mem.base, ZYDIS_REGISTER_RIP);
        assert_int_equal(op[i].mem.index, ZYDIS_REGISTER_NONE);
        assert_ptr_equal(code + host.length + op[i].mem.disp.value, scratch);
    }
}

static void check(const struct decoders *d, const struct emu_entry *e,
                  unsigned *natives)
{
    static uint8_t area[256];
    struct emu_entry e32 = *e, e16;
    uint8_t bytes[24], code[EMU_SLOT_SIZE];
    unsigned len = to_16_bits(e, bytes), n;

    if (len > 15 || e->insn.mnemonic == ZYDIS_MNEMONIC_NOP)
        return;
    assert_true(decode_entry(d, &e16, bytes, len, 16));
    assert_int_equal(e16.len, len);
    assert_same_operands(e, &e16);
    if (in_c[e->insn.mnemonic] || !emu_native_prepare(&e32))
        return;
    assert_true(emu_native_prepare(&e16));
    n = emu_encode(&e32, code, area, area + 128);
    assert_int_equal(emu_encode(&e16, area, area, area + 128), n);
    assert_memory_equal(code, area, n);
    assert_decodes_back(d, &e32, area, n, area + 128);
    ++*natives;
}

static void encodings(void **state)
{
    struct diff_seq *seq = calloc(1, sizeof(*seq));
    unsigned natives = 0;
    struct decoders d;
    struct emu_entry e;

    (void)state;
    assert_non_null(seq);
    decoders_init(&d);
    for (unsigned s = 0; s < SEQUENCES; s++) {
        diff_generate(seq, s + 1);
        for (unsigned at = 0; at < seq->code_len; at += e.len) {
            assert_true(
                decode_entry(&d, &e, seq->code + at, seq->code_len - at, 32));
            check(&d, &e, &natives);
        }
    }
    assert_true(natives > SEQUENCES * 3);
    machine_free(d.m);
    free(seq);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(encodings)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
