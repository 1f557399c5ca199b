/*
 * National NS16550AF (datasheet TL/C/8652): a serial port with FIFOs.
 *
 * A fast one: a byte written to THR is on the line, and THR is empty again, at
 * once, whatever the divisor.  Received bytes come when the host has them.
 * Only the receive timeout lasts as long as the programmed rate says.  INTRPT
 * is not gated by OUT2: kernels exist that never set it.
 */
#include "vmm/dev/ns16550a.h"

enum { FIFO_SIZE = 16, PORTS = 8, XTAL_HZ = 1843200 };

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

enum {
    IER_ERBFI = 0x01,
    IER_ETBEI = 0x02,
    IER_ELSI = 0x04,
    IER_EDSSI = 0x08,
    IER_MASK = 0x0f,

    IIR_MODEM = 0x00,
    IIR_NONE = 0x01,
    IIR_THRE = 0x02,
    IIR_DATA = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_RX_RESET = 0x02,
    FCR_TX_RESET = 0x04,
    FCR_KEPT = 0xc9,

    LCR_STB = 0x04,
    LCR_PEN = 0x08,
    LCR_BREAK = 0x40,
    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_MASK = 0x1f,

    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_BI = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80,
    LSR_ERRORS = 0x1e,

    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
    MSR_TERI = 0x04,
    MSR_LINES = 0xf0,
};

struct ns16550a {
    struct device *dev;
    struct chardev *chr; /* NULL: not connected */
    struct irq_line intrpt;
    struct clock_timer timeout_timer;

    /* Receiver: a ring of bytes, each with its LSR error bits. */
    uint8_t fifo[FIFO_SIZE], fifo_lsr[FIFO_SIZE];
    uint8_t head, count;

    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t lsr;       /* error bits only; the others are computed */
    uint8_t msr;       /* lines and their deltas */
    bool thre_pending; /* THRE interrupt not yet told through IIR */
    bool timeout;      /* receive timeout has come */
    bool asserted;     /* INTRPT */
};

static bool fifos_on(const struct ns16550a *u)
{
    return u->fcr & FCR_ENABLE;
}

static unsigned capacity(const struct ns16550a *u)
{
    return fifos_on(u) ? FIFO_SIZE : 1;
}

static unsigned trigger(const struct ns16550a *u)
{
    static const uint8_t level[] = {1, 4, 8, 14};

    return fifos_on(u) ? level[u->fcr >> 6] : 1;
}

/* ---- interrupts --------------------------------------------------------- */

/* IIR without the FIFO bits: the pending interrupt of highest priority. */
static uint8_t interrupt_id(const struct ns16550a *u)
{
    if ((u->ier & IER_ELSI) && (u->lsr & LSR_ERRORS))
        return IIR_LINE;
    if ((u->ier & IER_ERBFI) && u->count >= trigger(u))
        return IIR_DATA;
    if ((u->ier & IER_ERBFI) && u->timeout)
        return IIR_TIMEOUT;
    if ((u->ier & IER_ETBEI) && u->thre_pending)
        return IIR_THRE;
    if ((u->ier & IER_EDSSI) && (u->msr & ~MSR_LINES))
        return IIR_MODEM;
    return IIR_NONE;
}

static void update(struct ns16550a *u)
{
    irq_change(&u->intrpt, &u->asserted, interrupt_id(u) != IIR_NONE);
}

/* Four characters' time, start and stop bits included. */
static uint64_t timeout_ns(const struct ns16550a *u)
{
    unsigned divisor = u->dll | (unsigned)u->dlm << 8;
    unsigned bits = 1 + 5 + (u->lcr & 3u) + 1;

    bits += (u->lcr & LCR_PEN ? 1u : 0) + (u->lcr & LCR_STB ? 1u : 0);
    if (!divisor)
        divisor = 1; /* stopped on the chip; here, the fastest */
    return 4ull * bits * divisor * 16 * CLOCK_SECOND / XTAL_HZ;
}

/* At each byte that enters or leaves the FIFO. */
static void restart_timeout(struct ns16550a *u)
{
    struct clock *clk = u->dev->env.clock;

    u->timeout = false;
    if (fifos_on(u) && u->count)
        clock_arm(clk, &u->timeout_timer, clock_now(clk) + timeout_ns(u));
    else
        clock_disarm(clk, &u->timeout_timer);
}

static void on_timeout(void *opaque)
{
    struct ns16550a *u = opaque;

    u->timeout = u->count > 0;
    update(u);
}

/* ---- receiver ----------------------------------------------------------- */

/* The error bits of a byte show in LSR when it is the next to be read. */
static void reveal_errors(struct ns16550a *u)
{
    if (u->count) {
        u->lsr |= u->fifo_lsr[u->head];
        u->fifo_lsr[u->head] = 0;
    }
}

static void receive_byte(struct ns16550a *u, uint8_t byte, uint8_t errors)
{
    unsigned at = (u->head + u->count) % FIFO_SIZE;

    if (u->count >= capacity(u)) {
        u->lsr |= LSR_OE;
        if (fifos_on(u))
            return; /* the shift register is lost, the FIFO kept */
        at = u->head;
        u->count--;
    }
    u->fifo[at] = byte;
    u->fifo_lsr[at] = errors;
    u->count++;
    if (u->count == 1)
        reveal_errors(u);
    restart_timeout(u);
}

static void clear_receiver(struct ns16550a *u)
{
    u->head = u->count = 0;
    u->lsr = 0;
    restart_timeout(u);
}

static size_t on_can_receive(void *opaque)
{
    const struct ns16550a *u = opaque;

    if ((u->mcr & MCR_LOOP) || u->count >= capacity(u))
        return 0;
    return capacity(u) - u->count;
}

static void on_receive(void *opaque, const uint8_t *bytes, size_t len)
{
    struct ns16550a *u = opaque;

    for (size_t i = 0; i < len; i++)
        receive_byte(u, bytes[i], 0);
    update(u);
}

static void tell_drained(struct ns16550a *u)
{
    if (u->chr && on_can_receive(u))
        chardev_drained(u->chr);
}

static uint8_t read_rbr(struct ns16550a *u)
{
    uint8_t byte = u->fifo[u->head];

    if (!u->count)
        return byte;
    /* The last byte stays in RBR: a second read finds it again. */
    u->count--;
    if (u->count)
        u->head = (uint8_t)((u->head + 1u) % FIFO_SIZE);
    reveal_errors(u);
    restart_timeout(u);
    update(u);
    tell_drained(u);
    return byte;
}

/* ---- transmitter and modem lines ---------------------------------------- */

static void write_thr(struct ns16550a *u, uint8_t byte)
{
    u->thre_pending = false;
    update(u);
    if (u->mcr & MCR_LOOP)
        receive_byte(u, byte, 0);
    else if (u->chr && u->chr->write)
        u->chr->write(u->chr, &byte, 1);
    u->thre_pending = true;
    update(u);
}

/* The modem's lines: in loop-back the chip's own outputs, else "ready". */
static void update_modem(struct ns16550a *u)
{
    uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD;
    uint8_t changed;

    if (u->mcr & MCR_LOOP)
        lines = (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) |
                          (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                          (u->mcr & MCR_OUT1 ? MSR_RI : 0) |
                          (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
    changed = (uint8_t)((lines ^ u->msr) & MSR_LINES);
    if (lines & MSR_RI) /* TERI is of the trailing edge only */
        changed = (uint8_t)(changed & ~MSR_RI);
    u->msr = (uint8_t)(lines | (u->msr & ~MSR_LINES) | changed >> 4);
}

/* ---- registers ---------------------------------------------------------- */

static void write_fcr(struct ns16550a *u, uint8_t value)
{
    bool switched = (value ^ u->fcr) & FCR_ENABLE;

    /* With FIFOs off the other bits cannot be written. */
    u->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    if (switched || (value & FCR_ENABLE && value & FCR_RX_RESET))
        clear_receiver(u);
    update(u);
    tell_drained(u);
}

static void write_ier(struct ns16550a *u, uint8_t value)
{
    /* THR is always empty: enabling the interrupt raises it. */
    if ((value & IER_ETBEI) && !(u->ier & IER_ETBEI))
        u->thre_pending = true;
    u->ier = value & IER_MASK;
    update(u);
}

static void write_mcr(struct ns16550a *u, uint8_t value)
{
    u->mcr = value & MCR_MASK;
    update_modem(u);
    update(u);
    tell_drained(u);
}

static void write_lcr(struct ns16550a *u, uint8_t value)
{
    bool began = (value & LCR_BREAK) && !(u->lcr & LCR_BREAK);

    u->lcr = value;
    if (began && (u->mcr & MCR_LOOP))
        receive_byte(u, 0, LSR_BI);
    update(u);
}

static void uart_write(void *opaque, uint64_t offset, unsigned size,
                       uint64_t value)
{
    struct ns16550a *u = opaque;
    uint8_t byte = (uint8_t)value;
    bool dlab = u->lcr & LCR_DLAB;

    (void)size;
    switch (offset) {
    case RBR_THR:
        if (dlab)
            u->dll = byte;
        else
            write_thr(u, byte);
        break;
    case IER:
        if (dlab)
            u->dlm = byte;
        else
            write_ier(u, byte);
        break;
    case IIR_FCR:
        write_fcr(u, byte);
        break;
    case LCR:
        write_lcr(u, byte);
        break;
    case MCR:
        write_mcr(u, byte);
        break;
    case SCR:
        u->scr = byte;
        break;
    default:
        break; /* LSR and MSR are for reading */
    }
}

static uint8_t read_iir(struct ns16550a *u)
{
    uint8_t id = interrupt_id(u);

    if (id == IIR_THRE) {
        u->thre_pending = false;
        update(u);
    }
    return (uint8_t)(id | (fifos_on(u) ? IIR_FIFOS : 0));
}

static uint8_t lsr_now(const struct ns16550a *u)
{
    uint8_t lsr = u->lsr | LSR_THRE | LSR_TEMT;

    if (u->count)
        lsr |= LSR_DR;
    if (!fifos_on(u))
        return lsr;
    /* Reading LSR clears it, unless bytes behind the next have errors too. */
    if (lsr & LSR_BI)
        lsr |= LSR_FIFO_ERROR;
    for (unsigned i = 0; i < u->count; i++)
        if (u->fifo_lsr[(u->head + i) % FIFO_SIZE])
            lsr |= LSR_FIFO_ERROR;
    return lsr;
}

static uint8_t read_lsr(struct ns16550a *u)
{
    uint8_t lsr = lsr_now(u);

    u->lsr = 0;
    update(u);
    return lsr;
}

static uint8_t read_msr(struct ns16550a *u)
{
    uint8_t msr = u->msr;

    u->msr &= MSR_LINES;
    update(u);
    return msr;
}

static uint64_t uart_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ns16550a *u = opaque;
    bool dlab = u->lcr & LCR_DLAB;

    (void)size;
    switch (offset) {
    case RBR_THR:
        return dlab ? u->dll : read_rbr(u);
    case IER:
        return dlab ? u->dlm : u->ier;
    case IIR_FCR:
        return read_iir(u);
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        return read_lsr(u);
    case MSR:
        return read_msr(u);
    default:
        return u->scr;
    }
}

static const struct io_ops uart_io = {uart_read, uart_write, 1};

/* ---- the device --------------------------------------------------------- */

static int ns16550a_init(struct device *dev, const struct device_cfg *cfg)
{
    struct ns16550a *u = dev->state;

    u->dev = dev;
    u->chr = cfg->chr;
    u->intrpt = cfg->irq[0];
    u->dll = 12; /* 9600: power-on leaves the divisor undefined */
    clock_timer_init(&u->timeout_timer, "ns16550a receive timeout", on_timeout,
                     u);
    if (u->chr) {
        u->chr->can_receive = on_can_receive;
        u->chr->receive = on_receive;
        u->chr->opaque = u;
    }
    bus_map(dev->env.bus, IO_PORT, cfg->base, PORTS, &uart_io, u, dev->name);
    return 0;
}

static void ns16550a_fini(struct device *dev)
{
    struct ns16550a *u = dev->state;

    clock_disarm(dev->env.clock, &u->timeout_timer);
    if (u->chr) {
        u->chr->can_receive = NULL;
        u->chr->receive = NULL;
        u->chr->opaque = NULL;
    }
}

static void ns16550a_reset(struct device *dev)
{
    struct ns16550a *u = dev->state;

    u->ier = u->fcr = u->lcr = u->mcr = 0;
    u->thre_pending = false;
    clear_receiver(u);
    update_modem(u);
    u->msr &= MSR_LINES;
    update(u);
}

static void ns16550a_dump(const struct device *dev, struct strbuf *out)
{
    const struct ns16550a *u = dev->state;
    unsigned divisor = u->dll | (unsigned)u->dlm << 8;

    strbuf_printf(out,
                  "ier=%02x iir=%02x fcr=%02x lcr=%02x mcr=%02x lsr=%02x "
                  "msr=%02x scr=%02x\n",
                  u->ier, interrupt_id(u), u->fcr, u->lcr, u->mcr, lsr_now(u),
                  u->msr, u->scr);
    strbuf_printf(out, "divisor %u", divisor);
    if (divisor)
        strbuf_printf(out, " (%u baud)", XTAL_HZ / 16 / divisor);
    strbuf_printf(out, ", %u of %u bytes received\n", u->count, capacity(u));
}

static void ns16550a_snap(struct device *dev, struct snap *s)
{
    struct ns16550a *u = dev->state;

    snap_field(s, u->fifo);
    snap_field(s, u->fifo_lsr);
    snap_field(s, u->head);
    snap_field(s, u->count);
    snap_field(s, u->ier);
    snap_field(s, u->fcr);
    snap_field(s, u->lcr);
    snap_field(s, u->mcr);
    snap_field(s, u->scr);
    snap_field(s, u->dll);
    snap_field(s, u->dlm);
    snap_field(s, u->lsr);
    snap_field(s, u->msr);
    snap_field(s, u->thre_pending);
    snap_field(s, u->timeout);
    snap_field(s, u->asserted);
    clock_timer_snap(dev->env.clock, &u->timeout_timer, s);
    /* From a file: keep the ring a ring. */
    u->head %= FIFO_SIZE;
    if (u->count > FIFO_SIZE)
        u->count = FIFO_SIZE;
}

const struct device_class ns16550a_class = {
    .name = "ns16550a",
    .summary = "serial port with 16-byte FIFOs (8 ports)",
    .state_size = sizeof(struct ns16550a),
    .init = ns16550a_init,
    .fini = ns16550a_fini,
    .reset = ns16550a_reset,
    .dump = ns16550a_dump,
    .snap = ns16550a_snap,
};
