/*
 * Port and memory-mapped I/O: from an address to the device that owns it.
 * An access that no device owns reads as all ones and writes to nowhere.
 */
#ifndef VMM_DEV_BUS_H
#define VMM_DEV_BUS_H
#include "vmm/base/base.h"

enum io_space { IO_PORT, IO_MEM, IO_SPACE_COUNT };

/* OFFSET counts from the range's base; SIZE is 1, 2, 4 or (IO_MEM) 8. */
struct io_ops {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, unsigned size, uint64_t value);
    /*
     * Accesses wider than this are split into accesses of this width at
     * consecutive addresses, as the ISA bus does.  0: never split.
     */
    unsigned max_size;
};

#define BUS_RANGES_MAX 64u

struct bus_range {
    const char *name;
    uint64_t base, len;
    const struct io_ops *ops;
    void *opaque;
    bool is_memory; /* bytes that only keep their value: a debugger may look */
};

struct bus {
    unsigned count[IO_SPACE_COUNT];
    struct bus_range range[IO_SPACE_COUNT][BUS_RANGES_MAX]; /* sorted by base */
};

void bus_init(struct bus *bus);

/* Ranges never overlap (asserted).  NAME, OPS and OPAQUE outlive the bus. */
void bus_map(struct bus *bus, enum io_space space, uint64_t base, uint64_t len,
             const struct io_ops *ops, void *opaque, const char *name);

/* The range of IO_MEM that starts at BASE is memory, such as a screen's. */
void bus_set_memory(struct bus *bus, uint64_t base);

/* Takes the range that starts at BASE away again. */
void bus_unmap(struct bus *bus, enum io_space space, uint64_t base);

/* The range that owns ADDR, or NULL. */
const struct bus_range *bus_find(const struct bus *bus, enum io_space space,
                                 uint64_t addr);

uint64_t bus_read(const struct bus *bus, enum io_space space, uint64_t addr,
                  unsigned size);
void bus_write(const struct bus *bus, enum io_space space, uint64_t addr,
               unsigned size, uint64_t value);
#endif
