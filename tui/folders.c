#include "tui/folders.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool folders_path(enum folder in, const char *name, char *buf, size_t len)
{
    static const struct {
        const char *variable, *below_home;
    } bases[] = {
        [FOLDER_CONFIG] = {"XDG_CONFIG_HOME", "/.config"},
        [FOLDER_STATE] = {"XDG_STATE_HOME", "/.local/state"},
    };
    const char *base = getenv(bases[in].variable), *below = "";
    int n = -1;

    if (!base || !base[0]) {
        base = getenv("HOME");
        below = bases[in].below_home;
    }
    if (base && base[0])
        n = snprintf(buf, len, "%s%s/ringside/%s", base, below, name);
    if (n >= 0 && (size_t)n < len)
        return true;
    buf[0] = '\0';
    return false;
}

void folders_make_above(const char *path)
{
    char folder[PATH_MAX];

    snprintf(folder, sizeof(folder), "%s", path);
    for (char *s = strchr(folder + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        mkdir(folder, 0777);
        *s = '/';
    }
}
