/* What a debugger must know of an instruction; decoding is Zydis's. */
#ifndef VMM_X86_INSN_H
#define VMM_X86_INSN_H
#include "vmm/base/base.h"

enum x86_insn_kind {
    X86_INSN_OTHER,
    X86_INSN_CALL,
    X86_INSN_RET,
    X86_INSN_INT, /* INT n, INT3, INTO, SYSENTER, SYSCALL */
    X86_INSN_IRET,
    X86_INSN_JMP,
    X86_INSN_JCC, /* also LOOP and JECXZ */
    X86_INSN_REP, /* a repeated string instruction */
    X86_INSN_HLT,
};

struct x86_insn {
    uint8_t len;
    enum x86_insn_kind kind;
    bool has_target; /* near, direct: target is an offset in CS */
    uint64_t target;
};

/*
 * BYTES (AVAIL of them, 15 are enough) at offset RIP of a code segment of BITS
 * (16, 32, 64).  False: not an instruction, or cut off.
 */
bool x86_insn_decode(struct x86_insn *insn, const uint8_t *bytes, size_t avail,
                     unsigned bits, uint64_t rip);

/*
 * What tells one class of instruction from another: the mnemonic in lower case,
 * and "cr", "dr" or "sreg" if an operand is such a register, "far" for a far
 * transfer: "mov cr", "popf".  False: not an instruction.
 */
bool x86_insn_key(char *buf, size_t len, const uint8_t *bytes, size_t avail,
                  unsigned bits);

/* The same as text in Intel syntax; its length in bytes, 0 if it is none. */
unsigned x86_insn_text(char *buf, size_t len, const uint8_t *bytes,
                       size_t avail, unsigned bits, uint64_t rip);
#endif
