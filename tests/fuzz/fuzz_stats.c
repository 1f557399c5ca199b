/* Statistics files of somebody else, as compare-stats reads them. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/exit_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct exit_style plain;
    static struct exit_stats stats;
    static struct exit_report report;
    struct strbuf out;
    char path[64], why[128];
    int fd = memfd_create("stats", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    strbuf_init(&out);
    if (exit_report_load(&report, &stats, path, why, sizeof(why)) == 0)
        exit_report_compare(&out, &report, &report, &plain);
    strbuf_fini(&out);
    close(fd);
    return 0;
}
