/* IDENTIFY DEVICE data: ATA/ATAPI-6, 8.15. */
#include "vmm/dev/ata_identify.h"

#include <string.h>

#include "vmm/dev/ata.h"

#define WORDS            256u
#define CYLINDERS_MAX    16383u
#define ATA_PER_CYLINDER ((uint64_t)ATA_HEADS * ATA_SECTORS_PER_TRACK)

/* ATA strings: two characters a word, the first in the high byte. */
static void put_string(uint16_t *word, unsigned words, const char *text)
{
    for (unsigned i = 0; i < words; i++) {
        unsigned first = *text ? (uint8_t)*text++ : ' ';
        unsigned second = *text ? (uint8_t)*text++ : ' ';
        word[i] = (uint16_t)(first << 8 | second);
    }
}

static void put_u32(uint16_t *word, uint64_t value)
{
    word[0] = (uint16_t)value;
    word[1] = (uint16_t)(value >> 16);
}

static void put_geometry(const struct ata_identity *id, uint16_t *w)
{
    uint64_t cylinders = id->total / ATA_PER_CYLINDER;
    unsigned per_cylinder = (unsigned)id->heads * id->sectors;
    uint64_t current = id->total / per_cylinder;

    w[1] = (uint16_t)(cylinders < CYLINDERS_MAX ? cylinders : CYLINDERS_MAX);
    w[3] = ATA_HEADS;
    w[6] = ATA_SECTORS_PER_TRACK;
    w[54] = (uint16_t)(current < UINT16_MAX ? current : UINT16_MAX);
    w[55] = id->heads;
    w[56] = id->sectors;
    put_u32(w + 57, (uint64_t)w[54] * per_cylinder);
    put_u32(w + 60, id->total < ATA_LBA28_MAX ? id->total : ATA_LBA28_MAX);
    put_u32(w + 100, id->total);
    put_u32(w + 102, id->total >> 32);
}

void ata_identify_fill(const struct ata_identity *id, uint8_t out[512])
{
    uint16_t w[WORDS] = {0};
    uint8_t sum = 0;

    w[0] = 0x0040; /* a fixed disk */
    put_geometry(id, w);
    put_string(w + 10, 10, id->unit == 0 ? "RINGSIDE-0" : "RINGSIDE-1");
    put_string(w + 23, 4, "1.0");
    put_string(w + 27, 20, "Ringside ATA disk");
    w[47] = 0x8000 | ATA_MULTIPLE_MAX;
    w[49] = 0x0e00; /* LBA, IORDY may be disabled; no DMA */
    w[50] = 0x4000;
    w[51] = 0x0200; /* PIO timing 2 */
    w[53] = 0x0003; /* words 54-58 and 64-70 are valid */
    w[59] = id->multiple ? 0x0100 | id->multiple : 0;
    w[64] = 0x0003; /* PIO modes 3 and 4 */
    w[67] = w[68] = 120;
    w[80] = 0x007e;         /* ATA-1 to ATA/ATAPI-6 */
    w[82] = w[85] = 0x0060; /* look-ahead, write cache */
    w[83] = 0x7400;         /* FLUSH CACHE and EXT, 48-bit addresses */
    w[86] = 0x3400;
    w[84] = w[87] = 0x4000;
    w[255] = 0x00a5;
    memcpy(out, w, sizeof(w)); /* little-endian, like the host */
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + out[i]);
    out[511] = (uint8_t)-sum;
}
