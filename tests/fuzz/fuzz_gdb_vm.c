/*
 * Packets without their frames, one a line, to a real machine under bt: the
 * registers, memory and stop points of a tiny guest that runs, for some
 * instructions at a time, whenever a packet says so.  The first byte chooses
 * the mode it begins in.
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gdbstub/command.h"
#include "gdbstub/target_vm.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/base/log.h"

#define RUN_INSNS 300u
#define CODE      0x7c00u
#define PD        0x10000u
#define PT        0x11000u

/*
 * The same in 16- and 32-bit code:
 *     inc ax; push ax; call +1; ret ... out 80h, al; pop ax; jmp $-n
 * with a MOV to 9000h whose length is the mode's.
 */
/* clang-format off */
static const uint8_t code16[] = {
    0x40, 0x50, 0xe8, 0x05, 0x00, 0xe6, 0x80, 0x58, 0xeb, 0xf6,
    0xa3, 0x00, 0x90, 0xc3,
};
static const uint8_t code32[] = {
    0x40, 0x50, 0xe8, 0x05, 0x00, 0x00, 0x00, 0xe6, 0x80, 0x58, 0xeb, 0xf4,
    0xa3, 0x00, 0x90, 0x00, 0x00, 0xc3,
};
/* clang-format on */

enum mode { REAL, PROT16, PROT32, PAGING, USER, V86, MODES };

static struct vm *vm;
static struct debug *dbg;
static struct debug_server *srv;
static struct debug_run wanted;
static bool is_wanted;
static struct gdb_target_ops ops; /* the target's, but for running */
static atomic_uint runs;          /* odd: one goes on */

static int resume(void *t, const struct gdb_resume *how)
{
    (void)t;
    wanted = (struct debug_run){
        .kind = DEBUG_RUN_STEP,
        .count = how->kind == GDB_STEP ? 1 : RUN_INSNS,
        .into_interrupts = how->into_interrupts,
    };
    is_wanted = true;
    return 0;
}

static bool running(void *t)
{
    (void)t;
    return is_wanted;
}

static void interrupt(void *t)
{
    (void)t;
}

/* A guest that halts for ever is called back. */
static void *watch(void *arg)
{
    unsigned seen = 0;

    (void)arg;
    for (;;) {
        unsigned now = atomic_load(&runs);

        if (now % 2 && now == seen)
            debug_interrupt(dbg);
        seen = now;
        usleep(50000);
    }
    return NULL;
}

static void set_up(void)
{
    struct vm_config cfg;
    uint8_t sector[512] = {[510] = 0x55, 0xaa};
    static char path[64]; /* a restart loads it again */
    int fd = memfd_create("guest", MFD_CLOEXEC);
    pthread_t thread;
    int err;

    log_set_level(LOG_ERROR);
    memcpy(sector, code16, sizeof(code16));
    if (fd < 0 || write(fd, sector, sizeof(sector)) != sizeof(sector))
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    vm_config_init(&cfg);
    cfg.accel = "bt";
    cfg.mem_bytes = 1 << 20;
    cfg.serial[0] = "null";
    cfg.guest = path;
    err = vm_create(&vm, &cfg);
    assert(!err);
    err = debug_create(&dbg, vm);
    assert(!err);
    err = debug_server_create(&srv, dbg);
    assert(!err);
    err = pthread_create(&thread, NULL, watch, NULL);
    assert(!err);
}

static void segment(struct x86_seg *s, unsigned selector, uint64_t base,
                    uint32_t limit, unsigned attr)
{
    *s = (struct x86_seg){.selector = (uint16_t)selector,
                          .base = base,
                          .limit = limit,
                          .attr = (uint16_t)attr};
}

/* Flat or at 64 KiB segments of their own, at the privilege of the mode. */
static void set_segments(struct x86_state *st, enum mode mode)
{
    bool narrow = mode == PROT16 || mode == V86;
    unsigned dpl = mode >= USER ? 3 : 0, data = 0x93 | dpl << 5;
    uint32_t limit = narrow ? 0xffff : 0xffffffff;

    if (!narrow)
        data |= X86_SEG_DB | X86_SEG_G;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        segment(&st->seg[i], mode == V86 ? 0x700 : 0x10 | dpl,
                narrow ? 0x7000 : 0, limit, data);
    if (mode != V86)
        segment(&st->seg[X86_CS], 8 | dpl, narrow ? 0x7000 : 0, limit,
                data | X86_SEG_CODE);
    st->rip = narrow ? CODE - 0x7000 : CODE;
    st->gpr[X86_RSP] = 0x8f00;
}

static void set_mode(enum mode mode)
{
    struct x86_state st;

    if (mode == REAL)
        return;
    if (mode != PROT16 && mode != V86)
        vm_write_gpa(vm, CODE, code32, sizeof(code32));
    for (uint32_t i = 0; mode >= PAGING && i < 256; i++) {
        uint32_t pte = i << 12 | 7, pde = PT | 7;

        vm_write_gpa(vm, PD, &pde, sizeof(pde));
        vm_write_gpa(vm, PT + 4 * i, &pte, sizeof(pte));
    }
    if (vm_get_state(vm, &st) < 0)
        abort();
    st.cr0 |= X86_CR0_PE;
    if (mode >= PAGING) {
        st.cr0 |= X86_CR0_PG;
        st.cr3 = PD;
    }
    if (mode == V86)
        st.rflags |= X86_EFLAGS_VM;
    set_segments(&st, mode);
    if (vm_set_state(vm, &st) < 0)
        abort();
}

static void run_wanted(struct gdb_session *s, struct gdb_vm *t)
{
    struct debug_stop stop;

    atomic_fetch_add(&runs, 1);
    debug_run(dbg, &wanted, &stop);
    atomic_fetch_add(&runs, 1);
    is_wanted = false;
    gdb_vm_forget(t);
    (void)gdb_session_stopped(s);
}

/* `monitor symbols`, `compare` and `save` name files of the host: not for a
 * fuzzer. */
static bool names_a_file(const char *packet, size_t len)
{
    return len >= 8 && memcmp(packet, "qRcmd,", 6) == 0 &&
           (strncmp(packet + 6, "73", 2) == 0 ||
            strncmp(packet + 6, "63", 2) == 0 ||
            strncmp(packet + 6, "20", 2) == 0 || strstr(packet + 6, "7361"));
}

static void one_packet(struct gdb_session *s, struct gdb_vm *t,
                       const uint8_t *data, size_t len)
{
    char *packet = malloc(len + 1); /* so that a byte more is seen */

    assert(packet);
    memcpy(packet, data, len);
    packet[len] = '\0';
    gdb_vm_forget(t);
    if (!names_a_file(packet, len) && gdb_session_packet(s, packet, len)) {
        struct strbuf framed;

        assert(s->body.len <= 2 * GDB_PACKET_MAX + 1);
        strbuf_init(&framed);
        gdb_frame(&framed, strbuf_str(&s->body), s->body.len);
        strbuf_fini(&framed);
    }
    if (is_wanted)
        run_wanted(s, t);
    if (s->monitoring) /* there is no server's loop to run it */
        (void)gdb_session_stopped(s);
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gdb_target target;
    struct gdb_session s;
    struct gdb_vm *t;

    if (!vm)
        set_up();
    if (!size || debug_restart(dbg) < 0 || gdb_vm_create(&t, srv, dbg) < 0)
        return 0;
    set_mode((enum mode)(data[0] % MODES));
    gdb_vm_begin(t);
    target = gdb_vm_target(t);
    ops = *target.ops;
    ops.resume = resume;
    ops.running = running;
    ops.interrupt = interrupt;
    target.ops = &ops;
    gdb_session_init(&s, &target);
    for (size_t at = 1; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end ? (size_t)(end - data) - at : size - at;

        one_packet(&s, t, data + at, len);
        at += len + 1;
    }
    gdb_session_fini(&s);
    gdb_vm_destroy(t);
    return 0;
}

/* ---- mutation by packets ------------------------------------------------ */

/* libFuzzer's own; not there in a program that only replays. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
    __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned int seed);

/* clang-format off */
static const char *const shapes[] = { /* %x: a number */
    "?", "g", "c", "s", "c%x", "s%x", "vCont;c", "vCont;s:1", "vCont;r%x,%x:1",
    "m%x,%x", "x%x,%x", "M%x,1:cc", "M%x,2:0f0b", "M%x,4:%x", "p%x", "P%x=%x",
    "P%x=0000000000000000", "P%x=ffffffffffffffff", "P%x=00000000",
    "P%x=%08x", "Z0,%x,1", "Z1,%x,1", "Z2,%x,%x", "Z3,%x,%x", "Z4,%x,%x",
    "z0,%x,1", "z1,%x,1", "z2,%x,%x", "Z0,%x,1;X4,26000027",
    "Z0,%x,1;X3,26%04x27", "Z0,%x,1;X5,22%02x192227", "Z0,%x,1;cmds:1,X2,2227",
    "qCRC:%x,%x", "qSearch:memory:%x;%x;a", "qXfer:features:read:target.xml:0,fff",
    "qXfer:threads:read::0,fff", "Qqemu.PhyMemMode:%x", "Qqemu.sstep=%x",
    "qRcmd,72656773", "qRcmd,77616c6b203078%x", "qRcmd,6469736173", "qRcmd,747373",
    "qRcmd,676474", "qRcmd,696474", "qRcmd,74726565", "qRcmd,6e6578", "!", "vRun;",
    "R00", "vKill;1", "D", "k", "qThreadExtraInfo,1", "H%xp1.1",
};
static const uint64_t numbers[] = {
    0, 1, 2, 4, 8, 0x10, 0x22, 0x7c00, 0x7c05, 0x7c0a, 0x8eff, 0x8f00, 0x9000,
    0x9001, 0xffe, 0x1000, 0x10000, 0x11000, 0xa0000, 0xfffff, 0x100000,
    0xfee00000, 0xfffffff0, 0xffffffff, 0x100000000, UINT64_MAX,
};
/* clang-format on */

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static uint64_t number(unsigned *seed)
{
    if (next(seed) % 3 == 0) /* most are registers and lengths */
        return next(seed) % 160;
    return numbers[next(seed) % (sizeof(numbers) / sizeof(numbers[0]))];
}

/* SHAPE with numbers for its conversions, in TO. */
static size_t fill(const char *shape, char *to, size_t room, unsigned *seed)
{
    size_t n = 0;

    while (*shape && n + 20 < room) {
        if (*shape != '%') {
            to[n++] = *shape++;
            continue;
        }
        n += (size_t)snprintf(to + n, room - n, "%llx",
                              (unsigned long long)number(seed));
        shape = strchr(shape, 'x') + 1;
    }
    to[n++] = '\n';
    return n;
}

/* Adds a packet behind some line, or leaves one out. */
static size_t mutate_lines(uint8_t *data, size_t size, size_t max_size,
                           unsigned *seed)
{
    char line[256];
    size_t at = 1 + next(seed) % size, len;
    const uint8_t *end;

    while (at < size && data[at - 1] != '\n' && at > 1)
        at++;
    if (at > size)
        at = size;
    end = memchr(data + at, '\n', size - at);
    if (end && next(seed) % 4 == 0) {
        len = (size_t)(end + 1 - (data + at));
        memmove(data + at, end + 1, size - at - len);
        return size - len;
    }
    len = fill(shapes[next(seed) % (sizeof(shapes) / sizeof(shapes[0]))], line,
               sizeof(line), seed);
    if (size + len > max_size)
        return size;
    memmove(data + at + len, data + at, size - at);
    memcpy(data + at, line, len);
    return size + len;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned int seed)
{
    if (!size || next(&seed) % 4 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    for (unsigned n = 1 + next(&seed) % 3; n > 0; n--)
        size = mutate_lines(data, size, max_size, &seed);
    return size;
}
