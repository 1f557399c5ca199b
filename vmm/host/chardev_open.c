#include <string.h>

#include "vmm/host/chardev_host.h"

bool chardev_spec_valid(const char *spec)
{
    return strcmp(spec, "stdio") == 0 || strcmp(spec, "pty") == 0 ||
           strcmp(spec, "null") == 0 ||
           (strncmp(spec, "unix:", 5) == 0 && spec[5]) ||
           (strncmp(spec, "file:", 5) == 0 && spec[5]);
}
