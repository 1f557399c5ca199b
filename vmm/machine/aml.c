#include "vmm/machine/aml.h"

#include <string.h>

enum {
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_DWORD = 0x0c,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_EXT = 0x5b,
    OP_EXT_DEVICE = 0x82,
};

/* Resource descriptors: ACPI 2.0, 6.4.2 */
#define RES_IRQ     0x22u
#define RES_IO      0x47u
#define RES_END_TAG 0x79u

#define PKG_LENGTH_BYTES 3u

static void put(struct aml *aml, unsigned byte)
{
    *aml->at++ = (uint8_t)byte;
}

static void put_name(struct aml *aml, const char *name)
{
    assert(strlen(name) == 4);
    memcpy(aml->at, name, 4);
    aml->at += 4;
}

/* Lengths always take three bytes: the form that also holds short ones. */
static struct aml_block block_begin(struct aml *aml)
{
    struct aml_block block = {aml->at};

    aml->at += PKG_LENGTH_BYTES;
    return block;
}

void aml_block_end(struct aml *aml, struct aml_block block)
{
    size_t len = (size_t)(aml->at - block.length);

    assert(len < 1u << 20);
    block.length[0] = (uint8_t)((PKG_LENGTH_BYTES - 1) << 6 | (len & 0xf));
    block.length[1] = (uint8_t)(len >> 4);
    block.length[2] = (uint8_t)(len >> 12);
}

void aml_name_package(struct aml *aml, const char *name, const uint8_t *bytes,
                      unsigned count)
{
    struct aml_block block;

    put(aml, OP_NAME);
    put_name(aml, name);
    put(aml, OP_PACKAGE);
    block = block_begin(aml);
    put(aml, count);
    for (unsigned i = 0; i < count; i++) {
        put(aml, OP_BYTE);
        put(aml, bytes[i]);
    }
    aml_block_end(aml, block);
}

struct aml_block aml_scope_begin(struct aml *aml, const char *name)
{
    struct aml_block block;

    put(aml, OP_SCOPE);
    block = block_begin(aml);
    put_name(aml, name);
    return block;
}

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits, big endian, then four hexadecimal digits. */
static void put_eisa_id(struct aml *aml, const char *id)
{
    unsigned letters = ((unsigned)id[0] & 0x1f) << 10 |
                       ((unsigned)id[1] & 0x1f) << 5 | ((unsigned)id[2] & 0x1f);

    put(aml, OP_DWORD);
    put(aml, letters >> 8);
    put(aml, letters);
    put(aml, hex_digit(id[3]) << 4 | hex_digit(id[4]));
    put(aml, hex_digit(id[5]) << 4 | hex_digit(id[6]));
}

static void put_io(struct aml *aml, const struct aml_io *io)
{
    put(aml, RES_IO);
    put(aml, 1); /* decodes 16 bits */
    put(aml, io->base);
    put(aml, io->base >> 8u);
    put(aml, io->base);
    put(aml, io->base >> 8u);
    put(aml, 1); /* alignment */
    put(aml, io->len);
}

static void put_resources(struct aml *aml, const struct aml_device *dev)
{
    struct aml_block block;
    uint8_t *size, *start;

    put(aml, OP_NAME);
    put_name(aml, "_CRS");
    put(aml, OP_BUFFER);
    block = block_begin(aml);
    put(aml, OP_BYTE);
    size = aml->at;
    put(aml, 0);
    start = aml->at;
    for (unsigned i = 0; i < ARRAY_SIZE(dev->io); i++)
        if (dev->io[i].len)
            put_io(aml, &dev->io[i]);
    if (dev->irqs) {
        put(aml, RES_IRQ);
        put(aml, dev->irqs);
        put(aml, dev->irqs >> 8u);
    }
    put(aml, RES_END_TAG);
    put(aml, 0); /* "checksum not computed" */
    *size = (uint8_t)(aml->at - start);
    aml_block_end(aml, block);
}

void aml_put_device(struct aml *aml, const struct aml_device *dev)
{
    struct aml_block block;

    put(aml, OP_EXT);
    put(aml, OP_EXT_DEVICE);
    block = block_begin(aml);
    put_name(aml, dev->name);
    put(aml, OP_NAME);
    put_name(aml, "_HID");
    put_eisa_id(aml, dev->hid);
    if (dev->uid) {
        put(aml, OP_NAME);
        put_name(aml, "_UID");
        put(aml, OP_BYTE);
        put(aml, dev->uid);
    }
    put_resources(aml, dev);
    aml_block_end(aml, block);
}
