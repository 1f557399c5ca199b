/* Commands that run the guest, and what is said when it stops. */
#include <stdio.h>
#include <string.h>

#include "vmm/view/commands.h"
#include "vmm/x86/insn.h"

void command_say_stop(struct command_ctx *ctx, const struct debug_stop *stop,
                      struct strbuf *out)
{
    char where[96], text[128];
    struct x86_state st;
    uint8_t bytes[15];
    size_t n;

    symbols_format(ctx->sym, stop->linear_rip, where, sizeof(where));
    strbuf_printf(out, "%s%s\n",
                  stop->reason == DEBUG_REASON_ENDED ? "the machine ended: "
                                                     : "",
                  stop->text);
    if (stop->reason == DEBUG_REASON_ENDED || vm_get_state(ctx->vm, &st) < 0)
        return;
    n = vm_read_gla(ctx->vm, stop->linear_rip, bytes, sizeof(bytes));
    x86_insn_text(text, sizeof(text), bytes, n, x86_code_bits(&st), st.rip);
    strbuf_printf(out, "%s: %s\n", where, n ? text : "(not mapped)");
}

static bool run(struct command_ctx *ctx, const struct debug_run *how,
                const char *again, struct strbuf *out)
{
    struct debug_stop stop;

    if (vm_stop_reason(ctx->vm) != VM_STOP_NONE &&
        vm_stop_reason(ctx->vm) != VM_STOP_DEBUG)
        return command_fail(out,
                            "the machine is off (%s); `reset` starts it again",
                            vm_stop_text(ctx->vm));
    command_ctx_leave(ctx);
    snprintf(ctx->last, sizeof(ctx->last), "%s", again);
    if (ctx->resume)
        return ctx->resume(ctx->resume_opaque, how) == 0 ||
               command_fail(out, "the guest runs already");
    if (debug_run(ctx->dbg, how, &stop) < 0)
        return command_fail(out, "the guest cannot run: %s",
                            vm_stop_text(ctx->vm));
    command_say_stop(ctx, &stop, out);
    return true;
}

bool command_step(struct command_ctx *ctx, int argc, char **argv,
                  struct strbuf *out)
{
    struct debug_run how = {.kind = DEBUG_RUN_STEP, .count = 1};

    if (argc > 1 && !command_value(ctx, argc, argv, 1, &how.count, out))
        return false;
    return run(ctx, &how, argv[0], out);
}

bool command_next(struct command_ctx *ctx, int argc, char **argv,
                  struct strbuf *out)
{
    struct debug_run how = {.kind = DEBUG_RUN_OVER};

    (void)argc;
    return run(ctx, &how, argv[0], out);
}

bool command_finish(struct command_ctx *ctx, int argc, char **argv,
                    struct strbuf *out)
{
    struct debug_run how = {.kind = DEBUG_RUN_FINISH};

    (void)argc, (void)argv;
    return run(ctx, &how, "", out);
}

bool command_continue(struct command_ctx *ctx, int argc, char **argv,
                      struct strbuf *out)
{
    struct debug_run how = {.kind = DEBUG_RUN_CONTINUE};

    (void)argc, (void)argv;
    return run(ctx, &how, "", out);
}

bool command_until(struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    struct debug_run how = {.kind = DEBUG_RUN_TO};

    if (!command_value(ctx, argc, argv, 1, &how.addr, out))
        return false;
    return run(ctx, &how, "", out);
}

bool command_reset(struct command_ctx *ctx, int argc, char **argv,
                   struct strbuf *out)
{
    (void)argc, (void)argv;
    if (debug_is_running(ctx->dbg))
        return command_fail(out, "the guest runs: stop it first");
    if (debug_restart(ctx->dbg) < 0)
        return command_fail(out, "the guest cannot be loaded again");
    ctx->changes++;
    strbuf_puts(out, "the machine was reset\n");
    return true;
}

bool command_quit(struct command_ctx *ctx, int argc, char **argv,
                  struct strbuf *out)
{
    (void)argc, (void)argv, (void)out;
    ctx->quit = true;
    return true;
}
