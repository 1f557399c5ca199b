/* What bt made of the guest's code. */
#include "vmm/accel/bt/bt.h"
#include "vmm/view/views.h"
#include "vmm/x86/insn.h"

static void put_guest_insn(const struct view_ctx *ctx, struct doc *doc,
                           const struct bt_insn_view *in)
{
    uint8_t bytes[15];
    char text[128];
    size_t n = vm_read_gla(ctx->vm, in->eip, bytes, in->guest_len);

    x86_insn_text(text, sizeof(text), bytes, n, 32, in->eip);
    doc_row(doc);
    doc_cell(doc, "%08x", in->eip);
    doc_cell(doc, "%s", text);
    doc_cell(doc, "%s", bt_reason_text(in->why));
    doc_mark(doc, DOC_NAME);
}

static void put_host_insns(struct doc *doc, const struct bt_block_view *b,
                           const struct bt_insn_view *in)
{
    for (uint32_t at = in->host; at < in->host + in->host_len;) {
        char text[128];
        unsigned len = x86_insn_text(text, sizeof(text), b->host + at,
                                     b->host_len - at, 64, b->host_pc + at);

        doc_row(doc);
        doc_cell(doc, "%s", "");
        doc_cell(doc, "    %s", text);
        doc_cell(doc, "%s", "");
        at += len ? len : 1;
    }
}

bool view_block(const struct view_ctx *ctx, int argc, char **argv,
                struct doc *doc)
{
    struct bt_block_view b;
    struct x86_state st;
    uint64_t gla;

    if (vm_vcpu(ctx->vm)->ops != &accel_bt)
        return view_fail(doc, "KVM runs the guest's code as it is; --accel bt "
                              "translates");
    if (vm_get_state(ctx->vm, &st) < 0 ||
        !view_arg(ctx, argc, argv, 1, st.rip, &gla, doc))
        return false;
    if (!bt_block_at(vm_vcpu(ctx->vm), (uint32_t)gla, &b))
        return view_fail(doc,
                         "%#llx is not translated: it has not run, or "
                         "step by step alone",
                         (unsigned long long)gla);
    doc_field(doc, "block", "%08x, %u instructions, %s", b.eip, b.insns,
              b.user ? "user" : "supervisor");
    doc_field(doc, "host", "%#llx, %u bytes", (unsigned long long)b.host_pc,
              b.host_len);
    doc_table(doc, "code", "address,guest and host code=code,why");
    for (unsigned i = 0; i < b.insns; i++) {
        put_guest_insn(ctx, doc, &b.insn[i]);
        put_host_insns(doc, &b, &b.insn[i]);
    }
    return true;
}
