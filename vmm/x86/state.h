/*
 * Architectural state of one x86 CPU, as every accelerator presents it.
 * Names and bits as in the Intel SDM; nothing here calls anything.
 */
#ifndef VMM_X86_STATE_H
#define VMM_X86_STATE_H
#include "vmm/base/base.h"

enum x86_gpr {
    X86_RAX,
    X86_RCX,
    X86_RDX,
    X86_RBX,
    X86_RSP,
    X86_RBP,
    X86_RSI,
    X86_RDI,
    X86_R8,
    X86_R9,
    X86_R10,
    X86_R11,
    X86_R12,
    X86_R13,
    X86_R14,
    X86_R15,
    X86_GPR_COUNT
};

/* In the order of the instruction encoding's sreg field. */
enum x86_sreg {
    X86_ES,
    X86_CS,
    X86_SS,
    X86_DS,
    X86_FS,
    X86_GS,
    X86_SREG_COUNT
};

/* clang-format off */
/* EFLAGS, SDM vol. 1 3.4.3 */
#define X86_EFLAGS_CF   BIT(0)
#define X86_EFLAGS_RES1 BIT(1) /* always 1 */
#define X86_EFLAGS_PF   BIT(2)
#define X86_EFLAGS_AF   BIT(4)
#define X86_EFLAGS_ZF   BIT(6)
#define X86_EFLAGS_SF   BIT(7)
#define X86_EFLAGS_TF   BIT(8)
#define X86_EFLAGS_IF   BIT(9)
#define X86_EFLAGS_DF   BIT(10)
#define X86_EFLAGS_OF   BIT(11)
#define X86_EFLAGS_IOPL (3u << 12)
#define X86_EFLAGS_NT   BIT(14)
#define X86_EFLAGS_RF   BIT(16)
#define X86_EFLAGS_VM   BIT(17)
#define X86_EFLAGS_AC   BIT(18)
#define X86_EFLAGS_VIF  BIT(19)
#define X86_EFLAGS_VIP  BIT(20)
#define X86_EFLAGS_ID   BIT(21)
/* The six arithmetic flags. */
#define X86_EFLAGS_ARITH (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | \
                          X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)

/* Control registers, SDM vol. 3A 2.5 */
#define X86_CR0_PE BIT(0)
#define X86_CR0_MP BIT(1)
#define X86_CR0_EM BIT(2)
#define X86_CR0_TS BIT(3)
#define X86_CR0_ET BIT(4)
#define X86_CR0_NE BIT(5)
#define X86_CR0_WP BIT(16)
#define X86_CR0_AM BIT(18)
#define X86_CR0_NW BIT(29)
#define X86_CR0_CD BIT(30)
#define X86_CR0_PG BIT(31)
#define X86_CR4_VME        BIT(0)
#define X86_CR4_PVI        BIT(1)
#define X86_CR4_TSD        BIT(2)
#define X86_CR4_DE         BIT(3)
#define X86_CR4_PSE        BIT(4)
#define X86_CR4_PAE        BIT(5)
#define X86_CR4_MCE        BIT(6)
#define X86_CR4_PGE        BIT(7)
#define X86_CR4_PCE        BIT(8)
#define X86_CR4_OSFXSR     BIT(9)
#define X86_CR4_OSXMMEXCPT BIT(10)
#define X86_CR4_UMIP       BIT(11)
#define X86_CR4_LA57       BIT(12)
#define X86_CR4_FSGSBASE   BIT(16)
#define X86_CR4_PCIDE      BIT(17)
#define X86_CR4_OSXSAVE    BIT(18)
#define X86_CR4_SMEP       BIT(20)
#define X86_CR4_SMAP       BIT(21)
#define X86_EFER_SCE BIT(0)
#define X86_EFER_LME BIT(8)
#define X86_EFER_LMA BIT(10)
#define X86_EFER_NXE BIT(11)

/* MSR numbers, SDM vol. 4 */
#define X86_MSR_TSC          0x10u
#define X86_MSR_APIC_BASE    0x1bu
#define X86_MSR_SYSENTER_CS  0x174u
#define X86_MSR_SYSENTER_ESP 0x175u
#define X86_MSR_SYSENTER_EIP 0x176u
#define X86_MSR_MISC_ENABLE  0x1a0u
#define X86_MSR_PAT          0x277u
#define X86_MSR_EFER         0xc0000080u
#define X86_MSR_STAR         0xc0000081u
#define X86_MSR_LSTAR        0xc0000082u
#define X86_MSR_CSTAR        0xc0000083u
#define X86_MSR_SFMASK       0xc0000084u
#define X86_MSR_FS_BASE      0xc0000100u
#define X86_MSR_GS_BASE      0xc0000101u
#define X86_MSR_KERNEL_GS    0xc0000102u

/* Exception vectors, SDM vol. 3A 6.3.1 */
enum x86_vector {
    X86_DE = 0, X86_DB = 1, X86_NMI = 2, X86_BP = 3, X86_OF = 4, X86_BR = 5,
    X86_UD = 6, X86_NM = 7, X86_DF = 8, X86_TS = 10, X86_NP = 11, X86_SSEG = 12,
    X86_GP = 13, X86_PF = 14, X86_MF = 16, X86_AC = 17, X86_MC = 18, X86_XM = 19,
    X86_VECTOR_COUNT = 256
};

/* #PF error code, SDM vol. 3A 4.7 */
#define X86_PFERR_P    BIT(0)
#define X86_PFERR_W    BIT(1)
#define X86_PFERR_U    BIT(2)
#define X86_PFERR_RSVD BIT(3)
#define X86_PFERR_I    BIT(4)

/* Segment attributes: descriptor bits 40..55, SDM vol. 3A 3.4.5 */
#define X86_SEG_TYPE(attr) ((attr) & 0xfu)
#define X86_SEG_S          BIT(4)  /* 1: code or data, 0: system */
#define X86_SEG_DPL(attr)  (((attr) >> 5) & 3u)
#define X86_SEG_P          BIT(7)
#define X86_SEG_AVL        BIT(12)
#define X86_SEG_L          BIT(13)
#define X86_SEG_DB         BIT(14) /* D for code, B for stack */
#define X86_SEG_G          BIT(15)
#define X86_SEG_ACCESSED   BIT(0)  /* of a code or data type */
#define X86_SEG_RW         BIT(1)  /* readable code, writable data */
#define X86_SEG_EC         BIT(2)  /* expand-down data, conforming code */
#define X86_SEG_CODE       BIT(3)
#define X86_SEG_UNUSABLE   0       /* a null selector's attr: P clear */
/* clang-format on */

/* A segment register with its hidden part. */
struct x86_seg {
    uint16_t selector;
    uint16_t attr;  /* see X86_SEG_*; P clear: not usable */
    uint32_t limit; /* in bytes, already scaled by G */
    uint64_t base;
};

struct x86_table {
    uint64_t base;
    uint16_t limit;
};

/* An exception or interrupt to be delivered. */
struct x86_event {
    bool valid;
    uint8_t vector;
    bool has_error;
    bool soft;        /* INT n, INT3, INTO: gates' DPL is checked */
    bool external;    /* INTR or NMI: sets EXT in error codes */
    uint8_t insn_len; /* of a soft event: the return address is past it */
    uint32_t error;
};

/* Why the CPU does not fetch. */
enum x86_activity { X86_ACTIVE, X86_HALTED, X86_SHUTDOWN };

struct x86_state {
    uint64_t gpr[X86_GPR_COUNT];
    uint64_t rip;
    uint64_t rflags; /* the whole register, RES1 set */
    struct x86_seg seg[X86_SREG_COUNT];
    struct x86_seg ldt, tr;
    struct x86_table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, cr8, efer;
    uint64_t dr[8]; /* dr[4], dr[5] unused: aliases of 6 and 7 */
    uint64_t apic_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, pat, misc_enable;
    uint64_t tsc; /* value now; written back only by set_state */
    enum x86_activity activity;
    bool sti_shadow;   /* the next instruction is shielded by STI */
    bool movss_shadow; /* ... by MOV SS or POP SS */
    bool nmi_blocked;  /* until the next IRET */
    bool nmi_pending;
    struct x86_event pending; /* accepted but not yet delivered */
    uint64_t pdpte[4];        /* PAE: loaded with CR3, SDM vol. 3A 4.4.1 */
    /* FXSAVE image, 64-bit form (SDM vol. 1 10.5.1): x87, MMX, SSE. */
    uint8_t fxsave[512] __attribute__((aligned(16)));
};

/* State after RESET: SDM vol. 3A table 9-1 (CS:IP = F000:FFF0). */
void x86_state_reset(struct x86_state *st);

/*
 * The segment that DESCRIPTOR describes, SDM vol. 3A 3.4.5.  Of a system
 * descriptor of long mode, its lower half: bits 32-63 of the base are 0.
 */
struct x86_seg x86_seg_decode(uint16_t selector, uint64_t descriptor);

/* Privilege level: SS.DPL, 3 in V86 mode, 0 in real mode. */
static inline unsigned x86_cpl(const struct x86_state *st)
{
    if (!(st->cr0 & X86_CR0_PE))
        return 0;
    if (st->rflags & X86_EFLAGS_VM)
        return 3;
    return X86_SEG_DPL(st->seg[X86_SS].attr);
}

enum x86_mode {
    X86_MODE_REAL,
    X86_MODE_V86,
    X86_MODE_PROT16, /* protected, CS.D = 0 */
    X86_MODE_PROT32,
    X86_MODE_COMPAT16, /* long mode, CS.L = 0 */
    X86_MODE_COMPAT32,
    X86_MODE_LONG64,
};

enum x86_mode x86_mode(const struct x86_state *st);
/* What of the state makes the mode, as bits; other bits are 0. */
enum x86_mode_bit {
    X86_MODE_BIT_PE = BIT(0),
    X86_MODE_BIT_PG = BIT(1),
    X86_MODE_BIT_VM = BIT(2),
    X86_MODE_BIT_LMA = BIT(3),
    X86_MODE_BIT_L = BIT(4), /* of CS */
    X86_MODE_BIT_D = BIT(5), /* of CS */
    X86_MODE_BITS = BIT(6) - 1,
    X86_MODE_CPL = BIT(6) | BIT(7),
};
#define X86_MODE_CPL_SHIFT 6
uint32_t x86_mode_bits(const struct x86_state *st);
const char *x86_mode_name(enum x86_mode mode); /* "real", "prot32", ... */

/* The base that offsets in CS are added to: 0 in 64-bit code. */
uint64_t x86_code_base(const struct x86_state *st);
/* Linear address of the next instruction. */
uint64_t x86_linear_rip(const struct x86_state *st);

/* May a linear address be so in long mode (SDM vol. 1 3.3.7.1)? */
static inline bool x86_is_canonical(const struct x86_state *st, uint64_t gla)
{
    unsigned bits = st->cr4 & X86_CR4_LA57 ? 57 : 48;

    return gla + BIT64(bits - 1) < BIT64(bits);
}

/* Default operand size of CS in bits: 16, 32 or 64. */
unsigned x86_code_bits(const struct x86_state *st);
#endif
