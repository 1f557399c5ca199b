/*
 * Modes: what a block depends on beside the bytes and the place of its code.
 *
 * In the flat modes (32-bit code, CS, SS, DS and ES from 0 to 4 GiB, CPL 0 or
 * 3) an offset is a linear address.  All others are checked modes: each access
 * adds its segment's base and checks its limit, both read from the vCPU's
 * state, so that a segment load changes no mode.  CS's base and limit belong
 * to the mode.
 *
 * A limit is checked by a load from limit[seg] + offset: up to the limit that
 * lies in 4 GiB of readable zeros, beyond it in as much without rights.  The
 * guest's flags stay what they are, and a miss faults before the instruction
 * has changed anything, so that it can be emulated from its start.
 *
 * Not translated: TF and armed debug registers, which trap after each
 * instruction or access; alignment checks; paging with A20 off; long mode.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/accel/bt/bt_int.h"
#include "vmm/base/log.h"

#define MODES_MOST (BT_MODES / 4 * 3) /* in use before all go */

#define SEG_KIND                                                               \
    (X86_SEG_P | X86_SEG_S | X86_SEG_CODE | X86_SEG_RW | X86_SEG_DB)

/* ---- life --------------------------------------------------------------- */

int bt_mode_init(struct bt *bt)
{
    uint8_t *p = mmap(NULL, 2 * BT_WINDOW_SIZE + BT_PAGE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p != MAP_FAILED && mprotect(p, BT_WINDOW_SIZE, PROT_READ) == 0) {
        bt->limits = p;
        return 0;
    }
    log_error("cannot reserve 8 GiB of addresses for limits: %s; see "
              "ulimit -v and vm.overcommit_memory",
              strerror(errno));
    if (p != MAP_FAILED)
        munmap(p, 2 * BT_WINDOW_SIZE + BT_PAGE);
    return -ENOMEM;
}

void bt_mode_fini(struct bt *bt)
{
    if (bt->limits)
        munmap(bt->limits, 2 * BT_WINDOW_SIZE + BT_PAGE);
}

/* ---- the CPU's mode ----------------------------------------------------- */

bool bt_mode_translates(const struct bt *bt)
{
    const struct x86_state *st = &bt->cpu->st;

    if ((st->efer & X86_EFER_LMA) || (st->rflags & X86_EFLAGS_TF) ||
        (st->dr[7] & 0xff))
        return false;
    if (!bt->vcpu->a20 && (st->cr0 & X86_CR0_PG))
        return false;
    return x86_cpl(st) != 3 || !(st->rflags & X86_EFLAGS_AC) ||
           !(st->cr0 & X86_CR0_AM);
}

static bool flat(const struct x86_seg *s, unsigned kind, unsigned mask)
{
    return (s->attr & mask) == kind && s->base == 0 && s->limit == 0xffffffffu;
}

static bool flat_data(const struct x86_seg *s)
{
    return flat(s, X86_SEG_P | X86_SEG_S | X86_SEG_RW,
                (SEG_KIND & ~X86_SEG_DB) | X86_SEG_EC);
}

static bool is_flat(const struct x86_state *st, unsigned cpl)
{
    if (!(st->cr0 & X86_CR0_PE) || (st->rflags & X86_EFLAGS_VM) || cpl == 1 ||
        cpl == 2)
        return false;
    return flat(&st->seg[X86_CS], SEG_KIND, SEG_KIND) &&
           flat_data(&st->seg[X86_SS]) && (st->seg[X86_SS].attr & X86_SEG_DB) &&
           flat_data(&st->seg[X86_DS]) && flat_data(&st->seg[X86_ES]);
}

static struct bt_mode flat_mode(bool user)
{
    return (struct bt_mode){.flags = user ? BT_MODE_USER : BT_MODE_PRIV,
                            .cs_limit = 0xffffffffu};
}

static struct bt_mode mode_of(const struct x86_state *st)
{
    bool v86 = (st->cr0 & X86_CR0_PE) && (st->rflags & X86_EFLAGS_VM);
    unsigned cpl = x86_cpl(st);
    struct bt_mode mode = {
        .flags = BT_MODE_CHECKED,
        .cs_base = (uint32_t)st->seg[X86_CS].base,
        .cs_limit = st->seg[X86_CS].limit,
    };

    if (is_flat(st, cpl))
        return flat_mode(cpl == 3);
    mode.flags |= cpl == 3 ? BT_MODE_USER : 0;
    mode.flags |= cpl == 0 ? BT_MODE_PRIV : 0;
    mode.flags |= v86 ? BT_MODE_V86 : 0;
    mode.flags |= st->seg[X86_CS].attr & X86_SEG_DB ? 0 : BT_MODE_CODE16;
    mode.flags |= st->seg[X86_SS].attr & X86_SEG_DB ? 0 : BT_MODE_STACK16;
    return mode;
}

static bool same(const struct bt_mode *a, const struct bt_mode *b)
{
    return a->flags == b->flags && a->cs_base == b->cs_base &&
           a->cs_limit == b->cs_limit;
}

/* ---- numbers ------------------------------------------------------------ */

/* Where MODE is in the table, or the free entry where it belongs. */
static uint32_t slot_of(const struct bt *bt, const struct bt_mode *mode)
{
    uint32_t i = (mode->cs_base / 16 ^ mode->cs_limit ^ mode->flags << 5) *
                     0x9e3779b1u >>
                 23;

    _Static_assert(BT_MODES == BIT(32 - 23), "the hash's shift");
    while (bt->modes[i].flags && !same(&bt->modes[i], mode))
        i = (i + 1) % BT_MODES;
    return i;
}

struct bt_mode bt_mode_get(const struct bt *bt, uint32_t number)
{
    if (number < BT_MODE_FIRST)
        return flat_mode(number == BT_MODE_FLAT_USER);
    return bt->modes[number - BT_MODE_FIRST];
}

uint32_t bt_mode_find(const struct bt *bt)
{
    unsigned cpl = x86_cpl(&bt->cpu->st);
    struct bt_mode mode;
    uint32_t slot;

    if (is_flat(&bt->cpu->st, cpl))
        return cpl == 3 ? BT_MODE_FLAT_USER : BT_MODE_FLAT;
    mode = mode_of(&bt->cpu->st);
    slot = slot_of(bt, &mode);
    return bt->modes[slot].flags ? slot + BT_MODE_FIRST : UINT32_MAX;
}

void bt_mode_select(struct bt *bt)
{
    bt->mode = bt_mode_find(bt);
    if (bt->mode == UINT32_MAX) {
        struct bt_mode mode = mode_of(&bt->cpu->st);
        if (bt->modes_used >= MODES_MOST) {
            bt_cache_flush(bt);
            memset(bt->modes, 0, sizeof(bt->modes));
            bt->modes_used = 0;
        }
        bt->modes_used++;
        bt->modes[slot_of(bt, &mode)] = mode;
        bt->mode = bt_mode_find(bt);
    }
    bt->cpu->mode = bt->mode;
}

bool bt_mode_holds(const struct bt *bt)
{
    return bt_mode_find(bt) == bt->mode && bt_mode_translates(bt);
}

/* ---- what segments allow ------------------------------------------------ */

static uint64_t limit_address(const struct bt *bt, enum x86_sreg seg,
                              enum emu_right right)
{
    uint64_t end = (uint64_t)bt->limits + BT_WINDOW_SIZE, limit;

    if (!emu_segment_limit(&bt->emu, seg, right, &limit))
        return end; /* nothing can be reached, or not by counting from 0 */
    return end - 1 - limit;
}

static const uint64_t *base_pointer(const struct bt *bt, enum x86_sreg seg)
{
    const struct x86_seg *s = &bt->cpu->st.seg[seg];
    struct x86_seg at_zero = *s;

    at_zero.base = 0;
    return flat_data(&at_zero) ? &s->base : (const uint64_t *)bt->nothing;
}

void bt_mode_load(struct bt *bt)
{
    struct bt_cpu *cpu = bt->cpu;

    if (bt->mode < BT_MODE_FIRST) {
        cpu->fs_base = base_pointer(bt, X86_FS);
        cpu->gs_base = base_pointer(bt, X86_GS);
        return;
    }
    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        enum x86_sreg seg = (enum x86_sreg)i;
        cpu->read_limit[i] = limit_address(bt, seg, EMU_READ);
        cpu->write_limit[i] = limit_address(bt, seg, EMU_WRITE);
    }
    cpu->code_limit =
        (uint64_t)bt->limits + BT_WINDOW_SIZE - 1 - cpu->st.seg[X86_CS].limit;
}
