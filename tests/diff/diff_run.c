/* Batches of sequences through both executors, and what differs. */
#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/diff/diff.h"

#define BATCH          256u
#define COMPARED_FLAGS (X86_EFLAGS_ARITH | X86_EFLAGS_DF)

/* Exit statuses; tests/diff/lib.sh knows them too. */
enum { EQUAL, UNEQUAL, NO_NATIVE = 3 };

struct batch {
    int fd;
    struct diff_header *header;
    struct diff_seq *seq;
    struct diff_result *result;
    size_t size;
};

static size_t batch_bytes(uint32_t count)
{
    size_t bytes =
        sizeof(struct diff_header) +
        count * (sizeof(struct diff_seq) + sizeof(struct diff_result));

    return (bytes + DIFF_PAGE - 1) & ~(size_t)(DIFF_PAGE - 1);
}

static bool batch_init(struct batch *b)
{
    b->size = batch_bytes(BATCH);
    b->fd = memfd_create("diff", 0);
    if (b->fd < 0 || ftruncate(b->fd, (off_t)b->size) < 0)
        return false;
    b->header =
        mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
    if (b->header == MAP_FAILED)
        return false;
    b->seq = (struct diff_seq *)(void *)(b->header + 1);
    return true;
}

static void batch_fini(struct batch *b)
{
    munmap(b->header, b->size);
    close(b->fd);
}

/* Runs COUNT sequences natively.  False: the runner could not. */
static bool batch_run(struct batch *b, uint32_t count, const char *runner)
{
    int status;
    pid_t pid;

    *b->header = (struct diff_header){.magic = DIFF_MAGIC, .count = count};
    b->result = (struct diff_result *)(void *)(b->seq + count);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (dup2(b->fd, 3) == 3)
            execl(runner, runner, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    printf("native runner %s: status %#x after %u sequences\n", runner, status,
           b->header->done);
    return false;
}

/* ---- comparison -------------------------------------------------------- */

static const char *const gpr_names[] = {"eax", "ecx", "edx", "ebx",
                                        "esp", "ebp", "esi", "edi"};

static bool differ(bool print, const char *what, uint32_t native, uint32_t ours)
{
    if (native == ours)
        return false;
    if (print)
        printf("  %-10s native %08x, ours %08x\n", what, native, ours);
    return true;
}

/* Does this processor tell the last x87 instruction's address, always? */
static bool host_has_fip(void)
{
    uint8_t image[512] __attribute__((aligned(16))) = {0};
    uint64_t fip;

    __asm__ volatile("fninit\n\tfnop\n\tfxsave64 %0\n\tfninit"
                     : "+m"(image)); /* some leave out what they do not tell */
    memcpy(&fip, image + 8, sizeof(fip));
    return fip != 0;
}

/* The opcode of the x87 instruction at EIP in SEQ, behind its prefixes. */
static unsigned fop_at(const struct diff_seq *seq, uint32_t eip)
{
    uint32_t at = eip - seq->code_at;

    while (at < seq->code_len && (seq->code[at] & 0xf8) != 0xd8)
        at++;
    if (at + 1 >= seq->code_len)
        return 0;
    return (seq->code[at] & 7u) << 8 | seq->code[at + 1];
}

/*
 * ... and its opcode: newer ones do of those that cause unmasked exceptions,
 * and else keep what they had.
 */
static bool host_has_fop(const struct diff_seq *seq,
                         const struct diff_result *native)
{
    uint16_t fop;
    uint32_t fip;

    memcpy(&fop, native->fxsave + 6, sizeof(fop));
    memcpy(&fip, native->fxsave + 8, sizeof(fip));
    return host_has_fip() && (native->fxsave[2] & 0x80) && fop &&
           fop == fop_at(seq, fip);
}

/* Bytes of an FXSAVE image that this processor has as the guest's has. */
static bool fpu_byte_counts(const struct diff_seq *seq,
                            const struct diff_result *native, unsigned i)
{
    if (i >= 8 && i < 12)
        return host_has_fip();
    if (i >= 6 && i < 8)
        return host_has_fop(seq, native);
    if (i >= 16 && i < 20) /* it has a memory operand: ModRM says so */
        return host_has_fop(seq, native) && native->fxsave[6] < 0xc0;
    if (i >= 288 || (i >= 5 && i < 24) || (i >= 28 && i < 32))
        return false;
    return i < 32 || i >= 160 || i % 16 < 10;
}

static bool fpu_differs(bool print, const struct diff_seq *seq,
                        const struct diff_result *native,
                        const struct diff_result *ours)
{
    unsigned shown = 0;
    bool bad = false;

    for (unsigned i = 0; i < 288; i++) {
        if (!fpu_byte_counts(seq, native, i) ||
            native->fxsave[i] == ours->fxsave[i])
            continue;
        bad = true;
        if (print && shown++ < 16)
            printf("  fxsave+%-3u native %02x, ours %02x\n", i,
                   native->fxsave[i], ours->fxsave[i]);
    }
    return bad;
}

static uint32_t memory_address(unsigned offset)
{
    const unsigned data = (1 + DIFF_DATA_PAGES) * DIFF_PAGE;

    return offset < data ? DIFF_RO + offset : DIFF_STACK + (offset - data);
}

static bool memory_differs(bool print, const struct diff_result *native,
                           const struct diff_result *ours)
{
    unsigned shown = 0;

    if (memcmp(native->memory, ours->memory, sizeof(native->memory)) == 0)
        return false;
    for (unsigned i = 0; print && i < DIFF_MEMORY && shown < 16; i++)
        if (native->memory[i] != ours->memory[i]) {
            printf("  [%08x] native %02x, ours %02x\n", memory_address(i),
                   native->memory[i], ours->memory[i]);
            shown++;
        }
    return true;
}

/* SIZE bytes of the sequence's memory at linear AT after the run, or false. */
static bool memory_at(const struct diff_result *r, uint32_t at, void *to,
                      unsigned size)
{
    const unsigned data = (1 + DIFF_DATA_PAGES) * DIFF_PAGE;
    uint32_t offset = at >= DIFF_STACK ? at - DIFF_STACK + data : at - DIFF_RO;

    if (at < DIFF_RO || offset > DIFF_MEMORY - size)
        return false;
    memcpy(to, r->memory + offset, size);
    return true;
}

/*
 * A POPA that faults half-way: may REG already be what it pops?  The manual
 * does not say, and processors differ; as ESP has not moved, the restarted
 * POPA loads them all again.
 */
static bool popa_loaded(const struct diff_seq *seq,
                        const struct diff_result *native, unsigned reg)
{
    uint32_t at = native->eip - seq->code_at, was = native->gpr[reg];
    unsigned size = 4;

    for (; at < seq->code_len && seq->code[at] != 0x61; at++)
        if (seq->code[at] == 0x66)
            size = 2;
        else
            return false;
    if (native->vector < 0 || at >= seq->code_len || reg == X86_RSP)
        return false;
    return memory_at(native,
                     seq->base + native->gpr[X86_RSP] + (7 - reg) * size, &was,
                     size) &&
           was == native->gpr[reg];
}

static bool results_differ(bool print, const struct diff_seq *seq,
                           const struct diff_result *native,
                           const struct diff_result *ours)
{
    uint32_t flags = COMPARED_FLAGS & ~seq->undefined[seq->insns - 1];
    bool bad = false;

    bad |= differ(print, "vector", (uint32_t)native->vector,
                  (uint32_t)ours->vector);
    bad |= differ(print, "eip", native->eip, ours->eip);
    if (native->vector == X86_PF) {
        bad |= differ(print, "error", native->error, ours->error);
        bad |= differ(print, "cr2", native->cr2, ours->cr2);
    }
    for (unsigned i = 0; i < 8; i++)
        bad |= !popa_loaded(seq, native, i) &&
               differ(print, gpr_names[i], native->gpr[i], ours->gpr[i]);
    /* A fault may come before the last instruction that defines flags. */
    if (native->vector < 0)
        bad |= differ(print, "eflags", native->eflags & flags,
                      ours->eflags & flags);
    bad |= fpu_differs(print, seq, native, ours);
    bad |= memory_differs(print, native, ours);
    return bad;
}

static void run_ours(const struct diff_executor *ex, struct diff_machine *m,
                     const struct diff_seq *seq, struct diff_result *r)
{
    struct diff_end end = {.vector = -1};

    diff_machine_load(m, seq);
    if (!ex->run(ex->opaque, m, seq->code_at + seq->code_len, &end))
        end.vector = -2; /* never equal */
    diff_machine_store(m, &end, r);
}

/* ---- report ------------------------------------------------------------ */

static void print_state(const struct diff_seq *seq)
{
    for (unsigned i = 0; i < 8; i++)
        printf("  %s=%08x%s", gpr_names[i], seq->gpr[i],
               i % 4 == 3 ? "\n" : "");
    printf("  base of DS, ES, SS=%08x\n", seq->base);
    printf("  eflags=%08x fcw=%02x%02x fsw=%02x%02x ftw=%02x mxcsr=%02x%02x\n",
           seq->eflags, seq->fxsave[1], seq->fxsave[0], seq->fxsave[3],
           seq->fxsave[2], seq->fxsave[4], seq->fxsave[25], seq->fxsave[24]);
}

static void print_code(const struct diff_seq *seq)
{
    ZydisFormatter formatter;
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    char text[128];

    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32,
                     ZYDIS_STACK_WIDTH_32);
    for (unsigned at = 0; at < seq->code_len; at += insn.length) {
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(
                &decoder, seq->code + at, seq->code_len - at, &insn, op)))
            break;
        ZydisFormatterFormatInstruction(&formatter, &insn, op,
                                        insn.operand_count_visible, text,
                                        sizeof(text), seq->code_at + at, NULL);
        printf("  %08x ", seq->code_at + at);
        for (unsigned i = 0; i < 12; i++)
            if (i < insn.length)
                printf(" %02x", seq->code[at + i]);
            else
                printf("   ");
        printf("  %s\n", text);
    }
}

/* Cuts a failing sequence behind its first wrong instruction, and shows it. */
static void report(struct batch *b, const struct diff_options *opt,
                   const struct diff_executor *ex, struct diff_machine *m,
                   const struct diff_seq *failed, uint32_t number)
{
    struct diff_seq seq = *failed;
    struct diff_result ours;
    uint32_t insns = seq.insns, last = 0;

    for (uint32_t i = 0; i < insns; i++) {
        b->seq[i] = seq;
        b->seq[i].code_len = seq.boundary[i];
        b->seq[i].insns = i + 1;
    }
    if (!batch_run(b, insns, opt->runner))
        return;
    for (last = 0; last < insns - 1; last++) {
        run_ours(ex, m, &b->seq[last], &ours);
        if (results_differ(false, &b->seq[last], &b->result[last], &ours))
            break;
    }
    printf("%s: sequence %u of seed %llu differs after unit %u:\n", ex->name,
           number, (unsigned long long)opt->seed, last + 1);
    run_ours(ex, m, &b->seq[last], &ours);
    print_state(&b->seq[last]);
    print_code(&b->seq[last]);
    results_differ(true, &b->seq[last], &b->result[last], &ours);
}

static uint64_t sequence_seed(const struct diff_options *opt, uint32_t number)
{
    return opt->seed * 1000003u + number;
}

/* The first sequence of the batch that differs, or COUNT. */
static uint32_t compare_batch(struct batch *b, const struct diff_executor *ex,
                              struct diff_machine *m, uint32_t count,
                              uint32_t *faults)
{
    struct diff_result ours;

    for (uint32_t i = 0; i < count; i++) {
        const struct diff_seq *seq = &b->seq[i];

        run_ours(ex, m, seq, &ours);
        *faults += b->result[i].vector >= 0;
        if (results_differ(false, seq, &b->result[i], &ours))
            return i;
    }
    return count;
}

static uint64_t number(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 0) : otherwise;
}

struct diff_options diff_options_of(int argc, char **argv)
{
    return (struct diff_options){
        .runner = argc > 1 ? argv[1] : "build/tests/diff/native32",
        .count = (uint32_t)number(argc, argv, 2, 100000),
        .seed = number(argc, argv, 3, 1),
        .first = (uint32_t)number(argc, argv, 4, 0),
    };
}

int diff_run(const struct diff_options *opt, struct diff_machine *m,
             const struct diff_executor *ex)
{
    int outcome = EQUAL;
    uint32_t done = 0, insns = 0, faults = 0;
    struct batch b;

    if (!batch_init(&b)) {
        printf("cannot make the shared file: %s\n", strerror(errno));
        return NO_NATIVE;
    }
    while (done < opt->count && outcome == EQUAL) {
        uint32_t n = opt->count - done < BATCH ? opt->count - done : BATCH, bad;

        for (uint32_t i = 0; i < n; i++) {
            diff_generate(&b.seq[i], sequence_seed(opt, opt->first + done + i));
            insns += b.seq[i].insns;
        }
        if (!batch_run(&b, n, opt->runner)) {
            outcome = NO_NATIVE;
            break;
        }
        bad = compare_batch(&b, ex, m, n, &faults);
        if (bad < n) {
            struct diff_seq seq = b.seq[bad];

            report(&b, opt, ex, m, &seq, opt->first + done + bad);
            outcome = UNEQUAL;
        }
        done += n;
    }
    if (outcome == EQUAL)
        printf("%s: %u sequences, %u random instructions, %u exceptions: all "
               "equal\n",
               ex->name, done, insns, faults);
    batch_fini(&b);
    return outcome;
}
