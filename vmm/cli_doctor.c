/*
 * `ringside doctor`: what this host offers to the accelerators, how fast each
 * is here, and which one `auto` takes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <asm/hwcap2.h>
#include <cpuid.h>
#include <jansson.h>

#include "vmm/accel/measure.h"
#include "vmm/cli.h"
#include "vmm/exit_format.h"
#include "vmm/exit_status.h"

struct host {
    char cpu[64], kernel[96];
    bool fsgsbase, hypervisor;
    long maps_max;  /* vm.max_map_count; -1: not known */
    bool low_limit; /* of address space: windows of 4 GiB do not fit */
    int kvm_errno;  /* why /dev/kvm does not open; 0: it does */
    struct accel_choice choice;
};

static long read_number(const char *path)
{
    char line[32] = "";
    FILE *f = fopen(path, "re");
    long n = -1;

    if (f && fgets(line, sizeof(line), f))
        n = strtol(line, NULL, 10);
    if (f)
        fclose(f);
    return n;
}

static void look_at_cpu(struct host *h)
{
    unsigned regs[12] = {0}, a, b, c, d;
    char brand[49] = "";

    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &regs[4 * i], &regs[4 * i + 1],
                    &regs[4 * i + 2], &regs[4 * i + 3]);
    memcpy(brand, regs, 48);
    snprintf(h->cpu, sizeof(h->cpu), "%s", brand + strspn(brand, " "));
    if (__get_cpuid(1, &a, &b, &c, &d))
        h->hypervisor = c >> 31;
    h->fsgsbase = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
}

static void look(struct host *h)
{
    struct rlimit as;
    struct utsname un;

    memset(h, 0, sizeof(*h));
    look_at_cpu(h);
    if (uname(&un) == 0)
        snprintf(h->kernel, sizeof(h->kernel), "%.20s %.60s", un.sysname,
                 un.release);
    h->maps_max = read_number("/proc/sys/vm/max_map_count");
    h->low_limit = getrlimit(RLIMIT_AS, &as) == 0 &&
                   as.rlim_cur != RLIM_INFINITY && as.rlim_cur < 1ull << 37;
    if (access("/dev/kvm", R_OK | W_OK) < 0)
        h->kvm_errno = errno;
    accel_choose(&h->choice, true);
}

/* ---- text ---------------------------------------------------------------- */

static void row(struct strbuf *out, const char *name, const char *what,
                const char *note)
{
    strbuf_printf(out, "  %-22s%-11s", name, what);
    strbuf_printf(out, "%.44s", note);
    while (out->text[out->len - 1] == ' ')
        out->text[--out->len] = '\0';
    strbuf_putc(out, '\n');
}

static const char *yes(bool b)
{
    return b ? "yes" : "NO";
}

static const struct {
    size_t at; /* a bool of struct kvm_survey */
    const char *name, *note;
} kvm_rows[] = {
    {offsetof(struct kvm_survey, real_mode), "real mode", "boot sectors"},
    {offsetof(struct kvm_survey, protected_mode), "protected mode",
     "32-bit code"},
    {offsetof(struct kvm_survey, paging32), "32-bit paging",
     "any 32-bit operating system"},
    {offsetof(struct kvm_survey, soft_int), "INT n", "its system calls"},
    {offsetof(struct kvm_survey, injection), "interrupts", "its timer"},
    {offsetof(struct kvm_survey, single_step), "single step", "debuggers"},
    {offsetof(struct kvm_survey, breakpoints), "debug registers",
     "breakpoints at full speed"},
};

static bool kvm_can(const struct kvm_survey *s, size_t i)
{
    return *((const bool *)s + kvm_rows[i].at);
}

static const char *kvm_state(const struct host *h)
{
    if (h->choice.kvm.present)
        return h->choice.kvm.complete ? "complete" : "partial";
    return h->kvm_errno == EACCES ? "not permitted" : "absent";
}

static void say_kvm(struct strbuf *out, const struct host *h)
{
    const struct kvm_survey *s = &h->choice.kvm;

    strbuf_printf(out, "KVM: %s\n", kvm_state(h));
    if (!s->present) {
        if (h->kvm_errno == ENOENT)
            strbuf_puts(out, "  There is no /dev/kvm: no hardware "
                             "virtualisation, or none passed through.\n");
        else if (h->kvm_errno == EACCES)
            strbuf_puts(out, "  /dev/kvm may not be opened; join its group: "
                             "sudo usermod -aG kvm $USER\n");
        else
            strbuf_printf(out, "  %.76s\n", s->why);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kvm_rows); i++)
        row(out, kvm_rows[i].name, yes(kvm_can(s, i)), kvm_rows[i].note);
    if (!s->complete)
        strbuf_puts(out,
                    "  Guests that need what is missing want --accel bt.\n");
}

static void say_bt(struct strbuf *out, const struct host *h)
{
    char maps[32] = "not known";

    if (h->maps_max >= 0)
        snprintf(maps, sizeof(maps), "%ld", h->maps_max);
    strbuf_printf(out, "Translator (bt): %s\n",
                  h->choice.bt.insns_per_s > 0 ? "works" : "does not run");
    row(out, "FSGSBASE", yes(h->fsgsbase),
        h->fsgsbase ? "windows change without a system call"
                    : "each window change is a system call");
    row(out, "vm.max_map_count", maps,
        h->maps_max >= 0 && h->maps_max < 65530
            ? "LOW: windows are evicted early"
            : "enough for the shadow page tables");
    row(out, "address space", h->low_limit ? "LIMITED" : "enough",
        h->low_limit ? "raise it: ulimit -v unlimited" : "");
}

static void speed_cell(char buf[24], double value, double unit)
{
    if (value > 0)
        snprintf(buf, 24, "%.*f", value / unit < 10 ? 2 : 0, value / unit);
    else
        snprintf(buf, 24, "-");
}

static void say_speed(struct strbuf *out, const struct host *h)
{
    const struct accel_choice *c = &h->choice;
    char kvm[24], bt[24];

    strbuf_printf(out, "Speed%30s%12s\n", "kvm", "bt");
    speed_cell(kvm, c->kvm.insns_per_s, 1e6);
    speed_cell(bt, c->bt.insns_per_s, 1e6);
    strbuf_printf(out, "  %-21s%12s%12s\n", "million insns a second", kvm, bt);
    speed_cell(kvm, c->kvm.exit_ns, 1e3);
    speed_cell(bt, c->bt.exit_ns, 1e3);
    strbuf_printf(out, "  %-21s%12s%12s\n", "us for an exit (OUT)", kvm, bt);
}

static void text(struct strbuf *out, const struct host *h)
{
    strbuf_printf(out, "%.50s, %.28s\n", h->cpu, h->kernel);
    if (h->hypervisor)
        strbuf_puts(out, "This host is itself a virtual machine.\n");
    strbuf_putc(out, '\n');
    say_kvm(out, h);
    strbuf_putc(out, '\n');
    say_bt(out, h);
    strbuf_putc(out, '\n');
    say_speed(out, h);
    strbuf_printf(out, "\n--accel auto takes %s:\n  %.77s\n",
                  h->choice.ops->name, h->choice.why);
}

/* ---- JSON ---------------------------------------------------------------- */

static json_t *kvm_json(const struct host *h)
{
    const struct kvm_survey *s = &h->choice.kvm;
    json_t *root = json_pack("{s:s, s:b, s:s}", "state", kvm_state(h),
                             "complete", s->complete, "why", s->why);

    for (size_t i = 0; i < ARRAY_SIZE(kvm_rows); i++)
        json_object_set_new(root, kvm_rows[i].name,
                            json_boolean(kvm_can(s, i)));
    json_object_set_new(root, "insns_per_s", json_real(s->insns_per_s));
    json_object_set_new(root, "exit_ns", json_real(s->exit_ns));
    return root;
}

static void json(struct strbuf *out, const struct host *h)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:b, s:o, s:{s:b, s:I, s:f, s:f}, s:s, s:s}", "cpu", h->cpu,
        "kernel", h->kernel, "hypervisor", h->hypervisor, "kvm", kvm_json(h),
        "bt", "fsgsbase", h->fsgsbase, "max_map_count", (json_int_t)h->maps_max,
        "insns_per_s", h->choice.bt.insns_per_s, "exit_ns",
        h->choice.bt.exit_ns, "auto", h->choice.ops->name, "why",
        h->choice.why);
    char *dump = json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER);

    assert(dump && "out of memory");
    strbuf_printf(out, "%s\n", dump);
    free(dump);
    json_decref(root);
}

int cmd_doctor(struct cli *cli)
{
    struct host *h = malloc(sizeof(*h));
    struct strbuf out;

    if (!h)
        return EXIT_STATUS_SETUP;
    strbuf_init(&out);
    look(h);
    if (cli->json)
        json(&out, h);
    else
        text(&out, h);
    fputs(strbuf_str(&out), stdout);
    strbuf_fini(&out);
    free(h);
    return EXIT_STATUS_OK;
}
