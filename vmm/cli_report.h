/* The reports at the end of a run: --stats, --digest, --report. */
#ifndef VMM_CLI_REPORT_H
#define VMM_CLI_REPORT_H
#include "vmm/cli.h"

/* Writes what CLI asks for about VM, which ran for WALL_NS.  0 or -errno,
 * logged. */
int cli_report(const struct cli *cli, struct vm *vm, uint64_t wall_ns);
/* VM's exits as JSON, for another run to be compared with.  0 or -errno. */
int cli_report_keep(struct vm *vm, const char *path);
#endif
