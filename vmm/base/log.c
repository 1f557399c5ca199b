#include "vmm/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum log_level threshold = LOG_WARN;

void log_set_level(enum log_level level)
{
    threshold = level;
}

static struct {
    pthread_mutex_t lock;
    bool hold;
    size_t len;
    char bytes[4096];
} held = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_hold(bool hold)
{
    pthread_mutex_lock(&held.lock);
    held.hold = hold;
    if (!hold) {
        fwrite(held.bytes, 1, held.len, stderr);
        held.len = 0;
    }
    pthread_mutex_unlock(&held.lock);
}

void log_write(const char *bytes, size_t len)
{
    pthread_mutex_lock(&held.lock);
    if (!held.hold)
        fwrite(bytes, 1, len, stderr);
    else if (len <= sizeof(held.bytes) - held.len) {
        memcpy(held.bytes + held.len, bytes, len);
        held.len += len;
    }
    pthread_mutex_unlock(&held.lock);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    char text[512], line[528];
    va_list ap;

    if (level > threshold)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(line, sizeof(line), "ringside: %s\n", text);
    log_write(line, strlen(line));
}
