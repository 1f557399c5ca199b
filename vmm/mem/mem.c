#include "vmm/mem/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/base/log.h"

int mem_init(struct mem *mem, uint64_t size)
{
    int err;

    *mem = (struct mem){.fd = -1, .size = size};
    mem->fd = memfd_create("ringside-ram", MFD_CLOEXEC);
    if (mem->fd < 0) {
        err = -errno;
        log_error("cannot create guest memory: memfd_create: %s",
                  strerror(-err));
        return err;
    }
    if (ftruncate(mem->fd, (off_t)size) < 0)
        goto out_close;
    mem->base =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem->fd, 0);
    if (mem->base == MAP_FAILED)
        goto out_close;
    return 0;

out_close:
    err = -errno;
    log_error("cannot get %llu MiB of guest memory: %s; try a smaller -m",
              (unsigned long long)size >> 20, strerror(-err));
    close(mem->fd);
    *mem = (struct mem){.fd = -1};
    return err;
}

void mem_fini(struct mem *mem)
{
    if (mem->fd < 0)
        return;
    munmap(mem->base, mem->size);
    close(mem->fd);
    *mem = (struct mem){.fd = -1};
}

void mem_add_slot(struct mem *mem, const char *name, uint64_t gpa, uint64_t len,
                  uint64_t offset, bool readonly)
{
    assert(mem->slots < MEM_SLOTS_MAX);
    assert(len > 0 && offset + len <= mem->size);
    assert((gpa | len | offset) % MEM_PAGE_SIZE == 0);
    for (unsigned i = 0; i < mem->slots; i++)
        assert(gpa + len <= mem->slot[i].gpa ||
               mem->slot[i].gpa + mem->slot[i].len <= gpa);
    mem->slot[mem->slots++] =
        (struct mem_slot){name, gpa, len, offset, readonly};
}

const struct mem_slot *mem_find(const struct mem *mem, uint64_t gpa)
{
    for (unsigned i = 0; i < mem->slots; i++)
        if (gpa - mem->slot[i].gpa < mem->slot[i].len)
            return &mem->slot[i];
    return NULL;
}

void *mem_hva(const struct mem *mem, uint64_t gpa, uint64_t len)
{
    const struct mem_slot *slot = mem_find(mem, gpa);

    if (!slot || len > slot->len - (gpa - slot->gpa))
        return NULL;
    return mem->base + slot->offset + (gpa - slot->gpa);
}

/* Bytes from GPA that one slot holds, at most LEN; their address in *HVA. */
static size_t run_at(const struct mem *mem, uint64_t gpa, size_t len,
                     uint8_t **hva)
{
    const struct mem_slot *slot = mem_find(mem, gpa);
    uint64_t left;

    if (!slot)
        return 0;
    left = slot->len - (gpa - slot->gpa);
    *hva = mem->base + slot->offset + (gpa - slot->gpa);
    return left < len ? (size_t)left : len;
}

bool mem_read(const struct mem *mem, uint64_t gpa, void *buf, size_t len)
{
    uint8_t *out = buf, *hva;

    while (len > 0) {
        size_t n = run_at(mem, gpa, len, &hva);
        if (n == 0)
            return false;
        memcpy(out, hva, n);
        out += n, gpa += n, len -= n;
    }
    return true;
}

bool mem_write(struct mem *mem, uint64_t gpa, const void *buf, size_t len)
{
    const uint8_t *in = buf;
    uint8_t *hva;

    while (len > 0) {
        size_t n = run_at(mem, gpa, len, &hva);
        if (n == 0)
            return false;
        memcpy(hva, in, n);
        if (mem->on_write)
            mem->on_write(mem->on_write_opaque, gpa, n);
        in += n, gpa += n, len -= n;
    }
    return true;
}

static bool phys_read(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    return mem_read(opaque, gpa, buf, len);
}

static bool phys_write(void *opaque, uint64_t gpa, const void *buf, size_t len)
{
    return mem_write(opaque, gpa, buf, len);
}

struct x86_phys mem_phys(struct mem *mem)
{
    return (struct x86_phys){mem, phys_read, phys_write};
}
