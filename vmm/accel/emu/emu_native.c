/*
 * Execution of innocuous instructions by the host processor.
 *
 * The code lives in a memfd that is mapped twice: once to write, once to run.
 * Right behind the second mapping lies the scratch page that stands for the
 * memory operand.
 *
 *     code_rx                        scratch
 *     | slot 0 | slot 1 | ... slot n | operand ... |
 *
 * A host exception inside a slot is the guest's: SIGFPE is #DE, #MF or #XM.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "vmm/accel/emu/emu_internal.h"
#include "vmm/accel/host_signal.h"
#include "vmm/base/log.h"

#define CODE_LEN ((size_t)EMU_CACHE_SIZE * EMU_SLOT_SIZE)

static_assert(offsetof(struct emu_native_ctx, flags) == 128, "emu_thunk.S");
static_assert(offsetof(struct emu_native_ctx, host_rsp) == 136, "emu_thunk.S");
static_assert(offsetof(struct emu_native_ctx, fxsave) == 144, "emu_thunk.S");
static_assert(offsetof(struct emu_native_ctx, code) == 152, "emu_thunk.S");
static_assert(offsetof(struct emu_native_ctx, host_mxcsr) == 160,
              "emu_thunk.S");
static_assert(offsetof(struct emu_native_ctx, regs) == 168, "emu_thunk.S");

/* The emitted instruction that this thread is in; for the signal handler. */
static _Thread_local struct emu_native *running;

/* ---- set up ------------------------------------------------------------ */

static int map_code(struct emu_native *n, int fd)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *area;

    if (ftruncate(fd, (off_t)CODE_LEN) < 0)
        return -errno;
    n->code_rw =
        mmap(NULL, CODE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (n->code_rw == MAP_FAILED)
        return -errno;
    area = mmap(NULL, CODE_LEN + page, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return -errno;
    n->code_rx = area;
    n->scratch = area + CODE_LEN;
    n->code_len = CODE_LEN + page;
    if (mmap(area, CODE_LEN, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd,
             0) == MAP_FAILED)
        return -errno;
    return 0;
}

int emu_native_init(struct emu *emu)
{
    struct emu_native *n = aligned_alloc(64, sizeof(*n));
    int fd, err;

    if (!n) {
        log_error("cannot get memory for the instruction cache");
        return -ENOMEM;
    }
    memset(n, 0, sizeof(*n));
    n->code_rw = MAP_FAILED;
    n->cur = &n->none;
    emu->insn = &n->none.insn;
    emu->op = n->none.op;
    emu->bytes = n->none.bytes;
    emu->native = n;
    fd = memfd_create("ringside-emu", MFD_CLOEXEC);
    err = fd < 0 ? -errno : map_code(n, fd);
    if (fd >= 0)
        close(fd);
    if (err == 0)
        err = host_signal_init();
    if (err < 0) {
        log_error("cannot set up native execution: %s", strerror(-err));
        emu_native_fini(emu);
    }
    return err;
}

static void unmap(const void *p, size_t len)
{
    munmap((void *)(uintptr_t)p, len);
}

void emu_native_fini(struct emu *emu)
{
    struct emu_native *n = emu->native;

    if (!n)
        return;
    if (n->code_rw != MAP_FAILED)
        munmap(n->code_rw, CODE_LEN);
    if (n->code_rx)
        unmap(n->code_rx, n->code_len);
    free(n);
    emu->native = NULL;
}

/* ---- may it run? ------------------------------------------------------- */

/* Nothing that enters or shows the host's system. */
static bool is_innocuous(const ZydisDecodedInstruction *insn)
{
    if (insn->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
        return false;
    switch (insn->meta.category) {
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_STRINGOP:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_PUSH:
    case ZYDIS_CATEGORY_POP:
        return false;
    default:
        return insn->meta.isa_set != ZYDIS_ISA_SET_I286PROTECTED;
    }
}

/* The legacy general registers that the instruction names, as a mask. */
static unsigned named_registers(const struct emu_entry *entry)
{
    unsigned mask = 0, size;
    bool high;

    for (unsigned i = 0; i < entry->insn.operand_count; i++) {
        const ZydisDecodedOperand *op = &entry->op[i];
        int reg;

        if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        reg = emu_gpr_index(op->reg.value, &size, &high);
        if (reg >= 0)
            mask |= BIT((unsigned)reg);
    }
    return mask;
}

static bool needs_alignment(const ZydisDecodedInstruction *insn,
                            const ZydisDecodedOperand *op)
{
    if (op->size != 128 || !emu_isa_is_vector(insn->meta.isa_ext))
        return false;
    return insn->mnemonic != ZYDIS_MNEMONIC_MOVUPS &&
           insn->mnemonic != ZYDIS_MNEMONIC_LDDQU &&
           insn->mnemonic != ZYDIS_MNEMONIC_MOVUPD &&
           insn->mnemonic != ZYDIS_MNEMONIC_MOVDQU;
}

bool emu_native_prepare(struct emu_entry *entry)
{
    const ZydisDecodedInstruction *insn = &entry->insn;
    unsigned named = named_registers(entry), free_reg = 0;

    entry->mem = -1;
    entry->aligned = false;
    entry->esp_host = X86_RSP;
    if (!is_innocuous(insn) ||
        insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return false;
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const ZydisDecodedOperand *op = &entry->op[i];

        if (op->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        if (entry->mem >= 0 || op->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
            op->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM || op->size > 512)
            return false;
        entry->mem = (int8_t)i;
        entry->aligned = needs_alignment(insn, op);
    }
    if (!(named & BIT(X86_RSP)))
        return true;
    while (free_reg == X86_RSP || (named & BIT(free_reg)))
        free_reg++;
    assert(free_reg < 8);
    entry->esp_host = (uint8_t)free_reg;
    return true;
}

/* ---- running it -------------------------------------------------------- */

static uint64_t pack_flags(uint64_t rflags)
{
    return (rflags & 0xff) << 8 | (rflags >> 11 & 1);
}

static uint64_t unpack_flags(uint64_t rflags, uint64_t packed)
{
    rflags &= ~(uint64_t)X86_EFLAGS_ARITH;
    rflags |= packed >> 8 & (X86_EFLAGS_ARITH & 0xff);
    return rflags | (packed & 1) << 11;
}

static const uint8_t *slot_of(struct emu_native *n, struct emu_entry *entry)
{
    size_t offset = (size_t)(entry - n->entry) * EMU_SLOT_SIZE;

    if (!entry->emitted) {
        emu_encode(entry, n->code_rw + offset, n->code_rx + offset, n->scratch);
        entry->emitted = true;
    }
    return n->code_rx + offset;
}

/* What a host exception in the guest's instruction means to the guest. */
static bool raise_host_signal(struct emu *emu, const struct emu_entry *entry)
{
    switch (emu->native->host_signal) {
    case SIGFPE:
        if (!entry->fpu)
            return emu_raise(emu, X86_DE);
        if (!(entry->fpu & EMU_FPU_SSE))
            return emu_raise(emu, X86_MF);
        return emu_raise(emu,
                         emu->st->cr4 & X86_CR4_OSXMMEXCPT ? X86_XM : X86_UD);
    case SIGILL:
        return emu_raise(emu, X86_UD);
    default:
        return emu_raise(emu, X86_GP);
    }
}

/* What the guest's x87 instruction leaves of itself. */
static void put_fpu_pointers(struct emu *emu, const struct emu_entry *entry)
{
    bool selectors = !emu->no_fcs && entry->bits != 64;
    struct x86_state *st = emu->st;
    const ZydisDecodedOperand *op;

    if (entry->fop < 0)
        return;
    emu_fpu_put_insn(st, (unsigned)entry->fop, st->rip,
                     selectors ? st->seg[X86_CS].selector : 0);
    if (entry->mem < 0)
        return;
    op = &emu->op[entry->mem];
    emu_fpu_put_data(st, emu_ea64(emu, op),
                     selectors ? st->seg[emu_op_seg(op)].selector : 0);
}

/* A debugger may have put anything there; FXRSTOR would fault on it. */
static void clean_mxcsr(struct x86_state *st)
{
    memset(st->fxsave + 26, 0, 2);
}

static int enter(struct emu_native *n, const struct emu_entry *entry,
                 const uint8_t *code)
{
    int aborted;

    running = n;
    if (entry->bits != 64)
        aborted = entry->fpu ? emu_thunk_fpu(&n->ctx, code)
                             : emu_thunk(&n->ctx, code);
    else
        aborted = entry->fpu ? emu_thunk64_fpu(&n->ctx, code)
                             : emu_thunk64(&n->ctx, code);
    running = NULL;
    return aborted;
}

/* With the registers in ctx->gpr, where another one stands for ESP. */
static int enter_with_copy(struct emu *emu, struct emu_entry *entry)
{
    struct emu_native *n = emu->native;
    uint64_t *gpr = emu->st->gpr;
    const unsigned host = entry->esp_host; /* RSP itself: not named */

    memcpy(n->ctx.gpr, gpr, sizeof(n->ctx.gpr));
    n->ctx.gpr[host] = gpr[X86_RSP];
    n->ctx.regs = n->ctx.gpr;
    if (enter(n, entry, slot_of(n, entry)))
        return 1;
    n->ctx.gpr[X86_RSP] = n->ctx.gpr[host];
    if (host != X86_RSP)
        n->ctx.gpr[host] = gpr[host];
    memcpy(gpr, n->ctx.gpr, sizeof(n->ctx.gpr));
    return 0;
}

/* ---- the signal handler ------------------------------------------------ */

/*
 * True if SIG (SIGFPE, SIGILL, SIGSEGV) came from an instruction that emu was
 * executing on this thread; UCONTEXT then leads back into emu.
 */
static bool on_signal(void *opaque, int sig, siginfo_t *info, void *ucontext)
{
    ucontext_t *uc = ucontext;
    greg_t *reg = uc->uc_mcontext.gregs;
    struct emu_native *n = running;
    uint64_t pc = (uint64_t)reg[REG_RIP];
    bool fpu;

    (void)opaque, (void)info;
    if (!n || pc - (uint64_t)n->code_rx >= CODE_LEN)
        return false;
    fpu = n->entry[(pc - (uint64_t)n->code_rx) / EMU_SLOT_SIZE].fpu != 0;
    n->host_signal = sig;
    reg[REG_R15] = (greg_t)(uintptr_t)&n->ctx;
    reg[REG_RIP] =
        (greg_t)(uintptr_t)(fpu ? emu_thunk_abort_fpu : emu_thunk_abort);
    return true;
}

/* Makes this thread's signals come to on_signal(); idempotent. */
static void attach_signals(void)
{
    static _Thread_local struct host_signal_handler handler = {
        .fn = on_signal,
    };
    static _Thread_local bool attached;

    if (attached)
        return;
    attached = true;
    host_signal_add(&handler);
}

/* ---- into the instruction and back ------------------------------------- */

static bool run(struct emu *emu, struct emu_entry *entry)
{
    struct emu_native *n = emu->native;
    struct x86_state *st = emu->st;
    uint8_t pointers[FXSAVE_POINTERS_LEN];
    int aborted;

    attach_signals();
    memcpy(pointers, st->fxsave + FXSAVE_POINTERS, sizeof(pointers));
    n->ctx.flags = pack_flags(st->rflags);
    n->ctx.fxsave = st->fxsave;
    n->ctx.regs = st->gpr;
    if (entry->fpu)
        clean_mxcsr(st);
    if (entry->bits == 64 || entry->esp_host != X86_RSP)
        aborted = enter_with_copy(emu, entry);
    else
        aborted = enter(n, entry, slot_of(n, entry));
    if (entry->fpu) /* the host's show where its code lies */
        memcpy(st->fxsave + FXSAVE_POINTERS, pointers, sizeof(pointers));
    if (aborted)
        return raise_host_signal(emu, entry);
    put_fpu_pointers(emu, entry);
    st->rflags = unpack_flags(st->rflags, n->ctx.flags);
    return true;
}

/*
 * An x87 store that an unmasked exception suppresses does not even touch its
 * operand; one whose operand faults leaves the FPU as it was.
 */
static bool execute_x87_store(struct emu *emu, struct emu_entry *entry,
                              enum x86_sreg seg, uint64_t off, unsigned size)
{
    struct x86_state *st = emu->st;
    uint8_t before[sizeof(st->fxsave)];

    memcpy(before, st->fxsave, sizeof(before));
    if (!run(emu, entry))
        return false;
    if (emu_fpu_store_suppressed(st, entry->fpu) ||
        emu_write64(emu, seg, off, emu->native->scratch, size))
        return true;
    memcpy(st->fxsave, before, sizeof(before));
    return false;
}

static bool is_x87_store(const struct emu_entry *entry,
                         const ZydisDecodedOperand *op)
{
    const unsigned both = EMU_FPU_X87 | EMU_FPU_WAITING;

    return (entry->fpu & both) == both &&
           (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
           !(op->actions & ZYDIS_OPERAND_ACTION_MASK_READ);
}

bool emu_native_execute(struct emu *emu)
{
    struct emu_entry *entry = emu->native->cur;
    uint8_t *scratch = emu->native->scratch;
    const ZydisDecodedOperand *op;
    enum x86_sreg seg;
    uint64_t off;
    unsigned size;

    if (entry->mem < 0)
        return run(emu, entry);
    op = &emu->op[entry->mem];
    seg = emu_op_seg(op);
    off = emu_ea64(emu, op);
    size = op->size / 8u;
    if (entry->aligned) {
        uint64_t gla;

        if (!emu_linear(emu, seg, off, size, EMU_READ, &gla))
            return false;
        if (gla & 15)
            return emu_raise(emu, X86_GP);
    }
    if (is_x87_store(entry, op))
        return execute_x87_store(emu, entry, seg, off, size);
    if ((op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
        !emu_probe_write64(emu, seg, off, size))
        return false;
    if ((op->actions & ZYDIS_OPERAND_ACTION_MASK_READ) &&
        !emu_read64(emu, seg, off, scratch, size))
        return false;
    if (!run(emu, entry))
        return false;
    if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
        return emu_write64(emu, seg, off, scratch, size);
    return true;
}
