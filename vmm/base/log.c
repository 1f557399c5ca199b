#include "vmm/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static enum log_level threshold = LOG_WARN;

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    if (level > threshold)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    fprintf(stderr, "ringside: %s\n", line);
}
