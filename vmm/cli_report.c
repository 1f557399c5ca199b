#include "vmm/cli_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/accel/kvm/kvm.h"
#include "vmm/base/log.h"
#include "vmm/exit_report.h"

#define TOP 12u /* rows of each detail table */

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path ? path : "";
}

/* What KVM counted itself: plain counts that are not 0. */
static void fill_kernel(struct exit_report *r, struct vm *vm)
{
    struct kvm_stat *stats;
    int n = kvm_stats_read(vm_vcpu(vm), &stats);

    for (int i = 0; i < n && r->kernels < EXIT_REPORT_KERNEL; i++) {
        struct exit_counter *c = &r->kernel[r->kernels];

        if (!kvm_stat_is_count(&stats[i]))
            continue;
        snprintf(c->name, sizeof(c->name), "%s%s", stats[i].vcpu ? "" : "vm.",
                 stats[i].name);
        c->value = stats[i].value;
        r->kernels++;
    }
    if (n >= 0)
        free(stats);
}

/* Sensitive instructions that the accelerator did without an exit. */
static void fill_inlined(struct exit_report *r, struct vm *vm)
{
    struct vcpu *vcpu = vm_vcpu(vm);
    struct accel_inlined in;

    if (!vcpu->ops->inlined)
        return;
    for (size_t n = 0; vcpu->ops->inlined(vcpu, n, &in); n++) {
        struct exit_counter *c = &r->inlined[r->inlines];

        if (!in.count || r->inlines == EXIT_REPORT_INLINE)
            continue;
        snprintf(c->name, sizeof(c->name), "%s", in.name);
        c->value = in.count;
        r->inlines++;
    }
}

static void fill(struct exit_report *r, struct vm *vm, uint64_t wall_ns)
{
    const struct vm_config *cfg = vm_config(vm);

    *r = (struct exit_report){
        .status = vm_exit_status(vm),
        .wall_ns = wall_ns,
        .insns = vm_vcpu(vm)->icount,
        .stats = vm_exit_stats(vm),
    };
    snprintf(r->accel, sizeof(r->accel), "%s", vm_accel_name(vm));
    snprintf(r->guest, sizeof(r->guest), "%s",
             base_name(cfg->guest ? cfg->guest : cfg->disk[0].path));
    snprintf(r->stop, sizeof(r->stop), "%s", vm_stop_text(vm));
    fill_kernel(r, vm);
    fill_inlined(r, vm);
}

static void write_report(const struct cli *cli, struct vm *vm, FILE *f,
                         uint64_t wall_ns)
{
    struct exit_style style = exit_style_for(fileno(f));
    struct exit_report *report = malloc(sizeof(*report));
    struct strbuf text;
    char hex[65];

    if (!report)
        return;
    strbuf_init(&text);
    fill(report, vm, wall_ns);
    if (f == stdout)
        strbuf_putc(&text, '\n'); /* the guest's last line may be unfinished */
    if (cli->stats == CLI_STATS_TEXT)
        exit_report_text(&text, report, TOP, &style);
    if (cli->stats == CLI_STATS_JSON)
        exit_report_json(&text, report);
    if (cli->digest) {
        vm_digest(vm, hex);
        strbuf_printf(&text, "digest: %s\n", hex);
    }
    fputs(strbuf_str(&text), f);
    strbuf_fini(&text);
    free(report);
}

int cli_report(const struct cli *cli, struct vm *vm, uint64_t wall_ns)
{
    const char *name = cli->report ? cli->report : "the report";
    FILE *f = stdout;
    int err = 0;

    if (!cli->digest && cli->stats == CLI_STATS_NONE)
        return 0;
    if (cli->report)
        f = fopen(cli->report, "w");
    if (!f) {
        err = -errno;
        log_error("cannot write %s: %s", name, strerror(errno));
        return err;
    }
    write_report(cli, vm, f, wall_ns);
    if (fflush(f))
        err = -errno;
    if (f != stdout && fclose(f))
        err = -errno;
    if (err)
        log_error("cannot write %s: %s", name, strerror(-err));
    return err;
}

int cli_report_keep(struct vm *vm, const char *path)
{
    static const struct cli json = {.stats = CLI_STATS_JSON};
    FILE *f = fopen(path, "we");
    int err = 0;

    if (!f)
        return -errno;
    write_report(&json, vm, f, 0);
    if (fflush(f))
        err = -errno;
    fclose(f);
    return err;
}
