/*
 * The state a PC's firmware hands over: see firmware.h.  The calls it offers
 * (INT 10h and so on) are bios*.c; the tables' contents are tables.c.
 */
#include "vmm/machine/firmware.h"

#include <string.h>

#include "vmm/machine/bios.h"
#include "vmm/machine/bios_layout.h"
#include "vmm/machine/tables.h"

/* ---- memory map --------------------------------------------------------- */

unsigned firmware_e820(const struct machine *m, struct e820_entry map[E820_MAX])
{
    unsigned n = 0;

    map[n++] = (struct e820_entry){0, LOW_MEMORY_END, E820_RAM};
    map[n++] = (struct e820_entry){LOW_MEMORY_END, 0xa0000 - LOW_MEMORY_END,
                                   E820_RESERVED};
    map[n++] = (struct e820_entry){ROM_BASE, ROM_SIZE, E820_RESERVED};
    if (m->mem_bytes > HIGH_MEMORY)
        map[n++] = (struct e820_entry){HIGH_MEMORY, m->mem_bytes - HIGH_MEMORY,
                                       E820_RAM};
    return n;
}

/* ---- BIOS data area ----------------------------------------------------- */

static void put16(struct machine *m, uint64_t gpa, unsigned value)
{
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

    mem_write(&m->mem, gpa, bytes, sizeof(bytes));
}

static void put8(struct machine *m, uint64_t gpa, unsigned value)
{
    uint8_t byte = (uint8_t)value;

    mem_write(&m->mem, gpa, &byte, 1);
}

static void install_bda(struct machine *m)
{
    static const uint8_t zero[0x100] = {0};
    unsigned disks = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(m->disk); i++)
        disks += m->disk[i] != NULL;
    mem_write(&m->mem, BDA_BASE, zero, sizeof(zero));
    put16(m, 0x400, 0x3f8);
    put16(m, 0x402, 0x2f8);
    put16(m, 0x40e, EBDA_BASE >> 4);
    /* Equipment: FPU, 80x25 colour, PS/2 mouse port no, two serial ports */
    put16(m, 0x410, BIT(1) | 2u << 4 | 2u << 9);
    put16(m, 0x413, LOW_MEMORY_END / 1024);
    put16(m, 0x41a, 0x1e); /* keyboard buffer: head, tail, start, end */
    put16(m, 0x41c, 0x1e);
    put16(m, 0x480, 0x1e);
    put16(m, 0x482, 0x3e);
    put8(m, 0x449, 3); /* video mode, columns, page size, CRTC, rows - 1 */
    put16(m, 0x44a, 80);
    put16(m, 0x44c, 0x1000);
    put16(m, 0x463, 0x3d4);
    put8(m, 0x484, 24);
    put16(m, 0x485, 16);
    put8(m, 0x475, disks);
    put8(m, 0x496, 0x10); /* an enhanced keyboard */
}

static void install_ebda(struct machine *m)
{
    uint8_t ebda[EBDA_SIZE] = {EBDA_SIZE / 1024};

    tables_build_facs(ebda + (FACS_BASE - EBDA_BASE));
    mem_write(&m->mem, EBDA_BASE, ebda, sizeof(ebda));
}

/* ---- ROM ---------------------------------------------------------------- */

static void install_gdt(uint8_t rom[ROM_SIZE])
{
    /* Accessed already: the processor must not have to write to ROM. */
    static const uint64_t gdt[] = {
        0,
        0,
        [FIRMWARE_CS / 8] = 0x00cf9b000000ffff,
        [FIRMWARE_DS / 8] = 0x00cf93000000ffff,
    };

    memcpy(rom + ROM_GDT, gdt, sizeof(gdt));
}

/* ---- interrupt vectors --------------------------------------------------- */

/* One row of the table at the start of bios_rom. */
struct rom_vector {
    uint16_t vector, offset;
};

static void install_vectors(struct machine *m)
{
    struct rom_vector v[256];
    unsigned rows = 0;

    do
        memcpy(&v[rows], bios_rom + rows * sizeof(v[0]), sizeof(v[0]));
    while (v[rows++].vector != 0xffff);
    for (unsigned i = 0; i < 256; i++)
        put16(m, 4ull * i, v[rows - 1].offset);
    for (unsigned i = 0; i < 256; i++)
        put16(m, 4ull * i + 2, ROM_BASE >> 4);
    for (unsigned i = 0; i + 1 < rows; i++)
        put16(m, 4ull * v[i].vector, v[i].offset);
}

static void install_rom(struct machine *m, uint8_t rom[ROM_SIZE])
{
    /* mov al, 6; out CF9h (dx), al; hlt; jmp: real hardware would restart */
    static const uint8_t restart[] = {0xb0, 0x06, 0xba, 0xf9, 0x0c,
                                      0xee, 0xf4, 0xeb, 0xfd};

    /* Eight characters, no NUL. */
    static const char date[8] = {'0', '1', '/', '0', '1', '/', '2', '6'};

    tables_build_mp(rom);
    tables_build_acpi(rom);
    install_gdt(rom);
    memcpy(rom + ROM_BIOS, bios_rom, (size_t)(bios_rom_end - bios_rom));
    memcpy(rom + 0xfff0, restart, 5);
    memcpy(rom + 0xffe0, restart, sizeof(restart));
    rom[0xfff0] = 0xeb; /* jmp short FFE0h */
    rom[0xfff1] = 0xee;
    memcpy(rom + 0xfff5, date, sizeof(date));
    rom[0xfffe] = 0xfc; /* model: AT */
    mem_write(&m->mem, ROM_BASE, rom, ROM_SIZE);
}

/* ---- power-on self-test ------------------------------------------------- */

static void program_chips(struct machine *m)
{
    /* clang-format off */
    static const struct { uint16_t port; uint8_t value; } post[] = {
        /* 18.2 Hz; before ICW1, which forgets the edge that this makes */
        { 0x43, 0x36 }, { 0x40, 0x00 }, { 0x40, 0x00 },
        { 0x20, 0x11 }, { 0x21, 0x08 }, { 0x21, 0x04 }, { 0x21, 0x01 },
        { 0xa0, 0x11 }, { 0xa1, 0x70 }, { 0xa1, 0x02 }, { 0xa1, 0x01 },
        { 0x21, 0xf8 }, { 0xa1, 0xff }, /* open: timer, keyboard, cascade */
        { 0x92, 0x02 }, /* A20 open */
    };
    /* clang-format on */

    for (unsigned i = 0; i < ARRAY_SIZE(post); i++)
        bus_write(&m->bus, IO_PORT, post[i].port, 1, post[i].value);
}

void firmware_install(struct machine *m)
{
    uint8_t rom[ROM_SIZE] = {0};

    install_rom(m, rom);
    install_vectors(m);
    install_bda(m);
    install_ebda(m);
    program_chips(m);
}
