/*
 * IBM VGA in text mode (PS/2 Hardware Interface Technical Reference, "Video
 * Subsystem"): 80 by 25 characters, each a byte and an attribute.
 *
 *   B8000h: [char, attr] x 16384; the screen begins at CRTC 0Ch/0Dh
 *
 * Registers are kept as written, so that drivers can probe, save and restore
 * them; of all only the start, the row offset and the cursor change what is
 * seen.  No planes, no fonts, no graphics, no monochrome addresses.
 */
#include "vmm/dev/vga_text.h"

#include <string.h>

enum { MEM_BASE = 0xa0000, MEM_SIZE = 0x20000 };
enum { TEXT_OFFSET = 0x18000, TEXT_SIZE = 0x8000, TEXT_CELLS = TEXT_SIZE / 2 };
enum { REG_BASE = 0x3c0, REG_PORTS = 16, CRTC_BASE = 0x3d4, CRTC_PORTS = 2 };
enum { STATUS1 = 0x3da };

enum { /* offsets from 3C0h */
       ATTR_WRITE = 0x0,
       ATTR_READ = 0x1,
       MISC_WRITE = 0x2, /* reads: input status 0 */
       ENABLE = 0x3,
       SEQ_INDEX = 0x4,
       SEQ_DATA = 0x5,
       DAC_MASK = 0x6,
       DAC_READ_INDEX = 0x7, /* reads: DAC state */
       DAC_WRITE_INDEX = 0x8,
       DAC_DATA = 0x9,
       FEATURE_READ = 0xa,
       MISC_READ = 0xc,
       GFX_INDEX = 0xe,
       GFX_DATA = 0xf,
};

enum {
    CRTC_CURSOR_START = 0x0a,
    CRTC_CURSOR_END = 0x0b,
    CRTC_START_HIGH = 0x0c,
    CRTC_START_LOW = 0x0d,
    CRTC_CURSOR_HIGH = 0x0e,
    CRTC_CURSOR_LOW = 0x0f,
    CRTC_RETRACE_END = 0x11,
    CRTC_OFFSET = 0x13,
    CRTC_REGS = 0x19,
    SEQ_REGS = 5,
    GFX_REGS = 9,
    ATTR_REGS = 0x15,

    CURSOR_OFF = 0x20,
    PROTECT = 0x80,       /* of CRTC 11h: registers 0..7 are read-only */
    LINE_COMPARE8 = 0x10, /* of CRTC 07h: not protected */
    DISPLAY_OFF = 0x01,   /* of status 1 */
    VERTICAL_RETRACE = 0x08,
};

/* 720x400 at 70 Hz: 449 lines, a dot clock of 28.322 MHz, 900 dots a line. */
enum { LINE_NS = 31778, LINE_SHOWN_NS = 25422, LINES = 449, LINES_SHOWN = 400 };
enum { RETRACE_FIRST = 412, RETRACE_LINES = 2 };

struct vga_text {
    struct device *dev;
    uint64_t generation;
    uint8_t text[TEXT_SIZE];
    uint8_t crtc_index, crtc[CRTC_REGS];
    uint8_t seq_index, seq[SEQ_REGS];
    uint8_t gfx_index, gfx[GFX_REGS];
    uint8_t attr_index, attr[ATTR_REGS];
    bool attr_data; /* the next write to 3C0h is data */
    uint8_t misc, feature, enable;
    uint8_t dac_mask, dac_read, dac_write, dac_part;
    bool dac_reading;
    uint8_t dac[256][3];
};

/* clang-format off */
/* The values of mode 3 (80x25, 16 colours, 9x16 cells). */
static const uint8_t mode3_crtc[CRTC_REGS] = {
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f,
    0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00,
    0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
};
static const uint8_t mode3_seq[SEQ_REGS] = {0x03, 0x00, 0x03, 0x00, 0x02};
static const uint8_t mode3_gfx[GFX_REGS] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff,
};
static const uint8_t mode3_attr[ATTR_REGS] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07,
    0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
    0x0c, 0x00, 0x0f, 0x08, 0x00,
};
/* clang-format on */
enum { MODE3_MISC = 0x67, MODE3_ATTR_INDEX = 0x20 };

/* ---- what is seen ------------------------------------------------------- */

static unsigned start_cell(const struct vga_text *v)
{
    unsigned start = v->crtc[CRTC_START_HIGH];

    return (start << 8 | v->crtc[CRTC_START_LOW]) % TEXT_CELLS;
}

/* Cells from one row to the next. */
static unsigned row_cells(const struct vga_text *v)
{
    return v->crtc[CRTC_OFFSET] * 2u;
}

static bool cell_shown(const struct vga_text *v, unsigned cell)
{
    unsigned after = (cell - start_cell(v)) % TEXT_CELLS;

    return after < row_cells(v) * (VGA_TEXT_ROWS - 1) + VGA_TEXT_COLS;
}

static void snapshot_cursor(const struct vga_text *v, struct vga_screen *out)
{
    unsigned high = v->crtc[CRTC_CURSOR_HIGH];
    unsigned at = high << 8 | v->crtc[CRTC_CURSOR_LOW];
    unsigned after = (at - start_cell(v)) % TEXT_CELLS;
    unsigned width = row_cells(v);
    uint8_t first = v->crtc[CRTC_CURSOR_START] & 0x1f;
    uint8_t last = v->crtc[CRTC_CURSOR_END] & 0x1f;

    if (!width)
        return;
    out->row = after / width;
    out->col = after % width;
    out->cursor = !(v->crtc[CRTC_CURSOR_START] & CURSOR_OFF) && first <= last &&
                  out->row < VGA_TEXT_ROWS && out->col < VGA_TEXT_COLS;
    if (out->row >= VGA_TEXT_ROWS || out->col >= VGA_TEXT_COLS)
        out->row = out->col = 0;
}

void vga_text_snapshot(const struct device *dev, struct vga_screen *out)
{
    const struct vga_text *v = dev->state;

    *out = (struct vga_screen){.generation = v->generation};
    for (unsigned row = 0; row < VGA_TEXT_ROWS; row++)
        for (unsigned col = 0; col < VGA_TEXT_COLS; col++) {
            size_t cell = start_cell(v) + row * row_cells(v) + col;
            memcpy(out->cell[row][col], &v->text[cell % TEXT_CELLS * 2], 2);
        }
    snapshot_cursor(v, out);
}

uint64_t vga_text_generation(const struct device *dev)
{
    const struct vga_text *v = dev->state;

    return v->generation;
}

/* ---- memory ------------------------------------------------------------- */

/* The part of an access that lies in the text window: the first byte's place
 * in the window and, in *SKIP, in the access; returns how many bytes. */
static unsigned text_part(uint64_t offset, unsigned size, unsigned *skip,
                          unsigned *at)
{
    uint64_t end = offset + size;

    if (end > MEM_SIZE)
        end = MEM_SIZE;
    *skip = offset < TEXT_OFFSET ? (unsigned)(TEXT_OFFSET - offset) : 0;
    *at = (unsigned)(offset + *skip - TEXT_OFFSET);
    return end > offset + *skip ? (unsigned)(end - offset - *skip) : 0;
}

static uint64_t text_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct vga_text *v = opaque;
    uint64_t value = ~0ull;
    unsigned skip, at, len = text_part(offset, size, &skip, &at);

    for (unsigned i = 0; i < len; i++) {
        unsigned shift = 8 * (skip + i);
        value &= ~(0xffull << shift);
        value |= (uint64_t)v->text[at + i] << shift;
    }
    return value;
}

static void text_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    struct vga_text *v = opaque;
    unsigned skip, at, len = text_part(offset, size, &skip, &at);

    for (unsigned i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * (skip + i)));
        if (v->text[at + i] == byte)
            continue;
        v->text[at + i] = byte;
        if (cell_shown(v, (at + i) / 2))
            v->generation++;
    }
}

/* ---- CRTC and status ---------------------------------------------------- */

static uint64_t crtc_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct vga_text *v = opaque;

    (void)size;
    if (offset == 0)
        return v->crtc_index;
    return v->crtc_index < CRTC_REGS ? v->crtc[v->crtc_index] : 0xff;
}

static void crtc_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    struct vga_text *v = opaque;
    uint8_t byte = (uint8_t)value, *reg;

    (void)size;
    if (offset == 0) {
        v->crtc_index = byte & 0x3f;
        return;
    }
    if (v->crtc_index >= CRTC_REGS)
        return;
    reg = &v->crtc[v->crtc_index];
    if (v->crtc_index <= 7 && (v->crtc[CRTC_RETRACE_END] & PROTECT)) {
        if (v->crtc_index != 7)
            return;
        byte = (uint8_t)((*reg & ~LINE_COMPARE8) | (byte & LINE_COMPARE8));
    }
    if (*reg != byte)
        v->generation++;
    *reg = byte;
}

/* Where the beam is, by the clock. */
static uint64_t status_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga_text *v = opaque;
    uint64_t now = clock_now(v->dev->env.clock);
    uint64_t line = now / LINE_NS % LINES;
    uint64_t value = 0;

    (void)offset, (void)size;
    v->attr_data = false;
    if (line >= LINES_SHOWN || now % LINE_NS >= LINE_SHOWN_NS)
        value |= DISPLAY_OFF;
    if (line >= RETRACE_FIRST && line < RETRACE_FIRST + RETRACE_LINES)
        value |= VERTICAL_RETRACE;
    return value;
}

static void status_write(void *opaque, uint64_t offset, unsigned size,
                         uint64_t value)
{
    struct vga_text *v = opaque;

    (void)offset, (void)size;
    v->feature = (uint8_t)value;
}

/* ---- attributes, DAC, sequencer, graphics ------------------------------- */

static void attr_write(struct vga_text *v, uint8_t byte)
{
    if (!v->attr_data)
        v->attr_index = byte & 0x3f;
    else if ((v->attr_index & 0x1f) < ATTR_REGS)
        v->attr[v->attr_index & 0x1f] = byte;
    v->attr_data = !v->attr_data;
}

/* Steps red, green, blue, then to the next colour. */
static void dac_next(struct vga_text *v, uint8_t *index)
{
    v->dac_part = (uint8_t)((v->dac_part + 1) % 3);
    if (v->dac_part == 0)
        (*index)++;
}

static uint8_t dac_data_read(struct vga_text *v)
{
    uint8_t value = v->dac[v->dac_read][v->dac_part];

    dac_next(v, &v->dac_read);
    return value;
}

static void dac_data_write(struct vga_text *v, uint8_t byte)
{
    v->dac[v->dac_write][v->dac_part] = byte & 0x3f;
    dac_next(v, &v->dac_write);
}

static uint64_t reg_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga_text *v = opaque;
    unsigned attr = v->attr_index & 0x1f;

    (void)size;
    switch (offset) {
    case ATTR_WRITE:
        return v->attr_index;
    case ATTR_READ:
        return attr < ATTR_REGS ? v->attr[attr] : 0xff;
    case MISC_WRITE:
        return 0x10; /* input status 0: a colour display is sensed */
    case ENABLE:
        return v->enable;
    case SEQ_INDEX:
        return v->seq_index;
    case SEQ_DATA:
        return v->seq_index < SEQ_REGS ? v->seq[v->seq_index] : 0xff;
    case DAC_MASK:
        return v->dac_mask;
    case DAC_READ_INDEX:
        return v->dac_reading ? 3 : 0;
    case DAC_WRITE_INDEX:
        return v->dac_write;
    case DAC_DATA:
        return dac_data_read(v);
    case FEATURE_READ:
        return v->feature;
    case MISC_READ:
        return v->misc;
    case GFX_INDEX:
        return v->gfx_index;
    case GFX_DATA:
        return v->gfx_index < GFX_REGS ? v->gfx[v->gfx_index] : 0xff;
    default:
        return 0xff;
    }
}

static void dac_select(struct vga_text *v, uint8_t *index, uint8_t byte,
                       bool reading)
{
    *index = byte;
    v->dac_reading = reading;
    v->dac_part = 0;
}

static void reg_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct vga_text *v = opaque;
    uint8_t byte = (uint8_t)value;

    (void)size;
    switch (offset) {
    case ATTR_WRITE:
        attr_write(v, byte);
        break;
    case MISC_WRITE:
        v->misc = byte;
        break;
    case ENABLE:
        v->enable = byte;
        break;
    case SEQ_INDEX:
        v->seq_index = byte & 7;
        break;
    case SEQ_DATA:
        if (v->seq_index < SEQ_REGS)
            v->seq[v->seq_index] = byte;
        break;
    case DAC_MASK:
        v->dac_mask = byte;
        break;
    case DAC_READ_INDEX:
        dac_select(v, &v->dac_read, byte, true);
        break;
    case DAC_WRITE_INDEX:
        dac_select(v, &v->dac_write, byte, false);
        break;
    case DAC_DATA:
        dac_data_write(v, byte);
        break;
    case GFX_INDEX:
        v->gfx_index = byte & 15;
        break;
    case GFX_DATA:
        if (v->gfx_index < GFX_REGS)
            v->gfx[v->gfx_index] = byte;
        break;
    default:
        break; /* read-only, or nothing there */
    }
}

static const struct io_ops text_io = {text_read, text_write, 0};
static const struct io_ops reg_io = {reg_read, reg_write, 1};
static const struct io_ops crtc_io = {crtc_read, crtc_write, 1};
static const struct io_ops status_io = {status_read, status_write, 1};

/* ---- the device --------------------------------------------------------- */

static int vga_text_init(struct device *dev, const struct device_cfg *cfg)
{
    struct vga_text *v = dev->state;
    struct bus *bus = dev->env.bus;

    (void)cfg;
    v->dev = dev;
    bus_map(bus, IO_MEM, MEM_BASE, MEM_SIZE, &text_io, v, dev->name);
    bus_set_memory(bus, MEM_BASE);
    bus_map(bus, IO_PORT, REG_BASE, REG_PORTS, &reg_io, v, dev->name);
    bus_map(bus, IO_PORT, CRTC_BASE, CRTC_PORTS, &crtc_io, v, dev->name);
    bus_map(bus, IO_PORT, STATUS1, 1, &status_io, v, dev->name);
    return 0;
}

/* The 64 colours of the EGA: bits rgbRGB, RGB two thirds, rgb one third. */
static void default_palette(struct vga_text *v)
{
    for (unsigned i = 0; i < 64; i++)
        for (unsigned part = 0; part < 3; part++) {
            unsigned bit = 2 - part;
            v->dac[i][part] =
                (uint8_t)((i >> bit & 1) * 42 + (i >> (bit + 3) & 1) * 21);
        }
}

static void vga_text_reset(struct device *dev)
{
    struct vga_text *v = dev->state;

    *v = (struct vga_text){
        .dev = v->dev,
        .generation = v->generation + 1,
        .misc = MODE3_MISC,
        .attr_index = MODE3_ATTR_INDEX,
        .enable = 1,
        .dac_mask = 0xff,
    };
    memcpy(v->crtc, mode3_crtc, sizeof(v->crtc));
    memcpy(v->seq, mode3_seq, sizeof(v->seq));
    memcpy(v->gfx, mode3_gfx, sizeof(v->gfx));
    memcpy(v->attr, mode3_attr, sizeof(v->attr));
    default_palette(v);
    for (unsigned i = 0; i < TEXT_SIZE; i += 2) {
        v->text[i] = ' ';
        v->text[i + 1] = 0x07;
    }
}

static void vga_text_dump(const struct device *dev, struct strbuf *out)
{
    const struct vga_text *v = dev->state;
    struct vga_screen screen;

    vga_text_snapshot(dev, &screen);
    strbuf_printf(out, "start=%04x row=%u col=%u %s misc=%02x index=%02x\n",
                  start_cell(v), screen.row, screen.col,
                  screen.cursor ? "CURSOR" : "cursor", v->misc, v->crtc_index);
    strbuf_puts(out, "crtc:");
    for (unsigned i = 0; i < CRTC_REGS; i++)
        strbuf_printf(out, " %02x", v->crtc[i]);
    strbuf_putc(out, '\n');
}

static void vga_text_snap(struct device *dev, struct snap *s)
{
    struct vga_text *v = dev->state;
    uint64_t generation = v->generation;

    snap_field(s, v->text);
    snap_field(s, v->crtc_index);
    snap_field(s, v->crtc);
    snap_field(s, v->seq_index);
    snap_field(s, v->seq);
    snap_field(s, v->gfx_index);
    snap_field(s, v->gfx);
    snap_field(s, v->attr_index);
    snap_field(s, v->attr);
    snap_field(s, v->attr_data);
    snap_field(s, v->misc);
    snap_field(s, v->feature);
    snap_field(s, v->enable);
    snap_field(s, v->dac_mask);
    snap_field(s, v->dac_read);
    snap_field(s, v->dac_write);
    snap_field(s, v->dac_part);
    snap_field(s, v->dac_reading);
    snap_field(s, v->dac);
    v->dac_part %= 3; /* from a file: keep it inside */
    /* The generation is the host's: a restored screen is another one. */
    if (!s->saving)
        v->generation = generation + 1;
}

const struct device_class vga_text_class = {
    .name = "vga_text",
    .summary = "VGA, 80x25 text (B8000h, 3C0h, 3D4h)",
    .state_size = sizeof(struct vga_text),
    .init = vga_text_init,
    .reset = vga_text_reset,
    .dump = vga_text_dump,
    .snap = vga_text_snap,
};
