/* `ringside gen-docs DIR`: everything that tables can write themselves. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "gdbstub/command.h"
#include "vmm/base/log.h"
#include "vmm/cli.h"
#include "vmm/exit_status.h"
#include "vmm/machine/machine.h"
#include "vmm/view/explain.h"
#include "vmm/view/view_docs.h"

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

static uint64_t no_time(void *opaque)
{
    (void)opaque;
    return 0;
}

static void devices_md(struct strbuf *out)
{
    const struct machine_config cfg = {.mem_bytes = 2u << 20};
    struct machine *m;

    strbuf_puts(out, "# Devices of the board\n\nMade from the table in "
                     "`vmm/machine/pc.c`.\n\n| name | chip | what it is "
                     "|\n|---|---|---|\n");
    if (machine_create(&m, &cfg, no_time, NULL))
        return;
    for (unsigned i = 0; i < m->devices; i++)
        strbuf_printf(out, "| %s | `%s` | %s |\n", m->device[i]->name,
                      m->device[i]->class->name, m->device[i]->class->summary);
    for (unsigned space = 0; space < IO_SPACE_COUNT; space++) {
        strbuf_printf(out, "\n| %s | length | chip |\n|---|---|---|\n",
                      space == IO_PORT ? "port" : "memory");
        for (unsigned i = 0; i < m->bus.count[space]; i++) {
            const struct bus_range *r = &m->bus.range[space][i];

            strbuf_printf(out, "| %#llx | %#llx | %s |\n",
                          (unsigned long long)r->base,
                          (unsigned long long)r->len, r->name);
        }
    }
    machine_destroy(m);
}

static const struct {
    const char *file;
    void (*write)(struct strbuf *out);
} pages[] = {
    {"ringside.1", cli_man_page},   {"ringside.bash", cli_completion},
    {"options.md", cli_options_md}, {"exit-status.md", cli_exit_status_md},
    {"exits.md", exits_md},         {"devices.md", devices_md},
    {"packets.md", gdb_packets_md}, {"views.md", view_docs_md},
    {"explain.md", explain_md},
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
