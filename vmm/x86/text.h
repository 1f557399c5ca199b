/* Bits spelt as in the manuals: upper case is set, lower case clear. */
#ifndef VMM_X86_TEXT_H
#define VMM_X86_TEXT_H
#include "vmm/x86/state.h"

/* "id vip vif ac vm rf nt IOPL=0 of df IF tf sf ZF af PF cf" */
void x86_eflags_text(char *buf, size_t len, uint64_t rflags);
/* "PG cd nw am WP NE ET ts em mp PE" */
void x86_cr0_text(char *buf, size_t len, uint64_t cr0);
void x86_cr4_text(char *buf, size_t len, uint64_t cr4);
void x86_efer_text(char *buf, size_t len, uint64_t efer);
/* "code32 r-x dpl 0 accessed"; LONG_MODE: system types are EFER.LMA's. */
void x86_attr_text(char *buf, size_t len, uint16_t attr, bool long_mode);
/* "#PF", or "vector 32" */
void x86_vector_text(char *buf, size_t len, unsigned vector);
/* "read by supervisor: page not present" */
void x86_pferr_text(char *buf, size_t len, uint32_t error);
/* A page-table entry's low bits: "P W u a D ps g" */
void x86_pte_text(char *buf, size_t len, uint64_t entry);
#endif
