/*
 * The translator's inside, shared by the files of this folder only.
 *
 *   bt.c         accel_ops, the run loop
 *   native.c     entering blocks, and what to do at each way out
 *   mode.c       modes: what a block depends on beside its address
 *   space.c      the pool of address spaces, staleness against guest tables
 *   tlb.c        what the processor's TLB holds, for translated code and emu
 *   window.c     one window: the TLB's entries, and what the host shows of them
 *   cache.c      blocks: lookup, chain, invalidate, flush
 *   translate.c  guest code to a block; xlat_*.c: classes of instructions
 *   emit.[ch]    encodings
 *   check.c      proves an emitted block confined
 *   points.c     break- and watchpoints
 *   stubs.S      enter, leave, ask at a breakpoint
 */
#ifndef VMM_ACCEL_BT_BT_INT_H
#define VMM_ACCEL_BT_BT_INT_H
#include "vmm/accel/bt/bt.h"
#include "vmm/accel/bt/bt_cpu.h"
#include "vmm/accel/emu/emu.h"
#include "vmm/accel/host_signal.h"

#define BT_PAGE           4096u
#define BT_PAGES          BIT(20) /* of a window */
#define BT_WINDOW_SIZE    BIT64(32)
#define BT_GUARD          BIT64(30) /* rights to nothing, on both sides */
#define BT_SPACES         16u
#define BT_TB_INSNS       64u     /* at most in one block */
#define BT_BUDGET_MAX     BIT(20) /* instructions between looks at `kicked` */
#define BT_HOST_MAX       16384u  /* bytes one block may take */
#define BT_CACHE_DEFAULT  (32ull << 20)
#define BT_CACHE_MIN      (48ull << 10)
#define BT_HASH           BIT(16)
#define BT_SITES          BIT(12)
#define BT_MODES          512u /* hashed */
#define BT_FAULTS_CALLOUT 3u   /* so many faults make a site a call-out */
#define BT_WRITES_THRASH  4u   /* so many writes keep a code page protected */

/* ---- windows ------------------------------------------------------------ */

/*
 * A shadow entry is one of the guest processor's TLB, and what the host shows
 * of it: RAM page (memfd offset / 4096) << 12 | flags; 0: not in the TLB.
 * Only HOST and WRITE may depend on the host, on what was translated and on
 * where execution was stopped; all else follows from the guest's accesses.
 */
#define BT_SHADOW_PRESENT BIT(0)
#define BT_SHADOW_WRITE   BIT(1) /* mapped writable in the host */
#define BT_SHADOW_GUEST_W BIT(2) /* may be written; the dirty bit is set */
#define BT_SHADOW_LARGE   BIT(3) /* of a large page (or no paging) */
#define BT_SHADOW_2M      BIT(4) /* with LARGE: 2 MiB, else 4 MiB */
#define BT_SHADOW_HOST    BIT(5) /* mapped in the host */
#define BT_SHADOW_DEVICE  BIT(6) /* not RAM: the page is the gpa's; no HOST */
#define BT_SHADOW_ROM     BIT(7) /* never WRITE */
#define BT_HOST_BITS      (BT_SHADOW_HOST | BT_SHADOW_WRITE)

struct bt_run {
    uint32_t page, frame, count;
};

struct bt_jt {
    uint32_t *entry; /* 2^32: cache offset of the block at a linear address */
    uint64_t *pages; /* one bit a guest page: has entries */
    unsigned used;   /* bits set in it */
};

struct bt_window {
    uint8_t *base;    /* NULL: not reserved yet; 4 GiB aligned */
    uint32_t *shadow; /* BT_PAGES entries, of data */
    uint32_t *fetch;  /* BT_PAGES entries, of code; no GUEST_W, no HOST */
    /* Of the flat modes; of all others, made when first needed (mode.c). */
    struct bt_jt jt[2];
    /* Every mapping since the last drop: where a RAM page may be mapped. */
    struct bt_run *run;
    size_t runs, runs_cap;
    long vmas; /* host mappings it takes, at most */
    bool user;
    bool used; /* there are entries */
};

/* A page-table page as it was when a window was filled through it. */
struct bt_table {
    uint64_t gpa;
    uint32_t gla; /* first address it maps */
    uint8_t shift, entry_size;
    bool global; /* all fills through it were of global pages */
    uint8_t copy[BT_PAGE];
};

struct bt_space {
    bool used;
    uint64_t root; /* CR3's table address, or ~0 without paging */
    uint64_t pdpte[4];
    uint64_t stamp;          /* for LRU */
    struct bt_window win[2]; /* supervisor, user */
    struct bt_table **table;
    size_t tables, tables_cap;
    bool check_global; /* a flush of global pages is due */
};

/* ---- modes -------------------------------------------------------------- */

enum bt_mode_flag {
    BT_MODE_USER = BIT(0),    /* CPL 3: the user window */
    BT_MODE_PRIV = BIT(1),    /* CPL 0: CLI and POPF need no IOPL */
    BT_MODE_V86 = BIT(2),     /* PUSHF needs IOPL 3 */
    BT_MODE_CODE16 = BIT(3),  /* CS.D is 0 */
    BT_MODE_STACK16 = BIT(4), /* SS.B is 0 */
    BT_MODE_CHECKED = BIT(5), /* each access adds a base, checks a limit */
};

struct bt_mode {
    uint32_t flags; /* enum bt_mode_flag; 0 in the table: free */
    uint32_t cs_base, cs_limit;
};

/* Numbers of modes: two flat ones, then those of the table. */
#define BT_MODE_FLAT      0u
#define BT_MODE_FLAT_USER 1u
#define BT_MODE_FIRST     2u

/* ---- blocks ------------------------------------------------------------- */

struct bt_insn {
    uint16_t host, guest; /* offsets from the block's start */
    uint8_t len;          /* guest bytes */
    uint8_t why;          /* enum bt_reason */
    bool ends;            /* a call-out that does not come back here */
    union {
        uint8_t seg_load; /* BT_SEG_LOAD(): done without decoding; 0: no */
        uint8_t undo;     /* no call-out: what a fault of its access undoes */
    };
    /* What a translated x87 instruction leaves of itself. */
    uint16_t fop : 11;
    uint16_t fds : 3; /* enum x86_sreg */
};
/* MOV to or POP of a segment register, from GPR or BT_SEG_POP. */
#define BT_SEG_LOAD(seg, gpr) ((uint8_t)(0x80u | (seg) << 4 | (gpr)))
#define BT_SEG_POP            8u /* of a doubleword */
#define BT_SEG_POP16          9u
/* Undo: exchange the halves of AX, CX, DX or BX; ESI is in R8, EDI in R9. */
#define BT_UNDO_SWAP(gpr) ((uint8_t)(4u | (gpr)))
#define BT_UNDO_RSI       8u
#define BT_UNDO_RDI       16u

struct bt_slot {      /* a direct branch that may be chained */
    uint32_t patch;   /* cache offset of the rel32 */
    uint32_t target;  /* linear */
    uint32_t to;      /* block number it is chained to, 0: none */
    uint32_t next_in; /* next slot chained to the same block */
};

#define BT_NO_FRAME UINT32_MAX

struct bt_tb {
    uint32_t eip;    /* linear */
    uint32_t frame;  /* RAM page */
    uint32_t frame2; /* of an instruction's second half, or BT_NO_FRAME */
    uint32_t host;   /* cache offset */
    uint32_t entry;  /* where chained jumps go: `host`, or, with frame2, to a
                        jump through the table, which knows of remaps */
    uint16_t host_len;
    uint16_t guest_len; /* bytes of guest code it depends on */
    uint16_t mode;      /* number */
    uint8_t head;       /* bytes of host code before the budget's check */
    uint8_t insns;
    uint8_t slots;
    bool user, dead;
    uint32_t insn; /* first of insns + 1 in the arena, the last: the end */
    uint32_t slot; /* first of its slots */
    uint32_t hash_next, page_next; /* block numbers, 0: end */
    uint32_t cross_next;           /* the same, of frame2's list */
    uint32_t in;                   /* first slot chained to it, 0: none */
};

struct bt_page {       /* a RAM page, by memfd offset */
    uint32_t tbs;      /* first block that starts in it, 0: none */
    uint32_t crossing; /* first block whose last instruction ends in it */
    uint32_t writes;   /* that made blocks go, in short succession */
    uint64_t written;  /* instruction count of the last one */
};

struct bt_site {  /* an instruction that faults into the monitor */
    uint64_t gpa; /* + 1; 0: free */
    uint32_t faults;
};

struct bt_cache {
    int fd;
    uint8_t *rw, *rx; /* the same memory */
    uint64_t size, used;
    uint32_t start; /* offset of the first block */
    struct bt_tb *tb;
    struct bt_insn *insn;
    struct bt_slot *slot;
    uint32_t tbs, insns, slots; /* used; number 0 is never used */
    uint32_t tbs_max, insns_max, slots_max;
    uint32_t *hash;
    struct bt_page *page; /* of every RAM page */
    uint64_t *code_pages; /* bitmap for emu: has blocks */
    uint64_t pages;
    struct bt_site *site;
};

/* What a host signal in translated code said. */
struct bt_signal {
    int signo;
    uint64_t pc, addr;
    uint64_t r8, r9;
    bool write;
};

struct bt_stats {
#define BT_STAT(id, text) uint64_t id;
#include "vmm/accel/bt/bt_stats.def"
#undef BT_STAT
    uint64_t callout[ZYDIS_MNEMONIC_MAX_VALUE + 1];
};

struct bt_bp_ref {
    struct debug_bp bp;
    size_t index; /* in debug_ctl */
};
struct bt_wp_ref {
    struct debug_wp wp;
    uint64_t last_end; /* of all up to this one */
};

/* The stop points that blocks and windows were made with. */
struct bt_points {
    struct debug_bp *bp; /* as the debugger gave them */
    struct debug_wp *wp;
    size_t bps, wps;
    struct bt_bp_ref *by_addr; /* linear ones first, then physical ones */
    size_t linear;
    struct bt_wp_ref *by_start;
};

struct bt {
    struct bt_cpu *cpu;
    struct vcpu *vcpu;
    struct emu emu;
    struct bt_cache cache;
    struct bt_space space[BT_SPACES];
    struct bt_space *cur;  /* the space of the CPU's CR3 */
    struct bt_window *win; /* cpu->jt and cpu->r14 are its */
    struct bt_jt *jt;      /* cpu->jt is its: of the current mode */
    uint32_t mode;         /* number of the current mode */
    struct bt_window *gs;  /* whose base the host's GS register holds */
    struct x86_paging paging;
    uint64_t paging_sig; /* the bits that, changed, drop all windows */
    bool space_stale;    /* CR3 was written, or tables flushed */
    bool win_stale;      /* `cur` was chosen anew, `win` not yet */
    bool no_windows;     /* the host has no room for them: logged */
    bool a20;            /* vcpu->a20 as the windows know it */
    uint64_t clock;      /* for LRU stamps */
    long vmas_max;
    uint8_t *floor;   /* the budget's zero */
    uint8_t *nothing; /* a page without rights */
    uint8_t *limits;  /* 4 GiB to read, then as much without rights */
    struct bt_mode modes[BT_MODES];
    unsigned modes_used;
    uint64_t left; /* budget when translated code was entered */
    struct bt_signal signal;
    struct debug_ctl debug;
    struct bt_points points;
    /* Where breakpoints were asked last, so that going on gets past them. */
    uint64_t bp_gla, bp_icount;
    bool bp_asked;
    uint32_t mode_bits; /* when debug.stop_mode was set */
    bool bp_hit;        /* one stops: translated code was left for it */
    bool skip_intr;
    /* The run loop must emulate: one instruction; up to this count. */
    bool emulate_next;
    uint64_t emulate_until;
    uint64_t fill_icount; /* window fills at one instruction: */
    unsigned fills;
    struct host_signal_handler signals;
    struct debug_touch touch[8]; /* of the instruction at hand */
    unsigned touches;
    struct bt_stats stats;
    struct xlat *xlat; /* the translator's work space */
};

static inline struct x86_state *bt_st(struct bt *bt)
{
    return &bt->cpu->st;
}

/* A20 off: no paging then, or nothing would be translated. */
static inline uint64_t bt_a20_mask(const struct bt *bt, uint64_t gpa)
{
    return bt->vcpu->a20 ? gpa : gpa & ~BIT64(20);
}

static inline bool bt_bit(const uint64_t *map, uint64_t i)
{
    return map[i / 64] >> (i % 64) & 1;
}

static inline void bt_set_bit(uint64_t *map, uint64_t i, bool on)
{
    uint64_t mask = BIT64(i % 64);

    map[i / 64] = on ? map[i / 64] | mask : map[i / 64] & ~mask;
}

/* Memory that reads as zeros and costs what is touched.  NULL: none left. */
void *bt_sparse_alloc(uint64_t bytes);
void bt_sparse_free(void *p, uint64_t bytes);
void bt_sparse_clear(void *p, uint64_t bytes);

/* ---- window.c ----------------------------------------------------------- */

int bt_window_reserve(struct bt_window *w, bool user);
void bt_window_release(struct bt_window *w);
/* The TLB's entries go: all, or those of COUNT pages. */
void bt_window_drop(struct bt *bt, struct bt_window *w);
void bt_window_unmap(struct bt *bt, struct bt_window *w, uint32_t page,
                     uint32_t count);
/* The host shows nothing any more: all, or COUNT pages.  The TLB stays. */
void bt_window_hide(struct bt *bt, struct bt_window *w);
void bt_window_hide_pages(struct bt *bt, struct bt_window *w, uint32_t page,
                          uint32_t count);
/* Shows COUNT pages of RAM, which follow each other there; HOST_BITS. */
int bt_window_show(struct bt *bt, struct bt_window *w, uint32_t page,
                   uint32_t count, uint32_t host_bits);
/* Makes the mappings of FRAME read-only. */
void bt_window_protect(struct bt *bt, struct bt_window *w, uint32_t frame);
/* Its jump table for flat modes (0) or checked ones (1); NULL: no room. */
struct bt_jt *bt_window_jt(struct bt_window *w, unsigned which);
void bt_jt_set(struct bt_jt *jt, uint32_t eip, uint32_t host);
void bt_window_jt_clear(struct bt_window *w);
void bt_window_jt_forget(struct bt_window *w, uint32_t eip);

/* ---- space.c ------------------------------------------------------------ */

void bt_spaces_fini(struct bt *bt);
/* Makes bt->win the window of the CPU's CR3 and bt->mode, up to date. */
int bt_space_select(struct bt *bt);
/* The window of the CPU's CR3 for accesses as USER; NULL: no room, logged. */
struct bt_window *bt_space_window(struct bt *bt, bool user);
void bt_space_note_walk(struct bt_space *sp, const struct x86_walk *walk);
/* The RAM page of GPA, or UINT32_MAX: not RAM.  *ROM: not writable. */
uint32_t bt_frame(const struct bt *bt, uint64_t gpa, bool *rom);
void bt_space_invlpg(struct bt *bt, uint32_t gla);
void bt_space_drop_all(struct bt *bt);
/* The host shows nothing any more. */
void bt_space_hide_all(struct bt *bt);
void bt_space_protect(struct bt *bt, uint32_t frame);
/* Keeps the number of host mappings bounded. */
void bt_space_evict(struct bt *bt);

/* ---- tlb.c -------------------------------------------------------------- */

enum bt_fill {
    BT_FILL_DONE,
    BT_FILL_EMULATE, /* a fault, or something odd */
    BT_FILL_DEVICE,  /* not memory */
    BT_FILL_CODE,    /* a write to a page of translated code */
};
/* Translated code faulted at GLA: the page is to be there. */
enum bt_fill bt_tlb_fill(struct bt *bt, uint32_t gla, bool write);
/* The RAM page to fetch code from at GLA; BT_NO_FRAME: none, or a fault. */
uint32_t bt_tlb_fetch(struct bt *bt, uint32_t gla);
/* struct emu_hooks.translate: what emu asks before it walks. */
bool bt_tlb_translate(void *opaque, uint32_t gla, enum emu_right right,
                      bool user, uint64_t *gpa);
/* The guest-physical address of RAM page FRAME. */
uint64_t bt_frame_gpa(const struct bt *bt, uint32_t frame);

/* ---- cache.c ------------------------------------------------------------ */

int bt_cache_init(struct bt *bt);
void bt_cache_fini(struct bt *bt);
void bt_cache_flush(struct bt *bt);
/* The block for MODE at EIP in RAM page FRAME, or NULL. */
struct bt_tb *bt_cache_lookup(struct bt *bt, uint32_t eip, uint32_t frame,
                              uint32_t mode);
/* The block whose host code holds the RX address PC; NULL: none. */
struct bt_tb *bt_cache_by_pc(struct bt *bt, uint64_t pc);
unsigned bt_tb_index(const struct bt *bt, const struct bt_tb *tb, uint64_t pc);
/* Is there room for one more block of any size? */
bool bt_cache_room(const struct bt *bt);
void bt_cache_add(struct bt *bt, struct bt_tb *tb);
void bt_cache_kill(struct bt *bt, struct bt_tb *tb);
void bt_cache_chain(struct bt *bt, uint32_t number, struct bt_tb *to);
/* LEN bytes at OFFSET of a RAM page were or will be written. */
void bt_cache_written(struct bt *bt, uint32_t frame, uint32_t offset,
                      uint32_t len);
/* The blocks that hold the byte at OFFSET are to be translated anew. */
void bt_cache_forget(struct bt *bt, uint32_t frame, uint32_t offset);
struct bt_site *bt_cache_site(struct bt *bt, uint64_t gpa, bool create);

static inline uint32_t bt_tb_number(const struct bt *bt, const struct bt_tb *tb)
{
    return (uint32_t)(tb - bt->cache.tb);
}

static inline struct bt_insn *bt_tb_insn(const struct bt *bt,
                                         const struct bt_tb *tb, unsigned i)
{
    return &bt->cache.insn[tb->insn + i];
}

/* Crosses into a page that could not be fetched: to be tried anew each time. */
static inline bool bt_tb_half(const struct bt *bt, const struct bt_tb *tb)
{
    return bt_tb_insn(bt, tb, 0)->why == BT_REASON_CROSSES;
}

/* ---- translate.c -------------------------------------------------------- */

/* Translates for bt->mode at EIP, which is in RAM page FRAME.  Never fails. */
struct bt_tb *bt_translate(struct bt *bt, uint32_t eip, uint32_t frame,
                           uint64_t gpa);
int bt_translate_init(struct bt *bt);

/* ---- check.c ------------------------------------------------------------ */

/* True, or false with the offending instruction logged. */
bool bt_check_block(const struct bt *bt, const uint8_t *host, size_t len);

/* ---- mode.c ------------------------------------------------------------- */

int bt_mode_init(struct bt *bt);
void bt_mode_fini(struct bt *bt);
/* May code be translated in the CPU's mode? */
bool bt_mode_translates(const struct bt *bt);
/* Makes bt->mode the CPU's, which may flush the cache. */
void bt_mode_select(struct bt *bt);
/* Is the CPU still in bt->mode, and may be translated there? */
bool bt_mode_holds(const struct bt *bt);
/* Number of the CPU's mode, or UINT32_MAX: no block was made for it. */
uint32_t bt_mode_find(const struct bt *bt);
struct bt_mode bt_mode_get(const struct bt *bt, uint32_t number);
/* Fills the parts of bt->cpu that say what segments allow. */
void bt_mode_load(struct bt *bt);

/* Is the host address one that a failed limit check touches? */
static inline bool bt_is_limit(const struct bt *bt, uint64_t addr)
{
    return addr - (uint64_t)bt->limits < 2 * BT_WINDOW_SIZE + BT_PAGE;
}

/* ---- native.c ----------------------------------------------------------- */

/* The RAM page behind the one of EIP, if code may be fetched from it. */
uint32_t bt_second_frame(struct bt *bt, uint32_t eip);
/* Runs translated code for at most LIMIT instructions; the state is whole
 * and counted when it returns. */
void bt_native_run(struct bt *bt, uint64_t limit);
bool bt_native_signal(void *opaque, int sig, siginfo_t *info, void *ucontext);

/* ---- bt.c --------------------------------------------------------------- */

/* Has the mode changed, and does the debugger want to know? */
bool bt_mode_stops(const struct bt *bt);
/* How many instructions may run before someone must be asked. */
uint64_t bt_limit(const struct bt *bt);
/* Is an interrupt due before the next instruction? */
bool bt_interrupt_due(const struct bt *bt);

/* ---- points.c ----------------------------------------------------------- */

bool bt_points_armed(const struct bt *bt, const struct debug_ctl *ctl);
int bt_points_arm(struct bt *bt, const struct debug_ctl *ctl);
void bt_points_fini(struct bt *bt);
bool bt_breakpoint_at(const struct bt *bt, uint64_t gla, uint64_t gpa);
/* The same for code at GLA, wherever that is in memory now. */
bool bt_breakpoint_on(struct bt *bt, uint32_t gla);
/* A breakpoint at CS:RIP that is to stop; asks once per arrival. */
bool bt_breakpoint_hits(struct bt *bt);
bool bt_watched(const struct bt *bt, uint32_t gla, uint32_t len);
/* Notes an access in bt->touch if it is watched: a hook of emu's. */
void bt_accessed(void *opaque, uint64_t gla, unsigned len, bool write);
#endif
