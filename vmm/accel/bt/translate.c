/*
 * Guest code to a block: a straight run of instructions within one page, over
 * conditional branches that are not taken, to an unconditional one.
 *
 *     ...                          is it for this mode? (not if flat)
 *     movzx r11d, byte [r13 - n]   the budget (bt_cpu.h)
 *     ...                          the instructions
 *     lea r13, [r13 - n]; jmp ...  the end
 *     lea r13, [r13 - k]; jmp ...  one exit for each taken branch
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/accel/bt/xlat.h"

#define INSN_BYTES   15u
#define HOST_RESERVE 4096u /* room for what follows one instruction */

/* clang-format off */
static xlat_handler *const handlers[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
#define XLAT(mnemonic, fn) [ZYDIS_MNEMONIC_##mnemonic] = fn,
#include "vmm/accel/bt/xlat.def"
#undef XLAT
};
/* clang-format on */

static xlat_handler *handler_of(const ZydisDecodedInstruction *insn)
{
    if (handlers[insn->mnemonic])
        return handlers[insn->mnemonic];
    switch (insn->meta.isa_ext) {
    case ZYDIS_ISA_EXT_X87:
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
        return xlat_fpu;
    default:
        return xlat_callout;
    }
}

bool xlat_is_innocuous(const ZydisDecodedInstruction *insn)
{
    xlat_handler *fn = handler_of(insn);

    return fn != xlat_callout && fn != xlat_ends;
}

/* ---- pieces of code ----------------------------------------------------- */

void xlat_lea(struct xlat *x, unsigned reg, unsigned base, int disp)
{
    emit_load(&x->e, 0x8d, reg, xlat_at((enum host_reg)base, disp));
}

void xlat_charge(struct xlat *x, unsigned executed)
{
    emit_load64(&x->e, 0x8d, HOST_R13, xlat_at(HOST_R13, -(int)executed));
}

void xlat_count(struct xlat *x, enum bt_inline which)
{
    struct emit_mem count = xlat_context(BT_CPU_INLINED + 8 * (int)which);

    emit_load64(&x->e, 0x8b, HOST_R11, count);
    emit_load64(&x->e, 0x8d, HOST_R11, xlat_at(HOST_R11, 1));
    emit_load64(&x->e, 0x89, HOST_R11, count);
}

void xlat_exit_info(struct xlat *x, unsigned kind, unsigned low)
{
    uint32_t number = bt_tb_number(x->bt, x->tb);

    assert(low < BIT(BT_EXIT_TB_SHIFT));
    emit_load(&x->e, 0xc7, 0, xlat_context(BT_CPU_EXIT_INFO));
    emit_u32(&x->e,
             kind << BT_EXIT_KIND_SHIFT | number << BT_EXIT_TB_SHIFT | low);
}

/* 12 bytes: CALLOUT_SIZE of stubs.S. */
void xlat_callout_code(struct xlat *x)
{
    const uint8_t *from = x->e.at;

    xlat_exit_info(x, BT_EXIT_CALLOUT, x->index);
    emit_load(&x->e, 0xff, 4, xlat_context(BT_CPU_EXIT_FN));
    assert(x->e.at - from == 12);
    (void)from;
}

void xlat_dispatch(struct xlat *x)
{
    struct emit_mem entry = {
        .base = HOST_R10, .index = HOST_R11, .scale = 4, .disp = 0};

    emit_load64(&x->e, 0x8b, HOST_R10, xlat_context(BT_CPU_JT));
    emit_load(&x->e, 0x8b, HOST_R10, entry);
    emit_load64(&x->e, 0x8d, HOST_R10,
                xlat_at(HOST_R10, (int)(uint64_t)x->bt->cache.rx));
    emit_rm(&x->e, 0xff, 4, HOST_R10);
}

static void goto_through_table(struct xlat *x, uint32_t target)
{
    emit_rm(&x->e, 0xc7, 0, HOST_R11);
    emit_u32(&x->e, target);
    xlat_dispatch(x);
}

void xlat_goto(struct xlat *x, uint32_t target, unsigned executed)
{
    struct bt_slot *slot;

    xlat_charge(x, executed);
    if (target / BT_PAGE != x->tb->eip / BT_PAGE) {
        goto_through_table(x, target);
        return;
    }
    emit_byte(&x->e, 0xe9);
    slot = &x->bt->cache.slot[x->tb->slot + x->tb->slots];
    *slot = (struct bt_slot){
        .patch = x->tb->host + emit_offset(&x->e),
        .target = target,
    };
    emit_u32(&x->e, 0);
    xlat_exit_info(x, BT_EXIT_CHAIN, x->tb->slots++);
    emit_load(&x->e, 0xff, 4, xlat_context(BT_CPU_EXIT_FN));
}

bool xlat_add_branch(struct xlat *x, uint32_t target)
{
    x->branch[x->branches++] = (struct xlat_branch){
        .fixup = emit_offset(&x->e),
        .target = target,
        .executed = x->index + 1,
    };
    emit_u32(&x->e, 0);
    return true;
}

/* ---- the driver --------------------------------------------------------- */

static void init_xlat(struct xlat *x, struct bt *bt, uint32_t eip,
                      uint32_t frame)
{
    struct bt_cache *c = &bt->cache;

    x->bt = bt;
    x->mode = bt_mode_get(bt, bt->mode);
    x->index = x->branches = 0;
    x->sti = x->x87_ready = x->sse_ready = false;
    x->eip = eip;
    x->e = (struct emit){x->buf, x->buf, x->buf + sizeof(x->buf)};
    x->tb = &c->tb[c->tbs];
    *x->tb = (struct bt_tb){
        .eip = eip,
        .frame = frame,
        .frame2 = BT_NO_FRAME,
        .host = (uint32_t)c->used,
        .mode = (uint16_t)bt->mode,
        .user = x->mode.flags & BT_MODE_USER,
        .insn = c->insns,
        .slot = c->slots,
    };
}

/* Decodes at x->eip.  False: not an instruction, or it leaves the page. */
static bool decode(struct xlat *x, unsigned avail)
{
    unsigned n = avail < INSN_BYTES ? avail : INSN_BYTES;
    unsigned bits32 = !(x->mode.flags & BT_MODE_CODE16);
    ZyanStatus status = ZydisDecoderDecodeFull(&x->bt->emu.decoder[bits32],
                                               x->code, n, &x->insn, x->op);

    x->leaves_page = status == ZYDIS_STATUS_NO_MORE_DATA && n < INSN_BYTES;
    return ZYAN_SUCCESS(status) && emu_isa_has(&x->insn);
}

/* One signal for many bytes is cheap, and memcpy() is seldom to a device. */
static bool is_repeated(const struct xlat *x)
{
    return x->insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
                                 ZYDIS_ATTRIB_HAS_REPNE);
}

static bool keeps_faulting(struct xlat *x)
{
    uint64_t key = (uint64_t)x->tb->frame * BT_PAGE + x->eip % BT_PAGE;
    const struct bt_site *site = bt_cache_site(x->bt, key, false);

    return site && site->faults >= BT_FAULTS_CALLOUT;
}

/*
 * The first instruction of the block leaves its page: both halves together in
 * x->crossing, if the second can be fetched.  It is about to be executed, so
 * that accessed bits are due.
 */
static bool join_halves(struct xlat *x, unsigned avail)
{
    const uint8_t *ram = x->bt->vcpu->mem->base;
    uint64_t second = (uint64_t)(x->eip - x->mode.cs_base) + avail;
    uint32_t frame2;

    /* What is no instruction, or beyond CS, is not fetched any further. */
    if (!x->leaves_page ||
        ((x->mode.flags & BT_MODE_CHECKED) && second > x->mode.cs_limit))
        return false;
    frame2 = bt_second_frame(x->bt, x->eip);
    if (frame2 == BT_NO_FRAME)
        return false;
    memcpy(x->crossing, x->code, avail);
    memcpy(x->crossing + avail, ram + (uint64_t)frame2 * BT_PAGE,
           INSN_BYTES - avail);
    x->code = x->crossing;
    if (!decode(x, INSN_BYTES) || x->insn.length <= avail) {
        x->leaves_page = true; /* it does, whatever it is */
        return false;
    }
    x->tb->frame2 = frame2;
    return true;
}

/* Its bytes are within CS, and so is what follows: no limit, no wrap. */
static bool within_code(struct xlat *x)
{
    uint64_t last = (uint64_t)(x->eip - x->mode.cs_base) + x->insn.length - 1;

    if (!(x->mode.flags & BT_MODE_CHECKED))
        return true;
    x->why = BT_REASON_CALLOUT;
    return last <= x->mode.cs_limit &&
           !((x->mode.flags & BT_MODE_CODE16) && last >= 0xffff);
}

static enum xlat_flow translate_insn(struct xlat *x, unsigned avail)
{
    uint8_t *from = x->e.at;
    enum xlat_flow flow;

    x->why = BT_REASON_COPIED;
    if (!decode(x, avail) && (x->index > 0 || !join_halves(x, avail))) {
        x->insn.length = (uint8_t)(avail < INSN_BYTES ? avail : INSN_BYTES);
        x->why = x->leaves_page ? BT_REASON_CROSSES : BT_REASON_CALLOUT;
        return XLAT_CALLOUT_END;
    }
    x->next = x->eip + x->insn.length;
    if (!within_code(x))
        return XLAT_CALLOUT_END;
    if (!is_repeated(x) && keeps_faulting(x)) {
        x->why = BT_REASON_FAULTS;
        return XLAT_CALLOUT;
    }
    flow = handler_of(&x->insn)(x);
    if (flow >= XLAT_CALLOUT) {
        x->e.at = from;
        x->why = BT_REASON_CALLOUT;
    }
    return flow;
}

static struct bt_insn *record(struct xlat *x)
{
    struct bt_insn *rec = &x->bt->cache.insn[x->tb->insn + x->index];

    *rec = (struct bt_insn){
        .host = (uint16_t)emit_offset(&x->e),
        .guest = (uint16_t)(x->eip - x->tb->eip),
    };
    return rec;
}

/* GPA is that of x->eip. */
static bool has_breakpoint(const struct xlat *x, uint64_t gpa)
{
    return x->bt->debug.bps && bt_breakpoint_at(x->bt, x->eip, gpa);
}

/* May another instruction follow?  GPA is that of x->eip.  The shadow of an
 * inline STI is not in the state that a breakpoint behind it would show. */
static bool may_continue(const struct xlat *x, uint64_t gpa)
{
    return x->index < BT_TB_INSNS && x->branches < XLAT_BRANCHES_MAX &&
           x->eip / BT_PAGE == x->tb->eip / BT_PAGE &&
           (size_t)(x->e.end - x->e.at) > HOST_RESERVE + x->branches * 32 &&
           !(x->sti && has_breakpoint(x, gpa));
}

/* Asks the breakpoints here, and goes on if none of them stops. */
static void ask(struct xlat *x, uint64_t gpa)
{
    if (!has_breakpoint(x, gpa))
        return;
    xlat_exit_info(x, BT_EXIT_ASKED, x->index);
    emit_load(&x->e, 0xff, 2, xlat_context(BT_CPU_ASK_FN));
}

/* An inline STI must not be the last: its shadow would be lost. */
static void redo_last_sti(struct xlat *x, struct bt_insn *rec, uint64_t gpa)
{
    x->index--;
    x->e.at = x->e.start + rec->host;
    x->eip -= rec->len;
    ask(x, gpa | x->eip % BT_PAGE);
    rec->why = BT_REASON_CALLOUT;
    rec->ends = true;
    xlat_callout_code(x);
    x->eip += rec->len;
    x->index++;
}

static void translate_run(struct xlat *x, const uint8_t *page, uint64_t gpa)
{
    uint64_t page_gpa = gpa & ~(uint64_t)(BT_PAGE - 1);
    enum xlat_flow flow = XLAT_NEXT;
    struct bt_insn *rec = NULL, *sti = NULL;

    do {
        unsigned offset = x->eip % BT_PAGE;
        x->code = page + offset;
        rec = record(x);
        x->sti = false;
        x->seg_load = x->undo = 0;
        x->fop = x->fds = 0;
        ask(x, page_gpa + offset);
        flow = translate_insn(x, BT_PAGE - offset);
        if (flow == XLAT_CALLOUT_END && x->why == BT_REASON_CROSSES &&
            x->index) { /* a block of its own */
            x->e.at = x->e.start + rec->host;
            break;
        }
        rec->len = x->insn.length;
        rec->why = (uint8_t)x->why;
        rec->ends = flow == XLAT_CALLOUT_END;
        rec->fop = x->fop & 0x7ffu;
        rec->fds = x->fds & 7u;
        if (flow == XLAT_CALLOUT)
            rec->seg_load = x->seg_load;
        else if (flow == XLAT_NEXT)
            rec->undo = x->undo;
        if (flow >= XLAT_CALLOUT) {
            xlat_callout_code(x);
            x->x87_ready = x->sse_ready = false;
        }
        sti = x->sti ? rec : NULL;
        x->index++;
        x->eip += x->insn.length;
    } while ((flow == XLAT_NEXT || flow == XLAT_CALLOUT) &&
             may_continue(x, page_gpa + x->eip % BT_PAGE));
    if (sti)
        redo_last_sti(x, sti, page_gpa);
    record(x); /* the end */
    if (flow == XLAT_NEXT || flow == XLAT_CALLOUT ||
        x->why == BT_REASON_CROSSES)
        xlat_goto(x, x->eip, x->index);
}

static void finish(struct xlat *x)
{
    struct bt_cache *c = &x->bt->cache;
    struct bt_tb *tb = x->tb;

    for (unsigned i = 0; i < x->branches; i++) {
        struct xlat_branch *b = &x->branch[i];
        uint32_t rel = emit_offset(&x->e) - (b->fixup + 4);
        memcpy(x->e.start + b->fixup, &rel, 4);
        xlat_goto(x, b->target, b->executed);
    }
    /* The budget's displacement. */
    x->e.start[tb->head + 4u] = (uint8_t) - (int)x->index;
    tb->entry = tb->host + tb->head;
    if (tb->frame2 != BT_NO_FRAME) {
        tb->entry = tb->host + emit_offset(&x->e);
        goto_through_table(x, tb->eip);
    }
    tb->insns = (uint8_t)x->index;
    tb->host_len = (uint16_t)emit_offset(&x->e);
    tb->guest_len = (uint16_t)(x->eip - tb->eip);
    if (tb->frame2 != BT_NO_FRAME)
        tb->guest_len = (uint16_t)(BT_PAGE - tb->eip % BT_PAGE);
    if (x->bt->vcpu->options.check_blocks)
        assert(bt_check_block(x->bt, x->e.start, tb->host_len));
    memcpy(c->rw + tb->host, x->e.start, tb->host_len);
    bt_cache_add(x->bt, tb);
    x->bt->stats.tbs++;
    x->bt->stats.insns += tb->insns;
    x->bt->stats.guest_bytes += tb->guest_len;
    x->bt->stats.host_bytes += tb->host_len;
}

int bt_translate_init(struct bt *bt)
{
    bt->xlat = calloc(1, sizeof(*bt->xlat));
    return bt->xlat ? 0 : -ENOMEM;
}

/*
 * The jump table of checked modes serves all of them: what comes from it must
 * see that the block is for the mode that the CPU is in.  R11 is the address.
 */
static void check_mode(struct xlat *x)
{
    uint8_t *rel;

    emit_bytes(&x->e, "\x49\x89\xca", 3); /* mov r10, rcx */
    emit_load(&x->e, 0x8b, HOST_RCX, xlat_context(BT_CPU_MODE));
    xlat_lea(x, HOST_RCX, HOST_RCX, -(int)x->tb->mode);
    emit_bytes(&x->e, "\xe3\0", 2); /* jrcxz */
    rel = x->e.at - 1;
    emit_bytes(&x->e, "\x4c\x89\xd1", 3); /* mov rcx, r10 */
    xlat_exit_info(x, BT_EXIT_MISS, 0);
    emit_load(&x->e, 0xff, 4, xlat_context(BT_CPU_EXIT_FN));
    *rel = (uint8_t)(x->e.at - rel - 1);
    emit_bytes(&x->e, "\x4c\x89\xd1", 3);
}

struct bt_tb *bt_translate(struct bt *bt, uint32_t eip, uint32_t frame,
                           uint64_t gpa)
{
    /* movzx r11d, byte [r13 - 0] */
    static const uint8_t budget[] = {0x45, 0x0f, 0xb6, 0x5d, 0};
    struct xlat *x = bt->xlat;

    if (!bt_cache_room(bt))
        bt_cache_flush(bt);
    init_xlat(x, bt, eip, frame);
    if (x->mode.flags & BT_MODE_CHECKED)
        check_mode(x);
    x->tb->head = (uint8_t)emit_offset(&x->e);
    emit_bytes(&x->e, budget, sizeof(budget));
    translate_run(x, bt->vcpu->mem->base + (uint64_t)frame * BT_PAGE, gpa);
    finish(x);
    return x->tb;
}
