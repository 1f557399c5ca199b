/* INT 10h: 80x25 text on page 0 of a colour VGA. */
#include "vmm/machine/bios.h"

#define TEXT      0xb8000u
#define COLS      80u
#define ROWS      25u
#define CURSOR    0x450u /* column, row */
#define SHAPE     0x460u
#define MODE      0x449u
#define CRTC      0x3d4u
#define BLANK     0x0720u
#define MODE_TEXT 3u

/* A window of the screen; rows and columns are inclusive. */
struct window {
    unsigned top, left, bottom, right;
};

static unsigned get_cell(struct machine *m, unsigned row, unsigned col)
{
    return (unsigned)bus_read(&m->bus, IO_MEM, TEXT + 2 * (row * COLS + col),
                              2);
}

static void put_cell(struct machine *m, unsigned row, unsigned col,
                     unsigned cell)
{
    if (row < ROWS && col < COLS)
        bus_write(&m->bus, IO_MEM, TEXT + 2 * (row * COLS + col), 2, cell);
}

static void crtc_write(struct machine *m, unsigned index, unsigned value)
{
    bus_write(&m->bus, IO_PORT, CRTC, 1, index);
    bus_write(&m->bus, IO_PORT, CRTC + 1, 1, value & 0xff);
}

static void set_cursor(struct machine *m, unsigned row, unsigned col)
{
    unsigned at = row * COLS + col;

    bios_put8(m, CURSOR, col);
    bios_put8(m, CURSOR + 1, row);
    crtc_write(m, 0x0e, at >> 8);
    crtc_write(m, 0x0f, at);
}

static unsigned cursor_row(const struct machine *m)
{
    return bios_get8(m, CURSOR + 1) % ROWS;
}

static unsigned cursor_col(const struct machine *m)
{
    return bios_get8(m, CURSOR) % COLS;
}

/* Scrolls up by LINES (down if negative); 0 clears. */
static void scroll(struct machine *m, struct window w, int lines, unsigned cell)
{
    int height;

    if (w.bottom >= ROWS)
        w.bottom = ROWS - 1;
    if (w.right >= COLS)
        w.right = COLS - 1;
    if (w.top > w.bottom || w.left > w.right)
        return;
    height = (int)(w.bottom - w.top) + 1;
    if (lines == 0 || lines >= height || -lines >= height)
        lines = height;
    for (int i = 0; i < height; i++) {
        int to = lines > 0 ? i : height - 1 - i, from = to + lines;
        for (unsigned col = w.left; col <= w.right; col++)
            put_cell(m, w.top + (unsigned)to, col,
                     from >= 0 && from < height
                         ? get_cell(m, w.top + (unsigned)from, col)
                         : cell);
    }
}

static void new_line(struct machine *m, unsigned *row)
{
    if (++*row < ROWS)
        return;
    *row = ROWS - 1;
    scroll(m, (struct window){0, 0, ROWS - 1, COLS - 1}, 1,
           (get_cell(m, ROWS - 1, 0) & 0xff00) | ' ');
}

/* ATTR < 0: what is there already. */
static void teletype(struct machine *m, unsigned c, int attr)
{
    unsigned row = cursor_row(m), col = cursor_col(m);
    unsigned colour =
        attr < 0 ? get_cell(m, row, col) & 0xff00 : (unsigned)attr << 8;

    switch (c) {
    case '\a':
        return;
    case '\b':
        col -= col > 0;
        break;
    case '\n':
        new_line(m, &row);
        break;
    case '\r':
        col = 0;
        break;
    default:
        put_cell(m, row, col, colour | c);
        if (++col == COLS) {
            col = 0;
            new_line(m, &row);
        }
        break;
    }
    set_cursor(m, row, col);
}

static void set_mode(struct machine *m, struct bios_frame *f)
{
    unsigned mode = f->eax & 0x7f;

    if (mode > MODE_TEXT && mode != 7)
        return; /* graphics: there are none */
    bios_put8(m, MODE, MODE_TEXT);
    if (!(f->eax & 0x80))
        scroll(m, (struct window){0, 0, ROWS - 1, COLS - 1}, 0, BLANK);
    set_cursor(m, 0, 0);
}

static void set_shape(struct machine *m, struct bios_frame *f)
{
    bios_put16(m, SHAPE, f->ecx);
    crtc_write(m, 0x0a, f->ecx >> 8 & 0x3f);
    crtc_write(m, 0x0b, f->ecx & 0x1f);
}

static void move_cursor(struct machine *m, struct bios_frame *f)
{
    unsigned row = f->edx >> 8 & 0xff, col = f->edx & 0xff;

    if (row < ROWS && col < COLS)
        set_cursor(m, row, col);
}

static void get_cursor(struct machine *m, struct bios_frame *f)
{
    bios_set16(&f->edx, cursor_row(m) << 8 | cursor_col(m));
    bios_set16(&f->ecx, bios_get16(m, SHAPE));
}

static void scroll_window(struct machine *m, struct bios_frame *f)
{
    struct window w = {f->ecx >> 8 & 0xff, f->ecx & 0xff, f->edx >> 8 & 0xff,
                       f->edx & 0xff};
    int lines = bios_al(f);

    scroll(m, w, bios_ah(f) == 7 ? -lines : lines, (f->ebx & 0xff00) | ' ');
}

static void read_char(struct machine *m, struct bios_frame *f)
{
    bios_set16(&f->eax, get_cell(m, cursor_row(m), cursor_col(m)));
}

/* 09h with attribute, 0Ah without: CX times, the cursor stays. */
static void write_char(struct machine *m, struct bios_frame *f)
{
    unsigned at = cursor_row(m) * COLS + cursor_col(m);
    unsigned count = f->ecx & 0xffff;

    for (unsigned end = at + count; at < end && at < ROWS * COLS; at++) {
        unsigned row = at / COLS, col = at % COLS;
        unsigned attr = bios_ah(f) == 9 ? (f->ebx & 0xff) << 8
                                        : get_cell(m, row, col) & 0xff00;
        put_cell(m, row, col, attr | bios_al(f));
    }
}

static void write_teletype(struct machine *m, struct bios_frame *f)
{
    teletype(m, bios_al(f), -1);
}

static void get_mode(struct machine *m, struct bios_frame *f)
{
    bios_set16(&f->eax, COLS << 8 | bios_get8(m, MODE));
    bios_set16(&f->ebx, f->ebx & 0xff);
}

static void alternate(struct machine *m, struct bios_frame *f)
{
    (void)m;
    if ((f->ebx & 0xff) == 0x10) { /* colour, 256 KiB */
        bios_set16(&f->ebx, 3);
        bios_set16(&f->ecx, 0x0009);
    }
}

/* A string at ES:BP; AL bit 0: move the cursor, bit 1: attributes inside. */
static void write_string(struct machine *m, struct bios_frame *f)
{
    unsigned count = f->ecx & 0xffff, row = cursor_row(m), col = cursor_col(m);
    uint32_t at = bios_far(f->es, f->ebp);

    move_cursor(m, f);
    for (unsigned i = 0; i < count && i < ROWS * COLS; i++) {
        unsigned c = bios_get8(m, at++);
        unsigned attr = bios_al(f) & 2 ? bios_get8(m, at++) : f->ebx & 0xff;
        teletype(m, c, (int)attr);
    }
    if (!(bios_al(f) & 1))
        set_cursor(m, row, col);
}

static void display_code(struct machine *m, struct bios_frame *f)
{
    (void)m;
    if (bios_al(f) != 0)
        return;
    bios_set_al(f, 0x1a);
    bios_set16(&f->ebx, 0x0008); /* a VGA with a colour monitor */
}

void bios_video(struct machine *m, struct bios_frame *f)
{
    static void (*const call[])(struct machine *, struct bios_frame *) = {
        [0x00] = set_mode,       [0x01] = set_shape,     [0x02] = move_cursor,
        [0x03] = get_cursor,     [0x06] = scroll_window, [0x07] = scroll_window,
        [0x08] = read_char,      [0x09] = write_char,    [0x0a] = write_char,
        [0x0e] = write_teletype, [0x0f] = get_mode,      [0x12] = alternate,
        [0x13] = write_string,   [0x1a] = display_code,
    };
    unsigned ah = bios_ah(f);

    if (ah < ARRAY_SIZE(call) && call[ah])
        call[ah](m, f);
}
