/* Guest images of any kind: recognised, loaded or refused, never worse. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/base/log.h"
#include "vmm/machine/machine.h"

static uint64_t no_time(void *opaque)
{
    (void)opaque;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct machine_config cfg = {.mem_bytes = 4u << 20};
    static struct machine *machine;
    struct boot_request req = {.cmdline = "quiet"};
    struct x86_state st;
    char path[64];
    int fd = memfd_create("guest", MFD_CLOEXEC);

    if (!machine) {
        log_set_level(LOG_ERROR);
        if (!freopen("/dev/null", "w", stderr) ||
            machine_create(&machine, &cfg, no_time, NULL))
            return 0;
    }
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    req.path = path;
    x86_state_reset(&st);
    (void)boot_load(machine, &req, &st);
    close(fd);
    return 0;
}
