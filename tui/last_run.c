#include "tui/last_run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/cli_report.h"
#include "vmm/exit_stats.h"

/* FNV-1a: no secret, only another name for another path. */
static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u;

    while (*text)
        h = (h ^ (uint8_t)*text++) * 16777619u;
    return h;
}

/* FOLDER exists, or has been made. */
static bool make_folder(const char *folder)
{
    return mkdir(folder, 0777) == 0 || errno == EEXIST;
}

static bool runs_folder(char *buf, size_t len, bool make)
{
    static const char *const below[] = {"/.local", "/state", "/ringside",
                                        "/runs"};
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    bool given = state && state[0];
    size_t n;

    if (!given && (!home || !home[0]))
        return false;
    n = (size_t)snprintf(buf, len, "%s", given ? state : home);
    for (size_t i = given ? 2 : 0; i < ARRAY_SIZE(below) && n < len; i++) {
        if (make && !make_folder(buf))
            return false;
        n += (size_t)snprintf(buf + n, len - n, "%s", below[i]);
    }
    return n < len && (!make || make_folder(buf));
}

static bool run_path(struct vm *vm, const char *accel, bool make, char *buf,
                     size_t len)
{
    const struct vm_config *cfg = vm_config(vm);
    const char *guest = cfg->guest ? cfg->guest : cfg->disk[0].path;
    char full[PATH_MAX];
    size_t n;

    if (!guest || !realpath(guest, full) || !runs_folder(buf, len, make))
        return false;
    n = strlen(buf);
    return (size_t)snprintf(buf + n, len - n, "%s-%08x-%s.json",
                            strrchr(full, '/'), hash(full), accel) < len - n;
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
        run_path(vm, vm_accel_name(vm), true, path, sizeof(path)))
        cli_report_keep(vm, path);
}

bool last_run_other(struct vm *vm, char *path, size_t len)
{
    static const char *const accels[] = {"bt", "kvm"};

    for (size_t i = 0; i < ARRAY_SIZE(accels); i++)
        if (strcmp(accels[i], vm_accel_name(vm)) != 0 &&
            run_path(vm, accels[i], false, path, len) &&
            access(path, R_OK) == 0)
            return true;
    return false;
}
