/* The functions behind command.def; included by command*.c. */
#ifndef VMM_VIEW_COMMANDS_H
#define VMM_VIEW_COMMANDS_H
#include "vmm/view/command.h"

/* command_points.c: frees ctx->conditions. */
void command_free_conditions(struct command_ctx *ctx);
/* command_exits.c: frees ctx->other. */
void command_free_other(struct command_ctx *ctx);

/* command_points.c: the N-th word that may follow `catch`; NULL past the
 * last. */
const char *command_catch_name(size_t n);
/* What a CATCH waits for: "exception 0xe #PF". */
void command_catch_text(const struct debug_point *p, char *buf, size_t len);

#define COMMAND(name, alias, args, summary) command_fn command_##name;
#include "vmm/view/command.def"
#undef COMMAND

/* For command functions, as command_fail(): there is no command NAME, but
 * perhaps one like it. */
bool command_fail_unknown(struct strbuf *out, const char *name);
/* ARGV[I] as an expression; missing or wrong: false with a message. */
bool command_value(struct command_ctx *ctx, int argc, char **argv, int i,
                   uint64_t *value, struct strbuf *out);
#endif
