#include "vmm/dev/bus.h"

#include <string.h>

void bus_init(struct bus *bus)
{
    *bus = (struct bus){0};
}

void bus_map(struct bus *bus, enum io_space space, uint64_t base, uint64_t len,
             const struct io_ops *ops, void *opaque, const char *name)
{
    struct bus_range *r = bus->range[space];
    unsigned at = 0;

    assert(bus->count[space] < BUS_RANGES_MAX && len > 0);
    while (at < bus->count[space] && r[at].base < base)
        at++;
    assert(at == 0 || r[at - 1].base + r[at - 1].len <= base);
    assert(at == bus->count[space] || base + len <= r[at].base);
    memmove(&r[at + 1], &r[at], (bus->count[space] - at) * sizeof(*r));
    r[at] = (struct bus_range){name, base, len, ops, opaque, false};
    bus->count[space]++;
}

/* The place in its list of the range that starts at BASE. */
static unsigned index_of(const struct bus *bus, enum io_space space,
                         uint64_t base)
{
    unsigned at = 0;

    while (at < bus->count[space] && bus->range[space][at].base != base)
        at++;
    assert(at < bus->count[space]);
    return at;
}

void bus_set_memory(struct bus *bus, uint64_t base)
{
    bus->range[IO_MEM][index_of(bus, IO_MEM, base)].is_memory = true;
}

void bus_unmap(struct bus *bus, enum io_space space, uint64_t base)
{
    struct bus_range *r = bus->range[space];
    unsigned at = index_of(bus, space, base);

    bus->count[space]--;
    memmove(&r[at], &r[at + 1], (bus->count[space] - at) * sizeof(*r));
}

const struct bus_range *bus_find(const struct bus *bus, enum io_space space,
                                 uint64_t addr)
{
    const struct bus_range *r = bus->range[space];
    unsigned lo = 0, hi = bus->count[space];

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (addr < r[mid].base)
            hi = mid;
        else if (addr - r[mid].base >= r[mid].len)
            lo = mid + 1;
        else
            return &r[mid];
    }
    return NULL;
}

static unsigned piece_size(const struct bus_range *r, unsigned size)
{
    unsigned max = r ? r->ops->max_size : 0;

    return max && max < size ? max : size;
}

uint64_t bus_read(const struct bus *bus, enum io_space space, uint64_t addr,
                  unsigned size)
{
    const struct bus_range *r = bus_find(bus, space, addr);
    unsigned piece = piece_size(r, size);
    uint64_t value = 0;

    if (!r)
        return all_ones(size);
    if (piece == size)
        return r->ops->read(r->opaque, addr - r->base, size) & all_ones(size);
    for (unsigned at = 0; at < size; at += piece)
        value |= bus_read(bus, space, addr + at, piece) << (8 * at);
    return value;
}

void bus_write(const struct bus *bus, enum io_space space, uint64_t addr,
               unsigned size, uint64_t value)
{
    const struct bus_range *r = bus_find(bus, space, addr);
    unsigned piece = piece_size(r, size);

    if (!r)
        return;
    if (piece == size) {
        r->ops->write(r->opaque, addr - r->base, size, value & all_ones(size));
        return;
    }
    for (unsigned at = 0; at < size; at += piece)
        bus_write(bus, space, addr + at, piece,
                  value >> (8 * at) & all_ones(piece));
}
