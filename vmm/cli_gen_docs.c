/* `ringside gen-docs DIR`: everything that tables can write themselves. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/base/log.h"
#include "vmm/cli.h"
#include "vmm/exit_status.h"

static void exits_md(struct strbuf *out)
{
    strbuf_puts(
        out, "# Exits\n\nMade from `vmm/vm_exit.def`.  Reason: the SDM's "
             "basic exit reason (vol. 3D, appendix C), where there is "
             "one.\n\n| exit | name | reason | class |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < VM_EXIT_COUNT; i++) {
        enum vm_exit_kind kind = (enum vm_exit_kind)i;
        int reason = vm_exit_reason(kind);

        strbuf_printf(out, "| `%s` | %s | ", vm_exit_id(kind),
                      vm_exit_name(kind));
        if (reason >= 0)
            strbuf_printf(out, "%d", reason);
        strbuf_printf(out, " | %s |\n", vm_exit_class(kind));
    }
}

static const struct {
    const char *file;
    void (*write)(struct strbuf *out);
} pages[] = {
    {"ringside.1", cli_man_page},   {"ringside.bash", cli_completion},
    {"options.md", cli_options_md}, {"exit-status.md", cli_exit_status_md},
    {"exits.md", exits_md},
};

static int write_page(const char *dir, const char *file, const char *text)
{
    char path[4096];
    FILE *f;
    int err = 0;

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    f = fopen(path, "w");
    if (!f) {
        err = -errno;
    } else {
        if (fputs(text, f) == EOF)
            err = -EIO;
        if (fclose(f))
            err = -errno;
    }
    if (err)
        log_error("gen-docs: cannot write %s: %s", path, strerror(-err));
    return err;
}

int cmd_gen_docs(struct cli *cli)
{
    int err = 0;

    if (mkdir(cli->operand[0], 0777) && errno != EEXIST) {
        log_error("gen-docs: cannot make %s: %s", cli->operand[0],
                  strerror(errno));
        return EXIT_STATUS_SETUP;
    }
    for (size_t i = 0; i < ARRAY_SIZE(pages) && !err; i++) {
        struct strbuf text;

        strbuf_init(&text);
        pages[i].write(&text);
        err = write_page(cli->operand[0], pages[i].file, strbuf_str(&text));
        strbuf_fini(&text);
    }
    return err ? EXIT_STATUS_SETUP : EXIT_STATUS_OK;
}
