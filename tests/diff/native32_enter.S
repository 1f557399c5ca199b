/*
 * Into a sequence and out of it, every register the guest's.  Absolute
 * addresses only: no register is free, and ESP may be anything.
 */
    .data
    .globl native32_regs, native32_fxsave
    .balign 16
native32_fxsave:
    .space 512
native32_regs:
    .space 52
#define REG(n)   native32_regs + 4*(n)
#define EFLAGS   native32_regs + 32
#define EIP      native32_regs + 36
#define HOST_ESP native32_regs + 40
#define SEGMENT  native32_regs + 44
#define FLAT     native32_regs + 48

    .text
    .globl _start, native32_enter, native32_end, native32_return

_start:
    call native32_main
    hlt

native32_enter:
    push %ebp
    push %ebx
    push %esi
    push %edi
    mov  %esp, HOST_ESP
    fxrstor native32_fxsave
    mov  REG(0), %eax
    mov  REG(1), %ecx
    mov  REG(2), %edx
    mov  REG(3), %ebx
    mov  REG(5), %ebp
    mov  REG(6), %esi
    mov  REG(7), %edi
    pushl EFLAGS
    popf
    mov  %cs:SEGMENT, %ds
    mov  %cs:SEGMENT, %es
    mov  %cs:SEGMENT, %ss
    mov  %cs:REG(4), %esp
    jmp  *%cs:EIP

native32_end:
    mov  %cs:FLAT, %ds
    mov  %cs:FLAT, %es
    mov  %esp, REG(4)
    mov  %cs:FLAT, %ss
    mov  HOST_ESP, %esp
    pushf
    popl EFLAGS
    mov  %eax, REG(0)
    mov  %ecx, REG(1)
    mov  %edx, REG(2)
    mov  %ebx, REG(3)
    mov  %ebp, REG(5)
    mov  %esi, REG(6)
    mov  %edi, REG(7)
    fxsave native32_fxsave
native32_return:
    cld
    fninit
    mov  HOST_ESP, %esp
    pop  %edi
    pop  %esi
    pop  %ebx
    pop  %ebp
    ret

    .section .note.GNU-stack,"",@progbits
