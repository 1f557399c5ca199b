#include "tui/folders.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
