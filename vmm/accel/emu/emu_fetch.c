/*
 * From CS:RIP to a decoded instruction.  SDM vol. 2A 2.3.11: 15 bytes at most.
 *
 * Decoded instructions are cached by address and compared by their bytes, so
 * nothing has to be invalidated when code changes.
 */
#include <string.h>

#include "vmm/accel/emu/emu_internal.h"
#include "vmm/accel/emu/sys.h"

#define MAX_LEN 15u

/* The code at RIP as far as it was fetched. */
struct window {
    uint8_t bytes[16];
    unsigned len;
    bool at_limit; /* the next byte lies beyond CS's limit */
};

static bool fetch_page(struct emu *emu, struct window *w, uint64_t rip)
{
    const struct x86_seg *cs = &emu->st->seg[X86_CS];
    uint64_t gla = rip, room = MAX_LEN - w->len, in_page;
    const struct emu_tlb_entry *page;

    if (!emu_is_long64(emu->st)) {
        gla = (uint32_t)(cs->base + rip);
        if (rip > cs->limit)
            return emu_raise(emu, X86_GP);
        if (room > cs->limit - rip + 1 && cs->limit != 0xffffffffu)
            room = cs->limit - rip + 1;
    }
    in_page = MEM_PAGE_SIZE - (gla & (MEM_PAGE_SIZE - 1));
    if (room > in_page)
        room = in_page;
    page = emu_tlb_get(emu, gla, EMU_FETCH, x86_cpl(emu->st) == 3);
    if (!page)
        return false;
    emu_page_read(emu, page, (unsigned)gla & (MEM_PAGE_SIZE - 1),
                  w->bytes + w->len, (unsigned)room);
    w->len += (unsigned)room;
    return true;
}

static const ZydisDecoder *decoder_for(const struct emu *emu, unsigned bits)
{
    return &emu->decoder[bits == 16 ? 0 : bits == 32 ? 1 : 2];
}

/* Fetches as many bytes as the instruction has, and decodes them. */
static bool decode(struct emu *emu, struct window *w, unsigned bits,
                   struct emu_entry *entry)
{
    const ZydisDecoder *decoder = decoder_for(emu, bits);
    uint64_t mask = bits == 64 ? ~0ull : 0xffffffffu;
    ZyanStatus status;

    for (;;) {
        unsigned before = w->len;

        if (!fetch_page(emu, w, (emu->st->rip + w->len) & mask))
            return false;
        status = ZydisDecoderDecodeFull(decoder, w->bytes, w->len, &entry->insn,
                                        entry->op);
        if (ZYAN_SUCCESS(status))
            return true;
        if (status != ZYDIS_STATUS_NO_MORE_DATA || w->len == MAX_LEN)
            break;
        assert(w->len > before);
    }
    if (status == ZYDIS_STATUS_NO_MORE_DATA ||
        status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
        return emu_raise(emu, X86_GP);
    return emu_raise(emu, X86_UD);
}

/* ---- who executes it --------------------------------------------------- */

static emu_handler *const own[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
#define INSN(mnemonic, fn) [ZYDIS_MNEMONIC_##mnemonic] = fn,
#define STRING(mnemonic, fn)
#include "vmm/accel/emu/emu_insn.def"
#undef INSN
#undef STRING
};

static const struct {
    ZydisMnemonic mnemonic;
    emu_handler *handler;
} strings[] = {
#define INSN(mnemonic, fn)
#define STRING(mnemonic, fn) {ZYDIS_MNEMONIC_##mnemonic, fn},
#include "vmm/accel/emu/emu_insn.def"
#undef INSN
#undef STRING
};

static emu_handler *string_handler(ZydisMnemonic mnemonic)
{
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        if (strings[i].mnemonic == mnemonic)
            return strings[i].handler;
    return NULL;
}

static bool is_system_register(const ZydisDecodedOperand *op)
{
    ZydisRegister reg = op->reg.value;

    if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return false;
    return (reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS) ||
           (reg >= ZYDIS_REGISTER_CR0 && reg <= ZYDIS_REGISTER_CR15) ||
           (reg >= ZYDIS_REGISTER_DR0 && reg <= ZYDIS_REGISTER_DR15) ||
           (reg >= ZYDIS_REGISTER_TR0 && reg <= ZYDIS_REGISTER_TR7);
}

static bool is_system_move(const struct emu_entry *entry)
{
    return entry->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
           (is_system_register(&entry->op[0]) ||
            is_system_register(&entry->op[1]));
}

/* SSE2's MOVSD and CMPSD, which have the names of string instructions. */
static bool is_scalar_sse(ZydisMnemonic mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_MOVSD || mnemonic == ZYDIS_MNEMONIC_CMPSD;
}

/* Of long mode: far branches; NULL: it is none. */
static emu_handler *far_handler(const struct emu_entry *entry)
{
    if (entry->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
        return NULL;
    switch (entry->insn.mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
        return sys_long_call_far;
    case ZYDIS_MNEMONIC_JMP:
        return sys_long_jmp_far;
    case ZYDIS_MNEMONIC_RET:
        return sys_long_ret_far;
    default:
        return NULL;
    }
}

/* NULL: KVM has to do it. */
static emu_handler *handler_of_64(struct emu_entry *entry)
{
    ZydisMnemonic mnemonic = entry->insn.mnemonic;
    emu_handler *handler = far_handler(entry);

    if (is_system_move(entry))
        return sys_mov;
    if (!handler)
        handler = emu_long_handler(mnemonic, false);
    if (entry->insn.meta.category == ZYDIS_CATEGORY_STRINGOP)
        return string_handler(mnemonic);
    if (handler)
        return handler;
    if (!emu_isa_has(&entry->insn))
        return NULL;
    if (!is_scalar_sse(mnemonic) && (own[mnemonic] || sys_handler(mnemonic)))
        return NULL;
    return emu_native_prepare(entry) ? emu_native_execute : NULL;
}

static emu_handler *handler_of_compat(struct emu_entry *entry)
{
    ZydisMnemonic mnemonic = entry->insn.mnemonic;

    if (is_system_move(entry))
        return sys_mov;
    if (far_handler(entry))
        return far_handler(entry);
    if (!emu_isa_has(&entry->insn))
        return NULL;
    if (entry->insn.meta.category == ZYDIS_CATEGORY_STRINGOP)
        return string_handler(mnemonic);
    if (own[mnemonic] && !is_scalar_sse(mnemonic))
        return own[mnemonic];
    if (sys_handler(mnemonic) || emu_long_handler(mnemonic, true))
        return emu_long_handler(mnemonic, true);
    return emu_native_prepare(entry) ? emu_native_execute : NULL;
}

static emu_handler *handler_of(struct emu_entry *entry)
{
    const ZydisDecodedInstruction *insn = &entry->insn;
    emu_handler *handler;

    if (!emu_isa_has(insn))
        return emu_do_undefined;
    if (insn->meta.category == ZYDIS_CATEGORY_STRINGOP)
        return string_handler(insn->mnemonic);
    if (insn->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
        is_system_move(entry))
        return sys_handler(insn->mnemonic);
    handler = own[insn->mnemonic];
    if (!handler || is_scalar_sse(insn->mnemonic))
        handler = sys_handler(insn->mnemonic);
    if (handler)
        return handler;
    return emu_native_prepare(entry) ? emu_native_execute : NULL;
}

static void fill(struct emu_entry *entry, const struct window *w, unsigned bits,
                 bool compat)
{
    entry->len = entry->insn.length;
    entry->bits = (uint8_t)bits;
    entry->compat = compat;
    memset(entry->bytes, 0, sizeof(entry->bytes));
    memcpy(entry->bytes, w->bytes, entry->len);
    entry->emitted = false;
    for (unsigned i = entry->insn.operand_count; i < 3; i++)
        entry->op[i].type = ZYDIS_OPERAND_TYPE_UNUSED;
    entry->fpu = (uint8_t)emu_fpu_rules(&entry->insn, entry->op);
    entry->fop = (int16_t)emu_fpu_opcode(&entry->insn);
    entry->of_the_kind = emu_isa_is_of_the_kind(&entry->insn);
    entry->handler = bits == 64 ? handler_of_64(entry)
                     : compat   ? handler_of_compat(entry)
                                : handler_of(entry);
}

/* ---- the cache --------------------------------------------------------- */

static void use(struct emu *emu, struct emu_entry *entry)
{
    uint64_t next = emu->st->rip + entry->len;

    emu->next_rip = entry->bits == 64 ? next : (uint32_t)next;
    emu->native->cur = entry;
    emu->insn = &entry->insn;
    emu->op = entry->op;
    emu->bytes = entry->bytes;
}

/* The code at GLA if it lies in a page of RAM known to the TLB. */
static const uint8_t *peek(struct emu *emu, uint64_t gla, unsigned *room)
{
    const struct emu_tlb_entry *page;

    *room = MEM_PAGE_SIZE - ((unsigned)gla & (MEM_PAGE_SIZE - 1));
    page = emu_tlb_get(emu, gla, EMU_FETCH, x86_cpl(emu->st) == 3);
    return page && page->hva ? page->hva + (gla & (MEM_PAGE_SIZE - 1)) : NULL;
}

bool emu_fetch(struct emu *emu)
{
    struct x86_state *st = emu->st;
    const struct x86_seg *cs = &st->seg[X86_CS];
    bool long64 = emu_is_long64(st);
    bool compat = (st->efer & X86_EFER_LMA) && !long64;
    unsigned bits = long64 ? 64 : cs->attr & X86_SEG_DB ? 32 : 16, room;
    uint64_t gla = long64 ? st->rip : (uint32_t)(cs->base + st->rip);
    struct emu_entry *entry;
    struct window w = {.len = 0};
    const uint8_t *code;

    entry = &emu->native->entry[(gla ^ gla >> 10) % EMU_CACHE_SIZE];
    if (entry->len && entry->bits == bits && entry->compat == compat &&
        (long64 || st->rip + entry->len - 1 <= cs->limit)) {
        code = peek(emu, gla, &room);
        if (code && entry->len <= room &&
            memcmp(code, entry->bytes, entry->len) == 0) {
            use(emu, entry);
            return true;
        }
    }
    entry->len = 0;
    use(emu, &emu->native->none);
    if (!decode(emu, &w, bits, entry))
        return false;
    fill(entry, &w, bits, compat);
    use(emu, entry);
    return true;
}
