/*
 * The PC/AT's keyboard controller, an Intel 8042 (IBM PC/AT Technical
 * Reference, "Keyboard Controller"), and an AT keyboard ("Keyboard").
 *
 *   i8042_key -> set 2 (or 1) -> keys -+-> [translate] -> OBUF -> port 60h
 *             commands -> replies -----+        ^
 *                         controller's answers -+ (never translated)
 *
 * Bytes travel at once.  There is no mouse: tests of the auxiliary port say
 * that its clock line is stuck, by which drivers give it up without waiting.
 * Code set 3 can be selected and is answered, but keys are sent as in set 2.
 */
#include "vmm/dev/i8042.h"

enum { DATA_PORT = 0x60, COMMAND_PORT = 0x64 };
enum { KEYS_SIZE = 256, REPLIES_SIZE = 16, RAM_SIZE = 32 };

enum { /* status register, port 64h */
       STR_OBF = 0x01,
       STR_SYS = 0x04,
       STR_CD = 0x08, /* the last write was a command */
       STR_UNLOCKED = 0x10,
       STR_TIMEOUT = 0x40,
};

enum { /* command byte, RAM byte 0 */
       CTR_KBDINT = 0x01,
       CTR_SYS = 0x04,
       CTR_KBDDIS = 0x10,
       CTR_AUXDIS = 0x20,
       CTR_XLATE = 0x40,
};

enum {                 /* output port */
       OUT_RUN = 0x01, /* low: CPU reset */
       OUT_A20 = 0x02,
       OUT_OBF = 0x10,
       OUT_KBD = 0xcc, /* lines that nothing here pulls */
};

enum { /* controller commands, port 64h */
       CMD_READ_RAM = 0x20,
       CMD_WRITE_RAM = 0x60,
       CMD_TEST_PASSWORD = 0xa4,
       CMD_AUX_DISABLE = 0xa7,
       CMD_AUX_ENABLE = 0xa8,
       CMD_AUX_TEST = 0xa9,
       CMD_SELF_TEST = 0xaa,
       CMD_KBD_TEST = 0xab,
       CMD_KBD_DISABLE = 0xad,
       CMD_KBD_ENABLE = 0xae,
       CMD_READ_INPUT = 0xc0,
       CMD_READ_OUTPUT = 0xd0,
       CMD_WRITE_OUTPUT = 0xd1,
       CMD_WRITE_KBD_OBUF = 0xd2,
       CMD_WRITE_AUX_OBUF = 0xd3,
       CMD_WRITE_AUX = 0xd4,
       CMD_A20_OFF = 0xdd,
       CMD_A20_ON = 0xdf,
       CMD_READ_TEST = 0xe0,
       CMD_PULSE = 0xf0, /* F0..FF: pull low the bits that are 0 */
};

enum { /* keyboard commands and answers, port 60h */
       KBD_SET_LEDS = 0xed,
       KBD_ECHO = 0xee,
       KBD_CODE_SET = 0xf0,
       KBD_IDENTIFY = 0xf2,
       KBD_TYPEMATIC = 0xf3,
       KBD_ENABLE = 0xf4,
       KBD_DISABLE = 0xf5,
       KBD_DEFAULTS = 0xf6,
       KBD_RESEND = 0xfe,
       KBD_RESET = 0xff,
       KBD_ACK = 0xfa,
       KBD_PASSED = 0xaa,
       KBD_ID1 = 0xab,
       KBD_ID2 = 0x83,
       KBD_RELEASE = 0xf0, /* prefix of set 2 */
};

struct i8042 {
    struct irq_line irq1;
    struct i8042_outputs out;

    /* controller */
    uint8_t status; /* OBF and UNLOCKED are computed */
    uint8_t ram[RAM_SIZE];
    uint8_t command; /* waiting for its data byte; 0: none */
    uint8_t outport;
    uint8_t obuf;
    bool obf;
    bool asserted;  /* IRQ 1 */
    bool releasing; /* translating: F0 was swallowed */

    /* keyboard */
    uint8_t kbd_command; /* waiting for its argument; 0: none */
    uint8_t code_set, leds, typematic;
    bool scanning;
    uint8_t last; /* byte sent, for RESEND */
    uint8_t replies[REPLIES_SIZE], keys[KEYS_SIZE];
    uint16_t reply_head, reply_count, key_head, key_count;
};

/* clang-format off */
/* Set 2 to set 1, as the controller's ROM translates; 80h and up: itself. */
static const uint8_t set1_of_set2[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58,
    0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a,
    0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c,
    0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e,
    0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60,
    0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e,
    0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b,
    0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};
/* clang-format on */

enum { SET2_F7 = 0x83, SET2_SYSRQ = 0x84, SET1_F7 = 0x41, SET1_SYSRQ = 0x54 };

static uint8_t to_set1(uint8_t code)
{
    if (code == SET2_F7)
        return SET1_F7;
    if (code == SET2_SYSRQ)
        return SET1_SYSRQ;
    return code < 0x80 ? set1_of_set2[code] : code;
}

/* CODE without its release bit; 0: no such key. */
static uint8_t to_set2(uint8_t code)
{
    if (code == SET1_F7)
        return SET2_F7;
    if (code == SET1_SYSRQ)
        return SET2_SYSRQ;
    for (unsigned i = 1; i < ARRAY_SIZE(set1_of_set2); i++)
        if (set1_of_set2[i] == code)
            return (uint8_t)i;
    return 0;
}

/* ---- output buffer ------------------------------------------------------ */

static void update_irq(struct i8042 *k)
{
    irq_change(&k->irq1, &k->asserted, k->obf && (k->ram[0] & CTR_KBDINT));
}

static void fill_obuf(struct i8042 *k, uint8_t byte)
{
    k->obuf = byte;
    k->obf = true;
    update_irq(k);
}

/* The keyboard's next byte; replies go before keys.  False: none. */
static bool next_kbd_byte(struct i8042 *k, uint8_t *byte)
{
    if (k->reply_count) {
        *byte = k->replies[k->reply_head];
        k->reply_head = (uint16_t)((k->reply_head + 1u) % REPLIES_SIZE);
        k->reply_count--;
    } else if (k->key_count) {
        *byte = k->keys[k->key_head];
        k->key_head = (uint16_t)((k->key_head + 1u) % KEYS_SIZE);
        k->key_count--;
    } else {
        return false;
    }
    k->last = *byte;
    return true;
}

/* Lets the keyboard send while OBUF is free and its clock is not held. */
static void pump(struct i8042 *k)
{
    uint8_t byte;

    while (!k->obf && !(k->ram[0] & CTR_KBDDIS) && next_kbd_byte(k, &byte)) {
        if (!(k->ram[0] & CTR_XLATE)) {
            fill_obuf(k, byte);
        } else if (byte == KBD_RELEASE) {
            k->releasing = true;
        } else {
            byte = (uint8_t)(to_set1(byte) | (k->releasing ? 0x80 : 0));
            k->releasing = false;
            fill_obuf(k, byte);
        }
    }
}

/* ---- keyboard ----------------------------------------------------------- */

static void queue_reply(struct i8042 *k, uint8_t byte)
{
    if (k->reply_count == REPLIES_SIZE)
        return; /* a guest that never reads */
    k->replies[(k->reply_head + k->reply_count) % REPLIES_SIZE] = byte;
    k->reply_count++;
}

static void queue_key(struct i8042 *k, uint8_t byte)
{
    assert(k->key_count < KEYS_SIZE);
    k->keys[(k->key_head + k->key_count) % KEYS_SIZE] = byte;
    k->key_count++;
}

static void kbd_defaults(struct i8042 *k)
{
    k->key_count = 0;
    k->code_set = 2;
    k->leds = 0;
    k->typematic = 0x2b; /* 10.9 keys a second after half a second */
}

static void kbd_argument(struct i8042 *k, uint8_t command, uint8_t arg)
{
    queue_reply(k, arg > 3 && command == KBD_CODE_SET ? KBD_RESEND : KBD_ACK);
    switch (command) {
    case KBD_SET_LEDS:
        k->leds = arg & 7;
        break;
    case KBD_TYPEMATIC:
        k->typematic = arg & 0x7f;
        break;
    default:
        if (arg == 0)
            queue_reply(k, k->code_set);
        else if (arg <= 3)
            k->code_set = arg;
        break;
    }
}

static void kbd_command(struct i8042 *k, uint8_t byte)
{
    switch (byte) {
    case KBD_SET_LEDS:
    case KBD_CODE_SET:
    case KBD_TYPEMATIC:
        k->kbd_command = byte;
        break;
    case KBD_ENABLE:
        k->key_count = 0;
        k->scanning = true;
        break;
    case KBD_DISABLE:
    case KBD_DEFAULTS:
        kbd_defaults(k);
        k->scanning = byte == KBD_DEFAULTS;
        break;
    case KBD_RESET:
        kbd_defaults(k);
        k->scanning = true;
        k->reply_count = 0;
        break;
    default:
        break;
    }
    if (byte == KBD_ECHO)
        queue_reply(k, KBD_ECHO);
    else if (byte == KBD_RESEND)
        queue_reply(k, k->last);
    else if (byte >= KBD_SET_LEDS && byte != 0xef && byte != 0xf1)
        queue_reply(k, KBD_ACK); /* F7..FD, of set 3, have no effect */
    else
        queue_reply(k, KBD_RESEND);
    if (byte == KBD_RESET)
        queue_reply(k, KBD_PASSED);
    if (byte == KBD_IDENTIFY) {
        queue_reply(k, KBD_ID1);
        queue_reply(k, KBD_ID2);
    }
}

static void write_keyboard(struct i8042 *k, uint8_t byte)
{
    uint8_t command = k->kbd_command;

    k->kbd_command = 0;
    if (command && byte < KBD_SET_LEDS)
        kbd_argument(k, command, byte);
    else
        kbd_command(k, byte);
}

/* ---- controller --------------------------------------------------------- */

static void drive_a20(const struct i8042 *k)
{
    if (k->out.set_a20)
        k->out.set_a20(k->out.opaque, k->outport & OUT_A20);
}

static void write_outport(struct i8042 *k, uint8_t value)
{
    k->outport = value | OUT_RUN;
    drive_a20(k);
    if (!(value & OUT_RUN) && k->out.reset)
        k->out.reset(k->out.opaque, "i8042");
}

static void write_ram(struct i8042 *k, unsigned at, uint8_t value)
{
    k->ram[at] = value;
    if (at == 0) {
        k->status =
            (uint8_t)((k->status & ~STR_SYS) | (value & CTR_SYS ? STR_SYS : 0));
        update_irq(k);
    }
}

static void set_ctr(struct i8042 *k, uint8_t bits, bool on)
{
    write_ram(k, 0, (uint8_t)(on ? k->ram[0] | bits : k->ram[0] & ~bits));
}

/* Commands whose whole effect is a byte in OBUF. */
static const struct {
    uint8_t command, answer;
} answers[] = {
    {CMD_TEST_PASSWORD, 0xf1}, /* none set */
    {CMD_AUX_TEST, 0x01},      /* clock line stuck low */
    {CMD_SELF_TEST, 0x55},     {CMD_KBD_TEST, 0x00},
    {CMD_READ_INPUT, 0x80}, /* keyboard not locked */
    {CMD_READ_TEST, 0x00},
};

static void write_command(struct i8042 *k, uint8_t cmd)
{
    k->status |= STR_CD;
    k->command = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(answers); i++)
        if (answers[i].command == cmd)
            fill_obuf(k, answers[i].answer);
    if ((cmd & 0xe0) == CMD_READ_RAM)
        fill_obuf(k, k->ram[cmd & (RAM_SIZE - 1)]);
    if ((cmd & 0xe0) == CMD_WRITE_RAM)
        k->command = cmd;
    if (cmd >= CMD_PULSE && !(cmd & OUT_RUN) && k->out.reset)
        k->out.reset(k->out.opaque, "i8042");
    switch (cmd) {
    case CMD_SELF_TEST:
        k->status |= STR_SYS;
        break;
    case CMD_AUX_DISABLE:
    case CMD_AUX_ENABLE:
        set_ctr(k, CTR_AUXDIS, cmd == CMD_AUX_DISABLE);
        break;
    case CMD_KBD_DISABLE:
    case CMD_KBD_ENABLE:
        set_ctr(k, CTR_KBDDIS, cmd == CMD_KBD_DISABLE);
        break;
    case CMD_READ_OUTPUT:
        fill_obuf(k, (uint8_t)(k->outport | (k->obf ? OUT_OBF : 0)));
        break;
    case CMD_WRITE_OUTPUT:
    case CMD_WRITE_KBD_OBUF:
    case CMD_WRITE_AUX_OBUF:
    case CMD_WRITE_AUX:
        k->command = cmd;
        break;
    case CMD_A20_OFF:
    case CMD_A20_ON:
        write_outport(k, (uint8_t)((k->outport & ~OUT_A20) | (cmd & OUT_A20)));
        break;
    default:
        break;
    }
}

static void write_data(struct i8042 *k, uint8_t byte)
{
    uint8_t command = k->command;

    k->status &= (uint8_t) ~(STR_CD | STR_TIMEOUT);
    k->command = 0;
    switch (command) {
    case 0:
        set_ctr(k, CTR_KBDDIS, false); /* talking to it lets it talk */
        write_keyboard(k, byte);
        break;
    case CMD_WRITE_OUTPUT:
        write_outport(k, byte);
        break;
    case CMD_WRITE_KBD_OBUF:
    case CMD_WRITE_AUX_OBUF:
        /* No auxiliary port: its loop-back comes as the keyboard's. */
        fill_obuf(k, byte);
        break;
    case CMD_WRITE_AUX:
        k->status |= STR_TIMEOUT; /* nobody took it */
        fill_obuf(k, KBD_RESEND);
        break;
    default:
        write_ram(k, command & (RAM_SIZE - 1), byte);
        break;
    }
}

static uint8_t read_data(struct i8042 *k)
{
    uint8_t byte = k->obuf; /* stays readable after */

    k->obf = false;
    k->status &= (uint8_t)~STR_TIMEOUT;
    update_irq(k);
    pump(k);
    return byte;
}

/* ---- ports -------------------------------------------------------------- */

static uint64_t data_port_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)offset, (void)size;
    return read_data(opaque);
}

static void data_port_write(void *opaque, uint64_t offset, unsigned size,
                            uint64_t value)
{
    (void)offset, (void)size;
    write_data(opaque, (uint8_t)value);
    pump(opaque);
}

static uint64_t command_port_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct i8042 *k = opaque;

    (void)offset, (void)size;
    return (uint64_t)(k->status | STR_UNLOCKED | (k->obf ? STR_OBF : 0));
}

static void command_port_write(void *opaque, uint64_t offset, unsigned size,
                               uint64_t value)
{
    (void)offset, (void)size;
    write_command(opaque, (uint8_t)value);
    pump(opaque);
}

static const struct io_ops data_io = {data_port_read, data_port_write, 1};
static const struct io_ops command_io = {command_port_read, command_port_write,
                                         1};

/* ---- the device --------------------------------------------------------- */

static int i8042_init(struct device *dev, const struct device_cfg *cfg)
{
    struct i8042 *k = dev->state;
    struct bus *bus = dev->env.bus;

    k->irq1 = cfg->irq[0];
    bus_map(bus, IO_PORT, DATA_PORT, 1, &data_io, k, dev->name);
    bus_map(bus, IO_PORT, COMMAND_PORT, 1, &command_io, k, dev->name);
    return 0;
}

static void i8042_reset(struct device *dev)
{
    struct i8042 *k = dev->state;

    *k = (struct i8042){
        .irq1 = k->irq1,
        .out = k->out,
        .asserted = k->asserted, /* lowered below */
        .scanning = true,
    };
    kbd_defaults(k);
    write_ram(k, 0, CTR_XLATE | CTR_AUXDIS | CTR_SYS | CTR_KBDINT);
    write_outport(k, OUT_KBD | OUT_A20 | OUT_RUN);
}

static void i8042_dump(const struct device *dev, struct strbuf *out)
{
    const struct i8042 *k = dev->state;

    /* Upper case: set. */
    strbuf_printf(out, "controller: ctr=%02x obuf=%02x %s %s %s %s\n",
                  k->ram[0], k->obuf, k->obf ? "OBF" : "obf",
                  k->ram[0] & CTR_XLATE ? "XLATE" : "xlate",
                  k->ram[0] & CTR_KBDDIS ? "KBDDIS" : "kbddis",
                  k->outport & OUT_A20 ? "A20" : "a20");
    strbuf_printf(out,
                  "keyboard: set %u, leds %u, %s, %u replies and %u codes "
                  "waiting\n",
                  k->code_set, k->leds, k->scanning ? "scanning" : "disabled",
                  k->reply_count, k->key_count);
}

static void i8042_snap(struct device *dev, struct snap *s)
{
    struct i8042 *k = dev->state;

    snap_field(s, k->status);
    snap_field(s, k->ram);
    snap_field(s, k->command);
    snap_field(s, k->outport);
    snap_field(s, k->obuf);
    snap_field(s, k->obf);
    snap_field(s, k->asserted);
    snap_field(s, k->releasing);
    snap_field(s, k->kbd_command);
    snap_field(s, k->code_set);
    snap_field(s, k->leds);
    snap_field(s, k->typematic);
    snap_field(s, k->scanning);
    snap_field(s, k->last);
    snap_field(s, k->replies);
    snap_field(s, k->keys);
    snap_field(s, k->reply_head);
    snap_field(s, k->reply_count);
    snap_field(s, k->key_head);
    snap_field(s, k->key_count);
    /* From a file: keep the rings rings. */
    k->reply_head %= REPLIES_SIZE;
    k->key_head %= KEYS_SIZE;
    if (k->reply_count > REPLIES_SIZE || k->key_count > KEYS_SIZE)
        k->reply_count = k->key_count = 0;
    if (!s->saving && !s->err)
        drive_a20(k);
}

void i8042_connect(struct device *dev, const struct i8042_outputs *out)
{
    struct i8042 *k = dev->state;

    k->out = *out;
}

/* A release in set 2 is two bytes. */
unsigned i8042_key_room(const struct device *dev)
{
    const struct i8042 *k = dev->state;

    return (KEYS_SIZE - k->key_count) / 2u;
}

void i8042_key(struct device *dev, uint8_t scancode)
{
    struct i8042 *k = dev->state;
    bool prefix = scancode == 0xe0 || scancode == 0xe1;
    uint8_t code = to_set2(scancode & 0x7f);

    if (!k->scanning || i8042_key_room(dev) == 0)
        return;
    if (prefix || k->code_set == 1) {
        queue_key(k, scancode);
    } else if (code) {
        if (scancode & 0x80)
            queue_key(k, KBD_RELEASE);
        queue_key(k, code);
    }
    pump(k);
}

uint8_t i8042_leds(const struct device *dev)
{
    const struct i8042 *k = dev->state;

    return k->leds;
}

const struct device_class i8042_class = {
    .name = "i8042",
    .summary = "keyboard controller and PS/2 keyboard (60h, 64h)",
    .state_size = sizeof(struct i8042),
    .init = i8042_init,
    .reset = i8042_reset,
    .dump = i8042_dump,
    .snap = i8042_snap,
};
