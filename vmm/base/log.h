/*
 * The monitor's own messages: one line each on standard error, prefixed
 * "ringside: ".  Of guests, only the debug console comes this way.
 */
#ifndef VMM_BASE_LOG_H
#define VMM_BASE_LOG_H
#include "vmm/base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above LEVEL are dropped.  The default is LOG_WARN. */
void log_set_level(enum log_level level);

/*
 * While a screen has the terminal, messages wait: log_hold(true), then
 * log_hold(false) writes them.  Of very many the last are lost.
 */
void log_hold(bool hold);

/* Bytes as they are, after what was said before, or with what waits. */
void log_write(const char *bytes, size_t len);

/* FMT carries no newline; what happened, where, and what to do next. */
void log_msg(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)
#endif
