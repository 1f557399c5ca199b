#include "tui/last_run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/folders.h"
#include "vmm/cli_report.h"
#include "vmm/exit_stats.h"

static bool run_path(struct vm *vm, const char *accel, char *buf, size_t len)
{
    const struct vm_config *cfg = vm_config(vm);
    const char *guest = cfg->guest ? cfg->guest : cfg->disk[0].path;
    char full[PATH_MAX], name[NAME_MAX + 32];

    if (!guest || !realpath(guest, full))
        return false;
    snprintf(name, sizeof(name), "runs%s-%08x-%s.json", strrchr(full, '/'),
             hash_text(full), accel);
    return folders_path(FOLDER_STATE, name, buf, len);
}

static bool has_run(const struct exit_stats *stats)
{
    for (unsigned k = 0; k < VM_EXIT_COUNT; k++)
        if (stats->kind[k].count)
            return true;
    return false;
}

void last_run_keep(struct vm *vm)
{
    char path[PATH_MAX];

    if (has_run(vm_exit_stats(vm)) &&
        run_path(vm, vm_accel_name(vm), path, sizeof(path))) {
        folders_make_above(path);
        cli_report_keep(vm, path);
    }
}

bool last_run_other(struct vm *vm, char *path, size_t len)
{
    static const char *const accels[] = {"bt", "kvm"};

    for (size_t i = 0; i < ARRAY_SIZE(accels); i++)
        if (strcmp(accels[i], vm_accel_name(vm)) != 0 &&
            run_path(vm, accels[i], path, len) && access(path, R_OK) == 0)
            return true;
    return false;
}
