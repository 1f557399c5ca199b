/*
 * Stopping a guest must not change it: the same guest under bt, straight to an
 * instruction count, and stopped on the way in each manner that a debugger
 * has, must show one digest of processor and memory.
 *
 *     diff_stops SEED COUNT MIB GUEST [ARGUMENTS [INITRD]]
 *
 * Exit status 0: all digests are equal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/vm.h"

struct run {
    struct vm *vm;
    uint64_t random;
    uint64_t until;
    uint64_t stops;
};

static uint64_t below(struct run *r, uint64_t n)
{
    r->random = r->random * 6364136223846793005ull + 1442695040888963407ull;
    return (r->random >> 33) % n;
}

static uint64_t count_now(const struct run *r)
{
    return vm_vcpu(r->vm)->icount;
}

/* True: a debugger's stop, and there is more to run. */
static bool go(struct run *r, const struct debug_ctl *ctl)
{
    vm_forget_stop(r->vm);
    if (vm_set_debug(r->vm, ctl) < 0 || vm_run(r->vm) < 0)
        return false;
    r->stops++;
    return vm_stop_reason(r->vm) == VM_STOP_DEBUG && count_now(r) < r->until;
}

static bool run_to(struct run *r, uint64_t count)
{
    struct debug_ctl ctl = {
        .stop_icount = count < r->until ? count : r->until,
    };

    return count_now(r) >= ctl.stop_icount || go(r, &ctl);
}

/* To another place; the way is divided into about N parts. */
static bool move_on(struct run *r, unsigned n)
{
    uint64_t most = below(r, 3) ? 2 * r->until / n : 50;

    return run_to(r, count_now(r) + 1 + below(r, most));
}

/* ---- the manners -------------------------------------------------------- */

static bool at_counts(struct run *r)
{
    return move_on(r, 300);
}

static bool by_steps(struct run *r)
{
    struct debug_ctl ctl = {.step = true, .stop_icount = UINT64_MAX};

    if (!move_on(r, 20))
        return false;
    for (unsigned i = 0; i < 200; i++)
        if (!go(r, &ctl))
            return false;
    return true;
}

/* Passes where it is now, by linear or physical address, a few times. */
static bool at_breakpoints(struct run *r)
{
    struct x86_state st;
    struct debug_bp bp[2];
    struct debug_ctl ctl = {.stop_icount = r->until, .bps = 2, .bp = bp};

    if (!move_on(r, 30))
        return false;
    vm_get_state(r->vm, &st);
    bp[0] = (struct debug_bp){.addr = x86_linear_rip(&st)};
    bp[1] = (struct debug_bp){.addr = bp[0].addr & 0x3fffffff, .phys = true};
    for (uint64_t n = below(r, 40); n > 0; n--)
        if (!go(r, &ctl))
            return false;
    return true;
}

/* Watches the top of the stack: returns, interrupts, other tasks. */
static bool at_accesses(struct run *r)
{
    struct x86_state st;
    struct debug_wp wp = {.len = 4, .read = true, .write = true};
    struct debug_ctl ctl = {.stop_icount = r->until, .wps = 1, .wp = &wp};

    if (!move_on(r, 20))
        return false;
    vm_get_state(r->vm, &st);
    wp.gla = (uint32_t)(st.seg[X86_SS].base + st.gpr[X86_RSP]);
    for (uint64_t n = below(r, 40); n > 0; n--)
        if (!go(r, &ctl))
            return false;
    return true;
}

/* Reads all registers and writes them back. */
static bool with_registers(struct run *r)
{
    struct x86_state st;

    return move_on(r, 50) && vm_get_state(r->vm, &st) == 0 &&
           vm_set_state(r->vm, &st) == 0;
}

static bool straight(struct run *r)
{
    return run_to(r, r->until);
}

static const struct manner {
    const char *name;
    bool (*part)(struct run *r); /* false: at the end */
} manners[] = {
    {"straight", straight},
    {"at counts", at_counts},
    {"by steps", by_steps},
    {"at breakpoints", at_breakpoints},
    {"at accesses", at_accesses},
    {"with registers written back", with_registers},
};

/* 0 or -errno. */
static int run_guest(const struct vm_config *cfg, const struct manner *m,
                     uint64_t seed, uint64_t until, char digest[65])
{
    struct run r = {.random = seed, .until = until};
    int err = vm_create(&r.vm, cfg);

    if (err)
        return err;
    while (m->part(&r))
        ;
    vm_digest(r.vm, digest);
    printf("  %-28s %8llu stops, %llu instructions: %.16s\n", m->name,
           (unsigned long long)r.stops, (unsigned long long)count_now(&r),
           digest);
    vm_destroy(r.vm);
    return 0;
}

int main(int argc, char **argv)
{
    char first[65], digest[65];
    struct vm_config cfg;
    int status = 0;

    if (argc < 5)
        return 2;
    vm_config_init(&cfg);
    cfg.accel = "bt";
    cfg.serial[0] = "null";
    cfg.no_reboot = true;
    cfg.mem_bytes = strtoull(argv[3], NULL, 0) << 20;
    cfg.guest = argv[4];
    cfg.kernel_args = argc > 5 ? argv[5] : NULL;
    cfg.initrd = argc > 6 ? argv[6] : NULL;
    for (size_t i = 0; i < ARRAY_SIZE(manners); i++) {
        if (run_guest(&cfg, &manners[i], strtoull(argv[1], NULL, 0),
                      strtoull(argv[2], NULL, 0), i ? digest : first) < 0)
            return 2;
        status |= i > 0 && strcmp(first, digest) != 0;
    }
    return status;
}
