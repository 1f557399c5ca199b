/* Blocks and shadow entries as views show them.  See bt.h. */
#include <stdio.h>
#include <string.h>

#include "vmm/accel/bt/bt_int.h"

static const char *const reasons[] = {
#define BT_REASON(id, text) [BT_REASON_##id] = text,
#include "vmm/accel/bt/bt_reason.def"
#undef BT_REASON
};

const char *bt_reason_text(enum bt_reason reason)
{
    assert(reason < ARRAY_SIZE(reasons));
    return reasons[reason];
}

/* The RAM page that GLA names now; UINT32_MAX: none. */
static uint32_t frame_at(struct bt *bt, uint32_t gla)
{
    struct x86_phys phys = mem_phys(bt->vcpu->mem);
    struct x86_access look = {.no_check = true};
    struct x86_paging paging;
    struct x86_walk walk;
    bool rom;

    x86_paging_init(&paging, bt_st(bt));
    x86_walk(&walk, &paging, &phys, gla, look);
    return walk.result == X86_WALK_OK
               ? bt_frame(bt, bt_a20_mask(bt, walk.gpa), &rom)
               : UINT32_MAX;
}

static void copy_block(const struct bt *bt, const struct bt_tb *tb,
                       struct bt_block_view *out)
{
    *out = (struct bt_block_view){
        .eip = tb->eip,
        .gpa = tb->frame * BT_PAGE + tb->eip % BT_PAGE,
        .user = tb->user,
        .insns = tb->insns,
        .host_pc = (uint64_t)bt->cache.rx + tb->host,
        .host = bt->cache.rw + tb->host,
        .host_len = tb->host_len,
    };
    assert(tb->insns <= ARRAY_SIZE(out->insn));
    for (unsigned i = 0; i < tb->insns; i++) {
        const struct bt_insn *in = bt_tb_insn(bt, tb, i);

        out->insn[i] = (struct bt_insn_view){
            .eip = tb->eip + in->guest,
            .guest_len = in->len,
            .why = (enum bt_reason)in->why,
            .host = in->host,
            .host_len = (uint32_t)(in[1].host - in->host),
        };
    }
}

bool bt_block_at(struct vcpu *vcpu, uint32_t gla, struct bt_block_view *out)
{
    struct bt *bt = vcpu->accel;
    uint32_t frame = frame_at(bt, gla), n;
    uint32_t mode = bt_mode_find(bt);

    if (frame == UINT32_MAX || !bt->cache.page)
        return false;
    for (n = bt->cache.page[frame].tbs; n; n = bt->cache.tb[n].page_next) {
        const struct bt_tb *tb = &bt->cache.tb[n];

        if (!tb->dead && tb->mode == mode && gla - tb->eip < tb->guest_len) {
            copy_block(bt, tb, out);
            return true;
        }
    }
    return false;
}

/* The line of /proc/self/maps that has HOST. */
static void host_mapping(uint64_t host, struct bt_shadow_view *out)
{
    FILE *f = fopen("/proc/self/maps", "re");
    unsigned long long first, end, offset;
    char line[512], rights[5];

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "%llx-%llx %4s %llx", &first, &end, rights, &offset) ==
                4 &&
            host >= first && host < end) {
            memcpy(out->host_rights, rights, sizeof(rights));
            out->host_offset = offset + (host - first);
            break;
        }
    if (f)
        fclose(f);
}

void bt_shadow_at(struct vcpu *vcpu, uint32_t gla, struct bt_shadow_view *out)
{
    struct bt *bt = vcpu->accel;
    uint32_t entry =
        bt->win && bt->win->shadow ? bt->win->shadow[gla / BT_PAGE] : 0;
    uint32_t frame = frame_at(bt, gla);

    *out = (struct bt_shadow_view){
        .mapped = entry & BT_SHADOW_HOST,
        .writable = entry & BT_SHADOW_WRITE,
        .code = frame != UINT32_MAX && bt->cache.code_pages &&
                bt_bit(bt->cache.code_pages, frame),
        .large = entry & BT_SHADOW_LARGE,
        .user = bt->win && bt->win->user,
        .ram_offset = entry & ~(BT_PAGE - 1),
    };
    if (bt->win && bt->win->base)
        host_mapping((uint64_t)bt->win->base + (gla & ~(BT_PAGE - 1)), out);
}
